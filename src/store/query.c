/*
 * Values come by time, so a step at a time is merged: one value per group of series, written out
 * and emptied when the first value of a later step comes.  Memory is that of the groups, whatever
 * the length of the run.
 */
#include "store/query.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "store/chunk.h"
#include "store/query_parse.h"
#include "store/reading.h"
#include "store/run_file.h"
#include "store/selector.h"
#include "store/value.h"

/* ---- metrics and series ---- */

int query_metrics(struct store *s, int64_t run_id, struct arena *a, struct query_metric **ret,
                  size_t *ret_len)
{
    CLEANUP(reading_close) struct reading reading;
    int rc = reading_open(s, run_id, &reading);
    *ret = NULL;
    *ret_len = 0;
    if (rc < 0 || !reading.file)
        return rc;
    sqlite3 *db = reading.file->r;
    int64_t count = 0;
    rc = db_number(db, &count, 0, "SELECT count(*) FROM metrics", "");
    struct query_metric *list = arena_calloc(a, (size_t)count + 1, sizeof *list);
    if (rc < 0 || !list)
        return rc < 0 ? rc : -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(db, &q,
                  "SELECT id, name, type, id IN (SELECT metric_id FROM series JOIN estimated"
                  " ON series.id=estimated.series) FROM metrics ORDER BY id",
                  "");
    size_t len = 0;
    while (rc == 0 && len < (size_t)count && (rc = db_step(q)) > 0) {
        list[len].id = sqlite3_column_int64(q, 0);
        list[len].name = db_text_dup(q, 1, a);
        list[len].type = (enum metricset_type)sqlite3_column_int(q, 2);
        list[len].estimated = sqlite3_column_int(q, 3) != 0;
        len++;
        rc = 0;
    }
    *ret = list;
    *ret_len = len;
    return rc < 0 ? rc : 0;
}

static int match_any(const struct selector *selectors, size_t len, const struct query_key *key)
{
    int rc = len == 0;
    for (size_t i = 0; i < len && rc == 0; i++)
        rc = selector_match(&selectors[i], key->metric, key->labels, key->labels_len);
    return rc;
}

static int walk_keys(sqlite3 *db, const struct selector *selectors, size_t selectors_len,
                     query_key_fn *fn, void *arg)
{
    CLEANUP(arena_fini) struct arena a;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    arena_init(&a, STORE_ARENA_MAX);
    int rc = db_query(db, &q,
                      "SELECT name, labels FROM series JOIN metrics ON metrics.id=metric_id"
                      " ORDER BY name, labels",
                      "");
    while (rc == 0 && (rc = db_step(q)) > 0) {
        struct query_key key = {.metric = db_text(q, 0)};
        rc = reading_labels(&a, db_text(q, 1), &key.labels, &key.labels_len);
        if (rc == 0)
            rc = match_any(selectors, selectors_len, &key);
        if (rc > 0)
            rc = fn(arg, &key);
        arena_reset(&a);
    }
    return rc;
}

int query_each_key(struct store *s, int64_t run_id, const struct str *texts, size_t texts_len,
                   query_key_fn *fn, void *arg)
{
    CLEANUP(arena_fini) struct arena a;
    arena_init(&a, STORE_ARENA_MAX);
    struct selector *selectors = arena_calloc(&a, texts_len + 1, sizeof *selectors);
    if (!selectors)
        return -ENOMEM;
    int rc = 0;
    for (size_t i = 0; i < texts_len && rc == 0; i++)
        rc = selector_parse(&a, texts[i], &selectors[i]);
    CLEANUP(reading_close) struct reading reading = {0};
    if (rc == 0)
        rc = reading_open(s, run_id, &reading);
    if (rc == 0 && reading.file)
        rc = walk_keys(reading.file->r, selectors, texts_len, fn, arg);
    for (size_t i = 0; i < texts_len; i++)
        selector_fini(&selectors[i]);
    return rc;
}

/* ---- evaluation ---- */

/* The series that are merged into one of the answer. */
struct group {
    int32_t index; /* among the groups */
    struct metricset_label *labels;
    size_t labels_len;
    struct value now; /* of the step at hand */
    bool touched;     /* something is in `now` */
    bool seen;        /* something has been in it, ever */
    double total;     /* of all steps up to the one at hand: counter, values of a trend */
    double total_nz;  /* likewise of a rate's non-zero values; `total` are all */
    double *window;   /* buckets of max_rate, a ring by bucket number; NULL: another method */
    double window_sum;
    double window_max; /* of the step at hand */
    int64_t window_at; /* number of the newest bucket in the ring */
    struct query_point *points;
    size_t len, cap;
};

