/*
 * event - the script's own event loop: promise jobs, timers, and operations that are under way.
 */
#ifndef JS_EVENT_H
#define JS_EVENT_H

#include "base/attr.h"
#include "base/buf.h"

#include <quickjs.h>
#include <stdbool.h>
#include <stdint.h>

struct js_vm;
struct co;

struct event_timer {
    int64_t due_ns;   /* monotonic */
    int64_t every_ns; /* -1: once */
    uint64_t order;   /* of creation; earlier ones first at the same time */
    uint32_t id;
    uint32_t argc;
    JSValue fn;
    JSValue *argv;
};

struct events {
    struct event_timer **timers; /* binary heap by (due_ns, order) */
    size_t timers_len, timers_cap;
    uint32_t last_id;
    uint64_t last_order;

    struct js_async *pending; /* operations whose result is awaited */
    struct js_async *settled; /* those that have one, in order */
    struct js_async *settled_last;

    JSValue *rejected; /* pairs: promise, reason; nobody has handled them yet */
    size_t rejected_len, rejected_cap;

    struct co *waiting; /* the coroutine that waits for the next event, or NULL */
};

void events_init(struct js_vm *vm);
/* Forgets everything that is still to come, as at the end of an interrupted iteration. */
void events_drop(struct js_vm *vm);
void events_fini(struct js_vm *vm);

/*
 * Runs until nothing is left.  0; -ECANCELED; E_SCRIPT with the text of what went wrong (an
 * exception in a timer's function, or a rejection without handler: "Uncaught (in promise) …")
 * appended to `failure`: what was still to come is dropped then.
 */
YIELDS NODISCARD int events_run(struct js_vm *vm, struct buf *failure);

/* setTimeout and friends, for globals and k6/timers; `magic`: 1 repeats. */
JSValue event_set_timer(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                        int magic);
JSValue event_clear_timer(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv);

#endif
