/*
 * The texts in tests/fixtures/summary are what k6 v2.2's own summary code prints for the values of
 * this run.
 */
#include "output/summary.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fixture.h"
#include "output/checks.h"

#include <errno.h>
#include <math.h>

/* A run of 60 requests in three scenarios and nested groups. */
struct run {
    struct registry *registry;
    struct metrics *metrics;
    struct shard *shard;
    struct snapshot *snapshot;
    struct thresholds thresholds;
    struct summary_input in;
};

static struct tagset *tags(struct shard *s, const char *scenario, const char *group)
{
    struct tag t[] = {{STR("scenario"), str_of(scenario)},
                      {STR("group"), str_of(group)},
                      {STR("expected_response"), STR("true")}};
    return tags_with(shard_tags(s), tags_empty(shard_tags(s)), t, 3);
}

static void add_custom(struct run *r, const char *name, enum metric_type type,
                       enum metric_contains contains, struct tagset *t, double v)
{
    const struct metric *m;
    if (registry_add(r->registry, str_of(name), type, contains, &m) == 0)
        shard_add(r->shard, m, t, NULL, v, 1);
}

static void add_iteration(struct run *r, int i)
{
    static const char *const scenarios[] = {"default", "arr", "Vus"};
    static const char *const groups[] = {"", "::front", "::front::inner", "::zz"};
    struct shard *s = r->shard;
    const char *group = groups[i % 4];
    struct tagset *t = tags(s, scenarios[i % 3], group);
    double v = (i * 37 % 60) * (i % 10 == 0 ? 80.0 : 0.3) + 0.0315;
    struct http_sample h = {.duration_ms = v,
                            .blocked_ms = i % 3 ? 0 : v / 7,
                            .sending_ms = v / 1000,
                            .waiting_ms = v * 0.9,
                            .receiving_ms = v / 100000,
                            .failed = i % 5 == 0};
    shard_add_http(s, t, NULL, &h, i);
    if (group[0])
        shard_add(s, registry_builtin(r->registry, METRIC_GROUP_DURATION), t, NULL, v, i);
    shard_add_check(s, t, NULL, str_of(group), STR("status is 200"), NULL, 0, TAGS_DEFAULT_BITS,
                    i % 4 != 3 || i == 3, i);
    if (i % 2)
        shard_add_check(s, t, NULL, str_of(group), STR("naïve ✓"), NULL, 0, TAGS_DEFAULT_BITS, true,
                        i);
    add_custom(r, "my_counter", METRIC_COUNTER, METRIC_DEFAULT, t, i % 3);
    add_custom(r, "My_gauge", METRIC_GAUGE, METRIC_DEFAULT, t, i - 20);
    add_custom(r, "my_rate", METRIC_RATE, METRIC_DEFAULT, t, i % 7 == 0);
    add_custom(r, "a_trend", METRIC_TREND, METRIC_DEFAULT, t, 12.5);
    add_custom(r, "ws_bytes", METRIC_COUNTER, METRIC_DATA, t, i * 1000);
    shard_add(s, registry_builtin(r->registry, METRIC_ITERATIONS), t, NULL, 1, i);
    shard_add(s, registry_builtin(r->registry, METRIC_ITERATION_DURATION), t, NULL, 1000.0 * i, i);
    shard_add(s, registry_builtin(r->registry, METRIC_DATA_SENT), t, NULL, 100, i);
}

static int add_thresholds(struct run *r)
{
    static const char *const list[][2] = {
        {"checks", "rate>0.9"},
        {"http_req_duration", "p(95)<500"},
        {"http_req_duration", "p(99.9) < 600 "},
        {"http_req_duration{scenario:arr}", "max<1000"},
        {"http_reqs", "rate>100"},
        {"http_reqs", "count>1"},
        {"iteration_duration{scenario:arr}", "med<2000"},
        {"My_gauge", "value<10"},
    };
    thresholds_init(&r->thresholds, r->metrics);
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        int rc = thresholds_add(&r->thresholds, str_of(list[i][0]), str_of(list[i][1]), false, -1);
        if (rc < 0)
            return rc;
    }
    return thresholds_key(&r->thresholds, STR("dropped_iterations{scenario:arr}"));
}

