#include "js/vm_int.h"

#include <errno.h>

static int put(JSContext *ctx, JSValueConst object, const struct tag *tags, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        JSAtom key = JS_NewAtomLen(ctx, tags[i].key.ptr, tags[i].key.len);
        int rc = -1;
        if (key != JS_ATOM_NULL)
            rc = JS_DefinePropertyValue(ctx, object, key, js_new_str(ctx, tags[i].value),
                                        JS_PROP_C_W_E);
        JS_FreeAtom(ctx, key);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int freeze(JSContext *ctx, JSValueConst object)
{
    JSPropertyEnum *names;
    uint32_t len;
    int flags = JS_PROP_HAS_CONFIGURABLE | JS_PROP_HAS_WRITABLE;
    if (JS_GetOwnPropertyNames(ctx, &names, &len, object, JS_GPN_STRING_MASK) < 0)
        return -1;
    int rc = 0;
    for (uint32_t i = 0; i < len; i++) {
        if (rc >= 0)
            rc = JS_DefineProperty(ctx, object, names[i].atom, JS_UNDEFINED, JS_UNDEFINED,
                                   JS_UNDEFINED, flags);
        JS_FreeAtom(ctx, names[i].atom);
    }
    js_free(ctx, names);
    return rc < 0 ? rc : JS_PreventExtensions(ctx, object);
}

JSValue env_object(struct js_vm *vm, const struct tag *more, uint32_t n)
{
    JSContext *ctx = vm->ctx;
    JSValue env = JS_NewObject(ctx);
    if (JS_IsException(env))
        return env;
    bool frozen = vm->host->run->freeze_env;
    if (put(ctx, env, vm->host->env, vm->host->env_len) < 0 || put(ctx, env, more, n) < 0 ||
        (frozen && freeze(ctx, env) < 0)) {
        JS_FreeValue(ctx, env);
        return JS_EXCEPTION;
    }
    return env;
}

static int set_env(struct js_vm *vm, const struct tag *more, uint32_t n)
{
    JSContext *ctx = vm->ctx;
    JSValue env = env_object(vm, more, n);
    if (JS_IsException(env))
        return -1;
    JSValue global = JS_GetGlobalObject(ctx);
    int rc = JS_DefinePropertyValueStr(ctx, global, "__ENV", env, JS_PROP_C_W_E);
    JS_FreeValue(ctx, global);
    return rc < 0 ? -1 : 0;
}

int js_vm_set_env(struct js_vm *vm, const struct tag *more, uint32_t n)
{
    vm_enter(vm);
    int rc = set_env(vm, more, n);
    if (rc < 0)
        JS_FreeValue(vm->ctx, JS_GetException(vm->ctx));
    vm_leave(vm);
    return rc < 0 ? -ENOMEM : 0;
}
