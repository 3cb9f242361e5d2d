/*
 * session - handlers of /session: the page signs in, looks who it is, signs out, one-time links.
 */
#ifndef SERVER_SESSION_H
#define SERVER_SESSION_H

#include "server/server_int.h"

int session_open(struct request *r);
int session_show(struct request *r);
int session_close(struct request *r);
int session_make_link(struct request *r);
int session_use_link(struct request *r);

/* 1: may try to sign in; 0: too many have failed (of the address, of the account), and the request
 * has been answered.  An empty e-mail: only the address counts. */
NODISCARD int session_brake(struct request *r, struct str email);
/* Held against both. */
void session_refused(struct request *r, struct str email);

/*
 * Signing in by {"email", "password"} of the body: session_begin() gives the password away to be
 * compared, and `then` asks session_check(), which is 1 and fills in r->who when it was right, else
 * answers.
 */
NODISCARD int session_begin(struct request *r, handler_fn *then);
NODISCARD int session_check(struct request *r);

#endif
