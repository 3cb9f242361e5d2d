/*
 * gzip - request bodies that come packed, and those that go so.
 */
#ifndef CODEC_GZIP_H
#define CODEC_GZIP_H

#include "base/attr.h"
#include "base/buf.h"

#include <stddef.h>

/* Appends what one gzip stream holds, which may have several members.  0, -ENOMEM, E_CORRUPT, or
 * E_LIMIT when more than `max` bytes would come out. */
NODISCARD int gzip_unpack(const void *data, size_t len, size_t max, struct buf *out);

/* Appends `data` as a gzip stream, packed quickly rather than well; failures are in
 * buf_finish(out). */
void gzip_pack(const void *data, size_t len, struct buf *out);

#endif
