/*
 * handleSummary's data and the --summary-export file: the same tree in two dialects.
 */
#include "output/summary.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "output/checks.h"
#include "output/summary_int.h"

#include <errno.h>
#include <math.h>

struct writer {
    struct buf *out;
    const struct summary_input *in;
    size_t indent; /* spaces a level; 0: one line */
    size_t depth;
    bool first; /* nothing yet in the open object or array */
    bool old;   /* the export's dialect */
};

static void new_line(struct writer *w)
{
    if (w->indent == 0)
        return;
    buf_z(w->out, "\n");
    buf_fill(w->out, ' ', w->indent * w->depth);
}

/* Before each member or element. */
static void next(struct writer *w)
{
    buf_z(w->out, w->first ? "" : ",");
    w->first = false;
    new_line(w);
}

static void key(struct writer *w, struct str name)
{
    next(w);
    buf_json_str(w->out, name);
    buf_z(w->out, w->indent ? ": " : ":");
}

static void open(struct writer *w, char bracket)
{
    buf_byte(w->out, (uint8_t)bracket);
    w->depth++;
    w->first = true;
}

static void close(struct writer *w, char bracket)
{
    w->depth--;
    if (!w->first)
        new_line(w);
    buf_byte(w->out, (uint8_t)bracket);
    w->first = false;
}

static void text(struct writer *w, const char *name, struct str value)
{
    key(w, str_of(name));
    buf_json_str(w->out, value);
}

static void number(struct writer *w, const char *name, double v)
{
    key(w, str_of(name));
    if (isfinite(v))
        numfmt_js(w->out, v);
    else
        buf_z(w->out, "null");
}

static void boolean(struct writer *w, struct str name, bool v)
{
    key(w, name);
    buf_z(w->out, v ? "true" : "false");
}

/* JSON that is known to be well-formed, laid out as the rest is.  `next()` of a container's values
 * is called before their first character. */
static void raw_json(struct writer *w, struct str json)
{
    bool in_string = false, fresh = false; /* fresh: an element of a container begins */
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (!in_string && (c == ' ' || c == '\t' || c == '\r' || c == '\n'))
            continue;
        if (!in_string && (c == '}' || c == ']')) {
            close(w, c);
            fresh = false;
            continue;
        }
        if (!in_string && c == ',') {
            fresh = true;
            continue;
        }
        if (fresh) {
            next(w);
            fresh = false;
        }
        if (!in_string && (c == '{' || c == '[')) {
            open(w, c);
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
    open(w, '{');
    text(w, "name", c->name);
    text(w, "path", c->path);
    text(w, "id", str_of(id));
    number(w, "passes", (double)c->passes);
    number(w, "fails", (double)c->fails);
    close(w, '}');
}

/* Lists in the data, objects by name in the export. */
static void members(struct writer *w, const struct group *g)
{
    key(w, STR("groups"));
    open(w, w->old ? '{' : '[');
    for (const struct group *i = g->groups; i; i = i->next) {
        if (w->old)
            key(w, i->name);
        else
            next(w);
        group(w, i);
    }
    close(w, w->old ? '}' : ']');
    key(w, STR("checks"));
    open(w, w->old ? '{' : '[');
    for (const struct check *c = g->checks; c; c = c->next) {
        if (w->old)
            key(w, c->name);
        else
            next(w);
        check_json(w, c);
    }
    close(w, w->old ? '}' : ']');
}

/* Depth is bounded by the script's own nesting of group() calls. */
static void group(struct writer *w, const struct group *g)
{
    char id[33];
    checks_id(g->path, id);
    open(w, '{');
    text(w, "name", g->name);
    text(w, "path", g->path);
    text(w, "id", str_of(id));
    members(w, g);
    close(w, '}');
}

static void values(struct writer *w, const struct summary_item *item)
{
    const struct sink *s = item->sink;
    switch (item->metric->type) {
    case METRIC_COUNTER:
        number(w, "count", s->sum);
        number(w, "rate", summary_rate(s->sum, w->in->duration_ns));
        return;
    case METRIC_GAUGE:
        number(w, "value", s->last);
        number(w, "min", s->min);
        number(w, "max", s->max);
        return;
    case METRIC_RATE:
        number(w, w->old ? "value" : "rate", summary_share(s));
        number(w, "passes", (double)s->nonzero);
        number(w, "fails", (double)(s->count - s->nonzero));
        return;
    case METRIC_TREND:
        for (size_t i = 0; i < w->in->stats_len; i++)
            number(w, w->in->stats[i].name, summary_stat_value(&w->in->stats[i], s));
        return;
    }
}

/* True in the export means that it failed; the data says whether it is ok. */
static void thresholds(struct writer *w, const struct threshold_group *g)
{
    if (!g || g->len == 0)
        return;
    key(w, STR("thresholds"));
    open(w, '{');
    for (size_t i = 0; i < g->len; i++) {
        struct str source = str_of(g->items[i].source);
        bool again = false; /* an expression that stands twice is one key */
        for (size_t k = 0; k < i; k++)
            again |= strcmp(g->items[k].source, g->items[i].source) == 0;
        if (again)
            continue;
        if (w->old) {
            boolean(w, source, g->items[i].failed);
            continue;
        }
        key(w, source);
        open(w, '{');
        boolean(w, STR("ok"), !g->items[i].failed);
        close(w, '}');
    }
    close(w, '}');
}

static void metric_json(struct writer *w, const struct summary_item *item)
{
    key(w, str_of(item->name));
    open(w, '{');
    if (!w->old) {
        text(w, "type", str_of(metric_type_name(item->metric->type)));
        text(w, "contains", str_of(metric_contains_name(item->metric->contains)));
        key(w, STR("values"));
        open(w, '{');
    }
    values(w, item);
    if (!w->old)
        close(w, '}');
    thresholds(w, item->thresholds);
    close(w, '}');
}

static void options_and_state(struct writer *w)
{
    static const char *const units[] = {
        [NUMFMT_AUTO] = "", [NUMFMT_S] = "s", [NUMFMT_MS] = "ms", [NUMFMT_US] = "us"};
    key(w, STR("options"));
    open(w, '{');
    key(w, STR("summaryTrendStats"));
    open(w, '[');
    for (size_t i = 0; i < w->in->stats_len; i++) {
        next(w);
        buf_json_str(w->out, str_of(w->in->stats[i].name));
    }
    close(w, ']');
    text(w, "summaryTimeUnit", str_of(units[w->in->time_unit]));
    boolean(w, STR("noColor"), w->in->no_color);
    close(w, '}');
    key(w, STR("state"));
    open(w, '{');
    boolean(w, STR("isStdOutTTY"), w->in->stdout_tty);
    boolean(w, STR("isStdErrTTY"), w->in->stderr_tty);
    number(w, "testRunDurationMs", (double)w->in->duration_ns / (double)NS_PER_MS);
    close(w, '}');
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

    open(w, '{');
    key(w, STR("root_group"));
    group(w, root);
    if (!w->old)
        options_and_state(w);
    key(w, STR("metrics"));
    open(w, '{');
    for (size_t i = 0; i < len; i++)
        metric_json(w, &items[i]);
    close(w, '}');
    if (w->in->setup_data.len > 0) {
        key(w, STR("setup_data"));
        raw_json(w, w->in->setup_data);
    }
    close(w, '}');
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
