#include "codec/archive_path.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *path, *expected;
    } cases[] = {
        {"/tmp/a.js", "/tmp/a.js"},
        {"tmp//./a/../b.js", "/tmp/b.js"},
        {"/../../a", "/a"},
        {"/", "/"},
        {"", "/"},
        {"/home/kim/a.js", "/home/nobody/a.js"},
        {"/home/kim", "/home/nobody"},
        {"/home/", "/home"},
        {"/home", "/home"},
        {"/HOME/kim/x", "/HOME/nobody/x"},
        {"/Users/kim/x/kim", "/Users/nobody/x/kim"},
        {"/srv/home/kim", "/srv/home/kim"},
        {"/homes/kim/x", "/homes/kim/x"},
        {"C:\\Users\\kim\\dir\\a.js", "/C/Users/nobody/dir/a.js"},
        {"/C:/Users/kim/a.js", "/C/Users/nobody/a.js"},
        {"/C/Users/kim/a.js", "/C/Users/nobody/a.js"},
        {"C:/something/a.js", "/C/something/a.js"},
        {"D:\\Documents and Settings\\kim\\a.txt", "/D/Documents and Settings/nobody/a.txt"},
        {"\\\\MYSHARED\\dir\\a.txt", "/nobody/dir/a.txt"},
        {"\\NOTSHARED\\dir\\a.txt", "/NOTSHARED/dir/a.txt"},
        {"/C/other/kim", "/C/other/kim"},
        {"/x/home/kim", "/x/home/nobody"},
        {"/home/home/kim", "/home/nobody/kim"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_fini) struct buf out;
        buf_init(&out, 4096);
        archive_path_write(&out, str_of(cases[i].path));
        assert_string_equal(buf_cstr(&out), cases[i].expected);
        buf_reset(&out); /* a spelling is its own spelling */
        archive_path_write(&out, str_of(cases[i].expected));
        assert_string_equal(buf_cstr(&out), cases[i].expected);
    }
}

static void test_windows(void **state)
{
    (void)state;
    assert_true(archive_path_is_windows(STR("C:\\x")));
    assert_true(archive_path_is_windows(STR("c:/x")));
    assert_true(archive_path_is_windows(STR("\\\\server\\x")));
    assert_false(archive_path_is_windows(STR("C:x")));
    assert_false(archive_path_is_windows(STR("\\\\")));
    assert_false(archive_path_is_windows(STR("1:/x")));
    assert_false(archive_path_is_windows(STR("/C:/x")));
}

static void test_escapes(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf out, back;
    buf_init(&out, 4096);
    buf_init(&back, 4096);
    archive_path_escape(&out, STR("/a b/%#?\xc3\xbc:@=.js"));
    assert_string_equal(buf_cstr(&out), "/a%20b/%25%23%3F%C3%BC:@=.js");
    archive_path_unescape(&back, buf_view(&out));
    assert_string_equal(buf_cstr(&back), "/a b/%#?\xc3\xbc:@=.js");
    buf_reset(&back);
    archive_path_unescape(&back, STR("%zz%4%41%"));
    assert_string_equal(buf_cstr(&back), "%zz%4A%");
}

static void test_limit(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 8);
    archive_path_write(&out, STR("/home/kim/a.js"));
    assert_int_equal(buf_finish(&out), -EMSGSIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spelling),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
