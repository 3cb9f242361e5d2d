#include "store/query.h"

#include "base/err.h"
#include "push.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct fixture f;

static int set_up(void **state)
{
    (void)state;
    fixture_open(&f);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static int64_t at(int bucket)
{
    return (T0 + 3 * bucket) * 1000000000LL;
}

/* Four buckets (the third one empty) of two series of each type, in two pushes. */
static void fill(void)
{
    for (int push = 0; push < 2; push++) {
        static const int buckets[2][2] = {{0, 1}, {3, 3}};
        struct push_writer p;
        push_begin(&p);
        for (int s = 0; s < 2; s++) {
            const char *labels = s ? "method=POST,status=500,group=" : "status=200,method=GET";
            for (int b = buckets[push][0]; b <= buckets[push][1]; b++) {
                push_metric(&p, "c", METRICSET_COUNTER);
                push_series(&p, labels);
                metricset_put_counter(&p.w, at(b), (b + 1) * (s ? 100 : 1));
                push_metric(&p, "g", METRICSET_GAUGE);
                push_series(&p, labels);
                metricset_put_gauge(&p.w, at(b),
                                    (struct metricset_gauge){b + 10 * s, b - 1, b + 20 + s, b, 3});
                push_metric(&p, "r", METRICSET_RATE);
                push_series(&p, labels);
                metricset_put_rate(&p.w, at(b), (uint32_t)b, 10);
                push_metric(&p, "t", METRICSET_TREND);
                push_series(&p, labels);
                CLEANUP(hdr_fini) struct hdr h = {0};
                assert_int_equal(hdr_add(&h, 10 * (b + 1)), 0);
                assert_int_equal(hdr_add(&h, 1000 * (s + 1)), 0);
                metricset_put_trend(&p.w, at(b), &h);
            }
        }
        struct store_push ret;
        assert_int_equal(push_end(&p, &f, push ? "b" : "a", &ret), 0);
        assert_int_equal(ret.newest_s, T0 + 3 * buckets[push][1]);
        assert_int_equal(ret.oldest_s, T0 + 3 * buckets[push][0]);
    }
}

static void test_aggregates(void **state)
{
    (void)state;
    fill();
    static const struct {
        const char *query, *metric;
        double want;
    } cases[] = {
        {"increase", "c", 707},
        {"rate", "c", 707.0 / 12},
        {"value", "c", 707},
        {"cumrate", "c", 707.0 / 12},
        {"max_rate(3)", "c", 404.0 / 3},
        {"max_rate(6)", "c", 404.0 / 6},
        {"max_rate(9)", "c", 606.0 / 9},
        {"increase", "c{status=\"200\"}", 7},
        {"increase", "c{status!=\"200\"}", 700},
        {"increase", "c{status=~\"(2|3)\\d\\d\"}", 7},
        {"increase", "c{status=~\"5..\",method='POST'}", 700},
        {"increase", "c{status!~\"2.*\"}", 700},
        {"increase", "c{status=~\"0\"}", NAN}, /* the whole value has to match */
        {"increase", "c{nolabel=\"\"}", 707},  /* what isn't there is empty */
        {"increase", "c{group=\"\"}", 707},    /* an empty one isn't there */
        {"increase", "c{nolabel=\"x\"}", NAN},
        {"sum(increase by (status))", "c", 707},
        {"max(increase by (status))", "c", 700},
        {"min(increase by (status))", "c", 7},
        {"avg(increase by (status))", "c", 353.5},
        {"max(sum(increase by (status,method)) by (method))", "c", 700},
        {"last", "g{status=\"500\"}", 13},
        {"sum(last by (status))", "g", 16},
        {"min", "g", -1},
        {"max", "g", 24},
        {"avg", "g", (0 + 1 + 3) / 3.0},
        {"last_time", "g", T0 + 9},
        {"increase_total", "r", 60},
        {"increase_nz", "r", 8},
        {"increase_z", "r", 52},
        {"rate_total", "r", 5},
        {"rate_nz", "r", 8.0 / 12},
        {"rate_z", "r", 52.0 / 12},
        {"value_total", "r", 60},
        {"value_nz", "r", 8},
        {"value_z", "r", 52},
        {"ratio", "r", 8.0 / 60},
        {"ratio", "r{status=\"200\"}", 4.0 / 30},
        {"histogram_min", "t", 10},
        {"histogram_max", "t", 2000},
        {"histogram_max", "t{status=\"200\"}", 1000},
        {"histogram_avg", "t", (2 * (10 + 20 + 40) + 3 * 3000) / 12.0},
        {"histogram_quantile(0)", "t", 10},
        {"histogram_quantile(1)", "t", 2000},
        {"histogram_count_increase", "t", 12},
        {"histogram_count_value", "t", 12},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double got = ask(&f, cases[i].query, cases[i].metric);
        if (isnan(cases[i].want) ? !isnan(got) : !(fabs(got - cases[i].want) < 1e-9))
            fail_msg("%s of %s: %.12g, not %.12g", cases[i].query, cases[i].metric, got,
                     cases[i].want);
    }
    assert_true(fabs(ask(&f, "histogram_quantile(0.5)", "t{status=\"200\"}") - 520) < 10);
    assert_true(fabs(ask(&f, "histogram_stddev", "t{status=\"200\"}") - 488) < 5);
}

struct want_point {
    int64_t t;
    double v;
};

static void check_range(const char *query, const char *metric, int64_t start, int64_t end,
                        int64_t step, const struct want_point *want, size_t len)
{
    struct query q = {str_of(query), str_of(metric), start, end, step};
    struct query_result r;
    if (query_run(f.store, f.run_id, &q, &r) < 0)
        fail_msg("%s of %s: %s", query, metric, err_message());
    assert_int_equal(r.len, 1);
    const struct query_series *s = &r.series[0];
    for (size_t i = 0; i < MIN(s->len, len); i++)
        if (s->points[i].time_s != want[i].t || fabs(s->points[i].value - want[i].v) > 1e-9)
            fail_msg("%s of %s, point %zu: [%lld,%g], not [%lld,%g]", query, metric, i,
                     (long long)s->points[i].time_s - T0, s->points[i].value,
                     (long long)want[i].t - T0, want[i].v);
    assert_int_equal(s->len, len);
    query_result_fini(&r);
}

#define CHECK_RANGE(query, metric, start, end, step, ...)                                          \
    check_range(query, metric, start, end, step, (struct want_point[]){__VA_ARGS__},               \
                ARRAY_LEN(((struct want_point[]){__VA_ARGS__})))

static void test_ranges(void **state)
{
    (void)state;
    fill();
    /* Nothing in a bucket: a zero for what counts, a gap for what measures. */
    CHECK_RANGE("increase", "c", -1, -1, 1, {T0, 101}, {T0 + 3, 202}, {T0 + 6, 0}, {T0 + 9, 404});
    CHECK_RANGE("increase", "c{status=\"200\"}", -1, -1, 3, {T0, 1}, {T0 + 3, 2}, {T0 + 6, 0},
                {T0 + 9, 4});
    CHECK_RANGE("rate", "c", -1, -1, 3, {T0, 101.0 / 3}, {T0 + 3, 202.0 / 3}, {T0 + 6, 0},
                {T0 + 9, 404.0 / 3});
    CHECK_RANGE("value", "c", -1, -1, 3, {T0, 101}, {T0 + 3, 303}, {T0 + 6, 303}, {T0 + 9, 707});
    CHECK_RANGE("cumrate", "c", -1, -1, 6, {T0, 303.0 / 6}, {T0 + 6, 707.0 / 12});
    CHECK_RANGE("increase", "c", -1, -1, 5, {T0, 303}, {T0 + 6, 404}); /* steps of whole buckets */
    CHECK_RANGE("max", "g", -1, -1, 3, {T0, 21}, {T0 + 3, 22}, {T0 + 9, 24});
    CHECK_RANGE("ratio", "r", -1, -1, 3, {T0, 0}, {T0 + 3, 0.1}, {T0 + 9, 0.3});
    CHECK_RANGE("histogram_min", "t", -1, -1, 3, {T0, 10}, {T0 + 3, 20}, {T0 + 9, 40});
    /* From later on: what adds up since the start still does. */
    CHECK_RANGE("value", "c", T0 + 6, -1, 3, {T0 + 6, 303}, {T0 + 9, 707});
    CHECK_RANGE("increase", "c", T0 + 4, T0 + 8, 3, {T0 + 3, 202}, {T0 + 6, 0});
    CHECK_RANGE("increase", "c", T0 - 300, T0 + 300, 3, {T0, 101}, {T0 + 3, 202}, {T0 + 6, 0},
                {T0 + 9, 404});
    CHECK_RANGE("sum(last by (status))", "g", -1, -1, 3, {T0, 10}, {T0 + 3, 12}, {T0 + 9, 16});
    CHECK_RANGE("avg(last by (status)) by (nothing)", "g", -1, -1, 3, {T0, 5}, {T0 + 3, 6},
                {T0 + 9, 8});
}

static void test_labels_of_the_answer(void **state)
{
    (void)state;
    fill();
    struct query q = {STR("increase by (method,group,status)"), STR("c"), -1, -1, 0};
    struct query_result r;
    assert_int_equal(query_run(f.store, f.run_id, &q, &r), 0);
    assert_int_equal(r.len, 2);
    assert_int_equal(r.series[0].labels_len, 2); /* the empty group is left out */
    assert_true(str_eqz(r.series[0].labels[0].value, "GET"));
    assert_true(str_eqz(r.series[0].labels[1].name, "status"));
    assert_true(str_eqz(r.series[1].labels[0].value, "POST"));
    assert_true(r.series[0].points[0].value == 7);
    assert_true(r.series[1].points[0].value == 700);
    query_result_fini(&r);
}

static void test_bad_questions(void **state)
{
    (void)state;
    fill();
    static const struct {
        const char *query, *metric, *says;
    } cases[] = {
        {"increase", "nothing", "unknown metric \"nothing\""},
        {"increase", "", "metric"},
        {"increase", "{a=\"b\"}", "metric: its name is needed"},
        {"histogram_avg", "c", "no method \"histogram_avg\" for the counter c; it has increase"},
        {"rate", "g", "for the gauge g"},
        {"bogus", "t", "for the trend t"},
        {"", "c", "a method expected"},
        {"rate by", "c", "\"(\" expected"},
        {"rate by ()", "c", "a label expected"},
        {"rate by (a", "c", "\")\" expected"},
        {"rate nonsense", "c", "nothing expected before \"nonsense\""},
        {"sum(rate", "c", "\")\" expected"},
        {"sum(sum(sum(sum(sum(rate)))))", "c", "aggregators"},
        {"histogram_quantile", "t", "needs a number"},
        {"histogram_quantile(2)", "t", "between 0 and 1"},
        {"histogram_quantile(x)", "t", "a number expected"},
        {"histogram_avg(1)", "t", "takes no argument"},
        {"max_rate(0)", "c", "max_rate"},
        {"rate", "c{", "expected at its end"},
        {"rate", "c{a}", "=, !=, =~ or !~ expected"},
        {"rate", "c{a=b}", "a quoted value expected"},
        {"rate", "c{a=\"b}", "closing quote"},
        {"rate", "c{a=~\"(\"}", "regular expression \"(\""},
        {"rate", "c{a=\"b\"} x", "nothing expected"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct query q = {str_of(cases[i].query), str_of(cases[i].metric), -1, -1, 0};
        struct query_result r;
        assert_int_equal(query_run(f.store, f.run_id, &q, &r), E_CONFIG);
        if (!strstr(err_message(), cases[i].says))
            fail_msg("%s of %s: \"%s\" doesn't say \"%s\"", cases[i].query, cases[i].metric,
                     err_message(), cases[i].says);
    }
    struct query q = {STR("rate"), STR("c"), T0 + 6, T0 + 3, 3};
    struct query_result r;
    assert_int_equal(query_run(f.store, f.run_id, &q, &r), E_CONFIG);
}

/* A regular expression that would run for ever is stopped. */
static void test_hostile_regex(void **state)
{
    (void)state;
    struct push_writer p;
    struct store_push ret;
    push_begin(&p);
    push_metric(&p, "c", METRICSET_COUNTER);
    push_series(&p, "a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
    metricset_put_counter(&p.w, at(0), 1);
    assert_int_equal(push_end(&p, &f, "", &ret), 0);
    struct query q = {STR("rate"), STR("c{a=~\"((a+)+)+(c|d)\"}"), -1, -1, 0};
    struct query_result r;
    assert_int_equal(query_run(f.store, f.run_id, &q, &r), E_CONFIG);
    assert_non_null(strstr(err_message(), "takes too long"));
}

static void test_no_data(void **state)
{
    (void)state;
    CLEANUP(arena_fini) struct arena a;
    arena_init(&a, 1 << 20);
    struct query_metric *metrics;
    struct query_key *keys;
    size_t len = 1;
    assert_int_equal(query_metrics(f.store, f.run_id, &a, &metrics, &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(list_keys(&f, NULL, 0, &a, &keys, &len), 0);
    assert_int_equal(len, 0);
    struct query q = {STR("rate"), STR("c"), -1, -1, 0};
    struct query_result r;
    assert_int_equal(query_run(f.store, f.run_id, &q, &r), E_CONFIG);
}

static void test_keys(void **state)
{
    (void)state;
    fill();
    CLEANUP(arena_fini) struct arena a;
    arena_init(&a, 1 << 20);
    struct query_key *keys;
    size_t len = 0;
    assert_int_equal(list_keys(&f, NULL, 0, &a, &keys, &len), 0);
    assert_int_equal(len, 8);
    struct str selectors[] = {STR("c{status=\"200\"}"), STR("{__name__=~\"t|r\",method=\"GET\"}")};
    assert_int_equal(list_keys(&f, selectors, 2, &a, &keys, &len), 0);
    assert_int_equal(len, 3);
    assert_true(str_eqz(keys[0].metric, "c"));
    assert_int_equal(keys[0].labels_len, 2);
    assert_true(str_eqz(keys[0].labels[0].name, "method"));
}

static double next_unit(uint64_t *s)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return (double)(*s >> 11) / 9007199254740992.0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Thousands of values over many buckets and series: the p95 is that of all of them to 1 %, by the
 * merged rows and by the series alike. */
static void test_quantile_over_all(void **state)
{
    (void)state;
    enum { BUCKETS = 40, SERIES = 12, VALUES = 50 };
    static double all[BUCKETS * SERIES * VALUES];
    size_t n = 0;
    uint64_t seed = 7;
    for (int b = 0; b < BUCKETS; b++) {
        struct push_writer p;
        struct store_push ret;
        push_begin(&p);
        push_metric(&p, "t", METRICSET_TREND);
        for (int s = 0; s < SERIES; s++) {
            char labels[32];
            snprintf(labels, sizeof labels, "s=%d,all=yes", s);
            push_series(&p, labels);
            CLEANUP(hdr_fini) struct hdr h = {0};
            for (int i = 0; i < VALUES; i++) {
                all[n] = -30 * (s + 1) * log(1 - next_unit(&seed));
                assert_int_equal(hdr_add(&h, all[n++]), 0);
            }
            metricset_put_trend(&p.w, at(b), &h);
        }
        assert_int_equal(push_end(&p, &f, "", &ret), 0);
        assert_int_equal(ret.values, SERIES);
    }
    qsort(all, n, sizeof all[0], by_value);
    static const double qs[] = {0.5, 0.9, 0.95, 0.99};
    for (size_t i = 0; i < ARRAY_LEN(qs); i++) {
        char text[64];
        double rank = qs[i] * (double)(n - 1);
        double exact =
            all[(size_t)rank] + (all[(size_t)rank + 1] - all[(size_t)rank]) * (rank - floor(rank));
        snprintf(text, sizeof text, "histogram_quantile(%g)", qs[i]);
        double merged = ask(&f, text, "t");
        double by_series = ask(&f, text, "t{all=\"yes\"}");
        if (fabs(merged - exact) > 0.01 * exact || fabs(by_series - merged) > 1e-9)
            fail_msg("p%g: %g merged, %g by series, %g exactly", qs[i] * 100, merged, by_series,
                     exact);
    }
    /* One of twelve series: found by seeking. */
    assert_true(ask(&f, "histogram_count_increase", "t{s=\"3\"}") == BUCKETS * VALUES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_aggregates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ranges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_labels_of_the_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_questions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_regex, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_data, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quantile_over_all, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
