#include "cmd/yaml.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0, "0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.24589333821705447, "0.24589333821705447"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {1.7380678851174936e-05, "1.7380678851174936e-05"},
        {100000, "100000"},
        {123456, "123456"},
        {123456.789, "123456.789"},
        {999999, "999999"},
        {1000000, "1e+06"},
        {4125483, "4.125483e+06"},
        {2481858.221440551, "2.481858221440551e+06"},
        {1e22, "1e+22"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {INFINITY, ".inf"},
        {-INFINITY, "-.inf"},
        {NAN, ".nan"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        buf_init(&out, 100);
        yaml_number(&out, cases[i].v);
        assert_string_equal(buf_cstr(&out), cases[i].text);
        buf_fini(&out);
    }
}

static void test_text(void **state)
{
    (void)state;
    static const struct {
        const char *in, *text;
    } cases[] = {
        {"", "\"\""},
        {"iterations", "iterations"},
        {"http_req_duration{expected_response:true}", "http_req_duration{expected_response:true}"},
        {"p(95)", "p(95)"},
        {"a b", "a b"},
        {"a: b", "'a: b'"},
        {"a:", "'a:'"},
        {"a #b", "'a #b'"},
        {"it's: so", "'it''s: so'"},
        {"{a}", "'{a}'"},
        {"true", "\"true\""},
        {"Null", "\"Null\""},
        {"12", "\"12\""},
        {"1e3", "\"1e3\""},
        {"a\nb", "\"a\\nb\""},
        {"é", "é"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        buf_init(&out, 100);
        yaml_text(&out, str_of(cases[i].in));
        assert_string_equal(buf_cstr(&out), cases[i].text);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
