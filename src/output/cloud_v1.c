#include "output/cloud_v1.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "metrics/metric.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* The trends of a request, in the order of their metrics. */
enum {
    TIME_DURATION,
    TIME_BLOCKED,
    TIME_CONNECTING,
    TIME_TLS,
    TIME_SENDING,
    TIME_WAITING,
    TIME_RECEIVING,
    TIMES_LEN
};
enum { TIME_FIRST = METRIC_HTTP_REQ_DURATION };

static const char *const builtin_names[] = {
#define X(id, name, type, contains) [id] = name,
#include "metrics/builtin_table.h"
#undef X
};

struct trail {
    int64_t wall_ns;
    double times[TIMES_LEN]; /* ms */
    int8_t failed;           /* 1, 0, or -1: not known */
};

/* Requests of equal tags in a bucket. */
struct group {
    struct trail *trails;
    size_t len, cap;
};

struct bucket1 {
    struct bucket1 *next; /* a later one */
    int64_t id;           /* time / period */
    struct map groups;    /* tags as JSON → struct group * */
    size_t trails;
};

struct cloud_v1 {
    struct cloud_v1_settings s;
    const struct cloud_filter *filter;
    cloud_v1_emit_fn *emit;
    void *emit_arg;

    struct bucket1 *oldest;
    size_t trails;    /* in all buckets */
    int64_t next_ns;  /* wall: of the next look; 0: not known yet */
    struct buf json;  /* the package that is being written */
    uint32_t samples; /* elements in it */
    uint64_t lost;

    struct buf tags;               /* of the sample at hand, as JSON; "" for none */
    const struct tag *tags_of;     /* whose they are, within a chunk */
    const struct metric *tags_for; /* with a filter: for which metric */
};

/* ---- life ---- */

static void bucket_free(struct bucket1 *b)
{
    for (size_t i = 0; i < map_len(&b->groups); i++) {
        struct group *g = map_value_at(&b->groups, i);
        mem_free(g->trails);
        mem_free(g);
    }
    map_fini(&b->groups);
    mem_free(b);
}

int cloud_v1_new(const struct cloud_v1_settings *settings, const struct cloud_filter *filter,
                 cloud_v1_emit_fn *emit, void *arg, struct cloud_v1 **ret)
{
    struct cloud_v1 *v = mem_calloc(1, sizeof *v);
    if (v == NULL)
        return -ENOMEM;
    v->s = *settings;
    v->s.radius = MIN(v->s.radius, 0.5);
    v->filter = filter;
    v->emit = emit;
    v->emit_arg = arg;
    buf_init(&v->json, CLOUD_METRICSET_MAX);
    buf_init(&v->tags, CLOUD_METRICSET_MAX / 8);
    *ret = v;
    return 0;
}

void cloud_v1_free(struct cloud_v1 *v)
{
    if (v == NULL)
        return;
    while (v->oldest != NULL) {
        struct bucket1 *b = v->oldest;
        v->oldest = b->next;
        bucket_free(b);
    }
    buf_fini(&v->json);
    buf_fini(&v->tags);
    mem_free(v);
}

uint64_t cloud_v1_lost(const struct cloud_v1 *v)
{
    return v->lost;
}

/* ---- writing ---- */

void cloud_v1_push(struct cloud_v1 *v)
{
    if (v->samples == 0)
        return;
    buf_byte(&v->json, ']');
    if (buf_finish(&v->json) < 0 || v->emit(v->emit_arg, buf_view(&v->json), v->samples) < 0)
        v->lost += v->samples;
    buf_reset(&v->json);
    v->samples = 0;
}

static void begin_element(struct cloud_v1 *v, const char *type, const char *metric)
{
    if (v->samples >= v->s.package_max || v->json.len >= CLOUD_V1_PACKAGE_BYTES)
        cloud_v1_push(v);
    buf_printf(&v->json, "%c{\"type\":\"%s\",\"metric\":", v->samples == 0 ? '[' : ',', type);
    buf_json_str(&v->json, str_of(metric));
    v->samples++;
}

static void put_head(struct cloud_v1 *v, int64_t wall_ns, const char *type, struct str tags)
{
    buf_printf(&v->json, ",\"data\":{\"time\":\"%lld\",\"type\":\"%s\"",
               (long long)(wall_ns / 1000), type);
    if (tags.len > 0) {
        buf_z(&v->json, ",\"tags\":");
        buf_str(&v->json, tags);
    }
}

static const char *type_name(enum metric_type type)
{
    switch (type) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_RATE:
        return "rate";
    case METRIC_TREND:
        return "trend";
    }
    return "counter";
}

/* The tags of a sample, as the filter lets them pass; kept for the samples that follow.  False: no
 * memory, and `samples` of them are lost. */
