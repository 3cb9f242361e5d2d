/*
 * The parts of a gjson path that make something new of a value: modifiers, lists of paths that
 * become an object or an array, and literals.
 */
#include <string.h>

#include "base/limits.h"
#include "js/api_http.h"
#include "js/gjson.h"

/* ---- syntax ---------------------------------------------------------------------------------- */

/* The length of the JSON value or list of paths that `s` starts with: a string, or all up to the
 * bracket that closes the first one; s.len when it isn't closed. */
static size_t balanced_len(struct str s)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && memchr("{[(", c, 3))
            depth++;
        else if (!quoted && memchr("}])", c, 3))
            depth--;
        if (depth == 0 && !quoted && memchr("\"}])", c, 4))
            return i + 1;
    }
    return s.len;
}

/* The length of what stands before the first of `ends`. */
static size_t span(struct str s, const char *ends)
{
    size_t i = 0;
    while (i < s.len && !strchr(ends, s.ptr[i]))
        i++;
    return i;
}

static struct str from(struct str s, size_t at)
{
    return str_new(s.ptr + at, s.len - at);
}

static size_t argument_len(struct str s)
{
    bool json = s.len > 0 && memchr("{[(\"", s.ptr[0], 4);
    return json ? balanced_len(s) : span(s, "|");
}

static size_t literal_len(struct str s)
{
    bool json = s.len > 0 && memchr("{[\"", s.ptr[0], 3);
    return json ? balanced_len(s) : span(s, ".|");
}

struct modifier {
    const char *name;
    JSValue (*make)(JSContext *ctx, JSValueConst v, struct str arg, int depth);
};

static const struct modifier *find_modifier(struct str name);

bool gjson_is_special(struct str path, struct str *ret_rest)
{
    size_t len;
    if (path.len == 0)
        return false;
    if (path.ptr[0] == '@') {
        len = span(path, ".|:");
        if (!find_modifier(str_new(path.ptr, len)))
            return false; /* a key, then */
        if (len < path.len && path.ptr[len] == ':')
            len += 1 + argument_len(from(path, len + 1));
    } else if (path.ptr[0] == '{' || path.ptr[0] == '[') {
        len = balanced_len(path);
        char end = path.ptr[0] == '{' ? '}' : ']';
        if (path.ptr[len - 1] != end || len < 2)
            return false;
    } else if (path.ptr[0] == '!') {
        len = 1 + literal_len(from(path, 1));
    } else {
        return false;
    }
    *ret_rest = from(path, len);
    return ret_rest->len == 0 || ret_rest->ptr[0] == '.' || ret_rest->ptr[0] == '|';
}

/* ---- values ---------------------------------------------------------------------------------- */

static JSValue parse_text(JSContext *ctx, struct str text)
{
    CLEANUP(buf_fini) struct buf copy; /* the parser wants a NUL behind it */
    buf_init(&copy, JS_TEXT_MAX);
    buf_str(&copy, text);
    const char *z = buf_cstr(&copy);
    if (!z)
        return JS_ThrowOutOfMemory(ctx);
    JSValue v = JS_ParseJSON(ctx, z, text.len, "<path>");
    if (!JS_IsException(v))
        return v;
    JS_FreeValue(ctx, JS_GetException(ctx)); /* no JSON: nothing */
    return JS_UNDEFINED;
}

static uint32_t length_of(JSContext *ctx, JSValueConst v)
{
    JSValue length = JS_GetPropertyStr(ctx, v, "length");
    uint32_t len = 0;
    if (JS_ToUint32(ctx, &len, length) < 0)
        len = 0;
    JS_FreeValue(ctx, length);
    return len;
}

/* A list that grows; `failed` once an exception is pending. */
struct list {
    JSContext *ctx;
    JSValue array;
    uint32_t len;
    bool failed;
};

static struct list list_new(JSContext *ctx)
{
    struct list l = {ctx, JS_NewArray(ctx), 0, false};
    l.failed = JS_IsException(l.array);
    return l;
}

static void list_add(struct list *l, JSValue v)
{
    if (l->failed || JS_IsException(v)) {
        JS_FreeValue(l->ctx, v);
        l->failed = true;
    } else if (JS_DefinePropertyValueUint32(l->ctx, l->array, l->len++, v, JS_PROP_C_W_E) < 0) {
        l->failed = true;
    }
}

static JSValue list_done(struct list *l)
{
    if (!l->failed)
        return l->array;
    JS_FreeValue(l->ctx, l->array);
    return JS_EXCEPTION;
}

