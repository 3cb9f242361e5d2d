#include "metrics/threshold.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXIT_INVALID_CONFIG = 104 };

/* In the order in which they are looked for: "<=" before "<", and so on. */
static const struct {
    const char *text;
    enum threshold_op op;
} operators[] = {
    {"<=", THRESHOLD_LESS_EQUAL},      {"<", THRESHOLD_LESS},
    {">=", THRESHOLD_GREATER_EQUAL},   {">", THRESHOLD_GREATER},
    {"===", THRESHOLD_STRICTLY_EQUAL}, {"==", THRESHOLD_EQUAL},
    {"!=", THRESHOLD_NOT_EQUAL},
};

static const char *const agg_names[] = {
    [THRESHOLD_VALUE] = "value", [THRESHOLD_COUNT] = "count",  [THRESHOLD_RATE] = "rate",
    [THRESHOLD_AVG] = "avg",     [THRESHOLD_MIN] = "min",      [THRESHOLD_MED] = "med",
    [THRESHOLD_MAX] = "max",     [THRESHOLD_PERCENTILE] = "p",
};

/* Cuts `s` at the first `op` with something behind it. */
static bool cut_at(struct str s, const char *op, struct str *ret_left, struct str *ret_right)
{
    size_t len = strlen(op);
    for (size_t i = 0; i + len <= s.len; i++) {
        if (memcmp(s.ptr + i, op, len) != 0)
            continue;
        *ret_left = str_new(s.ptr, i);
        *ret_right = str_new(s.ptr + i + len, s.len - i - len);
        return ret_right->len > 0;
    }
    return false;
}

/* Copies a number as Go's literals are to one as C's: without the underscores between its digits.
 */
static int copy_number(struct str s, char *out)
{
    size_t sign = s.ptr[0] == '+' || s.ptr[0] == '-';
    bool hex = s.len > sign + 1 && s.ptr[sign] == '0' && (s.ptr[sign + 1] | 0x20) == 'x';
    bool power = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\0' || c == '(') /* "nan(chars)" is C's alone */
            return -EINVAL;
        power |= (c | 0x20) == 'p';
        if (c != '_') {
            *out++ = c;
            continue;
        }
        bool behind = i > 0 && (isxdigit((uint8_t)s.ptr[i - 1]) || (hex && i == sign + 2));
        if (!behind || i + 1 == s.len || !isxdigit((uint8_t)s.ptr[i + 1]))
            return -EINVAL;
    }
    *out = '\0';
    return hex && !power ? -EINVAL : 0; /* Go wants the exponent */
}

/* Decimal and hexadecimal numbers, "inf", "infinity" and "nan" in any case, with a sign. */
static int parse_number(struct str s, double *ret)
{
    char text[128];
    if (s.len == 0 || s.len >= sizeof text || s.ptr[0] == ' ' || s.ptr[0] == '\t' ||
        copy_number(s, text) < 0)
        return -EINVAL;
    char *end;
    double v = strtod(text, &end); /* the whole string, checked below */
    if (*end != '\0')
        return -EINVAL;
    bool named = strpbrk(text, "nNiI") != NULL;
    if (isinf(v) && !named)
        return -ERANGE;
    *ret = v;
    return 0;
}

static int number_error(int rc, struct str s)
{
    return err_set(E_CONFIG, "strconv.ParseFloat: parsing \"%.*s\": %s", STR_ARG(s),
                   rc == -ERANGE ? "value out of range" : "invalid syntax");
}

