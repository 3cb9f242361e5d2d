/*
 * The test from its beginning to its end, on the main thread.
 *
 * run_main() is a coroutine that reads from top to bottom: load, outputs, virtual users, setup,
 * executors, teardown, summary. Signals, thresholds and outputs end it early through run_stop().
 */
#include "load/run.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "load/control.h"
#include "load/external.h"
#include "load/run_int.h"
#include "output/samples.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* ---- ending early -------------------------------------------------------------------------- */

void run_stop(struct run *r, enum run_end end)
{
    if (r->end != RUN_GOES_ON)
        return;
    r->end = end;
    for (uint32_t i = 0; i < r->workers_len; i++)
        worker_abort(&r->workers[i]);
    if (r->interruptible)
        co_cancel(r->main);
}

void run_fail(struct run *r, int code)
{
    if (err_get()->code != code)
        (void)err_set(code, "%s", err_code_text(code));
    if (r->end != RUN_GOES_ON) {
        /* The first reason stands; what went wrong after it is still said. */
        if (code != -ECANCELED)
            log_error("%s", err_message());
        return;
    }
    r->end_code = code;
    r->end_err = *err_get();
    run_stop(r, RUN_FAILED);
}

void run_abort(struct run *r, const char *message)
{
    /* Many virtual users may do it at the same moment: the first has said why. */
    if (r->end == RUN_GOES_ON)
        run_fail(r, err_exit(err_set(E_SCRIPT, "%s", message), EXIT_SCRIPT_ABORTED));
}

void run_end_linger(struct run *r)
{
    if (!r->lingering)
        return;
    r->lingering = false;
    co_wake(r->main);
}

static void on_signal(void *arg, int signum)
{
    struct run *r = arg;
    if (r->lingering) { /* it has ended: its result stands */
        run_end_linger(r);
        return;
    }
    r->signals++;
    if (r->signals > 1) {
        if (r->req->ui != NULL && r->req->ui->killed != NULL)
            r->req->ui->killed(r->req->ui->arg, EXIT_INTERRUPTED);
        return;
    }
    r->end_signal = signum;
    if (r->stopping_outputs)
        for (size_t i = 0; i < r->outputs_started; i++)
            if (r->req->outputs[i].ops->interrupted != NULL)
                r->req->outputs[i].ops->interrupted(r->req->outputs[i].self);
    run_stop(r, RUN_INTERRUPTED);
}

/* ---- clocks -------------------------------------------------------------------------------- */

static void emit_gauges(struct run *r, int64_t now_ns)
{
    int64_t wall = now_ns + r->wall_offset_ns;
    shard_add(r->shard, registry_builtin(r->registry, METRIC_VUS), r->gauge_tags, NULL,
              (double)run_vus_active(r), wall);
    shard_add(r->shard, registry_builtin(r->registry, METRIC_VUS_MAX), r->gauge_tags, NULL,
              (double)run_vus_ready(r), wall);
}

static void on_second(struct timer *t)
{
    struct run *r = CONTAINER_OF(t, struct run, second_tick);
    int64_t now = clock_mono_ns();
    emit_gauges(r, now);
    shard_tick(r->shard, now + r->wall_offset_ns);
    shard_flush_samples(r->shard);
    if (timer_start(r->loop, t, t->due_ns + NS_PER_S) < 0)
        log_error("no memory for the run's clock");
}

static void on_ui_tick(struct timer *t)
{
    struct run *r = CONTAINER_OF(t, struct run, ui_tick);
    struct run_status s;
    run_status_fill(r, &s);
    r->req->ui->tick(r->req->ui->arg, &s);
    if (timer_start(r->loop, t, t->due_ns + r->req->ui->tick_ns) < 0)
        log_error("no memory for the progress");
}

static bool has_ticks(const struct run *r)
{
    return r->req->ui != NULL && r->req->ui->tick != NULL && r->req->ui->tick_ns > 0;
}

static int start_clocks(struct run *r)
{
    r->began_ns = clock_mono_ns();
    int rc = timer_start(r->loop, &r->second_tick, r->began_ns + NS_PER_S);
    if (rc == 0 && has_ticks(r))
        rc = timer_start(r->loop, &r->ui_tick, r->began_ns + r->req->ui->tick_ns);
    return rc;
}

/* The progress counts whole seconds from the moment that the test itself begins. */
static void restart_ui_clock(struct run *r)
{
    if (has_ticks(r) && timer_start(r->loop, &r->ui_tick, r->start_ns + r->req->ui->tick_ns) < 0)
        log_error("no memory for the progress");
}

