/* Options from JSON: the script's export, the config file, an archive's metadata. */

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/duration.h"
#include "load/options_int.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct str val_str(yyjson_val *v)
{
    return str_new(yyjson_get_str(v), yyjson_get_len(v));
}

/* How Go's decoder names what it found. */
static const char *found_name(yyjson_val *v)
{
    switch (yyjson_get_type(v)) {
    case YYJSON_TYPE_BOOL:
        return "bool";
    case YYJSON_TYPE_NUM:
        return "number";
    case YYJSON_TYPE_STR:
        return "string";
    case YYJSON_TYPE_ARR:
        return "array";
    case YYJSON_TYPE_OBJ:
        return "object";
    default:
        return "null";
    }
}

static int wrong_type(yyjson_val *v, const char *go_type)
{
    return err_set(E_CONFIG, "json: cannot unmarshal %s into Go value of type %s", found_name(v),
                   go_type);
}

int json_bool(yyjson_val *v, struct opt_bool *ret)
{
    if (yyjson_is_null(v))
        return 0;
    if (!yyjson_is_bool(v))
        return wrong_type(v, "null.Bool");
    *ret = (struct opt_bool){true, yyjson_get_bool(v)};
    return 0;
}

int json_int(yyjson_val *v, struct opt_int *ret)
{
    if (yyjson_is_null(v))
        return 0;
    if (yyjson_is_str(v))
        return options_int_parse(val_str(v), ret);
    if (!yyjson_is_num(v))
        return wrong_type(v, "null.Int");
    double d = yyjson_get_num(v);
    if (yyjson_is_real(v) && (d != floor(d) || fabs(d) > 9e15))
        return err_set(E_CONFIG, "json: cannot unmarshal number %g into Go value of type int64", d);
    if (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX)
        return wrong_type(v, "int64");
    *ret = (struct opt_int){true, yyjson_is_real(v) ? (int64_t)d : yyjson_get_sint(v)};
    return 0;
}

int json_dur(yyjson_val *v, struct opt_dur *ret)
{
    if (yyjson_is_null(v))
        return 0;
    int64_t ns;
    if (yyjson_is_str(v)) {
        int rc = duration_parse(val_str(v), &ns);
        if (rc < 0)
            return rc;
    } else if (yyjson_is_num(v) && fabs(yyjson_get_num(v)) < 9e12) {
        ns = (int64_t)(yyjson_get_num(v) * 1e6);
    } else {
        return wrong_type(v, "types.Duration");
    }
    *ret = (struct opt_dur){true, ns};
    return 0;
}

int json_text(struct arena *a, yyjson_val *v, const char **ret)
{
    if (yyjson_is_null(v))
        return 0;
    if (!yyjson_is_str(v))
        return wrong_type(v, "string");
    char *copy = arena_dup(a, val_str(v));
    if (copy == NULL)
        return -ENOMEM;
    *ret = copy;
    return 0;
}

int json_strs(struct arena *a, yyjson_val *v, struct opt_strs *ret)
{
    if (yyjson_is_null(v))
        return 0;
    if (!yyjson_is_arr(v))
        return wrong_type(v, "[]string");
    struct opt_strs list = {.set = true};
    size_t i, n;
    yyjson_val *item;
    yyjson_arr_foreach(v, i, n, item)
    {
        if (!yyjson_is_str(item))
            return wrong_type(item, "string");
        int rc = options_strs_add(a, &list, val_str(item));
        if (rc < 0)
            return rc;
    }
    *ret = list;
    return 0;
}

int json_pairs(struct arena *a, yyjson_val *v, struct opt_pairs *ret)
{
    if (yyjson_is_null(v))
        return 0;
    if (!yyjson_is_obj(v))
        return wrong_type(v, "map[string]string");
    struct opt_pairs list = {.set = true};
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(v, i, n, key, value)
    {
        if (!yyjson_is_str(value))
            return wrong_type(value, "string");
        int rc = options_pairs_put(a, &list, val_str(key), val_str(value));
        if (rc < 0)
            return rc;
    }
    *ret = list;
    return 0;
}

static int unknown_field(struct str name)
{
    return err_set(E_CONFIG, "json: unknown field \"%.*s\"", STR_ARG(name));
}

