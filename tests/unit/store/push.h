/*
 * push - a store in a folder of its own, and pushes made by hand, for tests.
 */
#ifndef TESTS_STORE_PUSH_H
#define TESTS_STORE_PUSH_H

#include "codec/metricset.h"
#include "store/query.h"
#include "store/store.h"

#define T0 1800000000 /* a multiple of 3 s */

struct fixture {
    char dir[64];
    struct store *store;
    int64_t run_id;
};

void fixture_open(struct fixture *f); /* with a run */
void fixture_reopen(struct fixture *f);
void fixture_close(struct fixture *f); /* and the folder removed */

/* A push under construction; one metric and series at a time. */
struct push_writer {
    struct buf out;
    struct metricset_writer w;
    bool in_metric, in_series;
};

void push_begin(struct push_writer *p);
void push_metric(struct push_writer *p, const char *name, enum metricset_type type);
/* Labels as "name=value,…"; "" for none. */
void push_series(struct push_writer *p, const char *labels);
/* Stores it; the code that store_push() gave. */
int push_end(struct push_writer *p, struct fixture *f, const char *key, struct store_push *ret);

/* What query_each_key() tells of, into the arena; its code. */
int list_keys(struct fixture *f, const struct str *selectors, size_t selectors_len, struct arena *a,
              struct query_key **ret, size_t *ret_len);

/* The value of an aggregate without labels; NaN when there is none. */
double ask(struct fixture *f, const char *query, const char *metric);

#endif
