/*
 * snappy - the block format, by libsnappy, with the size known before a byte is unpacked.
 */
#ifndef CODEC_SNAPPY_H
#define CODEC_SNAPPY_H

#include "base/attr.h"
#include "base/buf.h"

#include <stddef.h>

/* Appends; failures are in buf_finish(out). */
void snappy_pack(const void *data, size_t len, struct buf *out);

/* Appends.  0, E_CORRUPT, or E_LIMIT when what comes out would be more than `max` bytes (or than
 * `out` may hold), both with a message; -ENOMEM. */
NODISCARD int snappy_unpack(const void *data, size_t len, size_t max, struct buf *out);

#endif
