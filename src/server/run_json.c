#include "server/run_json.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/server_int.h"
#include "server/vuh.h"

void json_key(struct buf *out, const char *name)
{
    if (out->len > 0 && out->data[out->len - 1] != '{' && out->data[out->len - 1] != '[')
        buf_byte(out, ',');
    buf_json_str(out, str_of(name));
    buf_byte(out, ':');
}

void json_str(struct buf *out, const char *name, struct str value)
{
    json_key(out, name);
    if (value.ptr)
        buf_json_str(out, value);
    else
        buf_z(out, "null");
}

void run_json_int(struct buf *out, const char *name, int64_t value)
{
    json_key(out, name);
    buf_printf(out, "%lld", (long long)value);
}

void run_json_bool(struct buf *out, const char *name, bool value)
{
    json_key(out, name);
    buf_z(out, value ? "true" : "false");
}

void json_null(struct buf *out, const char *name)
{
    json_str(out, name, STR_EMPTY);
}

void json_time(struct buf *out, const char *name, int64_t wall_ns)
{
    char text[40];
    if (wall_ns == 0) {
        json_null(out, name);
        return;
    }
    clock_format_utc(wall_ns, 6, text);
    json_str(out, name, str_of(text));
}

const char *run_status_word(int code)
{
    switch ((enum store_run_code)code) {
    case RUN_CREATED:
    case RUN_VALIDATED:
        return "created";
    case RUN_QUEUED:
        return "queued";
    case RUN_INITIALIZING:
        return "initializing";
    case RUN_RUNNING:
        return "running";
    case RUN_FINISHED:
    case RUN_ARCHIVED:
        return "completed";
    case RUN_TIMED_OUT:
    case RUN_ABORTED_BY_USER:
    case RUN_ABORTED_BY_SYSTEM:
    case RUN_ABORTED_BY_SCRIPT:
    case RUN_ABORTED_BY_THRESHOLD:
    case RUN_ABORTED_BY_LIMIT:
        return "aborted";
    }
    return "aborted";
}

const char *run_state_text(int code)
{
    switch ((enum store_run_code)code) {
    case RUN_CREATED:
        return "Created";
    case RUN_VALIDATED:
        return "Validated";
    case RUN_QUEUED:
        return "Queued";
    case RUN_INITIALIZING:
        return "Initializing";
    case RUN_RUNNING:
        return "Running";
    case RUN_FINISHED:
        return "Finished";
    case RUN_TIMED_OUT:
        return "Timed out";
    case RUN_ABORTED_BY_USER:
        return "Aborted by User";
    case RUN_ABORTED_BY_SYSTEM:
        return "Aborted by System";
    case RUN_ABORTED_BY_SCRIPT:
        return "Aborted (script error)";
    case RUN_ABORTED_BY_THRESHOLD:
        return "Aborted by Threshold";
    case RUN_ABORTED_BY_LIMIT:
        return "Aborted by Limit";
    case RUN_ARCHIVED:
        return "Archived";
    }
    return "Unknown";
}

/* Why a run ended as it did, for v6's result_details. */
static const char *result_type(const struct store_run *run)
{
    switch ((enum store_run_code)run->code) {
    case RUN_TIMED_OUT:
        return "timeout";
    case RUN_ABORTED_BY_USER:
        return "aborted_by_user";
    case RUN_ABORTED_BY_SCRIPT:
        return "script_error";
    case RUN_ABORTED_BY_THRESHOLD:
        return "thresholds_breached";
    case RUN_ABORTED_BY_LIMIT:
        return "limit_exceeded";
    case RUN_ABORTED_BY_SYSTEM:
        return "system_error";
    case RUN_FINISHED:
        return run->result == RESULT_FAILED ? "thresholds_breached" : "passed";
    case RUN_CREATED:
    case RUN_VALIDATED:
    case RUN_QUEUED:
    case RUN_INITIALIZING:
    case RUN_RUNNING:
    case RUN_ARCHIVED:
        break;
    }
    return "none";
}

static void put_state(struct buf *out, const struct store_state *state)
{
    buf_byte(out, '{');
    json_str(out, "type", str_of(run_status_word(state->code)));
    json_time(out, "entered", state->entered_ns);
    json_key(out, "extra");
    buf_byte(out, '{');
    json_str(out, "by_user", state->by_user);
    json_str(out, "message", state->message);
    run_json_int(out, "code", state->code);
    buf_z(out, "}}");
}

static void put_states(struct buf *out, const struct store_run *run)
{
    json_key(out, "status_details");
    if (run->history_len > 0)
        put_state(out, &run->history[run->history_len - 1]);
    else
        buf_z(out, "null");
    json_key(out, "status_history");
    buf_byte(out, '[');
    for (size_t i = 0; i < run->history_len; i++) {
        if (i > 0)
            buf_byte(out, ',');
        put_state(out, &run->history[i]);
    }
    buf_byte(out, ']');
}

static void put_known(struct buf *out, const char *name, int64_t value)
{
    if (value >= 0)
        run_json_int(out, name, value);
    else
        json_null(out, name);
}

static void put_result(struct buf *out, const struct store_run *run)
{
    static const char *const words[] = {
        [RESULT_NONE] = NULL,
        [RESULT_PASSED] = "passed",
        [RESULT_FAILED] = "failed",
        [RESULT_ERROR] = "error",
    };
    json_str(out, "result", str_of(words[run->result]));
    if (run->result == RESULT_NONE) {
        json_null(out, "result_details");
        return;
    }
    int64_t error = run->history_len > 0 ? run->history[run->history_len - 1].error_code : 0;
    json_key(out, "result_details");
    buf_byte(out, '{');
    json_str(out, "type", str_of(result_type(run)));
    json_str(out, "message",
             run->history_len > 0 ? run->history[run->history_len - 1].message : STR_EMPTY);
    put_known(out, "code", error != 0 ? error : -1);
    buf_byte(out, '}');
}

