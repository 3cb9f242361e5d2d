/*
 * pace - when things are due: pure arithmetic over times from the start of a scenario.
 *
 * No clock and no state: given the configuration, what happens when. Tables in
 * tests/unit/load/pace_test.c.
 */
#ifndef LOAD_PACE_H
#define LOAD_PACE_H

#include "base/attr.h"
#include "load/options.h"

#include <stdint.h>

/* Virtual user `number` (from 1, of the whole test) may start iterations in [start, stop). */
struct pace_span {
    int64_t start_ns, stop_ns;
    bool to_the_end; /* the ramp doesn't switch it off: the scenario's end does */
};

/* How a ramp goes: the next span of one virtual user. */
struct pace_ramp {
    const struct opt_stages *stages;
    int64_t start_vus, number;
    /* Where it is. */
    size_t stage;
    int64_t stage_start_ns, from;
    bool on;
    int64_t on_ns;
};
void pace_ramp_init(struct pace_ramp *r, int64_t start_vus, const struct opt_stages *stages,
                    int64_t number);
/* False when there is none any more. Spans come in order and never overlap. One can be empty: the
 * last virtual user of a ramp is due at the very moment of the ramp's end. */
bool pace_ramp_next(struct pace_ramp *r, struct pace_span *ret);

#endif
