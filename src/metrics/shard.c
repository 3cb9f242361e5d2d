/*
 * A tag set knows its series (tagset.series), a series knows which sub-metrics it belongs to and
 * where in the open bucket its values are: a sample costs no look-up once its series exists.
 */
#include "metrics/shard.h"

#include "metrics/metrics_int.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/hdr.h"
#include "metrics/sink_int.h"

#include <errno.h>
#include <math.h>

struct series {
    const struct metric *metric;
    const uint32_t *subs; /* indexes of the sub-metrics that it belongs to */
    uint32_t subs_len;
    uint32_t id;    /* of the run, METRICS_NO_ID: not streamed */
    uint32_t epoch; /* of the bucket that `slot` is in */
    uint32_t slot;
};

/* The nine metrics of a request are neighbours among the built-ins. */
enum { HTTP_FIRST = METRIC_HTTP_REQS, HTTP_LEN = METRIC_HTTP_REQ_FAILED - METRIC_HTTP_REQS + 1 };

/* What a tag set has in this shard. */
struct series_set {
    struct series **by_metric; /* NULL where there is none yet; not for those of `http` */
    uint32_t len;
    uint32_t sections_len;
    struct series *http; /* NULL or HTTP_LEN of them, in order of ids */
    struct shard_check *check;
    struct shard_section *sections[2]; /* the scenario's, the group's */
};

int shard_new(struct metrics *m, struct shard **ret)
{
    struct shard *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_set(-ENOMEM, "metrics of a worker");
    s->metrics = m;
    arena_init(&s->arena, METRICS_ARENA_MAX);
    map_init(&s->checks, CHECKS_MAX);
    map_init(&s->sections, SECTIONS_MAX);
    s->period_ns = (int64_t)m->period_s * NS_PER_S;
    s->end_ns = s->period_ns > 0 ? 0 : INT64_MAX;
    s->epoch = 1;
    s->sinks_len = registry_len(m->registry);
    s->sinks = mem_calloc(s->sinks_len, sizeof *s->sinks);
    s->sub_sinks_len = (uint32_t)m->submetrics_len;
    s->sub_sinks = mem_calloc(s->sub_sinks_len + 1, sizeof *s->sub_sinks);
    if (s->period_ns > 0)
        s->spare = mem_calloc(1, sizeof *s->spare);
    s->sampled = m->samples_to != NULL;
    int rc = tag_table_new(&m->tag_limit, &s->tags);
    if (rc == 0 && s->sampled)
        rc = tag_table_keep_folded(s->tags);
    if (rc < 0 || !s->sinks || !s->sub_sinks || (s->period_ns > 0 && !s->spare)) {
        shard_free(s);
        return err_set(-ENOMEM, "metrics of a worker");
    }
    s->number = atomic_fetch_add(&m->shards, 1);
    *ret = s;
    return 0;
}

static void free_sinks(struct sink *sinks, uint32_t len)
{
    for (uint32_t i = 0; sinks && i < len; i++)
        sink_fini(&sinks[i]);
    mem_free(sinks);
}

void shard_free(struct shard *s)
{
    if (!s)
        return;
    free_sinks(s->sinks, s->sinks_len);
    free_sinks(s->sub_sinks, s->sub_sinks_len);
    for (size_t i = 0; i < map_len(&s->checks); i++)
        mem_free(map_value_at(&s->checks, i));
    map_fini(&s->checks);
    for (size_t i = 0; i < map_len(&s->sections); i++) {
        struct shard_section *section = map_value_at(&s->sections, i);
        free_sinks(section->sinks, section->len);
        mem_free(section);
    }
    map_fini(&s->sections);
    mem_free(s->groups);
    bucket_batch_free(s->batch);
    bucket_batch_free(s->spare);
    sample_chunk_free(s->chunk);
    tag_table_free(s->tags);
    arena_fini(&s->arena);
    mem_free(s);
}

struct tag_table *shard_tags(struct shard *s)
{
    return s->tags;
}

uint64_t shard_dropped(const struct shard *s)
{
    return s->dropped;
}

bool shard_is_sampled(const struct shard *s)
{
    return s->sampled;
}

static void drop(struct shard *s)
{
    s->dropped++;
    if (s->warned)
        return;
    s->warned = true;
    log_warning("Out of memory for metrics: some samples are missing from the results.");
}

/* Sets and series */

