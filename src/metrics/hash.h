/*
 * hash - a fast hash of short byte strings, for tables whose keys a script chooses.
 *
 * Multiply and fold 16 bytes at a time, in the manner of wyhash: a tag value takes one or two
 * multiplications.  The caller gives the seed.
 */
#ifndef METRICS_HASH_H
#define METRICS_HASH_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define HASH_K0 0xa0761d6478bd642fu
#define HASH_K1 0xe7037ed1a0b428dbu

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 r = (unsigned __int128)a * b;
    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static inline uint64_t hash_read8(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static inline uint64_t hash_read4(const char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

/* Up to 16 bytes as two words that overlap in the middle. */
static inline void hash_read_short(const char *p, size_t len, uint64_t *ret_a, uint64_t *ret_b)
{
    if (len >= 8) {
        *ret_a = hash_read8(p);
        *ret_b = hash_read8(p + len - 8);
    } else if (len >= 4) {
        *ret_a = hash_read4(p);
        *ret_b = hash_read4(p + len - 4);
    } else if (len > 0) {
        *ret_a = (uint64_t)(uint8_t)p[0] << 16 | (uint64_t)(uint8_t)p[len >> 1] << 8 |
                 (uint8_t)p[len - 1];
        *ret_b = 0;
    } else {
        *ret_a = *ret_b = 0;
    }
}

static inline uint64_t hash_bytes(uint64_t seed, const char *p, size_t len)
{
    uint64_t a, b, h = seed ^ HASH_K0;
    size_t left = len;
    for (; left > 16; left -= 16, p += 16)
        h = hash_mix(hash_read8(p) ^ HASH_K1, hash_read8(p + 8) ^ h);
    hash_read_short(p, left, &a, &b);
    return hash_mix(HASH_K1 ^ len, hash_mix(a ^ HASH_K1, b ^ h));
}

/* memcmp() == 0 without a call for the lengths that tags have. */
static inline bool hash_bytes_equal(const char *a, const char *b, size_t len)
{
    for (; len > 16; len -= 16, a += 16, b += 16) {
        if (hash_read8(a) != hash_read8(b) || hash_read8(a + 8) != hash_read8(b + 8))
            return false;
    }
    uint64_t a0, a1, b0, b1;
    hash_read_short(a, len, &a0, &a1);
    hash_read_short(b, len, &b0, &b1);
    return a0 == b0 && a1 == b1;
}

#endif
