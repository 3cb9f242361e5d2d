/*
 * call_arg - the form in which the metrics API takes its parameters: "name(a='…',b=1,c=[1,2])".
 */
#ifndef SERVER_CALL_ARG_H
#define SERVER_CALL_ARG_H

#include "base/arena.h"
#include "base/attr.h"
#include "store/query.h"

enum { CALL_RUNS_MAX = 100 };

struct call {
    struct str name;
    struct query query;             /* query and metric: NULL ptr when unsaid */
    int64_t runs_count;             /* test_run_count, 1 to CALL_RUNS_MAX; 0: unsaid */
    int64_t run_ids[CALL_RUNS_MAX]; /* test_run_ids */
    size_t run_ids_len;
};

/* Of the path's last segments, already decoded; texts are put into the arena.  Parentheses may be
 * left out.  E_CONFIG with a message, -ENOMEM. */
NODISCARD int call_parse(struct arena *a, struct str text, struct call *ret);

#endif