static int parse_agg(struct str s, struct threshold_expr *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(agg_names); i++) {
        if (i != THRESHOLD_PERCENTILE && str_eqz(s, agg_names[i])) {
            ret->agg = (enum threshold_agg)i;
            return 0;
        }
    }
    if (!str_starts(s, STR("p(")) || !str_ends(s, STR(")")))
        return err_set(E_CONFIG, "failed parsing method from expression");
    struct str inner = str_new(s.ptr + 2, s.len - 3);
    int rc = parse_number(inner, &ret->percentile);
    if (rc < 0) {
        (void)number_error(rc, inner);
        char cause[ERR_MESSAGE_MAX];
        (void)snprintf(cause, sizeof cause, "%s", err_message());
        return err_set(E_CONFIG, "malformed percentile value; reason: %s", cause);
    }
    if (isnan(ret->percentile) || ret->percentile < 0 || ret->percentile > 100)
        return err_set(E_CONFIG, "malformed percentile value, provide a number between 0 and 100");
    ret->agg = THRESHOLD_PERCENTILE;
    return 0;
}

/* Puts `what` and the source in front of the current message in k6's form. */
static int fail(const char *before, struct str source, const char *after)
{
    char cause[ERR_MESSAGE_MAX];
    (void)snprintf(cause, sizeof cause, "%s", err_message());
    return err_set(E_CONFIG, "%s \"%.*s\"%s; reason: %s", before, STR_ARG(source), after, cause);
}

int threshold_parse(struct str source, struct threshold_expr *ret)
{
    struct threshold_expr e = {0};
    struct str left = STR_EMPTY, right = STR_EMPTY;
    size_t i = 0;
    while (i < ARRAY_LEN(operators) && !cut_at(source, operators[i].text, &left, &right))
        i++;
    if (i == ARRAY_LEN(operators))
        return err_set(E_CONFIG,
                       "failed parsing threshold expression \"%.*s\"; reason: malformed threshold "
                       "expression",
                       STR_ARG(source));
    e.op = operators[i].op;
    if (parse_agg(str_trim(left), &e) < 0)
        return fail("failed parsing threshold expression's", source, " left hand side");
    int rc = parse_number(str_trim(right), &e.bound);
    if (rc < 0) {
        (void)number_error(rc, str_trim(right));
        /* The missing "s" is k6's, and what its users search for. */
        return fail("failed parsing threshold expresion's", source, " right hand side");
    }
    *ret = e;
    return 0;
}

static bool trend_value(const struct threshold_expr *e, const struct sink *sink, double *ret)
{
    switch (e->agg) {
    case THRESHOLD_AVG:
        *ret = sink_avg(sink);
        return true;
    case THRESHOLD_MIN:
        *ret = sink->min;
        return true;
    case THRESHOLD_MAX:
        *ret = sink->max;
        return true;
    case THRESHOLD_MED:
        *ret = sink_quantile(sink, 0.5);
        return true;
    case THRESHOLD_PERCENTILE:
        *ret = sink_quantile(sink, e->percentile / 100);
        return true;
    case THRESHOLD_VALUE:
    case THRESHOLD_COUNT:
    case THRESHOLD_RATE:
        return false;
    }
    return false;
}

bool threshold_value(const struct threshold_expr *e, const struct sink *sink, enum metric_type type,
                     int64_t elapsed_ns, double *ret)
{
    switch (type) {
    case METRIC_COUNTER:
        if (e->agg == THRESHOLD_COUNT) {
            *ret = sink->sum;
            return true;
        }
        if (elapsed_ns <= 0) /* no rate of no time */
            return false;
        *ret = sink->sum / ((double)elapsed_ns / (double)NS_PER_S);
        return true;
    case METRIC_GAUGE:
        *ret = sink->last;
        return true;
    case METRIC_RATE:
        if (sink->count == 0)
            return false;
        *ret = (double)sink->nonzero / (double)sink->count;
        return true;
    case METRIC_TREND:
        return trend_value(e, sink, ret);
    }
    return false;
}

bool threshold_holds(const struct threshold_expr *e, double value)
{
    switch (e->op) {
    case THRESHOLD_LESS_EQUAL:
        return value <= e->bound;
    case THRESHOLD_LESS:
        return value < e->bound;
    case THRESHOLD_GREATER_EQUAL:
        return value >= e->bound;
    case THRESHOLD_GREATER:
        return value > e->bound;
    case THRESHOLD_STRICTLY_EQUAL:
    case THRESHOLD_EQUAL:
        return value == e->bound;
    case THRESHOLD_NOT_EQUAL:
        return value != e->bound;
    }
    return true;
}

