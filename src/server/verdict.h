/*
 * verdict - whether a run's thresholds hold, by the measurements that the server has.
 *
 * For clients that tell how a run ended but not how its thresholds did.  Percentiles come from
 * histograms: within 0.8 % of a limit the client's own word may be another one.
 */
#ifndef SERVER_VERDICT_H
#define SERVER_VERDICT_H

#include "base/arena.h"
#include "store/store.h"

struct verdict {
    struct store_threshold *thresholds; /* with their results, in the arena */
    size_t len;
    bool unknown; /* the measurements couldn't be read */
    bool failed;  /* one of them */
};

/* A threshold without data holds, as in k6; one that the server doesn't understand stays open. */
NODISCARD int verdict_of_run(struct store *s, int64_t run_id, struct arena *a, struct verdict *ret);

/* Of a run that has ended in that state. */
enum store_run_result verdict_result(int code, bool failed);

#endif
