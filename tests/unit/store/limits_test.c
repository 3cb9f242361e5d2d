/*
 * What a run may not grow beyond, and what is no time: the rest of the push is kept.
 */
#include "store/store.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "push.h"
#include "store/store_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

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
    return (T0 + 3 * bucket) * NS_PER_S;
}

/* Metrics m<from> to before m<to>, each with 1 in one series. */
static void push_metrics(int from, int to, int bucket, struct store_push *ret)
{
    struct push_writer p;
    push_begin(&p);
    for (int i = from; i < to; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        push_metric(&p, name, METRICSET_COUNTER);
        push_series(&p, "");
        metricset_put_counter(&p.w, at(bucket), 1);
    }
    assert_int_equal(push_end(&p, &f, "", ret), 0);
}

static void test_metrics(void **state)
{
    (void)state;
    struct store_push ret;
    push_metrics(0, STORE_METRICS_MAX - 1, 0, &ret);
    assert_int_equal(ret.full, 0);
    push_metrics(STORE_METRICS_MAX - 2, STORE_METRICS_MAX + 2, 1, &ret);
    assert_int_equal(ret.full, STORE_FULL_METRICS);
    assert_int_equal(ret.values, 2); /* the last one that was there, and one more */
    assert_true(ask(&f, "increase", "m9998") == 2);
    assert_true(ask(&f, "increase", "m9999") == 1);
    /* Told once, also to the next server; what is there takes more. */
    fixture_reopen(&f);
    push_metrics(STORE_METRICS_MAX - 2, STORE_METRICS_MAX + 2, 2, &ret);
    assert_int_equal(ret.full, 0);
    assert_int_equal(ret.values, 2);
    assert_true(ask(&f, "increase", "m9999") == 2);
}

/* Series n=<from> to before n=<to> of two metrics, a counter and a trend. */
static void push_series_of_two(int from, int to, int bucket, struct store_push *ret)
{
    struct push_writer p;
    struct hdr h = {0};
    char labels[32];
    assert_int_equal(hdr_add(&h, 5), 0);
    push_begin(&p);
    push_metric(&p, "c", METRICSET_COUNTER);
    for (int i = from; i < to; i++) {
        snprintf(labels, sizeof labels, "n=%d", i);
        push_series(&p, labels);
        metricset_put_counter(&p.w, at(bucket), 1);
    }
    push_metric(&p, "t", METRICSET_TREND);
    for (int i = from; i < to; i++) {
        snprintf(labels, sizeof labels, "n=%d", i);
        push_series(&p, labels);
        metricset_mark_estimated(&p.w);
        metricset_put_trend(&p.w, at(bucket), &h);
    }
    assert_int_equal(push_end(&p, &f, "", ret), 0);
    hdr_fini(&h);
}

static void test_series(void **state)
{
    (void)state;
    struct store_push ret;
    f.store->series_max = 100;
    push_series_of_two(0, 40, 0, &ret); /* 80 */
    assert_int_equal(ret.full, 0);
    push_series_of_two(30, 70, 1, &ret); /* 20 more of the first metric, none of the second */
    assert_int_equal(ret.full, STORE_FULL_SERIES);
    assert_int_equal(ret.values, 30 + 10);
    assert_true(ask(&f, "increase", "c") == 70);
    assert_true(ask(&f, "sum(increase by (n))", "c") == 70);
    assert_true(ask(&f, "histogram_count_increase", "t") == 50);
    fixture_reopen(&f);
    f.store->series_max = 100;
    push_series_of_two(30, 70, 2, &ret);
    assert_int_equal(ret.full, 0);
    assert_int_equal(ret.values, 30 + 10);
    assert_true(ask(&f, "sum(increase by (n))", "c") == 100);
    /* A push that fails has used up nothing. */
    f.store->series_max = 101;
    struct push_writer p;
    push_begin(&p);
    push_metric(&p, "c", METRICSET_COUNTER);
    push_series(&p, "n=new");
    metricset_put_counter(&p.w, at(0), 1);
    push_metric(&p, "t", METRICSET_RATE); /* a trend */
    push_series(&p, "n=1");
    metricset_put_rate(&p.w, at(0), 1, 1);
    assert_int_equal(push_end(&p, &f, "", &ret), E_CORRUPT);
    push_series_of_two(69, 71, 3, &ret);
    assert_int_equal(ret.values, 1); /* c of 69 takes the last place */
}

static void test_times(void **state)
{
    (void)state;
    static const int64_t bad[] = {0, -1, 946684799, 4102444801, INT64_MAX / NS_PER_S};
    static const int64_t good[] = {946684800, 4102444800};
    struct store_push ret;
    struct push_writer p;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        push_begin(&p);
        push_metric(&p, "c", METRICSET_COUNTER);
        push_series(&p, "");
        metricset_put_counter(&p.w, at(0), 1);
        metricset_put_counter(&p.w, bad[i] * NS_PER_S, 1);
        assert_int_equal(push_end(&p, &f, "", &ret), E_CORRUPT);
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        push_begin(&p);
        push_metric(&p, "c", METRICSET_COUNTER);
        push_series(&p, "");
        metricset_put_counter(&p.w, good[i] * NS_PER_S, 1);
        assert_int_equal(push_end(&p, &f, "", &ret), 0);
    }
    assert_true(ask(&f, "increase", "c") == 2);
    /* A century of buckets is more than an answer may have; that is said, and costs nothing. */
    struct query q = {STR("increase"), STR("c"), -1, -1, 3};
    struct query_result r;
    assert_int_equal(query_run(f.store, f.run_id, &q, &r), E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_metrics, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_series, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_times, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
