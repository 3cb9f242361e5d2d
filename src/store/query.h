/*
 * query - the questions of the metrics API to one run's measurements.
 *
 * A query is a method of the metric's type, maybe `by (label, …)`, maybe inside aggregators:
 * `histogram_quantile(0.95)`, `sum(last by (instance_id))`, `avg(rate by (name)) by (method)`.
 * Without selector and labels only the merged rows of the metric are read.
 *
 * Whatever is wrong with a question is E_CONFIG with a message that names it.
 */
#ifndef STORE_QUERY_H
#define STORE_QUERY_H

#include "base/arena.h"
#include "codec/metricset.h"
#include "store/store.h"

struct query_metric {
    int64_t id;
    struct str name;
    enum metricset_type type;
    bool estimated; /* a trend some of whose percentiles are */
};

/* In the order of their first appearance; none before the first push. */
NODISCARD int query_metrics(struct store *s, int64_t run_id, struct arena *a,
                            struct query_metric **ret, size_t *ret_len);

/* A series of the run, without values. */
struct query_key {
    struct str metric;
    struct metricset_label *labels; /* sorted by name */
    size_t labels_len;
};

/* A negative code ends the walk and is passed up.  The key is valid during the call. */
typedef int query_key_fn(void *arg, const struct query_key *key);

/* Tells of those that match any of the selectors, of all when there is none; by metric and labels.
 */
NODISCARD int query_each_key(struct store *s, int64_t run_id, const struct str *selectors,
                             size_t selectors_len, query_key_fn *fn, void *arg);

struct query_point {
    int64_t time_s; /* start of the step; for one value the end of the range */
    double value;
};

struct query_series {
    struct metricset_label *labels; /* of the `by`; empty ones left out */
    size_t labels_len;
    struct query_point *points; /* by time; steps without data are left out */
    size_t len;
    size_t cap;
};

struct query_result {
    struct arena arena; /* of the labels */
    struct query_series *series;
    size_t len;
    size_t cap;
    bool estimated; /* percentiles or deviations of values known by their average alone */
};

struct query {
    struct str query;  /* "rate by (name)" */
    struct str metric; /* "http_reqs{status=\"200\"}" */
    int64_t start_s;   /* -1: where the run's data begins */
    int64_t end_s;     /* -1: where it ends */
    int64_t step_s;    /* 0: one value over the range; else rounded up to whole buckets */
};

NODISCARD int query_run(struct store *s, int64_t run_id, const struct query *q,
                        struct query_result *ret);
void query_result_fini(struct query_result *r);

#endif
