#include "js/rate.h"

#include "base/clock.h"
#include "rt/co.h"

void rate_init(struct rate *r, int64_t per_second)
{
    r->every_ns = MAX(NS_PER_S / per_second, (int64_t)1);
    atomic_init(&r->next_ns, 0);
}

int64_t rate_take(struct rate *r, int64_t now_ns)
{
    int64_t next = atomic_load_explicit(&r->next_ns, memory_order_relaxed), due;
    do {
        due = MAX(next, now_ns);
    } while (!atomic_compare_exchange_weak_explicit(&r->next_ns, &next, due + r->every_ns,
                                                    memory_order_relaxed, memory_order_relaxed));
    return due;
}

void rate_give_back(struct rate *r)
{
    (void)atomic_fetch_sub_explicit(&r->next_ns, r->every_ns, memory_order_relaxed);
}

int rate_wait(struct rate *r)
{
    int64_t now = clock_mono_ns(), due = rate_take(r, now);
    int rc = due > now ? co_sleep_until(due) : 0;
    if (rc < 0)
        rate_give_back(r);
    return rc;
}
