#include "output/cloud_aggregate.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "codec/metricset.h"
#include "output/cloud_spool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { PERIOD_S = 3, WORKERS = 2 };
static const int64_t t0 = 1795329636 / PERIOD_S * PERIOD_S * NS_PER_S;

/* Two workers' shards whose buckets go straight into an aggregate. */
struct world {
    struct registry *registry;
    struct metrics *metrics;
    struct shard *shards[WORKERS];
    struct cloud_aggregate *aggregate;
    struct cloud_filter *filter;
};

static void on_buckets(void *arg, struct bucket_batch *b)
{
    struct world *w = arg;
    assert_int_equal(cloud_aggregate_add(w->aggregate, b), 0);
}

static void world_init_with(struct world *w, const char *options)
{
    *w = (struct world){0};
    assert_int_equal(cloud_filter_new(str_of(options), &w->filter), 0);
    assert_int_equal(registry_new(&w->registry), 0);
    assert_int_equal(metrics_new(w->registry, &w->metrics), 0);
    metrics_want_buckets(w->metrics, PERIOD_S, on_buckets, w);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(shard_new(w->metrics, &w->shards[i]), 0);
    assert_int_equal(cloud_aggregate_new(w->metrics, WORKERS, PERIOD_S, w->filter, &w->aggregate),
                     0);
}

static void world_init(struct world *w)
{
    world_init_with(w, "{}");
}

static void world_fini(struct world *w)
{
    cloud_aggregate_free(w->aggregate);
    cloud_filter_free(w->filter);
    for (int i = 0; i < WORKERS; i++)
        shard_free(w->shards[i]);
    metrics_free(w->metrics);
    registry_free(w->registry);
}

static void add(struct world *w, int worker, enum metric_builtin id, const char *url, double value,
                int64_t at_ns)
{
    struct shard *s = w->shards[worker];
    struct tag tag = {STR("url"), str_of(url)};
    struct tagset *tags = tags_with(shard_tags(s), tags_empty(shard_tags(s)), &tag, 1);
    shard_add(s, registry_builtin(w->registry, id), tags, NULL, value, at_ns);
}

/* What the sets that came out said, added up. */
struct seen {
    uint32_t sets, series, series_max;
    double counters;
    uint64_t trend_values, nonzero, total;
    int64_t last_time_ns;
    struct str run_id;
    uint32_t requests; /* sent singly */
    double fastest_ms, slowest_ms;
};

static int see_head(void *arg, struct str id, uint32_t period_s)
{
    struct seen *seen = arg;
    assert_true(str_eqz(id, "42"));
    assert_int_equal(period_s, PERIOD_S);
    seen->sets++;
    return 0;
}

static int see_metric(void *arg, struct str name, enum metricset_type type)
{
    (void)arg;
    (void)type;
    assert_true(name.len > 0);
    return 0;
}

static int see_series(void *arg, const struct metricset_label *labels, size_t len)
{
    struct seen *seen = arg;
    for (size_t i = 0; i < len; i++)
        assert_false(str_eqz(labels[i].name, "test_run_id"));
    seen->series++;
    return 0;
}

static int see_value(void *arg, const struct metricset_value *v)
{
    struct seen *seen = arg;
    assert_true(v->time_ns >= seen->last_time_ns);
    seen->last_time_ns = v->time_ns;
    if (v->type == METRICSET_COUNTER)
        seen->counters += v->counter;
    if (v->type == METRICSET_TREND)
        seen->trend_values += v->trend.count;
    if (v->type == METRICSET_RATE) {
        seen->nonzero += v->rate.nonzero;
        seen->total += v->rate.total;
    }
    return 0;
}

static int see_request(void *arg, const struct metricset_request *r)
{
    struct seen *seen = arg;
    seen->fastest_ms = seen->requests == 0 ? r->duration : MIN(seen->fastest_ms, r->duration);
    seen->slowest_ms = MAX(seen->slowest_ms, r->duration);
    seen->requests++;
    return 0;
}

static int read_set(void *arg, struct str set, uint32_t series)
{
    struct seen *seen = arg;
    uint32_t before = seen->series;
    struct metricset_visitor visitor = {see_head, see_metric,  see_series, see_value,
                                        seen,     see_request, NULL};
    assert_int_equal(metricset_read(set.ptr, set.len, &visitor), 0);
    assert_int_equal(seen->series - before, series);
    seen->series_max = MAX(seen->series_max, series);
    return 0;
}

static void take_all(struct world *w, struct seen *seen)
{
    int64_t start_s;
    while (cloud_aggregate_ready(w->aggregate, &start_s))
        assert_int_equal(cloud_aggregate_take(w->aggregate, STR("42"), 100, read_set, seen), 0);
}

