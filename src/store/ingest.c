/*
 * A push is decoded straight into the run's file inside one transaction: whatever is wrong with
 * it, nothing of it stays.  Series are known by the bytes of their labels as sent; only a new
 * combination is sorted, cleaned and looked up.  What comes of the current metric is gathered in
 * memory, a chunk and a merged value a bucket, and written when the next metric begins.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/chunk.h"
#include "store/run_file.h"
#include "store/value.h"

/* A bucket of the current metric: all its series merged, and one by one. */
struct rollup {
    int64_t t;
    struct value value;
    struct buf chunk;
    int64_t last; /* series of the chunk's last record */
};

struct push {
    struct run_file *file;
    struct str metric_name;
    const struct run_metric *metric; /* NULL: there is no room for it, its values are left out */
    int64_t series_id;               /* likewise 0 */
    int64_t series_max;              /* that the run may have */
    int64_t series_new;              /* series that this push has made */
    struct value value;              /* of the bucket at hand; keeps its memory */
    struct buf raw;                  /* labels as sent, the key of the dictionary */
    struct buf json;                 /* labels cleaned and sorted */
    struct buf blob;                 /* a stored value */
    struct rollup *rollups;          /* of the current metric */
    size_t rollups_len;              /* those before rollups_made have histograms to reuse */
    size_t rollups_cap;
    size_t rollups_made;
    sqlite3_stmt *put_request;
    sqlite3_stmt *drop_request;
    int64_t requests; /* in the file; -1: not counted yet */
    struct store_push result;
};

/* ---- dictionaries ---- */

static int on_head(void *arg, struct str test_run_id, uint32_t period_s)
{
    struct push *p = arg;
    struct run_file *f = p->file;
    (void)test_run_id; /* the URL says which run it is; a replayed body may name another */
    if (period_s == 0 || (f->period_s > 0 && f->period_s <= period_s))
        return 0;
    f->period_s = period_s;
    return db_run(f->w, "INSERT OR REPLACE INTO info VALUES ('period_s', ?)", "i",
                  (int64_t)period_s);
}

static int flush_rollups(struct push *p);

static int add_metric(struct run_file *f, struct str name, enum metricset_type type,
                      struct run_metric **ret)
{
    int rc =
        db_run(f->w, "INSERT INTO metrics (name, type) VALUES (?, ?)", "si", name, (int64_t)type);
    if (rc < 0)
        return rc;
    struct run_metric *m = mem_calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    m->id = sqlite3_last_insert_rowid(f->w);
    m->type = type;
    rc = map_put(&f->metrics, name, m);
    if (rc < 0)
        mem_free(m);
    else
        *ret = m;
    return rc;
}

/* NULL when the run has as many as it may have. */
static int find_metric(struct push *p, struct str name, enum metricset_type type,
                       const struct run_metric **ret)
{
    struct run_file *f = p->file;
    struct run_metric *m = map_get(&f->metrics, name);
    if (!m && map_len(&f->metrics) >= STORE_METRICS_MAX) {
        p->result.full |= STORE_FULL_METRICS;
    } else if (!m) {
        int rc = add_metric(f, name, type, &m);
        if (rc < 0)
            return rc;
    }
    if (m && m->type != type)
        return err_set(E_CORRUPT, "metric %.*s comes with another type than before", STR_ARG(name));
    *ret = m;
    return 0;
}

static int on_metric(void *arg, struct str name, enum metricset_type type)
{
    struct push *p = arg;
    int rc = flush_rollups(p);
    if (rc == 0)
        rc = find_metric(p, name, type, &p->metric);
    if (rc < 0)
        return rc;
    p->metric_name = name;
    if (p->value.type != type) {
        value_fini(&p->value);
        value_init(&p->value, type);
    }
    return 0;
}

static void put_raw(struct buf *out, struct str s)
{
    uint32_t len = (uint32_t)s.len;
    buf_append(out, &len, sizeof len);
    buf_str(out, s);
}

