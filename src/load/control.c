#include "load/control.h"

#include "base/err.h"
#include "base/mem.h"
#include "load/external.h"
#include "load/run_int.h"

#include <errno.h>
#include <pthread.h>

/* A question of another thread, on its stack. */
struct call {
    struct mail mail;
    struct run *run;
    int (*fn)(struct run *r, void *arg); /* on the main loop; yields */
    void *arg;
    bool endless;  /* it may never end by itself: at the end of the run it is cancelled */
    struct co *co; /* while it runs */
    struct call *next;

    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
    int rc;
    struct err err; /* valid when rc is negative */
};

/* Of the run, shared by its threads. */
struct control {
    pthread_mutex_t lock; /* closed, calls */
    bool closed;
    uint32_t calls; /* sent and not yet answered */
    /* The main loop's own. */
    struct call *running;
    struct co *closing; /* waits for the calls to end */
};

/* ---- on the main loop ------------------------------------------------------------------------ */

static void answer(struct call *c, int rc)
{
    struct control *k = c->run->control;
    pthread_mutex_lock(&k->lock);
    k->calls--;
    pthread_mutex_unlock(&k->lock);
    if (k->closing != NULL)
        co_wake(k->closing);
    c->rc = rc;
    if (rc < 0)
        c->err = *err_get();
    pthread_mutex_lock(&c->lock);
    c->done = true;
    pthread_cond_signal(&c->answered);
    pthread_mutex_unlock(&c->lock); /* from here on it may be gone */
}

static void call_main(void *arg)
{
    struct call *c = arg;
    struct control *k = c->run->control;
    int rc = c->fn(c->run, c->arg);
    struct call **at = &k->running;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    if (rc < 0 && err_get()->code != rc)
        (void)err_set(rc, "%s", err_code_text(rc));
    answer(c, rc);
}

static void handle_call(struct mail *m)
{
    struct call *c = CONTAINER_OF(m, struct call, mail);
    struct control *k = c->run->control;
    int rc = co_spawn(c->run->loop, call_main, c, &c->co);
    if (rc < 0) {
        answer(c, err_set_errno(rc, "answer a request"));
        return;
    }
    c->next = k->running;
    k->running = c;
}

int control_open(struct run *r)
{
    struct control *k = mem_calloc(1, sizeof *k);
    if (k == NULL)
        return -ENOMEM;
    pthread_mutex_init(&k->lock, NULL);
    r->control = k;
    return 0;
}

static bool all_answered(struct control *k)
{
    pthread_mutex_lock(&k->lock);
    bool none = k->calls == 0;
    pthread_mutex_unlock(&k->lock);
    return none;
}

void control_close(struct run *r)
{
    struct control *k = r->control;
    if (k == NULL)
        return;
    pthread_mutex_lock(&k->lock);
    k->closed = true;
    pthread_mutex_unlock(&k->lock);
    k->closing = co_self();
    while (!all_answered(k)) {
        for (struct call *c = k->running; c != NULL; c = c->next)
            if (c->endless)
                co_cancel(c->co);
        run_wait();
    }
    k->closing = NULL;
}

void control_free(struct run *r)
{
    struct control *k = r->control;
    if (k == NULL)
        return;
    r->control = NULL;
    pthread_mutex_destroy(&k->lock);
    mem_free(k);
}

/* ---- on the caller's thread ------------------------------------------------------------------ */

static int over(void)
{
    return err_set(E_UNAVAILABLE, "the test is over");
}

static bool send(struct control *k, struct call *c)
{
    pthread_mutex_lock(&k->lock);
    bool open = !k->closed;
    if (open) {
        k->calls++;
        mail_send(c->run->loop, &c->mail);
    }
    pthread_mutex_unlock(&k->lock);
    return open;
}

static int ask_for(struct run *r, int (*fn)(struct run *r, void *arg), void *arg, bool endless)
{
    struct call c = {.mail.fn = handle_call, .run = r, .fn = fn, .arg = arg, .endless = endless};
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.answered, NULL);
    int rc = 0;
    if (r->control == NULL || !send(r->control, &c)) {
        rc = over();
    } else {
        pthread_mutex_lock(&c.lock);
        while (!c.done)
            pthread_cond_wait(&c.answered, &c.lock);
        pthread_mutex_unlock(&c.lock);
        rc = c.rc;
        if (rc < 0)
            *err_get() = c.err;
    }
    pthread_cond_destroy(&c.answered);
    pthread_mutex_destroy(&c.lock);
    return rc;
}

static int ask(struct run *r, int (*fn)(struct run *r, void *arg), void *arg)
{
    return ask_for(r, fn, arg, /* endless= */ false);
}

/* ---- status ---------------------------------------------------------------------------------- */

static enum control_stage stage_of(const struct run *r)
{
    if (r->phase == RUN_PHASE_ENDED || (r->end != RUN_GOES_ON && r->start_ns == 0)) {
        if (r->end != RUN_GOES_ON)
            return CONTROL_INTERRUPTED;
        return r->marked_failed ? CONTROL_MARKED_FAILED : CONTROL_ENDED;
    }
    switch (r->phase) {
    case RUN_PHASE_INIT:
        return r->workers_ready ? CONTROL_INIT_DONE : CONTROL_INIT_VUS;
    case RUN_PHASE_PAUSED:
        return CONTROL_PAUSED_BEFORE_RUN;
    case RUN_PHASE_SETUP:
        return CONTROL_SETUP;
    case RUN_PHASE_RUNNING:
        return CONTROL_RUNNING;
    case RUN_PHASE_TEARDOWN:
        return CONTROL_TEARDOWN;
    case RUN_PHASE_ENDED:
        break;
    }
    return CONTROL_ENDED;
}

