/*
 * One http_do() is a struct call: hops (redirects), each a round trip on a connection, each
 * possibly tried again when a kept connection turns out to have been closed.  All failures pass
 * through fail(), which knows k6's codes and words.
 */
#include "client/http.h"

#include <errno.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "client/auth.h"
#include "client/cookie.h"
#include "client/decode.h"
#include "client/http1.h"
#include "net/dial.h"
#include "net/stream.h"
#include "rt/co.h"
#include "rt/loop.h"

struct http_conn {
    struct http_conn *next; /* of the idle ones */
    struct stream *stream;
    uint64_t seen_in, seen_out; /* bytes already added to the client's counters */
    const char *tls_version;    /* static or the stream's */
    uint16_t port;              /* of the origin, not of the peer */
    uint16_t peer_port;
    bool tls;
    bool reused; /* has carried a request before the one at hand */
    char peer_ip[46];
    size_t host_len;
    char host[]; /* of the origin */
};

struct http_client {
    struct http_client_options o;
    struct http_conn *idle; /* most recently used first */
    struct buf head;        /* of the request being written; see head_busy */
    bool head_busy;
    uint32_t busy; /* calls under way */
};

/*
 * Where sockets are read into.  One per thread and not per client, so that it stays in the cache:
 * what stream_read() returned is used up before the coroutine waits again.
 */
static _Thread_local struct {
    uint8_t *bytes;
    size_t clients; /* the last one frees it */
} scratch;

struct call {
    struct http_client *c;
    const struct http_request *req;
    struct http_response *ret;
    const struct url *url; /* of this hop: the request's or own[hop % 2] */
    struct url own[2];     /* this hop's and the last one's */
    struct str method;     /* of this hop */
    struct buf referer;    /* empty: none */
    struct auth auth;      /* of this hop */
    unsigned hops;         /* round trips made before this one */
    bool send_body;        /* no redirect has dropped it */
    bool keep_private;     /* no redirect has gone to another host: Authorization etc. go along */
    bool keep_host;        /* the request's Host header holds for this hop */
    bool in_body;          /* the head has been read */
    bool status_101;
    bool cookies_may_be_there, location_may_be_there, encoding_may_be_there;
    int64_t deadline_ns;
    int64_t wrote_ns, first_ns; /* 0: not come to */
};

/* ---- connections --------------------------------------------------------------------------- */

static void count_bytes(struct http_client *c, struct http_conn *conn)
{
    uint64_t in = stream_bytes_in(conn->stream), out = stream_bytes_out(conn->stream);
    if (c->o.bytes_received)
        *c->o.bytes_received += in - conn->seen_in;
    if (c->o.bytes_sent)
        *c->o.bytes_sent += out - conn->seen_out;
    conn->seen_in = in;
    conn->seen_out = out;
}

static void close_conn(struct http_conn *conn)
{
    stream_close(conn->stream);
    mem_free(conn);
}

static bool is_same_origin(const struct http_conn *conn, const struct url *u, bool tls)
{
    return conn->port == u->port && conn->tls == tls &&
           str_ieq(str_new(conn->host, conn->host_len), u->host);
}

/* An idle connection to the URL's origin, out of the list; NULL: none. */
static struct http_conn *take_idle(struct http_client *c, const struct url *u, bool tls)
{
    struct http_conn **link = &c->idle;
    while (*link) {
        struct http_conn *conn = *link;
        if (!is_same_origin(conn, u, tls)) {
            link = &conn->next;
            continue;
        }
        *link = conn->next;
        if (stream_is_idle_ok(conn->stream)) {
            conn->reused = true;
            return conn;
        }
        count_bytes(c, conn);
        close_conn(conn);
    }
    return NULL;
}

static void give_idle(struct http_client *c, struct http_conn *conn)
{
    size_t same = 0;
    for (const struct http_conn *o = c->idle; o; o = o->next)
        same += conn->port == o->port && conn->tls == o->tls && conn->host_len == o->host_len &&
                memcmp(conn->host, o->host, o->host_len) == 0;
    if (same >= c->o.idle_per_host_max) {
        close_conn(conn);
        return;
    }
    conn->next = c->idle;
    c->idle = conn;
}

int http_client_new(const struct http_client_options *o, struct http_client **ret)
{
    struct http_client *c = mem_calloc(1, sizeof *c);
    if (!c)
        return err_set(-ENOMEM, "HTTP client");
    c->o = *o;
    buf_init(&c->head, HTTP_REQUEST_HEAD_MAX + HTTP_BODY_INLINE_MAX);
    scratch.clients++;
    *ret = c;
    return 0;
}

