#include "js/vm.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "js/vm_int.h"

enum {
    EXIT_SCRIPT = 107,
    PLAIN_STACK_BYTES = 256 * 1024, /* for script code outside coroutines: options' toJSON() */
};

/* ---- running script code --------------------------------------------------------------------- */

bool vm_stopped(const struct js_vm *vm)
{
    if (atomic_load_explicit(&vm->interrupted, memory_order_relaxed))
        return true;
    struct co *self = co_self();
    return self && co_cancelled(self);
}

static int on_interrupt(JSRuntime *rt, void *opaque)
{
    (void)rt;
    struct js_vm *vm = opaque;
    if (vm_stopped(vm))
        return 1;
    if (co_self() && co_check_slice() < 0)
        return 1;
    return vm_stopped(vm);
}

void vm_enter(struct js_vm *vm)
{
    CHECK(!vm->running);
    vm->running = true;
    atomic_store_explicit(&vm->interrupted, false, memory_order_relaxed);
    size_t stack = co_self() ? co_stack_left() : PLAIN_STACK_BYTES;
    JS_UpdateStackTop(vm->rt);
    JS_SetMemoryLimit(vm->rt, vm->memory_max);
    JS_SetMaxStackSize(vm->rt, stack > JS_NATIVE_STACK_BYTES ? stack - JS_NATIVE_STACK_BYTES : 1);
}

void vm_leave(struct js_vm *vm)
{
    vm->running = false;
}

void js_vm_interrupt(struct js_vm *vm)
{
    atomic_store_explicit(&vm->interrupted, true, memory_order_relaxed);
}

