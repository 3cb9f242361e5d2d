#include "metrics/sink.h"

#include "metrics/sink_int.h"

#include "base/err.h"
#include "base/mem.h"
#include "codec/hdr.h"

#include <errno.h>

int sink_hdr_add_slow(struct sink *s, double value)
{
    if (!s->hdr) {
        s->hdr = mem_calloc(1, sizeof *s->hdr);
        if (!s->hdr)
            return -ENOMEM;
        hdr_init(s->hdr);
    }
    return hdr_add(s->hdr, value);
}

int sink_hist_first(struct sink *s, double value)
{
    int rc = hist_new(&s->hist);
    return rc < 0 ? rc : hist_add(s->hist, value);
}

void sink_fini(struct sink *s)
{
    hist_free(s->hist);
    if (s->hdr) {
        hdr_fini(s->hdr);
        mem_free(s->hdr);
    }
    *s = (struct sink){0};
}

int sink_add(struct sink *s, enum metric_type type, bool fine, double value, int64_t wall_ns)
{
    sink_count(s, type, value, wall_ns);
    if (type != METRIC_TREND)
        return 0;
    return fine ? sink_hist_add(s, value) : sink_hdr_add(s, value);
}

static int merge_histograms(struct sink *into, const struct sink *from)
{
    if (from->hist && !into->hist) {
        int rc = hist_new(&into->hist);
        if (rc < 0)
            return rc;
    }
    if (from->hist) {
        int rc = hist_merge(into->hist, from->hist);
        if (rc < 0)
            return rc;
    }
    if (from->hdr && !into->hdr) {
        into->hdr = mem_calloc(1, sizeof *into->hdr);
        if (!into->hdr)
            return -ENOMEM;
        hdr_init(into->hdr);
    }
    return from->hdr ? hdr_merge(into->hdr, from->hdr) : 0;
}

int sink_merge(struct sink *into, const struct sink *from, enum metric_type type)
{
    if (from->count == 0)
        return 0;
    if (into->count == 0) {
        into->min = from->min;
        into->max = from->max;
    } else {
        into->min = MIN(into->min, from->min);
        into->max = MAX(into->max, from->max);
    }
    if (into->count == 0 || from->last_ns >= into->last_ns) {
        into->last = from->last;
        into->last_ns = from->last_ns;
    }
    into->count += from->count;
    into->nonzero += from->nonzero;
    into->sum += from->sum;
    return type == METRIC_TREND ? merge_histograms(into, from) : 0;
}

double sink_quantile(const struct sink *s, double q)
{
    if (s->count == 0)
        return 0;
    if (q <= 0)
        return s->min;
    if (q >= 1)
        return s->max;
    double v = 0;
    if (s->hist)
        v = hist_quantile(s->hist, q);
    else if (s->hdr)
        v = hdr_quantile(s->hdr, q);
    return MAX(s->min, MIN(s->max, v));
}

double sink_avg(const struct sink *s)
{
    return s->count ? s->sum / (double)s->count : 0;
}
