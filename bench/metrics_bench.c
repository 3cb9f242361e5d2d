/*
 * What a sample costs: nanoseconds a call of the functions that a request passes through.
 *
 *     cc -O2 -D_GNU_SOURCE -Isrc bench/metrics_bench.c build/src/lib{metrics,codec,base}.a -lm \
 *         -o metrics_bench && ./metrics_bench
 */
#include "base/clock.h"
#include "base/mem.h"
#include "metrics/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CALLS = 2000000, VALUES = 4096 };

static double values[VALUES];
static int64_t wall_ns = 1790000000 * NS_PER_S;

/* Response times spread over two decades, as real ones are. */
static void make_values(void)
{
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < VALUES; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        values[i] = 0.3 + (double)(x % 1000000) / 1000000 * (i % 16 == 0 ? 100 : 3);
    }
}

static void take(void *arg, struct bucket_batch *b)
{
    size_t *buckets = arg;
    *buckets += b->len;
    bucket_batch_free(b);
}

/* The tags that the HTTP client gives to a request. */
static uint32_t request_tags(struct tag out[static 8], int i)
{
    static const char *const urls[] = {"http://127.0.0.1:8080/shop/items?page=1",
                                       "http://127.0.0.1:8080/shop/items?page=2",
                                       "http://127.0.0.1:8080/shop/cart", "http://127.0.0.1:8080/"};
    struct str url = str_of(urls[i & 3]);
    uint32_t n = 0;
    out[n++] = (struct tag){STR("method"), STR("GET")};
    out[n++] = (struct tag){STR("url"), url};
    out[n++] = (struct tag){STR("name"), url};
    out[n++] = (struct tag){STR("status"), STR("200")};
    out[n++] = (struct tag){STR("proto"), STR("HTTP/1.1")};
    out[n++] = (struct tag){STR("expected_response"), STR("true")};
    return n;
}

/* CPU time of the process: other work on the machine doesn't count. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void report(const char *what, int64_t start_ns, int calls)
{
    int64_t took = cpu_ns() - start_ns;
    printf("%-58s %7.1f ns\n", what, (double)took / calls);
}

struct bench {
    struct registry *registry;
    struct metrics *metrics;
    struct shard *shard;
    struct tagset *base;
    size_t buckets;
};

static void bench_open(struct bench *b, bool buckets, bool sections)
{
    *b = (struct bench){0};
    const struct metric *m;
    const struct submetric *sub;
    if (registry_new(&b->registry) < 0 || metrics_new(b->registry, &b->metrics) < 0 ||
        metrics_submetric(b->metrics, STR("http_req_duration{expected_response:true}"), &m, &sub) <
            0)
        abort();
    if (buckets)
        metrics_want_buckets(b->metrics, 3, take, &b->buckets);
    if (sections)
        metrics_want_sections(b->metrics);
    if (shard_new(b->metrics, &b->shard) < 0)
        abort();
    struct tag tags[] = {{STR("scenario"), STR("default")}, {STR("group"), STR("")}};
    b->base = tags_with(shard_tags(b->shard), tags_empty(shard_tags(b->shard)), tags, 2);
}

static void bench_close(struct bench *b)
{
    shard_finish(b->shard, wall_ns);
    shard_free(b->shard);
    metrics_free(b->metrics);
    registry_free(b->registry);
}

static void bench_tags(struct bench *b)
{
    struct tag tags[8];
    uintptr_t sum = 0;
    int64_t start = cpu_ns();
    for (int i = 0; i < CALLS; i++) {
        uint32_t n = request_tags(tags, i);
        sum += (uintptr_t)tags_with(shard_tags(b->shard), b->base, tags, n);
    }
    report("tags_with, 6 tags, set exists", start, CALLS);
    if (sum == 0)
        abort();
}

static void bench_http(struct bench *b, const char *what)
{
    struct tag tags[8];
    struct tagset *sets[4];
    for (int i = 0; i < 4; i++)
        sets[i] = tags_with(shard_tags(b->shard), b->base, tags, request_tags(tags, i));
    int64_t start = cpu_ns();
    for (int i = 0; i < CALLS; i++) {
        double v = values[i & (VALUES - 1)];
        struct http_sample h = {.duration_ms = v,
                                .blocked_ms = 0.002 + v / 1000,
                                .sending_ms = 0.01 + v / 500,
                                .waiting_ms = v * 0.9,
                                .receiving_ms = v * 0.08};
        wall_ns += 20000;
        shard_add_http(b->shard, sets[i & 3], &h, wall_ns);
    }
    report(what, start, CALLS);
}

static void bench_one(struct bench *b)
{
    const struct metric *reqs = registry_builtin(b->registry, METRIC_ITERATIONS);
    const struct metric *time = registry_builtin(b->registry, METRIC_ITERATION_DURATION);
    int64_t start = cpu_ns();
    for (int i = 0; i < CALLS; i++)
        shard_add(b->shard, reqs, b->base, 1, wall_ns);
    report("shard_add, counter", start, CALLS);
    start = cpu_ns();
    for (int i = 0; i < CALLS; i++)
        shard_add(b->shard, time, b->base, values[i & (VALUES - 1)], wall_ns);
    report("shard_add, trend", start, CALLS);
    start = cpu_ns();
    for (int i = 0; i < CALLS; i++)
        shard_add_check(b->shard, b->base, STR(""), STR("status is 200"), NULL, 0,
                        TAGS_DEFAULT_BITS, true, wall_ns);
    report("shard_add_check", start, CALLS);
}

static void bench_snapshot(struct bench *b)
{
    int64_t start = cpu_ns();
    enum { TIMES = 100 };
    for (int i = 0; i < TIMES; i++) {
        struct snapshot *s;
        if (snapshot_new(b->metrics, &s) < 0 || shard_merge_into(b->shard, s) < 0)
            abort();
        snapshot_free(s);
    }
    report("snapshot of one shard", start, TIMES);
}

int main(void)
{
    struct bench b;
    make_values();

    bench_open(&b, false, false);
    bench_tags(&b);
    bench_http(&b, "shard_add_http, summary and sub-metric");
    bench_close(&b);

    bench_open(&b, true, false);
    bench_http(&b, "shard_add_http, with buckets too");
    bench_one(&b);
    bench_snapshot(&b);
    bench_close(&b);

    bench_open(&b, true, true);
    bench_http(&b, "shard_add_http, with buckets and sections (full summary)");
    bench_close(&b);
    return 0;
}