static void test_a_period_waits_for_every_worker(void **state)
{
    (void)state;
    struct world w;
    struct seen seen = {0};
    int64_t start_s = 0;
    world_init(&w);
    add(&w, 0, METRIC_HTTP_REQS, "/a", 1, t0);
    add(&w, 1, METRIC_HTTP_REQS, "/a", 2, t0 + NS_PER_S);
    shard_tick(w.shards[0], t0 + 4 * NS_PER_S);
    assert_false(cloud_aggregate_ready(w.aggregate, &start_s));
    shard_tick(w.shards[1], t0 + 4 * NS_PER_S);
    assert_true(cloud_aggregate_ready(w.aggregate, &start_s));
    assert_int_equal(start_s, t0 / NS_PER_S);
    take_all(&w, &seen);
    assert_int_equal(seen.series, 1); /* one series, whichever worker saw it */
    assert_true(seen.counters == 3);

    assert_false(cloud_aggregate_done(w.aggregate));
    for (int i = 0; i < WORKERS; i++)
        shard_finish(w.shards[i], t0 + 7 * NS_PER_S);
    assert_true(cloud_aggregate_done(w.aggregate));
    world_fini(&w);
}

static void test_nothing_is_lost_or_counted_twice(void **state)
{
    (void)state;
    struct world w;
    struct seen seen = {0};
    char url[32];
    world_init(&w);
    uint64_t n = 0;
    double sum = 0;
    for (int second = 0; second < 10; second++)
        for (int i = 0; i < 300; i++) {
            snprintf(url, sizeof url, "/%d", i % 150);
            int64_t at_ns = t0 + second * NS_PER_S + i;
            add(&w, i % WORKERS, METRIC_HTTP_REQS, url, 1, at_ns);
            add(&w, i % WORKERS, METRIC_HTTP_REQ_DURATION, url, i, at_ns);
            add(&w, i % WORKERS, METRIC_HTTP_REQ_FAILED, url, i % 3 == 0, at_ns);
            n++;
            sum += 1;
        }
    for (int i = 0; i < WORKERS; i++)
        shard_finish(w.shards[i], t0 + 10 * NS_PER_S);
    take_all(&w, &seen);
    assert_true(seen.counters == sum);
    assert_int_equal(seen.trend_values, n);
    assert_int_equal(seen.total, n);
    assert_int_equal(seen.nonzero, n / 3);
    assert_true(seen.series_max <= 100);
    assert_int_equal(seen.series, 4 * 3 * 150); /* periods, metrics, urls */
    world_fini(&w);
}

static void test_reserved_labels_stay_here(void **state)
{
    (void)state;
    struct world w;
    struct seen seen = {0};
    world_init(&w);
    struct shard *s = w.shards[0];
    struct tag tags[] = {{STR("test_run_id"), STR("1")}, {STR("__x"), STR("2")}};
    shard_add(s, registry_builtin(w.registry, METRIC_ITERATIONS),
              tags_with(shard_tags(s), tags_empty(shard_tags(s)), tags, 2), NULL, 1, t0);
    for (int i = 0; i < WORKERS; i++)
        shard_finish(w.shards[i], t0 + NS_PER_S);
    take_all(&w, &seen);
    assert_int_equal(seen.series, 1);
    world_fini(&w);
}

static void add_request(struct world *w, int worker, const char *url, double ms, int64_t at_ns)
{
    struct shard *s = w->shards[worker];
    struct tag tag = {STR("url"), str_of(url)};
    struct tagset *tags = tags_with(shard_tags(s), tags_empty(shard_tags(s)), &tag, 1);
    shard_add_http(s, tags, NULL, &(struct http_sample){.duration_ms = ms, .failed = 1}, at_ns);
}

/* Of each series and bucket the five slowest, whichever worker measured them. */
static void test_slowest_requests(void **state)
{
    (void)state;
    for (uint32_t max = 0; max <= 5; max += 5) {
        struct world w;
        struct seen seen = {0};
        world_init(&w);
        metrics_want_slow(w.metrics, max);
        for (int i = 0; i < 1000; i++)
            add_request(&w, i % WORKERS, i % 3 ? "/a" : "/b", (i * 7919) % 1000 + 1, t0 + i);
        add_request(&w, 0, "/a", 5, t0 + 4 * NS_PER_S);
        for (int i = 0; i < WORKERS; i++)
            shard_finish(w.shards[i], t0 + 5 * NS_PER_S);
        take_all(&w, &seen);
        assert_int_equal(seen.requests, max == 0 ? 0 : 5 + 5 + 1);
        assert_true(max == 0 || seen.slowest_ms == 1000);
        assert_true(max == 0 || seen.fastest_ms == 5);
        world_fini(&w);
    }
}

/* With many series only the slowest of all go. */
static void test_slowest_requests_of_many_series(void **state)
{
    (void)state;
    struct world w;
    struct seen seen = {0};
    char url[32];
    world_init(&w);
    metrics_want_slow(w.metrics, 5);
    for (int i = 0; i < 3000; i++) {
        snprintf(url, sizeof url, "/%d", i);
        add_request(&w, i % WORKERS, url, i + 1, t0 + i);
    }
    for (int i = 0; i < WORKERS; i++)
        shard_finish(w.shards[i], t0 + NS_PER_S);
    take_all(&w, &seen);
    assert_int_equal(seen.requests, 1000);
    assert_true(seen.fastest_ms == 2001 && seen.slowest_ms == 3000);
    world_fini(&w);
}

