/*
 * segment - which part of a test runs here: execution segments and their striping. Pure.
 *
 * k6-surface 3.6. A test of N virtual users, iterations … is dealt out to the parts of a sequence
 * element by element, in a fixed pattern of `cycle` elements of which this part owns `offsets`. So
 * the parts' shares sum to N exactly for every N, and elements of different machines interleave.
 */
#ifndef LOAD_SEGMENT_H
#define LOAD_SEGMENT_H

#include "base/attr.h"

#include <stdint.h>

struct segment {
    uint32_t cycle;    /* elements in one round of dealing */
    uint32_t *offsets; /* ascending, of this part; owned */
    uint32_t len;
    /* The whole sequence, for segment_by_value(): elements of a cycle that each part gets. */
    uint32_t *shares;     /* owned */
    uint32_t parts, part; /* how many, and which is this one */
};

/* All of the test: cycle 1. -ENOMEM. */
NODISCARD int segment_whole(struct segment *ret);

/* As the options say: "1/4:1/2", "25%:50%", "0.25"; sequence "0,1/4,1/2,1" or NULL. E_CONFIG with
 * message. */
NODISCARD int segment_parse(const char *segment, const char *sequence, struct segment *ret);
void segment_fini(struct segment *s);

double segment_share(const struct segment *s); /* 0..1 */

/* How many of the first `n` elements are this part's. */
int64_t segment_scale(const struct segment *s, int64_t n);

/* Number in the whole test of this part's element `i`, both from 0. */
int64_t segment_global(const struct segment *s, int64_t i);

/* A segment that deals in proportion to what each part got of `n` elements: shared iterations
 * follow the virtual users. -ENOMEM; E_CONFIG when n isn't positive. */
NODISCARD int segment_by_value(const struct segment *s, int64_t n, struct segment *ret);

#endif
