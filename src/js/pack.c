#include "js/pack.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/varint.h"
#include "js/api.h"
#include "js/frozen.h"
#include "js/json_read.h"

/* One byte each, what they need behind it. */
enum op {
    OP_NULL,
    OP_TRUE,
    OP_FALSE,
    OP_INT,    /* zigzag varint */
    OP_DOUBLE, /* 8 bytes */
    OP_TEXT,   /* varint length, bytes */
    OP_ARRAY,  /* varint length: of the values before */
    OP_OBJECT, /* varint shape: of the values before */
    OP_LOOSE,  /* varint n: of n keys, each before its value; an object of no shape */
};

/* ---- varints -----------------------------------------------------------------------------------
 */

/* Of bytes of our own making. */
static inline uint64_t get_varint(const uint8_t **p)
{
    uint64_t n = *(*p)++;
    if (n < 0x80)
        return n;
    n &= 0x7f;
    for (unsigned shift = 7;; shift += 7) {
        uint64_t c = *(*p)++;
        n |= (c & 0x7f) << shift;
        if (c < 0x80)
            return n;
    }
}

/* ---- making ------------------------------------------------------------------------------------
 */

/* An array or object that is open. */
struct level {
    uint32_t len;     /* values so far */
    uint32_t keys_at; /* object: its keys are from here on among the open ones */
};

struct pack_builder {
    struct buf bytes;
    size_t *at;
    size_t at_len, at_cap;
    struct map keys;   /* text -> place + 1 */
    struct map shapes; /* the keys' places, as bytes -> number + 1 */
    struct level *levels;
    size_t levels_len, levels_cap;
    uint32_t *open_keys; /* of all open objects */
    size_t open_len, open_cap;
    uint32_t stack, depth; /* values on the reader's stack; the most there were */
    int (*turn)(void *arg);
    void *turn_arg;
};

int pack_builder_new(struct pack_builder **ret)
{
    struct pack_builder *b = mem_calloc(1, sizeof *b);
    if (!b)
        return -ENOMEM;
    buf_init(&b->bytes, JS_SHARED_BYTES_MAX);
    map_init(&b->keys, JS_SHARED_KEYS_MAX);
    map_init(&b->shapes, JS_SHARED_SHAPES_MAX);
    *ret = b;
    return 0;
}

void pack_builder_free(struct pack_builder *b)
{
    if (!b)
        return;
    buf_fini(&b->bytes);
    map_fini(&b->keys);
    map_fini(&b->shapes);
    mem_free(b->at);
    mem_free(b->levels);
    mem_free(b->open_keys);
    mem_free(b);
}

/* A value is on the stack now. */
static int count_value(struct pack_builder *b)
{
    if (++b->stack > b->depth)
        b->depth = b->stack;
    if (b->levels_len > 0)
        b->levels[b->levels_len - 1].len++;
    return buf_finish(&b->bytes);
}

static int on_word(void *arg, enum json_word w)
{
    struct pack_builder *b = arg;
    buf_byte(&b->bytes, w == JSON_NULL ? OP_NULL : w == JSON_TRUE ? OP_TRUE : OP_FALSE);
    return count_value(b);
}

static int on_whole(void *arg, int64_t n)
{
    struct pack_builder *b = arg;
    buf_byte(&b->bytes, OP_INT);
    varint_put(&b->bytes, (uint64_t)n << 1 ^ (uint64_t)(n >> 63));
    return count_value(b);
}

static int on_number(void *arg, double d)
{
    struct pack_builder *b = arg;
    buf_byte(&b->bytes, OP_DOUBLE);
    buf_append(&b->bytes, &d, sizeof d);
    return count_value(b);
}

static void put_text(struct pack_builder *b, struct str s)
{
    buf_byte(&b->bytes, OP_TEXT);
    varint_put(&b->bytes, s.len);
    buf_str(&b->bytes, s);
}

static int on_text(void *arg, struct str s)
{
    struct pack_builder *b = arg;
    put_text(b, s);
    return count_value(b);
}

static int on_begin(void *arg, bool is_array)
{
    struct pack_builder *b = arg;
    (void)is_array;
    int rc = mem_grow(&b->levels, &b->levels_cap, b->levels_len + 1, JS_FROZEN_DEPTH_MAX,
                      sizeof *b->levels);
    if (rc < 0)
        return rc;
    b->levels[b->levels_len++] = (struct level){.keys_at = (uint32_t)b->open_len};
    return 0;
}

