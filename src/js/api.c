#include "js/api.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "js/vm_int.h"
#include "metrics/shard.h"

struct js_vm *js_vm_of(JSContext *ctx)
{
    return JS_GetContextOpaque(ctx);
}

struct js_host *js_host_of(JSContext *ctx)
{
    return js_vm_of(ctx)->host;
}

void *js_api_state(JSContext *ctx, enum js_api_id id)
{
    return js_vm_of(ctx)->api_state[id];
}

int js_class_register(JSContext *ctx, JSClassID *id, const JSClassDef *def)
{
    JSRuntime *rt = JS_GetRuntime(ctx);
    JS_NewClassID(id); /* under QuickJS's own lock; once per process */
    if (JS_IsRegisteredClass(rt, *id))
        return 0;
    return JS_NewClass(rt, *id, def);
}

/* ---- stage ---------------------------------------------------------------------------------- */

bool js_not_in_init(JSContext *ctx, const char *what)
{
    if (js_host_of(ctx)->stage != JS_STAGE_INIT)
        return true;
    js_throw(ctx, "%s in the init context is not supported", what);
    return false;
}

bool js_only_in_init(JSContext *ctx, const char *what)
{
    if (js_host_of(ctx)->stage == JS_STAGE_INIT)
        return true;
    js_throw(ctx, "%s is only available in the init stage (i.e. the global scope)", what);
    return false;
}

/* ---- errors --------------------------------------------------------------------------------- */

/* GoError.prototype, borrowed, made at the first call; an exception value without memory. */
static JSValueConst go_error_proto(JSContext *ctx)
{
    struct js_vm *vm = js_vm_of(ctx);
    if (JS_IsObject(vm->go_error_proto))
        return vm->go_error_proto;
    JSValue error = JS_NewError(ctx);
    if (JS_IsException(error))
        return error;
    JSValue parent = JS_GetPrototype(ctx, error);
    JSValue proto = JS_NewObjectProto(ctx, parent);
    JS_FreeValue(ctx, parent);
    JS_FreeValue(ctx, error);
    if (JS_IsException(proto))
        return proto;
    JS_DefinePropertyValueStr(ctx, proto, "name", JS_NewString(ctx, "GoError"),
                              JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
    vm->go_error_proto = proto;
    return proto;
}

static JSValue go_error(JSContext *ctx, JSValue message)
{
    JSValueConst proto = go_error_proto(ctx);
    JSValue e = JS_IsException(proto) ? proto : JS_NewError(ctx);
    if (JS_IsException(e) || JS_SetPrototype(ctx, e, proto) < 0 ||
        JS_DefinePropertyValueStr(ctx, e, "message", message,
                                  JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE) < 0) {
        JS_FreeValue(ctx, e);
        return JS_EXCEPTION;
    }
    return e;
}

static JSValue go_error_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    (void)new_target;
    JSValueConst message = js_arg(argc, argv, 0);
    JSValue text = JS_IsUndefined(message) ? JS_NewString(ctx, "") : JS_ToString(ctx, message);
    return JS_IsException(text) ? text : go_error(ctx, text);
}

JSValue js_go_error_class(JSContext *ctx)
{
    JSValueConst proto = go_error_proto(ctx);
    if (JS_IsException(proto))
        return JS_EXCEPTION;
    JSValue fn = JS_NewCFunction2(ctx, go_error_new, "GoError", 1, JS_CFUNC_constructor_or_func, 0);
    if (!JS_IsException(fn))
        JS_SetConstructor(ctx, fn, proto);
    return fn;
}

static JSValue throw_go_error(JSContext *ctx, const char *message)
{
    JSValue e = go_error(ctx, JS_NewString(ctx, message));
    return JS_IsException(e) ? e : JS_Throw(ctx, e);
}

