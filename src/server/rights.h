/*
 * rights - what the one who asks may do, by role.
 *
 * viewer: read all of a project.  editor: also run, change, schedule and delete tests and runs.
 * admin: also change the project, its labels, and who may do what in it.  Who is admin of all
 * projects may make projects and set their limits; the owner of the server may do everything and
 * is the only one who sees users, service tokens and the list of deeds.
 */
#ifndef SERVER_RIGHTS_H
#define SERVER_RIGHTS_H

#include "server/server_int.h"

/* 1: has that role there; 0: hasn't, and the request has been answered (403). */
NODISCARD int rights_need(struct request *r, int64_t project_id, enum store_role role);

/* What the route asks for; as above, and 404 when what the path names isn't there. */
NODISCARD int rights_check_route(struct request *r);

/* The ids of the projects that may be seen, as JSON for struct store_page; NULL ptr: all. */
NODISCARD int rights_visible(struct request *r, struct str *ret);

/* The project for a run that names none: the server's default one, or the first in which the one
 * who asks may run tests. */
int64_t rights_default_project(struct request *r);

/* "viewer"; ROLE_NONE: "none". */
const char *role_name(enum store_role role);
bool role_of_name(struct str name, enum store_role *ret);

#endif
