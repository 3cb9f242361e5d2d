/*
 * The older generations of k6's protocol: /v1 creates and finishes runs, /v2 takes measurements.
 */
#include "server/v1.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/snappy.h"
#include "server/archive.h"
#include "server/body.h"
#include "server/quota.h"
#include "server/rights.h"
#include "server/run_json.h"
#include "server/verdict.h"
#include "server/vuh.h"

static struct str json_text(yyjson_val *v)
{
    return yyjson_is_str(v) ? str_new(yyjson_get_str(v), yyjson_get_len(v)) : STR_EMPTY;
}

/* ---- creating a run ---- */

static int create_from_json(struct request *r, struct store_new_run *n)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    int rc = body_object(r, &doc);
    if (rc < 0)
        return rc;
    yyjson_val *root = yyjson_doc_get_root(doc);
    n->name = body_text(r, root, "name");
    n->project_id = body_number(root, "project_id", 0);
    n->max_vus = body_number(root, "vus", -1);
    n->estimated_duration = body_number(root, "duration", -1);
    yyjson_val *thresholds = yyjson_obj_get(root, "thresholds");
    if (yyjson_is_obj(thresholds) && yyjson_obj_size(thresholds) > 0) {
        struct str text = body_json(r, thresholds);
        n->options = str_of(arena_printf(&r->arena, "{\"thresholds\":%.*s}", STR_ARG(text)));
    }
    rc = archive_thresholds(&r->arena, thresholds, n);
    return rc < 0 ? rc : 1;
}

static int64_t form_number(const struct form_field *f, int64_t none)
{
    int64_t v = 0;
    return f->value.len > 0 && str_to_i64(str_trim(f->value), &v) == 0 ? v : none;
}

static int create_from_form(struct request *r, struct store_new_run *n)
{
    enum { NAME, PROJECT, VUS, DURATION, UPLOAD_ONLY, ARCHIVE, FIELDS };
    struct form_field f[FIELDS] = {
        [NAME] = {.name = "name", .max = 4096},
        [PROJECT] = {.name = "project_id", .max = 64},
        [VUS] = {.name = "vus", .max = 64},
        [DURATION] = {.name = "duration", .max = 64},
        [UPLOAD_ONLY] = {.name = "upload_only", .max = 64},
        /* The one file, whatever its field is called: k6 has used `archive.tar` and `file`. */
        [ARCHIVE] = {.name = NULL, .max = SERVER_ARCHIVE_MAX},
    };
    int rc = body_form(r, f, FIELDS);
    if (rc <= 0)
        return rc;
    n->name = f[NAME].value;
    n->project_id = form_number(&f[PROJECT], 0);
    n->max_vus = form_number(&f[VUS], -1);
    n->estimated_duration = form_number(&f[DURATION], -1);
    n->archive_only = str_eq(f[UPLOAD_ONLY].value, STR("true"));
    n->archive = f[ARCHIVE].there ? f[ARCHIVE].value : STR_EMPTY;
    rc = f[ARCHIVE].there ? archive_read(&r->arena, n) : 0;
    return rc < 0 ? rc : 1;
}

/* What a client doesn't say its options do. */
static void fill_plan(struct store_new_run *n)
{
    struct vuh_plan plan;
    CLEANUP(body_docp)
    yyjson_doc *doc = n->archive.len > 0 && n->options.len > 0
                          ? yyjson_read(n->options.ptr, n->options.len, YYJSON_READ_NOFLAG)
                          : NULL;
    if (!doc || vuh_plan_of(yyjson_doc_get_root(doc), &plan) < 0) {
        err_clear();
        return;
    }
    if (n->max_vus < 0)
        n->max_vus = plan.max_vus;
    if (n->estimated_duration < 0)
        n->estimated_duration = plan.duration_s;
    n->max_browser_vus = MIN(plan.max_browser_vus, n->max_vus);
}

