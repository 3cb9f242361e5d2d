/* One entry of `scenarios` from JSON and back; each executor knows only its own fields. */

#include "base/err.h"
#include "load/options_int.h"

#include <errno.h>
#include <stdlib.h>

enum field_kind { FIELD_INT, FIELD_DUR, FIELD_STAGES };

#define ON(type) (1u << (type))
enum {
    ON_LOOPING =
        ON(EXECUTOR_CONSTANT_VUS) | ON(EXECUTOR_SHARED_ITERATIONS) | ON(EXECUTOR_PER_VU_ITERATIONS),
    ON_ITERATIONS = ON(EXECUTOR_SHARED_ITERATIONS) | ON(EXECUTOR_PER_VU_ITERATIONS),
    ON_ARRIVAL = ON(EXECUTOR_CONSTANT_ARRIVAL_RATE) | ON(EXECUTOR_RAMPING_ARRIVAL_RATE),
};

/* In the order in which k6 writes them. */
static const struct {
    const char *name;
    size_t offset;
    enum field_kind kind;
    unsigned on; /* executors that have it */
} fields[] = {
    {"startRate", offsetof(struct scenario, start_rate), FIELD_INT,
     ON(EXECUTOR_RAMPING_ARRIVAL_RATE)},
    {"rate", offsetof(struct scenario, rate), FIELD_INT, ON(EXECUTOR_CONSTANT_ARRIVAL_RATE)},
    {"timeUnit", offsetof(struct scenario, time_unit), FIELD_DUR, ON_ARRIVAL},
    {"vus", offsetof(struct scenario, vus), FIELD_INT,
     ON_LOOPING | ON(EXECUTOR_EXTERNALLY_CONTROLLED)},
    {"startVUs", offsetof(struct scenario, start_vus), FIELD_INT, ON(EXECUTOR_RAMPING_VUS)},
    {"iterations", offsetof(struct scenario, iterations), FIELD_INT, ON_ITERATIONS},
    {"maxDuration", offsetof(struct scenario, max_duration), FIELD_DUR, ON_ITERATIONS},
    {"stages", offsetof(struct scenario, stages), FIELD_STAGES,
     ON(EXECUTOR_RAMPING_VUS) | ON(EXECUTOR_RAMPING_ARRIVAL_RATE)},
    {"duration", offsetof(struct scenario, duration), FIELD_DUR,
     ON(EXECUTOR_CONSTANT_VUS) | ON(EXECUTOR_CONSTANT_ARRIVAL_RATE) |
         ON(EXECUTOR_EXTERNALLY_CONTROLLED)},
    {"gracefulRampDown", offsetof(struct scenario, graceful_ramp_down), FIELD_DUR,
     ON(EXECUTOR_RAMPING_VUS)},
    {"preAllocatedVUs", offsetof(struct scenario, pre_allocated_vus), FIELD_INT, ON_ARRIVAL},
    {"maxVUs", offsetof(struct scenario, max_vus), FIELD_INT,
     ON_ARRIVAL | ON(EXECUTOR_EXTERNALLY_CONTROLLED)},
};

static int json_own_field(struct arena *a, struct scenario *s, struct str name, yyjson_val *v)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if ((fields[i].on & ON(s->type)) == 0 || !str_ieq(name, str_of(fields[i].name)))
            continue;
        void *field = (char *)s + fields[i].offset;
        switch (fields[i].kind) {
        case FIELD_INT:
            return json_int(v, field);
        case FIELD_DUR:
            return json_dur(v, field);
        case FIELD_STAGES:
            return json_stages(a, v, field);
        }
    }
    return err_set(E_CONFIG, "json: unknown field \"%.*s\"", STR_ARG(name));
}

static int json_field(struct arena *a, struct scenario *s, struct str name, yyjson_val *v)
{
    if (str_ieq(name, STR("executor")) || str_ieq(name, STR("options")))
        return 0; /* read before; only the browser module's */
    if (str_ieq(name, STR("startTime")))
        return json_dur(v, &s->start_time);
    if (str_ieq(name, STR("gracefulStop")))
        return json_dur(v, &s->graceful_stop);
    if (str_ieq(name, STR("exec")))
        return json_text(a, v, &s->exec);
    if (str_ieq(name, STR("env")))
        return json_pairs(a, v, &s->env);
    if (str_ieq(name, STR("tags")))
        return json_pairs(a, v, &s->tags);
    return json_own_field(a, s, name, v);
}

static int json_executor(yyjson_val *v, enum executor_type *ret)
{
    if (v == NULL || !yyjson_is_str(v))
        return err_set(E_CONFIG, "unknown executor type ''");
    for (enum executor_type t = 0; t < EXECUTOR_LEN; t++)
        if (yyjson_equals_str(v, executor_type_name(t))) {
            *ret = t;
            return 0;
        }
    return err_set(E_CONFIG, "unknown executor type '%s'", yyjson_get_str(v));
}

static int json_scenario(struct arena *a, yyjson_val *v, struct scenario *s)
{
    if (!yyjson_is_obj(v))
        return err_set(E_CONFIG, "scenario '%s' isn't an object", s->name);
    int rc = json_executor(yyjson_obj_get(v, "executor"), &s->type);
    if (rc < 0)
        return rc;
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(v, i, n, key, value)
    {
        rc = json_field(a, s, str_new(yyjson_get_str(key), yyjson_get_len(key)), value);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int scenario_cmp(const void *a, const void *b)
{
    const struct scenario *x = a, *y = b;
    return strcmp(x->name, y->name);
}

int json_scenarios(struct arena *a, yyjson_val *v, struct opt_scenarios *ret)
{
    if (yyjson_is_null(v))
        return 0;
    if (!yyjson_is_obj(v))
        return err_set(E_CONFIG, "scenarios isn't an object");
    struct opt_scenarios list = {.set = true, .len = yyjson_obj_size(v)};
    if (list.len > 0) {
        list.items = arena_calloc(a, list.len, sizeof *list.items);
        if (list.items == NULL)
            return -ENOMEM;
    }
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(v, i, n, key, value)
    {
        list.items[i].name = arena_dup(a, str_new(yyjson_get_str(key), yyjson_get_len(key)));
        if (list.items[i].name == NULL)
            return -ENOMEM;
        int rc = json_scenario(a, value, &list.items[i]);
        if (rc < 0)
            return rc;
    }
    if (list.len > 0)
        qsort(list.items, list.len, sizeof *list.items, scenario_cmp);
    *ret = list;
    return 0;
}

static void write_key(struct buf *out, const char *name)
{
    buf_printf(out, ",\"%s\":", name);
}

void scenario_write_json(const struct scenario *s, struct buf *out)
{
    buf_printf(out, "{\"executor\":\"%s\"", executor_type_name(s->type));
    write_key(out, "startTime");
    options_write_dur(out, s->start_time);
    write_key(out, "gracefulStop");
    options_write_dur(out, s->graceful_stop);
    write_key(out, "env");
    options_write_pairs(out, &s->env);
    write_key(out, "exec");
    options_write_text(out, s->exec);
    write_key(out, "tags");
    options_write_pairs(out, &s->tags);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if ((fields[i].on & ON(s->type)) == 0)
            continue;
        const void *field = (const char *)s + fields[i].offset;
        write_key(out, fields[i].name);
        switch (fields[i].kind) {
        case FIELD_INT:
            options_write_int(out, *(const struct opt_int *)field);
            break;
        case FIELD_DUR:
            options_write_dur(out, *(const struct opt_dur *)field);
            break;
        case FIELD_STAGES:
            options_write_stages(out, field);
            break;
        }
    }
    buf_byte(out, '}');
}
