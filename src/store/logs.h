/*
 * logs - what a run's script has logged.
 *
 * Lines are numbered in the order in which they came.  A run keeps at most STORE_LOG_LINES_MAX
 * lines and STORE_LOG_BYTES_MAX bytes; later ones are only counted.
 */
#ifndef STORE_LOGS_H
#define STORE_LOGS_H

#include "base/arena.h"
#include "base/attr.h"
#include "codec/metricset.h"
#include "store/store.h"

struct store_log {
    int64_t id; /* set by the store */
    int64_t time_ns;
    struct str level;
    struct str line;
    struct str labels; /* JSON object of texts, without level and test_run_id */
};

/* All or none.  *ret_kept: how many there was room for. */
NODISCARD int store_add_logs(struct store *s, int64_t run_id, const struct store_log *lines,
                             size_t len, size_t *ret_kept);

struct store_log_filter {
    int64_t start_ns;
    int64_t end_ns;    /* exclusive */
    struct str levels; /* ",warning,error,"; NULL ptr: any */
    struct str text;   /* which the line contains, whatever the case of A-Z; NULL ptr: any */
};

/* By time; page->order isn't looked at.  *ret_dropped: lines that there was no room for. */
NODISCARD int store_list_logs(struct store *s, int64_t run_id, const struct store_log_filter *f,
                              const struct store_page *page, struct arena *a,
                              struct store_log **ret, size_t *ret_len, int64_t *ret_total,
                              int64_t *ret_dropped);

/* At most `max` of those that came after the line `after_id` (0: all), of time `start_ns` and
 * later, in the order of coming. */
NODISCARD int store_next_logs(struct store *s, int64_t run_id, int64_t after_id, int64_t start_ns,
                              size_t max, struct arena *a, struct store_log **ret, size_t *ret_len);

/* A line's labels, into the arena. */
NODISCARD int store_log_labels(struct arena *a, const struct store_log *line,
                               struct metricset_label **ret, size_t *ret_len);

#endif
