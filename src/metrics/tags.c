/*
 * Two tables.  `sets` holds each set once, by content.  `steps` remembers what tags_with() gave for
 * a base and a list of tags, in the order given, so that the usual call is one hash over the list
 * and one look-up; only a new list merges, sorts and looks into `sets`.
 *
 * Keys and values live in one string pool: equal strings are one pointer, and the thousands of sets
 * that differ in a URL share everything else.
 */
#include "metrics/tags.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "metrics/hash.h"
#include "metrics/strpool.h"

#include <errno.h>
#include <stdbool.h>

enum { TABLE_SLOTS_FIRST = 64, STEPS_MAX = 2 * (TAG_SETS_MAX + TAG_SETS_FOLDED_MAX) };

struct step {
    uint64_t hash;
    struct tagset *base;
    struct tagset *result;
    uint32_t len;
    struct tag given[]; /* pool strings; value.ptr NULL: removes */
};

/* A list under construction: sorted, keys distinct. */
struct draft {
    uint32_t len;
    bool full; /* something was left out */
    struct tag tags[TAGS_PER_SET_MAX];
};

struct tag_table {
    struct arena arena;
    struct strpool pool;
    uint64_t seed;

    struct tagset **sets; /* slots by content hash; capacity a power of two */
    size_t sets_cap;
    uint32_t sets_len;

    struct step **steps; /* slots by step hash */
    size_t steps_cap;
    size_t steps_len;

    struct tagset empty;
    struct tag_limit *limit; /* `own`, or the run's */
    struct tag_limit own;
    uint32_t folded_len; /* sets made past the limit */

    /* Only with tag_table_keep_folded(). */
    struct draft *folded; /* what became `folded_into`; strings in the arena */
    struct arena folded_arena;
    const struct tagset *folded_into; /* NULL: asked already */
};

static const char *const system_names[TAG_SYSTEM_LEN] = {
    [TAG_PROTO] = "proto",
    [TAG_SUBPROTO] = "subproto",
    [TAG_STATUS] = "status",
    [TAG_METHOD] = "method",
    [TAG_URL] = "url",
    [TAG_NAME] = "name",
    [TAG_GROUP] = "group",
    [TAG_CHECK] = "check",
    [TAG_ERROR] = "error",
    [TAG_ERROR_CODE] = "error_code",
    [TAG_TLS_VERSION] = "tls_version",
    [TAG_SCENARIO] = "scenario",
    [TAG_SERVICE] = "service",
    [TAG_EXPECTED_RESPONSE] = "expected_response",
    [TAG_ITER] = "iter",
    [TAG_VU] = "vu",
    [TAG_IP] = "ip",
    [TAG_OCSP_STATUS] = "ocsp_status",
};

const char *system_tag_name(enum system_tag t)
{
    CHECK(t < TAG_SYSTEM_LEN);
    return system_names[t];
}

uint32_t system_tags_parse(struct str name)
{
    for (uint32_t i = 0; i < TAG_SYSTEM_LEN; i++) {
        if (str_eqz(name, system_names[i]))
            return TAG_BIT(i);
    }
    return 0;
}

static void draft_from(struct draft *d, const struct tagset *s)
{
    d->len = s->len;
    d->full = false;
    if (s->len > 0)
        memcpy(d->tags, s->tags, s->len * sizeof *s->tags);
}

static void draft_remove_at(struct draft *d, uint32_t at)
{
    memmove(&d->tags[at], &d->tags[at + 1], (d->len - at - 1) * sizeof d->tags[0]);
    d->len--;
}

static void draft_set(struct draft *d, struct tag tag)
{
    uint32_t at = 0;
    int order = 1;
    while (at < d->len && (order = str_cmp(d->tags[at].key, tag.key)) < 0)
        at++;
    bool there = at < d->len && order == 0;

    if (!tag.value.ptr) {
        if (there)
            draft_remove_at(d, at);
        return;
    }
    if (there) {
        d->tags[at].value = tag.value;
        return;
    }
    if (d->len == TAGS_PER_SET_MAX) {
        d->full = true;
        return;
    }
    memmove(&d->tags[at + 1], &d->tags[at], (d->len - at) * sizeof d->tags[0]);
    d->tags[at] = tag;
    d->len++;
}

