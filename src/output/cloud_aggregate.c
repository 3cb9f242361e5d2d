#include "output/cloud_aggregate.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "codec/metricset.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* One time period with what has come so far. */
struct period {
    struct period *next; /* a later one */
    int64_t start_s;
    struct bucket *buckets; /* by order of arrival; owned */
    size_t len, cap;
    uint32_t *place; /* series id → index + 1 in buckets, 0: none */
    size_t place_cap;
    double slow_ms; /* requests that took as long are sent singly; valid while it is written */
};

struct cloud_aggregate {
    struct metrics *metrics;
    uint32_t workers;
    uint32_t period_s;
    int64_t *seen_s; /* by worker: start of its latest batch, INT64_MIN: none yet */
    bool *ended;     /* by worker: it has sent its last */
    struct period *oldest;
    uint64_t lost;
    bool warned_reserved;

    const struct cloud_filter *filter; /* NULL: everything is sent */
    /* By series id, with a filter only: SERIES_UNKNOWN, SERIES_DROPPED, or SERIES_FIRST + the id
     * of the series that stands for it. */
    uint32_t *stand_ins;
    size_t stand_ins_cap;
    struct map by_labels; /* metric and labels that are sent → SERIES_FIRST + id */
};

enum { SERIES_UNKNOWN, SERIES_DROPPED, SERIES_FIRST };

int cloud_aggregate_new(struct metrics *m, uint32_t workers, uint32_t period_s,
                        const struct cloud_filter *filter, struct cloud_aggregate **ret)
{
    struct cloud_aggregate *a = mem_calloc(1, sizeof *a);
    if (a == NULL)
        return -ENOMEM;
    a->metrics = m;
    a->workers = workers;
    a->period_s = period_s;
    a->filter = filter;
    map_init(&a->by_labels, CLOUD_SERIES_MAX);
    a->seen_s = mem_calloc(workers, sizeof *a->seen_s);
    a->ended = mem_calloc(workers, sizeof *a->ended);
    if (a->seen_s == NULL || a->ended == NULL) {
        cloud_aggregate_free(a);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < workers; i++)
        a->seen_s[i] = INT64_MIN;
    *ret = a;
    return 0;
}

static void period_free(struct period *p)
{
    for (size_t i = 0; i < p->len; i++) {
        sink_fini(&p->buckets[i].sink);
        mem_free(p->buckets[i].slow);
    }
    mem_free(p->buckets);
    mem_free(p->place);
    mem_free(p);
}

void cloud_aggregate_free(struct cloud_aggregate *a)
{
    if (a == NULL)
        return;
    while (a->oldest != NULL) {
        struct period *p = a->oldest;
        a->oldest = p->next;
        period_free(p);
    }
    mem_free(a->seen_s);
    mem_free(a->ended);
    mem_free(a->stand_ins);
    map_fini(&a->by_labels);
    mem_free(a);
}

static struct period *find_period(struct cloud_aggregate *a, int64_t start_s)
{
    struct period **at = &a->oldest;
    while (*at != NULL && (*at)->start_s < start_s)
        at = &(*at)->next;
    if (*at != NULL && (*at)->start_s == start_s)
        return *at;
    struct period *p = mem_calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->start_s = start_s;
    p->next = *at;
    *at = p;
    return p;
}

static int reserve_place(struct period *p, uint32_t series)
{
    size_t before = p->place_cap;
    int rc = mem_grow(&p->place, &p->place_cap, (size_t)series + 1, CLOUD_SERIES_MAX,
                      sizeof p->place[0]);
    if (rc < 0)
        return rc;
    if (p->place_cap > before)
        memset(p->place + before, 0, (p->place_cap - before) * sizeof p->place[0]);
    return mem_grow(&p->buckets, &p->cap, p->len + 1, CLOUD_SERIES_MAX, sizeof p->buckets[0]);
}

/* ---- what the script keeps out ---- */

