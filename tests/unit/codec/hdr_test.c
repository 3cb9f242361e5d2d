#include "codec/hdr.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_index(void **state)
{
    (void)state;
    /* The scaled values of the protocol, so the value itself is a thousandth. */
    static const struct {
        double scaled;
        int32_t index;
    } cases[] = {
        {0, 0},
        {0.3, 1},
        {1, 1},
        {12.5, 13},
        {255, 255},
        {256, 256},
        {257, 256},
        {258, 257},
        {1029, 512},
        {39751, 1179},
        {183000, 1458},
        {1048576, 1792},
        {1099511627776.0, 4352},
        {-1, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(hdr_index(cases[i].scaled / 1000), cases[i].index);
    assert_int_equal(hdr_index(NAN), -1);
    assert_int_equal(hdr_index(INFINITY), -1);
    assert_int_equal(hdr_index(1e300), -1);
    assert_true(hdr_index((double)INT64_MAX * HDR_RESOLUTION * 0.99) < HDR_INDEX_MAX);
}

/* Every index is that of the values of its own range, and the ranges leave no gap. */
static void test_range(void **state)
{
    (void)state;
    double end = 0;
    for (uint32_t i = 1; i < 6000; i++) {
        double low, high;
        hdr_range(i, &low, &high);
        assert_true(fabs(low - end) <= 1e-9 * end);
        assert_true(high > low);
        assert_int_equal(hdr_index((low + high) / 2), (int32_t)i);
        if (i > 256)
            assert_true((high - low) / high < 1.0 / 127);
        end = high;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* A stream of numbers that follows from its seed. */
static double next_unit(uint64_t *s)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return (double)(*s >> 11) / 9007199254740992.0;
}

static void test_quantiles(void **state)
{
    (void)state;
    enum { N = 20000 };
    static double values[N];
    for (int shape = 0; shape < 3; shape++) {
        CLEANUP(hdr_fini) struct hdr h = {0};
        uint64_t seed = 42;
        double sum = 0;
        for (int i = 0; i < N; i++) {
            double u = next_unit(&seed);
            values[i] = shape == 0 ? 5 + 100 * u : shape == 1 ? -20 * log(1 - u) : exp(8 * u);
            sum += values[i];
            assert_int_equal(hdr_add(&h, values[i]), 0);
        }
        qsort(values, N, sizeof values[0], by_value);
        static const double qs[] = {0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
        for (size_t i = 0; i < ARRAY_LEN(qs); i++) {
            double rank = qs[i] * (N - 1);
            size_t k = (size_t)rank;
            double exact = values[k];
            if (k + 1 < N)
                exact += (values[k + 1] - values[k]) * (rank - (double)k);
            double got = hdr_quantile(&h, qs[i]);
            if (fabs(got - exact) > 0.008 * exact + 0.001)
                fail_msg("shape %d: quantile %g is %g, exactly %g", shape, qs[i], got, exact);
        }
        assert_int_equal(h.count, N);
        assert_true(fabs(hdr_avg(&h) - sum / N) < 1e-6 * sum / N);
        double squares = 0;
        for (int i = 0; i < N; i++)
            squares += (values[i] - sum / N) * (values[i] - sum / N);
        double stddev = sqrt(squares / N);
        assert_true(fabs(hdr_stddev(&h) - stddev) < 0.01 * stddev);
    }
}

static void test_few_values(void **state)
{
    (void)state;
    CLEANUP(hdr_fini) struct hdr h = {0};
    assert_true(hdr_quantile(&h, 0.95) == 0);
    assert_int_equal(hdr_add(&h, 7.25), 0);
    assert_true(hdr_quantile(&h, 0.5) == 7.25);
    assert_int_equal(hdr_add(&h, 9.75), 0);
    assert_true(hdr_quantile(&h, 0) == 7.25);
    assert_true(hdr_quantile(&h, 1) == 9.75);
    assert_true(fabs(hdr_quantile(&h, 0.5) - 8.5) < 0.1);
    assert_int_equal(hdr_add(&h, NAN), 0);
    assert_int_equal(h.count, 2);
}

static void test_extremes(void **state)
{
    (void)state;
    CLEANUP(hdr_fini) struct hdr h = {0};
    assert_int_equal(hdr_add(&h, -5), 0);
    assert_int_equal(hdr_add(&h, 1e300), 0);
    assert_int_equal(hdr_add(&h, 10), 0);
    assert_int_equal(h.extra_low, 1);
    assert_int_equal(h.extra_high, 1);
    assert_true(hdr_quantile(&h, 0) == -5);
    assert_true(hdr_quantile(&h, 1) == 1e300);
    assert_true(fabs(hdr_quantile(&h, 0.5) - 10) < 0.1);
}

static void assert_same(const struct hdr *a, const struct hdr *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->extra_low, b->extra_low);
    assert_int_equal(a->extra_high, b->extra_high);
    assert_true(a->min == b->min && a->max == b->max);
    assert_true(fabs(a->sum - b->sum) <= 1e-9 * fabs(a->sum));
    uint32_t at_a = 0, at_b = 0, n_a = 0, n_b = 0;
    for (; hdr_next_run(a, &at_a, &n_a); at_a += n_a, at_b += n_b) {
        assert_true(hdr_next_run(b, &at_b, &n_b));
        assert_int_equal(a->first + at_a, b->first + at_b);
        assert_int_equal(n_a, n_b);
        assert_memory_equal(a->counters + at_a, b->counters + at_b, n_a * sizeof *a->counters);
    }
    assert_false(hdr_next_run(b, &at_b, &n_b));
}

/* Merging, and the stored form, give what adding the values one by one gives. */
static void test_merge_and_encode(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        CLEANUP(hdr_fini) struct hdr all = {0};
        CLEANUP(hdr_fini) struct hdr even = {0};
        CLEANUP(hdr_fini) struct hdr odd = {0};
        CLEANUP(hdr_fini) struct hdr back = {0};
        uint64_t s = seed;
        for (int i = 0; i < 200; i++) {
            double v = exp(next_unit(&s) * 20 - 5) * (next_unit(&s) < 0.05 ? -1 : 1);
            assert_int_equal(hdr_add(&all, v), 0);
            assert_int_equal(hdr_add(i & 1 ? &odd : &even, v), 0);
        }
        CLEANUP(buf_fini) struct buf stored;
        buf_init(&stored, 1 << 20);
        hdr_encode(&odd, &stored);
        assert_int_equal(buf_finish(&stored), 0);
        assert_int_equal(hdr_merge(&back, &even), 0);
        assert_int_equal(hdr_merge_encoded(&back, stored.data, stored.len), 0);
        assert_same(&all, &back);
        CLEANUP(hdr_fini) struct hdr figures = {0};
        assert_int_equal(hdr_merge_figures(&figures, stored.data, stored.len), 0);
        assert_true(figures.count == odd.count && figures.min == odd.min &&
                    figures.max == odd.max && fabs(figures.sum - odd.sum) <= 1e-9 * fabs(odd.sum));
        for (size_t cut = 0; cut < stored.len; cut++)
            assert_int_equal(hdr_merge_encoded(&back, stored.data, cut), E_CORRUPT);
    }
}

static void test_wire_is_checked(void **state)
{
    (void)state;
    static const uint32_t counters[] = {1, 2, 3};
    static const struct hdr_span good[] = {{5, 2}, {3, 1}};
    static const struct hdr_span too_many[] = {{5, 2}, {3, 2}};
    static const struct hdr_span too_far[] = {{5, 2}, {HDR_INDEX_MAX, 1}};
    static const struct hdr_span huge[] = {{UINT32_MAX, UINT32_MAX}, {2, 4}};
    struct hdr_wire w = {.counters = counters,
                         .counters_len = 3,
                         .spans = good,
                         .spans_len = 2,
                         .count = 6,
                         .sum = 1,
                         .min = 0.005,
                         .max = 0.01,
                         .resolution = 0.001};
    CLEANUP(hdr_fini) struct hdr h = {0};
    assert_int_equal(hdr_merge_wire(&h, &w), 0);
    assert_int_equal(h.counters[5 - h.first], 1);
    assert_int_equal(h.counters[6 - h.first], 2);
    assert_int_equal(h.counters[10 - h.first], 3);
    const struct hdr_span *const bad[] = {too_many, too_far, huge};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        w.spans = bad[i];
        assert_int_equal(hdr_merge_wire(&h, &w), E_CORRUPT);
    }
    w.spans = good;
    w.count = 7; /* one more than its counters hold */
    assert_int_equal(hdr_merge_wire(&h, &w), E_CORRUPT);
    w.count = 6;
    w.resolution = 1;
    assert_int_equal(hdr_merge_wire(&h, &w), E_CORRUPT);
    w.resolution = 0.001;
    w.sum = NAN;
    assert_int_equal(hdr_merge_wire(&h, &w), E_CORRUPT);
    assert_int_equal(h.count, 6);
}

static void test_no_memory(void **state)
{
    (void)state;
    CLEANUP(hdr_fini) struct hdr h = {0};
    CLEANUP(hdr_fini) struct hdr from = {0};
    assert_int_equal(hdr_add(&from, 50), 0);
    mem_fail_countdown = 0;
    assert_int_equal(hdr_add(&h, 1), -ENOMEM);
    mem_fail_countdown = 0;
    assert_int_equal(hdr_merge(&h, &from), -ENOMEM);
    mem_fail_countdown = -1;
    assert_int_equal(h.count, 0);
    assert_int_equal(hdr_merge(&h, &from), 0);
    assert_int_equal(h.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index),           cmocka_unit_test(test_range),
        cmocka_unit_test(test_quantiles),       cmocka_unit_test(test_few_values),
        cmocka_unit_test(test_extremes),        cmocka_unit_test(test_merge_and_encode),
        cmocka_unit_test(test_wire_is_checked), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
