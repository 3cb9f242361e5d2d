/*
 * api_data - k6/data: SharedArray.  k6-surface 2.3.
 *
 * What the script holds is a Proxy around an empty array: so Array.isArray() is true and all of
 * Array.prototype works on it.  Its handler, in C, finds the elements in the program's table
 * (js/shared.h).  An element that was read stays with the VM for the next time, frozen, within a
 * limit in bytes.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "js/frozen.h"
#include "js/shared.h"
#include "js/vm_int.h"

/* An element that was read. */
struct slot {
    const struct shared_array *array; /* NULL: empty */
    size_t index;
    JSValue v;
};

struct data_state {
    JSValue proxy; /* the constructor */

    /* Element i of an array has one place only; another one there has to go. */
    struct slot *slots;
    uint32_t cap;  /* power of two, or 0 */
    uint32_t used; /* slots that aren't empty */
    uint32_t hand; /* where room is made next */
    size_t bytes;  /* of their JSON text */
};

/* ---- elements that were read -------------------------------------------------------------------
 */

static struct slot *slot_of(const struct data_state *s, const struct shared_array *a, size_t index)
{
    return &s->slots[(index + (size_t)a->id * 0x9e3779b1u) & (s->cap - 1)];
}

static void slot_clear(JSContext *ctx, struct data_state *s, struct slot *slot)
{
    if (!slot->array)
        return;
    s->bytes -= shared_array_text(slot->array, slot->index).len;
    s->used--;
    slot->array = NULL;
    JS_FreeValue(ctx, slot->v);
}

/* More slots when half of them are in use; without memory for them it goes on with fewer. */
static void slots_grow(JSContext *ctx, struct data_state *s)
{
    enum { FIRST_CAP = 16 };
    if (s->cap >= JS_SHARED_SLOTS_MAX || s->used * 2 < s->cap)
        return;
    struct data_state larger = *s;
    larger.cap = s->cap > 0 ? s->cap * 2 : FIRST_CAP;
    larger.slots = mem_calloc(larger.cap, sizeof *larger.slots);
    if (!larger.slots)
        return;
    for (uint32_t i = 0; i < s->cap; i++) {
        struct slot *from = &s->slots[i];
        if (!from->array)
            continue;
        struct slot *to = slot_of(&larger, from->array, from->index);
        slot_clear(ctx, &larger, to);
        *to = *from;
    }
    mem_free(s->slots);
    *s = larger;
    s->hand = 0;
}

/* Keeps `v`, borrowed; what is too large for all of the room has it for itself. */
static void remember(JSContext *ctx, struct data_state *s, const struct shared_array *a,
                     size_t index, JSValueConst v)
{
    slots_grow(ctx, s);
    if (s->cap == 0)
        return;
    size_t bytes = shared_array_text(a, index).len;
    struct slot *slot = slot_of(s, a, index);
    slot_clear(ctx, s, slot);
    while (s->used > 0 && s->bytes + bytes > JS_SHARED_CACHE_BYTES)
        slot_clear(ctx, s, &s->slots[s->hand++ & (s->cap - 1)]);
    *slot = (struct slot){a, index, JS_DupValue(ctx, v)};
    s->used++;
    s->bytes += bytes;
}

static JSValue element(JSContext *ctx, const struct shared_array *a, size_t index)
{
    struct data_state *s = js_api_state(ctx, JS_API_DATA);
    if (s->cap > 0) {
        struct slot *slot = slot_of(s, a, index);
        if (slot->array == a && slot->index == index)
            return JS_DupValue(ctx, slot->v);
    }
    JSValue v = frozen_parse(ctx, shared_array_text(a, index));
    if (!JS_IsException(v))
        remember(ctx, s, a, index, v);
    return v;
}

static void *data_open(JSContext *ctx)
{
    struct data_state *s = mem_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    JSValue global = JS_GetGlobalObject(ctx);
    s->proxy = JS_GetPropertyStr(ctx, global, "Proxy");
    JS_FreeValue(ctx, global);
    return s;
}

static void data_close(JSContext *ctx, void *state)
{
    struct data_state *s = state;
    for (uint32_t i = 0; i < s->cap; i++)
        slot_clear(ctx, s, &s->slots[i]);
    JS_FreeValue(ctx, s->proxy);
    mem_free(s->slots);
    mem_free(s);
}

/* ---- the handler of the Proxy ------------------------------------------------------------------
 */

/* Its opaque is the struct shared_array, which outlives every VM. */
static JSClassID handler_class;
static const JSClassDef handler_def = {.class_name = "SharedArrayHandler"};

