/*
 * remote - files of modules from the web.
 *
 * For the time in which a script is loaded: no virtual user runs yet, so a fetch simply blocks its
 * thread, with a loop of its own that lives as long as the call.  Certificates that TLS trusts are
 * read once.
 */
#ifndef JS_REMOTE_H
#define JS_REMOTE_H

#include "base/attr.h"
#include "base/buf.h"

struct remote;

NODISCARD int remote_new(struct remote **ret);
void remote_free(struct remote *r); /* NULL is fine */

/* GETs the https URL, first with "_k6=1" in its query as k6 does, then without, and appends what a
 * 200 brings.  Redirects are followed as long as they stay with https.  Blocks for at most two
 * minutes; any thread but one at a time, and not on a coroutine.  E_NOT_FOUND, E_REFUSED, E_LIMIT,
 * or what the connection said, with a message. */
NODISCARD int remote_fetch(struct remote *r, struct str url, struct buf *out);

#endif
