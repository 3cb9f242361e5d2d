/*
 * A test on the cloud's own machines: the script is looked at, archived, uploaded, started there,
 * and watched until it ends.
 *
 * Two loops after each other: run_inspect() has one for the init code; then ours, whose main
 * coroutine draws, while one asks for progress every 2 s, one follows the log, and the first Ctrl-C
 * starts one that stops the test.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/cloud_cmd.h"
#include "cmd/program.h"
#include "cmd/run_view.h"
#include "cmd/screen.h"
#include "codec/duration.h"
#include "output/cloud_archive.h"
#include "output/cloud_exec.h"
#include "output/cloud_run.h"
#include "output/cloud_tail.h"
#include "rt/co.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t poll_gap_ns = 2 * NS_PER_S;
/* No progress for so long, and we no longer wait for it. */
static const int64_t blind_max_ns = 120 * NS_PER_S;
/* Lines that were logged at the very end are on their way. */
static const int64_t tail_grace_ns = 300 * NS_PER_MS;
enum { REFUSALS_MAX = 3 };

struct remote {
    struct run_cmd *cmd;
    bool upload_only, exit_on_running, show_logs;

    /* What the script says, kept beyond run_inspect(). */
    struct cloud_config config;
    struct buf archive, options, description;
    char *name;

    struct run_view view;
    struct loop *loop;
    struct cloud_api *api;
    struct co *main, *poller, *stopper, *tailer; /* NULL: hasn't begun, or has ended */
    struct cloud_tail tail;
    char *tail_url;

    const char *phase, *step; /* of the bar before the test is there */
    bool started;             /* it is there: Ctrl-C stops it */
    int signals;
    bool over; /* nothing more is to be waited for */
    bool seen; /* `progress` is valid */
    struct cloud_exec exec;
    struct cloud_exec_progress progress;
    int64_t seen_ns; /* mono: of the latest progress, or of the start */
    int refusals;
    int rc;
    struct err err; /* valid when rc < 0 */
};

/* ---- what is shown ---- */

static void bar_text(const struct remote *r, double *fraction, char *text, size_t size)
{
    char now[PROGRESS_COLUMN_MAX], whole[DURATION_TEXT_MAX];
    const struct cloud_exec_progress *p = &r->progress;
    *fraction = r->seen ? p->fraction : 0;
    (void)snprintf(text, size, "%.60s", !r->started ? r->step : r->seen ? p->text : "Waiting...");
    if (!r->seen || !p->running || p->estimated_ns <= 0 || p->running_ns <= 0)
        return;
    int64_t spent_ns = MAX(MIN(clock_wall_ns() - p->running_ns, p->estimated_ns), (int64_t)0);
    *fraction = (double)spent_ns / (double)p->estimated_ns;
    progress_format_time(now, sizeof now, spent_ns, p->estimated_ns);
    (void)duration_format(p->estimated_ns, whole);
    (void)snprintf(text, size, "%.30s/%.30s", now, whole);
}

static void show(struct remote *r, bool again)
{
    CLEANUP(buf_fini) struct buf out;
    char text[PROGRESS_COLUMN_MAX];
    struct progress_run run = {.phase = r->phase, .phase_text = text};
    buf_init(&out, CMD_PROGRESS_BYTES);
    if (r->cmd->quiet)
        return;
    bar_text(r, &run.phase_fraction, text, sizeof text);
    r->view.terminal.width = screen_width();
    progress_draw(&out, &r->view.terminal, &run, NULL, 0, again);
    if (r->view.terminal.tty && again) {
        screen_block(buf_view(&out));
        return;
    }
    screen_block(STR_EMPTY);
    screen_write(stdout, out.data, out.len);
}

static void on_step(void *arg, const char *text)
{
    struct remote *r = arg;
    r->step = text;
    show(r, true);
}

/* The line below the bar, when all is over. */
static void show_status(struct remote *r, const char *status)
{
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, CMD_PROGRESS_BYTES);
    screen_block(STR_EMPTY);
    if (r->cmd->quiet) {
        log_debug("the test is over: %s", status);
        return;
    }
    bool color = r->cmd->request.color;
    buf_printf(&out, "     test status: %s%s%s\n", color ? "\x1b[36m" : "", status,
               color ? "\x1b[0m" : "");
    screen_write(stdout, out.data, out.len);
}

