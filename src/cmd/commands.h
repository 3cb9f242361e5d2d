/*
 * commands - one function a subcommand; command_table.c lists them.
 *
 * argv[0] is the command's name.  They return 0, or a negative code with message and exit code in
 * the error slot, which main.c logs once.
 */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

#include "base/attr.h"
#include "cmd/flags.h"

NODISCARD int cmd_archive(int argc, char **argv); /* cmd_archive.c */
NODISCARD int cmd_inspect(int argc, char **argv); /* cmd_archive.c */
NODISCARD int cmd_cloud(int argc, char **argv);   /* cloud run, cloud login, … (cmd_cloud.c) */
NODISCARD int cmd_cloud_login(int argc, char **argv); /* cmd_login.c */
NODISCARD int cmd_login(int argc, char **argv);       /* older: login cloud (cmd_login.c) */
NODISCARD int cmd_complete(int argc, char **argv);    /* cmd_completion.c */
NODISCARD int cmd_completion(int argc, char **argv);  /* cmd_completion.c */
NODISCARD int cmd_deps(int argc, char **argv);
NODISCARD int cmd_features(int argc, char **argv);
NODISCARD int cmd_new(int argc, char **argv);
NODISCARD int cmd_pause(int argc, char **argv); /* cmd_rest.c, as resume, scale, … */
NODISCARD int cmd_resume(int argc, char **argv);
NODISCARD int cmd_run(int argc, char **argv); /* run_cmd.c */
NODISCARD int cmd_scale(int argc, char **argv);
NODISCARD int cmd_server(int argc, char **argv);
NODISCARD int cmd_server_accounts(int argc, char **argv); /* server user …, server token … */
NODISCARD int cmd_stats(int argc, char **argv);
NODISCARD int cmd_status(int argc, char **argv);
NODISCARD int cmd_version(int argc, char **argv);

/* Their own flags, each beside its command. */
#define COMMAND_FLAGS(name)                                                                        \
    extern const struct flag flags_##name[];                                                       \
    extern const size_t flags_##name##_len;
COMMAND_FLAGS(archive)
COMMAND_FLAGS(cloud_list)
COMMAND_FLAGS(cloud_login)
COMMAND_FLAGS(cloud_run)
COMMAND_FLAGS(cloud_test_list)
COMMAND_FLAGS(cloud_upload)
COMMAND_FLAGS(completion)
COMMAND_FLAGS(deps)
COMMAND_FLAGS(inspect)
COMMAND_FLAGS(json)
COMMAND_FLAGS(new)
COMMAND_FLAGS(scale)
COMMAND_FLAGS(server)
COMMAND_FLAGS(server_accounts)
#undef COMMAND_FLAGS

/* The name that the program was called by: "spate" or "k6". */
const char *program_name(void);

#endif
