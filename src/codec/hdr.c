/*
 * Storage form (hdr_encode): varint count, extra_low, extra_high; sum, min, max as little-endian
 * doubles; then to the end spans: varint offset, varint length and its counters.  An empty
 * histogram is the single byte 0.
 */
#include "codec/hdr.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "codec/varint.h"

/* The window grows in steps of this many counters, so that it seldom moves. */
enum { STEP = 64 };

/* Sparse zeros shorter than this cost less as counters than as a new span of two varints. */
enum { SPAN_GAP_MAX = 2 };

void hdr_init(struct hdr *h)
{
    *h = (struct hdr){0};
}

void hdr_fini(struct hdr *h)
{
    mem_free(h->counters);
    *h = (struct hdr){0};
}

void hdr_reset(struct hdr *h)
{
    *h = (struct hdr){.counters = h->counters, .cap = h->cap};
}

int32_t hdr_index(double value)
{
    double v = value / HDR_RESOLUTION;
    if (!(v >= 0) || v > (double)INT64_MAX)
        return -1;
    uint64_t u = (uint64_t)ceil(v);
    if (u < 256)
        return (int32_t)u;
    int d = 63 - __builtin_clzll(u >> 7);
    return (int32_t)((uint32_t)d << 7) + (int32_t)(u >> d);
}

void hdr_range(uint32_t index, double *ret_low, double *ret_high)
{
    if (index < 256) {
        *ret_low = index > 0 ? (index - 1) * HDR_RESOLUTION : 0;
        *ret_high = index * HDR_RESOLUTION;
        return;
    }
    uint32_t d = (index >> 7) - 1;
    double low = ldexp((double)((index & 127) + 128), (int)d);
    *ret_low = (low - 1) * HDR_RESOLUTION;
    *ret_high = (low + ldexp(1, (int)d) - 1) * HDR_RESOLUTION;
}

