/*
 * api_execution - k6/execution: scenario, instance, test, vu.  k6-surface 2.3.
 *
 * What it tells comes from the run, by js_host's `execution`.  In init code the properties of the
 * default export throw; the exports by name are the objects themselves, as a name that throws can't
 * be exported, and there it's their properties that throw.
 *
 * exec.vu.tags is a view of the host's tags, exec.vu.metrics.metadata one of its metadata.  What
 * the script changes there stays until load/ sets them anew, which is when the virtual user enters
 * its next scenario.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "js/frozen.h"
#include "js/vm_int.h"
#include "metrics/shard.h"

/* A property that can be read and listed, but not set. */
#define GETTER(n, f, m)                                                                            \
    {                                                                                              \
        .name = (n), .prop_flags = JS_PROP_ENUMERABLE, .def_type = JS_DEF_CGETSET_MAGIC,           \
        .magic = (m), .u = {                                                                       \
            .getset = {.get = {.getter_magic = (f)}, .set = {.setter = NULL}}                      \
        }                                                                                          \
    }
#define FUNCTION(n, f, args)                                                                       \
    {                                                                                              \
        .name = (n), .prop_flags = JS_PROP_C_W_E, .def_type = JS_DEF_CFUNC, .u = {                 \
            .func = {(args), JS_CFUNC_generic, {.generic = (f)}}                                   \
        }                                                                                          \
    }

enum part { INSTANCE, SCENARIO, TEST, VU, PARTS_LEN };

struct exec_state {
    JSContext *ctx;
    JSValue parts[PARTS_LEN];
    JSValue tags, metrics; /* exec.vu.tags, exec.vu.metrics */
    JSValue options;       /* undefined before the first look */
    uint32_t activation;   /* for which `changed` holds */
    struct changed_tag *changed;
    size_t changed_len, changed_cap;
};

static struct exec_state *state_of(JSContext *ctx)
{
    return js_api_state(ctx, JS_API_EXECUTION);
}

static void *exec_open(JSContext *ctx)
{
    struct exec_state *s = mem_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->ctx = ctx;
    for (int i = 0; i < PARTS_LEN; i++)
        s->parts[i] = JS_UNDEFINED;
    s->tags = s->metrics = s->options = JS_UNDEFINED;
    return s;
}

static void exec_close(JSContext *ctx, void *state)
{
    struct exec_state *s = state;
    for (int i = 0; i < PARTS_LEN; i++)
        JS_FreeValue(ctx, s->parts[i]);
    JS_FreeValue(ctx, s->tags);
    JS_FreeValue(ctx, s->metrics);
    JS_FreeValue(ctx, s->options);
    mem_free(s);
}

/* The run's functions, or NULL with an exception pending. */
static const struct js_execution_ops *ops_of(JSContext *ctx, const char *what)
{
    const struct js_execution_ops *ops = js_host_of(ctx)->execution;
    if (!ops)
        js_throw(ctx, "%s in the init context is not supported", what);
    return ops;
}

/* ---- tags
 * ---------------------------------------------------------------------------------------- */

static JSClassID tags_class, metadata_class;

static bool is_metadata(JSValueConst object)
{
    return JS_GetClassID((JSValue)object) == metadata_class;
}

static const struct tag *find(const struct js_host *host, bool metadata, struct str key)
{
    if (metadata)
        return host->metadata ? metadata_find(host->metadata, key) : NULL;
    return host->tags ? tags_find(host->tags, key) : NULL;
}

/* Symbols are no tags, and the name of one that isn't there may be that of a method. */
static const struct tag *tag_at(JSContext *ctx, JSValueConst object, JSAtom prop)
{
    JSValue name = JS_AtomToValue(ctx, prop);
    const struct tag *tag = NULL;
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (JS_IsString(name) && js_text_of(ctx, name, &text) == 0)
        tag = find(js_host_of(ctx), is_metadata(object), text.s);
    JS_FreeValue(ctx, name);
    return tag;
}

