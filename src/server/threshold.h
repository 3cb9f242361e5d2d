/*
 * threshold - where a threshold's value stands, by the measurements that have come.
 *
 * Whether it passed is the client's word; the value is shown beside it.
 */
#ifndef SERVER_THRESHOLD_H
#define SERVER_THRESHOLD_H

#include "base/arena.h"
#include "store/query.h"
#include "store/store.h"

/* "http_req_duration{status:200}": the name, and in *ret_selector what the braces hold (NULL ptr:
 * no braces). */
struct str threshold_split(struct str metric, struct str *ret_selector);

/* NaN when there is nothing to say: no data yet, or an expression that this server doesn't know. */
NODISCARD int server_threshold_value(struct store *s, int64_t run_id,
                                     const struct store_threshold *t,
                                     const struct query_metric *metrics, size_t metrics_len,
                                     struct arena *a, double *ret);

#endif
