/*
 * outputs - from `--out name=settings` to an output.
 */
#ifndef CMD_OUTPUTS_H
#define CMD_OUTPUTS_H

#include "cmd/run_cmd.h"
#include "output/output.h"

/* `spec` as it was given.  E_CONFIG or E_UNSUPPORTED with a message that names it, exit code 255.
 */
NODISCARD int outputs_make(const struct run_cmd *c, const char *spec, struct output *ret);

#endif
