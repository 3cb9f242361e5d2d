#include "output/cloud_v1.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/v1samples.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <yyjson.h>

static const int64_t t0 = (int64_t)1795329600 * NS_PER_S;

static const struct cloud_v1_settings defaults = {
    .period_ns = 3 * NS_PER_S,
    .wait_ns = 5 * NS_PER_S,
    .calc_ns = 3 * NS_PER_S,
    .min_samples = 100,
    .interpolate_max = 75,
    .radius = 0.25,
    .lower = 1.5,
    .upper = 1.3,
    .package_max = 100000,
};

/* ---- what is normal ---- */

static void test_bounds(void **state)
{
    (void)state;
    static const struct {
        double radius, lower, upper;
        uint32_t interpolate_max;
        double values[8];
        size_t len;
        double min, max;
    } rows[] = {
        /* q1 = 2, q3 = 4 of 1..5 */
        {0.25, 1.5, 1.3, 75, {5, 1, 3, 2, 4}, 5, 2 - 1.5 * 2, 4 + 1.3 * 2},
        /* between ranks: 1.75 and 3.25 of 1..4; by the nearest rank 2 and 3 */
        {0.25, 1, 1, 75, {4, 3, 2, 1}, 4, 1.75 - 1.5, 3.25 + 1.5},
        {0.25, 1, 1, 3, {4, 3, 2, 1}, 4, 2 - 1, 3 + 1},
        /* exactly as many as are still interpolated */
        {0.25, 1, 1, 4, {4, 3, 2, 1}, 4, 0.25, 4.75},
        /* a radius of all, and more than all */
        {0.5, 0, 0, 75, {4, 3, 2, 1}, 4, 1, 4},
        {0.9, 0, 0, 0, {4, 3, 2, 1}, 4, 1, 4},
        {0, 5, 5, 75, {4, 3, 2, 1}, 4, 2.5, 2.5},
        {0.25, 1.5, 1.3, 75, {7}, 1, 7, 7},
        {0.25, 1.5, 1.3, 0, {7, 7, 7, 7, 7, 7}, 6, 7, 7},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cloud_v1_settings s = defaults;
        double values[8], min, max;
        s.radius = rows[i].radius;
        s.lower = rows[i].lower;
        s.upper = rows[i].upper;
        s.interpolate_max = rows[i].interpolate_max;
        memcpy(values, rows[i].values, sizeof values);
        cloud_v1_bounds(&s, values, rows[i].len, &min, &max);
        assert_true(fabs(min - rows[i].min) < 1e-12);
        assert_true(fabs(max - rows[i].max) < 1e-12);
    }
}

/* Selection and sorting agree where nothing lies between ranks. */
static void test_selection_finds_what_sorting_finds(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (size_t len = 1; len < 400; len += 4) { /* ranks (len - 1) / 4 are whole */
        double a[400], b[400], min[2], max[2];
        for (size_t i = 0; i < len; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            a[i] = b[i] = (double)(seed >> 40) / (len % 3 == 0 ? 1e6 : 1);
        }
        struct cloud_v1_settings s = defaults;
        s.interpolate_max = 1000;
        cloud_v1_bounds(&s, a, len, &min[0], &max[0]);
        s.interpolate_max = 0;
        cloud_v1_bounds(&s, b, len, &min[1], &max[1]);
        assert_true(min[0] == min[1] && max[0] == max[1]);
    }
}

/* ---- the stream ---- */

/* What came out. */
struct seen {
    uint32_t packages, samples, samples_max;
    uint32_t points, compounds, aggregates, iterations;
    uint64_t requests, failed; /* singly and in aggregates */
    double duration_sum, duration_max;
    int64_t aggregate_us; /* time of the last one */
    char tags[200];       /* of the last compound or aggregate */
};

