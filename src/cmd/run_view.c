#include "cmd/run_view.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/log_sink.h"
#include "cmd/program.h"
#include "cmd/screen.h"
#include "codec/duration.h"
#include "load/scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* ---- bars ---------------------------------------------------------------------------------- */

static char *column(struct progress_bar *b)
{
    return b->columns[b->columns_len++];
}

static bool is_arrival(const struct scenario_status *s)
{
    return s->config->type == EXECUTOR_CONSTANT_ARRIVAL_RATE ||
           s->config->type == EXECUTOR_RAMPING_ARRIVAL_RATE;
}

static void column_vus(struct progress_bar *b, const struct scenario_status *s)
{
    char now[PROGRESS_COLUMN_MAX];
    if (is_arrival(s)) {
        progress_format_count(now, sizeof now, s->vus, s->vus_pool);
        (void)snprintf(column(b), PROGRESS_COLUMN_MAX, "%.20s/%u VUs", now, s->vus_pool);
        return;
    }
    if (s->config->type != EXECUTOR_RAMPING_VUS &&
        s->config->type != EXECUTOR_EXTERNALLY_CONTROLLED) {
        (void)snprintf(column(b), PROGRESS_COLUMN_MAX, "%u VUs", s->vus_max);
        return;
    }
    progress_format_count(now, sizeof now, s->vus, s->vus_max);
    (void)snprintf(column(b), PROGRESS_COLUMN_MAX, "%.20s/%u VUs", now, s->vus_max);
}

static void column_time(struct progress_bar *b, const struct scenario_status *s)
{
    char whole[PROGRESS_COLUMN_MAX], now[PROGRESS_COLUMN_MAX];
    if (s->config->type == EXECUTOR_RAMPING_VUS && s->elapsed_ns < s->duration_ns)
        progress_format_time(whole, sizeof whole, s->duration_ns, s->duration_ns);
    else
        (void)duration_format(s->duration_ns, whole);
    if (s->elapsed_ns >= s->duration_ns) {
        (void)snprintf(column(b), PROGRESS_COLUMN_MAX, "%s", whole);
        return;
    }
    progress_format_time(now, sizeof now, s->elapsed_ns, s->duration_ns);
    (void)snprintf(column(b), PROGRESS_COLUMN_MAX, "%.30s/%.30s", now, whole);
}

static void column_iterations(struct progress_bar *b, const struct scenario_status *s)
{
    char now[PROGRESS_COLUMN_MAX];
    progress_format_count(now, sizeof now, s->iterations, s->iterations_total);
    unsigned long long total = s->iterations_total;
    if (s->config->type == EXECUTOR_SHARED_ITERATIONS)
        (void)snprintf(column(b), PROGRESS_COLUMN_MAX, "%.20s/%llu shared iters", now, total);
    else if (s->config->type == EXECUTOR_PER_VU_ITERATIONS)
        (void)snprintf(column(b), PROGRESS_COLUMN_MAX, "%.20s/%llu iters, %lld per VU", now, total,
                       (long long)scenario_iterations(s->config));
    else if (is_arrival(s))
        (void)snprintf(column(b), PROGRESS_COLUMN_MAX, "%.2f iters/s", s->rate);
}

static enum progress_status bar_status(enum scenario_state s)
{
    switch (s) {
    case SCENARIO_WAITING:
        return PROGRESS_WAITING;
    case SCENARIO_RUNNING:
        return PROGRESS_RUNNING;
    case SCENARIO_STOPPING:
        return PROGRESS_STOPPING;
    case SCENARIO_DONE:
        return PROGRESS_DONE;
    case SCENARIO_INTERRUPTED:
        break;
    }
    return PROGRESS_INTERRUPTED;
}

