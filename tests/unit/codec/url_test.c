#include "codec/url.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_str(struct str got, const char *want)
{
    char copy[512];
    assert_true(got.len < sizeof copy);
    if (got.len > 0)
        memcpy(copy, got.ptr, got.len);
    copy[got.len] = '\0';
    assert_string_equal(copy, want);
}

struct good {
    const char *text;
    const char *shown, *host, *authority, *target, *clean;
    int port;
};

static void test_parts(void **state)
{
    (void)state;
    static const struct good cases[] = {
        {"http://h", "http://h", "h", "h", "/", "http://h", 80},
        {"HTTPS://Ex.Org/p?q=1#f", "https://Ex.Org/p?q=1#f", "Ex.Org", "Ex.Org", "/p?q=1",
         "https://Ex.Org/p?q=1#f", 443},
        {"http://h:8080/a b", "http://h:8080/a%20b", "h", "h:8080", "/a%20b", "http://h:8080/a%20b",
         8080},
        {"http://h/get?a=b c&d=\xc3\xa9", "http://h/get?a=b c&d=\xc3\xa9", "h", "h",
         "/get?a=b c&d=\xc3\xa9", "http://h/get?a=b c&d=\xc3\xa9", 80},
        {"http://h/\xc3\xa9", "http://h/%C3%A9", "h", "h", "/%C3%A9", "http://h/%C3%A9", 80},
        {"http://h/a%2Fb", "http://h/a%2Fb", "h", "h", "/a%2Fb", "http://h/a%2Fb", 80},
        {"http://h/a%2Fb c", "http://h/a/b%20c", "h", "h", "/a/b%20c", "http://h/a/b%20c", 80},
        {"http://h/[x]!*", "http://h/[x]!*", "h", "h", "/[x]!*", "http://h/[x]!*", 80},
        {"http://h/?", "http://h/?", "h", "h", "/?", "http://h/?", 80},
        {"http://h?x=1", "http://h?x=1", "h", "h", "/?x=1", "http://h?x=1", 80},
        {"http://h:/", "http://h:/", "h", "h:", "/", "http://h:/", 80},
        {"http://u:p@h/x", "http://u:p@h/x", "h", "h", "/x", "http://****:****@h/x", 80},
        {"http://u@h:1/x", "http://u@h:1/x", "h", "h:1", "/x", "http://****@h:1/x", 1},
        {"http://[::1]:9/x", "http://[::1]:9/x", "::1", "[::1]:9", "/x", "http://[::1]:9/x", 9},
        {"http://[fe80::1%25eth0]/", "http://[fe80::1%25eth0]/", "fe80::1", "[fe80::1%25eth0]", "/",
         "http://[fe80::1%25eth0]/", 80},
        {"ftp://h/x", "ftp://h/x", "h", "h", "/x", "ftp://h/x", 0},
        {"mailto:a@b", "mailto:a@b", "", "", "a@b", "mailto:a@b", 0},
        {"h/get", "h/get", "", "", "h/get", "h/get", 0},
        {"a%3Ab c", "./a:b%20c", "", "", "a:b%20c", "./a:b%20c", 0},
        {"//u:p@h/x", "//u:p@h/x", "h", "h", "/x", "//****:****@h/x", 0},
        {"", "", "", "", "/", "", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(url_fini) struct url u = {0};
        assert_int_equal(url_parse(str_of(cases[i].text), &u), 0);
        assert_str(u.text, cases[i].shown);
        assert_str(u.host, cases[i].host);
        assert_str(u.authority, cases[i].authority);
        assert_str(u.target, cases[i].target);
        assert_str(u.clean, cases[i].clean);
        assert_int_equal(u.port, cases[i].port);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"http://a b/", "parse \"http://a b/\": invalid character \" \" in host name"},
        {"http://h:x/", "parse \"http://h:x/\": invalid port \":x\" after host"},
        {"http://h:9x/", "parse \"http://h:9x/\": invalid port \":9x\" after host"},
        {"http://[::1/", "parse \"http://[::1/\": missing ']' in host"},
        {"http://[::1]x/", "parse \"http://[::1]x/\": invalid port \"x\" after host"},
        {"http://h/%zz", "parse \"http://h/%zz\": invalid URL escape \"%zz\""},
        {"http://h/%2", "parse \"http://h/%2\": invalid URL escape \"%2\""},
        {"http://%41/", "parse \"http://%41/\": invalid URL escape \"%41\""},
        {"http://u[@h/", "parse \"http://u[@h/\": net/url: invalid userinfo"},
        {":x", "parse \":x\": missing protocol scheme"},
        {"1a:b", "parse \"1a:b\": first path segment in URL cannot contain colon"},
        {"http://h/\n", "parse \"http://h/\\n\": net/url: invalid control character in URL"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct url u = {0};
        assert_int_equal(url_parse(str_of(cases[i].text), &u), -EINVAL);
        assert_string_equal(err_message(), cases[i].message);
        assert_null(u.block);
    }
}

static void test_too_long(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 1 << 20);
    buf_z(&b, "http://h/");
    buf_fill(&b, 'a', 70000);
    struct url u = {0};
    assert_int_equal(url_parse(buf_view(&b), &u), -EINVAL);
}

/* RFC 3986 5.4, as far as Go agrees with it. */
static void test_resolve(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"g:h", "g:h"},
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q#s"},
        {"g#s", "http://a/b/c/g#s"},
        {";x", "http://a/b/c/;x"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {"./../g", "http://a/b/g"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"https://x/y?z", "https://x/y?z"},
        {"/a b", "http://a/a%20b"},
    };
    CLEANUP(url_fini) struct url base = {0};
    assert_int_equal(url_parse(STR("http://a/b/c/d;p?q"), &base), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(url_fini) struct url u = {0};
        assert_int_equal(url_resolve(&base, str_of(cases[i][0]), &u), 0);
        assert_str(u.text, cases[i][1]);
    }
    struct url u = {0};
    assert_int_equal(url_resolve(&base, STR("http://a b/"), &u), -EINVAL);
}

static void test_userinfo_stays_with_the_host(void **state)
{
    (void)state;
    CLEANUP(url_fini) struct url base = {0};
    CLEANUP(url_fini) struct url u = {0};
    assert_int_equal(url_parse(STR("http://a%3A:b@h/x"), &base), 0);
    assert_int_equal(url_resolve(&base, STR("/y"), &u), 0);
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 100);
    url_append_userinfo(&b, &u);
    assert_str(buf_view(&b), "a::b");
}

static void test_form_and_quotes(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 1000);
    url_append_query_escaped(&b, STR("a b&=\xc3\xa9~-_."));
    assert_str(buf_view(&b), "a+b%26%3D%C3%A9~-_.");
    buf_reset(&b);
    url_append_quoted(&b, STR("a\"\\\n\x01\xc3\xa9"));
    assert_str(buf_view(&b), "\"a\\\"\\\\\\n\\x01\xc3\xa9\"");
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    CLEANUP(url_fini) struct url base = {0};
    assert_int_equal(url_parse(STR("http://a/b"), &base), 0);
    int rc = -ENOMEM;
    for (int n = 0; rc != 0; n++) {
        assert_true(n < 100);
        CLEANUP(url_fini) struct url u = {0};
        mem_fail_countdown = n;
        rc = url_resolve(&base, STR("../x y?z"), &u);
        mem_fail_countdown = -1;
        assert_true(rc == 0 || rc == -ENOMEM);
        assert_true(rc == 0 || u.block == NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_userinfo_stays_with_the_host),
        cmocka_unit_test(test_form_and_quotes),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
