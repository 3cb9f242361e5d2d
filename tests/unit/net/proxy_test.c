#include "net/proxy.h"

#include "net_test.h"

#include "net/rules.h"
#include "net/tls_options.h"

struct env {
    const char *http, *https, *none;
};

static const char *env_get(void *arg, const char *name)
{
    const struct env *e = arg;
    if (strcmp(name, "HTTP_PROXY") == 0)
        return e->http;
    if (strcmp(name, "https_proxy") == 0)
        return e->https;
    return strcmp(name, "NO_PROXY") == 0 ? e->none : NULL;
}

static struct proxies *read_env(struct env e)
{
    struct proxies *p = NULL;
    assert_int_equal(proxies_from_env(env_get, &e, &p), 0);
    return p;
}

static void test_which(void **state)
{
    (void)state;
    struct proxies *p = read_env((struct env){"http://a.test:3128", "joe:p%40ss@b.test", NULL});
    const struct proxy *plain = proxies_find(p, false, STR("x.test"), 80);
    const struct proxy *secure = proxies_find(p, true, STR("x.test"), 443);
    assert_string_equal(plain->host, "a.test");
    assert_int_equal(plain->port, 3128);
    assert_null(plain->authorization);
    assert_string_equal(secure->host, "b.test");
    assert_int_equal(secure->port, 80);
    assert_string_equal(secure->user, "joe");
    assert_string_equal(secure->password, "p@ss");
    assert_string_equal(secure->authorization, "Basic am9lOnBAc3M=");
    static const char *const never[] = {"localhost", "127.0.0.1", "127.9.9.9", "::1"};
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        assert_null(proxies_find(p, false, str_of(never[i]), 80));
    assert_non_null(proxies_find(p, false, STR("localhost.test"), 80));
    proxies_free(p);
    assert_null(read_env((struct env){"", NULL, "*"}));
    assert_null(proxies_find(NULL, true, STR("x"), 1));
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int kind; /* -1: refused */
        uint16_t port;
    } cases[] = {
        {"http://p", PROXY_HTTP, 80},
        {"https://p", PROXY_HTTPS, 443},
        {"socks5://p", PROXY_SOCKS5, 1080},
        {"socks5h://p:9", PROXY_SOCKS5, 9},
        {"p", PROXY_HTTP, 80},
        {"[::1]:8", PROXY_HTTP, 8},
        {"ftp://p", -1, 0},
        {"http://p:65536", -1, 0},
        {"p:99999", -1, 0},
        {"quic://p", -1, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct env e = {cases[i].text, NULL, NULL};
        struct proxies *p = NULL;
        int rc = proxies_from_env(env_get, &e, &p);
        assert_int_equal(rc, cases[i].kind < 0 ? E_CONFIG : 0);
        if (rc < 0)
            continue;
        const struct proxy *one = proxies_find(p, false, STR("x"), 80);
        assert_int_equal(one->kind, cases[i].kind);
        assert_int_equal(one->port, cases[i].port);
        proxies_free(p);
    }
}

static void test_exceptions(void **state)
{
    (void)state;
    static const struct {
        const char *none, *host;
        uint16_t port;
        bool proxied;
    } cases[] = {
        {"*", "x.test", 80, false},
        {"x.test", "x.test", 80, false},
        {"x.test", "a.x.test", 80, false},
        {"x.test", "ax.test", 80, true},
        {".x.test", "x.test", 80, true},
        {".x.test", "a.x.test", 80, false},
        {"*.x.test", "a.x.test", 80, false},
        {"X.Test , y", "x.TEST", 80, false},
        {"x.test:8080", "x.test", 80, true},
        {"x.test:8080", "x.test", 8080, false},
        {"x.test:0", "x.test", 80, true},
        {"10.0.0.0/8", "10.9.9.9", 80, false},
        {"10.0.0.0/8", "11.0.0.1", 80, true},
        {"10.1.1.1", "10.1.1.1", 80, false},
        {"10.1.1.1:81", "10.1.1.1", 80, true},
        {"2001:db8::/32", "2001:db8::5", 80, false},
        {"2001:db8::5", "2001:db8::5", 80, false},
        {"[2001:db8::5]:81", "2001:db8::5", 81, false},
        {"[2001:db8::5]:81", "2001:db8::5", 80, true},
        {"::/0", "10.1.1.1", 80, true},
        {",, ,", "x.test", 80, true},
        {"[", "x.test", 80, true},
        {":80", "x.test", 80, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct proxies *p = read_env((struct env){"http://p", NULL, cases[i].none});
        bool proxied = proxies_find(p, false, str_of(cases[i].host), cases[i].port) != NULL;
        if (proxied != cases[i].proxied)
            fail_msg("NO_PROXY=%s, %s:%u", cases[i].none, cases[i].host, cases[i].port);
        proxies_free(p);
    }
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    struct env e = {"http://joe:x@p", "socks5://q", "a, b.test:80, 10.0.0.0/8"};
    int n = 0;
    for (int rc = -ENOMEM; rc != 0; n++) {
        struct proxies *p = NULL;
        mem_fail_countdown = n;
        rc = proxies_from_env(env_get, &e, &p);
        mem_fail_countdown = -1;
        assert_true(rc == 0 || rc == -ENOMEM);
        proxies_free(p);
    }
    assert_true(n > 5);
}

static void test_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool name, key;
    } cases[] = {
        {"x.test", true, true},  {"*.x.test", true, true}, {"*x", true, true},
        {"*", true, true},       {"a-b.c", true, true},    {"-a", false, false},
        {"a-", false, false},    {"a..b", false, false},   {"a_b", false, false},
        {"x:80", false, true},   {"x:", false, false},     {"x:123456", false, false},
        {"*.x:80", false, true}, {"a*b", false, false},    {".x", false, false},
        {"x.", false, false},    {"10.1.1.1", true, true}, {"::1", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(rules_is_pattern(str_of(cases[i].text), false), cases[i].name);
        assert_int_equal(rules_is_pattern(str_of(cases[i].text), true), cases[i].key);
    }
}

static void test_suites(void **state)
{
    (void)state;
    struct dial_rules r;
    dial_rules_init(&r);
    assert_int_equal(tls_suites_add(&r, STR("TLS_NONE")), E_CONFIG);
    assert_false(r.suites_given);
    assert_int_equal(tls_suites_add(&r, STR("TLS_AES_128_GCM_SHA256")), 0);
    assert_int_equal(r.suites.len, 0);
    assert_int_equal(tls_suites_add(&r, STR("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305")), 0);
    assert_int_equal(tls_suites_add(&r, STR("TLS_RSA_WITH_AES_128_CBC_SHA")), 0);
    assert_string_equal(buf_cstr(&r.suites), "ECDHE-RSA-CHACHA20-POLY1305:AES128-SHA");
    assert_string_equal(tls_suite_name("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
                        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305");
    assert_string_equal(tls_suite_name("TLS_AES_256_GCM_SHA384"), "TLS_AES_256_GCM_SHA384");
    dial_rules_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which),      cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_exceptions), cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_patterns),   cmocka_unit_test(test_suites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