void http_client_close_idle(struct http_client *c)
{
    while (c->idle) {
        struct http_conn *conn = c->idle;
        c->idle = conn->next;
        count_bytes(c, conn);
        close_conn(conn);
    }
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    CHECK(c->busy == 0);
    http_client_close_idle(c);
    buf_fini(&c->head);
    mem_free(c);
    if (--scratch.clients == 0) {
        mem_free(scratch.bytes);
        scratch.bytes = NULL;
    }
}

static uint8_t *scratch_bytes(void)
{
    if (!scratch.bytes)
        scratch.bytes = mem_alloc(HTTP_SCRATCH_BYTES);
    return scratch.bytes;
}

/* ---- failures ------------------------------------------------------------------------------ */

/* Notes k6's code and short text; the long one is the error's message, with Go's prefix while the
 * head is still to come.  Returns `rc`. */
static int fail(struct call *k, int rc, int code, const char *short_text)
{
    struct http_response *ret = k->ret;
    ret->error_code = code;
    mem_free(ret->text_block);
    ret->text_block = mem_strdup(short_text);
    ret->error = ret->text_block ? ret->text_block : "out of memory";
    if (k->in_body)
        return err_set(rc, "%s", short_text);
    char method[16];
    size_t len = MIN(k->method.len, sizeof method - 1);
    memcpy(method, k->method.ptr, len);
    method[len] = '\0';
    for (size_t i = 1; i < len; i++)
        if (method[i] >= 'A' && method[i] <= 'Z')
            method[i] = (char)(method[i] + ('a' - 'A'));
    return err_wrap(rc, "%s \"%.*s\"", method, STR_ARG(k->url->clean));
}

static int fail_plain(struct call *k, int rc, int code)
{
    char text[512];
    snprintf(text, sizeof text, "%s", err_message());
    return fail(k, rc, code, text);
}

static int fail_timeout(struct call *k)
{
    (void)err_set(-ETIMEDOUT, "request timeout");
    return fail(k, -ETIMEDOUT, HTTP_ERROR_TIMEOUT, "request timeout");
}

/* `prefix` and what is behind it, when the message has it: Go's inner errors lose the outer words.
 */
static const char *after_prefix(const char *message, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(message, prefix, len) == 0 ? message + len : message;
}

static int fail_dial(struct call *k, int rc, const struct dial_result *how)
{
    char text[512];
    snprintf(text, sizeof text, "%s", after_prefix(err_message(), "dial tcp: "));
    switch (how->failure) {
    case DIAL_OK:
        break;
    case DIAL_DNS_NO_HOST:
        return fail(k, rc, HTTP_ERROR_DNS_NO_HOST, "lookup: no such host");
    case DIAL_DNS_OTHER:
        return fail(k, rc, HTTP_ERROR_DNS, text);
    case DIAL_BLACKLISTED:
        return fail(k, rc, HTTP_ERROR_BLACKLISTED, "ip is blacklisted");
    case DIAL_BLOCKED_HOSTNAME:
        return fail(k, rc, HTTP_ERROR_BLOCKED_HOSTNAME, "hostname is blocked");
    case DIAL_TCP_TIMEOUT:
        (void)err_set(rc, "dial: i/o timeout");
        return fail(k, rc, HTTP_ERROR_DIAL_TIMEOUT, "dial: i/o timeout");
    case DIAL_TCP_REFUSED:
        return fail(k, rc, HTTP_ERROR_DIAL_REFUSED, "dial: connection refused");
    case DIAL_TCP_ERRNO:
        snprintf(text, sizeof text, "dial: unknown errno %d error with msg `%s`", how->sys_errno,
                 err_code_text(-how->sys_errno));
        return fail(k, rc, HTTP_ERROR_DIAL_UNKNOWN_ERRNO, text);
    case DIAL_TCP_OTHER:
        return fail(k, rc, HTTP_ERROR_DIAL, text);
    case DIAL_RESET:
        return fail(k, rc, HTTP_ERROR_RESET, "read: connection reset by peer");
    case DIAL_TLS_GENERIC:
        return fail(k, rc, HTTP_ERROR_TLS, text);
    case DIAL_TLS_RECORD:
        return fail(k, rc, HTTP_ERROR_TLS_RECORD, text);
    case DIAL_TLS_UNKNOWN_CA:
        return fail(k, rc, HTTP_ERROR_X509_UNKNOWN_AUTHORITY, "x509: unknown authority");
    case DIAL_TLS_HOSTNAME:
        return fail(k, rc, HTTP_ERROR_X509_HOSTNAME, "x509: certificate doesn't match hostname");
    case DIAL_DEADLINE:
        return fail_timeout(k);
    case DIAL_CANCELLED:
        return -ECANCELED;
    case DIAL_EOF:
    case DIAL_OTHER:
        break;
    }
    return fail(k, rc, HTTP_ERROR_DEFAULT, text);
}

