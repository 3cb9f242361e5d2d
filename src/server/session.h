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

#endif
