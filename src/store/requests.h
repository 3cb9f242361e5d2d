/*
 * requests - single HTTP requests kept beside the merged measurements: those that a client of the
 * first generation sent one by one, and the slowest that Spate's own sends along.
 *
 * At most STORE_REQUESTS_MAX of a run, the slowest.
 */
#ifndef STORE_REQUESTS_H
#define STORE_REQUESTS_H

#include "base/arena.h"
#include "base/attr.h"
#include "codec/metricset.h"
#include "store/store.h"

struct store_request {
    struct metricset_request request;
    struct metricset_label *labels; /* sorted by name */
    size_t labels_len;
};

struct store_request_filter {
    struct str selector; /* "{status=\"200\"}"; NULL ptr: all */
    int64_t start_ns;
    int64_t end_ns; /* exclusive */
    double min_duration;
};

/* page->order: "duration" or "t_ns".  E_CONFIG for a bad selector. */
NODISCARD int store_list_requests(struct store *s, int64_t run_id,
                                  const struct store_request_filter *filter,
                                  const struct store_page *page, struct arena *a,
                                  struct store_request **ret, size_t *ret_len, int64_t *ret_total);

#endif
