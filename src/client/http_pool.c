/* A client's connections: those that wait for a request, and new ones. */
#include "client/http_int.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

/*
 * Where sockets are read into.  One per thread and not per client, so that it stays in the cache:
 * what stream_read() returned is used up before the coroutine waits again.
 */
static _Thread_local struct {
    uint8_t *bytes;
    size_t clients; /* the last one frees it */
} scratch;

void http_pool_count(struct http_client *c, struct http_conn *conn)
{
    uint64_t in = stream_bytes_in(conn->stream), out = stream_bytes_out(conn->stream);
    if (c->o.bytes_received)
        *c->o.bytes_received += in - conn->seen_in;
    if (c->o.bytes_sent)
        *c->o.bytes_sent += out - conn->seen_out;
    conn->seen_in = in;
    conn->seen_out = out;
}

void http_pool_close(struct http_conn *conn)
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
struct http_conn *http_pool_take(struct http_client *c, const struct url *u, bool tls)
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
        http_pool_count(c, conn);
        http_pool_close(conn);
    }
    return NULL;
}

void http_pool_give(struct http_client *c, struct http_conn *conn)
{
    size_t same = 0;
    for (const struct http_conn *o = c->idle; o; o = o->next)
        same += conn->port == o->port && conn->tls == o->tls && conn->host_len == o->host_len &&
                memcmp(conn->host, o->host, o->host_len) == 0;
    if (same >= c->o.idle_per_host_max) {
        http_pool_close(conn);
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
        http_pool_count(c, conn);
        http_pool_close(conn);
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

uint8_t *http_pool_scratch(void)
{
    if (!scratch.bytes)
        scratch.bytes = mem_alloc(HTTP_SCRATCH_BYTES);
    return scratch.bytes;
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

int http_pool_connect(struct http_call *k, bool tls, struct http_conn **ret)
{
    struct http_client *c = k->c;
    struct dial_result how = {0};
    struct stream *stream;
    int rc = dial(c->o.dialer, k->url->host, k->url->port, tls, c->o.local_ip, k->deadline_ns,
                  &stream, &how);
    if (rc < 0) {
        bool connected = how.failure >= DIAL_TLS_GENERIC && how.failure <= DIAL_TLS_HOSTNAME;
        k->ret->timings.connecting_ns = connected ? how.connect_ns : 0;
        return rc == -ECANCELED ? rc : http_fail_dial(k, rc, &how);
    }
    k->ret->timings.connecting_ns = how.connect_ns;
    k->ret->timings.tls_handshaking_ns = how.tls_ns;
    struct http_conn *conn = mem_calloc(1, sizeof *conn + k->url->host.len + 1);
    if (!conn) {
        stream_close(stream);
        return http_fail_plain(k, err_set(-ENOMEM, "connection"), HTTP_ERROR_DEFAULT);
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
