#include "load/options.h"

#include "base/clock.h"
#include "base/mem.h"
#include "load_test.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include <cmocka.h>

/* ---- what k6 writes ------------------------------------------------------------------------ */

static const char demo[] =
    "{\"scenarios\":{"
    "\"vus\":{\"executor\":\"constant-vus\",\"vus\":2,\"duration\":\"2s\",\"gracefulStop\":\"1s\","
    "\"exec\":\"a\"},"
    "\"arr\":{\"executor\":\"constant-arrival-rate\",\"rate\":5,\"duration\":\"2s\","
    "\"preAllocatedVUs\":2,\"maxVUs\":4,\"startTime\":\"1s\",\"exec\":\"b\",\"tags\":{\"kind\":"
    "\"arr\"}}},"
    "\"thresholds\":{\"http_req_duration\":[\"p(95)<500\",\"avg<200\",\"p(99.9)<600\"],"
    "\"http_req_duration{scenario:arr}\":[\"max<1000\"],\"http_reqs\":[\"count>1\",\"rate>100\"],"
    "\"checks\":[\"rate>0.9\"],\"my_gauge\":[\"value<10\"]}}";

/* The fixture, compact and without what only `inspect` adds. */
static char *expected_json(size_t *len)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/tests/fixtures/load/inspect-v2.2.0.json",
                   getenv("SPATE_SOURCE_DIR") ? getenv("SPATE_SOURCE_DIR") : ".");
    yyjson_doc *doc = yyjson_read_file(path, 0, NULL, NULL);
    assert_non_null(doc);
    yyjson_mut_doc *copy = yyjson_doc_mut_copy(doc, NULL);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(copy);
    (void)yyjson_mut_obj_remove_key(root, "totalDuration");
    (void)yyjson_mut_obj_remove_key(root, "maxVUs");
    char *text = yyjson_mut_write(copy, 0, len);
    yyjson_mut_doc_free(copy);
    yyjson_doc_free(doc);
    return text;
}

static void test_json_as_k6_writes(void **state)
{
    (void)state;
    struct arena a;
    struct options o;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(load_options(&a, demo, &o), 0);
    options_write_json(&o, &out);
    assert_int_equal(buf_finish(&out), 0);
    /* Escapes such as \\u003e are one and the same character: compare what they read as. */
    yyjson_doc *ours = yyjson_read((const char *)out.data, out.len, 0);
    assert_non_null(ours);
    size_t len, ours_len;
    char *want = expected_json(&len);
    char *got = yyjson_write(ours, 0, &ours_len);
    assert_string_equal(got, want);
    assert_non_null(strstr(buf_cstr(&out), "p(95)\\u003c500"));
    free(want);
    free(got);
    yyjson_doc_free(ours);
    buf_fini(&out);
    arena_fini(&a);
}

/* What we write we read back as the same. */
static void test_round_trip(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "{\"stages\":[{\"duration\":\"1m30s\",\"target\":5},{\"duration\":0,\"target\":null}]}",
        "{\"vus\":\"5\",\"duration\":1500,\"tags\":{\"b\":\"2\",\"a\":\"<1>\"},\"dns\":{\"ttl\":"
        "\"1m\"},\"hosts\":{\"x\":\"1.2.3.4\"},\"tlsVersion\":{\"min\":\"tls1.2\"},\"throw\":true}",
        "{\"thresholds\":{\"m\":[{\"threshold\":\"count>1\",\"abortOnFail\":true,"
        "\"delayAbortEval\":\"10s\"}],\"n\":[]},\"cloud\":{\"projectID\":5},\"ext\":{\"x\":[1]}}",
        "{\"scenarios\":{\"r\":{\"executor\":\"ramping-vus\",\"stages\":[],\"env\":{\"A\":\"b\"}},"
        "\"p\":{\"executor\":\"per-vu-iterations\",\"maxDuration\":\"1h\"}}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        struct options first, second;
        struct buf one, two;
        arena_init(&a, 1 << 20);
        buf_init(&one, 1 << 20);
        buf_init(&two, 1 << 20);
        options_init(&first, &a);
        options_init(&second, &a);
        assert_int_equal(options_parse_json(&first, str_of(cases[i]), OPTIONS_SCRIPT), 0);
        options_write_json(&first, &one);
        assert_int_equal(options_parse_json(&second, buf_view(&one), OPTIONS_ARCHIVE), 0);
        options_write_json(&second, &two);
        assert_string_equal(buf_cstr(&one), buf_cstr(&two));
        buf_fini(&one);
        buf_fini(&two);
        arena_fini(&a);
    }
}

/* ---- bad values ---------------------------------------------------------------------------- */