static int tags_get(JSContext *ctx, JSPropertyDescriptor *desc, JSValueConst object, JSAtom prop)
{
    const struct tag *tag = tag_at(ctx, object, prop);
    if (!tag)
        return 0;
    if (!desc)
        return 1;
    *desc = (JSPropertyDescriptor){JS_PROP_C_W_E, js_new_str(ctx, tag->value), JS_UNDEFINED,
                                   JS_UNDEFINED};
    return JS_IsException(desc->value) ? -1 : 1;
}

static int tags_names(JSContext *ctx, JSPropertyEnum **ret, uint32_t *ret_len, JSValueConst object)
{
    const struct js_host *host = js_host_of(ctx);
    bool metadata = is_metadata(object) && host->metadata;
    const struct tag *items = metadata ? host->metadata->items : NULL;
    uint32_t len = metadata ? (uint32_t)host->metadata->len : 0;
    if (!is_metadata(object) && host->tags) {
        items = host->tags->tags;
        len = host->tags->len;
    }
    JSPropertyEnum *names = js_malloc(ctx, (len + 1) * sizeof *names);
    if (!names)
        return -1;
    for (uint32_t i = 0; i < len; i++) {
        names[i].atom = JS_NewAtomLen(ctx, items[i].key.ptr, items[i].key.len);
        names[i].is_enumerable = 1;
    }
    *ret = names;
    *ret_len = len;
    return 0;
}

/* `value` NULL: removed. */
static void put_tag(struct js_host *host, struct str key, struct str value)
{
    struct tag tag = {key, value};
    if (!host->shard)
        return;
    host->tags = tags_with(shard_tags(host->shard), host->tags, &tag, 1);
    host->tag_changes++;
}

static int put_metadata(JSContext *ctx, struct str key, struct str value)
{
    struct js_host *host = js_host_of(ctx);
    int rc = host->metadata ? metadata_set(host->metadata, key, value) : 0;
    if (rc == -ENOMEM) {
        JS_ThrowOutOfMemory(ctx);
    } else if (rc < 0) {
        js_throw(ctx, "metadata has at most %d keys of at most %d bytes with their values",
                 METADATA_MAX, METADATA_BYTES_MAX);
    }
    return rc < 0 ? -1 : 1;
}

static int tags_delete(JSContext *ctx, JSValueConst object, JSAtom prop)
{
    const struct tag *tag = tag_at(ctx, object, prop);
    if (tag && is_metadata(object))
        metadata_remove(js_host_of(ctx)->metadata, tag->key);
    else if (tag)
        put_tag(js_host_of(ctx), tag->key, STR_EMPTY);
    return 1;
}

static int tags_write(JSContext *ctx, JSValueConst object, JSAtom prop, JSValueConst v)
{
    bool metadata = is_metadata(object);
    JSValue name = JS_AtomToString(ctx, prop);
    CLEANUP(js_text_fini) struct js_text key = {0}, value = {0};
    int rc = JS_IsException(name) ? -1 : js_text_of(ctx, name, &key);
    JS_FreeValue(ctx, name);
    if (rc < 0)
        return -1;
    if (!JS_IsString(v) && !JS_IsNumber(v) && !JS_IsBool(v)) {
        js_throw_type(ctx,
                      "invalid value for metric %s '%.*s': only String, Boolean and Number types "
                      "are accepted as a metric %s",
                      metadata ? "metadata" : "tag", STR_ARG(key.s),
                      metadata ? "metadata value" : "tag values");
        return -1;
    }
    const struct tagset *tags = js_host_of(ctx)->tags;
    if (!metadata && tags && tags->len >= TAGS_PER_SET_MAX && !tags_find(tags, key.s)) {
        js_throw(ctx, "a sample has at most %d tags", TAGS_PER_SET_MAX);
        return -1;
    }
    if (js_text_of(ctx, v, &value) < 0)
        return -1;
    if (metadata)
        return put_metadata(ctx, key.s, value.s);
    put_tag(js_host_of(ctx), key.s, value.s);
    return 1;
}