static const struct shared_array *array_of(JSContext *ctx, JSValueConst handler)
{
    return JS_GetOpaque2(ctx, handler, handler_class);
}

enum key_kind { KEY_ELEMENT, KEY_BEYOND, KEY_LENGTH, KEY_OTHER };

/* What a property key, a string or a symbol, means for an array.  -1: an exception is pending. */
static int key_kind(JSContext *ctx, const struct shared_array *a, JSValueConst key, size_t *ret)
{
    enum { INDEX_DIGITS_MAX = 10 };
    if (!JS_IsString(key))
        return KEY_OTHER;
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (js_text_of(ctx, key, &text) < 0)
        return -1;
    struct str s = text.s;
    if (str_eqz(s, "length"))
        return KEY_LENGTH;
    if (s.len == 0 || s.len > INDEX_DIGITS_MAX || (s.len > 1 && s.ptr[0] == '0'))
        return KEY_OTHER;
    size_t index = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return KEY_OTHER;
        index = index * 10 + (size_t)(s.ptr[i] - '0');
    }
    *ret = index;
    return index < a->len ? KEY_ELEMENT : KEY_BEYOND;
}

static JSValue trap_get(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)argc;
    const struct shared_array *a = array_of(ctx, this_val);
    size_t index = 0;
    int kind = a ? key_kind(ctx, a, argv[1], &index) : -1;
    if (kind == KEY_ELEMENT)
        return element(ctx, a, index);
    if (kind == KEY_LENGTH)
        return JS_NewInt64(ctx, (int64_t)a->len);
    if (kind < 0)
        return JS_EXCEPTION;
    JSAtom atom = JS_ValueToAtom(ctx, argv[1]); /* a method, most likely */
    JSValue v = atom == JS_ATOM_NULL ? JS_EXCEPTION : JS_GetProperty(ctx, argv[0], atom);
    JS_FreeAtom(ctx, atom);
    return v;
}

static JSValue trap_has(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)argc;
    const struct shared_array *a = array_of(ctx, this_val);
    size_t index = 0;
    int kind = a ? key_kind(ctx, a, argv[1], &index) : -1;
    if (kind < 0)
        return JS_EXCEPTION;
    if (kind != KEY_OTHER)
        return JS_NewBool(ctx, kind != KEY_BEYOND);
    JSAtom atom = JS_ValueToAtom(ctx, argv[1]);
    int has = atom == JS_ATOM_NULL ? -1 : JS_HasProperty(ctx, argv[0], atom);
    JS_FreeAtom(ctx, atom);
    return has < 0 ? JS_EXCEPTION : JS_NewBool(ctx, has);
}

static JSValue descriptor(JSContext *ctx, JSValue value, bool is_element)
{
    JSValue d = JS_IsException(value) ? value : JS_NewObject(ctx);
    if (JS_IsException(d)) {
        JS_FreeValue(ctx, value);
        return d;
    }
    if (JS_DefinePropertyValueStr(ctx, d, "value", value, JS_PROP_C_W_E) < 0 ||
        JS_DefinePropertyValueStr(ctx, d, "writable", JS_TRUE, JS_PROP_C_W_E) < 0 ||
        JS_DefinePropertyValueStr(ctx, d, "enumerable", JS_NewBool(ctx, is_element),
                                  JS_PROP_C_W_E) < 0 ||
        JS_DefinePropertyValueStr(ctx, d, "configurable", JS_NewBool(ctx, is_element),
                                  JS_PROP_C_W_E) < 0) {
        JS_FreeValue(ctx, d);
        return JS_EXCEPTION;
    }
    return d;
}

/* What a Proxy may say of properties that its target hasn't, they must be configurable; of
 * `length`, which the target has, they must not. */
static JSValue trap_descriptor(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)argc;
    const struct shared_array *a = array_of(ctx, this_val);
    size_t index = 0;
    int kind = a ? key_kind(ctx, a, argv[1], &index) : -1;
    if (kind == KEY_ELEMENT)
        return descriptor(ctx, element(ctx, a, index), true);
    if (kind == KEY_LENGTH)
        return descriptor(ctx, JS_NewInt64(ctx, (int64_t)a->len), false);
    return kind < 0 ? JS_EXCEPTION : JS_UNDEFINED;
}

