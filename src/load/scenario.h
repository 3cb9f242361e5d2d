/*
 * scenario - one entry of `scenarios` with its defaults: lengths, counts, checks, description.
 * Pure. k6-surface 3.2, 3.3 and the description rows of 1.6.
 */
#ifndef LOAD_SCENARIO_H
#define LOAD_SCENARIO_H

#include "base/attr.h"
#include "base/buf.h"
#include "load/options.h"
#include "load/segment.h"

#include <stdint.h>

const char *scenario_exec(const struct scenario *s); /* "default" unless said */

/* Of the whole test, before any segment. */
int64_t scenario_vus(const struct scenario *s);        /* most at the same time */
int64_t scenario_iterations(const struct scenario *s); /* as configured; 1 unless said */

int64_t scenario_start_ns(const struct scenario *s);
int64_t scenario_duration_ns(const struct scenario *s); /* regular, without gracefulStop */
int64_t scenario_graceful_stop_ns(const struct scenario *s);
int64_t scenario_graceful_ramp_down_ns(const struct scenario *s);
/* Start, duration and gracefulStop together. */
int64_t scenario_end_ns(const struct scenario *s);

/* What is wrong with it, messages joined by ", ", appended to `out`; nothing when all is well. */
void scenario_validate(const struct scenario *s, struct buf *out);

/* "2 looping VUs for 2s (exec: a, gracefulStop: 30s)", with this segment's counts. */
void scenario_describe(const struct scenario *s, const struct segment *seg, struct buf *out);

#endif