static uint64_t hash_tag(uint64_t seed, struct tag tag)
{
    return hash_bytes(hash_bytes(seed, tag.key.ptr, tag.key.len), tag.value.ptr, tag.value.len);
}

static uint64_t hash_content(const struct tag_table *t, const struct tag *tags, uint32_t len)
{
    uint64_t h = t->seed;
    for (uint32_t i = 0; i < len; i++)
        h = hash_mix(h ^ HASH_K0, hash_tag(t->seed, tags[i]));
    return h;
}

/* The values are hashed whole, of the keys only length and ends: a step's keys hardly ever differ
 * where its values don't, and the look-up compares everything. */
static uint64_t hash_step(const struct tagset *base, const struct tag *tags, uint32_t n)
{
    uint64_t h = base->hash;
    for (uint32_t i = 0; i < n; i++) {
        struct str key = tags[i].key, value = tags[i].value;
        uint64_t k = key.len ? key.len << 16 | (uint64_t)(uint8_t)key.ptr[0] << 8 |
                                   (uint8_t)key.ptr[key.len - 1]
                             : 0;
        uint64_t one = value.ptr ? hash_bytes(k, value.ptr, value.len) : ~k;
        h = (h ^ one) * HASH_K1;
        h ^= h >> 29;
    }
    return h;
}

static bool same_str(struct str a, struct str b)
{
    return a.len == b.len && (a.ptr == b.ptr || hash_bytes_equal(a.ptr, b.ptr, a.len));
}

static bool same_tags(const struct tag *a, const struct tag *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!same_str(a[i].value, b[i].value) || !same_str(a[i].key, b[i].key) ||
            !a[i].value.ptr != !b[i].value.ptr)
            return false;
    }
    return true;
}

static struct tagset **find_set(struct tagset **slots, size_t cap, uint64_t hash,
                                const struct tag *tags, uint32_t len)
{
    size_t at = hash & (cap - 1);
    while (slots[at] && !(slots[at]->hash == hash && slots[at]->len == len &&
                          same_tags(slots[at]->tags, tags, len)))
        at = (at + 1) & (cap - 1);
    return &slots[at];
}

static struct step **find_step(struct step **slots, size_t cap, uint64_t hash,
                               const struct tagset *base, const struct tag *tags, uint32_t n)
{
    size_t at = hash & (cap - 1);
    for (struct step *s; (s = slots[at]) != NULL; at = (at + 1) & (cap - 1)) {
        if (s->hash == hash && s->base == base && s->len == n && same_tags(s->given, tags, n))
            break;
    }
    return &slots[at];
}

static int grow_sets(struct tag_table *t)
{
    size_t cap = t->sets_cap ? t->sets_cap * 2 : TABLE_SLOTS_FIRST;
    struct tagset **slots = mem_calloc(cap, sizeof(struct tagset *));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < t->sets_cap; i++) {
        struct tagset *s = t->sets[i];
        if (s)
            *find_set(slots, cap, s->hash, s->tags, s->len) = s;
    }
    mem_free(t->sets);
    t->sets = slots;
    t->sets_cap = cap;
    return 0;
}

static int grow_steps(struct tag_table *t)
{
    size_t cap = t->steps_cap ? t->steps_cap * 2 : TABLE_SLOTS_FIRST;
    struct step **slots = mem_calloc(cap, sizeof(struct step *));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < t->steps_cap; i++) {
        struct step *s = t->steps[i];
        if (s)
            *find_step(slots, cap, s->hash, s->base, s->given, s->len) = s;
    }
    mem_free(t->steps);
    t->steps = slots;
    t->steps_cap = cap;
    return 0;
}

