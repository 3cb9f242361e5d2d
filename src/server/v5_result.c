#include "server/v5_result.h"

#include "server/run_json.h"

struct str v5_type_name(enum metricset_type type)
{
    switch (type) {
    case METRICSET_COUNTER:
        return STR("counter");
    case METRICSET_GAUGE:
        return STR("gauge");
    case METRICSET_RATE:
        return STR("rate");
    case METRICSET_TREND:
        return STR("trend");
    }
    return STR("unknown");
}

static void put_point(struct buf *out, const struct query_point *p)
{
    buf_printf(out, "[%lld,", (long long)p->time_s);
    buf_json_double(out, p->value);
    buf_byte(out, ']');
}

static void put_labels(struct buf *out, const struct query_series *s, const char *run)
{
    buf_z(out, "{\"metric\":{");
    if (run)
        json_str(out, "test_run_id", str_of(run));
    for (size_t i = 0; i < s->labels_len; i++) {
        if (i > 0 || run)
            buf_byte(out, ',');
        buf_json_str(out, s->labels[i].name);
        buf_byte(out, ':');
        buf_json_str(out, s->labels[i].value);
    }
    buf_byte(out, '}');
}

void v5_put_series(struct buf *out, const struct query_result *result, bool range, const char *run,
                   bool *first)
{
    for (size_t i = 0; i < result->len; i++) {
        const struct query_series *s = &result->series[i];
        if (!*first)
            buf_byte(out, ',');
        *first = false;
        put_labels(out, s, run);
        buf_z(out, range ? ",\"values\":[" : ",\"value\":");
        for (size_t j = 0; j < s->len; j++) {
            if (j > 0)
                buf_byte(out, ',');
            put_point(out, &s->points[j]);
        }
        buf_z(out, range ? "]}" : "}");
    }
}

void v5_begin_result(struct buf *out, bool range)
{
    buf_printf(out, "{\"status\":\"success\",\"data\":{\"resultType\":\"%s\",\"result\":[",
               range ? "matrix" : "vector");
}

void v5_end_result(struct buf *out, bool estimated)
{
    buf_z(out, estimated ? "],\"estimated\":true}}" : "]}}");
}
