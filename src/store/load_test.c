#include "store/load_test.h"

#include <errno.h>

#include "base/err.h"
#include "store/blob.h"
#include "store/store_int.h"

static int name_taken(int rc, struct str name)
{
    if (rc != -EEXIST)
        return rc;
    return err_set(rc, "the project has a load test \"%.*s\" already", STR_ARG(name));
}

static int check_project(sqlite3 *db, int64_t id)
{
    int64_t there = 0;
    int rc = db_number(db, &there, 0, "SELECT id FROM projects WHERE id=?", "i", id);
    if (rc == 0 && there == 0)
        rc = err_set(E_NOT_FOUND, "no project with the id %lld", (long long)id);
    return rc;
}

static int put_script(struct store *s, int64_t test_id, struct str archive, int64_t now_ns)
{
    int rc = db_run(s->db, "UPDATE tests SET script_bytes=?, updated_ns=? WHERE id=?", "iii",
                    (int64_t)archive.len, now_ns, test_id);
    if (rc == 0 && sqlite3_changes(s->db) == 0)
        rc = err_set(E_NOT_FOUND, "no load test with the id %lld", (long long)test_id);
    return rc < 0 ? rc : blob_write(s, BLOB_SCRIPT, test_id, archive);
}

static int insert_test(struct store *s, const struct store_new_test *n, int64_t *ret_id)
{
    int rc = check_project(s->db, n->project_id);
    if (rc == 0)
        rc = db_run(s->db,
                    "INSERT INTO tests (project_id, name, created_ns, updated_ns, k6_version)"
                    " VALUES (?, ?, ?, ?, nullif(?, 0))",
                    "isiii", n->project_id, n->name, n->now_ns, n->now_ns, n->k6_version);
    if (rc < 0)
        return name_taken(rc, n->name);
    *ret_id = sqlite3_last_insert_rowid(s->db);
    return n->script.ptr ? put_script(s, *ret_id, n->script, n->now_ns) : 0;
}

int store_create_test(struct store *s, const struct store_new_test *new_test, int64_t *ret_id)
{
    int64_t id = 0;
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    rc = store_end(s->db, insert_test(s, new_test, &id));
    if (rc == 0)
        *ret_id = id;
    return rc;
}

static int check_baseline(sqlite3 *db, int64_t test_id, int64_t run_id)
{
    int64_t there = 0;
    int rc = db_number(db, &there, 0, "SELECT id FROM runs WHERE id=? AND test_id=?", "ii", run_id,
                       test_id);
    if (rc == 0 && there == 0)
        rc = err_set(E_CONFIG, "baseline_test_run_id: %lld is no run of this load test",
                     (long long)run_id);
    return rc;
}

static int change_test(sqlite3 *db, int64_t id, const struct store_test_change *c)
{
    int rc = 0;
    if (c->project_id)
        rc = check_project(db, c->project_id);
    if (rc == 0 && c->set_baseline && c->baseline_run)
        rc = check_baseline(db, id, c->baseline_run);
    if (rc < 0)
        return rc;
    rc = db_run(db,
                "UPDATE tests SET name=ifnull(?1, name), project_id=ifnull(nullif(?2, 0),"
                " project_id), updated_ns=?3, baseline_run_id=CASE WHEN ?4 THEN nullif(?5, 0) ELSE"
                " baseline_run_id END, k6_version=CASE WHEN ?6 THEN nullif(?7, 0) ELSE k6_version"
                " END WHERE id=?8",
                "siiiiiii", c->name, c->project_id, c->now_ns, (int64_t)c->set_baseline,
                c->baseline_run, (int64_t)c->set_k6_version, c->k6_version, id);
    if (rc == 0 && sqlite3_changes(db) == 0)
        rc = err_set(E_NOT_FOUND, "no load test with the id %lld", (long long)id);
    return rc;
}

int store_change_test(struct store *s, int64_t id, const struct store_test_change *change)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    rc = store_end(s->db, change_test(s->db, id, change));
    if (rc == -EEXIST && !change->name.ptr)
        return err_set(rc, "the project has a load test of that name already");
    return name_taken(rc, change->name);
}

int store_write_script(struct store *s, int64_t test_id, struct str archive, int64_t now_ns)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    return store_end(s->db, put_script(s, test_id, archive, now_ns));
}

int store_read_script(struct store *s, int64_t test_id, struct buf *out)
{
    int rc = blob_read(s, BLOB_SCRIPT, test_id, out);
    if (rc == E_NOT_FOUND)
        return err_set(rc, "load test %lld has no script", (long long)test_id);
    return rc;
}
