#include "rt/stack.h"

#include "base/limits.h"
#include "base/mem.h"
#include "rt/co.h"
#include "rt/sanitize.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13: a guard without a mapping of its own */
#endif

enum {
    COLOUR_BYTES = 64, /* a cache line */
    COLOURS = 16,
};

struct stack_chunk {
    char *base; /* RT_STACKS_PER_CHUNK slots */
#ifdef RT_VALGRIND
    unsigned valgrind_ids[RT_STACKS_PER_CHUNK];
#endif
};

/* Mappings are the process's, so their budget is too. */
static atomic_int mprotect_guards;

void stack_pool_init(struct stack_pool *p, size_t max)
{
    *p = (struct stack_pool){.max = max, .page_bytes = (size_t)sysconf(_SC_PAGESIZE)};
}

void stack_pool_fini(struct stack_pool *p)
{
    CHECK(p->free_len == p->slots);
    for (size_t i = 0; i < p->chunks_len; i++) {
#ifdef RT_VALGRIND
        for (size_t k = 0; k < RT_STACKS_PER_CHUNK; k++)
            VALGRIND_STACK_DEREGISTER(p->chunks[i].valgrind_ids[k]);
#endif
        munmap(p->chunks[i].base, (size_t)RT_STACKS_PER_CHUNK * CO_STACK_BYTES);
    }
    mem_free(p->chunks);
    mem_free(p->free);
    stack_pool_init(p, p->max);
}

/* A guard that can't be had is no failure: QuickJS's own stack limit remains. */
static void install_guard(char *page, size_t bytes)
{
    if (madvise(page, bytes, MADV_GUARD_INSTALL) == 0)
        return;
    if (atomic_fetch_add_explicit(&mprotect_guards, 1, memory_order_relaxed) < RT_MPROTECT_GUARDS)
        (void)mprotect(page, bytes, PROT_NONE);
}

static struct stack stack_of(const struct stack_pool *p, char *slot)
{
    size_t colour = (size_t)slot / CO_STACK_BYTES % COLOURS * COLOUR_BYTES;
    return (struct stack){
        .slot = slot,
        .low = slot + 2 * p->page_bytes,
        .bytes = CO_STACK_BYTES - 2 * p->page_bytes - colour,
        .err = (struct err *)(void *)slot,
    };
}

static int add_chunk(struct stack_pool *p)
{
    size_t slots = p->slots + RT_STACKS_PER_CHUNK;
    int rc = mem_grow(&p->free, &p->free_cap, slots, SIZE_MAX / sizeof(char *), sizeof(char *));
    if (rc == 0)
        rc = mem_grow(&p->chunks, &p->chunks_cap, p->chunks_len + 1, SIZE_MAX / sizeof *p->chunks,
                      sizeof *p->chunks);
    if (rc < 0)
        return rc;
    size_t bytes = (size_t)RT_STACKS_PER_CHUNK * CO_STACK_BYTES;
    char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return -ENOMEM;
    (void)madvise(base, bytes, MADV_NOHUGEPAGE);

    struct stack_chunk *chunk = &p->chunks[p->chunks_len++];
    *chunk = (struct stack_chunk){.base = base};
    p->slots = slots;
    for (size_t i = RT_STACKS_PER_CHUNK; i-- > 0;) {
        char *slot = base + i * CO_STACK_BYTES;
        install_guard(slot + p->page_bytes, p->page_bytes);
#ifdef RT_VALGRIND
        struct stack s = stack_of(p, slot);
        chunk->valgrind_ids[i] = VALGRIND_STACK_REGISTER(s.low, (char *)s.low + s.bytes);
#endif
        p->free[p->free_len++] = slot;
    }
    return 0;
}

int stack_take(struct stack_pool *p, struct stack *ret)
{
    if (p->free_len == 0) {
        if (p->slots + RT_STACKS_PER_CHUNK > p->max)
            return -EAGAIN;
        int rc = add_chunk(p);
        if (rc < 0)
            return rc;
    }
    *ret = stack_of(p, p->free[--p->free_len]);
    return 0;
}

void stack_give(struct stack_pool *p, struct stack *s)
{
    if (s->err->code != 0) {
        struct err *before = err_switch(s->err);
        err_clear();
        err_switch(before);
    }
    if (p->free_len >= RT_STACKS_COOL)
        stack_trim(p, s, (char *)s->slot + CO_STACK_BYTES);
    else if (p->free_len >= RT_STACKS_WARM)
        stack_trim(p, s, (char *)s->low + s->bytes - RT_STACK_KEEP_BYTES);
    p->free[p->free_len++] = s->slot;
    *s = (struct stack){0};
}

void stack_trim(const struct stack_pool *p, const struct stack *s, void *sp)
{
    size_t low = (size_t)s->low;
    size_t end = (size_t)sp & ~(p->page_bytes - 1);
    if (end > low)
        (void)madvise(s->low, end - low, MADV_DONTNEED);
}
