#include "js/json_read.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

enum { TURN_VALUES = 4096 }; /* between two calls of turn() */

struct reader {
    const char *p, *end;
    const struct json_sink *sink;
    void *arg;
    uint8_t *levels; /* 1: array, 0: object; the innermost last */
    size_t len, cap;
    struct buf scratch; /* a string whose escapes are resolved */
    uint32_t values;
};

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
        return E_CORRUPT;
    for (int i = 0; i < 4; i++) {
        char c = *r->p++;
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit > 15)
            return E_CORRUPT;
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
        return E_CORRUPT;
    if (c >= 0xd800 && c < 0xdc00 && r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u') {
        const char *before = r->p;
        r->p += 2;
        if (hex4(r, &low) < 0)
            return E_CORRUPT;
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
        return E_CORRUPT;
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
                return E_CORRUPT;
            continue;
        }
        start = r->p;
        while (r->p < r->end && *r->p != '"' && *r->p != '\\')
            r->p++;
        buf_append(&r->scratch, start, (size_t)(r->p - start));
    }
    if (r->p == r->end)
        return E_CORRUPT;
    r->p++;
    if (buf_finish(&r->scratch) < 0)
        return buf_finish(&r->scratch);
    *ret = buf_view(&r->scratch);
    return 0;
}

/* ---- other scalars --------------------------------------------------------------------------- */

static bool is_number_char(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static int read_number(struct reader *r)
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
        return r->sink->whole(r->arg, i);
    return str_to_double(text, &d) == 0 ? r->sink->number(r->arg, d) : E_CORRUPT;
}

static int read_word(struct reader *r, const char *word, enum json_word w)
{
    size_t len = strlen(word);
    if ((size_t)(r->end - r->p) < len || memcmp(r->p, word, len) != 0)
        return E_CORRUPT;
    r->p += len;
    return r->sink->word(r->arg, w);
}

/* ---- arrays and objects -----------------------------------------------------------------------
 */

static int push(struct reader *r, bool is_array)
{
    int rc = mem_grow(&r->levels, &r->cap, r->len + 1, JS_FROZEN_DEPTH_MAX, sizeof *r->levels);
    if (rc < 0)
        return rc == -E2BIG ? err_set(E_LIMIT, "data that is nested too deeply") : rc;
    r->levels[r->len++] = is_array;
    r->p++;
    return r->sink->begin(r->arg, is_array);
}

static int read_key(struct reader *r)
{
    struct str key;
    if (!take(r, '"'))
        return E_CORRUPT;
    int rc = read_string(r, &key);
    if (rc == 0)
        rc = r->sink->key(r->arg, key);
    return rc < 0 ? rc : take(r, ':') ? 0 : E_CORRUPT;
}

static int read_text(struct reader *r)
{
    struct str s;
    r->p++;
    int rc = read_string(r, &s);
    return rc < 0 ? rc : r->sink->text(r->arg, s);
}

/* 0: a scalar; 1: an array or object has begun. */
static int read_value(struct reader *r)
{
    char c = peek(r);
    switch (c) {
    case '{':
    case '[': {
        int rc = push(r, c == '[');
        return rc < 0 ? rc : 1;
    }
    case '"':
        return read_text(r);
    case 't':
        return read_word(r, "true", JSON_TRUE);
    case 'f':
        return read_word(r, "false", JSON_FALSE);
    case 'n':
        return read_word(r, "null", JSON_NULL);
    default:
        return read_number(r);
    }
}

/* Where the next value of the innermost level begins: 1; its end has come: 0. */
static int next_in_level(struct reader *r, bool first)
{
    bool is_array = r->levels[r->len - 1];
    if (take(r, is_array ? ']' : '}')) {
        r->len--;
        return r->sink->end(r->arg, is_array);
    }
    if (!first && !take(r, ','))
        return E_CORRUPT;
    int rc = is_array ? 0 : read_key(r);
    return rc < 0 ? rc : 1;
}

static int read_all(struct reader *r)
{
    for (;;) {
        int more = read_value(r);
        if (more == 1)
            more = next_in_level(r, true);
        while (more == 0 && r->len > 0)
            more = next_in_level(r, false);
        if (more <= 0)
            return more;
        if (++r->values % TURN_VALUES == 0 && (more = r->sink->turn(r->arg)) < 0)
            return more;
    }
}

int json_read(struct str json, const struct json_sink *sink, void *arg, struct str *ret_rest)
{
    struct reader r = {.p = json.ptr, .end = json.ptr + json.len, .sink = sink, .arg = arg};
    buf_init(&r.scratch, JS_TEXT_MAX);
    int rc = read_all(&r);
    if (ret_rest)
        *ret_rest = str_new(r.p, (size_t)(r.end - r.p));
    mem_free(r.levels);
    buf_fini(&r.scratch);
    return rc;
}
