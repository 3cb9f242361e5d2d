#include "metrics/slow.h"

#include "base/mem.h"

#include <string.h>

void slow_add(struct slow_requests **list, uint32_t max, const struct slow_request *r)
{
    if (!slow_wants(*list, max, r->http.duration_ms))
        return;
    if (!*list)
        *list = mem_calloc(1, sizeof **list);
    struct slow_requests *l = *list;
    if (!l)
        return;
    /* Without the fastest there is room at the front. */
    if (l->len == max)
        memmove(l->items, l->items + 1, --l->len * sizeof l->items[0]);
    uint32_t at = l->len++;
    for (; at > 0 && l->items[at - 1].http.duration_ms > r->http.duration_ms; at--)
        l->items[at] = l->items[at - 1];
    l->items[at] = *r;
}

void slow_merge(struct slow_requests **into, struct slow_requests **from, uint32_t max)
{
    struct slow_requests *f = *from;
    *from = NULL;
    if (!*into) {
        *into = f;
        return;
    }
    for (uint32_t i = 0; f && i < f->len; i++)
        slow_add(into, max, &f->items[i]);
    mem_free(f);
}
