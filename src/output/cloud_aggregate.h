/*
 * cloud_aggregate - the workers' time buckets put together, and written as MetricSets.
 *
 * Every worker hands over one batch a period, in order, so a period is whole when each of them has
 * handed over its batch (or its last one).  Whole periods leave in order of time; a series has one
 * value per period.  No clock and no I/O; main loop's thread only.
 */
#ifndef OUTPUT_CLOUD_AGGREGATE_H
#define OUTPUT_CLOUD_AGGREGATE_H

#include "base/attr.h"
#include "base/buf.h"
#include "metrics/metrics.h"
#include "output/cloud_filter.h"

#include <stdbool.h>
#include <stdint.h>

struct cloud_aggregate;

/* `filter` may be NULL; it outlives the aggregate.  Series that differ only in tags that are kept
 * out are one. */
NODISCARD int cloud_aggregate_new(struct metrics *m, uint32_t workers, uint32_t period_s,
                                  const struct cloud_filter *filter, struct cloud_aggregate **ret);
void cloud_aggregate_free(struct cloud_aggregate *a);

/* Takes the batch over, whatever it returns.  -ENOMEM loses what didn't fit; the number of series
 * values lost so is in cloud_aggregate_lost(). */
NODISCARD int cloud_aggregate_add(struct cloud_aggregate *a, struct bucket_batch *b);
uint64_t cloud_aggregate_lost(const struct cloud_aggregate *a);

/* Start of the oldest whole period that holds values, in Unix seconds; false: there is none. */
bool cloud_aggregate_ready(const struct cloud_aggregate *a, int64_t *ret_start_s);
bool cloud_aggregate_done(const struct cloud_aggregate *a); /* every worker's last batch is in */

/* Writes the oldest whole period as MetricSets of at most `series_max` series each and drops it.
 * `emit` gets each of them (uncompressed); a negative return ends the writing and is passed up. */
typedef int cloud_metricset_fn(void *arg, struct str metricset, uint32_t series);
NODISCARD int cloud_aggregate_take(struct cloud_aggregate *a, struct str test_run_id,
                                   uint32_t series_max, cloud_metricset_fn *emit, void *arg);

#endif
