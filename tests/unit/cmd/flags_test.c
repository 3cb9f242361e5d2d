#include "cmd/flags.h"

#include "base/buf.h"
#include "base/err.h"
#include "load/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ARGS_MAX = 12 };

static const struct flag_table tables[] = {{flags_options, &flags_options_len},
                                           {flags_runtime, &flags_runtime_len},
                                           {flags_run, &flags_run_len},
                                           {flags_global, &flags_global_len}};

static int parse(struct flag_values *v, struct arena *a, const char *const *args)
{
    static char text[ARGS_MAX][256];
    char *argv[ARGS_MAX] = {NULL};
    int argc = 0;
    for (; args[argc] != NULL; argc++) {
        size_t n = strlen(args[argc]);
        assert_true(n < sizeof text[0]);
        memcpy(text[argc], args[argc], n + 1);
        argv[argc] = text[argc];
    }
    arena_init(a, 1 << 20);
    return flags_parse_tables(v, a, argc, argv, tables, ARRAY_LEN(tables));
}

static void test_values(void **state)
{
    (void)state;
    const char *args[] = {"run",   "-u",          "5",    "--duration=10s",
                          "-qv",   "-s5s:1,6s:2", "a.js", "-e",
                          "A=b,c", "--",          "-x",   NULL};
    struct flag_values v;
    struct arena a;
    assert_int_equal(parse(&v, &a, args), 0);
    assert_string_equal(flag_values_get(&v, "vus"), "5");
    assert_string_equal(flag_values_get(&v, "duration"), "10s");
    assert_true(flag_values_bool(&v, "quiet"));
    assert_true(flag_values_bool(&v, "verbose"));
    assert_false(flag_values_bool(&v, "throw"));
    assert_null(flag_values_get(&v, "iterations"));
    assert_string_equal(flag_values_get(&v, "stage"), "6s:2"); /* the last of two */
    assert_string_equal(flag_values_get(&v, "env"), "A=b,c");  /* not a list */
    assert_int_equal(v.args_len, 2);
    assert_string_equal(v.args[0], "a.js");
    assert_string_equal(v.args[1], "-x");
    arena_fini(&a);
}

static void test_switches(void **state)
{
    (void)state;
    const char *args[] = {"run", "--throw=false", "--no-setup", "-", NULL};
    struct flag_values v;
    struct arena a;
    assert_int_equal(parse(&v, &a, args), 0);
    assert_false(flag_values_bool(&v, "throw"));
    assert_true(flag_values_bool(&v, "no-setup"));
    assert_int_equal(v.args_len, 1); /* a switch takes no value but with "=" */
    assert_string_equal(v.args[0], "-");
    arena_fini(&a);
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *args[4];
        const char *message;
    } cases[] = {
        {{"run", "--bogus"}, "unknown flag: --bogus"},
        {{"run", "--bogus=1"}, "unknown flag: --bogus"},
        {{"run", "-qx"}, "unknown shorthand flag: 'x' in -x"},
        {{"run", "--vus"}, "flag needs an argument: --vus"},
        {{"run", "-u"}, "flag needs an argument: 'u' in -u"},
        {{"run", "-u", "abc"},
         "invalid argument \"abc\" for \"-u, --vus\" flag: strconv.ParseInt: parsing \"abc\": "
         "invalid syntax"},
        {{"run", "-d", "5"},
         "invalid argument \"5\" for \"-d, --duration\" flag: time: missing unit in duration "
         "\"5\""},
        {{"run", "--throw=maybe"},
         "invalid argument \"maybe\" for \"-w, --throw\" flag: strconv.ParseBool: parsing "
         "\"maybe\": invalid syntax"},
        {{"run", "--max-redirects=x"},
         "invalid argument \"x\" for \"--max-redirects\" flag: strconv.ParseInt: parsing \"x\": "
         "invalid syntax"},
        {{"run", "--secret-source=x"}, "the flag --secret-source isn't there yet"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct flag_values v;
        struct arena a;
        assert_true(parse(&v, &a, cases[i].args) < 0);
        assert_string_equal(err_message(), cases[i].message);
        assert_int_equal(err_get()->exit_code, 255);
        arena_fini(&a);
    }
}

/* Names and letters must be one of a kind, and options within the table. */
static void test_tables(void **state)
{
    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (size_t i = 0; i < *tables[t].len; i++) {
            const struct flag *f = &tables[t].flags[i];
            assert_true(f->missing || f->help != NULL);
            assert_true(f->option >= 0 && f->option <= OPTION_LEN);
            assert_ptr_equal(flag_find(tables, ARRAY_LEN(tables), str_of(f->name), 0), f);
            if (f->letter != 0)
                assert_ptr_equal(flag_find(tables, ARRAY_LEN(tables), STR_EMPTY, f->letter), f);
        }
}

static void test_help(void **state)
{
    (void)state;
    static const struct flag some[] = {
        {.name = "one", .letter = 'o', .value_name = "n", .kind = FLAG_INT, .help = "first"},
        {.name = "second", .help = "other"},
        {.name = "gone", .missing = true},
    };
    struct buf out;
    buf_init(&out, 4096);
    flags_help(&out, some, ARRAY_LEN(some));
    assert_string_equal(buf_cstr(&out), "  -o, --one n    first\n"
                                        "      --second   other\n");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_switches), cmocka_unit_test(test_bad),
        cmocka_unit_test(test_tables), cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
