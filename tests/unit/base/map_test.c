#include "base/map.h"

#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void test_many_keys_keep_their_order(void **state)
{
    (void)state;
    CLEANUP(map_fini) struct map m;
    map_init(&m, 5000);
    static int values[5000];
    char key[32];
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        values[i] = i;
        assert_int_equal(map_put(&m, str_of(key), &values[i]), 0);
    }
    assert_int_equal(map_put(&m, STR("one more"), NULL), -E2BIG);
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        int *v = map_get(&m, str_of(key));
        assert_non_null(v);
        assert_int_equal(*v, i);
        assert_true(str_eqz(map_key_at(&m, (size_t)i), key));
    }
    assert_null(map_get(&m, STR("key-5000")));
}

static void test_replace_and_remove(void **state)
{
    (void)state;
    CLEANUP(map_fini) struct map m;
    map_init(&m, 10);
    int a = 1, b = 2, c = 3;
    assert_int_equal(map_put(&m, STR("a"), &a), 0);
    assert_int_equal(map_put(&m, STR("b"), &b), 0);
    assert_int_equal(map_put(&m, STR("c"), &c), 0);
    assert_int_equal(map_put(&m, STR("b"), &c), 0);
    assert_int_equal(map_len(&m), 3);
    assert_ptr_equal(map_get(&m, STR("b")), &c);
    assert_ptr_equal(map_remove(&m, STR("a")), &a);
    assert_null(map_remove(&m, STR("a")));
    assert_true(str_eqz(map_key_at(&m, 0), "b"));
    assert_ptr_equal(map_get(&m, STR("c")), &c);
    assert_int_equal(map_put(&m, STR("nothing"), NULL), 0);
    void *v = &a;
    assert_true(map_find(&m, STR("nothing"), &v));
    assert_null(v);
}

static int scenario(void)
{
    CLEANUP(map_fini) struct map m;
    map_init(&m, 100);
    char key[8];
    for (int i = 0; i < 60; i++) {
        snprintf(key, sizeof key, "%d", i);
        int rc = map_put(&m, str_of(key), NULL);
        if (rc < 0)
            return rc;
    }
    return map_len(&m) == 60 ? 0 : -EIO;
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    int n = 0;
    for (int rc = -ENOMEM; rc != 0; n++) {
        mem_fail_countdown = n;
        rc = scenario();
        assert_true(rc == 0 || rc == -ENOMEM);
    }
    mem_fail_countdown = -1;
    assert_true(n > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_keys_keep_their_order),
        cmocka_unit_test(test_replace_and_remove),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
