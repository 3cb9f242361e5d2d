/*
 * value - a bucket of a series, or of many merged.  Private to store/.
 *
 * Stored as: counter a double (in a row of its own a REAL); gauge last, min, max, avg as doubles
 * and a varint count; rate varints nonzero and total; trend a histogram (hdr_encode).
 * Little-endian.
 */
#ifndef STORE_VALUE_H
#define STORE_VALUE_H

#include <sqlite3.h>

#include "codec/metricset.h"

/* Zeroed with a type is the empty value. */
struct value {
    enum metricset_type type;
    union {
        double counter;
        struct {
            double last, min, max, sum;
            uint64_t count;
            int64_t last_s; /* bucket that `last` is from; not stored */
        } gauge;
        struct {
            uint64_t nonzero, total;
        } rate;
        struct hdr trend;
    };
};

void value_init(struct value *v, enum metricset_type type);
void value_fini(struct value *v);
void value_reset(struct value *v); /* empty, of the same type */

/* 0, -ENOMEM, E_CORRUPT (of a stored form: E_DAMAGED).  Of gauges the later bucket gives `last`, of
 * equal ones the second. */
NODISCARD int value_merge(struct value *v, const struct value *from);
NODISCARD int value_merge_wire(struct value *v, const struct metricset_value *from);
/* The stored form; `t` is its bucket.  After E_DAMAGED `v` may hold a part of it. */
NODISCARD int value_merge_stored(struct value *v, struct str stored, int64_t t);
/* The same, of a trend without its counters: count, sum, min and max only. */
NODISCARD int value_merge_figures(struct value *v, struct str stored, int64_t t);
/* The stored form, from a column of a row of `rollups`. */
NODISCARD int value_merge_column(struct value *v, sqlite3_stmt *stmt, int column, int64_t t);

/* Appends the stored form; failures are in buf_finish(out). */
void value_encode(const struct value *v, struct buf *out);
/* Binds the stored form; `scratch` holds it until the statement has run. */
NODISCARD int value_bind(const struct value *v, sqlite3_stmt *stmt, int index, struct buf *scratch);

#endif
