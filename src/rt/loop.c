#include "rt/loop.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "rt/loop_int.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct loop_signal {
    uv_signal_t handle; /* data: this */
    loop_signal_fn *fn;
    void *arg;
    struct loop_signal *next;
};

_Thread_local struct loop *loop_running;

struct loop *loop_current(void)
{
    return loop_running;
}

/* --- life --- */

static void set_pool_size(void)
{
    char n[16];
    snprintf(n, sizeof n, "%d", RT_OFFLOAD_THREADS);
    (void)setenv("UV_THREADPOOL_SIZE", n, /* overwrite= */ 0);
}

static int watch(struct loop *l, int fd, uint32_t events, void *tag)
{
    struct epoll_event ev = {.events = events, .data.ptr = tag};
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

/* The addresses of the loop's own fields tell its descriptors from those of io. */
static int open_descriptors(struct loop *l)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->epoll_fd < 0 || l->timer_fd < 0 || l->wake_fd < 0)
        return -errno;
    /* Edges: neither needs to be read, arming the one and writing to the other makes a new edge. */
    int rc = watch(l, l->timer_fd, EPOLLIN | EPOLLET, &l->timer_fd);
    if (rc == 0)
        rc = watch(l, l->wake_fd, EPOLLIN | EPOLLET, &l->wake_fd);
    if (rc == 0)
        rc = watch(l, uv_backend_fd(&l->uv), EPOLLIN, &l->uv);
    return rc;
}

static void close_descriptor(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void no_op(uv_async_t *handle)
{
    (void)handle;
}

/* uv_run() doesn't look at its descriptors when it has nothing active, and then what is left in one
 * of them would wake this loop again and again: so there is always something active. */
static int open_uv(struct loop *l)
{
    int rc = uv_loop_init(&l->uv);
    if (rc < 0)
        return rc;
    rc = uv_async_init(&l->uv, &l->uv_active, no_op);
    if (rc < 0)
        (void)uv_loop_close(&l->uv);
    return rc;
}

static void close_uv(struct loop *l)
{
    uv_close((uv_handle_t *)&l->uv_active, NULL);
    for (struct loop_signal *s = l->signals; s != NULL; s = s->next)
        uv_close((uv_handle_t *)&s->handle, NULL);
    while (uv_run(&l->uv, UV_RUN_NOWAIT) != 0)
        ;
    int rc = uv_loop_close(&l->uv);
    CHECK(rc == 0);
    while (l->signals != NULL) {
        struct loop_signal *s = l->signals;
        l->signals = s->next;
        mem_free(s);
    }
}

int loop_new(struct loop **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_pool_size);

    struct loop *l = mem_calloc(1, sizeof *l);
    if (l == NULL)
        return err_set(-ENOMEM, "event loop");
    l->timer_fd_ns = INT64_MAX;
    l->epoll_fd = l->timer_fd = l->wake_fd = -1;
    stack_pool_init(&l->stacks, RT_COROUTINES_MAX);
    int rc = open_uv(l);
    if (rc < 0) {
        mem_free(l);
        return err_set_errno(rc, "event loop");
    }
    rc = open_descriptors(l);
    if (rc < 0) {
        loop_free(l);
        return err_set_errno(rc, "event loop");
    }
    loop_update_now(l);
    *ret = l;
    return 0;
}

static void deliver_mail(struct loop *l)
{
    if (atomic_load_explicit(&l->mail, memory_order_relaxed) == NULL)
        return;
    struct mail *m = atomic_exchange_explicit(&l->mail, NULL, memory_order_acquire);
    struct mail *oldest = NULL;
    while (m != NULL) {
        struct mail *next = m->next;
        m->next = oldest;
        oldest = m;
        m = next;
    }
    while (oldest != NULL) {
        struct mail *next = oldest->next;
        oldest->fn(oldest);
        oldest = next;
    }
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    deliver_mail(l);
    CHECK(l->coroutines == 0);
    close_uv(l);
    close_descriptor(l->epoll_fd);
    close_descriptor(l->timer_fd);
    close_descriptor(l->wake_fd);
    stack_pool_fini(&l->stacks);
    timer_heap_fini(&l->timers);
    mem_free(l);
}

/* --- time --- */

int64_t loop_now_ns(const struct loop *l)
{
    return l->now_ns;
}

int64_t loop_update_now(struct loop *l)
{
    l->now_ns = clock_mono_ns();
    return l->now_ns;
}

int64_t loop_wall_offset_ns(struct loop *l)
{
    enum { FRESH_NS = 100 * 1000 * 1000 };
    if (l->wall_checked_ns == 0 || l->now_ns - l->wall_checked_ns > FRESH_NS) {
        l->wall_checked_ns = clock_mono_ns();
        l->wall_offset_ns = clock_wall_ns() - l->wall_checked_ns;
    }
    return l->wall_offset_ns;
}

void loop_on_lag(struct loop *l, loop_lag_fn *fn, void *arg)
{
    l->lag_fn = fn;
    l->lag_arg = arg;
}

void loop_note_lag(struct loop *l, int64_t lag_ns)
{
    if (l->lag_fn != NULL)
        l->lag_fn(l->lag_arg, MAX(lag_ns, (int64_t)0));
}

