/*
 * deed - the list of who did what: which requests are in it, and how.
 */
#ifndef SERVER_DEED_H
#define SERVER_DEED_H

#include "server/server_int.h"

/* After a request that has been answered: into the list when it changed something and it is known
 * who asked.  What it was done to: r->deed_target, else the first parameter of the path. */
void deed_note(struct request *r);

/* A sign-in that failed, with the e-mail that was given. */
void deed_refused(struct request *r, struct str email);

#endif
