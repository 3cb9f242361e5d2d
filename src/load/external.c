#include "load/external.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "load/scenario.h"
#include "output/samples.h"

#include <errno.h>

/* Waiting for outputs, a virtual user looks so often whether it is still wanted. */
static const int64_t outputs_wait_ns = 20 * NS_PER_MS;

/* A scenario as the main thread sees it. */
struct external {
    uint32_t scenario;    /* place in plan.scenarios */
    int64_t vus, vus_max; /* of the whole test, as said last */
};

/* What its keepers are told; the main coroutine's, which waits for the answers. */
struct change {
    struct mail mail; /* there and back */
    struct run *run;
    struct keeper *keeper;
    int64_t vus, vus_max; /* here */
    bool paused;
    int64_t shift_ns; /* the run was paused for so long */
    struct co *waiting;
    bool answered;
    int rc;
    struct err err; /* valid when rc is negative */
};

struct keeper {
    struct worker *worker;
    uint32_t scenario;
    struct co *co;        /* NULL: not begun, or over */
    struct vu *members;   /* virtual users in the scenario now, by next_member */
    struct vu *extras;    /* made beyond the plan, by next_extra; owned */
    int64_t vus, vus_max; /* here, over all workers */
    bool paused, over;
    int64_t shift_ns;
    struct change *change; /* NULL: none is under way */
    bool begun;            /* its targets are set */
};

bool external_is(const struct scenario *s)
{
    return s->type == EXECUTOR_EXTERNALLY_CONTROLLED;
}

static const struct plan_scenario *plan_of(const struct keeper *k)
{
    return &k->worker->run->plan.scenarios[k->scenario];
}

/* ---- a virtual user's side ------------------------------------------------------------------- */

static struct keeper *keeper_of(struct worker *w, uint32_t scenario)
{
    struct keeper *k = w->keepers;
    while (k->scenario != scenario)
        k++;
    return k;
}

static bool is_wanted(const struct keeper *k, const struct vu *v)
{
    return !k->over && !k->paused && v->external_index < k->vus;
}

static bool is_gone(const struct keeper *k, const struct vu *v)
{
    return k->over || v->external_index >= k->vus_max;
}

static void tell_keeper(struct keeper *k)
{
    if (k->co != NULL)
        co_wake(k->co);
}

static void add_active(struct vu *v, struct scenario_counters *c, int by)
{
    struct worker *w = v->worker;
    atomic_fetch_add_explicit(&c->vus, (uint32_t)by, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->counters->vus_active, (uint32_t)by, memory_order_relaxed);
    v->external_active = by > 0;
    tell_keeper(keeper_of(w, (uint32_t)(c - w->scenarios)));
}

static void work(struct vu *v, struct keeper *k)
{
    struct worker *w = v->worker;
    struct scenario_counters *c = &w->scenarios[k->scenario];
    add_active(v, c, 1);
    int64_t now_ns = clock_mono_ns();
    while (!w->aborted && is_wanted(k, v)) {
        if (w->run->samples != NULL && sample_stream_behind(w->run->samples)) {
            vu_wait_for_outputs(w, clock_mono_ns() + outputs_wait_ns);
            now_ns = clock_mono_ns();
            continue;
        }
        bool whole = vu_iteration(v, &now_ns);
        atomic_fetch_add_explicit(&c->iterations, 1, memory_order_relaxed);
        if (w->aborted)
            break;
        if (!whole || v->interrupted)
            co_cancel_clear();
        else
            vu_yield_turn(v, &now_ns);
    }
    add_active(v, c, -1);
}

static void remove_member(struct keeper *k, struct vu *v)
{
    struct vu **at = &k->members;
    while (*at != v)
        at = &(*at)->next_member;
    *at = v->next_member;
}

bool external_window(struct vu *v, const struct window *win)
{
    struct worker *w = v->worker;
    struct keeper *k = keeper_of(w, win->scenario);
    v->external_index = win->index;
    v->next_member = k->members;
    k->members = v;
    v->external_member = true;
    tell_keeper(k);
    while (!w->aborted && !is_gone(k, v)) {
        if (is_wanted(k, v))
            work(v, k);
        else if (co_wait(CO_FOREVER) < 0 && !w->aborted)
            co_cancel_clear(); /* a stop that came when the iteration was through */
    }
    remove_member(k, v);
    tell_keeper(k);
    return !w->aborted;
}

/* ---- the keeper ------------------------------------------------------------------------------ */

