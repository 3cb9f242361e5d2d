/*
 * buf - a growable run of bytes that may fail once, at the end.
 *
 * Appends never return an error.  The first one that would pass `max`, or that finds no memory,
 * marks the buffer; later appends are then no-ops and buf_finish() reports what happened.  So a
 * writer of forty fields checks one result, not forty.
 *
 * The buffer owns its memory until buf_take() hands it to the caller.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/attr.h"
#include "base/str.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data; /* NULL until the first append */
    size_t len;    /* bytes in use */
    size_t cap;    /* bytes allocated */
    size_t max;    /* len never passes this; set by the code that knows the protocol */
    int err;       /* 0, -ENOMEM or -EMSGSIZE: the first failure; sticky */
};

void buf_init(struct buf *b, size_t max); /* no allocation, cannot fail */
void buf_fini(struct buf *b);             /* safe on a zeroed or finished buf */
void buf_reset(struct buf *b);            /* empty, no error; keeps its memory */

void buf_append(struct buf *b, const void *src, size_t len);
void buf_str(struct buf *b, struct str s);
void buf_z(struct buf *b, const char *s); /* NUL-terminated text, without the NUL */
void buf_byte(struct buf *b, uint8_t c);
void buf_fill(struct buf *b, uint8_t c, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF(2, 0);

/* `s` as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void buf_json_str(struct buf *b, struct str s);
/* The shortest decimal that reads back as `v`; NaN and infinities as null. */
void buf_json_double(struct buf *b, double v);

/* Room for `len` more bytes to be written in place, then claimed with buf_claim(); NULL marks the
 * buffer as an append would. */
uint8_t *buf_reserve(struct buf *b, size_t len);
void buf_claim(struct buf *b, size_t len);

/* Drops the first `len` bytes. */
void buf_shift(struct buf *b, size_t len);

/* 0, or the sticky error.  `b` stays readable either way. */
NODISCARD int buf_finish(const struct buf *b);

/* What is in it now; valid until the next append. */
struct str buf_view(const struct buf *b);

/* Text with a NUL behind it (not counted in len), valid until the next append; NULL on error. */
const char *buf_cstr(struct buf *b);

/* Gives the bytes away; `b` is empty and reusable afterwards.  Free with mem_free(). */
uint8_t *buf_take(struct buf *b, size_t *ret_len);

#endif