static int by_name(const void *a, const void *b)
{
    const struct metricset_label *x = a;
    const struct metricset_label *y = b;
    return str_cmp(x->name, y->name);
}

/* An empty label is none; the reserved ones are the server's own. */
static bool is_kept(const struct metricset_label *l)
{
    return l->value.len > 0 && l->name.len > 0 && !str_starts(l->name, STR("__")) &&
           !str_eq(l->name, STR("test_run_id"));
}

static int put_json(struct buf *out, const struct metricset_label *labels, size_t len)
{
    struct metricset_label *sorted = mem_alloc((len + 1) * sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        if (is_kept(&labels[i]))
            sorted[n++] = labels[i];
    qsort(sorted, n, sizeof *sorted, by_name);
    buf_reset(out);
    buf_byte(out, '{');
    bool first = true;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && str_eq(sorted[i].name, sorted[i - 1].name))
            continue;
        if (!first)
            buf_byte(out, ',');
        first = false;
        buf_json_str(out, sorted[i].name);
        buf_byte(out, ':');
        buf_json_str(out, sorted[i].value);
    }
    buf_byte(out, '}');
    mem_free(sorted);
    return buf_finish(out);
}

/* 0 when there is none. */
static int select_series(struct push *p, struct str json, int64_t *ret_id)
{
    sqlite3_stmt *select = p->file->select_series;
    int rc = db_bind(select, "is", p->metric->id, json);
    if (rc == 0)
        rc = db_step(select);
    *ret_id = rc > 0 ? sqlite3_column_int64(select, 0) : 0;
    sqlite3_reset(select);
    return rc < 0 ? rc : 0;
}

/* Makes it when it isn't there; 0 when the run has as many as it may have. */
static int find_series(struct push *p, struct str json, int64_t *ret_id)
{
    struct run_file *f = p->file;
    if (f->series_len + p->series_new >= p->series_max)
        return select_series(p, json, ret_id);
    int rc = db_bind(f->insert_series, "is", p->metric->id, json);
    if (rc == 0)
        rc = db_step(f->insert_series);
    sqlite3_reset(f->insert_series);
    if (rc < 0 || sqlite3_changes(f->w) == 0)
        return rc < 0 ? rc : select_series(p, json, ret_id);
    p->series_new++;
    *ret_id = sqlite3_last_insert_rowid(f->w);
    return 0;
}

/* Looks the labels as sent up in the file, and remembers what has been found. */
static int learn_series(struct push *p, const struct metricset_label *labels, size_t labels_len)
{
    struct run_file *f = p->file;
    int rc = put_json(&p->json, labels, labels_len);
    if (rc == 0)
        rc = find_series(p, buf_view(&p->json), &p->series_id);
    if (rc < 0)
        return rc;
    if (p->series_id == 0)
        p->result.full |= STORE_FULL_SERIES;
    if (p->series_id == 0 || map_len(&f->series) >= STORE_SERIES_KNOWN_MAX)
        return 0;
    return map_put(&f->series, buf_view(&p->raw), (void *)(uintptr_t)p->series_id);
}

static int on_series(void *arg, const struct metricset_label *labels, size_t labels_len)
{
    struct push *p = arg;
    p->series_id = 0;
    if (!p->metric)
        return 0;
    buf_reset(&p->raw);
    buf_append(&p->raw, &p->metric->id, sizeof p->metric->id);
    for (size_t i = 0; i < labels_len; i++) {
        put_raw(&p->raw, labels[i].name);
        put_raw(&p->raw, labels[i].value);
    }
    if (buf_finish(&p->raw) < 0)
        return err_set(E_LIMIT, "labels of a series of %.*s are too long", STR_ARG(p->metric_name));
    p->series_id = (int64_t)(uintptr_t)map_get(&p->file->series, buf_view(&p->raw));
    return p->series_id ? 0 : learn_series(p, labels, labels_len);
}

/* ---- values ---- */

