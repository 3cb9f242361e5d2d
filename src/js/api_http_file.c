/*
 * http.file(), and the multipart bodies that hold what it makes.
 *
 * A file is an object of a class of its own, by which a body knows it, with the plain properties
 * data, filename and content_type, read when it is sent.
 */
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/limits.h"
#include "codec/multipart.h"
#include "js/api_http.h"

static JSClassID file_class;

static bool is_file(JSValueConst v)
{
    /* Any non-NULL opaque marks it: the object has no memory of its own. */
    return JS_GetOpaque(v, file_class) != NULL;
}

int http_file_register(JSContext *ctx)
{
    static const JSClassDef def = {.class_name = "FileData"};
    if (js_class_register(ctx, &file_class, &def) < 0)
        return -1;
    JSValue proto = JS_NewObject(ctx);
    if (JS_IsException(proto))
        return -1;
    JS_SetClassProto(ctx, file_class, proto);
    return 0;
}

static int set(JSContext *ctx, JSValueConst object, const char *name, JSValue v)
{
    return JS_IsException(v) ? -1 : JS_DefinePropertyValueStr(ctx, object, name, v, JS_PROP_C_W_E);
}

static JSValue default_name(JSContext *ctx)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)clock_wall_ns());
    return JS_NewStringLen(ctx, text, (size_t)len);
}

static JSValue text_or(JSContext *ctx, JSValueConst v, JSValue otherwise)
{
    if (JS_IsUndefined(v))
        return otherwise;
    JS_FreeValue(ctx, otherwise);
    return JS_ToString(ctx, v);
}

/* file(data, [filename], [contentType]) */
JSValue http_file(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    struct http_state *state = js_api_state(ctx, JS_API_HTTP);
    JSValueConst data = js_arg(argc, argv, 0);
    struct str bytes;
    if (!JS_IsString(data) && !js_bytes_of(ctx, data, &bytes))
        return js_throw(ctx, "invalid type %s, expected string, []byte or ArrayBuffer",
                        http_go_type(ctx, data));
    JSValue v = JS_NewObjectClass(ctx, (int)file_class);
    if (JS_IsException(v))
        return v;
    JS_SetOpaque(v, &file_class);
    JSValue type = JS_NewString(ctx, "application/octet-stream");
    int rc = set(ctx, v, "data", JS_DupValue(ctx, data));
    JSValue name = text_or(ctx, js_arg(argc, argv, 1), default_name(ctx));
    type = text_or(ctx, js_arg(argc, argv, 2), type);
    int rc_name = set(ctx, v, "filename", name);
    int rc_type = set(ctx, v, "content_type", type);
    if (rc < 0 || rc_name < 0 || rc_type < 0) {
        JS_FreeValue(ctx, v);
        return JS_EXCEPTION;
    }
    state->has_files = true;
    return v;
}

/* ---- bodies --------------------------------------------------------------------------------- */

static int look_for_file(JSContext *ctx, void *arg, struct str key, JSValueConst v)
{
    (void)ctx;
    (void)arg;
    (void)key;
    return is_file(v) ? 1 : 0;
}

static int text_at(JSContext *ctx, JSValueConst object, const char *name, struct js_text *ret)
{
    JSValue v = JS_GetPropertyStr(ctx, object, name);
    int rc = JS_IsException(v) ? -1 : js_text_of(ctx, v, ret);
    JS_FreeValue(ctx, v);
    return rc;
}

static int add_file(JSContext *ctx, struct multipart *m, struct str key, JSValueConst file)
{
    CLEANUP(js_text_fini) struct js_text name = {0};
    CLEANUP(js_text_fini) struct js_text type = {0};
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (text_at(ctx, file, "filename", &name) < 0 || text_at(ctx, file, "content_type", &type) < 0)
        return -1;
    JSValue data = JS_GetPropertyStr(ctx, file, "data");
    struct str bytes;
    int rc = 0;
    if (!js_bytes_of(ctx, data, &bytes)) {
        rc = JS_IsException(data) ? -1 : js_text_of(ctx, data, &text);
        bytes = text.s;
    }
    if (rc == 0)
        multipart_file(m, key, name.s, type.s, bytes);
    JS_FreeValue(ctx, data);
    return rc;
}

/* A value as Go prints it: lists in brackets, nothing as <nil>. */
static int append_value(JSContext *ctx, struct buf *out, JSValueConst v)
{
    if (js_is_nullish(v)) {
        buf_z(out, "<nil>");
        return 0;
    }
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (!JS_IsArray(ctx, v)) {
        if (js_text_of(ctx, v, &text) < 0)
            return -1;
        buf_str(out, text.s);
        return 0;
    }
    JSValue length = JS_GetPropertyStr(ctx, v, "length");
    uint32_t len = 0;
    int rc = JS_ToUint32(ctx, &len, length);
    buf_byte(out, '[');
    for (uint32_t i = 0; i < len && rc == 0; i++) {
        CLEANUP(js_text_fini) struct js_text item = {0};
        JSValue one = JS_GetPropertyUint32(ctx, v, i);
        rc = JS_IsException(one) ? -1 : js_text_of(ctx, one, &item);
        JS_FreeValue(ctx, one);
        if (i > 0)
            buf_byte(out, ' ');
        buf_str(out, item.s);
        if (out->err)
            break;
    }
    buf_byte(out, ']');
    return rc;
}

static int add_part(JSContext *ctx, void *arg, struct str key, JSValueConst v)
{
    struct multipart *m = arg;
    if (is_file(v))
        return add_file(ctx, m, key, v);
    CLEANUP(buf_fini) struct buf value;
    buf_init(&value, HTTP_BODY_MAX);
    if (append_value(ctx, &value, v) < 0)
        return -1;
    if (value.err)
        m->out->err = value.err;
    multipart_field(m, key, buf_view(&value));
    return 0;
}

int http_file_read_body(struct ask *k, JSValueConst object)
{
    int rc = js_each(k->ctx, object, look_for_file, NULL);
    if (rc <= 0)
        return rc;
    struct sent *s = http_ask_sent(k);
    if (!s)
        return -1;
    uint8_t random[MULTIPART_RANDOM_BYTES];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        js_throw(k->ctx, "no random numbers for the body's boundary");
        return -1;
    }
    struct multipart m;
    multipart_init(&m, &s->body_bytes, random);
    if (js_each(k->ctx, object, add_part, &m) < 0)
        return -1;
    multipart_end(&m);
    k->req.body = buf_view(&s->body_bytes);
    char type[sizeof "multipart/form-data; boundary=" + MULTIPART_BOUNDARY_LEN];
    int len = snprintf(type, sizeof type, "multipart/form-data; boundary=%s", m.boundary);
    rc = http_ask_header(k, STR("Content-Type"), str_new(type, (size_t)len));
    return rc < 0 ? rc : 1;
}
