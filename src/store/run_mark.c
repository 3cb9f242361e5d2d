/*
 * Rows go first, in one transaction; then the files.  A file that is left by a death in between
 * belongs to an id that is never given again.
 */
#include "store/run_mark.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/limits.h"
#include "store/blob.h"
#include "store/store_int.h"

static int changed(sqlite3 *db, int64_t id)
{
    return sqlite3_changes(db) > 0
               ? 0
               : err_set(E_NOT_FOUND, "no test run with the id %lld", (long long)id);
}

int store_set_note(struct store *s, int64_t run_id, struct str note)
{
    STORE_LOCKED(s);
    int rc =
        db_run(s->db, "UPDATE runs SET note=? WHERE id=?", "si", note.ptr ? note : STR(""), run_id);
    return rc < 0 ? rc : changed(s->db, run_id);
}

int store_set_mark(struct store *s, int64_t run_id, enum store_mark mark, bool on)
{
    const char *sql = mark == MARK_STARRED ? "UPDATE runs SET starred=? WHERE id=?"
                                           : "UPDATE runs SET saved=? WHERE id=?";
    STORE_LOCKED(s);
    int rc = db_run(s->db, sql, "ii", (int64_t)on, run_id);
    return rc < 0 ? rc : changed(s->db, run_id);
}

/* ---- removing ---- */

static void remove_run_files(struct store *s, int64_t run_id)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    /* A file that is open stays until its place is needed; nobody asks for it again. */
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char path[STORE_PATH_MAX];
        int n = snprintf(path, sizeof path, "%s/runs/%lld.db%s", s->dir, (long long)run_id,
                         suffixes[i]);
        if (n > 0 && (size_t)n < sizeof path)
            (void)unlink(path);
    }
    blob_remove(s, BLOB_ARCHIVE, run_id);
}

static int delete_row(struct store *s, int64_t run_id)
{
    int64_t ended_ns = -1;
    int rc = db_number(s->db, &ended_ns, -1, "SELECT ended_ns FROM runs WHERE id=?", "i", run_id);
    if (rc < 0)
        return rc;
    if (ended_ns < 0)
        return err_set(E_NOT_FOUND, "no test run with the id %lld", (long long)run_id);
    if (ended_ns == 0)
        return err_set(-EBUSY, "test run %lld has not ended", (long long)run_id);
    return db_run(s->db, "DELETE FROM runs WHERE id=?", "i", run_id);
}

int store_delete_run(struct store *s, int64_t run_id)
{
    store_lock(s);
    int rc = store_begin(s->db);
    if (rc == 0)
        rc = store_end(s->db, delete_row(s, run_id));
    pthread_mutex_unlock(&s->lock);
    if (rc == 0)
        remove_run_files(s, run_id);
    return rc;
}

/* The ids that a query gives, into the arena, closed by 0. */
static int list_ids(sqlite3 *db, const char *sql, int64_t project_id, int64_t test_id,
                    struct arena *a, int64_t **ret)
{
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int64_t *ids = NULL;
    size_t len = 0;
    size_t cap = 0;
    int rc = db_query(db, &q, sql, "ii", project_id, test_id);
    while (rc == 0) {
        if (len == cap) {
            cap = cap ? cap * 2 : 64;
            int64_t *longer = arena_calloc(a, cap, sizeof *longer);
            if (!longer)
                return -ENOMEM;
            if (len > 0)
                memcpy(longer, ids, len * sizeof *ids);
            ids = longer;
        }
        rc = db_step(q);
        ids[len++] = rc > 0 ? sqlite3_column_int64(q, 0) : 0;
        if (rc <= 0)
            break;
        rc = 0;
    }
    *ret = ids;
    return rc;
}

#define CHOSEN_TESTS "SELECT id FROM tests WHERE (?1=0 OR project_id=?1) AND (?2=0 OR id=?2)"

static int delete_rows(sqlite3 *db, int64_t project_id, int64_t test_id, struct arena *a,
                       int64_t **ret_runs, int64_t **ret_tests)
{
    int64_t open = 0;
    int rc = db_number(db, &open, 0,
                       "SELECT id FROM runs WHERE ended_ns=0 AND test_id IN (" CHOSEN_TESTS ")",
                       "ii", project_id, test_id);
    if (rc == 0 && open > 0)
        rc = err_set(-EBUSY, "test run %lld has not ended", (long long)open);
    if (rc == 0)
        rc = list_ids(db, "SELECT id FROM runs WHERE test_id IN (" CHOSEN_TESTS ")", project_id,
                      test_id, a, ret_runs);
    if (rc == 0)
        rc = list_ids(db, CHOSEN_TESTS, project_id, test_id, a, ret_tests);
    if (rc == 0)
        rc = db_run(db, "DELETE FROM runs WHERE test_id IN (" CHOSEN_TESTS ")", "ii", project_id,
                    test_id);
    if (rc == 0)
        rc = db_run(db, "DELETE FROM tests WHERE id IN (" CHOSEN_TESTS ")", "ii", project_id,
                    test_id);
    return rc;
}

int store_delete_tests(struct store *s, int64_t project_id, int64_t test_id)
{
    CLEANUP(arena_fini) struct arena a;
    int64_t *runs = NULL;
    int64_t *tests = NULL;
    arena_init(&a, STORE_ARENA_MAX);
    store_lock(s);
    int rc = store_begin(s->db);
    if (rc == 0)
        rc = store_end(s->db, delete_rows(s->db, project_id, test_id, &a, &runs, &tests));
    pthread_mutex_unlock(&s->lock);
    for (; rc == 0 && *runs; runs++)
        remove_run_files(s, *runs);
    for (; rc == 0 && *tests; tests++)
        blob_remove(s, BLOB_SCRIPT, *tests);
    return rc;
}
