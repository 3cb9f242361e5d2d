/* One round trip on a connection, tried again when a kept one turns out to have been closed. */
#include "client/http_int.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "client/http_upload.h"
#include "rt/co.h"
#include "rt/loop.h"

void http_trip_note_peer(struct http_call *k, const struct http_conn *conn)
{
    struct http_response *ret = k->ret;
    memcpy(ret->remote_ip, conn->peer_ip, sizeof ret->remote_ip);
    ret->remote_port = conn->peer_port;
}

static int send_request(struct http_call *k, struct http_conn *conn, struct buf *head,
                        struct http_upload *upload, bool *ret_closes)
{
    int rc = http_head_write(k, head, ret_closes);
    if (rc < 0)
        return rc;
    struct str body = k->send_body ? k->req->body : STR_EMPTY;
    if (k->req->on_wire)
        k->req->on_wire(k->req->on_trip_arg,
                        &(struct http_wire){.head = buf_view(head), .body = body});
    bool one_write = body.len <= HTTP_BODY_INLINE_MAX;
    if (one_write)
        buf_str(head, body);
    rc = stream_write_all(conn->stream, head->data, head->len, k->deadline_ns);
    if (rc == 0 && one_write)
        k->wrote_ns = clock_mono_ns();
    else if (rc == 0)
        http_upload_start(upload, conn->stream, body);
    return rc < 0 ? http_fail_io(k, rc, "write") : 0;
}

/* Reads until the response is whole. */
static int read_response(struct http_call *k, struct http_conn *conn, struct http1_reader *r,
                         struct http_upload *upload)
{
    uint8_t *bytes = http_pool_scratch();
    if (!bytes)
        return http_fail_plain(k, err_set(-ENOMEM, "read buffer"), HTTP_ERROR_DEFAULT);
    int rc = HTTP1_MORE;
    for (unsigned reads = 1; rc == HTTP1_MORE; reads++) {
        size_t len;
        uint8_t *room = http1_reader_room(r, &len);
        void *to = room ? room : bytes;
        len = room ? len : HTTP_SCRATCH_BYTES;
        ssize_t n = upload->co ? http_upload_read(upload, to, len, k->deadline_ns)
                               : stream_read(conn->stream, to, len, k->deadline_ns);
        if (n < 0)
            return http_fail_io(k, (int)n, "read");
        if (k->first_ns == 0 && n > 0) {
            k->first_ns = stream_arrival_ns(conn->stream);
            loop_note_lag(loop_current(), stream_lag_ns(conn->stream));
        }
        if (n == 0)
            rc = http1_reader_eof(r);
        else
            rc = room ? http1_reader_claim(r, (size_t)n) : http1_reader_feed(r, bytes, (size_t)n);
        k->in_body = r->head_done;
        if (rc != HTTP1_MORE || reads % 16 != 0)
            continue;
        if (co_check_slice() < 0)
            return -ECANCELED;
        if (loop_now_ns(loop_current()) >= k->deadline_ns) /* it never stops, so we never wait */
            return http_fail_timeout(k);
    }
    return rc < 0 ? http_fail_read(k, rc) : 0;
}

void http_trip_note_times(struct http_call *k, int64_t begin_ns, int64_t last_ns)
{
    struct http_timings *t = &k->ret->timings;
    if (k->wrote_ns != 0)
        t->sending_ns = MAX(k->wrote_ns - begin_ns, (int64_t)0);
    if (k->wrote_ns != 0 && k->first_ns == 0)
        t->waiting_ns = last_ns - k->wrote_ns;
    else if (k->wrote_ns != 0)
        t->waiting_ns = MAX(k->first_ns - k->wrote_ns, (int64_t)0);
    if (k->first_ns != 0)
        t->receiving_ns = MAX(last_ns - k->first_ns, (int64_t)0);
}

void http_trip_note_tls(struct http_call *k, const struct http_conn *conn)
{
    struct http_response *ret = k->ret;
    ret->tls_version = conn->tls_version;
    if (!conn->tls)
        return;
    ret->ocsp = stream_tls(conn->stream)->ocsp;
    snprintf(ret->tls_cipher, sizeof ret->tls_cipher, "%s",
             stream_tls(conn->stream)->cipher ? stream_tls(conn->stream)->cipher : "");
}