void timer_init(struct timer *t, timer_fn *fn)
{
    *t = (struct timer){.fn = fn};
}

int timer_start(struct loop *l, struct timer *t, int64_t due_ns)
{
    if (t->heap_at == 0) {
        int rc = timer_heap_reserve(&l->timers, l->coroutines + l->timers_of_others + 1);
        if (rc < 0)
            return rc;
        l->timers_of_others++;
    }
    timer_heap_put(&l->timers, t, due_ns);
    return 0;
}

void timer_stop(struct loop *l, struct timer *t)
{
    if (t->heap_at == 0)
        return;
    timer_heap_remove(&l->timers, t);
    l->timers_of_others--;
}

static void run_timers(struct loop *l)
{
    /* A timer that starts itself again at once waits for the next turn. */
    for (size_t n = l->timers.len; n > 0; n--) {
        struct timer *t = timer_heap_pop_due(&l->timers, l->now_ns);
        if (t == NULL)
            break;
        if (t->fn != co_timer_fired)
            l->timers_of_others--;
        t->fn(t);
    }
}

/* Only ever armed for earlier: a wake-up too many is cheaper than a system call a wait. */
static void arm_timer_fd(struct loop *l)
{
    int64_t due_ns = timer_heap_next_ns(&l->timers);
    if (due_ns >= l->timer_fd_ns)
        return;
    struct itimerspec at = {
        .it_value = {.tv_sec = due_ns / NS_PER_S, .tv_nsec = due_ns % NS_PER_S}};
    int rc = timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
    CHECK(rc == 0);
    l->timer_fd_ns = due_ns;
}

/* --- signals, libuv --- */

static void on_signal(uv_signal_t *handle, int signum)
{
    struct loop_signal *s = handle->data;
    s->fn(s->arg, signum);
}

int loop_on_signal(struct loop *l, int signum, loop_signal_fn *fn, void *arg)
{
    struct loop_signal *s = mem_calloc(1, sizeof *s);
    if (s == NULL)
        return err_set(-ENOMEM, "signal %d", signum);
    s->fn = fn;
    s->arg = arg;
    s->handle.data = s;
    int rc = uv_signal_init(&l->uv, &s->handle);
    if (rc < 0) {
        mem_free(s);
        return err_set_errno(rc, "signal %d", signum);
    }
    s->next = l->signals; /* from here on close_uv() frees it */
    l->signals = s;
    rc = uv_signal_start(&s->handle, on_signal, signum);
    loop_touch_uv(l);
    return rc < 0 ? err_set_errno(rc, "signal %d", signum) : 0;
}

struct uv_loop_s *loop_uv(struct loop *l)
{
    return &l->uv;
}

void loop_touch_uv(struct loop *l)
{
    l->uv_touched = true;
}

static void run_uv(struct loop *l)
{
    l->uv_touched = false;
    (void)uv_run(&l->uv, UV_RUN_NOWAIT);
    /* Handles that are being closed want another round. */
    if (uv_backend_timeout(&l->uv) == 0)
        l->uv_touched = true;
}

/* --- mail --- */

void loop_wake(struct loop *l)
{
    uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof one);
    (void)n; /* EAGAIN after 2^64 of them */
}

void mail_send(struct loop *to, struct mail *m)
{
    struct mail *newest = atomic_load_explicit(&to->mail, memory_order_relaxed);
    do
        m->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&to->mail, &newest, m, memory_order_release,
                                                  memory_order_relaxed));
    if (newest == NULL)
        loop_wake(to);
}

/* --- turns --- */

static bool may_sleep(struct loop *l)
{
    return l->ready_head == NULL && l->coroutines > 0 && !l->stop && !l->uv_touched &&
           timer_heap_next_ns(&l->timers) > l->now_ns &&
           atomic_load_explicit(&l->mail, memory_order_relaxed) == NULL;
}

/* Only marks and wakes: no coroutine and no callback of others runs before all events are seen, so
 * that none of them is about an io that was closed meanwhile. */
static void poll_events(struct loop *l)
{
    struct epoll_event events[RT_EVENTS_PER_TURN];
    int timeout_ms = 0;
    if (may_sleep(l)) {
        arm_timer_fd(l);
        timeout_ms = -1;
    }
    int n = epoll_wait(l->epoll_fd, events, ARRAY_LEN(events), timeout_ms);
    loop_update_now(l);
    for (int i = 0; i < n; i++) {
        void *tag = events[i].data.ptr;
        if (tag == &l->timer_fd)
            l->timer_fd_ns = INT64_MAX;
        else if (tag == &l->uv)
            l->uv_touched = true;
        else if (tag != &l->wake_fd)
            io_dispatch(tag, events[i].events);
    }
}

void loop_run(struct loop *l)
{
    struct loop *outer = loop_running;
    CHECK(outer != l);
    loop_running = l;
    sanitize_thread_stack(&l->san);
    loop_update_now(l);
    while (!l->stop && l->coroutines > 0) {
        co_run_ready(l);
        poll_events(l);
        if (l->uv_touched)
            run_uv(l);
        deliver_mail(l);
        run_timers(l);
    }
    l->stop = false;
    loop_running = outer;
}

void loop_stop(struct loop *l)
{
    l->stop = true;
}

size_t loop_coroutines(const struct loop *l)
{
    return l->coroutines;
}