static JSValue trap_keys(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)argc;
    (void)argv;
    const struct shared_array *a = array_of(ctx, this_val);
    JSValue keys = a ? JS_NewArray(ctx) : JS_EXCEPTION;
    if (JS_IsException(keys))
        return keys;
    for (size_t i = 0; i <= a->len; i++) {
        JSValue number = JS_NewInt64(ctx, (int64_t)i);
        JSValue key = i < a->len ? JS_ToString(ctx, number) : JS_NewString(ctx, "length");
        if (JS_DefinePropertyValueUint32(ctx, keys, (uint32_t)i, key, JS_PROP_C_W_E) < 0 ||
            (i % 4096 == 0 && js_check_slice(ctx) < 0)) {
            JS_FreeValue(ctx, keys);
            return JS_EXCEPTION;
        }
    }
    return keys;
}

static JSValue trap_write(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    (void)argc;
    (void)argv;
    return js_throw_type(ctx, "SharedArray is immutable");
}

static const JSCFunctionListEntry traps[] = {
    JS_CFUNC_DEF("defineProperty", 3, trap_write),
    JS_CFUNC_DEF("deleteProperty", 2, trap_write),
    JS_CFUNC_DEF("get", 3, trap_get),
    JS_CFUNC_DEF("getOwnPropertyDescriptor", 2, trap_descriptor),
    JS_CFUNC_DEF("has", 2, trap_has),
    JS_CFUNC_DEF("ownKeys", 1, trap_keys),
    JS_CFUNC_DEF("preventExtensions", 1, trap_write),
    JS_CFUNC_DEF("set", 4, trap_write),
    JS_CFUNC_DEF("setPrototypeOf", 2, trap_write),
};

static JSValue wrap(JSContext *ctx, const struct shared_array *a)
{
    struct data_state *s = js_api_state(ctx, JS_API_DATA);
    JSValue target = JS_NewArray(ctx);
    JSValue handler = JS_NewObjectClass(ctx, (int)handler_class);
    JSValue v = JS_EXCEPTION;
    if (!JS_IsException(target) && !JS_IsException(handler)) {
        JS_SetOpaque(handler, (void *)(uintptr_t)a);
        JSValueConst argv[] = {target, handler};
        v = JS_CallConstructor(ctx, s->proxy, 2, argv);
    }
    JS_FreeValue(ctx, target);
    JS_FreeValue(ctx, handler);
    return v;
}

/* ---- building -----------------------------------------------------------------------------------
 */

/* Appends JSON.stringify(array[i]); what it leaves out is null, as within an array. */
static int append_element(JSContext *ctx, JSValueConst array, uint32_t i, struct buf *out)
{
    JSValue v = JS_GetPropertyUint32(ctx, array, i);
    JSValue json = JS_IsException(v) ? v : JS_JSONStringify(ctx, v, JS_UNDEFINED, JS_UNDEFINED);
    JS_FreeValue(ctx, v);
    if (JS_IsException(json))
        return -1;
    CLEANUP(js_text_fini) struct js_text text = {0};
    int rc = 0;
    if (JS_IsUndefined(json))
        buf_z(out, "null");
    else if ((rc = js_text_of(ctx, json, &text)) == 0)
        buf_str(out, text.s);
    JS_FreeValue(ctx, json);
    return rc < 0 ? rc : js_check_slice(ctx);
}

/* Element by element, so that no more than one of them is there as text twice.  `at` has len + 1
 * places.  0, or -1 with an exception pending. */
static int append_elements(JSContext *ctx, JSValueConst array, size_t len, struct buf *out,
                           size_t *at)
{
    for (size_t i = 0; i < len; i++) {
        at[i] = out->len;
        if (append_element(ctx, array, (uint32_t)i, out) < 0)
            return -1;
    }
    at[len] = out->len;
    int rc = buf_finish(out);
    if (rc < 0)
        js_throw_err(ctx, rc);
    return rc < 0 ? -1 : 0;
}

static struct shared_array *from_array(JSContext *ctx, JSValueConst array)
{
    JSValue length = JS_GetPropertyStr(ctx, array, "length");
    int64_t len = 0;
    int rc = JS_IsException(length) ? -1 : JS_ToInt64(ctx, &len, length);
    JS_FreeValue(ctx, length);
    if (rc < 0)
        return NULL;
    size_t *at = mem_calloc((size_t)len + 1, sizeof *at);
    if (!at) {
        JS_ThrowOutOfMemory(ctx);
        return NULL;
    }
    struct shared_array *a = NULL;
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, JS_SHARED_BYTES_MAX);
    rc = append_elements(ctx, array, (size_t)len, &text, at);
    if (rc == 0 && shared_array_new(&text, at, (size_t)len, &a) < 0)
        JS_ThrowOutOfMemory(ctx);
    if (!a)
        mem_free(at);
    return a;
}

