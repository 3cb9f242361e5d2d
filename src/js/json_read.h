/*
 * json_read - JSON text, value by value, for readers of our own making.
 *
 * Reads what JSON.stringify() or a writer of ours has made.  It doesn't recurse, so that depth
 * costs no stack.
 */
#ifndef JS_JSON_READ_H
#define JS_JSON_READ_H

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum json_word { JSON_NULL, JSON_TRUE, JSON_FALSE };

/* What comes, in order: 0, or a negative code that ends the reading.  Texts are UTF-8 (with lone
 * surrogates, as QuickJS has them) and valid during the call. */
struct json_sink {
    int (*word)(void *arg, enum json_word w);
    int (*whole)(void *arg, int64_t n); /* of at most 15 digits; not -0 */
    int (*number)(void *arg, double d);
    int (*text)(void *arg, struct str s);
    int (*begin)(void *arg, bool is_array);
    int (*key)(void *arg, struct str s); /* of the value that comes next */
    int (*end)(void *arg, bool is_array);
    int (*turn)(void *arg); /* now and then, to let others have theirs */
};

/* Behind the value there may be anything but space is expected: `*ret_rest`, when not NULL, is what
 * follows.  E_CORRUPT when it isn't JSON, E_LIMIT when it is nested too deeply, -ENOMEM, or what
 * the sink said. */
NODISCARD int json_read(struct str json, const struct json_sink *sink, void *arg,
                        struct str *ret_rest);

#endif