static bool is_tainted(const struct run *r)
{
    for (size_t i = 0; i < r->thresholds.len; i++)
        if (r->thresholds.groups[i].failed)
            return true;
    return false;
}

static int do_status(struct run *r, void *arg)
{
    struct control_status *s = arg;
    *s = (struct control_status){
        .stage = stage_of(r),
        .paused = r->paused,
        .stopped = r->end != RUN_GOES_ON,
        .running = r->start_ns != 0 && r->stop_ns == 0,
        .tainted = is_tainted(r),
        .vus = run_vus_active(r),
        .vus_max = run_vus_ready(r),
    };
    return 0;
}

int control_status(struct run *r, struct control_status *ret)
{
    return ask(r, do_status, ret);
}

/* ---- metrics --------------------------------------------------------------------------------- */

struct look {
    control_view_fn *fn;
    void *arg;
};

static int do_look(struct run *r, void *arg)
{
    struct look *l = arg;
    struct snapshot *s = run_live_snapshot(r);
    if (s == NULL)
        return err_set_errno(-ENOMEM, "look at the metrics");
    struct control_view v = {.metrics = r->metrics,
                             .snapshot = s,
                             .thresholds = &r->thresholds,
                             .elapsed_ns = run_elapsed_ns(r)};
    int rc = l->fn(l->arg, &v);
    snapshot_free(s);
    return rc;
}

int control_look(struct run *r, control_view_fn *fn, void *arg)
{
    struct look l = {fn, arg};
    return ask(r, do_look, &l);
}

/* ---- stopping, pausing, scaling -------------------------------------------------------------- */

static int do_stop(struct run *r, void *arg)
{
    if (r->end == RUN_GOES_ON && r->phase < RUN_PHASE_ENDED)
        run_fail(
            r, err_exit(err_set(-ECANCELED, "test run stopped from REST API"), EXIT_REST_STOPPED));
    run_end_linger(r);
    return do_status(r, arg);
}

int control_stop(struct run *r, struct control_status *ret)
{
    return ask(r, do_stop, ret);
}

static int pause_before_start(struct run *r, bool paused)
{
    if (paused)
        return err_set(E_REFUSED, "execution is already paused");
    r->paused = false;
    co_wake(r->main);
    return 0;
}

static int change_pause(struct run *r, bool paused)
{
    if (r->start_ns == 0 && r->paused)
        return pause_before_start(r, paused);
    int rc = external_check_pause(r);
    if (rc == 0 && r->paused == paused)
        rc = err_set(E_REFUSED,
                     paused ? "test execution was already paused" : "test execution wasn't paused");
    return rc < 0 ? rc : external_pause(r, paused);
}

struct pause {
    bool paused;
    struct control_status *ret;
};

static int do_pause(struct run *r, void *arg)
{
    struct pause *p = arg;
    int rc = change_pause(r, p->paused);
    return rc < 0 ? rc : do_status(r, p->ret);
}

int control_pause(struct run *r, bool paused, struct control_status *ret)
{
    struct pause p = {paused, ret};
    return ask(r, do_pause, &p);
}

struct scale {
    const int64_t *vus, *vus_max;
    struct control_status *ret;
};

static int do_scale(struct run *r, void *arg)
{
    const struct scale *s = arg;
    int rc = external_scale(r, s->vus, s->vus_max);
    return rc < 0 ? rc : do_status(r, s->ret);
}

int control_scale(struct run *r, const int64_t *vus, const int64_t *vus_max,
                  struct control_status *ret)
{
    struct scale s = {vus, vus_max, ret};
    return ask(r, do_scale, &s);
}

/* ---- setup and teardown ---------------------------------------------------------------------- */

struct setup_answer {
    struct buf *out;
    bool set;
};

static int do_setup_data(struct run *r, void *arg)
{
    struct setup_answer *a = arg;
    struct str data = run_setup_data(r);
    a->set = data.len > 0;
    buf_str(a->out, data);
    return buf_finish(a->out);
}

int control_setup_data(struct run *r, struct buf *out, bool *ret_set)
{
    struct setup_answer a = {.out = out};
    int rc = ask(r, do_setup_data, &a);
    if (rc == 0)
        *ret_set = a.set;
    return rc;
}

static int do_set_setup_data(struct run *r, void *arg)
{
    const struct str *json = arg;
    return run_put_setup_data(r, *json);
}

int control_set_setup_data(struct run *r, struct str json)
{
    return ask(r, do_set_setup_data, &json);
}

static int do_run_setup(struct run *r, void *arg)
{
    (void)arg;
    return run_call_setup(r);
}

int control_run_setup(struct run *r)
{
    return ask_for(r, do_run_setup, NULL, /* endless= */ true);
}

static int do_run_teardown(struct run *r, void *arg)
{
    (void)arg;
    return run_call_teardown(r);
}

int control_run_teardown(struct run *r)
{
    return ask_for(r, do_run_teardown, NULL, /* endless= */ true);
}
