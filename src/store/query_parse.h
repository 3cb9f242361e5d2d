/*
 * query_parse - the text of a query as a tree without branches: aggregators around one method.
 * Private to store/.
 */
#ifndef STORE_QUERY_PARSE_H
#define STORE_QUERY_PARSE_H

#include "base/arena.h"
#include "base/limits.h"
#include "codec/metricset.h"

enum query_method {
    COUNTER_INCREASE,
    COUNTER_RATE,
    COUNTER_VALUE,
    COUNTER_CUMRATE,
    COUNTER_MAX_RATE,
    GAUGE_LAST,
    GAUGE_MIN,
    GAUGE_MAX,
    GAUGE_AVG,
    GAUGE_LAST_TIME,
    RATE_INCREASE_TOTAL,
    RATE_INCREASE_NZ,
    RATE_INCREASE_Z,
    RATE_RATE_TOTAL,
    RATE_RATE_NZ,
    RATE_RATE_Z,
    RATE_VALUE_TOTAL,
    RATE_VALUE_NZ,
    RATE_VALUE_Z,
    RATE_RATIO,
    TREND_MIN,
    TREND_MAX,
    TREND_AVG,
    TREND_STDDEV,
    TREND_QUANTILE,
    TREND_COUNT_INCREASE,
    TREND_COUNT_VALUE,
};

enum query_fold { FOLD_SUM, FOLD_AVG, FOLD_MIN, FOLD_MAX };

struct query_by {
    struct str labels[QUERY_LABELS_MAX];
    size_t len;
};

struct query_tree {
    struct {
        enum query_fold fold;
        struct query_by by;
    } folds[QUERY_DEPTH_MAX]; /* outermost first */
    size_t folds_len;
    struct str method;
    double argument;
    bool has_argument;
    struct query_by by;
};

/* Strings point into `text`. */
NODISCARD int query_parse(struct str text, struct query_tree *ret);

/* The method of that name for the type, its argument checked; E_CONFIG names what is wrong. */
NODISCARD int query_find_method(const struct query_tree *tree, enum metricset_type type,
                                struct str metric, enum query_method *ret);

#endif
