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
        cmocka_unit_test(test_whole),    cmocka_unit_test(test_parts_sum),
        cmocka_unit_test(test_striping), cmocka_unit_test(test_by_value),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
