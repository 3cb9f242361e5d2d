#include "load/pace.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { STAGES = 6, SPANS = 5 };

/* Times in milliseconds; a span with stop -1 ends the list. */
struct ramp_case {
    int64_t start_vus;
    int64_t stages[STAGES][2]; /* length, target; length -1 ends the list */
    int64_t number;
    int64_t spans[SPANS][3]; /* start, stop, to the end */
};

static void test_ramps(void **state)
{
    (void)state;
    static const struct ramp_case cases[] = {
        /* From 1 to 5 in 4 s: virtual user n comes at (n - 1) s. */
        {1, {{4000, 5}, {-1, 0}}, 1, {{0, 4000, 1}, {0, -1, 0}}},
        {1, {{4000, 5}, {-1, 0}}, 2, {{1000, 4000, 1}, {0, -1, 0}}},
        {1, {{4000, 5}, {-1, 0}}, 5, {{4000, 4000, 1}, {0, -1, 0}}},
        {1, {{4000, 5}, {-1, 0}}, 6, {{0, -1, 0}}},
        /* Down from 4 to 0 in 4 s: the last to come goes first, after 1 s. */
        {4, {{4000, 0}, {-1, 0}}, 4, {{0, 1000, 0}, {0, -1, 0}}},
        {4, {{4000, 0}, {-1, 0}}, 1, {{0, 4000, 0}, {0, -1, 0}}},
        /* Jumps. */
        {0, {{0, 3}, {2000, 3}, {0, 1}, {1000, 1}, {-1, 0}}, 3, {{0, 2000, 0}, {0, -1, 0}}},
        {0, {{0, 3}, {2000, 3}, {0, 1}, {1000, 1}, {-1, 0}}, 1, {{0, 3000, 1}, {0, -1, 0}}},
        /* Up, hold, down, up again. */
        {0,
         {{2000, 2}, {1000, 2}, {2000, 0}, {2000, 2}, {-1, 0}},
         1,
         {{1000, 5000, 0}, {6000, 7000, 1}, {0, -1, 0}}},
        {0,
         {{2000, 2}, {1000, 2}, {2000, 0}, {2000, 2}, {-1, 0}},
         2,
         {{2000, 4000, 0}, {7000, 7000, 1}, {0, -1, 0}}},
        /* Passed by twice within a stage's length of zero. */
        {1, {{1000, 1}, {0, 9}, {0, 1}, {1000, 1}, {-1, 0}}, 5, {{1000, 1000, 0}, {0, -1, 0}}},
    };
    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        struct stage list[STAGES] = {0};
        struct opt_stages stages = {.set = true, .items = list};
        for (; cases[c].stages[stages.len][0] >= 0; stages.len++)
            list[stages.len] = (struct stage){{true, cases[c].stages[stages.len][0] * NS_PER_MS},
                                              {true, cases[c].stages[stages.len][1]}};
        struct pace_ramp r;
        struct pace_span span;
        pace_ramp_init(&r, cases[c].start_vus, &stages, cases[c].number);
        for (size_t i = 0; cases[c].spans[i][1] >= 0; i++) {
            assert_true(pace_ramp_next(&r, &span));
            assert_int_equal(span.start_ns, cases[c].spans[i][0] * NS_PER_MS);
            assert_int_equal(span.stop_ns, cases[c].spans[i][1] * NS_PER_MS);
            assert_int_equal(span.to_the_end, cases[c].spans[i][2]);
        }
        assert_false(pace_ramp_next(&r, &span));
        assert_false(pace_ramp_next(&r, &span));
    }
}

/* Divisions that don't come out even: nobody leaves the stage that brings him. */
static void test_uneven(void **state)
{
    (void)state;
    struct stage list[] = {{{true, 1000000007}, {true, 7}}, {{true, 999999937}, {true, 0}}};
    struct opt_stages stages = {.set = true, .items = list, .len = 2};
    for (int64_t n = 1; n <= 7; n++) {
        struct pace_ramp r;
        struct pace_span span;
        pace_ramp_init(&r, 0, &stages, n);
        assert_true(pace_ramp_next(&r, &span));
        assert_int_equal(span.start_ns, 1000000007 - 1000000007 * (7 - n) / 7);
        assert_int_equal(span.stop_ns, 1999999944 - 999999937 * (n - 1) / 7);
        assert_false(pace_ramp_next(&r, &span));
    }
}