struct eval {
    struct reading reading;
    struct arena *arena;
    struct query_tree tree;
    struct selector selector;
    struct query_metric metric;
    enum query_method method;
    int64_t period_s;
    int64_t data_start_s, data_end_s; /* of the run: first bucket, end of the last one */
    int64_t start_s, end_s;           /* asked for; start on a step */
    int64_t step_s;
    bool one_value;
    int64_t window_len; /* buckets of max_rate */
    struct group **groups;
    size_t groups_len, groups_cap;
    struct map by_key;   /* values of the `by` labels -> struct group */
    int32_t *of_series;  /* group of a series id, -1: not asked for */
    int64_t series_max;  /* greatest id */
    int64_t series_used; /* ids with a group */
    int64_t step;        /* number of the one at hand; negative: before start_s */
    bool stepping;       /* a row has come */
};

static void group_free(struct group *g)
{
    if (!g)
        return;
    value_fini(&g->now);
    mem_free(g->window);
    mem_free(g->points);
    mem_free(g);
}

static void eval_fini(struct eval *e)
{
    for (size_t i = 0; i < e->groups_len; i++)
        group_free(e->groups[i]);
    mem_free(e->groups);
    map_fini(&e->by_key);
    mem_free(e->of_series);
    selector_fini(&e->selector);
    reading_close(&e->reading);
}

/* Methods that need everything since the run began. */
static bool is_cumulative(enum query_method m)
{
    return m == COUNTER_VALUE || m == COUNTER_CUMRATE || m == RATE_VALUE_TOTAL ||
           m == RATE_VALUE_NZ || m == RATE_VALUE_Z || m == TREND_COUNT_VALUE;
}

/* Methods for which no data is a zero and not a gap. */
static bool is_zero_without_data(enum query_method m)
{
    return m == COUNTER_INCREASE || m == COUNTER_RATE || m == COUNTER_MAX_RATE ||
           m == RATE_INCREASE_TOTAL || m == RATE_INCREASE_NZ || m == RATE_INCREASE_Z ||
           m == RATE_RATE_TOTAL || m == RATE_RATE_NZ || m == RATE_RATE_Z ||
           m == TREND_COUNT_INCREASE;
}

/* Where a step ends, within the range and the run's data. */
static int64_t step_end_s(const struct eval *e, int64_t step)
{
    int64_t limit = MIN(e->end_s, e->data_end_s);
    return MIN(e->start_s + (step + 1) * e->step_s, limit);
}

/* Seconds of the step that lie within the run's data. */
static double covered_s(const struct eval *e, int64_t step)
{
    int64_t from = MAX(e->start_s + step * e->step_s, e->data_start_s);
    return (double)MAX(step_end_s(e, step) - from, (int64_t)1);
}

static double value_of(const struct eval *e, const struct group *g, int64_t step)
{
    const struct value *v = &g->now;
    double seconds = covered_s(e, step);
    double since_start = (double)MAX(step_end_s(e, step) - e->data_start_s, (int64_t)1);
    double total = v->type == METRICSET_RATE ? (double)v->rate.total : 0;
    double nonzero = v->type == METRICSET_RATE ? (double)v->rate.nonzero : 0;
    switch (e->method) {
    case COUNTER_INCREASE:
        return v->counter;
    case COUNTER_RATE:
        return v->counter / seconds;
    case COUNTER_VALUE:
        return g->total;
    case COUNTER_CUMRATE:
        return g->total / since_start;
    case COUNTER_MAX_RATE:
        return g->window_max / (double)(e->window_len * e->period_s);
    case GAUGE_LAST:
        return v->gauge.last;
    case GAUGE_MIN:
        return v->gauge.min;
    case GAUGE_MAX:
        return v->gauge.max;
    case GAUGE_AVG:
        return v->gauge.count > 0 ? v->gauge.sum / (double)v->gauge.count : 0;
    case GAUGE_LAST_TIME:
        return (double)v->gauge.last_s;
    case RATE_INCREASE_TOTAL:
        return total;
    case RATE_INCREASE_NZ:
        return nonzero;
    case RATE_INCREASE_Z:
        return total - nonzero;
    case RATE_RATE_TOTAL:
        return total / seconds;
    case RATE_RATE_NZ:
        return nonzero / seconds;
    case RATE_RATE_Z:
        return (total - nonzero) / seconds;
    case RATE_VALUE_TOTAL:
        return g->total;
    case RATE_VALUE_NZ:
        return g->total_nz;
    case RATE_VALUE_Z:
        return g->total - g->total_nz;
    case RATE_RATIO:
        return total > 0 ? nonzero / total : 0;
    case TREND_MIN:
        return v->trend.min;
    case TREND_MAX:
        return v->trend.max;
    case TREND_AVG:
        return hdr_avg(&v->trend);
    case TREND_STDDEV:
        return hdr_stddev(&v->trend);
    case TREND_QUANTILE:
        return hdr_quantile(&v->trend, e->tree.argument);
    case TREND_COUNT_INCREASE:
        return (double)v->trend.count;
    case TREND_COUNT_VALUE:
        return g->total;
    }
    return 0;
}

