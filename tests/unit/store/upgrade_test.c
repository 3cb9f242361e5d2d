#include "store/store.h"

#include "base/err.h"
#include "store/credential.h"
#include "store/project.h"
#include "store/query.h"
#include "store/run_mark.h"
#include "store/schedule.h"
#include "store/token.h"
#include "store/usage.h"

#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A folder as the first format had it. */
static void make_old_folder(char dir[static 64])
{
    char path[1024];
    static char sql[1 << 16];
    const char *root = getenv("SPATE_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tests/fixtures/store/format1.sql", root ? root : ".");
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(sql, 1, sizeof sql - 1, file);
    fclose(file);
    sql[n] = '\0';
    snprintf(dir, 64, "/tmp/spate-upgrade-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/spate.db", dir);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(db);
}

static void remove_folder(const char *dir)
{
    static const char *const names[] = {"spate.db", "spate.db-wal", "spate.db-shm", "lock",
                                        "runs",     "archives",     "scripts",      ""};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        if (unlink(path) < 0)
            (void)rmdir(path);
    }
}

/* The token that there was is the owner's now. */
static void check_old_accounts(struct store *s, struct arena *a, const struct store_token *token)
{
    struct store_user owner;
    struct store_usage used;
    assert_int_equal(token->user_id, 1);
    assert_true(str_eq(token->created_by, STR("admin@localhost")));
    assert_int_equal(store_get_user(s, 1, a, &owner), 0);
    assert_true(owner.owner && !owner.disabled && !owner.password.ptr);
    /* A browser that was signed in still is. */
    uint8_t hash[STORE_HASH_LEN];
    struct store_session session;
    for (size_t i = 0; i < sizeof hash; i++)
        hash[i] = (uint8_t)(i == 0 || i == 31 ? 0x2a : i + 1);
    assert_int_equal(store_find_session(s, hash, 1, &session), 0);
    assert_int_equal(session.user_id, 1);
    assert_int_equal(session.token_id, token->id);
    assert_true(str_eq(owner.email, STR("admin@localhost")));
    /* A run that ended without ever running is one run, and no time. */
    assert_int_equal(store_get_settled(s, 7, 202311, &used), 0);
    assert_int_equal(used.runs, 1);
    assert_int_equal(used.local_minutes, 0);
}

static void check_old_data(struct store *s)
{
    struct arena a;
    struct store_run run;
    struct store_token *tokens = NULL;
    struct store_threshold *thresholds = NULL;
    size_t len = 0;
    arena_init(&a, 1 << 20);
    assert_int_equal(store_get_run(s, 1, &a, &run), 0);
    assert_int_equal(run.project_id, 7);
    assert_int_equal(run.code, RUN_FINISHED);
    assert_int_equal(run.max_vus, 3);
    assert_int_equal(run.max_browser_vus, 0);
    assert_false(run.starred || run.saved || run.cloud);
    assert_true(str_eq(run.note, STR("kept")));
    assert_int_equal(run.history_len, 2);
    assert_true(str_eq(run.history[1].message, STR("well")));
    assert_int_equal(run.history[1].error_code, 0);
    assert_int_equal(store_get_thresholds(s, 1, &a, &thresholds, &len), 0);
    assert_int_equal(len, 1);
    assert_int_equal(store_list_tokens(s, &a, &tokens, &len), 0);
    assert_int_equal(len, 1);
    assert_int_equal(tokens[0].hash[31], 0x1f);
    check_old_accounts(s, &a, &tokens[0]);
    arena_fini(&a);
}

static void test_upgrade(void **state)
{
    (void)state;
    char dir[64];
    struct store *s = NULL;
    make_old_folder(dir);
    for (int i = 0; i < 2; i++) { /* the second time it is up to date */
        if (store_open(dir, &s) < 0)
            fail_msg("%s", err_message());
        check_old_data(s);
        store_close(s);
    }
    assert_int_equal(store_open(dir, &s), 0);
    /* What is new works on it. */
    struct store_limits limits = {.project_id = 7, .vus_max = 5};
    assert_int_equal(store_set_limits(s, &limits), 0);
    assert_int_equal(store_set_mark(s, 1, MARK_STARRED, true), 0);
    struct store_credential c = {.run_id = 2, .purpose = CREDENTIAL_PUSH};
    uint8_t hash[STORE_HASH_LEN] = {1};
    assert_int_equal(store_add_credential(s, hash, &c), 0);
    assert_int_equal(store_find_credential(s, hash, CREDENTIAL_UPLOAD, &c), E_NOT_FOUND);
    assert_int_equal(store_find_credential(s, hash, CREDENTIAL_PUSH, &c), 0);
    assert_int_equal(c.run_id, 2);
    struct store_schedule schedule = {.test_id = 1, .starts_ns = 1};
    assert_int_equal(store_put_schedule(s, &schedule), 0);
    assert_int_equal(store_delete_run(s, 2), -EBUSY);
    assert_int_equal(store_delete_project(s, 7), -EBUSY);
    assert_int_equal(store_delete_run(s, 1), 0);
    store_close(s);
    remove_folder(dir);
}

