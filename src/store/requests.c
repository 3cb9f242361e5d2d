#include "store/requests.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/reading.h"
#include "store/run_file.h"
#include "store/selector.h"

enum { UNKNOWN, TAKEN, LEFT_OUT };

struct listing {
    sqlite3 *db;
    struct arena *arena;
    struct selector selector;
    uint8_t *of_series; /* by id: whether the selector takes it, as far as asked */
    int64_t series_max;
    struct store_request *list;
    size_t len;
    int64_t total;
};

static int match_series(struct listing *l, struct str json)
{
    struct arena_mark mark = arena_mark(l->arena);
    struct metricset_label *labels = NULL;
    size_t len = 0;
    int rc = reading_labels(l->arena, json, &labels, &len);
    if (rc == 0)
        rc = selector_match(&l->selector, STR("http_req_duration"), labels, len);
    arena_rewind(l->arena, mark);
    return rc;
}

static int is_wanted(struct listing *l, int64_t series, struct str json)
{
    if (series <= 0 || series > l->series_max)
        return 0;
    if (l->of_series[series] == UNKNOWN) {
        int rc = match_series(l, json);
        if (rc < 0)
            return rc;
        l->of_series[series] = rc > 0 ? TAKEN : LEFT_OUT;
    }
    return l->of_series[series] == TAKEN;
}

static int take_row(struct listing *l, sqlite3_stmt *q)
{
    struct store_request *to = &l->list[l->len];
    to->request = (struct metricset_request){
        .time_ns = sqlite3_column_int64(q, 2),
        .duration = sqlite3_column_double(q, 3),
        .blocked = sqlite3_column_double(q, 4),
        .connecting = sqlite3_column_double(q, 5),
        .tls_handshaking = sqlite3_column_double(q, 6),
        .sending = sqlite3_column_double(q, 7),
        .waiting = sqlite3_column_double(q, 8),
        .receiving = sqlite3_column_double(q, 9),
        .failed = sqlite3_column_int(q, 10) != 0,
    };
    int rc = reading_labels(l->arena, db_text(q, 1), &to->labels, &to->labels_len);
    if (rc == 0)
        l->len++;
    return rc;
}

static int read_rows(struct listing *l, const struct store_request_filter *f,
                     const struct store_page *page)
{
    char sql[512];
    bool by_time = page->order && str_eqz(STR("t_ns"), page->order);
    snprintf(sql, sizeof sql,
             "SELECT series, labels, t_ns, duration, blocked, connecting, tls_handshaking, sending,"
             " waiting, receiving, failed FROM requests JOIN series ON series.id=series"
             " WHERE t_ns>=? AND t_ns<? AND duration>=? ORDER BY %s %s, requests.id",
             by_time ? "t_ns" : "duration", page->descending ? "DESC" : "ASC");
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(l->db, &q, sql, "iid", f->start_ns, f->end_ns, f->min_duration);
    while (rc == 0 && (rc = db_step(q)) > 0) {
        rc = is_wanted(l, sqlite3_column_int64(q, 0), db_text(q, 1));
        if (rc <= 0)
            continue;
        rc = 0;
        if (l->total >= page->skip && (int64_t)l->len < page->top)
            rc = take_row(l, q);
        l->total++;
    }
    return rc;
}

static int list_all(struct listing *l, const struct store_request_filter *f,
                    const struct store_page *page)
{
    int rc = db_number(l->db, &l->series_max, 0, "SELECT ifnull(max(id), 0) FROM series", "");
    if (rc < 0)
        return rc;
    l->of_series = mem_calloc((size_t)l->series_max + 1, 1);
    l->list = arena_calloc(l->arena, (size_t)page->top + 1, sizeof *l->list);
    if (!l->of_series || !l->list)
        return -ENOMEM;
    return read_rows(l, f, page);
}

int store_list_requests(struct store *s, int64_t run_id, const struct store_request_filter *filter,
                        const struct store_page *page, struct arena *a, struct store_request **ret,
                        size_t *ret_len, int64_t *ret_total)
{
    CLEANUP(reading_close) struct reading reading = {0};
    struct listing l = {.arena = a};
    int rc = filter->selector.ptr ? selector_parse(a, filter->selector, &l.selector) : 0;
    if (rc == 0)
        rc = reading_open(s, run_id, &reading);
    if (rc == 0 && reading.file) {
        l.db = reading.file->r;
        rc = list_all(&l, filter, page);
    }
    mem_free(l.of_series);
    selector_fini(&l.selector);
    if (rc < 0)
        return rc;
    *ret = l.list;
    *ret_len = l.len;
    *ret_total = l.total;
    return 0;
}
