#include "server/threshold.h"

#include <errno.h>
#include <math.h>

#include "base/err.h"
#include "base/limits.h"

struct str threshold_split(struct str metric, struct str *ret_selector)
{
    struct str rest;
    struct str name = str_cut(metric, '{', &rest);
    *ret_selector = STR_EMPTY;
    if (rest.ptr)
        *ret_selector = str_ends(rest, STR("}")) ? str_new(rest.ptr, rest.len - 1) : rest;
    return name;
}

static struct str unquote(struct str s)
{
    s = str_trim(s);
    if (s.len >= 2 && (s.ptr[0] == '"' || s.ptr[0] == '\'') && s.ptr[s.len - 1] == s.ptr[0])
        return str_new(s.ptr + 1, s.len - 2);
    return s;
}

/* `status:200,name:x` as `{status="200",name="x"}`. */
static int put_selector(struct buf *out, struct str selector)
{
    bool first = true;
    buf_byte(out, '{');
    while (selector.len > 0) {
        struct str value;
        struct str pair = str_cut(selector, ',', &selector);
        struct str key = unquote(str_cut(pair, ':', &value));
        value = unquote(value);
        if (key.len == 0)
            continue;
        if (!first)
            buf_byte(out, ',');
        first = false;
        buf_str(out, key);
        buf_z(out, "=\"");
        for (size_t i = 0; i < value.len; i++) {
            if (value.ptr[i] == '"' || value.ptr[i] == '\\')
                buf_byte(out, '\\');
            buf_byte(out, (uint8_t)value.ptr[i]);
        }
        buf_byte(out, '"');
    }
    buf_byte(out, '}');
    return buf_finish(out);
}

/* What stands before the comparison: "p(95)" of "p(95) < 500". */
static struct str aggregation_of(struct str expression)
{
    size_t n = 0;
    while (n < expression.len && !strchr("<>=!", expression.ptr[n]))
        n++;
    return str_trim(str_new(expression.ptr, n));
}

/* The query for the aggregation; NULL: none. */
static const char *query_of(struct arena *a, enum metricset_type type, struct str aggregation)
{
    static const struct {
        enum metricset_type type;
        const char *aggregation;
        const char *query;
    } table[] = {
        {METRICSET_COUNTER, "count", "increase"},
        {METRICSET_COUNTER, "rate", "rate"},
        {METRICSET_GAUGE, "value", "last"},
        {METRICSET_RATE, "rate", "ratio"},
        {METRICSET_TREND, "min", "histogram_min"},
        {METRICSET_TREND, "max", "histogram_max"},
        {METRICSET_TREND, "avg", "histogram_avg"},
        {METRICSET_TREND, "med", "histogram_quantile(0.5)"},
        {METRICSET_TREND, "count", "histogram_count_increase"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].type == type && str_eqz(aggregation, table[i].aggregation))
            return table[i].query;
    double percent = 0;
    if (type == METRICSET_TREND && str_starts(aggregation, STR("p(")) &&
        str_ends(aggregation, STR(")")) &&
        str_to_double(str_trim(str_new(aggregation.ptr + 2, aggregation.len - 3)), &percent) == 0 &&
        percent >= 0 && percent <= 100)
        return arena_printf(a, "histogram_quantile(%.17g)", percent / 100);
    return NULL;
}

int server_threshold_value(struct store *s, int64_t run_id, const struct store_threshold *t,
                           const struct query_metric *metrics, size_t metrics_len, struct arena *a,
                           double *ret)
{
    struct str selector;
    struct str name = threshold_split(t->metric, &selector);
    const struct query_metric *metric = NULL;
    *ret = NAN;
    for (size_t i = 0; i < metrics_len; i++)
        if (str_eq(metrics[i].name, name))
            metric = &metrics[i];
    const char *text = metric ? query_of(a, metric->type, aggregation_of(t->expression)) : NULL;
    if (!text)
        return 0;
    CLEANUP(buf_fini) struct buf where;
    buf_init(&where, QUERY_TEXT_MAX);
    buf_str(&where, name);
    if (selector.len > 0 && put_selector(&where, selector) < 0)
        return 0;
    struct query q = {
        .query = str_of(text), .metric = buf_view(&where), .start_s = -1, .end_s = -1};
    struct query_result result;
    int rc = query_run(s, run_id, &q, &result);
    if (rc < 0) {
        if (rc != E_CONFIG)
            return rc;
        err_clear();
        return 0;
    }
    if (result.len == 1 && result.series[0].len > 0)
        *ret = result.series[0].points[0].value;
    query_result_fini(&result);
    return 0;
}
