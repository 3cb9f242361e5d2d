#include "metrics/metrics.h"

#include "metrics/metrics_int.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "metrics/hash.h"

#include <errno.h>
#include <stdio.h>

/* A distinct list of tags and its series: usually the nine of a request. */
struct metrics_labels {
    uint64_t hash;
    struct label_series *series;
    uint32_t len;
    struct tag tags[];
};

struct label_series {
    struct label_series *next;
    const struct metric *metric;
    uint32_t id;
};

enum { LABEL_SLOTS_FIRST = 64, NAME_KEY_MAX = 64 * 1024 };

static void names_init(struct metrics_names *t, size_t max)
{
    map_init(&t->ids, max);
    t->max = max;
}

static void names_fini(struct metrics_names *t)
{
    map_fini(&t->ids);
    mem_free(t->names);
}

int metrics_new(struct registry *r, struct metrics **ret)
{
    struct metrics *m = mem_calloc(1, sizeof *m);
    if (!m)
        return err_set(-ENOMEM, "metrics");
    m->registry = r;
    pthread_mutex_init(&m->lock, NULL);
    arena_init(&m->arena, METRICS_ARENA_MAX);
    strpool_init(&m->pool, METRICS_ARENA_MAX);
    names_init(&m->checks, CHECKS_MAX);
    names_init(&m->groups, GROUPS_MAX);
    names_init(&m->sections, SECTIONS_MAX);
    *ret = m;
    return 0;
}

static void submetric_free(struct submetric *s)
{
    if (!s)
        return;
    mem_free(s->name);
    mem_free(s->suffix);
    mem_free(s->tags);
    mem_free(s);
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->submetrics_len; i++)
        submetric_free(m->submetrics[i]);
    mem_free(m->submetrics);
    mem_free(m->labels);
    mem_free(m->series);
    names_fini(&m->checks);
    names_fini(&m->groups);
    names_fini(&m->sections);
    strpool_fini(&m->pool);
    arena_fini(&m->arena);
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

struct registry *metrics_registry(struct metrics *m)
{
    return m->registry;
}

void metrics_want_buckets(struct metrics *m, uint32_t period_s, bucket_consumer_fn *fn, void *arg)
{
    m->period_s = fn ? period_s : 0;
    m->tag_limit.max = m->period_s > 0 ? TAG_SETS_STREAM_MAX : TAG_SETS_MAX;
    m->consumer = fn;
    m->consumer_arg = arg;
}

void metrics_want_slow(struct metrics *m, uint32_t per_series)
{
    m->slow_max = MIN(per_series, (uint32_t)SLOW_MAX);
}

void metrics_want_samples(struct metrics *m, sample_consumer_fn *fn, void *arg)
{
    m->samples_to = fn;
    m->samples_arg = arg;
}

void metrics_show_lag(struct metrics *m)
{
    atomic_store_explicit(&m->lag_shown, true, memory_order_relaxed);
}

void metrics_want_sections(struct metrics *m)
{
    m->sections_wanted = true;
}

/* Sub-metrics */

/* Spaces and then quotes around a tag's key or value don't count. */
static struct str unquote(struct str s)
{
    s = str_trim(s);
    while (s.len > 0 && (s.ptr[0] == '"' || s.ptr[0] == '\''))
        s = str_new(s.ptr + 1, s.len - 1);
    while (s.len > 0 && (s.ptr[s.len - 1] == '"' || s.ptr[s.len - 1] == '\''))
        s.len--;
    return s;
}

