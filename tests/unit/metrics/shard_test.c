#include "metrics/metrics.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "codec/hdr.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { BATCHES_MAX = 64 };

/* What a consumer got. */
struct got {
    struct bucket_batch *batches[BATCHES_MAX];
    size_t len;
};

static struct registry *registry;
static struct metrics *metrics;
static struct got got;

static int set_up(void **state)
{
    (void)state;
    got = (struct got){0};
    return registry_new(&registry) < 0 || metrics_new(registry, &metrics) < 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < got.len; i++)
        bucket_batch_free(got.batches[i]);
    metrics_free(metrics);
    registry_free(registry);
    return 0;
}

static void keep(void *arg, struct bucket_batch *b)
{
    struct got *g = arg;
    assert_true(g->len < BATCHES_MAX);
    g->batches[g->len++] = b;
}

static struct shard *shard(void)
{
    struct shard *s;
    assert_int_equal(shard_new(metrics, &s), 0);
    return s;
}

static struct tagset *tags(struct shard *s, const char *scenario, const char *group)
{
    struct tag t[] = {{STR("scenario"), str_of(scenario)}, {STR("group"), str_of(group)}};
    return tags_with(shard_tags(s), tags_empty(shard_tags(s)), t, 2);
}

static const struct metric *builtin(enum metric_builtin id)
{
    return registry_builtin(registry, id);
}

static struct snapshot *snapshot_of(struct shard *a, struct shard *b)
{
    struct snapshot *s;
    assert_int_equal(snapshot_new(metrics, &s), 0);
    assert_int_equal(shard_merge_into(a, s), 0);
    if (b)
        assert_int_equal(shard_merge_into(b, s), 0);
    return s;
}

