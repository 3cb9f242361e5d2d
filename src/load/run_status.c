/* The run as it can be seen from outside. */

#include "base/clock.h"
#include "load/arrival.h"
#include "load/external.h"
#include "load/run_int.h"
#include "load/scenario.h"

int64_t run_elapsed_ns(const struct run *r)
{
    if (r->start_ns == 0)
        return 0;
    int64_t now_ns = r->paused ? r->paused_ns : r->stop_ns != 0 ? r->stop_ns : clock_mono_ns();
    return now_ns - r->start_ns - r->paused_total_ns;
}

uint32_t run_vus_active(const struct run *r)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < r->workers_len; i++)
        sum += atomic_load_explicit(&r->workers[i].counters->vus_active, memory_order_relaxed);
    return sum;
}

uint32_t run_vus_ready(const struct run *r)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < r->workers_len; i++)
        sum += atomic_load_explicit(&r->workers[i].counters->vus_ready, memory_order_relaxed);
    return sum;
}

static void sum_iterations(const struct run *r, struct run_status *s)
{
    for (uint32_t i = 0; i < r->workers_len; i++) {
        const struct worker_counters *c = r->workers[i].counters;
        s->iterations_full += atomic_load_explicit(&c->full, memory_order_relaxed);
        s->iterations_interrupted += atomic_load_explicit(&c->interrupted, memory_order_relaxed);
    }
}

static void sum_scenario(const struct run *r, size_t at, struct scenario_status *s)
{
    for (uint32_t i = 0; i < r->workers_len; i++) {
        const struct scenario_counters *c = &r->workers[i].scenarios[at];
        s->vus += atomic_load_explicit(&c->vus, memory_order_relaxed);
        s->iterations += atomic_load_explicit(&c->iterations, memory_order_relaxed);
        s->vus_pool += atomic_load_explicit(&c->pool, memory_order_relaxed);
    }
}

static uint64_t iterations_total(const struct plan_scenario *ps)
{
    return ps->config->type == EXECUTOR_PER_VU_ITERATIONS ? ps->iterations * ps->vus
                                                          : ps->iterations;
}

static double progress_of(const struct scenario_status *s)
{
    if (s->duration_ns > 0 && s->elapsed_ns >= s->duration_ns)
        return 1;
    if (s->iterations_total > 0)
        return (double)s->iterations / (double)s->iterations_total;
    return s->duration_ns > 0 ? (double)s->elapsed_ns / (double)s->duration_ns : 1;
}

/* `now_ns`: since the executors began; negative before. */
static void fill_scenario(struct run *r, size_t at, int64_t now_ns, struct scenario_status *s)
{
    const struct plan_scenario *ps = &r->plan.scenarios[at];
    *s = (struct scenario_status){.config = ps->config,
                                  .duration_ns = scenario_duration_ns(ps->config),
                                  .vus_max = ps->vus,
                                  .iterations_total = iterations_total(ps)};
    sum_scenario(r, at, s);
    if (external_is(ps->config))
        s->vus_max = external_vus_max(r, at);
    int64_t ended = atomic_load_explicit(&r->shared[at].ended_ns, memory_order_relaxed);
    bool over = ended != 0 || r->phase >= RUN_PHASE_TEARDOWN;
    if (ended != 0)
        now_ns = ended - r->zero_ns - r->paused_total_ns;
    int64_t passed_ns = MAX(now_ns, (int64_t)0);
    s->waiting_ns = MAX(ps->start_ns - passed_ns, (int64_t)0);
    int64_t within_ns = passed_ns > ps->start_ns ? passed_ns - ps->start_ns : 0;
    s->elapsed_ns = MIN(within_ns, s->duration_ns);
    if (arrival_is(ps->config)) {
        struct pace_arrival pace;
        arrival_pace(ps->config, &pace);
        s->rate = pace_arrival_rate(&pace, s->elapsed_ns) * segment_share(&ps->dealt);
    }
    s->progress = s->waiting_ns > 0 ? 0 : progress_of(s);
    if (over)
        s->state = r->end != RUN_GOES_ON || s->progress < 1 ? SCENARIO_INTERRUPTED : SCENARIO_DONE;
    else if (r->zero_ns == 0 || s->waiting_ns > 0)
        s->state = SCENARIO_WAITING;
    else
        s->state = now_ns >= ps->stop_ns ? SCENARIO_STOPPING : SCENARIO_RUNNING;
}

void run_status_fill(struct run *r, struct run_status *s)
{
    *s = (struct run_status){
        .phase = r->phase,
        .paused = r->paused && r->phase == RUN_PHASE_RUNNING,
        .script_arg = r->req->script_arg,
        .outputs = r->descriptions,
        .outputs_len = r->outputs_started,
        .segment = &r->segment,
        .elapsed_ns = run_elapsed_ns(r),
        .duration_max_ns = r->plan.end_ns,
        .vus_active = run_vus_active(r),
        .vus_ready = run_vus_ready(r),
        .vus_planned = r->plan.vus,
        .vus_max = r->plan.vus_most,
        .scenarios = r->scenario_status,
        .scenarios_len = r->plan.scenarios_len,
        .all = r->plan.all,
        .all_len = r->plan.all_len,
    };
    sum_iterations(r, s);
    int64_t since_zero = r->zero_ns != 0 ? s->elapsed_ns - (r->zero_ns - r->start_ns) : -1;
    for (size_t i = 0; i < r->plan.scenarios_len; i++)
        fill_scenario(r, i, since_zero, &r->scenario_status[i]);
}
