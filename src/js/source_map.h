/*
 * source_map - from places in generated code back to those in the files that people wrote
 * (ECMA-426, "Source map format"; index maps with sections aren't read).
 *
 * Pure, and never changed once it is made: threads share it.
 */
#ifndef JS_SOURCE_MAP_H
#define JS_SOURCE_MAP_H

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct source_map;

/* A place in a source; lines and columns from 1. */
struct source_place {
    struct str source; /* as the map names it, with its sourceRoot; NULL ptr: none */
    uint32_t line, column;
};

/* E_CORRUPT or E_LIMIT with a message, -ENOMEM. */
NODISCARD int source_map_parse(struct str json, struct source_map **ret);
void source_map_free(struct source_map *m); /* NULL is fine */

/* False when the map says nothing of that place. */
bool source_map_find(const struct source_map *m, uint32_t line, uint32_t column,
                     struct source_place *ret);

/* What the last "//# sourceMappingURL=" comment of the code names; NULL ptr: there is none. */
struct str source_map_url(struct str code);

#endif
