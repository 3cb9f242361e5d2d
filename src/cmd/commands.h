/*
 * commands - one function a subcommand; main.c calls them by name.
 *
 * argv[0] is the command's name.  They return 0, or a negative code with message and exit code in
 * the error slot, which main.c logs once.
 */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

#include "base/attr.h"

NODISCARD int cmd_run(int argc, char **argv);
NODISCARD int cmd_version(int argc, char **argv);
NODISCARD int cmd_cloud(int argc, char **argv);  /* cloud run, cloud login, … (cmd_cloud.c) */
NODISCARD int cmd_login(int argc, char **argv);  /* older: login cloud (cmd_cloud.c) */
NODISCARD int cmd_server(int argc, char **argv); /* cmd_server.c */

/* The name that the program was called by: "spate" or "k6". */
const char *program_name(void);

#endif
