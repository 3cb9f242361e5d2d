/*
 * Response.json(): the body parsed where it lies, gjson's paths over the parsed value, and, when
 * the body isn't JSON, the place and the words that Go's decoder would give.
 */
#include <math.h>
#include <stdlib.h>

#include "js/api_http.h"

/* ---- text ---------------------------------------------------------------------------------- */

static bool is_ascii(struct str s)
{
    uint64_t bits = 0;
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t w;
        memcpy(&w, s.ptr + i, 8);
        bits |= w;
    }
    for (; i < s.len; i++)
        bits |= (uint8_t)s.ptr[i];
    return (bits & 0x8080808080808080ull) == 0;
}

/* Length of the well-formed UTF-8 character at `p`, 0 when there is none. */
static size_t char_len(const uint8_t *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    return n <= left && str_is_utf8(str_new(p, n)) ? n : 0;
}

static void append_fixed(struct buf *out, struct str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    for (size_t i = 0; i < s.len;) {
        size_t n = char_len(p + i, s.len - i);
        if (n > 0)
            buf_append(out, p + i, n);
        else
            buf_str(out, STR("\xef\xbf\xbd"));
        i += n > 0 ? n : 1;
    }
}

JSValue http_text(JSContext *ctx, struct str body)
{
    if (is_ascii(body) || str_is_utf8(body))
        return js_new_str(ctx, body);
    CLEANUP(buf_fini) struct buf fixed;
    buf_init(&fixed, SIZE_MAX / 2);
    append_fixed(&fixed, body);
    if (buf_finish(&fixed) < 0)
        return JS_ThrowOutOfMemory(ctx);
    return js_new_str(ctx, buf_view(&fixed));
}

/* ---- what is wrong with it ------------------------------------------------------------------ */

/* A walk over JSON as Go's scanner does it: stops at the first byte that can't be. */
struct scan {
    struct str s;
    size_t at;
    const char *looking_for; /* what the byte at `at` was meant to be; NULL: the input ended */
};

enum { SCAN_DEPTH_MAX = 10000 };

static void skip_space(struct scan *z)
{
    while (z->at < z->s.len && strchr(" \t\r\n", z->s.ptr[z->at]) && z->s.ptr[z->at] != '\0')
        z->at++;
}

static bool expected(struct scan *z, const char *what)
{
    z->looking_for = z->at < z->s.len ? what : NULL;
    return false;
}

static bool scan_digits(struct scan *z, const char *what)
{
    if (z->at >= z->s.len || z->s.ptr[z->at] < '0' || z->s.ptr[z->at] > '9')
        return expected(z, what);
    while (z->at < z->s.len && z->s.ptr[z->at] >= '0' && z->s.ptr[z->at] <= '9')
        z->at++;
    return true;
}

static bool scan_number(struct scan *z)
{
    if (z->s.ptr[z->at] == '-')
        z->at++;
    if (z->at < z->s.len && z->s.ptr[z->at] == '0')
        z->at++;
    else if (!scan_digits(z, "in numeric literal"))
        return false;
    if (z->at < z->s.len && z->s.ptr[z->at] == '.') {
        z->at++;
        if (!scan_digits(z, "after decimal point in numeric literal"))
            return false;
    }
    if (z->at < z->s.len && (z->s.ptr[z->at] | 32) == 'e') {
        z->at++;
        if (z->at < z->s.len && (z->s.ptr[z->at] == '+' || z->s.ptr[z->at] == '-'))
            z->at++;
        return scan_digits(z, "in exponent of numeric literal");
    }
    return true;
}

static bool scan_word(struct scan *z, const char *word, const char *const *what)
{
    for (size_t i = 0; word[i] != '\0'; i++, z->at++)
        if (z->at >= z->s.len || z->s.ptr[z->at] != word[i])
            return expected(z, what[i]);
    return true;
}

static bool scan_string(struct scan *z)
{
    for (z->at++; z->at < z->s.len; z->at++) {
        uint8_t c = (uint8_t)z->s.ptr[z->at];
        if (c == '"') {
            z->at++;
            return true;
        }
        if (c < 0x20)
            return expected(z, "in string literal");
        if (c != '\\')
            continue;
        z->at++;
        if (z->at >= z->s.len)
            break;
        c = (uint8_t)z->s.ptr[z->at];
        if (c == 'u') {
            for (int i = 0; i < 4; i++) {
                z->at++;
                if (z->at >= z->s.len || c == '\0' ||
                    !strchr("0123456789abcdefABCDEF", z->s.ptr[z->at]))
                    return expected(z, "in \\u hexadecimal character escape");
            }
        } else if (c == '\0' || !strchr("bfnrt\\/\"", c)) {
            return expected(z, "in string escape code");
        }
    }
    return expected(z, "in string literal");
}

