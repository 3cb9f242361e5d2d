#include "js/specifier.h"

#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        bool import;
        const char *dir, *spec, *want;
        int rc;
    } cases[] = {
        {true, "/a/b", "./c.js", "/a/b/c.js", 0},
        {true, "/a/b", "../c.js", "/a/c.js", 0},
        {true, "/a/b", "../../../c.js", "/c.js", 0},
        {true, "/", "./c.js", "/c.js", 0},
        {true, "/a/b", "/x//y/./z/../w.js", "/x/y/w.js", 0},
        {true, "/a/b", "file:///x/y.js", "/x/y.js", 0},
        {true, "/a/b", "file:///x/a%20b%2Ejs", "/x/a b.js", 0},
        {true, "/a/b", "file:///x/100%.js", "/x/100%.js", 0},
        {true, "/a/b", "c.js", NULL, E_NOT_FOUND},
        {true, "/a/b", "", NULL, E_NOT_FOUND},
        {true, "/a/b", "http://x/y.js", NULL, E_NOT_FOUND},
        {true, "/a/b", "https://x/y.js", NULL, E_UNSUPPORTED},
        {false, "/a/b", "c.json", "/a/b/c.json", 0},
        {false, "/a/b", "d/../c.json", "/a/b/c.json", 0},
        {false, "/a/b", "..", "/a", 0},
        {false, "/a/b", "../..", "/", 0},
        {false, "/a/b", "file:///x/y", "/x/y", 0},
        {false, "/a/b", "k6", "/a/b/k6", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_fini) struct buf out;
        buf_init(&out, 4096);
        int rc = cases[i].import
                     ? specifier_import_path(str_of(cases[i].dir), str_of(cases[i].spec), &out)
                     : specifier_file_path(str_of(cases[i].dir), str_of(cases[i].spec), &out);
        assert_int_equal(rc, cases[i].rc);
        if (rc == 0)
            assert_string_equal(buf_cstr(&out), cases[i].want);
    }
}

static void test_too_long(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 8);
    assert_int_equal(specifier_import_path(STR("/abc"), STR("./defghi.js"), &out), -EMSGSIZE);
}

static void test_names(void **state)
{
    (void)state;
    assert_true(specifier_is_builtin(STR("k6")));
    assert_true(specifier_is_builtin(STR("k6/http")));
    assert_false(specifier_is_builtin(STR("k6.js")));
    assert_false(specifier_is_builtin(STR("./k6/http")));
    assert_true(str_eqz(specifier_path_of(STR("file:///a/b.js")), "/a/b.js"));
    assert_null(specifier_path_of(STR("k6/http")).ptr);
    assert_true(str_eqz(specifier_dir_of(STR("/a/b.js")), "/a"));
    assert_true(str_eqz(specifier_dir_of(STR("/b.js")), "/"));
    assert_true(str_eqz(specifier_dir_of(STR("b.js")), "/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
