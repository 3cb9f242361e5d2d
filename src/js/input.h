/*
 * input - what scripts give to functions that work on bytes: text or a buffer.
 */
#ifndef JS_INPUT_H
#define JS_INPUT_H

#include "js/api.h"

/* A zeroed one may be finished.  `bytes` stay where they are until then, as long as the script
 * doesn't run. */
struct js_input {
    struct str bytes;
    struct js_text text; /* keeps `bytes` when the value was a string */
};

/* Text as UTF-8, an ArrayBuffer or a typed array.  0, or -1 with an exception pending
 * that says which type came instead. */
NODISCARD int js_input_of(JSContext *ctx, JSValueConst v, struct js_input *ret);
/* Whether it will do, and what a message calls a value that won't. */
bool js_input_is(JSContext *ctx, JSValueConst v);
const char *js_input_type(JSContext *ctx, JSValueConst v);
void js_input_fini(struct js_input *in); /* for CLEANUP() */

/* A word that chooses among possibilities: the text of `v`, "" for undefined and null.  0, or -1
 * with an exception pending; js_text_fini() either way. */
NODISCARD int js_word_of(JSContext *ctx, JSValueConst v, struct js_text *ret);

#endif
