/*
 * timetext - moments as text, many of them: what is the same for a second is made once.
 *
 * The local time zone's, as k6 writes them: "2026-11-22T05:59:25.016025859Z", "…+01:00".
 */
#ifndef OUTPUT_TIMETEXT_H
#define OUTPUT_TIMETEXT_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

struct timetext {
    int64_t second; /* that the texts are of; INT64_MIN: none */
    char date[32];  /* "2026-11-22T05:59:25" */
    size_t date_len;
    char zone[8]; /* "Z", "+01:00" */
    size_t zone_len;
};

void timetext_init(struct timetext *t);

/* RFC 3339 in whole seconds, or with nanoseconds of which zeros at the end are left out. */
void timetext_seconds(struct timetext *t, struct buf *out, int64_t wall_ns);
void timetext_nanos(struct timetext *t, struct buf *out, int64_t wall_ns);

#endif
