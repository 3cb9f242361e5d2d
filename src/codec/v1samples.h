/*
 * v1samples - the JSON array of k6's cloud stream, version 1 (k6 before v0.46): read, and merged
 * into buckets.
 *
 * An element is {type, metric, data}.  A `Point` holds one value, `Points` those of one request or
 * iteration, `AggregatedPoints` minimum, maximum and average of many requests.  Elements are
 * decoded one at a time, so that memory doesn't follow the length of the message.
 */
#ifndef CODEC_V1SAMPLES_H
#define CODEC_V1SAMPLES_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "codec/metricset.h"

#include <stddef.h>
#include <stdint.h>

/* Minimum, maximum and average of `count` values. */
struct v1samples_summary {
    uint64_t count; /* at least 1 */
    double min, max, avg;
};

/* A callback returns 0, or a negative code that ends the reading and is passed up.  Views are valid
 * during the call. */
struct v1samples_visitor {
    /* First of an element: what its values have in common. */
    int (*item)(void *arg, int64_t time_ns, const struct metricset_label *labels,
                size_t labels_len);
    int (*value)(void *arg, struct str metric, enum metricset_type type, double value);
    int (*summary)(void *arg, struct str metric, const struct v1samples_summary *summary);
    /* Of `total` values of a rate so many were not 0. */
    int (*ratio)(void *arg, struct str metric, uint64_t nonzero, uint64_t total);
    /* How many requests an aggregate stands for. */
    int (*count)(void *arg, struct str metric, uint64_t count);
    /* The element was one HTTP request: after its values. */
    int (*request)(void *arg, const struct metricset_request *request);
    void *arg;
};

/* 0, -ENOMEM, E_CORRUPT or E_LIMIT with a message, or what a callback said. */
NODISCARD int v1samples_read(const void *data, size_t len, const struct v1samples_visitor *visitor);

/*
 * The same as a MetricSet with buckets of `period_s`, appended to `out`.  Counts, sums, minimum,
 * maximum and average are exact.  The values between minimum and maximum of an aggregate are
 * spread so that their average is right; such series carry the mark "estimated".  Single requests
 * are added to the series of http_req_duration that they count for.
 */
NODISCARD int v1samples_merge(const void *data, size_t len, uint32_t period_s, struct buf *out);

#endif
