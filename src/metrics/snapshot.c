#include "metrics/metrics_int.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>

int snapshot_new(struct metrics *m, struct snapshot **ret)
{
    struct snapshot *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_set(-ENOMEM, "snapshot of the metrics");
    s->metrics_len = registry_len(m->registry);
    s->len = s->metrics_len + m->submetrics_len;
    s->sinks = mem_calloc(s->len, sizeof *s->sinks);
    if (!s->sinks) {
        mem_free(s);
        return err_set(-ENOMEM, "snapshot of the metrics");
    }
    *ret = s;
    return 0;
}

static void free_sinks(struct sink *sinks, size_t len)
{
    for (size_t i = 0; sinks && i < len; i++)
        sink_fini(&sinks[i]);
    mem_free(sinks);
}

void snapshot_free(struct snapshot *s)
{
    if (!s)
        return;
    free_sinks(s->sinks, s->len);
    for (size_t i = 0; i < s->sections_len; i++)
        free_sinks(s->sections[i].sinks, s->sections[i].len);
    mem_free(s->sections);
    mem_free(s->checks);
    mem_free(s->groups);
    mem_free(s);
}

static int merge_sinks(const struct shard *s, struct snapshot *into)
{
    uint32_t len = (uint32_t)MIN((size_t)s->sinks_len, into->metrics_len);
    bool lag_shown = atomic_load_explicit(&s->metrics->lag_shown, memory_order_relaxed);
    for (uint32_t id = 0; id < len; id++) {
        const struct metric *m = registry_at(s->metrics->registry, id);
        if (id == METRIC_GENERATOR_LAG && !lag_shown)
            continue;
        int rc = sink_merge(&into->sinks[id], &s->sinks[id], m->type);
        if (rc < 0)
            return rc;
    }
    uint32_t subs = (uint32_t)MIN((size_t)s->sub_sinks_len, into->len - into->metrics_len);
    for (uint32_t i = 0; i < subs; i++) {
        int rc = sink_merge(&into->sinks[into->metrics_len + i], &s->sub_sinks[i],
                            s->metrics->submetrics[i]->parent->type);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int merge_check(const struct shard *s, const struct shard_check *c, struct snapshot *into)
{
    for (size_t i = 0; i < into->checks_len; i++) {
        if (into->checks[i].seq == c->id) {
            into->checks[i].passes += c->passes;
            into->checks[i].fails += c->fails;
            return 0;
        }
    }
    struct check_count *more = mem_realloc_array(into->checks, into->checks_len + 1, sizeof *more);
    if (!more)
        return -ENOMEM;
    struct metrics_name name = metrics_name_at(s->metrics, &s->metrics->checks, c->id);
    into->checks = more;
    more[into->checks_len++] = (struct check_count){.scenario = name.scenario,
                                                    .group = name.group,
                                                    .name = name.name,
                                                    .passes = c->passes,
                                                    .fails = c->fails,
                                                    .seq = c->id};
    return 0;
}

static int merge_group(const struct shard *s, uint32_t id, struct snapshot *into)
{
    for (size_t i = 0; i < into->groups_len; i++) {
        if (into->groups[i].seq == id)
            return 0;
    }
    struct group_seen *more = mem_realloc_array(into->groups, into->groups_len + 1, sizeof *more);
    if (!more)
        return -ENOMEM;
    struct metrics_name name = metrics_name_at(s->metrics, &s->metrics->groups, id);
    into->groups = more;
    more[into->groups_len++] = (struct group_seen){.path = name.group, .seq = id};
    return 0;
}

/* The snapshot's section of that id, with room for `len` metrics; NULL without memory. */
static struct section *section_get(const struct shard *s, uint32_t id, size_t len,
                                   struct snapshot *into)
{
    for (size_t i = 0; i < into->sections_len; i++) {
        if (into->sections[i].seq == id)
            return &into->sections[i];
    }
    struct section *more = mem_realloc_array(into->sections, into->sections_len + 1, sizeof *more);
    if (!more)
        return NULL;
    into->sections = more;
    struct sink *sinks = mem_calloc(len, sizeof *sinks);
    if (!sinks)
        return NULL;
    struct metrics_name name = metrics_name_at(s->metrics, &s->metrics->sections, id);
    struct section *section = &more[into->sections_len++];
    *section = (struct section){name.scenario, name.group, id, sinks, len};
    return section;
}

static int merge_section(const struct shard *s, const struct shard_section *from,
                         struct snapshot *into)
{
    struct section *section = section_get(s, from->id, into->metrics_len, into);
    if (!section)
        return -ENOMEM;
    uint32_t len = (uint32_t)MIN((size_t)from->len, section->len);
    for (uint32_t id = 0; id < len; id++) {
        const struct metric *m = registry_at(s->metrics->registry, id);
        int rc = sink_merge(&section->sinks[id], &from->sinks[id], m->type);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int shard_merge_into(const struct shard *s, struct snapshot *into)
{
    into->dropped += s->dropped;
    int rc = merge_sinks(s, into);
    for (size_t i = 0; rc == 0 && i < map_len(&s->checks); i++)
        rc = merge_check(s, map_value_at(&s->checks, i), into);
    for (size_t i = 0; rc == 0 && i < s->groups_len; i++)
        rc = merge_group(s, s->groups[i], into);
    for (size_t i = 0; rc == 0 && i < map_len(&s->sections); i++)
        rc = merge_section(s, map_value_at(&s->sections, i), into);
    return rc < 0 ? err_set(rc, "snapshot of the metrics") : 0;
}

const struct sink *snapshot_metric(const struct snapshot *s, const struct metric *m)
{
    return m->id < s->metrics_len ? &s->sinks[m->id] : NULL;
}

const struct sink *snapshot_submetric(const struct snapshot *s, const struct metrics *m,
                                      const struct submetric *sub)
{
    (void)m;
    size_t at = s->metrics_len + sub->index;
    return at < s->len ? &s->sinks[at] : NULL;
}
