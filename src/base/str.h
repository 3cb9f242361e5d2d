/*
 * str - a view of bytes that somebody else owns.  No NUL is promised.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr; /* may be NULL when len is 0 */
    size_t len;      /* bytes */
};

#define STR(lit)   ((struct str){(lit), sizeof(lit) - 1})
#define STR_ARG(s) (int)(s).len, (s).ptr /* for "%.*s" */
#define STR_EMPTY  ((struct str){NULL, 0})

static inline struct str str_of(const char *z)
{
    return (struct str){z, z ? strlen(z) : 0};
}

static inline struct str str_new(const void *p, size_t len)
{
    return (struct str){p, len};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_eqz(struct str a, const char *z)
{
    return str_eq(a, str_of(z));
}

bool str_ieq(struct str a, struct str b); /* ASCII case ignored */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
int str_cmp(struct str a, struct str b); /* bytewise, shorter first */
struct str str_trim(struct str s);       /* without spaces, tabs, CR, LF at both ends */

/* Cuts `s` at the first `sep`: returns what is before, leaves in *rest what is after it (empty with
 * NULL ptr when there is no `sep`). */
struct str str_cut(struct str s, char sep, struct str *rest);

/* Index of the first `c`, or -1. */
ptrdiff_t str_find(struct str s, char c);

/* Whole string as a number; 0, or -EINVAL / -ERANGE.  Written only on success. */
NODISCARD int str_to_i64(struct str s, int64_t *ret);
NODISCARD int str_to_u64(struct str s, uint64_t *ret);
NODISCARD int str_to_double(struct str s, double *ret);

/* FNV-1a with a final mix; for hash tables of data that no enemy chooses, see map.h for others. */
uint64_t str_hash(struct str s);

/* Heap copy with NUL; NULL when there is no memory. */
NODISCARD char *str_dup(struct str s);

/* True when the bytes are well-formed UTF-8 (RFC 3629). */
bool str_is_utf8(struct str s);

#endif
