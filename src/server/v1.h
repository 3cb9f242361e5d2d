/*
 * v1 - handlers of /v1 and /v2: create, finish, push.
 */
#ifndef SERVER_V1_H
#define SERVER_V1_H

#include "server/server_int.h"

int v1_create_test(struct request *r);
int v1_finish_test(struct request *r);
int v2_push(struct request *r);

/* What the handlers of other files share. */

/* Creates the run that the body, JSON or a form, describes.  1; 0: refused (role, limits), and
 * answered. */
NODISCARD int v1_create_run(struct request *r, bool needs_archive, int64_t *ret_id);
/* reference_id and config; 0. */
int v1_reply_created(struct request *r, int64_t id);
/* Whether the run of the path takes a push: 1; 0: the push was applied before and has been
 * answered; E_NOT_FOUND, E_REFUSED. */
NODISCARD int v1_check_push(struct request *r, struct str key, int64_t *ret_id);

#endif
