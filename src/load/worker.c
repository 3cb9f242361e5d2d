/* A worker: one thread, one loop, and every W-th virtual user. */

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "load/arrival.h"
#include "load/external.h"
#include "load/run_int.h"

#include <errno.h>

/* ---- from the main thread, by mail --------------------------------------------------------- */

static void handle_abort(struct mail *m)
{
    struct worker *w = CONTAINER_OF(m, struct worker, to_abort);
    if (w->aborted)
        return;
    w->aborted = true;
    if (w->state == WORKER_INIT || w->state == WORKER_READY)
        co_cancel(w->boss);
    for (uint32_t i = 0; i < w->vus_len; i++)
        if (w->vus[i].co != NULL)
            co_cancel(w->vus[i].co);
    for (uint32_t i = 0; i < w->arrivals_len; i++)
        if (w->arrivals[i].co != NULL)
            co_cancel(w->arrivals[i].co);
    if (w->state == WORKER_RUNNING)
        external_abort(w);
}

void worker_abort(struct worker *w)
{
    if (w->abort_sent || !w->thread_started || w->has_ended)
        return;
    w->abort_sent = true;
    w->to_abort.fn = handle_abort;
    mail_send(w->loop, &w->to_abort);
}

static void handle_test_aborted(struct mail *m)
{
    struct worker *w = CONTAINER_OF(m, struct worker, test_aborted);
    run_abort(w->run, w->abort_message);
}

void worker_abort_test(struct worker *w, const char *message)
{
    if (w->abort_message == NULL) {
        w->abort_message = mem_strdup(message);
        w->test_aborted.fn = handle_test_aborted;
        if (w->abort_message != NULL)
            mail_send(w->run->loop, &w->test_aborted);
        else
            log_error("%s", message); /* this worker ends, others have no memory to be told */
    }
    handle_abort(&w->to_abort);
}

static void handle_go(struct mail *m)
{
    struct worker *w = CONTAINER_OF(m, struct worker, to_go);
    w->go = true;
    co_wake(w->boss);
}

void worker_go(struct worker *w, int64_t start_ns)
{
    w->start_ns = start_ns; /* handed over by the mail */
    w->to_go.fn = handle_go;
    mail_send(w->loop, &w->to_go);
}

/* ---- to the main thread -------------------------------------------------------------------- */

static void handle_ready(struct mail *m)
{
    struct worker *w = CONTAINER_OF(m, struct worker, ready);
    w->is_ready = true;
    co_wake(w->run->main);
}

static void handle_ended(struct mail *m)
{
    struct worker *w = CONTAINER_OF(m, struct worker, ended);
    w->is_ready = true;
    w->has_ended = true;
    if (w->run->main != NULL)
        co_wake(w->run->main);
}

/* ---- the boss ------------------------------------------------------------------------------ */

/* Files of samples are there to be followed. */
static int64_t tick_ns(const struct worker *w)
{
    return w->run->samples != NULL ? 200 * NS_PER_MS : NS_PER_S;
}

/* ---- lag ----------------------------------------------------------------------------------- */

/* When does it matter? A response or a timer that waits for the generator has waited too long after
 * LAG_LATE_NS, and one hiccup is not the state of a machine. */
#define LAG_LATE_NS (10 * NS_PER_MS)
enum { LAG_LATE_PERCENT = 5, LAG_EVENTS_LEAST = 5, LAG_SECONDS = 3 };

static void on_lag(void *arg, int64_t lag_ns)
{
    struct worker *w = arg;
    w->lag.events++;
    w->lag.late += lag_ns > LAG_LATE_NS;
    shard_add_lag(w->shard, w->lag_tags, (double)lag_ns / (double)NS_PER_MS,
                  loop_now_ns(w->loop) + w->run->wall_offset_ns);
}

static void warn_lag(struct worker *w)
{
    metrics_show_lag(w->run->metrics);
    if (atomic_exchange(&w->run->lag_warned, true))
        return;
    log_warning("this machine can't keep up with the test: for %d s more than %d%% of what was due "
                "began over %lld ms late (see generator_lag). Latencies are measured without that, "
                "but requests go out later than planned: use fewer virtual users, more --workers "
                "or more machines",
                LAG_SECONDS, LAG_LATE_PERCENT, (long long)(LAG_LATE_NS / NS_PER_MS));
}

/* Once a second, also when the tick comes more often. */
static void look_at_lag(struct worker *w, int64_t now_ns)
{
    if (now_ns < w->lag.next_ns)
        return;
    bool bad = w->lag.events >= LAG_EVENTS_LEAST &&
               (uint64_t)w->lag.late * 100 > (uint64_t)w->lag.events * LAG_LATE_PERCENT;
    w->lag = (struct lag){.seconds = bad ? w->lag.seconds + 1 : 0,
                          .next_ns = now_ns + NS_PER_S - 100 * NS_PER_MS};
    if (w->lag.seconds == LAG_SECONDS)
        warn_lag(w);
}

static void on_tick(struct timer *t)
{
    struct worker *w = CONTAINER_OF(t, struct worker, tick);
    int64_t now = clock_mono_ns();
    look_at_lag(w, now);
    shard_tick(w->shard, now + w->run->wall_offset_ns);
    shard_flush_samples(w->shard);
    if (timer_start(w->loop, &w->tick, now + tick_ns(w)) < 0)
        log_error("worker %u: no memory for its clock; results are late", w->index);
}

