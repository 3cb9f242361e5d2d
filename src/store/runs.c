#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/blob.h"
#include "store/run_file.h"
#include "store/store_int.h"

#define RUN_COLUMNS                                                                                \
    "runs.id, test_id, project_id, tests.name, started_by, note, options, runs.created_ns,"        \
    " ended_ns, max_vus, estimated_duration, archive_bytes, code, result,"                         \
    " max_browser_vus, kind='cloud', starred, saved, silent_ns"

/* ---- reading ---- */

static int fill_run(sqlite3_stmt *q, struct arena *a, struct store_run *ret)
{
    *ret = (struct store_run){
        .id = sqlite3_column_int64(q, 0),
        .test_id = sqlite3_column_int64(q, 1),
        .project_id = sqlite3_column_int64(q, 2),
        .test_name = db_text_dup(q, 3, a),
        .started_by = db_text_dup(q, 4, a),
        .note = db_text_dup(q, 5, a),
        .options = db_text_dup(q, 6, a),
        .created_ns = sqlite3_column_int64(q, 7),
        .ended_ns = sqlite3_column_int64(q, 8),
        .max_vus = sqlite3_column_int64(q, 9),
        .estimated_duration = sqlite3_column_int64(q, 10),
        .archive_bytes = sqlite3_column_int64(q, 11),
        .code = sqlite3_column_int(q, 12),
        .result = (enum store_run_result)sqlite3_column_int(q, 13),
        .max_browser_vus = sqlite3_column_int64(q, 14),
        .cloud = sqlite3_column_int(q, 15) != 0,
        .starred = sqlite3_column_int(q, 16) != 0,
        .saved = sqlite3_column_int(q, 17) != 0,
        .silent_ns = sqlite3_column_int64(q, 18),
    };
    return ret->test_name.ptr ? 0 : -ENOMEM;
}

static int fill_history(struct store *s, struct arena *a, struct store_run *run)
{
    int64_t count = 0;
    int rc =
        db_number(s->db, &count, 0, "SELECT count(*) FROM states WHERE run_id=?", "i", run->id);
    if (rc < 0)
        return rc;
    run->history = arena_calloc(a, (size_t)count + 1, sizeof *run->history);
    if (!run->history)
        return -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(s->db, &q,
                  "SELECT code, entered_ns, by_user, message, error_code FROM states WHERE "
                  "run_id=? ORDER BY seq",
                  "i", run->id);
    while (rc == 0 && run->history_len < (size_t)count && (rc = db_step(q)) > 0) {
        run->history[run->history_len++] = (struct store_state){
            .code = sqlite3_column_int(q, 0),
            .entered_ns = sqlite3_column_int64(q, 1),
            .by_user = db_text_dup(q, 2, a),
            .message = db_text_dup(q, 3, a),
            .error_code = sqlite3_column_int64(q, 4),
        };
        rc = 0;
    }
    return rc;
}

int store_get_run(struct store *s, int64_t id, struct arena *a, struct store_run *ret)
{
    STORE_LOCKED(s);
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(s->db, &q,
                      "SELECT " RUN_COLUMNS " FROM runs JOIN tests ON tests.id=test_id"
                      " WHERE runs.id=?",
                      "i", id);
    if (rc == 0)
        rc = db_step(q);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_set(E_NOT_FOUND, "no test run with the id %lld", (long long)id);
    struct store_run run;
    rc = fill_run(q, a, &run);
    if (rc == 0)
        rc = fill_history(s, a, &run);
    if (rc == 0)
        *ret = run;
    return rc;
}

#define RUN_FILTER                                                                                 \
    " FROM runs JOIN tests ON tests.id=test_id WHERE (?1=0 OR test_id=?1)"                         \
    " AND (?2=0 OR project_id=?2) AND runs.created_ns>=?3 AND (?4=0 OR runs.created_ns<?4)"        \
    " AND (?5=0 OR ended_ns=0) AND (?6=0 OR starred=?6-1)" VISIBLE("project_id", "?7")