/* The list of a run */

void thresholds_init(struct thresholds *t, struct metrics *m)
{
    *t = (struct thresholds){.metrics = m};
}

void thresholds_fini(struct thresholds *t)
{
    for (size_t i = 0; i < t->len; i++) {
        struct threshold_group *g = &t->groups[i];
        for (size_t k = 0; k < g->len; k++)
            mem_free(g->items[k].source);
        mem_free(g->items);
        mem_free(g->key);
    }
    mem_free(t->groups);
    *t = (struct thresholds){0};
}

static struct threshold_group *find_group(struct thresholds *t, const struct metric *m,
                                          const struct submetric *sub)
{
    for (size_t i = 0; i < t->len; i++) {
        if (t->groups[i].metric == m && t->groups[i].sub == sub)
            return &t->groups[i];
    }
    return NULL;
}

/* metrics_submetric() with the words that a threshold's user needs around it. */
static int find_metric(struct thresholds *t, struct str key, const struct metric **ret_metric,
                       const struct submetric **ret_sub)
{
    int rc = metrics_submetric(t->metrics, key, ret_metric, ret_sub);
    if (rc != E_CONFIG)
        return rc;
    char cause[ERR_MESSAGE_MAX];
    (void)snprintf(cause, sizeof cause, "%s", err_message());
    if (str_starts(str_of(cause), STR("no metric name")))
        err_set(rc, "invalid threshold defined on %.*s; reason: %s", STR_ARG(key), cause);
    else
        err_set(rc, "unable to validate threshold expressions; reason: %s", cause);
    return err_exit(rc, EXIT_INVALID_CONFIG);
}

/* Kept sorted by the metric's name, as messages and summary list them. */
static int insert_group(struct thresholds *t, const struct threshold_group *g)
{
    int rc = mem_grow(&t->groups, &t->cap, t->len + 1, THRESHOLDS_MAX, sizeof *t->groups);
    if (rc < 0)
        return rc;
    size_t at = t->len;
    while (at > 0 && strcmp(t->groups[at - 1].name, g->name) > 0)
        at--;
    memmove(&t->groups[at + 1], &t->groups[at], (t->len - at) * sizeof *t->groups);
    t->groups[at] = *g;
    t->len++;
    return 0;
}

/* Keys that name one sub-metric in two ways are one group. */
static int group_get(struct thresholds *t, struct str key, struct threshold_group **ret)
{
    struct threshold_group g = {0};
    int rc = find_metric(t, key, &g.metric, &g.sub);
    if (rc < 0)
        return rc;
    if (!find_group(t, g.metric, g.sub)) {
        g.name = g.sub ? g.sub->name : g.metric->name;
        g.key = str_dup(key);
        rc = g.key ? insert_group(t, &g) : -ENOMEM;
        if (rc < 0) {
            mem_free(g.key);
            return rc == -E2BIG ? err_set(E_LIMIT, "more than %d thresholds", THRESHOLDS_MAX)
                                : err_set(rc, "thresholds");
        }
    }
    *ret = find_group(t, g.metric, g.sub);
    return 0;
}

int thresholds_key(struct thresholds *t, struct str key)
{
    struct threshold_group *g;
    return group_get(t, key, &g);
}

/* The aggregations of a metric type, in the order in which messages name them. */
static const char *supported(enum metric_type type)
{
    switch (type) {
    case METRIC_COUNTER:
        return "count, rate";
    case METRIC_GAUGE:
        return "value";
    case METRIC_RATE:
        return "rate";
    case METRIC_TREND:
        return "avg, min, max, med, p";
    }
    return "";
}