static void stop_clocks(struct run *r)
{
    timer_stop(r->loop, &r->second_tick);
    timer_stop(r->loop, &r->ui_tick);
}

static void show(struct run *r, void (*fn)(void *arg, const struct run_status *s))
{
    struct run_status s;
    if (fn == NULL)
        return;
    run_status_fill(r, &s);
    fn(r->req->ui->arg, &s);
}

/* ---- workers ------------------------------------------------------------------------------- */

uint32_t run_count_workers(const struct run *r)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t n = r->req->workers != 0 ? r->req->workers : cores > 0 ? (uint32_t)cores : 1;
    if (r->externals_len == 0)        /* else there may be more than planned */
        n = MIN(n, r->plan.vus_most); /* one without virtual users would only wait */
    return MAX(MIN(n, (uint32_t)LOAD_WORKERS_MAX), 1u);
}

static int make_worker(struct run *r, uint32_t i)
{
    struct worker *w = &r->workers[i];
    w->run = r;
    w->index = i;
    w->counters = mem_calloc(1, sizeof *w->counters);
    w->scenarios = mem_calloc(r->plan.scenarios_len + 1, sizeof *w->scenarios);
    if (w->counters == NULL || w->scenarios == NULL)
        return -ENOMEM;
    int rc = external_worker_init(w);
    return rc < 0 ? rc : shard_new(r->metrics, &w->shard);
}

static void init_shared(struct run *r)
{
    for (size_t i = 0; i < r->plan.first[r->plan.vus]; i++)
        atomic_fetch_add_explicit(&r->shared[r->plan.windows[i].scenario].vus_left, 1,
                                  memory_order_relaxed);
}

static int make_workers(struct run *r)
{
    uint32_t n = run_count_workers(r);
    r->paused = r->options.paused.value;
    r->shared = mem_calloc(r->plan.scenarios_len + 1, sizeof *r->shared);
    r->scenario_status =
        arena_calloc(&r->arena, r->plan.scenarios_len + 1, sizeof *r->scenario_status);
    r->workers = mem_calloc(n, sizeof *r->workers);
    if (r->shared == NULL || r->scenario_status == NULL || r->workers == NULL)
        return -ENOMEM;
    init_shared(r);
    int rc = dns_cache_new(&r->dns);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        r->workers_len = i + 1;
        rc = make_worker(r, i);
    }
    if (rc == 0)
        rc = shard_new(r->metrics, &r->shard);
    if (rc == 0)
        rc = dialer_new(&r->settings.rules, r->dns, &r->dialer);
    if (rc == 0)
        r->gauge_tags = run_tagset(r, r->shard, NULL);
    return rc;
}

static bool all_ready(struct run *r)
{
    for (uint32_t i = 0; i < r->workers_len; i++) {
        struct worker *w = &r->workers[i];
        if (!w->thread_started)
            continue;
        if (!w->is_ready)
            return false;
        if (w->rc < 0 && r->end == RUN_GOES_ON) {
            *err_get() = w->err;
            run_fail(r, w->rc);
        }
    }
    return true;
}

static bool all_ended(struct run *r)
{
    bool all = true;
    for (uint32_t i = 0; i < r->workers_len; i++) {
        struct worker *w = &r->workers[i];
        if (!w->thread_started)
            continue;
        all = all && w->has_ended;
        if (w->has_ended && w->rc < 0 && r->end == RUN_GOES_ON) {
            *err_get() = w->err;
            run_fail(r, w->rc);
        }
    }
    return all;
}

/* ---- the stages ---------------------------------------------------------------------------- */

static void init_vus(struct run *r)
{
    r->phase = RUN_PHASE_INIT;
    int rc = start_clocks(r);
    for (uint32_t i = 0; rc == 0 && r->end == RUN_GOES_ON && i < r->workers_len; i++)
        rc = worker_start(&r->workers[i]);
    if (rc < 0)
        run_fail(r, rc);
    while (!all_ready(r))
        run_wait();
    r->workers_ready = rc == 0 && r->end == RUN_GOES_ON;
}

