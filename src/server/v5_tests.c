#include "server/v5_tests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "server/call_arg.h"
#include "server/run_json.h"
#include "server/v5_result.h"
#include "store/query.h"

enum { RUNS_UNSAID = 30 };

/* ---- which runs ---- */

static int check_runs(struct request *r, int64_t test_id, const struct call *c)
{
    for (size_t i = 0; i < c->run_ids_len; i++) {
        struct store_run run;
        int rc = store_get_run(r->server->store, c->run_ids[i], &r->arena, &run);
        if (rc == E_NOT_FOUND || (rc == 0 && run.test_id != test_id))
            return err_set(E_CONFIG, "test_run_ids: %lld is no run of this test",
                           (long long)c->run_ids[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Into c->run_ids, the newest first. */
static int find_runs(struct request *r, int64_t test_id, struct call *c)
{
    if (c->run_ids_len > 0)
        return check_runs(r, test_id, c);
    struct store_run_filter f = {.test_id = test_id};
    struct store_page page = {.top = c->runs_count > 0 ? c->runs_count : RUNS_UNSAID};
    struct store_run *runs = NULL;
    size_t len = 0;
    int64_t total = 0;
    int rc = store_list_runs(r->server->store, &f, &page, &r->arena, &runs, &len, &total);
    for (size_t i = 0; i < len && rc == 0; i++)
        c->run_ids[c->run_ids_len++] = runs[i].id;
    return rc;
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x > y ? -1 : x < y;
}

/* ---- metrics ---- */

struct metric {
    struct str name;
    enum metricset_type type; /* of the newest run that has it */
    struct map labels;        /* names; values unused */
};

static void free_metrics(struct map *metrics)
{
    for (size_t i = 0; i < map_len(metrics); i++) {
        struct metric *m = map_value_at(metrics, i);
        map_fini(&m->labels);
        mem_free(m);
    }
    map_fini(metrics);
}

static int add_metric(struct map *metrics, const struct query_metric *q)
{
    if (map_get(metrics, q->name))
        return 0;
    struct metric *m = mem_calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    m->type = q->type;
    map_init(&m->labels, STORE_LABELS_BYTES_MAX);
    int rc = map_put(metrics, q->name, m);
    if (rc < 0) {
        mem_free(m);
        return rc;
    }
    m->name = map_key_at(metrics, map_len(metrics) - 1);
    return 0;
}

static int add_labels(void *arg, const struct query_key *key)
{
    struct map *metrics = arg;
    struct metric *m = map_get(metrics, key->metric);
    int rc = 0;
    for (size_t i = 0; m && i < key->labels_len && rc == 0; i++)
        rc = map_put(&m->labels, key->labels[i].name, NULL);
    return rc;
}

static int add_run(struct request *r, int64_t run_id, struct map *metrics)
{
    CLEANUP(arena_fini) struct arena a;
    struct query_metric *list = NULL;
    size_t len = 0;
    arena_init(&a, STORE_ARENA_MAX);
    int rc = query_metrics(r->server->store, run_id, &a, &list, &len);
    for (size_t i = 0; i < len && rc == 0; i++)
        rc = add_metric(metrics, &list[i]);
    return rc < 0 ? rc : query_each_key(r->server->store, run_id, NULL, 0, add_labels, metrics);
}

static int by_name(const void *a, const void *b)
{
    const struct metric *x = *(struct metric *const *)a;
    const struct metric *y = *(struct metric *const *)b;
    return str_cmp(x->name, y->name);
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int put_metric(struct request *r, const struct metric *m)
{
    struct buf *out = &r->reply.body;
    size_t len = map_len(&m->labels);
    struct str *names = arena_calloc(&r->arena, len + 1, sizeof *names);
    if (!names)
        return -ENOMEM;
    for (size_t i = 0; i < len; i++)
        names[i] = map_key_at(&m->labels, i);
    qsort(names, len, sizeof *names, by_text);
    buf_byte(out, '{');
    json_str(out, "name", m->name);
    json_str(out, "type", v5_type_name(m->type));
    json_key(out, "labels");
    buf_byte(out, '[');
    for (size_t i = 0; i < len; i++) {
        if (i > 0)
            buf_byte(out, ',');
        buf_json_str(out, names[i]);
    }
    buf_z(out, "]}");
    return 0;
}

static int put_metrics(struct request *r, const struct map *metrics)
{
    struct buf *out = &r->reply.body;
    size_t len = map_len(metrics);
    struct metric **sorted = arena_calloc(&r->arena, len + 1, sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < len; i++)
        sorted[i] = map_value_at(metrics, i);
    qsort(sorted, len, sizeof(struct metric *), by_name);
    buf_z(out, "{\"value\":[");
    for (size_t i = 0; i < len; i++) {
        if (i > 0)
            buf_byte(out, ',');
        int rc = put_metric(r, sorted[i]);
        if (rc < 0)
            return rc;
    }
    buf_z(out, "]}");
    return reply_json(r, 200);
}

static int list_metrics(struct request *r, struct call *c)
{
    CLEANUP(free_metrics) struct map metrics;
    map_init(&metrics, STORE_METRICS_MAX);
    qsort(c->run_ids, c->run_ids_len, sizeof c->run_ids[0], newest_first);
    int rc = 0;
    for (size_t i = 0; i < c->run_ids_len && rc == 0; i++)
        rc = add_run(r, c->run_ids[i], &metrics);
    return rc < 0 ? rc : put_metrics(r, &metrics);
}

/* ---- aggregates ---- */

/* Whether the run has the metric that is asked for. */
static int has_metric(struct request *r, int64_t run_id, struct str name)
{
    CLEANUP(arena_fini) struct arena a;
    struct query_metric *list = NULL;
    size_t len = 0;
    arena_init(&a, STORE_ARENA_MAX);
    int rc = query_metrics(r->server->store, run_id, &a, &list, &len);
    for (size_t i = 0; i < len && rc == 0; i++)
        rc = str_eq(list[i].name, name);
    return rc;
}

static int put_run(struct request *r, int64_t run_id, const struct query *q, bool *first,
                   bool *estimated)
{
    struct query_result result;
    char id[24];
    snprintf(id, sizeof id, "%lld", (long long)run_id);
    int rc = query_run(r->server->store, run_id, q, &result);
    if (rc < 0)
        return rc;
    v5_put_series(&r->reply.body, &result, false, id, first);
    *estimated |= result.estimated;
    query_result_fini(&result);
    return 0;
}

static int aggregate(struct request *r, const struct call *c)
{
    struct str rest;
    struct str name = str_trim(str_cut(c->query.metric, '{', &rest));
    bool first = true;
    bool estimated = false;
    size_t used = 0;
    int rc = 0;
    v5_begin_result(&r->reply.body, false);
    for (size_t i = 0; i < c->run_ids_len && rc >= 0; i++) {
        rc = has_metric(r, c->run_ids[i], name);
        if (rc > 0) {
            used++;
            rc = put_run(r, c->run_ids[i], &c->query, &first, &estimated);
        }
    }
    if (rc >= 0 && used == 0)
        rc = err_set(E_CONFIG, "unknown metric \"%.*s\": no run has it", STR_ARG(name));
    if (rc < 0)
        return rc;
    v5_end_result(&r->reply.body, estimated);
    return reply_json(r, 200);
}

int v5_test_query(struct request *r)
{
    struct store_test test;
    struct call *c = arena_calloc(&r->arena, 1, sizeof *c);
    int64_t id = 0;
    struct str text = percent_decode(&r->arena, r->params[1], false);
    int rc = c && text.ptr ? request_id(r, 0, &id) : -ENOMEM;
    if (rc == 0)
        rc = store_get_test(r->server->store, id, &r->arena, &test);
    if (rc == 0)
        rc = call_parse(&r->arena, text, c);
    if (rc < 0)
        return rc;
    bool metrics = str_eq(c->name, STR("metrics"));
    if (!metrics && !str_eq(c->name, STR("query_aggregate_k6")))
        return reply_error(r, 404, 3, "not_found", "no such route: %.*s", STR_ARG(r->path));
    if (!metrics && (!c->query.query.ptr || !c->query.metric.ptr))
        return err_set(E_CONFIG, "%s: it is needed", c->query.query.ptr ? "metric" : "query");
    c->query.step_s = 0;
    rc = find_runs(r, id, c);
    if (rc < 0)
        return rc;
    return metrics ? list_metrics(r, c) : aggregate(r, c);
}
