/* A virtual user: one JavaScript world and one coroutine that follows its timetable. */

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "load/arrival.h"
#include "load/external.h"
#include "load/run_int.h"
#include "load/scenario.h"
#include "output/samples.h"

#include <errno.h>
#include <stdio.h>

/* A turn of the loop that is older than this gets no second iteration of the same virtual user:
 * others, timers and sockets have waited long enough. */
#define TURN_NS NS_PER_MS

static int64_t wall_ns(const struct vu *v, int64_t mono_ns)
{
    return mono_ns + v->host.wall_offset_ns;
}

static const struct metric *builtin(const struct vu *v, enum metric_builtin id)
{
    return registry_builtin(v->host.registry, id);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void on_hard(struct timer *t)
{
    struct vu *v = CONTAINER_OF(t, struct vu, hard);
    if (!v->busy || v->co == NULL)
        return;
    v->interrupted = true;
    co_cancel(v->co);
}

int vu_init(struct vu *v, struct worker *w, uint32_t id)
{
    struct run *r = w->run;
    *v = (struct vu){.worker = w, .co = v->co}; /* one that is made late has it already */
    timer_init(&v->hard, on_hard);
    run_host_init(r, &v->host, w->loop, w->shard, w->dialer);
    v->host.vu_id = id + 1;
    v->host.metadata = &v->metadata;
    v->host.local_ip = settings_local_ip(&r->settings, id);
    if (id < r->plan.vus_most) {
        v->windows = r->plan.windows + r->plan.first[id];
        v->windows_end = r->plan.windows + r->plan.first[id + 1];
    }
    v->run_tags = v->host.tags;
    int rc = js_vm_new(r->program, &v->host, &v->vm);
    if (rc < 0)
        return rc;
    return js_vm_set_options(v->vm, buf_view(&r->options_json));
}

void vu_fini(struct vu *v)
{
    js_vm_free(v->vm);
    v->vm = NULL;
    metadata_fini(&v->metadata);
    mem_free(v->scenario_iterations);
    v->scenario_iterations = NULL;
}

/* ---- tags ---------------------------------------------------------------------------------- */

static bool tag_on(const struct vu *v, enum system_tag t)
{
    return (v->host.run->system_tags & TAG_BIT(t)) != 0;
}

static struct tagset *with_number(const struct vu *v, struct tagset *base, enum system_tag t,
                                  uint64_t n)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    struct tag tag = {str_of(system_tag_name(t)), str_new(text, (size_t)len)};
    return tags_with(shard_tags(v->host.shard), base, &tag, 1);
}

static struct tagset *window_tags(const struct vu *v, const struct scenario *s)
{
    struct tag_table *table = shard_tags(v->host.shard);
    struct tagset *set = v->run_tags;
    if (s->tags.len > 0)
        set = tags_with(table, set, s->tags.items, (uint32_t)s->tags.len);
    if (tag_on(v, TAG_SCENARIO)) {
        struct tag tag = {STR("scenario"), str_of(s->name)};
        set = tags_with(table, set, &tag, 1);
    }
    return set;
}

/* Metadata, not a tag: it would make a series of each iteration. */
static void set_number(struct vu *v, enum system_tag t, uint64_t n)
{
    if (!tag_on(v, t))
        return;
    char text[24];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    struct str number = str_new(text, (size_t)len);
    if (metadata_set(&v->metadata, str_of(system_tag_name(t)), number) == -ENOMEM)
        log_warning("no memory for the metadata of virtual user %u", v->host.vu_id);
}

/* ---- one iteration ------------------------------------------------------------------------- */

static void log_exception(const struct vu *v, int rc)
{
    struct log_field f[4] = {
        {"executor", executor_type_name(v->scenario->config->type)},
        {"scenario", v->scenario->config->name},
        {"source", "stacktrace"},
        {"hint", "script exception"},
    };
    /* The message lives in this coroutine's slot; a failure without one gets the code's text. */
    const char *message = err_get()->code == rc ? err_message() : err_code_text(rc);
    bool of_promise = str_starts(str_of(message), STR("Uncaught (in promise)"));
    log_fields(LOG_ERROR, message, f, rc == E_SCRIPT && !of_promise ? 4 : 2);
}

static void report_data(struct vu *v, int64_t now_ns)
{
    struct js_host *h = &v->host;
    int64_t wall = wall_ns(v, now_ns);
    shard_add(h->shard, builtin(v, METRIC_DATA_SENT), h->tags, h->metadata, (double)h->bytes_sent,
              wall);
    shard_add(h->shard, builtin(v, METRIC_DATA_RECEIVED), h->tags, h->metadata,
              (double)h->bytes_received, wall);
    h->bytes_sent = 0;
    h->bytes_received = 0;
}

