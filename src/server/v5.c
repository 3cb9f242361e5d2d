#include "server/v5.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "server/call_arg.h"
#include "server/run_json.h"
#include "server/threshold.h"
#include "server/v5_result.h"
#include "store/query.h"

/* The run of the path, which has to exist. */
static int find_run(struct request *r, struct store_run *ret)
{
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    return rc < 0 ? rc : store_get_run(r->server->store, id, &r->arena, ret);
}

/* ---- what there is ---- */

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
        json_str(out, "type", v5_type_name(list[i].type));
        json_str(out, "origin", is_builtin(list[i].name) ? STR("builtin") : STR("script"));
        run_json_int(out, "test_run_id", run.id);
        if (list[i].estimated)
            run_json_bool(out, "estimated", true);
        buf_byte(out, '}');
    }
    buf_z(out, "]}");
    return reply_json(r, 200);
}

/* Tells of the series that match any `match[]`. */
static int each_key(struct request *r, int64_t run_id, query_key_fn *fn, void *arg)
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
    int rc = query_each_key(r->server->store, run_id, selectors, len, fn, arg);
    return rc < 0 ? err_wrap(rc, "match[]") : 0;
}

struct series_list {
    struct buf *out;
    struct str run;
    bool begun;
};

static int put_key(void *arg, const struct query_key *key)
{
    struct series_list *l = arg;
    buf_z(l->out, l->begun ? ",{" : "{");
    l->begun = true;
    json_str(l->out, "__name__", key->metric);
    json_str(l->out, "test_run_id", l->run);
    for (size_t i = 0; i < key->labels_len; i++) {
        buf_byte(l->out, ',');
        buf_json_str(l->out, key->labels[i].name);
        buf_byte(l->out, ':');
        buf_json_str(l->out, key->labels[i].value);
    }
    buf_byte(l->out, '}');
    return buf_finish(l->out);
}

int v5_series(struct request *r)
{
    struct store_run run;
    char id[24];
    struct series_list l = {.out = &r->reply.body};
    int rc = find_run(r, &run);
    if (rc < 0)
        return rc;
    snprintf(id, sizeof id, "%lld", (long long)run.id);
    l.run = str_of(id);
    buf_z(l.out, "{\"status\":\"success\",\"data\":[");
    rc = each_key(r, run.id, put_key, &l);
    if (rc < 0)
        return rc;
    buf_z(l.out, "]}");
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
    struct str *list = mem_calloc(len + 1, sizeof *list);
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
    mem_free(list);
    return reply_json(r, 200);
}

struct label_set {
    struct map *set;
    struct str name; /* whose values; NULL ptr: the names themselves */
};

static int add_key(void *arg, const struct query_key *key)
{
    const struct label_set *l = arg;
    int rc = 0;
    if (!l->name.ptr)
        rc = map_put(l->set, STR("__name__"), NULL);
    else if (str_eq(l->name, STR("__name__")))
        rc = map_put(l->set, key->metric, NULL);
    for (size_t i = 0; i < key->labels_len && rc == 0; i++) {
        if (!l->name.ptr)
            rc = map_put(l->set, key->labels[i].name, NULL);
        else if (str_eq(l->name, key->labels[i].name))
            rc = map_put(l->set, key->labels[i].value, NULL);
    }
    return rc;
}

static int list_labels(struct request *r, struct str name)
{
    struct store_run run;
    CLEANUP(map_fini) struct map set;
    struct label_set l = {&set, name};
    map_init(&set, STORE_SERIES_MAX);
    int rc = find_run(r, &run);
    if (rc == 0)
        rc = each_key(r, run.id, add_key, &l);
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

int v5_query(struct request *r)
{
    struct store_run run;
    struct query_result result;
    struct call *c = arena_calloc(&r->arena, 1, sizeof *c);
    struct str text = percent_decode(&r->arena, r->params[1], false);
    int rc = c ? find_run(r, &run) : -ENOMEM;
    if (rc == 0)
        rc = text.ptr ? call_parse(&r->arena, text, c)
                      : err_set(E_CONFIG, "the path is not percent-encoded as it should be");
    if (rc < 0)
        return rc;
    bool range = str_eq(c->name, STR("query_range_k6"));
    if (!range && !str_eq(c->name, STR("query_aggregate_k6")))
        return reply_error(r, 404, 3, "not_found", "no such route: %.*s", STR_ARG(r->path));
    if (!c->query.query.ptr || !c->query.metric.ptr)
        return err_set(E_CONFIG, "%s: it is needed", c->query.query.ptr ? "metric" : "query");
    if (c->run_ids_len > 0 || c->runs_count > 0)
        return err_set(E_CONFIG, "test_run_ids and test_run_count are for load_tests");
    /* A range's step is rounded up to the run's own buckets. */
    c->query.step_s = range ? MAX(c->query.step_s, (int64_t)1) : 0;
    rc = query_run(r->server->store, run.id, &c->query, &result);
    if (rc < 0)
        return rc;
    bool first = true;
    v5_begin_result(&r->reply.body, range);
    v5_put_series(&r->reply.body, &result, range, NULL, &first);
    v5_end_result(&r->reply.body, result.estimated);
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
    struct auth_reader reader = auth_reader_of(&r->server->auth, &r->who);
    int rc = events_open(&r->server->events, r->conn, run_id, &reader, projects, r->who.grants_len,
                         first, &r->reply.made);
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
