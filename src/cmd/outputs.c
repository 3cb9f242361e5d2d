#include "cmd/outputs.h"

#include "base/err.h"
#include "cmd/flags_int.h"
#include "output/csv.h"
#include "output/json.h"

#include <stdlib.h>

#define AVAILABLE "cloud, csv, json"

static const char *process_env(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

static int make_cloud(const struct run_cmd *c, struct str arg, struct output *ret)
{
    (void)arg;
    return cloud_output_new(c, ret);
}

static int make_json(const struct run_cmd *c, struct str arg, struct output *ret)
{
    (void)c;
    return json_output_new(arg, ret);
}

static int make_csv(const struct run_cmd *c, struct str arg, struct output *ret)
{
    struct csv_config config;
    int rc = csv_config_init(&config);
    if (rc == 0)
        rc = csv_config_apply_json(&config, str_of(c->config_layer.collectors_csv));
    if (rc == 0)
        rc = csv_config_apply_env(&config, process_env, NULL);
    if (rc == 0)
        rc = csv_config_apply_arg(&config, arg);
    if (rc == 0)
        return csv_output_new(&config, ret);
    csv_config_fini(&config);
    return rc;
}

static const struct {
    const char *name;
    int (*make)(const struct run_cmd *c, struct str arg, struct output *ret);
} kinds[] = {
    {"cloud", make_cloud},
    {"csv", make_csv},
    {"json", make_json},
};

/* What k6 has, or had, and this program doesn't. */
static const char *const others[] = {
    "datadog",
    "experimental-opentelemetry",
    "experimental-prometheus-rw",
    "influxdb",
    "kafka",
    "opentelemetry",
    "statsd",
    "web-dashboard",
};

int outputs_make(const struct run_cmd *c, const char *spec, struct output *ret)
{
    struct str arg;
    struct str name = str_cut(str_of(spec), '=', &arg);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!str_eqz(name, kinds[i].name))
            continue;
        int rc = kinds[i].make(c, arg, ret);
        if (rc == 0 || err_get()->exit_code != 0)
            return rc;
        return err_exit(err_wrap(rc, "could not create the '%s' output", kinds[i].name),
                        FLAGS_EXIT);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (str_eqz(name, others[i]))
            return err_exit(
                err_set(E_UNSUPPORTED,
                        "the output '%s' isn't there yet; available types are: " AVAILABLE,
                        others[i]),
                FLAGS_EXIT);
    return err_exit(err_set(E_CONFIG, "invalid output type '%.*s', available types are: " AVAILABLE,
                            STR_ARG(name)),
                    FLAGS_EXIT);
}
