/*
 * mem - the one door to the heap.
 *
 * Every allocation outside third-party libraries passes here, so that tests can make the n-th one
 * fail.  Out of memory is an error for the caller, never an exit.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/attr.h"

#include <stddef.h>

/* NULL when there is no memory or, for the two-factor forms, when n * size overflows. */
NODISCARD void *mem_alloc(size_t size);
NODISCARD void *mem_calloc(size_t n, size_t size); /* zeroed */
NODISCARD void *mem_realloc(void *p, size_t size); /* `p` stays valid on failure */
NODISCARD void *mem_realloc_array(void *p, size_t n, size_t size);
NODISCARD char *mem_strdup(const char *s);
NODISCARD char *mem_strndup(const char *s, size_t len); /* always NUL-terminated */
void mem_free(void *p);                                 /* NULL is fine */

/* For CLEANUP(): frees what the pointer variable holds. */
void mem_freep(void *pp);

/* Grows *pp (elements of `size` bytes, *cap of them) so that it holds at least `need`, at most
 * `max`.  0, -ENOMEM, or -E2BIG when need > max; *pp and *cap change only on success. */
NODISCARD int mem_grow(void *pp, size_t *cap, size_t need, size_t max, size_t size);

/* -1: off; n: the n-th allocation from now in this thread fails (0: the next one), once. */
extern _Thread_local int mem_fail_countdown;

#endif
