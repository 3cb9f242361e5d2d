#include "server/brake.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_window(void **state)
{
    (void)state;
    struct brake b;
    int64_t now = 1000 * NS_PER_S;
    assert_int_equal(brake_init(&b, 3, 60 * NS_PER_S), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(brake_wait_s(&b, 7, now), 0);
        brake_failed(&b, 7, now);
    }
    assert_int_equal(brake_wait_s(&b, 7, now), 60);
    assert_int_equal(brake_wait_s(&b, 7, now + 59 * NS_PER_S + 1), 1);
    assert_int_equal(brake_wait_s(&b, 8, now), 0); /* another one */
    assert_int_equal(brake_wait_s(&b, 7, now + 60 * NS_PER_S), 0);
    brake_failed(&b, 7, now + 61 * NS_PER_S); /* a new window */
    assert_int_equal(brake_wait_s(&b, 7, now + 61 * NS_PER_S), 0);
    brake_fini(&b);
}

static void test_forgive(void **state)
{
    (void)state;
    struct brake b;
    assert_int_equal(brake_init(&b, 1, NS_PER_S), 0);
    brake_failed(&b, 7, 1);
    assert_int_equal(brake_wait_s(&b, 7, 1), 1);
    brake_forgive(&b, 7);
    brake_forgive(&b, 9);
    assert_int_equal(brake_wait_s(&b, 7, 1), 0);
    brake_fini(&b);
    brake_fini(&b);
}

/* Keys that fall into one place push out the oldest, not each other at every turn. */
static void test_crowd(void **state)
{
    (void)state;
    struct brake b;
    assert_int_equal(brake_init(&b, 1, 60 * NS_PER_S), 0);
    for (uint64_t i = 1; i <= 8; i++)
        brake_failed(&b, i * BRAKE_SLOTS + 5, (int64_t)i);
    for (uint64_t i = 1; i <= 8; i++)
        assert_true(brake_wait_s(&b, i * BRAKE_SLOTS + 5, 10) > 0);
    brake_failed(&b, 9 * BRAKE_SLOTS + 5, 9);
    assert_int_equal(brake_wait_s(&b, 1 * BRAKE_SLOTS + 5, 10), 0);
    for (uint64_t i = 2; i <= 9; i++)
        assert_true(brake_wait_s(&b, i * BRAKE_SLOTS + 5, 10) > 0);
    brake_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_forgive),
        cmocka_unit_test(test_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
