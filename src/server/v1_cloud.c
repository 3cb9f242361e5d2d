#include "server/v1_cloud.h"

#include <yyjson.h>

#include "base/clock.h"
#include "server/access.h"
#include "server/body.h"
#include "server/run_json.h"
#include "server/v1.h"

/* ---- starting ---- */

int v1_validate_options(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    int rc = body_object(r, &doc);
    if (rc < 0)
        return rc;
    if (!yyjson_is_obj(yyjson_obj_get(yyjson_doc_get_root(doc), "options")))
        return err_set(E_CONFIG, "options: an object is needed");
    buf_z(&r->reply.body, "{}");
    return reply_json(r, 200);
}

int v1_cloud_start(struct server *s, int64_t id)
{
    struct store_finish queued = {
        .state = {.code = RUN_QUEUED, .entered_ns = clock_wall_ns()},
    };
    struct store_finish aborted = {
        .state = {.code = RUN_ABORTED_BY_SYSTEM,
                  .entered_ns = clock_wall_ns(),
                  .message = STR("No load zone is available: this server doesn't execute tests "
                                 "yet. Run the test on a machine of yours and stream its "
                                 "results (run --out cloud, cloud run --local-execution)")},
        .result = RESULT_ERROR,
    };
    bool repeated = false;
    int rc = life_change(s, id, &queued, &repeated);
    if (rc >= 0)
        rc = life_change(s, id, &aborted, &repeated);
    return rc < 0 ? rc : 0;
}

int v1_upload_archive(struct request *r)
{
    int64_t id = 0;
    int rc = v1_create_run(r, true, &id);
    if (rc <= 0)
        return rc;
    rc = v1_cloud_start(r->server, id);
    return rc < 0 ? rc : v1_reply_created(r, id);
}

/* ---- watching and stopping ---- */

/* Between 0 and 1: of the time that the run was thought to take. */
static double progress_of(const struct store_run *run)
{
    if (store_run_ended(run->code))
        return 1;
    int64_t started_ns = 0;
    for (size_t i = 0; i < run->history_len; i++)
        if (run->history[i].code == RUN_RUNNING)
            started_ns = run->history[i].entered_ns;
    if (started_ns == 0 || run->estimated_duration <= 0)
        return 0;
    double passed_s = (double)(clock_wall_ns() - started_ns) / 1e9;
    double share = passed_s / (double)run->estimated_duration;
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

int v1_test_progress(struct request *r)
{
    int64_t id = 0;
    struct store_run run;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_run(r->server->store, id, &r->arena, &run);
    if (rc < 0)
        return rc;
    struct str said = run.history_len > 0 ? run.history[run.history_len - 1].message : STR_EMPTY;
    const char *text = run_state_text(run.code);
    /* What the client prints as the state: the one place for a reason. */
    const char *state =
        said.len > 0 ? arena_printf(&r->arena, "%s: %.*s", text, STR_ARG(said)) : text;
    struct buf *out = &r->reply.body;
    buf_byte(out, '{');
    json_str(out, "run_status_text", str_of(state));
    run_json_int(out, "run_status", run.code);
    run_json_int(out, "result_status", run.result == RESULT_FAILED || run.result == RESULT_ERROR);
    json_key(out, "progress");
    buf_json_double(out, progress_of(&run));
    buf_byte(out, '}');
    return reply_json(r, 200);
}

/* Repeated by a client that got no answer, so a run that has ended is no error. */
int v1_stop_test(struct request *r)
{
    int64_t id = 0;
    bool repeated = false;
    struct store_finish f = {
        .state = {.code = RUN_ABORTED_BY_USER,
                  .entered_ns = clock_wall_ns(),
                  .by_user = r->who.email},
        .result = RESULT_ERROR,
    };
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = life_change(r->server, id, &f, &repeated);
    if (rc < 0)
        return rc;
    buf_z(&r->reply.body, "{}");
    return reply_json(r, 200);
}