/* `*sinks` for metric ids up to `id`. */
static int sinks_reach(struct shard *s, struct sink **sinks, uint32_t *len, uint32_t id)
{
    if (id < *len)
        return 0;
    uint32_t more = MAX(id + 1, registry_len(s->metrics->registry));
    struct sink *grown = mem_realloc_array(*sinks, more, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    memset(grown + *len, 0, (more - *len) * sizeof *grown);
    *sinks = grown;
    *len = more;
    return 0;
}

static struct str tag_value(const struct tagset *tags, enum system_tag which)
{
    const struct tag *t = tags_find(tags, str_of(system_tag_name(which)));
    return t ? t->value : STR_EMPTY;
}

/* The shard's section of that name; NULL without memory or past the limit. */
static struct shard_section *section_get(struct shard *s, const struct metrics_name *name)
{
    CLEANUP(buf_fini) struct buf key;
    if (metrics_name_key(&key, name) < 0)
        return NULL;
    struct shard_section *section = map_get(&s->sections, buf_view(&key));
    if (section)
        return section;
    uint32_t id = metrics_name_id(s->metrics, &s->metrics->sections, name, "scenarios and groups");
    section = id == METRICS_NO_ID ? NULL : mem_calloc(1, sizeof *section);
    if (!section)
        return NULL;
    section->id = id;
    if (map_put(&s->sections, buf_view(&key), section) < 0) {
        mem_free(section);
        return NULL;
    }
    return section;
}

static void set_find_sections(struct shard *s, const struct tagset *tags, struct series_set *set)
{
    struct metrics_name name = {.scenario = tag_value(tags, TAG_SCENARIO)};
    struct str group = tag_value(tags, TAG_GROUP);
    struct shard_section *section;
    if (name.scenario.len > 0 && (section = section_get(s, &name)) != NULL)
        set->sections[set->sections_len++] = section;
    name.group = group;
    if (group.len > 0 && (section = section_get(s, &name)) != NULL)
        set->sections[set->sections_len++] = section;
}

static struct series_set *set_of(struct shard *s, struct tagset *tags)
{
    if (LIKELY(tags->series != NULL))
        return tags->series;
    struct series_set *set = arena_calloc(&s->arena, 1, sizeof *set);
    if (!set)
        return NULL;
    if (s->metrics->sections_wanted)
        set_find_sections(s, tags, set);
    tags->series = set;
    return set;
}

/* Notes that the group of a group_duration sample or of a check exists. */
static void see_group(struct shard *s, struct str path)
{
    if (path.len == 0)
        return;
    struct metrics_name name = {.group = path};
    uint32_t id = metrics_name_id(s->metrics, &s->metrics->groups, &name, "groups");
    for (size_t i = 0; i < s->groups_len; i++) {
        if (s->groups[i] == id)
            return;
    }
    if (id == METRICS_NO_ID ||
        mem_grow(&s->groups, &s->groups_cap, s->groups_len + 1, GROUPS_MAX, sizeof *s->groups) < 0)
        return;
    s->groups[s->groups_len++] = id;
}

static bool submetric_matches(const struct submetric *sub, const struct tagset *tags)
{
    for (uint32_t i = 0; i < sub->tags_len; i++) {
        const struct tag *t = tags_find(tags, sub->tags[i].key);
        if (!t || !str_eq(t->value, sub->tags[i].value))
            return false;
    }
    return true;
}

static int find_subs(struct shard *s, const struct tagset *tags, struct series *x)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->sub_sinks_len; i++) {
        const struct submetric *sub = s->metrics->submetrics[i];
        n += sub->parent == x->metric && submetric_matches(sub, tags);
    }
    if (n == 0)
        return 0;
    uint32_t *subs = arena_alloc(&s->arena, n * sizeof *subs);
    if (!subs)
        return -ENOMEM;
    for (uint32_t i = 0; i < s->sub_sinks_len; i++) {
        const struct submetric *sub = s->metrics->submetrics[i];
        if (sub->parent == x->metric && submetric_matches(sub, tags))
            subs[x->subs_len++] = i;
    }
    x->subs = subs;
    return 0;
}

static int series_init(struct shard *s, struct tagset *tags, const struct metric *m,
                       struct series *x)
{
    const struct series_set *set = tags->series;
    int rc = sinks_reach(s, &s->sinks, &s->sinks_len, m->id);
    for (uint32_t i = 0; rc == 0 && i < set->sections_len; i++)
        rc = sinks_reach(s, &set->sections[i]->sinks, &set->sections[i]->len, m->id);
    if (rc < 0)
        return rc;
    *x = (struct series){.metric = m, .id = METRICS_NO_ID};
    rc = find_subs(s, tags, x);
    if (rc < 0)
        return rc;
    if (s->period_ns > 0)
        x->id = metrics_series_id(s->metrics, m, tags);
    if (m->id == METRIC_GROUP_DURATION || m->id == METRIC_CHECKS)
        see_group(s, tag_value(tags, TAG_GROUP));
    return 0;
}

