/*
 * duration - lengths of time as Go, and so k6, reads and writes them. Pure.
 */
#ifndef CODEC_DURATION_H
#define CODEC_DURATION_H

#include "base/attr.h"
#include "base/str.h"

#include <stdint.h>

enum { DURATION_TEXT_MAX = 32 }; /* bytes that duration_format() may need, NUL included */

/* Go's syntax: "1h2m3.5s", "-1.5h", "100ms", "0". E_CONFIG with Go's message:
 * `time: invalid duration "x"`, `time: missing unit in duration "1"`, `time: unknown unit …`. */
NODISCARD int duration_parse_go(struct str text, int64_t *ret_ns);

/* Besides: a bare number is milliseconds, and days may stand in front ("1d2h", "1d"). */
NODISCARD int duration_parse(struct str text, int64_t *ret_ns);

/* As Go's Duration.String(): "0s", "1.5µs", "1m30s", "2h0m0.1s". Returns the length. */
int duration_format(int64_t ns, char out[static DURATION_TEXT_MAX]);

/* To the nearest multiple of `unit_ns`, halves away from zero. */
int64_t duration_round(int64_t ns, int64_t unit_ns);

#endif
