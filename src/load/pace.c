#include "load/pace.h"

#include "base/clock.h"

#include <math.h>

void pace_ramp_init(struct pace_ramp *r, int64_t start_vus, const struct opt_stages *stages,
                    int64_t number)
{
    *r = (struct pace_ramp){.stages = stages,
                            .start_vus = start_vus,
                            .number = number,
                            .from = start_vus,
                            .on = start_vus >= number};
}

/* length * part / whole without overflow, cut off; whole isn't 0. */
static int64_t portion(int64_t length, int64_t part, int64_t whole)
{
    return (int64_t)((__int128)length * part / whole);
}

/* When, in a stage from `from` to `to` that ends at end_ns, this virtual user is switched; -1: not
 * in it. Counted back from the stage's end, as the cut-off of the division would otherwise move the
 * last step off it. */
static int64_t switch_ns(const struct pace_ramp *r, int64_t to, int64_t length, int64_t end_ns)
{
    int64_t from = r->from, n = r->number;
    if (!r->on && to > from && n <= to)
        return end_ns - portion(length, to - n, to - from);
    if (r->on && to < from && n > to)
        return end_ns - portion(length, n - 1 - to, from - to);
    return -1;
}

bool pace_ramp_next(struct pace_ramp *r, struct pace_span *ret)
{
    for (; r->stage < r->stages->len; r->stage++) {
        const struct stage *st = &r->stages->items[r->stage];
        int64_t end = r->stage_start_ns + st->duration.ns;
        int64_t at = switch_ns(r, st->target.value, st->duration.ns, end);
        r->from = st->target.value;
        r->stage_start_ns = end;
        if (at < 0)
            continue;
        r->on = !r->on;
        if (r->on) {
            r->on_ns = at;
        } else {
            *ret = (struct pace_span){r->on_ns, at, false};
            r->stage++;
            return true;
        }
    }
    if (!r->on)
        return false;
    r->on = false;
    *ret = (struct pace_span){r->on_ns, r->stage_start_ns, true};
    return true;
}

/* ---- arrivals ------------------------------------------------------------------------------ */

void pace_arrival_constant(struct pace_arrival *p, int64_t rate, int64_t time_unit_ns,
                           int64_t length_ns)
{
    *p = (struct pace_arrival){.rate = rate, .time_unit_ns = time_unit_ns, .length_ns = length_ns};
}

static long double per_second(const struct pace_arrival *p, int64_t rate)
{
    return (long double)rate * (long double)NS_PER_S / (long double)p->time_unit_ns;
}

void pace_arrival_ramp(struct pace_arrival *p, int64_t start_rate, const struct opt_stages *stages,
                       int64_t time_unit_ns)
{
    *p = (struct pace_arrival){.stages = stages, .time_unit_ns = time_unit_ns};
    for (size_t i = 0; i < stages->len; i++)
        p->length_ns += stages->items[i].duration.ns;
    p->from = per_second(p, start_rate);
}

/* Seconds into a stage from rate `from` to `to` that lasts `length` until `left` iterations are
 * due: from*x + (to-from)*x*x/(2*length) = left, in the form that doesn't divide by zero when the
 * rate hardly changes. */
static long double stage_time(long double from, long double to, long double length,
                              long double left)
{
    long double slope = (to - from) / length;
    long double root = from * from + 2 * slope * left;
    return 2 * left / (from + sqrtl(root > 0 ? root : 0));
}

static bool ramp_due(struct pace_arrival *p, long double number, int64_t *ret_ns)
{
    for (; p->stage < p->stages->len; p->stage++) {
        const struct stage *st = &p->stages->items[p->stage];
        long double to = per_second(p, st->target.value);
        long double length = (long double)st->duration.ns / (long double)NS_PER_S;
        long double area = (p->from + to) / 2 * length;
        long double left = number - p->area;
        /* What is due at the end of a stage to the last digit belongs to it. */
        if (left <= area * (1 + 1e-12L) && area > 0) {
            int64_t at = (int64_t)(stage_time(p->from, to, length, left) * (long double)NS_PER_S);
            *ret_ns = p->stage_start_ns + (at < st->duration.ns ? at : st->duration.ns);
            return true;
        }
        p->area += area;
        p->from = to;
        p->stage_start_ns += st->duration.ns;
    }
    return false;
}

bool pace_arrival_due(struct pace_arrival *p, int64_t number, int64_t *ret_ns)
{
    if (p->stages != NULL) {
        if (!ramp_due(p, (long double)number + 1, ret_ns))
            return false;
        if (*ret_ns >= p->length_ns)
            *ret_ns = p->length_ns - 1;
        return true;
    }
    __int128 at = (__int128)number * p->time_unit_ns / p->rate;
    if (at > p->length_ns)
        return false;
    *ret_ns = at == p->length_ns ? p->length_ns - 1 : (int64_t)at;
    return true;
}

double pace_arrival_rate(const struct pace_arrival *p, int64_t at_ns)
{
    if (p->stages == NULL)
        return (double)per_second(p, p->rate);
    struct pace_arrival walk = *p;
    int64_t start = 0;
    for (size_t i = 0; i < p->stages->len; i++) {
        const struct stage *st = &p->stages->items[i];
        long double to = per_second(p, st->target.value);
        if (at_ns < start + st->duration.ns)
            return (double)(walk.from + (to - walk.from) * (long double)(at_ns - start) /
                                            (long double)st->duration.ns);
        walk.from = to;
        start += st->duration.ns;
    }
    return (double)walk.from;
}
