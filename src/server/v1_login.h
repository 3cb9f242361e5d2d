/*
 * v1_login - how k6 before v2 gets a token by e-mail and password, and asks whether one is valid.
 */
#ifndef SERVER_V1_LOGIN_H
#define SERVER_V1_LOGIN_H

#include "server/server_int.h"

int v1_validate_token(struct request *r);
int v1_login(struct request *r);

#endif
