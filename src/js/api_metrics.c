/*
 * api_metrics - k6/metrics: Counter, Gauge, Rate, Trend.  k6-surface 2.3.
 */
#include <math.h>

#include "base/log.h"
#include "js/api.h"
#include "metrics/metric.h"

/* The opaque of an object is the registry's metric, which outlives every VM. */
static JSClassID metric_class;
static const JSClassDef metric_def = {.class_name = "Metric"};

static JSValue metric_object(JSContext *ctx, JSValueConst new_target, const struct metric *m)
{
    JSValue proto = JS_GetPropertyStr(ctx, new_target, "prototype");
    if (JS_IsException(proto))
        return proto;
    JSValue v = JS_NewObjectProtoClass(ctx, proto, metric_class);
    JS_FreeValue(ctx, proto);
    if (JS_IsException(v))
        return v;
    JS_SetOpaque(v, (void *)(uintptr_t)m);
    if (JS_DefinePropertyValueStr(ctx, v, "name", JS_NewString(ctx, m->name), JS_PROP_ENUMERABLE) <
        0) {
        JS_FreeValue(ctx, v);
        return JS_EXCEPTION;
    }
    return v;
}

static JSValue metric_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv,
                          int magic)
{
    struct js_host *host = js_host_of(ctx);
    if (host->stage != JS_STAGE_INIT)
        return js_throw(ctx, "metrics must be declared in the init context");
    CLEANUP(js_text_fini) struct js_text name = {0};
    if (js_text_of(ctx, js_arg(argc, argv, 0), &name) < 0)
        return JS_EXCEPTION;
    int is_time = JS_ToBool(ctx, js_arg(argc, argv, 1));
    const struct metric *m;
    int rc = registry_add(host->registry, name.s, (enum metric_type)magic,
                          is_time > 0 ? METRIC_TIME : METRIC_DEFAULT, &m);
    return rc < 0 ? js_throw_err(ctx, rc) : metric_object(ctx, new_target, m);
}

/* What isn't a number: a warning, or an exception where the run's `throw` option asks for it. */
static JSValue metric_refuse(JSContext *ctx, const struct metric *m, JSValueConst v)
{
    enum { SHOWN_MAX = 64 };
    struct js_host *host = js_host_of(ctx);
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (js_text_of(ctx, v, &text) < 0)
        JS_FreeValue(ctx, JS_GetException(ctx));
    int shown = (int)MIN(text.s.len, (size_t)SHOWN_MAX);
    if (host->run && host->run->throw_errors)
        return js_throw(ctx,
                        "'%.*s' is an invalid value for metric '%s', a number or a boolean value "
                        "is expected",
                        shown, text.s.ptr ? text.s.ptr : "", m->name);
    log_warning("'%.*s' is an invalid value for metric '%s', a number or a boolean value is "
                "expected",
                shown, text.s.ptr ? text.s.ptr : "", m->name);
    return JS_FALSE;
}

static JSValue metric_add(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const struct metric *m = JS_GetOpaque2(ctx, this_val, metric_class);
    if (!m)
        return JS_EXCEPTION;
    if (!js_not_in_init(ctx, "Adding to metrics"))
        return JS_EXCEPTION;
    JSValueConst v = js_arg(argc, argv, 0);
    double number = (double)NAN;
    if (!js_is_nullish(v) && JS_ToFloat64(ctx, &number, v) < 0)
        JS_FreeValue(ctx, JS_GetException(ctx));
    if (isnan(number))
        return metric_refuse(ctx, m, v);
    struct js_host *host = js_host_of(ctx);
    CLEANUP(js_tags_fini) struct js_tags tags;
    js_tags_init(&tags, ctx);
    if (js_tags_read(&tags, js_arg(argc, argv, 1)) < 0)
        return JS_EXCEPTION;
    js_sample(host, m, js_tags_intern(&tags, host->tags), number);
    return JS_TRUE;
}

static const JSCFunctionListEntry metric_functions[] = {
    JS_CFUNC_DEF("add", 2, metric_add),
};

static int metric_constructor(JSContext *ctx, JSValueConst object, const char *name, int type)
{
    JSCFunctionType fn = {.constructor_magic = metric_new};
    JSValue constructor =
        JS_NewCFunction2(ctx, fn.generic, name, 2, JS_CFUNC_constructor_magic, type);
    JSValue proto = JS_NewObject(ctx);
    if (JS_IsException(constructor) || JS_IsException(proto)) {
        JS_FreeValue(ctx, constructor);
        JS_FreeValue(ctx, proto);
        return -1;
    }
    JS_SetPropertyFunctionList(ctx, proto, metric_functions, ARRAY_LEN(metric_functions));
    JS_SetConstructor(ctx, constructor, proto);
    JS_FreeValue(ctx, proto);
    return JS_DefinePropertyValueStr(ctx, object, name, constructor, JS_PROP_C_W_E) < 0 ? -1 : 0;
}

static int metrics_fill(JSContext *ctx, JSValueConst object)
{
    if (js_class_register(ctx, &metric_class, &metric_def) < 0 ||
        metric_constructor(ctx, object, "Counter", METRIC_COUNTER) < 0 ||
        metric_constructor(ctx, object, "Gauge", METRIC_GAUGE) < 0 ||
        metric_constructor(ctx, object, "Rate", METRIC_RATE) < 0 ||
        metric_constructor(ctx, object, "Trend", METRIC_TREND) < 0)
        return -1;
    return 0;
}

static const char *const names[] = {"Counter", "Gauge", "Rate", "Trend", NULL};

const struct js_api_module js_api_metrics = {
    .id = JS_API_METRICS,
    .name = "k6/metrics",
    .more = names,
    .fill = metrics_fill,
};
