#include "output/cloud_config.h"

#include "base/clock.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *get(void *arg, const char *name)
{
    const char *const *pairs = arg;
    for (; pairs[0] != NULL; pairs += 2)
        if (strcmp(pairs[0], name) == 0)
            return pairs[1];
    return NULL;
}

static void test_layers(void **state)
{
    (void)state;
    CLEANUP(cloud_config_fini) struct cloud_config c;
    assert_int_equal(cloud_config_init(&c), 0);
    assert_string_equal(c.host, "http://127.0.0.1:6600");
    assert_int_equal(cloud_config_check(&c), 0);
    assert_int_equal(c.aggregation_period_ns, 3 * NS_PER_S);
    assert_int_equal(c.aggregation_wait_ns, 2 * NS_PER_S);

    assert_int_equal(
        cloud_config_apply_json(&c, STR("{\"token\":\"file\",\"host\":\"http://a/\",\"x\":1}"),
                                "config file"),
        0);
    assert_int_equal(
        cloud_config_apply_options(
            &c, STR("{\"cloud\":{\"name\":\"shop\",\"projectID\":12,\"host\":\"http://evil\"}}")),
        0);
    const char *env[] = {"K6_CLOUD_TOKEN",
                         "env",
                         "K6_CLOUD_METRIC_PUSH_INTERVAL",
                         "500ms",
                         "K6_CLOUD_NAME",
                         "",
                         NULL};
    assert_int_equal(cloud_config_apply_env(&c, get, env), 0);
    assert_int_equal(
        cloud_config_apply_json(
            &c, STR("{\"metricPushConcurrency\":2,\"aggregationPeriod\":\"6s\"}"), "reply"),
        0);
    assert_int_equal(cloud_config_check(&c), 0);
    assert_string_equal(c.token, "env");
    assert_string_equal(c.host, "http://a");
    assert_string_equal(c.name, "shop");
    assert_int_equal(c.project_id, 12);
    assert_int_equal(c.push_interval_ns, 500 * NS_PER_MS);
    assert_int_equal(c.push_concurrency, 2);
    assert_int_equal(c.aggregation_period_ns, 6 * NS_PER_S);
}

static void test_older_options(void **state)
{
    (void)state;
    CLEANUP(cloud_config_fini) struct cloud_config c;
    assert_int_equal(cloud_config_init(&c), 0);
    struct str json = STR("{\"ext\":{\"loadimpact\":{\"name\":\"n\",\"projectID\":\"7\"}}}");
    assert_int_equal(cloud_config_apply_options(&c, json), 0);
    assert_string_equal(c.name, "n");
    assert_int_equal(c.project_id, 7);
}

static void expect_bad(const char *const *env, const char *message)
{
    CLEANUP(cloud_config_fini) struct cloud_config c;
    assert_int_equal(cloud_config_init(&c), 0);
    int rc = cloud_config_apply_env(&c, get, (void *)(uintptr_t)env);
    if (rc == 0)
        cloud_config_choose(&c);
    if (rc == 0)
        rc = cloud_config_check(&c);
    assert_true(rc < 0);
    assert_string_equal(err_message(), message);
    assert_int_equal(err_get()->exit_code, 104);
}