static int key_of(const struct cloud_aggregate *a, const struct series_info *s, struct buf *key)
{
    struct str metric = str_of(s->metric->name);
    buf_str(key, metric);
    for (uint32_t i = 0; i < s->len; i++) {
        if (!cloud_filter_keeps_tag(a->filter, metric, s->tags[i].key))
            continue;
        buf_byte(key, 0);
        buf_str(key, s->tags[i].key);
        buf_byte(key, 0);
        buf_str(key, s->tags[i].value);
    }
    return buf_finish(key);
}

static int find_stand_in(struct cloud_aggregate *a, uint32_t series, uint32_t *ret)
{
    void *found;
    struct series_info s = metrics_series(a->metrics, series);
    CLEANUP(buf_fini) struct buf key;
    buf_init(&key, METRICSET_LABELS_MAX * (size_t)METRICSET_LABEL_VALUE_MAX);
    if (cloud_filter_drops(a->filter, str_of(s.metric->name))) {
        *ret = SERIES_DROPPED;
        return 0;
    }
    int rc = key_of(a, &s, &key);
    if (rc == 0 && map_find(&a->by_labels, buf_view(&key), &found)) {
        *ret = (uint32_t)(uintptr_t)found;
        return 0;
    }
    *ret = SERIES_FIRST + series;
    return rc < 0 ? rc : map_put(&a->by_labels, buf_view(&key), (void *)(uintptr_t)*ret);
}

/* The series that the bucket's counts as; SERIES_DROPPED: none. */
static int stand_in(struct cloud_aggregate *a, uint32_t series, uint32_t *ret)
{
    size_t before = a->stand_ins_cap;
    int rc = mem_grow(&a->stand_ins, &a->stand_ins_cap, (size_t)series + 1, CLOUD_SERIES_MAX,
                      sizeof a->stand_ins[0]);
    if (rc < 0)
        return rc;
    if (a->stand_ins_cap > before)
        memset(a->stand_ins + before, 0, (a->stand_ins_cap - before) * sizeof a->stand_ins[0]);
    if (a->stand_ins[series] == SERIES_UNKNOWN)
        rc = find_stand_in(a, series, &a->stand_ins[series]);
    *ret = a->stand_ins[series];
    return rc;
}

/* Moves the bucket's content into the period; the bucket is empty afterwards on success. */
static int add_bucket(struct cloud_aggregate *a, struct period *p, struct bucket *b)
{
    int rc = 0;
    if (a->filter != NULL) {
        uint32_t as;
        rc = stand_in(a, b->series, &as);
        if (rc < 0 || as == SERIES_DROPPED)
            return rc;
        b->series = as - SERIES_FIRST;
    }
    rc = reserve_place(p, b->series);
    if (rc < 0)
        return rc;
    uint32_t at = p->place[b->series];
    if (at != 0) {
        enum metric_type type = metrics_series(a->metrics, b->series).metric->type;
        slow_merge(&p->buckets[at - 1].slow, &b->slow, CLOUD_SLOW_REQUESTS_MAX);
        return sink_merge(&p->buckets[at - 1].sink, &b->sink, type);
    }
    p->buckets[p->len++] = *b;
    p->place[b->series] = (uint32_t)p->len;
    b->sink = (struct sink){0};
    b->slow = NULL;
    return 0;
}

int cloud_aggregate_add(struct cloud_aggregate *a, struct bucket_batch *b)
{
    int rc = 0;
    CHECK(b->worker < a->workers);
    for (size_t i = 0; i < b->len; i++) {
        struct period *p = find_period(a, b->buckets[i].start_s);
        int one = p == NULL ? -ENOMEM : add_bucket(a, p, &b->buckets[i]);
        if (one < 0) {
            rc = one;
            a->lost++;
        }
    }
    a->seen_s[b->worker] = MAX(a->seen_s[b->worker], b->start_s);
    a->ended[b->worker] |= b->last;
    bucket_batch_free(b);
    return rc;
}

uint64_t cloud_aggregate_lost(const struct cloud_aggregate *a)
{
    return a->lost;
}

