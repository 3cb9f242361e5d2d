/*
 * metadata - what a sample tells besides its tags: keys and values of one virtual user that make no
 * series of their own (exec.vu.metrics.metadata, and the system tags iter and vu).
 *
 * Belongs to its virtual user and its thread.  Only outputs of single samples see it; shard.c
 * copies it into the chunk that the samples go to, once a chunk and change.
 */
#ifndef METRICS_METADATA_H
#define METRICS_METADATA_H

#include "base/attr.h"
#include "base/str.h"
#include "metrics/tags.h"

#include <stddef.h>
#include <stdint.h>

struct metadata {
    struct tag *items; /* sorted by key; key and value in one block each, owned */
    size_t len, cap;
    uint64_t serial;        /* of the chunk that has `copy`; 0: none has it as it is now */
    const struct tag *copy; /* shard.c's */
};

void metadata_fini(struct metadata *m); /* safe on a zeroed one */
void metadata_clear(struct metadata *m);

/* Adds or replaces.  0, -ENOMEM, or -E2BIG past the limit of keys or bytes. */
NODISCARD int metadata_set(struct metadata *m, struct str key, struct str value);
void metadata_remove(struct metadata *m, struct str key); /* fine when it isn't there */
const struct tag *metadata_find(const struct metadata *m, struct str key);

#endif
