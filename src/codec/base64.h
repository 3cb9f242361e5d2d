/*
 * base64 - RFC 4648: bytes to text and back, with either alphabet, with and without padding.
 *
 * Decoding is as strict as Go's, which is what k6's scripts know: line ends are skipped, everything
 * else that doesn't belong is an error that has a place; unused bits at the end may be anything.
 */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stddef.h>

enum base64_form {
    BASE64_STD,     /* + and /, padded */
    BASE64_RAW_STD, /* + and / */
    BASE64_URL,     /* - and _, padded */
    BASE64_RAW_URL, /* - and _ */
};

/* Length of the text of `len` bytes. */
size_t base64_encoded_len(enum base64_form form, size_t len);

/* Appended to `out`, which says how it went in buf_finish(). */
void base64_encode(struct buf *out, enum base64_form form, struct str in);

/* Appends the bytes. 0; E_CORRUPT with the place of the first wrong byte in *ret_at; buf's errors.
 */
NODISCARD int base64_decode(struct buf *out, enum base64_form form, struct str in, size_t *ret_at);

#endif
