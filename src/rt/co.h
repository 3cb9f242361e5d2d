/*
 * co - stackful coroutines: code that waits, and reads as if it didn't.
 *
 * A coroutine lives on one loop and never changes thread.  It is never freed while suspended:
 * cancel it, and its current and every later wait returns -ECANCELED until its stack has unwound
 * (or until it calls co_cancel_clear() itself).  Its struct err slot moves with it.
 */
#ifndef RT_CO_H
#define RT_CO_H

#include "base/attr.h"
#include "rt/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct co;

typedef void co_fn(void *arg);

/* Reserved each; touched pages only cost memory.  Sanitizers make frames several times larger. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CO_STACK_BYTES (8 * 1024 * 1024)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CO_STACK_BYTES (8 * 1024 * 1024)
#endif
#endif
#ifndef CO_STACK_BYTES
#define CO_STACK_BYTES (1024 * 1024)
#endif

#define CO_FOREVER INT64_MAX /* a deadline that never comes; for waits that only a wake-up ends */

/* Makes `fn(arg)` ready on `l`; from the loop's own thread.  -ENOMEM, or -EAGAIN when the stacks
 * are used up.  The handle stays valid until the coroutine has ended; use co_join() or a wake-up of
 * your own to learn of it. */
NODISCARD int co_spawn(struct loop *l, co_fn *fn, void *arg, struct co **ret);

struct co *co_self(void); /* NULL outside coroutines */

/* A pointer of its owner's, e.g. the VU that it runs. */
void co_set_local(struct co *c, void *local);
void *co_local(const struct co *c);

/* Suspends until co_wake() (0), the deadline (-ETIMEDOUT) or co_cancel() (-ECANCELED).  A wake-up
 * that comes before the wait is remembered (one). */
YIELDS NODISCARD int co_wait(int64_t deadline_ns);
void co_wake(struct co *c); /* same thread; harmless when it isn't waiting */

/*
 * The same for libraries that wait for something of their own inside a call: no co_wake() ends such
 * a wait or is swallowed by it.  co_unpark() isn't remembered, so check your condition in a loop.
 */
YIELDS NODISCARD int co_park(int64_t deadline_ns); /* 0, -ETIMEDOUT, -ECANCELED */
YIELDS void co_park_hard(void);                    /* deaf to co_cancel(), too */
void co_unpark(struct co *c);                      /* same thread; harmless when it isn't parked */

YIELDS NODISCARD int co_sleep_until(int64_t deadline_ns); /* 0 or -ECANCELED */

/* Lets other ready coroutines and events have a turn. */
YIELDS NODISCARD int co_yield (void);

/* Marks and wakes; same thread.  Idempotent. */
void co_cancel(struct co *c);
bool co_cancelled(const struct co *c);
void co_cancel_clear(void); /* of the calling coroutine, when what was cancelled has unwound */

/* Waits for another coroutine of this loop to end: 0, -ETIMEDOUT, -ECANCELED. */
YIELDS NODISCARD int co_join(struct co *c, int64_t deadline_ns);

/* For QuickJS: the highest address of the running stack, and how many bytes below the caller's
 * frame are still free. */
void *co_stack_top(void);
size_t co_stack_left(void);

/* Gives the memory of the calling coroutine's stack below the caller's frame back to the kernel:
 * after work that goes deep once (compiling a script), before it parks for long.  About 1 us. */
void co_stack_trim(void);

/* Loops over user data call this: after 10 ms on the core it yields; 0 or -ECANCELED. */
YIELDS NODISCARD int co_check_slice(void);

#endif