static struct rollup *rollup_at(struct push *p, int64_t t)
{
    for (size_t i = p->rollups_len; i > 0; i--)
        if (p->rollups[i - 1].t == t)
            return &p->rollups[i - 1];
    if (mem_grow(&p->rollups, &p->rollups_cap, p->rollups_len + 1, SIZE_MAX / sizeof *p->rollups,
                 sizeof *p->rollups) < 0)
        return NULL;
    struct rollup *r = &p->rollups[p->rollups_len];
    if (p->rollups_len == p->rollups_made) {
        value_init(&r->value, p->metric->type);
        buf_init(&r->chunk, STORE_VALUE_MAX);
        p->rollups_made++;
    } else if (r->value.type != p->metric->type) {
        value_fini(&r->value);
        value_init(&r->value, p->metric->type);
    } else {
        value_reset(&r->value);
    }
    buf_reset(&r->chunk);
    p->rollups_len++;
    r->t = t;
    r->last = 0;
    return r;
}

static int merge_stored(sqlite3_stmt *select, int64_t a, int64_t b, int64_t t, struct value *value)
{
    int rc = db_bind(select, "ii", a, b);
    if (rc == 0)
        rc = db_step(select);
    if (rc > 0)
        rc = value_merge_column(value, select, 0, t);
    sqlite3_reset(select);
    return rc;
}

static int write_value(struct push *p, sqlite3_stmt *stmt, int64_t a, int64_t b,
                       const struct value *value)
{
    int rc = db_bind(stmt, "ii", a, b);
    if (rc == 0)
        rc = value_bind(value, stmt, 3, &p->blob);
    if (rc == 0)
        rc = db_step(stmt);
    sqlite3_reset(stmt);
    return rc;
}

/* The bucket as sent, which the rollup has taken, in its stored form. */
static int put_sent(struct push *p, struct rollup *r, const struct metricset_value *sent)
{
    buf_reset(&p->blob);
    if (sent->type == METRICSET_TREND) {
        hdr_encode_wire(&sent->trend, &p->blob);
    } else {
        value_reset(&p->value);
        int rc = value_merge_wire(&p->value, sent);
        if (rc < 0)
            return rc;
        value_encode(&p->value, &p->blob);
    }
    int rc = buf_finish(&p->blob);
    if (rc < 0)
        return rc;
    chunk_put(&r->chunk, &r->last, p->series_id, buf_view(&p->blob));
    return buf_finish(&r->chunk);
}

static int on_value(void *arg, const struct metricset_value *sent)
{
    struct push *p = arg;
    int64_t t = sent->time_ns / NS_PER_S;
    if (p->series_id == 0)
        return 0;
    if (t < STORE_TIME_MIN_S || t > STORE_TIME_MAX_S)
        return err_set(E_CORRUPT, "metric %.*s: a time that is none: %lld s after 1970",
                       STR_ARG(p->metric_name), (long long)t);
    struct rollup *rollup = rollup_at(p, t);
    int rc = rollup ? value_merge_wire(&rollup->value, sent) : -ENOMEM;
    if (rc == 0)
        rc = put_sent(p, rollup, sent);
    if (rc < 0)
        return err_wrap(rc, "metric %.*s", STR_ARG(p->metric_name));
    if (p->result.values++ == 0)
        p->result.oldest_s = t;
    p->result.oldest_s = MIN(p->result.oldest_s, t);
    p->result.newest_s = MAX(p->result.newest_s, t);
    return 0;
}

/* ---- what Spate's own fields hold ---- */

static int on_estimated(void *arg)
{
    struct push *p = arg;
    if (p->series_id == 0)
        return 0;
    return db_run(p->file->w, "INSERT OR IGNORE INTO estimated VALUES (?)", "i", p->series_id);
}