static int tags_define(JSContext *ctx, JSValueConst object, JSAtom prop, JSValueConst v,
                       JSValueConst getter, JSValueConst setter, int flags)
{
    (void)getter;
    (void)setter;
    if (flags & (JS_PROP_HAS_GET | JS_PROP_HAS_SET)) {
        js_throw_type(ctx, "a tag is a value");
        return -1;
    }
    return tags_write(ctx, object, prop, v);
}

static int tags_set(JSContext *ctx, JSValueConst object, JSAtom prop, JSValueConst v,
                    JSValueConst receiver, int flags)
{
    (void)receiver;
    (void)flags;
    return tags_write(ctx, object, prop, v);
}

static const JSClassExoticMethods tags_exotic = {
    .get_own_property = tags_get,
    .get_own_property_names = tags_names,
    .delete_property = tags_delete,
    .define_own_property = tags_define,
    .set_property = tags_set,
};

static const JSClassDef tags_def = {
    .class_name = "Object",
    .exotic = (JSClassExoticMethods *)(uintptr_t)&tags_exotic,
};

static void exec_begin_iteration(void *state)
{
    struct exec_state *s = state;
    struct js_host *host = js_host_of(s->ctx);
    if (host->execution)
        host->execution->begin_iteration(host);
}

/* ---- instance, scenario, vu
 * ------------------------------------------------------------------------ */

enum instance_property { ELAPSED, COMPLETED, INTERRUPTED, ACTIVE, INITIALIZED };

static JSValue instance_get(JSContext *ctx, JSValueConst this_val, int magic)
{
    (void)this_val;
    if (!js_not_in_init(ctx, "getting instance information"))
        return JS_EXCEPTION;
    const struct js_execution_ops *ops = ops_of(ctx, "getting instance information");
    if (!ops)
        return JS_EXCEPTION;
    struct js_instance_info info;
    ops->instance(js_host_of(ctx), &info);
    switch ((enum instance_property)magic) {
    case ELAPSED:
        return JS_NewFloat64(ctx, (double)info.elapsed_ns / NS_PER_MS);
    case COMPLETED:
        return JS_NewInt64(ctx, (int64_t)info.iterations_completed);
    case INTERRUPTED:
        return JS_NewInt64(ctx, (int64_t)info.iterations_interrupted);
    case ACTIVE:
        return JS_NewUint32(ctx, info.vus_active);
    case INITIALIZED:
        return JS_NewUint32(ctx, info.vus_initialized);
    }
    return JS_UNDEFINED;
}

static const JSCFunctionListEntry instance_properties[] = {
    GETTER("currentTestRunDuration", instance_get, ELAPSED),
    GETTER("iterationsCompleted", instance_get, COMPLETED),
    GETTER("iterationsInterrupted", instance_get, INTERRUPTED),
    GETTER("vusActive", instance_get, ACTIVE),
    GETTER("vusInitialized", instance_get, INITIALIZED),
};

enum scenario_property { NAME, EXECUTOR, START, PROGRESS, IN_INSTANCE, IN_TEST };

static JSValue outside_of_scenario(JSContext *ctx)
{
    return js_throw(ctx, "getting scenario information outside of the VU context is not supported");
}

static JSValue scenario_get(JSContext *ctx, JSValueConst this_val, int magic)
{
    (void)this_val;
    struct js_host *host = js_host_of(ctx);
    struct js_scenario_info info;
    if (host->stage != JS_STAGE_ITERATION || !host->execution ||
        !host->execution->scenario(host, &info))
        return outside_of_scenario(ctx);
    switch ((enum scenario_property)magic) {
    case NAME:
        return JS_NewString(ctx, info.name);
    case EXECUTOR:
        return JS_NewString(ctx, info.executor);
    case START:
        return JS_NewInt64(ctx, info.start_ms);
    case PROGRESS:
        return JS_NewFloat64(ctx, info.progress);
    case IN_INSTANCE:
        return JS_NewInt64(ctx, (int64_t)info.iteration_in_instance);
    case IN_TEST:
        return JS_NewInt64(ctx, (int64_t)info.iteration_in_test);
    }
    return JS_UNDEFINED;
}

