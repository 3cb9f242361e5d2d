/*
 * shard - one worker's samples.  The worker writes without lock; what others need is handed over
 * by the worker itself (snapshots on request, closed time buckets in order).
 *
 * Memory is constant in the number of samples: per metric and sub-metric one sink with a fine
 * histogram (relative error at most 0.1 %), per series and open time bucket one cloud bucket when
 * a consumer asked for buckets.
 */
#ifndef METRICS_SHARD_H
#define METRICS_SHARD_H

#include "base/attr.h"
#include "base/str.h"
#include "metrics/metadata.h"
#include "metrics/metric.h"
#include "metrics/sink.h"
#include "metrics/tags.h"

#include <stdbool.h>
#include <stdint.h>

struct shard;
struct metrics; /* the run's: registry, sub-metrics, series ids; see metrics.h */

NODISCARD int shard_new(struct metrics *m, struct shard **ret);
void shard_free(struct shard *s);

struct tag_table *shard_tags(struct shard *s);

/* One sample.  `meta` goes with it to outputs of single samples; may be NULL.  `wall_ns`: when it
 * happened, monotone per worker (run clock: base/clock mono plus the offset taken at the start of
 * the run).  Never fails: past a limit it is counted as dropped and warned about once. */
void shard_add(struct shard *s, const struct metric *m, struct tagset *tags, struct metadata *meta,
               double value, int64_t wall_ns);

/* One HTTP round trip: http_reqs, the seven http_req_* trends and http_req_failed, one look-up. */
struct http_sample {
    double duration_ms, blocked_ms, connecting_ms, tls_handshaking_ms;
    double sending_ms, waiting_ms, receiving_ms;
    int failed; /* 1, 0, or -1: not emitted (response callback is null) */
};
void shard_add_http(struct shard *s, struct tagset *tags, struct metadata *meta,
                    const struct http_sample *h, int64_t wall_ns);

/* One entry of a check(): a sample of `checks` (1 or 0) tagged with `base`, `extra` and, when
 * TAG_CHECK is in `system_tags`, check=name; and one more pass or failure of check `name` in
 * `group` (full path, "" at the root) and in the scenario that `base` names.  `group` is not put
 * into the tags: `base` carries it already. */
void shard_add_check(struct shard *s, struct tagset *base, struct metadata *meta, struct str group,
                     struct str name, const struct tag *extra, uint32_t extra_len,
                     uint32_t system_tags, bool ok, int64_t wall_ns);

/* Each sample goes to somebody, with its time. */
bool shard_is_sampled(const struct shard *s);

/* By how much the worker came late to something (`generator_lag`); see metrics_show_lag(). */
void shard_add_lag(struct shard *s, struct tagset *tags, double lag_ms, int64_t wall_ns);

/* Samples that were lost to a limit or to memory so far. */
uint64_t shard_dropped(const struct shard *s);

#endif