static void test_submetric_keys(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *name; /* NULL: an error with `message` */
        const char *message;
    } cases[] = {
        {"http_reqs", "", NULL},
        {"http_reqs{status:200}", "http_reqs{status:200}", NULL},
        {"http_reqs{ status : 200 , 'a':\"b:c\" }", "http_reqs{status : 200 , 'a':\"b:c\"}", NULL},
        {"http_reqs{name:{x}}", "http_reqs{name:{x}}", NULL},
        {"http_reqs{group:::front}", "http_reqs{group:::front}", NULL},
        {"nope", NULL, "no metric name \"nope\" found"},
        {"nope{a:b}", NULL, "no metric name \"nope{a:b}\" found"},
        {"http_reqs{a:b", NULL,
         "parsing metric name failed, metric \"http_reqs{a:b\" has unmatched opening/close curly "
         "brace"},
        {"http_reqs}a:b{", NULL,
         "parsing metric name failed, metric \"http_reqs}a:b{\" closing curly brace appears before "
         "opening one"},
        {"http_reqs{a:b}c", NULL,
         "parsing metric name failed, metric \"http_reqs{a:b}c\" lacks a closing curly brace in "
         "its last position"},
        {"http_reqs{a:}", NULL,
         "parsing metric name failed, metric \"a:\" tag expression is malformed"},
        {"http_reqs{a:b,c}", NULL,
         "parsing metric name failed, metric \"c\" tag expression is malformed"},
        {"http_reqs{}", NULL,
         "parsing metric name failed, metric \"\" tag expression is malformed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct metric *m = NULL;
        const struct submetric *sub = NULL;
        int rc = metrics_submetric(metrics, str_of(cases[i].key), &m, &sub);
        if (!cases[i].name) {
            assert_int_equal(rc, E_CONFIG);
            assert_string_equal(err_message(), cases[i].message);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_ptr_equal(m, builtin(METRIC_HTTP_REQS));
        assert_string_equal(sub ? sub->name : "", cases[i].name);
    }
    const struct metric *none;
    const struct submetric *no_sub;
    assert_int_equal(metrics_submetric(metrics, STR("http_reqs{a\0:b}"), &none, &no_sub), E_CONFIG);
    /* Spaces and quotes don't make another sub-metric. */
    const struct metric *m;
    const struct submetric *a, *b;
    assert_int_equal(metrics_submetric(metrics, STR("vus{a:b,c:d}"), &m, &a), 0);
    assert_int_equal(metrics_submetric(metrics, STR("vus{'c' : d , a: \"b\"}"), &m, &b), 0);
    assert_ptr_equal(a, b);
    assert_int_equal(a->tags_len, 2);
}

static void test_counts_and_submetrics(void **state)
{
    (void)state;
    const struct metric *m;
    const struct submetric *sub, *both;
    assert_int_equal(metrics_submetric(metrics, STR("http_req_duration{scenario:a}"), &m, &sub), 0);
    assert_int_equal(
        metrics_submetric(metrics, STR("http_req_duration{scenario:a,group:::g}"), &m, &both), 0);
    struct shard *s = shard(), *t = shard();
    for (int i = 1; i <= 100; i++) {
        struct http_sample h = {.duration_ms = i, .waiting_ms = 1, .failed = i % 4 == 0};
        shard_add_http(i % 2 ? s : t,
                       tags(i % 2 ? s : t, i <= 60 ? "a" : "b", i <= 30 ? "::g" : ""), NULL, &h, i);
    }
    struct snapshot *snap = snapshot_of(s, t);
    const struct sink *d = snapshot_metric(snap, m);
    assert_int_equal(d->count, 100);
    assert_true(d->sum == 5050 && d->min == 1 && d->max == 100);
    assert_true(fabs(sink_quantile(d, 0.5) - 50.5) < 1e-9);
    assert_int_equal(snapshot_submetric(snap, metrics, sub)->count, 60);
    assert_int_equal(snapshot_submetric(snap, metrics, both)->count, 30);
    assert_true(snapshot_submetric(snap, metrics, both)->max == 30);
    assert_true(snapshot_metric(snap, builtin(METRIC_HTTP_REQS))->sum == 100);
    const struct sink *failed = snapshot_metric(snap, builtin(METRIC_HTTP_REQ_FAILED));
    assert_true(failed->count == 100 && failed->nonzero == 25);
    assert_int_equal(snapshot_metric(snap, builtin(METRIC_VUS))->count, 0);
    snapshot_free(snap);
    shard_free(s);
    shard_free(t);
}

static void test_failed_may_be_left_out(void **state)
{
    (void)state;
    struct shard *s = shard();
    struct http_sample h = {.failed = -1};
    shard_add_http(s, tags(s, "a", ""), NULL, &h, 1);
    struct snapshot *snap = snapshot_of(s, NULL);
    assert_int_equal(snapshot_metric(snap, builtin(METRIC_HTTP_REQ_FAILED))->count, 0);
    assert_int_equal(snapshot_metric(snap, builtin(METRIC_HTTP_REQ_SENDING))->count, 1);
    snapshot_free(snap);
    shard_free(s);
}

static void test_metric_made_later(void **state)
{
    (void)state;
    struct shard *s = shard();
    struct snapshot *before;
    assert_int_equal(snapshot_new(metrics, &before), 0);
    const struct metric *m;
    assert_int_equal(registry_add(registry, STR("late"), METRIC_COUNTER, METRIC_DEFAULT, &m), 0);
    shard_add(s, m, tags(s, "a", ""), NULL, 3, 1);
    shard_add(s, m, tags(s, "a", ""), NULL, (double)NAN, 1);
    assert_int_equal(shard_merge_into(s, before), 0);
    assert_null(snapshot_metric(before, m));
    struct snapshot *after = snapshot_of(s, NULL);
    assert_true(snapshot_metric(after, m)->sum == 3);
    assert_int_equal(after->dropped, 1);
    snapshot_free(before);
    snapshot_free(after);
    shard_free(s);
}

static void test_checks(void **state)
{
    (void)state;
    struct shard *s = shard(), *t = shard();
    struct tag extra = {STR("kind"), STR("x")};
    for (int i = 0; i < 10; i++) {
        shard_add_check(s, tags(s, "a", "::g"), NULL, STR("::g"), STR("one"), NULL, 0,
                        TAGS_DEFAULT_BITS, i < 7, i);
        shard_add_check(t, tags(t, "a", "::g"), NULL, STR("::g"), STR("one"), &extra, 1,
                        TAGS_DEFAULT_BITS, true, i);
        shard_add_check(t, tags(t, "b", ""), NULL, STR(""), STR("two"), NULL, 0, TAGS_DEFAULT_BITS,
                        false, i);
        /* Without the tag, two names share one tag set. */
        shard_add_check(s, tags_empty(shard_tags(s)), NULL, STR(""),
                        i % 2 ? STR("odd") : STR("even"), NULL, 0, 0, true, i);
    }
    struct snapshot *snap = snapshot_of(s, t);
    static const struct {
        const char *scenario, *group, *name;
        uint64_t passes, fails;
    } want[] = {
        {"a", "::g", "one", 17, 3},
        {"b", "", "two", 0, 10},
        {"", "", "even", 5, 0},
        {"", "", "odd", 5, 0},
    };
    assert_int_equal(snap->checks_len, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        bool found = false;
        for (size_t k = 0; k < snap->checks_len; k++) {
            const struct check_count *c = &snap->checks[k];
            if (!str_eqz(c->scenario, want[i].scenario) || !str_eqz(c->group, want[i].group) ||
                !str_eqz(c->name, want[i].name))
                continue;
            found = true;
            assert_int_equal(c->passes, want[i].passes);
            assert_int_equal(c->fails, want[i].fails);
        }
        assert_true(found);
    }
    const struct sink *rate = snapshot_metric(snap, builtin(METRIC_CHECKS));
    assert_true(rate->count == 40 && rate->nonzero == 27);
    assert_int_equal(snap->groups_len, 1);
    assert_true(str_eqz(snap->groups[0].path, "::g"));
    snapshot_free(snap);
    shard_free(s);
    shard_free(t);
}

static void test_check_tags(void **state)
{
    (void)state;
    metrics_want_buckets(metrics, 3, keep, &got);
    struct shard *s = shard();
    struct tag extra[] = {{STR("check"), STR("mine")}, {STR("kind"), STR("x")}};
    shard_add_check(s, tags(s, "a", ""), NULL, STR(""), STR("one"), extra, 2, TAGS_DEFAULT_BITS,
                    true, NS_PER_S);
    shard_finish(s, NS_PER_S);
    assert_int_equal(got.len, 1);
    assert_int_equal(got.batches[0]->len, 1);
    struct series_info info = metrics_series(metrics, got.batches[0]->buckets[0].series);
    assert_ptr_equal(info.metric, builtin(METRIC_CHECKS));
    assert_int_equal(info.len, 4); /* check, group, kind, scenario */
    assert_true(str_eqz(info.tags[0].key, "check") && str_eqz(info.tags[0].value, "one"));
    assert_true(str_eqz(info.tags[2].key, "kind") && str_eqz(info.tags[2].value, "x"));
    shard_free(s);
}

static void test_sections(void **state)
{
    (void)state;
    metrics_want_sections(metrics);
    struct shard *s = shard();
    for (int i = 0; i < 8; i++) {
        shard_add(s, builtin(METRIC_ITERATIONS), tags(s, "a", ""), NULL, 1, i);
        shard_add(s, builtin(METRIC_HTTP_REQ_DURATION), tags(s, "a", "::g"), NULL, i, i);
        shard_add(s, builtin(METRIC_HTTP_REQ_DURATION), tags(s, "a", "::g::h"), NULL, 10 * i, i);
    }
    struct snapshot *snap = snapshot_of(s, NULL);
    assert_int_equal(snap->sections_len, 3);
    static const struct {
        const char *group;
        uint64_t iterations, durations;
        double max;
    } want[] = {{"", 8, 16, 70}, {"::g", 0, 8, 7}, {"::g::h", 0, 8, 70}};
    for (size_t i = 0; i < 3; i++) {
        const struct section *x = &snap->sections[i];
        for (size_t k = 0; k < 3; k++) {
            if (!str_eqz(x->group, want[k].group))
                continue;
            assert_int_equal(x->sinks[METRIC_ITERATIONS].count, want[k].iterations);
            assert_int_equal(x->sinks[METRIC_HTTP_REQ_DURATION].count, want[k].durations);
            assert_true(x->sinks[METRIC_HTTP_REQ_DURATION].max == want[k].max);
        }
    }
    snapshot_free(snap);
    shard_free(s);
}

static const struct bucket *bucket_of(const struct bucket_batch *b, enum metric_builtin id)
{
    for (size_t i = 0; i < b->len; i++) {
        if (metrics_series(metrics, b->buckets[i].series).metric->id == id)
            return &b->buckets[i];
    }
    return NULL;
}

static void test_buckets_by_wall_clock(void **state)
{
    (void)state;
    metrics_want_buckets(metrics, 3, keep, &got);
    struct shard *s = shard();
    struct tagset *t = tags(s, "a", "");
    int64_t start = 3000000000 * NS_PER_S; /* a multiple of 3 s, past 32 bits of seconds */
    shard_add(s, builtin(METRIC_ITERATIONS), t, NULL, 1, start + NS_PER_S);
    shard_add(s, builtin(METRIC_ITERATIONS), t, NULL, 2, start + 3 * NS_PER_S - 1);
    shard_add(s, builtin(METRIC_ITERATION_DURATION), t, NULL, 7.5, start + 3 * NS_PER_S - 1);
    assert_int_equal(got.len, 0);
    shard_add(s, builtin(METRIC_ITERATIONS), t, NULL, 4, start + 3 * NS_PER_S);
    assert_int_equal(got.len, 1);
    /* Two empty periods, then one with a gauge. */
    shard_tick(s, start + 9 * NS_PER_S);
    assert_int_equal(got.len, 3);
    shard_add(s, builtin(METRIC_VUS), t, NULL, 5, start + 12 * NS_PER_S);
    shard_add(s, builtin(METRIC_VUS), t, NULL, 3, start + 12 * NS_PER_S);
    shard_finish(s, start + 12 * NS_PER_S + 1);
    assert_int_equal(got.len, 5);
    for (size_t i = 0; i < got.len; i++) {
        assert_int_equal(got.batches[i]->start_s, 3000000000 + 3 * (int64_t)i);
        assert_int_equal(got.batches[i]->last, i == 4);
        for (size_t k = 0; k < got.batches[i]->len; k++)
            assert_int_equal(got.batches[i]->buckets[k].start_s, got.batches[i]->start_s);
    }
    assert_int_equal(got.batches[0]->len, 2);
    assert_int_equal(got.batches[1]->len, 1);
    assert_int_equal(got.batches[2]->len, 0);
    assert_int_equal(got.batches[3]->len, 0);
    assert_true(bucket_of(got.batches[0], METRIC_ITERATIONS)->sink.sum == 3);
    assert_true(bucket_of(got.batches[1], METRIC_ITERATIONS)->sink.sum == 4);
    const struct sink *d = &bucket_of(got.batches[0], METRIC_ITERATION_DURATION)->sink;
    assert_true(d->count == 1 && d->sum == 7.5 && d->min == 7.5 && d->max == 7.5);
    assert_int_equal(d->hdr->count, 1);
    const struct sink *vus = &bucket_of(got.batches[4], METRIC_VUS)->sink;
    assert_true(vus->last == 3 && vus->max == 5 && vus->min == 3 && vus->count == 2);
    shard_free(s);
}

static void test_clock_jump_is_not_told_period_by_period(void **state)
{
    (void)state;
    metrics_want_buckets(metrics, 1, keep, &got);
    struct shard *s = shard();
    shard_tick(s, 1000 * NS_PER_S);
    shard_tick(s, 100000000 * NS_PER_S);
    assert_int_equal(got.len, 1);
    shard_finish(s, 100000000 * NS_PER_S);
    assert_int_equal(got.len, 2);
    assert_int_equal(got.batches[1]->start_s, 100000000);
    assert_true(got.batches[1]->last);
    shard_free(s);
}

static void test_finish_without_anything(void **state)
{
    (void)state;
    metrics_want_buckets(metrics, 3, keep, &got);
    struct shard *s = shard();
    shard_finish(s, 10 * NS_PER_S);
    assert_int_equal(got.len, 1);
    assert_true(got.batches[0]->last);
    assert_int_equal(got.batches[0]->start_s, 9);
    shard_add(s, builtin(METRIC_VUS), tags(s, "a", ""), NULL, 1,
              10 * NS_PER_S); /* too late: summary */
    shard_free(s);
}

/* Sums of all buckets are what the summary says, and workers agree on series ids. */
static void *work(void *arg)
{
    struct shard *s = arg;
    int64_t now = 1790000000 * NS_PER_S;
    for (int i = 0; i < 20000; i++) {
        char url[32];
        (void)snprintf(url, sizeof url, "http://h/%d", i % 37);
        struct tag t[] = {{STR("url"), str_of(url)}, {STR("scenario"), STR("a")}};
        struct tagset *set = tags_with(shard_tags(s), tags_empty(shard_tags(s)), t, 2);
        struct http_sample h = {.duration_ms = i % 100, .failed = i % 10 == 0};
        now += NS_PER_MS;
        shard_add_http(s, set, NULL, &h, now);
        shard_add_check(s, set, NULL, STR("::g"), STR("ok"), NULL, 0, TAGS_DEFAULT_BITS, i % 3 == 0,
                        now);
    }
    shard_finish(s, now);
    return NULL;
}

struct total {
    pthread_mutex_t lock;
    double reqs, duration;
    uint64_t checks;
    uint32_t series_max;
    int lasts;
};

static void add_up(void *arg, struct bucket_batch *b)
{
    struct total *t = arg;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < b->len; i++) {
        const struct bucket *x = &b->buckets[i];
        uint32_t id = metrics_series(metrics, x->series).metric->id;
        t->reqs += id == METRIC_HTTP_REQS ? x->sink.sum : 0;
        t->duration += id == METRIC_HTTP_REQ_DURATION ? x->sink.hdr->sum : 0;
        t->checks += id == METRIC_CHECKS ? x->sink.nonzero : 0;
        t->series_max = MAX(t->series_max, x->series);
    }
    t->lasts += b->last;
    pthread_mutex_unlock(&t->lock);
    bucket_batch_free(b);
}

