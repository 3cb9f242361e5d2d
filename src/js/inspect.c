/*
 * What console.log() shows, in k6 v2's form:
 * { a: 1, b: [ 1, "x", null ], c: { d: [object Function] } }, Uint8Array(2) [ 1, 2 ], [Circular].
 */
#include <string.h>

#include "base/limits.h"
#include "js/vm_int.h"

/* The objects around the one that is shown, innermost first. */
struct around {
    const struct around *outer;
    void *object;
    int depth;
};

static void inspect(JSContext *ctx, struct buf *out, JSValueConst v, const struct around *outer);

static void drop_exception(JSContext *ctx)
{
    JS_FreeValue(ctx, JS_GetException(ctx));
}

/* In quotes that nothing inside is escaped for: k6's form, for people to read. */
static void append_quoted(struct buf *out, struct str s, bool quoted)
{
    buf_z(out, quoted ? "\"" : "");
    buf_str(out, s);
    buf_z(out, quoted ? "\"" : "");
}

static void append_text(JSContext *ctx, struct buf *out, JSValueConst v, bool quoted)
{
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (JS_IsSymbol(v)) { /* which String() refuses; k6 shows what describes it */
        JSValue s = JS_GetPropertyStr(ctx, v, "description");
        if (JS_IsException(s) || js_text_of(ctx, s, &text) < 0)
            drop_exception(ctx);
        else
            append_quoted(out, text.s, quoted);
        JS_FreeValue(ctx, s);
    } else if (js_text_of(ctx, v, &text) < 0) {
        drop_exception(ctx);
        buf_z(out, "[object]");
    } else {
        append_quoted(out, text.s, quoted);
    }
}

/* The name of the object's constructor when it is one of the built-in classes that show themselves,
 * into `name`; empty otherwise. */
static void class_name(JSContext *ctx, JSValueConst v, char *name, size_t size)
{
    name[0] = '\0';
    JSValue constructor = JS_GetPropertyStr(ctx, v, "constructor");
    JSValue value =
        JS_IsObject(constructor) ? JS_GetPropertyStr(ctx, constructor, "name") : JS_UNDEFINED;
    if (JS_IsException(constructor) || JS_IsException(value))
        drop_exception(ctx);
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (JS_IsString(value) && js_text_of(ctx, value, &text) == 0 && text.s.len < size) {
        memcpy(name, text.s.ptr, text.s.len);
        name[text.s.len] = '\0';
    }
    JS_FreeValue(ctx, value);
    JS_FreeValue(ctx, constructor);
}

static void append_hex(struct buf *out, struct str bytes)
{
    buf_z(out, "ArrayBuffer { [Uint8Contents]: <");
    for (size_t i = 0; i < bytes.len && out->err == 0; i++)
        buf_printf(out, "%s%02x", i > 0 ? " " : "", (unsigned)(uint8_t)bytes.ptr[i]);
    buf_printf(out, ">, byteLength: %zu }", bytes.len);
}

static void append_list(JSContext *ctx, struct buf *out, JSValueConst v, const struct around *me)
{
    int64_t len = 0;
    JSValue n = JS_GetPropertyStr(ctx, v, "length");
    (void)JS_ToInt64(ctx, &len, n);
    JS_FreeValue(ctx, n);
    buf_byte(out, '[');
    for (int64_t i = 0; i < len && out->err == 0; i++) {
        buf_z(out, i > 0 ? ", " : " ");
        JSValue item = JS_GetPropertyUint32(ctx, v, (uint32_t)i);
        if (JS_IsException(item))
            drop_exception(ctx);
        inspect(ctx, out, item, me);
        JS_FreeValue(ctx, item);
    }
    buf_z(out, len > 0 ? " ]" : "]");
}

struct members {
    struct buf *out;
    const struct around *me;
    bool any;
};

static int append_member(JSContext *ctx, void *arg, struct str key, JSValueConst value)
{
    struct members *m = arg;
    buf_z(m->out, m->any ? ", " : " ");
    m->any = true;
    buf_str(m->out, key);
    buf_z(m->out, ": ");
    inspect(ctx, m->out, value, m->me);
    return m->out->err == 0 ? 0 : 1;
}

static void append_members(JSContext *ctx, struct buf *out, JSValueConst v, const struct around *me)
{
    struct members m = {out, me, false};
    buf_byte(out, '{');
    if (js_each(ctx, v, append_member, &m) < 0)
        drop_exception(ctx);
    buf_z(out, m.any ? " }" : "}");
}

static void append_date(JSContext *ctx, struct buf *out, JSValueConst v)
{
    JSAtom atom = JS_NewAtom(ctx, "toISOString");
    JSValue text = JS_Invoke(ctx, v, atom, 0, NULL);
    JS_FreeAtom(ctx, atom);
    if (JS_IsException(text)) {
        drop_exception(ctx); /* it is no date */
        buf_z(out, "{}");
        return;
    }
    append_text(ctx, out, text, true);
    JS_FreeValue(ctx, text);
}

static void append_object(JSContext *ctx, struct buf *out, JSValueConst v,
                          const struct around *outer)
{
    struct around me = {outer, JS_VALUE_GET_PTR(v), outer ? outer->depth + 1 : 1};
    for (const struct around *a = outer; a; a = a->outer)
        if (a->object == me.object) {
            buf_z(out, "[Circular]");
            return;
        }
    if (me.depth > JS_INSPECT_DEPTH_MAX) {
        buf_z(out, "[Object]");
        return;
    }
    char name[32];
    struct str bytes;
    class_name(ctx, v, name, sizeof name);
    if (JS_IsArray(ctx, v) > 0) {
        append_list(ctx, out, v, &me);
    } else if (strcmp(name, "Date") == 0) {
        append_date(ctx, out, v);
    } else if (js_bytes_of(ctx, v, &bytes)) {
        if (strcmp(name, "ArrayBuffer") == 0 || strcmp(name, "DataView") == 0) {
            append_hex(out, bytes);
        } else {
            int64_t len = 0;
            JSValue n = JS_GetPropertyStr(ctx, v, "length");
            (void)JS_ToInt64(ctx, &len, n);
            JS_FreeValue(ctx, n);
            buf_printf(out, "%s(%lld) ", name, (long long)len);
            append_list(ctx, out, v, &me);
        }
    } else {
        append_members(ctx, out, v, &me);
    }
}

static void inspect(JSContext *ctx, struct buf *out, JSValueConst v, const struct around *outer)
{
    if (JS_IsUndefined(v) && outer)
        buf_z(out, "null");
    else if (JS_IsFunction(ctx, v))
        buf_z(out, "[object Function]");
    else if (JS_IsError(ctx, v))
        append_text(ctx, out, v, false);
    else if (JS_IsObject(v))
        append_object(ctx, out, v, outer);
    else
        append_text(ctx, out, v, outer && (JS_IsString(v) || JS_IsSymbol(v)));
}

void inspect_value(JSContext *ctx, struct buf *out, JSValueConst v, bool top)
{
    static const struct around nothing;
    inspect(ctx, out, v, top ? NULL : &nothing);
}
