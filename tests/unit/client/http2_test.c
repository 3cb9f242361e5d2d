#include "client/http2.h"

#include "client_test.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>

/* Frames by hand: what a server says.  9 bytes of length, type, flags and stream, then the rest. */
#define SETTINGS "\0\0\0\4\0\0\0\0\0"
#define STATUS   "\x88" /* :status 200 */

struct request {
    struct http2_stream s;
    int ends, sents;
};

static void on_event(struct http2_stream *s, enum http2_event e)
{
    struct request *r = CONTAINER_OF(s, struct request, s);
    r->ends += e == HTTP2_ENDED;
    r->sents += e == HTTP2_SENT;
}

static int submit(struct http2 *h, struct request *r, const char *body)
{
    static const struct http_header headers[] = {{{"Cookie", 6}, {"a=1; b=2", 8}},
                                                 {{"X-Upper", 7}, {"V", 1}}};
    *r = (struct request){.ends = 0};
    http2_stream_init(&r->s);
    r->s.on_event = on_event;
    r->s.body = str_of(body);
    r->s.body_max = 100;
    struct http1_request q = {
        .method = STR("POST"),
        .target = STR("/p"),
        .host = STR("h"),
        .user_agent = STR("u"),
        .headers = headers,
        .headers_len = ARRAY_LEN(headers),
        .content_length = (int64_t)strlen(body),
    };
    return http2_submit(h, &q, STR("https"), &r->s);
}

static int fill(struct http2 *h)
{
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1 << 20);
    return http2_fill(h, &out);
}

#define FEED(h, bytes) http2_feed(h, bytes, sizeof(bytes) - 1)

/* One request and its response; what the first thing that failed said. */
static int scenario(void)
{
    static const char answer[] = SETTINGS "\0\0\1\1\4\0\0\0\1" STATUS "\0\0\4\0\1\0\0\0\1"
                                          "fine";
    struct http2 *h;
    struct request r;
    int rc = http2_new(&h);
    if (rc < 0)
        return rc;
    rc = submit(h, &r, "body");
    if (rc == 0)
        rc = fill(h);
    if (rc == 0)
        rc = FEED(h, answer);
    if (rc == 0 && r.s.how == HTTP2_OPEN)
        rc = fill(h);
    if (rc == 0 && r.s.how == HTTP2_WHOLE) {
        struct http_response res = {0};
        rc = http2_stream_take(&r.s, &res);
        if (rc == 0) {
            assert_str(res.status_text, "200 OK");
            assert_str(res.body, "fine");
            assert_string_equal(res.proto, "HTTP/2.0");
        }
        http_response_fini(&res);
    } else if (rc == 0) {
        rc = -ENOMEM; /* the stream has ended, or the connection, without an answer */
    }
    http2_cancel(&r.s);
    http2_stream_fini(&r.s);
    http2_free(h);
    return rc;
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    int n = 0, rc;
    do {
        mem_fail_countdown = n++;
        rc = scenario();
        mem_fail_countdown = -1;
    } while (rc != 0 && n < 1000);
    assert_int_equal(rc, 0);
    assert_true(n > 10);
}

static void test_streams_side_by_side(void **state)
{
    (void)state;
    static const char answers[] =
        SETTINGS "\0\0\1\1\4\0\0\0\3" STATUS "\0\0\1\1\4\0\0\0\1" STATUS "\0\0\1\0\0\0\0\0\1"
                 "a\0\0\2\0\1\0\0\0\3"
                 "bb\0\0\1\0\1\0\0\0\1"
                 "c";
    struct http2 *h;
    struct request one, two;
    assert_int_equal(http2_new(&h), 0);
    assert_int_equal(submit(h, &one, "x"), 0);
    assert_int_equal(submit(h, &two, ""), 0);
    assert_true(http2_has_room(h));
    assert_int_equal(fill(h), 0);
    assert_int_equal(one.sents + two.sents, 2);
    for (size_t i = 0; i + 1 < sizeof answers; i++)
        assert_int_equal(http2_feed(h, answers + i, 1), 0);
    assert_int_equal(one.ends, 1);
    assert_int_equal(two.ends, 1);
    assert_str(buf_view(&one.s.text), "ac");
    assert_str(buf_view(&two.s.text), "bb");
    http2_stream_fini(&one.s);
    http2_stream_fini(&two.s);
    http2_free(h);
}

