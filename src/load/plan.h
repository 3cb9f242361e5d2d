/*
 * plan - the whole test's timetable, made before it begins: which virtual user works for which
 * scenario from when to when. Pure.
 *
 * A window is one stay of a virtual user in a scenario. Windows that don't overlap share virtual
 * users, so that the number made beforehand is exactly the most that are needed at the same time,
 * as in k6; and as all is known in advance, workers need not talk to each other while it runs:
 * virtual user v belongs to worker v mod W and follows its own list.
 */
#ifndef LOAD_PLAN_H
#define LOAD_PLAN_H

#include "base/attr.h"
#include "load/options.h"
#include "load/segment.h"

#include <stdint.h>

/* The end of what has none; sums with clocks stay in range. */
#define PLAN_FOREVER_NS (INT64_MAX / 4)

struct window {
    int64_t start_ns;  /* first iteration, since the start of the test */
    int64_t stop_ns;   /* no iteration begins at or after it */
    int64_t hard_ns;   /* the running one is interrupted; INT64_MAX: the next window's start comes
                          before that and simply goes on */
    uint32_t scenario; /* place in plan.scenarios */
    uint32_t index;    /* number of the virtual user within the scenario here, from 0 */
    uint32_t vu;       /* from 0 */
};

struct plan_scenario {
    const struct scenario *config;
    int64_t start_ns, stop_ns, end_ns; /* end: with gracefulStop */
    uint32_t vus;                      /* here, most at the same time */
    uint32_t vus_planned;              /* of them made beforehand; fewer only with arrival rates */
    uint32_t first_extra;              /* arrival rates: virtual user of index vus_planned */
    struct segment dealt;              /* arrival rates, shared: which iterations are due here */
    uint64_t iterations;               /* shared: of all here; per-vu: of each; else 0 */
};

struct plan {
    struct plan_scenario *scenarios; /* that have work here; sorted by (startTime, name) */
    size_t scenarios_len;
    const struct scenario **all; /* those without work here, too; in the same order */
    size_t all_len;
    struct window *windows; /* sorted by (vu, start) */
    size_t windows_len;
    size_t *first;     /* [vu]: its first window; [vus_most]: windows_len */
    uint32_t vus;      /* to be made beforehand */
    uint32_t vus_most; /* with those that arrival rates may ask for later: [vus, vus_most) */
    int64_t end_ns;
};

/* `o` is derived and valid, and outlives the plan. -ENOMEM; E_LIMIT when it is too big. */
NODISCARD int plan_make(const struct options *o, const struct segment *seg, struct plan *ret);
void plan_fini(struct plan *p);

#endif
