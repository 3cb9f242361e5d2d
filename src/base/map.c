#include "base/map.h"

#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

struct map_entry {
    char *key; /* owned */
    size_t key_len;
    uint64_t hash;
    void *value;
};

static pthread_once_t seeded = PTHREAD_ONCE_INIT;
static uint64_t seed[2]; /* written once under pthread_once, then read only */

static void make_seed(void)
{
    /* Without entropy the tables still work, only guessable. */
    if (getrandom(seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) {
        seed[0] = (uint64_t)(uintptr_t)&seeded;
        seed[1] = 0x9e3779b97f4a7c15u;
    }
}

static uint64_t rotl(uint64_t x, int n)
{
    return (x << n) | (x >> (64 - n));
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein), the variant that hash tables use. */
uint64_t map_hash(const void *p, size_t len)
{
    (void)pthread_once(&seeded, make_seed);
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du,
                     seed[0] ^ 0x6c7967656e657261u, seed[1] ^ 0x7465646279746573u};
    const uint8_t *at = p;
    uint64_t word;
    for (size_t left = len; left >= 8; left -= 8, at += 8) {
        memcpy(&word, at, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)len << 56;
    for (size_t i = 0; i < (len & 7); i++)
        word |= (uint64_t)at[i] << (8 * i);
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m, size_t max)
{
    *m = (struct map){.max = MIN(max, (size_t)UINT32_MAX / 4)};
}

void map_fini(struct map *m)
{
    for (size_t i = 0; i < m->len; i++)
        mem_free(m->entries[i].key);
    mem_free(m->entries);
    mem_free(m->slots);
    *m = (struct map){.max = m->max};
}

/* The slot that holds `key`, or the empty one where it would go. */
static size_t find_slot(const struct map *m, struct str key, uint64_t hash)
{
    size_t i = hash & (m->slots_cap - 1);
    while (m->slots[i] != 0) {
        const struct map_entry *e = &m->entries[m->slots[i] - 1];
        if (e->hash == hash && str_eq(str_new(e->key, e->key_len), key))
            break;
        i = (i + 1) & (m->slots_cap - 1);
    }
    return i;
}

static void fill_slots(struct map *m)
{
    memset(m->slots, 0, m->slots_cap * sizeof m->slots[0]);
    for (size_t k = 0; k < m->len; k++) {
        size_t i = m->entries[k].hash & (m->slots_cap - 1);
        while (m->slots[i] != 0)
            i = (i + 1) & (m->slots_cap - 1);
        m->slots[i] = (uint32_t)k + 1;
    }
}

static int make_room(struct map *m)
{
    if (m->len >= m->max)
        return -E2BIG;
    int rc = mem_grow(&m->entries, &m->entries_cap, m->len + 1, m->max, sizeof m->entries[0]);
    if (rc < 0)
        return rc;
    if ((m->len + 1) * 4 <= m->slots_cap * 3)
        return 0;
    size_t cap = m->slots_cap ? m->slots_cap * 2 : 16;
    uint32_t *slots = mem_calloc(cap, sizeof *slots);
    if (slots == NULL)
        return -ENOMEM;
    mem_free(m->slots);
    m->slots = slots;
    m->slots_cap = cap;
    fill_slots(m);
    return 0;
}

bool map_find(const struct map *m, struct str key, void **ret)
{
    if (m->len == 0)
        return false;
    size_t i = find_slot(m, key, map_hash(key.ptr, key.len));
    if (m->slots[i] == 0)
        return false;
    *ret = m->entries[m->slots[i] - 1].value;
    return true;
}

void *map_get(const struct map *m, struct str key)
{
    void *value = NULL;
    return map_find(m, key, &value) ? value : NULL;
}

int map_put(struct map *m, struct str key, void *value)
{
    uint64_t hash = map_hash(key.ptr, key.len);
    if (m->slots_cap > 0) {
        size_t i = find_slot(m, key, hash);
        if (m->slots[i] != 0) {
            m->entries[m->slots[i] - 1].value = value;
            return 0;
        }
    }
    int rc = make_room(m);
    if (rc < 0)
        return rc;
    char *copy = str_dup(key);
    if (copy == NULL)
        return -ENOMEM;
    size_t slot = find_slot(m, key, hash);
    m->entries[m->len++] = (struct map_entry){copy, key.len, hash, value};
    m->slots[slot] = (uint32_t)m->len;
    return 0;
}

void *map_remove(struct map *m, struct str key)
{
    if (m->len == 0)
        return NULL;
    size_t slot = find_slot(m, key, map_hash(key.ptr, key.len));
    if (m->slots[slot] == 0)
        return NULL;
    size_t k = m->slots[slot] - 1;
    void *value = m->entries[k].value;
    mem_free(m->entries[k].key);
    m->len--;
    memmove(&m->entries[k], &m->entries[k + 1], (m->len - k) * sizeof m->entries[0]);
    fill_slots(m);
    return value;
}

size_t map_len(const struct map *m)
{
    return m->len;
}

struct str map_key_at(const struct map *m, size_t i)
{
    CHECK(i < m->len);
    return str_new(m->entries[i].key, m->entries[i].key_len);
}

void *map_value_at(const struct map *m, size_t i)
{
    CHECK(i < m->len);
    return m->entries[i].value;
}