/* A read or a write on the connection failed; `op` is "read" or "write". */
static int fail_io(struct call *k, const struct http_conn *conn, int rc, const char *op)
{
    char text[512];
    if (rc == -ECANCELED)
        return rc;
    if (rc == -ETIMEDOUT)
        return fail_timeout(k);
    if (rc == E_EOF)
        return fail_plain(k, rc, HTTP_ERROR_DEFAULT);
    if (rc <= E_EOF) {
        snprintf(text, sizeof text, "%s", err_message());
        return fail(k, rc, HTTP_ERROR_NON_TCP, text);
    }
    (void)err_set(rc, "%s tcp %s: %s: %s", op, stream_peer(conn->stream), op, err_code_text(rc));
    if (rc == -ECONNRESET || rc == -EPIPE) {
        snprintf(text, sizeof text, "%s: %s", op,
                 rc == -EPIPE ? "broken pipe" : "connection reset by peer");
        return fail(k, rc, rc == -EPIPE ? HTTP_ERROR_BROKEN_PIPE : HTTP_ERROR_RESET, text);
    }
    snprintf(text, sizeof text, "%s: unknown errno `%d` on linux with message `%s`", op, -rc,
             err_code_text(rc));
    return fail(k, rc, HTTP_ERROR_TCP_UNKNOWN_ERRNO, text);
}

/* What the reader refused: Go's words are the message already. */
static int fail_read(struct call *k, const struct http_conn *conn, int rc)
{
    if (rc == E_PROTOCOL && !k->in_body) {
        char text[512];
        snprintf(text, sizeof text, "%s", err_message());
        (void)err_wrap(rc, "net/http: HTTP/1.x transport connection broken");
        return fail(k, rc, HTTP_ERROR_DEFAULT, text);
    }
    if (rc == E_PROTOCOL || rc == E_LIMIT || rc == -ENOMEM || rc == -EINVAL)
        return fail_plain(k, rc, HTTP_ERROR_DEFAULT);
    return fail_io(k, conn, rc, "read");
}

/* ---- the request's head -------------------------------------------------------------------- */

/* OWN_HEADERS: Cookie, Authorization, Referer, Connection. */
enum { HEADERS_INLINE = 24, OWN_HEADERS = 4 };

struct headers {
    struct http_header *list;
    size_t len;
    struct http_header room[HEADERS_INLINE];
};

/* In its place among the sorted ones. */
static void insert_header(struct headers *h, struct http_header one)
{
    size_t at = h->len++;
    while (at > 0 && str_cmp(h->list[at - 1].name, one.name) > 0) {
        h->list[at] = h->list[at - 1];
        at--;
    }
    h->list[at] = one;
}

static bool name_is(struct str name, const char *z)
{
    return str_eqz(name, z);
}

/* Headers that a redirect to another host, or one that drops the body, leaves behind. */
static bool is_left_behind(const struct call *k, struct str name)
{
    if (k->hops == 0)
        return false;
    if (!k->keep_private && (name_is(name, "Authorization") || name_is(name, "Www-Authenticate") ||
                             name_is(name, "Cookie") || name_is(name, "Cookie2")))
        return true;
    if (name_is(name, "Cookie"))
        return k->req->jar != NULL;
    return !k->send_body &&
           (name_is(name, "Content-Type") || name_is(name, "Content-Encoding") ||
            name_is(name, "Content-Language") || name_is(name, "Content-Location"));
}

struct cookie_writer {
    struct buf *out;
    const struct http_request *req;
};

static int write_jar_cookie(void *arg, struct str name, struct str value)
{
    struct cookie_writer *w = arg;
    for (size_t i = 0; i < w->req->cookies_replace_len; i++)
        if (str_eq(w->req->cookies_replace[i], name))
            return 0;
    cookie_append_pair(w->out, name, value);
    return 0;
}

/* The whole Cookie header: the script's own header, then params, then the jar's. */
static void write_cookies(struct call *k, struct str own, struct buf *out)
{
    const struct http_request *req = k->req;
    buf_str(out, own);
    if (req->cookies.len > 0) {
        if (out->len > 0)
            buf_z(out, "; ");
        buf_str(out, req->cookies);
    }
    if (req->jar && cookie_jar_len(req->jar) > 0) {
        struct cookie_writer w = {out, req};
        (void)cookie_jar_each(req->jar, k->url, clock_wall_ns() / NS_PER_S, write_jar_cookie, &w);
    }
}

static void write_base64(struct buf *b, struct str s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.len; i += 3) {
        uint32_t v = (uint32_t)(uint8_t)s.ptr[i] << 16;
        if (i + 1 < s.len)
            v |= (uint32_t)(uint8_t)s.ptr[i + 1] << 8;
        if (i + 2 < s.len)
            v |= (uint8_t)s.ptr[i + 2];
        buf_byte(b, (uint8_t)digits[v >> 18]);
        buf_byte(b, (uint8_t)digits[v >> 12 & 63]);
        buf_byte(b, i + 1 < s.len ? (uint8_t)digits[v >> 6 & 63] : '=');
        buf_byte(b, i + 2 < s.len ? (uint8_t)digits[v & 63] : '=');
    }
}