static bool tags_json(struct cloud_v1 *v, const struct sample *x, const struct metric *m,
                      uint32_t samples, struct str *ret)
{
    bool same = v->tags_of == x->tags && x->tags_len > 0 && (v->filter == NULL || v->tags_for == m);
    *ret = buf_view(&v->tags);
    if (same)
        return true;
    buf_reset(&v->tags);
    for (uint32_t i = 0; i < x->tags_len; i++) {
        const struct tag *t = &x->tags[i];
        if (!cloud_filter_keeps_tag(v->filter, str_of(m->name), t->key))
            continue;
        buf_byte(&v->tags, v->tags.len == 0 ? '{' : ',');
        buf_json_str(&v->tags, t->key);
        buf_byte(&v->tags, ':');
        buf_json_str(&v->tags, t->value);
    }
    if (v->tags.len > 0)
        buf_byte(&v->tags, '}');
    bool good = buf_finish(&v->tags) == 0;
    v->tags_of = good ? x->tags : NULL;
    v->tags_for = m;
    v->lost += good ? 0 : samples;
    *ret = buf_view(&v->tags);
    return good;
}

static void put_point(struct cloud_v1 *v, const struct sample *x)
{
    struct str tags;
    if (cloud_filter_drops(v->filter, str_of(x->metric->name)) ||
        !tags_json(v, x, x->metric, 1, &tags))
        return;
    begin_element(v, "Point", x->metric->name);
    put_head(v, x->wall_ns, type_name(x->metric->type), tags);
    buf_z(&v->json, ",\"value\":");
    buf_json_double(&v->json, x->value);
    buf_z(&v->json, "}}");
}

static void put_member(struct cloud_v1 *v, bool *first, enum metric_builtin id, double value)
{
    const char *name = builtin_names[id];
    if (cloud_filter_drops(v->filter, str_of(name)))
        return;
    buf_printf(&v->json, "%s\"%s\":", *first ? "" : ",", name);
    buf_json_double(&v->json, value);
    *first = false;
}

/* ---- requests ---- */

static void put_trail(struct cloud_v1 *v, const struct trail *t, struct str tags)
{
    bool first = true;
    begin_element(v, "Points", "http_req_li_all");
    put_head(v, t->wall_ns, "counter", tags);
    buf_z(&v->json, ",\"values\":{");
    put_member(v, &first, METRIC_HTTP_REQS, 1);
    for (uint32_t i = 0; i < TIMES_LEN; i++)
        put_member(v, &first, TIME_FIRST + i, t->times[i]);
    if (t->failed >= 0)
        put_member(v, &first, METRIC_HTTP_REQ_FAILED, t->failed);
    buf_z(&v->json, "}}}");
}

struct summary1 {
    uint64_t count, known, failed;
    double min[TIMES_LEN], max[TIMES_LEN], sum[TIMES_LEN];
};

static void summarize(struct summary1 *s, const struct trail *t)
{
    for (uint32_t i = 0; i < TIMES_LEN; i++) {
        s->min[i] = s->count == 0 ? t->times[i] : MIN(s->min[i], t->times[i]);
        s->max[i] = s->count == 0 ? t->times[i] : MAX(s->max[i], t->times[i]);
        s->sum[i] += t->times[i];
    }
    s->count++;
    s->known += t->failed >= 0;
    s->failed += t->failed > 0;
}

static void put_summary(struct cloud_v1 *v, const struct summary1 *s, int64_t wall_ns,
                        struct str tags)
{
    bool first = true;
    begin_element(v, "AggregatedPoints", "http_req_li_all");
    put_head(v, wall_ns, "aggregated_trend", tags);
    buf_printf(&v->json, ",\"count\":%llu,\"values\":{", (unsigned long long)s->count);
    for (uint32_t i = 0; i < TIMES_LEN; i++) {
        const char *name = builtin_names[TIME_FIRST + i];
        if (cloud_filter_drops(v->filter, str_of(name)))
            continue;
        buf_printf(&v->json, "%s\"%s\":{\"min\":", first ? "" : ",", name);
        buf_json_double(&v->json, s->min[i]);
        buf_z(&v->json, ",\"max\":");
        buf_json_double(&v->json, s->max[i]);
        buf_z(&v->json, ",\"avg\":");
        buf_json_double(&v->json, s->sum[i] / (double)s->count);
        buf_byte(&v->json, '}');
        first = false;
    }
    if (s->known > 0 && !cloud_filter_drops(v->filter, STR("http_req_failed")))
        buf_printf(&v->json, "%s\"http_req_failed\":{\"count\":%llu,\"nz_count\":%llu}",
                   first ? "" : ",", (unsigned long long)s->known, (unsigned long long)s->failed);
    buf_z(&v->json, "}}}");
}