/* Is `name` true in the argument, an object? */
static bool flag(JSContext *ctx, struct str arg, const char *name)
{
    JSValue options = parse_text(ctx, arg);
    JSValue v = JS_IsObject(options) ? JS_GetPropertyStr(ctx, options, name) : JS_UNDEFINED;
    bool yes = JS_IsBool(v) && JS_ToBool(ctx, v) > 0;
    JS_FreeValue(ctx, v);
    JS_FreeValue(ctx, options);
    return yes;
}

/* ---- modifiers ------------------------------------------------------------------------------- */

static JSValue make_same(JSContext *ctx, JSValueConst v, struct str arg, int depth)
{
    (void)arg;
    (void)depth;
    return JS_DupValue(ctx, v);
}

static int add_key(JSContext *ctx, void *arg, struct str key, JSValueConst value)
{
    (void)value;
    list_add(arg, js_new_str(ctx, key));
    return 0;
}

static int add_value(JSContext *ctx, void *arg, struct str key, JSValueConst value)
{
    (void)key;
    list_add(arg, JS_DupValue(ctx, value));
    return 0;
}

static JSValue make_keys(JSContext *ctx, JSValueConst v, struct str arg, int depth)
{
    (void)arg;
    (void)depth;
    struct list l = list_new(ctx);
    if (JS_IsArray(ctx, v) > 0)
        for (uint32_t i = 0, n = length_of(ctx, v); i < n && !l.failed; i++)
            list_add(&l, JS_NULL);
    else if (JS_IsObject(v) && js_each(ctx, v, add_key, &l) < 0)
        l.failed = true;
    return list_done(&l);
}

static JSValue make_values(JSContext *ctx, JSValueConst v, struct str arg, int depth)
{
    (void)arg;
    (void)depth;
    if (JS_IsArray(ctx, v) > 0)
        return JS_DupValue(ctx, v);
    struct list l = list_new(ctx);
    if (!JS_IsObject(v))
        list_add(&l, JS_DupValue(ctx, v));
    else if (js_each(ctx, v, add_value, &l) < 0)
        l.failed = true;
    return list_done(&l);
}

static int prepend_member(JSContext *ctx, void *arg, struct str key, JSValueConst value)
{
    JSValue *pairs = arg;
    JSValue pair = JS_NewArray(ctx);
    JS_DefinePropertyValueUint32(ctx, pair, 0, js_new_str(ctx, key), JS_PROP_C_W_E);
    JS_DefinePropertyValueUint32(ctx, pair, 1, JS_DupValue(ctx, value), JS_PROP_C_W_E);
    return JS_DefinePropertyValueUint32(ctx, *pairs, length_of(ctx, *pairs), pair, JS_PROP_C_W_E) <
           0;
}

static JSValue reversed_object(JSContext *ctx, JSValueConst v)
{
    JSValue pairs = JS_NewArray(ctx), result = JS_NewObject(ctx);
    int rc = js_each(ctx, v, prepend_member, &pairs);
    for (uint32_t i = length_of(ctx, pairs); i > 0 && rc == 0; i--) {
        JSValue pair = JS_GetPropertyUint32(ctx, pairs, i - 1);
        JSValue key = JS_GetPropertyUint32(ctx, pair, 0);
        JSAtom atom = JS_ValueToAtom(ctx, key);
        rc = JS_DefinePropertyValue(ctx, result, atom, JS_GetPropertyUint32(ctx, pair, 1),
                                    JS_PROP_C_W_E) < 0;
        JS_FreeAtom(ctx, atom);
        JS_FreeValue(ctx, key);
        JS_FreeValue(ctx, pair);
    }
    JS_FreeValue(ctx, pairs);
    if (rc == 0)
        return result;
    JS_FreeValue(ctx, result);
    return JS_EXCEPTION;
}

static JSValue make_reverse(JSContext *ctx, JSValueConst v, struct str arg, int depth)
{
    (void)arg;
    (void)depth;
    if (JS_IsArray(ctx, v) <= 0)
        return JS_IsObject(v) ? reversed_object(ctx, v) : JS_DupValue(ctx, v);
    struct list l = list_new(ctx);
    for (uint32_t i = length_of(ctx, v); i > 0 && !l.failed; i--)
        list_add(&l, JS_GetPropertyUint32(ctx, v, i - 1));
    return list_done(&l);
}

static void flatten_into(struct list *l, JSValueConst v, bool deep, int depth)
{
    enum { NESTED_MAX = 200 };
    for (uint32_t i = 0, n = length_of(l->ctx, v); i < n && !l->failed; i++) {
        JSValue one = JS_GetPropertyUint32(l->ctx, v, i);
        bool nested = JS_IsArray(l->ctx, one) > 0;
        if (!nested || (depth > 0 && !deep) || depth == NESTED_MAX) {
            list_add(l, one);
            continue;
        }
        flatten_into(l, one, deep, depth + 1);
        JS_FreeValue(l->ctx, one);
    }
}

