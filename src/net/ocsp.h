/*
 * ocsp - the answer of a certificate's authority that a server staples to its handshake (RFC 6960).
 */
#ifndef NET_OCSP_H
#define NET_OCSP_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In k6's words; times are seconds since 1970, -62135596800 (the year 1) when there is none. */
struct ocsp {
    const char
        *status; /* "good", "revoked", "unknown"; NULL: nothing was stapled that can be read */
    const char *reason; /* "unspecified" also when it isn't revoked */
    int64_t produced_s, this_update_s, next_update_s, revoked_s;
};

/* False, and a zeroed *ret, when the bytes don't hold one good answer about one certificate. */
bool ocsp_parse(const uint8_t *p, size_t n, struct ocsp *ret);

#endif
