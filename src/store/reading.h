/*
 * reading - a run's file held for reading: one transaction for all that a question asks.  Private
 * to store/.
 */
#ifndef STORE_READING_H
#define STORE_READING_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/str.h"
#include "codec/metricset.h"
#include "store/store_int.h"

struct reading {
    struct store *store;
    struct run_file *file; /* NULL: the run has none yet */
};

/* Without measurements it is 0 all the same, and file stays NULL. */
NODISCARD int reading_open(struct store *s, int64_t run_id, struct reading *ret);
void reading_close(struct reading *r); /* safe on a zeroed one; for CLEANUP() */

/* The labels of a row of `series`, into the arena. */
NODISCARD int reading_labels(struct arena *a, struct str json, struct metricset_label **ret,
                             size_t *ret_len);

#endif