static void extra_main(void *arg)
{
    struct vu *v = arg;
    struct worker *w = v->worker;
    vu_main(v);
    if (w->aborted)
        return;
    atomic_fetch_sub_explicit(&w->counters->vus_ready, 1, memory_order_relaxed);
    tell_keeper(keeper_of(w, v->own_window.scenario));
}

static int make_extra(struct keeper *k, uint32_t index)
{
    struct worker *w = k->worker;
    struct run *r = w->run;
    const struct plan_scenario *ps = plan_of(k);
    struct vu *v = mem_calloc(1, sizeof *v);
    if (v == NULL)
        return err_set_errno(-ENOMEM, "make a virtual user");
    uint32_t id = r->plan.vus_most + atomic_fetch_add(&r->external_ids, 1);
    int rc = vu_init(v, w, id);
    if (rc == 0) {
        v->own_window = (struct window){.start_ns = ps->start_ns,
                                        .stop_ns = ps->stop_ns,
                                        .hard_ns = ps->end_ns,
                                        .scenario = k->scenario,
                                        .index = index,
                                        .vu = id};
        v->windows = &v->own_window;
        v->windows_end = v->windows + 1;
        rc = co_spawn(w->loop, extra_main, v, &v->co);
    }
    if (rc < 0) {
        vu_fini(v);
        mem_free(v);
        return rc;
    }
    w->running++;
    atomic_fetch_add_explicit(&r->shared[k->scenario].vus_left, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->counters->vus_ready, 1, memory_order_relaxed);
    v->next_extra = k->extras;
    k->extras = v;
    return 0;
}

static bool has_extra(const struct keeper *k, uint32_t index)
{
    for (const struct vu *v = k->extras; v != NULL; v = v->next_extra)
        if (v->own_window.index == index)
            return true;
    return false;
}