static bool scan_plain(struct scan *z)
{
    static const char *const in_true[] = {"", "in literal true (expecting 'r')",
                                          "in literal true (expecting 'u')",
                                          "in literal true (expecting 'e')"};
    static const char *const in_false[] = {
        "", "in literal false (expecting 'a')", "in literal false (expecting 'l')",
        "in literal false (expecting 's')", "in literal false (expecting 'e')"};
    static const char *const in_null[] = {"", "in literal null (expecting 'u')",
                                          "in literal null (expecting 'l')",
                                          "in literal null (expecting 'l')"};
    char c = z->s.ptr[z->at];
    if (c == '"')
        return scan_string(z);
    if (c == '-' || (c >= '0' && c <= '9'))
        return scan_number(z);
    if (c == 't')
        return scan_word(z, "true", in_true);
    if (c == 'f')
        return scan_word(z, "false", in_false);
    if (c == 'n')
        return scan_word(z, "null", in_null);
    return expected(z, "looking for beginning of value");
}

/* The key and colon of a member; `first`: '}' may come instead (then *ret_end). */
static bool scan_key(struct scan *z, bool first, bool *ret_end)
{
    *ret_end = false;
    skip_space(z);
    if (first && z->at < z->s.len && z->s.ptr[z->at] == '}') {
        *ret_end = true;
        return true;
    }
    if (z->at >= z->s.len || z->s.ptr[z->at] != '"')
        return expected(z, "looking for beginning of object key string");
    if (!scan_string(z))
        return false;
    skip_space(z);
    if (z->at >= z->s.len || z->s.ptr[z->at] != ':')
        return expected(z, "after object key");
    z->at++;
    return true;
}

/* One whole text, without recursion: `open` holds '{' or '[' per level. */
static bool scan_text(struct scan *z, char *open)
{
    size_t depth = 0;
    bool value = true; /* a value comes next; false: one has just ended */
    for (;;) {
        skip_space(z);
        if (value) {
            if (z->at >= z->s.len)
                return expected(z, "");
            char c = z->s.ptr[z->at];
            if (c != '{' && c != '[') {
                if (!scan_plain(z))
                    return false;
                value = false;
                continue;
            }
            if (depth == SCAN_DEPTH_MAX)
                return expected(z, "exceeded max depth");
            open[depth++] = c;
            z->at++;
            bool end = false;
            if (c == '{' && !scan_key(z, true, &end))
                return false;
            skip_space(z);
            if (c == '[' && z->at < z->s.len && z->s.ptr[z->at] == ']')
                end = true;
            value = !end;
            continue;
        }
        if (depth == 0)
            return z->at >= z->s.len || expected(z, "after top-level value");
        bool object = open[depth - 1] == '{';
        if (z->at >= z->s.len ||
            (z->s.ptr[z->at] != ',' && z->s.ptr[z->at] != (object ? '}' : ']')))
            return expected(z, object ? "after object key:value pair" : "after array element");
        bool comma = z->s.ptr[z->at++] == ',';
        if (!comma) {
            depth--;
            continue;
        }
        bool end;
        if (object && !scan_key(z, false, &end))
            return false;
        value = true;
    }
}

