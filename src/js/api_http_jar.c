/* CookieJar of k6/http, and the jar that a VU's requests use. */
#include <errno.h>

#include "base/clock.h"
#include "base/mem.h"
#include "js/api_http.h"

static JSClassID jar_class;

struct jar_ref *jar_ref_new(void)
{
    struct jar_ref *r = mem_calloc(1, sizeof *r);
    if (r && cookie_jar_new(&r->jar) < 0) {
        mem_free(r);
        return NULL;
    }
    if (r)
        r->refs = 1;
    return r;
}

void jar_ref_unref(struct jar_ref *r)
{
    if (!r || --r->refs > 0)
        return;
    cookie_jar_free(r->jar);
    mem_free(r);
}

int64_t http_now_s(void)
{
    return clock_wall_ns() / NS_PER_S;
}

static void jar_finalizer(JSRuntime *rt, JSValue v)
{
    (void)rt;
    jar_ref_unref(JS_GetOpaque(v, jar_class));
}

struct jar_ref *http_jar_of(JSValueConst v)
{
    return JS_GetOpaque(v, jar_class);
}

JSValue http_jar_object(JSContext *ctx, struct jar_ref *r)
{
    JSValue v = JS_NewObjectClass(ctx, (int)jar_class);
    if (JS_IsException(v))
        return v;
    r->refs++;
    JS_SetOpaque(v, r);
    return v;
}

/* The jar of `this` and the URL of the first argument; false with an exception pending. */
static bool jar_and_url(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                        struct jar_ref **ret_jar, struct url *ret_url)
{
    *ret_jar = JS_GetOpaque2(ctx, this_val, jar_class);
    if (!*ret_jar)
        return false;
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (js_text_of(ctx, js_arg(argc, argv, 0), &text) < 0)
        return false;
    int rc = url_parse(text.s, ret_url);
    if (rc < 0)
        js_throw_err(ctx, rc);
    return rc == 0;
}

struct collect {
    JSContext *ctx;
    JSValue object;
};

static int collect_cookie(void *arg, struct str name, struct str value)
{
    struct collect *c = arg;
    JSAtom atom = JS_NewAtomLen(c->ctx, name.ptr, name.len);
    JSValue list = JS_GetProperty(c->ctx, c->object, atom);
    int rc = 0;
    if (!JS_IsArray(c->ctx, list)) {
        JS_FreeValue(c->ctx, list);
        list = JS_NewArray(c->ctx);
        rc = JS_DefinePropertyValue(c->ctx, c->object, atom, JS_DupValue(c->ctx, list),
                                    JS_PROP_C_W_E);
    }
    int64_t len = 0;
    JSValue length = JS_GetPropertyStr(c->ctx, list, "length");
    if (rc >= 0 && JS_ToInt64(c->ctx, &len, length) == 0)
        rc = JS_DefinePropertyValueUint32(c->ctx, list, (uint32_t)len, js_new_str(c->ctx, value),
                                          JS_PROP_C_W_E);
    JS_FreeValue(c->ctx, length);
    JS_FreeValue(c->ctx, list);
    JS_FreeAtom(c->ctx, atom);
    return rc < 0 ? -1 : 0;
}

static JSValue jar_cookies_for_url(JSContext *ctx, JSValueConst this_val, int argc,
                                   JSValueConst *argv)
{
    struct jar_ref *r;
    CLEANUP(url_fini) struct url u = {0};
    if (!jar_and_url(ctx, this_val, argc, argv, &r, &u))
        return JS_EXCEPTION;
    struct collect c = {ctx, JS_NewObject(ctx)};
    int rc = cookie_jar_each(r->jar, &u, http_now_s(), collect_cookie, &c);
    if (rc == 0)
        return c.object;
    JS_FreeValue(ctx, c.object);
    return rc == -1 ? JS_EXCEPTION : js_throw_err(ctx, rc);
}

/* Options of set(); the texts are kept until the cookie has been copied. */
struct set_options {
    struct http_cookie cookie;
    struct js_text domain, path;
};

