/*
 * timer_heap - the armed timers of a loop, soonest first: an array heap of four children a node.
 *
 * It is told the time and owns no timer.  Ties come out in no particular order.
 */
#ifndef RT_TIMER_HEAP_H
#define RT_TIMER_HEAP_H

#include "rt/loop.h"

#include <stddef.h>
#include <stdint.h>

struct timer_heap_slot {
    int64_t due_ns; /* the timer's, here for the cache's sake */
    struct timer *timer;
};

struct timer_heap {
    struct timer_heap_slot *slots; /* [1..len]; heap_at of a timer is its index */
    size_t len;
    size_t cap; /* places, the unused first one included */
};

void timer_heap_fini(struct timer_heap *h);

/* Makes sure that `n` timers fit.  0 or -ENOMEM. */
NODISCARD int timer_heap_reserve(struct timer_heap *h, size_t n);

/* Arms `t` or moves it; there must be room. */
void timer_heap_put(struct timer_heap *h, struct timer *t, int64_t due_ns);
void timer_heap_remove(struct timer_heap *h, struct timer *t); /* fine when not armed */

/* INT64_MAX when empty. */
int64_t timer_heap_next_ns(const struct timer_heap *h);
/* Takes the soonest one out when it is due at `now_ns`, else NULL. */
struct timer *timer_heap_pop_due(struct timer_heap *h, int64_t now_ns);

#endif
