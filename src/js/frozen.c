#include "js/frozen.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"

enum { TURN_VALUES = 4096 }; /* between looks at the clock */

/* An array or object that is being read. */
struct level {
    JSValue v;
    JSAtom key;   /* object: of the value that comes next */
    uint32_t len; /* array */
    bool is_array;
};

struct reader {
    JSContext *ctx;
    const char *p, *end;
    struct level *levels;
    size_t len, cap;
    struct buf scratch; /* a string whose escapes are resolved */
    uint32_t values;
};

static int malformed(struct reader *r)
{
    js_throw(r->ctx, "malformed JSON");
    return -1;
}

static char peek(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
    return r->p < r->end ? *r->p : '\0';
}

static bool take(struct reader *r, char c)
{
    if (peek(r) != c)
        return false;
    r->p++;
    return true;
}

/* ---- strings --------------------------------------------------------------------------------- */

static int hex4(struct reader *r, uint32_t *ret)
{
    uint32_t v = 0;
    if (r->end - r->p < 4)
        return malformed(r);
    for (int i = 0; i < 4; i++) {
        char c = *r->p++;
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit > 15)
            return malformed(r);
        v = v << 4 | digit;
    }
    *ret = v;
    return 0;
}

/* Halves of a pair that stand alone are written like characters: QuickJS reads them so. */
static void append_utf8(struct buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_byte(b, (uint8_t)c);
        return;
    }
    if (c < 0x800) {
        buf_byte(b, (uint8_t)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            buf_byte(b, (uint8_t)(0xe0 | c >> 12));
        } else {
            buf_byte(b, (uint8_t)(0xf0 | c >> 18));
            buf_byte(b, (uint8_t)(0x80 | (c >> 12 & 63)));
        }
        buf_byte(b, (uint8_t)(0x80 | (c >> 6 & 63)));
    }
    buf_byte(b, (uint8_t)(0x80 | (c & 63)));
}

static int read_unicode_escape(struct reader *r)
{
    uint32_t c, low;
    if (hex4(r, &c) < 0)
        return -1;
    if (c >= 0xd800 && c < 0xdc00 && r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u') {
        const char *before = r->p;
        r->p += 2;
        if (hex4(r, &low) < 0)
            return -1;
        if (low >= 0xdc00 && low < 0xe000)
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        else
            r->p = before;
    }
    append_utf8(&r->scratch, c);
    return 0;
}

static int read_escape(struct reader *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = r->p < r->end ? *r->p++ : '\0';
    if (c == 'u')
        return read_unicode_escape(r);
    const char *at = c != '\0' ? strchr(from, c) : NULL;
    if (!at)
        return malformed(r);
    buf_byte(&r->scratch, (uint8_t)to[at - from]);
    return 0;
}

/* Behind the first quote; the result is valid until the next string. */
static int read_string(struct reader *r, struct str *ret)
{
    const char *start = r->p;
    while (r->p < r->end && *r->p != '"' && *r->p != '\\')
        r->p++;
    *ret = str_new(start, (size_t)(r->p - start));
    if (r->p < r->end && *r->p == '"') {
        r->p++;
        return 0;
    }
    buf_reset(&r->scratch);
    buf_str(&r->scratch, *ret);
    while (r->p < r->end && *r->p != '"') {
        if (*r->p == '\\') {
            r->p++;
            if (read_escape(r) < 0)
                return -1;
            continue;
        }
        start = r->p;
        while (r->p < r->end && *r->p != '"' && *r->p != '\\')
            r->p++;
        buf_append(&r->scratch, start, (size_t)(r->p - start));
    }
    if (r->p == r->end)
        return malformed(r);
    r->p++;
    if (buf_finish(&r->scratch) < 0) {
        JS_ThrowOutOfMemory(r->ctx);
        return -1;
    }
    *ret = buf_view(&r->scratch);
    return 0;
}

/* ---- other scalars --------------------------------------------------------------------------- */

