#include "server/v6_load_tests.h"

#include <errno.h>

#include "base/clock.h"
#include "server/archive.h"
#include "server/body.h"
#include "server/quota.h"
#include "server/rights.h"
#include "server/run_json.h"
#include "server/schema.h"
#include "server/v1_cloud.h"
#include "server/v6.h"
#include "server/vuh.h"
#include "store/load_test.h"
#include "store/run_mark.h"

enum { NAME_BYTES_MAX = 300 * 4 + 1, IDEMPOTENCY_KEY_MAX = 36 };

static int find_test(struct request *r, struct store_test *ret)
{
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    return rc < 0 ? rc : store_get_test(r->server->store, id, &r->arena, ret);
}

/* ---- scripts ---- */

/*
 * What came as a script, as an archive: it is one already, or the text of a single file, for which
 * `made` is used.  1; 0: answered, as it is neither.
 */
static int script_archive(struct request *r, struct str bytes, struct buf *made, struct str *ret)
{
    struct store_new_run read = {.archive = bytes};
    int rc = 0;
    if (archive_is_tar(bytes)) {
        rc = archive_read(&r->arena, &read);
        *ret = bytes;
    } else if (bytes.len > 0 && str_is_utf8(bytes) && !memchr(bytes.ptr, 0, bytes.len)) {
        rc = archive_of_script(bytes, clock_wall_ns() / NS_PER_S, made);
        *ret = buf_view(made);
    } else {
        return reply_field(r, "script", "not_a_script",
                           "a k6 archive (tar) or the text of a script is needed");
    }
    if (rc == E_CORRUPT || rc == E_LIMIT)
        return reply_field(r, "script", "not_a_script", "%s", err_message());
    return rc < 0 ? rc : 1;
}

int v6_get_test_script(struct request *r)
{
    struct store_test test;
    int rc = find_test(r, &test);
    return rc < 0 ? rc : v6_put_script(r, store_read_script, test.id);
}

int v6_put_test_script(struct request *r)
{
    CLEANUP(buf_fini) struct buf made;
    struct store_test test;
    struct str archive = STR_EMPTY;
    buf_init(&made, SERVER_ARCHIVE_MAX + 64 * 1024);
    int rc = find_test(r, &test);
    if (rc == 0)
        rc = script_archive(r, buf_view(&r->body), &made, &archive);
    if (rc <= 0)
        return rc;
    rc = store_write_script(r->server->store, test.id, archive, clock_wall_ns());
    return rc < 0 ? rc : reply_empty(r, 204);
}

/* ---- tests ---- */

enum { FIELD_NAME, FIELD_SCRIPT, FIELD_VERSION, FIELDS };

struct test_form {
    struct form_field fields[FIELDS];
    struct buf made; /* the archive of a plain script */
};

static void test_form_fini(struct test_form *f)
{
    buf_fini(&f->made);
}

/* As CreateLoadTestApiModel has the name. */
static int read_name(struct request *r, const struct form_field *field, struct store_new_test *n)
{
    if (!field->there)
        return reply_field(r, "name", "required", "is needed");
    n->name = field->value;
    if (!str_is_utf8(n->name))
        return reply_field(r, "name", "bad_characters", "has to be UTF-8");
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    if (root)
        yyjson_mut_doc_set_root(doc, root);
    if (!root ||
        !yyjson_mut_obj_add_strn(doc, root, "name", n->name.ptr ? n->name.ptr : "", n->name.len)) {
        yyjson_mut_doc_free(doc);
        return -ENOMEM;
    }
    yyjson_doc *fixed = yyjson_mut_doc_imut_copy(doc, NULL);
    yyjson_mut_doc_free(doc);
    struct schema_problems problems = {.arena = &r->arena};
    if (!fixed)
        return -ENOMEM;
    schema_check(r->server->schema, "CreateLoadTestApiModel", yyjson_doc_get_root(fixed),
                 &problems);
    yyjson_doc_free(fixed);
    return problems.len > 0 ? reply_problems(r, &problems) : 1;
}

static int read_test(struct request *r, struct test_form *f, struct store_new_test *n)
{
    int rc = body_form(r, f->fields, FIELDS);
    if (rc > 0)
        rc = read_name(r, &f->fields[FIELD_NAME], n);
    if (rc > 0 && f->fields[FIELD_SCRIPT].there)
        rc = script_archive(r, f->fields[FIELD_SCRIPT].value, &f->made, &n->script);
    struct str version = str_trim(f->fields[FIELD_VERSION].value);
    if (rc > 0 && version.len > 0 && (str_to_i64(version, &n->k6_version) < 0))
        rc = reply_field(r, "k6_version", "wrong_type", "has to be of type integer, or null");
    return rc;
}

