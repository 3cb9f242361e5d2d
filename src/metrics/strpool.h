/*
 * strpool - every distinct string once, for as long as the pool lives.
 *
 * Not thread-safe.  Two strings of one pool are equal exactly when their pointers and lengths are.
 */
#ifndef METRICS_STRPOOL_H
#define METRICS_STRPOOL_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/str.h"

struct strpool {
    struct arena bytes;
    struct str *slots; /* ptr NULL: free; capacity is a power of two */
    size_t slots_cap;
    size_t len;
};

void strpool_init(struct strpool *p, size_t bytes_max); /* no allocation, cannot fail */
void strpool_fini(struct strpool *p);                   /* safe on a zeroed one */

/* The pool's own copy of `s` (never with a NULL pointer).  0 or -ENOMEM, also past bytes_max. */
NODISCARD int strpool_get(struct strpool *p, struct str s, struct str *ret);

#endif
