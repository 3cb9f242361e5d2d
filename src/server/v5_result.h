/*
 * v5_result - answers of the metrics API in their JSON form.
 */
#ifndef SERVER_V5_RESULT_H
#define SERVER_V5_RESULT_H

#include "base/buf.h"
#include "store/query.h"

/* "counter", "gauge", "rate", "trend" */
struct str v5_type_name(enum metricset_type type);

/* The series of one run, comma-separated; `run`: its id as a label, NULL: none.  *first: whether
 * nothing stands in the list yet. */
void v5_put_series(struct buf *out, const struct query_result *result, bool range, const char *run,
                   bool *first);
/* What stands before and behind them. */
void v5_begin_result(struct buf *out, bool range);
void v5_end_result(struct buf *out, bool estimated);

#endif