static void write_basic_auth(const struct url *u, struct buf *out)
{
    CLEANUP(buf_fini) struct buf plain;
    buf_init(&plain, URL_TEXT_MAX);
    url_append_userinfo(&plain, u);
    buf_z(out, "Basic ");
    write_base64(out, buf_view(&plain));
}

static bool wants_length(struct str method)
{
    return str_eq(method, STR("POST")) || str_eq(method, STR("PUT")) ||
           str_eq(method, STR("PATCH"));
}

static int64_t content_length(const struct call *k)
{
    if (k->send_body && k->req->body.len > 0)
        return (int64_t)k->req->body.len;
    return wants_length(k->method) || (k->send_body && k->req->body_given) ? 0 : -1;
}

/* Sorts the script's headers into `h` and `head`, checks them, and notes what is there. */
struct given {
    struct str cookie;
    bool authorization, referer, connection, closes;
};

static int take_headers(struct call *k, struct http1_request *head, struct headers *h,
                        struct given *ret)
{
    const struct http_request *req = k->req;
    for (size_t i = 0; i < req->headers_len; i++) {
        struct http_header one = req->headers[i];
        int rc = http1_check_header(one);
        if (rc < 0)
            return fail_plain(k, rc, HTTP_ERROR_DEFAULT);
        if (is_left_behind(k, one.name))
            continue;
        if (name_is(one.name, "Host")) {
            if (k->keep_host && one.value.len > 0)
                head->host = one.value;
        } else if (name_is(one.name, "User-Agent")) {
            head->user_agent = one.value.len > 0 ? one.value : STR_EMPTY;
        } else if (name_is(one.name, "Cookie")) {
            ret->cookie = one.value;
        } else if (!name_is(one.name, "Content-Length") &&
                   !name_is(one.name, "Transfer-Encoding") && !name_is(one.name, "Trailer")) {
            if (k->auth.say.len > 0 && name_is(one.name, "Authorization"))
                continue;
            ret->authorization = ret->authorization || name_is(one.name, "Authorization");
            ret->referer = ret->referer || name_is(one.name, "Referer");
            bool connection = name_is(one.name, "Connection");
            ret->connection = ret->connection || connection;
            ret->closes = ret->closes || (connection && str_ieq(str_trim(one.value), STR("close")));
            insert_header(h, one);
        }
    }
    return 0;
}

static int write_request(struct call *k, struct buf *out, bool *ret_closes)
{
    const struct http_request *req = k->req;
    int rc = http1_check_method(k->method);
    if (rc < 0)
        return fail_plain(k, rc, HTTP_ERROR_DEFAULT);
    struct http1_request head = {
        .method = k->method,
        .target = k->url->target,
        .host = k->url->authority,
        .user_agent = str_of(k->c->o.user_agent),
        .content_length = content_length(k),
    };
    if (head.user_agent.len == 0)
        head.user_agent = STR_EMPTY;
    struct headers h;
    h.list = h.room;
    h.len = 0;
    CLEANUP(mem_freep) void *many = NULL;
    if (req->headers_len + OWN_HEADERS > HEADERS_INLINE) {
        h.list = many = mem_calloc(req->headers_len + OWN_HEADERS, sizeof *h.list);
        if (!many)
            return fail_plain(k, err_set(-ENOMEM, "request headers"), HTTP_ERROR_DEFAULT);
    }
    struct given given = {0};
    rc = take_headers(k, &head, &h, &given);
    if (rc < 0)
        return rc;
    CLEANUP(buf_fini) struct buf cookies;
    CLEANUP(buf_fini) struct buf basic;
    buf_init(&cookies, HTTP_REQUEST_HEAD_MAX);
    buf_init(&basic, 2 * (size_t)URL_TEXT_MAX);
    write_cookies(k, given.cookie, &cookies);
    if (cookies.len > 0)
        insert_header(&h, (struct http_header){STR("Cookie"), buf_view(&cookies)});
    if (k->auth.say.len > 0) {
        insert_header(&h, (struct http_header){STR("Authorization"), buf_view(&k->auth.say)});
    } else if (k->url->userinfo.ptr && !given.authorization && req->auth == HTTP_AUTH_BASIC) {
        write_basic_auth(k->url, &basic);
        insert_header(&h, (struct http_header){STR("Authorization"), buf_view(&basic)});
    }
    if (k->referer.len > 0 && !given.referer)
        insert_header(&h, (struct http_header){STR("Referer"), buf_view(&k->referer)});
    if (k->c->o.idle_per_host_max == 0 && !given.connection) /* behind the sorted ones, as in Go */
        h.list[h.len++] = (struct http_header){STR("Connection"), STR("close")};
    head.headers = h.list;
    head.headers_len = h.len;
    *ret_closes = given.closes;
    http1_write_head(out, &head);
    rc = buf_finish(out) < 0 ? buf_finish(out) : buf_finish(&cookies);
    return rc < 0 ? fail_plain(k, err_set(rc, "request head is too large"), HTTP_ERROR_DEFAULT) : 0;
}

