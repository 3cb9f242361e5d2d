/*
 * progress - what the user sees before and while a test runs, as text.
 *
 * Pure functions: state in, bytes out; the caller prints them and knows the time, the terminal and
 * its size.  load/ fills struct progress_run and one struct progress_bar a scenario; the forms are
 * k6's to the byte (k6-surface 1.6), but for the banner's drawing.
 */
#ifndef OUTPUT_PROGRESS_H
#define OUTPUT_PROGRESS_H

#include "base/attr.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum progress_status {
    PROGRESS_RUNNING,     /* ' ' */
    PROGRESS_WAITING,     /* '•' before its start time */
    PROGRESS_STOPPING,    /* '↓' in its graceful stop */
    PROGRESS_INTERRUPTED, /* '✗' ended before it was through */
    PROGRESS_DONE,        /* '✓' */
};

enum { PROGRESS_COLUMNS_MAX = 4, PROGRESS_COLUMN_MAX = 64 };

/* One scenario's line.  Columns as its executor shows them, for example "2 VUs", "1.0s/2s",
 * "002/100 shared iters"; use the progress_format functions below for their fixed widths. */
struct progress_bar {
    const char *name;
    enum progress_status status;
    double fraction; /* 0..1, clamped */
    uint32_t columns_len;
    char columns[PROGRESS_COLUMNS_MAX][PROGRESS_COLUMN_MAX]; /* NUL-terminated */
};

/* The line above the scenarios'.  While the test is made ready it is a bar of its own, "Init" or
 * "Run" and what is being done: "Init    [  40% ] 04/10 VUs initialized". */
struct progress_run {
    const char *phase;      /* NULL: running; else "Init" (VUs are made) or "Run" (setup()) */
    double phase_fraction;  /* of the phase's bar; 1 for setup() */
    const char *phase_text; /* right of it: "04/10 VUs initialized", "setup()" */

    bool paused;
    bool started;        /* false: no time is shown */
    int64_t elapsed_ns;  /* since the run's start, iteration phase */
    int64_t longest_ns;  /* the test's maximal duration; fixes the time's width */
    uint64_t vus_most;   /* possible VUs at most; fixes the numbers' width */
    uint64_t vus_active; /* running an iteration or looping */
    uint64_t vus_ready;  /* initialised */
    uint64_t iterations_complete;
    uint64_t iterations_interrupted;
};

/* How to draw; kept by the caller from one drawing to the next.  Zeroed, then the first three
 * set, it is ready. */
struct progress_terminal {
    bool tty;      /* redraw in place with bars; else blocks of lines with percentages */
    bool color;    /* --no-color unset; only meant for a tty */
    int width;     /* columns of the terminal, 0: unknown (80) */
    int bar_width; /* of the last drawing, 0: none yet */
    int bar_delta; /* what the next drawing adds to it */
};

/* Blank line, the drawing of five lines, blank line. */
void progress_banner(struct buf *out, bool color);

/* The description block. */
struct progress_scenario_text {
    const char *name;
    const char *description; /* "2 looping VUs for 2s (gracefulStop: 30s)" */
};
struct progress_description {
    const char *execution; /* "local", "cloud" */
    const char *script;    /* as typed */
    const char *output;    /* "-", or the outputs' descriptions, comma-separated */
    const char *dashboard; /* NULL, or " web dashboard: " and its URL's line */
    const char *profiling; /* NULL, or URL */
    double segment_share;  /* 1: all of the test is run here */
    uint64_t vus_most;
    int64_t longest_ns;                             /* maximal duration, graceful stop included */
    const struct progress_scenario_text *scenarios; /* sorted by (start time, name) */
    size_t scenarios_len;
};
void progress_describe(struct buf *out, bool color, const struct progress_description *d);

/* The whole block: blank line, the run's line, a line a scenario.  `again`: another drawing will
 * follow, so on a tty the cursor goes back up to where this one began. */
void progress_draw(struct buf *out, struct progress_terminal *t, const struct progress_run *run,
                   const struct progress_bar *bars, size_t bars_len, bool again);

/* Text for a tty: every "\n" of `text` becomes "erase to the end of the line" and "\n", as k6
 * writes everything there.  Without a tty the text itself. */
void progress_tty_lines(struct buf *out, bool tty, struct str text);

/* Fixed widths, so that columns don't jump.  All write NUL-terminated text into `out` of `size`
 * bytes (PROGRESS_COLUMN_MAX is enough). */
/* "01.0s", "00m01.0s", "0h00m01.0s": as wide as `longest_ns` needs; rounded to 100 ms. */
void progress_format_time(char *out, size_t size, int64_t ns, int64_t longest_ns);
/* "02" beside a greatest value of 10..99. */
void progress_format_count(char *out, size_t size, uint64_t n, uint64_t greatest);
/* "05.00" beside a greatest value of 10..99.99. */
void progress_format_rate(char *out, size_t size, double v, double greatest);

#endif
