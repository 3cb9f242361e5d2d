/*
 * arena - memory of one request or one iteration: allocated singly, freed at once.
 *
 * Blocks grow from 4 KB; arena_reset() keeps the first one.  Not thread-safe; belongs to one
 * coroutine.  Nothing allocated here outlives the reset, the rewind, or the fini.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/attr.h"
#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *block; /* the one in use, linked to the earlier ones */
    size_t max;                /* bytes in all blocks never pass this */
    size_t total;              /* bytes of all blocks now */
};

struct arena_mark {
    struct arena_block *block;
    size_t used;
};

void arena_init(struct arena *a, size_t max); /* no allocation, cannot fail */
void arena_fini(struct arena *a);             /* safe on a zeroed arena */
void arena_reset(struct arena *a);

/* Aligned for any type; NULL when `max` or the memory is exhausted. */
NODISCARD void *arena_alloc(struct arena *a, size_t size);
NODISCARD void *arena_calloc(struct arena *a, size_t n, size_t size); /* zeroed, overflow-checked */
NODISCARD char *arena_dup(struct arena *a, struct str s);             /* with a NUL behind it */
NODISCARD char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);

struct arena_mark arena_mark(const struct arena *a);
void arena_rewind(struct arena *a, struct arena_mark m);

#endif
