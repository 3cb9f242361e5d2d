#include "traffic.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The recordings are flat JSON without escapes in what is read here, but for the bodies. */

static const char *after(const char *line, const char *key)
{
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":\"", key);
    const char *p = strstr(line, pattern);
    return p ? p + strlen(pattern) : NULL;
}

static void copy_field(const char *line, const char *key, char *out, size_t size)
{
    const char *p = after(line, key);
    size_t n = 0;
    for (; p && *p != '"' && n + 1 < size; p++)
        out[n++] = *p;
    out[n] = '\0';
}

static unsigned hex4(const char *p)
{
    unsigned v = 0;
    for (int i = 0; i < 4; i++)
        v = v * 16 + (unsigned)(p[i] <= '9' ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
    return v;
}

static void put_text(struct buf *out, const char *p)
{
    for (; *p != '"'; p++) {
        if (*p != '\\') {
            buf_byte(out, (uint8_t)*p);
            continue;
        }
        p++;
        if (*p == 'u') {
            assert_true(hex4(p + 1) < 0x80);
            buf_byte(out, (uint8_t)hex4(p + 1));
            p += 4;
        } else {
            buf_byte(out, (uint8_t)(*p == 'n' ? '\n' : *p == 't' ? '\t' : *p == 'r' ? '\r' : *p));
        }
    }
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c ? strchr(digits, c) : NULL;
    return p ? (int)(p - digits) : -1;
}

static void put_base64(struct buf *out, const char *p)
{
    uint32_t bits = 0;
    int have = 0;
    for (; base64_digit(*p) >= 0; p++) {
        bits = bits << 6 | (uint32_t)base64_digit(*p);
        have += 6;
        if (have >= 8) {
            have -= 8;
            buf_byte(out, (uint8_t)(bits >> have));
        }
    }
}

static void read_line(const char *line, struct traffic_request *r)
{
    copy_field(line, "method", r->method, sizeof r->method);
    copy_field(line, "path", r->path, sizeof r->path);
    copy_field(line, "content-type", r->type, sizeof r->type);
    copy_field(line, "content-encoding", r->encoding, sizeof r->encoding);
    copy_field(line, "k6-idempotency-key", r->key, sizeof r->key);
    buf_init(&r->body, 16 * 1024 * 1024);
    const char *base64 = after(line, "base64");
    if (base64)
        put_base64(&r->body, base64);
    const char *text = after(line, "text");
    if (!base64 && text)
        put_text(&r->body, text);
    assert_int_equal(buf_finish(&r->body), 0);
}

void traffic_load(struct traffic *t, const char *name)
{
    char path[1024];
    const char *root = getenv("SPATE_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tests/fixtures/k6-traffic/%s", root ? root : ".", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *line = NULL;
    size_t cap = 0;
    t->len = 0;
    while (getline(&line, &cap, f) > 0) {
        assert_true(t->len < TRAFFIC_MAX);
        read_line(line, &t->requests[t->len++]);
    }
    free(line);
    fclose(f);
    assert_true(t->len > 0);
}

void traffic_free(struct traffic *t)
{
    for (size_t i = 0; i < t->len; i++)
        buf_fini(&t->requests[i].body);
    t->len = 0;
}
