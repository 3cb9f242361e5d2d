#include "push.h"

#include "base/clock.h"
#include "base/err.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char child[512];
        if (e->d_name[0] == '.' && (!e->d_name[1] || e->d_name[1] == '.'))
            continue;
        snprintf(child, sizeof child, "%s/%s", path, e->d_name);
        if (e->d_type == DT_DIR)
            remove_tree(child);
        else
            unlink(child);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

void fixture_open(struct fixture *f)
{
    snprintf(f->dir, sizeof f->dir, "/tmp/spate-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->store = NULL;
    fixture_reopen(f);
    struct store_new_run n = {
        .name = STR("a test"), .max_vus = -1, .estimated_duration = -1, .now_ns = clock_wall_ns()};
    assert_int_equal(store_create_run(f->store, &n, &f->run_id), 0);
}

void fixture_reopen(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
    if (store_open(f->dir, &f->store) < 0)
        fail_msg("%s", err_message());
}

void fixture_close(struct fixture *f)
{
    store_close(f->store);
    remove_tree(f->dir);
}

static void close_open(struct push_writer *p, bool metric_too)
{
    if (p->in_series)
        metricset_end_series(&p->w);
    p->in_series = false;
    if (metric_too && p->in_metric)
        metricset_end_metric(&p->w);
    p->in_metric = p->in_metric && !metric_too;
}

void push_begin(struct push_writer *p)
{
    memset(p, 0, sizeof *p);
    buf_init(&p->out, 1 << 26);
    metricset_writer_init(&p->w, &p->out, STR("1"), 3);
}

void push_metric(struct push_writer *p, const char *name, enum metricset_type type)
{
    close_open(p, true);
    metricset_begin_metric(&p->w, str_of(name), type);
    p->in_metric = true;
}

void push_series(struct push_writer *p, const char *labels)
{
    struct metricset_label list[16];
    size_t len = 0;
    for (struct str rest = str_of(labels); rest.len > 0; len++) {
        struct str pair = str_cut(rest, ',', &rest);
        list[len].name = str_cut(pair, '=', &list[len].value);
    }
    close_open(p, false);
    metricset_begin_series(&p->w, list, len);
    p->in_series = true;
}

int push_end(struct push_writer *p, struct fixture *f, const char *key, struct store_push *ret)
{
    close_open(p, true);
    assert_int_equal(buf_finish(&p->out), 0);
    int rc = store_push(f->store, f->run_id, str_of(key), buf_view(&p->out), clock_wall_ns(), ret);
    buf_fini(&p->out);
    return rc;
}

double ask(struct fixture *f, const char *query, const char *metric)
{
    struct query q = {str_of(query), str_of(metric), -1, -1, 0};
    struct query_result r;
    if (query_run(f->store, f->run_id, &q, &r) < 0)
        fail_msg("%s of %s: %s", query, metric, err_message());
    assert_true(r.len <= 1);
    double v = r.len == 1 ? r.series[0].points[0].value : (double)NAN;
    query_result_fini(&r);
    return v;
}

enum { KEYS_MAX = 1000 };

struct key_list {
    struct arena *arena;
    struct query_key *keys;
    size_t len;
};

static int keep_key(void *arg, const struct query_key *key)
{
    struct key_list *l = arg;
    assert_true(l->len < KEYS_MAX);
    struct query_key *to = &l->keys[l->len++];
    *to = *key;
    to->metric.ptr = arena_dup(l->arena, key->metric);
    to->labels = arena_calloc(l->arena, key->labels_len + 1, sizeof *to->labels);
    assert_non_null(to->labels);
    for (size_t i = 0; i < key->labels_len; i++) {
        to->labels[i] = key->labels[i];
        to->labels[i].name.ptr = arena_dup(l->arena, key->labels[i].name);
        to->labels[i].value.ptr = arena_dup(l->arena, key->labels[i].value);
    }
    return 0;
}

int list_keys(struct fixture *f, const struct str *selectors, size_t selectors_len, struct arena *a,
              struct query_key **ret, size_t *ret_len)
{
    struct key_list l = {.arena = a};
    l.keys = arena_calloc(a, KEYS_MAX, sizeof *l.keys);
    assert_non_null(l.keys);
    int rc = query_each_key(f->store, f->run_id, selectors, selectors_len, keep_key, &l);
    *ret = l.keys;
    *ret_len = l.len;
    return rc;
}