static void test_goaway(void **state)
{
    (void)state;
    static const char bye[] = SETTINGS "\0\0\x0b\7\0\0\0\0\0"
                                       "\0\0\0\1\0\0\0\x0b"
                                       "o\"k";
    struct http2 *h;
    struct request one, two;
    char text[200];
    uint32_t code;
    assert_int_equal(http2_new(&h), 0);
    assert_int_equal(submit(h, &one, ""), 0);
    assert_int_equal(submit(h, &two, ""), 0);
    assert_int_equal(fill(h), 0);
    assert_int_equal(FEED(h, bye), 0);
    assert_int_equal(one.s.how, HTTP2_OPEN);
    assert_int_equal(two.s.how, HTTP2_UNSEEN);
    assert_false(http2_is_good(h) || http2_has_room(h) || http2_is_over(h));
    assert_true(http2_goaway(h, &code, text, sizeof text));
    assert_int_equal(code, 11);
    assert_string_equal(text, "http2: server sent GOAWAY and closed the connection; "
                              "LastStreamID=1, ErrCode=ENHANCE_YOUR_CALM, debug=\"o\\\"k\"");
    http2_cancel(&one.s);
    http2_stream_fini(&one.s);
    http2_stream_fini(&two.s);
    http2_free(h);
}

static void test_ends(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        enum http2_how how;
        uint32_t code;
    } cases[] = {
#define CASE(bytes, how, code) {SETTINGS bytes, sizeof(SETTINGS bytes) - 1, how, code}
        CASE("\0\0\4\3\0\0\0\0\1\0\0\0\7", HTTP2_RESET, 7),
        CASE("\0\0\4\3\0\0\0\0\1\0\0\0\x2a", HTTP2_RESET, 42),
        CASE("\0\0\1\1\5\0\0\0\1" STATUS, HTTP2_WHOLE, 0),
        CASE("\0\0\1\1\5\0\0\0\1\x84", HTTP2_BROKEN, 1),
        CASE("\0\0\1\1\4\0\0\0\1" STATUS "\0\0\x96\0\0\0\0\0\1", HTTP2_OPEN, 0),
        CASE("\0\0\7\6\0\0\0\0\0\0\0\0\0\0\0\0", HTTP2_VIOLATION, 6),
        CASE("\0\x50\0\0\0\0\0\0\1", HTTP2_FRAME_TOO_LARGE, 6),
        CASE("\0\0\5\5\4\0\0\0\1\0\0\0\2" STATUS, HTTP2_VIOLATION, 1),
#undef CASE
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http2 *h;
        struct request r;
        assert_int_equal(http2_new(&h), 0);
        assert_int_equal(submit(h, &r, ""), 0);
        assert_int_equal(fill(h), 0);
        (void)!http2_feed(h, cases[i].bytes, cases[i].len);
        (void)!fill(h);
        assert_int_equal(r.s.how, cases[i].how);
        assert_int_equal(r.s.code, cases[i].code);
        http2_cancel(&r.s);
        http2_stream_fini(&r.s);
        http2_free(h);
    }
}

static void test_words(void **state)
{
    (void)state;
    char room[32];
    assert_string_equal(http2_code_text(0, room), "NO_ERROR");
    assert_string_equal(http2_code_text(13, room), "HTTP_1_1_REQUIRED");
    assert_string_equal(http2_code_text(14, room), "unknown error code 0xe");
    assert_string_equal(http2_status_text(418), "I'm a teapot");
    assert_string_equal(http2_status_text(599), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_streams_side_by_side),
        cmocka_unit_test(test_goaway),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
