#include "store/project.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "store/run_mark.h"
#include "store/store_int.h"

/* Names are unique, but not by a constraint: folders of the first format may hold two of one name.
 */
static int check_name(sqlite3 *db, int64_t id, struct str name)
{
    int64_t there = 0;
    int rc = db_number(db, &there, 0, "SELECT count(*) FROM projects WHERE name=? AND id<>?", "si",
                       name, id);
    if (rc == 0 && there > 0)
        return err_set(-EEXIST, "there is a project \"%.*s\" already", STR_ARG(name));
    return rc;
}

static int insert_project(sqlite3 *db, struct str name, int64_t now_ns)
{
    int64_t count = 0;
    int rc = db_number(db, &count, 0, "SELECT count(*) FROM projects", "");
    if (rc == 0 && count >= STORE_PROJECTS_MAX)
        rc = err_set(E_LIMIT, "there are %d projects, more are not taken", STORE_PROJECTS_MAX);
    if (rc == 0)
        rc = check_name(db, 0, name);
    if (rc == 0)
        rc = db_run(db,
                    "INSERT INTO projects (name, is_default, created_ns, updated_ns)"
                    " VALUES (?, 0, ?, ?)",
                    "sii", name, now_ns, now_ns);
    return rc;
}

int store_create_project(struct store *s, struct str name, int64_t now_ns, int64_t *ret_id)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    rc = insert_project(s->db, name, now_ns);
    int64_t id = sqlite3_last_insert_rowid(s->db);
    rc = store_end(s->db, rc);
    if (rc == 0)
        *ret_id = id;
    return rc;
}

static int changed(sqlite3 *db, int64_t id)
{
    return sqlite3_changes(db) > 0
               ? 0
               : err_set(E_NOT_FOUND, "no project with the id %lld", (long long)id);
}

int store_rename_project(struct store *s, int64_t id, struct str name, int64_t now_ns)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    rc = check_name(s->db, id, name);
    if (rc == 0)
        rc = db_run(s->db, "UPDATE projects SET name=?, updated_ns=? WHERE id=?", "sii", name,
                    now_ns, id);
    if (rc == 0)
        rc = changed(s->db, id);
    return store_end(s->db, rc);
}

int store_delete_project(struct store *s, int64_t id)
{
    if (id == s->default_project)
        return err_set(E_REFUSED, "the default project can't be deleted");
    int rc = store_delete_tests(s, id, 0);
    if (rc < 0)
        return rc;
    STORE_LOCKED(s);
    rc = db_run(s->db, "DELETE FROM projects WHERE id=?", "i", id);
    if (rc == -EEXIST) /* a test has come meanwhile */
        return err_set(-EBUSY, "project %lld is in use", (long long)id);
    return rc < 0 ? rc : changed(s->db, id);
}

/* ---- limits ---- */

#define LIMITS_SELECT                                                                              \
    "SELECT projects.id, ifnull(vuh_max, 0), ifnull(vus_max, 0), ifnull(browser_vus_max, 0),"      \
    " ifnull(duration_max, 0) FROM projects LEFT JOIN limits ON limits.project_id=projects.id"

static void fill_limits(sqlite3_stmt *q, struct store_limits *ret)
{
    *ret = (struct store_limits){
        .project_id = sqlite3_column_int64(q, 0),
        .vuh_max = sqlite3_column_int64(q, 1),
        .vus_max = sqlite3_column_int64(q, 2),
        .browser_vus_max = sqlite3_column_int64(q, 3),
        .duration_max = sqlite3_column_int64(q, 4),
    };
}

int store_get_limits(struct store *s, int64_t project_id, struct store_limits *ret)
{
    STORE_LOCKED(s);
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(s->db, &q, LIMITS_SELECT " WHERE projects.id=?", "i", project_id);
    if (rc == 0)
        rc = db_step(q);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_set(E_NOT_FOUND, "no project with the id %lld", (long long)project_id);
    fill_limits(q, ret);
    return 0;
}

int store_set_limits(struct store *s, const struct store_limits *l)
{
    STORE_LOCKED(s);
    return db_run(s->db,
                  "INSERT INTO limits (project_id, vuh_max, vus_max, browser_vus_max, duration_max)"
                  " VALUES (?1, nullif(?2, 0), nullif(?3, 0), nullif(?4, 0), nullif(?5, 0))"
                  " ON CONFLICT DO UPDATE SET vuh_max=excluded.vuh_max, vus_max=excluded.vus_max,"
                  " browser_vus_max=excluded.browser_vus_max, duration_max=excluded.duration_max",
                  "iiiii", l->project_id, l->vuh_max, l->vus_max, l->browser_vus_max,
                  l->duration_max);
}

/* The ids as a JSON list for SQLite, NULL ptr for none. */
static int put_ids(struct buf *out, const int64_t *ids, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf_printf(out, "%c%lld", i ? ',' : '[', (long long)ids[i]);
    if (len > 0)
        buf_byte(out, ']');
    return buf_finish(out);
}

#define LIMITS_WHERE                                                                               \
    " WHERE (?1 IS NULL OR projects.id IN (SELECT value FROM json_each(?1)))" VISIBLE(             \
        "projects.id", "?2")

int store_list_limits(struct store *s, const int64_t *ids, size_t ids_len,
                      const struct store_page *page, struct arena *a, struct store_limits **ret,
                      size_t *ret_len, int64_t *ret_total)
{
    CLEANUP(buf_fini) struct buf list_text;
    buf_init(&list_text, 64 * 1024);
    int rc = put_ids(&list_text, ids, ids_len);
    if (rc < 0)
        return rc;
    struct str chosen = ids_len > 0 ? buf_view(&list_text) : STR_EMPTY;
    STORE_LOCKED(s);
    rc = db_number(s->db, ret_total, 0, "SELECT count(*) FROM projects" LIMITS_WHERE, "ss", chosen,
                   page->visible);
    if (rc < 0)
        return rc;
    size_t max = (size_t)MIN(page->top, *ret_total);
    struct store_limits *list = arena_calloc(a, max + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(s->db, &q, LIMITS_SELECT LIMITS_WHERE " ORDER BY projects.id LIMIT ? OFFSET ?",
                  "ssii", chosen, page->visible, page->top, page->skip);
    size_t len = 0;
    while (rc == 0 && len < max && (rc = db_step(q)) > 0) {
        fill_limits(q, &list[len++]);
        rc = 0;
    }
    *ret = list;
    *ret_len = len;
    return rc;
}

/* ---- settings of our own ---- */

int store_get_run_timeout(struct store *s, int64_t project_id, int64_t *ret_s)
{
    STORE_LOCKED(s);
    return db_number(s->db, ret_s, 0, "SELECT run_timeout_s FROM projects WHERE id=?", "i",
                     project_id);
}

int store_set_run_timeout(struct store *s, int64_t project_id, int64_t seconds)
{
    STORE_LOCKED(s);
    int rc =
        db_run(s->db, "UPDATE projects SET run_timeout_s=? WHERE id=?", "ii", seconds, project_id);
    if (rc == 0 && sqlite3_changes(s->db) == 0)
        rc = err_set(E_NOT_FOUND, "no project with the id %lld", (long long)project_id);
    return rc;
}
