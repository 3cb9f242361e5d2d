/*
 * chunk - the values that one push holds of one metric and one time bucket, as they are stored:
 * series after series in one run of bytes.  Private to store/.
 *
 * A record: varint, the zigzag difference of the series' id to that before it (the first: to 0);
 * varint, the length of the value; the value (value_encode()).  Chunks of the same metric and
 * bucket add up, so what comes late is one more chunk and nothing stored is ever changed.
 */
#ifndef STORE_CHUNK_H
#define STORE_CHUNK_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* `*last`: the id before it, 0 at first.  Failures are in buf_finish(out). */
void chunk_put(struct buf *out, int64_t *last, int64_t series, struct str value);

struct chunk_reader {
    const uint8_t *at, *end;
    int64_t series;   /* of the record read last */
    struct str value; /* likewise; points into the chunk */
};

void chunk_reader_init(struct chunk_reader *r, struct str chunk);
/* 1: a record; 0: the end; E_DAMAGED with a message. */
NODISCARD int chunk_next(struct chunk_reader *r);

#endif
