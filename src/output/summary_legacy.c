/*
 * The text of mode `legacy`, as k6 v0.49 prints it: the tree of groups with their checks, then all
 * metrics by name.
 */
#include "base/err.h"
#include "output/checks.h"
#include "output/summary_int.h"
#include "output/summary_rows.h"

#include <errno.h>
#include <stdlib.h>

static void indent(struct printer *p, size_t n)
{
    buf_z(p->out, "\n");
    buf_fill(p->out, ' ', n);
}

static void print_check(struct printer *p, size_t in, const struct check *c)
{
    indent(p, 0);
    buf_fill(&p->cell, ' ', in);
    buf_printf(&p->cell, "%s %.*s", c->fails == 0 ? "✓" : "✗", STR_ARG(c->name));
    if (c->fails > 0) {
        buf_byte(&p->cell, '\n');
        buf_fill(&p->cell, ' ', in);
        buf_printf(&p->cell, " ↳  %llu%% — ✓ %llu / ✗ %llu",
                   (unsigned long long)(100 * c->passes / (c->passes + c->fails)),
                   (unsigned long long)c->passes, (unsigned long long)c->fails);
    }
    rows_decorated(p, c->fails == 0 ? "32" : "31", rows_take_cell(p));
}

static void print_name(struct printer *p, size_t in, struct str name)
{
    indent(p, in);
    buf_printf(p->out, "█ %.*s\n", STR_ARG(name));
}

/* Depth is bounded by the script's own nesting of group() calls. */
static void print_group(struct printer *p, size_t in, const struct group *g)
{
    if (g->name.len > 0) {
        print_name(p, in, g->name);
        in += 2;
    }
    for (const struct check *c = g->checks; c; c = c->next)
        print_check(p, in, c);
    if (g->checks)
        buf_z(p->out, "\n");
    for (const struct group *i = g->groups; i; i = i->next)
        print_group(p, in, i);
}

static bool has_group(const struct group *root, const char *name)
{
    for (const struct group *g = root->groups; g; g = g->next)
        if (str_eqz(g->name, name))
            return true;
    return false;
}

/* setup() and teardown() are groups there, with or without checks. */
static void print_groups(struct printer *p, const struct group *root)
{
    const size_t in = 5;
    if (p->in->setup_ran && !has_group(root, "setup"))
        print_name(p, in, STR("setup"));
    print_group(p, in, root);
    if (p->in->teardown_ran && !has_group(root, "teardown"))
        print_name(p, in, STR("teardown"));
}

static void print_mark(struct printer *p, const struct threshold_group *g)
{
    bool failed = false;
    for (size_t i = 0; g && i < g->len; i++)
        failed |= g->items[i].failed;
    if (!g || g->len == 0)
        buf_z(p->out, " ");
    else
        rows_decorated(p, failed ? "31" : "32", failed ? "✗" : "✓");
}

static void print_row(struct printer *p, const struct table *t, const struct row *r)
{
    bool sub = strchr(r->name, '{') != NULL;
    const char *shown = sub ? r->shown + 2 : r->shown; /* its indentation is before the mark */
    indent(p, sub ? 5 : 3);
    print_mark(p, r->thresholds);
    buf_printf(p->out, " %s", shown);
    buf_fill(&p->cell, '.', t->name_width - rows_characters(r->shown) + 3);
    buf_byte(&p->cell, ':');
    rows_decorated(p, "2", rows_take_cell(p));
    buf_byte(p->out, ' ');
    if (r->trend)
        rows_print_trend(p, t, r);
    else
        rows_print_plain(p, t, r);
}

int summary_legacy_text(struct printer *p, const struct summary_item *items, size_t len)
{
    const struct group *root = checks_tree(p->in->snapshot, p->a);
    struct table t;
    if (!root || rows_table_new(p, len, &t) < 0)
        return -ENOMEM;
    print_groups(p, root);
    for (size_t i = 0; i < len; i++) {
        struct row *r = rows_add(p, &t, items[i].name, items[i].metric, items[i].sink);
        if (r)
            r->thresholds = items[i].thresholds;
    }
    rows_measure(&t);
    qsort(t.rows, t.len, sizeof *t.rows, rows_compare);
    for (size_t i = 0; i < t.len; i++)
        print_row(p, &t, &t.rows[i]);
    return 0;
}