static JSValue make_flatten(JSContext *ctx, JSValueConst v, struct str arg, int depth)
{
    (void)depth;
    if (JS_IsArray(ctx, v) <= 0)
        return JS_DupValue(ctx, v);
    struct list l = list_new(ctx);
    flatten_into(&l, v, flag(ctx, arg, "deep"), 0);
    return list_done(&l);
}

static int set_member(JSContext *ctx, void *arg, struct str key, JSValueConst value)
{
    JSAtom atom = JS_NewAtomLen(ctx, key.ptr, key.len);
    JSValueConst *object = arg;
    int rc = JS_DefinePropertyValue(ctx, *object, atom, JS_DupValue(ctx, value), JS_PROP_C_W_E);
    JS_FreeAtom(ctx, atom);
    return rc < 0 ? -1 : 0;
}

/* An array of objects as one object: the last one wins. */
static JSValue make_join(JSContext *ctx, JSValueConst v, struct str arg, int depth)
{
    (void)arg;
    (void)depth;
    if (JS_IsArray(ctx, v) <= 0)
        return JS_DupValue(ctx, v);
    JSValue object = JS_NewObject(ctx);
    int rc = JS_IsException(object) ? -1 : 0;
    for (uint32_t i = 0, n = length_of(ctx, v); i < n && rc == 0; i++) {
        JSValue one = JS_GetPropertyUint32(ctx, v, i);
        if (JS_IsObject(one) && JS_IsArray(ctx, one) == 0)
            rc = js_each(ctx, one, set_member, &object);
        JS_FreeValue(ctx, one);
    }
    if (rc == 0)
        return object;
    JS_FreeValue(ctx, object);
    return JS_EXCEPTION;
}

static JSValue make_tostr(JSContext *ctx, JSValueConst v, struct str arg, int depth)
{
    (void)arg;
    (void)depth;
    return JS_JSONStringify(ctx, v, JS_UNDEFINED, JS_UNDEFINED);
}

static JSValue make_fromstr(JSContext *ctx, JSValueConst v, struct str arg, int depth)
{
    (void)arg;
    (void)depth;
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (!JS_IsString(v))
        return JS_UNDEFINED;
    return js_text_of(ctx, v, &text) < 0 ? JS_EXCEPTION : parse_text(ctx, text.s);
}

struct group {
    JSValue rows; /* an array of objects */
};

static int group_column(JSContext *ctx, void *arg, struct str key, JSValueConst column)
{
    struct group *g = arg;
    if (JS_IsArray(ctx, column) <= 0)
        return 0;
    int rc = 0;
    for (uint32_t i = 0, n = length_of(ctx, column); i < n && rc == 0; i++) {
        JSValue row = JS_GetPropertyUint32(ctx, g->rows, i);
        if (!JS_IsObject(row)) {
            row = JS_NewObject(ctx);
            rc = JS_DefinePropertyValueUint32(ctx, g->rows, i, JS_DupValue(ctx, row),
                                              JS_PROP_C_W_E) < 0
                     ? -1
                     : 0;
        }
        JSValue cell = JS_GetPropertyUint32(ctx, column, i);
        if (rc == 0)
            rc = set_member(ctx, &row, key, cell);
        JS_FreeValue(ctx, cell);
        JS_FreeValue(ctx, row);
    }
    return rc;
}

/* {"a":[1,2],"b":[3,4]} as [{"a":1,"b":3},{"a":2,"b":4}] */
static JSValue make_group(JSContext *ctx, JSValueConst v, struct str arg, int depth)
{
    (void)arg;
    (void)depth;
    if (!JS_IsObject(v) || JS_IsArray(ctx, v) > 0)
        return JS_UNDEFINED;
    struct group g = {JS_NewArray(ctx)};
    if (js_each(ctx, v, group_column, &g) == 0)
        return g.rows;
    JS_FreeValue(ctx, g.rows);
    return JS_EXCEPTION;
}

struct dig {
    struct list *found;
    struct str path;
    int depth;  /* of the path within paths */
    int nested; /* of the value in the first one */
};

static void dig_into(const struct dig *d, JSValueConst v);

static int dig_member(JSContext *ctx, void *arg, struct str key, JSValueConst value)
{
    (void)ctx;
    (void)key;
    const struct dig *d = arg;
    dig_into(d, value);
    return d->found->failed ? -1 : 0;
}

