/*
 * use_directive - what a script says it needs, in texts in front of its first statement:
 * "use k6 >= v1.0", "use k6 with k6/x/faker >= 0.4".  Pure.  k6-surface 1.1, `deps`.
 */
#ifndef CMD_USE_DIRECTIVE_H
#define CMD_USE_DIRECTIVE_H

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* Where the search in a text goes on; begins with the whole text. */
struct use_reader {
    struct str rest;
};

void use_reader_init(struct use_reader *r, struct str text);

/* The next directive: true with what is needed ("k6", "k6/x/faker") and which version of it (empty:
 * any). */
bool use_reader_next(struct use_reader *r, struct str *ret_name, struct str *ret_constraint);

#endif
