#include "server/v6_projects.h"

#include <errno.h>

#include "base/clock.h"
#include "server/body.h"
#include "server/list.h"
#include "server/rights.h"
#include "server/run_json.h"
#include "store/label.h"
#include "store/project.h"

static int find_project(struct request *r, struct store_project *ret)
{
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    return rc < 0 ? rc : store_get_project(r->server->store, id, &r->arena, ret);
}

/* ---- projects ---- */

static int put_project(struct request *r, int64_t id, int status)
{
    struct store_project project;
    struct store_label *labels = NULL;
    size_t len = 0;
    int rc = store_get_project(r->server->store, id, &r->arena, &project);
    if (rc == 0)
        rc = store_list_labels(r->server->store, id, &r->arena, &labels, &len);
    if (rc < 0)
        return rc;
    project_json_put(&r->reply.body, &project, labels, len);
    return reply_json(r, status);
}

int v6_create_project(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    int64_t id = 0;
    int rc = body_read(r, "CreateProjectApiModel", &doc);
    if (rc <= 0)
        return rc;
    struct str name = body_text(r, yyjson_doc_get_root(doc), "name");
    rc = store_create_project(r->server->store, name, clock_wall_ns(), &id);
    if (rc == -EEXIST || rc == E_LIMIT)
        return reply_conflict(r, "%s", err_message());
    r->deed_target = str_of(arena_printf(&r->arena, "%lld", (long long)id));
    return rc < 0 ? rc : put_project(r, id, 201);
}

int v6_change_project(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct store_project project;
    int rc = find_project(r, &project);
    if (rc == 0)
        rc = body_read(r, "PatchProjectApiModel", &doc);
    if (rc <= 0)
        return rc;
    struct str name = body_text(r, yyjson_doc_get_root(doc), "name");
    rc = store_rename_project(r->server->store, project.id, name, clock_wall_ns());
    if (rc == -EEXIST)
        return reply_conflict(r, "%s", err_message());
    return rc < 0 ? rc : reply_empty(r, 204);
}

int v6_delete_project(struct request *r)
{
    struct store_project project;
    int rc = find_project(r, &project);
    if (rc == 0)
        rc = store_delete_project(r->server->store, project.id);
    if (rc == 0)
        rc = auth_reload(&r->server->auth); /* its roles are gone, its number may come again */
    if (rc == -EBUSY || rc == E_REFUSED)
        return reply_conflict(r, "%s", err_message());
    return rc < 0 ? rc : reply_empty(r, 204);
}

/* ---- limits ---- */

static const struct {
    const char *name;
    size_t offset; /* of an int64_t in struct store_limits */
} limit_fields[] = {
    {"vuh_max_per_month", offsetof(struct store_limits, vuh_max)},
    {"vu_max_per_test", offsetof(struct store_limits, vus_max)},
    {"vu_browser_max_per_test", offsetof(struct store_limits, browser_vus_max)},
    {"duration_max_per_test", offsetof(struct store_limits, duration_max)},
};

static void put_limits(struct buf *out, const struct store_limits *l)
{
    buf_byte(out, '{');
    run_json_int(out, "project_id", l->project_id);
    for (size_t i = 0; i < ARRAY_LEN(limit_fields); i++) {
        const void *at = (const char *)l + limit_fields[i].offset;
        int64_t v = *(const int64_t *)at;
        if (v > 0)
            run_json_int(out, limit_fields[i].name, v);
        else
            json_null(out, limit_fields[i].name);
    }
    buf_byte(out, '}');
}

int v6_get_limits(struct request *r)
{
    struct store_limits limits;
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_limits(r->server->store, id, &limits);
    if (rc < 0)
        return rc;
    put_limits(&r->reply.body, &limits);
    return reply_json(r, 200);
}

int v6_change_limits(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct store_limits limits;
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_limits(r->server->store, id, &limits);
    if (rc == 0)
        rc = body_read(r, "PatchProjectLimitsRequest", &doc);
    if (rc <= 0)
        return rc;
    yyjson_val *body = yyjson_doc_get_root(doc);
    for (size_t i = 0; i < ARRAY_LEN(limit_fields); i++) {
        void *at = (char *)&limits + limit_fields[i].offset;
        if (yyjson_obj_get(body, limit_fields[i].name))
            *(int64_t *)at = body_number(body, limit_fields[i].name, 0); /* null: no limit */
    }
    rc = store_set_limits(r->server->store, &limits);
    return rc < 0 ? rc : reply_empty(r, 204);
}

enum { LIMITS_OF_MAX = 30 }; /* as the specification has it */

