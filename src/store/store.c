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

/* ---- tokens and sessions ---- */

int store_add_token(struct store *s, const uint8_t hash[STORE_HASH_LEN], struct str user,
                    int64_t now_ns, int64_t *ret_id)
{
    STORE_LOCKED(s);
    int rc = db_run(s->db, "INSERT INTO tokens (hash, user, created_ns) VALUES (?, ?, ?)", "bsi",
                    str_new(hash, STORE_HASH_LEN), user, now_ns);
    if (rc < 0)
        return rc;
    *ret_id = sqlite3_last_insert_rowid(s->db);
    return 0;
}

int store_list_tokens(struct store *s, struct arena *a, struct store_token **ret, size_t *ret_len)
{
    STORE_LOCKED(s);
    int64_t count = 0;
    int rc = db_number(s->db, &count, 0, "SELECT count(*) FROM tokens", "");
    if (rc < 0)
        return rc;
    struct store_token *list = arena_calloc(a, (size_t)count + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(s->db, &q, "SELECT id, hash, user FROM tokens ORDER BY id", "");
    size_t len = 0;
    while (rc == 0 && len < (size_t)count && (rc = db_step(q)) > 0) {
        struct str hash = db_blob(q, 1);
        if (hash.len != STORE_HASH_LEN)
            return err_set(E_CORRUPT, "token without a proper hash");
        list[len].id = sqlite3_column_int64(q, 0);
        memcpy(list[len].hash, hash.ptr, STORE_HASH_LEN);
        list[len].user = db_text_dup(q, 2, a);
        len++;
        rc = 0;
    }
    if (rc < 0)
        return rc;
    *ret = list;
    *ret_len = len;
    return 0;
}

int store_add_session(struct store *s, const uint8_t hash[STORE_HASH_LEN], int64_t token_id,
                      int64_t expires_ns)
{
    STORE_LOCKED(s);
    return db_run(s->db, "INSERT INTO sessions VALUES (?, ?, ?)", "bii",
                  str_new(hash, STORE_HASH_LEN), token_id, expires_ns);
}

int store_find_session(struct store *s, const uint8_t hash[STORE_HASH_LEN], int64_t now_ns,
                       int64_t *ret_token_id)
{
    STORE_LOCKED(s);
    int64_t id = 0;
    int rc = db_number(s->db, &id, 0, "SELECT token_id FROM sessions WHERE hash=? AND expires_ns>?",
                       "bi", str_new(hash, STORE_HASH_LEN), now_ns);
    if (rc < 0)
        return rc;
    if (id == 0)
        return err_set(E_NOT_FOUND, "no such session");
    *ret_token_id = id;
    return 0;
}

int store_remove_session(struct store *s, const uint8_t hash[STORE_HASH_LEN])
{
    STORE_LOCKED(s);
    return db_run(s->db, "DELETE FROM sessions WHERE hash=?", "b", str_new(hash, STORE_HASH_LEN));
}

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
                       " AND (?2 IS NULL OR instr(lower(name), lower(?2)))",
                       "ss", name, search);
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
                           " AND (?2 IS NULL OR instr(lower(name), lower(?2)))",
                           page),
                  "ssii", name, search, page->top, page->skip);
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
                       " AND (?2 IS NULL OR name=?2)",
                       "is", project_id, name);
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
                           " WHERE (?1=0 OR project_id=?1) AND (?2 IS NULL OR name=?2)",
                           page),
                  "isii", project_id, name, page->top, page->skip);
    size_t len = 0;
    while (rc == 0 && len < max && (rc = db_step(q)) > 0) {
        fill_test(q, a, &list[len++]);
        rc = 0;
    }
    *ret = list;
    *ret_len = len;
    return rc;
}
