/*
 * yaml - scalars as the YAML of k6's commands has them.
 */
#ifndef CMD_YAML_H
#define CMD_YAML_H

#include "base/buf.h"
#include "base/str.h"

/* Plain where a reader takes it for the same text, else in quotes. */
void yaml_text(struct buf *out, struct str s);

/* The shortest digits that read back as `v`, as Go's %v has them: 0.25, 123456, 1.234567e+06. */
void yaml_number(struct buf *out, double v);

#endif
