/*
 * The number of steps that a file has taken is its PRAGMA user_version.
 */
#include "store/run_schema.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/limits.h"
#include "store/chunk.h"
#include "store/db.h"
#include "store/store_int.h"

/* 1: dictionaries, values, idempotency keys */
static const char step1[] =
    "CREATE TABLE info (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE metrics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    "  type INTEGER NOT NULL) STRICT;"
    "CREATE TABLE series (id INTEGER PRIMARY KEY, metric_id INTEGER NOT NULL, labels TEXT NOT NULL,"
    "  UNIQUE (metric_id, labels)) STRICT;"
    "CREATE TABLE samples (t INTEGER NOT NULL, series INTEGER NOT NULL, v ANY NOT NULL,"
    "  PRIMARY KEY (t, series)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE rollups (metric_id INTEGER NOT NULL, t INTEGER NOT NULL, v ANY NOT NULL,"
    "  PRIMARY KEY (metric_id, t)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE pushes (key TEXT PRIMARY KEY, at_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

/* 2: single requests and logs */
static const char step2[] =
    "CREATE TABLE estimated (series INTEGER PRIMARY KEY) STRICT;"
    "CREATE TABLE requests (id INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, series INTEGER NOT NULL,"
    "  duration REAL NOT NULL, blocked REAL NOT NULL, connecting REAL NOT NULL,"
    "  tls_handshaking REAL NOT NULL, sending REAL NOT NULL, waiting REAL NOT NULL,"
    "  receiving REAL NOT NULL, failed INTEGER NOT NULL) STRICT;"
    "CREATE INDEX requests_by_duration ON requests (duration);"
    "CREATE TABLE logs (id INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, level TEXT NOT NULL,"
    "  line TEXT NOT NULL, labels TEXT NOT NULL) STRICT;"
    "CREATE INDEX logs_by_time ON logs (t_ns, id);";

/* 3: chunks in place of samples */
static const char step3[] =
    "CREATE TABLE chunks (id INTEGER PRIMARY KEY, metric_id INTEGER NOT NULL, t INTEGER NOT NULL,"
    "  v BLOB NOT NULL) STRICT;"
    "CREATE INDEX chunks_by_metric ON chunks (metric_id, t);";

/* ---- samples into chunks ---- */

struct packer {
    sqlite3_stmt *insert;
    int64_t metric_id, t; /* of the chunk at hand */
    int64_t last;
    struct buf chunk;
};

static int write_chunk(struct packer *p)
{
    if (p->chunk.len == 0)
        return 0;
    int rc = buf_finish(&p->chunk);
    if (rc == 0)
        rc = db_bind(p->insert, "iib", p->metric_id, p->t, buf_view(&p->chunk));
    if (rc == 0)
        rc = db_step(p->insert);
    sqlite3_reset(p->insert);
    buf_reset(&p->chunk);
    p->last = 0;
    return rc;
}

static int pack_row(struct packer *p, sqlite3_stmt *q)
{
    int64_t metric_id = sqlite3_column_int64(q, 0);
    int64_t t = sqlite3_column_int64(q, 1);
    double counter = sqlite3_column_double(q, 3);
    bool is_counter = sqlite3_column_type(q, 3) != SQLITE_BLOB;
    int rc = metric_id != p->metric_id || t != p->t ? write_chunk(p) : 0;
    if (rc < 0)
        return rc;
    p->metric_id = metric_id;
    p->t = t;
    chunk_put(&p->chunk, &p->last, sqlite3_column_int64(q, 2),
              is_counter ? str_new(&counter, sizeof counter) : db_blob(q, 3));
    return 0;
}

static int pack_samples(sqlite3 *db)
{
    struct packer p = {0};
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    buf_init(&p.chunk, STORE_VALUE_MAX);
    int rc = db_prepare(db, &p.insert, "INSERT INTO chunks (metric_id, t, v) VALUES (?, ?, ?)");
    if (rc == 0)
        rc = db_query(db, &q,
                      "SELECT metric_id, t, series, v FROM samples JOIN series ON series.id=series"
                      " ORDER BY metric_id, t, series",
                      "");
    while (rc == 0 && (rc = db_step(q)) > 0)
        rc = pack_row(&p, q);
    if (rc == 0)
        rc = write_chunk(&p);
    db_done(p.insert);
    buf_fini(&p.chunk);
    return rc;
}

static int take_step3(sqlite3 *db)
{
    int rc = db_exec(db, step3);
    if (rc == 0)
        rc = pack_samples(db);
    return rc < 0 ? rc : db_exec(db, "DROP TABLE samples");
}

/* ---- all ---- */

enum { VERSION = 3 };

static int take_step(sqlite3 *db, int64_t step)
{
    char sql[64];
    int rc = step == 1 ? db_exec(db, step1) : step == 2 ? db_exec(db, step2) : take_step3(db);
    snprintf(sql, sizeof sql, "PRAGMA user_version=%lld", (long long)step);
    return rc < 0 ? rc : db_exec(db, sql);
}

int run_schema_upgrade(sqlite3 *db, const char *path)
{
    int64_t version = 0;
    int rc = db_number(db, &version, 0, "PRAGMA user_version", "");
    if (rc == 0 && (version < 0 || version > VERSION))
        rc = err_set(E_CONFIG, "%s was written by a newer version of Spate", path);
    if (rc < 0 || version == VERSION)
        return rc;
    rc = store_begin(db);
    if (rc < 0)
        return rc;
    while (rc == 0 && version < VERSION)
        rc = take_step(db, ++version);
    rc = store_end(db, rc);
    return rc < 0 ? err_wrap(rc, "format of %s", path) : 0;
}
