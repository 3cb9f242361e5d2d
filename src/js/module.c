/*
 * Modules of a VM: where imports and require() get theirs from.
 *
 * ES modules are read from the program's image when something imports them.  A CommonJS file runs
 * when it is first asked for; for an import it becomes a module whose exports are what it has put
 * on `exports` by then, and whose default is exports.default, or else exports itself.  As in k6, a
 * default that isn't exported by that name isn't in the module's namespace object.
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "js/specifier.h"
#include "js/vm_int.h"
#include "rt/offload.h"

/* ---- built-in modules ----------------------------------------------------------------------- */

/* The module's object, which its default export is; made at the first call. */
static JSValue api_object(struct js_vm *vm, const struct js_api_module *m)
{
    JSContext *ctx = vm->ctx;
    if (!JS_IsUndefined(vm->api[m->id]))
        return JS_DupValue(ctx, vm->api[m->id]);
    if (m->open && !vm->api_state[m->id]) {
        vm->api_state[m->id] = m->open(ctx);
        if (!vm->api_state[m->id])
            return JS_ThrowOutOfMemory(ctx);
    }
    JSValue object = JS_NewObject(ctx);
    if (JS_IsException(object))
        return object;
    JS_SetPropertyFunctionList(ctx, object, m->list, m->list_len);
    if (m->fill && m->fill(ctx, object) < 0) {
        JS_FreeValue(ctx, object);
        return JS_EXCEPTION;
    }
    vm->api[m->id] = JS_DupValue(ctx, object);
    return object;
}

static const struct js_api_module *api_of(JSContext *ctx, JSModuleDef *def)
{
    JSAtom atom = JS_GetModuleName(ctx, def);
    const char *name = JS_AtomToCString(ctx, atom);
    const struct js_api_module *m = name ? js_api_find(str_of(name)) : NULL;
    JS_FreeCString(ctx, name);
    JS_FreeAtom(ctx, atom);
    return m;
}

static int api_export(JSContext *ctx, JSModuleDef *def, const struct js_api_module *m,
                      JSValueConst object, const char *name)
{
    JSValue v = m->named ? m->named(ctx, name) : JS_GetPropertyStr(ctx, object, name);
    if (JS_IsException(v))
        return -1;
    return JS_SetModuleExport(ctx, def, name, v);
}

static int api_evaluate(JSContext *ctx, JSModuleDef *def)
{
    const struct js_api_module *m = api_of(ctx, def);
    if (!m)
        return -1;
    JSValue object = api_object(js_vm_of(ctx), m);
    if (JS_IsException(object))
        return -1;
    int rc = 0;
    for (int i = 0; rc == 0 && i < m->list_len; i++)
        rc = api_export(ctx, def, m, object, m->list[i].name);
    for (size_t i = 0; rc == 0 && m->more && m->more[i]; i++)
        rc = api_export(ctx, def, m, object, m->more[i]);
    if (rc < 0) {
        JS_FreeValue(ctx, object);
        return -1;
    }
    return JS_SetModuleExport(ctx, def, "default", object);
}

static JSModuleDef *api_module(JSContext *ctx, const char *name)
{
    const struct js_api_module *m = js_api_find(str_of(name));
    if (!m) {
        js_throw_err(ctx, program_builtin_check(str_of(name)));
        return NULL;
    }
    JSModuleDef *def = JS_NewCModule(ctx, name, api_evaluate);
    if (!def || JS_AddModuleExport(ctx, def, "default") < 0)
        return NULL;
    JS_HideModuleDefault(def);
    for (int i = 0; i < m->list_len; i++)
        if (JS_AddModuleExport(ctx, def, m->list[i].name) < 0)
            return NULL;
    for (size_t i = 0; m->more && m->more[i]; i++)
        if (JS_AddModuleExport(ctx, def, m->more[i]) < 0)
            return NULL;
    return def;
}

/* ---- units ---------------------------------------------------------------------------------- */

static JSValue unit_read(struct js_vm *vm, uint32_t unit)
{
    if (unit < vm->units_in_image)
        return JS_ReadRom(vm->ctx, unit);
    return program_unit_copy(vm->program, unit, vm->ctx);
}

static struct vm_unit *vm_unit(struct js_vm *vm, uint32_t unit)
{
    if (unit < vm->units_len)
        return &vm->units[unit];
    uint32_t len = MAX(unit + 1, (uint32_t)vm->program->units_len);
    struct vm_unit *p = mem_realloc_array(vm->units, len, sizeof *p);
    if (!p) {
        JS_ThrowOutOfMemory(vm->ctx);
        return NULL;
    }
    while (vm->units_len < len)
        p[vm->units_len++] = (struct vm_unit){NULL, JS_UNDEFINED};
    vm->units = p;
    return &p[unit];
}

