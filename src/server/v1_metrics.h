/*
 * v1_metrics - pushes of k6 before v0.46, and the single requests that they hold.
 */
#ifndef SERVER_V1_METRICS_H
#define SERVER_V1_METRICS_H

#include "server/server_int.h"

int v1_push(struct request *r);
/* GET …/outliers. */
int v1_list_outliers(struct request *r);

#endif
