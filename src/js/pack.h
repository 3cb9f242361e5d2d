/*
 * pack - the elements of a SharedArray in a form from which values are made without parsing.
 *
 * Once for all virtual users: each element is a run of bytes in postfix order ("1", "x", object of
 * shape 3), so that a stack of values is all that reading needs.  A shape is a list of keys; each
 * virtual user keeps a frozen model object of a shape that it has met, and makes others like it.
 * A pack never changes once it is made, so threads share it without a lock.
 */
#ifndef JS_PACK_H
#define JS_PACK_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/str.h"

#include <quickjs.h>
#include <stddef.h>
#include <stdint.h>

struct pack_shape {
    uint32_t *keys; /* places among the pack's keys */
    uint32_t len;
};

struct pack {
    uint8_t *bytes;
    size_t *at;      /* element i is bytes[at[i]] to bytes[at[i + 1]] */
    size_t len;      /* elements */
    uint32_t depth;  /* values that reading an element may have on its stack */
    struct map keys; /* in the order of their numbers */
    struct pack_shape *shapes;
    uint32_t shapes_len;
};

/* Number of bytes of an element: a measure of how large it is. */
static inline size_t pack_bytes(const struct pack *p, size_t i)
{
    return p->at[i + 1] - p->at[i];
}

void pack_free(struct pack *p); /* NULL is fine */

/* ---- making one */

struct pack_builder;

NODISCARD int pack_builder_new(struct pack_builder **ret);
void pack_builder_free(struct pack_builder *b); /* NULL is fine */
/* Appends an element, JSON that JSON.stringify() has made.  Calls turn(arg) now and then.
 * E_CORRUPT, E_LIMIT with a message, -ENOMEM, or what turn() said; the builder is of no use
 * afterwards. */
NODISCARD int pack_add(struct pack_builder *b, struct str json, int (*turn)(void *arg), void *arg);
/* The builder is empty afterwards.  -ENOMEM. */
NODISCARD int pack_finish(struct pack_builder *b, struct pack **ret);

/* ---- reading it, in one virtual user */

struct pack_view;

NODISCARD int pack_view_new(const struct pack *p, struct pack_view **ret); /* -ENOMEM */
void pack_view_free(JSContext *ctx, struct pack_view *v);                  /* NULL is fine */
/* Element i as a value that nobody can change, all the way down; JS_EXCEPTION without memory or
 * when interrupted. */
YIELDS JSValue pack_element(JSContext *ctx, struct pack_view *v, size_t i);

#endif
