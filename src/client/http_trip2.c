/* One round trip by HTTP/2, and what its ends mean: in Go's words, with k6's codes. */
#include "client/http_int.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "client/http2_conn.h"

/* RFC 9113's codes that are looked at here. */
enum { NO_ERROR = 0, PROTOCOL_ERROR = 1, REFUSED_STREAM = 7, LAST_CODE = 13 };

/* k6's code for one of HTTP/2's: `base` is the one for those that have no name. */
static int k6_code(int base, uint32_t code)
{
    return code > LAST_CODE ? base : base + 1 + (int)code;
}

static int fail_code(struct http_call *k, int base, uint32_t code, const char *what)
{
    char room[32], text[128];
    snprintf(text, sizeof text, "http2: %s with http2 ErrCode %s", what,
             http2_code_text(code, room));
    return http_fail(k, E_PROTOCOL, k6_code(base, code), text);
}

static int fail_stream(struct http_call *k, const struct http2_stream *s, uint32_t code,
                       const char *cause)
{
    char room[32];
    (void)err_set(E_PROTOCOL, "stream error: stream ID %d; %s%s%s", s->id,
                  http2_code_text(code, room), cause ? "; " : "", cause ? cause : "");
    return fail_code(k, HTTP_ERROR_HTTP2_STREAM, code, "stream error");
}

static int fail_words(struct http_call *k, int rc, const char *words)
{
    return http_fail_plain(k, err_set(rc, "%s", words), HTTP_ERROR_DEFAULT);
}

/* GOAWAY, and this request comes behind the last one that the peer has looked at. */
static int fail_unseen(struct http_call *k, const struct http2_stream *s, bool *ret_again)
{
    char room[32], text[128];
    /* A peer that says so to the first request would say it to the next first one, too. */
    *ret_again = s->id != 1 || s->code == NO_ERROR;
    if (*ret_again)
        return fail_words(k, E_UNAVAILABLE,
                          "http2: Transport received Server's graceful shutdown GOAWAY");
    snprintf(text, sizeof text, "http2: Transport received GOAWAY from server ErrCode:%s",
             http2_code_text(s->code, room));
    return fail_words(k, E_UNAVAILABLE, text);
}

static int fail_too_large(struct http_call *k, const struct http2_stream *s)
{
    char text[64];
    if (!s->head_done)
        return fail_stream(k, s, PROTOCOL_ERROR,
                           "http2: response header list larger than advertised limit");
    snprintf(text, sizeof text, "response body is larger than %zu bytes", s->body_max);
    return fail_words(k, E_LIMIT, text);
}

/* 0, or how the stream failed. */
static int judge(struct http_call *k, const struct http2_stream *s, bool *ret_again)
{
    char room[32];
    switch (s->how) {
    case HTTP2_OPEN:
    case HTTP2_WHOLE:
        return 0;
    case HTTP2_RESET:
        *ret_again = !s->head_done && (s->code == REFUSED_STREAM || s->code == PROTOCOL_ERROR);
        return fail_stream(k, s, s->code, "received from peer");
    case HTTP2_BROKEN:
        return fail_stream(k, s, s->code, NULL);
    case HTTP2_SHORT:
        return fail_words(k, E_EOF, "unexpected EOF");
    case HTTP2_LONG:
        return fail_words(k, E_PROTOCOL,
                          "net/http: server replied with more than declared Content-Length; "
                          "truncated");
    case HTTP2_TOO_LARGE:
        return fail_too_large(k, s);
    case HTTP2_UNSEEN:
        return fail_unseen(k, s, ret_again);
    case HTTP2_VIOLATION:
        (void)err_set(E_PROTOCOL, "connection error: %s", http2_code_text(s->code, room));
        return fail_code(k, HTTP_ERROR_HTTP2_CONNECTION, s->code, "connection error");
    case HTTP2_FRAME_TOO_LARGE:
        return fail_words(k, E_PROTOCOL, "http2: frame too large");
    case HTTP2_UNSENDABLE:
        return fail_words(k, E_LIMIT,
                          "http2: request header list larger than peer's advertised limit");
    case HTTP2_NO_MEMORY:
        return fail_words(k, -ENOMEM, "out of memory");
    }
    return 0;
}

/* The connection ended under it. */
static int fail_lost(struct http_call *k, const struct http_conn *conn, int rc)
{
    char text[256];
    uint32_t code;
    if (rc == -ECANCELED || rc == -ETIMEDOUT ||
        !http2_conn_goaway(conn->h2, &code, text, sizeof text))
        return http_fail_io(k, rc, "read");
    (void)err_set(rc, "%s", text);
    char room[32], words[128];
    snprintf(words, sizeof words, "http2: received GoAway with http2 ErrCode %s",
             http2_code_text(code, room));
    return http_fail(k, rc, k6_code(HTTP_ERROR_HTTP2_GOAWAY, code), words);
}

