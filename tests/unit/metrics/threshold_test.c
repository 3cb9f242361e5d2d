#include "metrics/threshold.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct registry *registry;
static struct metrics *metrics;
static struct shard *shard;
static struct thresholds thresholds;

static int set_up(void **state)
{
    (void)state;
    const struct metric *m;
    if (registry_new(&registry) < 0 || metrics_new(registry, &metrics) < 0 ||
        registry_add(registry, STR("gauge"), METRIC_GAUGE, METRIC_DEFAULT, &m) < 0)
        return 1;
    thresholds_init(&thresholds, metrics);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thresholds_fini(&thresholds);
    metrics_free(metrics);
    registry_free(registry);
    return 0;
}

static void test_expressions(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        struct threshold_expr want;
    } cases[] = {
        {"count>1", {THRESHOLD_COUNT, 0, THRESHOLD_GREATER, 1}},
        {"rate >= 0.5", {THRESHOLD_RATE, 0, THRESHOLD_GREATER_EQUAL, 0.5}},
        {" avg<=1e3 ", {THRESHOLD_AVG, 0, THRESHOLD_LESS_EQUAL, 1000}},
        {"min<-1", {THRESHOLD_MIN, 0, THRESHOLD_LESS, -1}},
        {"max==+5", {THRESHOLD_MAX, 0, THRESHOLD_EQUAL, 5}},
        {"med===5", {THRESHOLD_MED, 0, THRESHOLD_STRICTLY_EQUAL, 5}},
        {"value!=.5", {THRESHOLD_VALUE, 0, THRESHOLD_NOT_EQUAL, 0.5}},
        {"p(95)<500", {THRESHOLD_PERCENTILE, 95, THRESHOLD_LESS, 500}},
        {"p(99.99) < 5", {THRESHOLD_PERCENTILE, 99.99, THRESHOLD_LESS, 5}},
        {"p(0)<0x1p4", {THRESHOLD_PERCENTILE, 0, THRESHOLD_LESS, 16}},
        {"p(0)<1_000", {THRESHOLD_PERCENTILE, 0, THRESHOLD_LESS, 1000}},
        {"p(100)<1", {THRESHOLD_PERCENTILE, 100, THRESHOLD_LESS, 1}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct threshold_expr e;
        assert_int_equal(threshold_parse(str_of(cases[i].source), &e), 0);
        assert_int_equal(e.agg, cases[i].want.agg);
        assert_int_equal(e.op, cases[i].want.op);
        assert_true(e.percentile == cases[i].want.percentile);
        assert_true(e.bound == cases[i].want.bound);
    }
}

static void test_bad_expressions(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        const char *message;
    } cases[] = {
        {"foo<1", "failed parsing threshold expression's \"foo<1\" left hand side; reason: failed "
                  "parsing method from expression"},
        {"", "failed parsing threshold expression \"\"; reason: malformed threshold expression"},
        {"avg", "failed parsing threshold expression \"avg\"; reason: malformed threshold "
                "expression"},
        {"avg<", "failed parsing threshold expression \"avg<\"; reason: malformed threshold "
                 "expression"},
        {"avg=1", "failed parsing threshold expression \"avg=1\"; reason: malformed threshold "
                  "expression"},
        {"avg<x", "failed parsing threshold expresion's \"avg<x\" right hand side; reason: "
                  "strconv.ParseFloat: parsing \"x\": invalid syntax"},
        {"avg<1e999", "failed parsing threshold expresion's \"avg<1e999\" right hand side; reason: "
                      "strconv.ParseFloat: parsing \"1e999\": value out of range"},
        {"avg< ", "failed parsing threshold expresion's \"avg< \" right hand side; reason: "
                  "strconv.ParseFloat: parsing \"\": invalid syntax"},
        {"p(101)<1", "failed parsing threshold expression's \"p(101)<1\" left hand side; reason: "
                     "malformed percentile value, provide a number between 0 and 100"},
        {"p(nan)<1", "failed parsing threshold expression's \"p(nan)<1\" left hand side; reason: "
                     "malformed percentile value, provide a number between 0 and 100"},
        {"p(x)<1", "failed parsing threshold expression's \"p(x)<1\" left hand side; reason: "
                   "malformed percentile value; reason: strconv.ParseFloat: parsing \"x\": invalid "
                   "syntax"},
        {"p()<1", "failed parsing threshold expression's \"p()<1\" left hand side; reason: "
                  "malformed percentile value; reason: strconv.ParseFloat: parsing \"\": invalid "
                  "syntax"},
        {"p(95<1",
         "failed parsing threshold expression's \"p(95<1\" left hand side; reason: failed "
         "parsing method from expression"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct threshold_expr e;
        assert_int_equal(threshold_parse(str_of(cases[i].source), &e), E_CONFIG);
        assert_string_equal(err_message(), cases[i].message);
    }
}