struct load_job {
    struct js_program *program;
    const struct js_import *what;
    uint32_t unit;
};

static int load_job_run(void *arg)
{
    struct load_job *j = arg;
    return program_unit_load(j->program, j->what, &j->unit);
}

/* The unit that is imported, compiled now when it may be.  The compiler needs more stack than a
 * coroutine has, and what comes from the web blocks, hence the other thread. */
static int unit_find(struct js_vm *vm, const struct js_import *what, uint32_t *ret)
{
    int found = program_unit_find(vm->program, what->name);
    struct load_job job = {vm->program, what, 0};
    int rc = found < 0 && !vm->program->sealed && co_self() ? offload_run(load_job_run, &job)
                                                            : load_job_run(&job);
    if (rc == 0)
        *ret = job.unit;
    return rc;
}

/* ---- CommonJS ------------------------------------------------------------------------------- */

/* Calls the unit's function with a new `module`, which is kept before it runs: cycles see what is
 * there so far. */
static int commonjs_run(struct js_vm *vm, uint32_t unit)
{
    JSContext *ctx = vm->ctx;
    JSValue module = JS_NewObject(ctx);
    JSValue exports = JS_NewObject(ctx);
    vm->units[unit].commonjs = module;
    if (JS_IsException(module) || JS_IsException(exports) ||
        JS_SetPropertyStr(ctx, module, "exports", JS_DupValue(ctx, exports)) < 0) {
        JS_FreeValue(ctx, exports);
        return -1;
    }
    JSValue body = unit_read(vm, unit);
    JSValue fn = JS_IsException(body) ? body : JS_EvalFunction(ctx, body);
    JSValue global = JS_GetGlobalObject(ctx);
    JSValue require = JS_GetPropertyStr(ctx, global, "require");
    JSValue argv[] = {exports, require, module};
    JSValue result = JS_IsException(fn) ? fn : JS_Call(ctx, fn, exports, 3, argv);
    int rc = JS_IsException(result) ? -1 : 0;
    JS_FreeValue(ctx, result);
    if (!JS_IsException(fn))
        JS_FreeValue(ctx, fn);
    JS_FreeValue(ctx, require);
    JS_FreeValue(ctx, global);
    JS_FreeValue(ctx, exports);
    return rc;
}

/* What the unit exports, running it when it hasn't run. */
static JSValue commonjs_exports(struct js_vm *vm, uint32_t unit)
{
    if (!vm_unit(vm, unit))
        return JS_EXCEPTION;
    if (JS_IsUndefined(vm->units[unit].commonjs) && commonjs_run(vm, unit) < 0) {
        JS_FreeValue(vm->ctx, vm->units[unit].commonjs);
        vm->units[unit].commonjs = JS_UNDEFINED;
        return JS_EXCEPTION;
    }
    return JS_GetPropertyStr(vm->ctx, vm->units[unit].commonjs, "exports");
}

static uint32_t unit_of(JSContext *ctx, JSModuleDef *def)
{
    JSAtom atom = JS_GetModuleName(ctx, def);
    const char *name = JS_AtomToCString(ctx, atom);
    int unit = name ? program_unit_find(js_vm_of(ctx)->program, str_of(name)) : -1;
    JS_FreeCString(ctx, name);
    JS_FreeAtom(ctx, atom);
    CHECK(unit >= 0);
    return (uint32_t)unit;
}

static int commonjs_export_each(JSContext *ctx, void *arg, struct str key, JSValueConst value)
{
    JSModuleDef *def = arg;
    if (str_eqz(key, "default"))
        return 0;
    /* A name that came to be after the module was made isn't among its exports. */
    if (JS_SetModuleExport(ctx, def, key.ptr, JS_DupValue(ctx, value)) < 0)
        JS_FreeValue(ctx, JS_GetException(ctx));
    return 0;
}

static int commonjs_evaluate(JSContext *ctx, JSModuleDef *def)
{
    JSValue exports = commonjs_exports(js_vm_of(ctx), unit_of(ctx, def));
    if (JS_IsException(exports))
        return -1;
    if (JS_IsObject(exports) && js_each(ctx, exports, commonjs_export_each, def) < 0) {
        JS_FreeValue(ctx, exports);
        return -1;
    }
    JSValue fallback = exports;
    if (JS_IsObject(exports)) {
        JSValue named = JS_GetPropertyStr(ctx, exports, "default");
        if (JS_IsException(named)) {
            JS_FreeValue(ctx, exports);
            return -1;
        }
        if (!js_is_nullish(named)) {
            JS_FreeValue(ctx, exports);
            fallback = named;
        }
    }
    return JS_SetModuleExport(ctx, def, "default", fallback);
}