/* Cuts "name{…}" into its parts.  *ret_inner has a NULL ptr when there are no braces. */
static int split_key(struct str key, struct str *ret_name, struct str *ret_inner)
{
    if (str_find(key, '\0') >= 0)
        return err_set(E_CONFIG, "parsing metric name failed, metric name with a NUL character");
    ptrdiff_t open = str_find(key, '{'), close = -1;
    for (size_t i = key.len; i > 0 && close < 0; i--) {
        if (key.ptr[i - 1] == '}')
            close = (ptrdiff_t)i - 1;
    }
    if (open < 0 && close < 0) {
        *ret_name = key;
        *ret_inner = STR_EMPTY;
        return 0;
    }
    if (open < 0 || close < 0)
        return err_set(E_CONFIG,
                       "parsing metric name failed, metric \"%.*s\" has unmatched opening/close "
                       "curly brace",
                       STR_ARG(key));
    if (close < open)
        return err_set(E_CONFIG,
                       "parsing metric name failed, metric \"%.*s\" closing curly brace appears "
                       "before opening one",
                       STR_ARG(key));
    if ((size_t)close != key.len - 1)
        return err_set(E_CONFIG,
                       "parsing metric name failed, metric \"%.*s\" lacks a closing curly brace "
                       "in its last position",
                       STR_ARG(key));
    *ret_name = str_new(key.ptr, (size_t)open);
    *ret_inner = str_new(key.ptr + open + 1, (size_t)(close - open - 1));
    return 0;
}

/* Every part must be "tag:value" with something behind the colon. */
static int check_inner(struct str inner)
{
    struct str rest = inner;
    do {
        struct str part = str_cut(rest, ',', &rest), value;
        (void)str_cut(part, ':', &value);
        if (value.len == 0)
            return err_set(E_CONFIG,
                           "parsing metric name failed, metric \"%.*s\" tag expression is "
                           "malformed",
                           STR_ARG(part));
    } while (rest.ptr);
    return 0;
}

static size_t count_char(struct str s, char c)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == c;
    return n;
}

/* Views of submetric.suffix, which therefore must not move. */
static int parse_tags(struct submetric *s, size_t suffix_len)
{
    struct str rest = str_new(s->suffix, suffix_len);
    s->tags = mem_calloc(count_char(rest, ',') + 1, sizeof *s->tags);
    if (!s->tags)
        return -ENOMEM;
    do {
        struct str part = str_cut(rest, ',', &rest), value;
        struct str key = unquote(str_cut(part, ':', &value));
        struct tag tag = {key, unquote(value)};
        uint32_t at = 0;
        while (at < s->tags_len && !str_eq(s->tags[at].key, key))
            at++;
        s->tags[at] = tag; /* a key that comes twice: the last one */
        s->tags_len = MAX(s->tags_len, at + 1);
    } while (rest.ptr);
    return 0;
}

static int submetric_new(const struct metric *parent, struct str inner, struct submetric **ret)
{
    struct submetric *s = mem_calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->parent = parent;
    inner = str_trim(inner);
    s->suffix = str_dup(inner);
    size_t size = strlen(parent->name) + inner.len + 3;
    s->name = mem_alloc(size);
    if (!s->suffix || !s->name || parse_tags(s, inner.len) < 0) {
        submetric_free(s);
        return -ENOMEM;
    }
    (void)snprintf(s->name, size, "%s{%s}", parent->name, s->suffix);
    *ret = s;
    return 0;
}

static bool tags_contain(const struct tag *tags, uint32_t len, struct tag want)
{
    for (uint32_t i = 0; i < len; i++) {
        if (str_eq(tags[i].key, want.key))
            return str_eq(tags[i].value, want.value);
    }
    return false;
}

static bool submetric_same(const struct submetric *a, const struct submetric *b)
{
    if (a->parent != b->parent || a->tags_len != b->tags_len)
        return false;
    for (uint32_t i = 0; i < a->tags_len; i++) {
        if (!tags_contain(b->tags, b->tags_len, a->tags[i]))
            return false;
    }
    return true;
}

static void warn_unindexed(const struct submetric *s)
{
    static const char *const names[] = {"vu", "iter"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        for (uint32_t t = 0; t < s->tags_len; t++) {
            if (str_eqz(s->tags[t].key, names[i]))
                log_warning("The high-cardinality '%s' metric tag is not indexed, so thresholds "
                            "like '%s' that are based on it won't work correctly.",
                            names[i], s->name);
        }
    }
}