static int read_option(JSContext *ctx, void *arg, struct str key, JSValueConst value)
{
    struct set_options *o = arg;
    if (str_ieq(key, STR("path"))) {
        js_text_fini(&o->path);
        return js_text_of(ctx, value, &o->path);
    }
    if (str_ieq(key, STR("domain"))) {
        js_text_fini(&o->domain);
        return js_text_of(ctx, value, &o->domain);
    }
    if (str_ieq(key, STR("expires"))) {
        CLEANUP(js_text_fini) struct js_text text = {0};
        if (js_text_of(ctx, value, &text) < 0)
            return -1;
        if (text.s.len == 0)
            return 0;
        o->cookie.has_expires = cookie_parse_date(text.s, false, &o->cookie.expires_s) == 0;
        if (!o->cookie.has_expires)
            js_throw(ctx, "unable to parse \"expires\" date string \"%.*s\"", STR_ARG(text.s));
        return o->cookie.has_expires ? 0 : -1;
    }
    if (str_ieq(key, STR("max_age")))
        return JS_ToInt64(ctx, &o->cookie.max_age_s, value);
    if (str_ieq(key, STR("secure")))
        o->cookie.secure = JS_ToBool(ctx, value) > 0;
    else if (str_ieq(key, STR("http_only")))
        o->cookie.http_only = JS_ToBool(ctx, value) > 0;
    return 0;
}

static JSValue jar_set(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct jar_ref *r;
    CLEANUP(url_fini) struct url u = {0};
    if (!jar_and_url(ctx, this_val, argc, argv, &r, &u))
        return JS_EXCEPTION;
    CLEANUP(js_text_fini) struct js_text name = {0};
    CLEANUP(js_text_fini) struct js_text value = {0};
    if (js_text_of(ctx, js_arg(argc, argv, 1), &name) < 0 ||
        js_text_of(ctx, js_arg(argc, argv, 2), &value) < 0)
        return JS_EXCEPTION;
    struct set_options o = {0};
    JSValueConst options = js_arg(argc, argv, 3);
    int rc = JS_IsObject(options) ? js_each(ctx, options, read_option, &o) : 0;
    if (rc == 0) {
        o.cookie.name = name.s;
        o.cookie.value = value.s;
        o.cookie.domain = o.domain.s;
        o.cookie.path = o.path.s;
        rc = cookie_jar_set(r->jar, &u, &o.cookie, http_now_s());
        if (rc < 0)
            js_throw_err(ctx, rc);
    }
    js_text_fini(&o.domain);
    js_text_fini(&o.path);
    return rc < 0 ? JS_EXCEPTION : JS_TRUE;
}

static JSValue jar_clear(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct jar_ref *r;
    CLEANUP(url_fini) struct url u = {0};
    if (!jar_and_url(ctx, this_val, argc, argv, &r, &u))
        return JS_EXCEPTION;
    cookie_jar_remove(r->jar, &u, STR_EMPTY);
    return JS_TRUE;
}

static JSValue jar_delete(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct jar_ref *r;
    CLEANUP(url_fini) struct url u = {0};
    if (!jar_and_url(ctx, this_val, argc, argv, &r, &u))
        return JS_EXCEPTION;
    CLEANUP(js_text_fini) struct js_text name = {0};
    if (js_text_of(ctx, js_arg(argc, argv, 1), &name) < 0)
        return JS_EXCEPTION;
    cookie_jar_remove(r->jar, &u, name.s);
    return JS_TRUE;
}

static const JSCFunctionListEntry jar_methods[] = {
    JS_API_FUNC("cookiesForURL", 1, jar_cookies_for_url),
    JS_API_FUNC("set", 4, jar_set),
    JS_API_FUNC("clear", 1, jar_clear),
    JS_API_FUNC("delete", 2, jar_delete),
};

static JSValue new_cookie_jar(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    (void)argc;
    (void)argv;
    struct jar_ref *r = jar_ref_new();
    if (!r)
        return JS_ThrowOutOfMemory(ctx);
    JSValue v = http_jar_object(ctx, r);
    jar_ref_unref(r);
    return v;
}

JSValue http_jar_constructor(JSContext *ctx)
{
    static const JSClassDef def = {.class_name = "CookieJar", .finalizer = jar_finalizer};
    if (js_class_register(ctx, &jar_class, &def) < 0)
        return JS_EXCEPTION;
    JSValue proto = JS_NewObject(ctx);
    JSValue constructor =
        JS_NewCFunction2(ctx, new_cookie_jar, "CookieJar", 0, JS_CFUNC_constructor_or_func, 0);
    if (JS_IsException(proto) || JS_IsException(constructor)) {
        JS_FreeValue(ctx, proto);
        JS_FreeValue(ctx, constructor);
        return JS_EXCEPTION;
    }
    JS_SetPropertyFunctionList(ctx, proto, jar_methods, (int)ARRAY_LEN(jar_methods));
    JS_SetConstructor(ctx, constructor, proto);
    JS_SetClassProto(ctx, jar_class, proto);
    return constructor;
}