static void begin_iteration(struct vu *v)
{
    struct js_host *h = &v->host;
    set_number(v, TAG_ITER, v->iterations);
    h->group = STR_EMPTY;
    h->iteration = v->iterations++;
    h->stage = JS_STAGE_ITERATION;
    v->interrupted = false;
    v->busy = true;
    js_vm_begin_iteration(v->vm);
}

/* minIterationDuration: the rest of it is slept away; the window's end cuts that short. */
static void pad_iteration(struct vu *v, int64_t start_ns, int64_t *now_ns)
{
    int64_t min_ns = v->worker->run->derived.min_iteration_duration.ns;
    if (min_ns <= 0)
        return;
    int rc = co_sleep_until(start_ns + min_ns);
    (void)rc; /* cancelled: the caller sees it */
    *now_ns = clock_mono_ns();
}

bool vu_iteration(struct vu *v, int64_t *now_ns)
{
    struct worker *w = v->worker;
    int64_t start = *now_ns;
    begin_iteration(v);
    int rc = js_vm_call(v->vm, scenario_exec(v->scenario->config), NULL);
    int64_t end = *now_ns = clock_mono_ns();
    bool whole = v->ended_test || (rc != -ECANCELED && !co_cancelled(v->co));
    report_data(v, end);
    if (whole) {
        if (rc < 0 && !v->ended_test)
            log_exception(v, rc);
        shard_add(v->host.shard, builtin(v, METRIC_ITERATION_DURATION), v->host.tags,
                  v->host.metadata, (double)(end - start) / (double)NS_PER_MS, wall_ns(v, end));
        shard_add(v->host.shard, builtin(v, METRIC_ITERATIONS), v->host.tags, v->host.metadata, 1,
                  wall_ns(v, end));
        atomic_fetch_add_explicit(&w->counters->full, 1, memory_order_relaxed);
        pad_iteration(v, start, now_ns);
    } else {
        atomic_fetch_add_explicit(&w->counters->interrupted, 1, memory_order_relaxed);
    }
    v->busy = false;
    if (v->host.run->no_vu_connection_reuse)
        js_vm_close_idle_connections(v->vm);
    return whole;
}

/* ---- one window ---------------------------------------------------------------------------- */

/* The executor's own tags, not the virtual user's; its number is a tag here, as k6 has it. */
static struct tagset *dropped_tags(struct vu *v)
{
    struct tagset *set = executor_tags(v->worker->run, v->host.shard, v->scenario->config);
    bool own = v->scenario->config->type == EXECUTOR_PER_VU_ITERATIONS && tag_on(v, TAG_VU);
    return own ? with_number(v, set, TAG_VU, v->host.vu_id) : set;
}

static void report_dropped(struct vu *v, uint64_t n)
{
    if (n > 0 && !v->worker->aborted)
        shard_add(v->host.shard, builtin(v, METRIC_DROPPED_ITERATIONS), dropped_tags(v), NULL,
                  (double)n, wall_ns(v, clock_mono_ns()));
}

