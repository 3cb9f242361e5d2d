#include "client/cookie.h"

#include "client_test.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>

enum { NOW = 1795341600 }; /* 2026-11-22 10:00:00 UTC */

static void test_dates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool dashes;
        int64_t want; /* -1: refused */
    } cases[] = {
        {"Sun, 22 Nov 2026 10:00:00 GMT", false, 1795341600},
        {"Sun, 22-Nov-2026 10:00:00 GMT", true, 1795341600},
        {"Sun, 22-Nov-2026 10:00:00 GMT", false, -1},
        {"Thu, 01 Jan 1970 00:00:00 GMT", false, 0},
        {"Thu, 29 Feb 2024 23:59:59 UTC", true, 1709251199},
        {"Wed, 29 Feb 2023 23:59:59 GMT", true, -1},
        {"Xyz, 01 Jan 1970 00:00:00 GMT", false, -1},
        {"Thu, 01 Jan 1970 24:00:00 GMT", false, -1},
        {"Thu, 01 Jan 1970 00:00:00", false, -1},
        {"", false, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t got = -1;
        int rc = cookie_parse_date(str_of(cases[i].text), cases[i].dashes, &got);
        assert_int_equal(rc, cases[i].want < 0 ? -EINVAL : 0);
        assert_int_equal(got, cases[i].want);
    }
}

static void test_parse(void **state)
{
    (void)state;
    struct http_cookie c;
    assert_true(cookie_parse(STR(" a = b ; Path=/p; domain=.x.org;HttpOnly; SECURE; Max-Age=10; "
                                 "Expires=Sun, 22 Nov 2026 10:00:00 GMT; SameSite=Lax"),
                             &c));
    assert_str(c.name, "a");
    assert_str(c.value, " b");
    assert_str(c.path, "/p");
    assert_str(c.domain, ".x.org");
    assert_true(c.http_only && c.secure && c.has_expires);
    assert_int_equal(c.max_age_s, 10);
    assert_int_equal(c.expires_s, NOW);
    assert_true(cookie_parse(STR("q=\"x y\"; max-age=0"), &c));
    assert_str(c.value, "x y");
    assert_int_equal(c.max_age_s, -1);
    assert_true(cookie_parse(STR("e="), &c));
    assert_str(c.value, "");
    assert_false(cookie_parse(STR("novalue"), &c));
    assert_false(cookie_parse(STR("=x"), &c));
    assert_false(cookie_parse(STR("a b=c"), &c));
    assert_false(cookie_parse(STR("a=b\x01"), &c));
    assert_false(cookie_parse(STR(""), &c));
}

struct jar_case {
    const char *from, *line, *to, *want;
};

static int append(void *arg, struct str name, struct str value)
{
    cookie_append_pair(arg, name, value);
    return 0;
}

static void set(struct cookie_jar *j, const char *from, const char *line)
{
    CLEANUP(url_fini) struct url u = {0};
    struct http_cookie c;
    assert_int_equal(url_parse(str_of(from), &u), 0);
    assert_true(cookie_parse(str_of(line), &c));
    assert_int_equal(cookie_jar_set(j, &u, &c, NOW), 0);
}

static void assert_cookies(struct cookie_jar *j, const char *to, int64_t now_s, const char *want)
{
    CLEANUP(url_fini) struct url u = {0};
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 10000);
    assert_int_equal(url_parse(str_of(to), &u), 0);
    assert_int_equal(cookie_jar_each(j, &u, now_s, append, &b), 0);
    assert_str(buf_view(&b), want);
}

