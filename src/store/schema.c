/*
 * The number of steps that a file has taken is its PRAGMA user_version.  A step that has been
 * released is never changed: what is to be different is a new one at the end.
 */
#include "store/schema.h"

#include <stdio.h>

#include "base/err.h"
#include "store/db.h"
#include "store/store_int.h"

static const char *const steps[] = {
    /* 1: tokens, projects, tests, runs */
    "CREATE TABLE tokens (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, user TEXT NOT NULL,"
    "  created_ns INTEGER NOT NULL) STRICT;"
    "CREATE TABLE sessions (hash BLOB PRIMARY KEY, token_id INTEGER NOT NULL REFERENCES tokens(id)"
    "  ON DELETE CASCADE, expires_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE projects (id INTEGER PRIMARY KEY, name TEXT NOT NULL, is_default INTEGER NOT "
    "NULL,"
    "  created_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL) STRICT;"
    "CREATE TABLE tests (id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER NOT NULL"
    "  REFERENCES projects(id), name TEXT NOT NULL, created_ns INTEGER NOT NULL,"
    "  updated_ns INTEGER NOT NULL, UNIQUE (project_id, name)) STRICT;"
    "CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, test_id INTEGER NOT NULL"
    "  REFERENCES tests(id), kind TEXT NOT NULL DEFAULT 'streamed', started_by TEXT,"
    "  note TEXT NOT NULL DEFAULT '', options TEXT, created_ns INTEGER NOT NULL,"
    "  ended_ns INTEGER NOT NULL DEFAULT 0, max_vus INTEGER NOT NULL DEFAULT -1,"
    "  estimated_duration INTEGER NOT NULL DEFAULT -1, archive_bytes INTEGER NOT NULL DEFAULT 0,"
    "  code INTEGER NOT NULL, result INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX runs_by_test ON runs (test_id);"
    "CREATE INDEX runs_open ON runs (id) WHERE ended_ns = 0;"
    "CREATE TABLE states (run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,"
    "  seq INTEGER NOT NULL, code INTEGER NOT NULL, entered_ns INTEGER NOT NULL, by_user TEXT,"
    "  message TEXT, PRIMARY KEY (run_id, seq)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE thresholds (run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,"
    "  metric TEXT NOT NULL, expression TEXT NOT NULL, seq INTEGER NOT NULL,"
    "  result INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (run_id, metric, expression))"
    "  STRICT, WITHOUT ROWID;"
    "CREATE TABLE requests (key TEXT NOT NULL, what TEXT NOT NULL, run_id INTEGER NOT NULL,"
    "  at_ns INTEGER NOT NULL, PRIMARY KEY (key, what)) STRICT, WITHOUT ROWID;"
    "INSERT INTO projects SELECT 1, 'Default project', 1, now, now"
    "  FROM (SELECT unixepoch() * 1000000000 AS now);",

    /* 2: what the API v6 changes, and credentials of single runs */
    "ALTER TABLE tests ADD COLUMN k6_version INTEGER;"
    "ALTER TABLE tests ADD COLUMN baseline_run_id INTEGER REFERENCES runs(id) ON DELETE SET NULL;"
    "ALTER TABLE tests ADD COLUMN script_bytes INTEGER NOT NULL DEFAULT 0;" /* 0: no script */
    "ALTER TABLE runs ADD COLUMN max_browser_vus INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE runs ADD COLUMN starred INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE runs ADD COLUMN saved INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE states ADD COLUMN error_code INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE credentials (hash BLOB PRIMARY KEY, run_id INTEGER NOT NULL REFERENCES runs(id)"
    "  ON DELETE CASCADE, purpose INTEGER NOT NULL, bytes INTEGER NOT NULL DEFAULT 0)"
    "  STRICT, WITHOUT ROWID;"
    "CREATE INDEX credentials_by_run ON credentials (run_id);"
    "CREATE TABLE limits (project_id INTEGER PRIMARY KEY REFERENCES projects(id) ON DELETE CASCADE,"
    "  vuh_max INTEGER, vus_max INTEGER, browser_vus_max INTEGER, duration_max INTEGER) STRICT;"
    "CREATE TABLE label_keys (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,"
    "  description TEXT) STRICT;"
    "CREATE TABLE project_labels (project_id INTEGER NOT NULL REFERENCES projects(id)"
    "  ON DELETE CASCADE, key_id INTEGER NOT NULL REFERENCES label_keys(id) ON DELETE CASCADE,"
    "  value TEXT NOT NULL, PRIMARY KEY (project_id, key_id)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE schedules (id INTEGER PRIMARY KEY AUTOINCREMENT, test_id INTEGER NOT NULL UNIQUE"
    "  REFERENCES tests(id) ON DELETE CASCADE, starts_ns INTEGER NOT NULL, recurrence TEXT,"
    "  cron TEXT, deactivated INTEGER NOT NULL DEFAULT 0, created_by TEXT) STRICT;",
};

static int take_step(sqlite3 *db, size_t step)
{
    char version[40];
    snprintf(version, sizeof version, "PRAGMA user_version=%zu", step + 1);
    int rc = store_begin(db);
    if (rc < 0)
        return rc;
    rc = db_exec(db, steps[step]);
    if (rc == 0)
        rc = db_exec(db, version);
    rc = store_end(db, rc);
    return rc < 0 ? err_wrap(rc, "format %zu", step + 1) : 0;
}

int schema_upgrade(sqlite3 *db, const char *dir)
{
    int64_t version = 0;
    int rc = db_number(db, &version, 0, "PRAGMA user_version", "");
    if (rc < 0)
        return rc;
    if (version < 0 || version > (int64_t)ARRAY_LEN(steps))
        return err_set(E_CONFIG,
                       "data folder %s was written by a newer version of Spate (format %lld, this "
                       "one knows %zu)",
                       dir, (long long)version, ARRAY_LEN(steps));
    for (size_t step = (size_t)version; rc == 0 && step < ARRAY_LEN(steps); step++)
        rc = take_step(db, step);
    return rc;
}