int tag_table_new(struct tag_limit *limit, struct tag_table **ret)
{
    struct tag_table *t = mem_calloc(1, sizeof *t);
    if (!t)
        return err_set(-ENOMEM, "tags");
    arena_init(&t->arena, METRICS_ARENA_MAX);
    strpool_init(&t->pool, TAG_STRINGS_MAX);
    t->limit = limit ? limit : &t->own;
    t->seed = map_hash("tags", 4);
    t->empty.hash = hash_content(t, NULL, 0);
    t->sets_len = 1;
    if (grow_sets(t) < 0 || grow_steps(t) < 0) {
        tag_table_free(t);
        return err_set(-ENOMEM, "tags");
    }
    *find_set(t->sets, t->sets_cap, t->empty.hash, NULL, 0) = &t->empty;
    *ret = t;
    return 0;
}

void tag_table_free(struct tag_table *t)
{
    if (!t)
        return;
    mem_free(t->sets);
    mem_free(t->steps);
    strpool_fini(&t->pool);
    arena_fini(&t->arena);
    arena_fini(&t->folded_arena);
    mem_free(t->folded);
    mem_free(t);
}

struct tagset *tags_empty(struct tag_table *t)
{
    return &t->empty;
}

uint32_t tag_table_len(const struct tag_table *t)
{
    return t->sets_len;
}

static int pool_tag(struct tag_table *t, struct tag in, struct tag *ret)
{
    int rc = strpool_get(&t->pool, in.key, &ret->key);
    if (rc < 0 || !in.value.ptr) {
        ret->value = STR_EMPTY;
        return rc;
    }
    return strpool_get(&t->pool, in.value, &ret->value);
}

static uint32_t sets_max(const struct tag_table *t)
{
    return t->limit->max ? t->limit->max : TAG_SETS_MAX;
}

/* May one more set be made?  Several workers that ask at the same moment may each get one. */
static bool has_room(struct tag_table *t, uint32_t folded_max)
{
    if (folded_max > 0)
        return t->folded_len < folded_max;
    return atomic_load_explicit(&t->limit->sets, memory_order_relaxed) < sets_max(t);
}

static void count_set(struct tag_table *t, uint32_t folded_max)
{
    t->sets_len++;
    if (folded_max > 0)
        t->folded_len++;
    else
        atomic_fetch_add_explicit(&t->limit->sets, 1, memory_order_relaxed);
}

/* The set of these tags (pool strings or not), made if the limit allows it:
 * the run's, or (not 0) that of sets made beyond it.
 * 0, -ENOMEM, or -E2BIG. */
static int intern_set(struct tag_table *t, const struct draft *d, uint32_t folded_max,
                      struct tagset **ret)
{
    uint64_t hash = hash_content(t, d->tags, d->len);
    struct tagset *old = *find_set(t->sets, t->sets_cap, hash, d->tags, d->len);
    if (old) {
        *ret = old;
        return 0;
    }
    if (!has_room(t, folded_max))
        return -E2BIG;
    if ((size_t)(t->sets_len + 1) * 2 > t->sets_cap) {
        int rc = grow_sets(t);
        if (rc < 0)
            return rc;
    }

    struct tagset *s = arena_calloc(&t->arena, 1, sizeof *s + d->len * sizeof(struct tag));
    if (!s)
        return -ENOMEM;
    struct tag *tags = (struct tag *)(s + 1);
    for (uint32_t i = 0; i < d->len; i++) {
        int rc = pool_tag(t, d->tags[i], &tags[i]);
        if (rc < 0)
            return rc;
    }
    *s = (struct tagset){.tags = tags, .len = d->len, .id = t->sets_len, .hash = hash};
    count_set(t, folded_max);
    *find_set(t->sets, t->sets_cap, hash, tags, d->len) = s;
    *ret = s;
    return 0;
}

/* Best effort: without it the same call takes the long way again. */
static void remember_step(struct tag_table *t, uint64_t hash, struct tagset *base,
                          const struct tag *tags, uint32_t n, struct tagset *result)
{
    if (t->steps_len >= STEPS_MAX)
        return;
    if ((t->steps_len + 1) * 2 > t->steps_cap && grow_steps(t) < 0)
        return;
    struct step *s = arena_alloc(&t->arena, sizeof *s + n * sizeof s->given[0]);
    if (!s)
        return;
    *s = (struct step){.hash = hash, .base = base, .result = result, .len = n};
    for (uint32_t i = 0; i < n; i++) {
        if (pool_tag(t, tags[i], &s->given[i]) < 0)
            return;
    }
    *find_step(t->steps, t->steps_cap, hash, base, tags, n) = s;
    t->steps_len++;
}

