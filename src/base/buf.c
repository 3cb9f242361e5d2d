#include "base/buf.h"

#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){.max = b->max};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->err = 0;
}

static int grow(struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : 64;

    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    uint8_t *p = mem_realloc(b->data, cap);
    if (p == NULL)
        return -ENOMEM;
    b->data = p;
    b->cap = cap;
    return 0;
}

uint8_t *buf_reserve(struct buf *b, size_t len)
{
    if (b->err != 0)
        return NULL;
    if (len > b->max - b->len) {
        b->err = -EMSGSIZE;
        return NULL;
    }
    if ((!b->data || b->len + len > b->cap) && (b->err = grow(b, b->len + len)) != 0)
        return NULL;
    return b->data + b->len;
}

void buf_claim(struct buf *b, size_t len)
{
    CHECK(len <= b->cap - b->len);
    b->len += len;
}

void buf_append(struct buf *b, const void *src, size_t len)
{
    if (len == 0)
        return;
    uint8_t *p = buf_reserve(b, len);
    if (p == NULL)
        return;
    memcpy(p, src, len);
    b->len += len;
}

void buf_str(struct buf *b, struct str s)
{
    buf_append(b, s.ptr, s.len);
}

void buf_z(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

void buf_byte(struct buf *b, uint8_t c)
{
    buf_append(b, &c, 1);
}

void buf_fill(struct buf *b, uint8_t c, size_t n)
{
    uint8_t *p = n ? buf_reserve(b, n) : NULL;
    if (p == NULL)
        return;
    memset(p, c, n);
    b->len += n;
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    if (b->err != 0)
        return;
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n <= 0)
        return;
    size_t len = (size_t)n;
    if (len > b->max - b->len) {
        b->err = -EMSGSIZE;
        return;
    }
    /* One byte more than max allows, for vsnprintf's NUL. */
    if (b->len + len + 1 > b->cap && (b->err = grow(b, b->len + len + 1)) != 0)
        return;
    vsnprintf((char *)b->data + b->len, len + 1, fmt, ap);
    b->len += len;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

static void json_escape(struct buf *b, uint8_t c)
{
    switch (c) {
    case '"':
        buf_z(b, "\\\"");
        break;
    case '\\':
        buf_z(b, "\\\\");
        break;
    case '\n':
        buf_z(b, "\\n");
        break;
    case '\r':
        buf_z(b, "\\r");
        break;
    case '\t':
        buf_z(b, "\\t");
        break;
    default:
        buf_printf(b, "\\u%04x", (unsigned)c);
        break;
    }
}

void buf_json_str(struct buf *b, struct str s)
{
    bool valid = str_is_utf8(s);
    size_t from = 0;

    buf_byte(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        bool plain = c >= 0x20 && c != '"' && c != '\\' && (valid || c < 0x80);
        if (plain)
            continue;
        if (i > from)
            buf_append(b, s.ptr + from, i - from);
        from = i + 1;
        if (c >= 0x80)
            buf_z(b, "\xef\xbf\xbd");
        else
            json_escape(b, c);
    }
    if (s.len > from)
        buf_append(b, s.ptr + from, s.len - from);
    buf_byte(b, '"');
}

void buf_json_double(struct buf *b, double v)
{
    if (!isfinite(v)) {
        buf_z(b, "null");
        return;
    }
    if (fabs(v) < 1e15 && v == (double)(int64_t)v) {
        buf_printf(b, "%lld", (long long)v);
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buf_z(b, text);
}

void buf_shift(struct buf *b, size_t len)
{
    CHECK(len <= b->len);
    b->len -= len;
    if (b->len > 0)
        memmove(b->data, b->data + len, b->len);
}

int buf_finish(const struct buf *b)
{
    return b->err;
}

struct str buf_view(const struct buf *b)
{
    return str_new(b->data, b->len);
}

const char *buf_cstr(struct buf *b)
{
    if (b->err != 0)
        return NULL;
    if (b->len + 1 > b->cap && (b->err = grow(b, b->len + 1)) != 0)
        return NULL;
    b->data[b->len] = '\0';
    return (const char *)b->data;
}

uint8_t *buf_take(struct buf *b, size_t *ret_len)
{
    uint8_t *p = b->data;

    *ret_len = b->len;
    *b = (struct buf){.max = b->max};
    return p;
}