static int put_point(struct query_point **points, size_t *len, size_t *cap, int64_t time_s,
                     double value)
{
    int rc = mem_grow(points, cap, *len + 1, QUERY_POINTS_MAX, sizeof **points);
    if (rc < 0)
        return rc == -E2BIG ? err_set(E_CONFIG,
                                      "more than %d points in a series: a larger step or "
                                      "a shorter range is needed",
                                      QUERY_POINTS_MAX)
                            : rc;
    (*points)[(*len)++] = (struct query_point){time_s, value};
    return 0;
}

/* The step at hand of one group, written out and emptied. */
static int close_group(struct eval *e, struct group *g)
{
    if (g->touched) {
        const struct value *v = &g->now;
        if (v->type == METRICSET_COUNTER)
            g->total += v->counter;
        else if (v->type == METRICSET_TREND)
            g->total += (double)v->trend.count;
        else if (v->type == METRICSET_RATE) {
            g->total += (double)v->rate.total;
            g->total_nz += (double)v->rate.nonzero;
        }
    }
    g->seen |= g->touched;
    bool out =
        g->touched || is_zero_without_data(e->method) || (g->seen && is_cumulative(e->method));
    int rc = 0;
    if (out && e->step >= 0)
        rc = put_point(&g->points, &g->len, &g->cap,
                       e->one_value ? e->end_s : e->start_s + e->step * e->step_s,
                       value_of(e, g, e->step));
    if (g->touched)
        value_reset(&g->now);
    g->touched = false;
    g->window_max = 0;
    return rc;
}

/* Closes steps until `step` is at hand. */
static int advance(struct eval *e, int64_t step)
{
    int rc = 0;
    if (!e->stepping) {
        e->stepping = true;
        /* The first step that is written is the first of the run's data or of the range. */
        int64_t first = (e->data_start_s - e->start_s) / e->step_s;
        e->step = e->data_start_s >= e->start_s ? MIN(first, step) : MIN((int64_t)0, step);
    }
    for (; e->step < step && rc == 0; e->step++)
        for (size_t i = 0; i < e->groups_len && rc == 0; i++)
            rc = close_group(e, e->groups[i]);
    return rc;
}

/* Adds a bucket to the ring of max_rate. */
static void slide_window(struct eval *e, struct group *g, int64_t t, double amount)
{
    int64_t number = t / e->period_s;
    int64_t len = e->window_len;
    for (int64_t i = MAX(g->window_at + 1, number - len + 1); i <= number; i++) {
        g->window_sum -= g->window[i % len];
        g->window[i % len] = 0;
    }
    g->window_at = MAX(g->window_at, number);
    g->window[number % len] += amount;
    g->window_sum += amount;
    g->window_max = fmax(g->window_max, g->window_sum);
}

/* Makes the step of `t` the one at hand. */
static int step_to(struct eval *e, int64_t t)
{
    int64_t step = t < e->start_s ? -1 : (t - e->start_s) / e->step_s;
    return !e->stepping || step > e->step ? advance(e, step) : 0;
}

static int add_rollup(struct eval *e, struct group *g, sqlite3_stmt *row)
{
    int64_t t = sqlite3_column_int64(row, 0);
    int rc = step_to(e, t);
    if (rc == 0)
        rc = value_merge_column(&g->now, row, 1, t);
    if (rc == 0 && g->window)
        slide_window(e, g, t, sqlite3_column_double(row, 1));
    g->touched = true;
    return rc;
}

