/*
 * slow - the slowest requests of a series in a time bucket, each as it was: what a percentile
 * hides.
 */
#ifndef METRICS_SLOW_H
#define METRICS_SLOW_H

#include "base/attr.h"
#include "metrics/shard.h"

#include <stdint.h>

enum { SLOW_MAX = 5 }; /* of one series and bucket */

struct slow_request {
    int64_t wall_ns; /* its end */
    struct http_sample http;
};

/* The fastest of them first.  Freed with mem_free(). */
struct slow_requests {
    uint32_t len;
    struct slow_request items[SLOW_MAX];
};

/* Keeps the request if it is among the `max` (at most SLOW_MAX) slowest; *list is made when it is
 * NULL.  Without memory the request isn't kept. */
void slow_add(struct slow_requests **list, uint32_t max, const struct slow_request *r);

/* True when a request of that duration would be kept.  Cheap: most aren't. */
static inline bool slow_wants(const struct slow_requests *list, uint32_t max, double duration_ms)
{
    return list == NULL || list->len < max || duration_ms > list->items[0].http.duration_ms;
}

/* Moves what is among the slowest of both into *into; *from is freed and NULL. */
void slow_merge(struct slow_requests **into, struct slow_requests **from, uint32_t max);

#endif
