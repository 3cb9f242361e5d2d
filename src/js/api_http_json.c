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
