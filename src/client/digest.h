/*
 * digest - answers to challenges of HTTP Digest authentication (RFC 7616, RFC 2617, RFC 2069).
 *
 * Pure: what is random is given.
 */
#ifndef CLIENT_DIGEST_H
#define CLIENT_DIGEST_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

struct digest_request {
    struct str method, uri; /* as the request line has them */
    struct str user, password;
    struct str body;   /* for qop=auth-int */
    struct str cnonce; /* random text; no quotes in it */
};

/*
 * Looks for a Digest challenge in a WWW-Authenticate header's value and appends the Authorization
 * header's that answers it.  1; 0 when there is none, or none that can be answered (unknown
 * algorithm or qop); negative: -ENOMEM or an error of `out`.
 */
NODISCARD int digest_answer(struct str challenges, const struct digest_request *q, struct buf *out);

#endif
