#include "store/value.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "codec/varint.h"
#include "store/db.h"

void value_init(struct value *v, enum metricset_type type)
{
    memset(v, 0, sizeof *v);
    v->type = type;
}

void value_fini(struct value *v)
{
    if (v->type == METRICSET_TREND)
        hdr_fini(&v->trend);
}

void value_reset(struct value *v)
{
    if (v->type == METRICSET_TREND)
        hdr_reset(&v->trend);
    else
        value_init(v, v->type);
}

static void merge_gauge(struct value *v, double last, double min, double max, double sum,
                        uint64_t count, int64_t last_s)
{
    if (count == 0)
        return;
    bool first = v->gauge.count == 0;
    if (first || last_s >= v->gauge.last_s) {
        v->gauge.last = last;
        v->gauge.last_s = last_s;
    }
    v->gauge.min = first ? min : fmin(v->gauge.min, min);
    v->gauge.max = first ? max : fmax(v->gauge.max, max);
    v->gauge.sum += sum;
    v->gauge.count += count;
}

int value_merge(struct value *v, const struct value *from)
{
    DCHECK(v->type == from->type);
    switch (v->type) {
    case METRICSET_COUNTER:
        v->counter += from->counter;
        break;
    case METRICSET_GAUGE:
        merge_gauge(v, from->gauge.last, from->gauge.min, from->gauge.max, from->gauge.sum,
                    from->gauge.count, from->gauge.last_s);
        break;
    case METRICSET_RATE:
        v->rate.nonzero += from->rate.nonzero;
        v->rate.total += from->rate.total;
        break;
    case METRICSET_TREND:
        return hdr_merge(&v->trend, &from->trend);
    }
    return 0;
}

int value_merge_wire(struct value *v, const struct metricset_value *from)
{
    switch (from->type) {
    case METRICSET_COUNTER:
        if (!isfinite(from->counter))
            return err_set(E_CORRUPT, "a counter's value is not a number");
        v->counter += from->counter;
        break;
    case METRICSET_GAUGE: {
        const struct metricset_gauge *g = &from->gauge;
        if (!isfinite(g->last) || !isfinite(g->min) || !isfinite(g->max) || !isfinite(g->avg))
            return err_set(E_CORRUPT, "a gauge's value is not a number");
        merge_gauge(v, g->last, g->min, g->max, g->avg * g->count, g->count,
                    from->time_ns / NS_PER_S);
        break;
    }
    case METRICSET_RATE:
        if (from->rate.nonzero > from->rate.total)
            return err_set(E_CORRUPT, "a rate has more non-zero values than values");
        v->rate.nonzero += from->rate.nonzero;
        v->rate.total += from->rate.total;
        break;
    case METRICSET_TREND:
        return hdr_merge_wire(&v->trend, &from->trend);
    }
    return 0;
}

/* The codec can't know that what it has read was ours. */
static int damaged(int rc)
{
    struct err was = *err_get();
    return rc == E_CORRUPT ? err_set(E_DAMAGED, "%s", was.message) : rc;
}

static int merge_stored_rate(struct value *v, const uint8_t *p, const uint8_t *end)
{
    uint64_t nonzero = 0;
    uint64_t total = 0;
    if (!varint_get(&p, end, &nonzero) || !varint_get(&p, end, &total))
        return err_set(E_DAMAGED, "stored rate: cut short");
    v->rate.nonzero += nonzero;
    v->rate.total += total;
    return 0;
}

static int merge_stored_gauge(struct value *v, const uint8_t *p, const uint8_t *end, int64_t t)
{
    double figures[4];
    uint64_t count = 0;
    if ((size_t)(end - p) < sizeof figures)
        return err_set(E_DAMAGED, "stored gauge: cut short");
    memcpy(figures, p, sizeof figures);
    p += sizeof figures;
    if (!varint_get(&p, end, &count))
        return err_set(E_DAMAGED, "stored gauge: cut short");
    merge_gauge(v, figures[0], figures[1], figures[2], figures[3] * (double)count, count, t);
    return 0;
}

int value_merge_stored(struct value *v, struct str stored, int64_t t)
{
    const uint8_t *p = (const uint8_t *)stored.ptr;
    const uint8_t *end = p + stored.len;
    double counter = 0;
    switch (v->type) {
    case METRICSET_COUNTER:
        if (stored.len != sizeof counter)
            return err_set(E_DAMAGED, "stored counter: cut short");
        memcpy(&counter, p, sizeof counter);
        v->counter += counter;
        return 0;
    case METRICSET_GAUGE:
        return merge_stored_gauge(v, p, end, t);
    case METRICSET_RATE:
        return merge_stored_rate(v, p, end);
    case METRICSET_TREND:
        return damaged(hdr_merge_encoded(&v->trend, p, stored.len));
    }
    return 0;
}

int value_merge_figures(struct value *v, struct str stored, int64_t t)
{
    if (v->type == METRICSET_TREND)
        return damaged(hdr_merge_figures(&v->trend, stored.ptr, stored.len));
    return value_merge_stored(v, stored, t);
}

int value_merge_column(struct value *v, sqlite3_stmt *stmt, int column, int64_t t)
{
    if (v->type == METRICSET_COUNTER) {
        v->counter += sqlite3_column_double(stmt, column);
        return 0;
    }
    return value_merge_stored(v, db_blob(stmt, column), t);
}

void value_encode(const struct value *v, struct buf *out)
{
    switch (v->type) {
    case METRICSET_COUNTER:
        buf_append(out, &v->counter, sizeof v->counter);
        break;
    case METRICSET_GAUGE: {
        double avg = v->gauge.count > 0 ? v->gauge.sum / (double)v->gauge.count : 0;
        double figures[4] = {v->gauge.last, v->gauge.min, v->gauge.max, avg};
        buf_append(out, figures, sizeof figures);
        varint_put(out, v->gauge.count);
        break;
    }
    case METRICSET_RATE:
        varint_put(out, v->rate.nonzero);
        varint_put(out, v->rate.total);
        break;
    case METRICSET_TREND:
        hdr_encode(&v->trend, out);
        break;
    }
}

int value_bind(const struct value *v, sqlite3_stmt *stmt, int index, struct buf *scratch)
{
    if (v->type == METRICSET_COUNTER)
        return sqlite3_bind_double(stmt, index, v->counter) == SQLITE_OK ? 0 : -ENOMEM;
    buf_reset(scratch);
    value_encode(v, scratch);
    int rc = buf_finish(scratch);
    if (rc < 0)
        return rc;
    return sqlite3_bind_blob64(stmt, index, scratch->data, scratch->len, SQLITE_STATIC) == SQLITE_OK
               ? 0
               : -ENOMEM;
}