static void warn_once(struct tag_table *t)
{
    if (atomic_exchange_explicit(&t->limit->warned, true, memory_order_relaxed))
        return;
    log_warning(
        "The test has produced more than %u different sets of metric tags; further requests "
        "are counted without their url and name tags. Use the name tag or http.url`` to "
        "group requests whose URLs differ.",
        sets_max(t));
}

static void keep_folded(struct tag_table *t, const struct draft *d)
{
    arena_reset(&t->folded_arena);
    t->folded->len = 0;
    for (uint32_t i = 0; i < d->len; i++) {
        const char *key = arena_dup(&t->folded_arena, d->tags[i].key);
        const char *value = arena_dup(&t->folded_arena, d->tags[i].value);
        if (!key || !value)
            return;
        t->folded->tags[t->folded->len++] = (struct tag){
            str_new(key, d->tags[i].key.len),
            str_new(value, d->tags[i].value.len),
        };
    }
}

/* A name that the script gave, by a tag or http.url: those are meant to be few. */
static bool is_given_name(const struct draft *d)
{
    for (uint32_t i = 0; i < d->len; i++) {
        if (!str_eqz(d->tags[i].key, "name"))
            continue;
        struct str v = d->tags[i].value;
        return !memmem(v.ptr, v.len, "://", 3) || memmem(v.ptr, v.len, "${}", 3);
    }
    return false;
}

/* Past the limit: what makes sets many goes, the rest stays. */
static struct tagset *fold(struct tag_table *t, struct tagset *base, struct draft *d)
{
    warn_once(t);
    if (t->folded)
        keep_folded(t, d);
    struct tagset *result = base;
    int rc = is_given_name(d) ? intern_set(t, d, TAG_SETS_FOLDED_MAX, &result) : -E2BIG;
    if (rc < 0) {
        draft_set(d, (struct tag){str_of(system_names[TAG_URL]), STR_EMPTY});
        draft_set(d, (struct tag){str_of(system_names[TAG_NAME]), STR_EMPTY});
        rc = intern_set(t, d, 2 * TAG_SETS_FOLDED_MAX, &result);
    }
    if (rc < 0)
        result = base;
    if (t->folded)
        t->folded_into = result;
    return result;
}

static struct tagset *make(struct tag_table *t, uint64_t hash, struct tagset *base,
                           const struct tag *tags, uint32_t n)
{
    struct draft d;
    draft_from(&d, base);
    for (uint32_t i = 0; i < n; i++)
        draft_set(&d, tags[i]);

    struct tagset *result;
    int rc = intern_set(t, &d, 0, &result);
    if (rc == -E2BIG)
        return fold(t, base, &d);
    if (rc < 0)
        return base;
    remember_step(t, hash, base, tags, n, result);
    return result;
}

struct tagset *tags_with(struct tag_table *t, struct tagset *base, const struct tag *tags,
                         uint32_t n)
{
    if (n == 0)
        return base;
    uint64_t hash = hash_step(base, tags, n);
    struct step *s = *find_step(t->steps, t->steps_cap, hash, base, tags, n);
    if (LIKELY(s != NULL))
        return s->result;
    return make(t, hash, base, tags, n);
}

int tag_table_keep_folded(struct tag_table *t)
{
    arena_init(&t->folded_arena, TAG_STRINGS_MAX);
    t->folded = mem_alloc(sizeof *t->folded);
    return t->folded ? 0 : err_set(-ENOMEM, "tags");
}

const struct tag *tags_before_fold(struct tag_table *t, const struct tagset *s, uint32_t *ret_len)
{
    if (LIKELY(t->folded_into != s || !s))
        return NULL;
    t->folded_into = NULL;
    *ret_len = t->folded->len;
    return t->folded->tags;
}

const struct tag *tags_find(const struct tagset *s, struct str key)
{
    for (uint32_t i = 0; i < s->len; i++) {
        if (str_eq(s->tags[i].key, key))
            return &s->tags[i];
    }
    return NULL;
}
