/*
 * v6 - handlers of the cloud API v6: who am I, projects, tests, runs.
 */
#ifndef SERVER_V6_H
#define SERVER_V6_H

#include "server/server_int.h"

int v6_auth(struct request *r);
int v6_openapi(struct request *r); /* the specification */
int v6_list_projects(struct request *r);
int v6_get_project(struct request *r);
int v6_list_tests(struct request *r);
int v6_list_project_tests(struct request *r);
int v6_get_test(struct request *r);
int v6_list_test_runs(struct request *r); /* of one test */
int v6_list_runs(struct request *r);
int v6_get_run(struct request *r);
int v6_get_script(struct request *r);
int v6_abort_run(struct request *r);
int v6_not_here(struct request *r);

/* The reply of a script: the archive that `read` gives, or the main script in it, by Accept. */
int v6_put_script(struct request *r, int (*read)(struct store *s, int64_t id, struct buf *out),
                  int64_t id);

#endif