JSValue js_throw(JSContext *ctx, const char *fmt, ...)
{
    char message[ERR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    return throw_go_error(ctx, message);
}

JSValue js_throw_type(JSContext *ctx, const char *fmt, ...)
{
    char message[256];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    return JS_ThrowTypeError(ctx, "%s", message);
}

JSValue js_throw_err(JSContext *ctx, int rc)
{
    if (rc == -ENOMEM)
        return JS_ThrowOutOfMemory(ctx);
    if (rc == -ECANCELED) {
        JS_ThrowInternalError(ctx, "interrupted");
        JSValue e = JS_GetException(ctx);
        JS_SetUncatchableError(ctx, e, 1);
        return JS_Throw(ctx, e);
    }
    bool said = err_get()->code == rc;
    return throw_go_error(ctx, said ? err_message() : err_code_text(rc));
}

int js_check_slice(JSContext *ctx)
{
    int rc = co_self() ? co_check_slice() : 0;
    if (rc == 0 && vm_stopped(js_vm_of(ctx)))
        rc = -ECANCELED;
    if (rc == 0)
        return 0;
    js_throw_err(ctx, rc);
    return -1;
}

/* ---- values --------------------------------------------------------------------------------- */

int js_text_of(JSContext *ctx, JSValueConst v, struct js_text *ret)
{
    ret->ctx = ctx;
    ret->s = STR_EMPTY;
    size_t len = 0;
    const char *p = JS_ToCStringLen(ctx, &len, v);
    if (!p)
        return -1;
    ret->s = str_new(p, len);
    return 0;
}

void js_text_fini(struct js_text *t)
{
    if (t->s.ptr)
        JS_FreeCString(t->ctx, t->s.ptr);
    t->s = STR_EMPTY;
}

JSValue js_new_str(JSContext *ctx, struct str s)
{
    return JS_NewStringLen(ctx, s.ptr ? s.ptr : "", s.len);
}

bool js_bytes_of(JSContext *ctx, JSValueConst v, struct str *ret)
{
    if (!JS_IsObject(v))
        return false;
    size_t len = 0;
    uint8_t *p = JS_GetArrayBuffer(ctx, &len, v);
    if (p) {
        *ret = str_new(p, len);
        return true;
    }
    JS_FreeValue(ctx, JS_GetException(ctx));
    size_t at = 0, used = 0, element = 0;
    JSValue buffer = JS_GetTypedArrayBuffer(ctx, v, &at, &used, &element);
    if (JS_IsException(buffer)) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        return false;
    }
    p = JS_GetArrayBuffer(ctx, &len, buffer);
    JS_FreeValue(ctx, buffer); /* the view keeps it */
    if (!p) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        *ret = STR_EMPTY; /* detached */
        return true;
    }
    *ret = str_new(p + at, used);
    return true;
}

JSValue js_new_bytes(JSContext *ctx, struct str s)
{
    return JS_NewArrayBufferCopy(ctx, (const uint8_t *)s.ptr, s.len);
}

JSValue js_to_object(JSContext *ctx, JSValueConst v)
{
    if (JS_IsObject(v))
        return JS_DupValue(ctx, v);
    if (js_is_nullish(v))
        return js_throw_type(ctx, "Cannot convert undefined or null to object");
    JSValue global = JS_GetGlobalObject(ctx);
    JSValue object = JS_GetPropertyStr(ctx, global, "Object");
    JSValue result = JS_IsException(object) ? JS_EXCEPTION : JS_Call(ctx, object, global, 1, &v);
    JS_FreeValue(ctx, object);
    JS_FreeValue(ctx, global);
    return result;
}

int js_each(JSContext *ctx, JSValueConst object, js_each_fn *fn, void *arg)
{
    JSPropertyEnum *props = NULL;
    uint32_t len = 0;
    if (JS_GetOwnPropertyNames(ctx, &props, &len, object, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) <
        0)
        return -1;
    int rc = 0;
    for (uint32_t i = 0; i < len; i++) {
        if (rc == 0) {
            const char *key = JS_AtomToCString(ctx, props[i].atom);
            JSValue v = key ? JS_GetProperty(ctx, object, props[i].atom) : JS_EXCEPTION;
            rc = JS_IsException(v) ? -1 : fn(ctx, arg, str_of(key), v);
            JS_FreeValue(ctx, v);
            JS_FreeCString(ctx, key);
        }
        JS_FreeAtom(ctx, props[i].atom);
    }
    js_free(ctx, props);
    return rc;
}

/* ---- durations ------------------------------------------------------------------------------ */

static double unit_ns(struct str unit)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1},
                 {"us", NS_PER_US},
                 {"µs", NS_PER_US},
                 {"μs", NS_PER_US},
                 {"ms", NS_PER_MS},
                 {"s", NS_PER_S},
                 {"m", 60.0 * NS_PER_S},
                 {"h", 3600.0 * NS_PER_S},
                 {"d", 86400.0 * NS_PER_S}};
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_eqz(unit, units[i].name))
            return units[i].ns;
    return 0;
}

static bool is_number_char(char c)
{
    return (c >= '0' && c <= '9') || c == '.';
}

/* "1m30.5s"; false when it isn't of that form. */
static bool parse_duration(struct str text, double *ret_ns)
{
    struct str s = text;
    double sign = 1, total = 0;
    if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
        sign = s.ptr[0] == '-' ? -1 : 1;
        s = str_new(s.ptr + 1, s.len - 1);
    }
    if (s.len == 0)
        return false;
    while (s.len > 0) {
        size_t digits = 0, letters = 0;
        while (digits < s.len && is_number_char(s.ptr[digits]))
            digits++;
        while (digits + letters < s.len && !is_number_char(s.ptr[digits + letters]))
            letters++;
        double n, unit = unit_ns(str_new(s.ptr + digits, letters));
        if (unit <= 0 || str_to_double(str_new(s.ptr, digits), &n) < 0)
            return false;
        total += n * unit;
        s = str_new(s.ptr + digits + letters, s.len - digits - letters);
    }
    *ret_ns = sign * total;
    return true;
}

