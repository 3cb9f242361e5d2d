/* A client's connections: those that wait for a request, and new ones. */
#include "client/http_int.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "client/http2_conn.h"
#include "rt/co.h"

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
    http2_conn_free(conn->h2);
    stream_close(conn->stream);
    mem_free(conn);
}

static bool is_same_origin(const struct http_conn *conn, const struct http_call *k, bool tls)
{
    if (conn->proxy != k->proxy || conn->tls != tls)
        return false;
    return conn->ends_at_proxy || (conn->port == k->url->port &&
                                   str_ieq(str_new(conn->host, conn->host_len), k->url->host));
}

static bool is_same_place(const struct http_conn *a, const struct http_conn *b)
{
    if (a->proxy != b->proxy || a->tls != b->tls)
        return false;
    return a->ends_at_proxy || (a->port == b->port && a->host_len == b->host_len &&
                                memcmp(a->host, b->host, a->host_len) == 0);
}

/* ---- HTTP/2's: in their list as long as they are of use to more than one request ------------ */

static void unlink_shared(struct http_client *c, const struct http_conn *conn)
{
    for (struct http_conn **link = &c->shared; *link; link = &(*link)->next)
        if (*link == conn) {
            *link = conn->next;
            return;
        }
}

static struct http_conn *take_shared(const struct http_call *k)
{
    struct http_client *c = k->c;
    struct http_conn *next;
    for (struct http_conn *conn = c->shared; conn; conn = next) {
        next = conn->next;
        if (!is_same_origin(conn, k, true))
            continue;
        if (http2_conn_has_room(conn->h2)) {
            conn->users++;
            conn->reused = true;
            return conn;
        }
        if (conn->users == 0 && !http2_conn_is_good(conn->h2)) {
            unlink_shared(c, conn);
            http_pool_count(c, conn);
            http_pool_close(conn);
        }
    }
    return NULL;
}

static void give_shared(struct http_client *c, struct http_conn *conn)
{
    conn->users--;
    if (conn->users > 0 || (http2_conn_is_good(conn->h2) && c->o.idle_per_host_max > 0))
        return;
    unlink_shared(c, conn);
    http_pool_count(c, conn);
    http_pool_close(conn);
}

static void close_idle_shared(struct http_client *c)
{
    struct http_conn *next;
    for (struct http_conn *conn = c->shared; conn; conn = next) {
        next = conn->next;
        if (conn->users > 0)
            continue;
        unlink_shared(c, conn);
        http_pool_count(c, conn);
        http_pool_close(conn);
    }
}

/* ---- HTTP/1.1's: in their list while they are idle ------------------------------------------ */

