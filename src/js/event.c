#include "js/event.h"

#include <errno.h>
#include <math.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "js/vm_int.h"

struct js_async {
    struct js_vm *vm; /* NULL: abandoned, only js_async_done() is still to come */
    struct js_async *prev, *next;
    JSValue resolve, reject;
    js_async_cancel_fn *cancel;
    js_async_finish_fn *finish;
    void *op;
};

/* ---- timers: a binary heap ------------------------------------------------------------------ */

static bool timer_before(const struct event_timer *a, const struct event_timer *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void heap_up(struct events *e, size_t i)
{
    struct event_timer *t = e->timers[i];
    for (; i > 0 && timer_before(t, e->timers[(i - 1) / 2]); i = (i - 1) / 2)
        e->timers[i] = e->timers[(i - 1) / 2];
    e->timers[i] = t;
}

static void heap_down(struct events *e, size_t i)
{
    struct event_timer *t = e->timers[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= e->timers_len)
            break;
        if (child + 1 < e->timers_len && timer_before(e->timers[child + 1], e->timers[child]))
            child++;
        if (!timer_before(e->timers[child], t))
            break;
        e->timers[i] = e->timers[child];
        i = child;
    }
    e->timers[i] = t;
}

static struct event_timer *timer_take(struct events *e, size_t i)
{
    struct event_timer *t = e->timers[i];
    struct event_timer *last = e->timers[--e->timers_len];
    if (last != t) {
        e->timers[i] = last;
        heap_down(e, i);
        heap_up(e, i);
    }
    return t;
}

static void timer_free(JSContext *ctx, struct event_timer *t)
{
    JS_FreeValue(ctx, t->fn);
    for (uint32_t i = 0; i < t->argc; i++)
        JS_FreeValue(ctx, t->argv[i]);
    mem_free(t->argv);
    mem_free(t);
}

static int timer_add(struct events *e, struct event_timer *t)
{
    int rc =
        mem_grow(&e->timers, &e->timers_cap, e->timers_len + 1, JS_TIMERS_MAX, sizeof *e->timers);
    if (rc < 0)
        return err_set(rc, "setTimeout");
    t->order = ++e->last_order;
    e->timers[e->timers_len++] = t;
    heap_up(e, e->timers_len - 1);
    return 0;
}

static struct event_timer *timer_new(JSContext *ctx, int argc, JSValueConst *argv)
{
    struct event_timer *t = mem_calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->fn = JS_DupValue(ctx, argv[0]);
    uint32_t extra = argc > 2 ? (uint32_t)argc - 2 : 0;
    if (extra > 0) {
        t->argv = mem_calloc(extra, sizeof *t->argv);
        if (!t->argv) {
            timer_free(ctx, t);
            return NULL;
        }
        for (; t->argc < extra; t->argc++)
            t->argv[t->argc] = JS_DupValue(ctx, argv[2 + t->argc]);
    }
    return t;
}

JSValue event_set_timer(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                        int magic)
{
    (void)this_val;
    const char *name = magic ? "setInterval" : "setTimeout";
    struct events *e = &js_vm_of(ctx)->events;
    if (!JS_IsFunction(ctx, js_arg(argc, argv, 0)))
        return js_throw(ctx, "%s's callback isn't a callable function", name);
    double ms = 0;
    if (argc > 1 && JS_ToFloat64(ctx, &ms, argv[1]) < 0)
        return JS_EXCEPTION;
    if (!(ms > 0)) /* NaN too */
        ms = 0;
    ms = fmin(ms, JS_TIMER_MS_MAX);
    struct event_timer *t = timer_new(ctx, argc, argv);
    if (!t)
        return JS_ThrowOutOfMemory(ctx);
    int64_t wait_ns = (int64_t)(ms * NS_PER_MS);
    t->id = ++e->last_id;
    t->due_ns = clock_mono_ns() + wait_ns;
    /* An interval of 0 would never let the loop be idle. */
    t->every_ns = magic ? MAX(wait_ns, NS_PER_MS) : -1;
    int rc = timer_add(e, t);
    if (rc < 0) {
        timer_free(ctx, t);
        return js_throw_err(ctx, rc);
    }
    return JS_NewUint32(ctx, t->id);
}

JSValue event_clear_timer(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    struct events *e = &js_vm_of(ctx)->events;
    double id = 0;
    if (js_is_nullish(js_arg(argc, argv, 0)))
        return JS_UNDEFINED;
    if (JS_ToFloat64(ctx, &id, argv[0]) < 0)
        return JS_EXCEPTION;
    for (size_t i = 0; i < e->timers_len; i++) {
        if ((double)e->timers[i]->id != id)
            continue;
        timer_free(ctx, timer_take(e, i));
        break;
    }
    return JS_UNDEFINED;
}

