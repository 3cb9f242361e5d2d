#include "codec/duration.h"

#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

static const struct {
    const char *name;
    int64_t ns;
} units[] = {
    {"ns", 1},
    {"us", NS_PER_US},
    {"\xc2\xb5s", NS_PER_US}, /* U+00B5, micro sign */
    {"\xce\xbcs", NS_PER_US}, /* U+03BC, Greek mu */
    {"ms", NS_PER_MS},
    {"s", NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"h", 3600 * NS_PER_S},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int invalid(struct str text)
{
    return err_set(E_CONFIG, "time: invalid duration \"%.*s\"", STR_ARG(text));
}

/* Cuts the digits off the front of *s: their value in *ret, how many they were in *ret_len.
 * -ERANGE when they pass what a duration can hold. */
static int cut_digits(struct str *s, uint64_t *ret, size_t *ret_len)
{
    uint64_t v = 0;
    size_t n = 0;
    while (n < s->len && is_digit(s->ptr[n])) {
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s->ptr[n] - '0'), &v) || v > (uint64_t)INT64_MAX)
            return -ERANGE;
        n++;
    }
    *s = str_new(s->ptr + n, s->len - n);
    *ret = v;
    *ret_len = n;
    return 0;
}

/* Digits after the point: as many as count for a fraction of an hour in ns; the rest is dropped. */
static size_t cut_fraction(struct str *s, uint64_t *ret, double *ret_scale)
{
    uint64_t v = 0;
    double scale = 1;
    size_t n = 0;
    while (n < s->len && is_digit(s->ptr[n])) {
        if (v <= (uint64_t)INT64_MAX / 10 - 1) {
            v = v * 10 + (uint64_t)(s->ptr[n] - '0');
            scale *= 10;
        }
        n++;
    }
    *s = str_new(s->ptr + n, s->len - n);
    *ret = v;
    *ret_scale = scale;
    return n;
}

static int64_t unit_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_eqz(name, units[i].name))
            return units[i].ns;
    return 0;
}

/* One "12.5ms" off the front of *s, added to *sum. */
static int cut_part(struct str *s, struct str whole, uint64_t *sum)
{
    uint64_t number = 0, fraction = 0;
    double scale = 1;
    size_t digits = 0, fraction_digits = 0;
    if (cut_digits(s, &number, &digits) < 0)
        return invalid(whole);
    if (s->len > 0 && s->ptr[0] == '.') {
        *s = str_new(s->ptr + 1, s->len - 1);
        fraction_digits = cut_fraction(s, &fraction, &scale);
    }
    if (digits + fraction_digits == 0)
        return invalid(whole);

    size_t n = 0;
    while (n < s->len && s->ptr[n] != '.' && !is_digit(s->ptr[n]))
        n++;
    if (n == 0)
        return err_set(E_CONFIG, "time: missing unit in duration \"%.*s\"", STR_ARG(whole));
    struct str name = str_new(s->ptr, n);
    *s = str_new(s->ptr + n, s->len - n);
    int64_t unit = unit_find(name);
    if (unit == 0)
        return err_set(E_CONFIG, "time: unknown unit \"%.*s\" in duration \"%.*s\"", STR_ARG(name),
                       STR_ARG(whole));

    uint64_t ns;
    if (__builtin_mul_overflow(number, (uint64_t)unit, &ns))
        return invalid(whole);
    ns += (uint64_t)((double)fraction * ((double)unit / scale));
    if (__builtin_add_overflow(*sum, ns, sum) || *sum > (uint64_t)INT64_MAX)
        return invalid(whole);
    return 0;
}

int duration_parse_go(struct str text, int64_t *ret_ns)
{
    struct str s = text;
    bool negative = false;
    if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
        negative = s.ptr[0] == '-';
        s = str_new(s.ptr + 1, s.len - 1);
    }
    if (s.len == 0)
        return invalid(text);
    uint64_t sum = 0;
    if (!str_eqz(s, "0"))
        while (s.len > 0) {
            int rc = cut_part(&s, text, &sum);
            if (rc < 0)
                return rc;
        }
    *ret_ns = negative ? -(int64_t)sum : (int64_t)sum;
    return 0;
}

int duration_parse(struct str text, int64_t *ret_ns)
{
    double ms;
    if (str_to_double(text, &ms) == 0) {
        double ns = ms * (double)NS_PER_MS;
        if (!isfinite(ns) || fabs(ns) >= (double)INT64_MAX)
            return invalid(text);
        *ret_ns = (int64_t)ns;
        return 0;
    }
    ptrdiff_t at = str_find(text, 'd');
    if (at < 0)
        return duration_parse_go(text, ret_ns);

    int64_t days, rest = 0, sum;
    if (str_to_i64(str_new(text.ptr, (size_t)at), &days) < 0)
        return invalid(text);
    struct str after = str_new(text.ptr + at + 1, text.len - (size_t)at - 1);
    if (after.len > 0) {
        int rc = duration_parse_go(after, &rest);
        if (rc < 0)
            return rc;
    }
    if (rest < 0)
        return invalid(text);
    if (text.ptr[0] == '-')
        rest = -rest;
    if (__builtin_mul_overflow(days, 24 * 3600 * NS_PER_S, &sum) ||
        __builtin_add_overflow(sum, rest, &sum))
        return invalid(text);
    *ret_ns = sum;
    return 0;
}

/* Appends value / 10^digits in decimal, without trailing zeros. */
static int format_fraction(char *out, size_t size, uint64_t value, uint64_t unit, const char *name)
{
    uint64_t whole = value / unit, fraction = value % unit;
    if (fraction == 0)
        return snprintf(out, size, "%llu%s", (unsigned long long)whole, name);
    int digits = 0;
    for (uint64_t u = unit; u > 1; u /= 10)
        digits++;
    while (fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    return snprintf(out, size, "%llu.%0*llu%s", (unsigned long long)whole, digits,
                    (unsigned long long)fraction, name);
}

int duration_format(int64_t ns, char out[static DURATION_TEXT_MAX])
{
    char *p = out;
    size_t size = DURATION_TEXT_MAX;
    uint64_t v = (uint64_t)ns;
    if (ns < 0) {
        v = 0 - v;
        *p++ = '-';
        size--;
    }
    int n;
    if (v == 0)
        n = snprintf(p, size, "0s");
    else if (v < (uint64_t)NS_PER_US)
        n = snprintf(p, size, "%lluns", (unsigned long long)v);
    else if (v < (uint64_t)NS_PER_MS)
        n = format_fraction(p, size, v, (uint64_t)NS_PER_US, "\xc2\xb5s");
    else if (v < (uint64_t)NS_PER_S)
        n = format_fraction(p, size, v, (uint64_t)NS_PER_MS, "ms");
    else {
        uint64_t minutes = v / (60 * (uint64_t)NS_PER_S);
        n = 0;
        if (minutes >= 60)
            n = snprintf(p, size, "%lluh", (unsigned long long)(minutes / 60));
        if (minutes > 0)
            n += snprintf(p + n, size - (size_t)n, "%llum", (unsigned long long)(minutes % 60));
        n += format_fraction(p + n, size - (size_t)n, v % (60 * (uint64_t)NS_PER_S),
                             (uint64_t)NS_PER_S, "s");
    }
    return n + (int)(p - out);
}

int64_t duration_round(int64_t ns, int64_t unit_ns)
{
    int64_t half = unit_ns / 2;
    if (ns >= 0)
        return (ns > INT64_MAX - half ? ns : ns + half) / unit_ns * unit_ns;
    return (ns < INT64_MIN + half ? ns : ns - half) / unit_ns * unit_ns;
}
