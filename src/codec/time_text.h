/*
 * time_text - points in time as APIs write them (RFC 3339). Pure.
 */
#ifndef CODEC_TIME_TEXT_H
#define CODEC_TIME_TEXT_H

#include "base/attr.h"
#include "base/str.h"

#include <stdint.h>

/* "2026-11-22T05:58:38Z", with fraction and offset, or Unix seconds; E_CONFIG with a message. */
NODISCARD int time_text_parse(struct str text, int64_t *ret_ns);

#endif
