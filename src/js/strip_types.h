/*
 * strip_types - the script that removes types from TypeScript, as text: web/typescript.
 */
#ifndef JS_STRIP_TYPES_H
#define JS_STRIP_TYPES_H

#include <stddef.h>

extern const char strip_types_text[];
extern const size_t strip_types_text_len;

#endif