/* `paused`: all is made, and nothing begins before somebody says so. */
static void wait_resumed(struct run *r)
{
    if (!r->paused || r->end != RUN_GOES_ON)
        return;
    r->phase = RUN_PHASE_PAUSED;
    if (r->control == NULL)
        log_warning("the test is paused, and without --address nobody can resume it");
    r->interruptible = true;
    while (r->paused && r->end == RUN_GOES_ON)
        if (co_wait(CO_FOREVER) < 0)
            break;
    r->interruptible = false;
    co_cancel_clear();
}

static bool setup(struct run *r)
{
    r->phase = RUN_PHASE_SETUP;
    r->start_ns = clock_mono_ns();
    restart_ui_clock(r);
    int rc = run_setup(r);
    if (rc == -ECANCELED && r->end != RUN_GOES_ON)
        return false;
    if (rc < 0)
        run_fail(r, rc);
    return rc == 0;
}

static void run_executors(struct run *r)
{
    r->phase = RUN_PHASE_RUNNING;
    if (r->end == RUN_GOES_ON && r->thresholds.total > 0) {
        int rc = co_spawn(r->loop, run_thresholds_main, r, &r->threshold_co);
        if (rc < 0)
            run_fail(r, rc);
    }
    if (r->end == RUN_GOES_ON) {
        r->zero_ns = clock_mono_ns();
        external_prepare(r);
        for (uint32_t i = 0; i < r->workers_len; i++)
            worker_go(&r->workers[i], r->zero_ns);
    }
}

static void wait_ended(struct run *r)
{
    while (!all_ended(r))
        run_wait();
    r->threshold_stop = true;
    if (r->threshold_co != NULL)
        co_wake(r->threshold_co);
    while (r->threshold_co != NULL)
        run_wait();
}

static void teardown(struct run *r)
{
    int rc = run_teardown(r);
    if (rc < 0)
        run_fail(r, rc);
}

static enum output_end end_of(const struct run *r)
{
    switch (r->end) {
    case RUN_GOES_ON:
        return OUTPUT_END_FINISHED;
    case RUN_INTERRUPTED:
        return OUTPUT_END_ABORTED_USER;
    case RUN_THRESHOLD:
        return OUTPUT_END_ABORTED_THRESHOLD;
    case RUN_FAILED:
        break;
    }
    switch (r->end_err.exit_code) {
    case EXIT_REST_STOPPED:
        return OUTPUT_END_ABORTED_USER;
    case EXIT_SCRIPT:
        return OUTPUT_END_SCRIPT_ERROR;
    case EXIT_SCRIPT_ABORTED:
        return OUTPUT_END_ABORTED_SCRIPT;
    case EXIT_SETUP_TIMEOUT:
    case EXIT_TEARDOWN_TIMEOUT:
    case EXIT_TIMEOUT:
        return OUTPUT_END_TIMEOUT;
    default:
        return OUTPUT_END_SYSTEM;
    }
}

static int exit_code_of(const struct run *r)
{
    switch (r->end) {
    case RUN_GOES_ON:
        if (r->marked_failed)
            return EXIT_MARKED_FAILED;
        return r->thresholds_failed > 0 ? EXIT_THRESHOLDS : EXIT_OK;
    case RUN_INTERRUPTED:
        return EXIT_INTERRUPTED;
    case RUN_THRESHOLD:
        return EXIT_THRESHOLDS;
    case RUN_FAILED:
        break;
    }
    return r->end_err.exit_code != 0 ? r->end_err.exit_code : EXIT_USAGE;
}

static void write_interruption(const struct run *r, char *text, size_t size)
{
    (void)snprintf(text, size, "test run was aborted because spate received a '%s' signal",
                   r->end_signal == SIGTERM ? "terminated" : "interrupt");
}

/* Why it ended early, as the user will be told; valid as long as the run. */
static const char *message_of(struct run *r)
{
    switch (r->end) {
    case RUN_GOES_ON:
        return NULL;
    case RUN_INTERRUPTED:
        write_interruption(r, r->interruption, sizeof r->interruption);
        return r->interruption;
    case RUN_THRESHOLD:
    case RUN_FAILED:
        break;
    }
    return r->end_err.message;
}

static struct output_result result_of(struct run *r)
{
    return (struct output_result){
        .end = end_of(r),
        .exit_code = exit_code_of(r),
        .message = message_of(r),
        .thresholds = r->threshold_list,
        .thresholds_len = r->threshold_list_len,
        .thresholds_failed = r->thresholds_failed > 0,
        .never_began = !r->began,
        .duration_ns = run_elapsed_ns(r),
    };
}

