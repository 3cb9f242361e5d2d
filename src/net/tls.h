/*
 * tls - TLS on a connected stream, as a client.
 *
 * OpenSSL reads and writes the socket through a BIO of ours that never waits: what would wait comes
 * back as "want read", and the waiting is done outside OpenSSL.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "net/dial.h"
#include "net/stream.h"

struct roots;
struct tls_context;

/* `rules` and `roots` outlive it.  E_CONFIG with a message when certificates or versions can't be
 * had. */
NODISCARD int tls_context_new(const struct dial_rules *rules, struct roots *roots,
                              struct tls_context **ret);
void tls_context_free(struct tls_context *t);

/* The handshake, also on a stream that speaks TLS already (to a proxy); `host` is the name for SNI
 * and for the certificate; HTTP/2 is offered if the rules say so and `offer_h2`.  On success the
 * stream speaks TLS; on failure the caller closes it, *ret_failure says why, and the message is
 * Go's. */
YIELDS NODISCARD int tls_connect(struct tls_context *t, struct stream *s, struct str host,
                                 bool offer_h2, int64_t deadline_ns,
                                 enum dial_failure *ret_failure);

#endif
