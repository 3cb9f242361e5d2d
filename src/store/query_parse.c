#include "store/query_parse.h"

#include "base/buf.h"
#include "base/err.h"

static const struct {
    enum metricset_type type;
    const char *name;
    enum query_method method;
    bool argument;
} methods[] = {
    {METRICSET_COUNTER, "increase", COUNTER_INCREASE, false},
    {METRICSET_COUNTER, "rate", COUNTER_RATE, false},
    {METRICSET_COUNTER, "value", COUNTER_VALUE, false},
    {METRICSET_COUNTER, "cumrate", COUNTER_CUMRATE, false},
    {METRICSET_COUNTER, "max_rate", COUNTER_MAX_RATE, true},
    {METRICSET_GAUGE, "last", GAUGE_LAST, false},
    {METRICSET_GAUGE, "min", GAUGE_MIN, false},
    {METRICSET_GAUGE, "max", GAUGE_MAX, false},
    {METRICSET_GAUGE, "avg", GAUGE_AVG, false},
    {METRICSET_GAUGE, "last_time", GAUGE_LAST_TIME, false},
    {METRICSET_RATE, "increase_total", RATE_INCREASE_TOTAL, false},
    {METRICSET_RATE, "increase_nz", RATE_INCREASE_NZ, false},
    {METRICSET_RATE, "increase_z", RATE_INCREASE_Z, false},
    {METRICSET_RATE, "rate_total", RATE_RATE_TOTAL, false},
    {METRICSET_RATE, "rate_nz", RATE_RATE_NZ, false},
    {METRICSET_RATE, "rate_z", RATE_RATE_Z, false},
    {METRICSET_RATE, "value_total", RATE_VALUE_TOTAL, false},
    {METRICSET_RATE, "value_nz", RATE_VALUE_NZ, false},
    {METRICSET_RATE, "value_z", RATE_VALUE_Z, false},
    {METRICSET_RATE, "ratio", RATE_RATIO, false},
    {METRICSET_TREND, "histogram_min", TREND_MIN, false},
    {METRICSET_TREND, "histogram_max", TREND_MAX, false},
    {METRICSET_TREND, "histogram_avg", TREND_AVG, false},
    {METRICSET_TREND, "histogram_stddev", TREND_STDDEV, false},
    {METRICSET_TREND, "histogram_quantile", TREND_QUANTILE, true},
    {METRICSET_TREND, "histogram_count_increase", TREND_COUNT_INCREASE, false},
    {METRICSET_TREND, "histogram_count_value", TREND_COUNT_VALUE, false},
};

static const char *const type_names[] = {
    [METRICSET_COUNTER] = "counter",
    [METRICSET_GAUGE] = "gauge",
    [METRICSET_RATE] = "rate",
    [METRICSET_TREND] = "trend",
};

static struct str after_space(struct str s)
{
    while (s.len > 0 && strchr(" \t\r\n", s.ptr[0]))
        s = str_new(s.ptr + 1, s.len - 1);
    return s;
}

static bool take(struct str *rest, char c)
{
    *rest = after_space(*rest);
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    *rest = str_new(rest->ptr + 1, rest->len - 1);
    return true;
}

static struct str take_word(struct str *rest)
{
    *rest = after_space(*rest);
    size_t n = 0;
    while (n < rest->len && !strchr("(), \t\r\n", rest->ptr[n]))
        n++;
    struct str word = str_new(rest->ptr, n);
    *rest = str_new(rest->ptr + n, rest->len - n);
    return word;
}

static int bad(struct str text, struct str rest, const char *wanted)
{
    if (rest.len > 40)
        rest.len = 40;
    if (rest.len == 0)
        return err_set(E_CONFIG, "query \"%.*s\": %s expected at its end", STR_ARG(text), wanted);
    return err_set(E_CONFIG, "query \"%.*s\": %s expected before \"%.*s\"", STR_ARG(text), wanted,
                   STR_ARG(rest));
}

