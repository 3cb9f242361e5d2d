#include "codec/v1samples.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* A MetricSet as one line of text for each series. */
struct lines {
    struct buf out;
    enum metricset_type type;
    char metric[64];
    double median; /* of the last trend */
};

static int on_head(void *arg, struct str id, uint32_t period_s)
{
    (void)arg;
    (void)id;
    assert_int_equal(period_s, 3);
    return 0;
}

static int on_metric(void *arg, struct str name, enum metricset_type type)
{
    struct lines *l = arg;
    l->type = type;
    snprintf(l->metric, sizeof l->metric, "%.*s", STR_ARG(name));
    return 0;
}

static int on_series(void *arg, const struct metricset_label *labels, size_t len)
{
    struct lines *l = arg;
    buf_printf(&l->out, "\n%s", l->metric);
    for (size_t i = 0; i < len; i++)
        buf_printf(&l->out, "%s%.*s=%.*s", i > 0 ? "," : " ", STR_ARG(labels[i].name),
                   STR_ARG(labels[i].value));
    return 0;
}

static int on_value(void *arg, const struct metricset_value *v)
{
    struct lines *l = arg;
    buf_printf(&l->out, " @%lld ", (long long)(v->time_ns / NS_PER_S));
    switch (v->type) {
    case METRICSET_COUNTER:
        buf_printf(&l->out, "%g", v->counter);
        break;
    case METRICSET_GAUGE:
        buf_printf(&l->out, "%g %g..%g avg %g n %u", v->gauge.last, v->gauge.min, v->gauge.max,
                   v->gauge.avg, v->gauge.count);
        break;
    case METRICSET_RATE:
        buf_printf(&l->out, "%u/%u", v->rate.nonzero, v->rate.total);
        break;
    case METRICSET_TREND: {
        CLEANUP(hdr_fini) struct hdr h = {0};
        assert_int_equal(hdr_merge_wire(&h, &v->trend), 0);
        buf_printf(&l->out, "%g..%g avg %g n %u", h.min, h.max, hdr_avg(&h), (unsigned)h.count);
        l->median = hdr_quantile(&h, 0.5);
        break;
    }
    }
    return 0;
}

static int on_request(void *arg, const struct metricset_request *q)
{
    struct lines *l = arg;
    buf_printf(&l->out, " [%lldus %g%s]", (long long)(q->time_ns / 1000), q->duration,
               q->failed ? " failed" : "");
    return 0;
}

static int on_estimated(void *arg)
{
    struct lines *l = arg;
    buf_z(&l->out, " estimated");
    return 0;
}

static int merge(const char *json, struct lines *l)
{
    CLEANUP(buf_fini) struct buf set;
    struct metricset_visitor visitor = {on_head, on_metric,  on_series,   on_value,
                                        l,       on_request, on_estimated};
    buf_init(&set, 1 << 24);
    buf_init(&l->out, 1 << 20);
    int rc = v1samples_merge(json, strlen(json), 3, &set);
    if (rc == 0)
        rc = metricset_read(set.data, set.len, &visitor);
    return rc;
}

static double assert_merged(const char *json, const char *want)
{
    struct lines l = {.median = NAN};
    int rc = merge(json, &l);
    if (rc < 0)
        fail_msg("%s", err_message());
    if (l.out.len > 0 || want[0])
        assert_string_equal(buf_cstr(&l.out), want);
    buf_fini(&l.out);
    return l.median;
}

#define POINT(type, name, time, tags, value)                                                       \
    "{\"type\":\"Point\",\"metric\":\"" name "\",\"data\":{\"type\":\"" type "\",\"time\":\"" time \
    "\",\"tags\":{" tags "},\"value\":" value "}}"
#define POINTS(name, time, values)                                                                 \
    "{\"type\":\"Points\",\"metric\":\"" name "\",\"data\":{\"type\":\"counter\",\"time\":\"" time \
    "\",\"tags\":{\"b\":\"2\",\"a\":\"1\"},\"values\":{" values "}}}"
#define AGGREGATE(time, count, values)                                                             \
    "{\"type\":\"AggregatedPoints\",\"metric\":\"http_req_li_all\",\"data\":{"                     \
    "\"type\":\"aggregated_trend\",\"time\":\"" time "\",\"count\":" count                         \
    ",\"tags\":{},\"values\":{" values "}}}"