static void test_where_a_cookie_goes(void **state)
{
    (void)state;
    static const struct jar_case cases[] = {
        {"http://x.org/", "a=b", "http://x.org/deep/path", "a=b"},
        {"http://x.org/", "a=b", "https://X.ORG:8443/", "a=b"},
        {"http://x.org/", "a=b", "http://www.x.org/", ""},
        {"http://www.x.org/", "a=b; Domain=x.org", "http://x.org/", "a=b"},
        {"http://www.x.org/", "a=b; Domain=.x.org", "http://other.x.org/", "a=b"},
        {"http://www.x.org/", "a=b; Domain=y.org", "http://y.org/", ""},
        {"http://x.org/", "a=b; Domain=www.x.org", "http://www.x.org/", ""},
        {"http://notx.org/", "a=b; Domain=x.org", "http://x.org/", ""},
        {"http://127.0.0.1/", "a=b; Domain=127.0.0.1", "http://127.0.0.1:99/", "a=b"},
        {"http://127.0.0.1/", "a=b; Domain=0.1", "http://127.0.0.1/", ""},
        {"http://x.org/p/q", "a=b", "http://x.org/p/r", "a=b"},
        {"http://x.org/p/q", "a=b", "http://x.org/", ""},
        {"http://x.org/", "a=b; Path=/p", "http://x.org/p/r", "a=b"},
        {"http://x.org/", "a=b; Path=/p", "http://x.org/pq", ""},
        {"http://x.org/", "a=b; Path=p", "http://x.org/other", "a=b"},
        {"https://x.org/", "a=b; Secure", "http://x.org/", ""},
        {"https://x.org/", "a=b; Secure", "https://x.org/", "a=b"},
        {"ftp://x.org/", "a=b", "http://x.org/", ""},
        {"http://x.org/", "a=b; Max-Age=0", "http://x.org/", ""},
        {"http://x.org/", "a=b; Expires=Sun, 22 Nov 2026 09:59:59 GMT", "http://x.org/", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cookie_jar *j;
        assert_int_equal(cookie_jar_new(&j), 0);
        set(j, cases[i].from, cases[i].line);
        assert_cookies(j, cases[i].to, NOW, cases[i].want);
        cookie_jar_free(j);
    }
}

static void test_order_replacement_expiry(void **state)
{
    (void)state;
    struct cookie_jar *j;
    assert_int_equal(cookie_jar_new(&j), 0);
    set(j, "http://x.org/", "one=1");
    set(j, "http://x.org/", "two=2; Max-Age=5");
    set(j, "http://x.org/", "deep=3; Path=/p/q");
    set(j, "http://x.org/", "one=again"); /* keeps its place */
    assert_cookies(j, "http://x.org/p/q/r", NOW, "deep=3; one=again; two=2");
    assert_cookies(j, "http://x.org/", NOW + 5, "one=again");
    assert_int_equal(cookie_jar_len(j), 2);
    set(j, "http://x.org/", "one=x; Max-Age=-1");
    assert_cookies(j, "http://x.org/", NOW, "");

    CLEANUP(url_fini) struct url u = {0};
    CLEANUP(url_fini) struct url top = {0};
    assert_int_equal(url_parse(STR("http://x.org/p/q/r"), &u), 0);
    assert_int_equal(url_parse(STR("http://x.org/p"), &top), 0);
    set(j, "http://x.org/", "keep=1");
    cookie_jar_remove(j, &top, STR("deep")); /* which belongs to another folder */
    assert_cookies(j, "http://x.org/p/q", NOW, "deep=3; keep=1");
    cookie_jar_remove(j, &u, STR("deep"));
    assert_cookies(j, "http://x.org/p/q", NOW, "keep=1");
    cookie_jar_remove(j, &u, STR_EMPTY);
    assert_cookies(j, "http://x.org/p/q", NOW, "keep=1");
    cookie_jar_remove(j, &top, STR_EMPTY);
    assert_int_equal(cookie_jar_len(j), 0);
    set(j, "http://x.org/", "a=b");
    cookie_jar_clear(j);
    assert_int_equal(cookie_jar_len(j), 0);
    cookie_jar_free(j);
}

static void test_values_on_the_wire(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 1000);
    cookie_append_pair(&b, STR("a"), STR("x y"));
    cookie_append_pair(&b, STR("b\n"), STR("q\"u;o\\t\x01"));
    cookie_append_pair(&b, STR("c"), STR(""));
    assert_str(buf_view(&b), "a=\"x y\"; b-=quot; c=");
}

static void test_many_and_full(void **state)
{
    (void)state;
    struct cookie_jar *j;
    assert_int_equal(cookie_jar_new(&j), 0);
    CLEANUP(url_fini) struct url u = {0};
    assert_int_equal(url_parse(STR("http://x.org/"), &u), 0);
    int rc = 0;
    for (int i = 0; i <= 2000 && rc == 0; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        const struct http_cookie c = {.name = str_of(name), .value = STR("v")};
        rc = cookie_jar_set(j, &u, &c, NOW);
    }
    assert_int_equal(rc, 0);
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(cookie_jar_each(j, &u, NOW, append, &b), 0);
    assert_true(b.len > 2000 * 6);
    cookie_jar_free(j);
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    CLEANUP(url_fini) struct url u = {0};
    assert_int_equal(url_parse(STR("http://x.org/"), &u), 0);
    int rc = -ENOMEM, n = 0;
    for (; rc != 0; n++) {
        assert_true(n < 20);
        struct cookie_jar *j = NULL;
        mem_fail_countdown = n;
        rc = cookie_jar_new(&j);
        const struct http_cookie c = {.name = STR("a"), .value = STR("b")};
        if (rc == 0)
            rc = cookie_jar_set(j, &u, &c, NOW);
        mem_fail_countdown = -1;
        cookie_jar_free(j);
    }
    assert_true(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_where_a_cookie_goes),
        cmocka_unit_test(test_order_replacement_expiry),
        cmocka_unit_test(test_values_on_the_wire),
        cmocka_unit_test(test_many_and_full),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
