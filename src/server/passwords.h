/*
 * passwords - hashing off the threads that serve requests: one thread, one password at a time, and
 * a short queue before it.
 *
 * A handler gives its request away and returns REPLY_LATER; `then` goes on with it on the request's
 * own thread, as a handler does, and finds what came of it in r->password.
 */
#ifndef SERVER_PASSWORDS_H
#define SERVER_PASSWORDS_H

#include "server/server_int.h"

struct passwords;

NODISCARD int passwords_new(struct passwords **ret);
/* What is under way has ended before.  NULL is fine. */
void passwords_free(struct passwords *p);

/*
 * Compares r->password.given with `encoded` (empty: as long, and never right), and when `fresh` has
 * a pointer and the first was right hashes that, too.  REPLY_LATER, or E_UNAVAILABLE when too many
 * wait.  The texts live in the request's arena.
 */
NODISCARD int passwords_verify(struct request *r, struct str given, struct str encoded,
                               struct str fresh, handler_fn *then);
/* Only hashes. */
NODISCARD int passwords_hash(struct request *r, struct str fresh, handler_fn *then);

#endif
