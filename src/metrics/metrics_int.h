/*
 * metrics_int - the run's tables as metrics.c, shard.c and snapshot.c share them.
 *
 * Whatever a shard must name to others has an id of the run: series, checks, groups, sections.  A
 * shard asks for an id once (under the lock) and then counts by it without lock; a snapshot is
 * made by adding up equal ids.
 */
#ifndef METRICS_METRICS_INT_H
#define METRICS_METRICS_INT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "metrics/metrics.h"
#include "metrics/strpool.h"

#include <pthread.h>
#include <stdatomic.h>

#define METRICS_NO_ID UINT32_MAX

/* A check, group or section: what of these has no meaning for a kind is empty. */
struct metrics_name {
    struct str scenario;
    struct str group;
    struct str name;
};

/* Names to ids, in order of first sight. */
struct metrics_names {
    struct map ids; /* key: the three strings, each with its length; value: id + 1 */
    struct metrics_name *names;
    size_t len;
    size_t cap;
    size_t max;
    bool warned;
};

struct metrics {
    struct registry *registry;

    /* Constant once workers run. */
    struct submetric **submetrics;
    size_t submetrics_len;
    size_t submetrics_cap;
    uint32_t period_s;
    bucket_consumer_fn *consumer;
    void *consumer_arg;
    uint32_t slow_max;              /* requests that a bucket keeps; 0: none */
    sample_consumer_fn *samples_to; /* NULL: nobody wants single samples */
    void *samples_arg;
    bool sections_wanted;

    _Atomic bool lag_shown;
    atomic_uint shards; /* the next shard's number */
    struct tag_limit tag_limit;

    pthread_mutex_t lock; /* guards all below */
    struct arena arena;
    struct strpool pool;
    struct metrics_labels **labels; /* slots by hash; capacity a power of two */
    size_t labels_cap;
    size_t labels_len;
    struct series_info *series; /* by id */
    size_t series_len;
    size_t series_cap;
    bool series_warned;
    struct metrics_names checks;
    struct metrics_names groups;
    struct metrics_names sections;
};

/* The id of the series of `metric` with the tags of `set`.  METRICS_NO_ID without memory or past
 * the limit (with one warning). */
uint32_t metrics_series_id(struct metrics *m, const struct metric *metric,
                           const struct tagset *set);

/* The id of a name in one of the three tables; `what` for the warning.  METRICS_NO_ID likewise. */
uint32_t metrics_name_id(struct metrics *m, struct metrics_names *table,
                         const struct metrics_name *name, const char *what);
struct metrics_name metrics_name_at(struct metrics *m, struct metrics_names *table, uint32_t id);

/* What shard.c keeps for snapshot.c. */
struct shard_check {
    uint32_t id;
    struct str group; /* the run's own copies */
    struct str name;
    uint64_t passes;
    uint64_t fails;
};

struct shard_section {
    uint32_t id;
    struct sink *sinks; /* by metric id */
    uint32_t len;
};

struct shard {
    struct metrics *metrics;
    struct tag_table *tags;
    struct arena arena; /* series and their sets */
    uint32_t number;

    struct sink *sinks; /* by metric id */
    uint32_t sinks_len;
    struct sink *sub_sinks; /* by submetric.index */
    uint32_t sub_sinks_len;

    struct map checks; /* key as in metrics_names -> struct shard_check * */
    uint32_t *groups;  /* ids of those seen */
    size_t groups_len;
    size_t groups_cap;
    struct map sections; /* key as in metrics_names -> struct shard_section * */

    /* The open bucket.  Series name their place in it by (epoch, slot). */
    struct bucket_batch *batch; /* NULL: no buckets wanted, or no memory since the last one */
    struct bucket_batch *spare; /* the last one, made while there was memory */
    size_t batch_cap;
    uint32_t epoch;
    int64_t period_ns; /* 0: no buckets */
    int64_t end_ns;    /* of the open bucket; 0: none opened yet; INT64_MAX: no buckets */

    bool sampled;               /* each sample goes to the run's consumer */
    struct sample_chunk *chunk; /* the open one, or NULL */
    uint64_t chunks;            /* opened so far */

    uint64_t dropped;
    bool warned;
};

/* Key of a name in a map, from the strings and their lengths.  0 or -ENOMEM, -EMSGSIZE. */
NODISCARD int metrics_name_key(struct buf *out, const struct metrics_name *name);

#endif
