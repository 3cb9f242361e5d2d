/* The outputs json and csv, from a chunk of samples to the bytes of a file. */
#include "output/csv.h"
#include "output/json.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static struct registry *registry;
static struct metrics *metrics;
static struct output_run_info info;
static char path[64];

static const struct output_threshold thresholds[] = {
    {.metric = "http_req_duration", .expression = "p(95)<500", .delay_abort_ns = -1},
    {.metric = "http_req_duration",
     .expression = "avg<1",
     .abort_on_fail = true,
     .delay_abort_ns = 10 * NS_PER_S},
    {.metric = "http_req_duration{b:1}", .expression = "max<1", .delay_abort_ns = -1},
    {.metric = "vus", .expression = "value<9", .abort_on_fail = true, .delay_abort_ns = -1},
};

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/spate-files-%ld", (long)getpid());
    const struct metric *m;
    const struct submetric *sub;
    if (registry_new(&registry) < 0 || metrics_new(registry, &metrics) < 0 ||
        metrics_submetric(metrics, STR("http_req_duration{b:1,a:2}"), &m, &sub) < 0)
        return -1;
    info = (struct output_run_info){
        .metrics = metrics,
        .thresholds = thresholds,
        .thresholds_len = ARRAY_LEN(thresholds),
        .system_tags = TAGS_DEFAULT_BITS | TAG_BIT(TAG_VU),
    };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    metrics_free(metrics);
    registry_free(registry);
    return 0;
}

static const struct tag tags[] = {
    {{"group", 5}, {"::a \"b\"", 7}},
    {{"kind", 4}, {"x,y", 3}},
    {{"status", 6}, {"200", 3}},
};
static const struct tag metadata[] = {{{"vu", 2}, {"1", 1}}};

/* 2026-11-22T05:59:25.016025Z */
static const int64_t at_ns = 1795327165016025000;

static struct sample_chunk *chunk(void)
{
    struct sample_chunk *c = mem_calloc(1, sizeof *c);
    assert_non_null(c);
    arena_init(&c->arena, 1000);
    c->samples[c->len++] = (struct sample){
        .metric = registry_builtin(registry, METRIC_HTTP_REQ_DURATION),
        .tags = tags,
        .tags_len = 3,
        .metadata = metadata,
        .metadata_len = 1,
        .value = 0.774746,
        .wall_ns = at_ns,
    };
    c->samples[c->len++] = (struct sample){
        .metric = registry_builtin(registry, METRIC_VUS),
        .value = 3,
        .wall_ns = at_ns / NS_PER_S * NS_PER_S,
    };
    c->samples[c->len++] = (struct sample){
        .metric = registry_builtin(registry, METRIC_VUS), .value = 1e-7, .wall_ns = at_ns};
    return c;
}

/* The file's text, unpacked when it is packed. */
static const char *text(void)
{
    static char out[4096];
    gzFile f = gzopen(path, "r");
    assert_non_null(f);
    int n = gzread(f, out, sizeof out - 1);
    assert_true(n >= 0);
    out[n] = '\0';
    assert_int_equal(gzclose(f), Z_OK);
    return out;
}

static int write_out(struct output *o)
{
    struct output_result result = {0};
    struct sample_chunk *c = chunk();
    int rc = o->ops->start(o->self, &info);
    if (rc == 0) {
        o->ops->samples(o->self, c);
        o->ops->samples(o->self, NULL);
        rc = o->ops->stop(o->self, &result);
    }
    o->ops->free(o->self);
    sample_chunk_free(c);
    return rc;
}

#define TAGS "\"tags\":{\"group\":\"::a \\\"b\\\"\",\"kind\":\"x,y\",\"status\":\"200\"}"
static const char json_text[] =
    "{\"type\":\"Metric\",\"data\":{\"name\":\"http_req_duration\",\"type\":\"trend\",\"contains\":"
    "\"time\",\"thresholds\":[\"p(95)<500\",{\"threshold\":\"avg<1\",\"abortOnFail\":true,"
    "\"delayAbortEval\":\"10s\"}],\"submetrics\":[{\"name\":\"http_req_duration{b:1,a:2}\","
    "\"suffix\":\"b:1,a:2\",\"tags\":{\"a\":\"2\",\"b\":\"1\"}}]},\"metric\":\"http_req_duration\"}"
    "\n{\"metric\":\"http_req_duration\",\"type\":\"Point\",\"data\":{\"time\":"
    "\"2026-11-22T05:59:25.016025Z\",\"value\":0.774746," TAGS ",\"metadata\":{\"vu\":\"1\"}}}\n"
    "{\"type\":\"Metric\",\"data\":{\"name\":\"vus\",\"type\":\"gauge\",\"contains\":\"default\","
    "\"thresholds\":[{\"threshold\":\"value<9\",\"abortOnFail\":true,\"delayAbortEval\":null}],"
    "\"submetrics\":null},\"metric\":\"vus\"}\n"
    "{\"metric\":\"vus\",\"type\":\"Point\",\"data\":{\"time\":\"2026-11-22T05:59:25Z\",\"value\":"
    "3,"
    "\"tags\":{}}}\n"
    "{\"metric\":\"vus\",\"type\":\"Point\",\"data\":{\"time\":\"2026-11-22T05:59:25.016025Z\","
    "\"value\":1e-7,\"tags\":{}}}\n";