/* "1,2,3" */
static int read_ids(struct request *r, const char *name, int64_t ids[static LIMITS_OF_MAX],
                    size_t *ret_len)
{
    struct str rest = request_arg(r, name);
    size_t len = 0;
    while (rest.len > 0) {
        if (len == LIMITS_OF_MAX)
            return reply_field(r, name, "too_many", "at most %d are taken", LIMITS_OF_MAX);
        struct str one = str_trim(str_cut(rest, ',', &rest));
        if (str_to_i64(one, &ids[len++]) < 0)
            return reply_field(r, name, "wrong_type", "ids with commas between them are needed");
    }
    *ret_len = len;
    return 1;
}

int v6_list_limits(struct request *r)
{
    struct store_page page;
    struct store_limits *list = NULL;
    int64_t ids[LIMITS_OF_MAX];
    size_t ids_len = 0;
    size_t len = 0;
    int64_t total = 0;
    int rc = list_page(r, NULL, &page);
    if (rc == 0)
        rc = read_ids(r, "project_id_in", ids, &ids_len);
    if (rc <= 0)
        return rc;
    rc = rights_visible(r, &page.visible);
    if (rc < 0)
        return rc;
    rc = store_list_limits(r->server->store, ids, ids_len, &page, &r->arena, &list, &len, &total);
    if (rc < 0)
        return rc;
    list_begin(r);
    for (size_t i = 0; i < len; i++) {
        list_item(r);
        put_limits(&r->reply.body, &list[i]);
    }
    return list_finish(r, &page, len, total);
}

/* ---- labels ---- */

static int put_labels(struct request *r, int64_t project_id, bool with_ids)
{
    struct buf *out = &r->reply.body;
    struct store_label *labels = NULL;
    size_t len = 0;
    int rc = store_list_labels(r->server->store, project_id, &r->arena, &labels, &len);
    if (rc < 0)
        return rc;
    list_begin(r);
    for (size_t i = 0; i < len; i++) {
        list_item(r);
        buf_byte(out, '{');
        if (with_ids)
            run_json_int(out, "key_id", labels[i].key_id);
        json_str(out, "key", labels[i].key);
        json_str(out, "value", labels[i].value);
        buf_byte(out, '}');
    }
    buf_z(out, "]}");
    return reply_json(r, 200);
}

int v6_list_labels(struct request *r)
{
    struct store_project project;
    int rc = find_project(r, &project);
    return rc < 0 ? rc : put_labels(r, project.id, false);
}

/* 1, or 0 when the request has been answered. */
static int read_labels(struct request *r, yyjson_val *list, struct store_label *labels)
{
    size_t i, count;
    yyjson_val *one;
    yyjson_arr_foreach(list, i, count, one)
    {
        labels[i] = (struct store_label){
            .key_id = body_number(one, "key_id", 0),
            .key = body_text(r, one, "key"),
            .value = body_text(r, one, "value"),
        };
        char field[32];
        snprintf(field, sizeof field, "value.%zu.key", i);
        if ((labels[i].key_id != 0) == (labels[i].key.ptr != NULL))
            return reply_field(r, field, "required", "either key or key_id is needed");
    }
    return 1;
}

int v6_put_labels(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct store_project project;
    struct store_label labels[STORE_LABELS_MAX];
    int rc = find_project(r, &project);
    if (rc == 0)
        rc = body_read(r, "ProjectLabelPutRequest", &doc);
    if (rc <= 0)
        return rc;
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(doc), "value");
    rc = read_labels(r, list, labels);
    if (rc <= 0)
        return rc;
    rc = store_set_labels(r->server->store, project.id, labels, yyjson_arr_size(list));
    if (rc == -EEXIST || rc == E_LIMIT)
        return reply_conflict(r, "%s", err_message());
    return rc < 0 ? rc : put_labels(r, project.id, true);
}

int v6_delete_label(struct request *r)
{
    struct store_project project;
    int rc = find_project(r, &project);
    if (rc == 0)
        rc = store_delete_label(r->server->store, project.id, r->params[1]);
    return rc < 0 ? rc : reply_empty(r, 204);
}

/* ---- load zones ---- */

static int no_zones(struct request *r)
{
    buf_z(&r->reply.body, "{\"value\":[]}");
    return reply_json(r, 200);
}

int v6_list_zones(struct request *r)
{
    return no_zones(r);
}

int v6_zones_of_project(struct request *r)
{
    struct store_project project;
    int rc = find_project(r, &project);
    return rc < 0 ? rc : no_zones(r);
}

int v6_set_zones_of_project(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct store_project project;
    int rc = find_project(r, &project);
    if (rc == 0)
        rc = body_read(r, "UpdateAllowedLoadZonesListApiModel", &doc);
    if (rc <= 0)
        return rc;
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(doc), "value");
    if (yyjson_arr_size(list) > 0)
        return reply_field(r, "value.0.id", "not_found", "there is no load zone with the id %lld",
                           (long long)body_number(yyjson_arr_get_first(list), "id", 0));
    return no_zones(r);
}

int v6_zone_projects(struct request *r)
{
    return err_set(E_NOT_FOUND, "no load zone with the id %.*s", STR_ARG(r->params[0]));
}
