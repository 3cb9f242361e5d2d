/*
 * v5_tests - the metrics API over the runs of a load test.
 */
#ifndef SERVER_V5_TESTS_H
#define SERVER_V5_TESTS_H

#include "server/server_int.h"

/* metrics(…) and query_aggregate_k6(…) */
int v5_test_query(struct request *r);

#endif
