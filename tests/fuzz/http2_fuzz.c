/*
 * What an HTTP/2 peer may send to requests under way.  The first byte says how many requests, with
 * which bodies, the second how the bytes are cut, the third when one of them is given up.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"
#include "client/http2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAMS = 3 };

struct request {
    struct http2_stream s;
    int firsts, sents, ends;
};

static void on_event(struct http2_stream *s, enum http2_event e)
{
    struct request *r = CONTAINER_OF(s, struct request, s);
    CHECK(r->ends == 0);
    r->firsts += e == HTTP2_FIRST;
    r->sents += e == HTTP2_SENT;
    r->ends += e == HTTP2_ENDED;
    CHECK(r->firsts <= 1 && r->sents <= 1);
    CHECK((s->how != HTTP2_OPEN) == (e == HTTP2_ENDED));
}

static void submit(struct http2 *h, struct request *r, unsigned flags)
{
    static const struct http_header headers[] = {
        {{"Cookie", 6}, {"a=1; b=2;; c", 12}},
        {{"X-Y", 3}, {" z ", 3}},
        {{"Connection", 10}, {"close", 5}},
    };
    *r = (struct request){.firsts = 0};
    http2_stream_init(&r->s);
    r->s.on_event = on_event;
    r->s.discard = flags & 8;
    r->s.body_max = 4096;
    if (flags & 4)
        r->s.body = STR("the request's body");
    struct http1_request q = {
        .method = flags & 16 ? STR("HEAD") : STR("POST"),
        .target = STR("/"),
        .host = STR("localhost"),
        .user_agent = STR("fuzz"),
        .headers = headers,
        .headers_len = ARRAY_LEN(headers),
        .content_length = (int64_t)r->s.body.len,
    };
    CHECK(http2_submit(h, &q, STR("https"), &r->s) == 0);
}

static int drain(struct http2 *h)
{
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1 << 20);
    int rc;
    do {
        buf_reset(&out);
        rc = http2_fill(h, &out);
    } while (rc == 0 && out.len > 0);
    return rc;
}

/* An end is one, and what is there of a response can be looked at. */
static void look(struct request *r)
{
    CHECK(r->ends <= 1 && (r->s.how != HTTP2_OPEN) == (r->ends == 1));
    CHECK(r->s.how != HTTP2_WHOLE || (r->s.head_done && r->s.status >= 200));
    CHECK(r->s.text.len <= r->s.body_max && (!r->s.discard || r->s.text.len == 0));
    if (!r->s.head_done)
        return;
    struct http_response res = {0};
    struct http_header header;
    size_t cursor = 0;
    CHECK(http2_stream_take(&r->s, &res) == 0 && res.status_text.len >= 4);
    while (http_response_next(&res, &cursor, &header))
        CHECK(header.name.len > 0);
    http_response_fini(&res);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    unsigned flags = data[0], n = 1 + flags % STREAMS;
    size_t cut = data[1] ? data[1] : size, give_up_at = data[2];
    struct request r[STREAMS];
    struct http2 *h;
    CHECK(http2_new(&h) == 0);
    for (unsigned i = 0; i < n; i++)
        submit(h, &r[i], flags);
    int rc = flags & 32 ? 0 : drain(h);
    for (size_t at = 3; at < size && rc == 0; at += cut) {
        rc = http2_feed(h, data + at, cut < size - at ? cut : size - at);
        if (give_up_at-- == 0)
            http2_cancel(&r[0].s);
        if (rc == 0)
            rc = drain(h);
    }
    CHECK(rc == 0 || http2_is_over(h));
    (void)http2_has_room(h);
    for (unsigned i = 0; i < n; i++) {
        http2_cancel(&r[i].s);
        look(&r[i]);
        http2_stream_fini(&r[i].s);
    }
    (void)drain(h);
    http2_free(h);
    return 0;
}
