/*
 * stack - the stacks of a loop's coroutines, carved from large mappings and used again, last first.
 *
 * One slot of CO_STACK_BYTES, lowest address first:
 *
 *     a page for the coroutine's struct err, untouched until something fails
 *     a guard page
 *     the stack, growing down towards it
 *
 * A parked coroutine costs the pages that it touched, two as a rule.  The first frames of
 * neighbours start at different offsets, so that they don't all fight for the same cache sets.
 */
#ifndef RT_STACK_H
#define RT_STACK_H

#include "base/attr.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct stack_chunk;

struct stack_pool {
    struct stack_chunk *chunks; /* array of chunks_len */
    size_t chunks_len, chunks_cap;
    char **free; /* slots, the last one is used next; as many places as there are stacks */
    size_t free_len, free_cap;
    size_t slots; /* in all chunks */
    size_t max;   /* slots never passes this */
    size_t page_bytes;
};

/* By value in its coroutine. */
struct stack {
    char *slot;      /* NULL: none */
    void *low;       /* the lowest usable byte, right above the guard */
    size_t bytes;    /* usable, from low */
    struct err *err; /* cleared when the stack is given back */
};

void stack_pool_init(struct stack_pool *p, size_t max); /* no allocation */
void stack_pool_fini(struct stack_pool *p);             /* every stack must have been given back */

/* -ENOMEM, or -EAGAIN when `max` are in use. */
NODISCARD int stack_take(struct stack_pool *p, struct stack *ret);
void stack_give(struct stack_pool *p, struct stack *s);

/* Hands the pages below `sp` back to the kernel; for a stack that once was deep. */
void stack_trim(const struct stack_pool *p, const struct stack *s, void *sp);

#endif
