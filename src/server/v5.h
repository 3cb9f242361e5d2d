/*
 * v5 - handlers of the metrics API, thresholds and live events.
 */
#ifndef SERVER_V5_H
#define SERVER_V5_H

#include "server/server_int.h"

int v5_metrics(struct request *r);
int v5_series(struct request *r);
int v5_labels(struct request *r);
int v5_label_values(struct request *r);
int v5_query(struct request *r); /* query_range_k6(…) and query_aggregate_k6(…) */
int v5_thresholds(struct request *r);
int v5_run_events(struct request *r);
int v5_all_events(struct request *r);

#endif