/* Methods that look at a trend's counters. */
static bool needs_counters(enum query_method m)
{
    return m == TREND_QUANTILE || m == TREND_STDDEV;
}

static int add_chunk(struct eval *e, int64_t t, struct str bytes)
{
    struct chunk_reader r;
    bool counters = needs_counters(e->method);
    int rc = step_to(e, t);
    chunk_reader_init(&r, bytes);
    while (rc == 0 && (rc = chunk_next(&r)) > 0) {
        int32_t group = r.series > 0 && r.series <= e->series_max ? e->of_series[r.series] : -1;
        rc = 0;
        if (group < 0)
            continue;
        struct group *g = e->groups[group];
        rc = counters ? value_merge_stored(&g->now, r.value, t)
                      : value_merge_figures(&g->now, r.value, t);
        if (rc == 0 && g->window) {
            double amount;
            memcpy(&amount, r.value.ptr, sizeof amount); /* a counter, as has been checked */
            slide_window(e, g, t, amount);
        }
        g->touched = true;
    }
    return rc;
}

static int new_group(struct eval *e, struct str key, struct group **ret)
{
    if (e->groups_len >= QUERY_SERIES_MAX)
        return err_set(E_CONFIG, "more than %d series: fewer labels are needed", QUERY_SERIES_MAX);
    struct group *g = mem_calloc(1, sizeof *g);
    if (!g)
        return -ENOMEM;
    value_init(&g->now, e->metric.type);
    int rc = mem_grow(&e->groups, &e->groups_cap, e->groups_len + 1, QUERY_SERIES_MAX,
                      sizeof(struct group *));
    if (rc == 0 && e->method == COUNTER_MAX_RATE) {
        g->window = mem_calloc((size_t)e->window_len, sizeof *g->window);
        rc = g->window ? 0 : -ENOMEM;
    }
    if (rc == 0)
        rc = map_put(&e->by_key, key, g);
    if (rc < 0) {
        group_free(g);
        return rc;
    }
    g->index = (int32_t)e->groups_len;
    e->groups[e->groups_len++] = g;
    *ret = g;
    return 0;
}

static struct str label_value(const struct metricset_label *labels, size_t len, struct str name)
{
    for (size_t i = 0; i < len; i++)
        if (str_eq(labels[i].name, name))
            return labels[i].value;
    return STR_EMPTY;
}

/* The bytes by which equal combinations are found. */
static int put_key(struct buf *key, const struct query_by *by, const struct metricset_label *labels,
                   size_t len)
{
    buf_reset(key);
    for (size_t i = 0; i < by->len; i++) {
        struct str value = label_value(labels, len, by->labels[i]);
        uint32_t value_len = (uint32_t)value.len;
        buf_append(key, &value_len, sizeof value_len);
        buf_str(key, value);
    }
    return buf_finish(key);
}

/* Those of the labels that `by` names and that aren't empty. */
static int pick_labels(struct arena *a, const struct query_by *by,
                       const struct metricset_label *labels, size_t len,
                       struct metricset_label **ret, size_t *ret_len)
{
    struct metricset_label *out = arena_calloc(a, by->len + 1, sizeof *out);
    if (!out)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < by->len; i++) {
        struct str value = label_value(labels, len, by->labels[i]);
        if (value.len == 0)
            continue;
        out[n].name = str_new(arena_dup(a, by->labels[i]), by->labels[i].len);
        out[n].value = str_new(arena_dup(a, value), value.len);
        if (!out[n].name.ptr || !out[n].value.ptr)
            return -ENOMEM;
        n++;
    }
    *ret = out;
    *ret_len = n;
    return 0;
}

/* Sorts one series into its group, when the selector takes it. */
static int place_series(struct eval *e, int64_t id, struct str json, struct arena *scratch,
                        struct buf *key)
{
    struct metricset_label *labels = NULL;
    size_t len = 0;
    int rc = reading_labels(scratch, json, &labels, &len);
    if (rc == 0)
        rc = selector_match(&e->selector, e->metric.name, labels, len);
    if (rc <= 0)
        return rc;
    rc = put_key(key, &e->tree.by, labels, len);
    if (rc < 0)
        return rc;
    struct group *g = map_get(&e->by_key, buf_view(key));
    if (!g) {
        rc = new_group(e, buf_view(key), &g);
        if (rc == 0)
            rc = pick_labels(e->arena, &e->tree.by, labels, len, &g->labels, &g->labels_len);
        if (rc < 0)
            return rc;
    }
    e->of_series[id] = g->index;
    e->series_used++;
    return 0;
}

