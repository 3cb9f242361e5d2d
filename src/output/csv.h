/*
 * csv - the output `csv`: every sample as a row; the columns are metric, time, value, the system
 * tags that are on, all other tags together, and the metadata together (k6-surface 1.8).
 */
#ifndef OUTPUT_CSV_H
#define OUTPUT_CSV_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "output/output.h"

#include <stdint.h>

enum csv_time {
    CSV_UNIX,
    CSV_UNIX_MILLI,
    CSV_UNIX_MICRO,
    CSV_UNIX_NANO,
    CSV_RFC3339,
    CSV_RFC3339_NANO,
};

/* Settings from the lowest layer to the highest; each function overrides what it is given. */
struct csv_config {
    char *path; /* owned; "-" and "": standard output */
    int64_t save_interval_ns;
    enum csv_time time;
};

NODISCARD int csv_config_init(struct csv_config *c); /* "file.csv", 1 s, Unix time */
void csv_config_fini(struct csv_config *c);

/* The object `collectors.csv` of a config file; empty: nothing. */
NODISCARD int csv_config_apply_json(struct csv_config *c, struct str json);
/* K6_CSV_FILENAME, K6_CSV_SAVE_INTERVAL, K6_CSV_TIME_FORMAT. */
NODISCARD int csv_config_apply_env(struct csv_config *c,
                                   const char *(*env_get)(void *arg, const char *name), void *arg);
/* What stands behind "csv=": a path, or "fileName=…,saveInterval=…,timeFormat=…"; empty: nothing.
 */
NODISCARD int csv_config_apply_arg(struct csv_config *c, struct str arg);

/* Takes the config over in any case. */
NODISCARD int csv_output_new(struct csv_config *c, struct output *ret);

/* One field as RFC 4180 and Go's writer have it: quoted when it has to be. */
void csv_field(struct buf *out, struct str text);

#endif
