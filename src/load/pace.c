#include "load/pace.h"

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