static int refuse_header(struct http_call *k, struct http_header h)
{
    CLEANUP(buf_fini) struct buf quoted;
    buf_init(&quoted, ERR_MESSAGE_MAX);
    url_append_quoted(&quoted, h.value);
    char text[256];
    snprintf(text, sizeof text, "invalid %.*s request header: [%.*s]", STR_ARG(h.name),
             STR_ARG(buf_view(&quoted)));
    (void)err_set(-EINVAL, "http2: %s", text);
    return http_fail(k, -EINVAL, HTTP_ERROR_DEFAULT, text);
}

/* Headers that only make sense to HTTP/1: some values are passed over, others refused. */
static int check_headers(struct http_call *k)
{
    for (size_t i = 0; i < k->req->headers_len; i++) {
        struct http_header h = k->req->headers[i];
        bool coding = http_name_is(h.name, "Upgrade") || http_name_is(h.name, "Transfer-Encoding");
        if (coding && h.value.len > 0 && !str_eqz(h.value, "chunked"))
            return refuse_header(k, h);
        if (http_name_is(h.name, "Connection") && h.value.len > 0 &&
            !str_ieq(h.value, STR("close")) && !str_ieq(h.value, STR("keep-alive")))
            return refuse_header(k, h);
    }
    return 0;
}

/* As it would go out by HTTP/1.1, which is what k6 shows. */
static void show_request(struct http_call *k, const struct http_head *h)
{
    if (!k->req->on_wire)
        return;
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, HTTP_REQUEST_HEAD_MAX);
    http1_write_head(&text, &h->req);
    k->req->on_wire(k->req->on_trip_arg,
                    &(struct http_wire){.head = buf_view(&text),
                                        .body = k->send_body ? k->req->body : STR_EMPTY});
}

static int take_response(struct http_call *k, struct http2_stream *s, const struct http_conn *conn)
{
    struct http_response *ret = k->ret;
    if (!s->head_done)
        return 0;
    k->cookies_may_be_there = s->may_have_cookies;
    k->location_may_be_there = s->may_have_location;
    k->encoding_may_be_there = s->may_have_encoding;
    int rc = http2_stream_take(s, ret);
    if (rc < 0)
        return http_fail_plain(k, rc, HTTP_ERROR_DEFAULT);
    int status = ret->status;
    ret->has_body = !s->discard && status >= 200 && status != 204 && status != 304;
    if (!ret->has_body)
        ret->body = STR_EMPTY;
    if (s->how == HTTP2_WHOLE)
        http_trip_note_tls(k, conn);
    return 0;
}

/* Sends it and waits; what came of it is in `x`. */
static int exchange(struct http_call *k, struct http_conn *conn, struct http2_exchange *x,
                    bool *ret_again)
{
    CLEANUP(http_head_fini) struct http_head h;
    int rc = http_head_collect(k, &h);
    if (rc == 0)
        rc = check_headers(k);
    if (rc < 0)
        return rc;
    show_request(k, &h);
    x->stream.body = k->send_body ? k->req->body : STR_EMPTY;
    x->stream.discard = k->req->body_mode == HTTP_BODY_DISCARD;
    x->stream.body_max = k->req->body_max ? k->req->body_max : (size_t)HTTP_BODY_MAX;
    rc = http2_conn_do(conn->h2, &h.req, k->url->scheme, x, k->deadline_ns);
    k->wrote_ns = x->wrote_ns;
    k->first_ns = x->first_ns;
    k->in_body = x->stream.head_done;
    if (h.closes || (x->stream.how == HTTP2_RESET && x->stream.code == PROTOCOL_ERROR))
        http2_conn_retire(conn->h2);
    return rc < 0 ? fail_lost(k, conn, rc) : judge(k, &x->stream, ret_again);
}

int http_trip_make2(struct http_call *k, struct http_conn *conn, int64_t begin_ns, bool *ret_again)
{
    CLEANUP(http2_exchange_fini) struct http2_exchange x;
    http2_exchange_init(&x);
    *ret_again = false;
    http_trip_note_peer(k, conn);
    int rc = exchange(k, conn, &x, ret_again);
    http_pool_count(k->c, conn);
    if (!*ret_again && rc != -ECANCELED) {
        http_trip_note_times(k, begin_ns, rc == 0 ? x.last_ns : clock_mono_ns());
        int taken = take_response(k, &x.stream, conn);
        rc = rc < 0 ? rc : taken;
        http_trip_show(k);
    }
    http_pool_give(k->c, conn);
    return rc;
}
