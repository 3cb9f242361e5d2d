#include "js/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCKS = 4000, ROUNDS = 200000, SIZE_MAX_TRIED = 5000 };

struct block {
    unsigned char *p;
    size_t size;
    unsigned char fill;
};

static bool intact(const struct block *b)
{
    for (size_t i = 0; i < b->size; i++)
        if (b->p[i] != b->fill)
            return false;
    return true;
}

/* Random allocations, resizes and frees: blocks keep their bytes and never overlap, and the counts
 * go back to nothing. */
static void test_random_use(void **state)
{
    (void)state;
    static struct block blocks[BLOCKS];
    struct heap *h = heap_ref();
    const JSMallocFunctions *f = heap_functions();
    JSMallocState s = {.malloc_limit = SIZE_MAX, .opaque = h};
    unsigned seed = 1;
    for (int i = 0; i < ROUNDS; i++) {
        struct block *b = &blocks[(unsigned)rand_r(&seed) % BLOCKS];
        size_t size = (size_t)rand_r(&seed) % (i % 3 == 0 ? SIZE_MAX_TRIED : 200) + 1;
        if (b->p)
            assert_true(intact(b));
        if (b->p && i % 2 == 0) {
            f->js_free(&s, b->p);
            *b = (struct block){0};
            continue;
        }
        size_t kept = b->size < size ? b->size : size;
        unsigned char *p = b->p ? f->js_realloc(&s, b->p, size) : f->js_malloc(&s, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 8, 0);
        assert_true(f->js_malloc_usable_size(p) >= size);
        for (size_t k = 0; k < kept; k++)
            assert_int_equal(p[k], b->fill);
        *b = (struct block){p, size, (unsigned char)i};
        memset(p, b->fill, size);
    }
    for (int i = 0; i < BLOCKS; i++)
        f->js_free(&s, blocks[i].p);
    assert_int_equal(s.malloc_count, 0);
    assert_int_equal(s.malloc_size, 0);
    heap_unref(h);
    memset(blocks, 0, sizeof blocks);
}

static void test_memory_is_reused(void **state)
{
    (void)state;
    struct heap *h = heap_ref();
    void *p[1000];
    size_t taken = 0;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 1000; i++)
            assert_non_null(p[i] = heap_alloc(h, 72));
        for (int i = 0; i < 1000; i++)
            heap_free(h, p[i]);
        if (round == 0)
            taken = heap_slab_bytes(h);
    }
    assert_int_equal(heap_slab_bytes(h), taken);
    heap_unref(h);
}

static void test_limit(void **state)
{
    (void)state;
    struct heap *h = heap_ref();
    const JSMallocFunctions *f = heap_functions();
    assert_int_equal(heap_limit(0), 1 << 20);
    assert_int_equal(heap_limit(5000000), 4 << 20);
    JSMallocState s = {.malloc_limit = heap_limit(1 << 20), .opaque = h};
    void *big = f->js_malloc(&s, 1000 * 1024);
    assert_non_null(big);
    assert_null(f->js_malloc(&s, 100 * 1024));
    void *small = f->js_malloc(&s, 10 * 1024); /* room for the exception */
    assert_non_null(small);
    for (int i = 0; i < 1000; i++) /* which has its end, too */
        assert_null(f->js_malloc(&s, 2 << 20));
    assert_true(s.malloc_limit < 2 << 20);
    assert_null(f->js_realloc(&s, big, 4 << 20));
    f->js_free(&s, small);
    f->js_free(&s, big);
    heap_unref(h);
}

static void test_one_heap_for_all_vms_of_a_thread(void **state)
{
    (void)state;
    struct heap *a = heap_ref(), *b = heap_ref();
    assert_ptr_equal(a, b);
    heap_unref(a);
    void *p = heap_alloc(b, 10);
    assert_non_null(p);
    heap_free(b, p);
    heap_unref(b);
    heap_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_use),
        cmocka_unit_test(test_memory_is_reused),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_one_heap_for_all_vms_of_a_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
