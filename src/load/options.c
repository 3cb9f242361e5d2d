#include "load/options.h"

#include "base/err.h"
#include "base/log.h"
#include "load/options_int.h"
#include "output/summary.h"

#include <errno.h>
#include <stdlib.h>

enum { EXIT_TREND_STAT = 255 }; /* k6 alone calls this one no bad configuration */

static const char *const executor_names[EXECUTOR_LEN] = {
    [EXECUTOR_CONSTANT_VUS] = "constant-vus",
    [EXECUTOR_RAMPING_VUS] = "ramping-vus",
    [EXECUTOR_SHARED_ITERATIONS] = "shared-iterations",
    [EXECUTOR_PER_VU_ITERATIONS] = "per-vu-iterations",
    [EXECUTOR_CONSTANT_ARRIVAL_RATE] = "constant-arrival-rate",
    [EXECUTOR_RAMPING_ARRIVAL_RATE] = "ramping-arrival-rate",
    [EXECUTOR_EXTERNALLY_CONTROLLED] = "externally-controlled",
};

const char *executor_type_name(enum executor_type t)
{
    return executor_names[t];
}

int options_bad(int code)
{
    return err_exit(code, OPTIONS_EXIT);
}

void options_init(struct options *o, struct arena *arena)
{
    *o = (struct options){.arena = arena};
}

void *options_list_add(struct arena *a, void *items, size_t len, size_t size)
{
    if (items != NULL && (len & (len - 1)) != 0)
        return items; /* grown at powers of two only */
    size_t cap = len == 0 ? 1 : len * 2;
    void *grown = arena_calloc(a, cap, size);
    if (grown != NULL && len > 0)
        memcpy(grown, items, len * size);
    return grown;
}

int options_strs_add(struct arena *a, struct opt_strs *l, struct str s)
{
    const char **items = options_list_add(a, l->items, l->len, sizeof *items);
    char *copy = arena_dup(a, s);
    if (items == NULL || copy == NULL)
        return -ENOMEM;
    l->items = items;
    l->items[l->len++] = copy;
    l->set = true;
    return 0;
}

static int pair_cmp(const void *a, const void *b)
{
    const struct tag *x = a, *y = b;
    return str_cmp(x->key, y->key);
}

int options_pairs_put(struct arena *a, struct opt_pairs *l, struct str key, struct str value)
{
    char *v = arena_dup(a, value);
    if (v == NULL)
        return -ENOMEM;
    l->set = true;
    for (size_t i = 0; i < l->len; i++)
        if (str_eq(l->items[i].key, key)) {
            l->items[i].value = str_new(v, value.len);
            return 0;
        }
    struct tag *items = options_list_add(a, l->items, l->len, sizeof *items);
    char *k = arena_dup(a, key);
    if (items == NULL || k == NULL)
        return -ENOMEM;
    items[l->len++] = (struct tag){str_new(k, key.len), str_new(v, value.len)};
    l->items = items;
    qsort(l->items, l->len, sizeof *l->items, pair_cmp);
    return 0;
}

int options_tags_put(struct arena *a, struct opt_pairs *l, struct tag tag)
{
    return options_pairs_put(a, l, tag.key, tag.value);
}

static bool has_scheduling(const struct options *o)
{
    return o->duration.set || o->iterations.set || o->stages.set || o->scenarios.set;
}

/* Stages without a duration aren't any. */
static struct opt_stages timed_stages(struct arena *a, const struct opt_stages *l)
{
    struct opt_stages all = {.set = l->set};
    if (l->len > 0)
        all.items = arena_calloc(a, l->len, sizeof *all.items);
    for (size_t i = 0; i < l->len && all.items != NULL; i++)
        if (l->items[i].duration.set)
            all.items[all.len++] = l->items[i];
    return all;
}

/* Whoever says how the test is scheduled says all of it: what lower layers said is dropped. */
static void apply_scheduling(struct options *o, const struct options *over, const char *level)
{
    if (!has_scheduling(over))
        return;
    if (o->scenarios.set)
        log_warning("\"%s\" level configuration overrode scenarios configuration entirely", level);
    o->duration = over->duration;
    o->iterations = over->iterations;
    o->stages = timed_stages(o->arena, &over->stages);
    o->scenarios = over->scenarios;
}

#define APPLY_SET(field)                                                                           \
    do {                                                                                           \
        if (over->field.set)                                                                       \
            o->field = over->field;                                                                \
    } while (0)
#define APPLY_TEXT(field)                                                                          \
    do {                                                                                           \
        if (over->field != NULL)                                                                   \
            o->field = over->field;                                                                \
    } while (0)

static void apply_texts(struct options *o, const struct options *over)
{
    APPLY_TEXT(execution_segment);
    APPLY_TEXT(execution_segment_sequence);
    APPLY_TEXT(dns_ttl);
    APPLY_TEXT(dns_select);
    APPLY_TEXT(dns_policy);
    APPLY_TEXT(user_agent);
    APPLY_TEXT(http_debug);
    APPLY_TEXT(tls_min);
    APPLY_TEXT(tls_max);
    APPLY_TEXT(tls_auth);
    APPLY_TEXT(ext);
    APPLY_TEXT(cloud);
    APPLY_TEXT(summary_time_unit);
    APPLY_TEXT(console_output);
    APPLY_TEXT(local_ips);
}

