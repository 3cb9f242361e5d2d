/* Bodies that are objects: urlencoded, keys sorted, values as Go prints them. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "js/api_http.h"

enum {
    FORM_DEPTH_MAX = 32
}; /* of lists and objects in a value; deeper ones are "[object Object]" */

struct form_field {
    JSAtom atom;
    const char *key;
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct form_field *)a)->key, ((const struct form_field *)b)->key);
}

/* The own properties of an object, keys sorted. */
struct form_fields {
    JSPropertyEnum *props;
    struct form_field *list;
    uint32_t len, made;
};

static int fields_init(JSContext *ctx, JSValueConst v, struct form_fields *f)
{
    *f = (struct form_fields){0};
    if (JS_GetOwnPropertyNames(ctx, &f->props, &f->len, v, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) <
        0)
        return -1;
    f->list = js_malloc(ctx, sizeof *f->list * (f->len + 1));
    if (!f->list)
        return -1;
    for (; f->made < f->len; f->made++) {
        JSAtom atom = f->props[f->made].atom;
        f->list[f->made] = (struct form_field){atom, JS_AtomToCString(ctx, atom)};
        if (!f->list[f->made].key)
            return -1;
    }
    qsort(f->list, f->len, sizeof *f->list, by_key);
    return 0;
}

static void fields_fini(JSContext *ctx, struct form_fields *f)
{
    for (uint32_t i = 0; i < f->made; i++)
        JS_FreeCString(ctx, f->list[i].key);
    for (uint32_t i = 0; i < f->len; i++)
        JS_FreeAtom(ctx, f->props[i].atom);
    js_free(ctx, f->list);
    js_free(ctx, f->props);
}

static int append_value(JSContext *ctx, struct buf *out, JSValueConst v, int depth);

static int append_list(JSContext *ctx, struct buf *out, JSValueConst v, int depth)
{
    JSValue length = JS_GetPropertyStr(ctx, v, "length");
    uint32_t len = 0;
    int rc = JS_ToUint32(ctx, &len, length);
    JS_FreeValue(ctx, length);
    buf_byte(out, '[');
    for (uint32_t i = 0; i < len && rc == 0; i++) {
        JSValue one = JS_GetPropertyUint32(ctx, v, i);
        if (i > 0)
            buf_byte(out, ' ');
        rc = JS_IsException(one) ? -1 : append_value(ctx, out, one, depth + 1);
        JS_FreeValue(ctx, one);
    }
    buf_byte(out, ']');
    return rc;
}

static int append_map(JSContext *ctx, struct buf *out, JSValueConst v, int depth)
{
    struct form_fields f;
    int rc = fields_init(ctx, v, &f);
    buf_z(out, "map[");
    for (uint32_t i = 0; i < f.len && rc == 0; i++) {
        JSValue one = JS_GetProperty(ctx, v, f.list[i].atom);
        buf_printf(out, "%s%s:", i > 0 ? " " : "", f.list[i].key);
        rc = JS_IsException(one) ? -1 : append_value(ctx, out, one, depth + 1);
        JS_FreeValue(ctx, one);
    }
    buf_byte(out, ']');
    fields_fini(ctx, &f);
    return rc;
}

static bool is_plain_object(JSContext *ctx, JSValueConst v)
{
    if (!JS_IsObject(v) || JS_IsFunction(ctx, v))
        return false;
    JSValue proto = JS_GetPrototype(ctx, v);
    JSValue of_object = JS_GetClassProto(ctx, 1 /* JS_CLASS_OBJECT */);
    bool plain = JS_VALUE_GET_TAG(proto) == JS_TAG_OBJECT &&
                 JS_VALUE_GET_PTR(proto) == JS_VALUE_GET_PTR(of_object);
    JS_FreeValue(ctx, of_object);
    return plain;
}

/* As Go prints what the script's value is to it. */
static int append_value(JSContext *ctx, struct buf *out, JSValueConst v, int depth)
{
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (js_is_nullish(v)) {
        buf_z(out, "<nil>");
        return 0;
    }
    if (depth < FORM_DEPTH_MAX && JS_IsArray(ctx, v))
        return append_list(ctx, out, v, depth);
    if (depth < FORM_DEPTH_MAX && is_plain_object(ctx, v))
        return append_map(ctx, out, v, depth);
    if (js_text_of(ctx, v, &text) < 0)
        return -1;
    buf_str(out, text.s);
    return 0;
}

static int append_pair(struct ask *k, struct str key, JSValueConst v)
{
    struct buf *out = &k->sent->body_bytes;
    CLEANUP(buf_fini) struct buf value;
    buf_init(&value, HTTP_BODY_MAX);
    if (append_value(k->ctx, &value, v, 0) < 0)
        return -1;
    if (value.err != 0) {
        js_throw_err(k->ctx, err_set(value.err, "form"));
        return -1;
    }
    if (out->len > 0)
        buf_byte(out, '&');
    url_append_query_escaped(out, key);
    buf_byte(out, '=');
    url_append_query_escaped(out, buf_view(&value));
    return 0;
}

static int append_field(struct ask *k, struct str key, JSValueConst v)
{
    if (!JS_IsArray(k->ctx, v))
        return append_pair(k, key, v);
    JSValue length = JS_GetPropertyStr(k->ctx, v, "length");
    uint32_t len = 0;
    int rc = JS_ToUint32(k->ctx, &len, length);
    JS_FreeValue(k->ctx, length);
    for (uint32_t i = 0; i < len && rc == 0; i++) {
        JSValue one = JS_GetPropertyUint32(k->ctx, v, i);
        rc = JS_IsException(one) ? -1 : append_pair(k, key, one);
        JS_FreeValue(k->ctx, one);
    }
    return rc;
}

int http_form_read(struct ask *k, JSValueConst v)
{
    struct form_fields f;
    if (!http_ask_sent(k))
        return -1;
    int rc = fields_init(k->ctx, v, &f);
    for (uint32_t i = 0; i < f.len && rc == 0; i++) {
        JSValue value = JS_GetProperty(k->ctx, v, f.list[i].atom);
        rc = JS_IsException(value) ? -1 : append_field(k, str_of(f.list[i].key), value);
        JS_FreeValue(k->ctx, value);
    }
    fields_fini(k->ctx, &f);
    k->req.body = buf_view(&k->sent->body_bytes);
    return rc == 0
               ? http_ask_header(k, STR("Content-Type"), STR("application/x-www-form-urlencoded"))
               : -1;
}
