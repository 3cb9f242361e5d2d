/*
 * access - who sent a request, and whether the route is for them.
 */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "server/server_int.h"

/* Fills in r->who or r->run_id; r->reply.status is set when the request has been refused. */
NODISCARD int access_check(struct request *r);

/* The other side's address as a number, never 0; IPv6 by network. */
uint64_t access_peer(const struct request *r);
/* The same as text, in the request's arena. */
struct str access_address(struct request *r);
/* The session cookie; NULL ptr: none. */
struct str access_session(const struct request *r);
/* False when a browser sends it for a page of somebody else's. */
bool access_same_origin(const struct request *r);

#endif
