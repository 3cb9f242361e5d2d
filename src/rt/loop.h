/*
 * loop - the event loop of one thread: ready coroutines, timers, sockets, mail from other threads.
 *
 * A worker thread owns one loop.  Each turn reads the clock once, runs what is ready in FIFO order,
 * then asks libuv for events.  Only mail_send() and loop_wake() may be called from other threads.
 */
#ifndef RT_LOOP_H
#define RT_LOOP_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct mail;

/* 0, -ENOMEM or what libuv says.  The calling thread need not be the one that runs it. */
NODISCARD int loop_new(struct loop **ret);
/* Every coroutine must have ended; CHECKed. */
void loop_free(struct loop *l);

/* Runs in the calling thread until loop_stop(), or until no coroutine is left.  While it runs,
 * loop_current() is `l` in this thread. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
struct loop *loop_current(void);

/* Monotonic time of this turn (base/clock); loop_update_now() reads the clock again. */
int64_t loop_now_ns(const struct loop *l);
int64_t loop_update_now(struct loop *l);

/* One-shot timer on the caller's storage; the callback runs on the loop and must not wait. */
struct timer;
typedef void timer_fn(struct timer *t);
struct timer {
    timer_fn *fn;
    int64_t due_ns;   /* monotonic; valid while armed */
    uint32_t heap_at; /* 0: not armed */
};
void timer_init(struct timer *t, timer_fn *fn);
NODISCARD int timer_start(struct loop *l, struct timer *t, int64_t due_ns); /* re-arms; -ENOMEM */
void timer_stop(struct loop *l, struct timer *t); /* fine when not armed */

/*
 * Mail: a message to the thread of another loop.  The sender owns the struct until it sends it; the
 * handler, which runs on the receiver's loop and must not wait, owns it then.  FIFO per sender.
 */
typedef void mail_fn(struct mail *m);
struct mail {
    struct mail *next;
    mail_fn *fn;
};
void mail_send(struct loop *to,
               struct mail *m); /* any thread; never fails, never blocks for long */

/* Calls `fn` on the loop for SIGINT/SIGTERM/SIGWINCH…; must not wait.  -errno on failure. */
typedef void loop_signal_fn(void *arg, int signum);
NODISCARD int loop_on_signal(struct loop *l, int signum, loop_signal_fn *fn, void *arg);

#endif
