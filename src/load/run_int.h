/*
 * run_int - a run as run.c, its stages and its workers share it.
 *
 * Who may touch what: `struct run` belongs to the main thread; fields marked (w) are set before the
 * workers start and only read by them; counters are atomics written by one worker each. Everything
 * else between threads goes by mail.
 */
#ifndef LOAD_RUN_INT_H
#define LOAD_RUN_INT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "js/vm.h"
#include "load/pace.h"
#include "load/plan.h"
#include "load/run.h"
#include "load/segment.h"
#include "load/settings.h"
#include "metrics/threshold.h"
#include "net/dial.h"
#include "rt/co.h"
#include "rt/loop.h"

#include <pthread.h>
#include <stdatomic.h>

struct run;
struct worker;

/* ---- counters ------------------------------------------------------------------------------ */

struct scenario_counters {
    _Atomic uint32_t vus;        /* in it now; arrival rates: in an iteration */
    _Atomic uint64_t iterations; /* ended, interrupted ones too */
    /* Arrival rates only. */
    _Atomic uint32_t pool; /* virtual users that came for its iterations */
    _Atomic uint32_t idle; /* of them idle and not yet promised an iteration; any worker takes */
    struct vu *idle_list;  /* the worker's own: idle ones, promised or not */
};

/* Of one worker, which writes them all the time: the padding keeps others off its cache line. */
struct worker_counters {
    char before[64];
    _Atomic uint32_t vus_ready, vus_active;
    _Atomic uint64_t full, interrupted;
    char behind[64];
};

/* Of one scenario, over all workers. */
struct scenario_shared {
    _Atomic uint64_t started;  /* shared iterations given out */
    _Atomic uint64_t numbered; /* iterations begun; only when the script imports k6/execution */
    _Atomic uint32_t vus_left; /* whose window isn't over yet */
    _Atomic int64_t ended_ns;  /* mono: the last window was over; 0 before */
    /* Arrival rates only. */
    _Atomic uint32_t extras; /* virtual users asked for beyond the planned ones */
    _Atomic uint32_t making; /* of them asked for and not ready yet */
    _Atomic bool warned;     /* that there can be no more */
};

/* ---- a virtual user ------------------------------------------------------------------------ */

struct vu {
    struct worker *worker;
    struct js_host host;
    struct js_vm *vm;
    struct co *co; /* while its timetable runs */
    const struct window *windows, *windows_end;
    struct timer hard;          /* interrupts the iteration at the window's hard_ns */
    struct tagset *run_tags;    /* run tags only */
    struct tagset *window_tags; /* of the scenario that it is in */
    struct metadata metadata;   /* likewise */
    const struct plan_scenario *scenario;
    uint64_t iterations; /* __ITER of the next one */
    bool has_setup_data, env_set;
    bool interrupted; /* by the hard timer, not by the end of the run */
    bool busy;        /* in an iteration */
    bool ended_test;  /* in this iteration, by exec.test.abort(): it counts as a whole one */
    /* For k6/execution: numbers of the iteration, within the scenario here and of this virtual
     * user's in it; how many it has begun, by scenario (owned, NULL before the first). */
    uint64_t number, number_in_scenario;
    uint64_t *scenario_iterations;
    /* Arrival rates only. */
    struct vu *next_idle;
    bool assigned;               /* was handed an iteration */
    int64_t due_ns;              /* of that iteration, mono; valid while `assigned` */
    uint32_t extra_of, extra_id; /* while it is made later: scenario, number from 0 */
    /* Externally controlled only. */
    struct vu *next_member, *next_extra;
    struct window own_window; /* of those beyond the plan */
    uint32_t external_index;
    bool external_member, external_active; /* has come; works */
};

/* The coroutine that hands out a scenario's iterations on one worker. */
struct arrival {
    struct worker *worker;
    uint32_t scenario;
    struct co *co;
    struct tagset *tags; /* of dropped iterations */
};

/* How late a worker was lately; generator_lag itself is in its shard. */
struct lag {
    uint32_t events, late; /* since the last look */
    uint32_t seconds;      /* in a row in which too many were late */
    int64_t next_ns;       /* mono: of the next look, not before */
};

/* ---- a worker ------------------------------------------------------------------------------ */

enum worker_state { WORKER_INIT, WORKER_READY, WORKER_RUNNING, WORKER_ENDED };

