#include "output/cloud_config.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "codec/duration.h"

#include <errno.h>
#include <string.h>
#include <yyjson.h>

enum setting_type { SETTING_STRING, SETTING_BOOL, SETTING_COUNT, SETTING_ID, SETTING_DURATION };

static const struct setting {
    const char *json;
    const char *env;
    enum setting_type type;
    size_t offset; /* in struct cloud_config */
} settings[] = {
#define X(field, type, json, env) {json, env, SETTING_##type, offsetof(struct cloud_config, field)},
#include "output/cloud_config_table.h"
#undef X
};

int cloud_config_init(struct cloud_config *c)
{
    *c = (struct cloud_config){
        .aggregation_period_ns = 3 * NS_PER_S,
        /* k6 waits 8 s since samples reach it in any order; workers hand theirs over in order. */
        .aggregation_wait_ns = 2 * NS_PER_S,
        /* The server calls a silent run timed out by then. */
        .flush_timeout_ns = 120 * NS_PER_S,
        .max_series_in_batch = 1000,
        .push_concurrency = 1,
        .push_interval_ns = NS_PER_S,
        .timeout_ns = 60 * NS_PER_S,
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
        if (settings[i].type == SETTING_STRING)
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
    switch (s->type) {
    case SETTING_STRING:
        if (memchr(v.ptr, '\0', v.len) != NULL || memchr(v.ptr, '\n', v.len) != NULL)
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
        if (duration_parse(v, field_of(c, s)) < 0)
            return bad_value(where, key, "a duration like \"3s\"");
        return 0;
    }
    return 0;
}

static int set_json(struct cloud_config *c, const struct setting *s, yyjson_val *v,
                    const char *where)
{
    char digits[32];
    if (yyjson_is_null(v) || v == NULL)
        return 0;
    if (yyjson_is_str(v)) {
        struct str text = str_new(yyjson_get_str(v), yyjson_get_len(v));
        return set_text(c, s, text, where, s->json);
    }
    if (yyjson_is_bool(v) && s->type == SETTING_BOOL)
        return set_text(c, s, yyjson_get_bool(v) ? STR("true") : STR("false"), where, s->json);
    /* Durations as numbers are milliseconds, as everywhere in k6's options. */
    if (!yyjson_is_uint(v) || s->type == SETTING_STRING)
        return bad_value(where, s->json, s->type == SETTING_STRING ? "a text" : "a whole number");
    struct buf b;
    buf_init(&b, sizeof digits);
    buf_printf(&b, "%llu", (unsigned long long)yyjson_get_uint(v));
    int rc = set_text(c, s, buf_view(&b), where, s->json);
    buf_fini(&b);
    return rc;
}

static int apply_object(struct cloud_config *c, yyjson_val *object, const char *where)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
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
    int rc = apply_object(c, yyjson_doc_get_root(doc), where);
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
    int rc = apply_object(c, cloud, where);
    yyjson_doc_free(doc);
    return rc;
}

/* Settings that only stream version 1 has: taking them silently would promise an aggregation that
 * doesn't happen. */
static const char *const version1_env[] = {
    "K6_CLOUD_AGGREGATION_CALC_INTERVAL",          "K6_CLOUD_AGGREGATION_MIN_SAMPLES",
    "K6_CLOUD_AGGREGATION_OUTLIER_ALGO_THRESHOLD", "K6_CLOUD_AGGREGATION_OUTLIER_IQR_RADIUS",
    "K6_CLOUD_AGGREGATION_OUTLIER_IQR_COEF_LOWER", "K6_CLOUD_AGGREGATION_OUTLIER_IQR_COEF_UPPER",
    "K6_CLOUD_AGGREGATION_SKIP_OUTLIER_DETECTION",
};

static int refuse_version1(const char *(*get)(void *arg, const char *name), void *arg)
{
    const char *version = get(arg, "K6_CLOUD_API_VERSION");
    if (version != NULL && version[0] != '\0' && strcmp(version, "2") != 0)
        return err_exit(err_set(E_UNSUPPORTED,
                                "K6_CLOUD_API_VERSION=%s: only stream version 2 is there yet",
                                version),
                        104);
    for (size_t i = 0; i < ARRAY_LEN(version1_env); i++) {
        const char *v = get(arg, version1_env[i]);
        if (v != NULL && v[0] != '\0')
            return err_exit(err_set(E_UNSUPPORTED,
                                    "%s belongs to stream version 1, which isn't there yet: unset "
                                    "it to stream version 2",
                                    version1_env[i]),
                            104);
    }
    return 0;
}

int cloud_config_apply_env(struct cloud_config *c, const char *(*get)(void *arg, const char *name),
                           void *arg)
{
    int rc = refuse_version1(get, arg);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(settings); i++) {
        const char *v = get(arg, settings[i].env);
        if (v != NULL && v[0] != '\0')
            rc = set_text(c, &settings[i], str_of(v), "environment", settings[i].env);
    }
    return rc;
}

int cloud_config_check(struct cloud_config *c)
{
    struct str host = str_of(c->host);
    while (host.len > 0 && host.ptr[host.len - 1] == '/')
        host.len--;
    c->host[host.len] = '\0';
    if (!str_starts(host, STR("http://")) && !str_starts(host, STR("https://")))
        return err_exit(err_set(E_CONFIG,
                                "cloud host '%s' must start with http:// or https:// (%s)", c->host,
                                "K6_CLOUD_HOST, or spate cloud login --host URL"),
                        104);
    if (c->aggregation_period_ns < NS_PER_S || c->aggregation_period_ns % NS_PER_S != 0 ||
        c->aggregation_period_ns > 3600 * NS_PER_S)
        return bad_value("cloud settings", "aggregationPeriod", "whole seconds, 1s to 1h");
    if (c->aggregation_wait_ns < 0)
        return bad_value("cloud settings", "aggregationWaitPeriod", "0s or more");
    if (c->push_interval_ns < NS_PER_MS)
        return bad_value("cloud settings", "metricPushInterval", "at least 1ms");
    if (c->timeout_ns < NS_PER_S)
        return bad_value("cloud settings", "timeout", "at least 1s");
    if (c->push_concurrency > 32)
        c->push_concurrency = 32;
    return 0;
}
