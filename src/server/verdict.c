#include "server/verdict.h"

#include <errno.h>
#include <math.h>

#include "base/err.h"
#include "base/log.h"
#include "server/threshold.h"

/* THRESHOLD_OPEN when the expression is none. */
static enum store_threshold_result compare(struct str expression, double value)
{
    static const struct {
        const char *sign; /* longer ones first */
        bool less, equal, more;
    } table[] = {
        {"<=", true, true, false},  {">=", false, true, true}, {"===", false, true, false},
        {"==", false, true, false}, {"!=", true, false, true}, {"<", true, false, false},
        {">", false, false, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        size_t len = strlen(table[i].sign);
        const char *at = memmem(expression.ptr, expression.len, table[i].sign, len);
        if (!at)
            continue;
        size_t begin = (size_t)(at - expression.ptr) + len;
        double limit = 0;
        struct str rest = str_new(expression.ptr + begin, expression.len - begin);
        if (str_to_double(str_trim(rest), &limit) < 0)
            return THRESHOLD_OPEN;
        bool holds = value < limit ? table[i].less : value > limit ? table[i].more : table[i].equal;
        return holds ? THRESHOLD_PASSED : THRESHOLD_FAILED;
    }
    return THRESHOLD_OPEN;
}

static bool has_data(const struct query_metric *metrics, size_t len, struct str metric)
{
    struct str selector;
    struct str name = threshold_split(metric, &selector);
    for (size_t i = 0; i < len; i++)
        if (str_eq(metrics[i].name, name))
            return true;
    return false;
}

static int judge_all(struct store *s, int64_t run_id, struct arena *a, struct verdict *v)
{
    struct query_metric *metrics = NULL;
    size_t metrics_len = 0;
    int rc = query_metrics(s, run_id, a, &metrics, &metrics_len);
    for (size_t i = 0; i < v->len && rc == 0; i++) {
        struct store_threshold *t = &v->thresholds[i];
        double value = NAN;
        rc = server_threshold_value(s, run_id, t, metrics, metrics_len, a, &value);
        if (!isnan(value))
            t->result = compare(t->expression, value);
        else if (!has_data(metrics, metrics_len, t->metric))
            t->result = THRESHOLD_PASSED;
        v->failed = v->failed || t->result == THRESHOLD_FAILED;
    }
    return rc;
}

int verdict_of_run(struct store *s, int64_t run_id, struct arena *a, struct verdict *ret)
{
    *ret = (struct verdict){0};
    int rc = store_get_thresholds(s, run_id, a, &ret->thresholds, &ret->len);
    if (rc < 0 || ret->len == 0)
        return rc;
    rc = judge_all(s, run_id, a, ret);
    if (rc == 0 || rc == -ENOMEM)
        return rc;
    /* A run has to end also when its measurements can't be read. */
    log_warning("thresholds of test run %lld: %s", (long long)run_id, err_message());
    ret->unknown = true;
    return 0;
}

enum store_run_result verdict_result(int code, bool failed)
{
    if (code == RUN_FINISHED)
        return failed ? RESULT_FAILED : RESULT_PASSED;
    return code == RUN_ABORTED_BY_THRESHOLD ? RESULT_FAILED : RESULT_ERROR;
}