/* A stage of years with millions of virtual users must not overflow. */
static void test_huge(void **state)
{
    (void)state;
    int64_t years = 100LL * 365 * 24 * 3600 * NS_PER_S;
    struct stage list[] = {{{true, years}, {true, 1000000}}};
    struct opt_stages stages = {.set = true, .items = list, .len = 1};
    struct pace_ramp r;
    struct pace_span span;
    pace_ramp_init(&r, 0, &stages, 500000);
    assert_true(pace_ramp_next(&r, &span));
    assert_int_equal(span.start_ns, years / 2);
    assert_int_equal(span.stop_ns, years);
}

/* ---- arrivals ------------------------------------------------------------------------------ */

static void test_constant_arrivals(void **state)
{
    (void)state;
    static const struct {
        int64_t rate, unit_ms, length_ms, count;
    } cases[] = {
        {5, 1000, 2000, 11}, /* 0, 200 … 1800, and the one at the very end */
        {3, 1000, 1000, 4},  {7, 60000, 60000, 8},
        {1, 3000, 2000, 1},  {1000000, 1000, 1000, 1000001},
    };
    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        struct pace_arrival p;
        int64_t due, last = -1, n = 0, length = cases[c].length_ms * NS_PER_MS;
        pace_arrival_constant(&p, cases[c].rate, cases[c].unit_ms * NS_PER_MS, length);
        for (; pace_arrival_due(&p, n, &due); n++) {
            int64_t exact = (int64_t)((__int128)n * cases[c].unit_ms * NS_PER_MS / cases[c].rate);
            assert_true(due == exact || (exact == length && due == length - 1));
            assert_true(due > last && due < length);
            last = due;
        }
        assert_int_equal(n, cases[c].count);
    }
}

/* An hour at a rate that doesn't divide: the last one is where the first plan said. */
static void test_no_drift(void **state)
{
    (void)state;
    struct pace_arrival p;
    int64_t due;
    pace_arrival_constant(&p, 7, NS_PER_S, 3600 * NS_PER_S);
    assert_true(pace_arrival_due(&p, 25199, &due));
    assert_int_equal(due, 25199 * NS_PER_S / 7);
}

static void test_ramping_arrivals(void **state)
{
    (void)state;
    /* 0 to 20/s in a second (10 iterations), a second at 20/s (20), down to 0 (10). */
    struct stage list[] = {{{true, NS_PER_S}, {true, 20}},
                           {{true, NS_PER_S}, {true, 20}},
                           {{true, NS_PER_S}, {true, 0}}};
    struct opt_stages stages = {.set = true, .items = list, .len = 3};
    struct pace_arrival p;
    int64_t due[64], n = 0;
    pace_arrival_ramp(&p, 0, &stages, NS_PER_S);
    while (n < 64 && pace_arrival_due(&p, n, &due[n]))
        n++;
    assert_int_equal(n, 40);
    assert_int_equal(due[0] / NS_PER_US, 316227); /* 10 x^2 = 1 */
    assert_int_equal(due[9], NS_PER_S);
    assert_true(llabs(due[10] - 1050 * NS_PER_MS) < 1000);
    assert_int_equal(due[29], 2 * NS_PER_S);
    assert_true(llabs(due[30] - (3 * NS_PER_S - 948683298)) < 1000); /* 10 - 10 x^2 = 9 */
    assert_int_equal(due[39], 3 * NS_PER_S - 1);
    assert_true(pace_arrival_rate(&p, NS_PER_S / 2) > 9.99);
}

static void test_ramping_jumps(void **state)
{
    (void)state;
    /* Nothing for a second, then at once 4 a second, a unit of two seconds. */
    struct stage list[] = {
        {{true, NS_PER_S}, {true, 0}}, {{true, 0}, {true, 8}}, {{true, NS_PER_S}, {true, 8}}};
    struct opt_stages stages = {.set = true, .items = list, .len = 3};
    struct pace_arrival p;
    int64_t due;
    pace_arrival_ramp(&p, 0, &stages, 2 * NS_PER_S);
    for (int64_t i = 0; i < 4; i++) {
        assert_true(pace_arrival_due(&p, i, &due));
        int64_t want = NS_PER_S + (i + 1) * NS_PER_S / 4;
        assert_int_equal(due, want == 2 * NS_PER_S ? want - 1 : want);
    }
    assert_false(pace_arrival_due(&p, 4, &due));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ramps),         cmocka_unit_test(test_uneven),
        cmocka_unit_test(test_huge),          cmocka_unit_test(test_constant_arrivals),
        cmocka_unit_test(test_no_drift),      cmocka_unit_test(test_ramping_arrivals),
        cmocka_unit_test(test_ramping_jumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