static void test_bad_metrics(void **state)
{
    (void)state;
    static const struct {
        const char *key, *source, *message;
    } cases[] = {
        {"nope", "rate>1",
         "invalid threshold defined on nope; reason: no metric name \"nope\" found"},
        {"http_reqs{a", "rate>1",
         "unable to validate threshold expressions; reason: parsing metric name failed, metric "
         "\"http_reqs{a\" has unmatched opening/close curly brace"},
        {"http_reqs", "p(95)<1",
         "invalid threshold \"p(95)<1\" applied on metric http_reqs; reason: unsupported "
         "aggregation method p on metric of type counter. supported aggregation methods for this "
         "metric are: count, rate"},
        {"checks", "count>1",
         "invalid threshold \"count>1\" applied on metric checks; reason: unsupported aggregation "
         "method count on metric of type rate. supported aggregation methods for this metric are: "
         "rate"},
        {"vus", "avg>1",
         "invalid threshold \"avg>1\" applied on metric vus; reason: unsupported aggregation "
         "method avg on metric of type gauge. supported aggregation methods for this metric are: "
         "value"},
        {"http_req_duration", "rate>1",
         "invalid threshold \"rate>1\" applied on metric http_req_duration; reason: unsupported "
         "aggregation method rate on metric of type trend. supported aggregation methods for this "
         "metric are: avg, min, max, med, p"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(
            thresholds_add(&thresholds, str_of(cases[i].key), str_of(cases[i].source), false, -1),
            E_CONFIG);
        assert_string_equal(err_message(), cases[i].message);
        assert_int_equal(err_get()->exit_code, 104);
    }
}

static void add(const char *key, const char *source, bool abort_on_fail, int64_t delay_ns)
{
    assert_int_equal(
        thresholds_add(&thresholds, str_of(key), str_of(source), abort_on_fail, delay_ns), 0);
}

static struct snapshot *snapshot(void)
{
    struct snapshot *s;
    assert_int_equal(snapshot_new(metrics, &s), 0);
    assert_int_equal(shard_merge_into(shard, s), 0);
    return s;
}

static void sample(enum metric_builtin id, double v)
{
    shard_add(shard, registry_builtin(registry, id), tags_empty(shard_tags(shard)), NULL, v, 1);
}

static const struct threshold *find(const char *source)
{
    for (size_t i = 0; i < thresholds.len; i++) {
        for (size_t k = 0; k < thresholds.groups[i].len; k++) {
            if (strcmp(thresholds.groups[i].items[k].source, source) == 0)
                return &thresholds.groups[i].items[k];
        }
    }
    fail_msg("no threshold %s", source);
    return NULL;
}

static void test_evaluation(void **state)
{
    (void)state;
    add("iterations", "count>=3", false, -1);
    add("iterations", "rate>2", false, -1);
    add("checks", "rate>0.9", false, -1);
    add("http_req_duration", "p(50)<=2", false, -1);
    add("http_req_duration", "max<3", false, -1);
    add("http_req_duration", "min==1", false, -1);
    add("vus", "value!=7", false, -1);
    assert_int_equal(shard_new(metrics, &shard), 0);
    for (int i = 1; i <= 3; i++) {
        sample(METRIC_ITERATIONS, 1);
        sample(METRIC_HTTP_REQ_DURATION, i);
        sample(METRIC_VUS, i == 3 ? 7 : 1);
    }
    struct snapshot *s = snapshot();
    struct threshold_verdict v = thresholds_evaluate(&thresholds, s, 2 * NS_PER_S, true);
    assert_int_equal(v.failed, 3);
    assert_false(v.abort);
    assert_false(find("count>=3")->failed);
    assert_true(find("rate>2")->failed);
    assert_true(find("rate>2")->value == 1.5);
    assert_false(find("rate>0.9")->failed); /* no samples */
    assert_false(find("rate>0.9")->has_value);
    assert_false(find("p(50)<=2")->failed);
    assert_true(find("max<3")->failed);
    assert_false(find("min==1")->failed);
    assert_true(find("value!=7")->failed);

    CLEANUP(buf_fini) struct buf names;
    buf_init(&names, 1000);
    thresholds_failed_names(&thresholds, &names);
    assert_string_equal(buf_cstr(&names), "http_req_duration, iterations, vus");
    snapshot_free(s);
    shard_free(shard);
}

static void test_without_samples(void **state)
{
    (void)state;
    add("iterations", "count>0", true, -1);
    add("http_req_duration", "avg>0", true, -1);
    add("http_req_failed", "rate<0.01", true, -1);
    assert_int_equal(shard_new(metrics, &shard), 0);
    struct snapshot *s = snapshot();
    /* While it runs, what has no samples is let be; at the end it counts as zero. */
    struct threshold_verdict v = thresholds_evaluate(&thresholds, s, NS_PER_S, false);
    assert_true(v.failed == 0 && !v.abort);
    v = thresholds_evaluate(&thresholds, s, NS_PER_S, true);
    assert_int_equal(v.failed, 2);
    snapshot_free(s);
    shard_free(shard);
}

static void test_no_rate_of_no_time(void **state)
{
    (void)state;
    add("iterations", "rate<1", false, -1);
    assert_int_equal(shard_new(metrics, &shard), 0);
    sample(METRIC_ITERATIONS, 1);
    struct snapshot *s = snapshot();
    assert_int_equal(thresholds_evaluate(&thresholds, s, 0, true).failed, 0);
    assert_int_equal(thresholds_evaluate(&thresholds, s, NS_PER_S / 2, true).failed, 1);
    snapshot_free(s);
    shard_free(shard);
}

static void test_abort(void **state)
{
    (void)state;
    add("checks", "rate>0.9", true, 5 * NS_PER_S);
    add("iterations", "count<1", false, -1);
    assert_int_equal(shard_new(metrics, &shard), 0);
    sample(METRIC_CHECKS, 0);
    sample(METRIC_ITERATIONS, 1);
    struct snapshot *s = snapshot();
    struct threshold_verdict v = thresholds_evaluate(&thresholds, s, 2 * NS_PER_S, false);
    assert_true(v.failed == 2 && !v.abort);
    v = thresholds_evaluate(&thresholds, s, 5 * NS_PER_S, false);
    assert_false(v.abort); /* only once the delay has passed */
    v = thresholds_evaluate(&thresholds, s, 5 * NS_PER_S + 1, false);
    assert_true(v.abort);
    add("iterations", "count<2", true, -1);
    add("iterations", "count>5", true, -1);
    v = thresholds_evaluate(&thresholds, s, 0, false);
    assert_true(v.abort); /* without a delay: at once */
    snapshot_free(s);
    shard_free(shard);
}

static void test_keys(void **state)
{
    (void)state;
    add("http_reqs{ kind: a }", "count>5", false, -1);
    assert_int_equal(thresholds_key(&thresholds, STR("http_reqs{kind:b}")), 0);
    assert_int_equal(thresholds_key(&thresholds, STR("http_reqs{'kind':b}")), 0);
    assert_int_equal(thresholds.len, 2);
    assert_int_equal(metrics_submetrics_len(metrics), 2);
    assert_string_equal(thresholds.groups[0].name, "http_reqs{kind: a}");
    assert_string_equal(thresholds.groups[1].key, "http_reqs{kind:b}");
    assert_int_equal(shard_new(metrics, &shard), 0);
    struct tag t = {STR("kind"), STR("a")};
    struct tagset *a = tags_with(shard_tags(shard), tags_empty(shard_tags(shard)), &t, 1);
    for (int i = 0; i < 5; i++)
        shard_add(shard, registry_builtin(registry, METRIC_HTTP_REQS), a, NULL, 1, 1);
    sample(METRIC_HTTP_REQS, 100);
    struct snapshot *s = snapshot();
    struct threshold_verdict v = thresholds_evaluate(&thresholds, s, NS_PER_S, true);
    assert_int_equal(v.failed, 1);
    assert_true(find("count>5")->value == 5);
    snapshot_free(s);
    shard_free(shard);
}

static void test_no_memory(void **state)
{
    (void)state;
    int n = 0, rc;
    do {
        mem_fail_countdown = n++;
        rc = thresholds_add(&thresholds, STR("http_reqs{a:b}"), STR("count>5"), false, -1);
        mem_fail_countdown = -1;
        assert_true(rc == 0 || rc == -ENOMEM);
    } while (rc != 0);
    assert_true(n > 4);
    assert_int_equal(thresholds.total, 1);
    assert_int_equal(thresholds.len, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_expressions),     TEST(test_bad_expressions),
        TEST(test_bad_metrics),     TEST(test_evaluation),
        TEST(test_without_samples), TEST(test_no_rate_of_no_time),
        TEST(test_abort),           TEST(test_keys),
        TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
