#include "codec/md4.h"

#include <string.h>

#include "base/attr.h"

void md4_init(struct md4 *m)
{
    *m = (struct md4){.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
}

static uint32_t rotate(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

static uint32_t load_le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t mix(int round, uint32_t x, uint32_t y, uint32_t z)
{
    if (round == 0)
        return (x & y) | (~x & z);
    if (round == 1)
        return ((x & y) | (x & z) | (y & z)) + 0x5a827999;
    return (x ^ y ^ z) + 0x6ed9eba1;
}

static void transform(struct md4 *m, const uint8_t *block)
{
    static const uint8_t order[3][16] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15},
        {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15},
    };
    static const uint8_t shift[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
    uint32_t x[16];
    for (int i = 0; i < 16; i++)
        x[i] = load_le(block + (ptrdiff_t)4 * i);
    uint32_t a = m->state[0], b = m->state[1], c = m->state[2], d = m->state[3];
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 16; i++) {
            uint32_t t = rotate(a + mix(round, b, c, d) + x[order[round][i]], shift[round][i % 4]);
            a = d;
            d = c;
            c = b;
            b = t;
        }
    m->state[0] += a;
    m->state[1] += b;
    m->state[2] += c;
    m->state[3] += d;
}

void md4_update(struct md4 *m, struct str data)
{
    const uint8_t *p = (const uint8_t *)data.ptr;
    size_t left = data.len, have = (size_t)(m->len % MD4_BLOCK_BYTES);
    m->len += data.len;
    if (left > 0 && have > 0) {
        size_t n = MIN(left, MD4_BLOCK_BYTES - have);
        memcpy(m->block + have, p, n);
        if (have + n < MD4_BLOCK_BYTES)
            return;
        transform(m, m->block);
        p += n;
        left -= n;
    }
    for (; left >= MD4_BLOCK_BYTES; p += MD4_BLOCK_BYTES, left -= MD4_BLOCK_BYTES)
        transform(m, p);
    if (left > 0)
        memcpy(m->block, p, left);
}

void md4_final(struct md4 *m, uint8_t ret[MD4_BYTES])
{
    static const uint8_t padding[MD4_BLOCK_BYTES] = {0x80};
    uint8_t bits[8];
    for (int i = 0; i < 8; i++)
        bits[i] = (uint8_t)(m->len * 8 >> (8 * i));
    size_t have = (size_t)(m->len % MD4_BLOCK_BYTES);
    md4_update(m, str_new(padding, have < 56 ? 56 - have : 120 - have));
    md4_update(m, str_new(bits, sizeof bits));
    for (int i = 0; i < MD4_BYTES; i++)
        ret[i] = (uint8_t)(m->state[i / 4] >> (8 * (i % 4)));
}