/* ---- one round trip ------------------------------------------------------------------------ */

static void note_peer(struct call *k, const struct http_conn *conn)
{
    struct http_response *ret = k->ret;
    memcpy(ret->remote_ip, conn->peer_ip, sizeof ret->remote_ip);
    ret->remote_port = conn->peer_port;
}

/* k6's name of the version as text that outlives the stream; NULL without TLS. */
static const char *tls_version_of(struct stream *stream)
{
    static const char *const names[] = {"tls1.3", "tls1.2", "tls1.1", "tls1.0", "ssl3.0"};
    const char *version = stream_tls(stream)->version;
    for (size_t i = 0; version && i < ARRAY_LEN(names); i++)
        if (str_eqz(str_of(version), names[i]))
            return names[i];
    return NULL;
}

static int connect_origin(struct call *k, bool tls, struct http_conn **ret)
{
    struct http_client *c = k->c;
    struct dial_result how = {0};
    struct stream *stream;
    int rc = dial(c->o.dialer, k->url->host, k->url->port, tls, c->o.local_ip, k->deadline_ns,
                  &stream, &how);
    if (rc < 0) {
        bool connected = how.failure >= DIAL_TLS_GENERIC && how.failure <= DIAL_TLS_HOSTNAME;
        k->ret->timings.connecting_ns = connected ? how.connect_ns : 0;
        return rc == -ECANCELED ? rc : fail_dial(k, rc, &how);
    }
    k->ret->timings.connecting_ns = how.connect_ns;
    k->ret->timings.tls_handshaking_ns = how.tls_ns;
    struct http_conn *conn = mem_calloc(1, sizeof *conn + k->url->host.len + 1);
    if (!conn) {
        stream_close(stream);
        return fail_plain(k, err_set(-ENOMEM, "connection"), HTTP_ERROR_DEFAULT);
    }
    conn->stream = stream;
    conn->port = k->url->port;
    conn->tls = tls;
    conn->tls_version = tls_version_of(stream);
    conn->peer_port = stream_peer_port(stream);
    snprintf(conn->peer_ip, sizeof conn->peer_ip, "%s", stream_peer_ip(stream));
    conn->host_len = k->url->host.len;
    memcpy(conn->host, k->url->host.ptr, k->url->host.len);
    *ret = conn;
    return 0;
}

static int send_request(struct call *k, struct http_conn *conn, struct buf *head, bool *ret_closes)
{
    int rc = write_request(k, head, ret_closes);
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
    if (rc == 0 && !one_write)
        rc = stream_write_all(conn->stream, body.ptr, body.len, k->deadline_ns);
    k->wrote_ns = rc == 0 ? clock_mono_ns() : 0;
    return rc < 0 ? fail_io(k, conn, rc, "write") : 0;
}

/* Reads until the response is whole. */
static int read_response(struct call *k, struct http_conn *conn, struct http1_reader *r)
{
    uint8_t *bytes = scratch_bytes();
    if (!bytes)
        return fail_plain(k, err_set(-ENOMEM, "read buffer"), HTTP_ERROR_DEFAULT);
    int rc = HTTP1_MORE;
    for (unsigned reads = 1; rc == HTTP1_MORE; reads++) {
        size_t len;
        uint8_t *room = http1_reader_room(r, &len);
        ssize_t n = stream_read(conn->stream, room ? room : bytes, room ? len : HTTP_SCRATCH_BYTES,
                                k->deadline_ns);
        if (n < 0)
            return fail_io(k, conn, (int)n, "read");
        if (k->first_ns == 0 && n > 0)
            k->first_ns = stream_arrival_ns(conn->stream);
        if (n == 0)
            rc = http1_reader_eof(r);
        else
            rc = room ? http1_reader_claim(r, (size_t)n) : http1_reader_feed(r, bytes, (size_t)n);
        k->in_body = r->head_done;
        if (rc == HTTP1_MORE && reads % 16 == 0 && co_check_slice() < 0)
            return -ECANCELED;
    }
    return rc < 0 ? fail_read(k, conn, rc) : 0;
}

