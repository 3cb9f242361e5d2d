/*
 * The lines of metrics, for the modes of the text.
 */
#include "output/summary_rows.h"

#include "base/err.h"
#include "output/summary_int.h"

#include <errno.h>

size_t rows_characters(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((uint8_t)*s & 0xc0) != 0x80;
    return n;
}

/* What is in p->cell, as text in the arena; "" after a failure, which p->out then carries. */
const char *rows_take_cell(struct printer *p)
{
    const char *text = arena_dup(p->a, buf_view(&p->cell));
    if (buf_finish(&p->cell) < 0 || !text) {
        if (p->out->err == 0)
            p->out->err = -ENOMEM;
        text = "";
    }
    buf_reset(&p->cell);
    return text;
}

static void value_into_cell(struct printer *p, const struct metric *m, double v)
{
    numfmt_value(&p->cell, v, m->type, m->contains, p->in->time_unit);
}

const char *rows_value_cell(struct printer *p, const struct metric *m, const char *before, double v,
                            const char *after)
{
    buf_z(&p->cell, before);
    value_into_cell(p, m, v);
    buf_z(&p->cell, after);
    return rows_take_cell(p);
}

static const char *stat_cell(struct printer *p, const struct metric *m,
                             const struct summary_stat *stat, const struct sink *sink)
{
    double v = summary_stat_value(stat, sink);
    if (stat->kind == SUMMARY_COUNT)
        numfmt_js(&p->cell, v);
    else
        value_into_cell(p, m, v);
    return rows_take_cell(p);
}

static const char *out_of_cell(struct printer *p, uint64_t part, uint64_t all)
{
    buf_printf(&p->cell, "%llu out of %llu", (unsigned long long)part, (unsigned long long)all);
    return rows_take_cell(p);
}

static const char *count_cell(struct printer *p, const char *mark, uint64_t n)
{
    buf_printf(&p->cell, "%s %llu", mark, (unsigned long long)n);
    return rows_take_cell(p);
}

static void fill_cells(struct printer *p, struct row *r, const struct sink *s)
{
    const struct metric *m = r->metric;
    switch (m->type) {
    case METRIC_TREND:
        r->trend = true;
        r->cells_len = MIN(p->in->stats_len, (size_t)CELLS_MAX);
        for (size_t i = 0; i < r->cells_len; i++)
            r->cells[i] = stat_cell(p, m, &p->in->stats[i], s);
        return;
    case METRIC_COUNTER:
        r->cells_len = 2;
        r->cells[0] = rows_value_cell(p, m, "", s->sum, "");
        r->cells[1] = rows_value_cell(p, m, "", summary_rate(s->sum, p->in->duration_ns), "/s");
        return;
    case METRIC_GAUGE:
        r->cells_len = 3;
        r->cells[0] = rows_value_cell(p, m, "", s->last, "");
        r->cells[1] = rows_value_cell(p, m, "min=", s->min, "");
        r->cells[2] = rows_value_cell(p, m, "max=", s->max, "");
        return;
    case METRIC_RATE:
        if (p->in->mode == SUMMARY_LEGACY) {
            r->cells_len = 3;
            r->cells[0] = rows_value_cell(p, m, "", summary_share(s), "");
            r->cells[1] = count_cell(p, "✓", s->nonzero);
            r->cells[2] = count_cell(p, "✗", s->count - s->nonzero);
            return;
        }
        r->cells_len = 2;
        r->cells[0] = rows_value_cell(p, m, "", summary_share(s), "");
        r->cells[1] = out_of_cell(p, s->nonzero, s->count);
        return;
    }
}

/* A new row, its cells not yet filled; NULL without memory. */
static struct row *row_new(struct printer *p, struct table *t, const char *name,
                           const struct metric *m)
{
    size_t cells = MAX(p->in->stats_len, (size_t)3);
    const char **list = arena_calloc(p->a, cells, sizeof(const char *));
    const char *brace = strchr(name, '{');
    if (brace)
        buf_printf(&p->cell, "  { %.*s }", (int)strlen(brace) - 2, brace + 1);
    else
        buf_z(&p->cell, name);
    const char *shown = rows_take_cell(p);
    if (!list) {
        p->out->err = -ENOMEM;
        return NULL;
    }
    struct row *r = &t->rows[t->len++];
    *r = (struct row){.name = name, .shown = shown, .metric = m, .cells = list};
    return r;
}