static int make_missing(struct keeper *k, int64_t vus_max)
{
    const struct run *r = k->worker->run;
    for (int64_t i = plan_of(k)->vus_planned; i < vus_max; i++) {
        if (i % r->workers_len != k->worker->index || has_extra(k, (uint32_t)i))
            continue;
        int rc = k->worker->aborted ? -ECANCELED : make_extra(k, (uint32_t)i);
        if (rc == 0)
            rc = co_check_slice();
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void free_extra(struct vu *v)
{
    vu_fini(v);
    mem_free(v);
}

/* Those whose coroutine has ended. */
static void free_gone(struct keeper *k)
{
    for (struct vu **at = &k->extras; *at != NULL;) {
        struct vu *v = *at;
        if (v->co != NULL) {
            at = &v->next_extra;
            continue;
        }
        *at = v->next_extra;
        free_extra(v);
    }
}

/* Idle ones look anew; with `hard` those that may not work any more are interrupted. */
static void stir(struct keeper *k, bool hard)
{
    for (struct vu *v = k->members; v != NULL; v = v->next_member) {
        if (!v->external_active) {
            co_wake(v->co);
        } else if (hard && v->busy && !is_wanted(k, v)) {
            v->interrupted = true;
            co_cancel(v->co);
        }
    }
}

static bool is_settled(const struct keeper *k)
{
    for (const struct vu *v = k->members; v != NULL; v = v->next_member)
        if (v->external_active != is_wanted(k, v) || is_gone(k, v))
            return false;
    bool begun = clock_mono_ns() >= k->worker->start_ns + plan_of(k)->start_ns;
    for (const struct vu *v = k->extras; v != NULL; v = v->next_extra)
        if (v->own_window.index >= k->vus_max || (begun && !v->external_member))
            return false;
    return true;
}

static void handle_answer(struct mail *m)
{
    struct change *c = CONTAINER_OF(m, struct change, mail);
    c->answered = true;
    co_wake(c->waiting);
}

static void answer(struct change *c, int rc)
{
    c->rc = rc;
    if (rc < 0) {
        if (err_get()->code != rc)
            (void)err_set(rc, "%s", err_code_text(rc));
        c->err = *err_get();
    }
    c->mail.fn = handle_answer;
    mail_send(c->run->loop, &c->mail);
}

static void set_targets(struct keeper *k, const struct change *c)
{
    k->vus = c->vus;
    k->vus_max = c->vus_max;
    k->paused = c->paused;
    k->shift_ns = c->shift_ns;
}

static void begin_change(struct keeper *k)
{
    struct change *c = k->change;
    bool pausing = c->paused && !k->paused;
    int rc = make_missing(k, c->vus_max);
    if (rc < 0) {
        k->change = NULL;
        answer(c, rc);
        return;
    }
    set_targets(k, c);
    k->begun = true;
    stir(k, /* hard= */ !pausing);
}

static int64_t end_ns(const struct keeper *k)
{
    const struct worker *w = k->worker;
    return w->start_ns + plan_of(k)->stop_ns + k->shift_ns;
}

/* Until the scenario is over. */
static void keep(struct keeper *k)
{
    struct worker *w = k->worker;
    while (!w->aborted) {
        if (k->change != NULL && !k->begun)
            begin_change(k);
        free_gone(k);
        bool settled = is_settled(k);
        if (k->change != NULL && k->begun && settled) {
            struct change *c = k->change;
            k->change = NULL;
            answer(c, 0);
        }
        /* Time stands still once a pause has come into force. */
        int64_t deadline = k->paused && settled ? CO_FOREVER : end_ns(k);
        if (clock_mono_ns() >= deadline)
            return;
        int rc = co_wait(deadline);
        (void)rc; /* cancelled: `aborted` says so */
    }
}

static void keeper_main(void *arg)
{
    struct keeper *k = arg;
    struct worker *w = k->worker;
    int rc = make_missing(k, k->vus_max);
    if (rc < 0 && !w->aborted)
        log_error("scenario %s: can't make all of its virtual users: %s", plan_of(k)->config->name,
                  err_get()->code == rc ? err_message() : err_code_text(rc));
    keep(k);
    k->over = true;
    co_cancel_clear();
    stir(k, /* hard= */ true);
    while (k->members != NULL)
        run_wait();
    free_gone(k);
    if (k->change != NULL)
        answer(k->change, 0);
    k->change = NULL;
    k->co = NULL;
    if (--w->running == 0)
        co_wake(w->boss);
}

static void handle_change(struct mail *m)
{
    struct change *c = CONTAINER_OF(m, struct change, mail);
    struct keeper *k = c->keeper;
    if (k->co == NULL) {
        set_targets(k, c); /* it begins with them, or is over */
        answer(c, 0);
        return;
    }
    k->change = c;
    k->begun = false;
    co_wake(k->co);
}

/* ---- workers --------------------------------------------------------------------------------- */

int external_worker_init(struct worker *w)
{
    const struct run *r = w->run;
    w->keepers = mem_calloc(r->externals_len + 1, sizeof *w->keepers);
    if (w->keepers == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < r->externals_len; i++)
        w->keepers[i] = (struct keeper){.worker = w, .scenario = r->externals[i].scenario};
    return 0;
}

void external_worker_fini(struct worker *w)
{
    mem_free(w->keepers);
    w->keepers = NULL;
}

void external_finish(struct worker *w)
{
    for (size_t i = 0; i < w->run->externals_len; i++)
        free_gone(&w->keepers[i]);
}

int external_start(struct worker *w)
{
    for (size_t i = 0; i < w->run->externals_len; i++) {
        struct keeper *k = &w->keepers[i];
        int rc = co_spawn(w->loop, keeper_main, k, &k->co);
        if (rc < 0)
            return rc;
        w->running++;
    }
    return 0;
}

void external_abort(struct worker *w)
{
    for (size_t i = 0; i < w->run->externals_len; i++) {
        struct keeper *k = &w->keepers[i];
        if (k->co != NULL)
            co_cancel(k->co);
        for (struct vu *v = k->extras; v != NULL; v = v->next_extra)
            if (v->co != NULL)
                co_cancel(v->co);
    }
}

/* ---- the main thread ------------------------------------------------------------------------- */

int external_init(struct run *r)
{
    const struct plan *p = &r->plan;
    r->externals = mem_calloc(p->scenarios_len + 1, sizeof *r->externals);
    if (r->externals == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < p->scenarios_len; i++) {
        const struct scenario *s = p->scenarios[i].config;
        if (external_is(s))
            r->externals[r->externals_len++] =
                (struct external){.scenario = i, .vus = s->vus.value, .vus_max = scenario_vus(s)};
    }
    return 0;
}

void external_fini(struct run *r)
{
    mem_free(r->externals);
    r->externals = NULL;
}

uint32_t external_vus_max(const struct run *r, size_t scenario)
{
    for (size_t i = 0; i < r->externals_len; i++)
        if (r->externals[i].scenario == scenario)
            return (uint32_t)segment_scale(&r->segment, r->externals[i].vus_max);
    return 0;
}

static bool has_begun(const struct run *r, const struct plan_scenario *ps)
{
    return r->zero_ns != 0 && clock_mono_ns() >= r->zero_ns + ps->start_ns;
}

int external_check_pause(const struct run *r)
{
    for (size_t i = 0; i < r->plan.scenarios_len; i++) {
        const struct plan_scenario *ps = &r->plan.scenarios[i];
        if (!external_is(ps->config))
            return err_set(
                E_REFUSED,
                "%s executor '%s' doesn't support pause and resume operations after its start",
                executor_type_name(ps->config->type), ps->config->name);
        if (!has_begun(r, ps))
            return err_set(E_REFUSED,
                           "cannot pause the externally controlled executor before it has started");
    }
    return 0;
}

static struct change change_of(struct run *r, const struct external *e, struct keeper *k,
                               bool paused)
{
    return (struct change){.mail.fn = handle_change,
                           .run = r,
                           .keeper = k,
                           .vus = segment_scale(&r->segment, e->vus),
                           .vus_max = segment_scale(&r->segment, e->vus_max),
                           .paused = paused,
                           .shift_ns = r->paused_total_ns,
                           .waiting = co_self()};
}

static bool all_answered(const struct change *list, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!list[i].answered)
            return false;
    return true;
}

/* Tells the keepers of one scenario on all workers, and waits; nothing may end the wait early. */
static int tell_keepers(struct run *r, size_t at, bool paused)
{
    struct change *list = mem_calloc(r->workers_len, sizeof *list);
    if (list == NULL)
        return err_set_errno(-ENOMEM, "tell the workers");
    for (uint32_t i = 0; i < r->workers_len; i++) {
        struct worker *w = &r->workers[i];
        list[i] = change_of(r, &r->externals[at], &w->keepers[at], paused);
        mail_send(w->loop, &list[i].mail);
    }
    while (!all_answered(list, r->workers_len))
        run_wait();
    int rc = 0;
    for (uint32_t i = 0; i < r->workers_len; i++)
        if (list[i].rc < 0) {
            rc = list[i].rc;
            *err_get() = list[i].err;
        }
    mem_free(list);
    return rc;
}

/* One change at a time. */
static int take_turn(struct run *r)
{
    while (r->external_busy) {
        int rc = co_sleep_until(clock_mono_ns() + NS_PER_MS);
        if (rc < 0)
            return err_set(rc, "the test is over");
    }
    r->external_busy = true;
    return 0;
}

int external_pause(struct run *r, bool paused)
{
    int rc = take_turn(r);
    if (rc < 0)
        return rc;
    if (!paused)
        r->paused_total_ns += clock_mono_ns() - r->paused_ns;
    for (size_t i = 0; rc == 0 && i < r->externals_len; i++)
        rc = tell_keepers(r, i, paused);
    r->paused_ns = clock_mono_ns();
    r->paused = paused;
    r->external_busy = false;
    return rc;
}

static int check_scale(const struct run *r, const struct external *e)
{
    const struct scenario *s = r->plan.scenarios[e->scenario].config;
    int64_t least = scenario_vus(s);
    if (e->vus < 0)
        return err_set(E_CONFIG,
                       "invalid configuration supplied: the number of VUs can't be negative");
    if (e->vus_max < e->vus)
        return err_set(E_CONFIG,
                       "invalid configuration supplied: the number of active VUs (%lld) must be "
                       "less than or equal to the number of maxVUs (%lld)",
                       (long long)e->vus, (long long)e->vus_max);
    if (e->vus_max < least)
        return err_set(E_CONFIG,
                       "the new number of max VUs cannot be lower than the starting number of max "
                       "VUs (%lld)",
                       (long long)least);
    if (e->vus_max > LOAD_VUS_MAX)
        return err_set(E_CONFIG, "%lld virtual users are more than the most possible (%d)",
                       (long long)e->vus_max, LOAD_VUS_MAX);
    return 0;
}

int external_scale(struct run *r, const int64_t *vus, const int64_t *vus_max)
{
    if (r->externals_len == 0)
        return err_set(E_UNSUPPORTED, "an externally-controlled executor needs to be configured "
                                      "for live configuration updates");
    int rc = take_turn(r);
    if (rc < 0)
        return rc;
    struct external *e = &r->externals[0], before = *e;
    if (vus != NULL)
        e->vus = *vus;
    if (vus_max != NULL)
        e->vus_max = *vus_max;
    rc = check_scale(r, e);
    if (rc == 0 && r->zero_ns != 0)
        rc = tell_keepers(r, 0, r->paused);
    if (rc < 0)
        *e = before;
    r->external_busy = false;
    return rc;
}

void external_prepare(struct run *r)
{
    for (uint32_t i = 0; i < r->workers_len; i++)
        for (size_t at = 0; at < r->externals_len; at++) {
            struct change c = change_of(r, &r->externals[at], NULL, false);
            set_targets(&r->workers[i].keepers[at], &c);
        }
}
