/*
 * metric - what is measured: names, types, and the table of all metrics of a run.
 *
 * k6-surface 4.1.  The registry is shared by all workers: registering takes a lock (init context
 * only), reading a `const struct metric *` doesn't.  A metric lives as long as its registry.
 */
#ifndef METRICS_METRIC_H
#define METRICS_METRIC_H

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_RATE, METRIC_TREND };
enum metric_contains { METRIC_DEFAULT, METRIC_TIME, METRIC_DATA }; /* TIME: milliseconds */

struct metric {
    const char *name;
    enum metric_type type;
    enum metric_contains contains;
    uint32_t id; /* dense, in order of registration; the built-ins come first, see metric_builtin */
};

/* Built-in metrics have fixed ids; the table of names and types is metrics/builtin_table.h. */
enum metric_builtin {
    METRIC_VUS,
    METRIC_VUS_MAX,
    METRIC_ITERATIONS,
    METRIC_ITERATION_DURATION,
    METRIC_DROPPED_ITERATIONS,
    METRIC_CHECKS,
    METRIC_GROUP_DURATION,
    METRIC_HTTP_REQS,
    METRIC_HTTP_REQ_DURATION,
    METRIC_HTTP_REQ_BLOCKED,
    METRIC_HTTP_REQ_CONNECTING,
    METRIC_HTTP_REQ_TLS_HANDSHAKING,
    METRIC_HTTP_REQ_SENDING,
    METRIC_HTTP_REQ_WAITING,
    METRIC_HTTP_REQ_RECEIVING,
    METRIC_HTTP_REQ_FAILED,
    METRIC_DATA_SENT,
    METRIC_DATA_RECEIVED,
    METRIC_GENERATOR_LAG, /* see shard_add_lag() */
    METRIC_BUILTIN_LEN,
};

const char *metric_type_name(enum metric_type t);         /* "counter", "gauge", "rate", "trend" */
const char *metric_contains_name(enum metric_contains c); /* "default", "time", "data" */

struct registry;

NODISCARD int registry_new(struct registry **ret); /* with the built-ins */
void registry_free(struct registry *r);

/* A custom metric, or the one of that name when type and contains agree; otherwise E_CONFIG with a
 * message in k6's words (bad name; "metric 'x' already exists but with type …"). */
NODISCARD int registry_add(struct registry *r, struct str name, enum metric_type type,
                           enum metric_contains contains, const struct metric **ret);
const struct metric *registry_find(struct registry *r, struct str name); /* NULL: none */
const struct metric *registry_builtin(const struct registry *r, enum metric_builtin id);
const struct metric *registry_at(struct registry *r, uint32_t id);
uint32_t registry_len(struct registry *r);

#endif