/* ---- what is normal ---- */

static int by_value(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    return a < b ? -1 : a > b;
}

/* The value that would be at `at` if they were sorted; Hoare's selection. */
static double select_value(double *d, size_t len, size_t at)
{
    size_t from = 0, to = len - 1;
    while (from < to) {
        double pivot = d[from + (to - from) / 2];
        size_t i = from, k = to;
        for (;;) {
            while (d[i] < pivot)
                i++;
            while (d[k] > pivot)
                k--;
            if (i >= k)
                break;
            double t = d[i];
            d[i++] = d[k];
            d[k--] = t;
        }
        /* Everything up to k is at most the pivot, everything behind it at least. */
        if (at <= k)
            to = k;
        else
            from = k + 1;
    }
    return d[at];
}

static double value_between(const double *sorted, size_t len, double place)
{
    double at = place * (double)(len - 1);
    double below = sorted[(size_t)floor(at)], above = sorted[(size_t)ceil(at)];
    return below + (above - below) * (at - floor(at));
}

void cloud_v1_bounds(const struct cloud_v1_settings *s, double *values, size_t len, double *ret_min,
                     double *ret_max)
{
    double radius = MIN(s->radius, 0.5), q1, q3;
    if (len <= s->interpolate_max) {
        qsort(values, len, sizeof *values, by_value);
        q1 = value_between(values, len, 0.5 - radius);
        q3 = value_between(values, len, 0.5 + radius);
    } else {
        double last = (double)(len - 1);
        q1 = select_value(values, len, (size_t)round(last * (0.5 - radius)));
        q3 = select_value(values, len, (size_t)round(last * (0.5 + radius)));
    }
    *ret_min = q1 - s->lower * (q3 - q1);
    *ret_max = q3 + s->upper * (q3 - q1);
}

struct range {
    double min, max;
};

static double connection_ms(const struct trail *t)
{
    return t->times[TIME_CONNECTING] + t->times[TIME_TLS];
}

/* -ENOMEM: not known. */
static int find_ranges(const struct cloud_v1 *v, const struct group *g, struct range *connection,
                       struct range *request)
{
    CLEANUP(mem_freep) double *values = mem_realloc_array(NULL, g->len, sizeof *values);
    if (values == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < g->len; i++)
        values[i] = connection_ms(&g->trails[i]);
    cloud_v1_bounds(&v->s, values, g->len, &connection->min, &connection->max);
    for (size_t i = 0; i < g->len; i++)
        values[i] = g->trails[i].times[TIME_DURATION];
    cloud_v1_bounds(&v->s, values, g->len, &request->min, &request->max);
    return 0;
}

static bool within(const struct range *r, double value)
{
    return value >= r->min && value <= r->max;
}

/* ---- buckets ---- */

static void put_group(struct cloud_v1 *v, const struct bucket1 *b, const struct group *g,
                      struct str tags)
{
    struct range connection = {-INFINITY, INFINITY}, request = {-INFINITY, INFINITY};
    struct summary1 s = {0};
    bool single = g->len < v->s.min_samples;
    if (!single && !v->s.aggregate_all)
        single = find_ranges(v, g, &connection, &request) < 0;
    for (size_t i = 0; i < g->len; i++) {
        const struct trail *t = &g->trails[i];
        if (single || !within(&connection, connection_ms(t)) ||
            !within(&request, t->times[TIME_DURATION]))
            put_trail(v, t, tags);
        else
            summarize(&s, t);
    }
    if (s.count > 0)
        put_summary(v, &s, b->id * v->s.period_ns + v->s.period_ns / 2, tags);
}

static void put_oldest(struct cloud_v1 *v)
{
    struct bucket1 *b = v->oldest;
    v->oldest = b->next;
    v->trails -= b->trails;
    for (size_t i = 0; i < map_len(&b->groups); i++)
        put_group(v, b, map_value_at(&b->groups, i), map_key_at(&b->groups, i));
    bucket_free(b);
}

void cloud_v1_tick(struct cloud_v1 *v, int64_t wall_ns)
{
    if (v->s.period_ns == 0 || wall_ns < v->next_ns)
        return;
    bool first = v->next_ns == 0;
    v->next_ns = wall_ns + v->s.calc_ns;
    while (!first && v->oldest != NULL &&
           (v->oldest->id + 1) * v->s.period_ns + v->s.wait_ns <= wall_ns)
        put_oldest(v);
}

void cloud_v1_finish(struct cloud_v1 *v)
{
    while (v->oldest != NULL)
        put_oldest(v);
    cloud_v1_push(v);
}

