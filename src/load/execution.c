#include "load/execution.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "load/arrival.h"
#include "load/run_int.h"
#include "load/scenario.h"

static struct run *run_of(struct js_host *h)
{
    return h->arg;
}

/* NULL: a VM of the main thread. */
static struct vu *vu_of(struct js_host *h)
{
    return h->vu_id != 0 ? CONTAINER_OF(h, struct vu, host) : NULL;
}

static size_t place_of(const struct vu *v)
{
    return (size_t)(v->scenario - v->worker->run->plan.scenarios);
}

/* ---- numbers of iterations ------------------------------------------------------------------- */

static void begin_iteration(struct js_host *h)
{
    struct vu *v = vu_of(h);
    if (v == NULL || v->scenario == NULL)
        return;
    struct run *r = run_of(h);
    size_t at = place_of(v);
    v->number = atomic_fetch_add_explicit(&r->shared[at].numbered, 1, memory_order_relaxed);
    if (v->scenario_iterations == NULL) /* without memory all are its first */
        v->scenario_iterations = mem_calloc(r->plan.scenarios_len, sizeof *v->scenario_iterations);
    v->number_in_scenario = v->scenario_iterations != NULL ? v->scenario_iterations[at]++ : 0;
}

static uint64_t number_in_test(const struct run *r, const struct vu *v)
{
    const struct segment *seg = v->scenario->dealt.cycle != 0 ? &v->scenario->dealt : &r->segment;
    return (uint64_t)segment_global(seg, (int64_t)v->number);
}

/* ---- information ----------------------------------------------------------------------------- */

static double progress(const struct run *r, const struct vu *v)
{
    const struct plan_scenario *ps = v->scenario;
    int64_t length_ns = scenario_duration_ns(ps->config);
    int64_t passed_ns = clock_mono_ns() - v->worker->start_ns - ps->start_ns - r->paused_total_ns;
    if (length_ns > 0 && passed_ns >= length_ns)
        return 1;
    uint64_t total =
        ps->config->type == EXECUTOR_PER_VU_ITERATIONS ? ps->iterations * ps->vus : ps->iterations;
    if (total == 0)
        return length_ns > 0 ? (double)MAX(passed_ns, (int64_t)0) / (double)length_ns : 1;
    uint64_t done = 0;
    for (uint32_t i = 0; i < r->workers_len; i++)
        done += atomic_load_explicit(&r->workers[i].scenarios[place_of(v)].iterations,
                                     memory_order_relaxed);
    return (double)done / (double)total;
}

static bool scenario_info(struct js_host *h, struct js_scenario_info *ret)
{
    struct vu *v = vu_of(h);
    if (v == NULL || v->scenario == NULL)
        return false;
    const struct run *r = run_of(h);
    int64_t start_ns = v->worker->start_ns + v->scenario->start_ns + h->wall_offset_ns;
    *ret = (struct js_scenario_info){
        .name = v->scenario->config->name,
        .executor = executor_type_name(v->scenario->config->type),
        .start_ms = start_ns / NS_PER_MS,
        .progress = progress(r, v),
        .iteration_in_instance = v->number,
        .iteration_in_test = number_in_test(r, v),
    };
    return true;
}

/* `start_ns` is the main thread's, but it is set before anybody else may ask. */
static void instance_info(struct js_host *h, struct js_instance_info *ret)
{
    const struct run *r = run_of(h);
    *ret = (struct js_instance_info){
        .elapsed_ns = run_elapsed_ns(r),
        .vus_active = run_vus_active(r),
        .vus_initialized = run_vus_ready(r),
    };
    for (uint32_t i = 0; i < r->workers_len; i++) {
        const struct worker_counters *c = r->workers[i].counters;
        ret->iterations_completed += atomic_load_explicit(&c->full, memory_order_relaxed);
        ret->iterations_interrupted += atomic_load_explicit(&c->interrupted, memory_order_relaxed);
    }
}

static void vu_info(struct js_host *h, struct js_vu_info *ret)
{
    const struct vu *v = vu_of(h);
    if (v == NULL) {
        *ret = (struct js_vu_info){0};
        return;
    }
    *ret = (struct js_vu_info){
        .id_in_test = (uint32_t)segment_global(&run_of(h)->segment, h->vu_id - 1) + 1,
        .iteration_in_scenario = v->number_in_scenario,
    };
}

static struct str options(struct js_host *h)
{
    return buf_view(&run_of(h)->options_json);
}

/* ---- the end of the test --------------------------------------------------------------------- */

static void abort_test(struct js_host *h, const char *message)
{
    struct vu *v = vu_of(h);
    if (v != NULL)
        v->ended_test = true;
    if (h->stage == JS_STAGE_SUMMARY)
        log_error("%s", message); /* there is nothing left to abort but the calling function */
    else if (v != NULL)
        worker_abort_test(v->worker, message);
    else
        run_abort(run_of(h), message);
}

static void fail_test(struct js_host *h)
{
    if (h->stage == JS_STAGE_SUMMARY)
        return; /* the verdict is in it already */
    atomic_store_explicit(&run_of(h)->marked_failed, true, memory_order_relaxed);
}

const struct js_execution_ops execution_ops = {
    .begin_iteration = begin_iteration,
    .scenario = scenario_info,
    .instance = instance_info,
    .vu = vu_info,
    .options = options,
    .abort = abort_test,
    .fail = fail_test,
};