int js_duration_of(JSContext *ctx, JSValueConst v, int64_t *ret_ns)
{
    double ns = (double)NAN;
    if (JS_IsNumber(v)) {
        if (JS_ToFloat64(ctx, &ns, v) < 0)
            return -1;
        ns *= NS_PER_MS;
    } else {
        CLEANUP(js_text_fini) struct js_text text = {0};
        if (js_text_of(ctx, v, &text) < 0)
            return -1;
        double ms;
        if (str_to_double(text.s, &ms) == 0)
            ns = ms * NS_PER_MS;
        else if (!JS_IsString(v) || !parse_duration(text.s, &ns))
            return err_set(E_CONFIG, "time: invalid duration \"%.*s\"", STR_ARG(text.s));
    }
    if (!(fabs(ns) < (double)INT64_MAX))
        return err_set(E_CONFIG, "time: invalid duration: out of range");
    *ret_ns = (int64_t)ns;
    return 0;
}

/* ---- tags ----------------------------------------------------------------------------------- */

void js_tags_init(struct js_tags *t, JSContext *ctx)
{
    t->ctx = ctx;
    t->tag = t->room;
    t->text = t->room_text;
    t->len = t->text_len = 0;
    t->cap = JS_TAGS_INLINE;
}

void js_tags_fini(struct js_tags *t)
{
    for (uint32_t i = 0; i < t->text_len; i++)
        js_text_fini(&t->text[i]);
    if (t->tag != t->room) {
        mem_free(t->tag);
        mem_free(t->text);
    }
    t->len = t->text_len = 0;
}

static int tags_grow(struct js_tags *t)
{
    if (t->len < t->cap)
        return 0;
    uint32_t cap = t->cap * 4;
    if (cap > JS_TAGS_MAX) {
        js_throw(t->ctx, "more than %d tags on one sample", JS_TAGS_MAX / 4);
        return -1;
    }
    struct tag *tag = mem_calloc(cap, sizeof *tag);
    struct js_text *text = mem_calloc((size_t)cap * 2, sizeof *text);
    if (!tag || !text) {
        mem_free(tag);
        mem_free(text);
        JS_ThrowOutOfMemory(t->ctx);
        return -1;
    }
    memcpy(tag, t->tag, t->len * sizeof *tag);
    memcpy(text, t->text, t->text_len * sizeof *text);
    if (t->tag != t->room) {
        mem_free(t->tag);
        mem_free(t->text);
    }
    t->tag = tag;
    t->text = text;
    t->cap = cap;
    return 0;
}

int js_tags_add(struct js_tags *t, struct str key, struct str value)
{
    if (tags_grow(t) < 0)
        return -1;
    t->tag[t->len++] = (struct tag){key, value};
    return 0;
}

static int tags_read_one(struct js_tags *t, JSAtom atom, JSValueConst v)
{
    JSContext *ctx = t->ctx;
    JSValue name = JS_AtomToString(ctx, atom);
    struct js_text *text = &t->text[t->text_len];
    int rc = JS_IsException(name) ? -1 : js_text_of(ctx, name, &text[0]);
    JS_FreeValue(ctx, name);
    if (rc < 0)
        return -1;
    t->text_len++;
    if (!JS_IsString(v) && !JS_IsNumber(v) && !JS_IsBool(v)) {
        js_throw(ctx,
                 "invalid value for metric tag '%.*s': only String, Boolean and Number types are "
                 "accepted as a metric tag values",
                 STR_ARG(text[0].s));
        return -1;
    }
    if (js_text_of(ctx, v, &text[1]) < 0)
        return -1;
    t->text_len++;
    return js_tags_add(t, text[0].s, text[1].s);
}

int js_tags_read(struct js_tags *t, JSValueConst v)
{
    JSContext *ctx = t->ctx;
    if (js_is_nullish(v))
        return 0;
    if (!JS_IsObject(v)) {
        JSValue object = js_to_object(ctx, v);
        int rc = JS_IsException(object) ? -1 : js_tags_read(t, object);
        JS_FreeValue(ctx, object);
        return rc;
    }
    JSPropertyEnum *props = NULL;
    uint32_t len = 0;
    if (JS_GetOwnPropertyNames(ctx, &props, &len, v, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
        return -1;
    int rc = 0;
    for (uint32_t i = 0; i < len; i++) {
        if (rc == 0)
            rc = tags_grow(t); /* before text places are handed out */
        if (rc == 0) {
            JSValue value = JS_GetProperty(ctx, v, props[i].atom);
            rc = JS_IsException(value) ? -1 : tags_read_one(t, props[i].atom, value);
            JS_FreeValue(ctx, value);
        }
        JS_FreeAtom(ctx, props[i].atom);
    }
    js_free(ctx, props);
    return rc;
}

struct tagset *js_tags_intern(struct js_tags *t, struct tagset *base)
{
    struct js_host *host = js_host_of(t->ctx);
    if (t->len == 0 || !host->shard)
        return base;
    return tags_with(shard_tags(host->shard), base, t->tag, t->len);
}

int64_t js_wall_ns(const struct js_host *host)
{
    bool singly = host->shard && shard_is_sampled(host->shard);
    return (singly ? clock_mono_ns() : loop_now_ns(host->loop)) + host->wall_offset_ns;
}

void js_sample(struct js_host *host, const struct metric *m, struct tagset *tags, double value)
{
    if (host->shard)
        shard_add(host->shard, m, tags, host->metadata, value, js_wall_ns(host));
}
