#include "store/run_file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/run_schema.h"

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
        {&f->insert_series,
         "INSERT INTO series (metric_id, labels) VALUES (?1, ?2) ON CONFLICT DO NOTHING"},
        {&f->select_series, "SELECT id FROM series WHERE metric_id=?1 AND labels=?2"},
        {&f->insert_chunk, "INSERT INTO chunks (metric_id, t, v) VALUES (?1, ?2, ?3)"},
        {&f->select_rollup, "SELECT v FROM rollups WHERE metric_id=?1 AND t=?2"},
        {&f->put_rollup, "INSERT OR REPLACE INTO rollups VALUES (?1, ?2, ?3)"},
    };
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(list) && rc == 0; i++)
        rc = db_prepare(f->w, list[i].stmt, list[i].sql);
    return rc;
}

static int path_of(const struct store *s, int64_t run_id, char path[static STORE_PATH_MAX])
{
    int n = snprintf(path, STORE_PATH_MAX, "%s/runs/%lld.db", s->dir, (long long)run_id);
    return n < 0 || n >= STORE_PATH_MAX ? -ENAMETOOLONG : 0;
}

static int open_file(struct run_file *f, const char *path)
{
    int rc = db_open(path, &f->w);
    if (rc == 0)
        rc = run_schema_upgrade(f->w, path);
    if (rc == 0)
        rc = db_begin_use(f->w);
    if (rc == 0)
        rc = prepare_all(f);
    if (rc == 0)
        rc = load_metrics(f);
    if (rc == 0)
        rc = db_number(f->w, &f->period_s, 0, "SELECT value FROM info WHERE name='period_s'", "");
    if (rc == 0)
        rc = db_number(f->w, &f->series_len, 0, "SELECT count(*) FROM series", "");
    return rc;
}

int run_file_open_reader(const struct store *s, struct run_file *f)
{
    char path[STORE_PATH_MAX];
    if (f->r)
        return 0;
    int rc = path_of(s, f->run_id, path);
    return rc < 0 ? rc : db_open_reader(path, &f->r);
}

void run_file_forget(struct run_file *f)
{
    map_fini(&f->series);
    map_init(&f->series, STORE_SERIES_KNOWN_MAX);
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
    db_done(f->insert_series);
    db_done(f->select_series);
    db_done(f->insert_chunk);
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

/* An entry of the list that is being opened. */
static struct run_file *new_file(int64_t run_id)
{
    struct run_file *f = mem_calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->run_id = run_id;
    f->opening = true;
    f->users = 1;
    pthread_mutex_init(&f->write_lock, NULL);
    pthread_mutex_init(&f->read_lock, NULL);
    map_init(&f->metrics, STORE_METRICS_MAX);
    map_init(&f->series, STORE_SERIES_KNOWN_MAX);
    return f;
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

static void unlink_file(struct store *s, const struct run_file *f)
{
    struct run_file **at = &s->files;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    s->files_len--;
}

/* An empty file is what a death before its first transaction leaves, and then no measurements have
 * been acknowledged, with which a run begins to run. */
static int check_file(struct store *s, int64_t run_id, const char *path, bool create)
{
    struct stat st;
    int64_t ran = 0;
    if (stat(path, &st) < 0)
        return create
                   ? 0
                   : err_set(E_NOT_FOUND, "test run %lld has no measurements", (long long)run_id);
    if (st.st_size > 0)
        return 0;
    STORE_LOCKED(s);
    int rc = db_number(s->db, &ran, 0, "SELECT 1 FROM states WHERE run_id=? AND code=?", "ii",
                       run_id, (int64_t)RUN_RUNNING);
    return rc == 0 && ran ? err_set(E_DAMAGED, "%s is empty, its data is lost", path) : rc;
}

/* Holds files_lock, except while a file is opened or closed, which may wait for the disk. */
static int open_new(struct store *s, int64_t run_id, bool create, struct run_file **ret)
{
    char path[STORE_PATH_MAX];
    struct run_file *f = new_file(run_id);
    if (!f)
        return -ENOMEM;
    f->next = s->files;
    s->files = f;
    s->files_len++;
    pthread_mutex_unlock(&s->files_lock);
    int rc = path_of(s, run_id, path);
    if (rc == 0)
        rc = check_file(s, run_id, path, create);
    if (rc == 0)
        rc = open_file(f, path);
    pthread_mutex_lock(&s->files_lock);
    f->opening = false;
    if (rc < 0)
        unlink_file(s, f);
    pthread_cond_broadcast(&s->files_given);
    if (rc < 0)
        close_file(f);
    else
        *ret = f;
    return rc;
}

/* Makes room for one more; holds files_lock, but not all the time: look again afterwards. */
static void close_oldest(struct store *s)
{
    struct run_file *old = evict(s);
    if (!old) {
        pthread_cond_wait(&s->files_given, &s->files_lock);
        return;
    }
    pthread_mutex_unlock(&s->files_lock);
    close_file(old);
    pthread_mutex_lock(&s->files_lock);
}

int run_file_take(struct store *s, int64_t run_id, bool create, struct run_file **ret)
{
    int rc = 0;
    pthread_mutex_lock(&s->files_lock);
    for (;;) {
        struct run_file *f = find(s, run_id);
        if (f && f->opening) {
            pthread_cond_wait(&s->files_given, &s->files_lock);
        } else if (f) {
            f->users++;
            *ret = f;
            break;
        } else if (s->files_len >= s->files_max) {
            close_oldest(s);
        } else {
            rc = open_new(s, run_id, create, ret);
            break;
        }
    }
    pthread_mutex_unlock(&s->files_lock);
    return rc;
}

void run_file_give(struct store *s, struct run_file *f)
{
    pthread_mutex_lock(&s->files_lock);
    f->users--;
    pthread_cond_broadcast(&s->files_given);
    pthread_mutex_unlock(&s->files_lock);
}

void run_file_settle(struct store *s, int64_t run_id)
{
    struct run_file *f = NULL;
    if (run_file_take(s, run_id, false, &f) < 0)
        return;
    pthread_mutex_lock(&f->write_lock);
    (void)sqlite3_wal_checkpoint_v2(f->w, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    run_file_forget(f);
    (void)sqlite3_db_release_memory(f->w);
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

int run_files_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return STORE_OPEN_RUNS_MAX;
    /* Half of them are for connections. */
    rlim_t n = limit.rlim_cur / 2 / STORE_RUN_DESCRIPTORS;
    return n < 8 ? 8 : n < STORE_OPEN_RUNS_MAX ? (int)n : STORE_OPEN_RUNS_MAX;
}
