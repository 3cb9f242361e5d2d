#include "server/provisioning.h"

#include <errno.h>

#include "base/clock.h"
#include "server/archive.h"
#include "server/body.h"
#include "server/quota.h"
#include "server/run_json.h"
#include "server/verdict.h"
#include "server/vuh.h"

enum { IDEMPOTENCY_KEY_MAX = 36 };

/* ---- starting ---- */

struct start {
    struct store_new_run run;
    int64_t archive_bytes; /* announced; 0: none will come */
    struct str push_secret;
    struct str upload_secret; /* NULL ptr: none */
};

static int read_start(struct request *r, yyjson_val *body, struct start *s)
{
    yyjson_val *options = yyjson_obj_get(body, "options");
    s->archive_bytes = body_number(body, "archive_size", 0);
    s->run.max_vus = body_number(body, "max_vus", -1);
    s->run.estimated_duration = body_number(body, "total_duration", -1);
    s->run.options = body_json(r, options);
    if (!s->run.options.ptr)
        return -ENOMEM;
    if (s->run.max_vus < 0)
        return reply_field(r, "max_vus", "too_small", "has to be at least 0");
    if (s->run.estimated_duration < 0)
        return reply_field(r, "total_duration", "too_small", "has to be at least 0");
    struct vuh_plan plan;
    /* The client's sums are better than ours from the options; only browsers aren't among them. */
    if (vuh_plan_of(options, &plan) == 0)
        s->run.max_browser_vus = MIN(plan.max_browser_vus, s->run.max_vus);
    err_clear();
    int rc = archive_thresholds(&r->arena, yyjson_obj_get(options, "thresholds"), &s->run);
    if (rc == E_LIMIT)
        return reply_field(r, "options.thresholds", "too_many", "%s", err_message());
    return rc < 0 ? rc : 1;
}

static int add_secret(struct request *r, const struct store_credential *c, struct str *ret)
{
    char secret[AUTH_SECRET_LEN + 1];
    int rc = auth_add_credential(&r->server->auth, c, secret);
    if (rc < 0)
        return rc;
    *ret = str_of(arena_dup(&r->arena, str_of(secret)));
    explicit_bzero(secret, sizeof secret);
    return ret->ptr ? 0 : -ENOMEM;
}

static int initialize(struct request *r, int64_t id)
{
    struct store_finish f = {
        .state = {.code = RUN_INITIALIZING, .entered_ns = clock_wall_ns()},
    };
    bool repeated = false;
    int rc = life_change(r->server, id, &f, &repeated);
    return rc < 0 ? rc : 0;
}

static void put_url(struct request *r, const char *name, const char *path)
{
    struct str base = request_base_url(r);
    json_str(&r->reply.body, name, str_of(arena_printf(&r->arena, "%.*s%s", STR_ARG(base), path)));
}

/* "/provisioning/v1/test_runs/12/notify" */
static const char *run_path(struct request *r, const char *before, int64_t id, const char *after)
{
    const char *path = arena_printf(&r->arena, "%s%lld%s", before, (long long)id, after);
    return path ? path : "";
}

static void put_logs(struct request *r, int64_t id)
{
    struct buf *out = &r->reply.body;
    struct str base = request_base_url(r);
    struct str rest;
    (void)str_cut(base, ':', &rest);
    json_key(out, "logs");
    buf_byte(out, '{');
    put_url(r, "push_url", run_path(r, "/provisioning/v1/test_runs/", id, "/logs"));
    json_str(out, "tail_url",
             str_of(arena_printf(&r->arena, "%s:%.*s/api/v1/tail",
                                 request_is_secure(r) ? "wss" : "ws", STR_ARG(rest))));
    run_json_int(out, "limit", 900);
    json_str(out, "push_period_seconds", STR("3s"));
    json_str(out, "level", STR("info"));
    run_json_int(out, "message_max_size", 10000);
    json_key(out, "allowed_labels");
    buf_z(out, "[\"lz\",\"level\",\"test_run_id\",\"instance_id\",\"source\"]}");
}

