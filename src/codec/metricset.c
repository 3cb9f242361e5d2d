/*
 * proto3, package `metrics`.  Field numbers are those of docs/http-api.md's push; a key is
 * number << 3 | wire type (0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes).
 *
 * A message is walked twice where something that stands later in it is needed first (a metric's
 * type before its series, labels before samples): skipping a field costs two reads.
 */
#include "codec/metricset.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/varint.h"

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* Of a series, our own. */
enum { FIELD_REQUEST = 1000, FIELD_ESTIMATED = 1001 };

/* ---- writing ---- */

static void put_key(struct buf *out, uint32_t number, enum wire wire)
{
    varint_put(out, number << 3 | (uint32_t)wire);
}

/* proto3 leaves zeros out. */
static void put_uint(struct buf *out, uint32_t number, uint64_t v)
{
    if (v == 0)
        return;
    put_key(out, number, WIRE_VARINT);
    varint_put(out, v);
}

static void put_double(struct buf *out, uint32_t number, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    if (bits == 0)
        return;
    put_key(out, number, WIRE_FIXED64);
    buf_append(out, &bits, sizeof bits);
}

static void put_bytes(struct buf *out, uint32_t number, struct str s)
{
    put_key(out, number, WIRE_BYTES);
    varint_put(out, s.len);
    buf_str(out, s);
}