struct http_conn *http_pool_take(const struct http_call *k, bool tls)
{
    struct http_client *c = k->c;
    struct http_conn *shared = tls && c->shared ? take_shared(k) : NULL;
    if (shared)
        return shared;
    struct http_conn **link = &c->idle;
    while (*link) {
        struct http_conn *conn = *link;
        if (!is_same_origin(conn, k, tls)) {
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

/* Go's transport has a maximum for all hosts together; what was used longest ago goes. */
static void drop_oldest(struct http_client *c)
{
    size_t len = 0;
    struct http_conn **link = &c->idle, **last = NULL;
    for (; *link; link = &(*link)->next) {
        last = link;
        len++;
    }
    if (len <= c->o.idle_max || !last)
        return;
    struct http_conn *conn = *last;
    *last = NULL;
    http_pool_count(c, conn);
    http_pool_close(conn);
}

void http_pool_give(struct http_client *c, struct http_conn *conn)
{
    if (conn->h2) {
        give_shared(c, conn);
        return;
    }
    size_t same = 0;
    for (const struct http_conn *o = c->idle; o; o = o->next)
        same += is_same_place(conn, o);
    if (same >= c->o.idle_per_host_max) {
        http_pool_close(conn);
        return;
    }
    conn->next = c->idle;
    c->idle = conn;
    if (conn->next && c->o.idle_max > 0)
        drop_oldest(c);
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
    close_idle_shared(c);
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

static struct http_conn *conn_new(const struct http_call *k, struct stream *stream, bool tls)
{
    struct http_conn *conn = mem_calloc(1, sizeof *conn + k->url->host.len + 1);
    if (!conn)
        return NULL;
    conn->proxy = k->proxy;
    conn->ends_at_proxy = http_ends_at_proxy(k, tls);
    conn->port = k->url->port;
    conn->tls = tls;
    conn->tls_version = tls_version_of(stream);
    conn->peer_port = stream_peer_port(stream);
    snprintf(conn->peer_ip, sizeof conn->peer_ip, "%s", stream_peer_ip(stream));
    conn->host_len = k->url->host.len;
    memcpy(conn->host, k->url->host.ptr, k->url->host.len);
    const char *alpn = stream_tls(stream)->alpn;
    if (alpn && str_eqz(str_of(alpn), "h2") && http2_conn_new(stream, &conn->h2) < 0) {
        mem_free(conn);
        return NULL;
    }
    conn->stream = stream;
    return conn;
}

static int connect_now(struct http_call *k, bool tls, struct http_conn **ret)
{
    struct http_client *c = k->c;
    struct dial_result how = {0};
    struct stream *stream;
    struct dial_target to = {
        .host = k->url->host,
        .port = k->url->port,
        .tls = tls,
        .proxy = k->proxy,
        .ends_at_proxy = http_ends_at_proxy(k, tls),
        .local_ip = c->o.local_ip,
    };
    int rc = dial_to(c->o.dialer, &to, k->deadline_ns, &stream, &how);
    if (rc < 0) {
        bool connected = how.failure >= DIAL_TLS_GENERIC && how.failure <= DIAL_TLS_HOSTNAME;
        k->ret->timings.connecting_ns = connected ? how.connect_ns : 0;
        return rc == -ECANCELED ? rc : http_fail_dial(k, rc, &how);
    }
    k->ret->timings.connecting_ns = how.connect_ns;
    k->ret->timings.tls_handshaking_ns = how.tls_ns;
    struct http_conn *conn = conn_new(k, stream, tls);
    if (!conn) {
        stream_close(stream);
        return http_fail_plain(k, err_set(-ENOMEM, "connection"), HTTP_ERROR_DEFAULT);
    }
    if (conn->h2) {
        conn->users = 1;
        if (c->o.idle_per_host_max > 0) {
            conn->next = c->shared;
            c->shared = conn;
        }
    }
    *ret = conn;
    return 0;
}

/* ---- hosts that may speak HTTP/2: the second call waits for the first one's connection ------ */

struct dial_waiter {
    struct dial_waiter *next;
    struct co *co;
    bool over; /* the dial is */
};

/* On the stack of the call that dials. */
struct http_dial {
    struct http_dial *next;
    const struct url *url;
    struct dial_waiter *waiters;
};

static uint32_t origin_hash(const struct url *u)
{
    uint64_t hash = str_hash(u->host) ^ u->port * 0x9e3779b97f4a7c15ull;
    return (uint32_t)(hash >> 32 ^ hash) | 1;
}

static bool is_http1_host(const struct http_client *c, uint32_t hash)
{
    return c->http1_hosts[hash >> 1 & 7] == hash;
}

static struct http_dial *find_dial(struct http_client *c, const struct url *u)
{
    struct http_dial *d = c->dials;
    while (d && !(d->url->port == u->port && str_ieq(d->url->host, u->host)))
        d = d->next;
    return d;
}

/* Until the other call's dial is over, one way or the other. */
static int await_dial(struct http_call *k, struct http_dial *d)
{
    struct dial_waiter w = {.next = d->waiters, .co = co_self()};
    d->waiters = &w;
    int rc = 0;
    while (!w.over && rc == 0)
        rc = co_park(k->deadline_ns);
    for (struct dial_waiter **at = w.over ? NULL : &d->waiters; at && *at; at = &(*at)->next)
        if (*at == &w) {
            *at = w.next;
            break;
        }
    return rc == -ETIMEDOUT ? http_fail_timeout(k) : rc;
}

static int connect_first(struct http_call *k, uint32_t hash, struct http_conn **ret)
{
    struct http_client *c = k->c;
    struct http_dial d = {.next = c->dials, .url = k->url};
    c->dials = &d;
    int rc = connect_now(k, true, ret);
    struct http_dial **link = &c->dials;
    while (*link != &d)
        link = &(*link)->next;
    *link = d.next;
    if (rc == 0 && !(*ret)->h2)
        c->http1_hosts[hash >> 1 & 7] = hash;
    struct dial_waiter *next;
    for (struct dial_waiter *w = d.waiters; w; w = next) {
        next = w->next;
        w->over = true;
        co_unpark(w->co);
    }
    return rc;
}

int http_pool_connect(struct http_call *k, bool tls, struct http_conn **ret)
{
    struct http_client *c = k->c;
    uint32_t hash = tls ? origin_hash(k->url) : 0;
    if (!tls || c->o.idle_per_host_max == 0 || !dialer_offers_h2(c->o.dialer) ||
        is_http1_host(c, hash))
        return connect_now(k, tls, ret);
    struct http_dial *d = find_dial(c, k->url);
    if (!d)
        return connect_first(k, hash, ret);
    int rc = await_dial(k, d);
    if (rc < 0)
        return rc;
    *ret = http_pool_take(k, tls);
    return *ret ? 0 : connect_now(k, tls, ret);
}
