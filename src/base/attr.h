/*
 * attr - the few words that the language lacks.
 */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#include <stddef.h>

#define NODISCARD    __attribute__((warn_unused_result))
#define CLEANUP(fn)  __attribute__((cleanup(fn)))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define UNUSED       __attribute__((unused))
/* Of functions that are rarely called from hot ones, and shouldn't weigh on them. */
#define COLD     __attribute__((cold, noinline))
#define NORETURN __attribute__((noreturn))

/* Before the prototype of whatever may suspend the calling coroutine.  No mark, no suspension. */
#define YIELDS

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        typeof(a) min_a = (a);                                                                     \
        typeof(b) min_b = (b);                                                                     \
        min_a < min_b ? min_a : min_b;                                                             \
    })
#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        typeof(a) max_a = (a);                                                                     \
        typeof(b) max_b = (b);                                                                     \
        max_a > max_b ? max_a : max_b;                                                             \
    })

/* From a pointer to a member to its struct. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Stays in release builds: a broken promise of our own code ends the process with its place. */
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (UNLIKELY(!(cond)))                                                                     \
            check_failed(#cond, __FILE__, __LINE__);                                               \
    } while (0)

#ifdef NDEBUG
#define DCHECK(cond) ((void)sizeof(cond))
#else
#define DCHECK(cond) CHECK(cond)
#endif

NORETURN void check_failed(const char *cond, const char *file, int line);

#endif
