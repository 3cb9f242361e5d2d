/*
 * auth - what a request says in Authorization when a 401 has asked for it: Digest, NTLM.
 *
 * One struct auth goes with one hop of a call; auth_reset() makes it fit for the next.
 */
#ifndef CLIENT_AUTH_H
#define CLIENT_AUTH_H

#include "base/attr.h"
#include "base/buf.h"
#include "client/http.h"

#include <stdint.h>

struct auth {
    uint32_t step;  /* requests that it has asked for */
    bool basic;     /* one of them said Basic */
    struct buf say; /* the header's value; empty: nothing */
};

void http_auth_init(struct auth *a); /* no allocation */
void http_auth_fini(struct auth *a);
void auth_reset(struct auth *a);

struct auth_request {
    enum http_auth how;
    const struct url *url;
    struct str method, body;
};

/* Looks at the answer: 1 when the request is to be sent again, with what `say` holds; 0 when it
 * stands; negative with a message. */
NODISCARD int auth_next(struct auth *a, const struct auth_request *q,
                        const struct http_response *answer);

#endif
