#include "output/cloud_config.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/duration.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <yyjson.h>

enum setting_type {
    SETTING_STRING,
    SETTING_TEXT,
    SETTING_BOOL,
    SETTING_COUNT,
    SETTING_ID,
    SETTING_DURATION,
    SETTING_REAL,
};

static const struct setting {
    const char *json;
    const char *env; /* NULL: has none */
    enum setting_type type;
    bool stream1;  /* only stream version 1 has it */
    size_t offset; /* in struct cloud_config */
} settings[] = {
#define X(field, type, json, env)                                                                  \
    {json, env, SETTING_##type, false, offsetof(struct cloud_config, field)},
#define Y(field, type, json, env)                                                                  \
    {json, env, SETTING_##type, true, offsetof(struct cloud_config, field)},
#include "output/cloud_config_table.h"
#undef X
#undef Y
};

int cloud_config_init(struct cloud_config *c)
{
    *c = (struct cloud_config){
        .aggregation_period_ns = -1,
        .aggregation_wait_ns = -1,
        /* The server calls a silent run timed out by then. */
        .flush_timeout_ns = 120 * NS_PER_S,
        .max_series_in_batch = 1000,
        .push_concurrency = 1,
        .push_interval_ns = NS_PER_S,
        .timeout_ns = 60 * NS_PER_S,
        .slow_requests = CLOUD_SLOW_REQUESTS_MAX,
        .max_samples_in_package = 100000,
        .calc_interval_ns = 3 * NS_PER_S,
        .min_samples = 100,
        .outlier_algo_threshold = 75,
        .outlier_iqr_radius = 0.25,
        .outlier_iqr_coef_lower = 1.5,
        .outlier_iqr_coef_upper = 1.3,
        .stream = 2,
    };
    c->host = mem_strdup(CLOUD_DEFAULT_HOST);
    return c->host == NULL ? err_set_errno(-ENOMEM, "cloud settings") : 0;
}

static void *field_of(struct cloud_config *c, const struct setting *s)
{
    return (char *)c + s->offset;
}

void cloud_config_fini(struct cloud_config *c)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (settings[i].type == SETTING_STRING || settings[i].type == SETTING_TEXT)
            mem_freep(field_of(c, &settings[i]));
}

static int set_string(struct cloud_config *c, const struct setting *s, struct str v)
{
    char *copy = str_dup(v);
    if (copy == NULL)
        return err_set_errno(-ENOMEM, "cloud settings");
    char **field = field_of(c, s);
    mem_free(*field);
    *field = copy;
    return 0;
}

/* The message leaves the value out where it could be a secret. */
static int bad_value(const char *where, const char *key, const char *wanted)
{
    return err_exit(err_set(E_CONFIG, "%s: %s must be %s", where, key, wanted), 104);
}

static int set_text(struct cloud_config *c, const struct setting *s, struct str v,
                    const char *where, const char *key)
{
    uint64_t n;
    int64_t ns;
    double real;
    c->stream1_set |= s->stream1;
    switch (s->type) {
    case SETTING_STRING:
    case SETTING_TEXT:
        if (memchr(v.ptr, '\0', v.len) != NULL ||
            (s->type == SETTING_STRING && memchr(v.ptr, '\n', v.len) != NULL))
            return bad_value(where, key, "one line of text");
        return set_string(c, s, v);
    case SETTING_BOOL:
        if (!str_eqz(v, "true") && !str_eqz(v, "1") && !str_eqz(v, "false") && !str_eqz(v, "0"))
            return bad_value(where, key, "true or false");
        *(bool *)field_of(c, s) = v.ptr[0] == 't' || v.ptr[0] == '1';
        return 0;
    case SETTING_COUNT:
        if (str_to_u64(v, &n) < 0 || n == 0 || n > UINT32_MAX)
            return bad_value(where, key, "a whole number above 0");
        *(uint32_t *)field_of(c, s) = (uint32_t)n;
        return 0;
    case SETTING_ID:
        if (str_to_u64(v, &n) < 0 || n > INT64_MAX)
            return bad_value(where, key, "a whole number");
        *(int64_t *)field_of(c, s) = (int64_t)n;
        return 0;
    case SETTING_DURATION:
        if (duration_parse(v, &ns) < 0 || ns < 0)
            return bad_value(where, key, "a duration like \"3s\"");
        *(int64_t *)field_of(c, s) = ns;
        return 0;
    case SETTING_REAL:
        if (str_to_double(v, &real) < 0 || !isfinite(real) || real < 0)
            return bad_value(where, key, "a number, 0 or more");
        *(double *)field_of(c, s) = real;
        return 0;
    }
    return 0;
}

static int set_json(struct cloud_config *c, const struct setting *s, yyjson_val *v,
                    const char *where)
{
    bool text = s->type == SETTING_STRING || s->type == SETTING_TEXT;
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 64);
    if (yyjson_is_null(v) || v == NULL)
        return 0;
    if (yyjson_is_str(v))
        return set_text(c, s, str_new(yyjson_get_str(v), yyjson_get_len(v)), where, s->json);
    if (yyjson_is_bool(v) && s->type == SETTING_BOOL)
        return set_text(c, s, yyjson_get_bool(v) ? STR("true") : STR("false"), where, s->json);
    /* Durations as numbers are milliseconds, as everywhere in k6's options. */
    if (yyjson_is_uint(v) && !text)
        buf_printf(&b, "%llu", (unsigned long long)yyjson_get_uint(v));
    else if (yyjson_is_num(v) && s->type == SETTING_REAL)
        buf_json_double(&b, yyjson_get_num(v));
    else
        return bad_value(where, s->json, text ? "a text" : "a whole number");
    return set_text(c, s, buf_view(&b), where, s->json);
}