static void note_times(struct call *k, int64_t begin_ns, const struct http_conn *conn, int64_t end)
{
    struct http_timings *t = &k->ret->timings;
    if (k->wrote_ns != 0)
        t->sending_ns = MAX(k->wrote_ns - begin_ns, (int64_t)0);
    if (k->wrote_ns != 0 && k->first_ns == 0)
        t->waiting_ns = end - k->wrote_ns;
    else if (k->wrote_ns != 0)
        t->waiting_ns = MAX(k->first_ns - k->wrote_ns, (int64_t)0);
    if (k->first_ns != 0)
        t->receiving_ns =
            MAX((conn ? stream_arrival_ns(conn->stream) : end) - k->first_ns, (int64_t)0);
}

/* Hands the response over to the caller's struct; `whole`: not broken off. */
static void take_response(struct call *k, struct http1_reader *r, const struct http_conn *conn,
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
    if (!whole)
        return;
    ret->tls_version = conn->tls_version;
    if (conn->tls)
        snprintf(ret->tls_cipher, sizeof ret->tls_cipher, "%s",
                 stream_tls(conn->stream)->cipher ? stream_tls(conn->stream)->cipher : "");
}

/* Shows the answer, put together again from its lines. */
static void show_response(struct call *k)
{
    const struct http_response *ret = k->ret;
    if (!k->req->on_wire || !ret->head)
        return;
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
static bool is_replayable(const struct call *k)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (str_eqz(k->method, methods[i]))
            return true;
    for (size_t i = 0; i < k->req->headers_len; i++)
        if (name_is(k->req->headers[i].name, "Idempotency-Key") ||
            name_is(k->req->headers[i].name, "X-Idempotency-Key"))
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

/* Sends and reads on `conn`, which it takes over.  *ret_stale: the failure is only that a kept
 * connection had been closed meanwhile, and the request may be tried again. */
static int exchange(struct call *k, struct http_conn *conn, int64_t begin_ns, struct buf *head,
                    bool *ret_stale)
{
    struct http1_reader r;
    http1_reader_init(&r, str_eq(k->method, STR("HEAD")), k->req->body_mode == HTTP_BODY_DISCARD,
                      k->req->body_max ? k->req->body_max : (size_t)HTTP_BODY_MAX);
    bool closes = false;
    note_peer(k, conn);
    int rc = send_request(k, conn, head, &closes);
    release_head(k->c, head);
    bool wrote = rc == 0;
    if (rc == 0)
        rc = read_response(k, conn, &r);
    count_bytes(k->c, conn);
    bool hung_up = rc == E_EOF || rc == -ECONNRESET || rc == -EPIPE;
    *ret_stale = conn->reused && hung_up && r.head_len == 0 && (is_replayable(k) || !wrote);
    if (!*ret_stale && rc != -ECANCELED) {
        note_times(k, begin_ns, rc == 0 ? conn : NULL, rc == 0 ? 0 : clock_mono_ns());
        take_response(k, &r, conn, rc == 0);
        show_response(k);
    }
    http1_reader_fini(&r);
    if (rc == 0 && r.keep_alive && !closes)
        give_idle(k->c, conn);
    else
        close_conn(conn);
    return rc;
}

/* Notes that there is nothing yet of this attempt. */
static void begin_attempt(struct call *k)
{
    k->wrote_ns = k->first_ns = 0;
    k->in_body = false;
    k->ret->timings = (struct http_timings){0};
    k->ret->error_code = 0;
    k->ret->error = "";
}

static int check_scheme(struct call *k)
{
    struct str scheme = k->url->scheme;
    if (!str_eqz(scheme, "http") && !str_eqz(scheme, "https"))
        return fail_plain(k,
                          err_set(-EINVAL, "unsupported protocol scheme \"%.*s\"", STR_ARG(scheme)),
                          HTTP_ERROR_DEFAULT);
    if (k->url->host.len == 0)
        return fail_plain(k, err_set(-EINVAL, "http: no Host in request URL"), HTTP_ERROR_DEFAULT);
    return 0;
}

static int round_trip(struct call *k)
{
    struct http_client *c = k->c;
    begin_attempt(k);
    int rc = check_scheme(k);
    if (rc < 0)
        return rc;
    bool tls = k->url->scheme.len == 5;
    CLEANUP(buf_fini) struct buf own_head;
    buf_init(&own_head, HTTP_REQUEST_HEAD_MAX + HTTP_BODY_INLINE_MAX);
    bool stale;
    do {
        begin_attempt(k);
        int64_t start = clock_mono_ns(), begin = start;
        if (k->deadline_ns == 0)
            k->deadline_ns = start + k->req->timeout_ns;
        struct http_conn *conn = take_idle(c, k->url, tls);
        if (!conn) {
            rc = connect_origin(k, tls, &conn);
            if (rc < 0)
                return rc;
            begin = clock_mono_ns();
            k->ret->timings.blocked_ns = begin - start;
        }
        /* The head must stay put while it is written: a second call of this client meanwhile has
         * its own buffer. */
        bool shared = !c->head_busy;
        struct buf *head = shared ? &c->head : &own_head;
        c->head_busy = true;
        buf_reset(head);
        rc = exchange(k, conn, begin, head, &stale);
    } while (stale);
    return rc;
}

/* ---- what happens around a round trip ------------------------------------------------------ */

static void report(struct call *k)
{
    const struct http_response *ret = k->ret;
    if (!k->req->on_trip)
        return;
    bool failed = ret->error[0] != '\0' || ret->status == 0;
    struct http_trip trip = {
        .method = k->method,
        .url = k->url,
        .status = failed ? 0 : ret->status,
        .proto = failed ? NULL : ret->proto,
        .tls_version = failed ? NULL : ret->tls_version,
        .remote_ip = ret->remote_port ? ret->remote_ip : NULL,
        .error_code = ret->error_code,
        .error = str_of(ret->error),
        .timings = ret->timings,
        .end_ns = loop_now_ns(loop_current()),
    };
    k->req->on_trip(k->req->on_trip_arg, &trip);
}

static void store_cookies(struct call *k)
{
    if (!k->req->jar || !k->cookies_may_be_there)
        return;
    struct http_header h;
    size_t cursor = 0;
    int64_t now_s = clock_wall_ns() / NS_PER_S;
    while (http_response_next(k->ret, &cursor, &h)) {
        struct http_cookie c;
        if (str_eq(h.name, STR("Set-Cookie")) && cookie_parse(h.value, &c))
            (void)cookie_jar_set(k->req->jar, k->url, &c, now_s);
    }
}

/* Undoes Content-Encoding; a failure is the call's. */
static int decode(struct call *k)
{
    struct http_response *ret = k->ret;
    if (!k->encoding_may_be_there || k->req->body_mode != HTTP_BODY_KEEP || ret->body.len == 0)
        return 0;
    struct str encodings = http_response_header(ret, "Content-Encoding");
    if (!decode_wanted(encodings))
        return 0;
    struct buf out;
    buf_init(&out, k->req->body_max ? k->req->body_max : (size_t)HTTP_BODY_MAX);
    bool started;
    int rc = decode_body(encodings, ret->body, &out, &started);
    buf_byte(&out, '\0');
    if (rc == 0 && out.err != 0)
        rc = err_set(E_LIMIT, "decoded body is larger than %zu bytes", out.max);
    if (rc < 0 && !started)
        ret->has_body = false;
    mem_free(ret->body_block);
    size_t len;
    ret->body_block = buf_take(&out, &len);
    ret->body = str_new(ret->body_block, len > 0 ? len - 1 : 0);
    buf_fini(&out);
    return rc;
}

/* k6 wraps decoding errors twice on their way to `error`. */
static int fail_decode(struct call *k, int rc)
{
    char cause[256], text[512];
    snprintf(cause, sizeof cause, "%s", err_message());
    if (str_eqz(str_of(cause), "unexpected EOF"))
        return fail(k, rc, HTTP_ERROR_DEFAULT, cause);
    snprintf(text, sizeof text,
             "error decompressing response body (error decompressing response body (%s))", cause);
    (void)fail(k, rc, HTTP_ERROR_DECOMPRESSION, text);
    return err_set(rc, "error decompressing response body (%s)", cause);
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* True when a header of the first URL may go to the host of the second one as well. */
static bool is_same_or_below(struct str from, struct str to)
{
    if (str_ieq(from, to))
        return true;
    return to.len > from.len && to.ptr[to.len - from.len - 1] == '.' &&
           str_ieq(str_new(to.ptr + to.len - from.len, from.len), from);
}

/* True for "/x", "x", "?y", "//host/x". */
static bool has_no_scheme(struct str location)
{
    for (size_t i = 0; i < location.len; i++) {
        char c = location.ptr[i];
        if (c == ':')
            return false;
        if (c == '/' || c == '?' || c == '#')
            return true;
    }
    return true;
}

static void note_referer(struct call *k, const struct url *next)
{
    buf_reset(&k->referer);
    if (str_eqz(k->url->scheme, "https") && str_eqz(next->scheme, "http"))
        return;
    if (!k->url->userinfo.ptr) {
        buf_str(&k->referer, k->url->text);
        return;
    }
    const char *rest = k->url->authority.ptr;
    buf_printf(&k->referer, "%.*s://", STR_ARG(k->url->scheme));
    buf_append(&k->referer, rest, (size_t)(k->url->text.ptr + k->url->text.len - rest));
}

/* Makes the hop's URL the response's own. */
static int keep_url(struct call *k)
{
    struct http_response *ret = k->ret;
    if (k->hops == 0) {
        ret->url = k->url->text;
        return 0;
    }
    mem_free(ret->url_block);
    ret->url_block = str_dup(k->url->text);
    ret->url = ret->url_block ? str_new(ret->url_block, k->url->text.len) : STR("");
    return ret->url_block ? 0 : err_set(-ENOMEM, "response");
}

/*
 * Looks whether the response asks to go elsewhere: 1 when the call is set up for the next hop (and
 * the response is gone), 0 when it is the answer, negative when the Location is no URL.
 */
static int follow(struct call *k)
{
    struct http_response *ret = k->ret;
    int status = ret->status;
    if (!is_redirect(status) || !k->location_may_be_there)
        return 0;
    struct str location = http_response_header(ret, "Location");
    if (location.len == 0)
        return 0;
    struct url *next = &k->own[(k->hops + 1) % 2];
    url_fini(next);
    int rc = url_resolve(k->url, location, next);
    if (rc < 0) {
        CLEANUP(buf_fini) struct buf quoted;
        buf_init(&quoted, ERR_MESSAGE_MAX);
        url_append_quoted(&quoted, location);
        (void)err_wrap(rc, "failed to parse Location header %.*s", STR_ARG(buf_view(&quoted)));
        k->in_body = false;
        return fail_plain(k, rc, HTTP_ERROR_DEFAULT);
    }
    store_cookies(k);
    if (k->hops + 1 > (unsigned)MAX(k->req->max_redirects, 0)) {
        ret->redirect_refused = true;
        return 0;
    }
    note_referer(k, next);
    auth_reset(&k->auth);
    k->keep_host = k->keep_host && has_no_scheme(location);
    report(k);
    if (status <= 303) {
        if (!str_eq(k->method, STR("HEAD")))
            k->method = STR("GET");
        k->send_body = false;
    }
    k->keep_private = k->keep_private && is_same_or_below(k->req->url->host, next->host);
    k->url = next;
    k->hops++;
    http_response_fini(ret);
    ret->error = "";
    return 1;
}

/* A 401 to a request that has more to show: 1 when it is to be sent again (and the response is
 * gone), 0 when it is the answer. */
static int authorize(struct call *k)
{
    struct http_response *ret = k->ret;
    struct auth_request q = {
        .how = k->req->auth,
        .url = k->url,
        .method = k->method,
        .body = k->send_body ? k->req->body : STR_EMPTY,
    };
    int rc = auth_next(&k->auth, &q, ret);
    if (rc <= 0)
        return rc < 0 ? fail_plain(k, rc, HTTP_ERROR_DEFAULT) : 0;
    ret->error_code = 1000 + ret->status;
    report(k);
    http_response_fini(ret);
    ret->error = "";
    return 1;
}

/* The last hop has failed: what is left of the response is the body so far. */
static void forget_answer(struct http_response *ret)
{
    ret->status = 0;
    ret->status_text = STR_EMPTY;
    ret->proto = NULL;
    ret->tls_version = NULL;
    ret->tls_cipher[0] = '\0';
    ret->headers_at = ret->headers_end = 0;
}

static int finish_failed(struct call *k, int rc)
{
    struct http_response *ret = k->ret;
    if (rc == -ECANCELED) {
        http_response_fini(ret);
        ret->error = "";
        return -ECANCELED;
    }
    (void)keep_url(k);
    char saved[1024];
    snprintf(saved, sizeof saved, "%s", err_message());
    forget_answer(ret);
    report(k);
    return err_set(rc, "%s", saved);
}

static int finish_answered(struct call *k)
{
    struct http_response *ret = k->ret;
    if (k->status_101) {
        struct str text = ret->status_text;
        return err_set(E_UNSUPPORTED, "unsupported response status: %.*s", STR_ARG(text));
    }
    int rc = decode(k);
    if (rc < 0) {
        k->in_body = true;
        return finish_failed(k, fail_decode(k, rc));
    }
    rc = keep_url(k);
    if (rc < 0)
        return rc;
    if (ret->status >= 400)
        ret->error_code = 1000 + ret->status;
    store_cookies(k);
    report(k);
    return 0;
}

int http_do(struct http_client *c, const struct http_request *req, struct http_response *ret)
{
    struct call k = {
        .c = c,
        .req = req,
        .ret = ret,
        .url = req->url,
        .method = req->method,
        .deadline_ns = req->deadline_ns,
        .send_body = true,
        .keep_private = true,
        .keep_host = true,
    };
    *ret = (struct http_response){.error = ""};
    buf_init(&k.referer, 2 * (size_t)URL_TEXT_MAX);
    http_auth_init(&k.auth);
    c->busy++;
    int rc;
    do {
        rc = round_trip(&k);
        if (rc == 0 && req->auth != HTTP_AUTH_BASIC)
            rc = authorize(&k);
        if (rc == 0)
            rc = follow(&k);
    } while (rc > 0);
    rc = rc == 0 ? finish_answered(&k) : finish_failed(&k, rc);
    c->busy--;
    buf_fini(&k.referer);
    http_auth_fini(&k.auth);
    url_fini(&k.own[0]);
    url_fini(&k.own[1]);
    return rc;
}