static int place_all(struct eval *e)
{
    sqlite3 *db = e->reading.file->r;
    int rc = db_number(db, &e->series_max, 0, "SELECT max(id) FROM series", "");
    if (rc < 0)
        return rc;
    e->of_series = mem_alloc(((size_t)e->series_max + 1) * sizeof *e->of_series);
    if (!e->of_series)
        return -ENOMEM;
    memset(e->of_series, 0xff, ((size_t)e->series_max + 1) * sizeof *e->of_series);
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    CLEANUP(arena_fini) struct arena scratch;
    CLEANUP(buf_fini) struct buf key;
    arena_init(&scratch, STORE_ARENA_MAX);
    buf_init(&key, 2 * STORE_LABELS_BYTES_MAX);
    rc = db_query(db, &q, "SELECT id, labels FROM series WHERE metric_id=? ORDER BY id", "i",
                  e->metric.id);
    while (rc == 0 && (rc = db_step(q)) > 0) {
        rc = place_series(e, sqlite3_column_int64(q, 0), db_text(q, 1), &scratch, &key);
        arena_reset(&scratch);
    }
    return rc;
}

/* ---- the two ways to read ---- */

static int64_t first_row_s(const struct eval *e)
{
    return is_cumulative(e->method) ? 0 : e->start_s;
}

static int read_rollups(struct eval *e)
{
    struct group *g = NULL;
    int rc = new_group(e, STR_EMPTY, &g);
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    if (rc == 0)
        rc = db_query(e->reading.file->r, &q,
                      "SELECT t, v FROM rollups WHERE metric_id=? AND t>=? AND t<? ORDER BY t",
                      "iii", e->metric.id, first_row_s(e), e->end_s);
    while (rc == 0 && (rc = db_step(q)) > 0)
        rc = add_rollup(e, g, q);
    return rc;
}

static int read_chunks(struct eval *e)
{
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = place_all(e);
    if (rc < 0 || e->series_used == 0)
        return rc;
    rc = db_query(e->reading.file->r, &q,
                  "SELECT t, v FROM chunks WHERE metric_id=? AND t>=? AND t<? ORDER BY t, id",
                  "iii", e->metric.id, first_row_s(e), e->end_s);
    while (rc == 0 && (rc = db_step(q)) > 0)
        rc = add_chunk(e, sqlite3_column_int64(q, 0), db_blob(q, 1));
    return rc;
}

static int read_rows(struct eval *e)
{
    return e->tree.by.len == 0 && e->selector.len == 0 ? read_rollups(e) : read_chunks(e);
}

/* ---- the outer aggregators ---- */

static int by_time(const void *a, const void *b)
{
    const struct query_point *x = a;
    const struct query_point *y = b;
    return x->time_s < y->time_s ? -1 : x->time_s > y->time_s;
}

/* Points of equal time into one. */
static size_t fold_points(enum query_fold fold, struct query_point *points, size_t len)
{
    size_t out = 0;
    for (size_t i = 0; i < len;) {
        double v = points[i].value;
        size_t n = 1;
        while (i + n < len && points[i + n].time_s == points[i].time_s) {
            double w = points[i + n].value;
            v = fold == FOLD_MIN ? fmin(v, w) : fold == FOLD_MAX ? fmax(v, w) : v + w;
            n++;
        }
        points[out++] =
            (struct query_point){points[i].time_s, fold == FOLD_AVG ? v / (double)n : v};
        i += n;
    }
    return out;
}

static int add_series(struct query_result *r, struct query_series **ret)
{
    int rc = mem_grow(&r->series, &r->cap, r->len + 1, QUERY_SERIES_MAX, sizeof *r->series);
    if (rc < 0)
        return rc;
    r->series[r->len] = (struct query_series){0};
    *ret = &r->series[r->len++];
    return 0;
}

