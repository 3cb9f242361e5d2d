#include "metrics/metric.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct registry *registry;

static int set_up(void **state)
{
    (void)state;
    return registry_new(&registry);
}

static int tear_down(void **state)
{
    (void)state;
    registry_free(registry);
    return 0;
}

static void test_builtins(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum metric_builtin id;
        enum metric_type type;
        enum metric_contains contains;
    } cases[] = {
        {"vus", METRIC_VUS, METRIC_GAUGE, METRIC_DEFAULT},
        {"iterations", METRIC_ITERATIONS, METRIC_COUNTER, METRIC_DEFAULT},
        {"iteration_duration", METRIC_ITERATION_DURATION, METRIC_TREND, METRIC_TIME},
        {"checks", METRIC_CHECKS, METRIC_RATE, METRIC_DEFAULT},
        {"http_req_tls_handshaking", METRIC_HTTP_REQ_TLS_HANDSHAKING, METRIC_TREND, METRIC_TIME},
        {"http_req_failed", METRIC_HTTP_REQ_FAILED, METRIC_RATE, METRIC_DEFAULT},
        {"data_received", METRIC_DATA_RECEIVED, METRIC_COUNTER, METRIC_DATA},
    };
    assert_int_equal(registry_len(registry), METRIC_BUILTIN_LEN);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct metric *m = registry_builtin(registry, cases[i].id);
        assert_string_equal(m->name, cases[i].name);
        assert_int_equal(m->type, cases[i].type);
        assert_int_equal(m->contains, cases[i].contains);
        assert_ptr_equal(registry_find(registry, str_of(cases[i].name)), m);
        assert_ptr_equal(registry_at(registry, cases[i].id), m);
    }
    assert_null(registry_find(registry, STR("nope")));
    assert_null(registry_at(registry, METRIC_BUILTIN_LEN));
}

static void test_add(void **state)
{
    (void)state;
    const struct metric *a, *b;
    assert_int_equal(registry_add(registry, STR("my_trend"), METRIC_TREND, METRIC_TIME, &a), 0);
    assert_int_equal(a->id, METRIC_BUILTIN_LEN);
    assert_int_equal(registry_add(registry, STR("my_trend"), METRIC_TREND, METRIC_TIME, &b), 0);
    assert_ptr_equal(a, b);

    assert_int_equal(registry_add(registry, STR("my_trend"), METRIC_RATE, METRIC_TIME, &b),
                     E_CONFIG);
    assert_string_equal(err_message(),
                        "metric 'my_trend' already exists but with type trend, instead of rate");
    assert_int_equal(registry_add(registry, STR("my_trend"), METRIC_TREND, METRIC_DEFAULT, &b),
                     E_CONFIG);
    assert_string_equal(err_message(), "metric 'my_trend' already exists but with a value type "
                                       "time, instead of default");
}

static void test_names(void **state)
{
    (void)state;
    char longest[131];
    memset(longest, 'a', sizeof longest);
    const struct metric *m;
    static const char *const bad[] = {"", "a", "1ab", "a-b", "a b", "ä_b", "a.b"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(registry_add(registry, str_of(bad[i]), METRIC_RATE, METRIC_DEFAULT, &m),
                         E_CONFIG);
    }
    assert_int_equal(registry_add(registry, STR("a b"), METRIC_RATE, METRIC_DEFAULT, &m), E_CONFIG);
    assert_string_equal(err_message(),
                        "Invalid metric name: 'a b'. Metric names must only include up to 128 "
                        "ASCII letters, numbers, or underscores and start with a letter or an "
                        "underscore.");
    assert_int_equal(registry_add(registry, str_new(longest, 129), METRIC_RATE, METRIC_DEFAULT, &m),
                     0);
    assert_int_equal(registry_add(registry, str_new(longest, 130), METRIC_RATE, METRIC_DEFAULT, &m),
                     E_CONFIG);
    assert_int_equal(registry_add(registry, STR("_x9"), METRIC_RATE, METRIC_DEFAULT, &m), 0);
}

static void test_no_memory(void **state)
{
    (void)state;
    int n = 0, rc;
    do {
        struct registry *r = NULL;
        const struct metric *m;
        mem_fail_countdown = n++;
        rc = registry_new(&r);
        if (rc == 0)
            rc = registry_add(r, STR("my_metric"), METRIC_GAUGE, METRIC_DEFAULT, &m);
        mem_fail_countdown = -1;
        registry_free(r);
        assert_true(rc == 0 || rc == -ENOMEM);
    } while (rc != 0);
    assert_true(n > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_builtins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_add, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
