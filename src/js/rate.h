/*
 * rate - at most so many starts a second, of all virtual users on all threads together.
 *
 * Starts are handed out at equal distances, the first at once; time in which nobody asked is not
 * made up for.
 */
#ifndef JS_RATE_H
#define JS_RATE_H

#include "base/attr.h"

#include <stdatomic.h>
#include <stdint.h>

struct rate {
    int64_t every_ns;
    _Atomic int64_t next_ns; /* monotonic: when the next start may be */
};

void rate_init(struct rate *r, int64_t per_second);

/* Takes the next start: when it is.  Any thread. */
int64_t rate_take(struct rate *r, int64_t now_ns);
/* Gives one back that won't happen, for those who ask from now on. */
void rate_give_back(struct rate *r);

/* Takes one and waits for it: 0 or -ECANCELED. */
YIELDS NODISCARD int rate_wait(struct rate *r);

#endif
