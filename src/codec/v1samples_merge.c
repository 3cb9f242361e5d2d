/*
 * Values are gathered by metric, labels and bucket, and written when all have been read, as a
 * MetricSet has everything of a metric in one place.
 */
#include "codec/v1samples.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"

struct bucket {
    int64_t t; /* its number: time / period */
    union {
        double counter;
        struct {
            double last, min, max, sum;
            int64_t last_ns; /* when `last` was */
            uint32_t count;
        } gauge;
        struct {
            uint32_t nonzero, total;
        } rate;
        struct hdr trend;
    };
};

struct label_set {
    struct metricset_label *labels; /* sorted by name */
    size_t len;
};

struct series {
    struct series *next; /* of the metric */
    const struct label_set *labels;
    struct bucket *buckets;
    size_t buckets_len, buckets_cap;
    struct metricset_request *requests;
    size_t requests_len, requests_cap;
    bool estimated;
};

struct metric {
    struct str name;
    enum metricset_type type;
    struct series *first, *last; /* in order of appearance */
};

struct merge {
    int64_t period_ns;
    struct arena arena; /* metrics, label sets, series */
    struct map label_sets;
    struct map metrics;
    struct map series; /* pointers to metric and label set -> struct series */
    struct buf key;
    uint64_t values;   /* in all aggregates; as they are at most 2^32, no counter overflows */
    size_t hist_bytes; /* of all histograms */
    struct metricset_label sorted[METRICSET_LABELS_MAX];

    /* of the element at hand */
    const struct label_set *labels;
    int64_t time_ns;
};

/* ---- places ---- */

static int by_name(const void *a, const void *b)
{
    const struct metricset_label *x = a;
    const struct metricset_label *y = b;
    return str_cmp(x->name, y->name);
}

static void put_key(struct buf *key, struct str s)
{
    uint32_t len = (uint32_t)s.len;
    buf_append(key, &len, sizeof len);
    buf_str(key, s);
}

static struct label_set *new_label_set(struct arena *a, const struct metricset_label *labels,
                                       size_t len)
{
    struct label_set *set = arena_calloc(a, 1, sizeof *set);
    struct metricset_label *list = set ? arena_calloc(a, len + 1, sizeof *list) : NULL;
    if (!list)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        char *name = arena_dup(a, labels[i].name);
        char *value = arena_dup(a, labels[i].value);
        if (!name || !value)
            return NULL;
        list[i].name = str_new(name, labels[i].name.len);
        list[i].value = str_new(value, labels[i].value.len);
    }
    set->labels = list;
    set->len = len;
    return set;
}

static int on_item(void *arg, int64_t time_ns, const struct metricset_label *labels, size_t len)
{
    struct merge *m = arg;
    buf_reset(&m->key);
    if (len > 0)
        memcpy(m->sorted, labels, len * sizeof *labels);
    qsort(m->sorted, len, sizeof *m->sorted, by_name);
    for (size_t i = 0; i < len; i++) {
        put_key(&m->key, m->sorted[i].name);
        put_key(&m->key, m->sorted[i].value);
    }
    int rc = buf_finish(&m->key);
    if (rc < 0)
        return rc == -EMSGSIZE ? err_set(E_LIMIT, "samples: tags are too long") : rc;
    struct label_set *set = map_get(&m->label_sets, buf_view(&m->key));
    if (!set) {
        set = new_label_set(&m->arena, m->sorted, len);
        if (!set)
            return -ENOMEM;
        rc = map_put(&m->label_sets, buf_view(&m->key), set);
    }
    m->labels = set;
    m->time_ns = time_ns;
    return rc;
}