static void test_workers_in_threads(void **state)
{
    (void)state;
    enum { WORKERS = 3 };
    struct total total = {.lock = PTHREAD_MUTEX_INITIALIZER};
    metrics_want_buckets(metrics, 3, add_up, &total);
    pthread_t threads[WORKERS];
    struct shard *shards[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        shards[i] = shard();
        assert_int_equal(pthread_create(&threads[i], NULL, work, shards[i]), 0);
    }
    struct snapshot *snap;
    assert_int_equal(snapshot_new(metrics, &snap), 0);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(shard_merge_into(shards[i], snap), 0);
        shard_free(shards[i]);
    }
    assert_true(total.reqs == WORKERS * 20000);
    assert_true(total.reqs == snapshot_metric(snap, builtin(METRIC_HTTP_REQS))->sum);
    assert_true(total.duration == snapshot_metric(snap, builtin(METRIC_HTTP_REQ_DURATION))->sum);
    assert_int_equal(total.checks, snapshot_metric(snap, builtin(METRIC_CHECKS))->nonzero);
    assert_int_equal(snap->checks_len, 1);
    assert_int_equal(snap->checks[0].passes, total.checks);
    assert_int_equal(total.lasts, WORKERS);
    assert_int_equal(total.series_max, 37 * 10 - 1); /* nine metrics and checks, 37 URLs */
    assert_int_equal(snap->dropped, 0);
    snapshot_free(snap);
}

