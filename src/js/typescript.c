#include "js/typescript.h"

#include <errno.h>
#include <pthread.h>
#include <quickjs.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "js/strip_types.h"

struct typescript {
    JSRuntime *rt;
    JSContext *ctx;
    JSValue strip; /* (source, name) => [code, map] */
};

void typescript_free(struct typescript *t)
{
    if (!t)
        return;
    if (t->ctx) {
        JS_FreeValue(t->ctx, t->strip);
        JS_FreeContext(t->ctx);
    }
    if (t->rt)
        JS_FreeRuntime(t->rt);
    mem_free(t);
}

static int load_library(struct typescript *t)
{
    CLEANUP(buf_fini) struct buf text; /* with the NUL that the parser wants */
    buf_init(&text, strip_types_text_len + 1);
    buf_append(&text, strip_types_text, strip_types_text_len);
    const char *z = buf_cstr(&text);
    if (!z)
        return -ENOMEM;
    JSValue v = JS_Eval(t->ctx, z, text.len, "strip_types.js", JS_EVAL_TYPE_GLOBAL);
    if (JS_IsException(v)) {
        JS_FreeValue(t->ctx, JS_GetException(t->ctx));
        return -ENOMEM; /* it is known to be right */
    }
    JS_FreeValue(t->ctx, v);
    JSValue global = JS_GetGlobalObject(t->ctx);
    t->strip = JS_GetPropertyStr(t->ctx, global, "stripTypes");
    JS_FreeValue(t->ctx, global);
    return 0;
}

/* How deep the library may go, which descends into the source by recursion: half of what the thread
 * has. It never runs on a coroutine. */
static size_t stack_room(void)
{
    pthread_attr_t attr;
    void *base = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return JS_DEFAULT_STACK_SIZE;
    if (pthread_attr_getstack(&attr, &base, &size) != 0)
        size = 2 * (size_t)JS_DEFAULT_STACK_SIZE;
    pthread_attr_destroy(&attr);
    return MIN(size / 2, TYPESCRIPT_STACK_MAX);
}

static int make(struct typescript **ret)
{
    struct typescript *t = mem_calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->strip = JS_UNDEFINED;
    t->rt = JS_NewRuntime();
    if (t->rt)
        JS_SetMaxStackSize(t->rt, stack_room());
    t->ctx = t->rt ? JS_NewContext(t->rt) : NULL;
    int rc = t->ctx ? load_library(t) : -ENOMEM;
    if (rc < 0) {
        typescript_free(t);
        return rc;
    }
    *ret = t;
    return 0;
}

static int32_t int_property(JSContext *ctx, JSValueConst object, const char *name)
{
    int32_t n = 0;
    JSValue v = JS_GetPropertyStr(ctx, object, name);
    (void)JS_ToInt32(ctx, &n, v);
    JS_FreeValue(ctx, v);
    return n;
}

static int failed(JSContext *ctx, const char *name)
{
    JSValue e = JS_GetException(ctx);
    JSValue message = JS_GetPropertyStr(ctx, e, "message");
    const char *text = JS_ToCString(ctx, message);
    int rc = err_set(E_SCRIPT, "%s: Line %d:%d %s", name, int_property(ctx, e, "line"),
                     int_property(ctx, e, "column"), text ? text : "this isn't TypeScript");
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, message);
    JS_FreeValue(ctx, e);
    return rc;
}

/* Appends result[i], a string. */
static int take(JSContext *ctx, JSValueConst result, uint32_t i, struct buf *out)
{
    JSValue v = JS_GetPropertyUint32(ctx, result, i);
    size_t len;
    const char *p = JS_ToCStringLen(ctx, &len, v);
    JS_FreeValue(ctx, v);
    if (!p) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        return -ENOMEM;
    }
    buf_append(out, p, len);
    JS_FreeCString(ctx, p);
    return buf_finish(out);
}

int typescript_strip(struct typescript **t, struct str source, const char *name, struct buf *code,
                     struct buf *map)
{
    if (source.len > JS_TYPESCRIPT_BYTES)
        return err_set(E_LIMIT, "%s: more than %ld bytes of TypeScript", name, JS_TYPESCRIPT_BYTES);
    int rc = *t ? 0 : make(t);
    if (rc < 0)
        return err_set(rc, "%s: TypeScript", name);
    JSContext *ctx = (*t)->ctx;
    JS_UpdateStackTop((*t)->rt); /* another thread may have been here last */
    JSValue argv[] = {JS_NewStringLen(ctx, source.ptr ? source.ptr : "", source.len),
                      JS_NewString(ctx, name)};
    JSValue result = JS_Call(ctx, (*t)->strip, JS_UNDEFINED, 2, argv);
    JS_FreeValue(ctx, argv[0]);
    JS_FreeValue(ctx, argv[1]);
    if (JS_IsException(result))
        return failed(ctx, name);
    rc = take(ctx, result, 0, code);
    if (rc == 0)
        rc = take(ctx, result, 1, map);
    JS_FreeValue(ctx, result);
    return rc < 0 ? err_set(rc, "%s: TypeScript", name) : 0;
}
