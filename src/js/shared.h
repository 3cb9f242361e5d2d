/*
 * shared - data that all virtual users of a program read: SharedArrays, each of them built once.
 *
 * An array is a pack of its elements (js/pack.h).  Once it is in the table it doesn't change and
 * stays until the program goes, so that any thread reads it without a lock; the table has one of
 * its own.
 */
#ifndef JS_SHARED_H
#define JS_SHARED_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct pack;

struct shared_array {
    struct pack *pack;
    uint32_t id; /* distinct within the table */
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

/* For the builder: `pack` is taken over, also on failure (-ENOMEM). */
NODISCARD int shared_array_new(struct pack *pack, struct shared_array **ret);
void shared_array_free(struct shared_array *a); /* one that isn't in a table */

#endif
