#include "base/arena.h"

#include "base/mem.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { FIRST_BLOCK = 4096, ALIGN = alignof(max_align_t) };

struct arena_block {
    struct arena_block *before;
    size_t size; /* bytes in data */
    size_t used;
    max_align_t data[];
};

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max};
}

static void pop_block(struct arena *a)
{
    struct arena_block *b = a->block;
    a->block = b->before;
    a->total -= b->size;
    mem_free(b);
}

void arena_fini(struct arena *a)
{
    while (a->block != NULL)
        pop_block(a);
}

void arena_reset(struct arena *a)
{
    if (a->block == NULL)
        return;
    while (a->block->before != NULL)
        pop_block(a);
    a->block->used = 0;
}

static int push_block(struct arena *a, size_t need)
{
    size_t size = a->block ? a->block->size * 2 : FIRST_BLOCK;
    if (size > 1 << 20)
        size = 1 << 20;
    if (size < need)
        size = need;
    if (size > a->max - a->total)
        size = need;
    if (size > a->max - a->total)
        return -1;
    struct arena_block *b = mem_alloc(sizeof *b + size);
    if (b == NULL)
        return -1;
    *b = (struct arena_block){.before = a->block, .size = size};
    a->block = b;
    a->total += size;
    return 0;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX - ALIGN)
        return NULL;
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (a->block == NULL || size > a->block->size - a->block->used)
        if (push_block(a, size) < 0)
            return NULL;
    void *p = (char *)a->block->data + a->block->used;
    a->block->used += size;
    return p;
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    void *p = arena_alloc(a, bytes);
    if (p != NULL)
        memset(p, 0, bytes);
    return p;
}

char *arena_dup(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.len + 1);
    if (p == NULL)
        return NULL;
    if (s.len > 0)
        memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p == NULL)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}

struct arena_mark arena_mark(const struct arena *a)
{
    return (struct arena_mark){a->block, a->block ? a->block->used : 0};
}

void arena_rewind(struct arena *a, struct arena_mark m)
{
    while (a->block != m.block)
        pop_block(a);
    if (a->block != NULL)
        a->block->used = m.used;
}