/* Every group and key, as the client refuses an answer without them. */
static void put_runtime_config(struct request *r, int64_t id, const struct start *s)
{
    struct buf *out = &r->reply.body;
    json_key(out, "runtime_config");
    buf_z(out, "{\"metrics\":{");
    put_url(r, "push_url", run_path(r, "/v2/metrics/", id, ""));
    /* The client's own settings are to count. */
    json_null(out, "push_interval");
    json_null(out, "push_concurrency");
    json_null(out, "aggregation_period");
    json_null(out, "aggregation_wait_period");
    json_null(out, "aggregation_min_samples");
    json_null(out, "max_samples_per_package");
    buf_z(out, "},\"traces\":{\"push_url\":\"\",\"traces_metadata\":{},\"proto\":\"\"}");
    buf_z(out, ",\"files\":{\"push_url\":\"\",\"screenshots_base_path\":\"\",\"headers\":{},"
               "\"method\":\"\"}");
    put_logs(r, id);
    buf_z(out, ",\"secrets\":{");
    put_url(r, "endpoint",
            run_path(r, "/provisioning/v1/test_runs/", id, "/decrypt_secret?name={key}"));
    json_str(out, "response_path", STR("plaintext"));
    buf_byte(out, '}');
    json_str(out, "test_run_token", s->push_secret);
    buf_byte(out, '}');
}

static int put_start(struct request *r, int64_t id, const struct start *s)
{
    struct buf *out = &r->reply.body;
    buf_byte(out, '{');
    run_json_int(out, "test_run_id", id);
    put_runtime_config(r, id, s);
    if (s->upload_secret.ptr)
        put_url(
            r, "archive_upload_url",
            arena_printf(&r->arena, "/provisioning/v1/archives/%.*s", STR_ARG(s->upload_secret)));
    else
        json_null(out, "archive_upload_url");
    put_url(r, "test_run_details_page_url", run_path(r, "/runs/", id, ""));
    buf_byte(out, '}');
    return reply_json(r, 200);
}

/* The secrets aren't kept, so that a repeated request gets new ones for the run that it has got. */
static int add_secrets(struct request *r, int64_t id, struct start *s)
{
    struct store_credential push = {.run_id = id, .purpose = CREDENTIAL_PUSH};
    struct store_credential upload = {id, CREDENTIAL_UPLOAD, s->archive_bytes};
    int rc = add_secret(r, &push, &s->push_secret);
    if (rc == 0 && s->archive_bytes > 0)
        rc = add_secret(r, &upload, &s->upload_secret);
    return rc;
}

int provisioning_start(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct store_test test;
    int64_t test_id = 0;
    int64_t id = 0;
    struct start s = {
        .run = {.started_by = r->who.email,
                .idempotency_key = request_header(r, "K6-Idempotency-Key"),
                .now_ns = clock_wall_ns()},
    };
    if (s.run.idempotency_key.len > IDEMPOTENCY_KEY_MAX)
        return err_set(E_CONFIG, "K6-Idempotency-Key: at most %d bytes", IDEMPOTENCY_KEY_MAX);
    int rc = request_id(r, 0, &test_id);
    if (rc == 0)
        rc = store_get_test(r->server->store, test_id, &r->arena, &test);
    if (rc == 0)
        rc = body_read(r, "StartLocalExecutionTestRequest", &doc);
    if (rc > 0)
        rc = read_start(r, yyjson_doc_get_root(doc), &s);
    if (rc > 0)
        rc = quota_check(r, test.project_id, &s.run);
    if (rc <= 0)
        return rc;
    s.run.test_id = test_id;
    s.run.project_id = test.project_id;
    rc = store_create_run(r->server->store, &s.run, &id);
    r->deed_target = str_of(arena_printf(&r->arena, "%lld", (long long)id));
    if (rc == 0)
        rc = life_add(r->server, id);
    if (rc == 0)
        rc = add_secrets(r, id, &s);
    if (rc == 0 && s.archive_bytes == 0)
        rc = initialize(r, id);
    return rc < 0 ? rc : put_start(r, id, &s);
}

/* ---- the archive ---- */

static int refuse_archive(struct request *r, int64_t id, int rc)
{
    struct store_finish f = {
        .state = {.code = RUN_ABORTED_BY_SYSTEM,
                  .entered_ns = clock_wall_ns(),
                  .message = str_of(arena_dup(&r->arena, str_of(err_message())))},
        .result = RESULT_ERROR,
    };
    struct err why = *err_get();
    bool repeated = false;
    if (life_change(r->server, id, &f, &repeated) < 0)
        return reply_failure(r, rc);
    *err_get() = why;
    return rc;
}

