#include "codec/metricset.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "codec/snappy.h"
#include "traffic.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* What has been read is written again; k6's own bytes have to come out. */
struct echo {
    struct metricset_writer w;
    struct buf out;
    bool in_metric, in_series;
    struct str metric;
    double http_reqs;
    uint64_t durations; /* values in http_req_duration */
    size_t series, values;
};

static void close_open(struct echo *e, bool metric_too)
{
    if (e->in_series)
        metricset_end_series(&e->w);
    e->in_series = false;
    if (metric_too && e->in_metric)
        metricset_end_metric(&e->w);
    e->in_metric = e->in_metric && !metric_too;
}

static int on_head(void *arg, struct str id, uint32_t period_s)
{
    struct echo *e = arg;
    metricset_writer_init(&e->w, &e->out, id, period_s);
    return 0;
}

static int on_metric(void *arg, struct str name, enum metricset_type type)
{
    struct echo *e = arg;
    close_open(e, true);
    metricset_begin_metric(&e->w, name, type);
    e->in_metric = true;
    e->metric = name;
    return 0;
}

static int on_series(void *arg, const struct metricset_label *labels, size_t len)
{
    struct echo *e = arg;
    close_open(e, false);
    metricset_begin_series(&e->w, labels, len);
    e->in_series = true;
    e->series++;
    return 0;
}

static int on_value(void *arg, const struct metricset_value *v)
{
    struct echo *e = arg;
    e->values++;
    if (v->time_ns % (3 * NS_PER_S) != 0)
        return err_set(E_CORRUPT, "not at the start of a bucket");
    switch (v->type) {
    case METRICSET_COUNTER:
        metricset_put_counter(&e->w, v->time_ns, v->counter);
        if (str_eq(e->metric, STR("http_reqs")))
            e->http_reqs += v->counter;
        break;
    case METRICSET_GAUGE:
        metricset_put_gauge(&e->w, v->time_ns, v->gauge);
        break;
    case METRICSET_RATE:
        metricset_put_rate(&e->w, v->time_ns, v->rate.nonzero, v->rate.total);
        break;
    case METRICSET_TREND: {
        CLEANUP(hdr_fini) struct hdr h = {0};
        int rc = hdr_merge_wire(&h, &v->trend);
        if (rc < 0)
            return rc;
        uint64_t counted = h.extra_low + h.extra_high;
        for (uint32_t i = 0; i < h.len; i++)
            counted += h.counters[i];
        if (counted != h.count)
            return err_set(E_CORRUPT, "counters don't add up to the count");
        if (str_eq(e->metric, STR("http_req_duration")))
            e->durations += h.count;
        metricset_put_trend(&e->w, v->time_ns, &h);
        break;
    }
    }
    return 0;
}

static int read_with(struct echo *e, const void *data, size_t len)
{
    struct metricset_visitor visitor = {on_head, on_metric, on_series, on_value, e, NULL, NULL};
    int rc = metricset_read(data, len, &visitor);
    close_open(e, true);
    return rc;
}

static void echo_init(struct echo *e)
{
    *e = (struct echo){0};
    buf_init(&e->out, 1 << 24);
}

/* The first push of a recording, unpacked. */
static void load_push(const char *name, struct buf *out)
{
    static struct traffic t;
    traffic_load(&t, name);
    buf_init(out, 1 << 24);
    for (size_t i = 0; i < t.len; i++) {
        if (strcmp(t.requests[i].encoding, "snappy") != 0)
            continue;
        assert_int_equal(
            snappy_unpack(t.requests[i].body.data, t.requests[i].body.len, 1 << 24, out), 0);
        break;
    }
    traffic_free(&t);
    assert_true(out->len > 1000);
}

static void test_k6_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double http_reqs;
    } cases[] = {
        {"v0.49-run-out-cloud.jsonl", 270},
        {"v2.2-cloud-run-local-execution.jsonl", 270},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf push;
        struct echo e;
        load_push(cases[i].name, &push);
        echo_init(&e);
        assert_int_equal(read_with(&e, push.data, push.len), 0);
        if (e.http_reqs != cases[i].http_reqs)
            fail_msg("%s: %g http_reqs, not %g", cases[i].name, e.http_reqs, cases[i].http_reqs);
        assert_int_equal(e.durations, (uint64_t)cases[i].http_reqs);
        assert_int_equal(buf_finish(&e.out), 0);
        assert_int_equal(e.out.len, push.len);
        assert_memory_equal(e.out.data, push.data, push.len);
        buf_fini(&e.out);
        buf_fini(&push);
    }
}

