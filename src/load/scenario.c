#include "load/scenario.h"

#include "base/clock.h"
#include "codec/duration.h"

#include <ctype.h>
#include <stdio.h>

enum { MINUTES_MAX_DURATION = 10, SECONDS_GRACEFUL = 30 };

static int64_t int_or(struct opt_int i, int64_t fallback)
{
    return i.set ? i.value : fallback;
}

static int64_t dur_or(struct opt_dur d, int64_t fallback)
{
    return d.set ? d.ns : fallback;
}

const char *scenario_exec(const struct scenario *s)
{
    return s->exec != NULL ? s->exec : "default";
}

static int64_t highest_target(int64_t start, const struct opt_stages *stages)
{
    int64_t most = start;
    for (size_t i = 0; i < stages->len; i++)
        most = MAX(most, stages->items[i].target.value);
    return most;
}

int64_t scenario_vus(const struct scenario *s)
{
    switch (s->type) {
    case EXECUTOR_CONSTANT_VUS:
    case EXECUTOR_SHARED_ITERATIONS:
    case EXECUTOR_PER_VU_ITERATIONS:
        return int_or(s->vus, 1);
    case EXECUTOR_RAMPING_VUS:
        return highest_target(int_or(s->start_vus, 1), &s->stages);
    case EXECUTOR_CONSTANT_ARRIVAL_RATE:
    case EXECUTOR_RAMPING_ARRIVAL_RATE:
        return int_or(s->max_vus, s->pre_allocated_vus.value);
    case EXECUTOR_EXTERNALLY_CONTROLLED:
        return int_or(s->max_vus, s->vus.value);
    case EXECUTOR_LEN:
        break;
    }
    return 0;
}

int64_t scenario_iterations(const struct scenario *s)
{
    return int_or(s->iterations, 1);
}

int64_t scenario_start_ns(const struct scenario *s)
{
    return s->start_time.ns;
}

static int64_t stages_ns(const struct opt_stages *stages)
{
    int64_t sum = 0;
    for (size_t i = 0; i < stages->len; i++)
        if (__builtin_add_overflow(sum, stages->items[i].duration.ns, &sum))
            return INT64_MAX / 4;
    return sum;
}

int64_t scenario_duration_ns(const struct scenario *s)
{
    switch (s->type) {
    case EXECUTOR_CONSTANT_VUS:
    case EXECUTOR_CONSTANT_ARRIVAL_RATE:
    case EXECUTOR_EXTERNALLY_CONTROLLED:
        return s->duration.ns;
    case EXECUTOR_SHARED_ITERATIONS:
    case EXECUTOR_PER_VU_ITERATIONS:
        return dur_or(s->max_duration, MINUTES_MAX_DURATION * 60 * NS_PER_S);
    case EXECUTOR_RAMPING_VUS:
    case EXECUTOR_RAMPING_ARRIVAL_RATE:
        return stages_ns(&s->stages);
    case EXECUTOR_LEN:
        break;
    }
    return 0;
}

int64_t scenario_graceful_stop_ns(const struct scenario *s)
{
    if (s->type == EXECUTOR_EXTERNALLY_CONTROLLED)
        return 0;
    return dur_or(s->graceful_stop, SECONDS_GRACEFUL * NS_PER_S);
}

int64_t scenario_graceful_ramp_down_ns(const struct scenario *s)
{
    return dur_or(s->graceful_ramp_down, SECONDS_GRACEFUL * NS_PER_S);
}

int64_t scenario_end_ns(const struct scenario *s)
{
    int64_t end;
    if (__builtin_add_overflow(scenario_start_ns(s), scenario_duration_ns(s), &end) ||
        __builtin_add_overflow(end, scenario_graceful_stop_ns(s), &end))
        return INT64_MAX / 2;
    return end;
}

/* ---- validation ---------------------------------------------------------------------------- */

static void PRINTF(2, 3) problem(struct buf *out, const char *fmt, ...)
{
    if (out->len > 0)
        buf_z(out, ", ");
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(out, fmt, ap);
    va_end(ap);
}

static void check_base(const struct scenario *s, struct buf *out)
{
    bool good = s->name[0] != '\0';
    if (!good)
        problem(out, "scenario name can't be empty");
    for (const char *p = s->name; *p != '\0' && good; p++)
        good = isalnum((unsigned char)*p) || *p == '_' || *p == '-';
    if (!good && s->name[0] != '\0')
        problem(out, "the scenario name should contain only numbers, latin letters, underscores, "
                     "and dashes");
    if (s->exec != NULL && s->exec[0] == '\0')
        problem(out, "exec value cannot be empty");
    if (s->start_time.ns < 0)
        problem(out, "the startTime can't be negative");
    if (s->graceful_stop.ns < 0)
        problem(out, "the gracefulStop timeout can't be negative");
}

