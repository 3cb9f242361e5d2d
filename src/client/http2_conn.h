/*
 * http2_conn - requests at the same time over one stream of bytes, by HTTP/2.
 *
 * There is no coroutine that always reads: of those that wait for their responses one reads for
 * all, and hands that over when its own is there.  So a request alone costs no switch more than
 * over HTTP/1, and a connection that nobody uses costs no stack.  Writing doesn't wait, either;
 * only what the socket won't take goes to a coroutine of its own, as reading must go on meanwhile.
 */
#ifndef CLIENT_HTTP2_CONN_H
#define CLIENT_HTTP2_CONN_H

#include "base/attr.h"
#include "client/http2.h"

#include <stdbool.h>
#include <stdint.h>

struct http2_conn;
struct stream;

/* One request; on its coroutine's stack. */
struct http2_exchange {
    struct http2_stream stream; /* `body`, `discard` and `body_max` are the caller's to fill */
    int64_t wrote_ns, first_ns; /* monotonic: the request was out, the response's head came; or 0 */
    int64_t last_ns;            /* arrival of the response's end, or 0 */

    /* private */
    struct http2_conn *conn;
    struct co *co;
    struct http2_exchange *next, **link;
    bool sent; /* but perhaps not yet written */
};

void http2_exchange_init(struct http2_exchange *x);
void http2_exchange_fini(struct http2_exchange *x);

/* `s` outlives it.  0 or -ENOMEM. */
NODISCARD int http2_conn_new(struct stream *s, struct http2_conn **ret);
/* No request may be under way.  NULL is fine. */
void http2_conn_free(struct http2_conn *c);

/* Whether one more request may go over it; looks at what has come meanwhile, doesn't wait. */
bool http2_conn_has_room(struct http2_conn *c);
/* False: no request ever again; close it when the last one has ended. */
bool http2_conn_is_good(const struct http2_conn *c);
void http2_conn_retire(struct http2_conn *c);

/*
 * Sends the request, waits for its end.  0: x->stream.how says which.  Otherwise -ETIMEDOUT,
 * -ECANCELED (the peer is told, the connection goes on), or the connection was lost: E_EOF,
 * -ECONNRESET and the like, with a message as stream_read() has it.
 */
YIELDS NODISCARD int http2_conn_do(struct http2_conn *c, const struct http1_request *r,
                                   struct str scheme, struct http2_exchange *x,
                                   int64_t deadline_ns);

/* See http2_goaway(). */
bool http2_conn_goaway(const struct http2_conn *c, uint32_t *ret_code, char *ret_text, size_t size);

#endif