/* From the first load to the end, or to now. */
static int64_t execution_ns(const struct store_run *run)
{
    for (size_t i = 0; i < run->history_len; i++) {
        if (run->history[i].code != RUN_RUNNING)
            continue;
        int64_t end = run->ended_ns > 0 ? run->ended_ns - run->silent_ns : clock_wall_ns();
        return MAX(end - run->history[i].entered_ns, (int64_t)0);
    }
    return 0;
}

static int64_t execution_seconds(const struct store_run *run)
{
    return execution_ns(run) / NS_PER_S;
}

/* An open run costs what it is planned to, an ended one what it took. */
static void put_cost(struct buf *out, const struct store_run *run)
{
    /* A second that was begun may begin a minute. */
    int64_t took_s = (execution_ns(run) + NS_PER_S - 1) / NS_PER_S;
    struct vuh_plan plan = {
        .max_vus = run->max_vus,
        .max_browser_vus = run->max_browser_vus,
        .duration_s = run->ended_ns > 0 ? took_s : run->estimated_duration,
    };
    struct vuh_cost cost;
    if (plan.max_vus < 0 || plan.duration_s < 0) {
        json_null(out, "cost");
        return;
    }
    vuh_cost_of(&plan, !run->cloud, &cost);
    json_key(out, "cost");
    buf_z(out, "{\"total_vuh\":");
    buf_json_double(out, cost.total);
    json_key(out, "breakdown");
    vuh_put_breakdown(out, &cost);
    buf_byte(out, '}');
}

/* All members, without the closing brace. */
static void put_members(struct buf *out, const struct store_run *run)
{
    buf_byte(out, '{');
    run_json_int(out, "id", run->id);
    run_json_int(out, "test_id", run->test_id);
    run_json_int(out, "project_id", run->project_id);
    json_str(out, "started_by", run->started_by);
    json_time(out, "created", run->created_ns);
    json_time(out, "ended", run->ended_ns);
    json_str(out, "note", run->note.ptr ? run->note : STR(""));
    json_null(out, "retention_expiry");
    put_cost(out, run);
    json_str(out, "status", str_of(run_status_word(run->code)));
    put_states(out, run);
    json_null(out, "distribution");
    put_result(out, run);
    json_key(out, "options");
    buf_str(out, run->options.ptr ? run->options : STR("null"));
    json_key(out, "k6_dependencies");
    buf_z(out, "{}");
    json_key(out, "k6_versions");
    buf_z(out, "{}");
    put_known(out, "max_vus", run->max_vus);
    put_known(out, "max_browser_vus", run->max_vus >= 0 ? run->max_browser_vus : -1);
    put_known(out, "estimated_duration", run->estimated_duration);
    run_json_int(out, "execution_duration", execution_seconds(run));
    run_json_bool(out, "is_starred", run->starred);
}

void run_json_put(struct buf *out, const struct store_run *run)
{
    put_members(out, run);
    buf_byte(out, '}');
}

void run_json_put_started(struct buf *out, const struct store_run *run, struct str page_url)
{
    put_members(out, run);
    json_str(out, "test_run_details_page_url", page_url);
    buf_byte(out, '}');
}

void test_json_put(struct buf *out, const struct store_test *test)
{
    buf_byte(out, '{');
    run_json_int(out, "id", test->id);
    run_json_int(out, "project_id", test->project_id);
    json_str(out, "name", test->name);
    put_known(out, "baseline_test_run_id", test->baseline_run ? test->baseline_run : -1);
    put_known(out, "k6_version", test->k6_version ? test->k6_version : -1);
    json_time(out, "created", test->created_ns);
    json_time(out, "updated", test->updated_ns);
    buf_byte(out, '}');
}

void project_json_put(struct buf *out, const struct store_project *project,
                      const struct store_label *labels, size_t labels_len)
{
    buf_byte(out, '{');
    run_json_int(out, "id", project->id);
    json_str(out, "name", project->name);
    run_json_bool(out, "is_default", project->is_default);
    json_null(out, "grafana_folder_uid");
    json_time(out, "created", project->created_ns);
    json_time(out, "updated", project->updated_ns);
    json_key(out, "labels");
    buf_byte(out, '{');
    for (size_t i = 0; i < labels_len; i++) {
        if (i > 0)
            buf_byte(out, ',');
        buf_json_str(out, labels[i].key);
        buf_byte(out, ':');
        buf_json_str(out, labels[i].value);
    }
    buf_z(out, "}}");
}

void run_json_publish(struct server *s, int64_t id)
{
    CLEANUP(arena_fini) struct arena a;
    CLEANUP(buf_fini) struct buf json;
    arena_init(&a, STORE_ARENA_MAX);
    buf_init(&json, STORE_ARENA_MAX);
    struct store_run run;
    int rc = store_get_run(s->store, id, &a, &run);
    if (rc == 0) {
        run_json_put(&json, &run);
        rc = buf_finish(&json);
    }
    if (rc < 0)
        log_warning("live events of test run %lld: %s", (long long)id, err_message());
    else
        events_publish_run(&s->events, id, run.project_id, buf_view(&json));
}
