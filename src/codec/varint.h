/*
 * varint - protobuf's integers of variable length: seven bits a byte, low ones first.
 */
#ifndef CODEC_VARINT_H
#define CODEC_VARINT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

static inline void varint_put(struct buf *out, uint64_t v)
{
    while (v >= 0x80) {
        buf_byte(out, (uint8_t)(v | 0x80));
        v >>= 7;
    }
    buf_byte(out, (uint8_t)v);
}

/* Reads one at *p, not past `end`, and moves *p behind it.  False when it is cut short or too
 * long; *p means nothing then. */
static inline bool varint_get(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (*p == end)
            return false;
        uint8_t c = *(*p)++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

#endif