static void test_bad_values_name_their_place(void **state)
{
    (void)state;
    expect_bad((const char *[]){"K6_CLOUD_METRIC_PUSH_INTERVAL", "fast", NULL},
               "environment: K6_CLOUD_METRIC_PUSH_INTERVAL must be a duration like \"3s\"");
    expect_bad((const char *[]){"K6_CLOUD_METRIC_PUSH_CONCURRENCY", "0", NULL},
               "environment: K6_CLOUD_METRIC_PUSH_CONCURRENCY must be a whole number above 0");
    expect_bad((const char *[]){"K6_CLOUD_HOST", "localhost:6600", NULL},
               "cloud host 'localhost:6600' must start with http:// or https:// (K6_CLOUD_HOST, or "
               "spate cloud login --host URL)");
    expect_bad((const char *[]){"K6_CLOUD_AGGREGATION_PERIOD", "1500ms", NULL},
               "cloud settings: aggregationPeriod must be whole seconds, 1s to 1h");
    expect_bad((const char *[]){"K6_CLOUD_AGGREGATION_MIN_SAMPLES", "many", NULL},
               "environment: K6_CLOUD_AGGREGATION_MIN_SAMPLES must be a whole number above 0");
    expect_bad((const char *[]){"K6_CLOUD_AGGREGATION_OUTLIER_IQR_RADIUS", "-0.1", NULL},
               "environment: K6_CLOUD_AGGREGATION_OUTLIER_IQR_RADIUS must be a number, 0 or more");
    expect_bad((const char *[]){"K6_CLOUD_AGGREGATION_WAIT_PERIOD", "-1s", NULL},
               "environment: K6_CLOUD_AGGREGATION_WAIT_PERIOD must be a duration like \"3s\"");
    expect_bad((const char *[]){"K6_CLOUD_API_VERSION", "1", "K6_CLOUD_AGGREGATION_CALC_INTERVAL",
                                "2h", NULL},
               "cloud settings: aggregationCalcInterval must be 1ms to 1h");
    expect_bad((const char *[]){"K6_CLOUD_API_VERSION", "3", NULL},
               "cloud settings: apiVersion (K6_CLOUD_API_VERSION) must be 1 (older API, stream "
               "version 1), 2 (older API, stream version 2) or 6 (API v6)");
}

/* Defaults of stream version 1, and what chooses it. */
static void test_stream1(void **state)
{
    (void)state;
    static const struct {
        const char *env[5];
        uint32_t stream;
    } rows[] = {
        {{NULL}, 2},
        {{"K6_CLOUD_API_VERSION", "1", NULL}, 1},
        {{"K6_CLOUD_API_VERSION", "2", NULL}, 2},
        {{"K6_CLOUD_API_VERSION", "6", NULL}, 2},
        {{"K6_CLOUD_AGGREGATION_PERIOD", "6s", NULL}, 2},
        {{"K6_CLOUD_AGGREGATION_MIN_SAMPLES", "50", NULL}, 1},
        {{"K6_CLOUD_AGGREGATION_SKIP_OUTLIER_DETECTION", "true", NULL}, 1},
        {{"K6_CLOUD_API_VERSION", "2", "K6_CLOUD_AGGREGATION_MIN_SAMPLES", "50", NULL}, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(cloud_config_fini) struct cloud_config c;
        assert_int_equal(cloud_config_init(&c), 0);
        assert_int_equal(cloud_config_apply_env(&c, get, (void *)(uintptr_t)rows[i].env), 0);
        cloud_config_choose(&c);
        assert_int_equal(cloud_config_check(&c), 0);
        assert_int_equal(c.stream, rows[i].stream);
        if (c.stream == 2 || i == 4)
            continue;
        assert_int_equal(c.aggregation_period_ns, 0);
        assert_int_equal(c.aggregation_wait_ns, 5 * NS_PER_S);
        assert_int_equal(c.calc_interval_ns, 3 * NS_PER_S);
        assert_int_equal(c.outlier_algo_threshold, 75);
        assert_true(c.outlier_iqr_radius == 0.25 && c.outlier_iqr_coef_lower == 1.5 &&
                    c.outlier_iqr_coef_upper == 1.3);
    }
}

static void test_secrets_stay_out_of_messages(void **state)
{
    (void)state;
    CLEANUP(cloud_config_fini) struct cloud_config c;
    assert_int_equal(cloud_config_init(&c), 0);
    assert_int_equal(cloud_config_apply_json(&c, STR("{\"token\":12345}"), "config file"),
                     E_CONFIG);
    assert_string_equal(err_message(), "config file: token must be a text");
    const char *env[] = {"K6_CLOUD_TOKEN", "sec\nret", NULL};
    assert_int_equal(cloud_config_apply_env(&c, get, env), E_CONFIG);
    assert_null(strstr(err_message(), "sec"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_older_options),
        cmocka_unit_test(test_bad_values_name_their_place),
        cmocka_unit_test(test_stream1),
        cmocka_unit_test(test_secrets_stay_out_of_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