static int run_open(struct run *r, enum summary_mode mode)
{
    const struct metric *m;
    const struct submetric *sub;
    *r = (struct run){0};
    int rc = registry_new(&r->registry);
    if (rc == 0)
        rc = metrics_new(r->registry, &r->metrics);
    if (rc == 0)
        rc = registry_add(r->registry, STR("My_gauge"), METRIC_GAUGE, METRIC_DEFAULT, &m);
    if (rc == 0)
        rc = add_thresholds(r);
    if (rc == 0)
        rc = metrics_submetric(r->metrics, STR("http_req_duration{expected_response:true}"), &m,
                               &sub);
    if (rc == 0 && mode == SUMMARY_FULL)
        metrics_want_sections(r->metrics);
    if (rc == 0)
        rc = shard_new(r->metrics, &r->shard);
    for (int i = 1; rc == 0 && i <= 60; i++)
        add_iteration(r, i);
    if (rc == 0)
        rc = snapshot_new(r->metrics, &r->snapshot);
    if (rc == 0)
        rc = shard_merge_into(r->shard, r->snapshot);
    if (rc < 0)
        return rc;
    r->in = (struct summary_input){.metrics = r->metrics,
                                   .snapshot = r->snapshot,
                                   .thresholds = &r->thresholds,
                                   .duration_ns = 3038230000,
                                   .mode = mode,
                                   .stats = summary_stats_default,
                                   .stats_len = ARRAY_LEN(summary_stats_default),
                                   .setup_data = STR("{ \"v\" : [1, {}, [] ,\"a, \\\"b\"] }")};
    thresholds_evaluate(&r->thresholds, r->snapshot, r->in.duration_ns, true);
    return 0;
}

static void run_close(struct run *r)
{
    snapshot_free(r->snapshot);
    thresholds_fini(&r->thresholds);
    shard_free(r->shard);
    metrics_free(r->metrics);
    registry_free(r->registry);
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        enum summary_mode mode;
        bool color;
        enum numfmt_unit unit;
    } cases[] = {
        {"summary/compact.txt", SUMMARY_COMPACT, false, NUMFMT_AUTO},
        {"summary/full.txt", SUMMARY_FULL, false, NUMFMT_AUTO},
        {"summary/color.txt", SUMMARY_COMPACT, true, NUMFMT_AUTO},
        {"summary/microseconds.txt", SUMMARY_COMPACT, false, NUMFMT_US},
        {"summary/legacy.txt", SUMMARY_LEGACY, false, NUMFMT_AUTO},
        {"summary/legacy_color.txt", SUMMARY_LEGACY, true, NUMFMT_AUTO},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct run r;
        assert_int_equal(run_open(&r, cases[i].mode), 0);
        r.in.color = cases[i].color;
        r.in.time_unit = cases[i].unit;
        CLEANUP(buf_fini) struct buf out;
        buf_init(&out, 1 << 20);
        assert_int_equal(summary_text(&r.in, &out), 0);
        assert_text(buf_view(&out), fixture(cases[i].file));
        run_close(&r);
    }
}

static void test_disabled(void **state)
{
    (void)state;
    struct run r;
    assert_int_equal(run_open(&r, SUMMARY_DISABLED), 0);
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(summary_text(&r.in, &out), 0);
    assert_int_equal(out.len, 0);
    run_close(&r);
}

static void test_json(void **state)
{
    (void)state;
    struct run r;
    assert_int_equal(run_open(&r, SUMMARY_COMPACT), 0);
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(summary_data_json(&r.in, &out), 0);
    assert_text(buf_view(&out), fixture("summary/data.json"));
    buf_reset(&out);
    assert_int_equal(summary_export_json(&r.in, &out), 0);
    assert_text(buf_view(&out), fixture("summary/export.json"));
    run_close(&r);
}

