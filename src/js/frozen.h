/*
 * frozen - JSON text to values that nobody can change, all the way down.
 */
#ifndef JS_FROZEN_H
#define JS_FROZEN_H

#include "js/api.h"

/*
 * Reads text that JSON.stringify() or a writer of ours has made. It doesn't recurse, so that depth
 * costs no stack. Objects of the same keys share their shape, frozen as they are: parsing first and
 * freezing then would give each of them its own. May give others a turn while it reads.
 * JS_EXCEPTION without memory, when interrupted, and for what isn't JSON.
 */
YIELDS JSValue frozen_parse(JSContext *ctx, struct str json);

/* Makes an array or object whose properties were defined as unchangeable one that stays so. 0, or
 * -1 with an exception pending. */
int frozen_close(JSContext *ctx, JSValueConst v, bool is_array);

#endif
