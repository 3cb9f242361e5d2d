/*
 * Many simulated clients streaming to one server: how long a push takes, and that nothing is lost.
 *
 *     cloud_load --url 127.0.0.1:6600 --token-file FILE [--runs 200] [--series 1000] [--seconds 60]
 *                [--period-ms 1000] [--max-ms 1000] [--patience-s 30]
 *
 * Each run is a thread with a connection of its own: it creates a test run, pushes one bucket of
 * every series each period (the metrics of HTTP requests, as k6 has them), ends the run, and asks
 * the server for the totals.  A push that got no answer is sent again with its key until it is
 * acknowledged, so the totals have to be exact whatever happens to the server meanwhile.  Latencies
 * are counted from the moment a push was due.  The last line is a JSON object; the exit code is 1
 * when totals differ, a push was refused or took longer than --max-ms.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/metricset.h"
#include "codec/snappy.h"

enum {
    RUNS_MAX = 2000,
    PUSHES_MAX = 100000,
    REPLY_MAX = 64 * 1024,
    METRICS_A_URL = 9,
    STACK_BYTES = 512 * 1024,
    IO_TIMEOUT_S = 20,
};

struct options {
    struct sockaddr_in to;
    char host[64];
    char token[128];
    int runs, series, seconds, period_ms, max_ms, patience_s;
};

struct client {
    const struct options *o;
    int number;
    int fd; /* -1: not connected */
    int64_t run_id;
    uint64_t key_base;
    int pushes, again; /* acknowledged; answers that were missing */
    uint64_t requests; /* in what was acknowledged */
    double received;   /* likewise, of data_received */
    struct buf message, packed, request;
    char reply[REPLY_MAX];
    char *body;        /* of the last reply */
    const char *wrong; /* NULL: all went well */
    float *ms;         /* of each push */
};

static _Atomic int failures;

/* ---- one request ---- */

static int dial(struct client *c)
{
    if (c->fd >= 0)
        return 0;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {IO_TIMEOUT_S, 0};
    int on = 1;
    if (c->fd < 0)
        return -errno;
    (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (const struct sockaddr *)&c->o->to, sizeof c->o->to) == 0)
        return 0;
    int rc = -errno;
    close(c->fd);
    c->fd = -1;
    return rc;
}

static int hang_up(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    return -1;
}

/* The status of the reply, its body in c->body; -1: the connection broke. */
static int read_reply(struct client *c)
{
    size_t len = 0;
    size_t want = SIZE_MAX;
    while (len < want) {
        ssize_t n = len < REPLY_MAX - 1 ? recv(c->fd, c->reply + len, REPLY_MAX - 1 - len, 0) : 0;
        if (n <= 0)
            return hang_up(c);
        len += (size_t)n;
        c->reply[len] = '\0';
        char *end = want == SIZE_MAX ? strstr(c->reply, "\r\n\r\n") : NULL;
        if (end) {
            const char *length = strcasestr(c->reply, "\r\nContent-Length:");
            want = (size_t)(end + 4 - c->reply) +
                   (length ? strtoull(length + 17, NULL, 10) : 0); /* allowed: our server's */
            c->body = end + 4;
        }
    }
    bool last = strcasestr(c->reply, "\r\nConnection: close") != NULL;
    int status = len > 12 ? (int)strtoul(c->reply + 9, NULL, 10) : -1; /* allowed: our server's */
    if (last)
        (void)hang_up(c);
    return status;
}

static int once(struct client *c, struct str request)
{
    if (dial(c) < 0)
        return -1;
    for (size_t at = 0; at < request.len;) {
        ssize_t n = send(c->fd, request.ptr + at, request.len - at, MSG_NOSIGNAL);
        if (n <= 0)
            return hang_up(c);
        at += (size_t)n;
    }
    return read_reply(c);
}

static void pause_ms(int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    (void)nanosleep(&t, NULL);
}

