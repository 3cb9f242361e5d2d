/*
 * summary_rows - the lines of metrics of a summary's text: made from sinks, measured, printed.  For
 * summary.c (compact, full) and summary_legacy.c.
 *
 * A failure is kept in the printer's `out`, so that nobody has to look at each step.
 */
#ifndef OUTPUT_SUMMARY_ROWS_H
#define OUTPUT_SUMMARY_ROWS_H

#include "base/arena.h"
#include "output/summary.h"

#include <stdbool.h>
#include <stddef.h>

enum { CELLS_MAX = SUMMARY_STATS_MAX, EXTRAS_MAX = 2 };

struct row {
    const char *name;  /* of the metric, for sorting */
    const char *shown; /* "  { scenario:arr }" for a sub-metric */
    const struct metric *metric;
    const struct threshold_group *thresholds; /* of the caller; NULL: none */
    bool trend;
    size_t cells_len;
    const char **cells; /* a trend: by column; else the value and what is behind it */
};

struct table {
    struct row *rows;
    size_t len;
    /* Widths in characters; see rows_measure(). */
    size_t name_width;
    size_t trend_widths[CELLS_MAX];
    size_t value_width;
    size_t extra_widths[EXTRAS_MAX];
};

struct printer {
    const struct summary_input *in;
    struct buf *out;
    struct arena *a;
    struct buf cell; /* scratch */
};

/* Room for `max` rows; 0 or -ENOMEM. */
NODISCARD int rows_table_new(struct printer *p, size_t max, struct table *ret);
/* One row more; NULL without memory. */
struct row *rows_add(struct printer *p, struct table *t, const char *name, const struct metric *m,
                     const struct sink *s);
/* Once all rows are there: how wide columns are. */
void rows_measure(struct table *t);

/* Order of dictionaries; names: by the metric's, its sub-metrics behind it. */
int rows_compare_text(struct str a, struct str b);
int rows_compare_names(const char *a, const char *b);
int rows_compare(const void *a, const void *b); /* of two rows, for qsort() */

/* What stands behind a row's name. */
void rows_print_trend(struct printer *p, const struct table *t, const struct row *r);
void rows_print_plain(struct printer *p, const struct table *t, const struct row *r);

/* What is in p->cell, as text in the arena; "" after a failure. */
const char *rows_take_cell(struct printer *p);
/* A value of `m` with texts around it, likewise. */
const char *rows_value_cell(struct printer *p, const struct metric *m, const char *before, double v,
                            const char *after);
/* `text` in colours ("36", "2;36"), or plain. */
void rows_decorated(struct printer *p, const char *codes, const char *text);
size_t rows_characters(const char *s);

#endif
