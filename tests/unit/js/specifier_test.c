#include "js/specifier.h"

#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_imports(void **state)
{
    (void)state;
    static const struct {
        const char *dir, *spec, *want; /* NULL: E_NOT_FOUND */
    } cases[] = {
        {"file:///a/b", "./c.js", "file:///a/b/c.js"},
        {"file:///a/b", "../c.js", "file:///a/c.js"},
        {"file:///a/b", "../../../c.js", "file:///c.js"},
        {"file:///", "./c.js", "file:///c.js"},
        {"file:///a/b", "/x//y/./z/../w.js", "file:///x/y/w.js"},
        {"file:///a/b", "file:///x/y.js", "file:///x/y.js"},
        {"file:///a/b", "file:///x/a%20b%2Ejs", "file:///x/a b.js"},
        {"file:///a/b", "file:///x/100%.js", "file:///x/100%.js"},
        {"file:///a/b", "c.js", NULL},
        {"file:///a/b", "", NULL},
        {"file:///a/b", "http://x/y.js", NULL},
        {"file:///a/b", "github.com/x/y.js", NULL},
        {"file:///a/b", "https://x/y.js", "https://x/y.js"},
        {"file:///a/b", "https://x", "https://x/"},
        {"file:///a/b", "https://", NULL},
        {"file:///a/b", "https:///y.js", NULL},
        {"file:///a/b", "https://x:1/a/../y.js?v=../1#f", "https://x:1/y.js?v=../1"},
        {"https://h", "./c.js", "https://h/c.js"},
        {"https://h/a/b", "./c.js?q", "https://h/a/b/c.js?q"},
        {"https://h/a/b", "../c//d.js", "https://h/a/c//d.js"},
        {"https://h/a/b", "../../../c.js", "https://h/c.js"},
        {"https://h/a/b", "/c/", "https://h/c/"},
        {"https://h/a/b", "..", "https://h/a/"},
        {"https://h/a/b", "https://i/c.js", "https://i/c.js"},
        {"https://h/a/b", "file:///c.js", NULL},
        {"https://h/a/b", "c.js", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_fini) struct buf out;
        buf_init(&out, 4096);
        int rc = specifier_resolve(str_of(cases[i].dir), str_of(cases[i].spec), &out);
        assert_int_equal(rc, cases[i].want ? 0 : E_NOT_FOUND);
        if (rc == 0)
            assert_string_equal(buf_cstr(&out), cases[i].want);
    }
}

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *dir, *spec, *want;
    } cases[] = {
        {"/a/b", "c.json", "/a/b/c.json"},
        {"/a/b", "d/../c.json", "/a/b/c.json"},
        {"/a/b", "..", "/a"},
        {"/a/b", "../..", "/"},
        {"/a/b", "file:///x/y", "/x/y"},
        {"/a/b", "k6", "/a/b/k6"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_fini) struct buf out;
        buf_init(&out, 4096);
        assert_int_equal(specifier_file_path(str_of(cases[i].dir), str_of(cases[i].spec), &out), 0);
        assert_string_equal(buf_cstr(&out), cases[i].want);
    }
}

static void test_too_long(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 8);
    assert_int_equal(specifier_resolve(STR("file:///abc"), STR("./defghi.js"), &out), -EMSGSIZE);
    buf_reset(&out);
    assert_int_equal(specifier_resolve(STR("https://h/a"), STR("../../b.js"), &out), -EMSGSIZE);
}

static void test_keys_and_folders(void **state)
{
    (void)state;
    static const struct {
        const char *name, *key, *folder;
    } cases[] = {
        {"file:///a/b.js", "/a/b.js", "file:///a"},
        {"file:///b.js", "/b.js", "file:///"},
        {"https://h/b.js", "https://h/b.js", "https://h"},
        {"https://h/a%20/b.js?v=1/2", "https://h/a /b.js?v=1/2", "https://h/a%20"},
        {"https://h/a//b.js?v=../1", "https://h/a/b.js?v=../1", "https://h/a/"},
        {"https://h", "https://h", "https://h"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_fini) struct buf out;
        buf_init(&out, 4096);
        assert_int_equal(specifier_key(str_of(cases[i].name), &out), 0);
        assert_string_equal(buf_cstr(&out), cases[i].key);
        assert_true(str_eqz(specifier_folder_of(str_of(cases[i].name)), cases[i].folder));
    }
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
        cmocka_unit_test(test_imports),  cmocka_unit_test(test_paths),
        cmocka_unit_test(test_too_long), cmocka_unit_test(test_keys_and_folders),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
