/*
 * sanitize - tells AddressSanitizer, ThreadSanitizer and valgrind that a stack is switched.
 *
 * All of it is nothing in a plain build, apart from valgrind's marks, which are a few
 * instructions where a stack is made.
 */
#ifndef RT_SANITIZE_H
#define RT_SANITIZE_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define RT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RT_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define RT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RT_TSAN 1
#endif
#endif

#ifdef RT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef RT_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define RT_VALGRIND 1
#endif

/* Inlined also without optimisation: a switch must not come between the entry to a function and its
 * end as ThreadSanitizer counts them. */
#define SANITIZE_HOOK static inline __attribute__((always_inline)) void

/* What the tools know of one stack: a coroutine's, or the one that runs the loop. */
struct sanitize_stack {
#ifdef RT_ASAN
    const void *low; /* the loop's own: known from the first switch away from it */
    size_t bytes;
    void *fake; /* ASan's shadow of the frames while it is suspended */
#endif
#ifdef RT_TSAN
    void *fiber;
#endif
}; /* empty in a plain build */

SANITIZE_HOOK sanitize_stack_init(struct sanitize_stack *s, void *low, size_t bytes)
{
#ifdef RT_ASAN
    s->low = low;
    s->bytes = bytes;
    s->fake = NULL;
#endif
#ifdef RT_TSAN
    s->fiber = __tsan_create_fiber(0);
#endif
    (void)s, (void)low, (void)bytes;
}

/* Of a coroutine that has ended; not from its own stack. */
SANITIZE_HOOK sanitize_stack_fini(struct sanitize_stack *s)
{
#ifdef RT_ASAN
    __asan_unpoison_memory_region((void *)(size_t)s->low, s->bytes);
#endif
#ifdef RT_TSAN
    __tsan_destroy_fiber(s->fiber);
#endif
    (void)s;
}

/* The stack of the thread that runs the loop. */
SANITIZE_HOOK sanitize_thread_stack(struct sanitize_stack *s)
{
#ifdef RT_TSAN
    s->fiber = __tsan_get_current_fiber();
#endif
    (void)s;
}

/* Right before the switch; `last`: `from` never comes back. */
SANITIZE_HOOK sanitize_leave(struct sanitize_stack *from, struct sanitize_stack *to, int last)
{
#ifdef RT_ASAN
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake, to->low, to->bytes);
#endif
#ifdef RT_TSAN
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
    (void)from, (void)to, (void)last;
}

/* Right after it, on the new stack; `from`: whom we came from, NULL when it is known. */
SANITIZE_HOOK sanitize_arrive(struct sanitize_stack *to, struct sanitize_stack *from)
{
#ifdef RT_ASAN
    __sanitizer_finish_switch_fiber(to->fake, from ? &from->low : NULL, from ? &from->bytes : NULL);
#endif
    (void)to, (void)from;
}

#endif