void options_apply(struct options *o, const struct options *over, const char *level)
{
    apply_scheduling(o, over, level);
    apply_texts(o, over);
    APPLY_SET(paused);
    APPLY_SET(vus);
    APPLY_SET(no_setup);
    APPLY_SET(no_teardown);
    APPLY_SET(setup_timeout);
    APPLY_SET(teardown_timeout);
    APPLY_SET(handle_summary_timeout);
    APPLY_SET(rps);
    APPLY_SET(max_redirects);
    APPLY_SET(batch);
    APPLY_SET(batch_per_host);
    APPLY_SET(insecure_skip_tls_verify);
    APPLY_SET(tls_cipher_suites);
    APPLY_SET(throw_errors);
    APPLY_SET(thresholds);
    APPLY_SET(blacklist_ips);
    APPLY_SET(block_hostnames);
    APPLY_SET(hosts);
    APPLY_SET(no_connection_reuse);
    APPLY_SET(no_vu_connection_reuse);
    APPLY_SET(min_iteration_duration);
    APPLY_SET(summary_trend_stats);
    APPLY_SET(system_tags);
    if (over->tags.len > 0)
        o->tags = over->tags;
    APPLY_SET(metric_samples_buffer_size);
    APPLY_SET(no_cookies_reset);
    APPLY_SET(discard_response_bodies);
    APPLY_SET(linger);
    APPLY_SET(no_usage_report);
    APPLY_SET(out);
    APPLY_SET(features);
}

static int text_cmp(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* The names that exist, sorted, each once: k6 keeps a set and drops what it doesn't know. */
static int finish_system_tags(struct options *o)
{
    uint32_t bits = 0;
    if (!o->system_tags.set)
        bits = TAGS_DEFAULT_BITS;
    for (size_t i = 0; i < o->system_tags.len; i++)
        bits |= system_tags_parse(str_of(o->system_tags.items[i]));
    struct opt_strs list = {.set = true};
    for (enum system_tag t = 0; t < TAG_SYSTEM_LEN; t++) {
        if ((bits & TAG_BIT(t)) == 0)
            continue;
        int rc = options_strs_add(o->arena, &list, str_of(system_tag_name(t)));
        if (rc < 0)
            return rc;
    }
    if (list.len > 0)
        qsort(list.items, list.len, sizeof *list.items, text_cmp);
    o->system_tags = list;
    return 0;
}

int options_finish(struct options *o)
{
    static const char *const stats[] = {"avg", "min", "med", "max", "p(90)", "p(95)"};
    if (!o->summary_trend_stats.set)
        for (size_t i = 0; i < ARRAY_LEN(stats); i++)
            if (options_strs_add(o->arena, &o->summary_trend_stats, str_of(stats[i])) < 0)
                return -ENOMEM;
    for (size_t i = 0; i < o->summary_trend_stats.len; i++) {
        struct summary_stat stat;
        int rc = summary_stat_parse(o->summary_trend_stats.items[i], &stat);
        if (rc < 0)
            return err_exit(rc, EXIT_TREND_STAT);
    }
    const char *unit = o->summary_time_unit;
    if (unit != NULL && unit[0] != '\0' && strcmp(unit, "s") != 0 && strcmp(unit, "ms") != 0 &&
        strcmp(unit, "us") != 0)
        log_warning("invalid summary time unit '%s', use s, ms, us: times are shown as they fit",
                    unit);
    return finish_system_tags(o);
}

static int conflict(const char *a, const char *b)
{
    return options_bad(
        err_set(E_CONFIG, "using `%s` and `%s` options simultaneously is not allowed", a, b));
}

static int derive_one(struct options *d, struct scenario made)
{
    struct scenario *s = arena_calloc(d->arena, 1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    *s = made;
    s->name = "default";
    d->scenarios = (struct opt_scenarios){.set = true, .items = s, .len = 1};
    return 0;
}

static void warn_empty(const struct options *o)
{
    if (o->stages.set && o->stages.len == 0)
        log_warning("`stages` was explicitly set to an empty value, running the script with 1 "
                    "iteration in 1 VU");
    if (o->scenarios.set && o->scenarios.len == 0)
        log_warning("`scenarios` was explicitly set to an empty value, running the script with 1 "
                    "iteration in 1 VU");
}

int options_derive(const struct options *o, struct options *derived)
{
    *derived = *o;
    bool stages = o->stages.len > 0;
    if (o->iterations.set) {
        if (stages || o->scenarios.set)
            return conflict("iterations", stages ? "stages" : "scenarios");
        return derive_one(derived, (struct scenario){.type = EXECUTOR_SHARED_ITERATIONS,
                                                     .vus = o->vus,
                                                     .iterations = o->iterations,
                                                     .max_duration = o->duration});
    }
    if (o->duration.set) {
        if (stages || o->scenarios.set)
            return conflict("duration", stages ? "stages" : "scenarios");
        if (o->duration.ns <= 0)
            return options_bad(err_set(E_CONFIG, "`duration` option should be more than 0"));
        return derive_one(derived, (struct scenario){.type = EXECUTOR_CONSTANT_VUS,
                                                     .vus = o->vus,
                                                     .duration = o->duration});
    }
    if (stages) {
        if (o->scenarios.set)
            return conflict("stages", "scenarios");
        return derive_one(derived, (struct scenario){.type = EXECUTOR_RAMPING_VUS,
                                                     .start_vus = o->vus,
                                                     .stages = o->stages});
    }
    if (o->vus.set && !o->stages.set) {
        if (o->scenarios.set)
            log_warning("`vus=%lld` overrides scenarios configuration", (long long)o->vus.value);
        derived->iterations = o->vus;
        return derive_one(derived, (struct scenario){.type = EXECUTOR_SHARED_ITERATIONS,
                                                     .vus = o->vus,
                                                     .iterations = o->vus});
    }
    if (o->scenarios.len > 0)
        return 0;
    warn_empty(o);
    return derive_one(derived, (struct scenario){.type = EXECUTOR_PER_VU_ITERATIONS});
}
