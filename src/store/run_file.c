#include "store/run_file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

enum { RUN_SCHEMA_VERSION = 2 };

static const char schema[] =
    "BEGIN IMMEDIATE;"
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
    "PRAGMA user_version=1;"
    "COMMIT;";

/* What version 2 has besides. */
static const char schema2[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE estimated (series INTEGER PRIMARY KEY) STRICT;"
    "CREATE TABLE requests (id INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, series INTEGER NOT NULL,"
    "  duration REAL NOT NULL, blocked REAL NOT NULL, connecting REAL NOT NULL,"
    "  tls_handshaking REAL NOT NULL, sending REAL NOT NULL, waiting REAL NOT NULL,"
    "  receiving REAL NOT NULL, failed INTEGER NOT NULL) STRICT;"
    "CREATE INDEX requests_by_duration ON requests (duration);"
    "CREATE TABLE logs (id INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, level TEXT NOT NULL,"
    "  line TEXT NOT NULL, labels TEXT NOT NULL) STRICT;"
    "CREATE INDEX logs_by_time ON logs (t_ns, id);"
    "PRAGMA user_version=2;"
    "COMMIT;";

static int load_metrics(struct run_file *f)
{
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(f->w, &q, "SELECT id, name, type FROM metrics", "");
    while (rc == 0 && (rc = db_step(q)) > 0) {
        struct run_metric *m = mem_calloc(1, sizeof *m);
        if (!m)
            return -ENOMEM;
        m->id = sqlite3_column_int64(q, 0);
        m->type = (enum metricset_type)sqlite3_column_int(q, 2);
        rc = map_put(&f->metrics, db_text(q, 1), m);
        if (rc < 0)
            mem_free(m);
    }
    return rc;
}

static int prepare_all(struct run_file *f)
{
    struct {
        sqlite3_stmt **stmt;
        const char *sql;
    } list[] = {
        {&f->insert_sample, "INSERT INTO samples VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"},
        {&f->select_sample, "SELECT v FROM samples WHERE t=?1 AND series=?2"},
        {&f->update_sample, "UPDATE samples SET v=?3 WHERE t=?1 AND series=?2"},
        {&f->select_rollup, "SELECT v FROM rollups WHERE metric_id=?1 AND t=?2"},
        {&f->put_rollup, "INSERT OR REPLACE INTO rollups VALUES (?1, ?2, ?3)"},
    };
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(list) && rc == 0; i++)
        rc = db_prepare(f->w, list[i].stmt, list[i].sql);
    return rc;
}

static int open_file(struct run_file *f, const char *path)
{
    int rc = db_open(path, &f->w);
    if (rc < 0)
        return rc;
    int64_t version = 0;
    rc = db_number(f->w, &version, 0, "PRAGMA user_version", "");
    if (rc == 0 && version > RUN_SCHEMA_VERSION)
        rc = err_set(E_CONFIG, "%s was written by a newer version of Spate", path);
    if (rc == 0 && version == 0)
        rc = db_exec(f->w, schema);
    if (rc == 0 && version < 2)
        rc = db_exec(f->w, schema2);
    if (rc == 0)
        rc = prepare_all(f);
    if (rc == 0)
        rc = load_metrics(f);
    if (rc == 0)
        rc = db_number(f->w, &f->period_s, 0, "SELECT value FROM info WHERE name='period_s'", "");
    if (rc == 0)
        rc = db_open_reader(path, &f->r);
    return rc;
}

void run_file_forget(struct run_file *f)
{
    for (size_t i = 0; i < map_len(&f->series); i++)
        mem_free(map_value_at(&f->series, i));
    map_fini(&f->series);
    map_init(&f->series, STORE_SERIES_MAX);
    for (size_t i = 0; i < map_len(&f->metrics); i++)
        mem_free(map_value_at(&f->metrics, i));
    map_fini(&f->metrics);
    map_init(&f->metrics, STORE_METRICS_MAX);
    /* What is in the file stays known; without memory for it the next push reads it one by one. */
    if (f->w && load_metrics(f) < 0)
        err_clear();
}