/* What a script may say: who the test is and whose.  Where it streams to isn't the script's. */
static bool is_of_options(const struct setting *s)
{
    static const char *const keys[] = {"name", "projectID", "token", "stackID", "note"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strcmp(s->json, keys[i]) == 0)
            return true;
    return false;
}

static int apply_object(struct cloud_config *c, yyjson_val *object, const char *where, bool options)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        if (options && !is_of_options(&settings[i]))
            continue;
        int rc = set_json(c, &settings[i], yyjson_obj_get(object, settings[i].json), where);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int cloud_config_apply_json(struct cloud_config *c, struct str json, const char *where)
{
    yyjson_doc *doc = yyjson_read(json.ptr, json.len, 0);
    if (doc == NULL)
        return err_set(E_CONFIG, "%s: not JSON", where);
    int rc = apply_object(c, yyjson_doc_get_root(doc), where, false);
    yyjson_doc_free(doc);
    return rc;
}

int cloud_config_apply_options(struct cloud_config *c, struct str options_json)
{
    yyjson_doc *doc = yyjson_read(options_json.ptr, options_json.len, 0);
    if (doc == NULL)
        return err_set(E_CONFIG, "options: not JSON");
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *cloud = yyjson_obj_get(root, "cloud");
    const char *where = "options.cloud";
    if (!yyjson_is_obj(cloud)) {
        cloud = yyjson_obj_get(yyjson_obj_get(root, "ext"), "loadimpact");
        where = "options.ext.loadimpact";
    }
    int rc = apply_object(c, cloud, where, true);
    yyjson_doc_free(doc);
    return rc;
}

int cloud_config_apply_env(struct cloud_config *c, const char *(*get)(void *arg, const char *name),
                           void *arg)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(settings); i++) {
        const char *v = settings[i].env != NULL ? get(arg, settings[i].env) : NULL;
        if (v != NULL && v[0] != '\0')
            rc = set_text(c, &settings[i], str_of(v), "environment", settings[i].env);
    }
    return rc;
}

void cloud_config_choose(struct cloud_config *c)
{
    c->stream = c->api_version == CLOUD_API_1 ? 1 : 2;
    if (c->api_version != CLOUD_API_ANY || !c->stream1_set)
        return;
    c->stream = 1;
    log_info("cloud: stream version 1, as a setting of its aggregation is made "
             "(K6_CLOUD_API_VERSION=2 chooses version 2)");
}