void run_view_bar(const struct scenario_status *s, struct progress_bar *ret)
{
    *ret = (struct progress_bar){
        .name = s->config->name, .status = bar_status(s->state), .fraction = s->progress};
    if (s->state == SCENARIO_WAITING && s->waiting_ns > 0) {
        (void)snprintf(column(ret), PROGRESS_COLUMN_MAX, "waiting");
        progress_format_time(column(ret), PROGRESS_COLUMN_MAX, s->waiting_ns, s->waiting_ns);
        return;
    }
    column_vus(ret, s);
    column_time(ret, s);
    column_iterations(ret, s);
}

/* ---- drawing ------------------------------------------------------------------------------- */

/* What stands in the run's line before the executors begin. */
static void fill_phase(const struct run_status *s, struct progress_run *run, char *text,
                       size_t size)
{
    if (s->phase == RUN_PHASE_SETUP) {
        run->phase = "Run";
        run->phase_fraction = 1;
        run->phase_text = "setup()";
        return;
    }
    if (s->phase == RUN_PHASE_PAUSED) {
        run->phase = "Run";
        run->phase_fraction = 1;
        run->phase_text = "paused";
        return;
    }
    if (s->phase != RUN_PHASE_INIT)
        return;
    char ready[PROGRESS_COLUMN_MAX];
    progress_format_count(ready, sizeof ready, s->vus_ready, s->vus_planned);
    (void)snprintf(text, size, "%s/%u VUs initialized", ready, s->vus_planned);
    run->phase = "Init";
    run->phase_fraction = s->vus_planned > 0 ? (double)s->vus_ready / (double)s->vus_planned : 1;
    run->phase_text = text;
}

static void draw(struct run_view *v, const struct run_status *s, bool again, struct buf *out)
{
    char text[2 * PROGRESS_COLUMN_MAX];
    struct progress_run run = {
        .paused = s->paused,
        .started = s->phase >= RUN_PHASE_RUNNING,
        .elapsed_ns = s->elapsed_ns,
        .longest_ns = s->duration_max_ns,
        .vus_most = s->vus_max,
        .vus_active = s->vus_active,
        .vus_ready = s->vus_ready,
        .iterations_complete = s->iterations_full,
        .iterations_interrupted = s->iterations_interrupted,
    };
    fill_phase(s, &run, text, sizeof text);
    struct progress_bar *bars = mem_calloc(s->scenarios_len + 1, sizeof *bars);
    if (bars == NULL)
        return;
    for (size_t i = 0; i < s->scenarios_len; i++)
        run_view_bar(&s->scenarios[i], &bars[i]);
    v->terminal.width = screen_width();
    progress_draw(out, &v->terminal, &run, bars, s->scenarios_len, again);
    mem_free(bars);
}

static void show(struct run_view *v, const struct run_status *s, bool again)
{
    CLEANUP(buf_fini) struct buf out = {0};
    buf_init(&out, CMD_PROGRESS_BYTES);
    draw(v, s, again, &out);
    if (v->terminal.tty && again) {
        screen_block(buf_view(&out));
        return;
    }
    screen_block(STR_EMPTY);
    screen_write(stdout, out.data, out.len);
}

static void on_tick(void *arg, const struct run_status *s)
{
    show(arg, s, true);
}

static void on_lingering(void *arg)
{
    (void)arg;
    static const char text[] = "The test is done, but --linger was enabled, so it is waiting for "
                               "Ctrl+C to continue...\n";
    screen_write(stdout, text, sizeof text - 1);
}

static void on_ended(void *arg, const struct run_status *s)
{
    show(arg, s, false);
}

/* ---- description --------------------------------------------------------------------------- */

static void join_outputs(const struct run_status *s, struct buf *out)
{
    for (size_t i = 0; i < s->outputs_len; i++)
        buf_printf(out, "%s%s", i > 0 ? ", " : "", s->outputs[i]);
    if (s->outputs_len == 0)
        buf_byte(out, '-');
}