/* The key's place, or 0 when there are too many: 0, or -ENOMEM. */
static int intern_key(struct pack_builder *b, struct str s, uint32_t *ret)
{
    void *found = map_get(&b->keys, s);
    if (!found) {
        int rc = map_put(&b->keys, s, (void *)(map_len(&b->keys) + 1));
        if (rc < 0)
            return rc;
        found = (void *)map_len(&b->keys);
    }
    *ret = (uint32_t)(size_t)found - 1;
    return 0;
}

static int on_key(void *arg, struct str s)
{
    struct pack_builder *b = arg;
    uint32_t key = 0;
    int rc = mem_grow(&b->open_keys, &b->open_cap, b->open_len + 1, UINT32_MAX, sizeof(uint32_t));
    if (rc == 0)
        rc = intern_key(b, s, &key);
    if (rc == 0)
        b->open_keys[b->open_len++] = key;
    return rc == -E2BIG
               ? err_set(E_LIMIT, "more than %d distinct keys in a SharedArray", JS_SHARED_KEYS_MAX)
               : rc;
}

/* The shape of these keys; false when there are too many shapes for another one. */
static bool find_shape(struct pack_builder *b, const uint32_t *keys, size_t len, uint32_t *ret)
{
    struct str name = str_new(keys, len * sizeof *keys);
    void *found = map_get(&b->shapes, name);
    if (!found && map_put(&b->shapes, name, (void *)(map_len(&b->shapes) + 1)) == 0)
        found = (void *)map_len(&b->shapes);
    *ret = (uint32_t)(size_t)found - 1;
    return found != NULL;
}

/* An object of no shape: its keys, as texts, on top of its values. */
static void put_loose(struct pack_builder *b, const uint32_t *keys, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        put_text(b, map_key_at(&b->keys, keys[i]));
    if (b->stack + len > b->depth)
        b->depth = b->stack + len;
    buf_byte(&b->bytes, OP_LOOSE);
    varint_put(&b->bytes, len);
}

static int on_end(void *arg, bool is_array)
{
    struct pack_builder *b = arg;
    struct level level = b->levels[--b->levels_len];
    const uint32_t *keys = b->open_keys ? b->open_keys + level.keys_at : NULL;
    uint32_t shape;
    if (is_array) {
        buf_byte(&b->bytes, OP_ARRAY);
        varint_put(&b->bytes, level.len);
    } else if (find_shape(b, keys, level.len, &shape)) {
        buf_byte(&b->bytes, OP_OBJECT);
        varint_put(&b->bytes, shape);
    } else {
        put_loose(b, keys, level.len);
    }
    b->open_len = level.keys_at;
    b->stack -= level.len;
    return count_value(b);
}

static int on_turn(void *arg)
{
    struct pack_builder *b = arg;
    return b->turn(b->turn_arg);
}

int pack_add(struct pack_builder *b, struct str json, int (*turn)(void *arg), void *arg)
{
    static const struct json_sink sink = {on_word,  on_whole, on_number, on_text,
                                          on_begin, on_key,   on_end,    on_turn};
    int rc = mem_grow(&b->at, &b->at_cap, b->at_len + 1, SIZE_MAX / sizeof *b->at, sizeof *b->at);
    if (rc < 0)
        return rc;
    b->at[b->at_len++] = b->bytes.len;
    b->stack = 0;
    b->turn = turn;
    b->turn_arg = arg;
    return json_read(json, &sink, b, NULL);
}

static int copy_shapes(const struct pack_builder *b, struct pack *p)
{
    size_t n = map_len(&b->shapes);
    p->shapes = mem_calloc(n + 1, sizeof *p->shapes);
    if (!p->shapes)
        return -ENOMEM;
    for (; p->shapes_len < n; p->shapes_len++) {
        struct str name = map_key_at(&b->shapes, p->shapes_len);
        struct pack_shape *shape = &p->shapes[p->shapes_len];
        shape->keys = mem_alloc(name.len + sizeof *shape->keys);
        if (!shape->keys)
            return -ENOMEM;
        if (name.len > 0)
            memcpy(shape->keys, name.ptr, name.len);
        shape->len = (uint32_t)(name.len / sizeof *shape->keys);
    }
    return 0;
}

