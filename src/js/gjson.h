/*
 * gjson - paths into JSON (github.com/tidwall/gjson, SYNTAX.md), on values of the engine.
 *
 * Results are new references: undefined when there is nothing, an exception when memory is out or
 * the call was interrupted.  `depth` counts paths within paths; too deep a one finds nothing.
 */
#ifndef JS_GJSON_H
#define JS_GJSON_H

#include "js/api.h"

JSValue gjson_get(JSContext *ctx, JSValueConst v, struct str path, int depth);

/* Does the path start with a modifier (`@name:arg`), a list of paths (`{…}`, `[…]`) or a literal
 * (`!…`)?  `*ret_rest` is what follows, with its '.' or '|'. */
bool gjson_is_special(struct str path, struct str *ret_rest);

/* What such a component makes of `v`. */
JSValue gjson_special(JSContext *ctx, JSValueConst v, struct str component, int depth);

#endif