static void see_values(struct seen *seen, yyjson_val *data, bool aggregate)
{
    yyjson_val *values = yyjson_obj_get(data, "values");
    yyjson_val *duration = yyjson_obj_get(values, "http_req_duration");
    yyjson_val *failed = yyjson_obj_get(values, "http_req_failed");
    char *tags = yyjson_val_write(yyjson_obj_get(data, "tags"), 0, NULL);
    snprintf(seen->tags, sizeof seen->tags, "%s", tags != NULL ? tags : "");
    mem_free(tags);
    if (!aggregate) {
        seen->requests += yyjson_get_uint(yyjson_obj_get(values, "http_reqs"));
        seen->failed += yyjson_get_uint(failed);
        seen->duration_sum += yyjson_get_num(duration);
        seen->duration_max = MAX(seen->duration_max, yyjson_get_num(duration));
        return;
    }
    uint64_t count = yyjson_get_uint(yyjson_obj_get(data, "count"));
    seen->requests += count;
    seen->failed += yyjson_get_uint(yyjson_obj_get(failed, "nz_count"));
    seen->duration_sum += yyjson_get_num(yyjson_obj_get(duration, "avg")) * (double)count;
    seen->duration_max = MAX(seen->duration_max, yyjson_get_num(yyjson_obj_get(duration, "max")));
    assert_int_equal(
        str_to_i64(str_of(yyjson_get_str(yyjson_obj_get(data, "time"))), &seen->aggregate_us), 0);
}