static char *describe_one(const struct scenario *config, const struct segment *segment)
{
    CLEANUP(buf_fini) struct buf text = {0};
    buf_init(&text, 4096);
    scenario_describe(config, segment, &text);
    return mem_strdup(buf_cstr(&text) != NULL ? buf_cstr(&text) : "");
}

void run_view_describe(const struct run_view *v, const struct run_status *s, const char *execution,
                       struct buf *out)
{
    CLEANUP(buf_fini) struct buf outputs = {0}, plain = {0};
    buf_init(&outputs, CMD_PROGRESS_BYTES);
    buf_init(&plain, CMD_PROGRESS_BYTES);
    join_outputs(s, &outputs);
    size_t len = s->all != NULL ? s->all_len : s->scenarios_len;
    struct progress_scenario_text *texts = mem_calloc(len + 1, sizeof *texts);
    if (texts == NULL)
        return;
    for (size_t i = 0; i < len; i++) {
        const struct scenario *config = s->all != NULL ? s->all[i] : s->scenarios[i].config;
        texts[i].name = config->name;
        texts[i].description = describe_one(config, s->segment);
        if (texts[i].description == NULL)
            texts[i].description = "";
    }
    struct progress_description d = {
        .execution = execution,
        .script = s->script_arg,
        .output = buf_cstr(&outputs),
        .segment_share = segment_share(s->segment),
        .vus_most = s->vus_max,
        .longest_ns = s->duration_max_ns,
        .scenarios = texts,
        .scenarios_len = len,
    };
    progress_describe(&plain, v->color, &d);
    progress_tty_lines(out, v->terminal.tty, buf_view(&plain));
    for (size_t i = 0; i < len; i++)
        if (texts[i].description[0] != '\0')
            mem_free((void *)(uintptr_t)texts[i].description);
    mem_free(texts);
}

static void on_described(void *arg, const struct run_status *s)
{
    CLEANUP(buf_fini) struct buf out = {0}, banner = {0};
    buf_init(&out, CMD_PROGRESS_BYTES);
    const struct run_view *v = arg;
    buf_init(&banner, CMD_PROGRESS_BYTES);
    progress_banner(&banner, v->color);
    progress_tty_lines(&out, v->terminal.tty, buf_view(&banner));
    run_view_describe(v, s, "local", &out);
    screen_write(stdout, out.data, out.len);
}

/* ---- summary ------------------------------------------------------------------------------- */

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_file(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set_errno(-errno, "could not open '%s'", path);
    int rc = write_all(fd, data, len);
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc < 0 ? err_set_errno(rc, "could not write '%s'", path) : 0;
}

static void on_summary(void *arg, struct str destination, const void *data, size_t len)
{
    struct run_view *v = arg;
    screen_block(STR_EMPTY);
    if (str_eqz(destination, "stdout")) {
        screen_write(stdout, data, len);
        return;
    }
    if (str_eqz(destination, "stderr")) {
        screen_write(stderr, data, len);
        return;
    }
    char *path = str_dup(destination);
    if (path == NULL || write_file(path, data, len) < 0) {
        v->summary_lost = true;
        log_error("failed to save the summary: %s",
                  path != NULL ? err_message() : "not enough memory");
    }
    mem_free(path);
}

/* The user insists: nothing is waited for. */
static void on_killed(void *arg, int exit_code)
{
    (void)arg;
    screen_block(STR_EMPTY);
    program_exit(exit_code);
}

void run_view_init(struct run_view *v, bool quiet, bool color)
{
    *v = (struct run_view){.quiet = quiet, .color = color};
    v->terminal.tty = screen.out_tty && !quiet;
    v->terminal.color = color;
    v->ui = (struct run_ui){.arg = v, .summary = on_summary, .killed = on_killed};
    if (quiet)
        return;
    v->ui.tick_ns = screen.out_tty ? 100 * NS_PER_MS : NS_PER_S;
    v->ui.described = on_described;
    v->ui.tick = on_tick;
    v->ui.lingering = on_lingering;
    v->ui.ended = on_ended;
}
