#include "rt_test.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- order --- */

struct trace {
    char text[64];
    size_t len;
};

struct walker {
    struct trace *trace;
    char name;
    int steps;
};

static void walk(void *arg)
{
    struct walker *w = arg;
    for (int i = 0; i < w->steps; i++) {
        w->trace->text[w->trace->len++] = w->name;
        assert_int_equal(co_yield (), 0);
    }
}

static void test_runs_in_turn(void **state)
{
    (void)state;
    struct trace t = {0};
    struct loop *l = new_loop();
    struct walker a = {&t, 'a', 3}, b = {&t, 'b', 1}, c = {&t, 'c', 2};
    spawn(l, walk, &a);
    spawn(l, walk, &b);
    spawn(l, walk, &c);
    loop_run(l);
    assert_string_equal(t.text, "abcaca");
    assert_null(co_self());
    assert_null(loop_current());
    loop_free(l);
}

/* --- waiting and waking --- */

struct pair {
    struct co *first, *second;
    int result;
    int64_t ended_ns;
};

static void waits(void *arg)
{
    struct pair *p = arg;
    p->result = co_wait(in_ms(5000));
}

static void wakes(void *arg)
{
    struct pair *p = arg;
    co_wake(p->first);
}

static void test_wake_ends_a_wait(void **state)
{
    (void)state;
    struct loop *l = new_loop();
    struct pair p = {.result = 1};
    p.first = spawn(l, waits, &p);
    spawn(l, wakes, &p);
    loop_run(l);
    assert_int_equal(p.result, 0);
    loop_free(l);
}

static void remembers(void *arg)
{
    (void)arg;
    co_wake(co_self());
    co_wake(co_self());
    assert_int_equal(co_sleep_until(in_ms(2)), 0); /* isn't shortened by them … */
    assert_int_equal(co_wait(in_ms(5000)), 0);     /* … which are remembered as one */
    assert_int_equal(co_wait(in_ms(2)), -ETIMEDOUT);
    assert_int_equal(co_wait(0), -ETIMEDOUT);
}

static void test_wake_before_wait_is_remembered_once(void **state)
{
    (void)state;
    run_co(remembers, NULL);
}

static void sleeps(void *arg)
{
    struct pair *p = arg;
    int64_t until_ns = in_ms(20);
    assert_int_equal(co_sleep_until(until_ns), 0);
    p->ended_ns = clock_mono_ns() - until_ns;
}

static void test_sleep_is_never_short_and_hardly_long(void **state)
{
    (void)state;
    struct pair p = {.ended_ns = -1};
    run_co(sleeps, &p);
    assert_true(p.ended_ns >= 0);
    assert_true(p.ended_ns < 500 * NS_PER_MS); /* a busy machine; 0.1 ms as a rule */
}

static void sleep_in_the_past(void *arg)
{
    int *turns = arg;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(co_sleep_until(0), 0);
        (*turns)++;
    }
}

static void sees_turns(void *arg)
{
    int *turns = arg;
    assert_int_equal(co_yield (), 0);
    assert_true(*turns < 3); /* it had its turn in between */
}

static void test_sleep_in_the_past_yields(void **state)
{
    (void)state;
    struct loop *l = new_loop();
    int turns = 0;
    spawn(l, sleep_in_the_past, &turns);
    spawn(l, sees_turns, &turns);
    loop_run(l);
    assert_int_equal(turns, 3);
    loop_free(l);
}

/* A long deadline, then a short one, then a long one again: the timer left in the heap must neither
 * end a wait too early nor miss it. */
static void mixed_deadlines(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        co_wake(co_self());
        assert_int_equal(co_wait(in_ms(60000)), 0);
        int64_t until_ns = in_ms(1);
        assert_int_equal(co_wait(until_ns), -ETIMEDOUT);
        assert_true(clock_mono_ns() >= until_ns);
        until_ns = in_ms(3);
        assert_int_equal(co_sleep_until(until_ns), 0);
        assert_true(clock_mono_ns() >= until_ns);
    }
}

static void test_deadlines_of_all_lengths(void **state)
{
    (void)state;
    run_co(mixed_deadlines, NULL);
}

/* --- cancelling --- */

static int cleanups;

static void count_cleanup(char **p)
{
    mem_free(*p);
    cleanups++;
}

enum { WAITERS = 200 };

struct crowd {
    struct co *co[WAITERS];
    int results[WAITERS];
    int next;
};

