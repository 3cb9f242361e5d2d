#include "metrics/hist.h"

#include "base/mem.h"

#include <errno.h>
#include <math.h>

int hist_new(struct hist **ret)
{
    struct hist *h = mem_calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    *ret = h;
    return 0;
}

static void side_fini(struct hist_side *s)
{
    for (uint32_t i = 0; i < s->len; i++)
        mem_free(s->pages[i]);
    mem_free(s->pages);
}

void hist_free(struct hist *h)
{
    if (!h)
        return;
    side_fini(&h->positive);
    side_fini(&h->negative);
    mem_free(h->carries);
    mem_free(h);
}

/* Widens the window so that it holds `exponent`. */
static int side_widen(struct hist_side *s, uint32_t exponent)
{
    uint32_t first = s->len ? MIN(s->first, exponent) : exponent;
    uint32_t end = s->len ? MAX(s->first + s->len, exponent + 1) : exponent + 1;
    struct hist_page **pages = mem_calloc(end - first, sizeof(struct hist_page *));
    if (!pages)
        return -ENOMEM;
    if (s->len)
        memcpy(pages + (s->first - first), s->pages, s->len * sizeof(struct hist_page *));
    mem_free(s->pages);
    *s = (struct hist_side){.pages = pages, .first = first, .len = end - first};
    return 0;
}

static int side_page(struct hist_side *s, uint32_t exponent, struct hist_page **ret)
{
    if (exponent - s->first >= s->len) {
        int rc = side_widen(s, exponent);
        if (rc < 0)
            return rc;
    }
    struct hist_page **slot = &s->pages[exponent - s->first];
    if (!*slot) {
        *slot = mem_calloc(1, sizeof **slot);
        if (!*slot)
            return -ENOMEM;
    }
    *ret = *slot;
    return 0;
}

static uint32_t carry_of(const struct hist *h, uint32_t index)
{
    for (uint32_t i = 0; i < h->carries_len; i++) {
        if (h->carries[i].index == index)
            return h->carries[i].times;
    }
    return 0;
}

static int add_carry(struct hist *h, uint32_t index, uint32_t times)
{
    for (uint32_t i = 0; i < h->carries_len; i++) {
        if (h->carries[i].index == index) {
            h->carries[i].times += times;
            return 0;
        }
    }
    struct hist_carry *more = mem_realloc_array(h->carries, h->carries_len + 1, sizeof *h->carries);
    if (!more)
        return -ENOMEM;
    h->carries = more;
    h->carries[h->carries_len++] = (struct hist_carry){index, times};
    return 0;
}

/* Adds `n` to counter `slot` of `exponent`'s page. */
static int add_at(struct hist *h, uint32_t sign, uint32_t exponent, uint32_t slot, uint64_t n,
                  uint64_t inexact)
{
    struct hist_page *page;
    int rc = side_page(sign ? &h->negative : &h->positive, exponent, &page);
    if (rc < 0)
        return rc;
    uint64_t sum = page->counters[slot] + n;
    if (sum > UINT32_MAX) {
        rc = add_carry(h, sign | exponent << HIST_BITS | slot, (uint32_t)(sum >> 32));
        if (rc < 0)
            return rc;
    }
    page->counters[slot] = (uint32_t)sum;
    page->inexact |= inexact;
    h->count += n;
    return 0;
}

int hist_add_times(struct hist *h, double value, uint64_t times)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (bits << 1 == 0) {
        h->zeros += times;
        h->count += times;
        return 0;
    }
    return add_at(h, bits >> 63 ? HIST_NEGATIVE : 0, (uint32_t)(bits >> 52) & 0x7ff,
                  (uint32_t)(bits >> (52 - HIST_BITS)) & (HIST_PAGE - 1), times,
                  bits << (12 + HIST_BITS));
}

int hist_add_slow(struct hist *h, double value)
{
    return hist_add_times(h, value, 1);
}

