#include "server/brake.h"

#include <errno.h>

#include "base/clock.h"
#include "base/mem.h"

/* A key has these neighbouring slots to be in; the one whose window ends first gives way. */
enum { NEIGHBOURS = 8 };

int brake_init(struct brake *b, int max, int64_t window_ns)
{
    *b = (struct brake){.max = max, .window_ns = window_ns};
    b->slots = mem_calloc(BRAKE_SLOTS, sizeof *b->slots);
    if (!b->slots)
        return -ENOMEM;
    pthread_mutex_init(&b->lock, NULL);
    return 0;
}

void brake_fini(struct brake *b)
{
    if (!b->slots)
        return;
    mem_free(b->slots);
    b->slots = NULL;
    pthread_mutex_destroy(&b->lock);
}

/* NULL when the key isn't there.  Holds the lock. */
static struct brake_slot *find(struct brake *b, uint64_t key)
{
    for (uint64_t i = 0; i < NEIGHBOURS; i++) {
        struct brake_slot *s = &b->slots[(key + i) % BRAKE_SLOTS];
        if (s->key == key)
            return s;
    }
    return NULL;
}

static struct brake_slot *oldest(struct brake *b, uint64_t key)
{
    struct brake_slot *ret = &b->slots[key % BRAKE_SLOTS];
    for (uint64_t i = 1; i < NEIGHBOURS; i++) {
        struct brake_slot *s = &b->slots[(key + i) % BRAKE_SLOTS];
        if (s->key == 0 || (ret->key != 0 && s->since_ns < ret->since_ns))
            ret = s;
    }
    return ret;
}

int brake_wait_s(struct brake *b, uint64_t key, int64_t now_ns)
{
    int64_t left_ns = 0;
    pthread_mutex_lock(&b->lock);
    const struct brake_slot *s = find(b, key);
    if (s && s->failures >= b->max)
        left_ns = s->since_ns + b->window_ns - now_ns;
    pthread_mutex_unlock(&b->lock);
    return left_ns > 0 ? (int)((left_ns + NS_PER_S - 1) / NS_PER_S) : 0;
}

void brake_failed(struct brake *b, uint64_t key, int64_t now_ns)
{
    pthread_mutex_lock(&b->lock);
    struct brake_slot *s = find(b, key);
    if (!s)
        s = oldest(b, key);
    if (s->key != key || now_ns - s->since_ns > b->window_ns)
        *s = (struct brake_slot){.key = key, .since_ns = now_ns};
    s->failures++;
    pthread_mutex_unlock(&b->lock);
}

void brake_forgive(struct brake *b, uint64_t key)
{
    pthread_mutex_lock(&b->lock);
    struct brake_slot *s = find(b, key);
    if (s)
        *s = (struct brake_slot){0};
    pthread_mutex_unlock(&b->lock);
}
