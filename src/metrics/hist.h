/*
 * hist - a histogram of doubles with a relative error of at most 0.1 %.
 *
 * The counter of a value is named by the top bits of its IEEE form: exponent and 10 bits of
 * mantissa, so 1,024 counters share each power of two and the width of one is below 0.098 % of its
 * values.  Counters come in pages of one power of two (4 KB), allocated when the first value falls
 * in: a response time metric has some ten.  Negative values have pages of their own, zeros a
 * counter.  There is no range to be set; NaN is not to be added.
 *
 * A page knows whether all its values were the exact lower bound of their counter (small integers
 * are): quantiles are exact then.
 *
 * Not thread-safe.
 */
#ifndef METRICS_HIST_H
#define METRICS_HIST_H

#include "base/attr.h"

#include <stdint.h>
#include <string.h>

#define HIST_BITS 10u
#define HIST_PAGE (1u << HIST_BITS)

struct hist_page {
    uint64_t inexact; /* OR of the bits that the counters' indexes leave out */
    uint32_t counters[HIST_PAGE];
};

/* The pages of one sign: a window of exponents. */
struct hist_side {
    struct hist_page **pages; /* NULL: no value of this exponent yet */
    uint32_t first;           /* biased exponent of pages[0] */
    uint32_t len;
};

/* What a counter of 32 bits couldn't hold. */
struct hist_carry {
    uint32_t index; /* HIST_NEGATIVE or 0, | exponent << HIST_BITS | counter */
    uint32_t times; /* how often it has passed 2^32 */
};
#define HIST_NEGATIVE (1u << 31)

struct hist {
    struct hist_side positive;
    struct hist_side negative; /* by absolute value */
    uint64_t zeros;
    uint64_t count; /* all values */
    struct hist_carry *carries;
    uint32_t carries_len;
};

NODISCARD int hist_new(struct hist **ret); /* 0 or -ENOMEM */
void hist_free(struct hist *h);            /* NULL is fine */

/* The long way of hist_add(): a new page or a full counter. */
int hist_add_slow(struct hist *h, double value);

/* 0 or -ENOMEM (then nothing has changed). */
static inline int hist_add(struct hist *h, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (bits << 1 == 0) {
        h->zeros++;
        h->count++;
        return 0;
    }
    const struct hist_side *side = bits >> 63 ? &h->negative : &h->positive;
    uint32_t exponent = (uint32_t)(bits >> 52) & 0x7ff;
    uint32_t at = exponent - side->first;
    struct hist_page *page = LIKELY(at < side->len) ? side->pages[at] : NULL;
    if (UNLIKELY(!page))
        return hist_add_slow(h, value);
    uint32_t *counter = &page->counters[(bits >> (52 - HIST_BITS)) & (HIST_PAGE - 1)];
    if (UNLIKELY(*counter == UINT32_MAX))
        return hist_add_slow(h, value);
    (*counter)++;
    page->inexact |= bits << (12 + HIST_BITS);
    h->count++;
    return 0;
}

/* `times` times the same value; for merging and tests. */
NODISCARD int hist_add_times(struct hist *h, double value, uint64_t times);

/* 0 or -ENOMEM; then a part of `from` may be in. */
NODISCARD int hist_merge(struct hist *h, const struct hist *from);

/* The value at rank q * (count - 1) of the sorted values, linear between ranks as k6's percentiles
 * are; 0 when it is empty.  Not clamped to the true minimum and maximum: see sink_quantile(). */
double hist_quantile(const struct hist *h, double q);

#endif