static void waits_for_ever(void *arg)
{
    struct crowd *crowd = arg;
    int me = crowd->next++;
    CLEANUP(count_cleanup) char *buf = mem_strdup("held");
    assert_non_null(buf);
    /* Every kind of wait, by turns. */
    switch (me % 4) {
    case 0:
        crowd->results[me] = co_wait(CO_FOREVER);
        break;
    case 1:
        crowd->results[me] = co_sleep_until(in_ms(60000));
        break;
    case 2:
        crowd->results[me] = co_join(crowd->co[0], in_ms(60000));
        break;
    case 3:
        do
            crowd->results[me] = co_yield ();
        while (crowd->results[me] == 0);
        break;
    }
    assert_int_equal(co_wait(CO_FOREVER), -ECANCELED); /* and every later one */
    assert_int_equal(co_yield (), -ECANCELED);
    assert_int_equal(co_sleep_until(0), -ECANCELED);
    assert_int_equal(co_check_slice(), -ECANCELED);
    assert_true(co_cancelled(co_self()));
    co_cancel_clear();
    assert_int_equal(co_yield (), 0);
}

static void cancels_all(void *arg)
{
    struct crowd *crowd = arg;
    assert_int_equal(co_yield (), 0);
    for (int i = WAITERS; i-- > 0;) {
        co_cancel(crowd->co[i]);
        co_cancel(crowd->co[i]);
    }
}

static void test_cancelled_stacks_unwind(void **state)
{
    (void)state;
    struct loop *l = new_loop();
    struct crowd crowd = {0};
    cleanups = 0;
    for (int i = 0; i < WAITERS; i++)
        crowd.co[i] = spawn(l, waits_for_ever, &crowd);
    spawn(l, cancels_all, &crowd);
    loop_run(l);
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(crowd.results[i], -ECANCELED);
    assert_int_equal(cleanups, WAITERS);
    loop_free(l);
}

static void never_runs_its_wait(void *arg)
{
    int *result = arg;
    *result = co_wait(CO_FOREVER);
}

static void test_cancel_before_the_first_run(void **state)
{
    (void)state;
    struct loop *l = new_loop();
    int result = 1;
    co_cancel(spawn(l, never_runs_its_wait, &result));
    loop_run(l);
    assert_int_equal(result, -ECANCELED);
    loop_free(l);
}

/* --- joining --- */

static void joins(void *arg)
{
    struct pair *p = arg;
    assert_int_equal(co_join(p->first, in_ms(2)), -ETIMEDOUT);
    p->result = co_join(p->first, in_ms(5000));
}

static void test_join(void **state)
{
    (void)state;
    struct loop *l = new_loop();
    struct pair p = {.result = 1, .ended_ns = -1};
    p.first = spawn(l, sleeps, &p);
    spawn(l, joins, &p);
    loop_run(l);
    assert_int_equal(p.result, 0);
    assert_true(p.ended_ns >= 0);
    loop_free(l);
}

/* --- what belongs to a coroutine --- */

static void keeps_its_error(void *arg)
{
    int *n = arg;
    char text[32];
    snprintf(text, sizeof text, "mine is %d", (*n)++);
    assert_string_equal(err_message(), "no error");
    err_set(-EINVAL, "%s", text);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(co_yield (), 0);
        assert_string_equal(err_message(), text);
    }
}

static void test_error_slots(void **state)
{
    (void)state;
    struct loop *l = new_loop();
    int n = 0;
    err_set(-EIO, "the thread's own");
    /* Twice: used stacks come with a clean slot. */
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5; i++)
            spawn(l, keeps_its_error, &n);
        loop_run(l);
        assert_string_equal(err_message(), "the thread's own");
    }
    err_clear();
    loop_free(l);
}

static void keeps_its_local(void *arg)
{
    int mine;
    assert_null(co_local(co_self()));
    co_set_local(co_self(), &mine);
    assert_int_equal(co_yield (), 0);
    assert_ptr_equal(co_local(co_self()), &mine);
    (void)arg;
}

static void test_local(void **state)
{
    (void)state;
    struct loop *l = new_loop();
    spawn(l, keeps_its_local, NULL);
    spawn(l, keeps_its_local, NULL);
    loop_run(l);
    loop_free(l);
}

static void computes(void *arg)
{
    const int *modes = arg;
    assert_int_equal(fegetround(), FE_TONEAREST);
    /* Values in callee-saved and vector registers over a switch. */
    volatile double seed = *modes;
    double a = seed + 0.5, b = a * 3, c = sqrt(b);
    fesetround(*modes);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(co_yield (), 0);
        assert_int_equal(fegetround(), *modes);
    }
    fesetround(FE_TONEAREST);
    assert_true(b == a * 3 && fabs(c * c - b) < 1e-9 && a == seed + 0.5);
}

static void test_floating_point_state(void **state)
{
    (void)state;
    struct loop *l = new_loop();
    int up = FE_UPWARD, down = FE_DOWNWARD, nearest = FE_TONEAREST;
    spawn(l, computes, &up);
    spawn(l, computes, &down);
    spawn(l, computes, &nearest);
    loop_run(l);
    assert_int_equal(fegetround(), FE_TONEAREST);
    loop_free(l);
}

/* --- stacks --- */