static int json_stage(yyjson_val *v, struct stage *ret)
{
    if (!yyjson_is_obj(v))
        return wrong_type(v, "lib.Stage");
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(v, i, n, key, value)
    {
        int rc = str_eqz(val_str(key), "duration") ? json_dur(value, &ret->duration)
                 : str_eqz(val_str(key), "target") ? json_int(value, &ret->target)
                                                   : unknown_field(val_str(key));
        if (rc < 0)
            return rc;
    }
    return 0;
}

int json_stages(struct arena *a, yyjson_val *v, struct opt_stages *ret)
{
    if (yyjson_is_null(v))
        return 0;
    if (!yyjson_is_arr(v))
        return wrong_type(v, "[]lib.Stage");
    size_t len = yyjson_arr_size(v), i, n;
    struct opt_stages list = {.set = true, .len = len};
    list.items = len == 0 ? NULL : arena_calloc(a, len, sizeof *list.items);
    if (len > 0 && list.items == NULL)
        return -ENOMEM;
    yyjson_val *item;
    yyjson_arr_foreach(v, i, n, item)
    {
        int rc = json_stage(item, &list.items[i]);
        if (rc < 0)
            return rc;
    }
    *ret = list;
    return 0;
}

/* yyjson writes into memory of ours. */
static void *alc_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return mem_alloc(size);
}

static void *alc_realloc(void *ctx, void *p, size_t old_size, size_t size)
{
    (void)ctx;
    (void)old_size;
    return mem_realloc(p, size);
}

static void alc_free(void *ctx, void *p)
{
    (void)ctx;
    mem_free(p);
}

int json_raw(struct arena *a, yyjson_val *v, const char **ret)
{
    static const yyjson_alc alc = {alc_alloc, alc_realloc, alc_free, NULL};
    if (yyjson_is_null(v))
        return 0;
    size_t len;
    char *text = yyjson_val_write_opts(v, 0, &alc, &len, NULL);
    if (text == NULL)
        return -ENOMEM;
    char *copy = arena_dup(a, str_new(text, len));
    mem_free(text);
    if (copy == NULL)
        return -ENOMEM;
    *ret = copy;
    return 0;
}

/* ---- thresholds ---------------------------------------------------------------------------- */

static int json_threshold(struct arena *a, yyjson_val *v, struct threshold_config *ret)
{
    if (yyjson_is_str(v))
        return json_text(a, v, &ret->expression);
    if (!yyjson_is_obj(v))
        return wrong_type(v, "metrics.thresholdConfig");
    size_t i, n;
    yyjson_val *key, *value;
    struct opt_bool abort = {0};
    yyjson_obj_foreach(v, i, n, key, value)
    {
        struct str name = val_str(key);
        int rc = str_eqz(name, "threshold")        ? json_text(a, value, &ret->expression)
                 : str_eqz(name, "abortOnFail")    ? json_bool(value, &abort)
                 : str_eqz(name, "delayAbortEval") ? json_dur(value, &ret->delay_abort_eval)
                                                   : 0;
        if (rc < 0)
            return rc;
    }
    ret->abort_on_fail = abort.value;
    if (ret->expression == NULL)
        ret->expression = "";
    return 0;
}

