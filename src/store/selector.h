/*
 * selector - which series of a metric: `http_reqs{status=~"(2|3)\d\d",name!="x"}`.
 *
 * Operators = != =~ !~; a regular expression (PCRE2) has to match the whole value; a label that a
 * series lacks counts as empty.  Pure, but for the memory of the compiled expressions.
 */
#ifndef STORE_SELECTOR_H
#define STORE_SELECTOR_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/limits.h"
#include "base/str.h"
#include "codec/metricset.h"

enum matcher_op { MATCHER_EQ, MATCHER_NE, MATCHER_RE, MATCHER_NRE };

struct matcher {
    struct str label;
    enum matcher_op op;
    struct str value;
    void *regex; /* pcre2_code; NULL for = and != */
};

/* All zero is the selector of everything. */
struct selector {
    struct str metric; /* NULL ptr: any */
    struct matcher matchers[QUERY_MATCHERS_MAX];
    size_t len;
};

/* Strings live in `a`.  E_CONFIG with a message that shows the place. */
NODISCARD int selector_parse(struct arena *a, struct str text, struct selector *ret);
void selector_fini(struct selector *s);

/* 1 or 0; E_LIMIT when a regular expression takes too long.  The metric's name counts as the label
 * __name__. */
NODISCARD int selector_match(const struct selector *s, struct str metric,
                             const struct metricset_label *labels, size_t labels_len);

#endif