static void test_bad_json(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"vus\":\"abc\"}", "strconv.ParseInt: parsing \"abc\": invalid syntax"},
        {"{\"vus\":true}", "json: cannot unmarshal bool into Go value of type null.Int"},
        {"{\"vus\":1.5}", "json: cannot unmarshal number 1.5 into Go value of type int64"},
        {"{\"duration\":\"xx\"}", "time: invalid duration \"xx\""},
        {"{\"throw\":1}", "json: cannot unmarshal number into Go value of type null.Bool"},
        {"{\"scenarios\":{\"a\":{\"executor\":\"nope\"}}}", "unknown executor type 'nope'"},
        {"{\"scenarios\":{\"a\":{\"executor\":\"constant-vus\",\"bogus\":1}}}",
         "json: unknown field \"bogus\""},
        {"{\"scenarios\":{\"a\":{\"executor\":\"constant-vus\",\"iterations\":1}}}",
         "json: unknown field \"iterations\""},
        {"{\"tags\":{\"a\":1}}", "json: cannot unmarshal number into Go value of type string"},
        {"[]", "json: cannot unmarshal array into Go value of type lib.Options"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        struct options o;
        assert_int_equal(load_options(&a, cases[i][0], &o), E_CONFIG);
        assert_string_equal(err_message(), cases[i][1]);
        assert_int_equal(err_get()->exit_code, 104);
        arena_fini(&a);
    }
}

#define PROBLEMS "There were problems with the specified script configuration:\n\t- "

static void test_invalid(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"vus\":0}", PROBLEMS "scenario default has configuration errors: the number of VUs "
                                 "must be more than 0"},
        {"{\"vus\":5,\"iterations\":1}",
         PROBLEMS "scenario default has configuration errors: the number of iterations (1) can't "
                  "be less than the number of VUs (5)"},
        {"{\"duration\":\"500ms\"}", PROBLEMS "scenario default has configuration errors: the "
                                              "duration must be at least 1s, but is 500ms"},
        {"{\"scenarios\":{\"a b\":{\"executor\":\"constant-vus\"}}}",
         PROBLEMS "scenario a b has configuration errors: the scenario name should contain only "
                  "numbers, latin letters, underscores, and dashes, the duration is unspecified"},
        {"{\"stages\":[{\"duration\":\"-1s\",\"target\":-1}]}",
         PROBLEMS "scenario default has configuration errors: the duration for stage 1 can't be "
                  "negative, the target for stage 1 can't be negative"},
        {"{\"setupTimeout\":0}", PROBLEMS "setupTimeout must be positive"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        struct options o;
        assert_int_equal(load_options(&a, cases[i][0], &o), 0);
        assert_true(options_validate(&o, NULL, NULL) < 0);
        assert_string_equal(err_message(), cases[i][1]);
        assert_int_equal(err_get()->exit_code, 104);
        arena_fini(&a);
    }
}

static bool only_foo(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "foo") == 0;
}

static void test_missing_function(void **state)
{
    (void)state;
    struct arena a;
    struct options o;
    assert_int_equal(load_options(&a, "{}", &o), 0);
    assert_int_equal(options_validate(&o, only_foo, NULL), E_CONFIG);
    assert_string_equal(err_message(),
                        PROBLEMS "executor default: function 'default' not found in exports");
    arena_fini(&a);
}

/* ---- layers -------------------------------------------------------------------------------- */

static void test_conflicts(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"iterations\":1,\"stages\":[{\"duration\":\"1s\",\"target\":1}]}",
         "using `iterations` and `stages` options simultaneously is not allowed"},
        {"{\"duration\":\"1s\",\"scenarios\":{}}",
         "using `duration` and `scenarios` options simultaneously is not allowed"},
        {"{\"stages\":[{\"duration\":\"1s\",\"target\":1}],\"scenarios\":{}}",
         "using `stages` and `scenarios` options simultaneously is not allowed"},
        {"{\"duration\":0}", "`duration` option should be more than 0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        struct options o;
        assert_int_equal(load_options(&a, cases[i][0], &o), E_CONFIG);
        assert_string_equal(err_message(), cases[i][1]);
        assert_int_equal(err_get()->exit_code, 104);
        arena_fini(&a);
    }
}

