#include "output/numfmt.h"

#include "base/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct buf out;

static int set_up(void **state)
{
    (void)state;
    buf_init(&out, 10000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

/* What was written since the last call. */
static const char *text(void)
{
    static char kept[400];
    const char *s = buf_cstr(&out);
    assert_non_null(s);
    assert_true(strlen(s) < sizeof kept);
    memcpy(kept, s, strlen(s) + 1);
    buf_reset(&out);
    return kept;
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        double ms;
        enum numfmt_unit unit;
        const char *want;
    } cases[] = {
        {0, NUMFMT_AUTO, "0s"},
        {0.00023, NUMFMT_AUTO, "230ns"},
        {0.0009999, NUMFMT_AUTO, "999ns"},
        {0.001, NUMFMT_AUTO, "1µs"},
        {0.42095, NUMFMT_AUTO, "420.95µs"},
        {0.883519, NUMFMT_AUTO, "883.51µs"},
        {0.9999999, NUMFMT_AUTO, "999.99µs"},
        {1, NUMFMT_AUTO, "1ms"},
        {1.489, NUMFMT_AUTO, "1.48ms"},
        {4.305, NUMFMT_AUTO, "4.3ms"},
        {302.39999, NUMFMT_AUTO, "302.39ms"},
        {999.999, NUMFMT_AUTO, "999.99ms"},
        {1000, NUMFMT_AUTO, "1s"},
        {1234.5, NUMFMT_AUTO, "1.23s"},
        {59999, NUMFMT_AUTO, "59.99s"},
        {60000, NUMFMT_AUTO, "1m0s"},
        {90500, NUMFMT_AUTO, "1m30s"},
        {3600000, NUMFMT_AUTO, "1h0m0s"},
        {3723000, NUMFMT_AUTO, "1h2m3s"},
        {360000000, NUMFMT_AUTO, "100h0m0s"},
        {1234.5, NUMFMT_S, "1.23s"},
        {1.234, NUMFMT_MS, "1.23ms"},
        {0.125, NUMFMT_MS, "0.13ms"},
        {0, NUMFMT_MS, "0.00ms"},
        {1.2345, NUMFMT_US, "1234.50µs"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        numfmt_duration(&out, cases[i].ms, cases[i].unit);
        assert_string_equal(text(), cases[i].want);
    }
}

static void test_bytes(void **state)
{
    (void)state;
    static const struct {
        double bytes;
        const char *want;
    } cases[] = {
        {0, "0 B"},           {9.5, "9.5 B"},     {10, "10 B"},     {700, "700 B"},
        {991.2, "991 B"},     {999.99, "1000 B"}, {3421, "3.4 kB"}, {7817, "7.8 kB"},
        {9336.947, "9.3 kB"}, {28107, "28 kB"},   {71000, "71 kB"}, {342345, "342 kB"},
        {1500000, "1.5 MB"},  {9.96e6, "10 MB"},  {1e9, "1.0 GB"},  {234.5e6, "235 MB"},
        {1e27, "1000 YB"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        numfmt_bytes(&out, cases[i].bytes);
        assert_string_equal(text(), cases[i].want);
    }
}

static void test_percent_and_plain(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *percent, *plain;
    } cases[] = {
        {0, "0.00%", "0"},
        {1, "100.00%", "1"},
        {0.5, "50.00%", "0.5"},
        {0.21568627450980393, "21.56%", "0.215686"},
        {0.99999, "99.99%", "0.99999"},
        {12.5, "1250.00%", "12.5"},
        {1014.476375, "101447.63%", "1014.476375"},
        {9.30196, "930.19%", "9.30196"},
        {-3.00000049, "-300.00%", "-3"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        numfmt_percent(&out, cases[i].v);
        assert_string_equal(text(), cases[i].percent);
        numfmt_plain(&out, cases[i].v);
        assert_string_equal(text(), cases[i].plain);
    }
}

static void test_js_numbers(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *want;
    } cases[] = {
        {0, "0"},
        {-0.0, "0"},
        {51, "51"},
        {28107, "28107"},
        {0.1, "0.1"},
        {1.0970010000000001, "1.0970010000000001"},
        {0.000001, "0.000001"},
        {0.0000001, "1e-7"},
        {1.1645965062104814e-7, "1.1645965062104814e-7"},
        {123456789012345680000.0, "123456789012345680000"},
        {1e21, "1e+21"},
        {-2.5e30, "-2.5e+30"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        numfmt_js(&out, cases[i].v);
        assert_string_equal(text(), cases[i].want);
    }
    numfmt_js(&out, HUGE_VAL);
    assert_string_equal(text(), "Infinity");
}

static void test_go_durations(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        const char *want;
    } cases[] = {
        {0, "0s"},
        {1, "1ns"},
        {1500, "1.5µs"},
        {500 * NS_PER_MS, "500ms"},
        {2 * NS_PER_S, "2s"},
        {33 * NS_PER_S + 100 * NS_PER_MS, "33.1s"},
        {90 * NS_PER_S, "1m30s"},
        {630 * NS_PER_S, "10m30s"},
        {600 * NS_PER_S, "10m0s"},
        {3600 * NS_PER_S, "1h0m0s"},
        {100000 * NS_PER_S, "27h46m40s"},
        {-3 * NS_PER_S, "-3s"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        numfmt_go_duration(&out, cases[i].ns);
        assert_string_equal(text(), cases[i].want);
    }
}

static void test_units(void **state)
{
    (void)state;
    enum numfmt_unit u;
    assert_true(numfmt_unit_parse(STR("us"), &u) && u == NUMFMT_US);
    assert_true(numfmt_unit_parse(STR(""), &u) && u == NUMFMT_AUTO);
    assert_false(numfmt_unit_parse(STR("m"), &u));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_durations),  TEST(test_bytes),        TEST(test_percent_and_plain),
        TEST(test_js_numbers), TEST(test_go_durations), TEST(test_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