/* Go quotes the byte as a character. */
static void quote_char(char out[static 16], char c)
{
    if (c == '\'' || c == '\\')
        snprintf(out, 16, "'\\%c'", c);
    else if (c == '\n' || c == '\r' || c == '\t')
        snprintf(out, 16, "'\\%c'", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    else if ((uint8_t)c < 0x20 || c == 0x7f)
        snprintf(out, 16, "'\\x%02x'", (unsigned)(uint8_t)c);
    else if ((uint8_t)c < 0x80)
        snprintf(out, 16, "'%c'", c);
    else /* Go takes the byte for a character of Latin-1 */
        snprintf(out, 16, "'%c%c'", (char)(0xc0 | ((uint8_t)c >> 6)), (char)(0x80 | (c & 0x3f)));
}

static JSValue throw_bad_json(JSContext *ctx, struct str body)
{
    char *open = js_malloc(ctx, SCAN_DEPTH_MAX);
    if (!open)
        return JS_EXCEPTION;
    struct scan z = {.s = body};
    bool good = scan_text(&z, open);
    js_free(ctx, open);
    if (good) /* a number too large or the like: QuickJS said no where Go's grammar says yes */
        return js_throw(ctx, "cannot parse json");
    size_t offset = z.looking_for ? z.at : body.len - (body.len > 0);
    int line = 1, character = 0;
    for (size_t i = 0; i < body.len; i++) {
        if ((body.ptr[i] & 0xc0) == 0x80)
            continue; /* k6 counts characters */
        if (body.ptr[i] == '\n') {
            line++;
            character = 0;
        }
        character++;
        if (i >= offset)
            break;
    }
    char quoted[16] = "";
    if (z.looking_for)
        quote_char(quoted, body.ptr[z.at]);
    return js_throw(
        ctx, "cannot parse json due to an error at line %d, character %d , error: %s%s%s%s", line,
        character, z.looking_for ? "invalid character " : "", quoted,
        z.looking_for ? " " : "unexpected end of JSON input", z.looking_for ? z.looking_for : "");
}

JSValue http_json_parse(JSContext *ctx, struct str body)
{
    JSValue v = JS_ParseJSON(ctx, body.ptr, body.len, "<response>");
    if (!JS_IsException(v))
        return v;
    JS_FreeValue(ctx, JS_GetException(ctx));
    if (!is_ascii(body) && !str_is_utf8(body)) {
        CLEANUP(buf_fini) struct buf fixed;
        buf_init(&fixed, SIZE_MAX / 2);
        append_fixed(&fixed, body);
        const char *text = buf_cstr(&fixed);
        if (!text)
            return JS_ThrowOutOfMemory(ctx);
        v = JS_ParseJSON(ctx, text, fixed.len, "<response>");
        if (!JS_IsException(v))
            return v;
        JS_FreeValue(ctx, JS_GetException(ctx));
    }
    return throw_bad_json(ctx, body);
}

/* ---- gjson paths ---------------------------------------------------------------------------- */

enum { PATH_DEPTH_MAX = 100 };

/* One component of a path, escapes still in it. */
struct part {
    struct str text;
    bool wild;  /* '*' or '?' that isn't escaped */
    bool piped; /* '|' behind it: what follows applies to the result as a whole */
    bool last;
};

static JSValue get_path(JSContext *ctx, JSValueConst v, struct str path, int depth);

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
    JSValue at = get_path(ctx, v, q->path, depth + 1);
    int holds = JS_IsException(at) ? -1 : query_holds(ctx, at, q);
    JS_FreeValue(ctx, at);
    return holds;
}

/* Goes on from a value with what is left of the path. */
static JSValue go_on(JSContext *ctx, JSValue v, struct part part, struct str rest, int depth)
{
    if (part.last || JS_IsException(v) || JS_IsUndefined(v))
        return v;
    JSValue next = get_path(ctx, v, rest, depth + 1);
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
    JSValue list = q.all ? JS_NewArray(ctx) : JS_UNDEFINED;
    int rc = 0;
    for (uint32_t i = 0; i < len && rc == 0; i++) {
        JSValue element = JS_GetPropertyUint32(ctx, v, i);
        int holds = hash ? 1 : element_matches(ctx, element, &q, depth);
        if (holds > 0 && !q.all)
            return go_on(ctx, element, part, rest, depth);
        if (holds > 0)
            rc = collect(ctx, list, &found, element, part, rest, depth);
        else
            JS_FreeValue(ctx, element);
        rc = rc == 0 && holds >= 0 ? js_check_slice(ctx) : -1;
    }
    if (rc < 0) {
        JS_FreeValue(ctx, list);
        return JS_EXCEPTION;
    }
    return q.all && part.piped ? go_on(ctx, list, part, rest, depth) : list;
}

static JSValue get_path(JSContext *ctx, JSValueConst v, struct str path, int depth)
{
    if (depth > PATH_DEPTH_MAX)
        return JS_UNDEFINED;
    JSValue at = JS_DupValue(ctx, v);
    for (struct part part = {.last = false}; !part.last;) {
        part = cut_part(&path);
        char first = part.text.len > 0 ? part.text.ptr[0] : '\0';
        if (str_eqz(part.text, "@this"))
            continue;
        if (first == '@' || first == '{' || first == '[') {
            JS_FreeValue(ctx, at);
            return js_throw(ctx, "the gjson %s \"%.*s\" isn't there yet",
                            first == '@' ? "modifier" : "multipath", STR_ARG(part.text));
        }
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
    return path.len == 0 ? JS_UNDEFINED : get_path(ctx, root, path, 0);
}
