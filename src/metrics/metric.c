#include "metrics/metric.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>

struct registry {
    pthread_mutex_t lock;
    struct map by_name; /* name -> struct metric *, in order of ids */
    struct metric builtin[METRIC_BUILTIN_LEN];
};

static const struct metric builtin_table[METRIC_BUILTIN_LEN] = {
#define X(id, name, type, contains) [id] = {name, type, contains, id},
#include "metrics/builtin_table.h"
#undef X
};

const char *metric_type_name(enum metric_type t)
{
    switch (t) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_RATE:
        return "rate";
    case METRIC_TREND:
        return "trend";
    }
    return "unknown";
}

const char *metric_contains_name(enum metric_contains c)
{
    switch (c) {
    case METRIC_DEFAULT:
        return "default";
    case METRIC_TIME:
        return "time";
    case METRIC_DATA:
        return "data";
    }
    return "unknown";
}

int registry_new(struct registry **ret)
{
    struct registry *r = mem_calloc(1, sizeof *r);
    if (!r)
        return err_set(-ENOMEM, "metrics");
    pthread_mutex_init(&r->lock, NULL);
    map_init(&r->by_name, METRICS_MAX);
    memcpy(r->builtin, builtin_table, sizeof r->builtin);
    for (size_t i = 0; i < METRIC_BUILTIN_LEN; i++) {
        int rc = map_put(&r->by_name, str_of(r->builtin[i].name), &r->builtin[i]);
        if (rc < 0) {
            registry_free(r);
            return err_set(rc, "metrics");
        }
    }
    *ret = r;
    return 0;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    for (size_t i = METRIC_BUILTIN_LEN; i < map_len(&r->by_name); i++)
        mem_free(map_value_at(&r->by_name, i));
    map_fini(&r->by_name);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

static bool name_char(char c, bool first)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')
        return true;
    return !first && c >= '0' && c <= '9';
}

/* k6 wants at least two characters; kept, as scripts that pass there must pass here and no more. */
static bool name_ok(struct str name)
{
    if (name.len < 2 || name.len > METRIC_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (!name_char(name.ptr[i], i == 0))
            return false;
    }
    return true;
}

/* The metric and its name in one allocation. */
static struct metric *metric_new(struct str name, enum metric_type type,
                                 enum metric_contains contains, uint32_t id)
{
    struct metric *m = mem_alloc(sizeof *m + name.len + 1);
    if (!m)
        return NULL;
    char *copy = (char *)(m + 1);
    memcpy(copy, name.ptr, name.len);
    copy[name.len] = '\0';
    *m = (struct metric){.name = copy, .type = type, .contains = contains, .id = id};
    return m;
}

static int add_locked(struct registry *r, struct str name, enum metric_type type,
                      enum metric_contains contains, const struct metric **ret)
{
    const struct metric *old = map_get(&r->by_name, name);
    if (old && old->type != type)
        return err_set(E_CONFIG, "metric '%s' already exists but with type %s, instead of %s",
                       old->name, metric_type_name(old->type), metric_type_name(type));
    if (old && old->contains != contains)
        return err_set(
            E_CONFIG, "metric '%s' already exists but with a value type %s, instead of %s",
            old->name, metric_contains_name(old->contains), metric_contains_name(contains));
    if (old) {
        *ret = old;
        return 0;
    }

    struct metric *m = metric_new(name, type, contains, (uint32_t)map_len(&r->by_name));
    if (!m)
        return err_set(-ENOMEM, "metric '%.*s'", STR_ARG(name));
    int rc = map_put(&r->by_name, name, m);
    if (rc < 0) {
        mem_free(m);
        if (rc == -E2BIG)
            return err_set(E_LIMIT, "metric '%.*s': more than %d metrics", STR_ARG(name),
                           METRICS_MAX);
        return err_set(rc, "metric '%.*s'", STR_ARG(name));
    }
    *ret = m;
    return 0;
}

int registry_add(struct registry *r, struct str name, enum metric_type type,
                 enum metric_contains contains, const struct metric **ret)
{
    if (!name_ok(name))
        return err_set(E_CONFIG,
                       "Invalid metric name: '%.*s'. Metric names must only include up to 128 "
                       "ASCII letters, numbers, or underscores and start with a letter or an "
                       "underscore.",
                       STR_ARG(name));
    pthread_mutex_lock(&r->lock);
    int rc = add_locked(r, name, type, contains, ret);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

const struct metric *registry_find(struct registry *r, struct str name)
{
    pthread_mutex_lock(&r->lock);
    const struct metric *m = map_get(&r->by_name, name);
    pthread_mutex_unlock(&r->lock);
    return m;
}

const struct metric *registry_builtin(const struct registry *r, enum metric_builtin id)
{
    CHECK(id < METRIC_BUILTIN_LEN);
    return &r->builtin[id];
}

const struct metric *registry_at(struct registry *r, uint32_t id)
{
    pthread_mutex_lock(&r->lock);
    const struct metric *m = id < map_len(&r->by_name) ? map_value_at(&r->by_name, id) : NULL;
    pthread_mutex_unlock(&r->lock);
    return m;
}

uint32_t registry_len(struct registry *r)
{
    pthread_mutex_lock(&r->lock);
    uint32_t len = (uint32_t)map_len(&r->by_name);
    pthread_mutex_unlock(&r->lock);
    return len;
}
