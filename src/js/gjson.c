/*
 * Paths into JSON, as Response.json(path) takes them: gjson's, on a value that is parsed already.
 * Modifiers and lists of paths are in gjson_special.c.
 */
#include "js/gjson.h"

#include <string.h>

#include "js/api_http.h"

enum { PATH_DEPTH_MAX = 100 };

/* One component of a path, escapes still in it. */
struct part {
    struct str text;
    bool wild;  /* '*' or '?' that isn't escaped */
    bool piped; /* '|' behind it: what follows applies to the result as a whole */
    bool last;
};

/* The end of "(…)" or "[…]" that starts at path.ptr[at], past its bracket; path.len: unclosed. */
static size_t query_end(struct str path, size_t at)
{
    int depth = 0;
    bool quoted = false;
    for (; at < path.len; at++) {
        char c = path.ptr[at];
        if (c == '\\') {
            at++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == '(' || c == '[')) {
            depth++;
        } else if (!quoted && (c == ')' || c == ']')) {
            if (--depth == 0)
                return at + 1;
        }
    }
    return path.len;
}

static struct part cut_part(struct str *path)
{
    struct part p = {.last = true};
    size_t i = 0;
    if (path->len > 1 && path->ptr[0] == '#' && (path->ptr[1] == '(' || path->ptr[1] == '['))
        i = query_end(*path, 1);
    for (; i < path->len; i++) {
        char c = path->ptr[i];
        if (c == '\\') {
            i++;
        } else if (c == '*' || c == '?') {
            p.wild = true;
        } else if (c == '.' || c == '|') {
            p.last = false;
            p.piped = c == '|';
            break;
        }
    }
    i = MIN(i, path->len);
    p.text = str_new(path->ptr, i);
    *path = p.last ? STR_EMPTY : str_new(path->ptr + i + 1, path->len - i - 1);
    return p;
}

