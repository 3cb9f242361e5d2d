/*
 * The text.  A section first makes rows (a metric each, its cells as text), then measures them,
 * then prints: columns are as wide as their widest cell in the section.
 *
 * A line is written with the line break before it and not after, as blank lines are a thing of
 * their own.
 */
#include "output/summary.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "output/checks.h"
#include "output/summary_int.h"
#include "output/summary_rows.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

const struct summary_stat summary_stats_default[6] = {
    {"avg", SUMMARY_AVG, 0}, {"min", SUMMARY_MIN, 0},           {"med", SUMMARY_MED, 0},
    {"max", SUMMARY_MAX, 0}, {"p(90)", SUMMARY_PERCENTILE, 90}, {"p(95)", SUMMARY_PERCENTILE, 95},
};

static const char *const stat_names[] = {[SUMMARY_AVG] = "avg",
                                         [SUMMARY_MIN] = "min",
                                         [SUMMARY_MED] = "med",
                                         [SUMMARY_MAX] = "max",
                                         [SUMMARY_COUNT] = "count"};

int summary_mode_parse(struct str s, enum summary_mode *ret)
{
    static const char *const names[] = {
        [SUMMARY_COMPACT] = "compact",
        [SUMMARY_FULL] = "full",
        [SUMMARY_DISABLED] = "disabled",
        [SUMMARY_LEGACY] = "legacy",
    };
    if (s.len == 0) {
        *ret = SUMMARY_COMPACT;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eqz(s, names[i])) {
            *ret = (enum summary_mode)i;
            return 0;
        }
    }
    return err_set(E_CONFIG,
                   "invalid summary mode '%.*s': there are compact, full, disabled, legacy",
                   STR_ARG(s));
}

int summary_stat_parse(const char *name, struct summary_stat *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(stat_names); i++) {
        if (strcmp(name, stat_names[i]) == 0) {
            *ret = (struct summary_stat){name, (enum summary_stat_kind)i, 0};
            return 0;
        }
    }
    struct str s = str_of(name);
    double percentile;
    if (!str_starts(s, STR("p(")) || !str_ends(s, STR(")")))
        return err_set(E_CONFIG, "invalid trend stat '%s', unknown format", name);
    if (str_to_double(str_new(s.ptr + 2, s.len - 3), &percentile) < 0 ||
        !(percentile >= 0 && percentile <= 100))
        return err_set(E_CONFIG,
                       "invalid percentile trend stat value '%s', provide a number between 0 and "
                       "100",
                       name);
    *ret = (struct summary_stat){name, SUMMARY_PERCENTILE, percentile};
    return 0;
}

double summary_stat_value(const struct summary_stat *s, const struct sink *sink)
{
    switch (s->kind) {
    case SUMMARY_AVG:
        return sink_avg(sink);
    case SUMMARY_MIN:
        return sink->min;
    case SUMMARY_MED:
        return sink_quantile(sink, 0.5);
    case SUMMARY_MAX:
        return sink->max;
    case SUMMARY_COUNT:
        return (double)sink->count;
    case SUMMARY_PERCENTILE:
        return sink_quantile(sink, s->percentile / 100);
    }
    return 0;
}

double summary_rate(double count, int64_t duration_ns)
{
    return duration_ns > 0 ? count / ((double)duration_ns / (double)NS_PER_S) : 0;
}

double summary_share(const struct sink *sink)
{
    return sink->count ? (double)sink->nonzero / (double)sink->count : 0;
}

/* What is shown */

static const struct threshold_group *
thresholds_of(const struct summary_input *in, const struct metric *m, const struct submetric *sub)
{
    for (size_t i = 0; in->thresholds && i < in->thresholds->len; i++) {
        const struct threshold_group *g = &in->thresholds->groups[i];
        if (g->metric == m && g->sub == sub)
            return g;
    }
    return NULL;
}

/* A threshold shows its metric even without samples, and its sub-metric's metric too. */
static bool named_by_thresholds(const struct summary_input *in, const struct metric *m)
{
    for (size_t i = 0; in->thresholds && i < in->thresholds->len; i++) {
        if (in->thresholds->groups[i].metric == m)
            return true;
    }
    return false;
}