static int scenario(void)
{
    struct registry *r = NULL;
    struct metrics *m = NULL;
    struct shard *s = NULL;
    struct snapshot *snap = NULL;
    struct got own = {0};
    const struct metric *parent;
    const struct submetric *sub;
    int rc = registry_new(&r);
    if (rc == 0)
        rc = metrics_new(r, &m);
    if (rc == 0) {
        metrics_want_sections(m);
        metrics_want_buckets(m, 3, keep, &own);
        rc = metrics_submetric(m, STR("http_reqs{scenario:a}"), &parent, &sub);
    }
    if (rc == 0)
        rc = shard_new(m, &s);
    if (rc == 0) {
        struct http_sample h = {.duration_ms = 3};
        shard_add_http(s, tags(s, "a", "::g"), NULL, &h, NS_PER_S);
        shard_add_check(s, tags(s, "a", "::g"), NULL, STR("::g"), STR("c"), NULL, 0,
                        TAGS_DEFAULT_BITS, true, NS_PER_S);
        shard_tick(s, 4 * NS_PER_S);
        shard_finish(s, 5 * NS_PER_S);
        rc = snapshot_new(m, &snap);
    }
    if (rc == 0)
        rc = shard_merge_into(s, snap);
    for (size_t i = 0; i < own.len; i++)
        bucket_batch_free(own.batches[i]);
    snapshot_free(snap);
    shard_free(s);
    metrics_free(m);
    registry_free(r);
    return rc;
}

/* A failure while samples are taken is no error; it must only not crash, so the loop goes on until
 * no allocation failed. */
static void test_no_memory(void **state)
{
    (void)state;
    int n = 0;
    for (;; n++) {
        mem_fail_countdown = n;
        int rc = scenario();
        bool failed = mem_fail_countdown == -1;
        mem_fail_countdown = -1;
        assert_true(rc == 0 || rc == -ENOMEM);
        if (!failed)
            break;
    }
    assert_true(n > 60);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_submetric_keys),
        TEST(test_counts_and_submetrics),
        TEST(test_failed_may_be_left_out),
        TEST(test_metric_made_later),
        TEST(test_checks),
        TEST(test_check_tags),
        TEST(test_sections),
        TEST(test_buckets_by_wall_clock),
        TEST(test_clock_jump_is_not_told_period_by_period),
        TEST(test_finish_without_anything),
        TEST(test_workers_in_threads),
        TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