/* Drops the shortest one when it is shorter than the one to come; 0: there is no room. */
static int make_room(struct push *p, double duration)
{
    int rc = p->drop_request ? 0
                             : db_prepare(p->file->w, &p->drop_request,
                                          "DELETE FROM requests WHERE id=(SELECT id FROM requests"
                                          " ORDER BY duration LIMIT 1) AND duration<?");
    if (rc == 0)
        rc = db_bind(p->drop_request, "d", duration);
    if (rc == 0)
        rc = db_step(p->drop_request);
    sqlite3_reset(p->drop_request);
    return rc < 0 ? rc : sqlite3_changes(p->file->w);
}

static int on_request(void *arg, const struct metricset_request *r)
{
    struct push *p = arg;
    struct run_file *f = p->file;
    int rc = 0;
    if (p->series_id == 0)
        return 0;
    if (p->requests < 0)
        rc = db_number(f->w, &p->requests, 0, "SELECT count(*) FROM requests", "");
    if (rc == 0 && !p->put_request)
        rc = db_prepare(f->w, &p->put_request,
                        "INSERT INTO requests (t_ns, series, duration, blocked, connecting,"
                        " tls_handshaking, sending, waiting, receiving, failed)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    if (rc < 0)
        return rc;
    if (p->requests >= STORE_REQUESTS_MAX) {
        rc = make_room(p, r->duration);
        if (rc <= 0)
            return rc;
        p->requests--;
    }
    rc = db_bind(p->put_request, "iidddddddi", r->time_ns, p->series_id, r->duration, r->blocked,
                 r->connecting, r->tls_handshaking, r->sending, r->waiting, r->receiving,
                 (int64_t)r->failed);
    if (rc == 0)
        rc = db_step(p->put_request);
    sqlite3_reset(p->put_request);
    p->requests++;
    return rc;
}

static int write_chunk(struct push *p, const struct rollup *r)
{
    sqlite3_stmt *insert = p->file->insert_chunk;
    int rc = db_bind(insert, "iib", p->metric->id, r->t, buf_view(&r->chunk));
    if (rc == 0)
        rc = db_step(insert);
    sqlite3_reset(insert);
    return rc;
}

static int flush_rollups(struct push *p)
{
    struct run_file *f = p->file;
    int rc = 0;
    for (size_t i = 0; i < p->rollups_len && rc >= 0; i++) {
        struct rollup *r = &p->rollups[i];
        rc = write_chunk(p, r);
        if (rc >= 0)
            rc = merge_stored(f->select_rollup, p->metric->id, r->t, r->t, &r->value);
        if (rc >= 0)
            rc = write_value(p, f->put_rollup, p->metric->id, r->t, &r->value);
    }
    p->rollups_len = 0;
    return rc < 0 ? rc : 0;
}

/* ---- the push ---- */

static void push_fini(struct push *p)
{
    for (size_t i = 0; i < p->rollups_made; i++) {
        value_fini(&p->rollups[i].value);
        buf_fini(&p->rollups[i].chunk);
    }
    mem_free(p->rollups);
    db_done(p->put_request);
    db_done(p->drop_request);
    value_fini(&p->value);
    buf_fini(&p->raw);
    buf_fini(&p->json);
    buf_fini(&p->blob);
}

/* Leaves in *full what hasn't been told of this run before. */
static int note_full(struct run_file *f, unsigned *full)
{
    int64_t told = 0;
    if (*full == 0)
        return 0;
    int rc = db_number(f->w, &told, 0, "SELECT value FROM info WHERE name='full'", "");
    if (rc == 0)
        rc = db_run(f->w, "INSERT OR REPLACE INTO info VALUES ('full', ?)", "i",
                    told | (int64_t)*full);
    *full &= ~(unsigned)told;
    return rc;
}

static int note_push(struct run_file *f, struct str key, int64_t now_ns)
{
    int rc = 0;
    if (key.len > 0)
        rc = db_run(f->w, "INSERT INTO pushes VALUES (?, ?)", "si", key, now_ns);
    if (rc == 0)
        rc = db_run(f->w, "INSERT OR REPLACE INTO info VALUES ('last_push_ns', ?)", "i", now_ns);
    return rc;
}

static int apply(struct push *p, struct str key, struct str message, int64_t now_ns)
{
    value_init(&p->value, METRICSET_COUNTER);
    buf_init(&p->raw, STORE_LABELS_BYTES_MAX);
    buf_init(&p->json, 2 * STORE_LABELS_BYTES_MAX);
    buf_init(&p->blob, STORE_VALUE_MAX);
    struct metricset_visitor visitor = {on_head, on_metric,  on_series,   on_value,
                                        p,       on_request, on_estimated};
    int rc = metricset_read(message.ptr, message.len, &visitor);
    if (rc == 0)
        rc = flush_rollups(p);
    if (rc == 0)
        rc = note_push(p->file, key, now_ns);
    return rc < 0 ? rc : note_full(p->file, &p->result.full);
}

/* One transaction; what a failed one has put into the dictionaries is forgotten. */
static int push_locked(struct store *s, struct run_file *f, struct str key, struct str message,
                       int64_t now_ns, struct store_push *ret)
{
    CLEANUP(push_fini) struct push p = {.file = f, .requests = -1, .series_max = s->series_max};
    int64_t period_s = f->period_s;
    int rc = store_begin(f->w);
    if (rc == 0)
        rc = store_end(f->w, apply(&p, key, message, now_ns));
    if (rc < 0) {
        struct err failed = *err_get();
        run_file_forget(f);
        f->period_s = period_s;
        *err_get() = failed;
        return rc;
    }
    f->series_len += p.series_new;
    *ret = p.result;
    return 0;
}

static int find_push(struct run_file *f, struct str key, bool *ret)
{
    int64_t there = 0;
    int rc =
        key.len == 0 ? 0 : db_number(f->w, &there, 0, "SELECT 1 FROM pushes WHERE key=?", "s", key);
    *ret = there != 0;
    return rc;
}

int store_push(struct store *s, int64_t run_id, struct str key, struct str message, int64_t now_ns,
               struct store_push *ret)
{
    if (key.len > STORE_KEY_MAX)
        return err_set(E_LIMIT, "idempotency key of %zu bytes, at most %d are taken", key.len,
                       STORE_KEY_MAX);
    struct run_file *f = NULL;
    int rc = run_file_take(s, run_id, true, &f);
    if (rc < 0)
        return err_wrap(rc, "measurements of test run %lld", (long long)run_id);
    struct store_push result = {0};
    pthread_mutex_lock(&f->write_lock);
    rc = find_push(f, key, &result.repeated);
    if (rc == 0 && !result.repeated)
        rc = push_locked(s, f, key, message, now_ns, &result);
    pthread_mutex_unlock(&f->write_lock);
    run_file_give(s, f);
    if (rc == 0)
        *ret = result;
    return rc;
}

int store_has_push(struct store *s, int64_t run_id, struct str key, bool *ret)
{
    struct run_file *f = NULL;
    *ret = false;
    int rc = run_file_take(s, run_id, false, &f);
    if (rc < 0)
        return rc == E_NOT_FOUND ? 0 : rc;
    pthread_mutex_lock(&f->write_lock);
    rc = find_push(f, key, ret);
    pthread_mutex_unlock(&f->write_lock);
    run_file_give(s, f);
    return rc;
}

int store_last_push(struct store *s, int64_t run_id, int64_t *ret_ns)
{
    struct run_file *f = NULL;
    *ret_ns = 0;
    int rc = run_file_take(s, run_id, false, &f);
    if (rc < 0)
        return rc == E_NOT_FOUND ? 0 : rc;
    pthread_mutex_lock(&f->write_lock);
    rc = db_number(f->w, ret_ns, 0, "SELECT value FROM info WHERE name='last_push_ns'", "");
    pthread_mutex_unlock(&f->write_lock);
    run_file_give(s, f);
    return rc;
}