static int find_metric(struct merge *m, struct str name, enum metricset_type type,
                       struct metric **ret)
{
    struct metric *found = map_get(&m->metrics, name);
    if (!found) {
        char *copy = arena_dup(&m->arena, name);
        found = arena_calloc(&m->arena, 1, sizeof *found);
        if (!copy || !found)
            return -ENOMEM;
        found->name = str_new(copy, name.len);
        found->type = type;
        int rc = map_put(&m->metrics, name, found);
        if (rc < 0)
            return rc == -E2BIG
                       ? err_set(E_LIMIT, "samples: more than %d metrics", STORE_METRICS_MAX)
                       : rc;
    }
    if (found->type != type)
        return err_set(E_CORRUPT, "samples: metric %.*s comes with two types", STR_ARG(name));
    *ret = found;
    return 0;
}

/* *ret is NULL after a failure. */
static int find_series(struct merge *m, struct metric *metric, struct series **ret)
{
    const void *const pair[2] = {metric, m->labels};
    struct str key = str_new(pair, sizeof pair);
    struct series *s = map_get(&m->series, key);
    *ret = NULL;
    if (!s) {
        s = arena_calloc(&m->arena, 1, sizeof *s);
        if (!s)
            return -ENOMEM;
        int rc = map_put(&m->series, key, s);
        if (rc < 0)
            return rc;
        s->labels = m->labels;
        if (metric->last)
            metric->last->next = s;
        else
            metric->first = s;
        metric->last = s;
    }
    *ret = s;
    return 0;
}

/* The place for values of the element at hand. */
static int find_bucket(struct merge *m, struct str name, enum metricset_type type,
                       struct series **ret_series, struct bucket **ret)
{
    struct metric *metric = NULL;
    struct series *s = NULL;
    int rc = find_metric(m, name, type, &metric);
    if (rc == 0)
        rc = find_series(m, metric, &s);
    if (!s)
        return rc;
    *ret_series = s;
    int64_t t = m->time_ns / m->period_ns;
    for (size_t i = s->buckets_len; i > 0; i--) {
        if (s->buckets[i - 1].t == t) {
            *ret = &s->buckets[i - 1];
            return 0;
        }
    }
    /* Looked through one by one above. */
    rc = mem_grow(&s->buckets, &s->buckets_cap, s->buckets_len + 1, V1_BUCKETS_MAX,
                  sizeof *s->buckets);
    if (rc < 0)
        return rc == -E2BIG ? err_set(E_LIMIT, "samples: a series has more than %d time buckets",
                                      V1_BUCKETS_MAX)
                            : rc;
    struct bucket *b = &s->buckets[s->buckets_len++];
    *b = (struct bucket){.t = t};
    if (type == METRICSET_TREND)
        hdr_init(&b->trend);
    *ret = b;
    return 0;
}

/* ---- values ---- */

static void add_gauge(struct merge *m, struct bucket *b, double value)
{
    bool first = b->gauge.count == 0;
    if (first || m->time_ns >= b->gauge.last_ns) {
        b->gauge.last = value;
        b->gauge.last_ns = m->time_ns;
    }
    b->gauge.min = first ? value : fmin(b->gauge.min, value);
    b->gauge.max = first ? value : fmax(b->gauge.max, value);
    b->gauge.sum += value;
    b->gauge.count++;
}

/* A few wide values can make histograms of many counters: what they need is held down. */
static int note_hist(struct merge *m, const struct hdr *h, uint32_t cap_before)
{
    m->hist_bytes += (h->cap - cap_before) * sizeof *h->counters;
    return m->hist_bytes > V1_HIST_BYTES_MAX
               ? err_set(E_LIMIT, "samples: values of trends are too many and too wide")
               : 0;
}

static int on_value(void *arg, struct str name, enum metricset_type type, double value)
{
    struct merge *m = arg;
    struct series *s = NULL;
    struct bucket *b = NULL;
    int rc = find_bucket(m, name, type, &s, &b);
    if (rc < 0)
        return rc;
    switch (type) {
    case METRICSET_COUNTER:
        b->counter += value;
        break;
    case METRICSET_GAUGE:
        add_gauge(m, b, value);
        break;
    case METRICSET_RATE:
        b->rate.nonzero += value != 0;
        b->rate.total++;
        break;
    case METRICSET_TREND: {
        uint32_t cap = b->trend.cap;
        rc = hdr_add(&b->trend, value);
        return rc < 0 ? rc : note_hist(m, &b->trend, cap);
    }
    }
    return 0;
}

