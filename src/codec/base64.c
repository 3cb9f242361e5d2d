#include "codec/base64.h"

#include <stdbool.h>

#include "base/err.h"

enum { BAD = 0xff };

static const char std_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool is_url(enum base64_form form)
{
    return form == BASE64_URL || form == BASE64_RAW_URL;
}

static bool is_padded(enum base64_form form)
{
    return form == BASE64_STD || form == BASE64_URL;
}

size_t base64_encoded_len(enum base64_form form, size_t len)
{
    if (is_padded(form))
        return (len + 2) / 3 * 4;
    return len / 3 * 4 + (len % 3 * 8 + 5) / 6;
}

/* The one or two bytes that don't fill a group. */
static uint8_t *encode_tail(uint8_t *to, const uint8_t *p, size_t left, const char *digits,
                            bool pad)
{
    if (left == 0)
        return to;
    unsigned group = (unsigned)p[0] << 16 | (left > 1 ? (unsigned)p[1] << 8 : 0);
    *to++ = (uint8_t)digits[group >> 18];
    *to++ = (uint8_t)digits[group >> 12 & 63];
    if (left > 1)
        *to++ = (uint8_t)digits[group >> 6 & 63];
    else if (pad)
        *to++ = '=';
    if (pad)
        *to++ = '=';
    return to;
}

void base64_encode(struct buf *out, enum base64_form form, struct str in)
{
    uint8_t *start = buf_reserve(out, base64_encoded_len(form, in.len));
    if (!start)
        return;
    const char *digits = is_url(form) ? url_digits : std_digits;
    const uint8_t *p = (const uint8_t *)in.ptr;
    uint8_t *to = start;
    size_t whole = in.len / 3;
    for (size_t i = 0; i < whole; i++, p += 3) {
        unsigned group = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
        *to++ = (uint8_t)digits[group >> 18];
        *to++ = (uint8_t)digits[group >> 12 & 63];
        *to++ = (uint8_t)digits[group >> 6 & 63];
        *to++ = (uint8_t)digits[group & 63];
    }
    to = encode_tail(to, p, in.len % 3, digits, is_padded(form));
    buf_claim(out, (size_t)(to - start));
}

/* ---- decoding ------------------------------------------------------------------------------- */

static uint8_t digit_value(uint8_t c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return (uint8_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint8_t)(c - 'a' + 26);
    if (c >= '0' && c <= '9')
        return (uint8_t)(c - '0' + 52);
    if (c == (url ? '-' : '+'))
        return 62;
    return c == (url ? '_' : '/') ? 63 : BAD;
}

struct decoder {
    const uint8_t *p;
    size_t at, len;
    size_t bad_at;
    bool url, padded;
};

static void skip_line_ends(struct decoder *d)
{
    while (d->at < d->len && (d->p[d->at] == '\n' || d->p[d->at] == '\r'))
        d->at++;
}

static int bad(struct decoder *d, size_t at)
{
    d->bad_at = at;
    return E_CORRUPT;
}

/* What comes where a digit would: the padding after `have` digits, and then nothing more. */
static int read_padding(struct decoder *d, int have)
{
    size_t at = d->at++;
    if (!d->padded || d->p[at] != '=' || have < 2)
        return bad(d, at);
    if (have == 2) {
        skip_line_ends(d);
        if (d->at == d->len)
            return bad(d, d->len);
        if (d->p[d->at] != '=')
            return bad(d, d->at - 1);
        d->at++;
    }
    skip_line_ends(d);
    return d->at < d->len ? bad(d, d->at) : 0;
}

/* Up to four digits: how many there are, 0 at the end of the text. */
static int read_group(struct decoder *d, uint32_t *ret)
{
    uint32_t group = 0;
    for (int have = 0; have < 4; have++) {
        skip_line_ends(d);
        if (d->at == d->len) {
            if (have == 1 || (have > 1 && d->padded))
                return bad(d, d->at - (size_t)have);
            *ret = group;
            return have;
        }
        uint8_t v = digit_value(d->p[d->at], d->url);
        if (v == BAD) {
            int rc = read_padding(d, have);
            *ret = group;
            return rc < 0 ? rc : have;
        }
        group |= (uint32_t)v << (18 - 6 * have);
        d->at++;
    }
    *ret = group;
    return 4;
}

int base64_decode(struct buf *out, enum base64_form form, struct str in, size_t *ret_at)
{
    struct decoder d = {.p = (const uint8_t *)in.ptr,
                        .len = in.len,
                        .url = is_url(form),
                        .padded = is_padded(form)};
    uint8_t *start = buf_reserve(out, in.len / 4 * 3 + 3);
    if (!start)
        return buf_finish(out);
    uint8_t *to = start;
    for (;;) {
        uint32_t group;
        int have = read_group(&d, &group);
        if (have < 0) {
            *ret_at = d.bad_at;
            return have;
        }
        for (int i = 0; i + 1 < have; i++)
            *to++ = (uint8_t)(group >> (16 - 8 * i));
        if (have < 4)
            break;
    }
    buf_claim(out, (size_t)(to - start));
    return 0;
}