const char *cloud_config_host_v6(const struct cloud_config *c)
{
    return c->host_v6 != NULL && c->host_v6[0] != '\0' ? c->host_v6 : c->host;
}

/* ---- bounds ---- */

static int check_host(char *host, const char *env)
{
    struct str text = str_of(host);
    while (text.len > 0 && text.ptr[text.len - 1] == '/')
        text.len--;
    host[text.len] = '\0';
    if (str_starts(text, STR("http://")) || str_starts(text, STR("https://")))
        return 0;
    return err_exit(err_set(E_CONFIG, "cloud host '%s' must start with http:// or https:// (%s%s)",
                            host, env, ", or spate cloud login --host URL"),
                    104);
}

/* Stream version 2: what is sent is buckets. */
static int check_stream2(struct cloud_config *c)
{
    if (c->aggregation_period_ns < 0)
        c->aggregation_period_ns = 3 * NS_PER_S;
    /* k6 waits 8 s since samples reach it in any order; workers hand theirs over in order. */
    if (c->aggregation_wait_ns < 0)
        c->aggregation_wait_ns = 2 * NS_PER_S;
    if (c->aggregation_period_ns < NS_PER_S || c->aggregation_period_ns % NS_PER_S != 0 ||
        c->aggregation_period_ns > 3600 * NS_PER_S)
        return bad_value("cloud settings", "aggregationPeriod", "whole seconds, 1s to 1h");
    return 0;
}

/* Stream version 1: aggregation is off (0) unless somebody asks for it. */
static int check_stream1(struct cloud_config *c)
{
    static const char where[] = "cloud settings";
    if (c->aggregation_period_ns < 0)
        c->aggregation_period_ns = 0;
    if (c->aggregation_wait_ns < 0)
        c->aggregation_wait_ns = 5 * NS_PER_S;
    if (c->aggregation_period_ns > 3600 * NS_PER_S)
        return bad_value(where, "aggregationPeriod", "0s (off) to 1h");
    if (c->aggregation_period_ns > 0 && c->aggregation_period_ns < NS_PER_MS)
        return bad_value(where, "aggregationPeriod", "0s (off), or at least 1ms");
    if (c->calc_interval_ns < NS_PER_MS || c->calc_interval_ns > 3600 * NS_PER_S)
        return bad_value(where, "aggregationCalcInterval", "1ms to 1h");
    if (c->outlier_iqr_radius > 0.5)
        c->outlier_iqr_radius = 0.5;
    return 0;
}

int cloud_config_check(struct cloud_config *c)
{
    int rc = check_host(c->host, "K6_CLOUD_HOST");
    if (rc == 0 && c->host_v6 != NULL && c->host_v6[0] != '\0')
        rc = check_host(c->host_v6, "K6_CLOUD_HOST_V6");
    if (rc == 0)
        rc = c->stream == 1 ? check_stream1(c) : check_stream2(c);
    if (rc < 0)
        return rc;
    if (c->api_version != CLOUD_API_ANY && c->api_version != CLOUD_API_1 &&
        c->api_version != CLOUD_API_2 && c->api_version != CLOUD_API_6)
        return bad_value("cloud settings", "apiVersion (K6_CLOUD_API_VERSION)",
                         "1 (older API, stream version 1), 2 (older API, stream version 2) or 6 "
                         "(API v6)");
    if (c->aggregation_wait_ns > 3600 * NS_PER_S)
        return bad_value("cloud settings", "aggregationWaitPeriod", "0s to 1h");
    if (c->push_interval_ns < NS_PER_MS)
        return bad_value("cloud settings", "metricPushInterval", "at least 1ms");
    if (c->timeout_ns < NS_PER_S)
        return bad_value("cloud settings", "timeout", "at least 1s");
    if (c->push_concurrency > 32)
        c->push_concurrency = 32;
    if (c->slow_requests > CLOUD_SLOW_REQUESTS_MAX)
        return bad_value("cloud settings", "slowRequests (SPATE_CLOUD_SLOW_REQUESTS)", "0 to 5");
    return 0;
}
