/*
 * decode - Content-Encoding, both ways: gzip, deflate (zlib's and raw), br, zstd.
 *
 * Nothing here waits, but decoding a large body takes its time: the caller's slice.
 */
#ifndef CLIENT_DECODE_H
#define CLIENT_DECODE_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

/* True when `encodings` ("gzip, br") names at least one coding that decode_body() undoes. */
bool decode_wanted(struct str encodings);

/*
 * Undoes the codings, last one first; unknown ones are left as they are, as k6 does.  What came out
 * is in `out` also when it fails: E_CORRUPT with Go's words ("gzip: invalid header"), E_LIMIT past
 * out->max, -ENOMEM.  *ret_started: decoding had begun, so that `out` is what could be read.
 */
NODISCARD int decode_body(struct str encodings, struct str in, struct buf *out, bool *ret_started);

/* One coding by k6's name ("gzip", "deflate", "br", "zstd"); -EINVAL when there is none such. */
NODISCARD int encode_body(struct str coding, struct str in, struct buf *out);

#endif
