#include "load/pace.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ramps),
        cmocka_unit_test(test_uneven),
        cmocka_unit_test(test_huge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