static bool is_number_char(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static int read_number(struct reader *r, JSValue *ret)
{
    enum { EXACT_DIGITS = 15 };
    const char *start = r->p;
    bool whole = true;
    for (; r->p < r->end && is_number_char(*r->p); r->p++)
        whole = whole && (*r->p == '-' || (*r->p >= '0' && *r->p <= '9'));
    struct str text = str_new(start, (size_t)(r->p - start));
    int64_t i;
    double d;
    if (whole && text.len <= EXACT_DIGITS && !str_eqz(text, "-0") && str_to_i64(text, &i) == 0)
        *ret = JS_NewInt64(r->ctx, i);
    else if (str_to_double(text, &d) == 0)
        *ret = JS_NewFloat64(r->ctx, d);
    else
        return malformed(r);
    return 0;
}

static int read_word(struct reader *r, const char *word, JSValue value, JSValue *ret)
{
    size_t len = strlen(word);
    if ((size_t)(r->end - r->p) < len || memcmp(r->p, word, len) != 0)
        return malformed(r);
    r->p += len;
    *ret = value;
    return 0;
}

/* ---- arrays and objects ------------------------------------------------------------------------
 */

static int push(struct reader *r, bool is_array)
{
    if (mem_grow(&r->levels, &r->cap, r->len + 1, JS_FROZEN_DEPTH_MAX, sizeof *r->levels) < 0) {
        js_throw(r->ctx, "data that is nested too deeply");
        return -1;
    }
    JSValue v = is_array ? JS_NewArray(r->ctx) : JS_NewObject(r->ctx);
    if (JS_IsException(v))
        return -1;
    r->levels[r->len++] = (struct level){.v = v, .key = JS_ATOM_NULL, .is_array = is_array};
    return 0;
}

static int read_key(struct reader *r)
{
    struct str key;
    if (!take(r, '"'))
        return malformed(r);
    if (read_string(r, &key) < 0)
        return -1;
    JSAtom atom = JS_NewAtomLen(r->ctx, key.ptr ? key.ptr : "", key.len);
    if (atom == JS_ATOM_NULL)
        return -1;
    r->levels[r->len - 1].key = atom;
    return take(r, ':') ? 0 : malformed(r);
}

/* Takes `v` over. */
static int attach(struct reader *r, JSValue v)
{
    struct level *top = &r->levels[r->len - 1];
    if (top->is_array)
        return JS_DefinePropertyValueUint32(r->ctx, top->v, top->len++, v, JS_PROP_ENUMERABLE);
    int rc = JS_DefinePropertyValue(r->ctx, top->v, top->key, v, JS_PROP_ENUMERABLE);
    JS_FreeAtom(r->ctx, top->key);
    top->key = JS_ATOM_NULL;
    return rc;
}

/* The array or object is complete: nothing can be added to it either. */
static int pop(struct reader *r, JSValue *ret)
{
    JSContext *ctx = r->ctx;
    struct level *top = &r->levels[r->len - 1];
    int rc = 0;
    if (top->is_array) {
        JSAtom length = JS_NewAtom(ctx, "length");
        rc = length == JS_ATOM_NULL
                 ? -1
                 : JS_DefineProperty(ctx, top->v, length, JS_UNDEFINED, JS_UNDEFINED, JS_UNDEFINED,
                                     JS_PROP_HAS_WRITABLE);
        JS_FreeAtom(ctx, length);
    }
    if (rc < 0 || JS_PreventExtensions(ctx, top->v) < 0)
        return -1;
    *ret = top->v;
    r->len--;
    return 0;
}

/* 0: a scalar is in *ret; 1: an array or object has begun. */
static int read_value(struct reader *r, JSValue *ret)
{
    struct str s;
    char c = peek(r);
    switch (c) {
    case '{':
    case '[':
        r->p++;
        return push(r, c == '[') < 0 ? -1 : 1;
    case '"':
        r->p++;
        if (read_string(r, &s) < 0)
            return -1;
        *ret = js_new_str(r->ctx, s);
        return JS_IsException(*ret) ? -1 : 0;
    case 't':
        return read_word(r, "true", JS_TRUE, ret);
    case 'f':
        return read_word(r, "false", JS_FALSE, ret);
    case 'n':
        return read_word(r, "null", JS_NULL, ret);
    default:
        return read_number(r, ret);
    }
}

/* Where the next value of the innermost level begins: 1; its end has come and it is in *ret: 0. */
static int next_in_level(struct reader *r, bool first, JSValue *ret)
{
    bool is_array = r->levels[r->len - 1].is_array;
    if (take(r, is_array ? ']' : '}'))
        return pop(r, ret);
    if (!first && !take(r, ','))
        return malformed(r);
    return !is_array && read_key(r) < 0 ? -1 : 1;
}

static int read_all(struct reader *r, JSValue *ret)
{
    for (;;) {
        JSValue v = JS_UNDEFINED;
        int more = read_value(r, &v);
        if (more == 1)
            more = next_in_level(r, true, &v);
        while (more == 0 && r->len > 0) {
            if (attach(r, v) < 0)
                return -1;
            more = next_in_level(r, false, &v);
        }
        if (more < 0)
            return -1;
        if (more == 0) {
            *ret = v;
            return 0;
        }
        if (++r->values % TURN_VALUES == 0 && js_check_slice(r->ctx) < 0)
            return -1;
    }
}

JSValue frozen_parse(JSContext *ctx, struct str json)
{
    struct reader r = {.ctx = ctx, .p = json.ptr, .end = json.ptr + json.len};
    buf_init(&r.scratch, JS_TEXT_MAX);
    JSValue v;
    int rc = read_all(&r, &v);
    for (size_t i = 0; i < r.len; i++) {
        JS_FreeValue(ctx, r.levels[i].v);
        JS_FreeAtom(ctx, r.levels[i].key);
    }
    mem_free(r.levels);
    buf_fini(&r.scratch);
    return rc < 0 ? JS_EXCEPTION : v;
}
