/*
 * numfmt - numbers as the end-of-test summary shows them (k6-surface 1.6, "numbers").
 *
 * All append to `out`.
 */
#ifndef OUTPUT_NUMFMT_H
#define OUTPUT_NUMFMT_H

#include "base/buf.h"
#include "metrics/metric.h"

/* Unit of all durations of a summary. */
enum numfmt_unit { NUMFMT_AUTO, NUMFMT_S, NUMFMT_MS, NUMFMT_US };

/* "s", "ms", "us", "" -> unit; false for anything else. */
bool numfmt_unit_parse(struct str s, enum numfmt_unit *ret);

void numfmt_duration(struct buf *out, double ms, enum numfmt_unit unit); /* "1.23s", "250ns" */
void numfmt_bytes(struct buf *out, double bytes);                        /* "3.4 kB" */
void numfmt_percent(struct buf *out, double share);                      /* 0.5: "50.00%" */
void numfmt_plain(struct buf *out, double v);                            /* up to 6 decimals */

/* A value of a metric by what it contains; a rate as percent. */
void numfmt_value(struct buf *out, double v, enum metric_type type, enum metric_contains contains,
                  enum numfmt_unit unit);

/* The shortest decimal that reads back as `v`, as JavaScript writes a number. */
void numfmt_js(struct buf *out, double v);

/* A duration as Go and k6 write it: "2s", "1m30s", "10m0s", "1.5s", "0s". */
void numfmt_go_duration(struct buf *out, int64_t ns);

#endif