/* Takes `s` over, or frees it when there is one like it. */
static int submetric_add(struct metrics *m, struct submetric *s, const struct submetric **ret)
{
    for (size_t i = 0; i < m->submetrics_len; i++) {
        if (submetric_same(m->submetrics[i], s)) {
            submetric_free(s);
            *ret = m->submetrics[i];
            return 0;
        }
    }
    int rc = mem_grow(&m->submetrics, &m->submetrics_cap, m->submetrics_len + 1, SUBMETRICS_MAX,
                      sizeof(struct submetric *));
    if (rc < 0) {
        submetric_free(s);
        return rc;
    }
    s->index = (uint32_t)m->submetrics_len;
    m->submetrics[m->submetrics_len++] = s;
    warn_unindexed(s);
    *ret = s;
    return 0;
}

int metrics_submetric(struct metrics *m, struct str key, const struct metric **ret_metric,
                      const struct submetric **ret)
{
    struct str name, inner;
    int rc = split_key(key, &name, &inner);
    if (rc == 0 && inner.ptr)
        rc = check_inner(inner);
    if (rc < 0)
        return rc;
    const struct metric *metric = registry_find(m->registry, name);
    if (!metric)
        return err_set(E_CONFIG, "no metric name \"%.*s\" found", STR_ARG(key));

    const struct submetric *sub = NULL;
    if (inner.ptr) {
        struct submetric *made;
        rc = submetric_new(metric, inner, &made);
        if (rc == 0)
            rc = submetric_add(m, made, &sub);
        if (rc == -E2BIG)
            return err_set(E_LIMIT, "more than %d sub-metrics", SUBMETRICS_MAX);
        if (rc < 0)
            return err_set(rc, "sub-metric %.*s", STR_ARG(key));
    }
    *ret_metric = metric;
    *ret = sub;
    return 0;
}

size_t metrics_submetrics_len(const struct metrics *m)
{
    return m->submetrics_len;
}

const struct submetric *metrics_submetric_at(const struct metrics *m, size_t i)
{
    CHECK(i < m->submetrics_len);
    return m->submetrics[i];
}

/* Series */

static bool labels_same(const struct metrics_labels *l, uint64_t hash, const struct tagset *set)
{
    if (l->hash != hash || l->len != set->len)
        return false;
    for (uint32_t i = 0; i < l->len; i++) {
        if (!str_eq(l->tags[i].key, set->tags[i].key) ||
            !str_eq(l->tags[i].value, set->tags[i].value))
            return false;
    }
    return true;
}

static int grow_labels(struct metrics *m)
{
    size_t cap = m->labels_cap ? m->labels_cap * 2 : LABEL_SLOTS_FIRST;
    struct metrics_labels **slots = mem_calloc(cap, sizeof(struct metrics_labels *));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < m->labels_cap; i++) {
        if (!m->labels[i])
            continue;
        size_t at = m->labels[i]->hash & (cap - 1);
        while (slots[at])
            at = (at + 1) & (cap - 1);
        slots[at] = m->labels[i];
    }
    mem_free(m->labels);
    m->labels = slots;
    m->labels_cap = cap;
    return 0;
}

static struct metrics_labels *labels_copy(struct metrics *m, const struct tagset *set)
{
    struct metrics_labels *l = arena_calloc(&m->arena, 1, sizeof *l + set->len * sizeof l->tags[0]);
    if (!l)
        return NULL;
    l->hash = set->hash;
    l->len = set->len;
    for (uint32_t i = 0; i < set->len; i++) {
        if (strpool_get(&m->pool, set->tags[i].key, &l->tags[i].key) < 0 ||
            strpool_get(&m->pool, set->tags[i].value, &l->tags[i].value) < 0)
            return NULL;
    }
    return l;
}

static struct metrics_labels *labels_get(struct metrics *m, const struct tagset *set)
{
    if ((m->labels_len + 1) * 2 > m->labels_cap && grow_labels(m) < 0)
        return NULL;
    size_t at = set->hash & (m->labels_cap - 1);
    while (m->labels[at] && !labels_same(m->labels[at], set->hash, set))
        at = (at + 1) & (m->labels_cap - 1);
    if (!m->labels[at]) {
        m->labels[at] = labels_copy(m, set);
        if (m->labels[at])
            m->labels_len++;
    }
    return m->labels[at];
}

