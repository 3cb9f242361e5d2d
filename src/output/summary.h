/*
 * summary - what a run says at its end: the text on the screen, the data of handleSummary() and the
 * file of --summary-export; all in the forms of k6 v2.2 (k6-surface 1.6, 1.8).
 *
 * Pure functions of a snapshot.  Shown are the metrics that have samples or thresholds, and the
 * sub-metrics likewise.
 */
#ifndef OUTPUT_SUMMARY_H
#define OUTPUT_SUMMARY_H

#include "base/attr.h"
#include "base/buf.h"
#include "metrics/metrics.h"
#include "metrics/threshold.h"
#include "output/numfmt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum summary_mode {
    SUMMARY_COMPACT,
    SUMMARY_FULL, /* needs metrics_want_sections() before the run */
    SUMMARY_DISABLED,
    SUMMARY_LEGACY, /* as k6 v0.49 has it: a tree of groups and one list of metrics */
};

/* One column of a trend: "avg", "min", "med", "max", "count", "p(N)". */
enum summary_stat_kind {
    SUMMARY_AVG,
    SUMMARY_MIN,
    SUMMARY_MED,
    SUMMARY_MAX,
    SUMMARY_COUNT,
    SUMMARY_PERCENTILE,
};
struct summary_stat {
    const char *name; /* as given: "p(99.90)"; outlives the summary */
    enum summary_stat_kind kind;
    double percentile; /* 0..100 */
};

enum { SUMMARY_STATS_MAX = 32 };

/* "compact", "full", "disabled", "legacy"; "" is compact.  E_CONFIG with a message. */
NODISCARD int summary_mode_parse(struct str s, enum summary_mode *ret);

/* `name` is kept.  E_CONFIG with k6's message. */
NODISCARD int summary_stat_parse(const char *name, struct summary_stat *ret);

/* avg, min, med, max, p(90), p(95): the columns when the options name none. */
extern const struct summary_stat summary_stats_default[6];

struct summary_input {
    struct metrics *metrics;
    const struct snapshot *snapshot;
    const struct thresholds *thresholds; /* evaluated; NULL: none, or --no-thresholds */
    int64_t duration_ns;                 /* of the run; what rates are per */
    enum summary_mode mode;
    bool color;                       /* of the text */
    const struct summary_stat *stats; /* columns, at most SUMMARY_STATS_MAX */
    size_t stats_len;
    enum numfmt_unit time_unit;

    bool setup_ran, teardown_ran; /* legacy shows them as groups */

    /* Of the data and the export only. */
    struct str script;     /* the main file's text */
    bool cloud;            /* results go to a cloud, too */
    int64_t made_ns;       /* wall clock: when the summary is made */
    struct str setup_data; /* JSON of what setup() returned; empty: nothing */
    bool stdout_tty, stderr_tty;
    bool no_color; /* the option --no-color */
};

/* Everything that k6 prints for it, blank lines around it included.  0, -ENOMEM, -EMSGSIZE;
 * `out` then holds a part. */
NODISCARD int summary_text(const struct summary_input *in, struct buf *out);

/* The object that handleSummary(data) gets, as JSON without spaces.  Errors likewise. */
NODISCARD int summary_data_json(const struct summary_input *in, struct buf *out);

/* The newer form of the data, for handleSummary() in one line, for --summary-export indented. */
NODISCARD int summary_machine_json(const struct summary_input *in, bool indented, struct buf *out);

/* The file of --summary-export (the old form), indented.  Errors likewise. */
NODISCARD int summary_export_json(const struct summary_input *in, struct buf *out);

#endif