/* `n` values evenly between two. */
static int spread_between(struct hdr *h, double low, double high, uint64_t n)
{
    enum { STEPS = 64 };
    uint64_t steps = MIN(n, (uint64_t)STEPS);
    int rc = 0;
    for (uint64_t i = 0; i < steps && rc == 0; i++) {
        uint64_t share = n * (i + 1) / steps - n * i / steps;
        double place = ((double)i + 0.5) / (double)steps;
        rc = hdr_add_many(h, low + (high - low) * place, (uint32_t)share);
    }
    return rc;
}

/*
 * One value is the minimum, one the maximum.  The others have a known average; below and above it
 * they are spread evenly, as many on each side as make that average right.
 */
static int spread(struct hdr *h, const struct v1samples_summary *s)
{
    if (s->count == 1 || s->min == s->max)
        return hdr_add_many(h, s->avg, (uint32_t)s->count);
    int rc = hdr_add(h, s->min);
    if (rc == 0)
        rc = hdr_add(h, s->max);
    uint64_t rest = s->count - 2;
    if (rc < 0 || rest == 0)
        return rc;
    double avg = (s->avg * (double)s->count - s->min - s->max) / (double)rest;
    avg = fmin(fmax(avg, s->min), s->max);
    uint64_t below = (uint64_t)(((s->max - avg) / (s->max - s->min)) * (double)rest + 0.5);
    below = MIN(below, rest);
    rc = spread_between(h, s->min, avg, below);
    return rc < 0 ? rc : spread_between(h, avg, s->max, rest - below);
}

static int note_values(struct merge *m, uint64_t n)
{
    m->values += n;
    return m->values > UINT32_MAX ? err_set(E_LIMIT, "samples: too many aggregated values") : 0;
}

static int on_summary(void *arg, struct str name, const struct v1samples_summary *summary)
{
    struct merge *m = arg;
    struct series *s = NULL;
    struct bucket *b = NULL;
    int rc = note_values(m, summary->count);
    if (rc == 0)
        rc = find_bucket(m, name, METRICSET_TREND, &s, &b);
    if (rc < 0)
        return rc;
    struct hdr *h = &b->trend;
    bool first = h->count == 0;
    double sum = h->sum + summary->avg * (double)summary->count;
    double min = first ? summary->min : fmin(h->min, summary->min);
    double max = first ? summary->max : fmax(h->max, summary->max);
    uint32_t cap = h->cap;
    rc = spread(h, summary);
    if (rc < 0)
        return rc;
    /* What is known is exact. */
    h->sum = sum;
    h->min = min;
    h->max = max;
    /* Equal values are where they are. */
    s->estimated |= summary->count > 1 && summary->min < summary->max;
    return note_hist(m, h, cap);
}

static int on_ratio(void *arg, struct str name, uint64_t nonzero, uint64_t total)
{
    struct merge *m = arg;
    struct series *s = NULL;
    struct bucket *b = NULL;
    int rc = note_values(m, total);
    if (rc == 0)
        rc = find_bucket(m, name, METRICSET_RATE, &s, &b);
    if (rc < 0)
        return rc;
    b->rate.nonzero += (uint32_t)nonzero;
    b->rate.total += (uint32_t)total;
    return 0;
}

static int on_count(void *arg, struct str name, uint64_t count)
{
    return on_value(arg, name, METRICSET_COUNTER, (double)count);
}