static void test_points(void **state)
{
    (void)state;
    assert_merged("[]", "");
    assert_merged("[" POINT("counter", "c", "1000000", "",
                            "2") "," POINT("counter", "c", "2999999", "",
                                           "3") "," POINT("counter", "c", "3000000", "", "1.5") "]",
                  "\nc @0 5 @3 1.5");
    /* The order of tags makes no other series, that of time decides which gauge is the last. */
    assert_merged("[" POINT("gauge", "g", "2000000", "\"a\":\"1\",\"b\":\"2\"", "7") "," POINT(
                      "gauge", "g", "1000000", "\"b\":\"2\",\"a\":\"1\"", "3") "]",
                  "\ng a=1,b=2 @0 7 3..7 avg 5 n 2");
    assert_merged("[" POINT("rate", "r", "0", "", "0") "," POINT("rate", "r", "0", "", "0.5") "]",
                  "\nr @0 1/2");
    assert_merged("[" POINT("trend", "t", "0", "\"x\":\"\\u00e4\"",
                            "-1") "," POINT("trend", "t", "0", "\"x\":\"ä\"", "2") "]",
                  "\nt x=ä @0 -1..2 avg 0.5 n 2");
}

static void test_compounds(void **state)
{
    (void)state;
    assert_merged("[" POINTS("iter_li_all", "0",
                             "\"data_sent\":5,\"iteration_duration\":2.5,\"iterations\":1") "]",
                  "\ndata_sent a=1,b=2 @0 5\niteration_duration a=1,b=2 @0 2.5..2.5 avg 2.5 n 1"
                  "\niterations a=1,b=2 @0 1");
    assert_merged("[" POINTS("http_req_li_all", "1500000",
                             "\"http_reqs\":1,\"http_req_failed\":1,\"http_req_duration\":2.5") "]",
                  "\nhttp_reqs a=1,b=2 @0 1\nhttp_req_failed a=1,b=2 @0 1/1"
                  "\nhttp_req_duration a=1,b=2 [1500000us 2.5 failed] @0 2.5..2.5 avg 2.5 n 1");
}

#define DURATION(min, max, avg)                                                                    \
    "\"http_req_duration\":{\"min\":" min ",\"max\":" max ",\"avg\":" avg "}"

/* k6's own count of iterations leaves out setup() and teardown(), which it sends like others. */
static void test_iterations(void **state)
{
    (void)state;
#define ITERATION(group)                                                                           \
    "{\"type\":\"Points\",\"metric\":\"iter_li_all\",\"data\":{\"type\":\"counter\","              \
    "\"time\":\"0\",\"tags\":{\"group\":\"" group                                                  \
    "\"},\"values\":{\"data_sent\":7,\"iterations\":1}}}"
    assert_merged("[" ITERATION("::setup") "," ITERATION("::teardown") "," ITERATION("::a") "]",
                  "\ndata_sent group=::setup @0 7\ndata_sent group=::teardown @0 7"
                  "\ndata_sent group=::a @0 7\niterations group=::a @0 1");
}

static void test_aggregates(void **state)
{
    (void)state;
    double median = assert_merged("[" AGGREGATE("4500000", "1000", DURATION("10", "110", "20")) "]",
                                  "\nhttp_req_duration estimated @3 10..110 avg 20 n 1000"
                                  "\nhttp_reqs @3 1000");
    /* Nine in ten lie below the average, evenly. */
    assert_true(median > 15 && median < 16);
    /* Nothing is guessed of equal values, or of one. */
    median = assert_merged("[" AGGREGATE("0", "5", DURATION("7", "7", "7")) "]",
                           "\nhttp_req_duration @0 7..7 avg 7 n 5\nhttp_reqs @0 5");
    assert_true(median == 7);
    assert_merged("[" AGGREGATE("0", "1", DURATION("7", "7", "7")) "]",
                  "\nhttp_req_duration @0 7..7 avg 7 n 1\nhttp_reqs @0 1");
    assert_merged("[" AGGREGATE("0", "2", DURATION("1", "3", "2")) "]",
                  "\nhttp_req_duration estimated @0 1..3 avg 2 n 2\nhttp_reqs @0 2");
    assert_merged("[" AGGREGATE("0", "0", "") "]", "");
    /* With a single one in the same bucket, and another aggregate. */
    assert_merged("[" AGGREGATE("0", "2", DURATION("1", "3", "2")) "," AGGREGATE(
                      "1", "4", DURATION("2", "10", "4")) "," POINT("trend", "http_req_duration",
                                                                    "2", "", "20") "]",
                  "\nhttp_req_duration estimated @0 1..20 avg 5.71429 n 7\nhttp_reqs @0 6");
    assert_merged("[" AGGREGATE("0", "9", "\"http_req_failed\":{\"count\":9,\"nz_count\":2}") "]",
                  "\nhttp_req_failed @0 2/9\nhttp_reqs @0 9");
}

