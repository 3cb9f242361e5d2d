/*
 * metricset - the protobuf message of k6's cloud stream, version 2: written and read by hand.
 *
 * Writing goes from the outside in, straight into a buf:
 *
 *     struct metricset_writer w;
 *     metricset_writer_init(&w, &out, run_id, 3);
 *     metricset_begin_metric(&w, STR("http_reqs"), METRICSET_COUNTER);
 *     metricset_begin_series(&w, labels, labels_len);
 *     metricset_put_counter(&w, bucket_ns, 17);
 *     metricset_end_series(&w);
 *     metricset_end_metric(&w);
 *     rc = buf_finish(&out);
 *
 * Two fields of a series are Spate's own; other servers skip them: 1000, single requests worth
 * keeping by themselves, and 1001, "percentiles are estimated".
 *
 * Reading calls a visitor for every metric, its series, their values, in the order of the message
 * whatever the order of the fields in it.  No allocation but for two scratch arrays; every count
 * has a maximum in base/limits.h.
 */
#ifndef CODEC_METRICSET_H
#define CODEC_METRICSET_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "codec/hdr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers are the wire's. */
enum metricset_type {
    METRICSET_COUNTER = 1,
    METRICSET_GAUGE = 2,
    METRICSET_RATE = 3,
    METRICSET_TREND = 4,
};

struct metricset_label {
    struct str name;
    struct str value;
};

struct metricset_gauge {
    double last, min, max, avg; /* of the bucket */
    uint32_t count;             /* values in the bucket */
};

/* One HTTP request of a series of http_req_duration.  Times in milliseconds. */
struct metricset_request {
    int64_t time_ns; /* its end, since the epoch */
    double duration, blocked, connecting, tls_handshaking, sending, waiting, receiving;
    bool failed;
};

/* ---- writing ---- */

/* Holds positions in `out`, which nobody else may change between init and the last end. */
struct metricset_writer {
    struct buf *out;
    size_t metric_at;         /* where the open metric's length goes */
    size_t series_at;         /* where the open series' length goes */
    size_t samples_at;        /* where its values' length goes; 0: none yet */
    enum metricset_type type; /* of the open metric */
};

/* `period_s`: the length of a time bucket.  Failures of all of these are in buf_finish(out). */
void metricset_writer_init(struct metricset_writer *w, struct buf *out, struct str test_run_id,
                           uint32_t period_s);
void metricset_begin_metric(struct metricset_writer *w, struct str name, enum metricset_type type);
void metricset_begin_series(struct metricset_writer *w, const struct metricset_label *labels,
                            size_t labels_len);
/* A bucket of the open series; `time_ns` is its start since the epoch.  The function has to be
 * that of the metric's type. */
void metricset_put_counter(struct metricset_writer *w, int64_t time_ns, double sum);
void metricset_put_gauge(struct metricset_writer *w, int64_t time_ns, struct metricset_gauge g);
void metricset_put_rate(struct metricset_writer *w, int64_t time_ns, uint32_t nonzero,
                        uint32_t total);
void metricset_put_trend(struct metricset_writer *w, int64_t time_ns, const struct hdr *h);
/* Both between metricset_begin_series() and its first value. */
void metricset_put_request(struct metricset_writer *w, const struct metricset_request *r);
void metricset_mark_estimated(struct metricset_writer *w);
void metricset_end_series(struct metricset_writer *w);
void metricset_end_metric(struct metricset_writer *w);

/* ---- reading ---- */

struct metricset_value {
    int64_t time_ns; /* start of the bucket since the epoch, as sent */
    enum metricset_type type;
    union {
        double counter; /* sum in the bucket */
        struct metricset_gauge gauge;
        struct {
            uint32_t nonzero, total;
        } rate;
        struct hdr_wire trend; /* arrays valid during the call */
    };
};

/* A callback returns 0, or a negative code that ends the reading and is passed up.  Views point
 * into the message. */
struct metricset_visitor {
    /* First of all, once. */
    int (*head)(void *arg, struct str test_run_id, uint32_t period_s);
    int (*metric)(void *arg, struct str name, enum metricset_type type);
    int (*series)(void *arg, const struct metricset_label *labels, size_t labels_len);
    int (*value)(void *arg, const struct metricset_value *value);
    void *arg;
    /* Of the series told last, which is a trend's; NULL: of no interest. */
    int (*request)(void *arg, const struct metricset_request *request);
    int (*estimated)(void *arg);
};

/* 0, -ENOMEM, E_CORRUPT or E_LIMIT with a message, or what a callback said.  Callbacks may have
 * been called before an error is found. */
NODISCARD int metricset_read(const void *data, size_t len, const struct metricset_visitor *visitor);

#endif
