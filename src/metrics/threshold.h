/*
 * threshold - what a run must keep to: "p(95)<500" of a metric or sub-metric.
 *
 * Data in, decision out: the caller knows the time, makes the snapshot, and acts.  k6-surface 4.3.
 */
#ifndef METRICS_THRESHOLD_H
#define METRICS_THRESHOLD_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "metrics/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum threshold_agg {
    THRESHOLD_VALUE,
    THRESHOLD_COUNT,
    THRESHOLD_RATE,
    THRESHOLD_AVG,
    THRESHOLD_MIN,
    THRESHOLD_MED,
    THRESHOLD_MAX,
    THRESHOLD_PERCENTILE,
};

enum threshold_op {
    THRESHOLD_LESS_EQUAL,
    THRESHOLD_LESS,
    THRESHOLD_GREATER_EQUAL,
    THRESHOLD_GREATER,
    THRESHOLD_STRICTLY_EQUAL,
    THRESHOLD_EQUAL,
    THRESHOLD_NOT_EQUAL,
};

/* An expression, taken apart. */
struct threshold_expr {
    enum threshold_agg agg;
    double percentile; /* 0..100; of THRESHOLD_PERCENTILE */
    enum threshold_op op;
    double bound; /* right-hand side */
};

/* E_CONFIG with k6's message. */
NODISCARD int threshold_parse(struct str source, struct threshold_expr *ret);

/* The left-hand side of a sink as it stands.  False: there is none yet (a rate without samples), so
 * the threshold holds. */
bool threshold_value(const struct threshold_expr *e, const struct sink *sink, enum metric_type type,
                     int64_t elapsed_ns, double *ret);
bool threshold_holds(const struct threshold_expr *e, double value);

struct threshold {
    char *source; /* as the script has it */
    struct threshold_expr expr;
    bool abort_on_fail;
    int64_t delay_abort_ns; /* a failure before this doesn't abort; -1: none given */

    /* Of the last evaluation. */
    bool failed;
    bool has_value;
    double value;
};

/* All thresholds of one key. */
struct threshold_group {
    char *key;        /* as the script has it */
    const char *name; /* the metric's or sub-metric's own */
    const struct metric *metric;
    const struct submetric *sub; /* NULL: the metric itself */
    struct threshold *items;
    size_t len;
    size_t cap;
    bool failed; /* one of the items did, at the last evaluation */
    bool abort;  /* one that aborts has; stays */
};

struct thresholds {
    struct metrics *metrics;
    struct threshold_group *groups; /* sorted by name */
    size_t len;
    size_t cap;
    size_t total; /* expressions of all groups */
};

struct threshold_verdict {
    size_t failed; /* groups */
    bool abort;    /* stop the test now */
};

void thresholds_init(struct thresholds *t, struct metrics *m); /* cannot fail */
void thresholds_fini(struct thresholds *t);                    /* safe on a zeroed one */

/* The group of `key` ("metric" or "metric{tag:value}"), making the sub-metric; a key without
 * expressions is legal: it makes the summary show the sub-metric.  E_CONFIG with k6's message when
 * the key is malformed or no such metric exists (exit code 104 set), -ENOMEM, E_LIMIT. */
NODISCARD int thresholds_key(struct thresholds *t, struct str key);

/* One expression of a key; `delay_abort_ns` -1: not given.  E_CONFIG when it doesn't parse or its
 * aggregation doesn't fit the metric (exit code 104 set), -ENOMEM, E_LIMIT. */
NODISCARD int thresholds_add(struct thresholds *t, struct str key, struct str source,
                             bool abort_on_fail, int64_t delay_abort_ns);

/* Every 2 s (`final` false: groups without samples are left as they are) and once at the end. */
struct threshold_verdict thresholds_evaluate(struct thresholds *t, const struct snapshot *snapshot,
                                             int64_t elapsed_ns, bool final);

/* "checks, http_reqs": names of the groups that failed, sorted. */
void thresholds_failed_names(const struct thresholds *t, struct buf *out);

#endif