static size_t varint_len(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

/* Opens a message field: its bytes follow, close_message() puts their length in front of them. */
static size_t open_message(struct buf *out, uint32_t number)
{
    put_key(out, number, WIRE_BYTES);
    return out->len;
}

static void close_message(struct buf *out, size_t at)
{
    if (out->err)
        return;
    size_t len = out->len - at;
    size_t head = varint_len(len);
    if (!buf_reserve(out, head))
        return;
    memmove(out->data + at + head, out->data + at, len);
    for (uint8_t *p = out->data + at; head > 0; head--, p++, len >>= 7)
        *p = (uint8_t)((len & 0x7f) | (head > 1 ? 0x80 : 0));
    buf_claim(out, varint_len(out->len - at));
}

static void put_label(struct buf *out, uint32_t number, const struct metricset_label *label)
{
    size_t at = open_message(out, number);
    if (label->name.len > 0)
        put_bytes(out, 1, label->name);
    if (label->value.len > 0)
        put_bytes(out, 2, label->value);
    close_message(out, at);
}

static void put_time(struct buf *out, int64_t time_ns)
{
    int64_t seconds = time_ns / NS_PER_S;
    int64_t nanos = time_ns % NS_PER_S;
    if (nanos < 0) {
        seconds--;
        nanos += NS_PER_S;
    }
    size_t at = open_message(out, 1);
    put_uint(out, 1, (uint64_t)seconds);
    put_uint(out, 2, (uint64_t)nanos);
    close_message(out, at);
}

void metricset_writer_init(struct metricset_writer *w, struct buf *out, struct str test_run_id,
                           uint32_t period_s)
{
    *w = (struct metricset_writer){.out = out};
    if (test_run_id.len > 0)
        put_bytes(out, 1, test_run_id);
    put_uint(out, 2, period_s);
}

void metricset_begin_metric(struct metricset_writer *w, struct str name, enum metricset_type type)
{
    w->type = type;
    w->metric_at = open_message(w->out, 3);
    put_bytes(w->out, 1, name);
    put_uint(w->out, 2, (uint64_t)type);
}

void metricset_begin_series(struct metricset_writer *w, const struct metricset_label *labels,
                            size_t labels_len)
{
    w->series_at = open_message(w->out, 3);
    for (size_t i = 0; i < labels_len; i++)
        put_label(w->out, 1, &labels[i]);
    w->samples_at = 0;
}

/* The samples message of a type is field type + 1 of the series; each value is field 1 of it. */
static size_t begin_value(struct metricset_writer *w, enum metricset_type type, int64_t time_ns)
{
    DCHECK(w->type == type);
    if (w->samples_at == 0)
        w->samples_at = open_message(w->out, (uint32_t)type + 1);
    size_t at = open_message(w->out, 1);
    put_time(w->out, time_ns);
    return at;
}

void metricset_put_counter(struct metricset_writer *w, int64_t time_ns, double sum)
{
    size_t at = begin_value(w, METRICSET_COUNTER, time_ns);
    put_double(w->out, 2, sum);
    close_message(w->out, at);
}

void metricset_put_gauge(struct metricset_writer *w, int64_t time_ns, struct metricset_gauge g)
{
    size_t at = begin_value(w, METRICSET_GAUGE, time_ns);
    put_double(w->out, 2, g.last);
    put_uint(w->out, 3, g.count);
    put_double(w->out, 4, g.min);
    put_double(w->out, 5, g.max);
    put_double(w->out, 6, g.avg);
    close_message(w->out, at);
}

void metricset_put_rate(struct metricset_writer *w, int64_t time_ns, uint32_t nonzero,
                        uint32_t total)
{
    size_t at = begin_value(w, METRICSET_RATE, time_ns);
    put_uint(w->out, 2, nonzero);
    put_uint(w->out, 3, total);
    close_message(w->out, at);
}

static uint32_t clamp_u32(uint64_t v)
{
    return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

void metricset_put_trend(struct metricset_writer *w, int64_t time_ns, const struct hdr *h)
{
    struct buf *out = w->out;
    size_t value_at = begin_value(w, METRICSET_TREND, time_ns);

    uint32_t n = 0;
    uint32_t at = 0;
    if (hdr_next_run(h, &at, &n)) {
        size_t packed_at = open_message(out, 2);
        for (; hdr_next_run(h, &at, &n); at += n)
            for (uint32_t i = 0; i < n; i++)
                varint_put(out, h->counters[at + i]);
        close_message(out, packed_at);
    }
    uint32_t end = 0;
    for (at = 0; hdr_next_run(h, &at, &n); at += n) {
        size_t span_at = open_message(out, 3);
        put_uint(out, 1, h->first + at - end);
        put_uint(out, 2, n);
        close_message(out, span_at);
        end = h->first + at + n;
    }
    put_double(out, 5, h->sum);
    put_uint(out, 6, clamp_u32(h->count));
    put_double(out, 7, h->min);
    put_double(out, 8, h->max);
    put_uint(out, 9, clamp_u32(h->extra_low));
    put_uint(out, 10, clamp_u32(h->extra_high));
    put_double(out, 11, HDR_RESOLUTION);
    close_message(out, value_at);
}

void metricset_put_request(struct metricset_writer *w, const struct metricset_request *r)
{
    DCHECK(w->samples_at == 0);
    size_t at = open_message(w->out, FIELD_REQUEST);
    put_time(w->out, r->time_ns);
    put_double(w->out, 2, r->duration);
    put_double(w->out, 3, r->blocked);
    put_double(w->out, 4, r->connecting);
    put_double(w->out, 5, r->tls_handshaking);
    put_double(w->out, 6, r->sending);
    put_double(w->out, 7, r->waiting);
    put_double(w->out, 8, r->receiving);
    put_uint(w->out, 9, r->failed);
    close_message(w->out, at);
}

void metricset_mark_estimated(struct metricset_writer *w)
{
    DCHECK(w->samples_at == 0);
    put_uint(w->out, FIELD_ESTIMATED, 1);
}

void metricset_end_series(struct metricset_writer *w)
{
    if (w->samples_at > 0)
        close_message(w->out, w->samples_at);
    close_message(w->out, w->series_at);
}

void metricset_end_metric(struct metricset_writer *w)
{
    close_message(w->out, w->metric_at);
}

/* ---- reading ---- */

struct field {
    uint32_t number;
    enum wire wire;
    uint64_t bits;    /* of the numeric wire types */
    struct str bytes; /* of WIRE_BYTES */
};

struct reader {
    const struct metricset_visitor *visitor;
    struct metricset_label *labels; /* scratch */
    size_t labels_cap;
    uint32_t *counters; /* scratch */
    size_t counters_cap;
    struct hdr_span *spans; /* scratch */
    size_t spans_cap;
};

static int corrupt(const char *what)
{
    return err_set(E_CORRUPT, "metric set: %s", what);
}

/* 1 and the next field, which *rest is moved behind; 0 at the end; E_CORRUPT. */
static int next_field(struct str *rest, struct field *ret)
{
    if (rest->len == 0)
        return 0;
    const uint8_t *p = (const uint8_t *)rest->ptr;
    const uint8_t *end = p + rest->len;
    uint64_t key = 0;
    if (!varint_get(&p, end, &key) || key >> 3 == 0 || key > UINT32_MAX)
        return corrupt("bad field key");
    *ret = (struct field){.number = (uint32_t)(key >> 3)};
    size_t size = 0;
    switch (key & 7) {
    case WIRE_VARINT:
        ret->wire = WIRE_VARINT;
        if (!varint_get(&p, end, &ret->bits))
            return corrupt("bad integer");
        break;
    case WIRE_FIXED64:
    case WIRE_FIXED32:
        ret->wire = (key & 7) == WIRE_FIXED64 ? WIRE_FIXED64 : WIRE_FIXED32;
        size = ret->wire == WIRE_FIXED64 ? 8 : 4;
        if ((size_t)(end - p) < size)
            return corrupt("number cut short");
        memcpy(&ret->bits, p, size);
        p += size;
        break;
    case WIRE_BYTES: {
        uint64_t len = 0;
        ret->wire = WIRE_BYTES;
        if (!varint_get(&p, end, &len) || len > (uint64_t)(end - p))
            return corrupt("field cut short");
        ret->bytes = str_new(p, (size_t)len);
        p += len;
        break;
    }
    default:
        return corrupt("unknown wire type");
    }
    *rest = str_new(p, (size_t)(end - p));
    return 1;
}

static double as_double(const struct field *f)
{
    double v;
    memcpy(&v, &f->bits, sizeof v);
    return v;
}

static bool is_bytes(const struct field *f, uint32_t number)
{
    return f->number == number && f->wire == WIRE_BYTES;
}

static bool is_uint(const struct field *f, uint32_t number)
{
    return f->number == number && f->wire == WIRE_VARINT;
}

static bool is_double(const struct field *f, uint32_t number)
{
    return f->number == number && f->wire == WIRE_FIXED64;
}

static int read_time(struct str rest, int64_t *ret_ns)
{
    struct field f;
    int64_t seconds = 0;
    int64_t nanos = 0;
    int rc;
    while ((rc = next_field(&rest, &f)) > 0) {
        if (is_uint(&f, 1))
            seconds = (int64_t)f.bits;
        else if (is_uint(&f, 2))
            nanos = (int64_t)f.bits;
    }
    if (rc < 0)
        return rc;
    int64_t ns;
    if (nanos < 0 || nanos >= NS_PER_S || seconds < 0 ||
        __builtin_mul_overflow(seconds, NS_PER_S, &ns) || __builtin_add_overflow(ns, nanos, &ns))
        return corrupt("time out of range");
    *ret_ns = ns;
    return 0;
}

static int read_counter(struct str rest, struct metricset_value *v)
{
    struct field f;
    int rc;
    while ((rc = next_field(&rest, &f)) > 0) {
        if (is_bytes(&f, 1))
            rc = read_time(f.bytes, &v->time_ns);
        else if (is_double(&f, 2))
            v->counter = as_double(&f);
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int read_gauge(struct str rest, struct metricset_value *v)
{
    struct field f;
    int rc;
    while ((rc = next_field(&rest, &f)) > 0) {
        if (is_bytes(&f, 1))
            rc = read_time(f.bytes, &v->time_ns);
        else if (is_double(&f, 2))
            v->gauge.last = as_double(&f);
        else if (is_uint(&f, 3))
            v->gauge.count = (uint32_t)f.bits;
        else if (is_double(&f, 4))
            v->gauge.min = as_double(&f);
        else if (is_double(&f, 5))
            v->gauge.max = as_double(&f);
        else if (is_double(&f, 6))
            v->gauge.avg = as_double(&f);
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int read_rate(struct str rest, struct metricset_value *v)
{
    struct field f;
    int rc;
    while ((rc = next_field(&rest, &f)) > 0) {
        if (is_bytes(&f, 1))
            rc = read_time(f.bytes, &v->time_ns);
        else if (is_uint(&f, 2))
            v->rate.nonzero = (uint32_t)f.bits;
        else if (is_uint(&f, 3))
            v->rate.total = (uint32_t)f.bits;
        if (rc < 0)
            return rc;
    }
    return rc;
}

/* Room for `more` counters; no message can need more than the indexes there are. */
static int grow_counters(struct reader *r, uint32_t len, size_t more)
{
    if (more > HDR_INDEX_MAX)
        return corrupt("too many histogram counters");
    int rc = mem_grow(&r->counters, &r->counters_cap, len + more, (size_t)2 * HDR_INDEX_MAX,
                      sizeof *r->counters);
    return rc == -E2BIG ? corrupt("too many histogram counters") : rc;
}

/* How many varints end in these bytes. */
static size_t count_varints(struct str bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes.len; i++)
        n += (uint8_t)bytes.ptr[i] < 0x80;
    return n;
}

/* Packed as all writers do it, or one by one as all readers must take it. */
static int read_counters(struct reader *r, const struct field *f, uint32_t *len)
{
    bool packed = f->wire == WIRE_BYTES;
    int rc = grow_counters(r, *len, packed ? count_varints(f->bytes) : 1);
    if (rc < 0)
        return rc;
    const uint8_t *p = (const uint8_t *)f->bytes.ptr;
    const uint8_t *end = p + f->bytes.len;
    uint64_t n = f->bits;
    do {
        if (packed && p == end)
            return 0;
        if ((packed && !varint_get(&p, end, &n)) || n > UINT32_MAX)
            return corrupt("bad histogram counter");
        r->counters[(*len)++] = (uint32_t)n;
    } while (packed);
    return 0;
}

static int read_span(struct reader *r, struct str rest, uint32_t *len)
{
    int rc = mem_grow(&r->spans, &r->spans_cap, *len + 1, HDR_INDEX_MAX, sizeof *r->spans);
    if (rc < 0)
        return rc == -E2BIG ? corrupt("too many histogram spans") : rc;
    struct hdr_span span = {0};
    const uint8_t *p = (const uint8_t *)rest.ptr;
    /* Nearly all look like this: two small numbers. */
    if (rest.len == 4 && p[0] == 0x08 && p[1] < 0x80 && p[2] == 0x10 && p[3] < 0x80) {
        r->spans[(*len)++] = (struct hdr_span){p[1], p[3]};
        return 0;
    }
    struct field f;
    while ((rc = next_field(&rest, &f)) > 0) {
        if (f.wire == WIRE_VARINT && f.bits > HDR_INDEX_MAX)
            return corrupt("histogram span out of range");
        if (is_uint(&f, 1))
            span.offset = (uint32_t)f.bits;
        else if (is_uint(&f, 2))
            span.length = (uint32_t)f.bits;
    }
    if (rc == 0)
        r->spans[(*len)++] = span;
    return rc;
}

static int read_trend(struct reader *r, struct str rest, struct metricset_value *v)
{
    struct hdr_wire *t = &v->trend;
    struct field f;
    int rc;
    while ((rc = next_field(&rest, &f)) > 0) {
        if (is_bytes(&f, 1))
            rc = read_time(f.bytes, &v->time_ns);
        else if (is_bytes(&f, 2) || is_uint(&f, 2))
            rc = read_counters(r, &f, &t->counters_len);
        else if (is_bytes(&f, 3))
            rc = read_span(r, f.bytes, &t->spans_len);
        else if (is_double(&f, 5))
            t->sum = as_double(&f);
        else if (is_uint(&f, 6))
            t->count = (uint32_t)f.bits;
        else if (is_double(&f, 7))
            t->min = as_double(&f);
        else if (is_double(&f, 8))
            t->max = as_double(&f);
        else if (is_uint(&f, 9))
            t->extra_low = (uint32_t)f.bits;
        else if (is_uint(&f, 10))
            t->extra_high = (uint32_t)f.bits;
        else if (is_double(&f, 11))
            t->resolution = as_double(&f);
        if (rc < 0)
            return rc;
    }
    t->counters = r->counters;
    t->spans = r->spans;
    return rc;
}

static int read_value(struct reader *r, struct str rest, enum metricset_type type)
{
    struct metricset_value v = {.time_ns = -1, .type = type};
    int rc = 0;
    switch (type) {
    case METRICSET_COUNTER:
        rc = read_counter(rest, &v);
        break;
    case METRICSET_GAUGE:
        rc = read_gauge(rest, &v);
        break;
    case METRICSET_RATE:
        rc = read_rate(rest, &v);
        break;
    case METRICSET_TREND:
        rc = read_trend(r, rest, &v);
        break;
    }
    if (rc < 0)
        return rc;
    if (v.time_ns < 0)
        return corrupt("value without a time");
    return r->visitor->value(r->visitor->arg, &v);
}

static int read_label(struct str rest, struct metricset_label *ret)
{
    struct field f;
    int rc;
    *ret = (struct metricset_label){STR_EMPTY, STR_EMPTY};
    while ((rc = next_field(&rest, &f)) > 0) {
        if (is_bytes(&f, 1))
            ret->name = f.bytes;
        else if (is_bytes(&f, 2))
            ret->value = f.bytes;
    }
    if (rc < 0)
        return rc;
    if (ret->name.len > METRICSET_NAME_MAX)
        return err_set(E_LIMIT, "metric set: label name of %zu bytes, at most %d are taken",
                       ret->name.len, METRICSET_NAME_MAX);
    if (ret->value.len > METRICSET_LABEL_VALUE_MAX)
        return err_set(E_LIMIT, "metric set: value of label %.*s has %zu bytes, at most %d",
                       STR_ARG(ret->name), ret->value.len, METRICSET_LABEL_VALUE_MAX);
    if (!str_is_utf8(ret->name) || !str_is_utf8(ret->value))
        return corrupt("label is not UTF-8");
    return 0;
}

static int read_request(struct reader *r, struct str rest)
{
    struct metricset_request q = {.time_ns = -1};
    double *const figures[] = {&q.duration, &q.blocked, &q.connecting, &q.tls_handshaking,
                               &q.sending,  &q.waiting, &q.receiving};
    struct field f;
    int rc;
    while ((rc = next_field(&rest, &f)) > 0) {
        if (is_bytes(&f, 1))
            rc = read_time(f.bytes, &q.time_ns);
        else if (f.wire == WIRE_FIXED64 && f.number >= 2 && f.number < 2 + ARRAY_LEN(figures))
            *figures[f.number - 2] = as_double(&f);
        else if (is_uint(&f, 9))
            q.failed = f.bits != 0;
        if (rc < 0)
            return rc;
    }
    if (rc < 0)
        return rc;
    if (q.time_ns < 0)
        return corrupt("request without a time");
    for (size_t i = 0; i < ARRAY_LEN(figures); i++)
        if (!isfinite(*figures[i]))
            return corrupt("a time of a request is not a number");
    return r->visitor->request(r->visitor->arg, &q);
}

/* What only Spate's clients send. */
static int read_own(struct reader *r, const struct field *f, enum metricset_type type)
{
    const struct metricset_visitor *v = r->visitor;
    if (type != METRICSET_TREND)
        return 0;
    if (is_bytes(f, FIELD_REQUEST) && v->request)
        return read_request(r, f->bytes);
    if (is_uint(f, FIELD_ESTIMATED) && f->bits != 0 && v->estimated)
        return v->estimated(v->arg);
    return 0;
}

static int read_series(struct reader *r, struct str whole, enum metricset_type type)
{
    struct field f;
    size_t labels_len = 0;
    int rc;
    for (struct str rest = whole; (rc = next_field(&rest, &f)) > 0;) {
        if (!is_bytes(&f, 1))
            continue;
        rc = mem_grow(&r->labels, &r->labels_cap, labels_len + 1, METRICSET_LABELS_MAX,
                      sizeof *r->labels);
        if (rc < 0)
            return rc == -E2BIG ? err_set(E_LIMIT, "metric set: more than %d labels on a series",
                                          METRICSET_LABELS_MAX)
                                : rc;
        rc = read_label(f.bytes, &r->labels[labels_len++]);
        if (rc < 0)
            return rc;
    }
    if (rc == 0)
        rc = r->visitor->series(r->visitor->arg, r->labels, labels_len);
    if (rc < 0)
        return rc;
    while ((rc = next_field(&whole, &f)) > 0) {
        if (f.number >= FIELD_REQUEST)
            rc = read_own(r, &f, type);
        if (rc < 0)
            return rc;
        if (f.wire != WIRE_BYTES || f.number < 2 || f.number > 5)
            continue;
        if (f.number != (uint32_t)type + 1)
            return corrupt("samples of another type than the metric's");
        struct field value;
        while ((rc = next_field(&f.bytes, &value)) > 0) {
            if (is_bytes(&value, 1))
                rc = read_value(r, value.bytes, type);
            if (rc < 0)
                return rc;
        }
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int read_metric(struct reader *r, struct str whole)
{
    struct field f;
    struct str name = STR_EMPTY;
    uint64_t type = 0;
    int rc;
    for (struct str rest = whole; (rc = next_field(&rest, &f)) > 0;) {
        if (is_bytes(&f, 1))
            name = f.bytes;
        else if (is_uint(&f, 2))
            type = f.bits;
    }
    if (rc < 0)
        return rc;
    if (name.len == 0 || name.len > METRICSET_NAME_MAX || !str_is_utf8(name))
        return corrupt("metric without a proper name");
    if (type < METRICSET_COUNTER || type > METRICSET_TREND)
        return err_set(E_CORRUPT, "metric set: %.*s has the unknown type %llu", STR_ARG(name),
                       (unsigned long long)type);
    rc = r->visitor->metric(r->visitor->arg, name, (enum metricset_type)type);
    while (rc >= 0 && (rc = next_field(&whole, &f)) > 0)
        if (is_bytes(&f, 3))
            rc = read_series(r, f.bytes, (enum metricset_type)type);
    return rc;
}

static int read_set(struct reader *r, struct str whole)
{
    struct field f;
    struct str id = STR_EMPTY;
    uint64_t period = 0;
    int rc;
    for (struct str rest = whole; (rc = next_field(&rest, &f)) > 0;) {
        if (is_bytes(&f, 1))
            id = f.bytes;
        else if (is_uint(&f, 2))
            period = f.bits;
    }
    if (rc < 0)
        return rc;
    if (period > METRICSET_PERIOD_MAX_S)
        return corrupt("aggregation period out of range");
    rc = r->visitor->head(r->visitor->arg, id, (uint32_t)period);
    while (rc >= 0 && (rc = next_field(&whole, &f)) > 0)
        if (is_bytes(&f, 3))
            rc = read_metric(r, f.bytes);
    return rc;
}

int metricset_read(const void *data, size_t len, const struct metricset_visitor *visitor)
{
    struct reader r = {.visitor = visitor};
    int rc = read_set(&r, str_new(data, len));
    mem_free(r.labels);
    mem_free(r.counters);
    mem_free(r.spans);
    return rc;
}