/* Until there is an answer that isn't 5xx; -1 after the patience has ended. */
static int exchange(struct client *c, const char *method, const char *path, const char *headers,
                    struct str body)
{
    struct buf *r = &c->request;
    buf_reset(r);
    buf_printf(r, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Token %s\r\n%s", method, path,
               c->o->host, c->o->token, headers);
    buf_printf(r, "Content-Length: %zu\r\n\r\n", body.len);
    buf_str(r, body);
    if (buf_finish(r) < 0)
        return -1;
    int64_t end = clock_mono_ns() + c->o->patience_s * NS_PER_S;
    for (;;) {
        int status = once(c, buf_view(r));
        if ((status > 0 && status < 500) || clock_mono_ns() > end)
            return status;
        c->again++;
        pause_ms(50);
    }
}

/* ---- what is pushed ---- */

static void put_url_series(struct metricset_writer *w, int url, struct client *c)
{
    char name[160];
    snprintf(name, sizeof name, "http://shop.test/run/%d/catalogue/items/%d/details", c->number,
             url);
    struct metricset_label labels[] = {
        {STR("expected_response"), STR("true")},
        {STR("group"), STR("")},
        {STR("method"), STR("GET")},
        {STR("name"), str_of(name)},
        {STR("proto"), STR("HTTP/1.1")},
        {STR("scenario"), STR("default")},
        {STR("status"), STR("200")},
        {STR("url"), str_of(name)},
    };
    metricset_begin_series(w, labels, ARRAY_LEN(labels));
}

/* The nine metrics of HTTP requests, `urls` series each. */
static bool put_requests(struct client *c, struct metricset_writer *w, int urls, int64_t at_ns,
                         int push)
{
    static const char *const trends[] = {
        "http_req_duration", "http_req_blocked", "http_req_connecting", "http_req_tls_handshaking",
        "http_req_sending",  "http_req_waiting", "http_req_receiving"};
    const int each = 10;
    bool full = false;
    for (size_t m = 0; m < ARRAY_LEN(trends); m++) {
        struct hdr h = {0};
        metricset_begin_metric(w, str_of(trends[m]), METRICSET_TREND);
        for (int i = 0; i < urls; i++) {
            put_url_series(w, i, c);
            hdr_reset(&h);
            for (int k = 0; k < each; k++)
                full = hdr_add(&h, 0.1 + (i * 7 + k * 13 + push * 3) % 97 * (double)(m + 1)) < 0 ||
                       full;
            metricset_put_trend(w, at_ns, &h);
            metricset_end_series(w);
        }
        metricset_end_metric(w);
        hdr_fini(&h);
    }
    metricset_begin_metric(w, STR("http_req_failed"), METRICSET_RATE);
    for (int i = 0; i < urls; i++) {
        put_url_series(w, i, c);
        metricset_put_rate(w, at_ns, 0, (uint32_t)each);
        metricset_end_series(w);
    }
    metricset_end_metric(w);
    metricset_begin_metric(w, STR("http_reqs"), METRICSET_COUNTER);
    for (int i = 0; i < urls; i++) {
        put_url_series(w, i, c);
        metricset_put_counter(w, at_ns, each);
        metricset_end_series(w);
    }
    metricset_end_metric(w);
    return !full;
}

static int make_push(struct client *c, int64_t at_ns, int push, uint64_t *ret_requests)
{
    int urls = MAX(1, (c->o->series - 2) / METRICS_A_URL);
    struct metricset_writer w;
    char id[24];
    snprintf(id, sizeof id, "%lld", (long long)c->run_id);
    buf_reset(&c->message);
    buf_reset(&c->packed);
    metricset_writer_init(&w, &c->message, str_of(id), 1);
    if (!put_requests(c, &w, urls, at_ns, push))
        return -ENOMEM;
    metricset_begin_metric(&w, STR("vus"), METRICSET_GAUGE);
    metricset_begin_series(&w, NULL, 0);
    metricset_put_gauge(&w, at_ns, (struct metricset_gauge){5, 5, 5, 5, 1});
    metricset_end_series(&w);
    metricset_end_metric(&w);
    metricset_begin_metric(&w, STR("data_received"), METRICSET_COUNTER);
    metricset_begin_series(&w, NULL, 0);
    metricset_put_counter(&w, at_ns, 1000 + push);
    metricset_end_series(&w);
    metricset_end_metric(&w);
    int rc = buf_finish(&c->message);
    if (rc == 0)
        snappy_pack(c->message.data, c->message.len, &c->packed);
    *ret_requests = (uint64_t)urls * 10;
    return rc < 0 ? rc : buf_finish(&c->packed);
}

