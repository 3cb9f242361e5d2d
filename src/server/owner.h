/*
 * owner - the first start: the owner of the server, their password, the first token.
 */
#ifndef SERVER_OWNER_H
#define SERVER_OWNER_H

#include "server/server_int.h"

/*
 * Makes the owner when there is none, gives them a password when none has one (config->ask_owner,
 * else a one-time password for server_new_password()), and a token when there is none (for the
 * token file, else server_new_token()).
 */
NODISCARD int owner_prepare(struct server *s, const struct server_config *config);

#endif