static const JSCFunctionListEntry scenario_properties[] = {
    GETTER("name", scenario_get, NAME),
    GETTER("executor", scenario_get, EXECUTOR),
    GETTER("startTime", scenario_get, START),
    GETTER("progress", scenario_get, PROGRESS),
    GETTER("iterationInInstance", scenario_get, IN_INSTANCE),
    GETTER("iterationInTest", scenario_get, IN_TEST),
};

enum vu_property { VU_IN_INSTANCE, VU_IN_TEST, ITER_IN_INSTANCE, ITER_IN_SCENARIO, TAGS, METRICS };

static JSValue vu_get(JSContext *ctx, JSValueConst this_val, int magic)
{
    (void)this_val;
    if (!js_not_in_init(ctx, "getting VU information"))
        return JS_EXCEPTION;
    struct js_host *host = js_host_of(ctx);
    struct js_vu_info info = {.id_in_test = host->vu_id};
    if (host->execution)
        host->execution->vu(host, &info);
    switch ((enum vu_property)magic) {
    case VU_IN_INSTANCE:
        return JS_NewUint32(ctx, host->vu_id);
    case VU_IN_TEST:
        return JS_NewUint32(ctx, info.id_in_test);
    case ITER_IN_INSTANCE:
        return JS_NewInt64(ctx, (int64_t)host->iteration);
    case ITER_IN_SCENARIO:
        return JS_NewInt64(ctx, (int64_t)info.iteration_in_scenario);
    case TAGS:
        return JS_DupValue(ctx, state_of(ctx)->tags);
    case METRICS:
        return JS_DupValue(ctx, state_of(ctx)->metrics);
    }
    return JS_UNDEFINED;
}

static const JSCFunctionListEntry vu_properties[] = {
    GETTER("idInInstance", vu_get, VU_IN_INSTANCE),
    GETTER("idInTest", vu_get, VU_IN_TEST),
    GETTER("iterationInInstance", vu_get, ITER_IN_INSTANCE),
    GETTER("iterationInScenario", vu_get, ITER_IN_SCENARIO),
    GETTER("tags", vu_get, TAGS),
    GETTER("metrics", vu_get, METRICS),
};

/* ---- test
 * ------------------------------------------------------------------------------------------ */

/* " at default (file:///a.js:1:2)": the innermost frame of the script, appended; nothing when there
 * is none. */
static void append_place(JSContext *ctx, struct buf *out)
{
    JS_ThrowTypeError(ctx, "%s", ""); /* for its stack */
    JSValue e = JS_GetException(ctx);
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, JS_TEXT_MAX);
    trace_exception(js_vm_of(ctx), e, &text);
    JS_FreeValue(ctx, e);
    struct str rest = buf_view(&text);
    while (rest.len > 0) {
        struct str next = STR_EMPTY;
        struct str line = str_trim(str_cut(rest, '\n', &next));
        if (str_starts(line, STR("at ")) && !str_ends(line, STR("(native)"))) {
            buf_printf(out, " %.*s", STR_ARG(line));
            return;
        }
        rest = next;
    }
}

