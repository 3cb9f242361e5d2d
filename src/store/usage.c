#include "store/usage.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "store/store_int.h"

int32_t store_month(int64_t wall_ns)
{
    time_t s = (time_t)(wall_ns / NS_PER_S);
    struct tm tm;
    if (!gmtime_r(&s, &tm))
        return 0;
    return (tm.tm_year + 1900) * 100 + tm.tm_mon + 1;
}

/* Of a run (created_ns, …): its month, its weight, when it began to run. */
#define MONTH_OF_RUN   "CAST(strftime('%Y%m', runs.created_ns / 1000000000, 'unixepoch') AS INTEGER)"
#define UNITS_OF_RUN   "(max(max_vus, 0) + 9 * min(max_browser_vus, max(max_vus, 0)))"
#define STARTED_OF_RUN "(SELECT min(entered_ns) FROM states WHERE run_id=runs.id AND states.code=2)"
/* Numbers that a client makes up become too large for an integer: SQLite goes on with a REAL, which
 * no column of ours takes. */
#define WHOLE(number) "CAST(min(9e18, " number ") AS INTEGER)"
/* Started minutes up to a time; 0 when it never ran. */
#define MINUTES_TO(time)                                                                           \
    "max(0, ifnull((" time " - " STARTED_OF_RUN " + 59999999999) / 60000000000, 0))"

#define MINUTES_OF_RUN WHOLE(UNITS_OF_RUN " * " MINUTES_TO("ended_ns - silent_ns"))
#define NEW_CLOUD      WHOLE("cloud_minutes+excluded.cloud_minutes")
#define NEW_LOCAL      WHOLE("local_minutes+excluded.local_minutes")

int store_settle_run(sqlite3 *db, int64_t run_id)
{
    return db_run(db,
                  "INSERT INTO usage (project_id, month, runs, cloud_minutes, local_minutes)"
                  " SELECT project_id, month, 1, iif(cloud, total, 0), iif(cloud, 0, total) FROM ("
                  "  SELECT project_id, " MONTH_OF_RUN " AS month, kind='cloud' AS cloud,"
                  "  " MINUTES_OF_RUN " AS total FROM runs JOIN tests ON tests.id=test_id"
                  "  WHERE runs.id=?) WHERE true ON CONFLICT DO UPDATE SET runs=runs+1,"
                  " cloud_minutes=" NEW_CLOUD ", local_minutes=" NEW_LOCAL,
                  "i", run_id);
}

/* total() goes beyond an integer where sum() fails. */
#define USAGE_COLUMNS "project_id, month, sum(runs), total(cloud_minutes), total(local_minutes)"
/* Settled and open together; ?1 is now. */
#define ALL_USAGE                                                                                  \
    " FROM (SELECT project_id, month, runs, cloud_minutes, local_minutes FROM usage UNION ALL"     \
    " SELECT project_id, month, 1, iif(cloud, total, 0), iif(cloud, 0, total) FROM ("              \
    "  SELECT project_id, " MONTH_OF_RUN " AS month, kind='cloud' AS cloud, " UNITS_OF_RUN         \
    "  * max((max(estimated_duration, 0) + 59) / 60, " MINUTES_TO(                                 \
        "?1") ") AS total"                                                                         \
              "  FROM runs JOIN tests ON tests.id=test_id WHERE ended_ns=0))"

static void fill(sqlite3_stmt *q, struct store_usage *ret)
{
    *ret = (struct store_usage){
        .project_id = sqlite3_column_int64(q, 0),
        .month = sqlite3_column_int(q, 1),
        .runs = sqlite3_column_int64(q, 2),
        .cloud_minutes = sqlite3_column_int64(q, 3),
        .local_minutes = sqlite3_column_int64(q, 4),
    };
}

/* One row or none. */
static int one(struct store *s, const char *sql, int64_t now_ns, int64_t project_id, int32_t month,
               struct store_usage *ret)
{
    STORE_LOCKED(s);
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(s->db, &q, sql, "iii", now_ns, project_id, (int64_t)month);
    if (rc == 0)
        rc = db_step(q);
    if (rc < 0)
        return rc;
    *ret = (struct store_usage){.project_id = project_id, .month = month};
    if (rc > 0)
        fill(q, ret);
    return 0;
}

