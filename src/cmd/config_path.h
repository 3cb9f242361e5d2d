/*
 * config_path - where the config file is when nobody says otherwise: $XDG_CONFIG_HOME/spate/, else
 * ~/.config/spate/config.json.  Not k6's own file: the token in that one is for another cloud.
 */
#ifndef CMD_CONFIG_PATH_H
#define CMD_CONFIG_PATH_H

#include "base/buf.h"

void config_default_path(struct buf *out); /* appends; failures are in buf_finish(out) */

/* The one of -c (NULL: not given), else of K6_CONFIG, else the default. */
void config_path_choose(const char *flag, struct buf *out);

#endif
