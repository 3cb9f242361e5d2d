/*
 * v6_runs - handlers of the cloud API v6 for what users do to runs: notes, marks, removing them.
 */
#ifndef SERVER_V6_RUNS_H
#define SERVER_V6_RUNS_H

#include "server/server_int.h"

int v6_change_run(struct request *r);
int v6_delete_run(struct request *r);
int v6_star_run(struct request *r);
int v6_unstar_run(struct request *r);
int v6_save_run(struct request *r);
int v6_unsave_run(struct request *r);
int v6_get_distribution(struct request *r);

#endif
