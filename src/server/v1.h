/*
 * v1 - handlers of /v1 and /v2: create, finish, push, validate a token.
 */
#ifndef SERVER_V1_H
#define SERVER_V1_H

#include "server/server_int.h"

int v1_create_test(struct request *r);
int v1_finish_test(struct request *r);
int v2_push(struct request *r);
int v1_validate_token(struct request *r);
int v1_login(struct request *r);
int v1_old_metrics(struct request *r);
int v1_not_here(struct request *r); /* routes of k6's that are to come */

#endif