int store_get_usage(struct store *s, int64_t project_id, int32_t month, int64_t now_ns,
                    struct store_usage *ret)
{
    return one(s,
               "SELECT " USAGE_COLUMNS ALL_USAGE
               " WHERE project_id=?2 AND month=?3 GROUP BY project_id, month",
               now_ns, project_id, month, ret);
}

int store_get_settled(struct store *s, int64_t project_id, int32_t month, struct store_usage *ret)
{
    return one(s,
               "SELECT project_id, month, runs, cloud_minutes, local_minutes FROM usage"
               " WHERE ?1=0 AND project_id=?2 AND month=?3",
               0, project_id, month, ret);
}

#define USAGE_GROUPS                                                                               \
    ALL_USAGE                                                                                      \
    " WHERE month BETWEEN ?2 AND ?3" VISIBLE("project_id", "?4") " GROUP BY project_id, month"

int store_list_usage(struct store *s, int32_t from, int32_t to, int64_t now_ns,
                     const struct store_page *page, struct arena *a, struct store_usage **ret,
                     size_t *ret_len, int64_t *ret_total)
{
    STORE_LOCKED(s);
    int rc = db_number(s->db, ret_total, 0, "SELECT count(*) FROM (SELECT 1" USAGE_GROUPS ")",
                       "iiis", now_ns, (int64_t)from, (int64_t)to, page->visible);
    if (rc < 0)
        return rc;
    size_t max = (size_t)MIN(page->top, *ret_total);
    struct store_usage *list = arena_calloc(a, max + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(
        s->db, &q,
        "SELECT " USAGE_COLUMNS USAGE_GROUPS " ORDER BY month DESC, project_id LIMIT ? OFFSET ?",
        "iiisii", now_ns, (int64_t)from, (int64_t)to, page->visible, page->top, page->skip);
    size_t len = 0;
    while (rc == 0 && len < max && (rc = db_step(q)) > 0) {
        fill(q, &list[len++]);
        rc = 0;
    }
    if (rc < 0)
        return rc;
    *ret = list;
    *ret_len = len;
    return 0;
}

/* ---- open runs under limits ---- */

#define WATCHED_FROM                                                                               \
    " FROM runs JOIN tests ON tests.id=test_id JOIN limits USING (project_id) WHERE ended_ns=0"

int store_list_watched(struct store *s, struct arena *a, struct store_watched **ret,
                       size_t *ret_len)
{
    STORE_LOCKED(s);
    int64_t count = 0;
    int rc = db_number(s->db, &count, 0, "SELECT count(*)" WATCHED_FROM, "");
    if (rc < 0)
        return rc;
    struct store_watched *list = arena_calloc(a, (size_t)count + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(s->db, &q,
                  "SELECT runs.id, project_id, runs.created_ns, ifnull(" STARTED_OF_RUN ", 0),"
                  " max_vus, max_browser_vus, kind='cloud', ifnull(vuh_max, 0), ifnull(vus_max, 0),"
                  " ifnull(duration_max, 0)" WATCHED_FROM " ORDER BY project_id, runs.id",
                  "");
    size_t len = 0;
    while (rc == 0 && len < (size_t)count && (rc = db_step(q)) > 0) {
        list[len++] = (struct store_watched){
            .run_id = sqlite3_column_int64(q, 0),
            .project_id = sqlite3_column_int64(q, 1),
            .created_ns = sqlite3_column_int64(q, 2),
            .started_ns = sqlite3_column_int64(q, 3),
            .max_vus = sqlite3_column_int64(q, 4),
            .max_browser_vus = sqlite3_column_int64(q, 5),
            .cloud = sqlite3_column_int(q, 6) != 0,
            .vuh_max = sqlite3_column_int64(q, 7),
            .vus_max = sqlite3_column_int64(q, 8),
            .duration_max = sqlite3_column_int64(q, 9),
        };
        rc = 0;
    }
    if (rc < 0)
        return rc;
    *ret = list;
    *ret_len = len;
    return 0;
}

int store_raise_vus(struct store *s, int64_t run_id, int64_t vus)
{
    STORE_LOCKED(s);
    return db_run(s->db, "UPDATE runs SET max_vus=max(max_vus, ?) WHERE id=?", "ii",
                  MIN(vus, (int64_t)STORE_VUS_MAX), run_id);
}
