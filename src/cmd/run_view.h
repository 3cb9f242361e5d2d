/*
 * run_view - what a run shows on the terminal: banner, description, progress, summary.
 */
#ifndef CMD_RUN_VIEW_H
#define CMD_RUN_VIEW_H

#include "load/run.h"
#include "output/progress.h"

#include <stdbool.h>

struct run_view {
    struct run_ui ui; /* for the run's request */
    struct progress_terminal terminal;
    bool quiet, color;
    bool summary_lost; /* a part of it couldn't be saved, which is logged */
};

void run_view_init(struct run_view *v, bool quiet, bool color);

/* Stands in a description for what isn't known yet when it is written. */
#define RUN_VIEW_OUTPUT_MARK "\x01output\x01"

/* The description block, lines ended as the terminal wants it.  `execution`: "local", "cloud". */
void run_view_describe(const struct run_view *v, const struct run_status *s, const char *execution,
                       struct buf *out);

/* The columns of one scenario's bar. Pure. */
void run_view_bar(const struct scenario_status *s, struct progress_bar *ret);

#endif