static struct series *http_new(struct shard *s, struct tagset *tags, struct series_set *set)
{
    struct series *http = arena_calloc(&s->arena, HTTP_LEN, sizeof *http);
    for (uint32_t i = 0; http && i < HTTP_LEN; i++) {
        const struct metric *m = registry_builtin(s->metrics->registry, HTTP_FIRST + i);
        if (series_init(s, tags, m, &http[i]) < 0)
            return NULL;
    }
    set->http = http;
    return http;
}

static int set_reach(struct shard *s, struct series_set *set, uint32_t id)
{
    if (id < set->len)
        return 0;
    uint32_t len = (id + 8) & ~7u;
    struct series **grown = arena_calloc(&s->arena, len, sizeof(struct series *));
    if (!grown)
        return -ENOMEM;
    if (set->len > 0)
        memcpy(grown, set->by_metric, set->len * sizeof(struct series *));
    set->by_metric = grown;
    set->len = len;
    return 0;
}

static struct series *series_new(struct shard *s, struct tagset *tags, struct series_set *set,
                                 const struct metric *m)
{
    if (m->id - HTTP_FIRST < HTTP_LEN) {
        struct series *http = set->http ? set->http : http_new(s, tags, set);
        return http ? &http[m->id - HTTP_FIRST] : NULL;
    }
    struct series *x = arena_calloc(&s->arena, 1, sizeof *x);
    if (!x || set_reach(s, set, m->id) < 0 || series_init(s, tags, m, x) < 0)
        return NULL;
    set->by_metric[m->id] = x;
    return x;
}

static inline struct series *series_of(struct shard *s, struct tagset *tags, struct series_set *set,
                                       const struct metric *m)
{
    if (LIKELY(m->id < set->len && set->by_metric[m->id]))
        return set->by_metric[m->id];
    return series_new(s, tags, set, m);
}

/* Samples */

static inline void fine_add(struct shard *s, struct sink *sink, enum metric_type type, double value,
                            int64_t wall_ns)
{
    sink_count(sink, type, value, wall_ns);
    if (type == METRIC_TREND && UNLIKELY(sink_hist_add(sink, value) < 0))
        drop(s);
}

/* The series' place in the open bucket; NULL without memory. */
static struct sink *bucket_open(struct shard *s, struct series *x)
{
    struct bucket_batch *b = s->batch;
    if (mem_grow(&b->buckets, &s->batch_cap, b->len + 1, SERIES_MAX, sizeof *b->buckets) < 0)
        return NULL;
    b->buckets[b->len] = (struct bucket){.series = x->id, .start_s = b->start_s};
    x->epoch = s->epoch;
    x->slot = (uint32_t)b->len;
    return &b->buckets[b->len++].sink;
}

static inline void bucket_add(struct shard *s, struct series *x, enum metric_type type,
                              double value, int64_t wall_ns)
{
    if (UNLIKELY(x->id == METRICS_NO_ID))
        return;
    struct sink *sink =
        LIKELY(x->epoch == s->epoch) ? &s->batch->buckets[x->slot].sink : bucket_open(s, x);
    if (UNLIKELY(!sink)) {
        drop(s);
        return;
    }
    if (type == METRIC_TREND) {
        /* The histogram has count, sum and extremes of its own; they are taken over at the end. */
        if (UNLIKELY(sink_hdr_add(sink, value) < 0))
            drop(s);
        return;
    }
    sink_count(sink, type, value, wall_ns);
}

/* The request among the slowest of its series' open bucket, if it is one of them. */
static inline void bucket_add_slow(struct shard *s, const struct series *x,
                                   const struct http_sample *h, int64_t wall_ns)
{
    if (UNLIKELY(x->id == METRICS_NO_ID || x->epoch != s->epoch))
        return;
    struct slow_requests **slow = &s->batch->buckets[x->slot].slow;
    uint32_t max = s->metrics->slow_max;
    if (UNLIKELY(slow_wants(*slow, max, h->duration_ms)))
        slow_add(slow, max, &(struct slow_request){wall_ns, *h});
}

