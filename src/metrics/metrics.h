/*
 * metrics - the run's metrics as a whole: what is defined, who wants what, and the merged view.
 *
 * Built on the main thread before workers start: registry, sub-metrics (one for each
 * `metric{tag:value}` of thresholds, and http_req_duration{expected_response:true}), bucket
 * consumer.  Read-only to workers afterwards, but for the table of series ids, which has a lock
 * that a worker takes once per new series.
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include "base/attr.h"
#include "metrics/metric.h"
#include "metrics/sample.h"
#include "metrics/shard.h"
#include "metrics/sink.h"
#include "metrics/slow.h"

struct submetric {
    const struct metric *parent;
    char *name;       /* "http_req_duration{scenario:arr}", normalised as k6 shows it */
    char *suffix;     /* "scenario:arr" */
    struct tag *tags; /* what a sample must carry, all of them */
    uint32_t tags_len;
    uint32_t index; /* 0..: place among the sinks of a snapshot after the metrics' */
};

/* One closed time bucket of one series; `value` is by the metric's type. */
struct bucket {
    uint32_t series;  /* id in the run's series table, see metrics_series() */
    int64_t start_s;  /* Unix seconds, multiple of the period */
    struct sink sink; /* counter: sum; gauge: last/count/min/max/sum; rate; trend: with hdr */
    struct slow_requests *slow; /* of http_req_duration, if wanted; owned; NULL: none */
};

/* What a worker hands over when a period has passed; FIFO per worker, starts never go back.  The
 * receiver owns it: bucket_batch_free(). */
struct bucket_batch {
    int64_t start_s;
    uint32_t worker;
    size_t len;
    struct bucket *buckets;
    bool last; /* the worker will send no more */
};
void bucket_batch_free(struct bucket_batch *b);

/* Called on the worker's thread; must not wait (typically posts mail).  A batch comes for every
 * period, empty ones included, so that a consumer knows when all workers are past it. */
typedef void bucket_consumer_fn(void *arg, struct bucket_batch *b);

NODISCARD int metrics_new(struct registry *r, struct metrics **ret);
void metrics_free(struct metrics *m);
struct registry *metrics_registry(struct metrics *m);

/* Before workers start: period 0 means no buckets.  One consumer. */
void metrics_want_buckets(struct metrics *m, uint32_t period_s, bucket_consumer_fn *fn, void *arg);

/* Before workers start: buckets of http_req_duration also keep their slowest requests, so many of
 * a series, at most SLOW_MAX; 0: none. */
void metrics_want_slow(struct metrics *m, uint32_t per_series);

/* Before workers start: every single sample goes to `fn`, too.  One consumer. */
void metrics_want_samples(struct metrics *m, sample_consumer_fn *fn, void *arg);

/* From now on `generator_lag` is a metric like the others; any thread.  Until then it is measured,
 * but in no snapshot, bucket or sample: k6 has none. */
void metrics_show_lag(struct metrics *m);

/* Before workers start: also keeps each scenario's and group's own sinks (summary mode full). */
void metrics_want_sections(struct metrics *m);

/* Parses "name{k:v,k2:v2}" (k6-surface 4.3) and finds or adds the sub-metric; plain names give
 * *ret = NULL with *ret_metric set.  E_CONFIG with k6's message. */
NODISCARD int metrics_submetric(struct metrics *m, struct str key, const struct metric **ret_metric,
                                const struct submetric **ret);
size_t metrics_submetrics_len(const struct metrics *m);
const struct submetric *metrics_submetric_at(const struct metrics *m, size_t i);

/* A series of the run, any thread: metric and labels, valid as long as `m`. */
struct series_info {
    const struct metric *metric;
    const struct tag *tags;
    uint32_t len;
};
struct series_info metrics_series(struct metrics *m, uint32_t series);

/* By the worker, on its loop at least once a second: closes buckets whose period has passed. */
void shard_tick(struct shard *s, int64_t wall_ns);
/* By the worker, now and then: hands over the samples that wait for their chunk to be full. */
void shard_flush_samples(struct shard *s);
/* By the worker at its end: closes everything, the batch marked last. */
void shard_finish(struct shard *s, int64_t wall_ns);

/* A check of one group of one scenario.  The names belong to the run's `metrics`. */
struct check_count {
    struct str scenario; /* empty: outside of scenarios (setup, teardown) */
    struct str group;    /* full path "::outer::inner"; empty at the root */
    struct str name;
    uint64_t passes, fails;
    uint64_t seq; /* order of first sight in the whole run */
};

/* A group that a check or a group_duration sample was seen in.  Names as above. */
struct group_seen {
    struct str path;
    uint64_t seq;
};

/* What a scenario, or a group within one, measured itself; only with metrics_want_sections(). */
struct section {
    struct str scenario; /* empty: outside of scenarios */
    struct str group;    /* full path; empty: the scenario as a whole, with its groups */
    uint64_t seq;
    struct sink *sinks; /* by metric id */
    size_t len;
};

/* The merged view of all shards: a sink per metric id, then one per sub-metric.  Owns its sinks;
 * valid as long as `metrics` is. */
struct snapshot {
    struct sink *sinks;
    size_t len;         /* metrics_len + sub-metrics */
    size_t metrics_len; /* registry_len when it was made */

    struct check_count *checks; /* in no order: see seq */
    size_t checks_len;
    struct group_seen *groups; /* likewise */
    size_t groups_len;
    struct section *sections; /* likewise */
    size_t sections_len;

    uint64_t dropped; /* samples lost to a limit */
};
NODISCARD int snapshot_new(struct metrics *m, struct snapshot **ret);
void snapshot_free(struct snapshot *s);
/* Adds a shard's sinks; called on that shard's worker (or after it ended).  The caller sees to it
 * that only one thread at a time merges into `into`.  0 or -ENOMEM; what was merged until then
 * stays, counts before histograms. */
int shard_merge_into(const struct shard *s, struct snapshot *into);
/* NULL when the metric was registered after the snapshot was made. */
const struct sink *snapshot_metric(const struct snapshot *s, const struct metric *m);
const struct sink *snapshot_submetric(const struct snapshot *s, const struct metrics *m,
                                      const struct submetric *sub);

#endif