static JSValue test_abort(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    const struct js_execution_ops *ops = js_host_of(ctx)->execution;
    if (!ops)
        return js_throw(ctx, "there is no test to abort");
    CLEANUP(buf_fini) struct buf message;
    buf_init(&message, JS_TEXT_MAX);
    buf_z(&message, "test aborted");
    if (!JS_IsUndefined(js_arg(argc, argv, 0))) {
        CLEANUP(js_text_fini) struct js_text text = {0};
        if (js_text_of(ctx, argv[0], &text) < 0)
            return JS_EXCEPTION;
        buf_printf(&message, ": %.*s", STR_ARG(text.s));
    }
    append_place(ctx, &message);
    const char *z = buf_cstr(&message);
    ops->abort(js_host_of(ctx), z ? z : "test aborted");
    js_vm_interrupt(js_vm_of(ctx));
    return js_throw_err(ctx, -ECANCELED);
}

static JSValue test_fail(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    if (!js_not_in_init(ctx, "marking the test as failed"))
        return JS_EXCEPTION;
    const struct js_execution_ops *ops = ops_of(ctx, "marking the test as failed");
    CLEANUP(js_text_fini) struct js_text text = {0};
    JSValueConst message = js_arg(argc, argv, 0);
    if (!ops || (!JS_IsUndefined(message) && js_text_of(ctx, message, &text) < 0))
        return JS_EXCEPTION;
    if (JS_IsUndefined(message))
        log_error("test marked as failed");
    else
        log_error("test marked as failed: %.*s", STR_ARG(text.s));
    ops->fail(js_host_of(ctx));
    return JS_UNDEFINED;
}

/* The run's options without those that have become scenarios; -1 with an exception pending. */
static int options_text(JSContext *ctx, struct str json, struct buf *out)
{
    static const char *const gone[] = {"vus", "iterations", "duration", "stages"};
    char *z = str_dup(json); /* the parser wants a NUL behind it */
    JSValue v = z ? JS_ParseJSON(ctx, z, json.len, "options") : JS_ThrowOutOfMemory(ctx);
    mem_free(z);
    for (size_t i = 0; !JS_IsException(v) && i < ARRAY_LEN(gone); i++) {
        JSAtom name = JS_NewAtom(ctx, gone[i]);
        (void)JS_DeleteProperty(ctx, v, name, 0);
        JS_FreeAtom(ctx, name);
    }
    JSValue rest = JS_IsException(v) ? v : JS_JSONStringify(ctx, v, JS_UNDEFINED, JS_UNDEFINED);
    JS_FreeValue(ctx, v);
    CLEANUP(js_text_fini) struct js_text text = {0};
    int rc = JS_IsException(rest) ? -1 : js_text_of(ctx, rest, &text);
    JS_FreeValue(ctx, rest);
    if (rc == 0)
        buf_str(out, text.s);
    return rc;
}

static JSValue test_options(JSContext *ctx, JSValueConst this_val, int magic)
{
    (void)this_val;
    (void)magic;
    if (!js_not_in_init(ctx, "getting test options"))
        return JS_EXCEPTION;
    const struct js_execution_ops *ops = ops_of(ctx, "getting test options");
    if (!ops)
        return JS_EXCEPTION;
    struct exec_state *s = state_of(ctx);
    if (JS_IsUndefined(s->options)) {
        CLEANUP(buf_fini) struct buf json;
        buf_init(&json, JS_JSON_MAX);
        if (options_text(ctx, ops->options(js_host_of(ctx)), &json) < 0)
            return JS_EXCEPTION;
        JSValue v = frozen_parse(ctx, buf_view(&json));
        if (JS_IsException(v))
            return v;
        s->options = v;
    }
    return JS_DupValue(ctx, s->options);
}

static const JSCFunctionListEntry test_properties[] = {
    FUNCTION("abort", test_abort, 1),
    FUNCTION("fail", test_fail, 1),
    GETTER("options", test_options, 0),
};

/* ---- all of it
 * -------------------------------------------------------------------------------------- */