static void show_description(struct remote *r)
{
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, CMD_PROGRESS_BYTES);
    const char *url = r->exec.url[0] != '\0' ? r->exec.url : "-";
    struct str text = buf_view(&r->description), mark = STR(RUN_VIEW_OUTPUT_MARK);
    const char *at = memmem(text.ptr, text.len, mark.ptr, mark.len);
    if (r->cmd->quiet || at == NULL)
        return;
    size_t before = (size_t)(at - text.ptr);
    buf_append(&out, text.ptr, before);
    buf_z(&out, url);
    buf_append(&out, at + mark.len, text.len - before - mark.len);
    screen_block(STR_EMPTY);
    screen_write(stdout, out.data, out.len);
}

/* ---- what the script says ---- */

static int take_settings(struct remote *r, const struct output_run_info *info)
{
    int rc = cloud_cmd_settings(r->cmd->config_path, &r->config);
    if (rc == 0)
        rc = cloud_config_apply_options(&r->config, info->options_json);
    if (rc == 0)
        rc = cloud_cmd_conclude(&r->config, r->cmd->cloud_api_version);
    if (rc == 0 && (r->name = mem_strdup(cloud_run_name(&r->config, info))) == NULL)
        rc = err_set_errno(-ENOMEM, "cloud");
    return rc;
}

static int take_script(void *arg, const struct run_inspection *what)
{
    struct remote *r = arg;
    int rc = take_settings(r, what->info);
    if (rc < 0)
        return rc;
    rc = cloud_archive_write(what->info, &r->archive);
    if (rc == -EMSGSIZE)
        rc = err_set(rc, "the archive of %s and its files would be larger than %d MB",
                     what->info->name, CLOUD_ARCHIVE_MAX / 1000000);
    if (rc < 0)
        return rc;
    buf_str(&r->options, what->options);
    run_view_describe(&r->view, what->status, "cloud", &r->description);
    rc = buf_finish(&r->options);
    return rc < 0 ? rc : buf_finish(&r->description);
}

/* ---- watching ---- */

static void wake_main(struct remote *r)
{
    if (r->main != NULL)
        co_wake(r->main);
}

static void fail(struct remote *r, int rc)
{
    if (r->rc < 0)
        return;
    r->rc = rc;
    r->err = *err_get();
}

static int no_progress(struct remote *r, int rc)
{
    bool refused = rc == E_REFUSED || rc == E_CORRUPT;
    r->refusals = refused ? r->refusals + 1 : 0;
    log_error("cloud: the test's progress can't be seen: %s", err_message());
    if (r->refusals < REFUSALS_MAX && clock_mono_ns() - r->seen_ns < blind_max_ns)
        return 0;
    return err_exit(err_wrap(rc, "the test's progress can't be seen"), EXIT_CLOUD_PROGRESS);
}

static int poll_once(struct remote *r)
{
    struct cloud_exec_progress p;
    int rc = cloud_exec_poll(r->api, &r->config, &r->exec, &p);
    if (rc == -ECANCELED)
        return rc;
    if (rc < 0)
        return no_progress(r, rc);
    r->progress = p;
    r->seen = true;
    r->seen_ns = clock_mono_ns();
    r->refusals = 0;
    r->over = p.ended || (r->exit_on_running && p.running);
    return 0;
}

static void poller_main(void *arg)
{
    struct remote *r = arg;
    int rc = 0;
    while (rc == 0 && !r->over) {
        rc = poll_once(r);
        if (rc == 0 && !r->over)
            rc = co_sleep_until(clock_mono_ns() + poll_gap_ns);
    }
    if (rc < 0 && rc != -ECANCELED)
        fail(r, rc);
    r->over = true;
    r->poller = NULL;
    wake_main(r);
}

static void tailer_main(void *arg)
{
    struct remote *r = arg;
    int rc = cloud_tail_run(&r->tail);
    if (rc != -ECANCELED)
        log_error("cloud: %s", err_message());
    r->tailer = NULL;
    wake_main(r);
}

static void stopper_main(void *arg)
{
    struct remote *r = arg;
    int rc = cloud_exec_stop(r->api, &r->config, &r->exec);
    if (rc < 0)
        log_error("cloud: the test couldn't be stopped: %s", err_message());
    else
        log_info("The cloud was told to stop the test; waiting until it has.");
    r->stopper = NULL;
    wake_main(r);
}