static void check_at_least_second(const char *name, struct opt_dur d, struct buf *out)
{
    char text[DURATION_TEXT_MAX];
    if (d.ns >= NS_PER_S)
        return;
    (void)duration_format(d.ns, text);
    problem(out, "the %s must be at least 1s, but is %s", name, text);
}

static void check_duration(const struct scenario *s, struct buf *out)
{
    if (!s->duration.set)
        problem(out, "the duration is unspecified");
    else
        check_at_least_second("duration", s->duration, out);
}

static void check_stages(const struct opt_stages *stages, struct buf *out)
{
    if (stages->len == 0)
        problem(out, "at least one stage has to be specified");
    for (size_t i = 0; i < stages->len; i++) {
        const struct stage *st = &stages->items[i];
        if (!st->duration.set)
            problem(out, "stage %zu doesn't have a duration", i + 1);
        else if (st->duration.ns < 0)
            problem(out, "the duration for stage %zu can't be negative", i + 1);
        if (!st->target.set)
            problem(out, "stage %zu doesn't have a target", i + 1);
        else if (st->target.value < 0)
            problem(out, "the target for stage %zu can't be negative", i + 1);
    }
}

static void check_iterations(const struct scenario *s, struct buf *out)
{
    int64_t vus = scenario_vus(s), iterations = scenario_iterations(s);
    if (vus <= 0)
        problem(out, "the number of VUs must be more than 0");
    if (s->type == EXECUTOR_SHARED_ITERATIONS && iterations < vus)
        problem(out, "the number of iterations (%lld) can't be less than the number of VUs (%lld)",
                (long long)iterations, (long long)vus);
    if (s->type == EXECUTOR_PER_VU_ITERATIONS && iterations <= 0)
        problem(out, "the number of iterations must be more than 0");
    if (s->max_duration.set)
        check_at_least_second("maxDuration", s->max_duration, out);
}

static void check_ramp(const struct scenario *s, struct buf *out)
{
    if (s->start_vus.value < 0)
        problem(out, "the number of start VUs can't be negative");
    if (scenario_vus(s) <= 0)
        problem(out, "either startVUs or one of the stages' target values must be greater than 0");
    check_stages(&s->stages, out);
    if (s->graceful_ramp_down.ns < 0)
        problem(out, "the gracefulRampDown timeout can't be negative");
}

static void check_arrival(const struct scenario *s, struct buf *out)
{
    bool constant = s->type == EXECUTOR_CONSTANT_ARRIVAL_RATE;
    if (constant && !s->rate.set)
        problem(out, "the iteration rate is unspecified");
    else if (constant && s->rate.value <= 0)
        problem(out, "the iteration rate must be more than 0");
    if (!constant && s->start_rate.value < 0)
        problem(out, "the startRate value can't be negative");
    if (s->time_unit.set && s->time_unit.ns <= 0)
        problem(out, "the timeUnit must be more than 0");
    if (constant)
        check_duration(s, out);
    else
        check_stages(&s->stages, out);
    if (!s->pre_allocated_vus.set)
        problem(out, "the number of preAllocatedVUs is unspecified");
    else if (s->pre_allocated_vus.value < 0)
        problem(out, "the number of preAllocatedVUs can't be negative");
    if (s->max_vus.set && s->max_vus.value < s->pre_allocated_vus.value)
        problem(out, "maxVUs can't be less than preAllocatedVUs");
}

static void check_external(const struct scenario *s, struct buf *out)
{
    if (s->vus.value < 0)
        problem(out, "the number of VUs can't be negative");
    if (scenario_vus(s) < s->vus.value)
        problem(out,
                "the number of active VUs (%lld) must be less than or equal to the number of "
                "maxVUs (%lld)",
                (long long)s->vus.value, (long long)scenario_vus(s));
    if (!s->duration.set)
        problem(out, "the duration must be specified, for infinite duration use 0");
    else if (s->duration.ns < 0)
        problem(out, "the duration can't be negative, for infinite duration use 0");
    if (s->graceful_stop.set)
        problem(out, "gracefulStop is not supported by the externally controlled executor");
}

void scenario_validate(const struct scenario *s, struct buf *out)
{
    check_base(s, out);
    switch (s->type) {
    case EXECUTOR_CONSTANT_VUS:
        if (scenario_vus(s) <= 0)
            problem(out, "the number of VUs must be more than 0");
        check_duration(s, out);
        break;
    case EXECUTOR_SHARED_ITERATIONS:
    case EXECUTOR_PER_VU_ITERATIONS:
        check_iterations(s, out);
        break;
    case EXECUTOR_RAMPING_VUS:
        check_ramp(s, out);
        break;
    case EXECUTOR_CONSTANT_ARRIVAL_RATE:
    case EXECUTOR_RAMPING_ARRIVAL_RATE:
        check_arrival(s, out);
        break;
    case EXECUTOR_EXTERNALLY_CONTROLLED:
        check_external(s, out);
        break;
    case EXECUTOR_LEN:
        break;
    }
}

