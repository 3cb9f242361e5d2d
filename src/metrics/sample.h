/*
 * sample - single samples on their way to the outputs that want each of them (files).
 *
 * A worker writes its samples into a chunk of its own, without lock, and hands the chunk over when
 * it is full or a moment old.  Tags are those of the worker's interned sets, which outlive the
 * outputs; what isn't interned (metadata, tags of sets that were folded past the limit) is copied
 * into the chunk.  Nothing of this exists in runs without such an output.
 */
#ifndef METRICS_SAMPLE_H
#define METRICS_SAMPLE_H

#include "base/arena.h"
#include "metrics/metric.h"
#include "metrics/tags.h"

#include <stddef.h>
#include <stdint.h>

enum { SAMPLES_PER_CHUNK = 512 };

struct sample {
    const struct metric *metric;
    const struct tag *tags; /* sorted by key; equal pointers in a chunk mean equal tags */
    const struct tag *metadata;
    uint32_t tags_len;
    uint32_t metadata_len;
    double value;
    int64_t wall_ns;
};

struct sample_chunk {
    struct sample_chunk *next; /* the receiver's */
    struct arena arena;        /* what is copied */
    uint64_t serial;           /* in its shard, from 1 */
    size_t len;
    struct sample samples[SAMPLES_PER_CHUNK];
};

void sample_chunk_free(struct sample_chunk *c); /* NULL is fine */

/* Memory that the chunk holds. */
size_t sample_chunk_bytes(const struct sample_chunk *c);

/* Called on the worker's thread; must not wait.  The receiver owns the chunk.  NULL: a sample is
 * lost as there was no memory for it. */
typedef void sample_consumer_fn(void *arg, struct sample_chunk *c);

#endif