/* All shards are at rest: nobody else reads or writes them. */
static struct snapshot *final_snapshot(struct run *r)
{
    struct snapshot *s;
    if (snapshot_new(r->metrics, &s) < 0)
        return NULL;
    int rc = shard_merge_into(r->shard, s);
    for (uint32_t i = 0; i < r->workers_len; i++) {
        int each = shard_merge_into(r->workers[i].shard, s);
        rc = each < 0 ? each : rc;
    }
    if (rc < 0)
        log_error("no memory for all of the results: the summary is incomplete");
    return s;
}

static void conclude(struct run *r, bool ran)
{
    shard_finish(r->shard, clock_mono_ns() + r->wall_offset_ns);
    struct snapshot *s = final_snapshot(r);
    if (s == NULL) {
        run_fail(r, -ENOMEM);
    } else if (ran) {
        run_thresholds_final(r, s);
        int rc = run_summary(r, s);
        if (rc < 0)
            run_fail(r, rc);
    }
    snapshot_free(s);
    if (ran && r->req->ui != NULL)
        show(r, r->req->ui->ended);
}

static void stop_outputs(struct run *r)
{
    if (r->outputs_stopped)
        return;
    struct output_result result = result_of(r);
    run_outputs_stop(r, &result);
    r->outputs_stopped = true;
}

/* Nobody waits with a cloud for as long as this process stays: it would call the run timed out. */
static void settle(struct run *r)
{
    if (r->outputs_started == 0)
        return;
    shard_finish(r->shard, clock_mono_ns() + r->wall_offset_ns);
    struct snapshot *s = final_snapshot(r);
    if (s == NULL)
        return;
    run_thresholds_final(r, s);
    snapshot_free(s);
    stop_outputs(r);
}

/* `linger`: the process stays, and with it what can be asked of it, until it is told to end. */
static void linger(struct run *r)
{
    if (!r->options.linger.value || r->signals > 0)
        return;
    settle(r);
    if (r->signals > 0)
        return;
    r->lingering = true;
    if (r->req->ui != NULL && r->req->ui->lingering != NULL)
        r->req->ui->lingering(r->req->ui->arg);
    while (r->lingering)
        run_wait();
}

static void stop_control(struct run *r)
{
    if (r->control == NULL)
        return;
    control_close(r);
    r->req->control->stop(r->req->control_arg);
    control_free(r);
}

static int start_control(struct run *r)
{
    if (r->req->control == NULL)
        return 0;
    int rc = control_open(r);
    if (rc == 0)
        rc = r->req->control->start(r->req->control_arg, r);
    if (rc < 0)
        control_free(r);
    return rc;
}

/* From virtual users to the summary; outputs have started. */
static void run_test_body(struct run *r)
{
    r->began = true;
    if (r->req->ui != NULL)
        show(r, r->req->ui->described);
    init_vus(r);
    wait_resumed(r);
    bool ran = r->end == RUN_GOES_ON, set_up = false;
    if (ran)
        set_up = setup(r);
    if (set_up)
        run_executors(r);
    wait_ended(r);
    r->phase = RUN_PHASE_TEARDOWN;
    if (set_up)
        teardown(r);
    r->stop_ns = clock_mono_ns();
    r->phase = RUN_PHASE_ENDED;
    stop_clocks(r);
    if (ran)
        linger(r);
    stop_control(r);
    conclude(r, ran);
}

static int run_prepare(struct run *r)
{
    r->interruptible = true; /* init code may wait, or never end */
    int rc = run_load(r);
    r->interruptible = false;
    co_cancel_clear();
    if (rc == 0)
        rc = external_init(r);
    /* Who wants what comes before the shards, which look at it when they are made. */
    if (rc == 0 && r->req->summary_mode == SUMMARY_FULL)
        metrics_want_sections(r->metrics);
    if (rc == 0 && r->end == RUN_GOES_ON && r->req->control != NULL)
        rc = r->req->control->open(r->req->control_arg);
    if (rc == 0 && r->end == RUN_GOES_ON)
        rc = run_outputs_start(r);
    if (rc == 0)
        rc = make_workers(r);
    return rc == 0 && r->end == RUN_GOES_ON ? start_control(r) : rc;
}

static void run_main(void *arg)
{
    struct run *r = arg;
    int rc = run_prepare(r);
    if (rc < 0)
        run_fail(r, rc);
    if (r->end == RUN_GOES_ON)
        run_test_body(r);
    else if (r->shard != NULL)
        r->stop_ns = clock_mono_ns();
    stop_control(r);
    if (r->req->control != NULL)
        r->req->control->close(r->req->control_arg);
    stop_outputs(r);
    for (uint32_t i = 0; i < r->workers_len; i++)
        worker_join(&r->workers[i]);
    r->main = NULL;
}