int store_list_runs(struct store *s, const struct store_run_filter *f,
                    const struct store_page *page, struct arena *a, struct store_run **ret,
                    size_t *ret_len, int64_t *ret_total)
{
    STORE_LOCKED(s);
    int64_t after = f->created_after_ns > 0 ? f->created_after_ns : -1;
    int64_t starred = f->starred ? 2 : f->not_starred;
    int rc = db_number(s->db, ret_total, 0, "SELECT count(*)" RUN_FILTER, "iiiiiis", f->test_id,
                       f->project_id, after, f->created_before_ns, (int64_t)f->open, starred,
                       page->visible);
    if (rc < 0)
        return rc;
    size_t max = (size_t)MIN(page->top, *ret_total);
    struct store_run *list = arena_calloc(a, max + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    char sql[1024];
    snprintf(sql, sizeof sql,
             "SELECT " RUN_COLUMNS RUN_FILTER " ORDER BY runs.%s %s, runs.id DESC LIMIT ? OFFSET ?",
             page->order ? page->order : "id", !page->order || page->descending ? "DESC" : "ASC");
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(s->db, &q, sql, "iiiiiisii", f->test_id, f->project_id, after,
                  f->created_before_ns, (int64_t)f->open, starred, page->visible, page->top,
                  page->skip);
    size_t len = 0;
    while (rc == 0 && len < max && (rc = db_step(q)) > 0) {
        rc = fill_run(q, a, &list[len]);
        if (rc == 0)
            rc = fill_history(s, a, &list[len++]);
    }
    if (rc < 0)
        return rc;
    *ret = list;
    *ret_len = len;
    return 0;
}

int store_get_thresholds(struct store *s, int64_t id, struct arena *a, struct store_threshold **ret,
                         size_t *ret_len)
{
    STORE_LOCKED(s);
    int64_t count = 0;
    int rc = db_number(s->db, &count, 0, "SELECT count(*) FROM thresholds WHERE run_id=?", "i", id);
    if (rc < 0)
        return rc;
    struct store_threshold *list = arena_calloc(a, (size_t)count + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(s->db, &q,
                  "SELECT metric, expression, result FROM thresholds WHERE run_id=? ORDER BY seq",
                  "i", id);
    size_t len = 0;
    while (rc == 0 && len < (size_t)count && (rc = db_step(q)) > 0) {
        list[len].metric = db_text_dup(q, 0, a);
        list[len].expression = db_text_dup(q, 1, a);
        list[len].result = (enum store_threshold_result)sqlite3_column_int(q, 2);
        len++;
        rc = 0;
    }
    if (rc < 0)
        return rc;
    *ret = list;
    *ret_len = len;
    return 0;
}

/* ---- archives ---- */

int store_write_archive(struct store *s, int64_t run_id, struct str bytes)
{
    STORE_LOCKED(s);
    int rc = blob_write(s, BLOB_ARCHIVE, run_id, bytes);
    if (rc == 0)
        rc = db_run(s->db, "UPDATE runs SET archive_bytes=? WHERE id=?", "ii", (int64_t)bytes.len,
                    run_id);
    return rc;
}

int store_read_archive(struct store *s, int64_t run_id, struct buf *out)
{
    int rc = blob_read(s, BLOB_ARCHIVE, run_id, out);
    return rc == E_NOT_FOUND ? err_set(rc, "test run %lld has no archive", (long long)run_id) : rc;
}

/* ---- writing ---- */

static int add_state(sqlite3 *db, int64_t run_id, const struct store_state *state)
{
    return db_run(db,
                  "INSERT INTO states (run_id, seq, code, entered_ns, by_user, message, error_code)"
                  " SELECT ?1, 1 + ifnull(max(seq), 0), ?2, ?3, ?4, ?5, ?6 FROM states"
                  " WHERE run_id=?1",
                  "iiissi", run_id, (int64_t)state->code, state->entered_ns, state->by_user,
                  state->message, state->error_code);
}

static int put_thresholds(sqlite3 *db, int64_t run_id, const struct store_threshold *list,
                          size_t len)
{
    if (len > STORE_THRESHOLDS_MAX)
        return err_set(E_LIMIT, "%zu thresholds, at most %d are taken", len, STORE_THRESHOLDS_MAX);
    int rc = 0;
    for (size_t i = 0; i < len && rc >= 0; i++)
        rc = db_run(db,
                    "INSERT INTO thresholds (run_id, metric, expression, seq, result)"
                    " SELECT ?1, ?2, ?3, 1 + ifnull(max(seq), 0), ?4 FROM thresholds"
                    " WHERE run_id=?1 ON CONFLICT DO UPDATE SET result=excluded.result",
                    "issi", run_id, list[i].metric, list[i].expression, (int64_t)list[i].result);
    return rc;
}

/* Whether the key was used for `what` before, and for which run (0: it wasn't). */
static int find_request(sqlite3 *db, struct str key, const char *what, int64_t *ret_run_id)
{
    *ret_run_id = 0;
    if (key.len == 0)
        return 0;
    return db_number(db, ret_run_id, 0, "SELECT run_id FROM requests WHERE key=? AND what=?", "ss",
                     key, str_of(what));
}

static int note_request(sqlite3 *db, struct str key, const char *what, int64_t run_id,
                        int64_t now_ns)
{
    if (key.len == 0)
        return 0;
    return db_run(db, "INSERT INTO requests (key, what, run_id, at_ns) VALUES (?, ?, ?, ?)", "ssii",
                  key, str_of(what), run_id, now_ns);
}

/*
 * A script's project number comes from wherever it ran before; refusing it would mean that the
 * script has to be changed, so the project appears with its first test.
 */
static int ensure_project(sqlite3 *db, int64_t id, int64_t now_ns)
{
    return db_run(db,
                  "INSERT INTO projects (id, name, is_default, created_ns, updated_ns)"
                  " VALUES (?1, 'Project ' || ?1, 0, ?2, ?2) ON CONFLICT DO NOTHING",
                  "ii", id, now_ns);
}

static int ensure_test(sqlite3 *db, int64_t project_id, struct str name, int64_t now_ns,
                       int64_t *ret_id)
{
    int rc = db_run(db,
                    "INSERT INTO tests (project_id, name, created_ns, updated_ns)"
                    " VALUES (?1, ?2, ?3, ?3) ON CONFLICT DO UPDATE SET updated_ns=?3",
                    "isi", project_id, name, now_ns);
    if (rc < 0)
        return rc;
    return db_number(db, ret_id, 0, "SELECT id FROM tests WHERE project_id=? AND name=?", "is",
                     project_id, name);
}

static int archive_run(sqlite3 *db, int64_t id, int64_t now_ns)
{
    struct store_state state = {.code = RUN_ARCHIVED, .entered_ns = now_ns};
    int rc = db_run(db, "UPDATE runs SET code=?, ended_ns=? WHERE id=?", "iii",
                    (int64_t)RUN_ARCHIVED, now_ns, id);
    return rc < 0 ? rc : add_state(db, id, &state);
}

static int insert_run(struct store *s, const struct store_new_run *n, int64_t *ret_id)
{
    int64_t project_id = n->project_id ? n->project_id : s->default_project;
    int64_t test_id = n->test_id;
    int rc = 0;
    if (test_id == 0) {
        rc = ensure_project(s->db, project_id, n->now_ns);
        if (rc == 0)
            rc = ensure_test(s->db, project_id, n->name, n->now_ns, &test_id);
    }
    if (rc == 0)
        rc = db_run(s->db,
                    "INSERT INTO runs (test_id, started_by, options, created_ns, max_vus,"
                    " estimated_duration, archive_bytes, code, max_browser_vus, kind)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    "issiiiiiis", test_id, n->started_by, n->options, n->now_ns, n->max_vus,
                    n->estimated_duration, (int64_t)n->archive.len, (int64_t)RUN_CREATED,
                    n->max_browser_vus, n->cloud ? STR("cloud") : STR("streamed"));
    if (rc < 0)
        return rc;
    int64_t id = sqlite3_last_insert_rowid(s->db);
    struct store_state state = {.code = RUN_CREATED, .entered_ns = n->now_ns};
    rc = add_state(s->db, id, &state);
    if (rc == 0 && n->archive_only)
        rc = archive_run(s->db, id, n->now_ns);
    if (rc == 0)
        rc = put_thresholds(s->db, id, n->thresholds, n->thresholds_len);
    if (rc == 0)
        rc = note_request(s->db, n->idempotency_key, "create", id, n->now_ns);
    if (rc == 0 && n->archive.len > 0)
        rc = blob_write(s, BLOB_ARCHIVE, id, n->archive);
    if (rc == 0)
        *ret_id = id;
    return rc;
}

/* Whoever comes with the key of somebody else's run doesn't get that run. */
static int check_repeated(struct store *s, const struct store_new_run *n, int64_t id)
{
    int64_t same = 0;
    int64_t project_id = n->project_id ? n->project_id : s->default_project;
    int rc = db_number(s->db, &same, 0,
                       "SELECT count(*) FROM runs JOIN tests ON tests.id=test_id WHERE runs.id=?1"
                       " AND iif(?2, test_id=?2, project_id=?3)",
                       "iii", id, n->test_id, project_id);
    if (rc == 0 && same == 0)
        rc = err_set(E_REFUSED, "the idempotency key belongs to another test run");
    return rc;
}

static int check_plan(const struct store_new_run *n)
{
    if (n->max_vus > STORE_VUS_MAX || n->max_browser_vus > STORE_VUS_MAX)
        return err_set(E_CONFIG, "no test has %lld virtual users, at most %d are taken",
                       (long long)MAX(n->max_vus, n->max_browser_vus), STORE_VUS_MAX);
    if (n->estimated_duration > STORE_DURATION_MAX_S)
        return err_set(E_CONFIG, "no test takes %lld seconds, at most %d are taken",
                       (long long)n->estimated_duration, STORE_DURATION_MAX_S);
    return 0;
}

int store_create_run(struct store *s, const struct store_new_run *new_run, int64_t *ret_id)
{
    STORE_LOCKED(s);
    int rc = check_plan(new_run);
    if (rc == 0)
        rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    int64_t id = 0;
    rc = find_request(s->db, new_run->idempotency_key, "create", &id);
    if (rc == 0)
        rc = id == 0 ? insert_run(s, new_run, &id) : check_repeated(s, new_run, id);
    rc = store_end(s->db, rc);
    if (rc < 0)
        return err_wrap(rc, "create test run");
    *ret_id = id;
    return 0;
}

int store_find_created(struct store *s, struct str key, int64_t *ret_id)
{
    STORE_LOCKED(s);
    return find_request(s->db, key, "create", ret_id);
}

/* 1: may go into the state; 0: is there already or has ended; E_NOT_FOUND. */
static int may_enter(sqlite3 *db, int64_t id, int code)
{
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(db, &q, "SELECT code FROM runs WHERE id=?", "i", id);
    if (rc == 0)
        rc = db_step(q);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_set(E_NOT_FOUND, "no test run with the id %lld", (long long)id);
    int now = sqlite3_column_int(q, 0);
    return !store_run_ended(now) && now < code;
}

static int enter_state(sqlite3 *db, int64_t id, const struct store_finish *change)
{
    int64_t ended_ns = store_run_ended(change->state.code) ? change->state.entered_ns : 0;
    int rc = db_run(db, "UPDATE runs SET code=?, ended_ns=?, result=?, silent_ns=? WHERE id=?",
                    "iiiii", (int64_t)change->state.code, ended_ns, (int64_t)change->result,
                    change->silent_ns, id);
    if (rc == 0)
        rc = add_state(db, id, &change->state);
    if (rc == 0)
        rc = put_thresholds(db, id, change->thresholds, change->thresholds_len);
    if (rc == 0 && ended_ns > 0)
        rc = store_settle_run(db, id);
    return rc < 0 ? rc : 1;
}

static int set_state(struct store *s, int64_t id, const struct store_finish *change,
                     bool *ret_repeated)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    int64_t before = 0;
    bool repeated = false;
    rc = find_request(s->db, change->idempotency_key, "finish", &before);
    if (rc == 0) {
        repeated = before == id;
        rc = repeated ? 0 : may_enter(s->db, id, change->state.code);
    }
    if (rc > 0)
        rc = enter_state(s->db, id, change);
    if (rc > 0) {
        int noted =
            note_request(s->db, change->idempotency_key, "finish", id, change->state.entered_ns);
        rc = noted < 0 ? noted : rc;
    }
    rc = store_end(s->db, rc);
    if (rc >= 0)
        *ret_repeated = repeated;
    return rc < 0 ? err_wrap(rc, "test run %lld", (long long)id) : rc;
}

int store_set_state(struct store *s, int64_t id, const struct store_finish *change,
                    bool *ret_repeated)
{
    int rc = set_state(s, id, change, ret_repeated);
    if (rc > 0 && store_run_ended(change->state.code))
        run_file_settle(s, id);
    return rc;
}