/* ---- description --------------------------------------------------------------------------- */

static void fact(struct buf *out, bool *any, const char *name, const char *value)
{
    buf_printf(out, "%s%s: %s", *any ? ", " : " (", name, value);
    *any = true;
}

static void fact_dur(struct buf *out, bool *any, const char *name, int64_t ns)
{
    char text[DURATION_TEXT_MAX];
    (void)duration_format(ns, text);
    fact(out, any, name, text);
}

static void describe_facts(const struct scenario *s, const struct segment *seg, struct buf *out)
{
    bool any = false;
    if (s->type == EXECUTOR_SHARED_ITERATIONS || s->type == EXECUTOR_PER_VU_ITERATIONS)
        fact_dur(out, &any, "maxDuration", scenario_duration_ns(s));
    if (s->type == EXECUTOR_RAMPING_VUS)
        fact_dur(out, &any, "gracefulRampDown", scenario_graceful_ramp_down_ns(s));
    if (s->type == EXECUTOR_CONSTANT_ARRIVAL_RATE || s->type == EXECUTOR_RAMPING_ARRIVAL_RATE) {
        char text[64];
        int64_t planned = segment_scale(seg, s->pre_allocated_vus.value);
        int64_t most = segment_scale(seg, scenario_vus(s));
        if (planned == most)
            (void)snprintf(text, sizeof text, "%lld", (long long)most);
        else
            (void)snprintf(text, sizeof text, "%lld-%lld", (long long)planned, (long long)most);
        fact(out, &any, "maxVUs", text);
    }
    if (s->exec != NULL)
        fact(out, &any, "exec", s->exec);
    if (s->start_time.ns > 0)
        fact_dur(out, &any, "startTime", s->start_time.ns);
    if (scenario_graceful_stop_ns(s) > 0)
        fact_dur(out, &any, "gracefulStop", scenario_graceful_stop_ns(s));
    if (any)
        buf_byte(out, ')');
}

static double rate_per_s(const struct scenario *s, const struct segment *seg, int64_t rate)
{
    double unit = (double)dur_or(s->time_unit, NS_PER_S) / (double)NS_PER_S;
    int64_t most = scenario_vus(s); /* its iterations are dealt out as its virtual users are ... */
    double share = most > 0 ? (double)segment_scale(seg, most) / (double)most : 0;
    if (s->type == EXECUTOR_RAMPING_ARRIVAL_RATE) /* ... which k6 says of constant rates only */
        share = segment_share(seg);
    return (double)rate / unit * share;
}

static int64_t shared_iterations(const struct scenario *s, const struct segment *seg)
{
    struct segment by_vus;
    if (segment_by_value(seg, scenario_vus(s), &by_vus) < 0)
        return 0;
    int64_t n = segment_scale(&by_vus, scenario_iterations(s));
    segment_fini(&by_vus);
    return n;
}

void scenario_describe(const struct scenario *s, const struct segment *seg, struct buf *out)
{
    char length[DURATION_TEXT_MAX];
    (void)duration_format(scenario_duration_ns(s), length);
    long long vus = segment_scale(seg, scenario_vus(s));
    switch (s->type) {
    case EXECUTOR_CONSTANT_VUS:
        buf_printf(out, "%lld looping VUs for %s", vus, length);
        break;
    case EXECUTOR_RAMPING_VUS:
        buf_printf(out, "Up to %lld looping VUs for %s over %zu stages", vus, length,
                   s->stages.len);
        break;
    case EXECUTOR_SHARED_ITERATIONS:
        buf_printf(out, "%lld iterations shared among %lld VUs",
                   (long long)shared_iterations(s, seg), vus);
        break;
    case EXECUTOR_PER_VU_ITERATIONS:
        buf_printf(out, "%lld iterations for each of %lld VUs", (long long)scenario_iterations(s),
                   vus);
        break;
    case EXECUTOR_CONSTANT_ARRIVAL_RATE:
        buf_printf(out, "%.2f iterations/s for %s", rate_per_s(s, seg, s->rate.value), length);
        break;
    case EXECUTOR_RAMPING_ARRIVAL_RATE:
        buf_printf(out, "Up to %.2f iterations/s for %s over %zu stages",
                   rate_per_s(s, seg, highest_target(s->start_rate.value, &s->stages)), length,
                   s->stages.len);
        break;
    case EXECUTOR_EXTERNALLY_CONTROLLED:
        buf_printf(out, "Externally controlled execution with %lld VUs, %lld max VUs, %s duration",
                   (long long)s->vus.value, (long long)scenario_vus(s),
                   s->duration.ns > 0 ? length : "infinite");
        return;
    case EXECUTOR_LEN:
        break;
    }
    describe_facts(s, seg, out);
}