int summary_items(const struct summary_input *in, struct arena *a, struct summary_item **ret,
                  size_t *ret_len)
{
    struct summary_item *items = arena_alloc(a, (in->snapshot->len + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    size_t len = 0;
    for (uint32_t id = 0; id < in->snapshot->metrics_len; id++) {
        const struct metric *m = registry_at(metrics_registry(in->metrics), id);
        const struct sink *sink = snapshot_metric(in->snapshot, m);
        if (sink->count > 0 || named_by_thresholds(in, m))
            items[len++] = (struct summary_item){m->name, m, sink, thresholds_of(in, m, NULL)};
    }
    for (size_t i = 0; i < metrics_submetrics_len(in->metrics); i++) {
        const struct submetric *sub = metrics_submetric_at(in->metrics, i);
        const struct sink *sink = snapshot_submetric(in->snapshot, in->metrics, sub);
        const struct threshold_group *g = thresholds_of(in, sub->parent, sub);
        if (sink && (sink->count > 0 || g))
            items[len++] = (struct summary_item){sub->name, sub->parent, sink, g};
    }
    *ret = items;
    *ret_len = len;
    return 0;
}

/* Starts a line at an indentation of `level` times two spaces. */
static void line(struct printer *p, size_t level)
{
    buf_z(p->out, "\n");
    buf_fill(p->out, ' ', 2 * level);
}

static void title(struct printer *p, size_t level, const char *mark, const char *before,
                  struct str text)
{
    line(p, level);
    buf_printf(p->out, "%s ", mark);
    buf_z(p->out, p->in->color ? "\x1b[1m" : "");
    buf_z(p->out, before);
    buf_str(p->out, text);
    buf_z(p->out, p->in->color ? "\x1b[0m \n" : " \n");
}

static void print_row(struct printer *p, size_t level, const struct table *t, const struct row *r)
{
    line(p, level);
    buf_z(p->out, r->shown);
    buf_z(p->out, p->in->color ? "\x1b[2;37m" : "");
    buf_fill(p->out, '.', t->name_width - rows_characters(r->shown) + 3);
    buf_z(p->out, p->in->color ? ":\x1b[0m " : ": ");
    if (r->trend)
        rows_print_trend(p, t, r);
    else
        rows_print_plain(p, t, r);
}

/* Kinds of metrics */

struct kind {
    const char *title;
    const char *const *prefixes; /* NULL-terminated; a name belongs where it begins so */
};

static const char *const http_names[] = {"http_reqs", "http_req_", NULL};
static const char *const execution_names[] = {
    "vus", "iterations", "iteration_duration", "dropped_iterations", "generator_lag", NULL};
static const char *const network_names[] = {"data_sent", "data_received", NULL};
static const char *const web_vitals_names[] = {"browser_web_vital_", NULL};
static const char *const browser_names[] = {"browser_", NULL};
static const char *const grpc_names[] = {"grpc_", NULL};
static const char *const websocket_names[] = {"ws_", NULL};
static const char *const hidden_names[] = {"checks", "group_duration", NULL};
static const char *const full_only_names[] = {"http_req_blocked",
                                              "http_req_connecting",
                                              "http_req_receiving",
                                              "http_req_sending",
                                              "http_req_tls_handshaking",
                                              "http_req_waiting",
                                              NULL};

/* In the order in which they are printed. */
static const struct kind kinds[SUMMARY_KINDS_LEN] = {
    {"CUSTOM", NULL},           {"HTTP", http_names},           {"EXECUTION", execution_names},
    {"NETWORK", network_names}, {"BROWSER", browser_names},     {"WEB_VITALS", web_vitals_names},
    {"GRPC", grpc_names},       {"WEBSOCKET", websocket_names},
};

static bool begins(const char *name, const char *const *prefixes)
{
    for (; *prefixes; prefixes++) {
        if (str_starts(str_of(name), str_of(*prefixes)))
            return true;
    }
    return false;
}

bool summary_hidden(enum summary_mode mode, const char *name)
{
    return begins(name, hidden_names) || (mode == SUMMARY_COMPACT && begins(name, full_only_names));
}

size_t summary_kind_of(const char *name)
{
    if (begins(name, web_vitals_names)) /* before its shorter neighbour */
        return 5;
    for (size_t i = 1; i < ARRAY_LEN(kinds); i++) {
        if (begins(name, kinds[i].prefixes))
            return i;
    }
    return 0;
}

/* The sections CUSTOM, HTTP, ... of a table, each with a blank line behind it. */
static void print_metrics(struct printer *p, size_t level, struct table *t)
{
    rows_measure(t);
    qsort(t->rows, t->len, sizeof *t->rows, rows_compare);
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        bool any = false;
        for (size_t i = 0; i < t->len; i++) {
            if (summary_kind_of(t->rows[i].name) != k)
                continue;
            if (!any) {
                line(p, level);
                rows_decorated(p, "1", kinds[k].title);
            }
            any = true;
            print_row(p, level, t, &t->rows[i]);
        }
        buf_z(p->out, any ? "\n" : "");
    }
}

/* Checks */

static const struct metric checks_total = {"checks_total", METRIC_COUNTER, METRIC_DEFAULT, 0};
static const struct metric checks_succeeded = {"checks_succeeded", METRIC_RATE, METRIC_DEFAULT, 0};
static const struct metric checks_failed = {"checks_failed", METRIC_RATE, METRIC_DEFAULT, 0};

static void print_check(struct printer *p, size_t level, const struct check *c)
{
    line(p, level);
    buf_printf(&p->cell, "%s %.*s", c->fails == 0 ? "✓" : "✗", STR_ARG(c->name));
    rows_decorated(p, c->fails == 0 ? "32" : "31", rows_take_cell(p));
    if (c->fails == 0)
        return;
    /* k6 indents this line by twice the depth. */
    line(p, 2 * level - 1);
    buf_printf(&p->cell, "↳  %llu%% — ✓ %llu / ✗ %llu",
               (unsigned long long)(100 * c->passes / (c->passes + c->fails)),
               (unsigned long long)c->passes, (unsigned long long)c->fails);
    rows_decorated(p, "31", rows_take_cell(p));
}

/* The three lines of the metric and one a check; `sink` is that of `checks`. */
static void print_checks(struct printer *p, size_t level, const struct sink *sink,
                         const struct check *checks, size_t len)
{
    struct table t;
    if (rows_table_new(p, 3, &t) < 0)
        return;
    struct sink total = {.count = sink->count, .sum = (double)sink->count};
    struct sink failed = {.count = sink->count, .nonzero = sink->count - sink->nonzero};
    rows_add(p, &t, checks_total.name, &checks_total, &total);
    rows_add(p, &t, checks_succeeded.name, &checks_succeeded, sink);
    rows_add(p, &t, checks_failed.name, &checks_failed, &failed);
    rows_measure(&t);
    for (size_t i = 0; i < t.len; i++)
        print_row(p, level, &t, &t.rows[i]);
    buf_z(p->out, "\n");
    for (size_t i = 0; i < len; i++)
        print_check(p, level, &checks[i]);
    buf_z(p->out, "\n");
}

/* Thresholds */

/* The left side as it was written: "p(95)". */
static struct str written_agg(const char *source)
{
    return str_trim(str_new(source, strcspn(source, "=<>")));
}

static const char *threshold_cell(struct printer *p, const struct threshold *th,
                                  const struct summary_item *item)
{
    const struct metric *m = item->metric;
    const struct sink *s = item->sink;
    double v = 0;
    bool rate = m->type == METRIC_COUNTER && th->expr.agg == THRESHOLD_RATE;
    if (rate)
        v = summary_rate(s->sum, p->in->duration_ns);
    else
        (void)threshold_value(&th->expr, s, m->type, p->in->duration_ns, &v);
    return rows_value_cell(p, m, "", v, rate ? "/s" : "");
}

static void print_threshold(struct printer *p, size_t level, const struct threshold *th,
                            const struct summary_item *item)
{
    struct str source = str_trim(str_of(th->source));
    line(p, level);
    rows_decorated(p, th->failed ? "31" : "32", th->failed ? "✗" : "✓");
    buf_z(p->out, " ");
    buf_printf(&p->cell, "'%.*s'", STR_ARG(source));
    rows_decorated(p, "37", rows_take_cell(p));
    buf_z(p->out, " ");
    buf_str(&p->cell, written_agg(th->source));
    rows_decorated(p, "37", rows_take_cell(p));
    buf_z(p->out, "=");
    rows_decorated(p, "36", threshold_cell(p, th, item));
}

static int compare_items(const void *a, const void *b)
{
    return rows_compare_names(((const struct summary_item *)a)->name,
                              ((const struct summary_item *)b)->name);
}

/* True when the metric of this sub-metric has thresholds itself: it is then shown under it. */
static bool parent_listed(const struct summary_item *items, size_t len,
                          const struct summary_item *sub)
{
    for (size_t i = 0; i < len; i++) {
        if (items[i].metric == sub->metric && &items[i] != sub && !strchr(items[i].name, '{'))
            return true;
    }
    return false;
}

static void print_thresholds(struct printer *p, const struct summary_item *all, size_t all_len)
{
    struct summary_item *items = arena_alloc(p->a, (all_len + 1) * sizeof *items);
    size_t len = 0;
    for (size_t i = 0; items && i < all_len; i++) {
        if (all[i].thresholds && all[i].thresholds->len > 0)
            items[len++] = all[i];
    }
    if (!items)
        p->out->err = -ENOMEM;
    if (len == 0)
        return;
    qsort(items, len, sizeof *items, compare_items);

    title(p, 1, "█", "", STR("THRESHOLDS"));
    for (size_t i = 0; i < len; i++) {
        const char *brace = strchr(items[i].name, '{');
        bool inner = brace && parent_listed(items, len, &items[i]);
        size_t level = inner ? 3 : 2;
        line(p, level);
        buf_z(p->out, inner ? brace : items[i].name);
        for (size_t k = 0; k < items[i].thresholds->len; k++)
            print_threshold(p, level, &items[i].thresholds->items[k], &items[i]);
        buf_z(p->out, "\n");
    }
    buf_z(p->out, "\n");
}

/* Totals */

static void print_total(struct printer *p, const struct summary_item *items, size_t len)
{
    title(p, 1, "█", "", STR("TOTAL RESULTS"));
    const struct check *checks;
    size_t checks_len;
    struct table t;
    if (checks_flat(p->in->snapshot, NULL, 0, p->a, &checks, &checks_len) < 0 ||
        rows_table_new(p, len, &t) < 0) {
        p->out->err = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < len; i++) {
        if (items[i].metric->id == METRIC_CHECKS && !strchr(items[i].name, '{'))
            print_checks(p, 2, items[i].sink, checks, checks_len);
        if (!summary_hidden(p->in->mode, items[i].name))
            rows_add(p, &t, items[i].name, items[i].metric, items[i].sink);
    }
    print_metrics(p, 2, &t);
    buf_z(p->out, "\n");
}

/* Scenarios and groups (mode full) */

/* A group or scenario: what was measured in it, possibly in and outside of scenario `default`,
 * which has no section of its own. */
struct part {
    struct str name;
    struct part *inner;
    struct part *next;
    const struct section *from[2];
    size_t from_len;
};

static struct part *part_inner(struct printer *p, struct part *of, struct str name)
{
    struct part **at = &of->inner;
    while (*at && !str_eq((*at)->name, name))
        at = &(*at)->next;
    if (!*at) {
        *at = arena_calloc(p->a, 1, sizeof **at);
        if (*at)
            (*at)->name = name;
        else
            p->out->err = -ENOMEM;
    }
    return *at;
}

static struct part *part_reach(struct printer *p, struct part *root, struct str path)
{
    struct part *at = root;
    struct str rest = path;
    while (at && rest.len > 0) {
        if (str_starts(rest, STR("::")))
            rest = str_new(rest.ptr + 2, rest.len - 2);
        size_t len = 0;
        while (len < rest.len && !str_starts(str_new(rest.ptr + len, rest.len - len), STR("::")))
            len++;
        at = part_inner(p, at, str_new(rest.ptr, len));
        rest = str_new(rest.ptr + len, rest.len - len);
    }
    return at;
}

static bool has_own_part(struct str scenario)
{
    return scenario.len > 0 && !str_eq(scenario, STR("default"));
}

static int compare_sections(const void *a, const void *b)
{
    uint64_t x = (*(const struct section *const *)a)->seq;
    uint64_t y = (*(const struct section *const *)b)->seq;
    return (x > y) - (x < y);
}

/* Sorts the snapshot's sections into two trees: groups outside of scenarios, and scenarios. */
static void part_trees(struct printer *p, struct part *groups, struct part *scenarios)
{
    const struct snapshot *s = p->in->snapshot;
    const struct section **list =
        arena_alloc(p->a, (s->sections_len + 1) * sizeof(const struct section *));
    if (!list) {
        p->out->err = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < s->sections_len; i++)
        list[i] = &s->sections[i];
    qsort(list, s->sections_len, sizeof(const struct section *), compare_sections);
    for (size_t i = 0; i < s->sections_len; i++) {
        const struct section *x = list[i];
        bool own = has_own_part(x->scenario);
        bool stage = str_eq(x->group, STR("::setup")) || str_eq(x->group, STR("::teardown"));
        if (stage || (!own && x->group.len == 0))
            continue;
        struct part *root = own ? part_inner(p, scenarios, x->scenario) : groups;
        struct part *at = root ? part_reach(p, root, x->group) : NULL;
        if (at && at->from_len < ARRAY_LEN(at->from))
            at->from[at->from_len++] = x;
    }
}

/* The sink of a metric in all that a part was made from; `merged` is for the rare case of two. */
static const struct sink *part_sink(struct printer *p, const struct part *part,
                                    const struct metric *m, struct sink *merged)
{
    const struct sink *found = NULL;
    for (size_t i = 0; i < part->from_len; i++) {
        const struct section *x = part->from[i];
        if (m->id >= x->len || x->sinks[m->id].count == 0)
            continue;
        if (!found) {
            found = &x->sinks[m->id];
            continue;
        }
        if (sink_merge(merged, found, m->type) < 0 ||
            sink_merge(merged, &x->sinks[m->id], m->type) < 0)
            p->out->err = -ENOMEM;
        found = merged;
    }
    return found;
}

static void print_part_checks(struct printer *p, size_t level, const struct part *part,
                              const struct sink *sink)
{
    const struct check *checks;
    size_t len;
    if (checks_flat(p->in->snapshot, part->from, part->from_len, p->a, &checks, &len) < 0) {
        p->out->err = -ENOMEM;
        return;
    }
    print_checks(p, level, sink, checks, len);
}

static void print_part_metrics(struct printer *p, size_t level, const struct part *part)
{
    struct table t;
    if (part->from_len == 0 || rows_table_new(p, p->in->snapshot->metrics_len, &t) < 0)
        return;
    for (uint32_t id = 0; id < p->in->snapshot->metrics_len; id++) {
        const struct metric *m = registry_at(metrics_registry(p->in->metrics), id);
        CLEANUP(sink_fini) struct sink merged = {0};
        const struct sink *sink = part_sink(p, part, m, &merged);
        if (!sink)
            continue;
        if (id == METRIC_CHECKS)
            print_part_checks(p, level, part, sink);
        if (!summary_hidden(p->in->mode, m->name))
            rows_add(p, &t, m->name, m, sink);
    }
    print_metrics(p, level, &t);
}

/* A scenario's or group's content with the groups in it, each one step further in.  Scripts nest
 * groups by calls within calls, so depth is bounded by the script's own stack. */
static void print_part(struct printer *p, size_t depth, const struct part *part)
{
    print_part_metrics(p, depth + 2, part);
    for (const struct part *g = part->inner; g; g = g->next) {
        title(p, depth + 2, "↳", "GROUP: ", g->name);
        print_part(p, depth + 1, g);
    }
}

static void print_scenarios(struct printer *p, const struct part *scenarios)
{
    /* By name: picks the next one each time, as there are few. */
    const struct part *last = NULL;
    for (;;) {
        const struct part *next = NULL;
        for (const struct part *s = scenarios->inner; s; s = s->next) {
            if ((!last || rows_compare_text(s->name, last->name) > 0) &&
                (!next || rows_compare_text(s->name, next->name) < 0))
                next = s;
        }
        if (!next)
            return;
        title(p, 1, "█", "SCENARIO: ", next->name);
        print_part(p, 0, next);
        buf_z(p->out, "\n");
        last = next;
    }
}

static void print_parts(struct printer *p)
{
    struct part groups = {0}, scenarios = {0};
    part_trees(p, &groups, &scenarios);
    for (const struct part *g = groups.inner; g; g = g->next) {
        title(p, 1, "█", "GROUP: ", g->name);
        print_part(p, 0, g);
        buf_z(p->out, "\n");
    }
    print_scenarios(p, &scenarios);
}

int summary_text(const struct summary_input *in, struct buf *out)
{
    if (in->mode == SUMMARY_DISABLED)
        return buf_finish(out);
    CLEANUP(arena_fini) struct arena arena;
    arena_init(&arena, SUMMARY_ARENA_MAX);
    struct printer p = {.in = in, .out = out, .a = &arena};
    buf_init(&p.cell, SUMMARY_CELL_MAX);

    struct summary_item *items;
    size_t len;
    int rc = summary_items(in, &arena, &items, &len);
    if (rc == 0 && in->mode == SUMMARY_LEGACY) {
        rc = summary_legacy_text(&p, items, len);
        buf_z(out, "\n\n");
    } else if (rc == 0) {
        buf_z(out, "\n");
        print_thresholds(&p, items, len);
        print_total(&p, items, len);
        if (in->mode == SUMMARY_FULL)
            print_parts(&p);
        buf_z(out, "\n\n");
    }
    if (rc == 0)
        rc = buf_finish(out);
    buf_fini(&p.cell);
    return rc < 0 ? err_set(rc, "end-of-test summary") : 0;
}
