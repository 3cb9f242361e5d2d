/*
 * handleSummary's data and the --summary-export file: the same tree in two dialects.
 */
#include "output/summary.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "output/checks.h"
#include "output/summary_int.h"
#include "output/summary_write.h"

#include <errno.h>
#include <math.h>

/* JSON that is known to be well-formed, laid out as the rest is.  `write_next()` of a container's
 * values is called before their first character. */
static void raw_json(struct writer *w, struct str json)
{
    bool in_string = false, fresh = false; /* fresh: an element of a container begins */
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (!in_string && (c == ' ' || c == '\t' || c == '\r' || c == '\n'))
            continue;
        if (!in_string && (c == '}' || c == ']')) {
            write_close(w, c);
            fresh = false;
            continue;
        }
        if (!in_string && c == ',') {
            fresh = true;
            continue;
        }
        if (fresh) {
            write_next(w);
            fresh = false;
        }
        if (!in_string && (c == '{' || c == '[')) {
            write_open(w, c);
            fresh = true;
            continue;
        }
        buf_byte(w->out, (uint8_t)c);
        if (!in_string && c == ':' && w->indent)
            buf_byte(w->out, ' ');
        if (in_string && c == '\\' && i + 1 < json.len)
            buf_byte(w->out, (uint8_t)json.ptr[++i]);
        else if (c == '"')
            in_string = !in_string;
    }
}

static void group(struct writer *w, const struct group *g);

static void check_json(struct writer *w, const struct check *c)
{
    char id[33];
    checks_id(c->path, id);
    write_open(w, '{');
    write_text(w, "name", c->name);
    write_text(w, "path", c->path);
    write_text(w, "id", str_of(id));
    write_number(w, "passes", (double)c->passes);
    write_number(w, "fails", (double)c->fails);
    write_close(w, '}');
}

/* Lists in the data, objects by name in the export. */
static void members(struct writer *w, const struct group *g)
{
    write_key(w, STR("groups"));
    write_open(w, w->old ? '{' : '[');
    for (const struct group *i = g->groups; i; i = i->next) {
        if (w->old)
            write_key(w, i->name);
        else
            write_next(w);
        group(w, i);
    }
    write_close(w, w->old ? '}' : ']');
    write_key(w, STR("checks"));
    write_open(w, w->old ? '{' : '[');
    for (const struct check *c = g->checks; c; c = c->next) {
        if (w->old)
            write_key(w, c->name);
        else
            write_next(w);
        check_json(w, c);
    }
    write_close(w, w->old ? '}' : ']');
}

/* Depth is bounded by the script's own nesting of group() calls. */
static void group(struct writer *w, const struct group *g)
{
    char id[33];
    checks_id(g->path, id);
    write_open(w, '{');
    write_text(w, "name", g->name);
    write_text(w, "path", g->path);
    write_text(w, "id", str_of(id));
    members(w, g);
    write_close(w, '}');
}

static void values(struct writer *w, const struct summary_item *item)
{
    const struct sink *s = item->sink;
    switch (item->metric->type) {
    case METRIC_COUNTER:
        write_number(w, "count", s->sum);
        write_number(w, "rate", summary_rate(s->sum, w->in->duration_ns));
        return;
    case METRIC_GAUGE:
        write_number(w, "value", s->last);
        write_number(w, "min", s->min);
        write_number(w, "max", s->max);
        return;
    case METRIC_RATE:
        write_number(w, w->old ? "value" : "rate", summary_share(s));
        write_number(w, "passes", (double)s->nonzero);
        write_number(w, "fails", (double)(s->count - s->nonzero));
        return;
    case METRIC_TREND:
        for (size_t i = 0; i < w->in->stats_len; i++)
            write_number(w, w->in->stats[i].name, summary_stat_value(&w->in->stats[i], s));
        return;
    }
}