/* ---- a run ---- */

static bool fail(struct client *c, const char *what)
{
    if (atomic_fetch_add(&failures, 1) < 5)
        fprintf(stderr, "run %lld: %s: %.200s\n", (long long)c->run_id, what,
                c->body ? c->body : "no answer");
    c->wrong = what;
    return false;
}

static bool begin_run(struct client *c)
{
    char body[128];
    char headers[128];
    snprintf(body, sizeof body, "{\"name\":\"load %d\",\"vus\":5,\"duration\":%d}", c->number,
             c->o->seconds);
    snprintf(headers, sizeof headers,
             "Content-Type: application/json\r\nK6-Idempotency-Key: %016llx\r\n",
             (unsigned long long)c->key_base);
    const char *id = NULL;
    if (exchange(c, "POST", "/v1/tests", headers, str_of(body)) == 200)
        id = strstr(c->body, "\"reference_id\":\"");
    if (!id)
        return fail(c, "the run isn't created");
    c->run_id = strtoll(id + 16, NULL, 10); /* allowed: our server's */
    return c->run_id > 0;
}

static bool push_once(struct client *c, int push, int64_t due_ns)
{
    char path[64];
    char headers[192];
    uint64_t requests = 0;
    if (make_push(c, clock_wall_ns() / NS_PER_S * NS_PER_S, push, &requests) < 0)
        return fail(c, "a push can't be made");
    snprintf(path, sizeof path, "/v2/metrics/%lld", (long long)c->run_id);
    snprintf(headers, sizeof headers,
             "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n"
             "K6-Metrics-Protocol-Version: 2.0\r\nK6-Idempotency-Key: %016llx\r\n",
             (unsigned long long)(c->key_base + 1 + (uint64_t)push));
    if (exchange(c, "POST", path, headers, buf_view(&c->packed)) != 200)
        return fail(c, "a push is refused");
    c->ms[c->pushes++] = (float)((double)(clock_mono_ns() - due_ns) / 1e6);
    c->requests += requests;
    c->received += 1000 + push;
    return true;
}

static bool end_run(struct client *c)
{
    char path[64];
    char headers[128];
    snprintf(path, sizeof path, "/v1/tests/%lld", (long long)c->run_id);
    snprintf(headers, sizeof headers,
             "Content-Type: application/json\r\nK6-Idempotency-Key: %016llx\r\n",
             (unsigned long long)(c->key_base + PUSHES_MAX));
    if (exchange(c, "POST", path, headers,
                 STR("{\"result_status\":0,\"run_status\":3,\"thresholds\":{}}")) != 200)
        return fail(c, "the run doesn't end");
    snprintf(path, sizeof path, "/cloud/v6/test_runs/%lld", (long long)c->run_id);
    if (exchange(c, "GET", path, "", STR_EMPTY) != 200 ||
        !strstr(c->body, "\"status\":\"completed\"") || !strstr(c->body, "\"result\":\"passed\""))
        return fail(c, "the run has not ended well");
    return true;
}

