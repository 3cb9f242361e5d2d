/*
 * map - a hash table from byte strings to pointers, in insertion order.
 *
 * Open addressing with a hash seeded per process (SipHash-1-3), as keys may come from strangers.
 * Keys are copied; values belong to the caller.  Walk with the index:
 *
 *     for (size_t i = 0; i < map_len(m); i++)
 *         use(map_key_at(m, i), map_value_at(m, i));
 *
 * Removing keeps the order of the others and costs a walk: meant for small tables.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct map_entry;

struct map {
    struct map_entry *entries; /* in insertion order */
    uint32_t *slots;           /* index + 1 into entries, 0: empty */
    size_t len;                /* entries in use */
    size_t entries_cap;
    size_t slots_cap; /* power of two, 0 before the first insertion */
    size_t max;       /* len never passes this */
};

void map_init(struct map *m, size_t max); /* no allocation, cannot fail */
void map_fini(struct map *m);             /* frees keys, not values; safe on a zeroed map */

/* The value, or NULL. */
void *map_get(const struct map *m, struct str key);
/* True, and the value (which may be NULL) in *ret. */
bool map_find(const struct map *m, struct str key, void **ret);

/* Inserts or replaces.  0, -ENOMEM, or -E2BIG when it is full. */
NODISCARD int map_put(struct map *m, struct str key, void *value);
/* The value that was there, or NULL. */
void *map_remove(struct map *m, struct str key);

size_t map_len(const struct map *m);
struct str map_key_at(const struct map *m, size_t i);
void *map_value_at(const struct map *m, size_t i);

/* Seeded hash for tables of one's own whose keys may come from strangers. */
uint64_t map_hash(const void *p, size_t len);

#endif