static inline void put(struct shard *s, const struct series_set *set, struct series *x, uint32_t id,
                       enum metric_type type, double value, int64_t wall_ns)
{
    fine_add(s, &s->sinks[id], type, value, wall_ns);
    for (uint32_t i = 0; i < x->subs_len; i++)
        fine_add(s, &s->sub_sinks[x->subs[i]], type, value, wall_ns);
    for (uint32_t i = 0; i < set->sections_len; i++)
        fine_add(s, &set->sections[i]->sinks[id], type, value, wall_ns);
    if (s->batch)
        bucket_add(s, x, type, value, wall_ns);
}

/* Single samples */

static struct sample_chunk *chunk_open(struct shard *s)
{
    struct sample_chunk *c = mem_alloc(sizeof *c);
    if (!c) {
        s->metrics->samples_to(s->metrics->samples_arg, NULL);
        return NULL;
    }
    arena_init(&c->arena, SAMPLE_ARENA_MAX);
    c->next = NULL;
    c->serial = ++s->chunks;
    c->len = 0;
    s->chunk = c;
    return c;
}

void shard_flush_samples(struct shard *s)
{
    struct sample_chunk *c = s->chunk;
    s->chunk = NULL;
    if (c)
        s->metrics->samples_to(s->metrics->samples_arg, c);
}

/* A list with its strings, in the chunk; NULL without memory. */
static const struct tag *chunk_copy(struct sample_chunk *c, const struct tag *list, size_t len)
{
    struct tag *copy = arena_alloc(&c->arena, len * sizeof *copy);
    for (size_t i = 0; copy && i < len; i++) {
        const char *key = arena_dup(&c->arena, list[i].key);
        const char *value = arena_dup(&c->arena, list[i].value);
        if (!key || !value)
            return NULL;
        copy[i] = (struct tag){str_new(key, list[i].key.len), str_new(value, list[i].value.len)};
    }
    return copy;
}

static void chunk_add_metadata(struct sample_chunk *c, struct sample *x, struct metadata *meta)
{
    if (meta->serial != c->serial) {
        meta->copy = chunk_copy(c, meta->items, meta->len);
        meta->serial = meta->copy ? c->serial : 0;
    }
    x->metadata = meta->copy;
    x->metadata_len = meta->copy ? (uint32_t)meta->len : 0;
}

/* `n` samples of the same moment and tags; the metrics in x[] are those of neighbouring ids. */
static COLD void sample_add(struct shard *s, const struct metric *m, const struct tagset *tags,
                            struct metadata *meta, const double *values, size_t n, int64_t wall_ns)
{
    if (s->chunk && s->chunk->len + n > SAMPLES_PER_CHUNK)
        shard_flush_samples(s);
    struct sample_chunk *c = s->chunk ? s->chunk : chunk_open(s);
    if (!c)
        return;
    struct sample x = {.tags = tags->tags, .tags_len = tags->len, .wall_ns = wall_ns};
    uint32_t full_len;
    const struct tag *full = tags_before_fold(s->tags, tags, &full_len);
    const struct tag *copy = full ? chunk_copy(c, full, full_len) : NULL;
    if (copy) {
        x.tags = copy;
        x.tags_len = full_len;
    }
    if (meta && meta->len > 0)
        chunk_add_metadata(c, &x, meta);
    for (size_t i = 0; i < n; i++) {
        x.metric = m + i; /* built-ins are neighbours, others come singly */
        x.value = values[i];
        c->samples[c->len++] = x;
    }
    if (c->len == SAMPLES_PER_CHUNK || c->arena.total > SAMPLE_ARENA_MAX / 2)
        shard_flush_samples(s);
}

static COLD void sample_add_http(struct shard *s, const struct tagset *tags, struct metadata *meta,
                                 const struct http_sample *h, int64_t wall_ns)
{
    const double values[HTTP_LEN] = {
        [METRIC_HTTP_REQS - HTTP_FIRST] = 1,
        [METRIC_HTTP_REQ_DURATION - HTTP_FIRST] = h->duration_ms,
        [METRIC_HTTP_REQ_BLOCKED - HTTP_FIRST] = h->blocked_ms,
        [METRIC_HTTP_REQ_CONNECTING - HTTP_FIRST] = h->connecting_ms,
        [METRIC_HTTP_REQ_TLS_HANDSHAKING - HTTP_FIRST] = h->tls_handshaking_ms,
        [METRIC_HTTP_REQ_SENDING - HTTP_FIRST] = h->sending_ms,
        [METRIC_HTTP_REQ_WAITING - HTTP_FIRST] = h->waiting_ms,
        [METRIC_HTTP_REQ_RECEIVING - HTTP_FIRST] = h->receiving_ms,
        [METRIC_HTTP_REQ_FAILED - HTTP_FIRST] = h->failed,
    };
    sample_add(s, registry_builtin(s->metrics->registry, METRIC_HTTP_REQS), tags, meta, values,
               h->failed >= 0 ? HTTP_LEN : HTTP_LEN - 1, wall_ns);
}