static void on_signal(void *arg, int signum)
{
    struct remote *r = arg;
    const char *name = signum == SIGTERM ? "terminated" : "interrupt";
    struct log_field field = {"sig", name};
    if (++r->signals > 1) {
        screen_block(STR_EMPTY);
        log_fields(LOG_ERROR, "A second signal: leaving, without waiting for the test to end.",
                   &field, 1);
        program_exit(EXIT_INTERRUPTED);
        return;
    }
    if (!r->started) {
        if (r->main != NULL)
            co_cancel(r->main);
        return;
    }
    log_fields(LOG_INFO, "Stopping the test in the cloud; once more leaves without waiting.",
               &field, 1);
    if (co_spawn(r->loop, stopper_main, r, &r->stopper) < 0)
        log_error("not enough memory to stop the test");
}

/* ---- the course of it ---- */

/* "http://host" → "ws://host/api/v1/tail" unless the settings say where. */
static int find_tail(struct remote *r)
{
    CLEANUP(buf_fini) struct buf url;
    buf_init(&url, 8192);
    if (r->config.logs_tail_url != NULL && r->config.logs_tail_url[0] != '\0')
        buf_z(&url, r->config.logs_tail_url);
    else
        buf_printf(&url, "ws%s/api/v1/tail", r->config.host + strlen("http"));
    r->tail_url = buf_cstr(&url) != NULL ? mem_strdup(buf_cstr(&url)) : NULL;
    r->tail = (struct cloud_tail){
        .api = r->api,
        .url = r->tail_url,
        .token = r->config.token,
        .run_id = r->exec.run_id,
        .since_ns = clock_wall_ns() - NS_PER_S,
    };
    return r->tail_url == NULL ? err_set_errno(-ENOMEM, "cloud") : 0;
}

static int spawn_all(struct remote *r)
{
    int rc = r->show_logs ? find_tail(r) : 0;
    if (rc == 0 && r->show_logs)
        rc = co_spawn(r->loop, tailer_main, r, &r->tailer);
    if (rc == 0)
        rc = co_spawn(r->loop, poller_main, r, &r->poller);
    return rc < 0 ? err_set_errno(rc, "cloud") : 0;
}

/* Waits for a moment; false: it is over. */
static bool wait_tick(struct remote *r, int64_t until_ns)
{
    int rc = co_wait(until_ns);
    return rc != -ECANCELED && !r->over;
}

static void watch(struct remote *r)
{
    int64_t tick_ns = r->view.terminal.tty ? 100 * NS_PER_MS : NS_PER_S;
    int64_t next_ns = clock_mono_ns();
    while (wait_tick(r, next_ns)) {
        if (clock_mono_ns() < next_ns)
            continue;
        show(r, true);
        next_ns = clock_mono_ns() + tick_ns;
    }
    if (r->tailer != NULL && co_sleep_until(clock_mono_ns() + tail_grace_ns) < 0)
        co_cancel_clear();
}

static void wait_for_all(struct remote *r)
{
    r->over = true;
    if (r->poller != NULL)
        co_cancel(r->poller);
    if (r->tailer != NULL)
        co_cancel(r->tailer);
    while (r->poller != NULL || r->tailer != NULL || r->stopper != NULL)
        if (co_wait(CO_FOREVER) == -ECANCELED)
            co_cancel_clear();
}

/* From nothing to a test that is there, or only its archive. */
static int begin(struct remote *r)
{
    struct cloud_exec_test test = {
        .name = r->name,
        .options_json = buf_view(&r->options),
        .archive = buf_view(&r->archive),
        .upload_only = r->upload_only,
    };
    int rc = cloud_api_new(&r->config, &r->api);
    if (rc == 0)
        rc = cloud_exec_start(r->api, &r->config, &test, on_step, r, &r->exec);
    if (rc == -ECANCELED)
        return err_exit(err_set(rc, "interrupted before the test was started"), EXIT_INTERRUPTED);
    if (rc < 0 && err_get()->exit_code == 0)
        (void)err_exit(rc, EXIT_USAGE);
    return rc;
}

static void remote_main(void *arg)
{
    struct remote *r = arg;
    r->phase = "Init";
    int rc = begin(r);
    co_cancel_clear();
    r->started = rc == 0;
    if (rc == 0) {
        show_description(r);
        r->phase = "Run";
        r->step = "Initializing the cloud test";
        r->seen_ns = clock_mono_ns();
    }
    if (rc == 0 && !r->upload_only) {
        rc = spawn_all(r);
        if (rc == 0)
            watch(r);
    }
    if (rc < 0)
        fail(r, rc);
    wait_for_all(r);
    r->main = NULL;
}

/* ---- its end ---- */

