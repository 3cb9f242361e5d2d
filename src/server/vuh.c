#include "server/vuh.h"

#include <errno.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "codec/duration.h"
#include "server/run_json.h"

static const double local_reduction = 0.25;
enum { BROWSER_FACTOR = 10, SCENARIOS_MAX = 1000, ITERATIONS_S = 600 };

/* A scenario as a block: so many users from here to there. */
struct block {
    int64_t start_ns;
    int64_t end_ns;
    int64_t vus;
    bool browser;
};

static bool is_none(yyjson_val *v)
{
    return !v || yyjson_is_null(v);
}

/* Text as Go has it, or milliseconds; `none_ns` when it isn't there. */
static int read_duration(yyjson_val *object, const char *name, int64_t none_ns, int64_t *ret_ns)
{
    yyjson_val *v = yyjson_obj_get(object, name);
    int64_t ns = none_ns;
    int rc = 0;
    if (yyjson_is_str(v))
        rc = duration_parse(str_new(yyjson_get_str(v), yyjson_get_len(v)), &ns);
    else if (yyjson_is_num(v) && yyjson_get_num(v) >= 0 && yyjson_get_num(v) < 9e12)
        ns = (int64_t)(yyjson_get_num(v) * 1e6);
    else if (!is_none(v))
        rc = err_set(E_CONFIG, "not a duration");
    if (rc == 0 && (ns < 0 || ns > 10000 * 24 * 3600 * NS_PER_S))
        rc = err_set(E_CONFIG, "not a length of time that a test can have");
    if (rc < 0)
        return err_wrap(E_CONFIG, "%s", name);
    *ret_ns = ns;
    return 0;
}

static int read_count(yyjson_val *object, const char *name, int64_t none, int64_t *ret)
{
    yyjson_val *v = yyjson_obj_get(object, name);
    if (is_none(v)) {
        *ret = none;
        return 0;
    }
    if (!yyjson_is_num(v) || yyjson_get_num(v) < 0 || yyjson_get_num(v) > 1e9)
        return err_set(E_CONFIG, "%s: a number of virtual users is needed", name);
    *ret = (int64_t)yyjson_get_num(v);
    return 0;
}

/* The length of all stages; *vus becomes the highest of it and their targets when they are users.
 */
static int read_stages(yyjson_val *object, bool targets_are_vus, struct block *b)
{
    yyjson_val *stages = yyjson_obj_get(object, "stages");
    size_t i, count;
    yyjson_val *one;
    if (!is_none(stages) && !yyjson_is_arr(stages))
        return err_set(E_CONFIG, "stages: a list is needed");
    yyjson_arr_foreach(stages, i, count, one)
    {
        int64_t ns = 0;
        int64_t target = 0;
        int rc = read_duration(one, "duration", 0, &ns);
        if (rc == 0)
            rc = read_count(one, "target", 0, &target);
        if (rc < 0)
            return err_wrap(rc, "stages.%zu", i);
        if (b->end_ns > INT64_MAX / 2 - ns)
            return err_set(E_CONFIG, "stages: too long");
        b->end_ns += ns;
        if (targets_are_vus)
            b->vus = MAX(b->vus, target);
    }
    return 0;
}

static int read_iterations(yyjson_val *s, const char *limit, struct block *b)
{
    int rc = read_count(s, "vus", 1, &b->vus);
    return rc < 0 ? rc : read_duration(s, limit, ITERATIONS_S * NS_PER_S, &b->end_ns);
}

static int read_constant(yyjson_val *s, struct block *b)
{
    int rc = read_count(s, "vus", 1, &b->vus);
    return rc < 0 ? rc : read_duration(s, "duration", 0, &b->end_ns);
}

static int read_ramping(yyjson_val *s, struct block *b)
{
    int rc = read_count(s, "startVUs", 1, &b->vus);
    return rc < 0 ? rc : read_stages(s, true, b);
}

static int read_arrivals(yyjson_val *s, struct block *b)
{
    int64_t allocated = 0;
    int rc = read_count(s, "preAllocatedVUs", 0, &allocated);
    if (rc == 0)
        rc = read_count(s, "maxVUs", allocated, &b->vus);
    return rc;
}

static int read_constant_arrivals(yyjson_val *s, struct block *b)
{
    int rc = read_arrivals(s, b);
    return rc < 0 ? rc : read_duration(s, "duration", 0, &b->end_ns);
}

static int read_ramping_arrivals(yyjson_val *s, struct block *b)
{
    int rc = read_arrivals(s, b);
    return rc < 0 ? rc : read_stages(s, false, b);
}

static int read_controlled(yyjson_val *s, struct block *b)
{
    int64_t vus = 0;
    int rc = read_count(s, "vus", 1, &vus);
    if (rc == 0)
        rc = read_count(s, "maxVUs", vus, &b->vus);
    return rc < 0 ? rc : read_duration(s, "duration", 0, &b->end_ns);
}

static int read_fixed_iterations(yyjson_val *s, struct block *b)
{
    return read_iterations(s, "maxDuration", b);
}