bool cloud_aggregate_done(const struct cloud_aggregate *a)
{
    for (uint32_t i = 0; i < a->workers; i++)
        if (!a->ended[i])
            return false;
    return true;
}

bool cloud_aggregate_ready(const struct cloud_aggregate *a, int64_t *ret_start_s)
{
    if (a->oldest == NULL)
        return false;
    for (uint32_t i = 0; i < a->workers; i++)
        if (!a->ended[i] && a->seen_s[i] < a->oldest->start_s)
            return false;
    *ret_start_s = a->oldest->start_s;
    return true;
}

/* ---- writing ---- */

struct order {
    uint32_t metric;
    uint32_t index; /* into buckets */
};

static int compare_order(const void *pa, const void *pb)
{
    const struct order *a = pa, *b = pb;
    if (a->metric != b->metric)
        return a->metric < b->metric ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static enum metricset_type wire_type(enum metric_type t)
{
    switch (t) {
    case METRIC_COUNTER:
        return METRICSET_COUNTER;
    case METRIC_GAUGE:
        return METRICSET_GAUGE;
    case METRIC_RATE:
        return METRICSET_RATE;
    case METRIC_TREND:
        return METRICSET_TREND;
    }
    return METRICSET_COUNTER;
}

static uint32_t clamp_u32(uint64_t n)
{
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static bool is_reserved(struct str label)
{
    return str_starts(label, STR("__")) || str_eqz(label, "test_run_id");
}

static size_t collect_labels(struct cloud_aggregate *a, const struct series_info *s,
                             struct metricset_label *labels)
{
    size_t n = 0;
    for (uint32_t i = 0; i < s->len && n < METRICSET_LABELS_MAX; i++) {
        if (!cloud_filter_keeps_tag(a->filter, str_of(s->metric->name), s->tags[i].key))
            continue;
        if (!is_reserved(s->tags[i].key)) {
            labels[n++] = (struct metricset_label){s->tags[i].key, s->tags[i].value};
            continue;
        }
        if (!a->warned_reserved)
            log_warning("cloud: tag '%.*s' is reserved and isn't sent", STR_ARG(s->tags[i].key));
        a->warned_reserved = true;
    }
    return n;
}

static void put_value(struct metricset_writer *w, enum metric_type type, int64_t time_ns,
                      const struct sink *s)
{
    static const struct hdr no_hdr;
    switch (type) {
    case METRIC_COUNTER:
        metricset_put_counter(w, time_ns, s->sum);
        break;
    case METRIC_GAUGE:
        metricset_put_gauge(w, time_ns,
                            (struct metricset_gauge){.last = s->last,
                                                     .min = s->min,
                                                     .max = s->max,
                                                     .avg = sink_avg(s),
                                                     .count = clamp_u32(s->count)});
        break;
    case METRIC_RATE:
        metricset_put_rate(w, time_ns, clamp_u32(s->nonzero), clamp_u32(s->count));
        break;
    case METRIC_TREND:
        metricset_put_trend(w, time_ns, s->hdr ? s->hdr : &no_hdr);
        break;
    }
}

/* ---- the slowest requests ---- */

static int slower_first(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    return a > b ? -1 : a < b;
}

/* How long a request of the period must have taken to be sent by itself: with few of them any, with
 * many the slowest CLOUD_SLOW_SENT_MAX are. */
static double slow_threshold_ms(const struct period *p)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < p->len; i++)
        n += p->buckets[i].slow != NULL ? p->buckets[i].slow->len : 0;
    if (n <= CLOUD_SLOW_SENT_MAX)
        return 0;
    CLEANUP(mem_freep) double *all = mem_realloc_array(NULL, n, sizeof *all);
    if (all == NULL)
        return INFINITY; /* they aren't worth more trouble */
    for (size_t i = 0; i < p->len; i++)
        for (uint32_t k = 0; p->buckets[i].slow != NULL && k < p->buckets[i].slow->len; k++)
            all[at++] = p->buckets[i].slow->items[k].http.duration_ms;
    qsort(all, n, sizeof *all, slower_first);
    return all[CLOUD_SLOW_SENT_MAX - 1];
}

