#include "js/shared.h"

#include "base/err.h"
#include "js/pack.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static int no_turn(void *arg)
{
    (void)arg;
    return 0;
}

/* Of one element, the number of that text. */
static struct shared_array *array_of(const char *text)
{
    struct pack_builder *b;
    struct pack *pack;
    struct shared_array *a;
    assert_int_equal(pack_builder_new(&b), 0);
    assert_int_equal(pack_add(b, str_of(text), no_turn, NULL), 0);
    assert_int_equal(pack_finish(b, &pack), 0);
    pack_builder_free(b);
    assert_int_equal(shared_array_new(pack, &a), 0);
    return a;
}

/* The number of a[0], which is small: an operation, and twice the number. */
static int number_of(const struct shared_array *a)
{
    int n = a->pack->bytes[1] & 0x7f;
    if (pack_bytes(a->pack, 0) > 2)
        n |= a->pack->bytes[2] << 7;
    return n / 2;
}

static void test_table(void **state)
{
    (void)state;
    struct shared_arrays *s;
    const struct shared_array *got = NULL;
    int me, other;
    assert_int_equal(shared_arrays_new(&s), 0);
    assert_int_equal(shared_arrays_begin(s, STR("a"), &me, &got), 1);
    assert_int_equal(shared_arrays_begin(s, STR("a"), &other, &got), -EAGAIN);
    assert_int_equal(shared_arrays_begin(s, STR("b"), &other, &got), -EAGAIN);
    assert_int_equal(shared_arrays_begin(s, STR("b"), &me, &got), 1); /* one for the other */
    assert_int_equal(shared_arrays_end(s, STR("b"), array_of("2")), 0);
    assert_int_equal(shared_arrays_begin(s, STR("c"), &other, &got), -EAGAIN);
    assert_int_equal(shared_arrays_begin(s, STR("b"), &other, &got), 0);
    assert_int_equal(number_of(got), 2);
    assert_int_equal(shared_arrays_end(s, STR("a"), NULL), 0); /* failed: the next one may */
    assert_int_equal(shared_arrays_begin(s, STR("a"), &other, &got), 1);
    assert_int_equal(shared_arrays_end(s, STR("a"), array_of("1")), 0);
    assert_int_equal(shared_arrays_begin(s, STR("a"), &me, &got), 0);
    assert_int_equal(number_of(got), 1);
    assert_int_equal(shared_arrays_begin(s, STR("d"), &me, &got), 1);
    assert_int_equal(shared_arrays_begin(s, STR("d"), &me, &got), 1); /* inside of itself */
    assert_int_equal(shared_arrays_end(s, STR("d"), array_of("3")), 0);
    assert_int_equal(shared_arrays_end(s, STR("d"), array_of("4")), E_LIMIT);
    shared_arrays_free(s);
}

enum { THREADS = 4, NAMES = 200 };

struct crowd {
    struct shared_arrays *s;
    _Atomic int built, wrong;
};

static void *build_all(void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < NAMES; i++) {
        char name[16];
        const struct shared_array *got = NULL;
        int len = snprintf(name, sizeof name, "%d", i);
        struct str key = str_new(name, (size_t)len);
        int rc;
        while ((rc = shared_arrays_begin(c->s, key, &rc, &got)) == -EAGAIN)
            sched_yield();
        if (rc == 1) {
            atomic_fetch_add(&c->built, 1);
            if (shared_arrays_end(c->s, key, array_of(name)) < 0)
                atomic_fetch_add(&c->wrong, 1);
        } else if (number_of(got) != i) {
            atomic_fetch_add(&c->wrong, 1);
        }
    }
    return NULL;
}

/* Several threads want the same: each is built once. */
static void test_threads(void **state)
{
    (void)state;
    struct crowd c = {.built = 0};
    pthread_t threads[THREADS];
    assert_int_equal(shared_arrays_new(&c.s), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, build_all, &c), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(c.built, NAMES);
    assert_int_equal(c.wrong, 0);
    shared_arrays_free(c.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
