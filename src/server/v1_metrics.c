#include "server/v1_metrics.h"

#include <math.h>

#include "base/clock.h"
#include "codec/gzip.h"
#include "codec/v1samples.h"
#include "server/run_json.h"
#include "server/v1.h"
#include "server/window_arg.h"
#include "store/requests.h"

/* As k6 has it since: aggregates of this length, k6's default, stay where they belong. */
enum { PERIOD_S = 3 };

/* ---- pushes ---- */

int v1_push(struct request *r)
{
    int64_t id = 0;
    struct str key = request_header(r, "K6-Idempotency-Key");
    struct str coding = request_header(r, "Content-Encoding");
    bool packed = str_ieq(coding, STR("gzip"));
    if (!packed && coding.len > 0 && !str_ieq(coding, STR("identity")))
        return reply_error(r, 415, 2, "unsupported_media_type",
                           "Content-Encoding has to be gzip or none");
    int rc = v1_check_push(r, key, &id);
    if (rc <= 0)
        return rc;
    CLEANUP(buf_fini) struct buf text;
    CLEANUP(buf_fini) struct buf message;
    buf_init(&text, SERVER_PUSH_MAX + 128 * 1024);
    buf_init(&message, SERVER_MERGED_MAX);
    if (packed)
        rc = gzip_unpack(r->body.data, r->body.len, SERVER_PUSH_MAX, &text);
    else
        rc = 0;
    if (rc == 0)
        rc = v1samples_merge(packed ? text.data : r->body.data, packed ? text.len : r->body.len,
                             PERIOD_S, &message);
    /* It may be large, and what follows needs memory, too. */
    buf_fini(&text);
    struct store_push push;
    if (rc == 0)
        rc = store_push(r->server->store, id, key, buf_view(&message), clock_wall_ns(), &push);
    if (rc == 0)
        rc = life_pushed(r->server, id, &push);
    if (rc < 0)
        return rc;
    buf_z(&r->reply.body, "{}");
    return reply_json(r, 200);
}

/* ---- single requests ---- */

static void put_ms(struct buf *out, const char *name, double value)
{
    json_key(out, name);
    buf_json_double(out, value);
}

static void put_request(struct buf *out, const struct store_request *s)
{
    const struct metricset_request *q = &s->request;
    buf_byte(out, '{');
    json_time(out, "time", q->time_ns);
    put_ms(out, "duration", q->duration);
    run_json_bool(out, "failed", q->failed);
    json_key(out, "timings");
    buf_byte(out, '{');
    put_ms(out, "blocked", q->blocked);
    put_ms(out, "connecting", q->connecting);
    put_ms(out, "tls_handshaking", q->tls_handshaking);
    put_ms(out, "sending", q->sending);
    put_ms(out, "waiting", q->waiting);
    put_ms(out, "receiving", q->receiving);
    buf_byte(out, '}');
    json_key(out, "tags");
    buf_byte(out, '{');
    for (size_t i = 0; i < s->labels_len; i++) {
        if (i > 0)
            buf_byte(out, ',');
        buf_json_str(out, s->labels[i].name);
        buf_byte(out, ':');
        buf_json_str(out, s->labels[i].value);
    }
    buf_z(out, "}}");
}

int v1_list_outliers(struct request *r)
{
    static const struct list_order orders[] = {
        {"duration", "duration"},
        {"time", "t_ns"},
        {NULL, NULL},
    };
    int64_t id = 0;
    int64_t total = 0;
    struct store_run run;
    struct window window;
    struct store_request *list = NULL;
    size_t len = 0;
    struct store_request_filter f = {.selector = request_arg(r, "match"),
                                     .min_duration = -INFINITY};
    struct str least = request_arg(r, "min_duration");
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_run(r->server->store, id, &r->arena, &run);
    if (rc == 0)
        rc = window_arg(r, orders, &window);
    if (rc == 0 && least.ptr && str_to_double(least, &f.min_duration) < 0)
        rc = err_set(E_CONFIG, "min_duration: a number of milliseconds is needed");
    if (rc < 0)
        return rc;
    if (!request_arg(r, "$orderby").ptr)
        window.page.descending = true; /* the slowest first */
    f.start_ns = window.start_ns;
    f.end_ns = window.end_ns;
    rc =
        store_list_requests(r->server->store, id, &f, &window.page, &r->arena, &list, &len, &total);
    if (rc < 0)
        return rc;
    struct buf *out = &r->reply.body;
    buf_z(out, "{\"value\":[");
    for (size_t i = 0; i < len; i++) {
        if (i > 0)
            buf_byte(out, ',');
        put_request(out, &list[i]);
    }
    buf_byte(out, ']');
    run_json_int(out, "@count", total);
    buf_byte(out, '}');
    return reply_json(r, 200);
}