static int verdict(struct remote *r)
{
    const struct cloud_exec_progress *p = &r->progress;
    if (r->rc < 0) {
        *err_get() = r->err;
        return r->rc;
    }
    switch (p->result) {
    case CLOUD_EXEC_OPEN:
    case CLOUD_EXEC_PASSED:
        return 0;
    case CLOUD_EXEC_THRESHOLDS:
        return err_exit(err_set(E_REFUSED, "Thresholds have been crossed"), EXIT_THRESHOLDS);
    case CLOUD_EXEC_FAILED:
        break;
    }
    return err_exit(err_set(E_REFUSED, "The test has failed (%s)%s%s", p->text,
                            p->why[0] != '\0' ? ": " : "", p->why),
                    EXIT_CLOUD_FAILED);
}

static void show_end(struct remote *r)
{
    screen_block(STR_EMPTY);
    if (!r->started)
        return;
    if (r->upload_only) {
        r->progress = (struct cloud_exec_progress){.fraction = 1, .text = "Archived"};
        r->seen = true;
    }
    if (!r->seen)
        return;
    show(r, false);
    show_status(r, r->progress.text);
}

static int run_loop(struct remote *r)
{
    int rc = loop_new(&r->loop);
    if (rc == 0)
        rc = loop_on_signal(r->loop, SIGINT, on_signal, r);
    if (rc == 0)
        rc = loop_on_signal(r->loop, SIGTERM, on_signal, r);
    if (rc == 0)
        rc = co_spawn(r->loop, remote_main, r, &r->main);
    if (rc == 0)
        loop_run(r->loop);
    else
        rc = err_set_errno(rc, "cloud");
    show_end(r);
    if (rc == 0)
        rc = verdict(r);
    struct err kept = *err_get(); /* freeing may use the slot */
    cloud_api_free(r->api);
    if (r->loop != NULL)
        loop_free(r->loop);
    *err_get() = kept;
    return rc;
}

/* A flag, else a variable, which has to be one of Go's words either way. */
static int read_switch(const struct run_cmd *c, const char *flag, const char *env, bool otherwise,
                       bool *ret)
{
    static const char *const words[] = {"1", "t", "T", "true",  "TRUE",  "True",
                                        "0", "f", "F", "false", "FALSE", "False"};
    const char *value = getenv(env);
    *ret = otherwise;
    if (value != NULL) {
        size_t i = 0;
        while (i < ARRAY_LEN(words) && strcmp(value, words[i]) != 0)
            i++;
        if (i == ARRAY_LEN(words))
            return err_exit(err_set(E_CONFIG, "%s must be true or false, not '%s'", env, value),
                            EXIT_USAGE);
        *ret = i < ARRAY_LEN(words) / 2;
    }
    if (flag_values_get(&c->flags, flag) != NULL)
        *ret = flag_values_bool(&c->flags, flag);
    return 0;
}

static void show_banner(struct remote *r)
{
    CLEANUP(buf_fini) struct buf plain, out;
    buf_init(&plain, CMD_PROGRESS_BYTES);
    buf_init(&out, CMD_PROGRESS_BYTES);
    if (r->cmd->quiet)
        return;
    progress_banner(&plain, r->cmd->request.color);
    progress_tty_lines(&out, r->view.terminal.tty, buf_view(&plain));
    screen_write(stdout, out.data, out.len);
}

int cloud_remote(struct run_cmd *c, bool upload_only)
{
    struct remote *r = mem_calloc(1, sizeof *r);
    if (r == NULL)
        return err_set_errno(-ENOMEM, "cloud");
    r->cmd = c;
    r->upload_only = upload_only;
    buf_init(&r->archive, CLOUD_ARCHIVE_MAX);
    buf_init(&r->options, LOAD_JSON_BYTES);
    buf_init(&r->description, CMD_PROGRESS_BYTES);
    run_view_init(&r->view, c->quiet, c->request.color);
    int rc = read_switch(c, "exit-on-running", "K6_EXIT_ON_RUNNING", false, &r->exit_on_running);
    if (rc == 0)
        rc = read_switch(c, "show-logs", "K6_SHOW_CLOUD_LOGS", true, &r->show_logs);
    if (rc == 0) {
        show_banner(r);
        rc = run_inspect(&c->request, true, take_script, r);
    }
    if (rc == 0)
        rc = run_loop(r);
    cloud_exec_fini(&r->exec);
    cloud_config_fini(&r->config);
    buf_fini(&r->archive);
    buf_fini(&r->options);
    buf_fini(&r->description);
    mem_free(r->tail_url);
    mem_free(r->name);
    mem_free(r);
    return rc;
}