struct worker {
    struct run *run;
    uint32_t index;
    pthread_t thread;
    bool thread_started;
    struct loop *loop;
    struct shard *shard;
    struct dialer *dialer;
    struct vu *vus;
    uint32_t vus_len;
    struct arrival *arrivals;
    uint32_t arrivals_len;
    struct keeper *keepers; /* [run.externals_len] */
    uint32_t running;       /* coroutines of virtual users, of arrivals, of keepers */
    struct co *boss;        /* init, then waits for the virtual users */
    struct timer tick;      /* once a second: closes time buckets , looks at the lag */
    struct lag lag;
    struct tagset *lag_tags;
    bool go, aborted, quit;
    int64_t start_ns; /* mono: zero of the timetable; valid once `go` */
    enum worker_state state;
    struct worker_counters *counters;
    struct scenario_counters *scenarios; /* [plan.scenarios_len] */

    struct mail to_abort, to_go, to_quit; /* main → worker, each sent once */
    struct mail ready, ended;             /* worker → main */
    struct mail test_aborted;             /* likewise, once `abort_message` isn't NULL */
    char *abort_message;                  /* owned */
    int rc;                               /* of init; valid with `ready` */
    struct err err;
    bool is_ready, has_ended, abort_sent; /* main's */
};

NODISCARD int worker_start(struct worker *w); /* its thread */
void worker_go(struct worker *w, int64_t start_ns);
void worker_abort(struct worker *w);
/* The script ends the whole test; on the worker's thread. */
void worker_abort_test(struct worker *w, const char *message);
void worker_join(struct worker *w); /* once it has ended, or will soon */
void worker_fini(struct worker *w);

/* In vu.c, on the worker's thread. */
YIELDS NODISCARD int vu_init(struct vu *v, struct worker *w, uint32_t id);
void vu_fini(struct vu *v);
void vu_main(void *arg); /* coroutine: its timetable */
/* One iteration, which begins at `*now_ns` (monotonic) and leaves its end there; false when it was
 * interrupted. */
YIELDS bool vu_iteration(struct vu *v, int64_t *now_ns);
/* Between two of them: lets others have their turn when this one has been long. */
YIELDS void vu_yield_turn(struct vu *v, int64_t *now_ns);

/* Between iterations: waits while the outputs of single samples are behind, not beyond `until_ns`.
 */
YIELDS void vu_wait_for_outputs(const struct worker *w, int64_t until_ns);

/* Host of a VM with the fields that all have; also for setup etc. */
void run_host_init(struct run *r, struct js_host *h, struct loop *loop, struct shard *shard,
                   struct dialer *dialer);
/* Run tags, and with `group` the group tag (when it is on). */
struct tagset *run_tagset(struct run *r, struct shard *shard, const char *group);
/* What a scenario's executor says of itself: run tags and the scenario's name, nothing else. */
struct tagset *executor_tags(struct run *r, struct shard *shard, const struct scenario *s);

/* ---- the run ------------------------------------------------------------------------------- */

enum run_end {
    RUN_GOES_ON,
    RUN_INTERRUPTED, /* signal */
    RUN_THRESHOLD,   /* abortOnFail */
    RUN_FAILED,      /* err says why */
};

/* What run_inspect() wants to know. */
struct inspector {
    bool plan;
    run_inspect_fn *fn;
    void *arg;
};

struct run {
    const struct run_request *req;
    const struct inspector *inspector; /* NULL: the test is run */
    struct loop *loop;
    struct co *main;
    struct arena arena;
    struct js_program *program;
    struct registry *registry;
    struct metrics *metrics;
    struct options options, derived; /* derived (w) */
    struct segment segment;          /* (w) */
    struct plan plan;                /* (w) */
    struct settings settings;        /* (w) */
    struct dns_cache *dns;           /* (w) */
    struct thresholds thresholds;
    struct buf options_json;    /* derived, for VMs (w) */
    struct buf archive_json;    /* consolidated */
    struct buf script_json;     /* of the script alone; for run_inspect() only */
    struct buf setup_data;      /* (w) from `go` on */
    struct buf late_setup_data; /* what was put in its place after that */
    bool has_late_setup_data;
    int64_t wall_offset_ns;                    /* (w) */
    bool has_setup, has_teardown, has_summary; /* to be run */
    bool exports_setup, exports_teardown;

    struct shard *shard; /* of setup, teardown and gauges */
    struct dialer *dialer;
    struct tagset *gauge_tags;
    struct worker *workers;
    uint32_t workers_len;
    struct scenario_shared *shared; /* [plan.scenarios_len] (w) */
    struct external *externals;     /* externally controlled scenarios; length (w) */
    size_t externals_len;
    bool external_busy;            /* a change of theirs is under way */
    _Atomic uint32_t external_ids; /* virtual users made beyond plan.vus_most */
    struct control *control;       /* NULL: nobody may ask */
    _Atomic bool lag_warned;
    bool workers_ready; /* all threads run, with loops of their own */
    bool lingering;

