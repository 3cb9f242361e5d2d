/*
 * loop_int - what the files of rt/ share about the loop.  Nobody else includes it.
 */
#ifndef RT_LOOP_INT_H
#define RT_LOOP_INT_H

#include "rt/co.h"
#include "rt/loop.h"
#include "rt/sanitize.h"
#include "rt/stack.h"
#include "rt/switch.h"
#include "rt/timer_heap.h"

#include <stdatomic.h>
#include <uv.h>

struct loop_signal;

struct loop {
    /* Coroutines that want to run, first in first out. */
    struct co *ready_head, *ready_tail;
    struct co *running;        /* NULL while the loop itself runs */
    size_t coroutines;         /* spawned and not yet ended */
    struct switch_place place; /* of loop_run(), while a coroutine runs */
    struct sanitize_stack san; /* the same */
    struct stack_pool stacks;

    int64_t now_ns;           /* of this turn */
    int64_t wall_offset_ns;   /* wall clock less monotonic time … */
    int64_t wall_checked_ns;  /* … as of this monotonic time; 0: never */
    struct timer_heap timers; /* has room for one timer a coroutine beside those of others */
    size_t timers_of_others;  /* armed with timer_start() */

    int epoll_fd;
    int timer_fd;
    int64_t timer_fd_ns;         /* what timer_fd is armed for; INT64_MAX: not */
    int wake_fd;                 /* eventfd */
    _Atomic(struct mail *) mail; /* newest first */
    bool stop;

    uv_loop_t uv;
    uv_async_t uv_active;
    loop_lag_fn *lag_fn; /* NULL: nobody wants to know */
    void *lag_arg;
    bool uv_touched; /* uv has to run before the loop may sleep */
    struct loop_signal *signals;
};

/* The loop that runs in this thread, or NULL. */
extern _Thread_local struct loop *loop_running;

/* --- co.c, for the loop --- */

/* Runs every coroutine that is ready now, each once. */
void co_run_ready(struct loop *l);
timer_fn co_timer_fired; /* of the timer in a coroutine */

/* --- co.c, for the waits of rt/ --- */

struct loop *co_loop(const struct co *c);
struct err *co_err(const struct co *c); /* its error slot */

/* --- io.c, for the loop --- */

struct io;
void io_dispatch(struct io *io, uint32_t epoll_events);

#endif