/* '*' any characters, '?' any one, '\' takes the next as it is. */
static bool matches(struct str s, struct str pattern, bool wild)
{
    size_t i = 0, j = 0, star = SIZE_MAX, mark = 0;
    while (i < s.len) {
        char c = j < pattern.len ? pattern.ptr[j] : '\0';
        if (wild && j < pattern.len && c == '*') {
            star = j++;
            mark = i;
            continue;
        }
        size_t step = 1;
        bool literal = !wild || c != '?';
        if (j < pattern.len && c == '\\' && j + 1 < pattern.len) {
            c = pattern.ptr[j + 1];
            step = 2;
            literal = true;
        }
        if (j < pattern.len && (!literal || c == s.ptr[i])) {
            i++;
            j += step;
        } else if (star != SIZE_MAX) {
            j = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (wild && j < pattern.len && pattern.ptr[j] == '*')
        j++;
    return j >= pattern.len;
}

static uint32_t array_len(JSContext *ctx, JSValueConst v)
{
    JSValue length = JS_GetPropertyStr(ctx, v, "length");
    uint32_t len = 0;
    if (JS_ToUint32(ctx, &len, length) < 0)
        len = 0;
    JS_FreeValue(ctx, length);
    return len;
}

struct find {
    struct part part;
    JSValue found;
};

static int find_key(JSContext *ctx, void *arg, struct str key, JSValueConst value)
{
    struct find *f = arg;
    if (!matches(key, f->part.text, f->part.wild))
        return 0;
    f->found = JS_DupValue(ctx, value);
    return 1;
}

/* A member of an object, or an element of an array by its index. */
static JSValue get_member(JSContext *ctx, JSValueConst v, struct part part)
{
    if (!JS_IsObject(v))
        return JS_UNDEFINED;
    if (JS_IsArray(ctx, v)) {
        uint64_t index;
        if (str_to_u64(part.text, &index) < 0 || index >= array_len(ctx, v))
            return JS_UNDEFINED;
        return JS_GetPropertyUint32(ctx, v, (uint32_t)index);
    }
    struct find f = {part, JS_UNDEFINED};
    if (!part.wild && str_find(part.text, '\\') < 0) {
        JSAtom atom = JS_NewAtomLen(ctx, part.text.ptr, part.text.len);
        JSPropertyDescriptor d;
        int has = JS_GetOwnProperty(ctx, &d, v, atom);
        JS_FreeAtom(ctx, atom);
        if (has <= 0)
            return has < 0 ? JS_EXCEPTION : JS_UNDEFINED;
        JS_FreeValue(ctx, d.getter);
        JS_FreeValue(ctx, d.setter);
        return d.value;
    }
    return js_each(ctx, v, find_key, &f) < 0 ? JS_EXCEPTION : f.found;
}

/* ---- queries: #(path op value) */

struct query {
    struct str path, op, value; /* value without its quotes; op empty: only that the path exists */
    bool value_is_string;
    bool all; /* #(…)#: every match */
};

static bool starts_operator(struct str s, size_t at, size_t *ret_len)
{
    char c = s.ptr[at], d = at + 1 < s.len ? s.ptr[at + 1] : '\0';
    *ret_len = 1;
    if ((c == '=' || c == '!' || c == '<' || c == '>') && d == '=')
        *ret_len = 2;
    else if (c == '!' && d == '%')
        *ret_len = 2;
    else if (c == '!')
        return false;
    return c == '=' || c == '!' || c == '<' || c == '>' || c == '%';
}

static bool parse_query(struct str text, struct query *ret)
{
    struct query q = {0};
    if (text.len > 0 && text.ptr[text.len - 1] == '#') {
        q.all = true;
        text.len--;
    }
    if (text.len < 3 || (text.ptr[text.len - 1] != ')' && text.ptr[text.len - 1] != ']'))
        return false;
    struct str inner = str_trim(str_new(text.ptr + 2, text.len - 3));
    if (inner.len == 0)
        return false;
    q.path = inner;
    for (size_t i = 0; i < inner.len; i++) {
        size_t len;
        if (inner.ptr[i] == '\\') {
            i++;
        } else if (inner.ptr[i] == '#' && i + 1 < inner.len &&
                   (inner.ptr[i + 1] == '(' || inner.ptr[i + 1] == '[')) {
            i = query_end(inner, i + 1) - 1;
        } else if (starts_operator(inner, i, &len)) {
            q.path = str_trim(str_new(inner.ptr, i));
            q.op = str_new(inner.ptr + i, len);
            q.value = str_trim(str_new(inner.ptr + i + len, inner.len - i - len));
            break;
        }
    }
    if (q.value.len >= 2 && q.value.ptr[0] == '"' && q.value.ptr[q.value.len - 1] == '"') {
        q.value = str_new(q.value.ptr + 1, q.value.len - 2);
        q.value_is_string = true;
    }
    *ret = q;
    return true;
}

static bool compare_result(struct str op, int order)
{
    if (str_eqz(op, "=") || str_eqz(op, "=="))
        return order == 0;
    if (str_eqz(op, "!="))
        return order != 0;
    if (str_eqz(op, "<"))
        return order < 0;
    if (str_eqz(op, "<="))
        return order <= 0;
    return str_eqz(op, ">") ? order > 0 : order >= 0;
}

/* How the element's value compares; a JS exception is -1. */
static int query_holds(JSContext *ctx, JSValueConst v, const struct query *q)
{
    if (JS_IsUndefined(v))
        return 0;
    if (q->op.len == 0)
        return 1;
    if (JS_IsString(v)) {
        CLEANUP(js_text_fini) struct js_text text = {0};
        if (js_text_of(ctx, v, &text) < 0)
            return -1;
        if (q->op.ptr[0] == '%')
            return matches(text.s, q->value, true);
        if (str_eqz(q->op, "!%"))
            return !matches(text.s, q->value, true);
        return q->value_is_string && compare_result(q->op, str_cmp(text.s, q->value));
    }
    if (q->op.ptr[0] == '%' || str_eqz(q->op, "!%"))
        return 0;
    if (JS_IsNumber(v)) {
        double number, want;
        if (q->value_is_string || str_to_double(q->value, &want) < 0)
            return 0;
        if (JS_ToFloat64(ctx, &number, v) < 0)
            return -1;
        return compare_result(q->op, number < want ? -1 : number > want);
    }
    if (JS_IsBool(v) && !q->value_is_string) {
        int is = JS_ToBool(ctx, v);
        bool yes = str_eqz(q->value, "true"), no = str_eqz(q->value, "false");
        return (yes || no) && compare_result(q->op, is - (yes ? 1 : 0));
    }
    return JS_IsNull(v) && str_eqz(q->value, "null") && !q->value_is_string &&
           (str_eqz(q->op, "==") || str_eqz(q->op, "="));
}

static int element_matches(JSContext *ctx, JSValueConst v, const struct query *q, int depth)
{
    if (q->path.len == 0)
        return query_holds(ctx, v, q);
    if (!JS_IsObject(v))
        return 0;
    JSValue at = gjson_get(ctx, v, q->path, depth + 1);
    int holds = JS_IsException(at) ? -1 : query_holds(ctx, at, q);
    JS_FreeValue(ctx, at);
    return holds;
}

/* Goes on from a value with what is left of the path. */
static JSValue go_on(JSContext *ctx, JSValue v, struct part part, struct str rest, int depth)
{
    if (part.last || JS_IsException(v) || JS_IsUndefined(v))
        return v;
    JSValue next = gjson_get(ctx, v, rest, depth + 1);
    JS_FreeValue(ctx, v);
    return next;
}

/* Appends what `rest` finds in an element to `list`, if anything. */
static int collect(JSContext *ctx, JSValueConst list, uint32_t *len, JSValue element,
                   struct part part, struct str rest, int depth)
{
    JSValue v = part.piped ? element : go_on(ctx, element, part, rest, depth);
    if (JS_IsException(v))
        return -1;
    if (JS_IsUndefined(v))
        return 0;
    return JS_DefinePropertyValueUint32(ctx, list, (*len)++, v, JS_PROP_C_W_E) < 0 ? -1 : 0;
}

/* Takes off `path` what belongs to each element: all before a '|' that stands in no brackets, which
 * begins what belongs to the list of the results. */
static struct str cut_pipe(struct str *path)
{
    int depth = 0;
    for (size_t i = 0; i < path->len; i++) {
        char c = path->ptr[i];
        if (c == '\\')
            i++;
        else if (memchr("{[(", c, 3))
            depth++;
        else if (memchr("}])", c, 3))
            depth--;
        else if (c == '|' && depth == 0) {
            struct str each = str_new(path->ptr, i);
            *path = str_new(path->ptr + i + 1, path->len - i - 1);
            return each;
        }
    }
    struct str each = *path;
    *path = str_new(path->ptr + path->len, 0);
    return each;
}

/* "#" and "#(…)" on an array. */
static JSValue get_each(JSContext *ctx, JSValueConst v, struct part part, struct str rest,
                        int depth)
{
    if (!JS_IsArray(ctx, v))
        return JS_UNDEFINED;
    uint32_t len = array_len(ctx, v), found = 0;
    struct query q = {.all = true};
    bool hash = part.text.len == 1;
    if (hash && (part.last || part.piped))
        return go_on(ctx, JS_NewInt64(ctx, len), part, rest, depth);
    if (!hash && !parse_query(part.text, &q))
        return JS_UNDEFINED;
    struct str each = part.piped || !q.all ? rest : cut_pipe(&rest);
    JSValue list = q.all ? JS_NewArray(ctx) : JS_UNDEFINED;
    int rc = 0;
    for (uint32_t i = 0; i < len && rc == 0; i++) {
        JSValue element = JS_GetPropertyUint32(ctx, v, i);
        int holds = hash ? 1 : element_matches(ctx, element, &q, depth);
        if (holds > 0 && !q.all)
            return go_on(ctx, element, part, rest, depth);
        if (holds > 0)
            rc = collect(ctx, list, &found, element, part, each, depth);
        else
            JS_FreeValue(ctx, element);
        rc = rc == 0 && holds >= 0 ? js_check_slice(ctx) : -1;
    }
    if (rc < 0) {
        JS_FreeValue(ctx, list);
        return JS_EXCEPTION;
    }
    return q.all && rest.len > 0 && (part.piped || rest.ptr != each.ptr)
               ? go_on(ctx, list, part, rest, depth)
               : list;
}

JSValue gjson_get(JSContext *ctx, JSValueConst v, struct str path, int depth)
{
    if (depth > PATH_DEPTH_MAX)
        return JS_UNDEFINED;
    JSValue at = JS_DupValue(ctx, v);
    for (struct part part = {.last = false}; !part.last;) {
        struct str rest;
        if (gjson_is_special(path, &rest)) {
            JSValue made = gjson_special(ctx, at, str_new(path.ptr, path.len - rest.len), depth);
            JS_FreeValue(ctx, at);
            part = (struct part){.last = rest.len == 0};
            return go_on(ctx, made, part, part.last ? rest : str_new(rest.ptr + 1, rest.len - 1),
                         depth);
        }
        part = cut_part(&path);
        char first = part.text.len > 0 ? part.text.ptr[0] : '\0';
        JSValue next;
        bool each = first == '#' && JS_IsArray(ctx, at) > 0;
        if (each)
            next = get_each(ctx, at, part, path, depth);
        else
            next = get_member(ctx, at, part);
        JS_FreeValue(ctx, at);
        if (each || JS_IsUndefined(next) || JS_IsException(next))
            return next;
        at = next;
    }
    return at;
}

JSValue http_json_select(JSContext *ctx, JSValueConst root, struct str path)
{
    return path.len == 0 ? JS_UNDEFINED : gjson_get(ctx, root, path, 0);
}