/* Hands the response over to the caller's struct; `whole`: not broken off. */
static void take_response(struct http_call *k, struct http1_reader *r, const struct http_conn *conn,
                          bool whole)
{
    struct http_response *ret = k->ret;
    if (!r->head_done)
        return;
    http1_reader_take(r, ret);
    int status = ret->status;
    ret->has_body =
        k->req->body_mode != HTTP_BODY_DISCARD && status >= 200 && status != 204 && status != 304;
    if (!ret->has_body)
        ret->body = STR_EMPTY;
    k->status_101 = status == 101;
    k->cookies_may_be_there = r->may_have_cookies;
    k->location_may_be_there = r->may_have_location;
    k->encoding_may_be_there = r->may_have_encoding;
    if (whole)
        http_trip_note_tls(k, conn);
}

void http_trip_show(struct http_call *k)
{
    const struct http_response *ret = k->ret;
    if (!k->req->on_wire || !ret->head)
        return;
    struct http_header h;
    size_t cursor = 0;
    while (http_response_next(ret, &cursor, &h)) /* makes names canonical */
        ;
    CLEANUP(buf_fini) struct buf head;
    buf_init(&head, 2 * (size_t)HTTP_HEAD_MAX);
    buf_printf(&head, "%s %.*s\r\n", ret->proto, STR_ARG(ret->status_text));
    buf_append(&head, ret->head + ret->headers_at, ret->headers_end - ret->headers_at);
    if (head.err == 0 && !str_eq(str_new(head.data + head.len - 4, 4), STR("\r\n\r\n")))
        buf_z(&head, "\r\n");
    k->req->on_wire(
        k->req->on_trip_arg,
        &(struct http_wire){.response = true, .head = buf_view(&head), .body = ret->body});
}

/* Go's rule: the request may go out twice. */
static bool is_replayable(const struct http_call *k)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (str_eqz(k->method, methods[i]))
            return true;
    for (size_t i = 0; i < k->req->headers_len; i++)
        if (http_name_is(k->req->headers[i].name, "Idempotency-Key") ||
            http_name_is(k->req->headers[i].name, "X-Idempotency-Key"))
            return true;
    return false;
}

/* The client's own buffer is free for the next call, once the head has been written. */
static void release_head(struct http_client *c, struct buf *head)
{
    if (head != &c->head)
        return;
    c->head_busy = false;
    if (head->cap > 2 * HTTP_BODY_INLINE_MAX)
        buf_fini(head);
}

/* Sends the request and reads the response, both at once if need be; *ret_wrote: all was sent. */
static int send_and_read(struct http_call *k, struct http_conn *conn, struct buf *head,
                         struct http1_reader *r, bool *ret_wrote, bool *ret_closes)
{
    struct http_upload upload = {.stream = NULL};
    int rc = send_request(k, conn, head, &upload, ret_closes);
    release_head(k->c, head);
    if (rc < 0)
        return rc;
    rc = read_response(k, conn, r, &upload);
    http_upload_stop(&upload);
    if (upload.wrote_ns != 0)
        k->wrote_ns = upload.wrote_ns;
    *ret_wrote = k->wrote_ns != 0;
    bool hung_up = rc == E_EOF || rc == -ECONNRESET || rc == -EPIPE;
    if (hung_up && upload.rc < 0 && upload.rc != -ECANCELED) /* that was first */
        return http_fail_io(k, err_set(upload.rc, "%s", upload.why), "write");
    return rc;
}

/* Sends and reads on `conn`, which it takes over.  *ret_stale: the failure is only that a kept
 * connection had been closed meanwhile, and the request may be tried again. */
static int exchange(struct http_call *k, struct http_conn *conn, int64_t begin_ns, struct buf *head,
                    bool *ret_stale)
{
    struct http1_reader r;
    http1_reader_init(&r, str_eq(k->method, STR("HEAD")), k->req->body_mode == HTTP_BODY_DISCARD,
                      k->req->body_max ? k->req->body_max : (size_t)HTTP_BODY_MAX);
    bool closes = false, wrote = false;
    http_trip_note_peer(k, conn);
    int rc = send_and_read(k, conn, head, &r, &wrote, &closes);
    http_pool_count(k->c, conn);
    bool hung_up = rc == E_EOF || rc == -ECONNRESET || rc == -EPIPE;
    *ret_stale = conn->reused && hung_up && r.head_len == 0 && (is_replayable(k) || !wrote);
    if (!*ret_stale && rc != -ECANCELED) {
        http_trip_note_times(k, begin_ns,
                             rc == 0 ? stream_arrival_ns(conn->stream) : clock_mono_ns());
        take_response(k, &r, conn, rc == 0);
        http_trip_show(k);
    }
    http1_reader_fini(&r);
    if (rc == 0 && r.keep_alive && !closes && wrote)
        http_pool_give(k->c, conn);
    else
        http_pool_close(conn);
    return rc;
}

