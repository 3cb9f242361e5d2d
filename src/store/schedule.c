#include "store/schedule.h"

#include <errno.h>

#include "base/err.h"
#include "store/store_int.h"

#define COLUMNS "id, test_id, starts_ns, recurrence, cron, deactivated, created_by"

int store_put_schedule(struct store *s, struct store_schedule *x)
{
    STORE_LOCKED(s);
    int rc = db_run(s->db,
                    "INSERT INTO schedules (test_id, starts_ns, recurrence, cron, created_by)"
                    " VALUES (?, ?, ?, ?, ?) ON CONFLICT (test_id) DO UPDATE SET"
                    " starts_ns=excluded.starts_ns, recurrence=excluded.recurrence,"
                    " cron=excluded.cron, created_by=excluded.created_by, deactivated=0",
                    "iisss", x->test_id, x->starts_ns, x->recurrence, x->cron, x->created_by);
    if (rc == -EEXIST)
        return err_set(E_NOT_FOUND, "no load test with the id %lld", (long long)x->test_id);
    if (rc < 0)
        return rc;
    return db_number(s->db, &x->id, 0, "SELECT id FROM schedules WHERE test_id=?", "i", x->test_id);
}

static void fill(sqlite3_stmt *q, struct arena *a, struct store_schedule *ret)
{
    *ret = (struct store_schedule){
        .id = sqlite3_column_int64(q, 0),
        .test_id = sqlite3_column_int64(q, 1),
        .starts_ns = sqlite3_column_int64(q, 2),
        .recurrence = db_text_dup(q, 3, a),
        .cron = db_text_dup(q, 4, a),
        .deactivated = sqlite3_column_int(q, 5) != 0,
        .created_by = db_text_dup(q, 6, a),
    };
}

static int not_there(void)
{
    return err_set(E_NOT_FOUND, "no such schedule");
}

int store_get_schedule(struct store *s, int64_t id, int64_t test_id, struct arena *a,
                       struct store_schedule *ret)
{
    STORE_LOCKED(s);
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(s->db, &q, "SELECT " COLUMNS " FROM schedules WHERE id=? OR test_id=?", "ii",
                      id, test_id);
    if (rc == 0)
        rc = db_step(q);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return not_there();
    fill(q, a, ret);
    return 0;
}

#define OF_VISIBLE                                                                                 \
    " AND (?1 IS NULL OR test_id IN (SELECT id FROM tests WHERE project_id IN"                     \
    " (SELECT value FROM json_each(?1))))"

int store_list_schedules(struct store *s, const struct store_page *page, struct arena *a,
                         struct store_schedule **ret, size_t *ret_len, int64_t *ret_total)
{
    STORE_LOCKED(s);
    int rc = db_number(s->db, ret_total, 0, "SELECT count(*) FROM schedules WHERE 1" OF_VISIBLE,
                       "s", page->visible);
    if (rc < 0)
        return rc;
    size_t max = (size_t)MIN(page->top, *ret_total);
    struct store_schedule *list = arena_calloc(a, max + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(s->db, &q,
                  "SELECT " COLUMNS " FROM schedules WHERE 1" OF_VISIBLE
                  " ORDER BY id LIMIT ? OFFSET ?",
                  "sii", page->visible, page->top, page->skip);
    size_t len = 0;
    while (rc == 0 && len < max && (rc = db_step(q)) > 0) {
        fill(q, a, &list[len++]);
        rc = 0;
    }
    *ret = list;
    *ret_len = len;
    return rc;
}

int store_activate_schedule(struct store *s, int64_t id, bool active)
{
    STORE_LOCKED(s);
    int rc =
        db_run(s->db, "UPDATE schedules SET deactivated=? WHERE id=?", "ii", (int64_t)!active, id);
    return rc < 0 || sqlite3_changes(s->db) > 0 ? rc : not_there();
}

int store_delete_schedule(struct store *s, int64_t id)
{
    STORE_LOCKED(s);
    int rc = db_run(s->db, "DELETE FROM schedules WHERE id=?", "i", id);
    return rc < 0 || sqlite3_changes(s->db) > 0 ? rc : not_there();
}