/* May one more iteration begin? `done`: how many this virtual user began in this window. */
static bool take_iteration(struct vu *v, uint64_t done)
{
    const struct plan_scenario *ps = v->scenario;
    struct scenario_shared *shared = &v->worker->run->shared[ps - v->worker->run->plan.scenarios];
    if (ps->config->type == EXECUTOR_PER_VU_ITERATIONS)
        return done < ps->iterations;
    if (ps->config->type != EXECUTOR_SHARED_ITERATIONS)
        return true;
    uint64_t before = atomic_load_explicit(&shared->started, memory_order_relaxed);
    while (before < ps->iterations)
        if (atomic_compare_exchange_weak_explicit(&shared->started, &before, before + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

/* What wasn't begun in time: by each virtual user its own rest, or by the last one what is left of
 * the shared iterations. */
static void leave_scenario(struct vu *v, uint64_t done)
{
    const struct plan_scenario *ps = v->scenario;
    struct scenario_shared *shared = &v->worker->run->shared[ps - v->worker->run->plan.scenarios];
    bool last = atomic_fetch_sub_explicit(&shared->vus_left, 1, memory_order_acq_rel) == 1;
    if (last)
        atomic_store_explicit(&shared->ended_ns, clock_mono_ns(), memory_order_relaxed);
    if (ps->config->type == EXECUTOR_PER_VU_ITERATIONS)
        report_dropped(v, ps->iterations - done);
    else if (ps->config->type == EXECUTOR_SHARED_ITERATIONS && last)
        report_dropped(v, ps->iterations - atomic_load(&shared->started));
}

void vu_wait_for_outputs(const struct worker *w, int64_t until_ns)
{
    const int64_t pause_ns = 5 * NS_PER_MS;
    int rc = 0;
    for (int64_t now = clock_mono_ns(); rc == 0 && now < until_ns && !w->aborted;
         now = clock_mono_ns()) {
        if (!sample_stream_behind(w->run->samples))
            return;
        rc = co_sleep_until(MIN(now + pause_ns, until_ns));
    }
}

/* May another iteration begin at `*now_ns`? */
static bool has_time(const struct worker *w, int64_t *now_ns, int64_t stop_ns)
{
    if (UNLIKELY(w->run->samples != NULL)) {
        vu_wait_for_outputs(w, stop_ns);
        *now_ns = clock_mono_ns();
    }
    return !w->aborted && *now_ns < stop_ns;
}

void vu_yield_turn(struct vu *v, int64_t *now_ns)
{
    if (*now_ns - loop_now_ns(v->host.loop) <= TURN_NS)
        return;
    int rc = co_yield ();
    (void)rc; /* cancelled: the worker's `aborted` says so */
    *now_ns = clock_mono_ns();
}

/* Iterations until the window is over; false when the run is. */
static bool loop_window(struct vu *v, const struct window *win, uint64_t *done)
{
    struct worker *w = v->worker;
    struct scenario_counters *c = &w->scenarios[win->scenario];
    int64_t stop_ns = w->start_ns + win->stop_ns;
    /* Read once an iteration: where one ends the next one begins. */
    int64_t now_ns = clock_mono_ns();
    while (has_time(w, &now_ns, stop_ns) && take_iteration(v, *done)) {
        (*done)++;
        bool whole = vu_iteration(v, &now_ns);
        atomic_fetch_add_explicit(&c->iterations, 1, memory_order_relaxed);
        if (w->aborted)
            return false;
        if (!whole || v->interrupted) {
            co_cancel_clear();
            return true; /* only the window's hard end interrupts */
        }
        vu_yield_turn(v, &now_ns);
    }
    return !w->aborted;
}

/* The same, and counted as active all the while. */
static bool looping_window(struct vu *v, const struct window *win, uint64_t *done)
{
    struct worker *w = v->worker;
    struct scenario_counters *c = &w->scenarios[win->scenario];
    atomic_fetch_add_explicit(&c->vus, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->counters->vus_active, 1, memory_order_relaxed);
    bool goes_on = loop_window(v, win, done);
    atomic_fetch_sub_explicit(&c->vus, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&w->counters->vus_active, 1, memory_order_relaxed);
    return goes_on;
}

/* The world learns of the setup data and of the scenario's own environment. */
static int enter_scenario(struct vu *v, const struct window *win)
{
    struct run *r = v->worker->run;
    v->scenario = &r->plan.scenarios[win->scenario];
    v->window_tags = window_tags(v, v->scenario->config);
    v->host.tags = v->window_tags; /* what the script does to them lasts as long as the window */
    metadata_clear(&v->metadata);
    set_number(v, TAG_VU, v->host.vu_id);
    const struct opt_pairs *env = &v->scenario->config->env;
    if (env->len > 0 || v->env_set) {
        int rc = js_vm_set_env(v->vm, env->items, (uint32_t)env->len);
        if (rc < 0)
            return rc;
        v->env_set = true;
    }
    if (v->has_setup_data)
        return 0;
    v->has_setup_data = true;
    return js_vm_set_setup_data(v->vm, buf_view(&r->setup_data));
}

/* A window without a hard end runs on into the next one, which has it. */
static int64_t hard_end(const struct window *win)
{
    while (win->hard_ns == INT64_MAX)
        win++;
    return win->hard_ns;
}

static bool run_window(struct vu *v, const struct window *win)
{
    struct worker *w = v->worker;
    if (co_sleep_until(w->start_ns + win->start_ns) < 0 || w->aborted)
        return false;
    int rc = enter_scenario(v, win);
    if (rc == 0 && !external_is(v->scenario->config)) /* else the keeper ends it */
        rc = timer_start(w->loop, &v->hard, w->start_ns + hard_end(win));
    if (rc < 0 && w->aborted)
        return false;
    if (rc < 0) {
        log_error("scenario %s: virtual user %u can't start: %s", v->scenario->config->name,
                  v->host.vu_id, err_get()->code == rc ? err_message() : err_code_text(rc));
        leave_scenario(v, 0);
        return true;
    }
    uint64_t done = 0;
    bool goes_on;
    if (arrival_is(v->scenario->config))
        goes_on = arrival_window(v, win);
    else if (external_is(v->scenario->config))
        goes_on = external_window(v, win);
    else
        goes_on = looping_window(v, win, &done);
    timer_stop(w->loop, &v->hard);
    leave_scenario(v, done);
    return goes_on;
}

void vu_main(void *arg)
{
    struct vu *v = arg;
    struct worker *w = v->worker;
    for (const struct window *win = v->windows; win < v->windows_end; win++)
        if (!run_window(v, win))
            break;
    v->co = NULL;
    if (--w->running == 0)
        co_wake(w->boss);
}
