/*
 * sink_int - the inner parts of sink.c that shard.c inlines into its hot path.
 */
#ifndef METRICS_SINK_INT_H
#define METRICS_SINK_INT_H

#include "metrics/hist.h"
#include "metrics/sink.h"

int sink_hdr_add(struct sink *s, double value);
int sink_hist_first(struct sink *s, double value);

/* Everything but the histograms. */
static inline void sink_count(struct sink *s, double value, int64_t wall_ns)
{
    if (UNLIKELY(s->count == 0)) {
        s->min = value;
        s->max = value;
    }
    s->min = value < s->min ? value : s->min;
    s->max = value > s->max ? value : s->max;
    s->count++;
    s->nonzero += value != 0;
    s->sum += value;
    s->last = value;
    s->last_ns = wall_ns;
}

static inline int sink_hist_add(struct sink *s, double value)
{
    if (UNLIKELY(!s->hist))
        return sink_hist_first(s, value);
    return hist_add(s->hist, value);
}

#endif
