#include "net_test.h"

#include "net/resolve.h"
#include "net/rules.h"

#include <stdatomic.h>
#include <stdio.h>

static void put_host(struct dial_rules *r, const char *key, const char *target)
{
    char *copy = mem_strdup(target);
    assert_non_null(copy);
    assert_int_equal(map_put(&r->hosts, str_of(key), copy), 0);
}

static void block(struct dial_rules *r, const char *pattern)
{
    r->blocked_hostnames =
        mem_realloc(r->blocked_hostnames, (r->blocked_hostnames_len + 1) * sizeof(char *));
    assert_non_null(r->blocked_hostnames);
    r->blocked_hostnames[r->blocked_hostnames_len] = mem_strdup(pattern);
    assert_non_null(r->blocked_hostnames[r->blocked_hostnames_len++]);
}

static void blacklist(struct dial_rules *r, const char *text)
{
    r->blacklist = mem_realloc(r->blacklist, (r->blacklist_len + 1) * sizeof *r->blacklist);
    assert_non_null(r->blacklist);
    assert_int_equal(dial_cidr_parse(str_of(text), &r->blacklist[r->blacklist_len++]), 0);
}

/* --- rules --- */

static void test_cidr(void **state)
{
    (void)state;
    static const struct {
        const char *cidr, *ip;
        bool inside;
    } cases[] = {
        {"10.0.0.0/8", "10.1.2.3", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"192.168.1.128/25", "192.168.1.129", true},
        {"192.168.1.128/25", "192.168.1.127", false},
        {"1.2.3.4/32", "1.2.3.4", true},
        {"1.2.3.4/32", "1.2.3.5", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "::1", true},
        {"fe80::/10", "febf::1", true},
        {"fe80::/10", "fec0::1", false},
        {"10.0.0.0/8", "::ffff:10.0.0.1", true},
        {"::1/128", "::1", true},
        {"::1/128", "::2", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dial_rules r;
        dial_rules_init(&r);
        blacklist(&r, cases[i].cidr);
        struct net_ip ip;
        assert_true(net_ip_parse(str_of(cases[i].ip), &ip));
        const struct dial_cidr *hit = rules_blacklisted(&r, &ip);
        if ((hit != NULL) != cases[i].inside)
            fail_msg("%s in %s: %d", cases[i].ip, cases[i].cidr, hit != NULL);
        if (hit != NULL)
            assert_string_equal(hit->text, cases[i].cidr);
        dial_rules_fini(&r);
    }
    static const char *const bad[] = {
        "",       "/",      "10.0.0.0", "10.0.0.0/",   "10.0.0.0/33",  "10.0.0/8",
        "::/129", "::1/-1", "x/8",      "10.0.0.0/8 ", "10.0.0.0/8/8",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct dial_cidr c;
        char message[64];
        snprintf(message, sizeof message, "invalid CIDR address: %s", bad[i]);
        assert_int_equal(dial_cidr_parse(str_of(bad[i]), &c), E_CONFIG);
        assert_string_equal(err_message(), message);
    }
}

static void test_blocked_patterns(void **state)
{
    (void)state;
    struct dial_rules r;
    dial_rules_init(&r);
    block(&r, "blocked.test");
    block(&r, "*.bl.test");
    assert_string_equal(rules_blocked_pattern(&r, STR("blocked.test")), "blocked.test");
    assert_string_equal(rules_blocked_pattern(&r, STR("BLOCKED.Test")), "blocked.test");
    assert_null(rules_blocked_pattern(&r, STR("a.blocked.test")));
    assert_string_equal(rules_blocked_pattern(&r, STR("a.bl.test")), "*.bl.test");
    assert_string_equal(rules_blocked_pattern(&r, STR("a.b.bl.test")), "*.bl.test");
    assert_null(rules_blocked_pattern(&r, STR("bl.test")));
    assert_null(rules_blocked_pattern(&r, STR("xbl.test")));
    dial_rules_fini(&r);
}

static void test_overrides(void **state)
{
    (void)state;
    struct dial_rules r;
    dial_rules_init(&r);
    put_host(&r, "shop.test", "10.0.0.1");
    put_host(&r, "shop.test:443", "10.0.0.2:8443");
    put_host(&r, "*.test", "10.0.0.3");
    put_host(&r, "*.eu.test", "10.0.0.4:81");
    put_host(&r, "six.example", "[::1]:82");
    put_host(&r, "bare6.example", "::1");
    put_host(&r, "boxed6.example", "[::1]");
    put_host(&r, "bad.example", "not-an-ip");
    put_host(&r, "badport.example", "10.0.0.1:99999");
    static const struct {
        const char *host;
        uint16_t port;
        int rc;
        const char *ip;
        uint16_t want_port;
    } cases[] = {
        {"shop.test", 80, 1, "10.0.0.1", 80},        {"SHOP.test", 80, 1, "10.0.0.1", 80},
        {"shop.test", 443, 1, "10.0.0.2", 8443},     {"a.test", 443, 1, "10.0.0.3", 443},
        {"a.eu.test", 443, 1, "10.0.0.4", 81},       {"test", 80, 0, NULL, 80},
        {"six.example", 80, 1, "::1", 82},           {"bare6.example", 80, 1, "::1", 80},
        {"boxed6.example", 80, 1, "::1", 80},        {"bad.example", 80, E_CONFIG, NULL, 80},
        {"badport.example", 80, E_CONFIG, NULL, 80}, {"10.0.0.9", 80, 0, NULL, 80},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct net_ip ip, want;
        uint16_t port = cases[i].port;
        assert_int_equal(rules_override(&r, str_of(cases[i].host), port, &ip, &port), cases[i].rc);
        assert_int_equal(port, cases[i].want_port);
        if (cases[i].rc != 1)
            continue;
        assert_true(net_ip_parse(str_of(cases[i].ip), &want));
        assert_memory_equal(&ip, &want, sizeof ip);
    }
    dial_rules_fini(&r);
}

/* --- failures, in k6's words --- */

static uint16_t closed_port(int family)
{
    struct server s = {0};
    server_listen(&s, family);
    close(s.fd);
    return s.port;
}

static void fails_in_many_ways(void *arg)
{
    (void)arg;
    struct bench b;
    bench_init(&b);
    blacklist(&b.rules, "10.0.0.0/8");
    block(&b.rules, "*.bl.test");
    put_host(&b.rules, "hidden.test", "10.9.8.7:80");
    char want[128];

    uint16_t port = closed_port(AF_INET);
    assert_int_equal(bench_dial(&b, "127.0.0.1", port, false), -ECONNREFUSED);
    snprintf(want, sizeof want, "dial tcp 127.0.0.1:%u: connect: connection refused", port);
    assert_fails(b.how, DIAL_TCP_REFUSED, want);
    assert_int_equal(b.how.sys_errno, ECONNREFUSED);
    assert_null(b.s);

    port = closed_port(AF_INET6);
    assert_int_equal(bench_dial(&b, "::1", port, false), -ECONNREFUSED);
    snprintf(want, sizeof want, "dial tcp [::1]:%u: connect: connection refused", port);
    assert_fails(b.how, DIAL_TCP_REFUSED, want);

    assert_int_equal(bench_dial(&b, "10.1.2.3", 80, false), E_REFUSED);
    assert_fails(b.how, DIAL_BLACKLISTED, "IP (10.1.2.3) is in a blacklisted range (10.0.0.0/8)");
    assert_int_equal(bench_dial(&b, "hidden.test", 80, true), E_REFUSED);
    assert_fails(b.how, DIAL_BLACKLISTED, "IP (10.9.8.7) is in a blacklisted range (10.0.0.0/8)");
    assert_int_equal(bench_dial(&b, "a.bl.test", 80, false), E_REFUSED);
    assert_fails(b.how, DIAL_BLOCKED_HOSTNAME,
                 "hostname (a.bl.test) is in a blocked pattern (*.bl.test)");

    /* A source address of the other family, and one that isn't ours. */
    assert_int_equal(
        dial(b.dialer, STR("127.0.0.1"), port, false, "::1", in_ms(5000), &b.s, &b.how),
        -EAFNOSUPPORT);
    assert_int_equal(b.how.failure, DIAL_TCP_ERRNO);
    assert_int_equal(
        dial(b.dialer, STR("127.0.0.1"), port, false, "192.0.2.1", in_ms(5000), &b.s, &b.how),
        -EADDRNOTAVAIL);
    snprintf(want, sizeof want,
             "dial tcp 192.0.2.1:0->127.0.0.1:%u: bind: cannot assign requested address", port);
    assert_fails(b.how, DIAL_TCP_ERRNO, want);
    bench_fini(&b);
}

static void test_failures(void **state)
{
    (void)state;
    run_co(fails_in_many_ways, NULL);
}

/* --- the ways to a server --- */

static void dials_everywhere(void *arg)
{
    struct server *servers = arg;
    struct bench b;
    bench_init(&b);
    char target[64];
    snprintf(target, sizeof target, "127.0.0.1:%u", servers[0].port);
    put_host(&b.rules, "shop.test", target);
    snprintf(target, sizeof target, "[::1]:%u", servers[1].port);
    put_host(&b.rules, "*.six.test", target);

    assert_int_equal(bench_dial(&b, "shop.test", 1, false), 0);
    assert_int_equal(stream_peer_port(b.s), servers[0].port);
    assert_int_equal(bench_dial(&b, "a.six.test", 1, false), 0);
    assert_string_equal(stream_peer_ip(b.s), "::1");
    assert_int_equal(bench_dial(&b, "LocalHost", servers[0].port, false), 0);
    assert_string_equal(stream_peer_ip(b.s), "127.0.0.1");
    b.rules.dns_policy = DIAL_PREFER_IPV6;
    assert_int_equal(bench_dial(&b, "localhost", servers[1].port, false), 0);
    assert_string_equal(stream_peer_ip(b.s), "::1");
    stream_close(b.s);
    b.s = NULL;
    assert_int_equal(dial(b.dialer, STR("127.0.0.1"), servers[0].port, false, "127.0.0.9",
                          in_ms(5000), &b.s, &b.how),
                     0);
    bench_fini(&b);
}

static void test_ways(void **state)
{
    (void)state;
    struct server servers[2] = {{.connections = 3}, {.connections = 2}};
    server_start(&servers[0], AF_INET, echo_bytes, NULL);
    server_start(&servers[1], AF_INET6, echo_bytes, NULL);
    run_co(dials_everywhere, servers);
    server_stop(&servers[0]);
    server_stop(&servers[1]);
}

/* --- deadlines: a queue of connections that nobody accepts is full after a few --- */

enum { QUEUED = 8 };

struct full {
    struct server server;
    struct bench b[QUEUED];
    int timeouts, cancels;
    struct co *co[QUEUED];
};

static void dials_the_full_one(void *arg)
{
    struct bench *b = arg;
    struct full *full = co_local(co_self());
    int rc = dial(b->dialer, STR("127.0.0.1"), full->server.port, false, NULL, in_ms(100), &b->s,
                  &b->how);
    if (rc == 0)
        return;
    char want[128];
    snprintf(want, sizeof want, "dial tcp 127.0.0.1:%u: %s", full->server.port,
             rc == -ETIMEDOUT ? "i/o timeout" : "operation was canceled");
    assert_fails(b->how, rc == -ETIMEDOUT ? DIAL_DEADLINE : DIAL_CANCELLED, want);
    *(rc == -ETIMEDOUT ? &full->timeouts : &full->cancels) += 1;
}

static void dials_many(void *arg)
{
    struct full *full = arg;
    for (int i = 0; i < QUEUED; i++) {
        bench_init(&full->b[i]);
        assert_int_equal(dialer_new(&full->b[i].rules, full->b[i].cache, &full->b[i].dialer), 0);
        full->co[i] = spawn(loop_current(), dials_the_full_one, &full->b[i]);
        co_set_local(full->co[i], full);
    }
    assert_int_equal(co_sleep_until(in_ms(20)), 0);
    co_cancel(full->co[QUEUED - 1]);
    assert_int_equal(co_sleep_until(in_ms(150)), 0);
    for (int i = 0; i < QUEUED; i++)
        bench_fini(&full->b[i]);
}

static void test_deadline_and_cancel(void **state)
{
    (void)state;
    struct full *full = mem_calloc(1, sizeof *full);
    assert_non_null(full);
    server_listen(&full->server, AF_INET);
    assert_int_equal(listen(full->server.fd, 1), 0);
    run_co(dials_many, full);
    assert_int_equal(full->cancels, 1);
    assert_true(full->timeouts >= 1);
    close(full->server.fd);
    mem_free(full);
}

/* --- names --- */

static atomic_int lookups;
static atomic_bool held;

/* The name says what is found. */
static int fake_lookup(const char *host, struct net_ip *ips, int max)
{
    atomic_fetch_add(&lookups, 1);
    assert_true(max >= 3);
    int64_t give_up_ns = in_ms(5000);
    while (atomic_load(&held) && clock_mono_ns() < give_up_ns)
        ;
    static const char *const four[] = {"127.0.0.1", "127.0.0.2", "127.0.0.3"};
    int n = 0;
    if (strstr(host, "none") != NULL)
        return 0;
    if (strstr(host, "broken") != NULL)
        return err_set(E_DNS, "lookup %s: server misbehaving", host);
    if (strstr(host, "four") != NULL)
        for (size_t i = 0; i < ARRAY_LEN(four); i++)
            n += net_ip_parse(str_of(four[i]), &ips[n]);
    if (strstr(host, "six") != NULL)
        n += net_ip_parse(STR("::1"), &ips[n]);
    return n;
}

static void bench_init_names(struct bench *b)
{
    bench_init(b);
    dns_cache_set_lookup(b->cache, fake_lookup);
    atomic_store(&lookups, 0);
    atomic_store(&held, false);
}

static const char *found(struct bench *b, const char *host)
{
    static char text[INET6_ADDRSTRLEN];
    struct net_ip ip;
    int rc = resolve(b->cache, &b->rules, str_of(host), in_ms(5000), &ip);
    if (rc == E_NOT_FOUND || rc == E_DNS)
        return err_message();
    assert_int_equal(rc, 0);
    if (net_ip_is_v4(&ip))
        inet_ntop(AF_INET, ip.addr + 12, text, sizeof text);
    else
        inet_ntop(AF_INET6, ip.addr, text, sizeof text);
    return text;
}

static void resolves(void *arg)
{
    (void)arg;
    struct bench b;
    bench_init_names(&b);
    b.rules.dns_select = DIAL_SELECT_FIRST;
    static const struct {
        enum dial_policy policy;
        const char *host, *want;
    } cases[] = {
        {DIAL_PREFER_IPV4, "four.six", "127.0.0.1"},
        {DIAL_PREFER_IPV4, "six", "::1"},
        {DIAL_PREFER_IPV6, "four.six", "::1"},
        {DIAL_PREFER_IPV6, "four", "127.0.0.1"},
        {DIAL_ONLY_IPV4, "four.six", "127.0.0.1"},
        {DIAL_ONLY_IPV4, "six", "lookup six: no such host"},
        {DIAL_ONLY_IPV6, "four", "lookup four: no such host"},
        {DIAL_ANY, "four.six", "127.0.0.1"},
        {DIAL_ANY, "none.such", "lookup none.such: no such host"},
        {DIAL_ANY, "broken.such", "lookup broken.such: server misbehaving"},
        {DIAL_ANY, "", "lookup : no such host"},
        {DIAL_ANY, "192.0.2.7", "192.0.2.7"},
        {DIAL_ONLY_IPV6, "LOCALHOST", "::1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        b.rules.dns_policy = cases[i].policy;
        assert_string_equal(found(&b, cases[i].host), cases[i].want);
    }
    bench_fini(&b);
}

static void test_policies(void **state)
{
    (void)state;
    run_co(resolves, NULL);
}

static void caches(void *arg)
{
    (void)arg;
    struct bench b;
    bench_init_names(&b);
    b.rules.dns_select = DIAL_SELECT_ROUND_ROBIN;
    static const char *const want[] = {"127.0.0.1", "127.0.0.2", "127.0.0.3"};
    for (size_t i = 0; i < 9; i++)
        assert_string_equal(found(&b, i % 2 ? "four.x" : "FOUR.x"), want[i % 3]);
    assert_int_equal(atomic_load(&lookups), 1);

    b.rules.dns_select = DIAL_SELECT_RANDOM;
    int seen[3] = {0};
    for (int i = 0; i < 300; i++)
        seen[found(&b, "four.x")[8] - '1']++;
    for (int i = 0; i < 3; i++)
        assert_true(seen[i] > 30);
    assert_int_equal(atomic_load(&lookups), 1);

    b.rules.dns_ttl_ns = 0;
    (void)found(&b, "four.x");
    (void)found(&b, "four.x");
    assert_int_equal(atomic_load(&lookups), 3);
    b.rules.dns_ttl_ns = 20 * NS_PER_MS;
    (void)found(&b, "four.x");
    assert_int_equal(co_sleep_until(in_ms(25)), 0);
    (void)found(&b, "four.x");
    assert_true(atomic_load(&lookups) >= 4);

    /* A failure isn't kept. */
    int before = atomic_load(&lookups);
    (void)found(&b, "none.x");
    (void)found(&b, "none.x");
    assert_int_equal(atomic_load(&lookups), before + 2);
    bench_fini(&b);
}

static void test_cache(void **state)
{
    (void)state;
    run_co(caches, NULL);
}

static void fills_the_cache(void *arg)
{
    (void)arg;
    struct bench b;
    bench_init_names(&b);
    for (int i = 0; i < 4200; i++) {
        char host[32];
        snprintf(host, sizeof host, "four.%d", i);
        (void)found(&b, host);
    }
    assert_int_equal(atomic_load(&lookups), 4200);
    bench_fini(&b);
}

static void test_full_cache_starts_again(void **state)
{
    (void)state;
    run_co(fills_the_cache, NULL);
}

/* --- one look-up for many, on two loops --- */

enum { ASKERS = 100 };

struct crowd;

struct asker {
    struct crowd *crowd;
    int number;
    struct co *co;
};

struct crowd {
    struct bench b;
    struct loop *loops[2];
    struct asker askers[2][ASKERS];
    atomic_int answers, timeouts, cancels;
    atomic_int done_cancelling; /* loops */
};

/* Every fifth has no patience, and every fifth is cancelled. */
static void asks(void *arg)
{
    struct asker *a = arg;
    struct crowd *crowd = a->crowd;
    struct net_ip ip;
    int64_t deadline_ns = a->number % 5 == 0 ? in_ms(5) : in_ms(20000);
    int rc = resolve(crowd->b.cache, &crowd->b.rules, STR("four.held"), deadline_ns, &ip);
    if (rc == 0)
        atomic_fetch_add(&crowd->answers, 1);
    else if (rc == -ETIMEDOUT)
        atomic_fetch_add(&crowd->timeouts, 1);
    else if (rc == -ECANCELED)
        atomic_fetch_add(&crowd->cancels, 1);
}

static void cancels_some(void *arg)
{
    struct crowd *crowd = arg;
    int me = loop_current() == crowd->loops[1];
    while (atomic_load(&crowd->timeouts) < 2 * ASKERS / 5)
        assert_int_equal(co_sleep_until(in_ms(1)), 0);
    for (int i = 1; i < ASKERS; i += 5)
        co_cancel(crowd->askers[me][i].co);
    atomic_fetch_add(&crowd->done_cancelling, 1);
    while (atomic_load(&crowd->done_cancelling) < 2)
        assert_int_equal(co_sleep_until(in_ms(1)), 0);
    atomic_store(&held, false);
}

static void *run_second(void *arg)
{
    struct crowd *crowd = arg;
    loop_run(crowd->loops[1]);
    return NULL;
}

static void test_one_lookup_for_many(void **state)
{
    (void)state;
    struct crowd *crowd = mem_calloc(1, sizeof *crowd);
    assert_non_null(crowd);
    bench_init_names(&crowd->b);
    atomic_store(&held, true);
    for (int k = 0; k < 2; k++) {
        crowd->loops[k] = new_loop();
        for (int i = 0; i < ASKERS; i++) {
            struct asker *a = &crowd->askers[k][i];
            *a = (struct asker){.crowd = crowd, .number = i};
            a->co = spawn(crowd->loops[k], asks, a);
        }
        spawn(crowd->loops[k], cancels_some, crowd);
    }
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_second, crowd), 0);
    loop_run(crowd->loops[0]);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&lookups), 1);
    assert_int_equal(atomic_load(&crowd->timeouts), 2 * ASKERS / 5);
    assert_int_equal(atomic_load(&crowd->cancels), 2 * ASKERS / 5);
    assert_int_equal(atomic_load(&crowd->answers), 2 * ASKERS * 3 / 5);
    loop_free(crowd->loops[0]);
    loop_free(crowd->loops[1]);
    bench_fini(&crowd->b);
    mem_free(crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cidr),
        cmocka_unit_test(test_blocked_patterns),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_deadline_and_cancel),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_full_cache_starts_again),
        cmocka_unit_test(test_one_lookup_for_many),
    };
    return cmocka_run_group_tests_name("dial", tests, NULL, NULL);
}