/* ---- begin and end ------------------------------------------------------------------------- */

/* What the process ends with. */
static int verdict(struct run *r)
{
    CLEANUP(buf_fini) struct buf names = {0};
    switch (r->end) {
    case RUN_GOES_ON:
        if (r->marked_failed)
            return err_exit(err_set(E_REFUSED, "test run was marked as failed"),
                            EXIT_MARKED_FAILED);
        if (r->thresholds_failed == 0)
            return 0;
        buf_init(&names, ERR_MESSAGE_MAX);
        thresholds_failed_names(&r->thresholds, &names);
        return err_exit(err_set(E_REFUSED, "thresholds on metrics '%.*s' have been crossed",
                                STR_ARG(buf_view(&names))),
                        EXIT_THRESHOLDS);
    case RUN_INTERRUPTED:
        write_interruption(r, r->interruption, sizeof r->interruption);
        return err_exit(err_set(-ECANCELED, "%s", r->interruption), EXIT_INTERRUPTED);
    case RUN_THRESHOLD:
    case RUN_FAILED:
        break;
    }
    *err_get() = r->end_err;
    return r->end_code;
}

static void run_fini(struct run *r)
{
    for (uint32_t i = 0; i < r->workers_len; i++)
        worker_fini(&r->workers[i]);
    mem_free(r->workers);
    dialer_free(r->dialer);
    shard_free(r->shard);
    dns_cache_free(r->dns);
    sample_stream_free(r->samples);
    thresholds_fini(&r->thresholds);
    plan_fini(&r->plan);
    segment_fini(&r->segment);
    settings_fini(&r->settings);
    js_program_free(r->program);
    metrics_free(r->metrics);
    registry_free(r->registry);
    mem_free(r->shared);
    external_fini(r);
    buf_fini(&r->options_json);
    buf_fini(&r->archive_json);
    buf_fini(&r->script_json);
    buf_fini(&r->setup_data);
    buf_fini(&r->late_setup_data);
    if (r->loop != NULL)
        loop_free(r->loop);
    arena_fini(&r->arena);
    mem_free(r);
}

static int run_open(struct run *r)
{
    const struct run_request *q = r->req;
    int rc = q->archive != NULL
                 ? js_program_load_bundle(q->script_arg, &q->archive->bundle, &r->program)
                 : js_program_load(q->script_arg, q->source, q->pwd, &r->program);
    if (rc == 0)
        rc = registry_new(&r->registry);
    if (rc == 0)
        rc = metrics_new(r->registry, &r->metrics);
    if (rc < 0)
        return rc;
    thresholds_init(&r->thresholds, r->metrics);
    rc = loop_new(&r->loop);
    if (rc == 0)
        rc = loop_on_signal(r->loop, SIGINT, on_signal, r);
    if (rc == 0)
        rc = loop_on_signal(r->loop, SIGTERM, on_signal, r);
    return rc;
}

int run_drive(const struct run_request *req, const struct inspector *inspector, co_fn *main)
{
    struct run *r = mem_calloc(1, sizeof *r);
    if (r == NULL)
        return err_set_errno(-ENOMEM, "run");
    r->req = req;
    r->inspector = inspector;
    r->wall_offset_ns = clock_wall_ns() - clock_mono_ns();
    arena_init(&r->arena, LOAD_OPTIONS_BYTES);
    buf_init(&r->options_json, LOAD_JSON_BYTES);
    buf_init(&r->archive_json, LOAD_JSON_BYTES);
    buf_init(&r->script_json, LOAD_JSON_BYTES);
    buf_init(&r->setup_data, LOAD_JSON_BYTES);
    buf_init(&r->late_setup_data, LOAD_JSON_BYTES);
    timer_init(&r->second_tick, on_second);
    timer_init(&r->ui_tick, on_ui_tick);
    int rc = run_open(r);
    if (rc == 0)
        rc = co_spawn(r->loop, main, r, &r->main);
    if (rc == 0) {
        loop_run(r->loop);
        rc = verdict(r);
    }
    run_fini(r);
    return rc;
}

int run_test(const struct run_request *req)
{
    return run_drive(req, NULL, run_main);
}
