#include "js/rate.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_distances(void **state)
{
    (void)state;
    struct rate r;
    rate_init(&r, 4);
    assert_int_equal(rate_take(&r, 1000), 1000);
    assert_int_equal(rate_take(&r, 1000), 1000 + NS_PER_S / 4);
    assert_int_equal(rate_take(&r, 2000), 1000 + NS_PER_S / 2);
    /* A pause is not made up for. */
    assert_int_equal(rate_take(&r, 10 * NS_PER_S), 10 * NS_PER_S);
    assert_int_equal(rate_take(&r, 10 * NS_PER_S), 10 * NS_PER_S + NS_PER_S / 4);
    rate_give_back(&r);
    assert_int_equal(rate_take(&r, 10 * NS_PER_S), 10 * NS_PER_S + NS_PER_S / 4);
}

enum { THREADS = 4, TAKES = 10000 };

static void *take(void *arg)
{
    int64_t last = -1;
    for (int i = 0; i < TAKES; i++) {
        int64_t due = rate_take(arg, 0);
        if (due <= last)
            return arg;
        last = due;
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct rate r;
    rate_init(&r, 1000);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take, &r), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(rate_take(&r, 0), (int64_t)THREADS * TAKES * NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distances),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
