/*
 * http_int - what the files of the HTTP client share.  Nobody else includes it.
 *
 * http.c has http_do(): redirects, cookies, what is reported.  http_trip.c makes one round trip,
 * http_head.c the head of its request, http_pool.c the connection that it goes over, and
 * http_fail.c knows k6's codes and words for what goes wrong.
 */
#ifndef CLIENT_HTTP_INT_H
#define CLIENT_HTTP_INT_H

#include "base/buf.h"
#include "client/auth.h"
#include "client/http.h"
#include "client/http1.h"
#include "net/dial.h"
#include "net/proxy.h"
#include "net/stream.h"

struct http_conn {
    struct http_conn *next; /* of the idle ones, or of those for HTTP/2 */
    struct http2_conn *h2;  /* NULL: HTTP/1.1 */
    uint32_t users;         /* requests under way; HTTP/2 only */
    struct stream *stream;
    uint64_t seen_in, seen_out; /* bytes already added to the client's counters */
    const char *tls_version;    /* static or the stream's */
    const struct proxy *proxy;  /* that it goes through, or NULL */
    bool ends_at_proxy;         /* the origin is the proxy: for all hosts, without TLS to them */
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
    struct http_conn *idle;   /* most recently used first */
    struct http_conn *shared; /* by HTTP/2; busy or idle */
    struct http_dial *dials;  /* under way, to hosts that may speak HTTP/2 */
    uint32_t http1_hosts[8];  /* hashes of origins with TLS that don't, by hash; 0: none */
    struct buf head;          /* of the request being written; see head_busy */
    bool head_busy;
    uint32_t busy; /* calls under way */
};

/* One http_do(). */
struct http_call {
    struct http_client *c;
    const struct http_request *req;
    struct http_response *ret;
    const struct url *url;     /* of this hop: the request's or own[hop % 2] */
    struct url own[2];         /* this hop's and the last one's */
    struct str method;         /* of this hop */
    struct buf referer;        /* empty: none */
    struct auth auth;          /* of this hop */
    unsigned hops;             /* round trips made before this one */
    const struct proxy *proxy; /* for this hop; NULL: none */
    bool send_body;            /* no redirect has dropped it */
    bool keep_private; /* no redirect has gone to another host: Authorization etc. go along */
    bool keep_host;    /* the request's Host header holds for this hop */
    bool in_body;      /* the head has been read */
    bool status_101;
    bool cookies_may_be_there, location_may_be_there, encoding_may_be_there;
    int64_t deadline_ns;
    int64_t wrote_ns, first_ns; /* 0: not come to */
};

/* What is said is said to the proxy, which finds the host: plain HTTP through a proxy for HTTP. */
static inline bool http_ends_at_proxy(const struct http_call *k, bool tls)
{
    return k->proxy && !tls && k->proxy->kind != PROXY_SOCKS5;
}

static inline bool http_name_is(struct str name, const char *z)
{
    return str_eqz(name, z);
}

/* ---- failures: the error slot has Go's long text, the response k6's short one; all return `rc` */

/* Notes code and short text.  The error's message is the long text; it gets Go's prefix while the
 * head is still to come. */
int http_fail(struct http_call *k, int rc, int code, const char *short_text);
int http_fail_plain(struct http_call *k, int rc, int code); /* the message is both texts */
int http_fail_timeout(struct http_call *k);
int http_fail_dial(struct http_call *k, int rc, const struct dial_result *how);
/* A read or a write on the connection, whose message is the long text; `op` is "read" or "write".
 */
int http_fail_io(struct http_call *k, int rc, const char *op);
/* What the reader refused: Go's words are the message already. */
int http_fail_read(struct http_call *k, int rc);

/* ---- the request's head -------------------------------------------------------------------- */

/* HTTP_HEAD_OWN: Cookie, Authorization, Referer, Connection, Proxy-Authorization. */
enum { HTTP_HEAD_INLINE = 24, HTTP_HEAD_OWN = 5 };

struct http_head {
    struct http1_request req; /* views into what is below, and into the call */
    bool closes;              /* it says that the connection ends after it */
    struct http_header *list;
    size_t len;
    struct buf cookies, basic, absolute;
    struct http_header room[HTTP_HEAD_INLINE];
};

/* Fills `h`, which is to be http_head_fini()shed whatever comes back. */
NODISCARD int http_head_collect(struct http_call *k, struct http_head *h);
void http_head_fini(struct http_head *h);

/* Appends it to `out`, for HTTP/1.1; *ret_closes as above. */
NODISCARD int http_head_write(struct http_call *k, struct buf *out, bool *ret_closes);

/* ---- connections --------------------------------------------------------------------------- */

/* A connection to the URL's origin that a request may go over: an idle one, out of the list, or one
 * for HTTP/2 with room for it.  NULL: none. */
struct http_conn *http_pool_take(const struct http_call *k, bool tls);
/* The request is over.  Keeps it for later, or closes it when there are enough. */
void http_pool_give(struct http_client *c, struct http_conn *conn);
void http_pool_close(struct http_conn *conn);
/* Adds what has gone over it since the last time to the client's counters. */
void http_pool_count(struct http_client *c, struct http_conn *conn);
/* A new one, or one for HTTP/2 that somebody else was making; 0, or a negative code by the
 * functions above. */
YIELDS NODISCARD int http_pool_connect(struct http_call *k, bool tls, struct http_conn **ret);
/* HTTP_SCRATCH_BYTES that all coroutines of the thread read into; NULL: no memory. */
uint8_t *http_pool_scratch(void);

/* ---- one round trip ------------------------------------------------------------------------ */

/* Fills the response; 0, or a negative code by the functions above. */
YIELDS NODISCARD int http_trip_make(struct http_call *k);

/* On `conn`, which it takes over, by HTTP/2.  *ret_again: the peer hasn't looked at it, and it may
 * be sent once more. */
YIELDS NODISCARD int http_trip_make2(struct http_call *k, struct http_conn *conn, int64_t begin_ns,
                                     bool *ret_again);

void http_trip_note_peer(struct http_call *k, const struct http_conn *conn);
void http_trip_note_tls(struct http_call *k, const struct http_conn *conn);
/* `last_ns`: when the response's end came, or when it broke off. */
void http_trip_note_times(struct http_call *k, int64_t begin_ns, int64_t last_ns);
/* Shows the answer, put together again from its lines, to whoever wants to see it. */
void http_trip_show(struct http_call *k);

#endif