static struct bucket1 *bucket_at(struct cloud_v1 *v, int64_t id)
{
    struct bucket1 **at = &v->oldest;
    while (*at != NULL && (*at)->id < id)
        at = &(*at)->next;
    if (*at != NULL && (*at)->id == id)
        return *at;
    struct bucket1 *b = mem_calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    b->id = id;
    b->next = *at;
    map_init(&b->groups, CLOUD_SERIES_MAX);
    *at = b;
    return b;
}

static struct group *group_of(struct bucket1 *b, struct str tags)
{
    struct group *g = map_get(&b->groups, tags);
    if (g != NULL)
        return g;
    g = mem_calloc(1, sizeof *g);
    if (g != NULL && map_put(&b->groups, tags, g) < 0) {
        mem_free(g);
        return NULL;
    }
    return g;
}

/* Into its bucket; without room for that it is sent at once. */
static void keep_trail(struct cloud_v1 *v, const struct trail *t, struct str tags)
{
    while (v->trails >= CLOUD_V1_TRAILS_MAX)
        put_oldest(v);
    struct bucket1 *b = bucket_at(v, t->wall_ns / v->s.period_ns);
    struct group *g = b != NULL ? group_of(b, tags) : NULL;
    if (g == NULL ||
        mem_grow(&g->trails, &g->cap, g->len + 1, CLOUD_V1_TRAILS_MAX, sizeof *g->trails) < 0) {
        put_trail(v, t, tags);
        return;
    }
    g->trails[g->len++] = *t;
    b->trails++;
    v->trails++;
}

/* ---- samples ---- */

static bool belongs(const struct sample *a, const struct sample *b)
{
    return a->tags == b->tags && a->wall_ns == b->wall_ns;
}

/* How many samples from x[0] on are one request, 0: none; *ret is filled. */
static size_t read_trail(const struct sample *x, size_t len, struct trail *ret)
{
    if (x[0].metric->id != METRIC_HTTP_REQS || x[0].value != 1 || len < 1 + TIMES_LEN)
        return 0;
    *ret = (struct trail){.wall_ns = x[0].wall_ns, .failed = -1};
    for (uint32_t i = 0; i < TIMES_LEN; i++) {
        if (x[1 + i].metric->id != TIME_FIRST + i || !belongs(&x[0], &x[1 + i]))
            return 0;
        ret->times[i] = x[1 + i].value;
    }
    size_t n = 1 + TIMES_LEN;
    if (n < len && x[n].metric->id == METRIC_HTTP_REQ_FAILED && belongs(&x[0], &x[n]))
        ret->failed = x[n++].value != 0;
    return n;
}

static bool is_of_iteration(const struct sample *x)
{
    return x->metric->id == METRIC_DATA_SENT || x->metric->id == METRIC_DATA_RECEIVED ||
           x->metric->id == METRIC_ITERATION_DURATION || x->metric->id == METRIC_ITERATIONS;
}

/* How many samples from x[0] on are those of one iteration's end; fewer than two are none. */
static size_t read_iteration(const struct sample *x, size_t len)
{
    size_t n = 0;
    for (; n < len && n < 4 && is_of_iteration(&x[n]) && belongs(&x[0], &x[n]); n++)
        for (size_t i = 0; i < n; i++)
            if (x[i].metric == x[n].metric)
                return n >= 2 ? n : 0;
    return n >= 2 ? n : 0;
}

static void put_iteration(struct cloud_v1 *v, const struct sample *x, size_t n)
{
    bool first = true;
    struct str tags;
    if (!tags_json(v, x, x->metric, 1, &tags))
        return;
    begin_element(v, "Points", "iter_li_all");
    put_head(v, x->wall_ns, "counter", tags);
    buf_z(&v->json, ",\"values\":{");
    for (size_t i = 0; i < n; i++)
        put_member(v, &first, x[i].metric->id, x[i].value);
    buf_z(&v->json, "}}}");
}

static size_t add_one(struct cloud_v1 *v, const struct sample *x, size_t len)
{
    struct trail t;
    if (!isfinite(x->value)) { /* JSON has no word for it */
        v->lost++;
        return 1;
    }
    size_t n = read_trail(x, len, &t);
    if (n > 0) {
        struct str tags;
        if (!tags_json(v, x, x[1].metric, 1, &tags))
            return n;
        if (v->s.period_ns > 0)
            keep_trail(v, &t, tags);
        else
            put_trail(v, &t, tags);
        return n;
    }
    n = v->filter == NULL ? read_iteration(x, len) : 0;
    if (n > 0) {
        put_iteration(v, x, n);
        return n;
    }
    put_point(v, x);
    return 1;
}

void cloud_v1_add(struct cloud_v1 *v, const struct sample_chunk *c)
{
    for (size_t i = 0; i < c->len;)
        i += add_one(v, &c->samples[i], c->len - i);
    v->tags_of = NULL; /* of a chunk's memory */
}
