#include "server/v5.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "server/run_json.h"
#include "server/threshold.h"
#include "server/time_arg.h"
#include "store/query.h"

/* The run of the path, which has to exist. */
static int find_run(struct request *r, struct store_run *ret)
{
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    return rc < 0 ? rc : store_get_run(r->server->store, id, &r->arena, ret);
}

/* ---- what there is ---- */

static const char *const type_names[] = {
    [METRICSET_COUNTER] = "counter",
    [METRICSET_GAUGE] = "gauge",
    [METRICSET_RATE] = "rate",
    [METRICSET_TREND] = "trend",
};

/* k6's own metrics; others are a script's. */
static bool is_builtin(struct str name)
{
    static const char *const names[] = {"vus",
                                        "vus_max",
                                        "iterations",
                                        "checks",
                                        "data_sent",
                                        "data_received",
                                        "iteration_duration",
                                        "group_duration",
                                        "dropped_iterations"};
    static const char *const prefixes[] = {"http_req", "ws_", "grpc_", "browser_", "webvital_"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eqz(name, names[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_starts(name, str_of(prefixes[i])))
            return true;
    return false;
}

int v5_metrics(struct request *r)
{
    struct store_run run;
    struct query_metric *list = NULL;
    size_t len = 0;
    int rc = find_run(r, &run);
    if (rc == 0)
        rc = query_metrics(r->server->store, run.id, &r->arena, &list, &len);
    if (rc < 0)
        return rc;
    struct buf *out = &r->reply.body;
    buf_z(out, "{\"value\":[");
    for (size_t i = 0; i < len; i++) {
        buf_z(out, i > 0 ? ",{" : "{");
        run_json_int(out, "id", list[i].id);
        json_str(out, "name", list[i].name);
        json_str(out, "type", str_of(type_names[list[i].type]));
        json_str(out, "origin", is_builtin(list[i].name) ? STR("builtin") : STR("script"));
        run_json_int(out, "test_run_id", run.id);
        if (list[i].estimated)
            run_json_bool(out, "estimated", true);
        buf_byte(out, '}');
    }
    buf_z(out, "]}");
    return reply_json(r, 200);
}

/* The series that match any `match[]`. */
static int find_keys(struct request *r, int64_t run_id, struct query_key **ret, size_t *ret_len)
{
    struct str selectors[16];
    size_t len = 0;
    for (struct str one; len < ARRAY_LEN(selectors); len++) {
        one = request_arg_at(r, "match[]", len);
        if (!one.ptr)
            break;
        selectors[len] = one;
    }
    if (len == ARRAY_LEN(selectors))
        return err_set(E_CONFIG, "match[]: at most %zu selectors", len - 1);
    int rc = query_keys(r->server->store, run_id, selectors, len, &r->arena, ret, ret_len);
    return rc < 0 ? err_wrap(rc, "match[]") : 0;
}

int v5_series(struct request *r)
{
    struct store_run run;
    struct query_key *keys = NULL;
    size_t len = 0;
    char id[24];
    int rc = find_run(r, &run);
    if (rc == 0)
        rc = find_keys(r, run.id, &keys, &len);
    if (rc < 0)
        return rc;
    snprintf(id, sizeof id, "%lld", (long long)run.id);
    struct buf *out = &r->reply.body;
    buf_z(out, "{\"status\":\"success\",\"data\":[");
    for (size_t i = 0; i < len; i++) {
        buf_z(out, i > 0 ? ",{" : "{");
        json_str(out, "__name__", keys[i].metric);
        json_str(out, "test_run_id", str_of(id));
        for (size_t j = 0; j < keys[i].labels_len; j++) {
            buf_byte(out, ',');
            buf_json_str(out, keys[i].labels[j].name);
            buf_byte(out, ':');
            buf_json_str(out, keys[i].labels[j].value);
        }
        buf_byte(out, '}');
    }
    buf_z(out, "]}");
    return reply_json(r, 200);
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* The distinct strings of `set`, sorted, as the reply's data. */
static int put_set(struct request *r, const struct map *set)
{
    size_t len = map_len(set);
    struct str *list = arena_calloc(&r->arena, len + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < len; i++)
        list[i] = map_key_at(set, i);
    qsort(list, len, sizeof *list, by_text);
    struct buf *out = &r->reply.body;
    buf_z(out, "{\"status\":\"success\",\"data\":[");
    for (size_t i = 0; i < len; i++) {
        if (i > 0)
            buf_byte(out, ',');
        buf_json_str(out, list[i]);
    }
    buf_z(out, "]}");
    return reply_json(r, 200);
}

/* Names of labels, or the values of the one called `name`. */
static int collect(struct request *r, const struct query_key *keys, size_t len, struct str name,
                   struct map *set)
{
    int rc = 0;
    for (size_t i = 0; i < len && rc == 0; i++) {
        if (!name.ptr)
            rc = map_put(set, STR("__name__"), NULL);
        else if (str_eq(name, STR("__name__")))
            rc = map_put(set, keys[i].metric, NULL);
        for (size_t j = 0; j < keys[i].labels_len && rc == 0; j++) {
            const struct metricset_label *l = &keys[i].labels[j];
            if (!name.ptr)
                rc = map_put(set, l->name, NULL);
            else if (str_eq(name, l->name))
                rc = map_put(set, l->value, NULL);
        }
    }
    (void)r;
    return rc;
}

static int list_labels(struct request *r, struct str name)
{
    struct store_run run;
    struct query_key *keys = NULL;
    size_t len = 0;
    CLEANUP(map_fini) struct map set;
    map_init(&set, STORE_SERIES_MAX);
    int rc = find_run(r, &run);
    if (rc == 0)
        rc = find_keys(r, run.id, &keys, &len);
    if (rc == 0)
        rc = collect(r, keys, len, name, &set);
    return rc < 0 ? rc : put_set(r, &set);
}

int v5_labels(struct request *r)
{
    return list_labels(r, STR_EMPTY);
}

int v5_label_values(struct request *r)
{
    return list_labels(r, r->params[1]);
}

/* ---- queries ---- */

/* A parameter inside the parentheses, decoded: 'text' with '' for a quote, or a bare word. */
static int take_value(struct arena *a, struct str *rest, struct str *ret)
{
    if (rest->len == 0 || rest->ptr[0] != '\'') {
        size_t n = 0;
        while (n < rest->len && rest->ptr[n] != ',')
            n++;
        *ret = str_trim(str_new(rest->ptr, n));
        *rest = str_new(rest->ptr + n, rest->len - n);
        return 0;
    }
    char *out = arena_alloc(a, rest->len);
    if (!out)
        return -ENOMEM;
    size_t n = 0;
    size_t i = 1;
    for (; i < rest->len; i++) {
        if (rest->ptr[i] == '\'') {
            if (i + 1 == rest->len || rest->ptr[i + 1] != '\'')
                break;
            i++;
        }
        out[n++] = rest->ptr[i];
    }
    if (i == rest->len)
        return err_set(E_CONFIG, "a parameter lacks its closing quote");
    *ret = str_new(out, n);
    *rest = str_new(rest->ptr + i + 1, rest->len - i - 1);
    return 0;
}

static int set_parameter(struct query *q, struct str name, struct str value)
{
    int64_t ns = 0;
    double step = 0;
    if (str_eq(name, STR("query"))) {
        q->query = value;
    } else if (str_eq(name, STR("metric"))) {
        q->metric = value;
    } else if (str_eq(name, STR("step"))) {
        if (str_to_double(value, &step) < 0 || !(step >= 1) || step > 1e9)
            return err_set(E_CONFIG, "step: a number of seconds is needed, not \"%.*s\"",
                           STR_ARG(value));
        q->step_s = (int64_t)step;
    } else if (str_eq(name, STR("start")) || str_eq(name, STR("end"))) {
        int rc = time_parse(value, &ns);
        if (rc < 0)
            return err_wrap(rc, "%.*s", STR_ARG(name));
        if (name.ptr[0] == 's')
            q->start_s = ns / NS_PER_S;
        else
            q->end_s = (ns + NS_PER_S - 1) / NS_PER_S;
    } else {
        return err_set(E_CONFIG, "unknown parameter \"%.*s\"", STR_ARG(name));
    }
    return 0;
}

/* "name(a='…',b=1)": the parameters, after the name. */
static int parse_call(struct request *r, struct str text, struct query *q)
{
    text = str_trim(text);
    if (text.len < 2 || text.ptr[0] != '(' || text.ptr[text.len - 1] != ')')
        return err_set(E_CONFIG, "parameters have to stand in parentheses behind the name");
    struct str rest = str_trim(str_new(text.ptr + 1, text.len - 2));
    while (rest.len > 0) {
        ptrdiff_t at = str_find(rest, '=');
        if (at < 0)
            return err_set(E_CONFIG, "name=value expected, not \"%.*s\"", STR_ARG(rest));
        struct str name = str_trim(str_new(rest.ptr, (size_t)at));
        struct str value = STR_EMPTY;
        rest = str_trim(str_new(rest.ptr + at + 1, rest.len - (size_t)at - 1));
        int rc = take_value(&r->arena, &rest, &value);
        if (rc == 0)
            rc = set_parameter(q, name, value);
        if (rc < 0)
            return rc;
        rest = str_trim(rest);
        if (rest.len > 0 && rest.ptr[0] != ',')
            return err_set(E_CONFIG, "\",\" expected before \"%.*s\"", STR_ARG(rest));
        if (rest.len > 0)
            rest = str_trim(str_new(rest.ptr + 1, rest.len - 1));
    }
    if (!q->query.ptr)
        return err_set(E_CONFIG, "query: it is needed");
    return q->metric.ptr ? 0 : err_set(E_CONFIG, "metric: it is needed");
}

static void put_point(struct buf *out, const struct query_point *p)
{
    buf_printf(out, "[%lld,", (long long)p->time_s);
    buf_json_double(out, p->value);
    buf_byte(out, ']');
}

static void put_result(struct buf *out, const struct query_result *result, bool range)
{
    buf_printf(out, "{\"status\":\"success\",\"data\":{\"resultType\":\"%s\",\"result\":[",
               range ? "matrix" : "vector");
    for (size_t i = 0; i < result->len; i++) {
        const struct query_series *s = &result->series[i];
        buf_z(out, i > 0 ? ",{\"metric\":{" : "{\"metric\":{");
        for (size_t j = 0; j < s->labels_len; j++) {
            if (j > 0)
                buf_byte(out, ',');
            buf_json_str(out, s->labels[j].name);
            buf_byte(out, ':');
            buf_json_str(out, s->labels[j].value);
        }
        buf_z(out, range ? "},\"values\":[" : "},\"value\":");
        for (size_t j = 0; j < s->len; j++) {
            if (j > 0)
                buf_byte(out, ',');
            put_point(out, &s->points[j]);
        }
        buf_z(out, range ? "]}" : "}");
    }
    buf_z(out, result->estimated ? "],\"estimated\":true}}" : "]}}");
}

int v5_query(struct request *r)
{
    static const char range_name[] = "query_range_k6";
    static const char one_name[] = "query_aggregate_k6";
    struct query q = {.start_s = -1, .end_s = -1};
    struct str call = percent_decode(&r->arena, r->params[1], false);
    bool range = str_starts(call, str_of(range_name));
    if (!range && !str_starts(call, str_of(one_name)))
        return reply_error(r, 404, 3, "not_found", "no such route: %.*s", STR_ARG(r->path));
    size_t skip = range ? sizeof range_name - 1 : sizeof one_name - 1;
    struct store_run run;
    int rc = find_run(r, &run);
    if (rc == 0)
        rc = parse_call(r, str_new(call.ptr + skip, call.len - skip), &q);
    if (rc < 0)
        return rc;
    if (!range)
        q.step_s = 0;
    else if (q.step_s == 0)
        q.step_s = 1; /* rounded up to the run's own buckets */
    struct query_result result;
    rc = query_run(r->server->store, run.id, &q, &result);
    if (rc < 0)
        return rc;
    put_result(&r->reply.body, &result, range);
    query_result_fini(&result);
    return reply_json(r, 200);
}

/* ---- thresholds ---- */

int v5_thresholds(struct request *r)
{
    struct store_run run;
    struct store_threshold *list = NULL;
    size_t len = 0;
    struct query_metric *metrics = NULL;
    size_t metrics_len = 0;
    int rc = find_run(r, &run);
    if (rc == 0)
        rc = store_get_thresholds(r->server->store, run.id, &r->arena, &list, &len);
    if (rc == 0)
        rc = query_metrics(r->server->store, run.id, &r->arena, &metrics, &metrics_len);
    if (rc < 0)
        return rc;
    struct buf *out = &r->reply.body;
    buf_z(out, "{\"value\":[");
    for (size_t i = 0; i < len; i++) {
        struct str selector;
        struct str name = threshold_split(list[i].metric, &selector);
        double value = NAN;
        rc = server_threshold_value(r->server->store, run.id, &list[i], metrics, metrics_len,
                                    &r->arena, &value);
        if (rc < 0)
            return rc;
        buf_z(out, i > 0 ? ",{" : "{");
        json_str(out, "metric", name);
        json_str(out, "selector", selector.ptr ? selector : STR(""));
        json_str(out, "expression", list[i].expression);
        json_str(out, "result",
                 list[i].result == THRESHOLD_OPEN     ? STR_EMPTY
                 : list[i].result == THRESHOLD_PASSED ? STR("passed")
                                                      : STR("failed"));
        json_key(out, "value");
        buf_json_double(out, value);
        buf_byte(out, '}');
    }
    buf_z(out, "]}");
    return reply_json(r, 200);
}

/* ---- live events ---- */

static int open_events(struct request *r, int64_t run_id, struct str first)
{
    bool all = run_id != 0 || identity_role_in_all(&r->who) >= ROLE_VIEWER;
    int64_t *projects =
        all ? NULL : arena_calloc(&r->arena, r->who.grants_len + 1, sizeof *projects);
    if (!all && !projects)
        return -ENOMEM;
    for (size_t i = 0; !all && i < r->who.grants_len; i++)
        projects[i] = r->who.grants[i].project_id;
    int rc = events_open(&r->server->events, r->conn, run_id, projects, r->who.grants_len, first,
                         &r->reply.made);
    if (rc < 0)
        return rc;
    r->reply.status = 200;
    r->reply.content_type = "text/event-stream";
    reply_header(r, "Cache-Control", "no-store");
    reply_header(r, "X-Accel-Buffering", "no");
    return 0;
}

int v5_run_events(struct request *r)
{
    struct store_run run;
    int rc = find_run(r, &run);
    if (rc < 0)
        return rc;
    struct buf *out = &r->reply.body;
    buf_z(out, "event: run\ndata: ");
    run_json_put(out, &run);
    buf_z(out, "\n\n");
    rc = buf_finish(out);
    return rc < 0 ? rc : open_events(r, run.id, buf_view(out));
}

int v5_all_events(struct request *r)
{
    return open_events(r, 0, STR_EMPTY);
}