static int json_threshold_list(struct arena *a, yyjson_val *v, struct threshold_list *ret)
{
    if (yyjson_is_null(v)) /* as k6: a sub-metric without thresholds */
        return 0;
    if (!yyjson_is_arr(v))
        return wrong_type(v, "[]metrics.thresholdConfig");
    ret->len = yyjson_arr_size(v);
    if (ret->len == 0)
        return 0;
    ret->items = arena_calloc(a, ret->len, sizeof *ret->items);
    if (ret->items == NULL)
        return -ENOMEM;
    size_t i, n;
    yyjson_val *item;
    yyjson_arr_foreach(v, i, n, item)
    {
        int rc = json_threshold(a, item, &ret->items[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int threshold_cmp(const void *a, const void *b)
{
    const struct threshold_list *x = a, *y = b;
    return strcmp(x->metric, y->metric);
}

int json_thresholds(struct arena *a, yyjson_val *v, struct opt_thresholds *ret)
{
    if (yyjson_is_null(v))
        return 0;
    if (!yyjson_is_obj(v))
        return wrong_type(v, "map[string]metrics.Thresholds");
    struct opt_thresholds list = {.set = true, .len = yyjson_obj_size(v)};
    if (list.len > 0) {
        list.items = arena_calloc(a, list.len, sizeof *list.items);
        if (list.items == NULL)
            return -ENOMEM;
    }
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(v, i, n, key, value)
    {
        list.items[i].metric = arena_dup(a, val_str(key));
        if (list.items[i].metric == NULL)
            return -ENOMEM;
        int rc = json_threshold_list(a, value, &list.items[i]);
        if (rc < 0)
            return rc;
    }
    if (list.len > 0)
        qsort(list.items, list.len, sizeof *list.items, threshold_cmp);
    *ret = list;
    return 0;
}

/* ---- the object ---------------------------------------------------------------------------- */

static int json_dns(struct options *o, yyjson_val *v)
{
    if (yyjson_is_null(v))
        return 0;
    if (yyjson_is_str(v))
        return options_dns_parse(o, val_str(v));
    if (!yyjson_is_obj(v))
        return wrong_type(v, "types.DNSConfig");
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(v, i, n, key, value)
    {
        struct str name = val_str(key);
        int rc;
        if (str_eqz(name, "ttl") && yyjson_is_num(value))
            rc = json_raw(o->arena, value, &o->dns_ttl);
        else
            rc = str_eqz(name, "ttl")      ? json_text(o->arena, value, &o->dns_ttl)
                 : str_eqz(name, "select") ? json_text(o->arena, value, &o->dns_select)
                 : str_eqz(name, "policy") ? json_text(o->arena, value, &o->dns_policy)
                                           : unknown_field(name);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int json_tls_version(struct options *o, yyjson_val *v)
{
    if (yyjson_is_null(v))
        return 0;
    if (yyjson_is_str(v)) {
        int rc = json_text(o->arena, v, &o->tls_min);
        o->tls_max = o->tls_min;
        return rc;
    }
    if (!yyjson_is_obj(v))
        return wrong_type(v, "lib.TLSVersions");
    yyjson_val *min = yyjson_obj_get(v, "min"), *max = yyjson_obj_get(v, "max");
    int rc = min ? json_text(o->arena, min, &o->tls_min) : 0;
    return rc < 0 || max == NULL ? rc : json_text(o->arena, max, &o->tls_max);
}

/* Names that the table doesn't have; -ENOENT for others. */
static int parse_special(struct options *o, struct str name, yyjson_val *v)
{
    struct arena *a = o->arena;
    if (str_ieq(name, STR("stages")))
        return json_stages(a, v, &o->stages);
    if (str_ieq(name, STR("scenarios")))
        return json_scenarios(a, v, &o->scenarios);
    if (str_ieq(name, STR("thresholds")))
        return json_thresholds(a, v, &o->thresholds);
    if (str_ieq(name, STR("tags")))
        return json_pairs(a, v, &o->tags);
    if (str_ieq(name, STR("hosts")))
        return json_pairs(a, v, &o->hosts);
    if (str_ieq(name, STR("dns")))
        return json_dns(o, v);
    if (str_ieq(name, STR("tlsVersion")))
        return json_tls_version(o, v);
    if (str_ieq(name, STR("tlsCipherSuites")))
        return json_strs(a, v, &o->tls_cipher_suites);
    if (str_ieq(name, STR("tlsAuth")))
        return json_raw(a, v, &o->tls_auth);
    if (str_ieq(name, STR("ext")))
        return json_raw(a, v, &o->ext);
    if (str_ieq(name, STR("cloud")))
        return json_raw(a, v, &o->cloud);
    return -ENOENT;
}

/* Settings of outputs; those of `cloud` are read elsewhere, of others there are none. */
static int parse_collectors(struct options *o, yyjson_val *v)
{
    yyjson_val *csv = yyjson_obj_get(v, "csv");
    if (csv == NULL)
        return 0;
    size_t len;
    char *text = yyjson_val_write(csv, 0, &len);
    o->collectors_csv = text != NULL ? arena_dup(o->arena, str_new(text, len)) : NULL;
    free(text); /* allowed: yyjson's own memory */
    return o->collectors_csv != NULL ? 0 : -ENOMEM;
}

/* Of the config file only. */
static int parse_file_only(struct options *o, struct str name, yyjson_val *v)
{
    if (str_ieq(name, STR("linger")))
        return json_bool(v, &o->linger);
    if (str_ieq(name, STR("noUsageReport")))
        return json_bool(v, &o->no_usage_report);
    if (str_ieq(name, STR("out"))) {
        if (!yyjson_is_str(v))
            return json_strs(o->arena, v, &o->out);
        return options_strs_add(o->arena, &o->out, val_str(v));
    }
    if (str_ieq(name, STR("collectors")))
        return parse_collectors(o, v);
    if (str_ieq(name, STR("features")))
        return json_strs(o->arena, v, &o->features);
    if (str_ieq(name, STR("webDashboard")))
        return yyjson_is_true(v) ? err_set(E_UNSUPPORTED, "webDashboard isn't there yet") : 0;
    return -ENOENT;
}

static int parse_by_table(struct options *o, struct str name, yyjson_val *v)
{
    for (size_t i = 0; i < OPTION_LEN; i++) {
        const struct option_info *info = &option_table[i];
        if (info->json == NULL || !str_ieq(name, str_of(info->json)))
            continue;
        void *field = (char *)o + info->offset;
        switch (info->kind) {
        case OPTION_KIND_BOOL:
            return json_bool(v, field);
        case OPTION_KIND_INT:
            return json_int(v, field);
        case OPTION_KIND_DUR:
            return json_dur(v, field);
        case OPTION_KIND_STR:
            return json_text(o->arena, v, field);
        case OPTION_KIND_STRS:
            return json_strs(o->arena, v, field);
        case OPTION_KIND_PAIRS:
        case OPTION_KIND_STAGES:
        case OPTION_KIND_DNS:
            return -ENOENT; /* parse_special()'s */
        }
    }
    return -ENOENT;
}

static int warn_features(yyjson_val *v)
{
    struct log_field f = {"source", "options"};
    if (yyjson_arr_size(v) > 0)
        log_fields(LOG_WARNING,
                   "Feature flags in script options are not supported; use --features, "
                   "K6_FEATURES, or the JSON config",
                   &f, 1);
    return 0;
}

static int parse_one(struct options *o, struct str name, yyjson_val *v, enum options_source source,
                     struct str *ret_unknown)
{
    int rc = parse_by_table(o, name, v);
    if (rc == -ENOENT)
        rc = parse_special(o, name, v);
    if (rc == -ENOENT && source == OPTIONS_CONFIG_FILE)
        rc = parse_file_only(o, name, v);
    if (rc == -ENOENT && str_ieq(name, STR("features")))
        rc = source == OPTIONS_SCRIPT ? warn_features(v) : 0;
    if (rc == -ENOENT) {
        if (ret_unknown->ptr == NULL && !yyjson_is_null(v))
            *ret_unknown = name;
        return 0;
    }
    return rc;
}

static void warn_unknown(struct str name)
{
    char text[300];
    (void)snprintf(text, sizeof text, "json: unknown field \"%.*s\"",
                   (int)MIN(name.len, (size_t)250), name.ptr);
    struct log_field f = {"error", text};
    log_fields(LOG_WARNING, "There were unknown fields in the options exported in the script", &f,
               1);
}

int options_parse_json(struct options *o, struct str json, enum options_source source)
{
    yyjson_read_err why;
    char *copy = str_dup(json); /* yyjson's reader takes no const text */
    if (copy == NULL)
        return -ENOMEM;
    yyjson_doc *doc = yyjson_read_opts(copy, json.len, 0, NULL, &why);
    mem_free(copy);
    if (doc == NULL)
        return options_bad(err_set(E_CONFIG, "invalid JSON at byte %zu: %s", why.pos, why.msg));
    yyjson_val *root = yyjson_doc_get_root(doc);
    struct str unknown = STR_EMPTY;
    int rc = 0;
    if (!yyjson_is_obj(root)) {
        rc = yyjson_is_null(root) ? 0 : wrong_type(root, "lib.Options");
    } else {
        size_t i, n;
        yyjson_val *key, *value;
        yyjson_obj_foreach(root, i, n, key, value)
        {
            rc = parse_one(o, val_str(key), value, source, &unknown);
            if (rc < 0)
                break;
        }
    }
    if (rc == 0 && unknown.ptr != NULL && source == OPTIONS_SCRIPT)
        warn_unknown(unknown);
    yyjson_doc_free(doc);
    return rc == E_CONFIG ? options_bad(rc) : rc;
}
