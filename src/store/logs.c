#include "store/logs.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/limits.h"
#include "store/reading.h"
#include "store/run_file.h"

/* ---- writing ---- */

struct counts {
    int64_t lines, bytes, dropped;
};

static int read_counts(sqlite3 *db, struct counts *ret)
{
    static const char sql[] = "SELECT value FROM info WHERE name=?";
    int rc = db_number(db, &ret->lines, 0, sql, "s", STR("log_lines"));
    if (rc == 0)
        rc = db_number(db, &ret->bytes, 0, sql, "s", STR("log_bytes"));
    if (rc == 0)
        rc = db_number(db, &ret->dropped, 0, sql, "s", STR("log_dropped"));
    return rc;
}

static int write_counts(sqlite3 *db, const struct counts *c)
{
    static const char sql[] = "INSERT OR REPLACE INTO info VALUES (?, ?)";
    int rc = db_run(db, sql, "si", STR("log_lines"), c->lines);
    if (rc == 0)
        rc = db_run(db, sql, "si", STR("log_bytes"), c->bytes);
    if (rc == 0)
        rc = db_run(db, sql, "si", STR("log_dropped"), c->dropped);
    return rc;
}

static int insert_lines(sqlite3 *db, const struct store_log *lines, size_t len, struct counts *c)
{
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_prepare(db, &q, "INSERT INTO logs (t_ns, level, line, labels) VALUES (?, ?, ?, ?)");
    for (size_t i = 0; i < len && rc == 0; i++) {
        const struct store_log *l = &lines[i];
        int64_t bytes = (int64_t)(l->line.len + l->labels.len);
        if (c->lines >= STORE_LOG_LINES_MAX || c->bytes + bytes > STORE_LOG_BYTES_MAX) {
            c->dropped++;
            continue;
        }
        c->lines++;
        c->bytes += bytes;
        rc = db_bind(q, "isss", l->time_ns, l->level, l->line, l->labels);
        if (rc == 0)
            rc = db_step(q);
        sqlite3_reset(q);
    }
    return rc;
}

int store_add_logs(struct store *s, int64_t run_id, const struct store_log *lines, size_t len,
                   size_t *ret_kept)
{
    struct run_file *f = NULL;
    int rc = run_file_take(s, run_id, true, &f);
    if (rc < 0)
        return err_wrap(rc, "log of test run %lld", (long long)run_id);
    struct counts before = {0};
    struct counts after = {0};
    pthread_mutex_lock(&f->write_lock);
    rc = store_begin(f->w);
    if (rc == 0) {
        rc = read_counts(f->w, &before);
        after = before;
        if (rc == 0)
            rc = insert_lines(f->w, lines, len, &after);
        if (rc == 0)
            rc = write_counts(f->w, &after);
        rc = store_end(f->w, rc);
    }
    pthread_mutex_unlock(&f->write_lock);
    run_file_give(s, f);
    if (rc == 0)
        *ret_kept = (size_t)(after.lines - before.lines);
    return rc;
}

/* ---- reading ---- */

static int take_row(sqlite3_stmt *q, struct arena *a, struct store_log *ret)
{
    *ret = (struct store_log){
        .id = sqlite3_column_int64(q, 0),
        .time_ns = sqlite3_column_int64(q, 1),
        .level = db_text_dup(q, 2, a),
        .line = db_text_dup(q, 3, a),
        .labels = db_text_dup(q, 4, a),
    };
    return ret->level.ptr && ret->line.ptr && ret->labels.ptr ? 0 : -ENOMEM;
}

#define LOG_FILTER                                                                                 \
    " FROM logs WHERE t_ns>=?1 AND t_ns<?2 AND (?3 IS NULL OR instr(?3, ',' || level || ','))"     \
    " AND (?4 IS NULL OR instr(lower(line), lower(?4)))"

static int list_lines(sqlite3 *db, const struct store_log_filter *f, const struct store_page *page,
                      struct arena *a, struct store_log **ret, size_t *ret_len, int64_t *ret_total)
{
    int rc = db_number(db, ret_total, 0, "SELECT count(*)" LOG_FILTER, "iiss", f->start_ns,
                       f->end_ns, f->levels, f->text);
    if (rc < 0)
        return rc;
    size_t max = (size_t)MIN(page->top, *ret_total);
    struct store_log *list = arena_calloc(a, max + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    char sql[512];
    const char *way = page->descending ? "DESC" : "ASC";
    snprintf(sql, sizeof sql,
             "SELECT id, t_ns, level, line, labels" LOG_FILTER
             " ORDER BY t_ns %s, id %s LIMIT ? OFFSET ?",
             way, way);
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(db, &q, sql, "iissii", f->start_ns, f->end_ns, f->levels, f->text, page->top,
                  page->skip);
    size_t len = 0;
    while (rc == 0 && len < max && (rc = db_step(q)) > 0)
        rc = take_row(q, a, &list[len++]);
    *ret = list;
    *ret_len = len;
    return rc < 0 ? rc : 0;
}

int store_list_logs(struct store *s, int64_t run_id, const struct store_log_filter *f,
                    const struct store_page *page, struct arena *a, struct store_log **ret,
                    size_t *ret_len, int64_t *ret_total, int64_t *ret_dropped)
{
    CLEANUP(reading_close) struct reading reading = {0};
    struct counts counts = {0};
    *ret = NULL;
    *ret_len = 0;
    *ret_total = 0;
    int rc = reading_open(s, run_id, &reading);
    if (rc == 0 && reading.file)
        rc = read_counts(reading.file->r, &counts);
    if (rc == 0 && reading.file)
        rc = list_lines(reading.file->r, f, page, a, ret, ret_len, ret_total);
    *ret_dropped = counts.dropped;
    return rc;
}

int store_next_logs(struct store *s, int64_t run_id, int64_t after_id, int64_t start_ns, size_t max,
                    struct arena *a, struct store_log **ret, size_t *ret_len)
{
    CLEANUP(reading_close) struct reading reading = {0};
    *ret_len = 0;
    int rc = reading_open(s, run_id, &reading);
    if (rc < 0 || !reading.file)
        return rc;
    struct store_log *list = arena_calloc(a, max + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(reading.file->r, &q,
                  "SELECT id, t_ns, level, line, labels FROM logs WHERE id>? AND t_ns>=?"
                  " ORDER BY id LIMIT ?",
                  "iii", after_id, start_ns, (int64_t)max);
    size_t len = 0;
    while (rc == 0 && len < max && (rc = db_step(q)) > 0)
        rc = take_row(q, a, &list[len++]);
    *ret = list;
    *ret_len = len;
    return rc < 0 ? rc : 0;
}

int store_log_labels(struct arena *a, const struct store_log *line, struct metricset_label **ret,
                     size_t *ret_len)
{
    return reading_labels(a, line->labels, ret, ret_len);
}