/* Makes the window hold low..high. */
static int cover(struct hdr *h, uint32_t low, uint32_t high)
{
    uint32_t first = low / STEP * STEP;
    uint32_t end = (high / STEP + 1) * STEP;
    if (h->len > 0) {
        first = MIN(first, h->first);
        end = MAX(end, h->first + h->len);
        if (first == h->first && end == h->first + h->len)
            return 0;
    }
    uint32_t len = end - first;
    if (len > h->cap) {
        uint32_t *grown = mem_realloc_array(h->counters, len, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        h->counters = grown;
        h->cap = len;
    }
    uint32_t shift = h->len > 0 ? h->first - first : 0;
    if (h->len > 0)
        memmove(h->counters + shift, h->counters, h->len * sizeof *h->counters);
    memset(h->counters, 0, shift * sizeof *h->counters);
    memset(h->counters + shift + h->len, 0, (len - shift - h->len) * sizeof *h->counters);
    h->first = first;
    h->len = len;
    return 0;
}

static void bump(uint32_t *counter, uint32_t n)
{
    if (__builtin_add_overflow(*counter, n, counter))
        *counter = UINT32_MAX;
}

/* Everything beside the window; `count` includes the extra ones. */
static void note(struct hdr *h, uint64_t count, double sum, double min, double max)
{
    if (count == 0)
        return;
    h->min = h->count > 0 ? fmin(h->min, min) : min;
    h->max = h->count > 0 ? fmax(h->max, max) : max;
    h->count += count;
    h->sum += sum;
}

int hdr_add(struct hdr *h, double value)
{
    if (isnan(value))
        return 0;
    int32_t index = hdr_index(value);
    if (index < 0) {
        if (value < 0)
            h->extra_low++;
        else
            h->extra_high++;
    } else {
        uint32_t i = (uint32_t)index;
        if (UNLIKELY(i - h->first >= h->len || i < h->first)) {
            int rc = cover(h, i, i);
            if (rc < 0)
                return rc;
        }
        bump(&h->counters[i - h->first], 1);
    }
    note(h, 1, value, value, value);
    return 0;
}

int hdr_add_many(struct hdr *h, double value, uint32_t n)
{
    if (isnan(value) || n == 0)
        return 0;
    int32_t index = hdr_index(value);
    if (index < 0) {
        if (value < 0)
            h->extra_low += n;
        else
            h->extra_high += n;
    } else {
        uint32_t i = (uint32_t)index;
        int rc = cover(h, i, i);
        if (rc < 0)
            return rc;
        bump(&h->counters[i - h->first], n);
    }
    note(h, n, value * n, value, value);
    return 0;
}

int hdr_merge(struct hdr *h, const struct hdr *from)
{
    if (from->len > 0) {
        int rc = cover(h, from->first, from->first + from->len - 1);
        if (rc < 0)
            return rc;
        uint32_t *to = h->counters + (from->first - h->first);
        for (uint32_t i = 0; i < from->len; i++)
            bump(&to[i], from->counters[i]);
    }
    h->extra_low += from->extra_low;
    h->extra_high += from->extra_high;
    note(h, from->count, from->sum, from->min, from->max);
    return 0;
}

/* The indexes of the spans, checked: *ret_low..*ret_high; counters_len has to fit exactly. */
static int check_spans(const struct hdr_wire *w, uint32_t *ret_low, uint32_t *ret_high)
{
    uint64_t at = 0;
    uint64_t used = 0;
    for (uint32_t i = 0; i < w->spans_len; i++) {
        at += w->spans[i].offset;
        if (i == 0)
            *ret_low = (uint32_t)at;
        at += w->spans[i].length;
        used += w->spans[i].length;
        if (at > HDR_INDEX_MAX)
            return err_set(E_CORRUPT, "histogram: index beyond %d", HDR_INDEX_MAX);
    }
    uint64_t total = (uint64_t)w->extra_low + w->extra_high;
    for (uint32_t i = 0; i < w->counters_len; i++)
        total += w->counters[i];
    if (total != w->count)
        return err_set(E_CORRUPT, "histogram: %llu values in its counters, %u by its count",
                       (unsigned long long)total, w->count);
    if (used != w->counters_len)
        return err_set(E_CORRUPT, "histogram: %u counters for spans of %llu", w->counters_len,
                       (unsigned long long)used);
    *ret_high = at > 0 ? (uint32_t)at - 1 : 0;
    return 0;
}

int hdr_merge_wire(struct hdr *h, const struct hdr_wire *from)
{
    if (from->resolution != 0 && fabs(from->resolution - HDR_RESOLUTION) > 1e-12)
        return err_set(E_CORRUPT, "histogram: resolution %g, only %g is known", from->resolution,
                       HDR_RESOLUTION);
    if (!isfinite(from->sum) || !isfinite(from->min) || !isfinite(from->max))
        return err_set(E_CORRUPT, "histogram: sum, min or max is not a number");
    uint32_t low = 0;
    uint32_t high = 0;
    int rc = check_spans(from, &low, &high);
    if (rc < 0)
        return rc;
    if (from->counters_len > 0) {
        rc = cover(h, low, high);
        if (rc < 0)
            return rc;
        uint32_t at = 0;
        const uint32_t *counter = from->counters;
        for (uint32_t s = 0; s < from->spans_len; s++) {
            at += from->spans[s].offset;
            for (uint32_t i = 0; i < from->spans[s].length; i++)
                bump(&h->counters[at++ - h->first], *counter++);
        }
    }
    h->extra_low += from->extra_low;
    h->extra_high += from->extra_high;
    note(h, from->count, from->sum, from->min, from->max);
    return 0;
}

/* Where a search for ranks has come to: `below` values lie under counters[i]. */
struct rank_search {
    uint64_t below;
    uint32_t i;
};

/* The value at a rank (0-based) of the sorted values, by its place among those of its counter.
 * Ranks have to be asked for in their order. */
static double value_at_rank(const struct hdr *h, uint64_t rank, struct rank_search *at)
{
    if (rank == 0 || rank < h->extra_low)
        return h->min;
    while (at->i < h->len && rank >= at->below + h->counters[at->i])
        at->below += h->counters[at->i++];
    if (at->i == h->len)
        return h->max;
    double low, high;
    hdr_range(h->first + at->i, &low, &high);
    low = fmax(low, h->min);
    high = fmin(high, h->max);
    double share = ((double)(rank - at->below) + 0.5) / h->counters[at->i];
    return fmin(fmax(low + (high - low) * share, h->min), h->max);
}

double hdr_quantile(const struct hdr *h, double q)
{
    if (h->count == 0)
        return 0;
    if (q <= 0)
        return h->min;
    if (q >= 1)
        return h->max;
    struct rank_search at = {.below = h->extra_low};
    double rank = q * (double)(h->count - 1);
    uint64_t whole = (uint64_t)rank;
    double lower = value_at_rank(h, whole, &at);
    double part = rank - (double)whole;
    if (part <= 0 || whole + 1 >= h->count)
        return lower;
    double upper = whole + 2 >= h->count ? h->max : value_at_rank(h, whole + 1, &at);
    return lower + (upper - lower) * part;
}

double hdr_avg(const struct hdr *h)
{
    return h->count > 0 ? h->sum / (double)h->count : 0;
}

double hdr_stddev(const struct hdr *h)
{
    if (h->count == 0)
        return 0;
    double avg = hdr_avg(h);
    double squares = (double)h->extra_low * (h->min - avg) * (h->min - avg) +
                     (double)h->extra_high * (h->max - avg) * (h->max - avg);
    for (uint32_t i = 0; i < h->len; i++) {
        if (h->counters[i] == 0)
            continue;
        double low, high;
        hdr_range(h->first + i, &low, &high);
        double mid = (fmax(low, h->min) + fmin(high, h->max)) / 2;
        squares += h->counters[i] * (mid - avg) * (mid - avg);
    }
    return sqrt(squares / (double)h->count);
}

bool hdr_next_run(const struct hdr *h, uint32_t *at, uint32_t *ret_len)
{
    while (*at < h->len && h->counters[*at] == 0)
        (*at)++;
    if (*at == h->len)
        return false;
    uint32_t end = *at + 1;
    while (end < h->len && h->counters[end] > 0)
        end++;
    *ret_len = end - *at;
    return true;
}

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

enum { VARINT_MAX = 10, SPAN_BYTES_MAX = 2 * VARINT_MAX, COUNTER_BYTES_MAX = 5 };

/* Room for everything but the spans, and what stands in front of them; NULL when there is none. */
static uint8_t *put_head(struct buf *out, size_t spans_bytes, uint64_t count, uint64_t extra_low,
                         uint64_t extra_high, double sum, double min, double max)
{
    double figures[3] = {sum, min, max};
    uint8_t *p = buf_reserve(out, 3 * VARINT_MAX + sizeof figures + spans_bytes);
    if (!p)
        return NULL;
    p = put_varint(p, count);
    if (count == 0)
        return p;
    p = put_varint(p, extra_low);
    p = put_varint(p, extra_high);
    memcpy(p, figures, sizeof figures);
    return p + sizeof figures;
}

void hdr_encode(const struct hdr *h, struct buf *out)
{
    /* A span has a counter at least, so their number is no more than that of the counters. */
    size_t most = (size_t)h->len * (COUNTER_BYTES_MAX + SPAN_BYTES_MAX);
    uint8_t *p = put_head(out, most, h->count, h->extra_low, h->extra_high, h->sum, h->min, h->max);
    if (!p)
        return;
    uint32_t end = 0;
    for (uint32_t i = 0; i < h->len && h->count > 0;) {
        if (h->counters[i] == 0) {
            i++;
            continue;
        }
        uint32_t last = i;
        for (uint32_t j = i + 1; j < h->len && j - last <= SPAN_GAP_MAX + 1; j++)
            if (h->counters[j] > 0)
                last = j;
        p = put_varint(p, h->first + i - end);
        p = put_varint(p, last + 1 - i);
        for (; i <= last; i++)
            p = put_varint(p, h->counters[i]);
        end = h->first + i;
    }
    buf_claim(out, (size_t)(p - (out->data + out->len)));
}

void hdr_encode_wire(const struct hdr_wire *w, struct buf *out)
{
    size_t most = (size_t)w->counters_len * COUNTER_BYTES_MAX +
                  (size_t)w->spans_len * (SPAN_BYTES_MAX + SPAN_GAP_MAX);
    uint8_t *p = put_head(out, most, w->count, w->extra_low, w->extra_high, w->sum, w->min, w->max);
    if (!p)
        return;
    const uint32_t *counter = w->counters;
    for (uint32_t s = 0; s < w->spans_len && w->count > 0;) {
        /* The spans that are joined: from s to before `next`. */
        uint32_t length = w->spans[s].length;
        uint32_t next = s + 1;
        for (; next < w->spans_len && w->spans[next].offset <= SPAN_GAP_MAX; next++)
            length += w->spans[next].offset + w->spans[next].length;
        p = put_varint(p, w->spans[s].offset);
        p = put_varint(p, length);
        for (uint32_t first = s; s < next; s++) {
            for (uint32_t i = 0; s > first && i < w->spans[s].offset; i++)
                *p++ = 0;
            for (uint32_t i = 0; i < w->spans[s].length; i++)
                p = put_varint(p, *counter++);
        }
    }
    buf_claim(out, (size_t)(p - (out->data + out->len)));
}

/* Adds the counters of one encoded span, which the window covers; what they add up to in *total. */
static const uint8_t *add_span(const uint8_t *p, const uint8_t *end, uint32_t *to, uint64_t length,
                               uint64_t *total, bool *saturated)
{
    for (uint64_t i = 0; i < length; i++) {
        uint64_t n = 0;
        if (p < end && *p < 0x80)
            n = *p++;
        else if (!varint_get(&p, end, &n) || n > UINT32_MAX)
            return NULL;
        *total += n;
        *saturated |= n == UINT32_MAX;
        bump(&to[i], (uint32_t)n);
    }
    return p;
}

/* Adds the encoded spans, which have to hold `count` values. */
static int merge_spans(struct hdr *h, const uint8_t *p, const uint8_t *end, uint64_t count)
{
    uint64_t at = 0;
    uint64_t total = 0;
    bool saturated = false;
    while (p && p < end) {
        uint64_t offset = 0;
        uint64_t length = 0;
        if (!varint_get(&p, end, &offset) || !varint_get(&p, end, &length) ||
            offset > HDR_INDEX_MAX || length > HDR_INDEX_MAX ||
            at + offset + length > HDR_INDEX_MAX)
            return E_CORRUPT;
        at += offset;
        if (length == 0)
            continue;
        int rc = cover(h, (uint32_t)at, (uint32_t)(at + length - 1));
        if (rc < 0)
            return rc;
        p = add_span(p, end, h->counters + (at - h->first), length, &total, &saturated);
        at += length;
    }
    return p && (total == count || (saturated && total < count)) ? 0 : E_CORRUPT;
}

struct encoded_head {
    uint64_t count, extra_low, extra_high;
    double sum, min, max;
};

/* Everything before the spans, behind which *p stands then. */
static int read_head(const uint8_t **p, const uint8_t *end, struct encoded_head *ret)
{
    double figures[3];
    *ret = (struct encoded_head){0};
    if (!varint_get(p, end, &ret->count))
        return err_set(E_CORRUPT, "stored histogram: cut short");
    if (ret->count == 0)
        return *p == end ? 0 : err_set(E_CORRUPT, "stored histogram: bytes after the end");
    if (!varint_get(p, end, &ret->extra_low) || !varint_get(p, end, &ret->extra_high) ||
        (size_t)(end - *p) < sizeof figures)
        return err_set(E_CORRUPT, "stored histogram: cut short");
    if (ret->extra_low > ret->count || ret->extra_high > ret->count - ret->extra_low)
        return err_set(E_CORRUPT, "stored histogram: bad counters");
    memcpy(figures, *p, sizeof figures);
    *p += sizeof figures;
    ret->sum = figures[0];
    ret->min = figures[1];
    ret->max = figures[2];
    return 0;
}

static void note_head(struct hdr *h, const struct encoded_head *e)
{
    h->extra_low += e->extra_low;
    h->extra_high += e->extra_high;
    note(h, e->count, e->sum, e->min, e->max);
}

int hdr_merge_encoded(struct hdr *h, const void *data, size_t len)
{
    const uint8_t *p = data;
    const uint8_t *end = p + len;
    struct encoded_head e;
    int rc = read_head(&p, end, &e);
    if (rc < 0)
        return rc;
    rc = merge_spans(h, p, end, e.count - e.extra_low - e.extra_high);
    if (rc < 0)
        return rc == E_CORRUPT ? err_set(rc, "stored histogram: bad counters") : rc;
    note_head(h, &e);
    return 0;
}

int hdr_merge_figures(struct hdr *h, const void *data, size_t len)
{
    const uint8_t *p = data;
    struct encoded_head e;
    int rc = read_head(&p, p + len, &e);
    if (rc == 0)
        note_head(h, &e);
    return rc;
}