int pack_finish(struct pack_builder *b, struct pack **ret)
{
    struct pack *p = mem_calloc(1, sizeof *p);
    int rc =
        p ? mem_grow(&b->at, &b->at_cap, b->at_len + 1, SIZE_MAX / sizeof *b->at, sizeof *b->at)
          : -ENOMEM;
    if (rc == 0)
        rc = copy_shapes(b, p);
    if (rc < 0) {
        pack_free(p);
        return rc;
    }
    b->at[b->at_len] = b->bytes.len;
    p->at = b->at;
    p->len = b->at_len;
    p->depth = b->depth;
    p->keys = b->keys;
    b->at = NULL;
    map_init(&b->keys, JS_SHARED_KEYS_MAX);
    size_t len;
    p->bytes = buf_take(&b->bytes, &len);
    /* What growing has taken too much is given back; it isn't bad when that fails. */
    uint8_t *exact = len > 0 ? mem_realloc(p->bytes, len) : NULL;
    p->bytes = exact ? exact : p->bytes;
    *ret = p;
    return 0;
}

void pack_free(struct pack *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->shapes_len; i++)
        mem_free(p->shapes[i].keys);
    mem_free(p->shapes);
    map_fini(&p->keys);
    mem_free(p->bytes);
    mem_free(p->at);
    mem_free(p);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

enum { ARRAY_MODELS = 17, TURN_OPS = 16384 };

struct pack_view {
    const struct pack *pack;
    JSValue *models;              /* by shape; undefined: not met yet */
    JSValue arrays[ARRAY_MODELS]; /* by length, likewise */
    JSValue *stack;               /* pack->depth of them */
};

int pack_view_new(const struct pack *p, struct pack_view **ret)
{
    struct pack_view *v = mem_calloc(1, sizeof *v);
    if (!v)
        return -ENOMEM;
    v->pack = p;
    v->models = mem_calloc(p->shapes_len + 1, sizeof *v->models);
    v->stack = mem_calloc(p->depth + 1, sizeof *v->stack);
    if (!v->models || !v->stack) {
        mem_free(v->models);
        mem_free(v->stack);
        mem_free(v);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < p->shapes_len; i++)
        v->models[i] = JS_UNDEFINED;
    for (int i = 0; i < ARRAY_MODELS; i++)
        v->arrays[i] = JS_UNDEFINED;
    *ret = v;
    return 0;
}

void pack_view_free(JSContext *ctx, struct pack_view *v)
{
    if (!v)
        return;
    for (uint32_t i = 0; i < v->pack->shapes_len; i++)
        JS_FreeValue(ctx, v->models[i]);
    for (int i = 0; i < ARRAY_MODELS; i++)
        JS_FreeValue(ctx, v->arrays[i]);
    mem_free(v->models);
    mem_free(v->stack);
    mem_free(v);
}

static JSValue finish_model(JSContext *ctx, JSValue model, int rc, bool is_array)
{
    if (rc >= 0 && frozen_close(ctx, model, is_array) == 0)
        return model;
    JS_FreeValue(ctx, model);
    return JS_EXCEPTION;
}

static JSValue make_model(JSContext *ctx, const struct pack *p, const struct pack_shape *shape)
{
    JSValue model = JS_NewObject(ctx);
    int rc = JS_IsException(model) ? -1 : 0;
    for (uint32_t i = 0; rc >= 0 && i < shape->len; i++) {
        struct str key = map_key_at(&p->keys, shape->keys[i]);
        JSAtom atom = JS_NewAtomLen(ctx, key.ptr ? key.ptr : "", key.len);
        rc = atom == JS_ATOM_NULL
                 ? -1
                 : JS_DefinePropertyValue(ctx, model, atom, JS_UNDEFINED, JS_PROP_ENUMERABLE);
        JS_FreeAtom(ctx, atom);
    }
    return finish_model(ctx, model, rc, false);
}

/* Takes the values over. */
static JSValue make_array(JSContext *ctx, uint32_t len, JSValue *values)
{
    JSValue array = JS_NewArray(ctx);
    int rc = JS_IsException(array) ? -1 : 0;
    for (uint32_t i = 0; i < len; i++) {
        if (rc >= 0)
            rc = JS_DefinePropertyValueUint32(ctx, array, i, values[i], JS_PROP_ENUMERABLE);
        else
            JS_FreeValue(ctx, values[i]);
    }
    return finish_model(ctx, array, rc, true);
}

