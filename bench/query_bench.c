/*
 * How long questions to an hour of 1,000 series take: milliseconds each, the middle one of five.
 *
 *     query_bench [FOLDER]
 *
 * Two runs in a store in FOLDER (a new one below /tmp otherwise, which stays): one with nine
 * metrics of 110 requests each, as HTTP requests make them, and one with a single trend of 1,000
 * series.  Buckets of 3 seconds, 10 values each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "codec/metricset.h"
#include "store/query.h"

enum { BUCKETS = 1200, PERIOD_S = 3, T0 = 1800000000, ROUNDS = 5 };

static int put_trend(struct metricset_writer *w, const char *name, int series, int bucket)
{
    struct hdr h = {0};
    int rc = 0;
    metricset_begin_metric(w, str_of(name), METRICSET_TREND);
    for (int i = 0; i < series; i++) {
        char url[80];
        snprintf(url, sizeof url, "http://shop.test/catalogue/items/%d", i);
        struct metricset_label labels[] = {
            {STR("method"), i % 3 ? STR("GET") : STR("POST")},
            {STR("name"), str_of(url)},
            {STR("status"), i % 10 ? STR("200") : STR("503")},
            {STR("url"), str_of(url)},
        };
        hdr_reset(&h);
        for (int k = 0; k < 10 && rc == 0; k++)
            rc = hdr_add(&h, 5 + (i * 7 + k * 13 + bucket * 3) % 97);
        metricset_begin_series(w, labels, ARRAY_LEN(labels));
        metricset_put_trend(w, (int64_t)(T0 + bucket * PERIOD_S) * NS_PER_S, &h);
        metricset_end_series(w);
    }
    metricset_end_metric(w);
    hdr_fini(&h);
    return rc;
}

static int fill(struct store *s, int64_t id, const char *const *names, size_t names_len, int series)
{
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 64 << 20);
    int rc = 0;
    for (int b = 0; b < BUCKETS && rc == 0; b++) {
        struct metricset_writer w;
        struct store_push done;
        buf_reset(&out);
        metricset_writer_init(&w, &out, STR("1"), PERIOD_S);
        for (size_t i = 0; i < names_len && rc == 0; i++)
            rc = put_trend(&w, names[i], series, b);
        if (rc == 0)
            rc = buf_finish(&out);
        if (rc == 0)
            rc = store_push(s, id, STR_EMPTY, buf_view(&out), clock_wall_ns(), &done);
    }
    return rc;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int ask(struct store *s, int64_t id, const char *query, const char *metric, int64_t step_s)
{
    struct query q = {str_of(query), str_of(metric), -1, -1, step_s};
    int64_t took[ROUNDS];
    size_t series = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct query_result r;
        int64_t begin = clock_mono_ns();
        int rc = query_run(s, id, &q, &r);
        took[i] = clock_mono_ns() - begin;
        if (rc < 0)
            return rc;
        series = r.len;
        query_result_fini(&r);
    }
    qsort(took, ROUNDS, sizeof took[0], by_time);
    printf("%8.1f ms  %4zu series  step %4lld  %s of %s\n", (double)took[ROUNDS / 2] / 1e6, series,
           (long long)step_s, query, metric);
    return 0;
}

static int ask_all(struct store *s, int64_t id)
{
    static const struct {
        const char *query, *metric;
        int64_t step_s;
    } list[] = {
        {"histogram_quantile(0.95)", "http_req_duration", 3},
        {"histogram_quantile(0.95)", "http_req_duration{status=\"200\"}", 15},
        {"histogram_quantile(0.95)", "http_req_duration{name=~\".*items/1\"}", 15},
        {"histogram_quantile(0.95) by (name, method, status)", "http_req_duration", 0},
        {"histogram_quantile(0.95) by (name)", "http_req_duration", 15},
        {"histogram_quantile(0.95) by (status)", "http_req_duration", 3},
        {"histogram_avg by (name)", "http_req_duration", 0},
        {"histogram_avg by (name)", "http_req_duration", 15},
        {"sum(histogram_count_increase by (name))", "http_req_duration", 60},
    };
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(list) && rc == 0; i++)
        rc = ask(s, id, list[i].query, list[i].metric, list[i].step_s);
    return rc;
}

static int new_run(struct store *s, const char *name, int64_t *ret)
{
    struct store_new_run n = {.name = str_of(name), .max_vus = -1, .now_ns = clock_wall_ns()};
    return store_create_run(s, &n, ret);
}

static int end_run(struct store *s, int64_t id)
{
    struct store_finish f = {.state = {.code = RUN_FINISHED, .entered_ns = clock_wall_ns()}};
    bool repeated;
    int rc = store_set_state(s, id, &f, &repeated);
    return rc < 0 ? rc : 0;
}

static int measure(struct store *s, const char *title, const char *const *names, size_t names_len,
                   int series)
{
    int64_t id = 0;
    int rc = new_run(s, title, &id);
    int64_t begin = clock_mono_ns();
    if (rc == 0)
        rc = fill(s, id, names, names_len, series);
    if (rc < 0)
        return rc;
    printf("%s: %.2f ms a push\n", title, (double)(clock_mono_ns() - begin) / 1e6 / BUCKETS);
    rc = ask_all(s, id);
    if (rc == 0)
        rc = end_run(s, id);
    printf("the same, ended\n");
    return rc < 0 ? rc : ask_all(s, id);
}

int main(int argc, char **argv)
{
    static const char *const nine[] = {
        "http_req_duration",  "http_req_blocked", "http_req_connecting",
        "http_req_receiving", "http_req_sending", "http_req_tls_handshaking",
        "http_req_waiting",   "group_duration",   "iteration_duration",
    };
    char dir[] = "/tmp/spate-query-bench-XXXXXX";
    struct store *s = NULL;
    const char *folder = argc > 1 ? argv[1] : mkdtemp(dir);
    int rc = folder ? store_open(folder, &s) : -ENOENT;
    if (rc == 0)
        rc = measure(s, "nine metrics of 110 series", nine, ARRAY_LEN(nine), 110);
    if (rc == 0)
        rc = measure(s, "one metric of 1,000 series", nine, 1, 1000);
    store_close(s);
    if (rc < 0)
        fprintf(stderr, "query_bench: %s\n", err_message());
    if (argc <= 1)
        printf("data in %s\n", folder);
    return rc < 0;
}
