/*
 * external - the executor externally-controlled: virtual users that come, go and pause when
 * somebody outside says so (the REST API), k6-surface 3.2.
 *
 * On each worker a coroutine per such scenario, the keeper, knows how many may work now.  A virtual
 * user follows by itself: it loops while its index is below that number, else it waits.  The main
 * thread sends a change to all keepers and has its answer when the virtual users that had to start
 * are made and those that had to stop have stopped.  Those beyond the planned maxVUs are made, and
 * freed, on the way; they belong to the keeper.
 */
#ifndef LOAD_EXTERNAL_H
#define LOAD_EXTERNAL_H

#include "load/run_int.h"

bool external_is(const struct scenario *s);

/* Main thread: who steers what, from the plan; before workers start.  -ENOMEM. */
NODISCARD int external_init(struct run *r);
void external_fini(struct run *r);

/* Main thread, while the run goes; all on coroutines, with k6's messages.  external_check_pause():
 * E_REFUSED unless all scenarios can be paused and have begun. */
NODISCARD int external_check_pause(const struct run *r);
YIELDS NODISCARD int external_pause(struct run *r, bool paused);
YIELDS NODISCARD int external_scale(struct run *r, const int64_t *vus, const int64_t *vus_max);
/* What keepers begin with: before workers are told to go. */
void external_prepare(struct run *r);
/* What a scenario has at most now, here. */
uint32_t external_vus_max(const struct run *r, size_t scenario);

/* Worker's thread.  external_worker_init() on the main one, before the worker starts. */
NODISCARD int external_worker_init(struct worker *w); /* -ENOMEM */
void external_worker_fini(struct worker *w);
NODISCARD int external_start(struct worker *w); /* the keepers; -ENOMEM, -EAGAIN */
void external_abort(struct worker *w);
void external_finish(struct worker *w); /* all coroutines have ended: frees what was made */

/* A virtual user's stay.  False: the run ends. */
YIELDS bool external_window(struct vu *v, const struct window *win);

#endif
