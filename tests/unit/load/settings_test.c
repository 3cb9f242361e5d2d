#include "load/settings.h"

#include "base/clock.h"
#include "base/mem.h"
#include "load_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_local_ips(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *ips[8];
    } cases[] = {
        {"10.0.0.1", {"10.0.0.1"}},
        {"10.0.0.254-10.0.1.1, fd00::1",
         {"10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1", "fd00::1"}},
        {"192.168.1.5/30", {"192.168.1.5", "192.168.1.6"}},
        {"192.168.1.5/31", {"192.168.1.4", "192.168.1.5"}},
        {"192.168.1.5/32", {"192.168.1.5"}},
        {"fd00::ff/127", {"fd00::fe", "fd00::ff"}},
        {"255.255.255.255", {"255.255.255.255"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct settings s = {0};
        assert_int_equal(settings_parse_ips(cases[i].text, &s.local_ips, &s.local_ips_len), 0);
        size_t n = 0;
        for (; cases[i].ips[n] != NULL; n++)
            assert_string_equal(settings_local_ip(&s, n), cases[i].ips[n]);
        assert_int_equal(s.local_ips_len, n);
        assert_string_equal(settings_local_ip(&s, n), cases[i].ips[0]); /* dealt in turn */
        for (size_t k = 0; k < n; k++)
            mem_free(s.local_ips[k]);
        mem_free(s.local_ips);
    }
}

static void test_bad_local_ips(void **state)
{
    (void)state;
    static const char *const cases[] = {"",    "x",           "10.0.0.2-10.0.0.1", "10.0.0.1/33",
                                        "1.2", "10.0.0.1-::", "10.0.0.1,"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char **ips = NULL;
        size_t n = 0;
        assert_int_equal(settings_parse_ips(cases[i], &ips, &n), E_CONFIG);
        for (size_t k = 0; k < n; k++)
            mem_free(ips[k]);
        mem_free(ips);
    }
}

static void test_made(void **state)
{
    (void)state;
    struct arena a;
    struct options o;
    struct settings s;
    assert_int_equal(
        load_options(
            &a,
            "{\"maxRedirects\":3,\"userAgent\":\"ua\",\"dns\":{\"ttl\":\"1m\",\"select\":"
            "\"first\",\"policy\":\"onlyIPv6\"},\"tlsVersion\":\"tls1.3\",\"hosts\":{\"a\":"
            "\"1.2.3.4\"},\"blacklistIPs\":[\"10.0.0.0/8\"],\"blockHostnames\":[\"*.x\"],"
            "\"insecureSkipTLSVerify\":true,\"systemTags\":[\"status\",\"bogus\"]}",
            &o),
        0);
    assert_int_equal(settings_make(&o, &s), 0);
    assert_int_equal(s.run.max_redirects, 3);
    assert_true(s.run.max_redirects_set);
    assert_string_equal(s.run.user_agent, "ua");
    assert_int_equal(s.run.batch, 20);
    assert_int_equal(s.run.system_tags, TAG_BIT(TAG_STATUS));
    assert_int_equal(s.rules.dns_ttl_ns, 60 * NS_PER_S);
    assert_int_equal(s.rules.dns_select, DIAL_SELECT_FIRST);
    assert_int_equal(s.rules.dns_policy, DIAL_ONLY_IPV6);
    assert_string_equal(s.rules.tls_min, "tls1.3");
    assert_string_equal(s.rules.tls_max, "tls1.3");
    assert_true(s.rules.insecure_skip_tls_verify);
    assert_int_equal(s.rules.blacklist_len, 1);
    assert_int_equal(s.rules.blocked_hostnames_len, 1);
    assert_string_equal(map_get(&s.rules.hosts, STR("a")), "1.2.3.4");
    assert_null(settings_local_ip(&s, 0));
    settings_fini(&s);
    arena_fini(&a);
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "{\"dns\":{\"select\":\"some\"}}",  "{\"dns\":{\"policy\":\"some\"}}",
        "{\"dns\":{\"ttl\":\"-1s\"}}",      "{\"tlsVersion\":\"ssl3\"}",
        "{\"blacklistIPs\":[\"10.0.0.\"]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        struct options o;
        struct settings s;
        assert_int_equal(load_options(&a, cases[i], &o), 0);
        assert_int_equal(settings_make(&o, &s), E_CONFIG);
        assert_int_equal(err_get()->exit_code, 104);
        arena_fini(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local_ips),
        cmocka_unit_test(test_bad_local_ips),
        cmocka_unit_test(test_made),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