/* What the script's function gives; NULL with an exception pending. */
static struct shared_array *build(JSContext *ctx, JSValueConst fn)
{
    JSValue array = JS_Call(ctx, fn, JS_UNDEFINED, 0, NULL);
    if (JS_IsException(array))
        return NULL;
    struct shared_array *a = NULL;
    if (JS_IsObject(array) && (int)JS_PromiseState(ctx, array) >= 0)
        js_throw(ctx,
                 "SharedArray constructor does not support async functions as second argument");
    else if (JS_IsArray(ctx, array) <= 0)
        js_throw(ctx, "only arrays can be made into SharedArray");
    else
        a = from_array(ctx, array);
    JS_FreeValue(ctx, array);
    return a;
}

/* Waits while another VM builds: 0, 1 (this one shall) or -1 with an exception pending. */
static int look_up(JSContext *ctx, struct str name, const struct shared_array **ret)
{
    struct js_vm *vm = js_vm_of(ctx);
    for (;;) {
        int rc = shared_arrays_begin(vm->program->shared, name, vm, ret);
        if (rc != -EAGAIN)
            return rc;
        rc = co_self() ? co_sleep_until(clock_mono_ns() + NS_PER_MS) : -EAGAIN;
        if (rc == 0 && vm_stopped(vm))
            rc = -ECANCELED;
        if (rc < 0) {
            js_throw_err(ctx, rc);
            return -1;
        }
    }
}

static JSValue get_or_build(JSContext *ctx, struct str name, JSValueConst fn)
{
    struct js_vm *vm = js_vm_of(ctx);
    const struct shared_array *a = NULL;
    int rc = look_up(ctx, name, &a);
    if (rc < 0)
        return JS_EXCEPTION;
    if (rc == 1) {
        struct shared_array *built = build(ctx, fn);
        a = built;
        rc = shared_arrays_end(vm->program->shared, name, built);
        if (!built)
            return JS_EXCEPTION;
        if (rc < 0)
            return js_throw_err(ctx, rc);
    }
    return wrap(ctx, a);
}

static JSValue shared_array_construct(JSContext *ctx, JSValueConst new_target, int argc,
                                      JSValueConst *argv)
{
    (void)new_target;
    if (js_host_of(ctx)->stage != JS_STAGE_INIT)
        return js_throw(ctx, "new SharedArray must be called in the init context");
    CLEANUP(js_text_fini) struct js_text name = {0};
    if (js_text_of(ctx, js_arg(argc, argv, 0), &name) < 0)
        return JS_EXCEPTION;
    if (name.s.len == 0)
        return js_throw(ctx, "empty name provided to SharedArray's constructor");
    JSValueConst fn = js_arg(argc, argv, 1);
    if (!JS_IsFunction(ctx, fn))
        return js_throw(ctx, "a function is expected as the second argument of SharedArray's "
                             "constructor");
    return get_or_build(ctx, name.s, fn);
}

/* Its prototype is that of arrays, so that `instanceof SharedArray` is true as well. */
static int define_constructor(JSContext *ctx, JSValueConst object)
{
    JSValue array = JS_NewArray(ctx);
    JSValue fn =
        JS_NewCFunction2(ctx, shared_array_construct, "SharedArray", 2, JS_CFUNC_constructor, 0);
    int rc = JS_IsException(array) || JS_IsException(fn) ? -1 : 0;
    if (rc == 0)
        rc = JS_DefinePropertyValueStr(ctx, fn, "prototype", JS_GetPrototype(ctx, array), 0);
    JS_FreeValue(ctx, array);
    if (rc < 0) {
        JS_FreeValue(ctx, fn);
        return -1;
    }
    return JS_DefinePropertyValueStr(ctx, object, "SharedArray", fn, JS_PROP_C_W_E) < 0 ? -1 : 0;
}

static int data_fill(JSContext *ctx, JSValueConst object)
{
    if (js_class_register(ctx, &handler_class, &handler_def) < 0)
        return -1;
    JSValue proto = JS_NewObject(ctx);
    if (JS_IsException(proto))
        return -1;
    JS_SetPropertyFunctionList(ctx, proto, traps, ARRAY_LEN(traps));
    JS_SetClassProto(ctx, handler_class, proto);
    return define_constructor(ctx, object);
}

static const char *const names[] = {"SharedArray", NULL};

const struct js_api_module js_api_data = {
    .id = JS_API_DATA,
    .name = "k6/data",
    .more = names,
    .fill = data_fill,
    .open = data_open,
    .close = data_close,
};
