/*
 * clock - the two times of the house, both int64_t nanoseconds.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US 1000LL
#define NS_PER_MS 1000000LL
#define NS_PER_S  1000000000LL

/* Never goes back; for durations and deadlines. */
int64_t clock_mono_ns(void);

/* Since the Unix epoch; for what is shown, stored or sent. */
int64_t clock_wall_ns(void);

/* "2026-11-22T05:58:38Z" (seconds) or with fraction_digits 1..9 of fraction; `out` holds 40 bytes.
 */
void clock_format_utc(int64_t wall_ns, int fraction_digits, char out[static 40]);

#endif