/* Series that differ only in a tag that stays here are one; a metric that stays here is none. */
static void test_what_a_script_keeps_out(void **state)
{
    (void)state;
    struct world w;
    struct seen seen = {0};
    char url[32];
    world_init_with(&w, "{\"cloud\":{\"drop_metrics\":[\"data_sent\",\"http_reqs\"],"
                        "\"drop_tags\":{\"*\":[\"url\"]}}}");
    for (int i = 0; i < 60; i++) {
        snprintf(url, sizeof url, "/%d", i % 30);
        add(&w, i % WORKERS, METRIC_HTTP_REQS, url, 1, t0 + i);
        add(&w, i % WORKERS, METRIC_HTTP_REQ_DURATION, url, i, t0 + i);
        add(&w, i % WORKERS, METRIC_DATA_SENT, url, 5, t0 + i);
    }
    for (int i = 0; i < WORKERS; i++)
        shard_finish(w.shards[i], t0 + NS_PER_S);
    take_all(&w, &seen);
    assert_int_equal(seen.series, 2); /* http_reqs can't be dropped */
    assert_true(seen.counters == 60);
    assert_int_equal(seen.trend_values, 60);
    world_fini(&w);
}

static void test_filters(void **state)
{
    (void)state;
    struct cloud_filter *f;
    struct str options =
        STR("{\"ext\":{\"loadimpact\":{\"drop_tags\":{\"*\":[\"vu\"],\"my\":[\"a\"]},"
            "\"keep_tags\":{\"http_req_duration\":[\"status\"]}}}}");
    assert_int_equal(cloud_filter_new(options, &f), 0);
    assert_false(cloud_filter_drops(f, STR("my")));
    assert_false(cloud_filter_keeps_tag(f, STR("my"), STR("vu")));
    assert_false(cloud_filter_keeps_tag(f, STR("my"), STR("a")));
    assert_true(cloud_filter_keeps_tag(f, STR("my"), STR("b")));
    assert_true(cloud_filter_keeps_tag(f, STR("http_req_duration"), STR("status")));
    assert_true(cloud_filter_keeps_tag(f, STR("http_req_duration"), STR("name")));
    assert_false(cloud_filter_keeps_tag(f, STR("http_req_duration"), STR("proto")));
    cloud_filter_free(f);

    static const struct {
        const char *options, *message;
    } wrong[] = {
        {"{\"cloud\":{\"drop_metrics\":\"x\"}}",
         "options.cloud.drop_metrics has to be a list of metrics"},
        {"{\"cloud\":{\"drop_tags\":[\"x\"]}}",
         "options.cloud.drop_tags has to be an object of lists of tags"},
        {"{\"cloud\":{\"keep_tags\":{\"m\":[1]}}}",
         "options.cloud.keep_tags has to be an object of lists of tags"},
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(cloud_filter_new(str_of(wrong[i].options), &f), E_CONFIG);
        assert_string_equal(err_message(), wrong[i].message);
        assert_null(f);
    }
    assert_int_equal(cloud_filter_new(STR("{\"cloud\":{\"name\":\"x\"}}"), &f), 0);
    assert_null(f);
}

/* ---- the spool, in memory (its file needs a loop: see cloud_test.c) ---- */

static void test_spool_is_a_queue(void **state)
{
    (void)state;
    CLEANUP(cloud_spool_fini) struct cloud_spool s;
    cloud_spool_init(&s);
    struct cloud_batch *a, *b;
    assert_int_equal(cloud_spool_take(&s, &a), -ENOENT);
    assert_int_equal(cloud_spool_put(&s, STR("one"), 1), 0);
    assert_int_equal(cloud_spool_put(&s, STR("two"), 2), 0);
    assert_int_equal(s.memory, 6);
    assert_int_equal(cloud_spool_take(&s, &a), 0);
    assert_int_equal(cloud_spool_take(&s, &b), 0);
    assert_memory_equal(a->data, "one", 3);
    assert_memory_equal(b->data, "two", 3);
    assert_int_equal(strlen(a->key), CLOUD_KEY_LEN);
    assert_string_not_equal(a->key, b->key);
    cloud_batch_free(&s, a);
    cloud_batch_free(&s, b);
    assert_int_equal(s.memory, 0);
    assert_int_equal(cloud_spool_put(&s, STR("three"), 3), 0);
    assert_int_equal(s.waiting, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_period_waits_for_every_worker),
        cmocka_unit_test(test_nothing_is_lost_or_counted_twice),
        cmocka_unit_test(test_reserved_labels_stay_here),
        cmocka_unit_test(test_slowest_requests),
        cmocka_unit_test(test_slowest_requests_of_many_series),
        cmocka_unit_test(test_what_a_script_keeps_out),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_spool_is_a_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
