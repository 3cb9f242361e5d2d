/*
 * rt_test - what the tests of rt/ and net/ share: cmocka's headers in their order, and a way to run
 * coroutines to their end.
 */
#ifndef RT_TEST_H
#define RT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "rt/co.h"
#include "rt/loop.h"

/* A deadline that a test only meets when it is broken. */
static inline int64_t in_ms(int64_t ms)
{
    return clock_mono_ns() + ms * NS_PER_MS;
}

static inline struct co *spawn(struct loop *l, co_fn *fn, void *arg)
{
    struct co *c = NULL;
    assert_int_equal(co_spawn(l, fn, arg, &c), 0);
    assert_non_null(c);
    return c;
}

static inline struct loop *new_loop(void)
{
    struct loop *l = NULL;
    assert_int_equal(loop_new(&l), 0);
    return l;
}

/* Runs fn(arg) as the only coroutine of a fresh loop. */
static inline void run_co(co_fn *fn, void *arg)
{
    struct loop *l = new_loop();
    spawn(l, fn, arg);
    loop_run(l);
    assert_int_equal(loop_coroutines(l), 0);
    loop_free(l);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
