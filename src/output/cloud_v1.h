/*
 * cloud_v1 - stream version 1: samples as JSON, and HTTP requests aggregated where nothing is lost
 * by it.
 *
 * A request's samples become one compound element, an iteration's likewise.  With aggregation the
 * requests wait in buckets of a period and, in these, in groups of equal tags.  Once a bucket is
 * old enough, a group of few requests is sent request by request; of a larger one those whose
 * connection or request time stands out are sent so, and the rest as one element with count,
 * minimum, maximum and average.  cloud-protocol.md, "Push, v1" and "Aggregation of v1".
 *
 * Pure: no clock, no I/O.  One thread at a time.
 */
#ifndef OUTPUT_CLOUD_V1_H
#define OUTPUT_CLOUD_V1_H

#include "base/attr.h"
#include "base/str.h"
#include "metrics/sample.h"
#include "output/cloud_filter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cloud_v1_settings {
    int64_t period_ns;        /* of a bucket; 0: no aggregation */
    int64_t wait_ns;          /* after a bucket's end, before it is looked at */
    int64_t calc_ns;          /* between looks */
    uint32_t min_samples;     /* fewer requests of equal tags are sent singly */
    uint32_t interpolate_max; /* up to so many the quartiles are interpolated */
    double radius;            /* of the quartiles around the median, at most 0.5 */
    double lower, upper;      /* so many times their distance is normal below and above them */
    bool aggregate_all;       /* nothing stands out */
    uint32_t package_max;     /* elements of one push */
};

/* A push: a JSON array of `samples` elements.  A negative return counts them as lost. */
typedef int cloud_v1_emit_fn(void *arg, struct str json, uint32_t samples);

struct cloud_v1;

/* `filter` (may be NULL) outlives it; of requests its rules for http_req_duration hold. */
NODISCARD int cloud_v1_new(const struct cloud_v1_settings *settings,
                           const struct cloud_filter *filter, cloud_v1_emit_fn *emit, void *arg,
                           struct cloud_v1 **ret);
void cloud_v1_free(struct cloud_v1 *v); /* NULL is fine */

/* What doesn't find memory is counted as lost. */
void cloud_v1_add(struct cloud_v1 *v, const struct sample_chunk *c);

/* Looks at the buckets that are old enough at `wall_ns`, if it is time to look. */
void cloud_v1_tick(struct cloud_v1 *v, int64_t wall_ns);

void cloud_v1_push(struct cloud_v1 *v);   /* gives out what waits to be sent */
void cloud_v1_finish(struct cloud_v1 *v); /* all buckets, whatever their age, and that */

uint64_t cloud_v1_lost(const struct cloud_v1 *v); /* elements */

/* ---- for tests ---- */

/* Between which values is normal; changes the order of `values` (len > 0). */
void cloud_v1_bounds(const struct cloud_v1_settings *s, double *values, size_t len, double *ret_min,
                     double *ret_max);

#endif
