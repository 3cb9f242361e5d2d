#include "metrics/hist.h"

#include "base/mem.h"
#include "codec/hdr.h"
#include "metrics/sink_int.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t random_state = 88172645463325252u;

static double random_unit(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* As k6 computes it, from all values. */
static double exact_quantile(const double *sorted, size_t n, double q)
{
    double place = q * (double)(n - 1);
    double low = sorted[(size_t)floor(place)], high = sorted[(size_t)ceil(place)];
    return low + (high - low) * (place - floor(place));
}

static void assert_close(double got, double want, double relative)
{
    if (fabs(got - want) > fabs(want) * relative)
        fail_msg("got %.17g, want %.17g", got, want);
}

static const double quantiles[] = {0, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1};

/* Values of a distribution, against the sorted list. */
static void compare(double (*draw)(void))
{
    enum { N = 5000 };
    double *values = mem_alloc(N * sizeof *values);
    struct sink s = {0};
    for (size_t i = 0; i < N; i++) {
        values[i] = draw();
        assert_int_equal(sink_add(&s, METRIC_TREND, true, values[i], 0), 0);
    }
    qsort(values, N, sizeof *values, by_value);
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
        assert_close(sink_quantile(&s, quantiles[i]), exact_quantile(values, N, quantiles[i]),
                     0.001);
    assert_true(sink_quantile(&s, 0) == values[0]);
    assert_true(sink_quantile(&s, 1) == values[N - 1]);
    sink_fini(&s);
    mem_free(values);
}

static double draw_times(void)
{
    return exp(random_unit() * 12 - 4);
}

static double draw_negative(void)
{
    return -exp(random_unit() * 30 - 10);
}

static double draw_mixed(void)
{
    double v = random_unit();
    return v < 0.3 ? -draw_times() : v < 0.5 ? 0 : draw_times();
}

static double draw_huge(void)
{
    return ldexp(1 + random_unit(), (int)(random_unit() * 1900) - 950);
}

static void test_error_below_a_thousandth(void **state)
{
    (void)state;
    compare(draw_times);
    compare(draw_negative);
    compare(draw_huge);
}

static void test_signs_in_order(void **state)
{
    (void)state;
    compare(draw_mixed);
}

static void test_small_integers_are_exact(void **state)
{
    (void)state;
    struct hist *h;
    assert_int_equal(hist_new(&h), 0);
    for (int i = 0; i <= 1000; i++)
        assert_int_equal(hist_add(h, i), 0);
    for (int i = 0; i <= 1000; i++)
        assert_true(fabs(hist_quantile(h, i / 1000.0) - i) < 1e-9);
    hist_free(h);
}

static void test_extremes(void **state)
{
    (void)state;
    static const double values[] = {-DBL_MAX, -DBL_MIN, -0.0,     0,        DBL_TRUE_MIN,
                                    DBL_MIN,  DBL_MAX,  HUGE_VAL, -HUGE_VAL};
    struct sink s = {0};
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        assert_int_equal(sink_add(&s, METRIC_TREND, true, values[i], 0), 0);
    assert_int_equal(s.count, ARRAY_LEN(values));
    assert_int_equal(s.hist->count, ARRAY_LEN(values));
    assert_true(sink_quantile(&s, 0.5) == 0);
    assert_true(isinf(sink_quantile(&s, 1)));
    sink_fini(&s);
}

static void test_empty(void **state)
{
    (void)state;
    struct sink s = {0};
    assert_true(sink_quantile(&s, 0.95) == 0);
    assert_true(sink_avg(&s) == 0);
    struct hist *h;
    assert_int_equal(hist_new(&h), 0);
    assert_true(hist_quantile(h, 0.5) == 0);
    hist_free(h);
}

static void test_merge_is_the_sum(void **state)
{
    (void)state;
    struct sink parts[4] = {0}, all = {0}, merged = {0};
    for (int i = 0; i < 4000; i++) {
        double v = draw_mixed();
        assert_int_equal(sink_add(&parts[i % 4], METRIC_TREND, true, v, i), 0);
        assert_int_equal(sink_add(&all, METRIC_TREND, true, v, i), 0);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(sink_merge(&merged, &parts[i], METRIC_TREND), 0);
    assert_int_equal(merged.count, all.count);
    assert_true(fabs(merged.sum - all.sum) < fabs(all.sum) * 1e-9);
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
        assert_true(sink_quantile(&merged, quantiles[i]) == sink_quantile(&all, quantiles[i]));
    for (int i = 0; i < 4; i++)
        sink_fini(&parts[i]);
    sink_fini(&all);
    sink_fini(&merged);
}

static void test_counters_pass_32_bits(void **state)
{
    (void)state;
    struct hist *a, *b;
    assert_int_equal(hist_new(&a), 0);
    assert_int_equal(hist_new(&b), 0);
    /* 6e9 ones and 4e9 twos: the median is one, the 61st percentile two. */
    assert_int_equal(hist_add_times(a, 1, UINT32_MAX), 0);
    assert_int_equal(hist_add(a, 1), 0);
    assert_int_equal(hist_add_times(a, 1, 6000000000u - UINT32_MAX - 1), 0);
    assert_int_equal(hist_add_times(b, 2, 4000000000u), 0);
    assert_int_equal(hist_merge(b, a), 0);
    assert_int_equal(b->count, 10000000000u);
    assert_true(hist_quantile(b, 0.599) == 1);
    assert_true(hist_quantile(b, 0.601) == 2);
    assert_int_equal(hist_merge(a, b), 0);
    assert_int_equal(a->count, 16000000000u);
    assert_true(hist_quantile(a, 0.749) == 1);
    assert_true(hist_quantile(a, 0.751) == 2);
    hist_free(a);
    hist_free(b);
}

/* The quick way of a bucket's histogram must be the codec's. */
static void test_bucket_histogram_agrees_with_codec(void **state)
{
    (void)state;
    struct hdr want;
    hdr_init(&want);
    struct sink s = {0};
    for (int i = 0; i < 20000; i++) {
        double v = i % 7 == 0 ? draw_mixed() : i % 11 == 0 ? floor(draw_times()) : draw_times();
        if (i % 997 == 0)
            v = 1e300 * v;
        assert_int_equal(hdr_add(&want, v), 0);
        assert_int_equal(sink_hdr_add(&s, v), 0);
    }
    assert_int_equal(s.hdr->first, want.first);
    assert_int_equal(s.hdr->len, want.len);
    assert_memory_equal(s.hdr->counters, want.counters, want.len * sizeof *want.counters);
    assert_int_equal(s.hdr->count, want.count);
    assert_int_equal(s.hdr->extra_low, want.extra_low);
    assert_int_equal(s.hdr->extra_high, want.extra_high);
    assert_true(s.hdr->sum == want.sum && s.hdr->min == want.min && s.hdr->max == want.max);
    sink_fini(&s);
    hdr_fini(&want);
}

static int fill(struct sink *s, struct sink *merged)
{
    int rc = 0, one;
    for (int i = -3; i < 4; i++) {
        one = sink_add(s, METRIC_TREND, true, i * 1000.5, i);
        rc = one < 0 ? one : rc;
        one = sink_add(s, METRIC_TREND, false, i * 1000.5, i);
        rc = one < 0 ? one : rc;
    }
    one = sink_merge(merged, s, METRIC_TREND);
    return one < 0 ? one : rc;
}

static void test_no_memory(void **state)
{
    (void)state;
    int n = 0, rc;
    do {
        struct sink s = {0}, merged = {0};
        mem_fail_countdown = n++;
        rc = fill(&s, &merged);
        mem_fail_countdown = -1;
        assert_true(rc == 0 || rc == -ENOMEM);
        assert_int_equal(s.count, 14); /* counts are never lost */
        assert_int_equal(merged.count, 14);
        sink_fini(&s);
        sink_fini(&merged);
    } while (rc != 0);
    assert_true(n > 8);
}

static void test_sink_types(void **state)
{
    (void)state;
    struct sink gauge = {0}, other = {0}, rate = {0}, counter = {0};
    (void)sink_add(&gauge, METRIC_GAUGE, true, 5, 100);
    (void)sink_add(&gauge, METRIC_GAUGE, true, -2, 200);
    (void)sink_add(&other, METRIC_GAUGE, true, 3, 150);
    assert_int_equal(sink_merge(&gauge, &other, METRIC_GAUGE), 0);
    assert_true(gauge.last == -2 && gauge.min == -2 && gauge.max == 5 && gauge.count == 3);
    assert_int_equal(sink_merge(&other, &gauge, METRIC_GAUGE), 0);
    assert_true(other.last == -2); /* the later one, whoever merges */
    (void)sink_add(&rate, METRIC_RATE, true, 0, 0);
    (void)sink_add(&rate, METRIC_RATE, true, 7, 0);
    assert_true(rate.count == 2 && rate.nonzero == 1);
    (void)sink_add(&counter, METRIC_COUNTER, true, 2.5, 0);
    (void)sink_add(&counter, METRIC_COUNTER, true, 1, 0);
    assert_true(counter.sum == 3.5 && counter.count == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_below_a_thousandth),
        cmocka_unit_test(test_signs_in_order),
        cmocka_unit_test(test_small_integers_are_exact),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_merge_is_the_sum),
        cmocka_unit_test(test_counters_pass_32_bits),
        cmocka_unit_test(test_bucket_histogram_agrees_with_codec),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_sink_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
