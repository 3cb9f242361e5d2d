/*
 * sink_int - the inner parts of sink.c that shard.c inlines into its hot path.
 */
#ifndef METRICS_SINK_INT_H
#define METRICS_SINK_INT_H

#include "codec/hdr.h"
#include "metrics/hist.h"
#include "metrics/sink.h"

int sink_hdr_add_slow(struct sink *s, double value);
int sink_hist_first(struct sink *s, double value);

static inline void sink_extremes(struct sink *s, double value)
{
    if (UNLIKELY(s->count == 0)) {
        s->min = value;
        s->max = value;
    }
    s->min = value < s->min ? value : s->min;
    s->max = value > s->max ? value : s->max;
}

/* Everything but the histograms; only what means something for `type`, as most calls know it at
 * compile time. */
static inline void sink_count(struct sink *s, enum metric_type type, double value, int64_t wall_ns)
{
    switch (type) {
    case METRIC_COUNTER:
        break;
    case METRIC_RATE:
        s->nonzero += value != 0;
        break;
    case METRIC_GAUGE:
        s->last = value;
        s->last_ns = wall_ns;
        sink_extremes(s, value);
        break;
    case METRIC_TREND:
        sink_extremes(s, value);
        break;
    }
    s->count++;
    s->sum += value;
}

/* hdr_add() for the usual value, whose counter exists. */
static inline int sink_hdr_add(struct sink *s, double value)
{
    struct hdr *h = s->hdr;
    double v = value / HDR_RESOLUTION;
    if (UNLIKELY(!h || h->count == 0 || !(v >= 0 && v < (double)(INT64_C(1) << 52))))
        return sink_hdr_add_slow(s, value);
    int64_t u = (int64_t)v;
    u += (double)u < v;
    uint32_t index = (uint32_t)u;
    if (u >= 256) {
        int d = 63 - __builtin_clzll((uint64_t)u >> 7);
        index = ((uint32_t)d << 7) + (uint32_t)(u >> d);
    }
    uint32_t at = index - h->first;
    if (UNLIKELY(at >= h->len || h->counters[at] == UINT32_MAX))
        return sink_hdr_add_slow(s, value);
    h->counters[at]++;
    h->count++;
    h->sum += value;
    h->min = value < h->min ? value : h->min;
    h->max = value > h->max ? value : h->max;
    return 0;
}

static inline int sink_hist_add(struct sink *s, double value)
{
    if (UNLIKELY(!s->hist))
        return sink_hist_first(s, value);
    return hist_add(s->hist, value);
}

#endif
