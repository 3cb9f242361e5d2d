#include "output/progress.h"

#include "base/clock.h"
#include "output/numfmt.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    NAME_MAX_COLUMNS = 30,   /* longer names are cut */
    TERMINAL_WIDTH = 80,     /* when unknown */
    TERMINAL_PADDING = 1,    /* columns left free at the right edge */
    BAR_WIDTH_MAX = 40,      /* with its brackets */
    BAR_WIDTH_MIN = 8,       /* at that width it is a percentage */
    STEP_NS = 100 * 1000000, /* times are shown in tenths of seconds */
};

#define COLOR_RESET "\x1b[0m"
#define COLOR_FAINT "\x1b[2m"
#define COLOR_RED   "\x1b[31m"
#define COLOR_GREEN "\x1b[32m"
#define COLOR_CYAN  "\x1b[36m"

static const char *const banner_lines[] = {
    "     ___   ___    _   _____  ___   ",    "    / __| | _ \\  /_\\ |_   _|| __|  ",
    "    \\__ \\ |  _/ / _ \\  | |  | _|   ", "    |___/ |_|  /_/ \\_\\ |_|  |___|  ",
    "  ~~~~^~~~~~~~^~~~~~~~^~~~~~~~^~~~ ",
};

void progress_banner(struct buf *out, bool color)
{
    buf_z(out, "\n");
    if (color)
        buf_z(out, "\x1b[33m");
    for (size_t i = 0; i < ARRAY_LEN(banner_lines); i++) {
        buf_z(out, i > 0 ? "\n" : "");
        buf_z(out, banner_lines[i]);
    }
    buf_z(out, color ? COLOR_RESET "\n\n" : "\n\n");
}

/* Fixed widths */

static int digits_of(uint64_t n)
{
    int digits = 1;
    for (n /= 10; n != 0; n /= 10)
        digits++;
    return digits;
}

void progress_format_count(char *out, size_t size, uint64_t n, uint64_t greatest)
{
    (void)snprintf(out, size, "%0*llu", digits_of(greatest), (unsigned long long)n);
}

void progress_format_rate(char *out, size_t size, double v, double greatest)
{
    greatest = fabs(greatest);
    int whole = greatest >= 10 ? 1 + (int)log10(greatest) : 1;
    (void)snprintf(out, size, "%0*.2f", whole + 3, v);
}

static uint64_t tenths_of(int64_t ns)
{
    uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    return (u + STEP_NS / 2) / STEP_NS;
}

void progress_format_time(char *out, size_t size, int64_t ns, int64_t longest_ns)
{
    uint64_t t = tenths_of(ns), longest = tenths_of(longest_ns);
    if (longest < t)
        longest = t;
    uint64_t tenth = t % 10, s = t / 10;
    uint64_t m = s / 60, h = m / 60;
    typedef unsigned long long ull;
    if (longest < 100)
        (void)snprintf(out, size, "%llu.%llus", (ull)s, (ull)tenth);
    else if (longest < 600)
        (void)snprintf(out, size, "%02llu.%llus", (ull)s, (ull)tenth);
    else if (longest < 6000)
        (void)snprintf(out, size, "%llum%02llu.%llus", (ull)m, (ull)s % 60, (ull)tenth);
    else if (longest < 36000)
        (void)snprintf(out, size, "%02llum%02llu.%llus", (ull)m, (ull)s % 60, (ull)tenth);
    else if (longest < 864000)
        (void)snprintf(out, size, "%0*lluh%02llum%02llu.%llus", longest < 360000 ? 1 : 2, (ull)h,
                       (ull)m % 60, (ull)s % 60, (ull)tenth);
    else
        (void)snprintf(out, size, "%0*llud%02lluh%02llum%02llu.%llus",
                       MIN(digits_of(longest / 864000), 6), (ull)h / 24, (ull)h % 24, (ull)m % 60,
                       (ull)s % 60, (ull)tenth);
}

/* Description */

static void colored(struct buf *out, bool color, const char *sequence, const char *text)
{
    if (color)
        buf_z(out, sequence);
    buf_z(out, text);
    if (color)
        buf_z(out, COLOR_RESET);
}

