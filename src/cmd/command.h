/*
 * command - the subcommands as a table: what each does, its flags, its help, its completion.
 *
 * A path of several words ("cloud login") is a subcommand of a command, which finds it by itself;
 * here it has its help and its completion.  `{}` in texts is the program's name.
 */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "cmd/flags.h"

#include <stdbool.h>
#include <stddef.h>

enum command_group {
    COMMAND_TESTS,
    COMMAND_RESULTS,
    COMMAND_CONTROL,
    COMMAND_OTHER,
    COMMAND_GROUPS
};

enum { COMMAND_TABLES_MAX = 4 };

struct command {
    const char *path;                 /* "run", "cloud login" */
    int (*fn)(int argc, char **argv); /* argv[0]: its last word; NULL: its parent's */
    const char *args;                 /* "[flags] SCRIPT"; NULL: "[flags]" */
    const char *summary;              /* one line, without a full stop */
    const char *about;                /* more lines, or NULL */
    const char *examples;             /* lines, or NULL */
    enum command_group group;
    struct flag_table flags[COMMAND_TABLES_MAX]; /* its own; the global ones come by themselves */
    const char *values; /* for completion: its arguments, with a space between; NULL: files */
    bool hidden;        /* of the list of commands, not of its own help */
};

extern const struct command command_table[];
extern const size_t command_table_len;

/* By its path, or NULL. */
const struct command *command_find(const char *path);

/*
 * Parses argv[1..argc) by the tables of the command `path` and the global ones, and sets up the log
 * as they say.  1: the help was asked for and is printed.  E_CONFIG with exit code 255.
 */
NODISCARD int command_parse(const char *path, struct flag_values *v, struct arena *a, int argc,
                            char **argv);

/* E_CONFIG with exit code 255 unless there are `min` to `max` arguments. */
NODISCARD int command_check_args(const struct flag_values *v, size_t min, size_t max);

void command_help(const char *path); /* of that command, to standard output */

/* `{}` replaced by the program's name. */
void command_text(struct buf *out, const char *text);

/* Finds the command in the process's arguments and calls it. */
NODISCARD int command_main(int argc, char **argv);

#endif
