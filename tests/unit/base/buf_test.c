#include "base/buf.h"

#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_limits(void **state)
{
    (void)state;
    static const struct {
        size_t max, chunk, times;
        int want;
    } cases[] = {
        {0, 1, 1, -EMSGSIZE}, {1, 1, 1, 0},        {1, 1, 2, -EMSGSIZE},
        {64, 64, 1, 0},       {65, 13, 5, 0},      {100, 33, 4, -EMSGSIZE},
        {SIZE_MAX, 7, 99, 0}, {SIZE_MAX, 0, 3, 0},
    };
    static const char src[64] = "0123456789";
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_fini) struct buf b;
        buf_init(&b, cases[i].max);
        for (size_t k = 0; k < cases[i].times; k++)
            buf_append(&b, src, cases[i].chunk);
        assert_int_equal(buf_finish(&b), cases[i].want);
        assert_true(b.len <= b.max);
    }
}

static void test_room_for_nothing(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 0);
    assert_non_null(buf_reserve(&b, 0)); /* NULL means that it failed */
    assert_int_equal(buf_finish(&b), 0);
}

static void test_json_strings(void **state)
{
    (void)state;
    static const struct {
        struct str in;
        const char *want;
    } cases[] = {
        {STR("plain"), "\"plain\""},
        {STR("a\"b\\c"), "\"a\\\"b\\\\c\""},
        {STR("\n\r\t\x01"), "\"\\n\\r\\t\\u0001\""},
        {STR("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\""},
        {STR("x\xff"
             "y"),
         "\"x\xef\xbf\xbdy\""},
        {{NULL, 0}, "\"\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_fini) struct buf b;
        buf_init(&b, 1000);
        buf_json_str(&b, cases[i].in);
        assert_string_equal(buf_cstr(&b), cases[i].want);
    }
}

static void test_json_doubles(void **state)
{
    (void)state;
    static const struct {
        double in;
        const char *want;
    } cases[] = {
        {0, "0"},      {-3, "-3"},        {0.1, "0.1"},       {1.0 / 3, "0.3333333333333333"},
        {NAN, "null"}, {1e300, "1e+300"}, {INFINITY, "null"}, {123456789012.5, "123456789012.5"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_fini) struct buf b;
        buf_init(&b, 100);
        buf_json_double(&b, cases[i].in);
        assert_string_equal(buf_cstr(&b), cases[i].want);
    }
}

static int scenario(void)
{
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 200; i++)
        buf_printf(&b, "%d hello ", i);
    return buf_finish(&b);
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    int n = 0;
    for (int rc = -ENOMEM; rc != 0; n++) {
        mem_fail_countdown = n;
        rc = scenario();
        assert_true(rc == 0 || rc == -ENOMEM);
    }
    mem_fail_countdown = -1;
    assert_true(n > 3);
}

static void test_printf_at_the_limit(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 5);
    buf_printf(&b, "%s", "12345");
    assert_int_equal(buf_finish(&b), 0);
    assert_string_equal(buf_cstr(&b), "12345");
    buf_printf(&b, "%d", 6);
    assert_int_equal(buf_finish(&b), -EMSGSIZE);
    assert_int_equal(b.len, 5);
}

static void test_shift_and_take(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_z(&b, "hello world");
    buf_shift(&b, 6);
    size_t len;
    char *p = (char *)buf_take(&b, &len);
    assert_int_equal(len, 5);
    assert_memory_equal(p, "world", 5);
    assert_int_equal(b.len, 0);
    mem_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_room_for_nothing),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_json_doubles),
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_printf_at_the_limit),
        cmocka_unit_test(test_shift_and_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