static void test_apply(void **state)
{
    (void)state;
    struct arena a;
    struct options low, high, all;
    arena_init(&a, 1 << 20);
    options_init(&low, &a);
    options_init(&high, &a);
    assert_int_equal(options_parse_json(&low,
                                        STR("{\"vus\":3,\"stages\":[{\"duration\":\"1s\","
                                            "\"target\":1}],\"userAgent\":\"low\",\"throw\":true,"
                                            "\"tags\":{\"a\":\"1\"}}"),
                                        OPTIONS_SCRIPT),
                     0);
    /* One word about the schedule wipes the schedule, and nothing else. */
    assert_int_equal(options_set_text(&high, OPTION_ITERATIONS, "10", true), 0);
    assert_int_equal(options_set_text(&high, OPTION_TAGS, "b=2", true), 0);
    all = low;
    options_apply(&all, &high, "cli");
    assert_false(all.stages.set);
    assert_int_equal(all.iterations.value, 10);
    assert_int_equal(all.vus.value, 3);
    assert_true(all.throw_errors.value);
    assert_string_equal(all.user_agent, "low");
    assert_int_equal(all.tags.len, 1); /* maps replace each other whole */
    assert_true(str_eqz(all.tags.items[0].key, "b"));
    /* An empty layer changes nothing. */
    options_init(&high, &a);
    options_apply(&all, &high, "env");
    assert_int_equal(all.iterations.value, 10);
    arena_fini(&a);
}

static void test_shortcuts(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum executor_type type;
        int64_t vus, iterations;
    } cases[] = {
        {"{}", EXECUTOR_PER_VU_ITERATIONS, 0, 0},
        {"{\"vus\":4}", EXECUTOR_SHARED_ITERATIONS, 4, 4},
        {"{\"iterations\":9}", EXECUTOR_SHARED_ITERATIONS, 0, 9},
        {"{\"vus\":2,\"duration\":\"3s\"}", EXECUTOR_CONSTANT_VUS, 2, 0},
        {"{\"stages\":[{\"duration\":\"1s\",\"target\":1}]}", EXECUTOR_RAMPING_VUS, 0, 0},
        {"{\"stages\":[],\"scenarios\":{}}", EXECUTOR_PER_VU_ITERATIONS, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        struct options o;
        assert_int_equal(load_options(&a, cases[i].json, &o), 0);
        assert_int_equal(o.scenarios.len, 1);
        assert_string_equal(o.scenarios.items[0].name, "default");
        assert_int_equal(o.scenarios.items[0].type, cases[i].type);
        assert_int_equal(o.scenarios.items[0].vus.value, cases[i].vus);
        assert_int_equal(o.scenarios.items[0].iterations.value, cases[i].iterations);
        arena_fini(&a);
    }
}

/* ---- environment --------------------------------------------------------------------------- */

static const char *fake_env(void *arg, const char *name)
{
    for (const char *const *p = arg; *p != NULL; p += 2)
        if (strcmp(p[0], name) == 0)
            return p[1];
    return NULL;
}

static void test_env(void **state)
{
    (void)state;
    const char *vars[] = {"K6_VUS",
                          "7",
                          "K6_STAGES",
                          "5s:10, 1m:0",
                          "K6_DNS",
                          "ttl=inf,policy=any",
                          "K6_TAGS",
                          "a:1,b=2",
                          "K6_THROW",
                          "true",
                          "K6_HOSTS",
                          "{\"h\":\"1.1.1.1\"}",
                          "K6_OUT",
                          "cloud",
                          "K6_USER_AGENT",
                          "",
                          NULL};
    struct arena a;
    struct options o;
    arena_init(&a, 1 << 20);
    options_init(&o, &a);
    assert_int_equal(options_parse_env(&o, fake_env, vars), 0);
    assert_int_equal(o.vus.value, 7);
    assert_int_equal(o.stages.len, 2);
    assert_int_equal(o.stages.items[1].duration.ns, 60 * NS_PER_S);
    assert_string_equal(o.dns_ttl, "inf");
    assert_null(o.dns_select);
    assert_int_equal(o.tags.len, 2);
    assert_true(o.throw_errors.value);
    assert_int_equal(o.hosts.len, 1);
    assert_string_equal(o.out.items[0], "cloud");
    assert_null(o.user_agent);

    const char *bad[] = {"K6_VUS", "abc", NULL};
    assert_int_equal(options_parse_env(&o, fake_env, bad), E_CONFIG);
    assert_string_equal(err_message(),
                        "envconfig.Process: assigning K6_VUS to VUs: converting 'abc' to type "
                        "null.Int. details: strconv.ParseInt: parsing \"abc\": invalid syntax");
    assert_int_equal(err_get()->exit_code, 104);
    arena_fini(&a);
}

/* ---- memory -------------------------------------------------------------------------------- */

static void test_every_allocation_fails(void **state)
{
    (void)state;
    int n = 0, rc;
    do {
        struct arena a = {0};
        struct options o;
        mem_fail_countdown = n++;
        rc = load_options(&a, demo, &o);
        mem_fail_countdown = -1;
        assert_true(rc == 0 || rc == -ENOMEM);
        arena_fini(&a);
    } while (rc != 0);
    assert_true(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_as_k6_writes),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_missing_function),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_shortcuts),
        cmocka_unit_test(test_env),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
