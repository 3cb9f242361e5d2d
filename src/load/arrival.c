#include "load/arrival.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>

bool arrival_is(const struct scenario *s)
{
    return s->type == EXECUTOR_CONSTANT_ARRIVAL_RATE || s->type == EXECUTOR_RAMPING_ARRIVAL_RATE;
}

void arrival_pace(const struct scenario *s, struct pace_arrival *ret)
{
    int64_t unit = s->time_unit.set ? s->time_unit.ns : NS_PER_S;
    if (s->type == EXECUTOR_CONSTANT_ARRIVAL_RATE)
        pace_arrival_constant(ret, s->rate.value, unit, s->duration.ns);
    else
        pace_arrival_ramp(ret, s->start_rate.value, &s->stages, unit);
}

/* ---- tokens -------------------------------------------------------------------------------- */

static bool take_token(struct scenario_counters *c)
{
    uint32_t n = atomic_load_explicit(&c->idle, memory_order_relaxed);
    while (n > 0)
        if (atomic_compare_exchange_weak_explicit(&c->idle, &n, n - 1, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static void list_remove(struct scenario_counters *c, struct vu *v)
{
    struct vu **at = &c->idle_list;
    while (*at != v)
        at = &(*at)->next_idle;
    *at = v->next_idle;
}

/* A token of this worker's was taken: so somebody is in the list. */
static void assign(struct worker *w, uint32_t scenario, int64_t due_ns)
{
    struct scenario_counters *c = &w->scenarios[scenario];
    struct vu *v = c->idle_list;
    if (w->aborted || v == NULL)
        return;
    c->idle_list = v->next_idle;
    v->assigned = true;
    v->due_ns = due_ns;
    co_wake(v->co);
}

/* ---- between workers ----------------------------------------------------------------------- */

struct arrival_mail {
    struct mail mail;
    struct worker *to;
    uint32_t scenario;
    uint32_t vu;    /* to be made */
    int64_t due_ns; /* of the iteration that is handed over */
};

static void handle_assign(struct mail *mail)
{
    struct arrival_mail *m = CONTAINER_OF(mail, struct arrival_mail, mail);
    assign(m->to, m->scenario, m->due_ns);
    mem_free(m);
}

static bool send(struct worker *to, uint32_t scenario, uint32_t vu, int64_t due_ns, mail_fn *fn)
{
    struct arrival_mail *m = mem_alloc(sizeof *m);
    if (m == NULL)
        return false;
    *m = (struct arrival_mail){
        .mail.fn = fn, .to = to, .scenario = scenario, .vu = vu, .due_ns = due_ns};
    mail_send(to->loop, &m->mail);
    return true;
}

/* False: nobody is idle. */
static bool hand_out(struct worker *w, uint32_t scenario, int64_t due_ns)
{
    struct run *r = w->run;
    for (uint32_t i = 0; i < r->workers_len; i++) {
        struct worker *to = &r->workers[(w->index + i) % r->workers_len];
        struct scenario_counters *c = &to->scenarios[scenario];
        if (!take_token(c))
            continue;
        if (to == w) {
            assign(w, scenario, due_ns);
            return true;
        }
        if (send(to, scenario, 0, due_ns, handle_assign))
            return true;
        atomic_fetch_add_explicit(&c->idle, 1, memory_order_acq_rel);
    }
    return false;
}

/* ---- more virtual users -------------------------------------------------------------------- */

static void extra_main(void *arg)
{
    struct vu *v = arg;
    struct worker *w = v->worker;
    struct scenario_shared *shared = &w->run->shared[v->extra_of];
    int rc = vu_init(v, w, v->extra_id);
    atomic_fetch_sub(&shared->making, 1);
    if (rc < 0) {
        if (rc != -ECANCELED)
            log_error("a further virtual user can't be made: %s",
                      err_get()->code == rc ? err_message() : err_code_text(rc));
        v->co = NULL;
        if (--w->running == 0)
            co_wake(w->boss);
        return;
    }
    atomic_fetch_add_explicit(&w->counters->vus_ready, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->vus_left, 1, memory_order_relaxed);
    vu_main(v);
}

static void handle_make(struct mail *mail)
{
    struct arrival_mail *m = CONTAINER_OF(mail, struct arrival_mail, mail);
    struct worker *w = m->to;
    struct vu *v = &w->vus[m->vu / w->run->workers_len];
    DCHECK(m->vu / w->run->workers_len < w->vus_len);
    *v = (struct vu){.worker = w, .extra_of = m->scenario, .extra_id = m->vu};
    bool goes_on = w->state == WORKER_RUNNING && !w->aborted && w->running > 0;
    if (goes_on && co_spawn(w->loop, extra_main, v, &v->co) == 0)
        w->running++;
    else
        atomic_fetch_sub(&w->run->shared[m->scenario].making, 1);
    mem_free(m);
}

/* A worker is busy with the first and has the second at hand when that one is ready. More would
 * only wait there, and might not be needed any more when their turn comes. */
enum { MAKING_PER_WORKER = 2 };

static void warn_insufficient(struct run *r, uint32_t scenario)
{
    const struct plan_scenario *ps = &r->plan.scenarios[scenario];
    if (atomic_exchange(&r->shared[scenario].warned, true))
        return;
    struct log_field f[] = {{"executor", executor_type_name(ps->config->type)},
                            {"scenario", ps->config->name}};
    char text[96];
    (void)snprintf(text, sizeof text,
                   "Insufficient VUs, reached %u active VUs and cannot initialize more", ps->vus);
    log_fields(LOG_WARNING, text, f, 2);
}

static bool take_below(_Atomic uint32_t *n, uint32_t limit, uint32_t *ret_before)
{
    *ret_before = atomic_load(n);
    while (*ret_before < limit)
        if (atomic_compare_exchange_weak(n, ret_before, *ret_before + 1))
            return true;
    return false;
}

/* An iteration found nobody idle: one more, on all workers at once as long as that goes on. */
static void make_extra(struct worker *w, uint32_t scenario)
{
    struct run *r = w->run;
    const struct plan_scenario *ps = &r->plan.scenarios[scenario];
    struct scenario_shared *shared = &r->shared[scenario];
    uint32_t making, n;
    if (!take_below(&shared->making, MAKING_PER_WORKER * r->workers_len, &making))
        return;
    if (!take_below(&shared->extras, ps->vus - ps->vus_planned, &n)) {
        atomic_fetch_sub(&shared->making, 1);
        if (making == 0) /* those that were asked for last haven't begun to help */
            warn_insufficient(r, scenario);
        return;
    }
    uint32_t vu = ps->first_extra + n;
    if (!send(&r->workers[vu % r->workers_len], scenario, vu, 0, handle_make))
        atomic_fetch_sub(&shared->making, 1); /* without memory for a mail there is none for it */
}

/* ---- the coroutine of a scenario ----------------------------------------------------------- */

static void drop(struct arrival *a)
{
    struct worker *w = a->worker;
    int64_t wall = clock_mono_ns() + w->run->wall_offset_ns;
    shard_add(w->shard, registry_builtin(w->run->registry, METRIC_DROPPED_ITERATIONS), a->tags,
              NULL, 1, wall);
    make_extra(w, a->scenario);
}

/* Parked, not asleep: the lag is that of the iteration, not of this wake-up. */
static int wait_due(int64_t due_ns)
{
    if (clock_mono_ns() >= due_ns)
        return co_check_slice();
    int rc = co_park(due_ns);
    return rc == -ETIMEDOUT ? 0 : rc;
}

static void dispatch_all(struct arrival *a)
{
    struct worker *w = a->worker;
    const struct plan_scenario *ps = &w->run->plan.scenarios[a->scenario];
    struct pace_arrival pace;
    int64_t due;
    arrival_pace(ps->config, &pace);
    for (int64_t i = w->index; !w->aborted; i += w->run->workers_len) {
        if (!pace_arrival_due(&pace, segment_global(&ps->dealt, i), &due))
            return;
        due += w->start_ns + ps->start_ns;
        int rc = wait_due(due);
        if (rc < 0 || w->aborted)
            return;
        if (!hand_out(w, a->scenario, due))
            drop(a);
    }
}

static void arrival_main(void *arg)
{
    struct arrival *a = arg;
    struct worker *w = a->worker;
    const struct plan_scenario *ps = &w->run->plan.scenarios[a->scenario];
    a->tags = executor_tags(w->run, w->shard, ps->config);
    /* Virtual users that begin at the same moment come first. */
    if (co_sleep_until(w->start_ns + ps->start_ns) == 0 && co_yield () == 0)
        dispatch_all(a);
    a->co = NULL;
    if (--w->running == 0)
        co_wake(w->boss);
}

int arrival_start(struct worker *w)
{
    const struct plan *p = &w->run->plan;
    w->arrivals = mem_calloc(p->scenarios_len + 1, sizeof *w->arrivals);
    if (w->arrivals == NULL)
        return -ENOMEM;
    for (uint32_t s = 0; s < p->scenarios_len; s++) {
        if (!arrival_is(p->scenarios[s].config))
            continue;
        struct arrival *a = &w->arrivals[w->arrivals_len++];
        *a = (struct arrival){.worker = w, .scenario = s};
        int rc = co_spawn(w->loop, arrival_main, a, &a->co);
        if (rc < 0)
            return rc;
        w->running++;
    }
    return 0;
}

/* ---- a virtual user's side ----------------------------------------------------------------- */

/* True: it was handed an iteration. */
static bool wait_idle(struct vu *v, struct scenario_counters *c, int64_t stop_ns)
{
    struct worker *w = v->worker;
    v->assigned = false;
    v->next_idle = c->idle_list;
    c->idle_list = v;
    atomic_fetch_add_explicit(&c->idle, 1, memory_order_acq_rel);
    int64_t deadline = stop_ns;
    while (!v->assigned) {
        int rc = co_wait(deadline);
        if (v->assigned || w->aborted || rc == -ECANCELED)
            break;
        if (clock_mono_ns() < stop_ns)
            continue;
        if (take_token(c)) {
            list_remove(c, v);
            return false;
        }
        /* All tokens are taken: the mail that says so to this worker is on its way. */
        deadline = CO_FOREVER;
    }
    return v->assigned && !w->aborted;
}

bool arrival_window(struct vu *v, const struct window *win)
{
    struct worker *w = v->worker;
    struct scenario_counters *c = &w->scenarios[win->scenario];
    int64_t stop_ns = w->start_ns + win->stop_ns;
    atomic_fetch_add_explicit(&c->pool, 1, memory_order_relaxed);
    while (!w->aborted && clock_mono_ns() < stop_ns && wait_idle(v, c, stop_ns)) {
        atomic_fetch_add_explicit(&c->vus, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&w->counters->vus_active, 1, memory_order_relaxed);
        int64_t now_ns = clock_mono_ns();
        loop_note_lag(w->loop, now_ns - v->due_ns);
        bool whole = vu_iteration(v, &now_ns);
        atomic_fetch_sub_explicit(&c->vus, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&w->counters->vus_active, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&c->iterations, 1, memory_order_relaxed);
        if (w->aborted)
            break;
        if (w->run->samples != NULL)
            vu_wait_for_outputs(w, stop_ns);
        if (!whole || v->interrupted) {
            co_cancel_clear();
            break; /* only the window's hard end interrupts */
        }
    }
    return !w->aborted;
}