/* Role and limits of the project.  1; 0: refused. */
static int check_project(struct request *r, struct store_new_run *n)
{
    struct store_project project;
    if (n->project_id == 0)
        n->project_id = rights_default_project(r);
    int rc = rights_need(r, n->project_id, ROLE_EDITOR);
    if (rc <= 0)
        return rc;
    rc = store_get_project(r->server->store, n->project_id, &r->arena, &project);
    if (rc == E_NOT_FOUND) { /* it will be made; there are no limits yet */
        if (n->project_id > STORE_PROJECT_ID_MAX)
            return err_set(E_CONFIG, "project_id: no project is made with a number above %d",
                           STORE_PROJECT_ID_MAX);
        err_clear();
        return 1;
    }
    if (n->archive_only) /* kept, not run */
        return rc < 0 ? rc : 1;
    return rc < 0 ? rc : quota_check(r, n->project_id, n);
}

static int check_new(const struct store_new_run *n)
{
    if (n->name.len == 0 || n->name.len > 300 * 4)
        return err_set(E_CONFIG, "name: 1 to 300 characters are needed");
    if (!str_is_utf8(n->name))
        return err_set(E_CONFIG, "name: not UTF-8");
    if (n->project_id < 0)
        return err_set(E_CONFIG, "project_id: not a project's number");
    return 0;
}

int v1_create_run(struct request *r, bool needs_archive, int64_t *ret_id)
{
    struct store_new_run n = {
        .max_vus = -1,
        .estimated_duration = -1,
        .started_by = r->who.email,
        .idempotency_key = request_header(r, "K6-Idempotency-Key"),
        .now_ns = clock_wall_ns(),
    };
    if (n.idempotency_key.len > STORE_KEY_MAX)
        return err_set(E_CONFIG, "K6-Idempotency-Key: at most %d bytes", STORE_KEY_MAX);
    bool json = str_starts(request_header(r, "Content-Type"), STR("application/json"));
    int rc = json ? create_from_json(r, &n) : create_from_form(r, &n);
    if (rc <= 0)
        return rc;
    rc = check_new(&n);
    if (rc == 0 && needs_archive && !n.archive.ptr)
        rc = err_set(E_CONFIG, "file: the archive of the test is needed");
    if (rc < 0)
        return rc;
    n.cloud = needs_archive && !n.archive_only;
    fill_plan(&n);
    rc = check_project(r, &n);
    if (rc <= 0)
        return rc;
    int64_t id = 0;
    rc = store_create_run(r->server->store, &n, &id);
    if (rc == 0)
        rc = life_add(r->server, id);
    if (rc < 0)
        return rc;
    *ret_id = id;
    return 1;
}

int v1_reply_created(struct request *r, int64_t id)
{
    struct str base = request_base_url(r);
    struct buf *out = &r->reply.body;
    r->deed_target = str_of(arena_printf(&r->arena, "%lld", (long long)id));
    buf_printf(out, "{\"reference_id\":\"%lld\",\"config\":{\"webAppURL\":", (long long)id);
    buf_json_str(out, base);
    buf_z(out, ",\"testRunDetails\":");
    buf_json_str(out,
                 str_of(arena_printf(&r->arena, "%.*s/runs/%lld", STR_ARG(base), (long long)id)));
    buf_z(out, "}}");
    return reply_json(r, 200);
}

int v1_create_test(struct request *r)
{
    int64_t id = 0;
    int rc = v1_create_run(r, false, &id);
    return rc <= 0 ? rc : v1_reply_created(r, id);
}

/* ---- finishing it ---- */

/* {metric: {expression: true if it failed}}, into the arena. */
static int read_results(struct arena *a, yyjson_val *all, struct store_finish *f)
{
    size_t max = 0;
    size_t i, count, j, inner;
    yyjson_val *metric, *of_metric, *expression, *failed;
    yyjson_obj_foreach(all, i, count, metric, of_metric) max += yyjson_obj_size(of_metric);
    struct store_threshold *out = arena_calloc(a, max + 1, sizeof *out);
    if (!out)
        return -ENOMEM;
    size_t len = 0;
    yyjson_obj_foreach(all, i, count, metric, of_metric)
    {
        yyjson_obj_foreach(of_metric, j, inner, expression, failed)
        {
            struct str name = json_text(metric);
            struct str text = json_text(expression);
            out[len].metric = str_new(arena_dup(a, name), name.len);
            out[len].expression = str_new(arena_dup(a, text), text.len);
            out[len].result = yyjson_is_true(failed) ? THRESHOLD_FAILED : THRESHOLD_PASSED;
            if (!out[len].metric.ptr || !out[len].expression.ptr)
                return -ENOMEM;
            len++;
        }
    }
    f->thresholds = out;
    f->thresholds_len = len;
    return 0;
}