static int make_vus(struct worker *w)
{
    const struct run *r = w->run;
    uint32_t n = 0;
    if (r->plan.vus_most > w->index)
        n = (r->plan.vus_most - w->index + r->workers_len - 1) / r->workers_len;
    w->vus = mem_calloc((size_t)n + 1, sizeof *w->vus);
    if (w->vus == NULL)
        return err_set_errno(-ENOMEM, "make %u virtual users", n);
    w->vus_len = n; /* those beyond the plan stay zeroed until they are needed */
    for (uint32_t i = 0; i < n && w->index + i * r->workers_len < r->plan.vus; i++) {
        int rc = vu_init(&w->vus[i], w, w->index + i * r->workers_len);
        if (rc < 0)
            return rc;
        atomic_fetch_add_explicit(&w->counters->vus_ready, 1, memory_order_relaxed);
        if (w->aborted || co_check_slice() < 0)
            return -ECANCELED;
    }
    return 0;
}

static int init(struct worker *w)
{
    w->lag_tags = run_tagset(w->run, w->shard, NULL);
    int rc = dialer_new(&w->run->settings.rules, w->run->dns, &w->dialer);
    if (rc == 0)
        rc = timer_start(w->loop, &w->tick, clock_mono_ns() + tick_ns(w));
    if (rc == 0)
        rc = make_vus(w);
    return rc;
}

static int spawn_all(struct worker *w)
{
    for (uint32_t i = 0; i < w->vus_len; i++) {
        if (w->vus[i].vm == NULL)
            continue;
        int rc = co_spawn(w->loop, vu_main, &w->vus[i], &w->vus[i].co);
        if (rc < 0)
            return err_set_errno(rc, "start virtual user %u", w->vus[i].host.vu_id);
        w->running++;
    }
    int rc = arrival_start(w);
    if (rc == 0)
        rc = external_start(w);
    return rc < 0 ? err_set_errno(rc, "start the scenarios") : 0;
}

static int run_vus(struct worker *w)
{
    w->state = WORKER_RUNNING;
    loop_on_lag(w->loop, on_lag, w);
    int rc = spawn_all(w);
    if (rc < 0)
        handle_abort(&w->to_abort);
    while (w->running > 0)
        run_wait(); /* nothing cancels the boss any more */
    return rc;
}

static void finish(struct worker *w)
{
    co_cancel_clear();
    w->state = WORKER_ENDED;
    loop_on_lag(w->loop, NULL, NULL);
    timer_stop(w->loop, &w->tick);
    for (uint32_t i = 0; i < w->vus_len; i++)
        vu_fini(&w->vus[i]);
    external_finish(w);
    shard_finish(w->shard, clock_mono_ns() + w->run->wall_offset_ns);
}

static void tell_result(struct worker *w, int rc)
{
    w->rc = rc;
    if (rc < 0 && err_get()->code != rc)
        err_set(rc, "%s", err_code_text(rc));
    if (rc < 0)
        w->err = *err_get();
}

static void boss_main(void *arg)
{
    struct worker *w = arg;
    int rc = init(w);
    tell_result(w, rc);
    if (rc == 0) {
        w->state = WORKER_READY;
        w->ready.fn = handle_ready;
        mail_send(w->run->loop, &w->ready);
        while (!w->go && !w->aborted)
            if (co_wait(CO_FOREVER) < 0)
                break;
        if (w->go && !w->aborted)
            tell_result(w, run_vus(w));
    }
    finish(w);
    w->ended.fn = handle_ended;
    mail_send(w->run->loop, &w->ended);
    /* Somebody may still want a snapshot: the loop goes on until it is told to end. */
    while (!w->quit)
        run_wait();
    w->boss = NULL;
}

/* ---- the thread ---------------------------------------------------------------------------- */

static void *thread_main(void *arg)
{
    struct worker *w = arg;
    int rc = co_spawn(w->loop, boss_main, w, &w->boss);
    if (rc < 0) {
        (void)err_set_errno(rc, "start worker %u", w->index);
        tell_result(w, rc);
        w->ended.fn = handle_ended;
        mail_send(w->run->loop, &w->ended);
    }
    loop_run(w->loop);
    return NULL;
}

int worker_start(struct worker *w)
{
    timer_init(&w->tick, on_tick);
    int rc = loop_new(&w->loop);
    if (rc < 0)
        return rc;
    rc = -pthread_create(&w->thread, NULL, thread_main, w);
    if (rc < 0)
        return err_set_errno(rc, "start the thread of worker %u", w->index);
    w->thread_started = true;
    return 0;
}

static void handle_quit(struct mail *m)
{
    struct worker *w = CONTAINER_OF(m, struct worker, to_quit);
    w->quit = true;
    if (w->boss != NULL)
        co_wake(w->boss);
}

void worker_join(struct worker *w)
{
    if (!w->thread_started)
        return;
    w->to_quit.fn = handle_quit;
    mail_send(w->loop, &w->to_quit);
    (void)pthread_join(w->thread, NULL);
    w->thread_started = false;
}

void worker_fini(struct worker *w)
{
    worker_join(w);
    if (w->loop != NULL)
        loop_free(w->loop);
    dialer_free(w->dialer);
    shard_free(w->shard);
    mem_free(w->vus);
    mem_free(w->arrivals);
    external_worker_fini(w);
    mem_free(w->counters);
    mem_free(w->scenarios);
    mem_free(w->abort_message);
}