static void test_json(void **state)
{
    (void)state;
    struct output o;
    assert_int_equal(json_output_new(str_of(path), &o), 0);
    assert_int_equal(write_out(&o), 0);
    assert_string_equal(text(), json_text);
}

static void test_json_packed(void **state)
{
    (void)state;
    struct output o;
    (void)snprintf(path, sizeof path, "/tmp/spate-files-%ld.gz", (long)getpid());
    assert_int_equal(json_output_new(str_of(path), &o), 0);
    assert_int_equal(write_out(&o), 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t magic[2] = {0};
    assert_int_equal(read(fd, magic, 2), 2);
    (void)close(fd);
    assert_true(magic[0] == 0x1f && magic[1] == 0x8b);
    assert_string_equal(text(), json_text);
}

static void test_descriptions(void **state)
{
    (void)state;
    struct output o;
    struct csv_config c;
    assert_int_equal(json_output_new(STR(""), &o), 0);
    assert_string_equal(o.ops->description(o.self), "json(stdout)");
    o.ops->free(o.self);
    assert_int_equal(json_output_new(STR("a.json"), &o), 0);
    assert_string_equal(o.ops->description(o.self), "json (a.json)");
    o.ops->free(o.self);
    assert_int_equal(csv_config_init(&c), 0);
    assert_int_equal(csv_output_new(&c, &o), 0);
    assert_string_equal(o.ops->description(o.self), "csv (file.csv)");
    o.ops->free(o.self);
}

#define COLUMNS "check,error,error_code,expected_response,group,method,name,proto,scenario,service,"
static const char csv_head[] = "metric_name,timestamp,metric_value," COLUMNS
                               "status,subproto,tls_version,url,extra_tags,metadata\n";

static void csv_expect(const char *arg, const char *first, const char *second)
{
    struct output o;
    struct csv_config c;
    char expected[2000];
    assert_int_equal(csv_config_init(&c), 0);
    assert_int_equal(csv_config_apply_arg(&c, str_of(path)), 0);
    assert_int_equal(csv_config_apply_arg(&c, str_of(arg)), 0);
    assert_int_equal(csv_output_new(&c, &o), 0);
    assert_int_equal(write_out(&o), 0);
    (void)snprintf(expected, sizeof expected,
                   "%shttp_req_duration,%s,0.774746,,,,,\"::a \"\"b\"\"\",,,,,,200,,,,\"kind=x,y\","
                   "vu=1\nvus,%s,3.000000,,,,,,,,,,,,,,,,\nvus,%s,0.000000,,,,,,,,,,,,,,,,\n",
                   csv_head, first, second, first);
    assert_string_equal(text(), expected);
}

static void test_csv(void **state)
{
    (void)state;
    csv_expect("", "1795327165", "1795327165");
    csv_expect("timeFormat=unix_milli", "1795327165016", "1795327165000");
    csv_expect("timeFormat=UNIX_MICRO", "1795327165016025", "1795327165000000");
    csv_expect("timeFormat=unix_nano", "1795327165016025000", "1795327165000000000");
    csv_expect("timeFormat=rfc3339", "2026-11-22T05:59:25Z", "2026-11-22T05:59:25Z");
    csv_expect("timeFormat=rfc3339_nano,saveInterval=1ms", "2026-11-22T05:59:25.016025Z",
               "2026-11-22T05:59:25Z");
}

static void test_time_zone(void **state)
{
    (void)state;
    assert_int_equal(setenv("TZ", "XXX-5:30", 1), 0);
    tzset();
    csv_expect("timeFormat=rfc3339_nano", "2026-11-22T11:29:25.016025+05:30",
               "2026-11-22T11:29:25+05:30");
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
}

static void test_csv_fields(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"", ""},
        {"a b", "a b"},
        {" a", "\" a\""},
        {"\ta", "\"\ta\""},
        {"a,b", "\"a,b\""},
        {"a\"b", "\"a\"\"b\""},
        {"a\nb", "\"a\nb\""},
        {"a\rb", "\"a\rb\""},
        {"\\.", "\"\\.\""},
        {"\xc2\xa0x", "\"\xc2\xa0x\""},
        {"ä", "ä"},
        {"\xe2\x80\x83x", "\"\xe2\x80\x83x\""},
        {"\xe2\x80\x9cx", "\xe2\x80\x9cx"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct buf out;
        buf_init(&out, 100);
        csv_field(&out, str_of(table[i][0]));
        assert_string_equal(buf_cstr(&out), table[i][1]);
        buf_fini(&out);
    }
}

