/*
 * offload - blocking work on a thread of the pool, while the coroutine waits.
 */
#ifndef RT_OFFLOAD_H
#define RT_OFFLOAD_H

#include "base/attr.h"

typedef int offload_fn(void *arg); /* runs in a pool thread; may use err_set() */

/* Runs fn(arg) and returns its result, with its error message moved into the caller's slot.  Never
 * returns before fn has ended, cancelled or not: `arg` may live on the caller's stack. */
YIELDS int offload_run(offload_fn *fn, void *arg);

#endif