/* Notes that there is nothing yet of this attempt. */
static void begin_attempt(struct http_call *k)
{
    k->wrote_ns = k->first_ns = 0;
    k->in_body = false;
    k->ret->timings = (struct http_timings){0};
    k->ret->error_code = 0;
    k->ret->error = "";
}

/* A token of RFC 9110, 5.6.2: what else would be sent as a line of its own, or worse. */
static bool method_is_token(struct str method)
{
    for (size_t i = 0; i < method.len; i++) {
        uint8_t c = (uint8_t)method.ptr[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return true;
}

static int check_request(struct http_call *k)
{
    CLEANUP(buf_fini) struct buf quoted = {0};
    if (!method_is_token(k->method)) {
        buf_init(&quoted, ERR_MESSAGE_MAX);
        url_append_quoted(&quoted, k->method);
        return http_fail_plain(
            k, err_set(-EINVAL, "net/http: invalid method %.*s", STR_ARG(buf_view(&quoted))),
            HTTP_ERROR_DEFAULT);
    }
    struct str scheme = k->url->scheme;
    if (!str_eqz(scheme, "http") && !str_eqz(scheme, "https"))
        return http_fail_plain(
            k, err_set(-EINVAL, "unsupported protocol scheme \"%.*s\"", STR_ARG(scheme)),
            HTTP_ERROR_DEFAULT);
    if (k->url->host.len == 0)
        return http_fail_plain(k, err_set(-EINVAL, "http: no Host in request URL"),
                               HTTP_ERROR_DEFAULT);
    if (k->url->port_beyond) {
        struct str all = k->url->authority;
        size_t at = all.len;
        while (at > 0 && all.ptr[at - 1] != ':')
            at--;
        return http_fail_plain(k,
                               err_set(-EINVAL, "dial tcp: address %.*s: invalid port",
                                       (int)(all.len - at), all.ptr + at),
                               HTTP_ERROR_DIAL);
    }
    return 0;
}

/* Over `conn`, which is HTTP/1.1's; `own` is for a head when another call uses the client's. */
static int trip1(struct http_call *k, struct http_conn *conn, int64_t begin_ns, struct buf *own,
                 bool *ret_stale)
{
    struct http_client *c = k->c;
    /* The head must stay put while it is written: a second call of this client meanwhile has its
     * own buffer. */
    bool shared = !c->head_busy;
    struct buf *head = shared ? &c->head : own;
    c->head_busy = true;
    buf_reset(head);
    return exchange(k, conn, begin_ns, head, ret_stale);
}

/* Before the n-th attempt to send what the peer refused: at once, then after 1 s, 2 s, 4 s, … */
static int back_off(struct http_call *k, unsigned n)
{
    if (n < 2)
        return 0;
    int64_t until_ns = clock_mono_ns() + (NS_PER_S << (n - 2));
    int rc = co_sleep_until(MIN(until_ns, k->deadline_ns));
    return rc == 0 && until_ns >= k->deadline_ns ? http_fail_timeout(k) : rc;
}

static int get_connection(struct http_call *k, bool tls, struct http_conn **ret, int64_t *ret_begin)
{
    *ret = http_pool_take(k, tls);
    if (*ret)
        return 0;
    int64_t start_ns = *ret_begin;
    int rc = http_pool_connect(k, tls, ret);
    if (rc < 0)
        return rc;
    *ret_begin = clock_mono_ns();
    k->ret->timings.blocked_ns = *ret_begin - start_ns;
    return 0;
}

int http_trip_make(struct http_call *k)
{
    begin_attempt(k);
    int rc = check_request(k);
    if (rc < 0)
        return rc;
    bool tls = k->url->scheme.len == 5;
    k->proxy = dialer_proxy(k->c->o.dialer, tls, k->url->host, k->url->port);
    CLEANUP(buf_fini) struct buf own_head;
    buf_init(&own_head, HTTP_REQUEST_HEAD_MAX + HTTP_BODY_INLINE_MAX);
    bool stale = false, refused = false;
    unsigned tries = 0;
    do {
        begin_attempt(k);
        int64_t begin = clock_mono_ns();
        if (k->deadline_ns == 0)
            k->deadline_ns = begin + k->req->timeout_ns;
        struct http_conn *conn = NULL;
        rc = refused ? back_off(k, tries) : 0;
        if (rc == 0)
            rc = get_connection(k, tls, &conn, &begin);
        if (rc < 0)
            return rc;
        stale = refused = false;
        if (conn->h2)
            rc = http_trip_make2(k, conn, begin, &refused);
        else
            rc = trip1(k, conn, begin, &own_head, &stale);
        tries += refused;
    } while (stale || (refused && tries < HTTP2_TRIES_MAX));
    return rc;
}