void shard_add(struct shard *s, const struct metric *m, struct tagset *tags, struct metadata *meta,
               double value, int64_t wall_ns)
{
    struct series_set *set = set_of(s, tags);
    struct series *x = set ? series_of(s, tags, set, m) : NULL;
    if (UNLIKELY(!x || isnan(value))) {
        drop(s);
        return;
    }
    if (UNLIKELY(wall_ns >= s->end_ns))
        shard_tick(s, wall_ns);
    put(s, set, x, m->id, m->type, value, wall_ns);
    if (UNLIKELY(s->sampled))
        sample_add(s, m, tags, meta, &value, 1, wall_ns);
}

void shard_add_http(struct shard *s, struct tagset *tags, struct metadata *meta,
                    const struct http_sample *h, int64_t wall_ns)
{
    struct series_set *set = set_of(s, tags);
    struct series *x = !set ? NULL : LIKELY(set->http != NULL) ? set->http : http_new(s, tags, set);
    if (UNLIKELY(!x)) {
        drop(s);
        return;
    }
    if (UNLIKELY(wall_ns >= s->end_ns))
        shard_tick(s, wall_ns);
#define PUT(metric, type, value)                                                                   \
    put(s, set, &x[(metric)-HTTP_FIRST], (metric), (type), (value), wall_ns)
    PUT(METRIC_HTTP_REQS, METRIC_COUNTER, 1);
    PUT(METRIC_HTTP_REQ_DURATION, METRIC_TREND, h->duration_ms);
    PUT(METRIC_HTTP_REQ_BLOCKED, METRIC_TREND, h->blocked_ms);
    PUT(METRIC_HTTP_REQ_CONNECTING, METRIC_TREND, h->connecting_ms);
    PUT(METRIC_HTTP_REQ_TLS_HANDSHAKING, METRIC_TREND, h->tls_handshaking_ms);
    PUT(METRIC_HTTP_REQ_SENDING, METRIC_TREND, h->sending_ms);
    PUT(METRIC_HTTP_REQ_WAITING, METRIC_TREND, h->waiting_ms);
    PUT(METRIC_HTTP_REQ_RECEIVING, METRIC_TREND, h->receiving_ms);
    if (h->failed >= 0)
        PUT(METRIC_HTTP_REQ_FAILED, METRIC_RATE, h->failed);
#undef PUT
    if (s->batch && s->metrics->slow_max > 0)
        bucket_add_slow(s, &x[METRIC_HTTP_REQ_DURATION - HTTP_FIRST], h, wall_ns);
    if (UNLIKELY(s->sampled))
        sample_add_http(s, tags, meta, h, wall_ns);
}

void shard_add_lag(struct shard *s, struct tagset *tags, double lag_ms, int64_t wall_ns)
{
    if (UNLIKELY(atomic_load_explicit(&s->metrics->lag_shown, memory_order_relaxed)))
        shard_add(s, registry_builtin(s->metrics->registry, METRIC_GENERATOR_LAG), tags, NULL,
                  lag_ms, wall_ns);
    else
        fine_add(s, &s->sinks[METRIC_GENERATOR_LAG], METRIC_TREND, lag_ms, wall_ns);
}

/* Checks */

static struct shard_check *check_new(struct shard *s, const struct metrics_name *name,
                                     struct str key)
{
    uint32_t id = metrics_name_id(s->metrics, &s->metrics->checks, name, "checks");
    if (id == METRICS_NO_ID)
        return NULL;
    struct shard_check *c = mem_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    struct metrics_name own = metrics_name_at(s->metrics, &s->metrics->checks, id);
    *c = (struct shard_check){.id = id, .group = own.group, .name = own.name};
    if (map_put(&s->checks, key, c) < 0) {
        mem_free(c);
        return NULL;
    }
    return c;
}

