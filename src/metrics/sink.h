/*
 * sink - what is known of a stream of samples, in constant memory.
 */
#ifndef METRICS_SINK_H
#define METRICS_SINK_H

#include "base/attr.h"
#include "metrics/metric.h"

#include <stdbool.h>
#include <stdint.h>

struct hist; /* metrics/hist.h: log-linear, relative error <= 0.1 %; NULL until the first sample */
struct hdr;  /* the cloud's histogram of a bucket, codec-compatible counters; NULL likewise */

struct sink {
    uint64_t count;   /* samples */
    uint64_t nonzero; /* of them not 0; rate */
    double sum;
    double min, max;   /* gauge and trend; 0 without samples */
    double last;       /* gauge */
    int64_t last_ns;   /* gauge: wall time of the last sample, which says whose `last` wins */
    struct hist *hist; /* trends of metrics and sub-metrics */
    struct hdr *hdr;   /* trends of buckets */
};

void sink_fini(struct sink *s);
/* Adds one sample; trend: into hist when `fine`, else into hdr.  -ENOMEM loses only the histogram
 * entry, never the counts. */
int sink_add(struct sink *s, enum metric_type type, bool fine, double value, int64_t wall_ns);
int sink_merge(struct sink *into, const struct sink *from, enum metric_type type);

/* 0 <= q <= 1 of a trend by its histogram, interpolated, exact at min and max; 0 without samples.
 */
double sink_quantile(const struct sink *s, double q);
double sink_avg(const struct sink *s);

#endif