    enum run_phase phase;
    int64_t began_ns; /* mono: init begins; 0 before */
    int64_t start_ns; /* mono: setup begins; 0 before */
    int64_t zero_ns;  /* mono: executors begin; 0 before */
    int64_t stop_ns;  /* mono: after teardown; 0 before */
    _Atomic bool paused;
    _Atomic int64_t paused_ns;       /* mono: since when; valid while `paused` and started */
    _Atomic int64_t paused_total_ns; /* pauses that are over */

    enum run_end end;
    _Atomic bool marked_failed; /* by the script, exec.test.fail() */
    int end_signal;
    char interruption[80]; /* that signal in words, once it is asked for */
    int end_code;
    struct err end_err;
    bool interruptible; /* the main coroutine is in something that a stop should cancel */
    bool stopping_outputs, outputs_stopped;
    bool began; /* past all that is prepared: every shard will be finished */
    uint32_t signals;

    struct timer ui_tick, second_tick;
    struct co *threshold_co; /* while thresholds are watched */
    bool threshold_stop;
    size_t thresholds_failed;

    struct tag *env; /* the request's, and what outputs add; NULL: the request's alone */
    size_t env_len;
    struct output_run_info info;
    struct output_threshold *threshold_list;
    size_t threshold_list_len;
    struct output_file *files;
    size_t files_len;
    size_t outputs_started;
    struct sample_stream *samples; /* NULL: no output wants single samples (w) */
    const char **descriptions;
    struct scenario_status *scenario_status;
};

/* Ends the test as `end` says, once; workers are told, the main coroutine is interrupted where that
 * is allowed. Main loop's thread. */
void run_stop(struct run *r, enum run_end end);
/* The same with the current error as the reason. */
void run_fail(struct run *r, int code);
/* The same because the script wants it so. */
void run_abort(struct run *r, const char *message);

/* The test is over and only lingers: lets it go. */
void run_end_linger(struct run *r);
/* Since setup() began, without pauses; 0 before. Any thread. */
int64_t run_elapsed_ns(const struct run *r);

/* Until somebody wakes the coroutine. Where nothing may end the wait early, callers loop on their
 * condition, and nobody cancels. */
static inline void run_wait(void)
{
    int rc = co_wait(CO_FOREVER);
    (void)rc;
}

/* run_script.c */
YIELDS NODISCARD int run_load(struct run *r); /* first init, options, plan, thresholds */
YIELDS NODISCARD int run_setup(struct run *r);
YIELDS NODISCARD int run_teardown(struct run *r);
YIELDS NODISCARD int run_summary(struct run *r, const struct snapshot *s);

/* The functions themselves, whatever the options say; on any coroutine of the main loop. */
YIELDS NODISCARD int run_call_setup(struct run *r);
YIELDS NODISCARD int run_call_teardown(struct run *r);
struct str run_setup_data(const struct run *r); /* as it is now; main thread */
NODISCARD int run_put_setup_data(struct run *r, struct str json);

uint32_t run_count_workers(const struct run *r); /* threads that will run iterations */

/* run.c: the run's life around `main`, a coroutine that gets the run. */
NODISCARD int run_drive(const struct run_request *req, const struct inspector *inspector,
                        co_fn *main);

/* run_inspect.c: whether the script's own values are ones that can be. */
NODISCARD int run_check_values(const struct options *script);

/* run_outputs.c */
NODISCARD int run_info_fill(struct run *r); /* r->info */
YIELDS NODISCARD int run_outputs_start(struct run *r);
YIELDS void run_outputs_stop(struct run *r, const struct output_result *result);

/* run_thresholds.c */
NODISCARD int run_thresholds_init(struct run *r);
void run_thresholds_main(void *arg); /* coroutine: every 2 s */
/* What all shards have now, while the workers' loops run; NULL without memory. */
YIELDS struct snapshot *run_live_snapshot(struct run *r);
/* Once all have ended: the last evaluation, and its results in threshold_list. */
void run_thresholds_final(struct run *r, const struct snapshot *s);

/* run_status.c */
void run_status_fill(struct run *r, struct run_status *s);
uint32_t run_vus_active(const struct run *r);
uint32_t run_vus_ready(const struct run *r);

#endif