static int see_package(void *arg, struct str json, uint32_t samples)
{
    struct seen *seen = arg;
    yyjson_doc *doc = yyjson_read(json.ptr, json.len, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *item;
    size_t i, max;
    assert_true(yyjson_is_arr(root));
    assert_int_equal(yyjson_arr_size(root), samples);
    seen->packages++;
    seen->samples += samples;
    seen->samples_max = MAX(seen->samples_max, samples);
    yyjson_arr_foreach(root, i, max, item)
    {
        yyjson_val *type = yyjson_obj_get(item, "type"), *data = yyjson_obj_get(item, "data");
        bool request = yyjson_equals_str(yyjson_obj_get(item, "metric"), "http_req_li_all");
        seen->points += yyjson_equals_str(type, "Point");
        seen->compounds += yyjson_equals_str(type, "Points") && request;
        seen->iterations += yyjson_equals_str(type, "Points") && !request;
        seen->aggregates += yyjson_equals_str(type, "AggregatedPoints");
        if (request)
            see_values(seen, data, yyjson_equals_str(type, "AggregatedPoints"));
    }
    yyjson_doc_free(doc);
    /* The server's own reader takes it. */
    struct buf merged;
    int countdown = mem_fail_countdown;
    mem_fail_countdown = -1;
    buf_init(&merged, 64 << 20);
    assert_int_equal(v1samples_merge(json.ptr, json.len, 3, &merged), 0);
    buf_fini(&merged);
    mem_fail_countdown = countdown;
    return 0;
}

struct world {
    struct registry *registry;
    struct cloud_filter *filter;
    struct cloud_v1 *v1;
    struct sample_chunk *chunk;
    struct seen seen;
};

static const struct tag page_tags[] = {{STR("name"), STR("/\"page\"")}, {STR("url"), STR("u")}};
static const struct tag other_tags[] = {{STR("name"), STR("/other")}};

static void world_init(struct world *w, const struct cloud_v1_settings *s, const char *options)
{
    *w = (struct world){0};
    assert_int_equal(registry_new(&w->registry), 0);
    assert_int_equal(cloud_filter_new(str_of(options), &w->filter), 0);
    assert_int_equal(cloud_v1_new(s, w->filter, see_package, &w->seen, &w->v1), 0);
    w->chunk = mem_calloc(1, sizeof *w->chunk);
    assert_non_null(w->chunk);
}

static void hand_over(struct world *w)
{
    cloud_v1_add(w->v1, w->chunk);
    w->chunk->len = 0;
}

static void world_fini(struct world *w)
{
    cloud_v1_free(w->v1);
    cloud_filter_free(w->filter);
    registry_free(w->registry);
    mem_free(w->chunk);
}

static void add(struct world *w, enum metric_builtin id, const struct tag *tags, uint32_t len,
                double value, int64_t at_ns)
{
    w->chunk->samples[w->chunk->len++] = (struct sample){
        .metric = registry_builtin(w->registry, id),
        .tags = tags,
        .tags_len = len,
        .value = value,
        .wall_ns = at_ns,
    };
}

static void add_request(struct world *w, const struct tag *tags, uint32_t len, double duration_ms,
                        double connecting_ms, int failed, int64_t at_ns)
{
    if (w->chunk->len + 9 > SAMPLES_PER_CHUNK)
        hand_over(w);
    const double values[] = {1,   duration_ms,       0,   connecting_ms, 0,
                             0.1, duration_ms - 0.2, 0.1, failed};
    for (uint32_t i = 0; i < (failed < 0 ? 8u : 9u); i++)
        add(w, METRIC_HTTP_REQS + i, tags, len, values[i], at_ns);
}

static void test_without_aggregation(void **state)
{
    (void)state;
    struct world w;
    struct cloud_v1_settings s = defaults;
    s.period_ns = 0;
    s.package_max = 4;
    world_init(&w, &s, "{}");
    for (int i = 0; i < 5; i++)
        add_request(&w, page_tags, 2, 10 + i, 0, i == 0 ? -1 : i == 1, t0 + i);
    add(&w, METRIC_CHECKS, page_tags, 2, 1, t0);
    add(&w, METRIC_DATA_SENT, NULL, 0, 100, t0 + 9);
    add(&w, METRIC_DATA_RECEIVED, NULL, 0, 200, t0 + 9);
    add(&w, METRIC_ITERATION_DURATION, NULL, 0, 3, t0 + 9);
    add(&w, METRIC_ITERATIONS, NULL, 0, 1, t0 + 9);
    add(&w, METRIC_DATA_SENT, NULL, 0, 100, t0 + 10);
    add(&w, METRIC_HTTP_REQS, NULL, 0, 1, t0 + 11); /* a script's own, alone */
    add(&w, METRIC_VUS, NULL, 0, NAN, t0 + 12);
    hand_over(&w);
    cloud_v1_push(w.v1);
    assert_int_equal(w.seen.compounds, 5);
    assert_int_equal(w.seen.requests, 5);
    assert_int_equal(w.seen.failed, 1);
    assert_int_equal(w.seen.iterations, 1);
    assert_int_equal(w.seen.points, 3);
    assert_int_equal(w.seen.samples, 9);
    assert_int_equal(w.seen.samples_max, 4);
    assert_int_equal(w.seen.packages, 3);
    assert_string_equal(w.seen.tags, "{\"name\":\"/\\\"page\\\"\",\"url\":\"u\"}");
    assert_int_equal(cloud_v1_lost(w.v1), 1);
    world_fini(&w);
}

/* Nothing leaves before its wait is over and it is time to look. */
static void test_wait_and_calc_interval(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, &defaults, "{}");
    cloud_v1_tick(w.v1, t0); /* the first look is at t0 + 3 */
    for (int i = 0; i < 100; i++)
        add_request(&w, page_tags, 2, 10, 0, 0, t0 + i);
    add_request(&w, page_tags, 2, 10, 0, 0, t0 + 3 * NS_PER_S); /* the next bucket's */
    hand_over(&w);
    static const struct {
        int64_t s;
        uint32_t aggregates;
    } rows[] = {{2, 0}, {3, 0}, {7, 0}, {8, 0}, {9, 0}, {10, 1}, {11, 1}, {12, 1}, {13, 1}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cloud_v1_tick(w.v1, t0 + rows[i].s * NS_PER_S);
        cloud_v1_push(w.v1);
        assert_int_equal(w.seen.aggregates, rows[i].aggregates);
    }
    assert_int_equal(w.seen.compounds, 1); /* a bucket of one */
    assert_int_equal(w.seen.aggregate_us, t0 / 1000 + 1500000);
    world_fini(&w);
}

static void test_few_are_sent_singly(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, &defaults, "{}");
    for (int i = 0; i < 99; i++)
        add_request(&w, page_tags, 2, 10, 0, 0, t0 + i);
    for (int i = 0; i < 100; i++)
        add_request(&w, other_tags, 1, 10, 0, 0, t0 + i);
    hand_over(&w);
    cloud_v1_finish(w.v1);
    assert_int_equal(w.seen.compounds, 99);
    assert_int_equal(w.seen.aggregates, 1);
    assert_int_equal(w.seen.requests, 199);
    world_fini(&w);
}

