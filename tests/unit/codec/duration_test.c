#include "codec/duration.h"

#include "base/clock.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct good {
    const char *text;
    int64_t ns;
};

static void test_go(void **state)
{
    (void)state;
    static const struct good cases[] = {
        {"0", 0},
        {"0s", 0},
        {"5s", 5 * NS_PER_S},
        {"+5s", 5 * NS_PER_S},
        {"-5s", -5 * NS_PER_S},
        {"1.5h", 5400 * NS_PER_S},
        {".5s", NS_PER_S / 2},
        {"1.s", NS_PER_S},
        {"1h2m3s4ms5us6ns", 3723004005006},
        {"10\xc2\xb5s", 10000},
        {"10\xce\xbcs", 10000},
        {"39h9m14.425s", 140954425 * NS_PER_MS},
        {"9223372036854775807ns", INT64_MAX},
        {"0.3333333333333333333h", 1200 * NS_PER_S},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ns = -1;
        assert_int_equal(duration_parse_go(str_of(cases[i].text), &ns), 0);
        assert_int_equal(ns, cases[i].ns);
    }
}

static void test_go_bad(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "time: invalid duration \"\""},
        {"-", "time: invalid duration \"-\""},
        {".", "time: invalid duration \".\""},
        {"xx", "time: invalid duration \"xx\""},
        {"3", "time: missing unit in duration \"3\""},
        {"1.5", "time: missing unit in duration \"1.5\""},
        {"3 s", "time: unknown unit \" s\" in duration \"3 s\""},
        {"1d", "time: unknown unit \"d\" in duration \"1d\""},
        {"9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""},
        {"9999999h", "time: invalid duration \"9999999h\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ns = 77;
        assert_int_equal(duration_parse_go(str_of(cases[i][0]), &ns), E_CONFIG);
        assert_string_equal(err_message(), cases[i][1]);
        assert_int_equal(ns, 77);
    }
}

static void test_extended(void **state)
{
    (void)state;
    static const struct good cases[] = {
        {"1500", 1500 * NS_PER_MS},
        {"1500.5", 1500500 * NS_PER_US},
        {"-2", -2 * NS_PER_MS},
        {"1d", 86400 * NS_PER_S},
        {"1d2h", 93600 * NS_PER_S},
        {"-1d2h", -93600 * NS_PER_S},
        {"2d3.5s", 172803500 * NS_PER_MS},
        {"1m", 60 * NS_PER_S},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ns = -1;
        assert_int_equal(duration_parse(str_of(cases[i].text), &ns), 0);
        assert_int_equal(ns, cases[i].ns);
    }
    int64_t ns;
    assert_int_equal(duration_parse(str_of("d2h"), &ns), E_CONFIG);
    assert_int_equal(duration_parse(str_of("1d-2h"), &ns), E_CONFIG);
    assert_int_equal(duration_parse(str_of("1.5d"), &ns), E_CONFIG);
    assert_int_equal(duration_parse(str_of("999999999d"), &ns), E_CONFIG);
    assert_int_equal(duration_parse(str_of("1e300"), &ns), E_CONFIG);
}

static void test_format(void **state)
{
    (void)state;
    static const struct good cases[] = {
        {"0s", 0},
        {"1ns", 1},
        {"1.1\xc2\xb5s", 1100},
        {"2.2ms", 2200 * NS_PER_US},
        {"3.3s", 3300 * NS_PER_MS},
        {"4m5s", 245 * NS_PER_S},
        {"4m5.001s", 245001 * NS_PER_MS},
        {"5h6m7.001s", 18367001 * NS_PER_MS},
        {"8m0.000000001s", 480 * NS_PER_S + 1},
        {"10m0s", 600 * NS_PER_S},
        {"-1h0m0s", -3600 * NS_PER_S},
        {"2562047h47m16.854775807s", INT64_MAX},
        {"-2562047h47m16.854775808s", INT64_MIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[DURATION_TEXT_MAX];
        int n = duration_format(cases[i].ns, out);
        assert_string_equal(out, cases[i].text);
        assert_int_equal(n, strlen(out));
    }
}

static void test_round(void **state)
{
    (void)state;
    assert_int_equal(duration_round(149, 100), 100);
    assert_int_equal(duration_round(150, 100), 200);
    assert_int_equal(duration_round(-150, 100), -200);
    assert_int_equal(duration_round(-149, 100), -100);
    assert_int_equal(duration_round(INT64_MAX, 100), INT64_MAX / 100 * 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_go),       cmocka_unit_test(test_go_bad),
        cmocka_unit_test(test_extended), cmocka_unit_test(test_format),
        cmocka_unit_test(test_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