static void drop(JSContext *ctx, JSValue *values, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        JS_FreeValue(ctx, values[i]);
}

static JSValue read_array(JSContext *ctx, struct pack_view *v, uint32_t len, JSValue *values)
{
    if (len >= ARRAY_MODELS)
        return make_array(ctx, len, values);
    if (JS_IsUndefined(v->arrays[len])) {
        JSValue nothing[ARRAY_MODELS];
        for (uint32_t i = 0; i < len; i++)
            nothing[i] = JS_NULL;
        JSValue model = make_array(ctx, len, nothing);
        if (JS_IsException(model)) {
            drop(ctx, values, len);
            return model;
        }
        v->arrays[len] = model;
    }
    return JS_NewObjectLike(ctx, v->arrays[len], (int)len, values);
}

static JSValue read_object(JSContext *ctx, struct pack_view *v, uint32_t shape, JSValue *values)
{
    const struct pack_shape *s = &v->pack->shapes[shape];
    if (JS_IsUndefined(v->models[shape])) {
        JSValue model = make_model(ctx, v->pack, s);
        if (JS_IsException(model)) {
            drop(ctx, values, s->len);
            return model;
        }
        v->models[shape] = model;
    }
    return JS_NewObjectLike(ctx, v->models[shape], (int)s->len, values);
}

/* `values` are len values and then their keys. */
static JSValue read_loose(JSContext *ctx, uint32_t len, JSValue *values)
{
    JSValue object = JS_NewObject(ctx);
    int rc = JS_IsException(object) ? -1 : 0;
    for (uint32_t i = 0; i < len; i++) {
        JSAtom key = rc < 0 ? JS_ATOM_NULL : JS_ValueToAtom(ctx, values[len + i]);
        if (key == JS_ATOM_NULL) {
            JS_FreeValue(ctx, values[i]);
            rc = -1;
        } else {
            rc = JS_DefinePropertyValue(ctx, object, key, values[i], JS_PROP_ENUMERABLE);
        }
        JS_FreeAtom(ctx, key);
        JS_FreeValue(ctx, values[len + i]);
    }
    return finish_model(ctx, object, rc, false);
}

static JSValue read_scalar(JSContext *ctx, enum op op, const uint8_t **p)
{
    uint64_t n;
    double d;
    JSValue text;
    switch (op) {
    case OP_TRUE:
        return JS_TRUE;
    case OP_FALSE:
        return JS_FALSE;
    case OP_INT:
        n = get_varint(p);
        return JS_NewInt64(ctx, (int64_t)(n >> 1) ^ -(int64_t)(n & 1));
    case OP_DOUBLE:
        memcpy(&d, *p, sizeof d);
        *p += sizeof d;
        return JS_NewFloat64(ctx, d);
    case OP_TEXT:
        n = get_varint(p);
        text = JS_NewStringLen(ctx, (const char *)*p, n);
        *p += n;
        return text;
    default:
        return JS_NULL;
    }
}

/* Takes from the stack, whose top is *top, what the operation is of. */
static JSValue read_compound(JSContext *ctx, struct pack_view *v, enum op op, uint32_t n,
                             JSValue **top)
{
    uint32_t len = op == OP_OBJECT ? v->pack->shapes[n].len : op == OP_LOOSE ? 2 * n : n;
    *top -= len;
    if (op == OP_ARRAY)
        return read_array(ctx, v, n, *top);
    return op == OP_OBJECT ? read_object(ctx, v, n, *top) : read_loose(ctx, n, *top);
}

JSValue pack_element(JSContext *ctx, struct pack_view *v, size_t i)
{
    const uint8_t *p = v->pack->bytes + v->pack->at[i], *end = v->pack->bytes + v->pack->at[i + 1];
    JSValue *top = v->stack;
    uint32_t ops = 0;
    while (p < end) {
        enum op op = *p++;
        JSValue value = op < OP_ARRAY ? read_scalar(ctx, op, &p)
                                      : read_compound(ctx, v, op, (uint32_t)get_varint(&p), &top);
        bool failed = JS_IsException(value);
        if (!failed)
            *top++ = value;
        if (failed || (++ops % TURN_OPS == 0 && js_check_slice(ctx) < 0)) {
            drop(ctx, v->stack, (uint32_t)(top - v->stack));
            return JS_EXCEPTION;
        }
    }
    return *--top;
}