static int merge_page(struct hist *h, uint32_t sign, uint32_t exponent,
                      const struct hist_page *from)
{
    for (uint32_t slot = 0; slot < HIST_PAGE; slot++) {
        if (from->counters[slot] == 0)
            continue;
        int rc = add_at(h, sign, exponent, slot, from->counters[slot], from->inexact);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int merge_side(struct hist *h, uint32_t sign, const struct hist_side *from)
{
    for (uint32_t i = 0; i < from->len; i++) {
        if (!from->pages[i])
            continue;
        int rc = merge_page(h, sign, from->first + i, from->pages[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int hist_merge(struct hist *h, const struct hist *from)
{
    h->zeros += from->zeros;
    h->count += from->zeros;
    int rc = merge_side(h, 0, &from->positive);
    if (rc == 0)
        rc = merge_side(h, HIST_NEGATIVE, &from->negative);
    for (uint32_t i = 0; rc == 0 && i < from->carries_len; i++) {
        const struct hist_carry *c = &from->carries[i];
        uint32_t place = c->index & ~HIST_NEGATIVE;
        rc = add_at(h, c->index & HIST_NEGATIVE, place >> HIST_BITS, place & (HIST_PAGE - 1),
                    (uint64_t)c->times << 32, 0);
    }
    return rc;
}

/* The value of the counter's lower bound in absolute terms. */
static double bound(uint32_t exponent, uint32_t slot)
{
    uint64_t bits = ((uint64_t)exponent << HIST_BITS | slot) << (52 - HIST_BITS);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* Value number `k` (0..n-1) of the n in this counter, ascending in absolute value: spread evenly,
 * the first and the last half a step inside. */
static double inside(const struct hist_page *page, uint32_t exponent, uint32_t slot, uint64_t k,
                     uint64_t n)
{
    double low = bound(exponent, slot);
    if (page->inexact == 0 || isinf(low))
        return low;
    uint64_t bits = (((uint64_t)exponent << HIST_BITS | slot) + 1) << (52 - HIST_BITS);
    double high;
    memcpy(&high, &bits, sizeof high);
    if (isinf(high))
        return low;
    return low + (high - low) * (((double)k + 0.5) / (double)n);
}

/* Walks one side in ascending absolute value, or backwards; finds the value with `*rank` others
 * before it, else takes their number off *rank. */
static int side_rank(const struct hist *h, uint32_t sign, uint64_t *rank, double *ret)
{
    const struct hist_side *s = sign ? &h->negative : &h->positive;
    for (uint32_t p = 0; p < s->len; p++) {
        uint32_t i = sign ? s->len - 1 - p : p;
        const struct hist_page *page = s->pages[i];
        if (!page)
            continue;
        for (uint32_t c = 0; c < HIST_PAGE; c++) {
            uint32_t slot = sign ? HIST_PAGE - 1 - c : c;
            uint32_t exponent = s->first + i;
            uint64_t n = page->counters[slot];
            if (h->carries_len > 0)
                n += (uint64_t)carry_of(h, sign | exponent << HIST_BITS | slot) << 32;
            if (*rank < n) {
                uint64_t k = sign ? n - 1 - *rank : *rank;
                *ret = inside(page, exponent, slot, k, n);
                return 1;
            }
            *rank -= n;
        }
    }
    return 0;
}

static double at_rank(const struct hist *h, uint64_t rank)
{
    double v = 0;
    if (side_rank(h, HIST_NEGATIVE, &rank, &v))
        return -v;
    if (rank < h->zeros)
        return 0;
    rank -= h->zeros;
    (void)side_rank(h, 0, &rank, &v);
    return v;
}

double hist_quantile(const struct hist *h, double q)
{
    if (h->count == 0)
        return 0;
    double place = q * (double)(h->count - 1);
    double whole = floor(place);
    uint64_t rank = MIN((uint64_t)whole, h->count - 1);
    double low = at_rank(h, rank);
    double part = place - whole;
    if (part <= 0 || rank + 1 >= h->count)
        return low;
    double high = at_rank(h, rank + 1);
    return isinf(low) || isinf(high) ? low : low + (high - low) * part;
}
