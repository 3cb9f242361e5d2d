/*
 * api_k6 - the module "k6": check, group, sleep, fail, randomSeed.  k6-surface 2.3, 4.4.
 */
#include <errno.h>
#include <math.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "js/vm_int.h"
#include "metrics/shard.h"

/* What the host has been told of: a set of hashes, as a check runs a million times. */
struct seen {
    uint64_t *slots; /* 0: empty */
    size_t cap;      /* power of two */
    size_t len;
};

struct k6_state {
    struct seen groups, checks;
};

static uint64_t *seen_slot(const struct seen *s, uint64_t hash)
{
    size_t at = hash & (s->cap - 1);
    while (s->slots[at] != 0 && s->slots[at] != hash)
        at = (at + 1) & (s->cap - 1);
    return &s->slots[at];
}

/* True when it wasn't there.  Past the limit and without memory everything is new: the host may
 * hear of it twice. */
static bool seen_add(struct seen *s, uint64_t hash)
{
    hash = hash ? hash : 1;
    if (s->cap > 0) {
        uint64_t *slot = seen_slot(s, hash);
        if (*slot == hash)
            return false;
        if ((s->len + 1) * 2 <= s->cap) {
            *slot = hash;
            s->len++;
            return true;
        }
    }
    struct seen larger = {.cap = s->cap > 0 ? s->cap * 2 : 16};
    if (larger.cap / 2 > JS_CHECKS_SEEN_MAX)
        return true;
    larger.slots = mem_calloc(larger.cap, sizeof *larger.slots);
    if (!larger.slots)
        return true;
    for (size_t i = 0; i < s->cap; i++)
        if (s->slots[i] != 0)
            *seen_slot(&larger, s->slots[i]) = s->slots[i];
    *seen_slot(&larger, hash) = hash;
    larger.len = s->len + 1;
    mem_free(s->slots);
    *s = larger;
    return true;
}

static void *k6_open(JSContext *ctx)
{
    (void)ctx;
    return mem_calloc(1, sizeof(struct k6_state));
}

static void k6_close(JSContext *ctx, void *state)
{
    (void)ctx;
    struct k6_state *s = state;
    mem_free(s->groups.slots);
    mem_free(s->checks.slots);
    mem_free(s);
}

static bool has_separator(struct str name)
{
    return memmem(name.ptr, name.len, "::", 2) != NULL;
}

/* ---- check ---------------------------------------------------------------------------------- */

struct check_call {
    JSValueConst value;
    JSValueConst tags;
    bool has_tags;
    bool passed; /* all so far */
};

static int check_sample(JSContext *ctx, const struct check_call *c, struct str name, bool passed)
{
    struct js_host *host = js_host_of(ctx);
    struct k6_state *state = js_api_state(ctx, JS_API_K6);
    if (host->on_check) {
        uint64_t hash = str_hash(host->group) * 31 + str_hash(name);
        if (seen_add(&state->checks, hash))
            host->on_check(host->arg, host->group, name);
    }
    if (!host->shard)
        return 0;
    CLEANUP(js_tags_fini) struct js_tags tags;
    js_tags_init(&tags, ctx);
    if (c->has_tags && js_tags_read(&tags, c->tags) < 0)
        return -1;
    shard_add_check(host->shard, host->tags, host->metadata, host->group, name, tags.tag, tags.len,
                    host->run ? host->run->system_tags : TAGS_DEFAULT_BITS, passed,
                    js_wall_ns(host));
    return 0;
}

/* An exception that is pending stays pending while the sample is taken. */
static int check_sample_of_throw(JSContext *ctx, const struct check_call *c, struct str name)
{
    JSValue e = JS_GetException(ctx);
    if (vm_stopped(js_vm_of(ctx))) {
        JS_Throw(ctx, e);
        return -1;
    }
    if (check_sample(ctx, c, name, false) < 0)
        JS_FreeValue(ctx, JS_GetException(ctx));
    JS_Throw(ctx, e);
    return -1;
}