/* True in the export means that it failed; the data says whether it is ok. */
static void thresholds(struct writer *w, const struct threshold_group *g)
{
    if (!g || g->len == 0)
        return;
    write_key(w, STR("thresholds"));
    write_open(w, '{');
    for (size_t i = 0; i < g->len; i++) {
        struct str source = str_of(g->items[i].source);
        bool again = false; /* an expression that stands twice is one key */
        for (size_t k = 0; k < i; k++)
            again |= strcmp(g->items[k].source, g->items[i].source) == 0;
        if (again)
            continue;
        if (w->old) {
            write_boolean(w, source, g->items[i].failed);
            continue;
        }
        write_key(w, source);
        write_open(w, '{');
        write_boolean(w, STR("ok"), !g->items[i].failed);
        write_close(w, '}');
    }
    write_close(w, '}');
}

static void metric_json(struct writer *w, const struct summary_item *item)
{
    write_key(w, str_of(item->name));
    write_open(w, '{');
    if (!w->old) {
        write_text(w, "type", str_of(metric_type_name(item->metric->type)));
        write_text(w, "contains", str_of(metric_contains_name(item->metric->contains)));
        write_key(w, STR("values"));
        write_open(w, '{');
    }
    values(w, item);
    if (!w->old)
        write_close(w, '}');
    thresholds(w, item->thresholds);
    write_close(w, '}');
}

static void options_and_state(struct writer *w)
{
    static const char *const units[] = {
        [NUMFMT_AUTO] = "", [NUMFMT_S] = "s", [NUMFMT_MS] = "ms", [NUMFMT_US] = "us"};
    write_key(w, STR("options"));
    write_open(w, '{');
    write_key(w, STR("summaryTrendStats"));
    write_open(w, '[');
    for (size_t i = 0; i < w->in->stats_len; i++) {
        write_next(w);
        buf_json_str(w->out, str_of(w->in->stats[i].name));
    }
    write_close(w, ']');
    write_text(w, "summaryTimeUnit", str_of(units[w->in->time_unit]));
    write_boolean(w, STR("noColor"), w->in->no_color);
    write_close(w, '}');
    write_key(w, STR("state"));
    write_open(w, '{');
    write_boolean(w, STR("isStdOutTTY"), w->in->stdout_tty);
    write_boolean(w, STR("isStdErrTTY"), w->in->stderr_tty);
    write_number(w, "testRunDurationMs", (double)w->in->duration_ns / (double)NS_PER_MS);
    write_close(w, '}');
}

static int write_all(struct writer *w)
{
    CLEANUP(arena_fini) struct arena arena;
    arena_init(&arena, SUMMARY_ARENA_MAX);
    struct summary_item *items;
    size_t len;
    int rc = summary_items(w->in, &arena, &items, &len);
    const struct group *root = rc == 0 ? checks_tree(w->in->snapshot, &arena) : NULL;
    if (!root)
        return err_set(-ENOMEM, "data of the end-of-test summary");

    write_open(w, '{');
    write_key(w, STR("root_group"));
    group(w, root);
    if (!w->old)
        options_and_state(w);
    write_key(w, STR("metrics"));
    write_open(w, '{');
    for (size_t i = 0; i < len; i++)
        metric_json(w, &items[i]);
    write_close(w, '}');
    if (w->in->setup_data.len > 0) {
        write_key(w, STR("setup_data"));
        raw_json(w, w->in->setup_data);
    }
    write_close(w, '}');
    rc = buf_finish(w->out);
    return rc < 0 ? err_set(rc, "data of the end-of-test summary") : 0;
}

int summary_data_json(const struct summary_input *in, struct buf *out)
{
    struct writer w = {.out = out, .in = in, .first = true};
    return write_all(&w);
}

int summary_export_json(const struct summary_input *in, struct buf *out)
{
    struct writer w = {.out = out, .in = in, .first = true, .indent = 4, .old = true};
    return write_all(&w);
}
