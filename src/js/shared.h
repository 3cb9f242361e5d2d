/*
 * shared - data that all virtual users of a program read: SharedArrays, each of them built once.
 *
 * An array is the JSON text of its elements, one behind the other.  Once it is in the table it
 * doesn't change and stays until the program goes, so that any thread reads it without a lock; the
 * table has one of its own.
 */
#ifndef JS_SHARED_H
#define JS_SHARED_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct shared_array {
    uint8_t *text; /* of all elements */
    size_t *at;    /* element i is text[at[i]] to text[at[i + 1]] */
    size_t len;    /* elements */
    uint32_t id;   /* distinct within the table */
};

struct shared_arrays;

NODISCARD int shared_arrays_new(struct shared_arrays **ret);
void shared_arrays_free(struct shared_arrays *s); /* NULL is fine */

/*
 * Looks the array of that name up: 0 and *ret, when it is there.  Otherwise `builder` (who is
 * known by his address) is the only one who builds arrays until he calls shared_arrays_end(), as
 * often as he has got 1 here: what he builds may need other arrays.  -EAGAIN: somebody else builds;
 * ask again soon.  Any thread.
 */
NODISCARD int shared_arrays_begin(struct shared_arrays *s, struct str name, const void *builder,
                                  const struct shared_array **ret);
/* Ends that.  `built` (NULL: it has failed) goes into the table, also when this fails: E_LIMIT or
 * -ENOMEM, and then it is freed. */
NODISCARD int shared_arrays_end(struct shared_arrays *s, struct str name,
                                struct shared_array *built);

/* For the builder: `text` is taken over.  at[] has len + 1 places and is taken over, too. */
NODISCARD int shared_array_new(struct buf *text, size_t *at, size_t len, struct shared_array **ret);
void shared_array_free(struct shared_array *a); /* one that isn't in a table */

static inline struct str shared_array_text(const struct shared_array *a, size_t i)
{
    return str_new(a->text + a->at[i], a->at[i + 1] - a->at[i]);
}

#endif