/* Runs the first timer.  0 or -1 with an exception pending. */
static int timer_fire(struct js_vm *vm)
{
    struct events *e = &vm->events;
    struct event_timer *t = timer_take(e, 0);
    JSValue fn = JS_DupValue(vm->ctx, t->fn);
    JSValue result;
    if (t->every_ns >= 0) {
        /* Back in the heap before the call, so that the function can clear its own timer; that
         * frees the arguments, hence the copies. */
        t->due_ns = MAX(t->due_ns + t->every_ns, clock_mono_ns());
        t->order = ++e->last_order;
        e->timers[e->timers_len++] = t; /* its place is still there */
        heap_up(e, e->timers_len - 1);
        JSValue argv[8];
        int argc = (int)MIN(t->argc, (uint32_t)ARRAY_LEN(argv));
        for (int i = 0; i < argc; i++)
            argv[i] = JS_DupValue(vm->ctx, t->argv[i]);
        result = JS_Call(vm->ctx, fn, JS_UNDEFINED, argc, argv);
        for (int i = 0; i < argc; i++)
            JS_FreeValue(vm->ctx, argv[i]);
    } else {
        result = JS_Call(vm->ctx, fn, JS_UNDEFINED, (int)t->argc, t->argv);
        timer_free(vm->ctx, t);
    }
    JS_FreeValue(vm->ctx, fn);
    if (JS_IsException(result))
        return -1;
    JS_FreeValue(vm->ctx, result);
    return 0;
}

/* ---- asynchronous operations ---------------------------------------------------------------- */

static void async_unlink(struct js_async *a)
{
    struct events *e = &a->vm->events;
    if (a->prev)
        a->prev->next = a->next;
    else if (e->pending == a)
        e->pending = a->next;
    else
        e->settled = a->next;
    if (a->next)
        a->next->prev = a->prev;
    else if (e->settled_last == a)
        e->settled_last = a->prev;
    a->prev = a->next = NULL;
}

JSValue js_async_new(JSContext *ctx, js_async_cancel_fn *cancel, void *op, struct js_async **ret)
{
    struct js_vm *vm = js_vm_of(ctx);
    struct js_async *a = mem_calloc(1, sizeof *a);
    if (!a)
        return JS_ThrowOutOfMemory(ctx);
    JSValue functions[2];
    JSValue promise = JS_NewPromiseCapability(ctx, functions);
    if (JS_IsException(promise)) {
        mem_free(a);
        return promise;
    }
    a->vm = vm;
    a->resolve = functions[0];
    a->reject = functions[1];
    a->cancel = cancel;
    a->op = op;
    a->next = vm->events.pending;
    if (a->next)
        a->next->prev = a;
    vm->events.pending = a;
    *ret = a;
    return promise;
}

bool js_async_done(struct js_async *a, js_async_finish_fn *finish, void *op)
{
    if (!a->vm) {
        mem_free(a);
        return false;
    }
    struct events *e = &a->vm->events;
    async_unlink(a);
    a->finish = finish;
    a->op = op;
    a->prev = e->settled_last;
    if (a->prev)
        a->prev->next = a;
    else
        e->settled = a;
    e->settled_last = a;
    if (e->waiting)
        co_wake(e->waiting);
    return true;
}

static void async_settle(struct js_vm *vm)
{
    struct js_async *a = vm->events.settled;
    async_unlink(a);
    bool rejected = false;
    JSValue v = a->finish(vm->ctx, a->op, &rejected);
    if (JS_IsException(v)) {
        v = JS_GetException(vm->ctx);
        rejected = true;
    }
    JSValue r = JS_Call(vm->ctx, rejected ? a->reject : a->resolve, JS_UNDEFINED, 1, &v);
    JS_FreeValue(vm->ctx, r);
    JS_FreeValue(vm->ctx, v);
    JS_FreeValue(vm->ctx, a->resolve);
    JS_FreeValue(vm->ctx, a->reject);
    mem_free(a);
}

static void async_abandon(struct js_vm *vm)
{
    struct events *e = &vm->events;
    /* A cancel() that waits lets others come to their end meanwhile. */
    while (e->settled || e->pending) {
        if (e->settled) {
            async_settle(vm); /* a result that nobody will see: finish() frees what it holds */
            continue;
        }
        struct js_async *a = e->pending;
        async_unlink(a);
        JS_FreeValue(vm->ctx, a->resolve);
        JS_FreeValue(vm->ctx, a->reject);
        a->vm = NULL;
        a->cancel(a->op); /* may call js_async_done() at once, which frees it */
    }
}

/* ---- promises that were rejected ------------------------------------------------------------ */