struct naming {
    JSModuleDef *def;
    bool has_default;
};

static int commonjs_name_each(JSContext *ctx, void *arg, struct str key, JSValueConst value)
{
    (void)value;
    struct naming *n = arg;
    if (!str_eqz(key, "default"))
        return JS_AddModuleExport(ctx, n->def, key.ptr);
    n->has_default = true;
    return 0;
}

static JSModuleDef *commonjs_module(struct js_vm *vm, uint32_t unit)
{
    JSContext *ctx = vm->ctx;
    JSValue exports = commonjs_exports(vm, unit);
    if (JS_IsException(exports))
        return NULL;
    JSModuleDef *def = JS_NewCModule(ctx, vm->program->units[unit].name, commonjs_evaluate);
    if (def && JS_AddModuleExport(ctx, def, "default") < 0)
        def = NULL;
    struct naming naming = {def, false};
    if (def && JS_IsObject(exports) && js_each(ctx, exports, commonjs_name_each, &naming) < 0)
        def = NULL;
    if (def && !naming.has_default)
        JS_HideModuleDefault(def);
    JS_FreeValue(ctx, exports);
    return def;
}

/* ---- ES modules ----------------------------------------------------------------------------- */

static JSValue import_meta_resolve(JSContext *ctx, JSValueConst this_val, int argc,
                                   JSValueConst *argv, int magic, JSValue *data)
{
    (void)this_val;
    (void)magic;
    CLEANUP(js_text_fini) struct js_text spec = {0}, base = {0};
    if (js_text_of(ctx, js_arg(argc, argv, 0), &spec) < 0 || js_text_of(ctx, data[0], &base) < 0)
        return JS_EXCEPTION;
    struct buf out;
    buf_init(&out, JS_PATH_MAX);
    int rc = program_resolve(js_vm_of(ctx)->program, base.s, spec.s, &out);
    JSValue v = rc < 0 ? js_throw_err(ctx, rc) : js_new_str(ctx, buf_view(&out));
    buf_fini(&out);
    return v;
}

static int fill_meta(JSContext *ctx, JSModuleDef *def, const char *name)
{
    JSValue meta = JS_GetImportMeta(ctx, def);
    JSValue url = JS_NewString(ctx, name);
    JSValue resolve = JS_NewCFunctionData(ctx, import_meta_resolve, 1, 0, 1, &url);
    int rc = JS_IsException(meta) || JS_IsException(url) || JS_IsException(resolve) ? -1 : 0;
    if (rc == 0)
        rc = JS_SetPropertyStr(ctx, meta, "resolve", resolve) < 0 ? -1 : 0;
    if (rc == 0)
        rc = JS_SetPropertyStr(ctx, meta, "url", JS_DupValue(ctx, url)) < 0 ? -1 : 0;
    JS_FreeValue(ctx, url);
    JS_FreeValue(ctx, meta);
    return rc;
}

static JSModuleDef *unit_module(struct js_vm *vm, uint32_t unit)
{
    struct vm_unit *mine = vm_unit(vm, unit);
    if (!mine || mine->def)
        return mine ? mine->def : NULL;
    const struct js_unit *u = &vm->program->units[unit];
    if (u->kind == JS_UNIT_COMMONJS) {
        JSModuleDef *made = commonjs_module(vm, unit);
        vm->units[unit].def = made; /* running it may have moved the table */
        return made;
    }
    JSValue v = unit_read(vm, unit);
    if (JS_IsException(v))
        return NULL;
    if (JS_VALUE_GET_TAG(v) != JS_TAG_MODULE) {
        JS_FreeValue(vm->ctx, v);
        JS_ThrowInternalError(vm->ctx, "module %s doesn't compile", u->name);
        return NULL;
    }
    JSModuleDef *def = JS_VALUE_GET_PTR(v);
    JS_FreeValue(vm->ctx, v); /* the context keeps it */
    if (u->uses_meta && fill_meta(vm->ctx, def, u->name) < 0)
        return NULL;
    mine->def = def;
    return def;
}

static char *vm_normalize(JSContext *ctx, const char *base, const char *name, void *opaque)
{
    struct js_vm *vm = opaque;
    struct buf out;
    buf_init(&out, JS_PATH_MAX);
    int rc = program_resolve(vm->program, str_of(base), str_of(name), &out);
    uint32_t unit;
    if (rc == 0 && !specifier_is_builtin(buf_view(&out)))
        rc = unit_find(vm, &(struct js_import){str_of(name), buf_view(&out), str_of(base)}, &unit);
    char *result = NULL;
    if (rc < 0)
        js_throw_err(ctx, rc);
    else
        result = js_strndup(ctx, (const char *)out.data, out.len);
    buf_fini(&out);
    return result;
}

