#include "rt/co.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "rt/loop_int.h"

#include <errno.h>

enum { SLICE_NS = 10 * 1000 * 1000 };

enum co_state {
    CO_READY,   /* running, or in the ready queue */
    CO_WAITING, /* in co_wait(): co_wake() ends it */
    CO_PARKED,  /* in a wait of rt/ */
    CO_HARD,    /* the same, deaf to co_cancel() */
};

/* A coroutine that waits for another one's end; on the stack of its co_join(). */
struct joiner {
    struct co *co;
    bool ended; /* then the link is no longer in the list */
    struct joiner *next;
};

struct co {
    struct switch_place place; /* while it doesn't run */
    struct loop *loop;
    struct co *next; /* in the ready queue */
    enum co_state state;
    bool started;   /* its stack holds a frame */
    bool woken;     /* a co_wake() that nobody waited for yet */
    bool cancelled; /* until co_cancel_clear() */
    bool timed_out; /* how the last wait ended */
    bool ended;
    int64_t deadline_ns; /* of the wait; valid while waiting */
    /* Never later than deadline_ns while waiting.  It may be earlier, or armed for nothing, as no
     * wait disarms it: when it fires, it looks at deadline_ns again.  So a coroutine whose
     * deadlines lie far away touches the heap once in a deadline's time, however often it waits. */
    struct timer timer;
    int64_t slice_start_ns; /* first co_check_slice() since it was resumed; 0: none yet */
    struct stack stack;
    struct sanitize_stack san;
    co_fn *fn;
    void *arg;
    void *local;
    struct joiner *joiners;
};

struct co *co_self(void)
{
    struct loop *l = loop_running;
    return l == NULL ? NULL : l->running;
}

void co_set_local(struct co *c, void *local)
{
    c->local = local;
}

void *co_local(const struct co *c)
{
    return c->local;
}

struct loop *co_loop(const struct co *c)
{
    return c->loop;
}

struct err *co_err(const struct co *c)
{
    return c->stack.err;
}

/* --- switching --- */

static void enqueue(struct co *c)
{
    struct loop *l = c->loop;
    c->state = CO_READY;
    c->next = NULL;
    if (l->ready_tail == NULL)
        l->ready_head = c;
    else
        l->ready_tail->next = c;
    l->ready_tail = c;
}

/* Back to the loop.  Returns when it is resumed. */
static void suspend(struct co *c)
{
    struct loop *l = c->loop;
    sanitize_leave(&c->san, &l->san, c->ended);
    switch_to(&c->place, &l->place);
    sanitize_arrive(&c->san, &l->san);
}

static void end(struct co *c)
{
    for (struct joiner *j = c->joiners; j != NULL; j = j->next) {
        j->ended = true;
        co_unpark(j->co);
    }
    c->joiners = NULL;
    c->ended = true;
    suspend(c);
    CHECK(!"an ended coroutine was resumed");
}

static void entry(void)
{
    struct loop *l = loop_running;
    struct co *c = l->running;
    sanitize_arrive(&c->san, &l->san);
    c->fn(c->arg);
    end(c);
}

static void release(struct co *c)
{
    struct loop *l = c->loop;
    timer_heap_remove(&l->timers, &c->timer);
    sanitize_stack_fini(&c->san);
    stack_give(&l->stacks, &c->stack);
    l->coroutines--;
    mem_free(c);
}

static void resume(struct loop *l, struct co *c)
{
    if (!c->started) {
        /* Not in co_spawn(): a stack's first page is touched when it is needed. */
        switch_init(&c->place, c->stack.low, c->stack.bytes, entry);
        c->started = true;
    }
    c->slice_start_ns = 0;
    l->running = c;
    struct err *before = err_switch(c->stack.err);
    sanitize_leave(&l->san, &c->san, /* last= */ 0);
    switch_to(&l->place, &c->place);
    sanitize_arrive(&l->san, NULL);
    err_switch(before);
    l->running = NULL;
    if (c->ended)
        release(c);
}

void co_run_ready(struct loop *l)
{
    struct co *c = l->ready_head;
    l->ready_head = l->ready_tail = NULL;
    while (c != NULL) {
        struct co *next = c->next;
        resume(l, c);
        c = next;
    }
}

int co_spawn(struct loop *l, co_fn *fn, void *arg, struct co **ret)
{
    int rc = timer_heap_reserve(&l->timers, l->coroutines + l->timers_of_others + 1);
    if (rc < 0)
        return rc;
    struct co *c = mem_calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    rc = stack_take(&l->stacks, &c->stack);
    if (rc < 0) {
        mem_free(c);
        return rc;
    }
    c->loop = l;
    c->fn = fn;
    c->arg = arg;
    timer_init(&c->timer, co_timer_fired);
    sanitize_stack_init(&c->san, c->stack.low, c->stack.bytes);
    l->coroutines++;
    enqueue(c);
    if (ret != NULL)
        *ret = c;
    return 0;
}