static void on_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason,
                         JS_BOOL is_handled, void *opaque)
{
    struct js_vm *vm = opaque;
    struct events *e = &vm->events;
    if (!is_handled) {
        /* Without memory the rejection passes unseen; the promise itself is right. */
        if (mem_grow(&e->rejected, &e->rejected_cap, e->rejected_len + 2, JS_REJECTED_MAX,
                     sizeof *e->rejected) < 0)
            return;
        e->rejected[e->rejected_len++] = JS_DupValue(ctx, promise);
        e->rejected[e->rejected_len++] = JS_DupValue(ctx, reason);
        return;
    }
    for (size_t i = 0; i < e->rejected_len; i += 2) {
        if (JS_VALUE_GET_PTR(e->rejected[i]) != JS_VALUE_GET_PTR(promise))
            continue;
        JS_FreeValue(ctx, e->rejected[i]);
        JS_FreeValue(ctx, e->rejected[i + 1]);
        e->rejected_len -= 2;
        for (size_t j = i; j < e->rejected_len; j++)
            e->rejected[j] = e->rejected[j + 2];
        return;
    }
}

static void rejections_clear(struct js_vm *vm)
{
    struct events *e = &vm->events;
    while (e->rejected_len > 0)
        JS_FreeValue(vm->ctx, e->rejected[--e->rejected_len]);
}

/* ---- the loop ------------------------------------------------------------------------------- */

void events_init(struct js_vm *vm)
{
    JS_SetHostPromiseRejectionTracker(vm->rt, on_rejection, vm);
}

void events_drop(struct js_vm *vm)
{
    struct events *e = &vm->events;
    while (e->timers_len > 0)
        timer_free(vm->ctx, e->timers[--e->timers_len]);
    async_abandon(vm);
    JS_FreePendingJobs(vm->rt);
    rejections_clear(vm);
}

void events_fini(struct js_vm *vm)
{
    events_drop(vm);
    mem_free(vm->events.timers);
    mem_free(vm->events.rejected);
    vm->events = (struct events){0};
}

/* What the script will not get to run, as k6 says it. */
static void warn_of_timers(struct events *e)
{
    for (size_t i = 0; i < e->timers_len; i++)
        log_warning("%s %u was stopped because the VU iteration was interrupted",
                    e->timers[i]->every_ns >= 0 ? "setInterval" : "setTimeout", e->timers[i]->id);
}

static int fail_with(struct js_vm *vm, JSValue reason, const char *head, struct buf *failure)
{
    bool stopped = vm_stopped(vm);
    if (!stopped) {
        buf_z(failure, head);
        trace_exception(vm, reason, failure);
        warn_of_timers(&vm->events);
    }
    JS_FreeValue(vm->ctx, reason);
    events_drop(vm);
    return stopped ? -ECANCELED : E_SCRIPT;
}

/* Promise jobs, until there are none. */
static int run_jobs(struct js_vm *vm, struct buf *failure)
{
    for (unsigned n = 1;; n++) {
        JSContext *ctx;
        int ran = JS_ExecutePendingJob(vm->rt, &ctx);
        if (ran == 0)
            return 0;
        if (ran < 0)
            return fail_with(vm, JS_GetException(ctx), "", failure);
        if (vm_stopped(vm) || (n % 64 == 0 && co_self() && co_check_slice() < 0))
            return -ECANCELED;
    }
}

static int wait_for_event(struct js_vm *vm)
{
    struct events *e = &vm->events;
    CHECK(co_self() != NULL);
    e->waiting = co_self();
    int64_t due_ns = e->timers_len > 0 ? e->timers[0]->due_ns : CO_FOREVER;
    int rc = co_wait(due_ns);
    e->waiting = NULL;
    if (rc == -ETIMEDOUT)
        loop_note_lag(loop_current(), clock_mono_ns() - due_ns);
    return rc == -ECANCELED || vm_stopped(vm) ? -ECANCELED : 0;
}

static int run_events(struct js_vm *vm, struct buf *failure)
{
    struct events *e = &vm->events;
    for (bool first = true;; first = false) {
        /* Timers that are always due would keep the others from their turn. */
        if (vm_stopped(vm) || (!first && co_self() && co_check_slice() < 0))
            return -ECANCELED;
        int rc = run_jobs(vm, failure);
        if (rc < 0)
            return rc;
        if (e->rejected_len > 0)
            return fail_with(vm, JS_DupValue(vm->ctx, e->rejected[1]), "Uncaught (in promise) ",
                             failure);
        if (e->settled) {
            async_settle(vm);
        } else if (e->timers_len > 0 && e->timers[0]->due_ns <= clock_mono_ns()) {
            if (timer_fire(vm) < 0)
                return fail_with(vm, JS_GetException(vm->ctx), "", failure);
        } else if (e->timers_len > 0 || e->pending) {
            rc = wait_for_event(vm);
            if (rc < 0)
                return rc;
        } else {
            return 0;
        }
    }
}

int events_run(struct js_vm *vm, struct buf *failure)
{
    int rc = run_events(vm, failure);
    if (rc == -ECANCELED)
        events_drop(vm);
    return rc;
}
