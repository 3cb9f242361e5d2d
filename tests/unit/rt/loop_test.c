#include "rt_test.h"

#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- timers --- */

enum { TIMERS = 300 };

struct alarm {
    struct timer timer;
    struct alarms *all;
    int64_t due_ns;
};

struct alarms {
    struct alarm a[TIMERS];
    int64_t last_ns;
    int fired;
    int64_t restarts;
};

static void fires(struct timer *t)
{
    struct alarm *a = CONTAINER_OF(t, struct alarm, timer);
    assert_true(loop_now_ns(loop_current()) >= a->due_ns);
    assert_true(a->due_ns >= a->all->last_ns); /* soonest first */
    a->all->last_ns = a->due_ns;
    a->all->fired++;
}

static void many_timers(void *arg)
{
    struct alarms *all = arg;
    struct loop *l = loop_current();
    int64_t start_ns = clock_mono_ns();
    unsigned seed = 7;
    for (int i = 0; i < TIMERS; i++) {
        struct alarm *a = &all->a[i];
        a->all = all;
        timer_init(&a->timer, fires);
        timer_stop(l, &a->timer);
        assert_int_equal(timer_start(l, &a->timer, start_ns + 5 * NS_PER_MS), 0);
        seed = seed * 1103515245 + 12345;
        a->due_ns = start_ns + (int64_t)(seed >> 8) % (10 * NS_PER_MS);
        assert_int_equal(timer_start(l, &a->timer, a->due_ns), 0); /* earlier or later */
    }
    for (int i = 0; i < TIMERS; i += 3)
        timer_stop(l, &all->a[i].timer);
    while (all->fired < TIMERS - TIMERS / 3)
        assert_int_equal(co_sleep_until(in_ms(1)), 0);
    assert_int_equal(co_sleep_until(in_ms(15)), 0);
    for (int i = 0; i < TIMERS; i++)
        assert_int_equal(all->a[i].timer.heap_at, 0);
    assert_int_equal(all->fired, TIMERS - TIMERS / 3);
}

static void test_timers(void **state)
{
    (void)state;
    struct alarms *all = mem_calloc(1, sizeof *all);
    assert_non_null(all);
    run_co(many_timers, all);
    mem_free(all);
}

static void starts_again(struct timer *t)
{
    struct alarm *a = CONTAINER_OF(t, struct alarm, timer);
    a->all->restarts++;
    assert_int_equal(timer_start(loop_current(), t, 0), 0);
}

static void one_that_never_rests(void *arg)
{
    struct alarms *all = arg;
    struct alarm *a = &all->a[0];
    a->all = all;
    timer_init(&a->timer, starts_again);
    assert_int_equal(timer_start(loop_current(), &a->timer, 0), 0);
    while (all->restarts < 10)
        assert_int_equal(co_yield (), 0);
    timer_stop(loop_current(), &a->timer);
    assert_int_equal(co_sleep_until(in_ms(1)), 0);
}

static void test_timer_that_starts_itself_does_not_starve(void **state)
{
    (void)state;
    struct alarms *all = mem_calloc(1, sizeof *all);
    assert_non_null(all);
    run_co(one_that_never_rests, all);
    mem_free(all);
}

/* --- mail between two loops --- */

enum { LETTERS = 20000 };

struct letter {
    struct mail mail;
    struct desk *to;
    int number;
};

struct desk {
    struct loop *loop;
    struct desk *other;
    struct co *main;
    int received;
    bool done;
};

static void read_letter(struct mail *m)
{
    struct letter *letter = CONTAINER_OF(m, struct letter, mail);
    struct desk *d = letter->to;
    assert_ptr_equal(loop_current(), d->loop);
    assert_int_equal(letter->number, d->received); /* in the sender's order */
    d->received++;
    mem_free(letter);
    if (d->received == LETTERS) {
        d->done = true;
        co_wake(d->main);
    }
}

static void write_letters(void *arg)
{
    struct desk *d = arg;
    d->main = co_self();
    for (int i = 0; i < LETTERS; i++) {
        struct letter *letter = mem_calloc(1, sizeof *letter);
        assert_non_null(letter);
        letter->mail.fn = read_letter;
        letter->to = d->other;
        letter->number = i;
        mail_send(d->other->loop, &letter->mail);
        if (i % 100 == 0)
            assert_int_equal(co_yield (), 0);
    }
    while (!d->done)
        assert_int_equal(co_wait(in_ms(20000)), 0);
}

