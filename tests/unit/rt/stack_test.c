#include "rt_test.h"

#include "base/limits.h"
#include "rt/stack.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_maximum_and_order(void **state)
{
    (void)state;
    struct stack_pool p;
    stack_pool_init(&p, 2 * RT_STACKS_PER_CHUNK);
    static struct stack s[2 * RT_STACKS_PER_CHUNK];
    struct stack more;
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        assert_int_equal(stack_take(&p, &s[i]), 0);
        assert_true(s[i].bytes > CO_STACK_BYTES - 16 * 1024);
        assert_int_equal((uintptr_t)s[i].low % p.page_bytes, 0);
    }
    assert_int_equal(stack_take(&p, &more), -EAGAIN);
    char *last = s[17].slot;
    stack_give(&p, &s[17]);
    assert_null(s[17].slot);
    assert_int_equal(stack_take(&p, &s[17]), 0);
    assert_ptr_equal(s[17].slot, last); /* the warm one */
    for (size_t i = 0; i < ARRAY_LEN(s); i++)
        stack_give(&p, &s[i]);
    stack_pool_fini(&p);
}

static size_t resident_pages(const struct stack_pool *p, const struct stack *s)
{
    unsigned char pages[CO_STACK_BYTES / 4096];
    size_t n = 0, end = ((uintptr_t)s->slot + CO_STACK_BYTES - (uintptr_t)s->low) / p->page_bytes;
    assert_int_equal(mincore(s->low, end * p->page_bytes, pages), 0);
    for (size_t i = 0; i < end; i++)
        n += pages[i] & 1;
    return n;
}

static void test_deep_use_is_given_back(void **state)
{
    (void)state;
    struct stack_pool p;
    stack_pool_init(&p, RT_COROUTINES_MAX);
    static struct stack s[RT_STACKS_WARM + 1];
    struct stack copy;
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        assert_int_equal(stack_take(&p, &s[i]), 0);
        assert_int_equal(resident_pages(&p, &s[i]), 0);
        memset(s[i].low, 1, s[i].bytes);
        assert_true(resident_pages(&p, &s[i]) >= s[i].bytes / p.page_bytes);
    }
    copy = s[0];
    stack_trim(&p, &s[0], (char *)s[0].low + s[0].bytes / 2);
    assert_true(resident_pages(&p, &copy) <= s[0].bytes / p.page_bytes / 2 + 2);
    /* All but the warm ones keep two pages. */
    copy = s[RT_STACKS_WARM];
    for (size_t i = 0; i < ARRAY_LEN(s); i++)
        stack_give(&p, &s[i]);
    assert_int_equal(p.free_len, p.slots);
    assert_true(resident_pages(&p, &copy) <= RT_STACK_KEEP_BYTES / p.page_bytes + 1);
    stack_pool_fini(&p);
}

static void test_many_free_ones_keep_nothing(void **state)
{
    (void)state;
    struct stack_pool p;
    stack_pool_init(&p, RT_COROUTINES_MAX);
    static struct stack s[RT_STACKS_COOL + 1];
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        assert_int_equal(stack_take(&p, &s[i]), 0);
        memset((char *)s[i].low + s[i].bytes - 3 * p.page_bytes, 1, 3 * p.page_bytes);
    }
    struct stack copy = s[RT_STACKS_COOL];
    assert_true(resident_pages(&p, &copy) >= 3);
    for (size_t i = 0; i < ARRAY_LEN(s); i++)
        stack_give(&p, &s[i]);
    assert_int_equal(resident_pages(&p, &copy), 0);
    stack_pool_fini(&p);
}

static void test_guard_page(void **state)
{
    (void)state;
    struct stack_pool p;
    stack_pool_init(&p, RT_STACKS_PER_CHUNK);
    struct stack s;
    assert_int_equal(stack_take(&p, &s), 0);
    *(volatile char *)s.low = 1;
    if (SANITIZED) {
        stack_give(&p, &s);
        stack_pool_fini(&p);
        return; /* their handlers turn the signal into an exit code */
    }
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sigaction standard = {.sa_handler = SIG_DFL};
        sigaction(SIGSEGV, &standard, NULL);
        ((volatile char *)s.low)[-1] = 1;
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    stack_give(&p, &s);
    stack_pool_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maximum_and_order),
        cmocka_unit_test(test_deep_use_is_given_back),
        cmocka_unit_test(test_many_free_ones_keep_nothing),
        cmocka_unit_test(test_guard_page),
    };
    return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
