#include "rt_test.h"

#include "base/err.h"
#include "rt/offload.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

struct task {
    pthread_t thread; /* that ran it */
    atomic_bool may_end;
    int result;
    struct co *co;
};

static int fails_elsewhere(void *arg)
{
    struct task *t = arg;
    t->thread = pthread_self();
    return err_set(-ENOENT, "in the pool");
}

static void offloads(void *arg)
{
    struct task *t = arg;
    err_set(-EIO, "before");
    t->result = offload_run(fails_elsewhere, t);
    assert_int_equal(t->result, -ENOENT);
    assert_string_equal(err_message(), "in the pool");
    assert_false(pthread_equal(t->thread, pthread_self()));
}

static void test_error_moves_back(void **state)
{
    (void)state;
    struct task t = {0};
    run_co(offloads, &t);
    assert_string_equal(err_message(), "no error");
}

enum { JOBS = 100 };

static int counts(void *arg)
{
    atomic_int *n = arg;
    return atomic_fetch_add(n, 1) >= 0 ? 7 : -1;
}

static void offloads_one(void *arg)
{
    assert_int_equal(offload_run(counts, arg), 7);
}

static void test_many_at_once(void **state)
{
    (void)state;
    struct loop *l = new_loop();
    atomic_int n = 0;
    for (int i = 0; i < JOBS; i++)
        spawn(l, offloads_one, &n);
    loop_run(l);
    assert_int_equal(atomic_load(&n), JOBS);
    loop_free(l);
}

static int waits_to_be_let_go(void *arg)
{
    struct task *t = arg;
    int64_t give_up_ns = in_ms(5000);
    while (!atomic_load(&t->may_end) && clock_mono_ns() < give_up_ns)
        ;
    return atomic_load(&t->may_end) ? 0 : -ETIMEDOUT;
}

static void is_cancelled_meanwhile(void *arg)
{
    struct task *t = arg;
    t->result = offload_run(waits_to_be_let_go, t);
    assert_int_equal(co_wait(CO_FOREVER), -ECANCELED);
}

static void cancels(void *arg)
{
    struct task *t = arg;
    t->co = spawn(loop_current(), is_cancelled_meanwhile, t);
    assert_int_equal(co_yield (), 0);
    co_cancel(t->co);
    assert_int_equal(co_join(t->co, in_ms(5)), -ETIMEDOUT); /* the job still runs */
    assert_int_equal(t->result, 1);
    atomic_store(&t->may_end, true);
    assert_int_equal(co_join(t->co, in_ms(5000)), 0);
    assert_int_equal(t->result, 0);
}

static void test_cancel_waits_for_the_job(void **state)
{
    (void)state;
    struct task t = {.result = 1};
    run_co(cancels, &t);
}

static void test_outside_coroutines(void **state)
{
    (void)state;
    struct task t = {0};
    assert_int_equal(offload_run(fails_elsewhere, &t), -ENOENT);
    assert_string_equal(err_message(), "in the pool");
    assert_true(pthread_equal(t.thread, pthread_self()));
    err_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_moves_back),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_cancel_waits_for_the_job),
        cmocka_unit_test(test_outside_coroutines),
    };
    return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
