#include "client/http1.h"

#include "client_test.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>

struct good {
    const char *bytes;
    bool head_request;
    int status;
    const char *text, *body;
    bool keep_alive, needs_close;
};

static const struct good goods[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, "200 OK", "hello", true,
     false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, 200, "200 OK", "", true, false},
    {"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", false, 200, "200", "x", true, false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", false, 200, "200 OK",
     "hello", false, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, 200, "200 OK", "hi", false, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi", false, 200,
     "200 OK", "hi", true, false},
    {"HTTP/1.1 200 OK\r\n\r\nuntil the end", false, 200, "200 OK", "until the end", false, true},
    {"HTTP/1.1 204 No Content\r\n\r\n", false, 204, "204 No Content", "", true, false},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", false, 304, "304 Not Modified", "",
     true, false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true, 200, "200 OK", "", true, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, 200, "200 OK", "", true, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n "
     "world\r\n0\r\n\r\n",
     false, 200, "200 OK", "hello world", true, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n",
     false, 200, "200 OK", "abc", true, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, 200, "200 OK", "",
     true, false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: "
     "chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
     false, 200, "200 OK", "a", true, false},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
     false, 200, "200 OK", "ok", true, false},
    {"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", false, 200, "200 OK", "ok", true, false},
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", false, 101,
     "101 Switching Protocols", "", false, false},
    {"HTTP/1.1 404 Not Found\r\ncontent-length:3\r\n\r\nno!", false, 404, "404 Not Found", "no!",
     true, false},
};

/* Feeds `bytes` in two pieces, the first of `split` bytes, or one by one when split is 0. */
static int feed(struct http1_reader *r, const char *bytes, size_t len, size_t split)
{
    int rc = HTTP1_MORE;
    for (size_t at = 0; at < len && rc == HTTP1_MORE;) {
        size_t n = split == 0 ? 1 : at == 0 ? split : len - at;
        rc = http1_reader_feed(r, bytes + at, n);
        at += n;
    }
    return rc;
}

static void check_good(const struct good *g, size_t split, bool no_scan)
{
    struct http1_reader r;
    http1_reader_init(&r, g->head_request, false, 1000);
    r.no_scan = no_scan;
    int rc = feed(&r, g->bytes, strlen(g->bytes), split);
    if (g->needs_close) {
        assert_int_equal(rc, HTTP1_MORE);
        rc = http1_reader_eof(&r);
    }
    assert_int_equal(rc, HTTP1_DONE);
    assert_int_equal(r.keep_alive, g->keep_alive);
    struct http_response res = {0};
    http1_reader_take(&r, &res);
    assert_int_equal(res.status, g->status);
    assert_str(res.status_text, g->text);
    assert_str(res.body, g->body);
    assert_int_equal(res.body.ptr[res.body.len], '\0');
    http_response_fini(&res);
    http1_reader_fini(&r);
}

static void test_whole_and_split_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(goods); i++) {
        size_t len = strlen(goods[i].bytes);
        check_good(&goods[i], len, true);
        check_good(&goods[i], len, false);
        for (size_t split = 0; split <= len; split++)
            check_good(&goods[i], split, split % 2 == 0);
    }
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *message;
        int rc;
    } cases[] = {
        {"SSH-2.0-OpenSSH\r\n", "malformed HTTP response \"SSH-2.0-OpenSSH\"", E_PROTOCOL},
        {"HTTP/1.1 abc OK\r\n\r\n", "malformed HTTP status code \"abc\"", E_PROTOCOL},
        {"HTTP/1.1 20 OK\r\n\r\n", "malformed HTTP status code \"20\"", E_PROTOCOL},
        {"HTTP/9.9 200 OK\r\n\r\n", "malformed HTTP version \"HTTP/9.9\"", E_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
         "malformed MIME header: missing colon: \"bad header\"", E_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: odd\r\n\r\n",
         "unsupported transfer encoding: \"odd\"", E_PROTOCOL},
        {"HTTP/1.1 200 OK\r\n a: b\r\n\r\n", "malformed MIME header initial line: a: b",
         E_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "bad Content-Length \"x\"", E_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
         "bad Content-Length \"2\"", E_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
         "invalid byte in chunk length", E_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
         "malformed chunked encoding", E_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n", NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t split = 0; split <= strlen(cases[i].bytes); split++) {
            struct http1_reader r;
            http1_reader_init(&r, false, false, 1000);
            int rc = feed(&r, cases[i].bytes, strlen(cases[i].bytes), split);
            assert_int_equal(rc, cases[i].rc);
            if (rc < 0 && split == strlen(cases[i].bytes))
                assert_string_equal(err_message(), cases[i].message);
            http1_reader_fini(&r);
        }
    }
}

