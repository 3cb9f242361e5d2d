#include "base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Thread_local int mem_fail_countdown = -1;

static bool must_fail(void)
{
    return UNLIKELY(mem_fail_countdown >= 0) && mem_fail_countdown-- == 0;
}

void *mem_alloc(size_t size)
{
    return must_fail() ? NULL : malloc(size ? size : 1);
}

void *mem_calloc(size_t n, size_t size)
{
    return must_fail() ? NULL : calloc(n ? n : 1, size ? size : 1);
}

void *mem_realloc(void *p, size_t size)
{
    return must_fail() ? NULL : realloc(p, size ? size : 1);
}

void *mem_realloc_array(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return mem_realloc(p, bytes);
}

char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *s, size_t len)
{
    char *p = mem_alloc(len + 1);
    if (p == NULL)
        return NULL;
    if (len > 0)
        memcpy(p, s, len);
    p[len] = '\0';
    return p;
}

void mem_free(void *p)
{
    free(p);
}

void mem_freep(void *pp)
{
    void **p = pp;
    mem_free(*p);
    *p = NULL;
}

int mem_grow(void *pp, size_t *cap, size_t need, size_t max, size_t size)
{
    if (need <= *cap)
        return 0;
    if (need > max)
        return -E2BIG;
    size_t n = *cap ? *cap : 8;
    while (n < need)
        n = n > max / 2 ? max : n * 2;
    void **p = pp;
    void *grown = mem_realloc_array(*p, n, size);
    if (grown == NULL)
        return -ENOMEM;
    *p = grown;
    *cap = n;
    return 0;
}

void check_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "spate: internal error: %s (%s:%d)\n", cond, file, line);
    abort();
}