static bool is_promise(JSContext *ctx, JSValueConst v)
{
    return JS_IsObject(v) && (int)JS_PromiseState(ctx, v) >= 0;
}

static int check_one(JSContext *ctx, void *arg, struct str name, JSValueConst test)
{
    struct check_call *c = arg;
    if (has_separator(name)) {
        js_throw(ctx, "group and check names may not contain '::'");
        return -1;
    }
    JSValue result;
    if (JS_IsFunction(ctx, test)) {
        result = JS_Call(ctx, test, JS_UNDEFINED, 1, &c->value);
        if (JS_IsException(result))
            return check_sample_of_throw(ctx, c, name);
        if (is_promise(ctx, result)) {
            JS_FreeValue(ctx, result);
            js_throw(ctx,
                     "check \"%.*s\" is an async function: check() takes values and functions "
                     "that give one at once",
                     STR_ARG(name));
            return -1;
        }
    } else {
        result = JS_DupValue(ctx, test);
    }
    bool passed = JS_ToBool(ctx, result) > 0;
    JS_FreeValue(ctx, result);
    c->passed = c->passed && passed;
    return check_sample(ctx, c, name, passed);
}

static JSValue k6_check(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    if (!js_not_in_init(ctx, "Using check()"))
        return JS_EXCEPTION;
    struct check_call c = {js_arg(argc, argv, 0), js_arg(argc, argv, 2), false, true};
    if (argc < 2)
        return js_throw(ctx, "no checks provided to `check`");
    JSValue tests = js_to_object(ctx, argv[1]);
    c.has_tags = !js_is_nullish(c.tags);
    int rc = JS_IsException(tests) ? -1 : js_each(ctx, tests, check_one, &c);
    JS_FreeValue(ctx, tests);
    return rc < 0 ? JS_EXCEPTION : JS_NewBool(ctx, c.passed);
}

/* ---- group ---------------------------------------------------------------------------------- */

static bool is_async_function(JSContext *ctx, JSValueConst fn)
{
    JSValue proto = JS_GetPrototype(ctx, fn);
    JSAtom tag = JS_NewAtom(ctx, "constructor");
    JSValue constructor = JS_IsObject(proto) ? JS_GetProperty(ctx, proto, tag) : JS_UNDEFINED;
    JSValue name =
        JS_IsObject(constructor) ? JS_GetPropertyStr(ctx, constructor, "name") : JS_UNDEFINED;
    CLEANUP(js_text_fini) struct js_text text = {0};
    bool yes =
        JS_IsString(name) && js_text_of(ctx, name, &text) == 0 && str_eqz(text.s, "AsyncFunction");
    JS_FreeValue(ctx, name);
    JS_FreeValue(ctx, constructor);
    JS_FreeAtom(ctx, tag);
    JS_FreeValue(ctx, proto);
    return yes;
}

/* The tags as they are now, with the group of `outer`. */
static struct tagset *with_group_of(struct js_host *host, const struct tagset *outer)
{
    const struct tag *group = tags_find(outer, STR("group"));
    struct tag tag = {STR("group"), group ? group->value : STR("")};
    return tags_with(shard_tags(host->shard), host->tags, &tag, 1);
}

/* Runs fn in the group `path`, and takes the sample of how long it took. */
static JSValue group_run(JSContext *ctx, struct str path, JSValueConst fn)
{
    struct js_host *host = js_host_of(ctx);
    struct k6_state *state = js_api_state(ctx, JS_API_K6);
    if (host->on_group && seen_add(&state->groups, str_hash(path)))
        host->on_group(host->arg, path);

    struct tagset *outer_tags = host->tags;
    struct str outer_group = host->group;
    uint32_t changes = host->tag_changes;
    bool tagged = !host->run || (host->run->system_tags & TAG_BIT(TAG_GROUP));
    if (host->shard && tagged) {
        struct tag tag = {STR("group"), path.ptr ? path : STR("")};
        host->tags = tags_with(shard_tags(host->shard), outer_tags, &tag, 1);
    }
    host->group = path;
    int64_t start_ns = clock_mono_ns();
    JSValue result = JS_Call(ctx, fn, JS_UNDEFINED, 0, NULL);
    double ms = (double)(clock_mono_ns() - start_ns) / NS_PER_MS;
    if (!vm_stopped(js_vm_of(ctx)))
        js_sample(host, registry_builtin(host->registry, METRIC_GROUP_DURATION), host->tags, ms);
    host->tags =
        host->tag_changes == changes || !host->shard ? outer_tags : with_group_of(host, outer_tags);
    host->group = outer_group;
    return result;
}

