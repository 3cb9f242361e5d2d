/*
 * run_cmd - `spate run` as a function, for other commands that end in a local run.
 *
 * cmd_cloud.c makes `cloud run --local-execution` of it: parse the flags of `run` with its own in
 * addition, then run with the cloud output.
 */
#ifndef CMD_RUN_CMD_H
#define CMD_RUN_CMD_H

#include "base/arena.h"
#include "base/attr.h"
#include "cmd/flags.h"
#include "cmd/script_source.h"
#include "load/run.h"

/* What the flags, the environment and the config file said; made by run_cmd_parse(). */
struct run_cmd {
    struct arena arena;
    struct options config_layer, env_layer, cli_layer;
    struct run_request request;
    const char *config_path; /* of -c, K6_CONFIG or the default */
    bool quiet;
    bool no_archive_upload;     /* of `cloud run`: --no-archive-upload */
    bool cloud_run;             /* it is `cloud run` */
    bool no_cloud_logs;         /* of `cloud run` */
    uint32_t cloud_api_version; /* likewise; 0: not given */
    struct flag_values flags;
    struct script_source script;
    bool system_env; /* the process's environment goes into __ENV unless somebody says otherwise */
    struct rest *rest; /* NULL: no --address */
};

/*
 * Parses argv[1..argc) of `run` (argv[0]: the command's name).  extra: further flags of the caller,
 * looked up with flag_values_*; may be NULL.  1: the help was asked for and is printed.  E_CONFIG
 * with message and exit code 255 or 104.
 */
NODISCARD int run_cmd_parse(struct run_cmd *c, int argc, char **argv, const struct flag *extra,
                            size_t extra_len);
/* The same for a command that looks at a script without running it: `path` names its flags
 * (cmd/command.h), and __ENV has only what is said. */
NODISCARD int run_cmd_parse_script(struct run_cmd *c, const char *path, int argc, char **argv);
void run_cmd_fini(struct run_cmd *c);

/*
 * Makes the outputs of --out and K6_OUT, and `more` (may be NULL, taken over), runs the test and
 * shows it.  The result of run_test().
 */
NODISCARD int run_cmd_execute(struct run_cmd *c, const struct output *more, size_t more_len);

/* In cmd_cloud.c: the output of `--out cloud`.  The config layer's `collectors` and the environment
 * are its own to read.  c outlives the output. */
NODISCARD int cloud_output_new(const struct run_cmd *c, struct output *ret);

#endif