static void *run_desk(void *arg)
{
    struct desk *d = arg;
    loop_run(d->loop);
    return NULL;
}

static void test_mail_between_two_loops(void **state)
{
    (void)state;
    struct desk a = {.loop = new_loop()}, b = {.loop = new_loop()};
    a.other = &b;
    b.other = &a;
    a.main = spawn(a.loop, write_letters, &a);
    b.main = spawn(b.loop, write_letters, &b);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_desk, &b), 0);
    loop_run(a.loop);
    pthread_join(thread, NULL);
    assert_int_equal(a.received, LETTERS);
    assert_int_equal(b.received, LETTERS);
    loop_free(a.loop);
    loop_free(b.loop);
}

static int opened;

static void open_letter(struct mail *m)
{
    mem_free(CONTAINER_OF(m, struct letter, mail));
    opened++;
}

static void test_mail_left_in_the_box_is_handled(void **state)
{
    (void)state;
    struct loop *l = new_loop();
    opened = 0;
    for (int i = 0; i < 3; i++) {
        struct letter *letter = mem_calloc(1, sizeof *letter);
        assert_non_null(letter);
        letter->mail.fn = open_letter;
        mail_send(l, &letter->mail);
    }
    loop_free(l);
    assert_int_equal(opened, 3);
}

/* --- stop, signals --- */

static void stops(void *arg)
{
    int *n = arg;
    (*n)++;
    loop_stop(loop_current());
    assert_int_equal(co_yield (), 0);
    (*n)++;
}

static void test_stop_and_run_again(void **state)
{
    (void)state;
    struct loop *l = new_loop();
    int n = 0;
    spawn(l, stops, &n);
    loop_run(l);
    assert_int_equal(n, 1);
    assert_int_equal(loop_coroutines(l), 1);
    loop_run(l);
    assert_int_equal(n, 2);
    loop_free(l);
}

struct caught {
    struct co *co;
    int signum;
};

static void on_signal(void *arg, int signum)
{
    struct caught *c = arg;
    c->signum = signum;
    co_wake(c->co);
}

static void waits_for_signals(void *arg)
{
    struct caught *c = arg;
    c->co = co_self();
    assert_int_equal(loop_on_signal(loop_current(), SIGUSR1, on_signal, c), 0);
    assert_int_equal(loop_on_signal(loop_current(), SIGWINCH, on_signal, c), 0);
    static const int signals[] = {SIGUSR1, SIGWINCH, SIGUSR1};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        assert_int_equal(co_sleep_until(in_ms(1)), 0); /* it sleeps as well as it spins */
        kill(getpid(), signals[i]);
        assert_int_equal(co_wait(in_ms(5000)), 0);
        assert_int_equal(c->signum, signals[i]);
    }
    assert_true(loop_on_signal(loop_current(), 9999, on_signal, c) < 0);
}

static void test_signals(void **state)
{
    (void)state;
    struct caught c = {0};
    run_co(waits_for_signals, &c);
}

/* --- a waiting loop costs nothing --- */

static void rests(void *arg)
{
    (void)arg;
    struct timespec before, after;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    assert_int_equal(co_sleep_until(in_ms(200)), 0);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    int64_t cpu_ns = (after.tv_sec - before.tv_sec) * NS_PER_S + after.tv_nsec - before.tv_nsec;
    assert_true(cpu_ns < 20 * NS_PER_MS);
}

static void test_idle_loop_does_not_spin(void **state)
{
    (void)state;
    run_co(rests, NULL);
}

static void test_new_without_memory(void **state)
{
    (void)state;
    struct loop *l = NULL;
    mem_fail_countdown = 0;
    assert_int_equal(loop_new(&l), -ENOMEM);
    mem_fail_countdown = -1;
    assert_null(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_timer_that_starts_itself_does_not_starve),
        cmocka_unit_test(test_mail_between_two_loops),
        cmocka_unit_test(test_mail_left_in_the_box_is_handled),
        cmocka_unit_test(test_stop_and_run_again),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_idle_loop_does_not_spin),
        cmocka_unit_test(test_new_without_memory),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