static void put_slow(struct metricset_writer *w, const struct slow_requests *slow,
                     double threshold_ms)
{
    for (uint32_t i = 0; slow != NULL && i < slow->len; i++) {
        const struct slow_request *r = &slow->items[i];
        if (r->http.duration_ms < threshold_ms)
            continue;
        struct metricset_request out = {
            .time_ns = r->wall_ns,
            .duration = r->http.duration_ms,
            .blocked = r->http.blocked_ms,
            .connecting = r->http.connecting_ms,
            .tls_handshaking = r->http.tls_handshaking_ms,
            .sending = r->http.sending_ms,
            .waiting = r->http.waiting_ms,
            .receiving = r->http.receiving_ms,
            .failed = r->http.failed > 0,
        };
        metricset_put_request(w, &out);
    }
}

/* Writes the series order[from..] of the period, at most `max` of them; returns how many. */
static uint32_t write_set(struct cloud_aggregate *a, struct period *p, const struct order *order,
                          size_t len, uint32_t max, struct str test_run_id,
                          struct metricset_label *labels, struct buf *out)
{
    struct metricset_writer w;
    metricset_writer_init(&w, out, test_run_id, a->period_s);
    uint32_t n = 0;
    const struct metric *open = NULL;
    for (; n < len && n < max; n++) {
        const struct bucket *b = &p->buckets[order[n].index];
        struct series_info s = metrics_series(a->metrics, b->series);
        if (s.metric != open) {
            if (open != NULL)
                metricset_end_metric(&w);
            metricset_begin_metric(&w, str_of(s.metric->name), wire_type(s.metric->type));
            open = s.metric;
        }
        metricset_begin_series(&w, labels, collect_labels(a, &s, labels));
        put_slow(&w, b->slow, p->slow_ms);
        put_value(&w, s.metric->type, b->start_s * NS_PER_S, &b->sink);
        metricset_end_series(&w);
    }
    if (open != NULL)
        metricset_end_metric(&w);
    return n;
}

static int write_period(struct cloud_aggregate *a, struct period *p, struct str test_run_id,
                        uint32_t series_max, cloud_metricset_fn *emit, void *arg)
{
    CLEANUP(mem_freep) struct order *order = mem_realloc_array(NULL, p->len, sizeof *order);
    CLEANUP(mem_freep)
    struct metricset_label *labels = mem_calloc(METRICSET_LABELS_MAX, sizeof *labels);
    if (order == NULL || labels == NULL)
        return err_set_errno(-ENOMEM, "cloud: a period of %zu series", p->len);
    for (size_t i = 0; i < p->len; i++) {
        uint32_t series = p->buckets[i].series;
        order[i] = (struct order){metrics_series(a->metrics, series).metric->id, (uint32_t)i};
    }
    qsort(order, p->len, sizeof *order, compare_order);
    p->slow_ms = slow_threshold_ms(p);

    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, CLOUD_METRICSET_MAX);
    for (size_t at = 0; at < p->len;) {
        buf_reset(&out);
        uint32_t n =
            write_set(a, p, order + at, p->len - at, series_max, test_run_id, labels, &out);
        if (buf_finish(&out) < 0)
            return err_set_errno(buf_finish(&out), "cloud: a batch of %u series", n);
        int rc = emit(arg, buf_view(&out), n);
        if (rc < 0)
            return rc;
        at += n;
    }
    return 0;
}

int cloud_aggregate_take(struct cloud_aggregate *a, struct str test_run_id, uint32_t series_max,
                         cloud_metricset_fn *emit, void *arg)
{
    struct period *p = a->oldest;
    CHECK(p != NULL && series_max > 0);
    a->oldest = p->next;
    int rc = write_period(a, p, test_run_id, series_max, emit, arg);
    period_free(p);
    return rc;
}