/* The columns that --summary-trend-stats asks for. */
static void test_stats(void **state)
{
    (void)state;
    struct run r;
    struct summary_stat stats[3];
    assert_int_equal(summary_stat_parse("count", &stats[0]), 0);
    assert_int_equal(summary_stat_parse("p(99.50)", &stats[1]), 0);
    assert_int_equal(summary_stat_parse("max", &stats[2]), 0);
    assert_int_equal(run_open(&r, SUMMARY_COMPACT), 0);
    r.in.stats = stats;
    r.in.stats_len = 3;
    r.in.thresholds = NULL;
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(summary_text(&r.in, &out), 0);
    assert_text(part_of(buf_view(&out), "    a_trend", "\n"),
                STR("    a_trend........................: count=60 p(99.50)=12.5   max=12.5"));
    assert_null(memmem(out.data, out.len, "THRESHOLDS", 10));
    assert_null(memmem(out.data, out.len, "dropped_iterations", 18));
    run_close(&r);

    static const struct {
        const char *name, *message;
    } bad[] = {
        {"foo", "invalid trend stat 'foo', unknown format"},
        {"p(x)", "invalid percentile trend stat value 'p(x)', provide a number between 0 and 100"},
        {"p(100.1)",
         "invalid percentile trend stat value 'p(100.1)', provide a number between 0 and 100"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(summary_stat_parse(bad[i].name, &stats[0]), E_CONFIG);
        assert_string_equal(err_message(), bad[i].message);
    }
}

static void test_modes(void **state)
{
    (void)state;
    enum summary_mode m;
    assert_true(summary_mode_parse(STR(""), &m) == 0 && m == SUMMARY_COMPACT);
    assert_true(summary_mode_parse(STR("full"), &m) == 0 && m == SUMMARY_FULL);
    assert_true(summary_mode_parse(STR("legacy"), &m) == 0 && m == SUMMARY_LEGACY);
    assert_int_equal(summary_mode_parse(STR("short"), &m), E_CONFIG);
}

static void test_run_without_samples(void **state)
{
    (void)state;
    struct registry *registry;
    struct metrics *metrics;
    struct snapshot *s;
    assert_int_equal(registry_new(&registry), 0);
    assert_int_equal(metrics_new(registry, &metrics), 0);
    assert_int_equal(snapshot_new(metrics, &s), 0);
    struct summary_input in = {.metrics = metrics,
                               .snapshot = s,
                               .stats = summary_stats_default,
                               .stats_len = ARRAY_LEN(summary_stats_default)};
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(summary_text(&in, &out), 0);
    assert_text(buf_view(&out), STR("\n\n  █ TOTAL RESULTS \n\n\n\n"));
    buf_reset(&out);
    assert_int_equal(summary_export_json(&in, &out), 0);
    assert_non_null(memmem(out.data, out.len, "\"metrics\": {}", 13));
    snapshot_free(s);
    metrics_free(metrics);
    registry_free(registry);
}

static void test_ids(void **state)
{
    (void)state;
    char id[33];
    checks_id(STR(""), id);
    assert_string_equal(id, "d41d8cd98f00b204e9800998ecf8427e");
    checks_id(STR("::front"), id);
    assert_string_equal(id, "6972d1500632a99e8640138dbf1dc09e");
    checks_id(STR("::front::status is 200"), id);
    assert_string_equal(id, "a03c1271c250664fa2fe67f850582a66");
}

static void test_no_memory(void **state)
{
    (void)state;
    struct run r;
    assert_int_equal(run_open(&r, SUMMARY_FULL), 0);
    int n = 0, rc;
    do {
        CLEANUP(buf_fini) struct buf out;
        buf_init(&out, 1 << 20);
        mem_fail_countdown = n++;
        rc = summary_text(&r.in, &out);
        if (rc == 0)
            rc = summary_export_json(&r.in, &out);
        mem_fail_countdown = -1;
        assert_true(rc == 0 || rc == -ENOMEM);
    } while (rc != 0);
    assert_true(n > 10);
    run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts), cmocka_unit_test(test_disabled),
        cmocka_unit_test(test_json),  cmocka_unit_test(test_stats),
        cmocka_unit_test(test_modes), cmocka_unit_test(test_run_without_samples),
        cmocka_unit_test(test_ids),   cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
