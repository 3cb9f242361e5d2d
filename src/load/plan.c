#include "load/plan.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "load/pace.h"
#include "load/scenario.h"

#include <errno.h>
#include <stdlib.h>

/* ---- scenarios ----------------------------------------------------------------------------- */

static int by_start_and_name(const void *a, const void *b)
{
    const struct plan_scenario *x = a, *y = b;
    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    return strcmp(x->config->name, y->config->name);
}

static bool is_arrival(const struct scenario *s)
{
    return s->type == EXECUTOR_CONSTANT_ARRIVAL_RATE || s->type == EXECUTOR_RAMPING_ARRIVAL_RATE;
}

/* Nobody knows how long pauses will be, or, without a duration, when it ends. */
static bool is_external(const struct scenario *s)
{
    return s->type == EXECUTOR_EXTERNALLY_CONTROLLED;
}

static int add_scenario(struct plan *p, const struct scenario *s, const struct segment *seg)
{
    int64_t vus = segment_scale(seg, scenario_vus(s));
    if (vus == 0 && !is_external(s))
        return 0;
    if (vus > LOAD_VUS_MAX)
        return err_set(E_LIMIT, "scenario %s wants %lld virtual users; the most are %d", s->name,
                       (long long)vus, LOAD_VUS_MAX);
    struct plan_scenario ps = {.config = s, .start_ns = scenario_start_ns(s), .vus = (uint32_t)vus};
    ps.vus_planned = ps.vus;
    ps.stop_ns = ps.start_ns + scenario_duration_ns(s);
    ps.end_ns = scenario_end_ns(s);
    if (s->type == EXECUTOR_SHARED_ITERATIONS) {
        int rc = segment_by_value(seg, scenario_vus(s), &ps.dealt);
        if (rc < 0)
            return rc;
        ps.iterations = (uint64_t)segment_scale(&ps.dealt, scenario_iterations(s));
    } else if (s->type == EXECUTOR_PER_VU_ITERATIONS) {
        ps.iterations = (uint64_t)scenario_iterations(s);
    } else if (is_arrival(s)) {
        ps.vus_planned = (uint32_t)segment_scale(seg, s->pre_allocated_vus.value);
        int rc = segment_by_value(seg, scenario_vus(s), &ps.dealt);
        if (rc < 0)
            return rc;
    }
    p->end_ns = MAX(p->end_ns, ps.end_ns);
    if (is_external(s) && s->duration.ns == 0)
        ps.stop_ns = ps.end_ns = PLAN_FOREVER_NS;
    p->scenarios[p->scenarios_len++] = ps;
    return 0;
}

/* ---- windows ------------------------------------------------------------------------------- */

static int add_window(struct plan *p, size_t *cap, struct window w)
{
    int rc = mem_grow(&p->windows, cap, p->windows_len + 1, LOAD_WINDOWS_MAX, sizeof w);
    if (rc < 0)
        return rc == -E2BIG ? err_set(E_LIMIT,
                                      "the scenarios' stages start virtual users more "
                                      "than %d times",
                                      LOAD_WINDOWS_MAX)
                            : rc;
    p->windows[p->windows_len++] = w;
    return 0;
}

/* A ramp's virtual user: when it is asked to come again before its last iteration would have been
 * interrupted, it just goes on. */
static int add_ramp(struct plan *p, size_t *cap, uint32_t scenario, uint32_t index, int64_t number)
{
    const struct plan_scenario *ps = &p->scenarios[scenario];
    int64_t start_vus = ps->config->start_vus.set ? ps->config->start_vus.value : 1;
    int64_t ramp_down = scenario_graceful_ramp_down_ns(ps->config);
    struct pace_ramp ramp;
    struct pace_span span;
    struct window *last = NULL;
    pace_ramp_init(&ramp, start_vus, &ps->config->stages, number);
    while (pace_ramp_next(&ramp, &span)) {
        struct window w = {.scenario = scenario, .index = index};
        w.start_ns = ps->start_ns + span.start_ns;
        w.stop_ns = ps->start_ns + span.stop_ns;
        w.hard_ns = span.to_the_end ? ps->end_ns : MIN(w.stop_ns + ramp_down, ps->end_ns);
        if (last != NULL && last->hard_ns >= w.start_ns)
            last->hard_ns = INT64_MAX;
        int rc = add_window(p, cap, w);
        if (rc < 0)
            return rc;
        last = &p->windows[p->windows_len - 1];
    }
    return 0;
}