static bool check_total(struct client *c, const char *query, const char *metric, double want)
{
    char path[256];
    snprintf(path, sizeof path,
             "/cloud/v5/test_runs/%lld/query_aggregate_k6(query='%s',metric='%s')",
             (long long)c->run_id, query, metric);
    const char *value = NULL;
    if (exchange(c, "GET", path, "", STR_EMPTY) == 200)
        value = strstr(c->body, "\"value\":[");
    value = value ? strchr(value, ',') : NULL;
    double have = value ? strtod(value + 1, NULL) : -1; /* allowed: our server's */
    if (have > want || have < want) {
        fprintf(stderr, "run %lld: %s of %s is %.0f, not %.0f\n", (long long)c->run_id, query,
                metric, have, want);
        return fail(c, "totals differ");
    }
    return true;
}

static void sleep_until(int64_t mono_ns)
{
    struct timespec at = {mono_ns / NS_PER_S, mono_ns % NS_PER_S};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
}

static void *run_client(void *arg)
{
    struct client *c = arg;
    int64_t period = c->o->period_ms * NS_PER_MS;
    int pushes = (int)((int64_t)c->o->seconds * 1000 / c->o->period_ms);
    /* Clients don't push in step. */
    int64_t due = clock_mono_ns() + period * c->number / c->o->runs;
    sleep_until(due);
    bool good = begin_run(c);
    for (int i = 0; i < pushes && good; i++) {
        due += period;
        sleep_until(due);
        good = push_once(c, i, due);
        /* After an outage a client goes on from where it is. */
        due = MAX(due, clock_mono_ns() - period);
    }
    good = good && end_run(c) && check_total(c, "increase", "http_reqs", (double)c->requests) &&
           check_total(c, "histogram_count_increase", "http_req_duration", (double)c->requests) &&
           check_total(c, "sum(increase%20by%20(name))", "http_reqs", (double)c->requests) &&
           check_total(c, "increase", "data_received", c->received);
    (void)hang_up(c);
    return NULL;
}

/* ---- all of them ---- */

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static int report(const struct options *o, struct client *clients)
{
    size_t len = 0;
    uint64_t requests = 0;
    int again = 0;
    int bad = 0;
    for (int i = 0; i < o->runs; i++) {
        len += (size_t)clients[i].pushes;
        requests += clients[i].requests;
        again += clients[i].again;
        bad += clients[i].wrong != NULL;
    }
    float *all = mem_calloc(len + 1, sizeof *all);
    if (!all)
        return 1;
    size_t at = 0;
    for (int i = 0; i < o->runs; i++) {
        memcpy(all + at, clients[i].ms, (size_t)clients[i].pushes * sizeof *all);
        at += (size_t)clients[i].pushes;
    }
    if (getenv("CLOUD_LOAD_TIMELINE")) {
        for (int k = 0; k < o->seconds * 1000 / o->period_ms; k++) {
            float worst = 0;
            for (int i = 0; i < o->runs; i++)
                worst = MAX(worst, k < clients[i].pushes ? clients[i].ms[k] : 0);
            fprintf(stderr, "%d: %.0f ms\n", k, (double)worst);
        }
    }
    qsort(all, len, sizeof *all, by_value);
    double max = len > 0 ? (double)all[len - 1] : 0;
    bool late = o->max_ms > 0 && max > o->max_ms;
    printf("{\"runs\":%d,\"pushes\":%zu,\"requests\":%llu,\"again\":%d,\"failed_runs\":%d,"
           "\"p50_ms\":%.1f,\"p99_ms\":%.1f,\"max_ms\":%.1f,\"ids\":[",
           o->runs, len, (unsigned long long)requests, again, bad, len ? (double)all[len / 2] : 0,
           len ? (double)all[len * 99 / 100] : 0, max);
    for (int i = 0; i < o->runs; i++)
        printf("%s%lld", i ? "," : "", (long long)clients[i].run_id);
    printf("]}\n");
    mem_free(all);
    return bad > 0 || late;
}

