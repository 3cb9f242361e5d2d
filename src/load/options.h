/*
 * options - everything that a test can be told, from five layers to one.
 *
 * A layer is a struct options in which only what was said is set: the config file, the script's
 * exported `options`, K6_* variables, flags.  options_apply() puts a higher layer over a lower one;
 * options_finish() fills in defaults.  k6-surface 1.3, 1.5, 3.1-3.3.
 *
 * Nothing in it is freed singly: all strings and lists live in the arena given to options_init(),
 * which must outlive every struct options that they were applied to.
 */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "metrics/tags.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct opt_bool {
    bool set, value;
};
struct opt_int {
    bool set;
    int64_t value;
};
/* Nanoseconds. */
struct opt_dur {
    bool set;
    int64_t ns;
};
struct opt_strs {
    bool set;
    const char **items;
    size_t len;
};
/* Sorted by key. */
struct opt_pairs {
    bool set;
    struct tag *items; /* key, value; both NUL-terminated behind their end */
    size_t len;
};

struct stage {
    struct opt_dur duration;
    struct opt_int target;
};
struct opt_stages {
    bool set;
    struct stage *items;
    size_t len;
};

enum executor_type {
    EXECUTOR_CONSTANT_VUS,
    EXECUTOR_RAMPING_VUS,
    EXECUTOR_SHARED_ITERATIONS,
    EXECUTOR_PER_VU_ITERATIONS,
    EXECUTOR_CONSTANT_ARRIVAL_RATE,
    EXECUTOR_RAMPING_ARRIVAL_RATE,
    EXECUTOR_EXTERNALLY_CONTROLLED,
    EXECUTOR_LEN,
};
const char *executor_type_name(enum executor_type t); /* "constant-vus" … */

/* One entry of `scenarios`.  Of the fields below `tags` each executor reads its own. */
struct scenario {
    const char *name;
    enum executor_type type;
    struct opt_dur start_time, graceful_stop;
    const char *exec; /* NULL: "default" */
    struct opt_pairs env, tags;

    struct opt_int vus, iterations;
    struct opt_dur duration, max_duration;
    struct opt_int start_vus, start_rate, rate, pre_allocated_vus, max_vus;
    struct opt_dur time_unit, graceful_ramp_down;
    struct opt_stages stages;
};
struct opt_scenarios {
    bool set;
    struct scenario *items; /* sorted by name */
    size_t len;
};

struct threshold_config {
    const char *expression;
    bool abort_on_fail;
    struct opt_dur delay_abort_eval;
};
struct threshold_list {
    const char *metric; /* the key as written */
    struct threshold_config *items;
    size_t len;
};
struct opt_thresholds {
    bool set;
    struct threshold_list *items; /* sorted by metric */
    size_t len;
};

struct options {
    struct arena *arena;

    struct opt_bool paused;
    struct opt_int vus;
    struct opt_dur duration;
    struct opt_int iterations;
    struct opt_stages stages;
    struct opt_scenarios scenarios;
    const char *execution_segment, *execution_segment_sequence; /* NULL: unset */
    struct opt_bool no_setup, no_teardown;
    struct opt_dur setup_timeout, teardown_timeout, handle_summary_timeout;
    struct opt_int rps;
    const char *dns_ttl, *dns_select, *dns_policy;
    struct opt_int max_redirects, batch, batch_per_host;
    const char *user_agent, *http_debug;
    struct opt_bool insecure_skip_tls_verify;
    struct opt_strs tls_cipher_suites;
    const char *tls_min, *tls_max; /* "tls1.2" … */
    const char *tls_auth;          /* JSON text of the list */
    struct opt_bool throw_errors;
    struct opt_thresholds thresholds;
    struct opt_strs blacklist_ips, block_hostnames;
    struct opt_pairs hosts;
    struct opt_bool no_connection_reuse, no_vu_connection_reuse;
    struct opt_dur min_iteration_duration;
    const char *ext, *cloud; /* JSON text */
    struct opt_strs summary_trend_stats;
    const char *summary_time_unit;
    struct opt_strs system_tags;
    struct opt_pairs tags;
    struct opt_int metric_samples_buffer_size;
    struct opt_bool no_cookies_reset, discard_response_bodies;

    /* Not of scripts: flags, environment, config file. */
    const char *console_output, *local_ips;
    struct opt_bool linger, no_usage_report;
    struct opt_strs out, features;
    const char *collectors_csv; /* of the config file: JSON, or NULL */
};

/* Names a single-valued option for options_set_text(); see options_table.h. */
enum option_id {
#define OPTION(id, field, json, env, go_name, kind) OPTION_##id,
#include "load/options_table.h"
#undef OPTION
    OPTION_LEN,
};

/* The variable that sets it, or NULL. */
const char *option_env(enum option_id id);

void options_init(struct options *o, struct arena *arena); /* nothing set */

/*
 * Sets one option from the text of a flag or variable.  Repeatable ones (tags, stages, lists)
 * append.  E_CONFIG with the reason alone: `strconv.ParseInt: parsing "abc": invalid syntax`.
 * go_durations: a flag's form: only Go's durations, and "name=value"; else a variable's: bare
 * milliseconds and days too, and "name:value".
 */
NODISCARD int options_set_text(struct options *o, enum option_id id, const char *text,
                               bool go_durations);

/* Where a layer comes from; says how strict unknown names are. */
enum options_source { OPTIONS_SCRIPT, OPTIONS_CONFIG_FILE, OPTIONS_ARCHIVE };

/* Reads exported options or a config file.  Unknown names are logged as k6 does (script). E_CONFIG,
 * exit code 104, with k6's reason. */
NODISCARD int options_parse_json(struct options *o, struct str json, enum options_source source);

/* All K6_* of `getenv` (NULL: the process's).  E_CONFIG, exit code 104. */
typedef const char *options_getenv_fn(void *arg, const char *name);
NODISCARD int options_parse_env(struct options *o, options_getenv_fn *getenv_fn, void *arg);

/* Puts what `over` sets over `o`; any of duration, iterations, stages, scenarios in `over` wipes
 * all four of `o` first (with k6's warning when scenarios are lost; `level`: "cli", "env" …). */
void options_apply(struct options *o, const struct options *over, const char *level);

/* Defaults of what consolidation shows: summaryTrendStats, systemTags.  E_CONFIG (104) for values
 * that can't be. */
NODISCARD int options_finish(struct options *o);

/* `derived` = `o` with the shortcuts turned into scenario `default`.  E_CONFIG 104 for shortcuts
 * that contradict each other. */
NODISCARD int options_derive(const struct options *o, struct options *derived);

/* Everything that makes a test impossible, in one message:
 * "There were problems with the specified script configuration:\n\t- …\n\t- …", exit code 104.
 * has_export may be NULL (no check that `exec` exists).  E_UNSUPPORTED (104) naming the option
 * when it asks for what isn't there yet. */
typedef bool options_has_export_fn(void *arg, const char *name);
NODISCARD int options_validate(const struct options *derived, options_has_export_fn *has_export,
                               void *arg);

/* Adds or replaces a tag; keeps the order by key. */
NODISCARD int options_tags_put(struct arena *a, struct opt_pairs *l, struct tag tag);

/* The options as k6 writes them: every name, null when unset, compact. */
void options_write_json(const struct options *o, struct buf *out);

#endif