static void test_broken_off(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *message, *body;
    } cases[] = {
        {"", "EOF", NULL},
        {"HTTP/1.1 2", "unexpected EOF", NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "unexpected EOF", "hel"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "unexpected EOF", "hel"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http1_reader r;
        http1_reader_init(&r, false, false, 1000);
        assert_int_equal(http1_reader_feed(&r, cases[i].bytes, strlen(cases[i].bytes)), HTTP1_MORE);
        assert_int_equal(http1_reader_eof(&r), E_EOF);
        assert_string_equal(err_message(), cases[i].message);
        if (cases[i].body) {
            struct http_response res = {0};
            http1_reader_take(&r, &res);
            assert_str(res.body, cases[i].body);
            http_response_fini(&res);
        }
        http1_reader_fini(&r);
    }
}

static void test_bytes_behind_the_end_spoil_the_connection(void **state)
{
    (void)state;
    struct http1_reader r;
    http1_reader_init(&r, false, false, 1000);
    static const char bytes[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n";
    assert_int_equal(http1_reader_feed(&r, bytes, sizeof bytes - 1), HTTP1_DONE);
    assert_false(r.keep_alive);
    http1_reader_fini(&r);
}

static void test_limits(void **state)
{
    (void)state;
    struct http1_reader r;
    http1_reader_init(&r, false, false, 4);
    static const char body[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    assert_int_equal(http1_reader_feed(&r, body, sizeof body - 1), E_LIMIT);
    http1_reader_fini(&r);

    http1_reader_init(&r, false, false, 4);
    int rc = http1_reader_feed(&r, "HTTP/1.1 200 OK\r\n", 17);
    static const char line[] =
        "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
    for (int i = 0; i < HTTP_HEAD_MAX && rc == HTTP1_MORE; i++)
        rc = http1_reader_feed(&r, line, sizeof line - 1);
    assert_int_equal(rc, E_LIMIT);
    assert_non_null(strstr(err_message(), "server response headers exceeded"));
    http1_reader_fini(&r);
}

static void test_discarded(void **state)
{
    (void)state;
    for (size_t split = 0; split < 60; split++) {
        struct http1_reader r;
        http1_reader_init(&r, false, true, 2); /* more than may be kept */
        static const char bytes[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_int_equal(feed(&r, bytes, sizeof bytes - 1, MIN(split, sizeof bytes - 1)),
                         HTTP1_DONE);
        assert_int_equal(r.wire_len, 5);
        assert_true(r.keep_alive);
        http1_reader_fini(&r);
    }
}

/* A large body is read in place: room, claim. */
static void test_room(void **state)
{
    (void)state;
    struct http1_reader r;
    http1_reader_init(&r, false, false, 100000);
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n";
    size_t len;
    assert_null(http1_reader_room(&r, &len));
    assert_int_equal(http1_reader_feed(&r, head, sizeof head - 1), HTTP1_MORE);
    size_t total = 0;
    int rc = HTTP1_MORE;
    while (rc == HTTP1_MORE) {
        uint8_t *p = http1_reader_room(&r, &len);
        if (p) {
            len = MIN(len, (size_t)3000);
            memset(p, 'a' + (int)(total % 26), len);
            rc = http1_reader_claim(&r, len);
        } else {
            uint8_t few[2000];
            len = MIN(sizeof few, (size_t)r.body_left);
            memset(few, 'a' + (int)(total % 26), len);
            rc = http1_reader_feed(&r, few, len);
        }
        total += len;
    }
    assert_int_equal(rc, HTTP1_DONE);
    assert_int_equal(total, 50000);
    struct http_response res = {0};
    http1_reader_take(&r, &res);
    assert_int_equal(res.body.len, 50000);
    assert_int_equal(res.body.ptr[3000], 'a' + 3000 % 26);
    http_response_fini(&res);
    http1_reader_fini(&r);
}

static void test_headers(void **state)
{
    (void)state;
    struct http1_reader r;
    http1_reader_init(&r, false, false, 10);
    static const char bytes[] = "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nX-LOWER:  v \r\n"
                                "Set-Cookie: b=2\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(http1_reader_feed(&r, bytes, sizeof bytes - 1), HTTP1_DONE);
    assert_true(r.may_have_cookies);
    struct http_response res = {0};
    http1_reader_take(&r, &res);
    static const char *const want[][2] = {
        {"Set-Cookie", "a=1"}, {"X-Lower", "v"}, {"Set-Cookie", "b=2"}, {"Content-Length", "0"}};
    size_t cursor = 0;
    struct http_header h;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(http_response_next(&res, &cursor, &h));
        assert_str(h.name, want[i][0]);
        assert_str(h.value, want[i][1]);
    }
    assert_false(http_response_next(&res, &cursor, &h));
    assert_str(http_response_header(&res, "x-lower"), "v");
    assert_null(http_response_header(&res, "Absent").ptr);
    http_response_fini(&res);
    http1_reader_fini(&r);
}

static void test_folded_lines(void **state)
{
    (void)state;
    struct http1_reader r;
    http1_reader_init(&r, false, false, 10);
    static const char bytes[] = "HTTP/1.1 200 OK\r\nX: one \r\n  two: 2\r\n\tthree\r\nY: z\r\n"
                                "Content-Length: 0\r\n\r\n";
    assert_int_equal(http1_reader_feed(&r, bytes, sizeof bytes - 1), HTTP1_DONE);
    struct http_response res = {0};
    http1_reader_take(&r, &res);
    for (int again = 0; again < 2; again++) { /* the first walk changes the head's text */
        size_t cursor = 0;
        struct http_header h;
        assert_true(http_response_next(&res, &cursor, &h));
        assert_str(h.name, "X");
        assert_str(h.value, "one two: 2 three");
        assert_true(http_response_next(&res, &cursor, &h));
        assert_str(h.name, "Y");
        assert_str(h.value, "z");
    }
    http_response_fini(&res);
    http1_reader_fini(&r);
}

static void test_write(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 1000);
    const struct http_header headers[] = {{STR("Accept"), STR(" */* ")}, {STR("X-Y"), STR("")}};
    const struct http1_request r = {
        .method = STR("POST"),
        .target = STR("/p?q"),
        .host = STR("h:1"),
        .user_agent = STR("ua"),
        .headers = headers,
        .headers_len = 2,
        .content_length = 12345678901,
    };
    http1_write_head(&b, &r);
    assert_str(buf_view(&b), "POST /p?q HTTP/1.1\r\nHost: h:1\r\nUser-Agent: ua\r\n"
                             "Content-Length: 12345678901\r\nAccept: */*\r\nX-Y: \r\n\r\n");
}

static void test_what_may_not_be_sent(void **state)
{
    (void)state;
    assert_int_equal(http1_check_method(STR("GE T")), -EINVAL);
    assert_string_equal(err_message(), "net/http: invalid method \"GE T\"");
    assert_int_equal(http1_check_method(STR("")), -EINVAL);
    assert_int_equal(http1_check_method(STR("purge")), 0);
    assert_int_equal(http1_check_header((struct http_header){STR("a b"), STR("x")}), -EINVAL);
    assert_string_equal(err_message(), "net/http: invalid header field name \"a b\"");
    assert_int_equal(http1_check_header((struct http_header){STR("A"), STR("x\r\nB: y")}), -EINVAL);
    assert_string_equal(err_message(), "net/http: invalid header field value for \"A\"");
    assert_int_equal(http1_check_header((struct http_header){STR("A"), STR("t\tab \xc3\xa9")}), 0);
}

static void test_canonical(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"content-type", "Content-Type"},
                                           {"WWW-AUTHENTICATE", "Www-Authenticate"},
                                           {"x_y-z", "X_y-Z"},
                                           {"a b", "a b"},
                                           {"", ""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char name[32];
        size_t len = strlen(cases[i][0]);
        memcpy(name, cases[i][0], len);
        http_canonical_name(name, len);
        assert_str(str_new(name, len), cases[i][1]);
    }
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    static const char bytes[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                                "chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    int rc = -ENOMEM;
    int n = 0;
    for (; rc < 0; n++) {
        assert_true(n < 200);
        struct http1_reader r;
        http1_reader_init(&r, false, false, 1000);
        mem_fail_countdown = n;
        rc = feed(&r, bytes, sizeof bytes - 1, 0);
        mem_fail_countdown = -1;
        assert_true(rc == -ENOMEM || rc == HTTP1_DONE);
        http1_reader_fini(&r);
    }
    assert_true(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_and_split_everywhere),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_broken_off),
        cmocka_unit_test(test_bytes_behind_the_end_spoil_the_connection),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_discarded),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_folded_lines),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_what_may_not_be_sent),
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
