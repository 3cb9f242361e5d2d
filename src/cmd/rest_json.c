#include "cmd/rest_json.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "output/checks.h"

#include <errno.h>
#include <yyjson.h>

static const char *truth(bool b)
{
    return b ? "true" : "false";
}

void rest_json_status(struct buf *out, const struct control_status *s)
{
    buf_printf(out,
               "{\"data\":{\"type\":\"status\",\"id\":\"default\",\"attributes\":{\"status\":%d,"
               "\"paused\":%s,\"vus\":%u,\"vus-max\":%u,\"stopped\":%s,\"running\":%s,"
               "\"tainted\":%s}}}",
               (int)s->stage, truth(s->paused), s->vus, s->vus_max, truth(s->stopped),
               truth(s->running), truth(s->tainted));
}

/* ---- metrics --------------------------------------------------------------------------------- */

static const struct threshold_group *group_of(const struct control_view *v, const struct metric *m,
                                              const struct submetric *sub)
{
    for (size_t i = 0; i < v->thresholds->len; i++) {
        const struct threshold_group *g = &v->thresholds->groups[i];
        if (g->metric == m && g->sub == sub)
            return g;
    }
    return NULL;
}

/* A threshold of a sub-metric shows its metric, too. */
static bool is_named(const struct control_view *v, const struct metric *m)
{
    for (size_t i = 0; i < v->thresholds->len; i++)
        if (v->thresholds->groups[i].metric == m)
            return true;
    return false;
}

static void number(struct buf *out, const char *key, double v, bool first)
{
    buf_printf(out, "%s\"%s\":", first ? "" : ",", key);
    buf_json_double(out, v);
}

static void write_sample(struct buf *out, const struct control_view *v, const struct metric *m,
                         const struct sink *s)
{
    double seconds = (double)v->elapsed_ns / (double)NS_PER_S;
    switch (m->type) {
    case METRIC_COUNTER:
        number(out, "count", s->sum, true);
        number(out, "rate", seconds > 0 ? s->sum / seconds : 0, false);
        break;
    case METRIC_GAUGE:
        number(out, "value", s->last, true);
        break;
    case METRIC_RATE:
        number(out, "rate", s->count > 0 ? (double)s->nonzero / (double)s->count : 0, true);
        break;
    case METRIC_TREND:
        number(out, "avg", sink_avg(s), true);
        number(out, "max", s->max, false);
        number(out, "med", sink_quantile(s, 0.5), false);
        number(out, "min", s->min, false);
        number(out, "p(90)", sink_quantile(s, 0.9), false);
        number(out, "p(95)", sink_quantile(s, 0.95), false);
        break;
    }
}

/* Not known before the first evaluation. */
static const char *tainted(const struct threshold_group *g)
{
    for (size_t i = 0; g != NULL && i < g->len; i++)
        if (g->items[i].has_value || g->items[i].failed)
            return truth(g->failed);
    return "null";
}

static void write_metric(struct buf *out, const struct control_view *v, const char *name,
                         const struct metric *m, const struct sink *s,
                         const struct threshold_group *g)
{
    buf_z(out, "{\"type\":\"metrics\",\"id\":");
    buf_json_str(out, str_of(name));
    buf_printf(out,
               ",\"attributes\":{\"type\":\"%s\",\"contains\":\"%s\",\"tainted\":%s,\"sample\":{",
               metric_type_name(m->type), metric_contains_name(m->contains), tainted(g));
    write_sample(out, v, m, s);
    buf_z(out, "}}}");
}

/* Calls `fn` for each metric that has been seen or is asked for by a threshold. */
typedef void each_fn(void *arg, const struct control_view *v, const char *name,
                     const struct metric *m, const struct sink *s, const struct threshold_group *g);

static void each_metric(const struct control_view *v, each_fn *fn, void *arg)
{
    /* Reading takes a lock of its own; nothing of the registry is changed here. */
    struct registry *registry = metrics_registry((struct metrics *)(uintptr_t)v->metrics);
    for (uint32_t id = 0; id < v->snapshot->metrics_len; id++) {
        const struct metric *m = registry_at(registry, id);
        const struct sink *s = snapshot_metric(v->snapshot, m);
        if (s->count > 0 || is_named(v, m))
            fn(arg, v, m->name, m, s, group_of(v, m, NULL));
    }
    for (size_t i = 0; i < metrics_submetrics_len(v->metrics); i++) {
        const struct submetric *sub = metrics_submetric_at(v->metrics, i);
        const struct sink *s = snapshot_submetric(v->snapshot, v->metrics, sub);
        const struct threshold_group *g = group_of(v, sub->parent, sub);
        if (s != NULL && (s->count > 0 || g != NULL))
            fn(arg, v, sub->name, sub->parent, s, g);
    }
}