/* Numbers that no test has, from clients that say what they like, don't keep the folder shut. */
static void test_nonsense(void **state)
{
    (void)state;
    char dir[64];
    char path[128];
    sqlite3 *db = NULL;
    struct store *s = NULL;
    struct store_usage used;
    make_old_folder(dir);
    snprintf(path, sizeof path, "%s/spate.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "UPDATE runs SET max_vus=9223372036854775807,"
                     " estimated_duration=9223372036854775807, ended_ns=1700000200000000000;"
                     "INSERT INTO states VALUES (1, 3, 2, 1700000000000000000, NULL, NULL),"
                     " (2, 2, 2, 1700000100000000000, NULL, NULL)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    if (store_open(dir, &s) < 0)
        fail_msg("%s", err_message());
    assert_int_equal(store_get_settled(s, 7, 202311, &used), 0);
    assert_int_equal(used.runs, 2);
    assert_true(used.local_minutes > (INT64_C(1) << 60));
    store_close(s);
    remove_folder(dir);
}

/* ---- a run's file ---- */

/* As the second format of a run's file had it: a row a bucket and series.  A rate is two varints.
 */
static const char old_run[] =
    "CREATE TABLE info (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE metrics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    "  type INTEGER NOT NULL) STRICT;"
    "CREATE TABLE series (id INTEGER PRIMARY KEY, metric_id INTEGER NOT NULL, labels TEXT NOT NULL,"
    "  UNIQUE (metric_id, labels)) STRICT;"
    "CREATE TABLE samples (t INTEGER NOT NULL, series INTEGER NOT NULL, v ANY NOT NULL,"
    "  PRIMARY KEY (t, series)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE rollups (metric_id INTEGER NOT NULL, t INTEGER NOT NULL, v ANY NOT NULL,"
    "  PRIMARY KEY (metric_id, t)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE pushes (key TEXT PRIMARY KEY, at_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO info VALUES ('period_s', 3);"
    "INSERT INTO metrics VALUES (1, 'http_reqs', 1), (2, 'checks', 3);"
    "INSERT INTO series VALUES (1, 1, '{\"a\":\"1\"}'), (2, 2, '{\"a\":\"1\"}'),"
    "  (3, 1, '{\"a\":\"2\"}');"
    "INSERT INTO samples VALUES (30, 1, 5.0), (30, 2, x'0103'), (30, 3, 7.0), (33, 1, 2.0);"
    "INSERT INTO rollups VALUES (1, 30, 12.0), (1, 33, 2.0), (2, 30, x'0103');";

static void write_run(const char *dir, const char *version)
{
    char path[128];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/runs/1.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, old_run, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, version, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void ask(struct store *s, const char *query, const char *metric, double want)
{
    struct query q = {str_of(query), str_of(metric), -1, -1, 0};
    struct query_result r;
    if (query_run(s, 1, &q, &r) < 0)
        fail_msg("%s of %s: %s", query, metric, err_message());
    assert_int_equal(r.len, 1);
    assert_true(r.series[0].points[0].value == want);
    query_result_fini(&r);
}

static void test_run_file(void **state)
{
    (void)state;
    char dir[64];
    struct store *s = NULL;
    make_old_folder(dir);
    assert_int_equal(store_open(dir, &s), 0);
    write_run(dir, "PRAGMA user_version=1");
    for (int i = 0; i < 2; i++) {
        ask(s, "increase", "http_reqs", 14);
        ask(s, "increase", "http_reqs{a=\"1\"}", 7);
        ask(s, "max(increase by (a))", "http_reqs", 7);
        ask(s, "increase_nz", "checks{a=\"1\"}", 1);
        ask(s, "increase_total", "checks{a=\"1\"}", 3);
        store_close(s);
        assert_int_equal(store_open(dir, &s), 0);
    }
    store_close(s);
    char path[128];
    snprintf(path, sizeof path, "%s/runs/1.db", dir);
    assert_int_equal(unlink(path), 0);
    /* One of a newer version is refused, and left alone. */
    assert_int_equal(store_open(dir, &s), 0);
    write_run(dir, "PRAGMA user_version=99");
    struct query q = {STR("increase"), STR("http_reqs"), -1, -1, 0};
    struct query_result r;
    assert_int_equal(query_run(s, 1, &q, &r), E_CONFIG);
    store_close(s);
    assert_int_equal(unlink(path), 0);
    remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_run_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
