/*
 * provisioning - runs that a k6 v2 client executes itself: how it gets one, sends its archive, and
 * tells how it ended.
 */
#ifndef SERVER_PROVISIONING_H
#define SERVER_PROVISIONING_H

#include "server/server_int.h"

/* created; initializing at once, or when the archive that was announced has come. */
int provisioning_start(struct request *r);
/* By a URL that is good for this one archive. */
int provisioning_upload(struct request *r);
int provisioning_notify(struct request *r);
int provisioning_secret(struct request *r);
int provisioning_session(struct request *r);

#endif
