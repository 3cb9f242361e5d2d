/*
 * The newer form of a summary's data (k6-surface 1.8, "new machine-readable").
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "output/checks.h"
#include "output/summary_int.h"
#include "output/summary_write.h"
#include "output/timetext.h"

#include <errno.h>
#include <math.h>

/* The version of k6 whose form this is, which readers of it ask for. */
#define FORM_OF_K6  "2.2.0"
#define FORM_NUMBER "1.0.0"

static void config(struct writer *w)
{
    write_key(w, STR("config"));
    write_open(w, '{');
    write_number(w, "duration", (double)w->in->duration_ns / (double)NS_PER_S);
    write_text(w, "execution", w->in->cloud ? STR("cloud") : STR("local"));
    write_text(w, "script", w->in->script);
    write_close(w, '}');
}

static void metadata(struct writer *w)
{
    struct timetext time;
    CLEANUP(buf_fini) struct buf text;
    timetext_init(&time);
    buf_init(&text, 64);
    timetext_nanos(&time, &text, w->in->made_ns);
    write_key(w, STR("metadata"));
    write_open(w, '{');
    write_text(w, "generated_at", buf_view(&text));
    write_text(w, "k6_version", STR(FORM_OF_K6));
    write_close(w, '}');
}

static void trend_values(struct writer *w, const struct sink *s)
{
    static const struct {
        const char *stat, *name;
    } known[] = {{"avg", "avg"}, {"max", "max"},   {"med", "med"},
                 {"min", "min"}, {"p(90)", "p90"}, {"p(95)", "p95"}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        double v = (double)NAN; /* null: not among the columns */
        for (size_t k = 0; k < w->in->stats_len; k++)
            if (strcmp(w->in->stats[k].name, known[i].stat) == 0)
                v = summary_stat_value(&w->in->stats[k], s);
        write_number(w, known[i].name, v);
    }
}

static void values(struct writer *w, const struct metric *m, const struct sink *s)
{
    write_key(w, STR("values"));
    write_open(w, '{');
    switch (m->type) {
    case METRIC_COUNTER:
        write_number(w, "count", s->sum);
        break;
    case METRIC_GAUGE:
        write_number(w, "max", s->max);
        write_number(w, "min", s->min);
        write_number(w, "value", s->last);
        break;
    case METRIC_RATE:
        write_number(w, "matches", (double)s->nonzero);
        write_number(w, "rate", summary_share(s));
        write_number(w, "total", (double)s->count);
        break;
    case METRIC_TREND:
        trend_values(w, s);
        break;
    }
    write_close(w, '}');
}

static void metric(struct writer *w, const char *name, const struct metric *m, const struct sink *s)
{
    write_next(w);
    write_open(w, '{');
    write_text(w, "contains", str_of(metric_contains_name(m->contains)));
    write_text(w, "name", str_of(name));
    write_text(w, "type", str_of(metric_type_name(m->type)));
    values(w, m, s);
    write_close(w, '}');
}

static void check_metrics(struct writer *w, const struct sink *s)
{
    static const struct metric counter = {"", METRIC_COUNTER, METRIC_DEFAULT, 0};
    static const struct metric rate = {"", METRIC_RATE, METRIC_DEFAULT, 0};
    struct sink total = {.count = s->count, .sum = (double)s->count};
    struct sink failed = {.count = s->count, .nonzero = s->count - s->nonzero};
    metric(w, "checks_total", &counter, &total);
    metric(w, "checks_failed", &rate, &failed);
    metric(w, "checks_succeeded", &rate, s);
}

static void checks(struct writer *w, const struct sink *s, const struct check *list, size_t len)
{
    write_key(w, STR("checks"));
    write_open(w, '{');
    if (s) {
        write_key(w, STR("metrics"));
        write_open(w, '[');
        check_metrics(w, s);
        write_close(w, ']');
        write_key(w, STR("results"));
        write_open(w, '[');
        for (size_t i = 0; i < len; i++) {
            write_next(w);
            write_open(w, '{');
            write_number(w, "fails", (double)list[i].fails);
            write_text(w, "name", list[i].name);
            write_number(w, "passes", (double)list[i].passes);
            write_close(w, '}');
        }
        write_close(w, ']');
    }
    write_close(w, '}');
}

/* By kind, the script's own behind the others. */
static void metrics(struct writer *w, const struct summary_item *items, size_t len)
{
    write_key(w, STR("metrics"));
    write_open(w, '[');
    for (size_t k = 1; k <= SUMMARY_KINDS_LEN; k++)
        for (size_t i = 0; i < len; i++)
            if (!summary_hidden(w->in->mode, items[i].name) &&
                summary_kind_of(items[i].name) == k % SUMMARY_KINDS_LEN)
                metric(w, items[i].name, items[i].metric, items[i].sink);
    write_close(w, ']');
}

static int results(struct writer *w, struct arena *a)
{
    struct summary_item *items = NULL;
    const struct check *list = NULL;
    size_t len = 0, list_len = 0;
    int rc = summary_items(w->in, a, &items, &len);
    if (rc == 0)
        rc = checks_flat(w->in->snapshot, NULL, 0, a, &list, &list_len);
    if (rc < 0)
        return rc;
    const struct sink *sink = NULL;
    for (size_t i = 0; i < len; i++)
        if (strcmp(items[i].name, "checks") == 0)
            sink = items[i].sink;
    write_key(w, STR("results"));
    write_open(w, '{');
    checks(w, sink, list, list_len);
    metrics(w, items, len);
    write_close(w, '}');
    return 0;
}

int summary_machine_json(const struct summary_input *in, bool indented, struct buf *out)
{
    struct writer w = {.out = out, .in = in, .first = true, .indent = indented ? 4 : 0};
    CLEANUP(arena_fini) struct arena arena;
    arena_init(&arena, SUMMARY_ARENA_MAX);
    write_open(&w, '{');
    config(&w);
    metadata(&w);
    int rc = results(&w, &arena);
    write_text(&w, "version", STR(FORM_NUMBER));
    write_close(&w, '}');
    if (rc == 0)
        rc = buf_finish(out);
    return rc < 0 ? err_set(rc, "data of the end-of-test summary") : 0;
}
