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
#include "base/str.h"

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
    int option;          /* enum option_id + 1 that it sets, 0: none */
    const char *bare;    /* value when written without one (`--http-debug`); NULL: needs one */
    const char *env;     /* variable that says the same; NULL: none, or that of `option` */
    const char *initial; /* for the help: what counts when nobody says anything; NULL: nothing */
    const char *choices; /* for completion: values with a space between; NULL: any */
    bool file;           /* for completion: the value is a file's name */
    bool missing;        /* k6 has it, here it isn't there yet */
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

/* A table of flags; by reference, so that static tables can list it. */
struct flag_table {
    const struct flag *flags; /* NULL: none */
    const size_t *len;
};

/* The flag of that name in one of `n` tables, or NULL. */
const struct flag *flag_find(const struct flag_table *tables, size_t n, struct str name,
                             char letter);
/* The variable that says the same as the flag, or NULL. */
const char *flag_env(const struct flag *f);

/* As flags_parse(), for any number of tables; the first that has a name counts. */
NODISCARD int flags_parse_tables(struct flag_values *v, struct arena *a, int argc, char **argv,
                                 const struct flag_table *tables, size_t n);

/* One or two tables (b may be NULL).  E_CONFIG, exit code 255: "unknown flag: --bogus",
 * `invalid argument "abc" for "-u, --vus" flag: …`.  Strings point into argv or the arena. */
NODISCARD int flags_parse(struct flag_values *v, struct arena *a, int argc, char **argv,
                          const struct flag *flags, size_t len, const struct flag *b, size_t b_len);

/* The last value given, or NULL. */
const char *flag_values_get(const struct flag_values *v, const char *name);
/* A switch's value as text; E_CONFIG with the reason. */
NODISCARD int flag_bool(const char *value, bool *ret);
bool flag_values_bool(const struct flag_values *v, const char *name); /* false when not given */

/* The help of a table, aligned, to `out`. */
struct buf;
void flags_help(struct buf *out, const struct flag *flags, size_t len);

/* Flags of every command (k6-surface 1.2); of those that take a script: its options, and how it is
 * read; and of `run` besides (1.3). */
extern const struct flag flags_global[];
extern const size_t flags_global_len;
extern const struct flag flags_options[];
extern const size_t flags_options_len;
extern const struct flag flags_runtime[];
extern const size_t flags_runtime_len;
extern const struct flag flags_run[];
extern const size_t flags_run_len;

/* `invalid argument "abc" for "-u, --vus" flag: ` in front of the current error, exit code 255. */
int flag_invalid(const struct flag *f, const char *value);

#endif
