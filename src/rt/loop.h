/*
 * loop - the event loop of one thread: ready coroutines, timers, sockets, mail from other threads.
 *
 * A worker thread owns one loop.  Each turn reads the clock once, runs what is ready in FIFO order,
 * then asks for events.  Sockets and timers are the loop's own epoll; libuv, for signals, the
 * thread pool and child processes, is embedded in it.  Only mail_send() and loop_wake() may be
 * called from other threads.
 */
#ifndef RT_LOOP_H
#define RT_LOOP_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct mail;

/* 0, -ENOMEM or -errno, with a message.  The calling thread need not be the one that runs it.  The
 * first call of the process belongs before its other threads: it sets the size of libuv's pool. */
NODISCARD int loop_new(struct loop **ret);
/* Every coroutine must have ended; CHECKed.  Mail that is still in the box is handled here.  Nobody
 * may be inside mail_send() or loop_wake() to it any more: join the senders first. */
void loop_free(struct loop *l);

/* Runs in the calling thread until loop_stop(), or until no coroutine is left.  While it runs,
 * loop_current() is `l` in this thread. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l); /* its own thread; coroutines stay suspended until it runs again */
void loop_wake(struct loop *l); /* any thread: one more turn, also when nothing happened */
struct loop *loop_current(void);

size_t loop_coroutines(const struct loop *l); /* spawned and not yet ended */

/* For handles of libuv (child processes).  Call loop_touch_uv() after starting one, as libuv only
 * looks at it when it is run.  Handles must be closed before loop_free(); no libuv timers. */
struct uv_loop_s *loop_uv(struct loop *l);
void loop_touch_uv(struct loop *l);

/* Monotonic time of this turn (base/clock); loop_update_now() reads the clock again. */
int64_t loop_now_ns(const struct loop *l);
int64_t loop_update_now(struct loop *l);

/*
 * How late the loop is: `fn` is told, on the loop's thread, of everything that had been ready for
 * `lag_ns` when the loop came to it; it must not wait.  co_sleep_until() tells it by itself, others
 * by loop_note_lag().
 */
typedef void loop_lag_fn(void *arg, int64_t lag_ns);
void loop_on_lag(struct loop *l, loop_lag_fn *fn, void *arg);
void loop_note_lag(struct loop *l, int64_t lag_ns);

/* What to add to a monotonic time to get the wall clock's; at most 100 ms old. */
int64_t loop_wall_offset_ns(struct loop *l);

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