/* Whatever is cut off, the reader says so or ends cleanly at a field's end; it never runs on. */
static void test_cut_short(void **state)
{
    (void)state;
    struct buf push;
    load_push("v0.49-run-out-cloud.jsonl", &push);
    size_t refused = 0;
    for (size_t len = 0; len < push.len; len += 7) {
        struct echo e;
        echo_init(&e);
        uint8_t *exact = mem_alloc(len + 1);
        memcpy(exact, push.data, len);
        int rc = read_with(&e, exact, len);
        assert_true(rc == 0 || rc == E_CORRUPT);
        refused += rc != 0;
        mem_free(exact);
        buf_fini(&e.out);
    }
    assert_true(refused > push.len / 7 * 9 / 10);
    buf_fini(&push);
}

static void test_order_of_fields(void **state)
{
    (void)state;
    /* Series before name and type, samples before labels, the period after the metric. */
    CLEANUP(buf_fini) struct buf series;
    CLEANUP(buf_fini) struct buf metric;
    CLEANUP(buf_fini) struct buf set;
    buf_init(&series, 1000);
    buf_init(&metric, 1000);
    buf_init(&set, 1000);
    static const uint8_t samples[] = {0x12, 15, 0x0a, 13,   0x11, 0, 0,    0, 0,
                                      0,    0,  0x14, 0x40, 0x0a, 2, 0x08, 30};
    static const uint8_t label[] = {0x0a, 6, 0x12, 1, 'v', 0x0a, 1, 'k'};
    buf_append(&series, samples, sizeof samples);
    buf_append(&series, label, sizeof label);
    buf_byte(&metric, 0x1a);
    buf_byte(&metric, (uint8_t)series.len);
    buf_str(&metric, buf_view(&series));
    static const uint8_t type[] = {0x10, 1, 0x0a, 9, 'h', 't', 't', 'p', '_', 'r', 'e', 'q', 's'};
    buf_append(&metric, type, sizeof type);
    buf_byte(&set, 0x1a);
    buf_byte(&set, (uint8_t)metric.len);
    buf_str(&set, buf_view(&metric));
    static const uint8_t period[] = {0x10, 3, 0x0a, 1, '7', 0x7d, 1, 2, 3, 4}; /* and unknown */
    buf_append(&set, period, sizeof period);

    struct echo e;
    echo_init(&e);
    assert_int_equal(read_with(&e, set.data, set.len), 0);
    assert_true(e.http_reqs == 5);
    assert_int_equal(e.series, 1);
    buf_fini(&e.out);
}

static int write_one(struct buf *out, enum metricset_type type, uint32_t wrong_field)
{
    struct metricset_writer w;
    metricset_writer_init(&w, out, STR("1"), 3);
    metricset_begin_metric(&w, STR("m"), type);
    metricset_begin_series(&w, NULL, 0);
    w.type = (enum metricset_type)wrong_field;
    metricset_put_counter(&w, 3 * NS_PER_S, 1);
    metricset_end_series(&w);
    metricset_end_metric(&w);
    return buf_finish(out);
}

static void test_type_mismatch(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf out;
    struct echo e;
    echo_init(&e);
    buf_init(&out, 1000);
    assert_int_equal(write_one(&out, METRICSET_TREND, METRICSET_COUNTER), 0);
    assert_int_equal(read_with(&e, out.data, out.len), E_CORRUPT);
    buf_fini(&e.out);
}

static void test_writer_limit(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 10);
    assert_int_equal(write_one(&out, METRICSET_COUNTER, METRICSET_COUNTER), -EMSGSIZE);
}

static void test_snappy(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf packed;
    CLEANUP(buf_fini) struct buf back;
    static uint8_t zeros[10000] = {1, 2, 3};
    buf_init(&packed, 1 << 20);
    buf_init(&back, 1 << 20);
    snappy_pack(zeros, sizeof zeros, &packed);
    assert_int_equal(buf_finish(&packed), 0);
    assert_true(packed.len < 1000);
    assert_int_equal(snappy_unpack(packed.data, packed.len, sizeof zeros - 1, &back), E_LIMIT);
    assert_int_equal(snappy_unpack(packed.data, packed.len, sizeof zeros, &back), 0);
    assert_int_equal(back.len, sizeof zeros);
    assert_memory_equal(back.data, zeros, sizeof zeros);
    for (size_t cut = 0; cut < packed.len; cut++)
        assert_int_equal(snappy_unpack(packed.data, cut, sizeof zeros, &back), E_CORRUPT);
    /* A claim of four gigabytes in five bytes is refused before any memory is asked for. */
    static const uint8_t bomb[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 0};
    assert_int_equal(snappy_unpack(bomb, sizeof bomb, 1 << 20, &back), E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_k6_bytes),        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_order_of_fields), cmocka_unit_test(test_type_mismatch),
        cmocka_unit_test(test_writer_limit),    cmocka_unit_test(test_snappy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
