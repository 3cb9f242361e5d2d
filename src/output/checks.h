/*
 * checks - the tree of groups and checks of a run, in the order in which they were first seen, with
 * passes and failures; made from a snapshot.
 *
 * setup and teardown are groups to k6 (`::setup`), but not in its summary: neither are they here,
 * unless a check was made in them.
 */
#ifndef OUTPUT_CHECKS_H
#define OUTPUT_CHECKS_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "metrics/metrics.h"

struct check {
    struct str name;
    struct str path; /* "::group::name" */
    uint64_t passes, fails;
    struct check *next;
};

struct group {
    struct str name; /* last part of the path; empty at the root */
    struct str path; /* "::outer::inner"; empty at the root */
    struct check *checks;
    struct group *groups; /* the first inner one */
    struct group *next;   /* its neighbour */
};

/* The tree, in `a`; strings belong to the snapshot's metrics or to `a`.  NULL: no memory. */
NODISCARD const struct group *checks_tree(const struct snapshot *s, struct arena *a);

/* The checks of `of_len` sections (0: of the whole run), those with equal names as one, in order of
 * first sight; *ret in `a`.  A section without a group has the checks of all its groups.
 * 0 or -ENOMEM. */
NODISCARD int checks_flat(const struct snapshot *s, const struct section *const *of, size_t of_len,
                          struct arena *a, const struct check **ret, size_t *ret_len);

/* k6's id of a group or a check: MD5 of its path, 32 hexadecimal digits and a NUL. */
void checks_id(struct str path, char out[static 33]);

#endif