static JSModuleDef *vm_load(JSContext *ctx, const char *name, void *opaque)
{
    struct js_vm *vm = opaque;
    if (specifier_is_builtin(str_of(name)))
        return api_module(ctx, name);
    int unit = program_unit_find(vm->program, str_of(name));
    CHECK(unit >= 0); /* vm_normalize() has seen to it */
    return unit_module(vm, (uint32_t)unit);
}

void module_init_runtime(struct js_vm *vm)
{
    JS_SetModuleLoaderFunc(vm->rt, vm_normalize, vm_load, vm);
}

/* Links and evaluates: a promise. */
static JSValue module_evaluate(JSContext *ctx, JSModuleDef *def)
{
    JSValue module = JS_DupValue(ctx, JS_MKPTR(JS_TAG_MODULE, def));
    if (JS_ResolveModule(ctx, module) < 0) {
        JS_FreeValue(ctx, module);
        return JS_EXCEPTION;
    }
    return JS_EvalFunction(ctx, module);
}

JSValue module_run_main(struct js_vm *vm)
{
    vm->main_def = unit_module(vm, 0);
    return vm->main_def ? module_evaluate(vm->ctx, vm->main_def) : JS_EXCEPTION;
}

JSValue module_main_namespace(struct js_vm *vm)
{
    return JS_GetModuleNamespace(vm->ctx, vm->main_def);
}

/* ---- require() ------------------------------------------------------------------------------ */

/* The namespace of an ES module that ends without waiting. */
static JSValue require_module(struct js_vm *vm, uint32_t unit)
{
    JSContext *ctx = vm->ctx;
    JSModuleDef *def = unit_module(vm, unit);
    JSValue promise = def ? module_evaluate(ctx, def) : JS_EXCEPTION;
    if (JS_IsException(promise))
        return promise;
    JSPromiseStateEnum state = JS_PromiseState(ctx, promise);
    if (state == JS_PROMISE_FULFILLED) {
        JS_FreeValue(ctx, promise);
        return JS_GetModuleNamespace(ctx, def);
    }
    JSValue reason = state == JS_PROMISE_REJECTED ? JS_PromiseResult(ctx, promise) : JS_UNDEFINED;
    JS_FreeValue(ctx, promise);
    if (state == JS_PROMISE_REJECTED)
        return JS_Throw(ctx, reason);
    return js_throw(ctx, "require() of a module that awaits at its top level: import it");
}

static JSValue require_name(struct js_vm *vm, const struct js_import *what)
{
    if (specifier_is_builtin(what->name)) {
        const struct js_api_module *m = js_api_find(what->name);
        return m ? api_object(vm, m) : js_throw_err(vm->ctx, program_builtin_check(what->name));
    }
    uint32_t unit;
    int rc = unit_find(vm, what, &unit);
    if (rc < 0)
        return js_throw_err(vm->ctx, rc);
    if (vm->program->units[unit].kind == JS_UNIT_COMMONJS)
        return commonjs_exports(vm, unit);
    return require_module(vm, unit);
}

JSValue module_require(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    struct js_vm *vm = js_vm_of(ctx);
    if (!js_only_in_init(ctx, "the \"require\" function"))
        return JS_EXCEPTION;
    CLEANUP(js_text_fini) struct js_text spec = {0};
    if (js_text_of(ctx, js_arg(argc, argv, 0), &spec) < 0)
        return JS_EXCEPTION;
    if (spec.s.len == 0)
        return js_throw(ctx, "require() can't be used with an empty specifier");
    JSAtom caller = JS_GetScriptOrModuleName(ctx, 1);
    const char *base = caller != JS_ATOM_NULL ? JS_AtomToCString(ctx, caller) : NULL;
    struct buf name;
    buf_init(&name, JS_PATH_MAX);
    int rc = program_resolve(vm->program, str_of(base), spec.s, &name);
    const struct js_import what = {spec.s, buf_view(&name), str_of(base)};
    JSValue v = rc < 0 ? js_throw_err(ctx, rc) : require_name(vm, &what);
    buf_fini(&name);
    JS_FreeCString(ctx, base);
    JS_FreeAtom(ctx, caller);
    return v;
}

void module_fini(struct js_vm *vm)
{
    for (uint32_t i = 0; i < vm->units_len; i++)
        JS_FreeValue(vm->ctx, vm->units[i].commonjs);
    mem_free(vm->units);
    vm->units = NULL;
    vm->units_len = 0;
}
