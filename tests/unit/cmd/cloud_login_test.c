#include "cmd/cloud_login.h"

#include "base/err.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/spate-login-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/x/config.json", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char folder[64];
    snprintf(folder, sizeof folder, "%s/x", dir);
    (void)unlink(path);
    (void)rmdir(folder);
    return rmdir(dir);
}

static void expect_section(const char *want)
{
    CLEANUP(buf_fini) struct buf text, section;
    buf_init(&text, 10000);
    buf_init(&section, 10000);
    assert_int_equal(cloud_login_read(path, &text), 0);
    assert_int_equal(cloud_login_section(buf_view(&text), path, &section), 0);
    assert_string_equal(buf_cstr(&section), want);
}

static int write_login(const char *token, const char *host, int64_t stack)
{
    struct cloud_login login = {
        .token = token,
        .host = host,
        .stack_url = stack ? "my-team" : NULL,
        .stack_id = stack,
        .default_project_id = stack,
    };
    return cloud_login_write(path, &login);
}

static void test_keeps_what_else_is_there(void **state)
{
    (void)state;
    expect_section("{}"); /* no file yet */
    assert_int_equal(write_login("secret", "http://h", 0), 0);
    expect_section("{\"token\":\"secret\",\"host\":\"http://h\"}");

    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("{\"vus\":3,\"collectors\":{\"csv\":{},\"cloud\":{\"name\":\"n\",\"token\":\"old\"}}}",
          f);
    fclose(f);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(write_login("new", "http://i", 7), 0);
    expect_section("{\"name\":\"n\",\"token\":\"new\",\"host\":\"http://i\","
                   "\"stackURL\":\"my-team\",\"stackID\":7,\"defaultProjectID\":7}");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    assert_int_equal(write_login(NULL, NULL, 0), 0);
    expect_section("{\"name\":\"n\"}");
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, 10000);
    assert_int_equal(cloud_login_read(path, &text), 0);
    assert_non_null(strstr(buf_cstr(&text), "\"vus\": 3"));
    assert_non_null(strstr(buf_cstr(&text), "\"csv\""));
}

static void test_broken_file_is_left_alone(void **state)
{
    (void)state;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("{\"vus\":", f);
    fclose(f);
    assert_int_equal(write_login("t", "http://h", 0), E_CONFIG);
    assert_non_null(strstr(err_message(), path));
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, 10000);
    assert_int_equal(cloud_login_read(path, &text), 0);
    assert_string_equal(buf_cstr(&text), "{\"vus\":");
}

static void test_masks(void **state)
{
    (void)state;
    static const struct {
        const char *token, *want;
    } cases[] = {
        {"", ""},
        {"short", "*****"},
        {"0123456789a", "***********"},
        {"0123456789ab", "0123****89ab"},
        {"0123456789abcdef", "0123********cdef"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_fini) struct buf b;
        buf_init(&b, 100);
        cloud_login_mask(cases[i].token, &b);
        assert_string_equal(buf_cstr(&b), cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_what_else_is_there),
        cmocka_unit_test(test_broken_file_is_left_alone),
        cmocka_unit_test(test_masks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