/* However lopsided: the sum is right, and the histogram holds as many values as were counted. */
static void test_shapes(void **state)
{
    (void)state;
    static const char *const averages[] = {"0.001", "0.0011", "1",     "250",
                                           "500",   "999",    "999.9", "1000"};
    for (int count = 1; count < 1000; count = count * 2 + 1) {
        for (size_t i = 0; i < sizeof averages / sizeof *averages; i++) {
            char json[512];
            char want[256];
            double avg = 0;
            assert_int_equal(str_to_double(str_of(averages[i]), &avg), 0);
            snprintf(json, sizeof json,
                     "[" AGGREGATE("0", "%d", DURATION("0.001", "1000", "%s")) "]", count,
                     averages[i]);
            snprintf(want, sizeof want,
                     "\nhttp_req_duration%s @0 0.001..1000 avg %g n %d\nhttp_reqs @0 %d",
                     count > 1 ? " estimated" : "", avg, count, count);
            assert_merged(json, want);
        }
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *says;
    } table[] = {
        {"[" POINT("counter", "m", "1", "", "1") "," POINT("rate", "m", "1", "", "1") "]",
         "two types"},
        {"[" POINT("counter", "", "1", "", "1") "]", "without a name"},
        {"[" POINT("counter", "m", "9223372036854775807", "", "1") "]", "a time"},
        {"[" POINT("counter", "m", "1", "\"a\":1", "1") "]", "tag is not a text"},
        {"[" AGGREGATE("0", "2000000000", "") "]", "a count"},
        {"[" AGGREGATE("0", "1.5", "") "]", "a count"},
        {"[" AGGREGATE("0", "2", DURATION("1", "2", "2.1")) "]", "out of order"},
        {"[" AGGREGATE("0", "2", "\"x\":5") "]", "not a number"},
        {"[" AGGREGATE("0", "2", "\"r\":{\"count\":1,\"nz_count\":2}") "]", "non-zero"},
        {"[" AGGREGATE(
             "0", "1000000000",
             DURATION("1", "2",
                      "1.5") ",\"b\":{\"min\":1,\"max\":2,"
                             "\"avg\":1},\"c\":{\"min\":1,\"max\":2,\"avg\":1},\"d\":{\"min\":1,"
                             "\"max\":2,\"avg\":1},\"e\":{\"min\":1,\"max\":2,\"avg\":1}") "]",
         "too many aggregated"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct lines l = {0};
        int rc = merge(table[i].json, &l);
        assert_true(rc == E_CORRUPT || rc == E_LIMIT);
        if (!strstr(err_message(), table[i].says))
            fail_msg("\"%s\" is not in %s", table[i].says, err_message());
        buf_fini(&l.out);
    }
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    static const char json[] = "[" AGGREGATE("0", "9", DURATION("1", "1000", "5")) "," POINTS(
        "http_req_li_all", "5", "\"http_req_duration\":3,\"http_req_failed\":0") "]";
    int n = 0;
    for (int rc = -ENOMEM; rc != 0; n++) {
        CLEANUP(buf_fini) struct buf out;
        buf_init(&out, 1 << 20);
        mem_fail_countdown = n;
        rc = v1samples_merge(json, sizeof json - 1, 3, &out);
        mem_fail_countdown = -1;
        assert_true(rc == 0 || rc == -ENOMEM);
    }
    assert_true(n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_compounds),
        cmocka_unit_test(test_iterations),
        cmocka_unit_test(test_aggregates),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