static int put_test(struct request *r, int64_t id, int status)
{
    struct store_test test;
    int rc = store_get_test(r->server->store, id, &r->arena, &test);
    if (rc < 0)
        return rc;
    test_json_put(&r->reply.body, &test);
    return reply_json(r, status);
}

int v6_create_test(struct request *r)
{
    CLEANUP(test_form_fini)
    struct test_form f = {
        .fields = {[FIELD_NAME] = {.name = "name", .max = NAME_BYTES_MAX},
                   [FIELD_SCRIPT] = {.name = "script", .max = SERVER_ARCHIVE_MAX},
                   [FIELD_VERSION] = {.name = "k6_version", .max = 32}},
    };
    struct store_new_test n = {.now_ns = clock_wall_ns()};
    struct store_project project;
    int64_t id = 0;
    buf_init(&f.made, SERVER_ARCHIVE_MAX + 64 * 1024);
    int rc = request_id(r, 0, &n.project_id);
    if (rc == 0)
        rc = store_get_project(r->server->store, n.project_id, &r->arena, &project);
    if (rc == 0)
        rc = read_test(r, &f, &n);
    if (rc <= 0)
        return rc;
    rc = store_create_test(r->server->store, &n, &id);
    if (rc == -EEXIST)
        return reply_conflict(r, "%s", err_message());
    r->deed_target = str_of(arena_printf(&r->arena, "%lld", (long long)id));
    return rc < 0 ? rc : put_test(r, id, 201);
}

static int change(struct request *r, int64_t id, struct store_test_change *c)
{
    c->now_ns = clock_wall_ns();
    int rc = store_change_test(r->server->store, id, c);
    if (rc == -EEXIST)
        return reply_conflict(r, "%s", err_message());
    if (rc == E_CONFIG)
        return reply_field(r, "baseline_test_run_id", "not_found", "%s", err_message());
    return rc < 0 ? rc : reply_empty(r, 204);
}

int v6_change_test(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct store_test test;
    int rc = find_test(r, &test);
    if (rc == 0)
        rc = body_read(r, "PatchLoadTestApiModel", &doc);
    if (rc <= 0)
        return rc;
    yyjson_val *body = yyjson_doc_get_root(doc);
    struct store_test_change c = {
        .name = body_text(r, body, "name"),
        .set_baseline = yyjson_obj_get(body, "baseline_test_run_id") != NULL,
        .baseline_run = body_number(body, "baseline_test_run_id", 0),
        .set_k6_version = yyjson_obj_get(body, "k6_version") != NULL,
        .k6_version = body_number(body, "k6_version", 0),
    };
    return change(r, test.id, &c);
}

int v6_move_test(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct store_test test;
    int rc = find_test(r, &test);
    if (rc == 0)
        rc = body_read(r, "MoveLoadTestApiModel", &doc);
    if (rc <= 0)
        return rc;
    struct store_test_change c = {
        .project_id = body_number(yyjson_doc_get_root(doc), "project_id", 0),
    };
    if (c.project_id <= 0)
        return err_set(E_NOT_FOUND, "no project with that id");
    rc = rights_need(r, c.project_id, ROLE_EDITOR);
    if (rc <= 0)
        return rc;
    return change(r, test.id, &c);
}

int v6_delete_test(struct request *r)
{
    struct store_test test;
    int rc = find_test(r, &test);
    if (rc == 0)
        rc = store_delete_tests(r->server->store, 0, test.id);
    if (rc == -EBUSY)
        return reply_conflict(r, "%s", err_message());
    return rc < 0 ? rc : reply_empty(r, 204);
}

/* ---- starting ---- */

/* What the archive's options say the test needs; unknown when they can't be right. */
static int read_plan(struct store_new_run *n)
{
    struct vuh_plan plan;
    yyjson_doc *doc = yyjson_read(n->options.ptr, n->options.len, YYJSON_READ_NOFLAG);
    int rc = vuh_plan_of(yyjson_doc_get_root(doc), &plan);
    yyjson_doc_free(doc);
    n->max_vus = n->estimated_duration = -1;
    if (rc < 0)
        return rc == E_CONFIG ? 0 : rc;
    n->max_vus = plan.max_vus;
    n->max_browser_vus = plan.max_browser_vus;
    n->estimated_duration = plan.duration_s;
    return 0;
}

