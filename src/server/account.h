/*
 * account - handlers of /accounts/v1/me: what users do with their own name, password and tokens.
 */
#ifndef SERVER_ACCOUNT_H
#define SERVER_ACCOUNT_H

#include "server/server_int.h"

int account_show(struct request *r);
int account_set_name(struct request *r);
int account_set_password(struct request *r);
int account_list_tokens(struct request *r);
int account_add_token(struct request *r);
int account_remove_token(struct request *r);

/* Who asks, as a JSON object. */
void account_put_identity(struct request *r);

/* "admin" is "admin@localhost", "Ann Example" with a dot; in the request's arena. */
struct str account_email(struct request *r, struct str email);

/* 1; 0: answered, as it can't be one (field "email", "name"). */
NODISCARD int account_check_email(struct request *r, struct str email);
NODISCARD int account_check_name(struct request *r, struct str name);

/* A token as JSON; `secret`: shown once, NULL when it isn't new. */
void account_put_token(struct request *r, const struct store_token *t, const char *secret);

/* Makes a token of the one who asks that signing in by e-mail and password gives: of those of that
 * name only the newest are kept, as they can't be given twice. */
NODISCARD int account_login_token(struct request *r, char out[static AUTH_SECRET_LEN + 1]);

#endif
