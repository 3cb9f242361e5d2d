#include "metrics/metadata.h"

#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>

void metadata_clear(struct metadata *m)
{
    for (size_t i = 0; i < m->len; i++)
        mem_free((void *)(uintptr_t)m->items[i].key.ptr);
    m->len = 0;
    m->serial = 0;
}

void metadata_fini(struct metadata *m)
{
    metadata_clear(m);
    mem_free(m->items);
    *m = (struct metadata){0};
}

/* Where `key` is, or belongs. */
static size_t place_of(const struct metadata *m, struct str key, bool *there)
{
    size_t at = 0;
    int order = 1;
    while (at < m->len && (order = str_cmp(m->items[at].key, key)) < 0)
        at++;
    *there = at < m->len && order == 0;
    return at;
}

const struct tag *metadata_find(const struct metadata *m, struct str key)
{
    bool there;
    size_t at = place_of(m, key, &there);
    return there ? &m->items[at] : NULL;
}

/* Key and value in one block, which begins with the key. */
static int pair_new(struct str key, struct str value, struct tag *ret)
{
    char *block = mem_alloc(key.len + value.len + 1);
    if (!block)
        return -ENOMEM;
    if (key.len > 0)
        memcpy(block, key.ptr, key.len);
    if (value.len > 0)
        memcpy(block + key.len, value.ptr, value.len);
    *ret = (struct tag){str_new(block, key.len), str_new(block + key.len, value.len)};
    return 0;
}

int metadata_set(struct metadata *m, struct str key, struct str value)
{
    struct tag pair = {0};
    bool there;
    size_t at = place_of(m, key, &there);
    if (key.len + value.len > METADATA_BYTES_MAX)
        return -E2BIG;
    int rc = there ? 0 : mem_grow(&m->items, &m->cap, m->len + 1, METADATA_MAX, sizeof *m->items);
    if (rc == 0)
        rc = pair_new(key, value, &pair);
    if (rc < 0)
        return rc;
    if (there) {
        mem_free((void *)(uintptr_t)m->items[at].key.ptr);
    } else {
        memmove(&m->items[at + 1], &m->items[at], (m->len - at) * sizeof *m->items);
        m->len++;
    }
    m->items[at] = pair;
    m->serial = 0;
    return 0;
}

void metadata_remove(struct metadata *m, struct str key)
{
    bool there;
    size_t at = place_of(m, key, &there);
    if (!there)
        return;
    mem_free((void *)(uintptr_t)m->items[at].key.ptr);
    memmove(&m->items[at], &m->items[at + 1], (m->len - at - 1) * sizeof *m->items);
    m->len--;
    m->serial = 0;
}