static bool fits(enum metric_type type, enum threshold_agg agg)
{
    switch (agg) {
    case THRESHOLD_VALUE:
        return type == METRIC_GAUGE;
    case THRESHOLD_COUNT:
        return type == METRIC_COUNTER;
    case THRESHOLD_RATE:
        return type == METRIC_COUNTER || type == METRIC_RATE;
    case THRESHOLD_AVG:
    case THRESHOLD_MIN:
    case THRESHOLD_MED:
    case THRESHOLD_MAX:
    case THRESHOLD_PERCENTILE:
        return type == METRIC_TREND;
    }
    return false;
}

static int check_fits(struct str key, struct str source, const struct threshold_expr *e,
                      enum metric_type type)
{
    if (fits(type, e->agg))
        return 0;
    err_set(E_CONFIG,
            "invalid threshold \"%.*s\" applied on metric %.*s; reason: unsupported aggregation "
            "method %s on metric of type %s. supported aggregation methods for this metric are: %s",
            STR_ARG(source), STR_ARG(key), agg_names[e->agg], metric_type_name(type),
            supported(type));
    return err_exit(E_CONFIG, EXIT_INVALID_CONFIG);
}

int thresholds_add(struct thresholds *t, struct str key, struct str source, bool abort_on_fail,
                   int64_t delay_abort_ns)
{
    struct threshold th = {.abort_on_fail = abort_on_fail, .delay_abort_ns = delay_abort_ns};
    int rc = threshold_parse(source, &th.expr);
    if (rc < 0)
        return err_exit(rc, EXIT_INVALID_CONFIG);
    struct threshold_group *g;
    rc = group_get(t, key, &g);
    if (rc < 0)
        return rc;
    rc = check_fits(key, source, &th.expr, g->metric->type);
    if (rc < 0)
        return rc;
    if (t->total >= THRESHOLDS_MAX)
        return err_set(E_LIMIT, "more than %d thresholds", THRESHOLDS_MAX);
    th.source = str_dup(source);
    rc = th.source ? mem_grow(&g->items, &g->cap, g->len + 1, THRESHOLDS_MAX, sizeof *g->items)
                   : -ENOMEM;
    if (rc < 0) {
        mem_free(th.source);
        return err_set(rc, "thresholds");
    }
    g->items[g->len++] = th;
    t->total++;
    return 0;
}

static void evaluate_group(struct threshold_group *g, const struct sink *sink, int64_t elapsed_ns)
{
    g->failed = false;
    for (size_t i = 0; i < g->len; i++) {
        struct threshold *th = &g->items[i];
        th->has_value = threshold_value(&th->expr, sink, g->metric->type, elapsed_ns, &th->value);
        th->failed = th->has_value && !threshold_holds(&th->expr, th->value);
        if (!th->failed)
            continue;
        g->failed = true;
        if (th->abort_on_fail && th->delay_abort_ns < elapsed_ns)
            g->abort = true;
    }
}

struct threshold_verdict thresholds_evaluate(struct thresholds *t, const struct snapshot *snapshot,
                                             int64_t elapsed_ns, bool final)
{
    struct threshold_verdict v = {0};
    for (size_t i = 0; i < t->len; i++) {
        struct threshold_group *g = &t->groups[i];
        const struct sink *sink = g->sub ? snapshot_submetric(snapshot, t->metrics, g->sub)
                                         : snapshot_metric(snapshot, g->metric);
        if (g->len == 0 || !sink || (!final && sink->count == 0))
            continue;
        evaluate_group(g, sink, elapsed_ns);
        if (!g->failed)
            continue;
        v.failed++;
        v.abort |= g->abort;
    }
    return v;
}

void thresholds_failed_names(const struct thresholds *t, struct buf *out)
{
    bool first = true;
    for (size_t i = 0; i < t->len; i++) {
        if (!t->groups[i].failed)
            continue;
        buf_z(out, first ? "" : ", ");
        buf_z(out, t->groups[i].name);
        first = false;
    }
}
