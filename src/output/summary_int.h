/*
 * summary_int - which metrics a summary shows and what their values are; for summary.c (text) and
 * summary_json.c.
 */
#ifndef OUTPUT_SUMMARY_INT_H
#define OUTPUT_SUMMARY_INT_H

#include "base/arena.h"
#include "output/summary.h"

/* A metric or sub-metric that is shown. */
struct summary_item {
    const char *name; /* "http_req_duration{scenario:arr}" */
    const struct metric *metric;
    const struct sink *sink;
    const struct threshold_group *thresholds; /* NULL: none */
};

/* All of them, sub-metrics behind all metrics, in order of ids; *ret in `a`.  0 or -ENOMEM. */
NODISCARD int summary_items(const struct summary_input *in, struct arena *a,
                            struct summary_item **ret, size_t *ret_len);

/* Which section of the text a metric belongs to: 0 for the script's own, see summary.c; and whether
 * the mode leaves it out. */
enum { SUMMARY_KINDS_LEN = 8 };
size_t summary_kind_of(const char *name);
bool summary_hidden(enum summary_mode mode, const char *name);

struct printer;
/* The text of mode legacy without the blank lines around it. */
NODISCARD int summary_legacy_text(struct printer *p, const struct summary_item *items, size_t len);

double summary_stat_value(const struct summary_stat *s, const struct sink *sink);
double summary_rate(double count, int64_t duration_ns); /* per second; 0 of no time */
double summary_share(const struct sink *sink);          /* of a rate; 0 without samples */

#endif