/* --- waiting --- */

void co_timer_fired(struct timer *t)
{
    struct co *c = CONTAINER_OF(t, struct co, timer);
    struct loop *l = c->loop;
    if (c->state == CO_READY || c->deadline_ns == CO_FOREVER)
        return;
    if (c->deadline_ns > l->now_ns) {
        timer_heap_put(&l->timers, t, c->deadline_ns);
        return;
    }
    c->timed_out = true;
    enqueue(c);
}

static int wait_as(struct co *c, enum co_state state, int64_t deadline_ns)
{
    struct loop *l = c->loop;
    if (c->timer.heap_at == 0 ? deadline_ns != CO_FOREVER : c->timer.due_ns > deadline_ns)
        timer_heap_put(&l->timers, &c->timer, deadline_ns);
    c->deadline_ns = deadline_ns;
    c->timed_out = false;
    c->state = state;
    suspend(c);
    if (c->cancelled && state != CO_HARD)
        return -ECANCELED;
    return c->timed_out ? -ETIMEDOUT : 0;
}

static struct co *self(void)
{
    struct co *c = co_self();
    CHECK(c != NULL);
    return c;
}

int co_wait(int64_t deadline_ns)
{
    struct co *c = self();
    if (c->cancelled)
        return -ECANCELED;
    if (!c->woken) {
        if (deadline_ns <= c->loop->now_ns)
            return -ETIMEDOUT;
        return wait_as(c, CO_WAITING, deadline_ns);
    }
    c->woken = false;
    return 0;
}

void co_wake(struct co *c)
{
    if (c->state == CO_WAITING)
        enqueue(c);
    else
        c->woken = true;
}

int co_park(int64_t deadline_ns)
{
    struct co *c = self();
    if (c->cancelled)
        return -ECANCELED;
    if (deadline_ns <= c->loop->now_ns)
        return -ETIMEDOUT;
    return wait_as(c, CO_PARKED, deadline_ns);
}

void co_park_hard(void)
{
    (void)wait_as(self(), CO_HARD, CO_FOREVER);
}

void co_unpark(struct co *c)
{
    if (c->state == CO_PARKED || c->state == CO_HARD)
        enqueue(c);
}

int co_yield (void)
{
    struct co *c = self();
    if (c->cancelled)
        return -ECANCELED;
    enqueue(c);
    suspend(c);
    return c->cancelled ? -ECANCELED : 0;
}

int co_sleep_until(int64_t deadline_ns)
{
    /* A sleep that was over before it began must not keep the others from running. */
    if (deadline_ns <= self()->loop->now_ns)
        return co_yield ();
    int rc = co_park(deadline_ns);
    if (rc != -ETIMEDOUT)
        return rc;
    struct loop *l = co_self()->loop;
    if (l->lag_fn != NULL)
        loop_note_lag(l, clock_mono_ns() - deadline_ns);
    return 0;
}

int co_check_slice(void)
{
    struct co *c = self();
    if (c->cancelled)
        return -ECANCELED;
    int64_t now_ns = clock_mono_ns();
    if (c->slice_start_ns == 0)
        c->slice_start_ns = now_ns;
    return now_ns - c->slice_start_ns < SLICE_NS ? 0 : co_yield ();
}

/* --- cancelling, joining --- */

void co_cancel(struct co *c)
{
    c->cancelled = true;
    if (c->state == CO_WAITING || c->state == CO_PARKED)
        enqueue(c);
}

bool co_cancelled(const struct co *c)
{
    return c->cancelled;
}

void co_cancel_clear(void)
{
    self()->cancelled = false;
}

int co_join(struct co *c, int64_t deadline_ns)
{
    struct joiner j = {.co = self()};
    CHECK(c != j.co && c->loop == j.co->loop);
    j.next = c->joiners;
    c->joiners = &j;
    int rc = co_park(deadline_ns);
    if (j.ended)
        return rc == -ECANCELED ? rc : 0;
    CHECK(rc < 0);
    struct joiner **at = &c->joiners;
    while (*at != &j)
        at = &(*at)->next;
    *at = j.next;
    return rc;
}

/* --- stack --- */

void *co_stack_top(void)
{
    struct co *c = self();
    return (char *)c->stack.low + c->stack.bytes;
}

size_t co_stack_left(void)
{
    struct co *c = self();
    return (size_t)((char *)__builtin_frame_address(0) - (char *)c->stack.low);
}

void co_stack_trim(void)
{
    struct co *c = self();
    /* The red zone of leaf functions, and this call's own frames, lie below. */
    char *sp = (char *)__builtin_frame_address(0) - 1024;
    stack_trim(&c->loop->stacks, &c->stack, sp);
}