static const char *env_of(void *arg, const char *name)
{
    const char *const *pair = arg;
    return strcmp(name, pair[0]) == 0 ? pair[1] : NULL;
}

static void test_csv_settings(void **state)
{
    (void)state;
    struct csv_config c;
    const char *env[] = {"K6_CSV_SAVE_INTERVAL", "3s"};
    assert_int_equal(csv_config_init(&c), 0);
    assert_int_equal(csv_config_apply_json(&c, STR("{\"file_name\":\"j.csv\",\"save_interval\":"
                                                   "2000,\"time_format\":\"rfc3339\"}")),
                     0);
    assert_string_equal(c.path, "j.csv");
    assert_int_equal(c.save_interval_ns, 2 * NS_PER_S);
    assert_int_equal(csv_config_apply_env(&c, env_of, (void *)(uintptr_t)env), 0);
    assert_int_equal(c.save_interval_ns, 3 * NS_PER_S);
    assert_int_equal(csv_config_apply_arg(&c, STR("fileName=a.csv,saveInterval=4s")), 0);
    assert_string_equal(c.path, "a.csv");
    assert_int_equal(c.save_interval_ns, 4 * NS_PER_S);
    assert_int_equal(c.time, CSV_RFC3339);

    static const char *const bad[][2] = {
        {"fileName=", "couldn't parse \"fileName=\" as argument for csv output"},
        {"x=1", "unknown key \"x\" as argument for csv output"},
        {"saveInterval=0s", "saveInterval must be positive, not '0s'"},
        {"saveInterval=a", "saveInterval: 'a' isn't a duration like 10s"},
        {"timeFormat=a", "timeFormat: 'a' isn't one of unix, unix_milli, unix_micro, unix_nano, "
                         "rfc3339, rfc3339_nano"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(csv_config_apply_arg(&c, str_of(bad[i][0])), E_CONFIG);
        assert_string_equal(err_message(), bad[i][1]);
    }
    csv_config_fini(&c);
}

static void test_no_file(void **state)
{
    (void)state;
    struct output o;
    assert_int_equal(json_output_new(STR("/nowhere/at/all.json"), &o), 0);
    assert_int_equal(o.ops->start(o.self, &info), -ENOENT);
    assert_string_equal(err_message(), "could not start the output 'json': open "
                                       "/nowhere/at/all.json: no such file or directory");
    o.ops->free(o.self);
}

/* A full disk is said at the end. */
static void test_full_disk(void **state)
{
    (void)state;
    struct output o;
    (void)snprintf(path, sizeof path, "/dev/full");
    assert_int_equal(json_output_new(str_of(path), &o), 0);
    assert_int_equal(write_out(&o), -ENOSPC);
    assert_string_equal(err_message(), "the output 'json' is incomplete: write /dev/full: no space "
                                       "left on device");
    path[0] = '\0';
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        int n = 0;
        for (int rc = -ENOMEM; rc != 0; n++) {
            struct output o;
            struct csv_config c;
            struct sample_chunk *samples = chunk();
            struct output_result result = {0};
            mem_fail_countdown = n;
            rc = kind == 0 ? json_output_new(str_of(path), &o) : csv_config_init(&c);
            if (rc == 0 && kind == 1) {
                rc = csv_config_apply_arg(&c, str_of(path));
                int made = csv_output_new(&c, &o);
                if (rc < 0 && made == 0)
                    o.ops->free(o.self);
                rc = rc < 0 ? rc : made;
            }
            if (rc == 0) {
                rc = o.ops->start(o.self, &info);
                if (rc == 0) {
                    o.ops->samples(o.self, samples);
                    rc = o.ops->stop(o.self, &result);
                }
                o.ops->free(o.self);
            }
            mem_fail_countdown = -1;
            assert_true(rc == 0 || rc == -ENOMEM);
            sample_chunk_free(samples);
        }
        assert_true(n > 4);
    }
}

int main(void)
{
    if (setenv("TZ", "UTC", 1) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json_packed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_descriptions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_csv, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_time_zone, set_up, tear_down),
        cmocka_unit_test(test_csv_fields),
        cmocka_unit_test(test_csv_settings),
        cmocka_unit_test_setup_teardown(test_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_allocation_fails, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
