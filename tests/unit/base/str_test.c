#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_numbers(void **state)
{
    (void)state;
    int64_t i = 77;
    uint64_t u = 77;
    double d = 77;
    assert_int_equal(str_to_i64(STR("-12"), &i), 0);
    assert_int_equal(i, -12);
    assert_int_equal(str_to_i64(STR("12x"), &i), -EINVAL);
    assert_int_equal(str_to_i64(STR(""), &i), -EINVAL);
    assert_int_equal(str_to_i64(STR(" 1"), &i), -EINVAL);
    assert_int_equal(str_to_i64(STR("9223372036854775808"), &i), -ERANGE);
    assert_int_equal(i, -12);
    assert_int_equal(str_to_u64(STR("-1"), &u), -EINVAL);
    assert_int_equal(str_to_u64(STR("18446744073709551615"), &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(str_to_double(STR("1.5e3"), &d), 0);
    assert_true(d == 1500);
    assert_int_equal(str_to_double(str_new("1\0"
                                           "2",
                                           3),
                                   &d),
                     -EINVAL);
}

static void test_cut_and_trim(void **state)
{
    (void)state;
    struct str rest;
    assert_true(str_eqz(str_cut(STR("a=b=c"), '=', &rest), "a"));
    assert_true(str_eqz(rest, "b=c"));
    assert_true(str_eqz(str_cut(STR("abc"), '=', &rest), "abc"));
    assert_null(rest.ptr);
    assert_true(str_eqz(str_trim(STR(" \t x y\r\n")), "x y"));
    assert_true(str_starts(STR("abc"), STR("ab")) && !str_starts(STR("a"), STR("ab")));
    assert_true(str_ends(STR("abc"), STR("bc")) && !str_ends(STR("c"), STR("bc")));
    assert_true(str_ieq(STR("Content-TYPE"), STR("content-type")));
    assert_true(str_cmp(STR("a"), STR("ab")) < 0 && str_cmp(STR("b"), STR("ab")) > 0);
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        struct str s;
        bool ok;
    } cases[] = {
        {STR("abc"), true},
        {STR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), true},
        {STR("\xc0\x80"), false},         /* overlong */
        {STR("\xe0\x80\x80"), false},     /* overlong */
        {STR("\xed\xa0\x80"), false},     /* surrogate */
        {STR("\xf4\x90\x80\x80"), false}, /* past U+10FFFF */
        {STR("\xc3"), false},             /* cut */
        {STR("\x80"), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(str_is_utf8(cases[i].s), cases[i].ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_cut_and_trim),
        cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