uint64_t vm_random_state(uint64_t seed)
{
    uint64_t z = seed + 0x9e3779b97f4a7c15; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static int fail_text(struct buf *text)
{
    const char *z = buf_cstr(text);
    int rc = err_set(E_SCRIPT, "%s", z ? z : "script failed");
    rc = err_exit(rc, EXIT_SCRIPT);
    return err_hint(rc, "script exception");
}

/* The pending exception as the result of the call under way. */
static int fail_exception(struct js_vm *vm)
{
    JSValue e = JS_GetException(vm->ctx);
    struct buf text;
    buf_init(&text, JS_TEXT_MAX);
    bool stopped = vm_stopped(vm);
    if (!stopped)
        trace_exception(vm, e, &text);
    JS_FreeValue(vm->ctx, e);
    events_drop(vm);
    int rc = stopped ? -ECANCELED : fail_text(&text);
    buf_fini(&text);
    return rc;
}

/* Runs the event loop, then looks at how `result` (consumed), a promise or not, has ended: its
 * value in *ret. */
static int finish(struct js_vm *vm, JSValue result, JSValue *ret)
{
    JSContext *ctx = vm->ctx;
    if (JS_IsException(result))
        return fail_exception(vm);
    struct buf text;
    buf_init(&text, JS_TEXT_MAX);
    int rc = events_run(vm, &text);
    if (rc == E_SCRIPT)
        rc = fail_text(&text);
    buf_fini(&text);
    int state = rc == 0 && JS_IsObject(result) ? (int)JS_PromiseState(ctx, result) : -1;
    if (rc < 0 || state == JS_PROMISE_PENDING || state == JS_PROMISE_REJECTED) {
        /* Rejected: the event loop would have said so, had nobody handled it. */
        JS_FreeValue(ctx, result);
        result = JS_UNDEFINED;
    } else if (state == JS_PROMISE_FULFILLED) {
        JSValue value = JS_PromiseResult(ctx, result);
        JS_FreeValue(ctx, result);
        result = value;
    }
    *ret = result;
    return rc;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int make_runtime(struct js_vm *vm)
{
    vm->heap = heap_ref();
    vm->rt = vm->heap ? JS_NewRuntime2(heap_functions(), vm->heap) : NULL;
    if (!vm->rt)
        return -ENOMEM;
    const struct js_image *image = vm->program->image;
    if (JS_SeedRomAtoms(vm->rt, image->data, image->len) < 0)
        return -ENOMEM;
    vm->units_in_image = image->units;
    int64_t limit = vm->host->run ? vm->host->run->vu_memory_max : 0;
    vm->memory_max = heap_limit(limit > 0 ? limit : JS_VU_MEMORY_MAX);
    JS_SetInterruptHandler(vm->rt, on_interrupt, vm);
    module_init_runtime(vm);
    events_init(vm);
    return 0;
}

static int make_context(struct js_vm *vm)
{
    JSContext *ctx = vm->ctx = JS_NewContextRaw(vm->rt);
    if (!ctx)
        return -ENOMEM;
    JS_SetContextOpaque(ctx, vm);
    JS_AddIntrinsicBaseObjects(ctx);
    JS_AddIntrinsicDate(ctx);
    JS_AddIntrinsicEval(ctx);
    JS_AddIntrinsicStringNormalize(ctx);
    JS_AddIntrinsicRegExp(ctx);
    JS_AddIntrinsicJSON(ctx);
    JS_AddIntrinsicProxy(ctx);
    JS_AddIntrinsicMapSet(ctx);
    JS_AddIntrinsicTypedArrays(ctx);
    JS_AddIntrinsicPromise(ctx);
    /* VMs made in one microsecond would have QuickJS's own seed in common. */
    JS_SetRandomState(ctx, vm_random_state((uint64_t)clock_wall_ns() ^ (uint64_t)(uintptr_t)vm));
    vm->iter_atom = JS_NewAtom(ctx, "__ITER");
    return vm->iter_atom == JS_ATOM_NULL || globals_init(vm) < 0 ? -ENOMEM : 0;
}

static JSValue nothing(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)ctx;
    (void)this_val;
    (void)argc;
    (void)argv;
    return JS_UNDEFINED;
}

/* Makes a rejection count as handled: its reason is looked at here, later. */
static int mark_handled(JSContext *ctx, JSValueConst promise)
{
    JSValue fn = JS_NewCFunction(ctx, nothing, "", 0);
    JSAtom then = JS_NewAtom(ctx, "then");
    JSValue argv[] = {fn, fn};
    JSValue v = JS_Invoke(ctx, promise, then, 2, argv);
    int rc = JS_IsException(v) ? -1 : 0;
    JS_FreeValue(ctx, v);
    JS_FreeAtom(ctx, then);
    JS_FreeValue(ctx, fn);
    return rc;
}

/* How the promise of the main module's evaluation has ended. */
static int init_result(struct js_vm *vm, JSValueConst promise)
{
    JSContext *ctx = vm->ctx;
    switch (JS_PromiseState(ctx, promise)) {
    case JS_PROMISE_FULFILLED:
        vm->main = module_main_namespace(vm);
        return JS_IsException(vm->main) ? fail_exception(vm) : 0;
    case JS_PROMISE_REJECTED:
        JS_Throw(ctx, JS_PromiseResult(ctx, promise));
        return fail_exception(vm);
    case JS_PROMISE_PENDING:
        break;
    }
    int rc = err_set(E_SCRIPT, "the init code never ends: it awaits what can't come");
    return err_exit(rc, EXIT_SCRIPT);
}

/* The top level of all modules. */
static int run_init(struct js_vm *vm)
{
    JSContext *ctx = vm->ctx;
    JSValue promise = module_run_main(vm);
    if (JS_IsException(promise))
        return fail_exception(vm);
    int rc = 0;
    if (JS_PromiseState(ctx, promise) == JS_PROMISE_REJECTED) {
        rc = init_result(vm, promise); /* at once, and without what it had set going */
    } else if (mark_handled(ctx, promise) < 0) {
        rc = fail_exception(vm);
    } else {
        JSValue value = JS_UNDEFINED;
        rc = finish(vm, JS_UNDEFINED, &value);
        if (rc == 0)
            rc = init_result(vm, promise);
    }
    JS_FreeValue(ctx, promise);
    return rc;
}

static int start(struct js_vm *vm)
{
    int rc = make_runtime(vm);
    if (rc < 0)
        return err_set(rc, "virtual user");
    vm_enter(vm);
    rc = make_context(vm);
    if (rc < 0)
        rc = err_set(rc, "virtual user");
    else
        rc = run_init(vm);
    vm_leave(vm);
    if (rc == 0 && vm->first)
        rc = program_seal(vm->program);
    if (co_self())
        co_stack_trim(); /* init code went deeper than most iterations will */
    return rc;
}

int js_vm_new(struct js_program *p, struct js_host *host, struct js_vm **ret)
{
    struct js_vm *vm = mem_calloc(1, sizeof *vm);
    if (!vm)
        return err_set(-ENOMEM, "virtual user");
    vm->program = p;
    vm->host = host;
    vm->main = vm->setup_data = vm->go_error_proto = JS_UNDEFINED;
    for (int i = 0; i < JS_API_LEN; i++)
        vm->api[i] = JS_UNDEFINED;
    if (!p->sealed && !p->first_vm_made)
        vm->first = p->first_vm_made = true;
    int rc = start(vm);
    if (rc < 0) {
        js_vm_free(vm);
        return rc;
    }
    *ret = vm;
    return 0;
}

void js_vm_free(struct js_vm *vm)
{
    if (!vm)
        return;
    CHECK(!vm->running);
    if (vm->ctx) {
        events_fini(vm);
        const struct js_api_module *m;
        for (size_t i = 0; (m = js_api_at(i)) != NULL; i++) {
            JS_FreeValue(vm->ctx, vm->api[m->id]);
            if (vm->api_state[m->id] && m->close)
                m->close(vm->ctx, vm->api_state[m->id]);
        }
        module_fini(vm);
        JS_FreeValue(vm->ctx, vm->main);
        JS_FreeValue(vm->ctx, vm->setup_data);
        JS_FreeValue(vm->ctx, vm->go_error_proto);
        JS_FreeAtom(vm->ctx, vm->iter_atom);
        JS_FreeAtom(vm->ctx, vm->called_atom);
        JS_FreeContext(vm->ctx);
    }
    if (vm->rt)
        JS_FreeRuntime(vm->rt);
    heap_unref(vm->heap);
    mem_free(vm);
}

/* ---- exports --------------------------------------------------------------------------------- */

static JSValue drop_exception(struct js_vm *vm)
{
    JS_FreeValue(vm->ctx, JS_GetException(vm->ctx));
    return JS_UNDEFINED;
}

static JSValue export_of(struct js_vm *vm, const char *name)
{
    JSValue v = JS_GetPropertyStr(vm->ctx, vm->main, name);
    return JS_IsException(v) ? drop_exception(vm) : v;
}

bool js_vm_has_export(struct js_vm *vm, const char *name)
{
    JSValue v = export_of(vm, name);
    bool is = JS_IsFunction(vm->ctx, v);
    JS_FreeValue(vm->ctx, v);
    return is;
}

bool js_vm_exports_other(struct js_vm *vm, const char *name)
{
    JSValue v = export_of(vm, name);
    bool is = !JS_IsUndefined(v) && !JS_IsFunction(vm->ctx, v);
    JS_FreeValue(vm->ctx, v);
    return is;
}

static int count_function(JSContext *ctx, void *arg, struct str key, JSValueConst v)
{
    (void)key;
    *(size_t *)arg += JS_IsFunction(ctx, v) ? 1 : 0;
    return 0;
}

size_t js_vm_exports_len(struct js_vm *vm)
{
    size_t n = 0;
    if (js_each(vm->ctx, vm->main, count_function, &n) < 0)
        JS_FreeValue(vm->ctx, JS_GetException(vm->ctx));
    return n;
}

/* Appends JSON.stringify(v); nothing for undefined.  0, or -1 with an exception pending. */
static int append_json(JSContext *ctx, JSValueConst v, struct buf *out)
{
    JSValue json = JS_JSONStringify(ctx, v, JS_UNDEFINED, JS_UNDEFINED);
    if (JS_IsException(json))
        return -1;
    int rc = 0;
    if (!JS_IsUndefined(json)) {
        CLEANUP(js_text_fini) struct js_text text = {0};
        rc = js_text_of(ctx, json, &text);
        if (rc == 0)
            buf_str(out, text.s);
    }
    JS_FreeValue(ctx, json);
    return rc;
}

static JSValue parse_json(JSContext *ctx, struct str json, const char *what)
{
    if (json.len == 0)
        return JS_UNDEFINED;
    char *z = str_dup(json); /* the parser wants a NUL behind it */
    if (!z)
        return JS_ThrowOutOfMemory(ctx);
    JSValue v = JS_ParseJSON(ctx, z, json.len, what);
    mem_free(z);
    return v;
}

int js_vm_options_json(struct js_vm *vm, struct buf *out)
{
    vm_enter(vm);
    JSValue options = export_of(vm, "options");
    int rc = 0;
    if (js_is_nullish(options))
        buf_z(out, "{}");
    else if (append_json(vm->ctx, options, out) < 0)
        rc = fail_exception(vm);
    JS_FreeValue(vm->ctx, options);
    vm_leave(vm);
    return rc < 0 ? rc : buf_finish(out);
}

static int set_option(JSContext *ctx, void *arg, struct str key, JSValueConst value)
{
    JSValueConst *options = arg;
    return JS_SetPropertyStr(ctx, *options, key.ptr, JS_DupValue(ctx, value)) < 0 ? -1 : 0;
}

int js_vm_set_options(struct js_vm *vm, struct str json)
{
    vm_enter(vm);
    JSValue options = export_of(vm, "options");
    JSValue values = JS_IsObject(options) ? parse_json(vm->ctx, json, "options") : JS_UNDEFINED;
    int rc = 0;
    if (JS_IsException(values) ||
        (JS_IsObject(values) && js_each(vm->ctx, values, set_option, &options) < 0))
        rc = fail_exception(vm);
    JS_FreeValue(vm->ctx, values);
    JS_FreeValue(vm->ctx, options);
    vm_leave(vm);
    return rc;
}

int js_vm_set_setup_data(struct js_vm *vm, struct str json)
{
    vm_enter(vm);
    JSValue v = parse_json(vm->ctx, json, "setup data");
    int rc = 0;
    if (JS_IsException(v)) {
        rc = fail_exception(vm);
    } else {
        JS_FreeValue(vm->ctx, vm->setup_data);
        vm->setup_data = v;
    }
    vm_leave(vm);
    return rc;
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* export_of() for a name that will be asked for again and again: QuickJS looks a text up by its
 * hash in a table of all names, which is a microsecond when the table isn't in the
 * cache. */
static JSValue export_to_call(struct js_vm *vm, const char *name)
{
    size_t len = strlen(name);
    if (len >= sizeof vm->called)
        return export_of(vm, name);
    if (strcmp(name, vm->called) != 0) {
        JSAtom atom = JS_NewAtomLen(vm->ctx, name, len);
        if (atom == JS_ATOM_NULL)
            return drop_exception(vm);
        JS_FreeAtom(vm->ctx, vm->called_atom);
        vm->called_atom = atom;
        memcpy(vm->called, name, len + 1);
    }
    JSValue v = JS_GetProperty(vm->ctx, vm->main, vm->called_atom);
    return JS_IsException(v) ? drop_exception(vm) : v;
}

static int call(struct js_vm *vm, const char *name, JSValueConst argument, JSValue *ret)
{
    JSContext *ctx = vm->ctx;
    JSValue fn = export_to_call(vm, name);
    if (!JS_IsFunction(ctx, fn)) {
        JS_FreeValue(ctx, fn);
        return err_exit(err_set(E_SCRIPT, "function '%s' not found in exports", name), EXIT_SCRIPT);
    }
    JSValue result = JS_Call(ctx, fn, JS_UNDEFINED, 1, &argument);
    JS_FreeValue(ctx, fn);
    return finish(vm, result, ret);
}

int js_vm_call(struct js_vm *vm, const char *name, struct buf *ret_json)
{
    vm_enter(vm);
    JSValue value = JS_UNDEFINED;
    /* A script that is stopped already must not run up to the first look at that. */
    int rc = vm_stopped(vm) ? -ECANCELED : call(vm, name, vm->setup_data, &value);
    if (rc == 0 && ret_json) {
        if (append_json(vm->ctx, value, ret_json) < 0)
            rc = fail_exception(vm);
        else
            rc = buf_finish(ret_json);
    }
    JS_FreeValue(vm->ctx, value);
    vm_leave(vm);
    return rc;
}

void js_vm_begin_iteration(struct js_vm *vm)
{
    JSContext *ctx = vm->ctx;
    JSValue global = JS_GetGlobalObject(ctx);
    JSValue iteration = JS_NewInt64(ctx, (int64_t)vm->host->iteration);
    if (JS_DefinePropertyValue(ctx, global, vm->iter_atom, iteration, JS_PROP_C_W_E) < 0)
        JS_FreeValue(ctx, JS_GetException(ctx)); /* no memory: the script sees the old number */
    JS_FreeValue(ctx, global);
    const struct js_api_module *m;
    for (size_t i = 0; (m = js_api_at(i)) != NULL; i++) {
        if (vm->api_state[m->id] && m->begin_iteration)
            m->begin_iteration(vm->api_state[m->id]);
    }
}

void js_vm_close_idle_connections(struct js_vm *vm)
{
    const struct js_api_module *m;
    for (size_t i = 0; (m = js_api_at(i)) != NULL; i++) {
        if (vm->api_state[m->id] && m->close_idle_connections)
            m->close_idle_connections(vm->api_state[m->id]);
    }
}

struct summary_out {
    js_summary_emit_fn *emit;
    void *arg;
    int rc; /* what emit() said */
    uint32_t emitted, refused;
};

static int emit_entry(JSContext *ctx, void *arg, struct str key, JSValueConst v)
{
    struct summary_out *out = arg;
    struct str bytes;
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (!js_bytes_of(ctx, v, &bytes)) {
        if (!JS_IsString(v)) { /* the others may be fine */
            log_error("handleSummary() gave \"%.*s\" something that is neither text nor bytes",
                      STR_ARG(key));
            out->refused++;
            return 0;
        }
        if (js_text_of(ctx, v, &text) < 0)
            return -1;
        bytes = text.s;
    }
    out->emitted++;
    out->rc = out->emit(out->arg, key, bytes.ptr, bytes.len);
    return out->rc < 0 ? 1 : 0;
}

/* Neither an array nor a Map nor a function, which have keys, too. */
static bool is_plain_object(JSContext *ctx, JSValueConst v)
{
    JSValue plain = JS_NewObject(ctx);
    bool yes = JS_IsObject(v) && JS_GetClassID((JSValue)v) == JS_GetClassID(plain);
    JS_FreeValue(ctx, plain);
    return yes;
}

static int summary_call(struct js_vm *vm, struct str data, struct summary_out *out)
{
    JSContext *ctx = vm->ctx;
    JSValue argument = parse_json(ctx, data, "summary");
    if (JS_IsException(argument))
        return fail_exception(vm);
    JSValue result = JS_UNDEFINED;
    int rc = call(vm, "handleSummary", argument, &result);
    JS_FreeValue(ctx, argument);
    if (rc == 0 && !is_plain_object(ctx, result))
        rc = JS_ToBool(ctx, result) > 0
                 ? err_set(E_CONFIG, "handleSummary() should return a map with string keys")
                 : 1;
    else if (rc == 0 && js_each(ctx, result, emit_entry, out) < 0)
        rc = fail_exception(vm);
    else if (rc == 0 && out->emitted == 0 && out->refused > 0)
        rc = 1; /* the default text is better than nothing */
    JS_FreeValue(ctx, result);
    return rc == 0 && out->rc < 0 ? out->rc : rc;
}

int js_vm_handle_summary(struct js_vm *vm, struct str data, js_summary_emit_fn *emit, void *arg)
{
    if (!js_vm_has_export(vm, "handleSummary"))
        return 1;
    struct summary_out out = {.emit = emit, .arg = arg};
    vm_enter(vm);
    int rc = summary_call(vm, data, &out);
    vm_leave(vm);
    return rc;
}