static int add_windows(struct plan *p, size_t *cap, uint32_t scenario, const struct segment *seg)
{
    const struct plan_scenario *ps = &p->scenarios[scenario];
    for (uint32_t i = 0; i < ps->vus_planned; i++) {
        int rc;
        if (ps->config->type == EXECUTOR_RAMPING_VUS)
            rc = add_ramp(p, cap, scenario, i, segment_global(seg, i) + 1);
        else
            rc = add_window(p, cap,
                            (struct window){.start_ns = ps->start_ns,
                                            .stop_ns = ps->stop_ns,
                                            .hard_ns = ps->end_ns,
                                            .scenario = scenario,
                                            .index = i});
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- who does what ------------------------------------------------------------------------- */

/* Smallest key first. */
struct heap {
    struct heap_item {
        int64_t key;
        uint32_t vu;
    } * items;
    size_t len;
};

static bool heap_less(const struct heap *h, size_t a, size_t b)
{
    const struct heap_item *x = &h->items[a], *y = &h->items[b];
    return x->key != y->key ? x->key < y->key : x->vu < y->vu;
}

static void heap_swap(struct heap *h, size_t a, size_t b)
{
    struct heap_item t = h->items[a];
    h->items[a] = h->items[b];
    h->items[b] = t;
}

static void heap_push(struct heap *h, int64_t key, uint32_t vu)
{
    size_t at = h->len++;
    h->items[at] = (struct heap_item){key, vu};
    for (; at > 0 && heap_less(h, at, (at - 1) / 2); at = (at - 1) / 2)
        heap_swap(h, at, (at - 1) / 2);
}

static struct heap_item heap_pop(struct heap *h)
{
    struct heap_item top = h->items[0];
    h->items[0] = h->items[--h->len];
    size_t at = 0;
    for (;;) {
        size_t least = at, left = 2 * at + 1;
        for (size_t c = left; c < left + 2 && c < h->len; c++)
            if (heap_less(h, c, least))
                least = c;
        if (least == at)
            return top;
        heap_swap(h, at, least);
        at = least;
    }
}

static int by_start(const void *a, const void *b)
{
    const struct window *x = *(struct window *const *)a, *y = *(struct window *const *)b;
    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    if (x->scenario != y->scenario)
        return x->scenario < y->scenario ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* The end of a stay: windows of one virtual user that run into each other count as one. */
static struct window *stay_last(struct window *w)
{
    while (w->hard_ns == INT64_MAX)
        w++;
    return w;
}

static bool stay_begins(const struct plan *p, size_t i)
{
    return i == 0 || p->windows[i - 1].hard_ns != INT64_MAX;
}

/* Each stay takes the lowest virtual user that is free at its start. */
static int assign(struct plan *p, struct window **stays, size_t n, struct heap *busy,
                  struct heap *idle)
{
    qsort(stays, n, sizeof *stays, by_start);
    for (size_t i = 0; i < n; i++) {
        while (busy->len > 0 && busy->items[0].key <= stays[i]->start_ns) {
            uint32_t vu = heap_pop(busy).vu;
            heap_push(idle, vu, vu);
        }
        uint32_t vu = idle->len > 0 ? heap_pop(idle).vu : p->vus++;
        struct window *last = stay_last(stays[i]);
        for (struct window *w = stays[i]; w <= last; w++)
            w->vu = vu;
        heap_push(busy, last->hard_ns, vu);
    }
    if (p->vus > LOAD_VUS_MAX)
        return err_set(E_LIMIT, "the scenarios want %u virtual users; the most are %d", p->vus,
                       LOAD_VUS_MAX);
    return 0;
}

static int assign_vus(struct plan *p)
{
    size_t n = 0;
    struct window **stays = mem_calloc(p->windows_len + 1, sizeof *stays);
    struct heap busy = {.items = mem_calloc(p->windows_len + 1, sizeof *busy.items)};
    struct heap idle = {.items = mem_calloc(p->windows_len + 1, sizeof *idle.items)};
    int rc = -ENOMEM;
    if (stays != NULL && busy.items != NULL && idle.items != NULL) {
        for (size_t i = 0; i < p->windows_len; i++)
            if (stay_begins(p, i))
                stays[n++] = &p->windows[i];
        rc = assign(p, stays, n, &busy, &idle);
    }
    mem_free(stays);
    mem_free(busy.items);
    mem_free(idle.items);
    return rc;
}

/* Those of arrival rates that are made when they are needed: nobody else's. */
static int add_extras(struct plan *p, size_t *cap)
{
    p->vus_most = p->vus;
    for (uint32_t s = 0; s < p->scenarios_len; s++) {
        struct plan_scenario *ps = &p->scenarios[s];
        ps->first_extra = p->vus_most;
        for (uint32_t i = ps->vus_planned; i < ps->vus; i++) {
            int rc = add_window(p, cap,
                                (struct window){.start_ns = ps->start_ns,
                                                .stop_ns = ps->stop_ns,
                                                .hard_ns = ps->end_ns,
                                                .scenario = s,
                                                .index = i,
                                                .vu = p->vus_most++});
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

static int by_vu_and_start(const void *a, const void *b)
{
    const struct window *x = a, *y = b;
    if (x->vu != y->vu)
        return x->vu < y->vu ? -1 : 1;
    return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

static int index_by_vu(struct plan *p)
{
    p->first = mem_calloc((size_t)p->vus_most + 1, sizeof *p->first);
    if (p->first == NULL)
        return -ENOMEM;
    if (p->windows_len > 0)
        qsort(p->windows, p->windows_len, sizeof *p->windows, by_vu_and_start);
    size_t at = 0;
    for (uint32_t vu = 0; vu < p->vus_most; vu++) {
        p->first[vu] = at;
        while (at < p->windows_len && p->windows[at].vu == vu)
            at++;
    }
    p->first[p->vus_most] = p->windows_len;
    return 0;
}

static int all_by_start_and_name(const void *a, const void *b)
{
    struct plan_scenario x = {.config = *(const struct scenario *const *)a};
    struct plan_scenario y = {.config = *(const struct scenario *const *)b};
    x.start_ns = scenario_start_ns(x.config);
    y.start_ns = scenario_start_ns(y.config);
    return by_start_and_name(&x, &y);
}

static int list_all(struct plan *p, const struct options *o)
{
    p->all = mem_calloc(o->scenarios.len + 1, sizeof *p->all);
    if (p->all == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < o->scenarios.len; i++)
        p->all[p->all_len++] = &o->scenarios.items[i];
    if (p->all_len > 0)
        qsort(p->all, p->all_len, sizeof *p->all, all_by_start_and_name);
    return 0;
}

void plan_fini(struct plan *p)
{
    for (size_t i = 0; i < p->scenarios_len; i++)
        segment_fini(&p->scenarios[i].dealt);
    mem_free(p->scenarios);
    mem_free(p->all);
    mem_free(p->windows);
    mem_free(p->first);
    *p = (struct plan){0};
}

int plan_make(const struct options *o, const struct segment *seg, struct plan *ret)
{
    struct plan p = {0};
    size_t cap = 0;
    p.scenarios = mem_calloc(o->scenarios.len + 1, sizeof *p.scenarios);
    int rc = p.scenarios == NULL ? -ENOMEM : list_all(&p, o);
    for (size_t i = 0; rc == 0 && i < o->scenarios.len; i++)
        rc = add_scenario(&p, &o->scenarios.items[i], seg);
    if (rc == 0)
        qsort(p.scenarios, p.scenarios_len, sizeof *p.scenarios, by_start_and_name);
    for (size_t i = 0; rc == 0 && i < p.scenarios_len; i++)
        rc = add_windows(&p, &cap, (uint32_t)i, seg);
    if (rc == 0)
        rc = assign_vus(&p);
    if (rc == 0)
        rc = add_extras(&p, &cap);
    if (rc == 0)
        rc = index_by_vu(&p);
    if (rc < 0)
        plan_fini(&p);
    else
        *ret = p;
    return rc;
}
