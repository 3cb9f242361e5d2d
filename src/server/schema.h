/*
 * schema - the specification of the cloud API v6, and JSON held against its schemas.
 *
 * What a body has to be stands in one place, the specification that the server also serves; a
 * handler finds in it what the schema promises.  Read-only once opened: any thread may check.
 */
#ifndef SERVER_SCHEMA_H
#define SERVER_SCHEMA_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/str.h"

struct schema;

/* E_CORRUPT when the specification itself is no JSON; -ENOMEM. */
NODISCARD int schema_open(struct schema **ret);
void schema_close(struct schema *s); /* NULL is fine */

struct schema_problem {
    struct str target; /* "value.0.key"; empty: the whole */
    const char *code;  /* "required", "too_long", … */
    const char *message;
};

enum { SCHEMA_PROBLEMS_MAX = 20 }; /* more help nobody */

struct schema_problems {
    struct arena *arena; /* of the texts */
    struct schema_problem list[SCHEMA_PROBLEMS_MAX];
    size_t len; /* 0: the value is as it should be */
};

/* Holds `value` against components.schemas.<name>, which has to be there; `problems` is set up with
 * its arena and gets what is wrong. */
void schema_check(const struct schema *s, const char *name, yyjson_val *value,
                  struct schema_problems *problems);

#endif
