#include "store/store.h"

#include "store/store_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/run_file.h"
#include "store/schema.h"
#include "store/user.h"

/* A client that comes back later than this with the same key is another one. */
static const int64_t request_life_ns = 24 * 3600 * NS_PER_S;

int store_begin(sqlite3 *db)
{
    return db_exec(db, "BEGIN IMMEDIATE");
}

int store_end(sqlite3 *db, int rc)
{
    if (rc >= 0) {
        int done = db_exec(db, "COMMIT");
        if (done == 0)
            return rc;
        rc = done;
    }
    /* The message of the failure is worth more than one about the rollback. */
    (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static int make_folder(const char *path)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set_errno(-errno, "create folder %s", path);
    return 0;
}

static int make_folders(const char *dir)
{
    static const char *const inner[] = {"", "/runs", "/archives", "/scripts"};
    char path[STORE_PATH_MAX];
    for (size_t i = 0; i < ARRAY_LEN(inner); i++) {
        int n = snprintf(path, sizeof path, "%s%s", dir, inner[i]);
        if (n < 0 || (size_t)n >= sizeof path - 64)
            return err_set(E_CONFIG, "path of the data folder is too long");
        int rc = make_folder(path);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int lock_folder(struct store *s)
{
    char path[STORE_PATH_MAX];
    snprintf(path, sizeof path, "%s/lock", s->dir);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return err_set_errno(-errno, "open %s", path);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(-EBUSY, "data folder %s is in use by another server", s->dir);
    return 0;
}

static int open_main(struct store *s)
{
    char path[STORE_PATH_MAX];
    snprintf(path, sizeof path, "%s/spate.db", s->dir);
    int rc = db_open(path, &s->db);
    if (rc < 0)
        return rc;
    rc = schema_upgrade(s->db, s->dir);
    if (rc == 0)
        rc = db_begin_use(s->db);
    if (rc < 0)
        return rc;
    return db_number(s->db, &s->default_project, 1, "SELECT id FROM projects WHERE is_default", "");
}

int store_open(const char *dir, struct store **ret)
{
    struct store *s = mem_calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->lock_fd = -1;
    s->files_max = run_files_max();
    s->series_max = STORE_SERIES_MAX;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->files_lock, NULL);
    pthread_cond_init(&s->files_given, NULL);
    s->dir = mem_strdup(dir);
    int rc = s->dir ? make_folders(dir) : -ENOMEM;
    if (rc == 0)
        rc = lock_folder(s);
    if (rc == 0)
        rc = open_main(s);
    if (rc < 0) {
        store_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

/* With the lock (0) the format can be brought up to date; without it (-EBUSY) somebody serves it.
 */
static int open_accounts(struct store *s)
{
    char path[STORE_PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/spate.db", s->dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return err_set(E_CONFIG, "path of the data folder is too long");
    if (access(path, F_OK) < 0)
        return err_set(E_NOT_FOUND, "%s is no data folder of a server: there is no spate.db in it",
                       s->dir);
    int rc = lock_folder(s);
    if (rc == 0)
        return open_main(s);
    if (rc != -EBUSY)
        return rc;
    rc = db_open(path, &s->db);
    if (rc == 0)
        rc = db_begin_use(s->db);
    return rc < 0 ? rc : store_schema_check(s->db, s->dir);
}

int store_open_accounts(const char *dir, struct store **ret)
{
    struct store *s = mem_calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->lock_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->files_lock, NULL);
    pthread_cond_init(&s->files_given, NULL);
    s->dir = mem_strdup(dir);
    int rc = s->dir ? open_accounts(s) : -ENOMEM;
    if (rc < 0) {
        store_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    run_files_close(s);
    db_close(s->db);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    pthread_cond_destroy(&s->files_given);
    pthread_mutex_destroy(&s->files_lock);
    pthread_mutex_destroy(&s->lock);
    mem_free(s->dir);
    mem_free(s);
}

/* ---- what grows old ---- */

int store_expire(struct store *s, int64_t now_ns)
{
    STORE_LOCKED(s);
    int rc = db_run(s->db, "DELETE FROM sessions WHERE expires_ns<=?", "i", now_ns);
    if (rc == 0)
        rc = db_run(s->db, "DELETE FROM requests WHERE at_ns<?", "i", now_ns - request_life_ns);
    return rc;
}

/* ---- projects and tests ---- */

int64_t store_default_project(struct store *s)
{
    return s->default_project;
}

static void fill_project(sqlite3_stmt *q, struct arena *a, struct store_project *ret)
{
    *ret = (struct store_project){
        .id = sqlite3_column_int64(q, 0),
        .name = db_text_dup(q, 1, a),
        .is_default = sqlite3_column_int(q, 2) != 0,
        .created_ns = sqlite3_column_int64(q, 3),
        .updated_ns = sqlite3_column_int64(q, 4),
    };
}

int store_get_project(struct store *s, int64_t id, struct arena *a, struct store_project *ret)
{
    STORE_LOCKED(s);
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(
        s->db, &q, "SELECT id, name, is_default, created_ns, updated_ns FROM projects WHERE id=?",
        "i", id);
    if (rc == 0)
        rc = db_step(q);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_set(E_NOT_FOUND, "no project with the id %lld", (long long)id);
    fill_project(q, a, ret);
    return 0;
}

/* "ORDER BY … LIMIT ? OFFSET ?", from a checked column name. */
static const char *page_sql(char *sql, size_t size, const char *select, const struct store_page *p)
{
    int n = snprintf(sql, size, "%s ORDER BY %s %s, id LIMIT ? OFFSET ?", select,
                     p->order ? p->order : "id", p->descending ? "DESC" : "ASC");
    CHECK(n > 0 && (size_t)n < size);
    return sql;
}

int store_list_projects(struct store *s, struct str name, struct str search,
                        const struct store_page *page, struct arena *a, struct store_project **ret,
                        size_t *ret_len, int64_t *ret_total)
{
    STORE_LOCKED(s);
    int rc = db_number(s->db, ret_total, 0,
                       "SELECT count(*) FROM projects WHERE (?1 IS NULL OR name=?1)"
                       " AND (?2 IS NULL OR instr(lower(name), lower(?2)))" VISIBLE("id", "?3"),
                       "sss", name, search, page->visible);
    if (rc < 0)
        return rc;
    size_t max = (size_t)MIN(page->top, *ret_total);
    struct store_project *list = arena_calloc(a, max + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    char sql[512];
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(s->db, &q,
                  page_sql(sql, sizeof sql,
                           "SELECT id, name, is_default, created_ns, updated_ns FROM projects"
                           " WHERE (?1 IS NULL OR name=?1)"
                           " AND (?2 IS NULL OR instr(lower(name), lower(?2)))" VISIBLE("id", "?3"),
                           page),
                  "sssii", name, search, page->visible, page->top, page->skip);
    size_t len = 0;
    while (rc == 0 && len < max && (rc = db_step(q)) > 0) {
        fill_project(q, a, &list[len++]);
        rc = 0;
    }
    *ret = list;
    *ret_len = len;
    return rc;
}

#define TEST_COLUMNS                                                                               \
    "id, project_id, name, created_ns, updated_ns, ifnull(baseline_run_id, 0),"                    \
    " ifnull(k6_version, 0), script_bytes"

static void fill_test(sqlite3_stmt *q, struct arena *a, struct store_test *ret)
{
    *ret = (struct store_test){
        .id = sqlite3_column_int64(q, 0),
        .project_id = sqlite3_column_int64(q, 1),
        .name = db_text_dup(q, 2, a),
        .created_ns = sqlite3_column_int64(q, 3),
        .updated_ns = sqlite3_column_int64(q, 4),
        .baseline_run = sqlite3_column_int64(q, 5),
        .k6_version = sqlite3_column_int64(q, 6),
        .script_bytes = sqlite3_column_int64(q, 7),
    };
}

int store_get_test(struct store *s, int64_t id, struct arena *a, struct store_test *ret)
{
    STORE_LOCKED(s);
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(s->db, &q, "SELECT " TEST_COLUMNS " FROM tests WHERE id=?", "i", id);
    if (rc == 0)
        rc = db_step(q);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_set(E_NOT_FOUND, "no load test with the id %lld", (long long)id);
    fill_test(q, a, ret);
    return 0;
}

int store_list_tests(struct store *s, int64_t project_id, struct str name,
                     const struct store_page *page, struct arena *a, struct store_test **ret,
                     size_t *ret_len, int64_t *ret_total)
{
    STORE_LOCKED(s);
    int rc = db_number(s->db, ret_total, 0,
                       "SELECT count(*) FROM tests WHERE (?1=0 OR project_id=?1)"
                       " AND (?2 IS NULL OR name=?2)" VISIBLE("project_id", "?3"),
                       "iss", project_id, name, page->visible);
    if (rc < 0)
        return rc;
    size_t max = (size_t)MIN(page->top, *ret_total);
    struct store_test *list = arena_calloc(a, max + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    char sql[512];
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(s->db, &q,
                  page_sql(sql, sizeof sql,
                           "SELECT " TEST_COLUMNS " FROM tests"
                           " WHERE (?1=0 OR project_id=?1) AND (?2 IS NULL OR name=?2)" VISIBLE(
                               "project_id", "?3"),
                           page),
                  "issii", project_id, name, page->visible, page->top, page->skip);
    size_t len = 0;
    while (rc == 0 && len < max && (rc = db_step(q)) > 0) {
        fill_test(q, a, &list[len++]);
        rc = 0;
    }
    *ret = list;
    *ret_len = len;
    return rc;
}