struct row *rows_add(struct printer *p, struct table *t, const char *name, const struct metric *m,
                     const struct sink *s)
{
    struct row *r = row_new(p, t, name, m);
    if (r)
        fill_cells(p, r, s);
    return r;
}

int rows_table_new(struct printer *p, size_t max, struct table *ret)
{
    *ret = (struct table){.rows = arena_calloc(p->a, max + 1, sizeof *ret->rows)};
    if (!ret->rows)
        p->out->err = -ENOMEM;
    return ret->rows ? 0 : -ENOMEM;
}

void rows_measure(struct table *t)
{
    for (size_t i = 0; i < t->len; i++) {
        const struct row *r = &t->rows[i];
        t->name_width = MAX(t->name_width, rows_characters(r->shown));
        for (size_t c = 0; c < r->cells_len; c++) {
            size_t width = rows_characters(r->cells[c]);
            size_t *widest = r->trend ? &t->trend_widths[c]
                             : c == 0 ? &t->value_width
                                      : &t->extra_widths[c - 1];
            *widest = MAX(*widest, width);
        }
    }
}

/* A letter's place: as dictionaries have it, "_" before digits before letters, upper case only
 * counting when all else is equal. */
static int place(char c)
{
    if (c >= 'a' && c <= 'z')
        return 512 + c;
    if (c >= 'A' && c <= 'Z')
        return 512 + (c - 'A' + 'a');
    if (c >= '0' && c <= '9')
        return 256 + c;
    return (uint8_t)c;
}

int rows_compare_text(struct str a, struct str b)
{
    for (size_t i = 0; i < MIN(a.len, b.len); i++) {
        int d = place(a.ptr[i]) - place(b.ptr[i]);
        if (d != 0)
            return d;
    }
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return -str_cmp(a, b); /* lower case first */
}

/* By the metric's name, its sub-metrics behind it. */
int rows_compare_names(const char *a, const char *b)
{
    struct str sub_a, sub_b;
    int d = rows_compare_text(str_cut(str_of(a), '{', &sub_a), str_cut(str_of(b), '{', &sub_b));
    return d != 0 ? d : rows_compare_text(sub_a, sub_b);
}

int rows_compare(const void *a, const void *b)
{
    return rows_compare_names(((const struct row *)a)->name, ((const struct row *)b)->name);
}

/* Printing */

void rows_decorated(struct printer *p, const char *codes, const char *text)
{
    if (p->in->color)
        buf_printf(p->out, "\x1b[%sm%s\x1b[0m", codes, text);
    else
        buf_z(p->out, text);
}

void rows_print_trend(struct printer *p, const struct table *t, const struct row *r)
{
    for (size_t i = 0; i < r->cells_len; i++) {
        buf_printf(p->out, "%s%s=", i > 0 ? " " : "", p->in->stats[i].name);
        rows_decorated(p, "36", r->cells[i]);
        buf_fill(p->out, ' ', t->trend_widths[i] - rows_characters(r->cells[i]));
    }
}

void rows_print_plain(struct printer *p, const struct table *t, const struct row *r)
{
    rows_decorated(p, "36", r->cells[0]);
    buf_fill(p->out, ' ', t->value_width - rows_characters(r->cells[0]));
    for (size_t i = 1; i < r->cells_len; i++) {
        buf_z(p->out, " ");
        rows_decorated(p, p->in->mode == SUMMARY_LEGACY ? "36;2" : "2;36", r->cells[i]);
        if (r->cells_len > 2) /* a single one has nothing to be aligned with */
            buf_fill(p->out, ' ', t->extra_widths[i - 1] - rows_characters(r->cells[i]));
    }
}
