#include "js/frozen.h"

#include <errno.h>

#include "base/limits.h"
#include "base/mem.h"
#include "js/json_read.h"

/* What the sink says when an exception is pending. */
enum { PENDING = -1 };

/* An array or object that is being read. */
struct level {
    JSValue v;
    JSAtom key;   /* object: of the value that comes next */
    uint32_t len; /* array */
    bool is_array;
};

struct frozen {
    JSContext *ctx;
    JSValue result; /* the outermost value, once it is complete */
    struct level *levels;
    size_t len, cap;
};

/* A value is complete: it goes where it belongs. Takes it over. */
static int attach(struct frozen *f, JSValue v)
{
    if (JS_IsException(v))
        return PENDING;
    if (f->len == 0) {
        f->result = v;
        return 0;
    }
    struct level *top = &f->levels[f->len - 1];
    int rc;
    if (top->is_array) {
        rc = JS_DefinePropertyValueUint32(f->ctx, top->v, top->len++, v, JS_PROP_ENUMERABLE);
    } else {
        rc = JS_DefinePropertyValue(f->ctx, top->v, top->key, v, JS_PROP_ENUMERABLE);
        JS_FreeAtom(f->ctx, top->key);
        top->key = JS_ATOM_NULL;
    }
    return rc < 0 ? PENDING : 0;
}

static int on_word(void *arg, enum json_word w)
{
    return attach(arg, w == JSON_NULL ? JS_NULL : w == JSON_TRUE ? JS_TRUE : JS_FALSE);
}

static int on_whole(void *arg, int64_t n)
{
    struct frozen *f = arg;
    return attach(f, JS_NewInt64(f->ctx, n));
}

static int on_number(void *arg, double d)
{
    struct frozen *f = arg;
    return attach(f, JS_NewFloat64(f->ctx, d));
}

static int on_text(void *arg, struct str s)
{
    struct frozen *f = arg;
    return attach(f, js_new_str(f->ctx, s));
}

static int on_begin(void *arg, bool is_array)
{
    struct frozen *f = arg;
    int rc = mem_grow(&f->levels, &f->cap, f->len + 1, JS_FROZEN_DEPTH_MAX, sizeof *f->levels);
    if (rc < 0)
        return -ENOMEM;
    JSValue v = is_array ? JS_NewArray(f->ctx) : JS_NewObject(f->ctx);
    if (JS_IsException(v))
        return PENDING;
    f->levels[f->len++] = (struct level){.v = v, .key = JS_ATOM_NULL, .is_array = is_array};
    return 0;
}

static int on_key(void *arg, struct str s)
{
    struct frozen *f = arg;
    JSAtom atom = JS_NewAtomLen(f->ctx, s.ptr ? s.ptr : "", s.len);
    f->levels[f->len - 1].key = atom;
    return atom == JS_ATOM_NULL ? PENDING : 0;
}

/* The array or object is complete: nothing can be added to it either. */
static int on_end(void *arg, bool is_array)
{
    struct frozen *f = arg;
    JSValue v = f->levels[f->len - 1].v;
    if (frozen_close(f->ctx, v, is_array) < 0)
        return PENDING;
    f->len--;
    return attach(f, v);
}

static int on_turn(void *arg)
{
    struct frozen *f = arg;
    return js_check_slice(f->ctx) < 0 ? PENDING : 0;
}

int frozen_close(JSContext *ctx, JSValueConst v, bool is_array)
{
    int rc = 0;
    if (is_array) {
        JSAtom length = JS_NewAtom(ctx, "length");
        rc = length == JS_ATOM_NULL ? -1
                                    : JS_DefineProperty(ctx, v, length, JS_UNDEFINED, JS_UNDEFINED,
                                                        JS_UNDEFINED, JS_PROP_HAS_WRITABLE);
        JS_FreeAtom(ctx, length);
    }
    return rc < 0 || JS_PreventExtensions(ctx, v) < 0 ? -1 : 0;
}

JSValue frozen_parse(JSContext *ctx, struct str json)
{
    static const struct json_sink sink = {on_word,  on_whole, on_number, on_text,
                                          on_begin, on_key,   on_end,    on_turn};
    struct frozen f = {.ctx = ctx, .result = JS_UNDEFINED};
    int rc = json_read(json, &sink, &f, NULL);
    for (size_t i = 0; i < f.len; i++) {
        JS_FreeValue(ctx, f.levels[i].v);
        JS_FreeAtom(ctx, f.levels[i].key);
    }
    mem_free(f.levels);
    if (rc == 0)
        return f.result;
    if (rc == E_CORRUPT)
        return js_throw(ctx, "malformed JSON");
    return rc == PENDING ? JS_EXCEPTION : js_throw_err(ctx, rc);
}