/* Appends `from`'s points to the series of its combination, made when it is new. */
static int fold_into(struct query_result *out, struct map *index, struct buf *key,
                     const struct query_by *by, const struct query_series *from)
{
    void *found = NULL;
    struct query_series *to = NULL;
    int rc = put_key(key, by, from->labels, from->labels_len);
    if (rc < 0)
        return rc;
    if (map_find(index, buf_view(key), &found)) {
        to = &out->series[(uintptr_t)found];
    } else {
        uintptr_t at = out->len;
        rc = add_series(out, &to);
        if (rc == 0)
            rc = pick_labels(&out->arena, by, from->labels, from->labels_len, &to->labels,
                             &to->labels_len);
        if (rc == 0)
            rc = map_put(index, buf_view(key), (void *)at);
    }
    if (rc == 0)
        rc = mem_grow(&to->points, &to->cap, to->len + from->len,
                      (size_t)QUERY_POINTS_MAX * QUERY_SERIES_MAX, sizeof *to->points);
    if (rc < 0)
        return rc;
    if (from->len > 0)
        memcpy(to->points + to->len, from->points, from->len * sizeof *from->points);
    to->len += from->len;
    return 0;
}

static void free_series(struct query_series *series, size_t len)
{
    for (size_t i = 0; i < len; i++)
        mem_free(series[i].points);
    mem_free(series);
}

static int apply_fold(struct query_result *r, enum query_fold fold, const struct query_by *by)
{
    struct query_series *before = r->series;
    size_t before_len = r->len;
    CLEANUP(map_fini) struct map index;
    CLEANUP(buf_fini) struct buf key;
    map_init(&index, QUERY_SERIES_MAX);
    buf_init(&key, 2 * STORE_LABELS_BYTES_MAX);
    r->series = NULL;
    r->len = r->cap = 0;
    int rc = 0;
    for (size_t i = 0; i < before_len && rc == 0; i++)
        rc = fold_into(r, &index, &key, by, &before[i]);
    for (size_t i = 0; i < r->len && rc == 0; i++) {
        struct query_series *s = &r->series[i];
        if (s->len > 0)
            qsort(s->points, s->len, sizeof *s->points, by_time);
        s->len = fold_points(fold, s->points, s->len);
    }
    free_series(before, before_len);
    return rc;
}

/* ---- the whole ---- */

static int find_metric(struct eval *e)
{
    struct str name = e->selector.metric;
    if (!name.ptr)
        return err_set(E_CONFIG, "metric: its name is needed");
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = 0;
    if (e->reading.file) {
        rc = db_query(e->reading.file->r, &q, "SELECT id, type FROM metrics WHERE name=?", "s",
                      name);
        if (rc == 0)
            rc = db_step(q);
    }
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_set(E_CONFIG, "unknown metric \"%.*s\"", STR_ARG(name));
    e->metric.name = name;
    e->metric.id = sqlite3_column_int64(q, 0);
    e->metric.type = (enum metricset_type)sqlite3_column_int(q, 1);
    return 0;
}

static int64_t floor_to(int64_t v, int64_t unit)
{
    return v / unit * unit;
}

/* The first or the last bucket of a metric: one seek each. */
#define EDGE "SELECT t FROM rollups WHERE metric_id=metrics.id ORDER BY t "

static int set_range(struct eval *e, const struct query *q)
{
    sqlite3 *db = e->reading.file->r;
    int64_t last = 0;
    int rc = db_number(db, &e->period_s, 0, "SELECT value FROM info WHERE name='period_s'", "");
    if (rc == 0)
        rc = db_number(db, &e->data_start_s, 0, "SELECT min((" EDGE "ASC LIMIT 1)) FROM metrics",
                       "");
    if (rc == 0)
        rc = db_number(db, &last, 0, "SELECT max((" EDGE "DESC LIMIT 1)) FROM metrics", "");
    if (rc < 0)
        return rc;
    e->period_s = MAX(e->period_s, (int64_t)1);
    e->data_end_s = last + e->period_s;
    e->one_value = q->step_s <= 0;
    e->start_s = q->start_s >= 0 ? floor_to(q->start_s, e->period_s) : e->data_start_s;
    e->end_s = q->end_s >= 0 ? q->end_s : e->data_end_s;
    if (e->end_s <= e->start_s)
        return err_set(E_CONFIG, "the range ends before it starts");
    if (e->one_value) {
        e->step_s = e->end_s - e->start_s;
    } else {
        e->step_s = (q->step_s + e->period_s - 1) / e->period_s * e->period_s;
        e->start_s = floor_to(e->start_s, e->step_s);
        int64_t from = MAX(e->start_s, e->data_start_s);
        int64_t to = MIN(e->end_s, e->data_end_s);
        if ((to - from) / e->step_s > QUERY_POINTS_MAX)
            return err_set(E_CONFIG,
                           "more than %d points in a series: a larger step or a shorter "
                           "range is needed",
                           QUERY_POINTS_MAX);
    }
    double buckets = ceil(e->tree.argument / (double)e->period_s);
    e->window_len = e->method == COUNTER_MAX_RATE ? MAX((int64_t)buckets, (int64_t)1) : 0;
    return 0;
}