struct all {
    struct buf *out;
    bool any;
};

static void write_one_of_all(void *arg, const struct control_view *v, const char *name,
                             const struct metric *m, const struct sink *s,
                             const struct threshold_group *g)
{
    struct all *a = arg;
    if (a->any)
        buf_byte(a->out, ',');
    a->any = true;
    write_metric(a->out, v, name, m, s, g);
}

void rest_json_metrics(struct buf *out, const struct control_view *v)
{
    struct all a = {.out = out};
    buf_z(out, "{\"data\":[");
    each_metric(v, write_one_of_all, &a);
    buf_z(out, "]}");
}

struct wanted {
    struct buf *out;
    struct str id;
    bool found;
};

static void write_wanted(void *arg, const struct control_view *v, const char *name,
                         const struct metric *m, const struct sink *s,
                         const struct threshold_group *g)
{
    struct wanted *w = arg;
    if (w->found || !str_eqz(w->id, name))
        return;
    w->found = true;
    buf_z(w->out, "{\"data\":");
    write_metric(w->out, v, name, m, s, g);
    buf_byte(w->out, '}');
}

bool rest_json_metric(struct buf *out, const struct control_view *v, struct str id)
{
    struct wanted w = {.out = out, .id = id};
    each_metric(v, write_wanted, &w);
    return w.found;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static void write_check(struct buf *out, const struct check *c)
{
    char id[33];
    checks_id(c->path, id);
    buf_printf(out, "{\"id\":\"%s\",\"path\":", id);
    buf_json_str(out, c->path);
    buf_z(out, ",\"name\":");
    buf_json_str(out, c->name);
    buf_printf(out, ",\"passes\":%llu,\"fails\":%llu}", (unsigned long long)c->passes,
               (unsigned long long)c->fails);
}

static void write_reference(struct buf *out, const struct group *g)
{
    char id[33];
    checks_id(g->path, id);
    buf_printf(out, "{\"type\":\"groups\",\"id\":\"%s\"}", id);
}

static void write_group(struct buf *out, const struct group *g, const struct group *parent)
{
    char id[33];
    checks_id(g->path, id);
    buf_printf(out, "{\"type\":\"groups\",\"id\":\"%s\",\"attributes\":{\"path\":", id);
    buf_json_str(out, g->path);
    buf_z(out, ",\"name\":");
    buf_json_str(out, g->name);
    buf_z(out, g->checks != NULL ? ",\"checks\":[" : ",\"checks\":null");
    for (const struct check *c = g->checks; c != NULL; c = c->next) {
        write_check(out, c);
        buf_byte(out, c->next != NULL ? ',' : ']');
    }
    buf_z(out, "},\"relationships\":{\"groups\":{\"data\":[");
    for (const struct group *i = g->groups; i != NULL; i = i->next) {
        write_reference(out, i);
        if (i->next != NULL)
            buf_byte(out, ',');
    }
    buf_z(out, "]},\"parent\":{\"data\":");
    if (parent != NULL)
        write_reference(out, parent);
    else
        buf_z(out, "null");
    buf_z(out, "}}}");
}

static void write_tree(struct buf *out, const struct group *g, const struct group *parent)
{
    if (parent != NULL)
        buf_byte(out, ',');
    write_group(out, g, parent);
    for (const struct group *i = g->groups; i != NULL; i = i->next)
        write_tree(out, i, g);
}

static bool write_found(struct buf *out, const struct group *g, const struct group *parent,
                        struct str id)
{
    char own[33];
    checks_id(g->path, own);
    if (str_eqz(id, own)) {
        write_group(out, g, parent);
        return true;
    }
    for (const struct group *i = g->groups; i != NULL; i = i->next)
        if (write_found(out, i, g, id))
            return true;
    return false;
}

int rest_json_groups(struct buf *out, const struct control_view *v)
{
    CLEANUP(arena_fini) struct arena a;
    arena_init(&a, SUMMARY_ARENA_MAX);
    const struct group *root = checks_tree(v->snapshot, &a);
    if (root == NULL)
        return -ENOMEM;
    buf_z(out, "{\"data\":[");
    write_tree(out, root, NULL);
    buf_z(out, "]}");
    return 0;
}

int rest_json_group(struct buf *out, const struct control_view *v, struct str id)
{
    CLEANUP(arena_fini) struct arena a;
    arena_init(&a, SUMMARY_ARENA_MAX);
    const struct group *root = checks_tree(v->snapshot, &a);
    if (root == NULL)
        return -ENOMEM;
    buf_z(out, "{\"data\":");
    if (!write_found(out, root, NULL, id))
        return E_NOT_FOUND;
    buf_byte(out, '}');
    return 0;
}

/* ---- the rest -------------------------------------------------------------------------------- */

void rest_json_setup(struct buf *out, bool set, struct str data)
{
    buf_z(out, "{\"data\":{\"type\":\"setupData\",\"id\":\"default\",\"attributes\":{");
    if (set) {
        buf_z(out, "\"data\":");
        buf_str(out, data);
    }
    buf_z(out, "}}}");
}

void rest_json_error(struct buf *out, int status, const char *title, const char *detail)
{
    buf_printf(out, "{\"errors\":[{\"status\":\"%d\",\"title\":", status);
    buf_json_str(out, str_of(title));
    buf_z(out, ",\"detail\":");
    buf_json_str(out, str_of(detail));
    buf_z(out, "}]}");
}

static yyjson_doc *read_json(struct str body, yyjson_read_flag flags)
{
    yyjson_read_err e;
    char *data = (char *)(uintptr_t)body.ptr; /* not changed without the in-situ flag */
    yyjson_doc *doc = yyjson_read_opts(data, body.len, flags, NULL, &e);
    if (doc == NULL)
        (void)err_set(E_CONFIG, "%s at byte %zu", e.msg, e.pos);
    return doc;
}

static int read_bool(yyjson_val *attributes, const char *key, bool *has, bool *ret)
{
    yyjson_val *v = yyjson_obj_get(attributes, key);
    if (v == NULL || yyjson_is_null(v))
        return 0;
    if (!yyjson_is_bool(v))
        return err_set(E_CONFIG, "\"%s\" must be true or false", key);
    *has = true;
    *ret = yyjson_get_bool(v);
    return 0;
}

static int read_int(yyjson_val *attributes, const char *key, bool *has, int64_t *ret)
{
    yyjson_val *v = yyjson_obj_get(attributes, key);
    if (v == NULL || yyjson_is_null(v))
        return 0;
    if (!yyjson_is_int(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX))
        return err_set(E_CONFIG, "\"%s\" must be a whole number", key);
    *has = true;
    *ret = yyjson_get_sint(v);
    return 0;
}

int rest_json_patch(struct str body, struct rest_patch *ret)
{
    struct rest_patch p = {0};
    bool has_stopped = false;
    yyjson_doc *doc = read_json(body, 0);
    if (doc == NULL)
        return E_CONFIG;
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *attributes = yyjson_obj_get(yyjson_obj_get(root, "data"), "attributes");
    int rc = yyjson_is_obj(root) ? 0 : err_set(E_CONFIG, "an object was expected");
    if (rc == 0)
        rc = read_bool(attributes, "stopped", &has_stopped, &p.stopped);
    if (rc == 0)
        rc = read_bool(attributes, "paused", &p.has_paused, &p.paused);
    if (rc == 0)
        rc = read_int(attributes, "vus", &p.has_vus, &p.vus);
    if (rc == 0)
        rc = read_int(attributes, "vus-max", &p.has_vus_max, &p.vus_max);
    yyjson_doc_free(doc);
    if (rc == 0)
        *ret = p;
    return rc;
}

static void write_number(struct buf *out, const char *key, bool has, int64_t v)
{
    if (has)
        buf_printf(out, ",\"%s\":%lld", key, (long long)v);
    else
        buf_printf(out, ",\"%s\":null", key);
}

void rest_json_write_patch(struct buf *out, const struct rest_patch *p)
{
    buf_printf(out,
               "{\"data\":{\"type\":\"status\",\"id\":\"default\",\"attributes\":{\"status\":0,"
               "\"paused\":%s",
               p->has_paused ? truth(p->paused) : "null");
    write_number(out, "vus", p->has_vus, p->vus);
    write_number(out, "vus-max", p->has_vus_max, p->vus_max);
    buf_printf(out, ",\"stopped\":%s,\"running\":false,\"tainted\":false}}}", truth(p->stopped));
}

int rest_json_compact(struct str body, struct buf *out)
{
    yyjson_doc *doc = read_json(body, YYJSON_READ_NUMBER_AS_RAW);
    if (doc == NULL)
        return E_CONFIG;
    size_t len;
    char *text = yyjson_write(doc, 0, &len);
    yyjson_doc_free(doc);
    if (text == NULL)
        return err_set_errno(-ENOMEM, "JSON text");
    buf_append(out, text, len);
    mem_free(text);
    return buf_finish(out);
}
