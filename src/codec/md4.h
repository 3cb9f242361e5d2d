/*
 * md4 - RFC 1320. Broken as a hash, but k6's scripts have it and NTLM is made of it; OpenSSL keeps
 * it in a module that not every machine has.
 */
#ifndef CODEC_MD4_H
#define CODEC_MD4_H

#include "base/str.h"

#include <stdint.h>

enum { MD4_BYTES = 16, MD4_BLOCK_BYTES = 64 };

struct md4 {
    uint32_t state[4];
    uint64_t len; /* bytes so far */
    uint8_t block[MD4_BLOCK_BYTES];
};

void md4_init(struct md4 *m);
void md4_update(struct md4 *m, struct str data);
void md4_final(struct md4 *m, uint8_t ret[MD4_BYTES]); /* `m` is used up; copy it before to go on */

#endif
