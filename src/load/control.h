/*
 * control - what others may ask of a run while it goes: the REST API's side of load/.
 *
 * A run that was given struct run_control_ops (run.h) hands itself out between start() and stop();
 * in that time the functions below may be called from any thread but the run's own.  Each hands its
 * question to the run's main loop and blocks until it is answered there: short ones at once, a
 * change of virtual users when the last one has come or gone, setup and teardown when they have
 * run.  Once the run ends they return E_UNAVAILABLE.
 */
#ifndef LOAD_CONTROL_H
#define LOAD_CONTROL_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "metrics/threshold.h"

#include <stdbool.h>
#include <stdint.h>

struct run;

/* The numbers that k6's REST API has for them. */
enum control_stage {
    CONTROL_CREATED,
    CONTROL_INIT_VUS,
    CONTROL_INIT_EXECUTORS,
    CONTROL_INIT_DONE,
    CONTROL_PAUSED_BEFORE_RUN,
    CONTROL_STARTED,
    CONTROL_SETUP,
    CONTROL_RUNNING,
    CONTROL_TEARDOWN,
    CONTROL_ENDED,
    CONTROL_INTERRUPTED,
    CONTROL_MARKED_FAILED,
};

struct control_status {
    enum control_stage stage;
    bool paused;
    bool stopped; /* ended early, by whomever */
    bool running; /* setup() has begun, teardown() isn't over */
    bool tainted; /* a threshold was crossed when they were evaluated last */
    uint32_t vus, vus_max;
};
NODISCARD int control_status(struct run *r, struct control_status *ret);

/* The metrics as they are now.  `fn` is called on the run's main loop, must not wait, and looks at
 * nothing of it afterwards; its result is passed on. */
struct control_view {
    const struct metrics *metrics;
    const struct snapshot *snapshot;
    const struct thresholds *thresholds;
    int64_t elapsed_ns; /* what rates are by */
};
typedef int control_view_fn(void *arg, const struct control_view *v);
NODISCARD int control_look(struct run *r, control_view_fn *fn, void *arg);

/* The next three change something; *ret is how things are right after that. */

/* Ends the test: iterations are interrupted, teardown and summary come, exit code 103. */
NODISCARD int control_stop(struct run *r, struct control_status *ret);

/* E_REFUSED with k6's message: already so, or an executor that doesn't pause once it has begun. */
NODISCARD int control_pause(struct run *r, bool paused, struct control_status *ret);

/* New numbers for the externally controlled scenario (the first, when there are several); NULL
 * leaves one as it is.  E_UNSUPPORTED without such a scenario, E_CONFIG for numbers that can't be;
 * with k6's message. */
NODISCARD int control_scale(struct run *r, const int64_t *vus, const int64_t *vus_max,
                            struct control_status *ret);

/* What setup() returned, JSON; *ret_set false: nothing, or it hasn't run. */
NODISCARD int control_setup_data(struct run *r, struct buf *out, bool *ret_set);
/* Puts something else in its place; empty: nothing.  Virtual users read it when they begin, so
 * after that only teardown() and the summary see it. */
NODISCARD int control_set_setup_data(struct run *r, struct str json);
/* Runs the script's setup() or teardown(), once more if need be; without one nothing happens. */
NODISCARD int control_run_setup(struct run *r);
NODISCARD int control_run_teardown(struct run *r);

/* ---- for the run itself, on its main coroutine ----------------------------------------------- */

NODISCARD int control_open(struct run *r);
/* Whoever asks from now on is refused; cancels setup and teardown, waits for all answers. */
YIELDS void control_close(struct run *r);
void control_free(struct run *r); /* nobody is inside the functions above any more */

#endif