int provisioning_upload(struct request *r)
{
    struct str archive = buf_view(&r->body);
    struct store_run run;
    struct store_new_run read = {.archive = archive};
    int rc = store_get_run(r->server->store, r->run_id, &r->arena, &run);
    if (rc < 0)
        return rc;
    if (archive.len != r->body_max)
        return err_set(E_CONFIG, "archive: %zu bytes have come, %zu were announced", archive.len,
                       r->body_max);
    if (store_run_ended(run.code))
        return err_set(E_REFUSED, "test run %lld has ended (%s)", (long long)run.id,
                       run_state_text(run.code));
    /* The same again, as the answer was lost. */
    if (run.code >= RUN_INITIALIZING)
        return reply_empty(r, 200);
    rc = archive_read(&r->arena, &read);
    if (rc < 0)
        return rc == -ENOMEM ? rc : refuse_archive(r, run.id, rc);
    rc = store_write_archive(r->server->store, run.id, archive);
    if (rc == 0)
        rc = initialize(r, run.id);
    return rc < 0 ? rc : reply_empty(r, 200);
}

/* ---- the end ---- */

/* A client has one code for a user's abort and for a threshold's; its words tell which. */
static bool is_threshold_abort(struct str reason)
{
    return memmem(reason.ptr, reason.len, "abortOnFail", 11) != NULL ||
           str_starts(reason, STR("thresholds on metrics"));
}

static int code_of(int64_t error, struct str reason)
{
    switch (error) {
    case 8030: /* setup */
    case 8031: /* teardown */
    case 8035: /* an exception in the script */
        return RUN_ABORTED_BY_SCRIPT;
    case 8036:
        return is_threshold_abort(reason) ? RUN_ABORTED_BY_THRESHOLD : RUN_ABORTED_BY_USER;
    case 8034: /* out of time, or an output that gave up */
        return memmem(reason.ptr, reason.len, "timed out", 9) ? RUN_ABORTED_BY_LIMIT
                                                              : RUN_ABORTED_BY_SYSTEM;
    default:
        return RUN_ABORTED_BY_SYSTEM;
    }
}

static void read_end(struct request *r, yyjson_val *body, const struct store_run *run,
                     struct store_finish *f)
{
    yyjson_val *error = yyjson_obj_get(body, "error");
    f->state.code = RUN_FINISHED;
    if (!yyjson_is_obj(error))
        return;
    f->state.error_code = body_number(error, "code", 0);
    f->state.message = body_text(r, error, "reason");
    f->state.code = code_of(f->state.error_code, f->state.message);
    if (f->state.code == RUN_ABORTED_BY_USER)
        f->state.by_user = run->started_by;
}

int provisioning_notify(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct store *store = r->server->store;
    struct store_finish f = {.state.entered_ns = clock_wall_ns()};
    struct store_run run;
    struct verdict verdict;
    int64_t id = 0;
    bool repeated = false;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_run(store, id, &r->arena, &run);
    if (rc == 0)
        rc = body_read(r, "ScriptExecutionCompletedNotificationApiModel", &doc);
    if (rc <= 0)
        return rc;
    read_end(r, yyjson_doc_get_root(doc), &run, &f);
    rc = verdict_of_run(store, id, &r->arena, &verdict);
    if (rc < 0)
        return rc;
    f.thresholds = verdict.thresholds;
    f.thresholds_len = verdict.len;
    f.result = verdict.unknown ? RESULT_ERROR : verdict_result(f.state.code, verdict.failed);
    rc = life_change(r->server, id, &f, &repeated);
    if (rc < 0)
        return rc;
    /* Whoever timed out should hear of it; any other end before this one is no news. */
    if (rc == 0 && run.code == RUN_TIMED_OUT)
        return err_set(E_REFUSED, "test run %lld has timed out: no data came for too long",
                       (long long)id);
    return reply_empty(r, 204);
}

/* ---- what isn't kept here ---- */

int provisioning_secret(struct request *r)
{
    struct str name = request_arg(r, "name");
    if (name.len == 0)
        return reply_field(r, "name", "required", "is needed");
    return err_set(E_NOT_FOUND, "no secret \"%.*s\": this server keeps no secrets yet",
                   STR_ARG(name));
}

int provisioning_session(struct request *r)
{
    (void)r;
    return err_set(E_UNSUPPORTED, "sessions for AI tools are not supported by this server yet");
}
