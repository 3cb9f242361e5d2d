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

    /* 3: users, their roles, tokens that belong to somebody, deeds, used hours.  The tokens that
     * are there become the owner's, and their sessions, too. */
    "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE"
    "  COLLATE NOCASE, name TEXT NOT NULL, password TEXT, owner INTEGER NOT NULL DEFAULT 0,"
    "  must_change INTEGER NOT NULL DEFAULT 0, disabled INTEGER NOT NULL DEFAULT 0,"
    "  created_ns INTEGER NOT NULL, signed_in_ns INTEGER NOT NULL DEFAULT 0) STRICT;"
    "INSERT INTO users (email, name, owner, created_ns) SELECT user, 'Owner', 1, min(created_ns)"
    "  FROM tokens GROUP BY user;"
    "CREATE TABLE new_tokens (id INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL UNIQUE,"
    "  user_id INTEGER REFERENCES users(id) ON DELETE CASCADE," /* NULL: a service token */
    "  name TEXT NOT NULL, created_by TEXT NOT NULL, created_ns INTEGER NOT NULL,"
    "  used_ns INTEGER NOT NULL DEFAULT 0) STRICT;"
    "INSERT INTO new_tokens SELECT tokens.id, hash, users.id, 'Token ' || tokens.id, user,"
    "  tokens.created_ns, 0 FROM tokens JOIN users ON users.email=user;"
    "CREATE TABLE new_sessions (hash BLOB PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES"
    "  users(id) ON DELETE CASCADE, token_id INTEGER REFERENCES new_tokens(id) ON DELETE CASCADE,"
    "  created_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO new_sessions SELECT sessions.hash, user_id, token_id, 0, expires_ns FROM sessions"
    "  JOIN new_tokens ON new_tokens.id=token_id;"
    "DROP TABLE sessions;"
    "DROP TABLE tokens;"
    "ALTER TABLE new_tokens RENAME TO tokens;"
    "ALTER TABLE new_sessions RENAME TO sessions;"
    "CREATE INDEX tokens_by_user ON tokens (user_id);"
    "CREATE INDEX sessions_by_user ON sessions (user_id);"
    "CREATE TABLE roles (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users(id)"
    "  ON DELETE CASCADE, token_id INTEGER REFERENCES tokens(id) ON DELETE CASCADE,"
    "  project_id INTEGER REFERENCES projects(id) ON DELETE CASCADE," /* NULL: all projects */
    "  role INTEGER NOT NULL, CHECK ((user_id IS NULL) <> (token_id IS NULL))) STRICT;"
    "CREATE UNIQUE INDEX roles_once ON roles (ifnull(user_id, 0), ifnull(token_id, 0),"
    "  ifnull(project_id, 0));"
    "CREATE INDEX roles_by_project ON roles (project_id);"
    "CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ns INTEGER NOT NULL,"
    "  actor TEXT NOT NULL, token TEXT, address TEXT NOT NULL, action TEXT NOT NULL,"
    "  target TEXT NOT NULL, detail TEXT NOT NULL) STRICT;"
    /* Runs that have ended, also those that were deleted since; month: 202611, UTC. */
    "CREATE TABLE usage (project_id INTEGER NOT NULL REFERENCES projects(id) ON DELETE CASCADE,"
    "  month INTEGER NOT NULL, runs INTEGER NOT NULL, cloud_minutes INTEGER NOT NULL,"
    "  local_minutes INTEGER NOT NULL, PRIMARY KEY (project_id, month)) STRICT, WITHOUT ROWID;"
    "INSERT INTO usage SELECT project_id, month, count(*),"
    "  CAST(min(9e18, total(units * minutes) FILTER (WHERE cloud)) AS INTEGER),"
    "  CAST(min(9e18, total(units * minutes) FILTER (WHERE NOT cloud)) AS INTEGER) FROM ("
    "   SELECT project_id, CAST(strftime('%Y%m', runs.created_ns / 1000000000, 'unixepoch') AS"
    "    INTEGER) AS month, kind='cloud' AS cloud,"
    "    max(max_vus, 0) + 9 * min(max_browser_vus, max(max_vus, 0)) AS units,"
    "    (ended_ns - ifnull((SELECT min(entered_ns) FROM states WHERE run_id=runs.id AND"
    "    states.code=2), ended_ns) + 59999999999) / 60000000000 AS minutes"
    "   FROM runs JOIN tests ON tests.id=test_id WHERE ended_ns<>0) GROUP BY project_id, month;",

    /* 4: how long a project's runs may be silent; 0: as the server has it */
    "ALTER TABLE projects ADD COLUMN run_timeout_s INTEGER NOT NULL DEFAULT 0;",

    /* 5: how long a run that timed out had been silent by then, which isn't counted as use */
    "ALTER TABLE runs ADD COLUMN silent_ns INTEGER NOT NULL DEFAULT 0;",
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

int store_schema_check(sqlite3 *db, const char *dir)
{
    int64_t version = 0;
    int rc = db_number(db, &version, 0, "PRAGMA user_version", "");
    if (rc == 0 && version != (int64_t)ARRAY_LEN(steps))
        rc = err_set(E_CONFIG,
                     "data folder %s is served by another version of Spate (format %lld, this one "
                     "knows %zu)",
                     dir, (long long)version, ARRAY_LEN(steps));
    return rc;
}
