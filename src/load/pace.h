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

#include <stdbool.h>
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

/*
 * How iterations arrive: at a rate that is constant or goes in straight lines from stage to stage.
 * Iterations are numbered from 0 over the whole test, whatever runs where.
 */
struct pace_arrival {
    int64_t time_unit_ns; /* of the rates */
    int64_t length_ns;    /* all stages */
    int64_t rate;         /* constant: iterations a time unit; else 0 */
    const struct opt_stages *stages;
    /* Where it is: rates a second, iterations due in the stages that are over. */
    size_t stage;
    int64_t stage_start_ns;
    long double from, area;
};
void pace_arrival_constant(struct pace_arrival *p, int64_t rate, int64_t time_unit_ns,
                           int64_t length_ns);
void pace_arrival_ramp(struct pace_arrival *p, int64_t start_rate, const struct opt_stages *stages,
                       int64_t time_unit_ns);
/* When iteration `number` is due; numbers must not go back from call to call. False: not in this
 * scenario any more. Constant: the first at 0, then evenly. Ramps: when the area below the rate has
 * reached number + 1. One that falls on the very end is still one of it, as in k6. */
bool pace_arrival_due(struct pace_arrival *p, int64_t number, int64_t *ret_ns);
/* Iterations a second at a time. */
double pace_arrival_rate(const struct pace_arrival *p, int64_t at_ns);

#endif
