/*
 * flags - command-line flags by table, with the syntax and the messages that k6's users know.
 *
 * `--name value`, `--name=value`, `-n value`, `-nvalue`, bundles of short switches (`-qv`), `--`
 * ends the flags.  A switch takes a value only with '='.
 */
#ifndef CMD_FLAGS_H
#define CMD_FLAGS_H

#include "base/arena.h"
#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum flag_kind {
    FLAG_BOOL,
    FLAG_INT,
    FLAG_DURATION, /* Go's syntax */
    FLAG_STRING,
    FLAG_LIST,    /* repeatable; comma-separated values count as several */
    FLAG_STRINGS, /* repeatable; each whole */
};

struct flag {
    const char *name; /* without dashes */
    char letter;      /* 0: none */
    enum flag_kind kind;
    const char *value_name; /* in the help: "duration"; NULL for switches */
    const char *help;
    int option;       /* enum option_id + 1 that it sets, 0: none */
    const char *bare; /* value when written without one (`--http-debug`); NULL: needs one */
    bool missing;     /* k6 has it, here it isn't there yet */
    bool hidden;
};

/* A flag as it was given, in order; value "" for none. */
struct flag_value {
    const struct flag *flag;
    const char *value;
};

struct flag_values {
    struct flag_value *items;
    size_t len, cap;
    const char **args; /* what isn't a flag */
    size_t args_len, args_cap;
};

/* One or two tables (b may be NULL).  E_CONFIG, exit code 255: "unknown flag: --bogus",
 * `invalid argument "abc" for "-u, --vus" flag: …`.  Strings point into argv or the arena. */
NODISCARD int flags_parse(struct flag_values *v, struct arena *a, int argc, char **argv,
                          const struct flag *flags, size_t len, const struct flag *b, size_t b_len);

/* The last value given, or NULL. */
const char *flag_values_get(const struct flag_values *v, const char *name);
bool flag_values_bool(const struct flag_values *v, const char *name); /* false when not given */

/* The help of a table, aligned, to `out`. */
struct buf;
void flags_help(struct buf *out, const struct flag *flags, size_t len);

/* Flags of every command (k6-surface 1.2), and those of `run` (1.3). */
extern const struct flag flags_global[];
extern const size_t flags_global_len;
extern const struct flag flags_run[];
extern const size_t flags_run_len;

/* `invalid argument "abc" for "-u, --vus" flag: ` in front of the current error, exit code 255. */
int flag_invalid(const struct flag *f, const char *value);

#endif
