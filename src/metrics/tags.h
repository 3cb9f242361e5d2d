/*
 * tags - immutable, sorted, interned sets of key=value; equal sets of one table are one pointer.
 *
 * A table belongs to one worker and needs no lock.  Sets live as long as their table; the number
 * of distinct sets is limited (limits.h), over all tables that share a limit, and past it new sets
 * lose their url and name (then, if that doesn't help, fold into their base) with one warning, so
 * that memory stays flat with any number of URLs.
 */
#ifndef METRICS_TAGS_H
#define METRICS_TAGS_H

#include "base/attr.h"
#include "base/str.h"

#include <stdatomic.h>
#include <stdint.h>

struct tag {
    struct str key;
    struct str value;
};

struct tagset {
    const struct tag *tags; /* sorted by key, keys distinct */
    uint32_t len;
    uint32_t id;   /* dense within the table; 0 is the empty set */
    uint64_t hash; /* of the content; equal contents of a process's tables have equal hashes */
    void *series;  /* shard.c's: series of this set, by metric */
};

/* How many sets the tables of a run have, and whether it was said that there are too many.  Zeroed
 * it is ready; outlives its tables. */
struct tag_limit {
    uint32_t max; /* 0: TAG_SETS_MAX */
    atomic_uint sets;
    atomic_bool warned;
};

struct tag_table;

/* `limit` NULL: the table has one of its own. */
NODISCARD int tag_table_new(struct tag_limit *limit, struct tag_table **ret);
void tag_table_free(struct tag_table *t);

struct tagset *tags_empty(struct tag_table *t);

/* `base` with tags[0..n) added or replaced; a value with ptr NULL removes its key.  The strings
 * are copied when the set is new.  Never NULL: out of memory or past the limit gives `base`.
 * Cost when the set exists: one hash over the tags given and one look-up. */
struct tagset *tags_with(struct tag_table *t, struct tagset *base, const struct tag *tags,
                         uint32_t n);

/* Sets in the table, the empty one counted. */
uint32_t tag_table_len(const struct tag_table *t);

/* From now on the table remembers what a set was before the limit folded it. */
NODISCARD int tag_table_keep_folded(struct tag_table *t);
/* The whole list of tags when `s` is what the last tags_with() folded them into, NULL otherwise.
 * Asked once a set: what it says is forgotten.  Valid until the next tags_with(). */
const struct tag *tags_before_fold(struct tag_table *t, const struct tagset *s, uint32_t *ret_len);

const struct tag *tags_find(const struct tagset *s, struct str key); /* NULL: not in it */

/* System tags (k6-surface 4.2) as a set of bits. */
enum system_tag {
    TAG_PROTO,
    TAG_SUBPROTO,
    TAG_STATUS,
    TAG_METHOD,
    TAG_URL,
    TAG_NAME,
    TAG_GROUP,
    TAG_CHECK,
    TAG_ERROR,
    TAG_ERROR_CODE,
    TAG_TLS_VERSION,
    TAG_SCENARIO,
    TAG_SERVICE,
    TAG_EXPECTED_RESPONSE,
    TAG_ITER,
    TAG_VU,
    TAG_IP,
    TAG_OCSP_STATUS,
    TAG_SYSTEM_LEN,
};
#define TAG_BIT(t)        (1u << (t))
#define TAGS_DEFAULT_BITS ((1u << TAG_ITER) - 1) /* all before `iter` */
const char *system_tag_name(enum system_tag t);
uint32_t system_tags_parse(struct str name); /* one name → its bit, 0 when unknown */

#endif
