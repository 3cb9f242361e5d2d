/*
 * json_pretty - JSON with line ends and two spaces a level, as k6 prints it.  Pure.
 */
#ifndef CMD_JSON_PRETTY_H
#define CMD_JSON_PRETTY_H

#include "base/buf.h"
#include "base/str.h"

/* Appends `json`, which is well-formed and without spaces between its tokens; empty objects and
 * arrays stay on their line. */
void json_pretty(struct buf *out, struct str json);

#endif