static int read_finish(struct request *r, struct store_finish *f)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    int rc = body_object(r, &doc);
    if (rc < 0)
        return rc;
    yyjson_val *root = yyjson_doc_get_root(doc);
    int64_t code = body_number(root, "run_status", RUN_FINISHED);
    if (code < RUN_FINISHED || code > RUN_ABORTED_BY_LIMIT)
        return err_set(E_CONFIG, "run_status: %lld does not end a run (3 to 9 do)",
                       (long long)code);
    bool failed = body_number(root, "result_status", 0) != 0;
    f->state.code = (int)code;
    f->result = verdict_result(f->state.code, failed);
    return read_results(&r->arena, yyjson_obj_get(root, "thresholds"), f);
}

/* Who starts several instances knows nothing of thresholds: they are held against what all of them
 * have sent.  A client that runs the test by itself reports each of them. */
static int judge(struct request *r, int64_t id, struct store_finish *f)
{
    struct verdict v;
    int rc = verdict_of_run(r->server->store, id, &r->arena, &v);
    if (rc < 0 || v.len == 0)
        return rc;
    f->thresholds = v.thresholds;
    f->thresholds_len = v.len;
    f->result = v.unknown ? RESULT_ERROR
                          : verdict_result(f->state.code, v.failed || f->result == RESULT_FAILED);
    return 0;
}

int v1_finish_test(struct request *r)
{
    int64_t id = 0;
    struct store_finish f = {
        .state.entered_ns = clock_wall_ns(),
        .idempotency_key = request_header(r, "K6-Idempotency-Key"),
    };
    if (f.idempotency_key.len > STORE_KEY_MAX)
        return err_set(E_CONFIG, "K6-Idempotency-Key: at most %d bytes", STORE_KEY_MAX);
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = read_finish(r, &f);
    if (rc < 0)
        return rc;
    if (f.thresholds_len == 0)
        rc = judge(r, id, &f);
    if (rc < 0)
        return rc;
    if (f.state.code == RUN_ABORTED_BY_USER)
        f.state.by_user = r->who.email;
    bool repeated = false;
    rc = life_change(r->server, id, &f, &repeated);
    if (rc < 0)
        return rc;
    if (rc == 0 && !repeated) {
        struct store_run run;
        rc = store_get_run(r->server->store, id, &r->arena, &run);
        if (rc < 0)
            return rc;
        /* Whoever timed out should hear of it; to be told that a run is over that was aborted
         * from here, or finished before, is no news. */
        if (run.code == RUN_TIMED_OUT)
            return err_set(E_REFUSED, "test run %lld has timed out: no data came for too long",
                           (long long)id);
    }
    buf_z(&r->reply.body, "{}");
    return reply_json(r, 200);
}

/* ---- measurements ---- */

int v1_check_push(struct request *r, struct str key, int64_t *ret_id)
{
    int rc = request_id(r, 0, ret_id);
    if (rc == 0)
        rc = life_check_open(r->server, *ret_id);
    if (rc == 0)
        return 1;
    if (rc != E_REFUSED || key.len == 0)
        return rc;
    struct err refused = *err_get();
    bool applied = false;
    rc = store_has_push(r->server->store, *ret_id, key, &applied);
    if (rc == 0 && applied)
        return reply_empty(r, 200);
    if (rc == 0)
        *err_get() = refused;
    return rc < 0 ? rc : E_REFUSED;
}

int v2_push(struct request *r)
{
    int64_t id = 0;
    struct str key = request_header(r, "K6-Idempotency-Key");
    int rc = v1_check_push(r, key, &id);
    if (rc <= 0)
        return rc;
    CLEANUP(buf_fini) struct buf message;
    buf_init(&message, SERVER_PUSH_MAX + 1);
    rc = snappy_unpack(r->body.data, r->body.len, SERVER_PUSH_MAX, &message);
    if (rc < 0)
        return rc;
    struct store_push push;
    rc = store_push(r->server->store, id, key, buf_view(&message), clock_wall_ns(), &push);
    if (rc == 0)
        rc = life_pushed(r->server, id, &push);
    return rc < 0 ? rc : reply_empty(r, 200);
}