static void describe_scenarios(struct buf *out, bool color, const struct progress_description *d)
{
    buf_z(out, "     scenarios: ");
    if (color)
        buf_z(out, COLOR_CYAN);
    buf_printf(out, "(%.2f%%) ", d->segment_share * 100);
    if (d->scenarios_len > 1)
        buf_printf(out, "%zu scenarios", d->scenarios_len);
    else
        buf_z(out, "1 scenario");
    buf_printf(out, ", %llu max VUs, ", (unsigned long long)d->vus_most);
    numfmt_go_duration(out, (int64_t)tenths_of(d->longest_ns) * STEP_NS);
    buf_z(out, " max duration (incl. graceful stop):");
    buf_z(out, color ? COLOR_RESET "\n" : "\n");
    for (size_t i = 0; i < d->scenarios_len; i++)
        buf_printf(out, "              * %s: %s\n", d->scenarios[i].name,
                   d->scenarios[i].description);
}

void progress_describe(struct buf *out, bool color, const struct progress_description *d)
{
    buf_z(out, "\n     execution: ");
    colored(out, color, COLOR_CYAN, d->execution);
    buf_z(out, "\n        script: ");
    colored(out, color, COLOR_CYAN, d->script);
    if (d->dashboard) {
        buf_z(out, "\n web dashboard: ");
        colored(out, color, COLOR_CYAN, d->dashboard);
    }
    buf_z(out, "\n        output: ");
    colored(out, color, COLOR_CYAN, d->output);
    if (d->profiling) {
        buf_z(out, "\n     profiling: ");
        colored(out, color, COLOR_CYAN, d->profiling);
    }
    buf_z(out, "\n\n");
    describe_scenarios(out, color, d);
    buf_z(out, "\n");
}

/* Bars */

static const char *status_text(enum progress_status s)
{
    switch (s) {
    case PROGRESS_RUNNING:
        return " ";
    case PROGRESS_WAITING:
        return "•";
    case PROGRESS_STOPPING:
        return "↓";
    case PROGRESS_INTERRUPTED:
        return "✗";
    case PROGRESS_DONE:
        return "✓";
    }
    return " ";
}

static const char *status_color(enum progress_status s)
{
    switch (s) {
    case PROGRESS_RUNNING:
    case PROGRESS_STOPPING:
        return NULL;
    case PROGRESS_WAITING:
        return COLOR_FAINT;
    case PROGRESS_INTERRUPTED:
        return COLOR_RED;
    case PROGRESS_DONE:
        return COLOR_GREEN;
    }
    return NULL;
}

static void write_status(struct buf *out, bool color, enum progress_status s)
{
    const char *sequence = color ? status_color(s) : NULL;
    if (sequence)
        buf_z(out, sequence);
    buf_z(out, status_text(s));
    if (sequence) /* faint has an end of its own */
        buf_z(out, s == PROGRESS_WAITING ? "\x1b[22m" : COLOR_RESET);
}

static void write_bar(struct buf *out, bool color, int width, double fraction)
{
    fraction = fraction > 1 ? 1 : fraction >= 0 ? fraction : 0;
    if (width <= BAR_WIDTH_MIN) {
        buf_printf(out, "[ %3.0f%% ]", fraction * 100);
        return;
    }
    int space = width - 2;
    int filled = (int)(space * fraction);
    buf_z(out, "[");
    if (filled > 0)
        buf_fill(out, '=', (size_t)(filled < space ? filled - 1 : filled));
    if (filled > 0 && filled < space)
        buf_z(out, ">");
    if (color)
        buf_z(out, COLOR_FAINT);
    buf_fill(out, '-', (size_t)(space - filled));
    buf_z(out, color ? "\x1b[22m]" : "]");
}

void progress_tty_lines(struct buf *out, bool tty, struct str text)
{
    if (!tty) {
        buf_str(out, text);
        return;
    }
    struct str rest = text;
    while (rest.ptr) {
        struct str line = str_cut(rest, '\n', &rest);
        buf_str(out, line);
        if (rest.ptr)
            buf_z(out, "\x1b[0K\n");
    }
}

/* The run's line; returns its columns. */
static size_t write_run(struct buf *out, const struct progress_run *run)
{
    size_t before = out->len;
    char time[PROGRESS_COLUMN_MAX], active[PROGRESS_COLUMN_MAX], ready[PROGRESS_COLUMN_MAX];
    buf_z(out, run->paused ? "paused" : "running");
    if (run->started) {
        progress_format_time(time, sizeof time, run->elapsed_ns, run->longest_ns);
        buf_printf(out, " (%s)", time);
    }
    progress_format_count(active, sizeof active, run->vus_active, run->vus_most);
    progress_format_count(ready, sizeof ready, run->vus_ready, run->vus_most);
    buf_printf(out, ", %s/%s VUs, %llu complete and %llu interrupted iterations", active, ready,
               (unsigned long long)run->iterations_complete,
               (unsigned long long)run->iterations_interrupted);
    return out->len - before;
}