static uint32_t series_make(struct metrics *m, const struct metric *metric,
                            struct metrics_labels *labels)
{
    int rc = mem_grow(&m->series, &m->series_cap, m->series_len + 1, SERIES_MAX, sizeof *m->series);
    struct label_series *s = rc == 0 ? arena_alloc(&m->arena, sizeof *s) : NULL;
    if (!s) {
        if (!m->series_warned)
            log_warning("No more than %zu time series can be streamed; samples of further ones are "
                        "only in the summary.",
                        m->series_len);
        m->series_warned = true;
        return METRICS_NO_ID;
    }
    *s = (struct label_series){labels->series, metric, (uint32_t)m->series_len};
    labels->series = s;
    m->series[m->series_len++] = (struct series_info){metric, labels->tags, labels->len};
    return s->id;
}

static uint32_t series_id_locked(struct metrics *m, const struct metric *metric,
                                 const struct tagset *set)
{
    struct metrics_labels *labels = labels_get(m, set);
    if (!labels)
        return METRICS_NO_ID;
    for (struct label_series *s = labels->series; s; s = s->next) {
        if (s->metric == metric)
            return s->id;
    }
    return series_make(m, metric, labels);
}

uint32_t metrics_series_id(struct metrics *m, const struct metric *metric, const struct tagset *set)
{
    pthread_mutex_lock(&m->lock);
    uint32_t id = series_id_locked(m, metric, set);
    pthread_mutex_unlock(&m->lock);
    return id;
}

struct series_info metrics_series(struct metrics *m, uint32_t series)
{
    pthread_mutex_lock(&m->lock);
    CHECK(series < m->series_len);
    struct series_info info = m->series[series];
    pthread_mutex_unlock(&m->lock);
    return info;
}

/* Names */

int metrics_name_key(struct buf *out, const struct metrics_name *name)
{
    buf_init(out, NAME_KEY_MAX);
    const struct str parts[] = {name->scenario, name->group, name->name};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        buf_append(out, &parts[i].len, sizeof parts[i].len);
        buf_str(out, parts[i]);
    }
    return buf_finish(out);
}

static int name_add(struct metrics *m, struct metrics_names *t, struct str key,
                    const struct metrics_name *name)
{
    int rc = mem_grow(&t->names, &t->cap, t->len + 1, t->max, sizeof *t->names);
    struct metrics_name copy = {0};
    if (rc == 0)
        rc = strpool_get(&m->pool, name->scenario, &copy.scenario);
    if (rc == 0)
        rc = strpool_get(&m->pool, name->group, &copy.group);
    if (rc == 0)
        rc = strpool_get(&m->pool, name->name, &copy.name);
    if (rc == 0)
        rc = map_put(&t->ids, key, (void *)(uintptr_t)(t->len + 1));
    if (rc == 0)
        t->names[t->len++] = copy;
    return rc;
}

uint32_t metrics_name_id(struct metrics *m, struct metrics_names *table,
                         const struct metrics_name *name, const char *what)
{
    CLEANUP(buf_fini) struct buf key;
    if (metrics_name_key(&key, name) < 0)
        return METRICS_NO_ID;
    uint32_t id = METRICS_NO_ID;
    pthread_mutex_lock(&m->lock);
    void *known = map_get(&table->ids, buf_view(&key));
    if (known) {
        id = (uint32_t)(uintptr_t)known - 1;
    } else if (name_add(m, table, buf_view(&key), name) == 0) {
        id = (uint32_t)table->len - 1;
    } else if (!table->warned) {
        table->warned = true;
        log_warning("More than %zu %s: further ones are not shown singly.", table->len, what);
    }
    pthread_mutex_unlock(&m->lock);
    return id;
}

struct metrics_name metrics_name_at(struct metrics *m, struct metrics_names *table, uint32_t id)
{
    pthread_mutex_lock(&m->lock);
    CHECK(id < table->len);
    struct metrics_name name = table->names[id];
    pthread_mutex_unlock(&m->lock);
    return name;
}

void bucket_batch_free(struct bucket_batch *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->len; i++) {
        sink_fini(&b->buckets[i].sink);
        mem_free(b->buckets[i].slow);
    }
    mem_free(b->buckets);
    mem_free(b);
}