static void dig_into(const struct dig *d, JSValueConst v)
{
    enum { NESTED_MAX = 200 };
    struct list *found = d->found;
    JSContext *ctx = found->ctx;
    if (found->failed || !JS_IsObject(v) || d->nested > NESTED_MAX)
        return;
    if (js_check_slice(ctx) < 0) {
        found->failed = true;
        return;
    }
    JSValue at = gjson_get(ctx, v, d->path, d->depth);
    if (JS_IsUndefined(at))
        JS_FreeValue(ctx, at);
    else
        list_add(found, at);
    struct dig below = {found, d->path, d->depth, d->nested + 1};
    if (!found->failed && js_each(ctx, v, dig_member, &below) < 0)
        found->failed = true;
}

/* Everything that the path finds, at any depth. */
static JSValue make_dig(JSContext *ctx, JSValueConst v, struct str arg, int depth)
{
    struct list l = list_new(ctx);
    dig_into(&(struct dig){&l, arg, depth + 1, 0}, v);
    return list_done(&l);
}

static const struct modifier modifiers[] = {
    {"@this", make_same},     {"@valid", make_same},      {"@ugly", make_same},
    {"@pretty", make_same},   {"@reverse", make_reverse}, {"@keys", make_keys},
    {"@values", make_values}, {"@flatten", make_flatten}, {"@join", make_join},
    {"@tostr", make_tostr},   {"@fromstr", make_fromstr}, {"@group", make_group},
    {"@dig", make_dig},
};

static const struct modifier *find_modifier(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(modifiers); i++)
        if (str_eqz(name, modifiers[i].name))
            return &modifiers[i];
    return NULL;
}

static JSValue modify(JSContext *ctx, JSValueConst v, struct str component, int depth)
{
    size_t len = span(component, ":");
    const struct modifier *m = find_modifier(str_new(component.ptr, len));
    struct str arg = len < component.len ? from(component, len + 1) : STR_EMPTY;
    return m ? m->make(ctx, v, arg, depth) : JS_UNDEFINED;
}

/* ---- lists of paths -------------------------------------------------------------------------- */

/* The next of the paths in a list, and the name before it: `"name":path`, `name:path`. */
static bool next_path(struct str *list, struct str *ret_name, struct str *ret_path)
{
    struct str s = *list;
    size_t at = 0;
    *ret_name = STR_EMPTY;
    if (s.len == 0)
        return false;
    bool quoted = s.ptr[0] == '"';
    size_t len = quoted ? balanced_len(s) : span(s, ":,@{[(!\"");
    if (len < s.len && s.ptr[len] == ':') {
        *ret_name = quoted ? str_new(s.ptr + 1, len - 2) : str_new(s.ptr, len);
        s = from(s, len + 1);
    }
    while (at < s.len && s.ptr[at] != ',') {
        if (s.ptr[at] == '\\' && at + 1 < s.len)
            at++;
        at += memchr("{[(\"", s.ptr[at], 4) ? balanced_len(from(s, at)) : 1;
    }
    at = MIN(at, s.len);
    *ret_path = str_new(s.ptr, at);
    *list = at < s.len ? from(s, at + 1) : STR_EMPTY;
    return true;
}

/* What the value is called when the list doesn't say: the path's last component, if it is a word.
 */
static struct str name_of(struct str path)
{
    size_t start = path.len;
    while (start > 0 && path.ptr[start - 1] != '.' && path.ptr[start - 1] != '|')
        start--;
    struct str last = from(path, start);
    for (size_t i = 0; i < last.len; i++)
        if ((uint8_t)last.ptr[i] < ' ' || memchr("[]{}()#|!", last.ptr[i], 9))
            return STR("_");
    return last.len > 0 ? last : STR("_");
}

static JSValue many(JSContext *ctx, JSValueConst v, struct str component, int depth)
{
    bool object = component.ptr[0] == '{';
    struct str list = str_new(component.ptr + 1, component.len - 2), name, path;
    JSValue members = object ? JS_NewObject(ctx) : JS_UNDEFINED;
    struct list l = list_new(ctx);
    while (!l.failed && next_path(&list, &name, &path)) {
        JSValue found = gjson_get(ctx, v, path, depth + 1);
        if (JS_IsUndefined(found))
            continue;
        if (!object) {
            list_add(&l, found);
            continue;
        }
        l.failed = JS_IsException(found) ||
                   set_member(ctx, &members, name.ptr ? name : name_of(path), found) < 0;
        JS_FreeValue(ctx, found);
    }
    JSValue array = list_done(&l);
    if (!object)
        return array;
    if (!JS_IsException(array)) {
        JS_FreeValue(ctx, array);
        return members;
    }
    JS_FreeValue(ctx, members);
    return array;
}

JSValue gjson_special(JSContext *ctx, JSValueConst v, struct str component, int depth)
{
    switch (component.ptr[0]) {
    case '@':
        return modify(ctx, v, component, depth);
    case '!':
        return parse_text(ctx, from(component, 1));
    default:
        return many(ctx, v, component, depth);
    }
}
