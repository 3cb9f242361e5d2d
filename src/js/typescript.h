/*
 * typescript - TypeScript to JavaScript, by removing its types (docs/decisions has why and how).
 *
 * Types aren't checked.  Lines stay where they are; a source map says of columns.  The library runs
 * in a JavaScript world of its own, which is made for the first file that needs it.
 */
#ifndef JS_TYPESCRIPT_H
#define JS_TYPESCRIPT_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

struct typescript;

/* Makes *t when it is NULL, and strips `source`, the file called `name`: JavaScript is appended to
 * `code`, a source map to `map`.  Any thread, one at a time.  E_SCRIPT with "<name>: Line 3:5 text"
 * when it isn't TypeScript, E_LIMIT, -ENOMEM. */
NODISCARD int typescript_strip(struct typescript **t, struct str source, const char *name,
                               struct buf *code, struct buf *map);
void typescript_free(struct typescript *t); /* NULL is fine */

#endif