/* "by (a, b)", when it is there. */
static int take_by(struct str text, struct str *rest, struct query_by *by)
{
    struct str look = *rest;
    if (!str_eq(take_word(&look), STR("by")))
        return 0;
    *rest = look;
    if (!take(rest, '('))
        return bad(text, *rest, "\"(\"");
    do {
        struct str name = take_word(rest);
        if (name.len == 0)
            return bad(text, *rest, "a label");
        if (by->len >= QUERY_LABELS_MAX)
            return err_set(E_CONFIG, "query: more than %d labels", QUERY_LABELS_MAX);
        by->labels[by->len++] = name;
    } while (take(rest, ','));
    return take(rest, ')') ? 0 : bad(text, *rest, "\")\"");
}

static bool find_fold(struct str word, enum query_fold *ret)
{
    static const char *const names[] = {
        [FOLD_SUM] = "sum",
        [FOLD_AVG] = "avg",
        [FOLD_MIN] = "min",
        [FOLD_MAX] = "max",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!str_eqz(word, names[i]))
            continue;
        *ret = (enum query_fold)i;
        return true;
    }
    return false;
}

static int take_method(struct str text, struct str *rest, struct query_tree *tree)
{
    tree->method = take_word(rest);
    if (tree->method.len == 0)
        return bad(text, *rest, "a method");
    if (take(rest, '(')) {
        if (str_to_double(take_word(rest), &tree->argument) < 0)
            return bad(text, *rest, "a number");
        tree->has_argument = true;
        if (!take(rest, ')'))
            return bad(text, *rest, "\")\"");
    }
    return take_by(text, rest, &tree->by);
}

int query_parse(struct str text, struct query_tree *ret)
{
    if (text.len > QUERY_TEXT_MAX)
        return err_set(E_CONFIG, "query: longer than %d bytes", QUERY_TEXT_MAX);
    memset(ret, 0, sizeof *ret);
    struct str rest = text;
    for (;;) {
        struct str look = rest;
        enum query_fold fold;
        if (!find_fold(take_word(&look), &fold) || !take(&look, '('))
            break;
        if (ret->folds_len >= QUERY_DEPTH_MAX)
            return err_set(E_CONFIG, "query: more than %d aggregators around each other",
                           QUERY_DEPTH_MAX);
        ret->folds[ret->folds_len++].fold = fold;
        rest = look;
    }
    int rc = take_method(text, &rest, ret);
    for (size_t i = ret->folds_len; i > 0 && rc == 0; i--) {
        if (!take(&rest, ')'))
            return bad(text, rest, "\")\"");
        rc = take_by(text, &rest, &ret->folds[i - 1].by);
    }
    if (rc == 0 && after_space(rest).len > 0)
        return bad(text, after_space(rest), "nothing");
    return rc;
}

static int no_such_method(const struct query_tree *tree, enum metricset_type type,
                          struct str metric)
{
    CLEANUP(buf_fini) struct buf list;
    buf_init(&list, 1024);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (methods[i].type == type)
            buf_printf(&list, "%s%s", list.len ? ", " : "", methods[i].name);
    return err_set(E_CONFIG, "query: no method \"%.*s\" for the %s %.*s; it has %.*s",
                   STR_ARG(tree->method), type_names[type], STR_ARG(metric), (int)list.len,
                   (const char *)list.data);
}

int query_find_method(const struct query_tree *tree, enum metricset_type type, struct str metric,
                      enum query_method *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (methods[i].type != type || !str_eqz(tree->method, methods[i].name))
            continue;
        if (methods[i].argument != tree->has_argument)
            return err_set(E_CONFIG, "query: %s %s", methods[i].name,
                           methods[i].argument ? "needs a number, as in histogram_quantile(0.95)"
                                               : "takes no argument");
        if (methods[i].method == TREND_QUANTILE && !(tree->argument >= 0 && tree->argument <= 1))
            return err_set(E_CONFIG, "query: the quantile has to lie between 0 and 1, not %g",
                           tree->argument);
        if (methods[i].method == COUNTER_MAX_RATE &&
            !(tree->argument > 0 && tree->argument <= METRICSET_PERIOD_MAX_S))
            return err_set(E_CONFIG, "query: the seconds of max_rate have to lie between 0 and %d",
                           METRICSET_PERIOD_MAX_S);
        *ret = methods[i].method;
        return 0;
    }
    return no_such_method(tree, type, metric);
}
