#include "load/segment.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_whole(void **state)
{
    (void)state;
    struct segment s;
    assert_int_equal(segment_parse(NULL, NULL, &s), 0);
    assert_int_equal(segment_scale(&s, 0), 0);
    assert_int_equal(segment_scale(&s, 7), 7);
    assert_int_equal(segment_global(&s, 6), 6);
    assert_true(segment_share(&s) == 1.0);
    segment_fini(&s);
}

/* What the parts of a sequence get must be exactly the whole, for every number. */
static void test_parts_sum(void **state)
{
    (void)state;
    static const struct {
        const char *sequence;
        const char *parts[5];
    } cases[] = {
        {"0,1/3,2/3,1", {"0:1/3", "1/3:2/3", "2/3:1"}},
        {"0,1/4,1/2,1", {"0:1/4", "1/4:1/2", "1/2:1"}},
        {"0,10%,0.35,9/10,1", {"0:1/10", "0.1:35%", "0.35:0.9", "0.9:1"}},
        {"0,1/7,1/2,1", {"0:1/7", "1/7:1/2", "1/2:1"}},
    };
    for (size_t c = 0; c < ARRAY_LEN(cases); c++)
        for (int64_t n = 0; n < 200; n++) {
            int64_t sum = 0;
            bool seen[200] = {0};
            for (size_t p = 0; cases[c].parts[p] != NULL; p++) {
                struct segment s;
                assert_int_equal(segment_parse(cases[c].parts[p], cases[c].sequence, &s), 0);
                int64_t mine = segment_scale(&s, n);
                for (int64_t i = 0; i < mine; i++) {
                    int64_t global = segment_global(&s, i);
                    assert_true(global >= 0 && global < n);
                    assert_false(seen[global]);
                    seen[global] = true;
                }
                sum += mine;
                segment_fini(&s);
            }
            assert_int_equal(sum, n);
        }
}

static void test_striping(void **state)
{
    (void)state;
    struct segment s;
    /* Halves take turns. */
    assert_int_equal(segment_parse("1/2:1", "0,1/2,1", &s), 0);
    assert_int_equal(segment_global(&s, 0), 1);
    assert_int_equal(segment_global(&s, 1), 3);
    assert_int_equal(segment_scale(&s, 1), 0);
    assert_int_equal(segment_scale(&s, 2), 1);
    segment_fini(&s);
    /* The largest part comes first. */
    assert_int_equal(segment_parse("1/4:1", NULL, &s), 0);
    assert_int_equal(segment_global(&s, 0), 0);
    assert_int_equal(segment_scale(&s, 4), 3);
    segment_fini(&s);
    /* A single point counts from 0. */
    assert_int_equal(segment_parse("25%", NULL, &s), 0);
    assert_true(segment_share(&s) == 0.25);
    segment_fini(&s);
}

static void test_by_value(void **state)
{
    (void)state;
    int64_t sum = 0;
    static const char *const parts[] = {"0:1/3", "1/3:2/3", "2/3:1"};
    for (size_t i = 0; i < 3; i++) {
        struct segment s, by;
        assert_int_equal(segment_parse(parts[i], "0,1/3,2/3,1", &s), 0);
        assert_int_equal(segment_by_value(&s, 4, &by), 0); /* virtual users: 2, 1, 1 */
        int64_t mine = segment_scale(&by, 100);
        assert_int_equal(mine, i == 0 ? 50 : 25);
        sum += mine;
        segment_fini(&by);
        segment_fini(&s);
    }
    assert_int_equal(sum, 100);
}

/* Elements as k6 v2.2 was seen to deal them out, also of a value that the parts don't divide. */
static void test_as_k6_deals(void **state)
{
    (void)state;
    enum { SOME = 8 };
    static const struct {
        const char *segment, *sequence;
        int64_t value; /* dealt by what the parts have of so many; 0: by their lengths */
        int64_t first[SOME];
    } cases[] = {
        {"0:10%", "0,0.1,0.4,1", 0, {3, 13, 23, 33, 43, 53, 63, 73}},
        {"0:1/6", "0,1/6,1/2,1", 0, {5, 11, 17, 23, 29, 35, 41, 47}},
        {"1/6:1/2", "0,1/6,1/2,1", 0, {1, 3, 7, 9, 13, 15, 19, 21}},
        {"1/2:1", "0,1/6,1/2,1", 0, {0, 2, 4, 6, 8, 10, 12, 14}},
        {"2/7:5/7", "0,2/7,5/7,1", 0, {0, 3, 5, 7, 10, 12, 14, 17}},
        {"0:1/6", "0,1/6,1/2,1", 7, {3, 10, 17, 24, 31, 38, 45, 52}},
        {"1/6:1/2", "0,1/6,1/2,1", 7, {1, 5, 8, 12, 15, 19, 22, 26}},
        {"1/2:1", "0,1/6,1/2,1", 7, {0, 2, 4, 6, 7, 9, 11, 13}},
        {"0:1/6", "0,1/6,1/2,1", 15, {5, 11, 20, 26, 35, 41, 50, 56}},
        {"1/6:1/2", "0,1/6,1/2,1", 15, {1, 3, 7, 9, 13, 16, 18, 22}},
        {"1/2:1", "0,1/6,1/2,1", 15, {0, 2, 4, 6, 8, 10, 12, 14}},
        {"0:10%", "0,0.1,0.4,1", 7, {3, 10, 17, 24, 31, 38, 45, 52}},
        {"0:10%", "0,0.1,0.4,1", 15, {3, 11, 18, 26, 33, 41, 48, 56}},
        {"2/7:5/7", "0,2/7,5/7,1", 15, {0, 3, 5, 7, 9, 11, 13, 15}},
        {"2/7:5/7", "0,2/7,5/7,1", 6, {0, 2, 4, 6, 8, 10, 12, 14}},
    };
    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        struct segment s, by = {0};
        assert_int_equal(segment_parse(cases[c].segment, cases[c].sequence, &s), 0);
        if (cases[c].value > 0)
            assert_int_equal(segment_by_value(&s, cases[c].value, &by), 0);
        const struct segment *dealt = cases[c].value > 0 ? &by : &s;
        for (int64_t i = 0; i < SOME; i++) {
            assert_int_equal(segment_global(dealt, i), cases[c].first[i]);
            assert_int_equal(segment_scale(dealt, cases[c].first[i]), i);
            assert_int_equal(segment_scale(dealt, cases[c].first[i] + 1), i + 1);
        }
        segment_fini(&by);
        segment_fini(&s);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"1/2:1/4", NULL}, {"x", NULL},
        {"1/0", NULL},     {"0:2", NULL},
        {"-1:1", NULL},    {"0:1/2", "0,1/3,1"},
        {"1/2", "0,x,1"},  {"1/2", "0,1/2,1/2,1"},
        {"1/1:1/1", NULL}, {"0:1/999999937", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct segment s = {.cycle = 77};
        assert_int_equal(segment_parse(cases[i][0], cases[i][1], &s), E_CONFIG);
        assert_int_equal(s.cycle, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),       cmocka_unit_test(test_parts_sum),
        cmocka_unit_test(test_striping),    cmocka_unit_test(test_by_value),
        cmocka_unit_test(test_as_k6_deals), cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
