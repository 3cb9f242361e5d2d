#include "metrics/strpool.h"

#include "base/mem.h"
#include "metrics/hash.h"

#include <errno.h>

enum { STRPOOL_SLOTS_FIRST = 64 };

void strpool_init(struct strpool *p, size_t bytes_max)
{
    *p = (struct strpool){0};
    arena_init(&p->bytes, bytes_max);
}

void strpool_fini(struct strpool *p)
{
    mem_free(p->slots);
    arena_fini(&p->bytes);
    *p = (struct strpool){0};
}

/* The slot of `s`, or the free one where it belongs.  There is always a free one. */
static struct str *find_slot(struct str *slots, size_t cap, struct str s)
{
    size_t at = hash_bytes(0, s.ptr, s.len) & (cap - 1);
    while (slots[at].ptr && !str_eq(slots[at], s))
        at = (at + 1) & (cap - 1);
    return &slots[at];
}

static int grow(struct strpool *p)
{
    size_t cap = p->slots_cap ? p->slots_cap * 2 : STRPOOL_SLOTS_FIRST;
    struct str *slots = mem_calloc(cap, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < p->slots_cap; i++) {
        if (p->slots[i].ptr)
            *find_slot(slots, cap, p->slots[i]) = p->slots[i];
    }
    mem_free(p->slots);
    p->slots = slots;
    p->slots_cap = cap;
    return 0;
}

int strpool_get(struct strpool *p, struct str s, struct str *ret)
{
    if (s.len == 0) {
        *ret = STR("");
        return 0;
    }
    if ((p->len + 1) * 2 > p->slots_cap) {
        int rc = grow(p);
        if (rc < 0)
            return rc;
    }
    struct str *slot = find_slot(p->slots, p->slots_cap, s);
    if (!slot->ptr) {
        char *copy = arena_dup(&p->bytes, s);
        if (!copy)
            return -ENOMEM;
        *slot = str_new(copy, s.len);
        p->len++;
    }
    *ret = *slot;
    return 0;
}