/* How wide the parts of the bars' lines are; of columns all but each line's last count. */
struct layout {
    size_t name;
    size_t columns[PROGRESS_COLUMNS_MAX];
};

static void measure(const struct progress_bar *bars, size_t len, struct layout *ret)
{
    *ret = (struct layout){.name = strlen("Init")}; /* the first line's name, even when not shown */
    for (size_t i = 0; i < len; i++) {
        ret->name = MAX(ret->name, strlen(bars[i].name));
        for (uint32_t c = 0; c + 1 < bars[i].columns_len; c++)
            ret->columns[c] = MAX(ret->columns[c], strlen(bars[i].columns[c]));
    }
    ret->name = MIN(ret->name, (size_t)NAME_MAX_COLUMNS);
}

static size_t characters(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((uint8_t)*s & 0xc0) != 0x80;
    return n;
}

/* Length of `s` in bytes, cut to at most `max` without splitting a character. */
static size_t cut_length(const char *s, size_t max)
{
    size_t len = strlen(s);
    if (len <= max)
        return len;
    while (max > 0 && ((uint8_t)s[max] & 0xc0) == 0x80)
        max--;
    return max;
}

static size_t write_name(struct buf *out, const char *name, size_t width)
{
    char cut[NAME_MAX_COLUMNS + 4];
    if (strlen(name) > width) {
        (void)snprintf(cut, sizeof cut, "%.*s...", (int)cut_length(name, width - 3), name);
        name = cut;
    }
    size_t shown = characters(name);
    buf_z(out, name);
    buf_fill(out, ' ', width > shown ? width - shown : 0);
    return MAX(width, shown);
}

/* One bar's line without its end; returns its columns on the screen. */
static size_t write_line(struct buf *out, const struct progress_terminal *t, const struct layout *l,
                         const struct progress_bar *bar)
{
    size_t columns = write_name(out, bar->name, l->name) + 3 + (size_t)t->bar_width;
    buf_z(out, " ");
    write_status(out, t->color, bar->status);
    buf_z(out, " ");
    write_bar(out, t->color, t->bar_width, bar->fraction);
    for (uint32_t c = 0; c < bar->columns_len; c++) {
        size_t shown = characters(bar->columns[c]);
        size_t width = MAX(l->columns[c] + 1, shown);
        buf_z(out, " ");
        buf_z(out, bar->columns[c]);
        buf_fill(out, ' ', width - shown);
        columns += 1 + width;
    }
    return columns;
}

static size_t write_first(struct buf *out, const struct progress_terminal *t,
                          const struct layout *l, const struct progress_run *run)
{
    if (!run->phase)
        return write_run(out, run);
    struct progress_bar bar = {
        .name = run->phase, .fraction = run->phase_fraction, .columns_len = 1};
    (void)snprintf(bar.columns[0], sizeof bar.columns[0], "%s", run->phase_text);
    return write_line(out, t, l, &bar);
}

static size_t wraps(const struct progress_terminal *t, size_t columns)
{
    size_t width = t->width > 0 ? (size_t)t->width : TERMINAL_WIDTH;
    return (columns - TERMINAL_PADDING) / width;
}

void progress_draw(struct buf *out, struct progress_terminal *t, const struct progress_run *run,
                   const struct progress_bar *bars, size_t bars_len, bool again)
{
    const char *line_end = t->tty ? "\x1b[K\n" : "\n";
    if (t->bar_width == 0)
        t->bar_width = BAR_WIDTH_MAX;
    t->bar_width = t->tty ? MIN(t->bar_width + t->bar_delta, (int)BAR_WIDTH_MAX) : BAR_WIDTH_MIN;
    t->bar_width = MAX(t->bar_width, (int)BAR_WIDTH_MIN);

    struct layout l;
    measure(bars, bars_len, &l);
    buf_z(out, line_end);
    size_t first = write_first(out, t, &l, run);
    size_t longest = run->phase ? first : 0; /* text alone doesn't squeeze the bars */
    size_t wrapped = wraps(t, first);
    buf_z(out, line_end);
    for (size_t i = 0; i < bars_len; i++) {
        size_t columns = write_line(out, t, &l, &bars[i]);
        buf_z(out, line_end);
        longest = MAX(longest, columns);
        wrapped += wraps(t, columns);
    }
    if (!t->tty)
        return;
    int width = t->width > 0 ? t->width : TERMINAL_WIDTH;
    t->bar_delta = width - (int)longest - TERMINAL_PADDING;
    if (again)
        buf_printf(out, "\r\x1b[J\x1b[%zuA", bars_len + 1 + wrapped + 1);
}