static JSValue part_get(JSContext *ctx, JSValueConst this_val, int magic)
{
    (void)this_val;
    bool init = js_host_of(ctx)->stage == JS_STAGE_INIT;
    switch ((enum part)magic) {
    case INSTANCE:
        if (init && !js_not_in_init(ctx, "getting instance information"))
            return JS_EXCEPTION;
        break;
    case SCENARIO:
        if (init)
            return outside_of_scenario(ctx);
        break;
    case VU:
        if (init && !js_not_in_init(ctx, "getting VU information"))
            return JS_EXCEPTION;
        break;
    case TEST: /* abort() is for init code, too */
    case PARTS_LEN:
        break;
    }
    return JS_DupValue(ctx, state_of(ctx)->parts[magic]);
}

static const JSCFunctionListEntry parts[] = {
    GETTER("instance", part_get, INSTANCE),
    GETTER("scenario", part_get, SCENARIO),
    GETTER("test", part_get, TEST),
    GETTER("vu", part_get, VU),
};

static JSValue exec_named(JSContext *ctx, const char *name)
{
    for (int i = 0; i < PARTS_LEN; i++)
        if (strcmp(parts[i].name, name) == 0)
            return JS_DupValue(ctx, state_of(ctx)->parts[i]);
    return JS_UNDEFINED;
}

static int part_new(JSContext *ctx, JSValue *ret, const JSCFunctionListEntry *list, size_t len)
{
    JSValue v = JS_NewObject(ctx);
    if (JS_IsException(v))
        return -1;
    JS_SetPropertyFunctionList(ctx, v, list, (int)len);
    *ret = v;
    return 0;
}

/* An object of a class whose properties are those of tags or metadata. */
static JSValue view_new(JSContext *ctx, JSClassID *class_id)
{
    if (js_class_register(ctx, class_id, &tags_def) < 0)
        return JS_EXCEPTION;
    JSValue plain = JS_NewObject(ctx);
    if (JS_IsException(plain))
        return plain;
    JS_SetClassProto(ctx, *class_id, JS_GetPrototype(ctx, plain));
    JS_FreeValue(ctx, plain);
    return JS_NewObjectClass(ctx, (int)*class_id);
}

/* exec.vu.metrics: the same tags, and the metadata. */
static int make_metrics(JSContext *ctx, struct exec_state *s)
{
    JSValue v = JS_NewObject(ctx);
    JSValue metadata = view_new(ctx, &metadata_class);
    if (JS_IsException(v) || JS_IsException(metadata)) {
        JS_FreeValue(ctx, v);
        JS_FreeValue(ctx, metadata);
        return -1;
    }
    s->metrics = v;
    if (JS_DefinePropertyValueStr(ctx, v, "tags", JS_DupValue(ctx, s->tags), JS_PROP_ENUMERABLE) <
            0 ||
        JS_DefinePropertyValueStr(ctx, v, "metadata", metadata, JS_PROP_ENUMERABLE) < 0)
        return -1;
    return 0;
}

static int make_tags(JSContext *ctx, struct exec_state *s)
{
    s->tags = view_new(ctx, &tags_class);
    return JS_IsException(s->tags) ? -1 : make_metrics(ctx, s);
}

static int exec_fill(JSContext *ctx, JSValueConst object)
{
    (void)object;
    struct exec_state *s = state_of(ctx);
    if (part_new(ctx, &s->parts[INSTANCE], instance_properties, ARRAY_LEN(instance_properties)) <
            0 ||
        part_new(ctx, &s->parts[SCENARIO], scenario_properties, ARRAY_LEN(scenario_properties)) <
            0 ||
        part_new(ctx, &s->parts[TEST], test_properties, ARRAY_LEN(test_properties)) < 0 ||
        part_new(ctx, &s->parts[VU], vu_properties, ARRAY_LEN(vu_properties)) < 0)
        return -1;
    return make_tags(ctx, s);
}

const struct js_api_module js_api_execution = {
    .id = JS_API_EXECUTION,
    .name = "k6/execution",
    .list = parts,
    .list_len = ARRAY_LEN(parts),
    .fill = exec_fill,
    .named = exec_named,
    .open = exec_open,
    .close = exec_close,
    .begin_iteration = exec_begin_iteration,
};