static void close_file(struct run_file *f)
{
    db_done(f->insert_sample);
    db_done(f->select_sample);
    db_done(f->update_sample);
    db_done(f->select_rollup);
    db_done(f->put_rollup);
    db_close(f->r);
    db_close(f->w);
    f->w = NULL;
    run_file_forget(f);
    map_fini(&f->series);
    map_fini(&f->metrics);
    pthread_mutex_destroy(&f->write_lock);
    pthread_mutex_destroy(&f->read_lock);
    mem_free(f);
}

static int new_file(struct store *s, int64_t run_id, bool create, struct run_file **ret)
{
    char path[STORE_PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/runs/%lld.db", s->dir, (long long)run_id);
    if (n < 0 || (size_t)n >= sizeof path)
        return -ENAMETOOLONG;
    if (!create && access(path, F_OK) < 0)
        return err_set(E_NOT_FOUND, "test run %lld has no measurements", (long long)run_id);
    struct run_file *f = mem_calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    f->run_id = run_id;
    pthread_mutex_init(&f->write_lock, NULL);
    pthread_mutex_init(&f->read_lock, NULL);
    map_init(&f->metrics, STORE_METRICS_MAX);
    map_init(&f->series, STORE_SERIES_MAX);
    int rc = open_file(f, path);
    if (rc < 0) {
        close_file(f);
        return rc;
    }
    *ret = f;
    return 0;
}

/* Unlinks and returns the one that nobody has used for longest; NULL when all are in use. */
static struct run_file *evict(struct store *s)
{
    struct run_file **found = NULL;
    for (struct run_file **at = &s->files; *at; at = &(*at)->next)
        if ((*at)->users == 0)
            found = at;
    if (!found)
        return NULL;
    struct run_file *f = *found;
    *found = f->next;
    s->files_len--;
    return f;
}

static struct run_file *find(struct store *s, int64_t run_id)
{
    for (struct run_file **at = &s->files; *at; at = &(*at)->next) {
        struct run_file *f = *at;
        if (f->run_id != run_id)
            continue;
        *at = f->next;
        f->next = s->files;
        s->files = f;
        return f;
    }
    return NULL;
}

int run_file_take(struct store *s, int64_t run_id, bool create, struct run_file **ret)
{
    int rc = 0;
    struct run_file *f;
    pthread_mutex_lock(&s->files_lock);
    while (!(f = find(s, run_id)) && s->files_len >= STORE_OPEN_RUNS_MAX) {
        struct run_file *old = evict(s);
        if (old)
            close_file(old);
        else
            pthread_cond_wait(&s->files_given, &s->files_lock);
    }
    if (!f) {
        rc = new_file(s, run_id, create, &f);
        if (rc == 0) {
            f->next = s->files;
            s->files = f;
            s->files_len++;
        }
    }
    if (rc == 0) {
        f->users++;
        *ret = f;
    }
    pthread_mutex_unlock(&s->files_lock);
    return rc;
}

void run_file_give(struct store *s, struct run_file *f)
{
    pthread_mutex_lock(&s->files_lock);
    f->users--;
    pthread_cond_signal(&s->files_given);
    pthread_mutex_unlock(&s->files_lock);
}

void run_file_settle(struct store *s, int64_t run_id)
{
    struct run_file *f = NULL;
    if (run_file_take(s, run_id, false, &f) < 0)
        return;
    pthread_mutex_lock(&f->write_lock);
    (void)sqlite3_wal_checkpoint_v2(f->w, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    pthread_mutex_unlock(&f->write_lock);
    run_file_give(s, f);
}

void run_files_close(struct store *s)
{
    while (s->files) {
        struct run_file *f = s->files;
        CHECK(f->users == 0);
        s->files = f->next;
        close_file(f);
    }
    s->files_len = 0;
}