/* The last step of the range that has data; everything up to it is written out. */
static int finish_steps(struct eval *e)
{
    if (!e->stepping && !is_zero_without_data(e->method))
        return 0;
    int64_t end = MIN(e->end_s, e->data_end_s);
    if (end <= e->start_s)
        return 0;
    return advance(e, e->one_value ? 1 : (end - 1 - e->start_s) / e->step_s + 1);
}

static int by_labels(const void *a, const void *b)
{
    const struct query_series *x = a;
    const struct query_series *y = b;
    for (size_t i = 0; i < x->labels_len && i < y->labels_len; i++) {
        int order = str_cmp(x->labels[i].name, y->labels[i].name);
        if (order == 0)
            order = str_cmp(x->labels[i].value, y->labels[i].value);
        if (order != 0)
            return order;
    }
    return x->labels_len < y->labels_len ? -1 : x->labels_len > y->labels_len;
}

/* The groups become series, which takes their points. */
static int give_groups(struct eval *e, struct query_result *r)
{
    for (size_t i = 0; i < e->groups_len; i++) {
        struct group *g = e->groups[i];
        if (g->len == 0)
            continue;
        struct query_series *s = NULL;
        int rc = add_series(r, &s);
        if (rc < 0)
            return rc;
        *s = (struct query_series){g->labels, g->labels_len, g->points, g->len, g->cap};
        g->points = NULL;
    }
    int rc = 0;
    for (size_t i = e->tree.folds_len; i > 0 && rc == 0; i--)
        rc = apply_fold(r, e->tree.folds[i - 1].fold, &e->tree.folds[i - 1].by);
    if (rc == 0 && r->len > 1)
        qsort(r->series, r->len, sizeof *r->series, by_labels);
    return rc;
}

/* Whether the answer is made of values whose places between minimum and maximum are guessed. */
static int find_estimated(struct eval *e, bool *ret)
{
    if (e->method != TREND_QUANTILE && e->method != TREND_STDDEV)
        return 0;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(e->reading.file->r, &q,
                      "SELECT series.id FROM estimated JOIN series ON series.id=estimated.series"
                      " WHERE metric_id=?",
                      "i", e->metric.id);
    while (rc == 0 && !*ret && (rc = db_step(q)) > 0) {
        int64_t id = sqlite3_column_int64(q, 0);
        *ret = !e->of_series || (id <= e->series_max && e->of_series[id] >= 0);
        rc = 0;
    }
    return rc;
}

static int evaluate(struct eval *e, const struct query *q, struct query_result *ret)
{
    int rc = query_parse(q->query, &e->tree);
    if (rc == 0)
        rc = selector_parse(e->arena, q->metric, &e->selector);
    if (rc == 0)
        rc = find_metric(e);
    if (rc == 0)
        rc = query_find_method(&e->tree, e->metric.type, e->metric.name, &e->method);
    if (rc == 0)
        rc = set_range(e, q);
    if (rc == 0)
        rc = read_rows(e);
    if (rc == 0)
        rc = finish_steps(e);
    if (rc == 0)
        rc = find_estimated(e, &ret->estimated);
    return rc < 0 ? rc : give_groups(e, ret);
}

int query_run(struct store *s, int64_t run_id, const struct query *q, struct query_result *ret)
{
    memset(ret, 0, sizeof *ret);
    arena_init(&ret->arena, STORE_ARENA_MAX);
    struct eval *e = mem_calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->arena = &ret->arena;
    map_init(&e->by_key, QUERY_SERIES_MAX);
    int rc = reading_open(s, run_id, &e->reading);
    if (rc == 0)
        rc = evaluate(e, q, ret);
    eval_fini(e);
    mem_free(e);
    if (rc < 0)
        query_result_fini(ret);
    return rc;
}

void query_result_fini(struct query_result *r)
{
    free_series(r->series, r->len);
    arena_fini(&r->arena);
    memset(r, 0, sizeof *r);
}