static struct shard_check *check_find(struct shard *s, const struct tagset *base, struct str group,
                                      struct str name)
{
    struct metrics_name full = {tag_value(base, TAG_SCENARIO), group, name};
    CLEANUP(buf_fini) struct buf key;
    if (metrics_name_key(&key, &full) < 0)
        return NULL;
    struct shard_check *c = map_get(&s->checks, buf_view(&key));
    if (c)
        return c;
    see_group(s, group);
    return check_new(s, &full, buf_view(&key));
}

static struct tagset *check_tags(struct shard *s, struct tagset *base, struct str name,
                                 const struct tag *extra, uint32_t extra_len, uint32_t system_tags)
{
    struct tag tags[TAGS_PER_SET_MAX];
    uint32_t n = MIN(extra_len, (uint32_t)ARRAY_LEN(tags) - 1);
    if (n > 0)
        memcpy(tags, extra, n * sizeof tags[0]);
    if (system_tags & TAG_BIT(TAG_CHECK))
        tags[n++] = (struct tag){STR("check"), name};
    return tags_with(s->tags, base, tags, n);
}

void shard_add_check(struct shard *s, struct tagset *base, struct metadata *meta, struct str group,
                     struct str name, const struct tag *extra, uint32_t extra_len,
                     uint32_t system_tags, bool ok, int64_t wall_ns)
{
    struct tagset *tags = check_tags(s, base, name, extra, extra_len, system_tags);
    struct series_set *set = set_of(s, tags);
    /* A set has one check, unless the system tags check or group are off. */
    struct shard_check *c = set ? set->check : NULL;
    if (UNLIKELY(!c || !str_eq(c->name, name) || !str_eq(c->group, group))) {
        c = check_find(s, base, group, name);
        if (set)
            set->check = c;
    }
    if (LIKELY(c != NULL)) {
        c->passes += ok;
        c->fails += !ok;
    }
    shard_add(s, registry_builtin(s->metrics->registry, METRIC_CHECKS), tags, meta, ok, wall_ns);
}

/* Buckets */

static void batch_finish(struct shard *s, struct bucket_batch *b)
{
    for (size_t i = 0; i < b->len; i++) {
        struct sink *sink = &b->buckets[i].sink;
        if (!sink->hdr)
            continue;
        sink->count = sink->hdr->count;
        sink->sum = sink->hdr->sum;
        sink->min = sink->hdr->min;
        sink->max = sink->hdr->max;
    }
    b->worker = s->number;
    s->metrics->consumer(s->metrics->consumer_arg, b);
}

/* Opens the bucket of the period that `wall_ns` is in.  Without memory there is none, and the next
 * tick tries again. */
static void batch_open(struct shard *s, int64_t wall_ns)
{
    int64_t start_ns = wall_ns - wall_ns % s->period_ns;
    s->epoch++;
    s->batch_cap = 0;
    s->batch = mem_calloc(1, sizeof *s->batch);
    if (!s->batch) {
        drop(s);
        return;
    }
    s->batch->start_s = start_ns / NS_PER_S;
    s->end_ns = start_ns + s->period_ns;
}

static void batch_close(struct shard *s)
{
    struct bucket_batch *b = s->batch;
    s->batch = NULL;
    batch_finish(s, b);
}

void shard_tick(struct shard *s, int64_t wall_ns)
{
    if (wall_ns < s->end_ns || s->period_ns == 0)
        return;
    int64_t gap = s->end_ns > 0 ? (wall_ns - s->end_ns) / s->period_ns : 0;
    int64_t next_ns = s->end_ns;
    if (s->batch)
        batch_close(s);
    /* A gap is told period by period, unless the clock has jumped. */
    if (gap > BUCKETS_GAP_MAX)
        gap = 0;
    for (int64_t i = 0; i < gap; i++, next_ns += s->period_ns) {
        batch_open(s, next_ns);
        if (s->batch)
            batch_close(s);
    }
    batch_open(s, wall_ns);
}

void shard_finish(struct shard *s, int64_t wall_ns)
{
    shard_flush_samples(s);
    if (s->period_ns == 0)
        return;
    shard_tick(s, wall_ns);
    if (!s->batch) {
        s->batch = s->spare;
        s->spare = NULL;
        if (!s->batch)
            return;
        s->batch->start_s = (wall_ns - wall_ns % s->period_ns) / NS_PER_S;
    }
    s->batch->last = true;
    batch_close(s);
    s->period_ns = 0;
    s->end_ns = INT64_MAX;
}
