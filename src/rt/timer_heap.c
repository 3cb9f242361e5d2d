#include "rt/timer_heap.h"

#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>

enum { CHILDREN = 4 };

/* With the root at 1, the children of i are 4i-2 … 4i+1. */
static size_t parent_of(size_t i)
{
    return (i + 2) / CHILDREN;
}

static size_t first_child_of(size_t i)
{
    return i * CHILDREN - 2;
}

void timer_heap_fini(struct timer_heap *h)
{
    mem_free(h->slots);
    *h = (struct timer_heap){0};
}

int timer_heap_reserve(struct timer_heap *h, size_t n)
{
    int rc = mem_grow(&h->slots, &h->cap, n + 1, RT_TIMERS_MAX, sizeof *h->slots);
    return rc < 0 ? -ENOMEM : 0;
}

static void place(struct timer_heap *h, size_t at, struct timer_heap_slot slot)
{
    h->slots[at] = slot;
    slot.timer->heap_at = (uint32_t)at;
}

static void sift_up(struct timer_heap *h, size_t at, struct timer_heap_slot slot)
{
    while (at > 1 && slot.due_ns < h->slots[parent_of(at)].due_ns) {
        place(h, at, h->slots[parent_of(at)]);
        at = parent_of(at);
    }
    place(h, at, slot);
}

static void sift_down(struct timer_heap *h, size_t at, struct timer_heap_slot slot)
{
    for (;;) {
        size_t first = first_child_of(at);
        if (first > h->len)
            break;
        size_t end = MIN(first + CHILDREN - 1, h->len);
        size_t least = first;
        for (size_t i = first + 1; i <= end; i++)
            if (h->slots[i].due_ns < h->slots[least].due_ns)
                least = i;
        if (slot.due_ns <= h->slots[least].due_ns)
            break;
        place(h, at, h->slots[least]);
        at = least;
    }
    place(h, at, slot);
}

void timer_heap_put(struct timer_heap *h, struct timer *t, int64_t due_ns)
{
    struct timer_heap_slot slot = {due_ns, t};
    t->due_ns = due_ns;
    if (t->heap_at == 0) {
        CHECK(h->len + 1 < h->cap);
        sift_up(h, ++h->len, slot);
    } else if (due_ns < h->slots[t->heap_at].due_ns) {
        sift_up(h, t->heap_at, slot);
    } else {
        sift_down(h, t->heap_at, slot);
    }
}

void timer_heap_remove(struct timer_heap *h, struct timer *t)
{
    size_t at = t->heap_at;
    if (at == 0)
        return;
    t->heap_at = 0;
    struct timer_heap_slot last = h->slots[h->len--];
    if (last.timer == t)
        return;
    if (at > 1 && last.due_ns < h->slots[parent_of(at)].due_ns)
        sift_up(h, at, last);
    else
        sift_down(h, at, last);
}

int64_t timer_heap_next_ns(const struct timer_heap *h)
{
    return h->len == 0 ? INT64_MAX : h->slots[1].due_ns;
}

struct timer *timer_heap_pop_due(struct timer_heap *h, int64_t now_ns)
{
    if (h->len == 0 || h->slots[1].due_ns > now_ns)
        return NULL;
    struct timer *t = h->slots[1].timer;
    timer_heap_remove(h, t);
    return t;
}