static int read_scenario(yyjson_val *s, struct block *b)
{
    static const struct {
        const char *name;
        int (*read)(yyjson_val *s, struct block *b);
    } executors[] = {
        {"shared-iterations", read_fixed_iterations},
        {"per-vu-iterations", read_fixed_iterations},
        {"constant-vus", read_constant},
        {"ramping-vus", read_ramping},
        {"constant-arrival-rate", read_constant_arrivals},
        {"ramping-arrival-rate", read_ramping_arrivals},
        {"externally-controlled", read_controlled},
    };
    yyjson_val *executor = yyjson_obj_get(s, "executor");
    int rc = err_set(E_CONFIG, "executor: not one that is known");
    *b = (struct block){0};
    for (size_t i = 0; i < ARRAY_LEN(executors); i++)
        if (yyjson_equals_str(executor, executors[i].name))
            rc = executors[i].read(s, b);
    if (rc == 0)
        rc = read_duration(s, "startTime", 0, &b->start_ns);
    if (rc < 0)
        return rc;
    yyjson_val *browser = yyjson_obj_get(yyjson_obj_get(s, "options"), "browser");
    b->browser = yyjson_is_obj(browser);
    b->end_ns += b->start_ns;
    return 0;
}

/* The options' short forms, of which k6 makes one scenario. */
static int read_short(yyjson_val *options, struct block *b)
{
    *b = (struct block){0};
    if (yyjson_arr_size(yyjson_obj_get(options, "stages")) > 0) {
        int rc = read_count(options, "vus", 1, &b->vus);
        return rc < 0 ? rc : read_stages(options, true, b);
    }
    if (is_none(yyjson_obj_get(options, "iterations")) &&
        !is_none(yyjson_obj_get(options, "duration")))
        return read_constant(options, b);
    return read_iterations(options, "duration", b);
}

/* Users at the moment `at`; blocks end before their end. */
static int64_t users_at(const struct block *blocks, size_t len, int64_t at_ns, bool only_browsers)
{
    int64_t n = 0;
    for (size_t i = 0; i < len; i++)
        if (blocks[i].start_ns <= at_ns && at_ns < MAX(blocks[i].end_ns, blocks[i].start_ns + 1) &&
            (blocks[i].browser || !only_browsers))
            n += blocks[i].vus;
    return n;
}

/* The sums change only where a block begins. */
static void sum_up(const struct block *blocks, size_t len, struct vuh_plan *ret)
{
    int64_t end_ns = 0;
    *ret = (struct vuh_plan){0};
    for (size_t i = 0; i < len; i++) {
        int64_t at = blocks[i].start_ns;
        ret->max_vus = MAX(ret->max_vus, users_at(blocks, len, at, false));
        ret->max_browser_vus = MAX(ret->max_browser_vus, users_at(blocks, len, at, true));
        end_ns = MAX(end_ns, blocks[i].end_ns);
    }
    ret->duration_s = end_ns / NS_PER_S + (end_ns % NS_PER_S > 0);
}

int vuh_plan_of(yyjson_val *options, struct vuh_plan *ret)
{
    yyjson_val *scenarios = yyjson_obj_get(options, "scenarios");
    struct block one;
    size_t len = yyjson_obj_size(scenarios);
    if (!is_none(scenarios) && !yyjson_is_obj(scenarios))
        return err_set(E_CONFIG, "scenarios: an object is needed");
    if (len == 0) {
        int rc = read_short(options, &one);
        if (rc == 0)
            sum_up(&one, 1, ret);
        return rc;
    }
    if (len > SCENARIOS_MAX)
        return err_set(E_CONFIG, "scenarios: at most %d are taken", SCENARIOS_MAX);
    CLEANUP(arena_fini) struct arena a;
    arena_init(&a, SCENARIOS_MAX * sizeof one * 2);
    struct block *blocks = arena_calloc(&a, len, sizeof *blocks);
    if (!blocks)
        return -ENOMEM;
    size_t i, count;
    yyjson_val *name, *scenario;
    yyjson_obj_foreach(scenarios, i, count, name, scenario)
    {
        int rc = read_scenario(scenario, &blocks[i]);
        if (rc < 0)
            return err_wrap(rc, "scenarios.%s", yyjson_get_str(name));
    }
    sum_up(blocks, len, ret);
    return 0;
}

void vuh_cost_of(const struct vuh_plan *plan, bool local, struct vuh_cost *ret)
{
    double minutes = (double)((plan->duration_s + 59) / 60);
    double browsers = (double)MIN(plan->max_browser_vus, plan->max_vus);
    double others = (double)plan->max_vus - browsers;
    ret->protocol = others * minutes / 60;
    ret->browser = browsers * BROWSER_FACTOR * minutes / 60;
    ret->base = ret->protocol + ret->browser;
    ret->reduction = local ? local_reduction : 0;
    ret->total = ret->base * (1 - ret->reduction);
}

double vuh_of_minutes(int64_t minutes, bool local)
{
    return (double)minutes / 60 * (1 - (local ? local_reduction : 0));
}

static void put_number(struct buf *out, const char *name, double v)
{
    json_key(out, name);
    buf_json_double(out, v);
}

void vuh_put_breakdown(struct buf *out, const struct vuh_cost *cost)
{
    buf_byte(out, '{');
    put_number(out, "protocol_vuh", cost->protocol);
    put_number(out, "browser_vuh", cost->browser);
    put_number(out, "base_total_vuh", cost->base);
    put_number(out, "reduction_rate", cost->reduction);
    json_key(out, "reduction_rate_breakdown");
    buf_byte(out, '{');
    if (cost->reduction > 0)
        put_number(out, "local_run", cost->reduction);
    buf_z(out, "}}");
}
