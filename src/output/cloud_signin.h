/*
 * cloud_signin - a token for e-mail and password, as k6 before v2 gets one.
 * cloud-protocol.md, "Who calls what".
 */
#ifndef OUTPUT_CLOUD_SIGNIN_H
#define OUTPUT_CLOUD_SIGNIN_H

#include "base/attr.h"
#include "output/cloud_api.h"
#include "output/cloud_config.h"

/* `POST /v1/login`.  *ret_token is the caller's to free.  Errors of cloud_api_call(), with the
 * cloud's words; E_CORRUPT for a reply without a token. */
YIELDS NODISCARD int cloud_sign_in(struct cloud_api *api, const struct cloud_config *config,
                                   const char *email, const char *password, char **ret_token);

#endif
