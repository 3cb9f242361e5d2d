/*
 * api_metrics - k6/metrics: Counter, Gauge, Rate, Trend.  k6-surface 2.3.
 */
#include <math.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"
#include "js/vm_int.h"
#include "metrics/metric.h"

/* The opaque of an object is the registry's metric, which outlives every VM. */
static JSClassID metric_class;
static const JSClassDef metric_def = {.class_name = "Metric"};

static JSValue metric_add(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                          int magic, JSValueConst *data);

/* add() knows its metric without `this`: scripts take it off the object.  Addresses of a process
 * fit into the whole numbers of a double. */
static int define_add(JSContext *ctx, JSValueConst object, const struct metric *m)
{
    JSValue pointer = JS_NewInt64(ctx, (int64_t)(uintptr_t)m);
    JSValue add = JS_NewCFunctionData(ctx, metric_add, 2, 0, 1, &pointer);
    if (JS_IsException(add))
        return -1;
    return JS_DefinePropertyValueStr(ctx, object, "add", add, JS_PROP_ENUMERABLE);
}

/* Called without `new`, which k6 takes as well, it has nobody's prototype but Object's. */
static JSValue proto_of(JSContext *ctx, JSValueConst new_target)
{
    if (!JS_IsUndefined(new_target))
        return JS_GetPropertyStr(ctx, new_target, "prototype");
    JSValue plain = JS_NewObject(ctx);
    JSValue proto = JS_IsException(plain) ? plain : JS_GetPrototype(ctx, plain);
    JS_FreeValue(ctx, plain);
    return proto;
}

static JSValue metric_object(JSContext *ctx, JSValueConst new_target, const struct metric *m)
{
    JSValue proto = proto_of(ctx, new_target);
    if (JS_IsException(proto))
        return proto;
    JSValue v = JS_NewObjectProtoClass(ctx, proto, metric_class);
    JS_FreeValue(ctx, proto);
    if (JS_IsException(v))
        return v;
    JS_SetOpaque(v, (void *)(uintptr_t)m);
    if (JS_DefinePropertyValueStr(ctx, v, "name", JS_NewString(ctx, m->name), JS_PROP_ENUMERABLE) <
            0 ||
        define_add(ctx, v, m) < 0) {
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
    if (!js_is_nullish(js_arg(argc, argv, 0)) && js_text_of(ctx, argv[0], &name) < 0)
        return JS_EXCEPTION;
    int is_time = JS_ToBool(ctx, js_arg(argc, argv, 1));
    const struct metric *m;
    int rc = registry_add(host->registry, name.s, (enum metric_type)magic,
                          is_time > 0 ? METRIC_TIME : METRIC_DEFAULT, &m);
    return rc < 0 ? js_throw_err(ctx, rc) : metric_object(ctx, new_target, m);
}

/* What isn't a number: a warning, or an exception where the run's `throw` option asks for it. */
static JSValue refuse(JSContext *ctx, const char *text)
{
    struct js_host *host = js_host_of(ctx);
    if (host->run && host->run->throw_errors)
        return js_throw(ctx, "%s", text);
    log_warning("%s", text);
    return JS_FALSE;
}

static JSValue refuse_value(JSContext *ctx, const struct metric *m, JSValueConst v)
{
    enum { SHOWN_MAX = 64, TEXT_MAX = 400 };
    CLEANUP(js_text_fini) struct js_text shown = {0};
    char text[TEXT_MAX];
    if (js_text_of(ctx, v, &shown) < 0)
        JS_FreeValue(ctx, JS_GetException(ctx));
    (void)snprintf(text, sizeof text,
                   "'%.*s' is an invalid value for metric '%s', a number or a boolean value is "
                   "expected",
                   (int)MIN(shown.s.len, (size_t)SHOWN_MAX), shown.s.ptr ? shown.s.ptr : "",
                   m->name);
    return refuse(ctx, text);
}

static JSValue refuse_nothing(JSContext *ctx, const struct metric *m)
{
    char text[METRIC_NAME_MAX + 100];
    (void)snprintf(text, sizeof text,
                   "no value was provided for metric '%s', a number or a boolean value is expected",
                   m->name);
    return refuse(ctx, text);
}

/* The same exception with what it was about, unless it is the iteration's end. */
static JSValue tags_refused(JSContext *ctx, const struct metric *m)
{
    JSValue e = JS_GetException(ctx);
    CLEANUP(js_text_fini) struct js_text why = {0};
    JSValue message = JS_IsObject(e) ? JS_GetPropertyStr(ctx, e, "message") : JS_UNDEFINED;
    if (vm_stopped(js_vm_of(ctx)) || !JS_IsString(message) || js_text_of(ctx, message, &why) < 0) {
        JS_FreeValue(ctx, message);
        return JS_Throw(ctx, e);
    }
    JS_FreeValue(ctx, message);
    JS_FreeValue(ctx, e);
    return js_throw(ctx, "cannot add tags for the '%s' custom metric: %.*s", m->name,
                    STR_ARG(why.s));
}

static JSValue metric_add(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                          int magic, JSValueConst *data)
{
    (void)this_val;
    (void)magic;
    int64_t pointer;
    if (JS_ToInt64(ctx, &pointer, data[0]) < 0)
        return JS_EXCEPTION;
    const struct metric *m = (const struct metric *)(uintptr_t)pointer;
    if (!js_not_in_init(ctx, "Adding to metrics"))
        return JS_EXCEPTION;
    if (argc == 0)
        return refuse_nothing(ctx, m);
    double number = (double)NAN;
    if (!js_is_nullish(argv[0]) && JS_ToFloat64(ctx, &number, argv[0]) < 0)
        return JS_EXCEPTION;
    if (isnan(number))
        return refuse_value(ctx, m, argv[0]);
    struct js_host *host = js_host_of(ctx);
    CLEANUP(js_tags_fini) struct js_tags tags;
    js_tags_init(&tags, ctx);
    if (js_tags_read(&tags, js_arg(argc, argv, 1)) < 0)
        return tags_refused(ctx, m);
    js_sample(host, m, js_tags_intern(&tags, host->tags), number);
    return JS_TRUE;
}

static int metric_constructor(JSContext *ctx, JSValueConst object, const char *name, int type)
{
    JSCFunctionType fn = {.constructor_magic = metric_new};
    JSValue constructor =
        JS_NewCFunction2(ctx, fn.generic, name, 2, JS_CFUNC_constructor_or_func_magic, type);
    JSValue proto = JS_NewObject(ctx);
    if (JS_IsException(constructor) || JS_IsException(proto)) {
        JS_FreeValue(ctx, constructor);
        JS_FreeValue(ctx, proto);
        return -1;
    }
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
