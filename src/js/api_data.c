/*
 * api_data - k6/data: SharedArray.  k6-surface 2.3.
 *
 * What the script holds is an object of a class of its own, for which Array.isArray() is true and
 * whose prototype is that of arrays.  Its elements are made from the program's pack (js/pack.h)
 * when they are asked for.  An element that was read stays with the VM for the next time, frozen,
 * within a limit in bytes.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "js/pack.h"
#include "js/shared.h"
#include "js/vm_int.h"

/* An array in this VM. */
struct local {
    const struct shared_array *array; /* outlives every VM */
    struct pack_view *view;
    JSAtom length; /* "length" */
    struct local *next;
};

/* An element that was read. */
struct slot {
    const struct shared_array *array; /* NULL: empty */
    size_t index;
    JSValue v;
};

struct data_state {
    struct local *locals;

    /* Element i of an array has one place only; another one there has to go. */
    struct slot *slots;
    uint32_t cap;  /* power of two, or 0 */
    uint32_t used; /* slots that aren't empty */
    uint32_t hand; /* where room is made next */
    size_t bytes;  /* of them in the packs */
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
    s->bytes -= pack_bytes(slot->array->pack, slot->index);
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
    size_t bytes = pack_bytes(a->pack, index);
    struct slot *slot = slot_of(s, a, index);
    slot_clear(ctx, s, slot);
    while (s->used > 0 && s->bytes + bytes > JS_SHARED_CACHE_BYTES)
        slot_clear(ctx, s, &s->slots[s->hand++ & (s->cap - 1)]);
    *slot = (struct slot){a, index, JS_DupValue(ctx, v)};
    s->used++;
    s->bytes += bytes;
}

static JSValue element(JSContext *ctx, struct local *l, size_t index)
{
    struct data_state *s = js_api_state(ctx, JS_API_DATA);
    const struct shared_array *a = l->array;
    if (s->cap > 0) {
        struct slot *slot = slot_of(s, a, index);
        if (slot->array == a && slot->index == index)
            return JS_DupValue(ctx, slot->v);
    }
    JSValue v = pack_element(ctx, l->view, index);
    if (!JS_IsException(v))
        remember(ctx, s, a, index, v);
    return v;
}

static void *data_open(JSContext *ctx)
{
    (void)ctx;
    return mem_calloc(1, sizeof(struct data_state));
}

static void data_close(JSContext *ctx, void *state)
{
    struct data_state *s = state;
    for (uint32_t i = 0; i < s->cap; i++)
        slot_clear(ctx, s, &s->slots[i]);
    for (struct local *l = s->locals; l;) {
        struct local *next = l->next;
        pack_view_free(ctx, l->view);
        JS_FreeAtom(ctx, l->length);
        mem_free(l);
        l = next;
    }
    mem_free(s->slots);
    mem_free(s);
}

/* ---- the class ---------------------------------------------------------------------------------
 */

/* Its opaque is the struct local, which the state has. */
static JSClassID array_class;

enum key_kind { KEY_ELEMENT, KEY_LENGTH, KEY_OTHER };

static enum key_kind kind_of(JSContext *ctx, const struct local *l, JSAtom key, uint32_t *ret)
{
    if (JS_AtomToIndex(ctx, ret, key))
        return *ret < l->array->pack->len ? KEY_ELEMENT : KEY_OTHER;
    return key == l->length ? KEY_LENGTH : KEY_OTHER;
}

static int own_property(JSContext *ctx, JSPropertyDescriptor *desc, JSValueConst object, JSAtom key)
{
    struct local *l = JS_GetOpaque(object, array_class);
    uint32_t index;
    enum key_kind kind = kind_of(ctx, l, key, &index);
    if (kind == KEY_OTHER)
        return 0;
    if (!desc)
        return 1;
    *desc = (JSPropertyDescriptor){
        .flags = kind == KEY_ELEMENT ? JS_PROP_C_W_E : JS_PROP_WRITABLE, /* as k6 shows them */
        .value = kind == KEY_ELEMENT ? element(ctx, l, index)
                                     : JS_NewInt64(ctx, (int64_t)l->array->pack->len),
        .getter = JS_UNDEFINED,
        .setter = JS_UNDEFINED,
    };
    return JS_IsException(desc->value) ? -1 : 1;
}

static int own_names(JSContext *ctx, JSPropertyEnum **ret, uint32_t *ret_len, JSValueConst object)
{
    const struct local *l = JS_GetOpaque(object, array_class);
    uint32_t len = (uint32_t)l->array->pack->len;
    JSPropertyEnum *names = js_mallocz(ctx, ((size_t)len + 1) * sizeof *names);
    if (!names)
        return -1;
    for (uint32_t i = 0; i < len; i++)
        names[i] = (JSPropertyEnum){.is_enumerable = 1, .atom = JS_NewAtomUInt32(ctx, i)};
    names[len].atom = JS_DupAtom(ctx, l->length);
    *ret = names;
    *ret_len = len + 1;
    return 0;
}

static int refuse(JSContext *ctx)
{
    js_throw_type(ctx, "SharedArray is immutable");
    return -1;
}

static int on_delete(JSContext *ctx, JSValueConst object, JSAtom key)
{
    (void)object;
    (void)key;
    return refuse(ctx);
}