static int on_request(void *arg, const struct metricset_request *request)
{
    struct merge *m = arg;
    struct series *s = NULL;
    struct bucket *b = NULL;
    int rc = find_bucket(m, STR("http_req_duration"), METRICSET_TREND, &s, &b);
    if (rc == 0)
        rc = mem_grow(&s->requests, &s->requests_cap, s->requests_len + 1, STORE_REQUESTS_MAX,
                      sizeof *s->requests);
    /* More than a run keeps count without being kept. */
    if (rc == -E2BIG)
        return 0;
    if (rc == 0)
        s->requests[s->requests_len++] = *request;
    return rc;
}

/* ---- writing ---- */

static void write_bucket(struct metricset_writer *w, enum metricset_type type, int64_t time_ns,
                         const struct bucket *b)
{
    switch (type) {
    case METRICSET_COUNTER:
        metricset_put_counter(w, time_ns, b->counter);
        break;
    case METRICSET_GAUGE:
        metricset_put_gauge(w, time_ns,
                            (struct metricset_gauge){
                                .last = b->gauge.last,
                                .min = b->gauge.min,
                                .max = b->gauge.max,
                                .avg = b->gauge.sum / b->gauge.count,
                                .count = b->gauge.count,
                            });
        break;
    case METRICSET_RATE:
        metricset_put_rate(w, time_ns, b->rate.nonzero, b->rate.total);
        break;
    case METRICSET_TREND:
        metricset_put_trend(w, time_ns, &b->trend);
        break;
    }
}

static int write_all(const struct merge *m, struct buf *out)
{
    struct metricset_writer w;
    metricset_writer_init(&w, out, STR_EMPTY, (uint32_t)(m->period_ns / NS_PER_S));
    for (size_t i = 0; i < map_len(&m->metrics); i++) {
        const struct metric *metric = map_value_at(&m->metrics, i);
        metricset_begin_metric(&w, metric->name, metric->type);
        for (const struct series *s = metric->first; s; s = s->next) {
            metricset_begin_series(&w, s->labels->labels, s->labels->len);
            if (s->estimated)
                metricset_mark_estimated(&w);
            for (size_t j = 0; j < s->requests_len; j++)
                metricset_put_request(&w, &s->requests[j]);
            for (size_t j = 0; j < s->buckets_len; j++)
                write_bucket(&w, metric->type, s->buckets[j].t * m->period_ns, &s->buckets[j]);
            metricset_end_series(&w);
        }
        metricset_end_metric(&w);
    }
    int rc = buf_finish(out);
    return rc == -EMSGSIZE ? err_set(E_LIMIT, "samples: too many different ones") : rc;
}

static void merge_free(struct merge *m)
{
    for (size_t i = 0; i < map_len(&m->metrics); i++) {
        const struct metric *metric = map_value_at(&m->metrics, i);
        for (const struct series *s = metric->first; s; s = s->next) {
            for (size_t j = 0; j < s->buckets_len && metric->type == METRICSET_TREND; j++)
                hdr_fini(&s->buckets[j].trend);
            mem_free(s->buckets);
            mem_free(s->requests);
        }
    }
    map_fini(&m->series);
    map_fini(&m->metrics);
    map_fini(&m->label_sets);
    buf_fini(&m->key);
    arena_fini(&m->arena);
    mem_free(m);
}

int v1samples_merge(const void *data, size_t len, uint32_t period_s, struct buf *out)
{
    struct merge *m = mem_calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    m->period_ns = period_s * NS_PER_S;
    arena_init(&m->arena, V1_MERGE_BYTES_MAX);
    map_init(&m->label_sets, STORE_SERIES_MAX);
    map_init(&m->metrics, STORE_METRICS_MAX);
    map_init(&m->series, STORE_SERIES_MAX);
    buf_init(&m->key, STORE_LABELS_BYTES_MAX);
    struct v1samples_visitor visitor = {on_item,  on_value,   on_summary, on_ratio,
                                        on_count, on_request, m};
    int rc = v1samples_read(data, len, &visitor);
    if (rc == 0)
        rc = write_all(m, out);
    merge_free(m);
    return rc;
}
