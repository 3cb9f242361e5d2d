/*
 * hdr - the histogram of k6's cloud stream: relative error below 0.8 %, 1 microsecond at the fine
 * end for values in milliseconds.
 *
 * A value is divided by HDR_RESOLUTION and rounded up to an integer u; up to 255 every u has a
 * counter of its own, above that 128 counters share each power of two.  Counters are one dense
 * window from the smallest to the largest index used, which grows at both ends.  Negative values
 * and values beyond int64 have a counter each outside the window.
 *
 * The struct owns its counters.  Not thread-safe.
 */
#ifndef CODEC_HDR_H
#define CODEC_HDR_H

#include "base/attr.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define HDR_RESOLUTION 0.001

/* One more than the greatest index that a value can have. */
enum { HDR_INDEX_MAX = 7424 };

/* All zero is a valid empty histogram. */
struct hdr {
    uint32_t *counters;  /* counters[i] is that of index first + i; saturates at UINT32_MAX */
    uint32_t first;      /* index of counters[0]; means nothing while len is 0 */
    uint32_t len;        /* counters in use */
    uint32_t cap;        /* counters allocated */
    uint64_t count;      /* all values, the extra ones too */
    uint64_t extra_low;  /* negative values */
    uint64_t extra_high; /* values beyond int64 */
    double sum;
    double min; /* valid when count > 0 */
    double max; /* valid when count > 0 */
};

/* A run of consecutive indexes of the wire form. */
struct hdr_span {
    uint32_t offset; /* gap from the end of the span before; the index itself for the first */
    uint32_t length; /* indexes in the run */
};

/* The wire form (TrendHdrValue), as a view: the arrays belong to whoever made it. */
struct hdr_wire {
    const uint32_t *counters; /* one for each index of the spans, in order */
    const struct hdr_span *spans;
    uint32_t counters_len;
    uint32_t spans_len;
    uint32_t count;
    uint32_t extra_low;
    uint32_t extra_high;
    double sum;
    double min;
    double max;
    double resolution; /* 0 counts as HDR_RESOLUTION; another one is refused */
};

void hdr_init(struct hdr *h);  /* no allocation, cannot fail */
void hdr_fini(struct hdr *h);  /* safe on a zeroed one */
void hdr_reset(struct hdr *h); /* empty; keeps its memory */

/* 0 or -ENOMEM (then nothing has changed).  A NaN isn't counted. */
NODISCARD int hdr_add(struct hdr *h, double value);
/* The same `n` times. */
NODISCARD int hdr_add_many(struct hdr *h, double value, uint32_t n);

/* Everything of `from` into `h`.  0 or -ENOMEM (then nothing has changed). */
NODISCARD int hdr_merge(struct hdr *h, const struct hdr *from);

/* The same from the wire.  0, -ENOMEM, or E_CORRUPT with a message when spans and counters don't
 * fit each other or the index range; nothing has changed then. */
NODISCARD int hdr_merge_wire(struct hdr *h, const struct hdr_wire *from);

/* The value below which the share q (0..1) of the values lies, interpolated between ranks as k6's
 * own percentiles are; within half a counter's width of the exact one, never outside min..max.
 * 0 when it is empty. */
double hdr_quantile(const struct hdr *h, double q);
double hdr_avg(const struct hdr *h);    /* sum / count; 0 when it is empty */
double hdr_stddev(const struct hdr *h); /* of the population, from the counters' middles */

/* The next run of counters that are not 0, at or after offset *at of the window; false when there
 * is none.  Walk with `at += len`. */
bool hdr_next_run(const struct hdr *h, uint32_t *at, uint32_t *ret_len);

/* The own compact form, for storage. */
void hdr_encode(const struct hdr *h, struct buf *out);
/* The same of a wire form that hdr_merge_wire() has taken. */
void hdr_encode_wire(const struct hdr_wire *w, struct buf *out);
/* Adds a histogram of that form to `h`.  0, -ENOMEM, or E_CORRUPT: `h` may hold a part of it then.
 */
NODISCARD int hdr_merge_encoded(struct hdr *h, const void *data, size_t len);
/* The same without the counters: count, sum, min, max.  What needs counters has none then. */
NODISCARD int hdr_merge_figures(struct hdr *h, const void *data, size_t len);

/* Index of a value that is neither negative nor beyond int64; -1 for one that is, or a NaN. */
int32_t hdr_index(double value);
/* The values of an index lie in ]*ret_low, *ret_high]. */
void hdr_range(uint32_t index, double *ret_low, double *ret_high);

#endif