static int on_define(JSContext *ctx, JSValueConst object, JSAtom key, JSValueConst value,
                     JSValueConst getter, JSValueConst setter, int flags)
{
    (void)object;
    (void)key;
    (void)value;
    (void)getter;
    (void)setter;
    (void)flags;
    return refuse(ctx);
}

static int on_set(JSContext *ctx, JSValueConst object, JSAtom key, JSValueConst value,
                  JSValueConst receiver, int flags)
{
    (void)object;
    (void)key;
    (void)value;
    (void)receiver;
    (void)flags;
    return refuse(ctx);
}

static int on_set_prototype(JSContext *ctx, JSValueConst object, JSValueConst prototype)
{
    (void)object;
    (void)prototype;
    return refuse(ctx);
}

static int on_prevent_extensions(JSContext *ctx, JSValueConst object)
{
    (void)object;
    return refuse(ctx);
}

static const JSClassExoticMethods array_methods = {
    .get_own_property = own_property,
    .get_own_property_names = own_names,
    .delete_property = on_delete,
    .define_own_property = on_define,
    .set_property = on_set,
    .set_prototype = on_set_prototype,
    .prevent_extensions = on_prevent_extensions,
};
static const JSClassDef array_def = {
    .class_name = "SharedArray",
    .exotic = (JSClassExoticMethods *)(uintptr_t)&array_methods,
};

static struct local *local_of(JSContext *ctx, const struct shared_array *a)
{
    struct data_state *s = js_api_state(ctx, JS_API_DATA);
    for (struct local *l = s->locals; l; l = l->next)
        if (l->array == a)
            return l;
    struct local *l = mem_calloc(1, sizeof *l);
    if (!l || pack_view_new(a->pack, &l->view) < 0) {
        mem_free(l);
        JS_ThrowOutOfMemory(ctx);
        return NULL;
    }
    l->array = a;
    l->length = JS_NewAtomLen(ctx, "length", 6);
    l->next = s->locals;
    s->locals = l;
    return l;
}

static JSValue wrap(JSContext *ctx, const struct shared_array *a)
{
    struct local *l = local_of(ctx, a);
    JSValue v = l ? JS_NewObjectClass(ctx, (int)array_class) : JS_EXCEPTION;
    if (!JS_IsException(v))
        JS_SetOpaque(v, l);
    return v;
}

/* ---- building -----------------------------------------------------------------------------------
 */

static int on_turn(void *arg)
{
    return js_check_slice(arg);
}

/* Adds JSON.stringify(array[i]); what it leaves out is null, as within an array.  0, or -1 with an
 * exception pending. */
static int add_element(JSContext *ctx, JSValueConst array, uint32_t i, struct pack_builder *b)
{
    JSValue v = JS_GetPropertyUint32(ctx, array, i);
    JSValue json = JS_IsException(v) ? v : JS_JSONStringify(ctx, v, JS_UNDEFINED, JS_UNDEFINED);
    JS_FreeValue(ctx, v);
    if (JS_IsException(json))
        return -1;
    CLEANUP(js_text_fini) struct js_text text = {0};
    bool nothing = JS_IsUndefined(json);
    int rc = nothing ? 0 : js_text_of(ctx, json, &text);
    JS_FreeValue(ctx, json);
    if (rc < 0)
        return rc;
    rc = pack_add(b, nothing ? STR("null") : text.s, on_turn, ctx);
    if (rc < -1)
        js_throw_err(ctx, rc);
    return rc < 0 ? -1 : js_check_slice(ctx);
}

/* Element by element, so that no more than one of them is there as text. */
static struct pack *pack_array(JSContext *ctx, JSValueConst array, int64_t len)
{
    struct pack_builder *b;
    struct pack *pack = NULL;
    if (pack_builder_new(&b) < 0) {
        JS_ThrowOutOfMemory(ctx);
        return NULL;
    }
    int rc = 0;
    for (int64_t i = 0; rc == 0 && i < len; i++)
        rc = add_element(ctx, array, (uint32_t)i, b);
    if (rc == 0 && pack_finish(b, &pack) < 0)
        JS_ThrowOutOfMemory(ctx);
    pack_builder_free(b);
    return pack;
}

static struct shared_array *from_array(JSContext *ctx, JSValueConst array)
{
    JSValue length = JS_GetPropertyStr(ctx, array, "length");
    int64_t len = 0;
    int rc = JS_IsException(length) ? -1 : JS_ToInt64(ctx, &len, length);
    JS_FreeValue(ctx, length);
    struct pack *pack = rc < 0 ? NULL : pack_array(ctx, array, len);
    struct shared_array *a = NULL;
    if (pack && shared_array_new(pack, &a) < 0)
        JS_ThrowOutOfMemory(ctx);
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
    if (js_class_register(ctx, &array_class, &array_def) < 0)
        return -1;
    JS_SetClassArray(JS_GetRuntime(ctx), array_class);
    JSValue array = JS_NewArray(ctx);
    if (JS_IsException(array))
        return -1;
    JS_SetClassProto(ctx, array_class, JS_GetPrototype(ctx, array));
    JS_FreeValue(ctx, array);
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