/* Requests that stand out by either time are sent by themselves; sums stay exact. */
static void test_outliers(void **state)
{
    (void)state;
    for (int skip = 0; skip < 2; skip++) {
        struct world w;
        struct cloud_v1_settings s = defaults;
        double sum = 0;
        s.aggregate_all = skip == 1;
        world_init(&w, &s, "{}");
        for (int i = 0; i < 1000; i++) {
            double ms = 10 + i % 10;
            ms = i == 500 ? 900 : i == 501 ? 0.5 : ms;
            double connecting = i == 700 ? 50 : 0;
            add_request(&w, page_tags, 2, ms, connecting, i % 4 == 0, t0 + i);
            sum += ms;
        }
        hand_over(&w);
        cloud_v1_finish(w.v1);
        assert_int_equal(w.seen.aggregates, 1);
        assert_int_equal(w.seen.compounds, skip ? 0 : 3);
        assert_int_equal(w.seen.requests, 1000);
        assert_int_equal(w.seen.failed, 250);
        assert_true(fabs(w.seen.duration_sum - sum) < 1e-6);
        assert_true(w.seen.duration_max == 900);
        world_fini(&w);
    }
}

/* A request of a bucket that has left already makes one anew. */
static void test_late_requests(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, &defaults, "{}");
    cloud_v1_tick(w.v1, t0);
    add_request(&w, page_tags, 2, 10, 0, 0, t0);
    hand_over(&w);
    cloud_v1_tick(w.v1, t0 + 60 * NS_PER_S);
    add_request(&w, page_tags, 2, 10, 0, 0, t0 + 1);
    hand_over(&w);
    cloud_v1_tick(w.v1, t0 + 120 * NS_PER_S);
    cloud_v1_push(w.v1);
    assert_int_equal(w.seen.requests, 2);
    world_fini(&w);
}

static void test_filtered(void **state)
{
    (void)state;
    struct world w;
    struct cloud_v1_settings s = defaults;
    s.min_samples = 2;
    world_init(&w, &s,
               "{\"cloud\":{\"drop_metrics\":[\"data_sent\",\"http_req_failed\"],"
               "\"drop_tags\":{\"*\":[\"url\"]}}}");
    static const struct tag a[] = {{STR("name"), STR("n")}, {STR("url"), STR("1")}};
    static const struct tag b[] = {{STR("name"), STR("n")}, {STR("url"), STR("2")}};
    add_request(&w, a, 2, 10, 0, 1, t0);
    add_request(&w, b, 2, 10, 0, 1, t0);
    add(&w, METRIC_DATA_SENT, a, 2, 100, t0);
    add(&w, METRIC_DATA_RECEIVED, a, 2, 100, t0);
    hand_over(&w);
    cloud_v1_finish(w.v1);
    assert_int_equal(w.seen.aggregates, 1);
    assert_int_equal(w.seen.points, 1);
    assert_int_equal(w.seen.failed, 0);
    assert_string_equal(w.seen.tags, "{\"name\":\"n\"}");
    world_fini(&w);
}

/* Whatever finds no memory, nothing leaks and nothing is counted twice. */
static void test_each_allocation_fails(void **state)
{
    (void)state;
    for (int n = 0; n < 60; n++) {
        struct world w;
        world_init(&w, &defaults, "{}");
        mem_fail_countdown = n;
        for (int i = 0; i < 150; i++)
            add_request(&w, page_tags, 2, 10, 0, 0, t0 + i);
        cloud_v1_add(w.v1, w.chunk);
        w.chunk->len = 0;
        cloud_v1_finish(w.v1);
        mem_fail_countdown = -1;
        assert_true(w.seen.requests <= 150);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_selection_finds_what_sorting_finds),
        cmocka_unit_test(test_without_aggregation),
        cmocka_unit_test(test_wait_and_calc_interval),
        cmocka_unit_test(test_few_are_sent_singly),
        cmocka_unit_test(test_outliers),
        cmocka_unit_test(test_late_requests),
        cmocka_unit_test(test_filtered),
        cmocka_unit_test(test_each_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