static int create_run(struct request *r, const struct store_test *test, struct buf *archive,
                      int64_t *ret_id)
{
    struct store_new_run n = {
        .test_id = test->id,
        .project_id = test->project_id,
        .started_by = r->who.email,
        .cloud = true,
        .idempotency_key = request_header(r, "K6-Idempotency-Key"),
        .now_ns = clock_wall_ns(),
    };
    if (n.idempotency_key.len > IDEMPOTENCY_KEY_MAX)
        return err_set(E_CONFIG, "K6-Idempotency-Key: at most %d bytes", IDEMPOTENCY_KEY_MAX);
    int rc = store_read_script(r->server->store, test->id, archive);
    if (rc < 0)
        return rc;
    n.archive = buf_view(archive);
    rc = archive_read(&r->arena, &n);
    if (rc == 0)
        rc = read_plan(&n);
    if (rc == 0)
        rc = quota_check(r, test->project_id, &n);
    if (rc <= 0)
        return rc;
    rc = store_create_run(r->server->store, &n, ret_id);
    return rc < 0 ? rc : 1;
}

int v6_start_test(struct request *r)
{
    CLEANUP(buf_fini) struct buf archive;
    struct store_test test;
    struct store_run run;
    int64_t id = 0;
    buf_init(&archive, SERVER_REPLY_BYTES);
    int rc = find_test(r, &test);
    if (rc == 0)
        rc = create_run(r, &test, &archive, &id);
    if (rc <= 0)
        return rc;
    r->deed_target = str_of(arena_printf(&r->arena, "%lld", (long long)id));
    rc = store_get_run(r->server->store, id, &r->arena, &run);
    if (rc == 0 && !store_run_ended(run.code)) {
        rc = life_add(r->server, id);
        if (rc == 0)
            rc = v1_cloud_start(r->server, id);
        if (rc == 0)
            rc = store_get_run(r->server->store, id, &r->arena, &run);
    }
    if (rc < 0)
        return rc;
    struct str base = request_base_url(r);
    run_json_put_started(
        &r->reply.body, &run,
        str_of(arena_printf(&r->arena, "%.*s/runs/%lld", STR_ARG(base), (long long)id)));
    return reply_json(r, 200);
}

/* ---- options ---- */

static int check_project(struct request *r, yyjson_val *body, int64_t *ret_id)
{
    yyjson_val *cloud = yyjson_obj_get(yyjson_obj_get(body, "options"), "cloud");
    int64_t id = body_number(body, "project_id", 0);
    struct store_project project;
    if (id == 0)
        id = body_number(cloud, "projectID", 0);
    if (id == 0)
        id = rights_default_project(r);
    int rc = store_get_project(r->server->store, id, &r->arena, &project);
    if (rc == E_NOT_FOUND)
        return reply_field(r, "project_id", "not_found", "%s", err_message());
    *ret_id = id;
    return rc < 0 ? rc : rights_need(r, id, ROLE_VIEWER);
}

int v6_validate_options(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct vuh_plan plan;
    struct vuh_cost cost;
    int64_t project_id = 0;
    int rc = body_read(r, "ValidateOptionsRequest", &doc);
    if (rc <= 0)
        return rc;
    yyjson_val *body = yyjson_doc_get_root(doc);
    bool local = yyjson_is_true(yyjson_obj_get(body, "is_local_execution"));
    rc = check_project(r, body, &project_id);
    if (rc <= 0)
        return rc;
    rc = vuh_plan_of(yyjson_obj_get(body, "options"), &plan);
    if (rc == E_CONFIG)
        return reply_field(r, "options", "not_valid", "%s", err_message());
    if (rc < 0)
        return rc;
    struct store_new_run n = {
        .max_vus = plan.max_vus,
        .max_browser_vus = plan.max_browser_vus,
        .estimated_duration = plan.duration_s,
        .cloud = !local,
        .now_ns = clock_wall_ns(),
    };
    rc = quota_check(r, project_id, &n);
    if (rc <= 0)
        return rc;
    vuh_cost_of(&plan, local, &cost);
    struct buf *out = &r->reply.body;
    buf_z(out, "{\"vuh_usage\":");
    buf_json_double(out, cost.total);
    json_key(out, "breakdown");
    vuh_put_breakdown(out, &cost);
    buf_byte(out, '}');
    return reply_json(r, 200);
}