__attribute__((noinline)) static size_t dig(int depth)
{
    volatile char pad[1024];
    pad[0] = (char)depth;
    __asm__ volatile("" : : "r"(pad) : "memory"); /* all of it is there, also in clang's eyes */
    size_t left = depth == 0 ? co_stack_left() : dig(depth - 1);
    return pad[0] == (char)depth ? left : 0;
}

static void measures_stack(void *arg)
{
    (void)arg;
    char here;
    assert_true((char *)co_stack_top() > &here);
    size_t left = co_stack_left();
    assert_true(left < CO_STACK_BYTES && left > CO_STACK_BYTES - 32 * 1024);
    assert_true((size_t)((char *)co_stack_top() - &here) + left < CO_STACK_BYTES);
    size_t deep = dig(100);
    assert_true(deep < left - 100 * 1024);
    co_stack_trim();
    assert_true(dig(100) == deep);
    char keep[64];
    memset(keep, 'k', sizeof keep);
    co_stack_trim();
    for (size_t i = 0; i < sizeof keep; i++)
        assert_int_equal(keep[i], 'k');
}

static void test_stack_extent(void **state)
{
    (void)state;
    run_co(measures_stack, NULL);
}

static void parks(void *arg)
{
    int *parked = arg;
    (*parked)++;
    assert_int_equal(co_wait(CO_FOREVER), 0);
    (*parked)--;
}

enum { MANY = SANITIZED ? 1000 : 10000 }; /* ThreadSanitizer counts each as a thread */

static long resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    long size = 0, resident = 0;
    assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2);
    fclose(f);
    return resident * sysconf(_SC_PAGESIZE);
}

struct field {
    struct co *co[MANY];
    int parked;
    long bytes_each;
};

static void wakes_the_field(void *arg)
{
    struct field *f = arg;
    while (f->parked < MANY)
        assert_int_equal(co_yield (), 0);
    f->bytes_each = resident_bytes();
    for (int i = 0; i < MANY; i++)
        co_wake(f->co[i]);
}

static void test_ten_thousand(void **state)
{
    (void)state;
    struct loop *l = new_loop();
    struct field *f = mem_calloc(1, sizeof *f);
    assert_non_null(f);
    for (int round = 0; round < 2; round++) {
        long before = resident_bytes();
        for (int i = 0; i < MANY; i++)
            f->co[i] = spawn(l, parks, &f->parked);
        spawn(l, wakes_the_field, f);
        loop_run(l);
        assert_int_equal(f->parked, 0);
        long each = (f->bytes_each - before) / MANY;
        print_message("a parked coroutine costs %ld bytes (round %d)\n", each, round);
        if (!SANITIZED && getenv("RUNNING_ON_VALGRIND") == NULL)
            assert_true(each < 2 * 4096 + 512);
    }
    mem_free(f);
    loop_free(l);
}

static void counts(void *arg)
{
    int *n = arg;
    (*n)++;
}

static void test_spawn_without_memory(void **state)
{
    (void)state;
    struct loop *l = new_loop();
    int ran = 0, failures = 0;
    for (;; failures++) {
        mem_fail_countdown = failures;
        int rc = co_spawn(l, counts, &ran, NULL);
        mem_fail_countdown = -1;
        if (rc == 0)
            break;
        assert_int_equal(rc, -ENOMEM);
        assert_int_equal(loop_coroutines(l), 0);
    }
    assert_true(failures >= 3); /* timers, coroutine, stacks */
    loop_run(l);
    assert_int_equal(ran, 1);
    loop_free(l);
}

/* --- slices --- */

static void spins(void *arg)
{
    bool *other_ran = arg;
    int64_t give_up_ns = in_ms(10000);
    while (!*other_ran && clock_mono_ns() < give_up_ns)
        assert_int_equal(co_check_slice(), 0);
    assert_true(*other_ran);
}

static void says_so(void *arg)
{
    bool *other_ran = arg;
    *other_ran = true;
}

static void test_slices(void **state)
{
    (void)state;
    struct loop *l = new_loop();
    bool other_ran = false;
    spawn(l, spins, &other_ran);
    spawn(l, says_so, &other_ran);
    loop_run(l);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_in_turn),
        cmocka_unit_test(test_wake_ends_a_wait),
        cmocka_unit_test(test_wake_before_wait_is_remembered_once),
        cmocka_unit_test(test_sleep_is_never_short_and_hardly_long),
        cmocka_unit_test(test_sleep_in_the_past_yields),
        cmocka_unit_test(test_deadlines_of_all_lengths),
        cmocka_unit_test(test_cancelled_stacks_unwind),
        cmocka_unit_test(test_cancel_before_the_first_run),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_error_slots),
        cmocka_unit_test(test_local),
        cmocka_unit_test(test_floating_point_state),
        cmocka_unit_test(test_stack_extent),
        cmocka_unit_test(test_ten_thousand),
        cmocka_unit_test(test_spawn_without_memory),
        cmocka_unit_test(test_slices),
    };
    return cmocka_run_group_tests_name("co", tests, NULL, NULL);
}
