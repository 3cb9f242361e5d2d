/*
 * cloud_cmd - what the subcommands of `cloud` share.
 */
#ifndef CMD_CLOUD_CMD_H
#define CMD_CLOUD_CMD_H

#include "base/attr.h"
#include "cmd/run_cmd.h"
#include "output/cloud_config.h"

/* Defaults and what the config file says. */
NODISCARD int cloud_cmd_settings(const char *config_path, struct cloud_config *ret);

/* A variable of the process; for cloud_config_apply_env(). */
const char *cloud_cmd_env(void *arg, const char *name);

/* On top: the variables, and --cloud-api-version (0: not given); then the checks.  E_CONFIG also
 * without a token. */
NODISCARD int cloud_cmd_conclude(struct cloud_config *config, uint32_t api_version);

/* `cloud run SCRIPT` without --local-execution, `cloud upload SCRIPT`: on the cloud's machines.
 * `c` is parsed. */
NODISCARD int cloud_remote(struct run_cmd *c, bool upload_only);

/* `cloud project list`, `cloud test list`, `cloud load-zone list`: argv[0] is the thing. */
NODISCARD int cloud_list(int argc, char **argv);

#endif