static int run_all(const struct options *o)
{
    struct client *clients = mem_calloc((size_t)o->runs, sizeof *clients);
    pthread_t *threads = mem_calloc((size_t)o->runs, sizeof *threads);
    size_t pushes = (size_t)o->seconds * 1000 / (size_t)o->period_ms + 1;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK_BYTES);
    if (!clients || !threads)
        return 2;
    for (int i = 0; i < o->runs; i++) {
        struct client *c = &clients[i];
        *c = (struct client){.o = o, .number = i, .fd = -1};
        c->key_base = (uint64_t)clock_wall_ns() + (uint64_t)i * 1000000007u * PUSHES_MAX;
        c->ms = mem_calloc(pushes, sizeof *c->ms);
        buf_init(&c->message, 64 << 20);
        buf_init(&c->packed, 64 << 20);
        buf_init(&c->request, 65 << 20);
        if (!c->ms || pthread_create(&threads[i], &small, run_client, c) != 0)
            return 2;
    }
    for (int i = 0; i < o->runs; i++)
        pthread_join(threads[i], NULL);
    int rc = report(o, clients);
    for (int i = 0; i < o->runs; i++) {
        buf_fini(&clients[i].message);
        buf_fini(&clients[i].packed);
        buf_fini(&clients[i].request);
        mem_free(clients[i].ms);
    }
    mem_free(clients);
    mem_free(threads);
    pthread_attr_destroy(&small);
    return rc;
}

static bool set_address(struct options *o, const char *text)
{
    if (strncmp(text, "http://", 7) == 0)
        text += 7;
    const char *colon = strrchr(text, ':');
    char host[64];
    if (!colon || (size_t)(colon - text) >= sizeof host)
        return false;
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    snprintf(o->host, sizeof o->host, "%s", text);
    o->to.sin_family = AF_INET;
    o->to.sin_port =
        htons((uint16_t)strtoul(colon + 1, NULL, 10)); /* allowed: a bench's argument */
    return inet_pton(AF_INET, host, &o->to.sin_addr) == 1;
}

static bool read_token(struct options *o, const char *path)
{
    FILE *f = fopen(path, "r");
    bool good = f && fgets(o->token, sizeof o->token, f);
    if (f)
        fclose(f);
    o->token[strcspn(o->token, "\r\n")] = '\0';
    return good;
}

int main(int argc, char **argv)
{
    struct options o = {.runs = 200,
                        .series = 1000,
                        .seconds = 60,
                        .period_ms = 1000,
                        .max_ms = 1000,
                        .patience_s = 30};
    struct {
        const char *flag;
        int *to;
    } numbers[] = {
        {"--runs", &o.runs},           {"--series", &o.series}, {"--seconds", &o.seconds},
        {"--period-ms", &o.period_ms}, {"--max-ms", &o.max_ms}, {"--patience-s", &o.patience_s},
    };
    bool good = argc % 2 == 1;
    for (int i = 1; good && i + 1 < argc; i += 2) {
        bool known = false;
        for (size_t j = 0; j < ARRAY_LEN(numbers); j++) {
            if (strcmp(argv[i], numbers[j].flag) == 0) {
                *numbers[j].to = (int)strtol(argv[i + 1], NULL, 10); /* allowed: bench */
                known = true;
            }
        }
        if (strcmp(argv[i], "--url") == 0)
            known = good = set_address(&o, argv[i + 1]);
        else if (strcmp(argv[i], "--token-file") == 0)
            known = good = read_token(&o, argv[i + 1]);
        good = good && known;
    }
    if (!good || !o.token[0] || o.host[0] == '\0' || o.runs < 1 || o.runs > RUNS_MAX ||
        o.seconds < 1 || o.period_ms < 1 || o.seconds * 1000 / o.period_ms >= PUSHES_MAX - 2) {
        fprintf(stderr, "cloud_load --url HOST:PORT --token-file FILE [--runs N] [--series N] "
                        "[--seconds N] [--period-ms N] [--max-ms N] [--patience-s N]\n");
        return 2;
    }
    return run_all(&o);
}