static JSValue k6_group(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    if (!js_not_in_init(ctx, "Using group()"))
        return JS_EXCEPTION;
    JSValueConst fn = js_arg(argc, argv, 1);
    CLEANUP(js_text_fini) struct js_text name = {0};
    if (js_text_of(ctx, js_arg(argc, argv, 0), &name) < 0)
        return JS_EXCEPTION;
    if (has_separator(name.s))
        return js_throw(ctx, "group and check names may not contain '::'");
    if (!JS_IsFunction(ctx, fn))
        return js_throw(ctx, "group() requires a callback as a second argument");
    if (is_async_function(ctx, fn))
        return js_throw(ctx, "group() does not support async functions as arguments, please see "
                             "docs for working around");
    struct str outer = js_host_of(ctx)->group;
    struct buf path;
    buf_init(&path, JS_TEXT_MAX);
    buf_str(&path, outer);
    if (name.s.len > 0) { /* group('') stays where it is */
        buf_z(&path, "::");
        buf_str(&path, name.s);
    }
    JSValue v =
        buf_finish(&path) < 0 ? JS_ThrowOutOfMemory(ctx) : group_run(ctx, buf_view(&path), fn);
    buf_fini(&path);
    return v;
}

/* ---- sleep, fail, randomSeed ---------------------------------------------------------------- */

static JSValue k6_sleep(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    const double year_s = 365.0 * 24 * 3600;
    double seconds;
    if (JS_ToFloat64(ctx, &seconds, js_arg(argc, argv, 0)) < 0)
        return JS_EXCEPTION;
    if (!co_self())
        return js_throw(ctx, "sleep() can't wait here");
    int rc = 0;
    if (seconds > 0) /* NaN isn't, e.g. Number(__ENV.NOT_SET): no wait, as in k6 */
        rc = co_sleep_until(clock_mono_ns() + (int64_t)(fmin(seconds, year_s) * NS_PER_S));
    if (rc == 0 && vm_stopped(js_vm_of(ctx)))
        rc = -ECANCELED;
    return rc < 0 ? js_throw_err(ctx, rc) : JS_UNDEFINED;
}

static JSValue k6_fail(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    CLEANUP(js_text_fini) struct js_text message = {0};
    if (!js_is_nullish(js_arg(argc, argv, 0)) && js_text_of(ctx, argv[0], &message) < 0)
        return JS_EXCEPTION;
    return js_throw(ctx, "%.*s", STR_ARG(message.s));
}

static JSValue k6_random_seed(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    double seed;
    if (JS_ToFloat64(ctx, &seed, js_arg(argc, argv, 0)) < 0)
        return JS_EXCEPTION;
    int64_t whole = isfinite(seed) && fabs(seed) < 9e18 ? (int64_t)seed : 0;
    JS_SetRandomState(ctx, vm_random_state((uint64_t)whole));
    return JS_UNDEFINED;
}

static const JSCFunctionListEntry functions[] = {
    JS_API_FUNC("check", 3, k6_check), JS_API_FUNC("fail", 1, k6_fail),
    JS_API_FUNC("group", 2, k6_group), JS_API_FUNC("randomSeed", 1, k6_random_seed),
    JS_API_FUNC("sleep", 1, k6_sleep),
};

const struct js_api_module js_api_k6 = {
    .id = JS_API_K6,
    .name = "k6",
    .list = functions,
    .list_len = ARRAY_LEN(functions),
    .open = k6_open,
    .close = k6_close,
};
