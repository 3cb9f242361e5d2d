#include "output/numfmt.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool numfmt_unit_parse(struct str s, enum numfmt_unit *ret)
{
    static const char *const names[] = {
        [NUMFMT_AUTO] = "", [NUMFMT_S] = "s", [NUMFMT_MS] = "ms", [NUMFMT_US] = "us"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eqz(s, names[i])) {
            *ret = (enum numfmt_unit)i;
            return true;
        }
    }
    return false;
}

static bool not_finite(struct buf *out, double v)
{
    if (isfinite(v))
        return false;
    buf_z(out, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
    return true;
}

/* Numbers of at most six decimals, which nearly all are (milliseconds of whole nanoseconds): up to
 * 15 digits there is one decimal a double, so what reads back is the shortest, too. */
static bool short_decimal(struct buf *out, double v)
{
    double a = fabs(v);
    if (!(a < 1e9))
        return false;
    uint64_t millionths = (uint64_t)(a * 1e6 + 0.5);
    if ((double)millionths / 1e6 != a)
        return false;
    uint64_t whole = millionths / 1000000, rest = millionths % 1000000;
    char text[24];
    size_t at = sizeof text;
    if (rest > 0) {
        int digits = 6;
        for (; rest % 10 == 0; rest /= 10)
            digits--;
        for (; digits > 0; digits--, rest /= 10)
            text[--at] = (char)('0' + rest % 10);
        text[--at] = '.';
    }
    do
        text[--at] = (char)('0' + whole % 10);
    while ((whole /= 10) > 0);
    if (v < 0)
        text[--at] = '-';
    buf_append(out, text + at, sizeof text - at);
    return true;
}

void numfmt_js(struct buf *out, double v)
{
    if (not_finite(out, v))
        return;
    if (v == 0) {
        buf_z(out, "0");
        return;
    }
    if (short_decimal(out, v))
        return;
    /* Digits and exponent of the shortest form that reads back. */
    char text[40];
    int digits = 1;
    for (; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*e", digits - 1, v);
        if (strtod(text, NULL) == v) /* our own text */
            break;
    }
    char *e = strchr(text, 'e');
    int exponent = 0; /* behind "e+" or "e-" */
    for (const char *c = e + 2; *c; c++)
        exponent = exponent * 10 + (*c - '0');
    if (e[1] == '-')
        exponent = -exponent;
    int decimals = digits - 1 - exponent;
    if (exponent < 21 && exponent >= -6 && decimals > 0) {
        buf_printf(out, "%.*f", decimals, v);
        return;
    }
    if (exponent < 21 && exponent >= -6) {
        /* An integer: its digits, then zeros, though the double may be a little off them. */
        for (const char *c = text; c < e; c++) {
            if (*c != '.')
                buf_byte(out, (uint8_t)*c);
        }
        buf_fill(out, '0', (size_t)-decimals);
        return;
    }
    *e = '\0';
    buf_printf(out, "%se%+d", text, exponent);
}

enum { FIXED_MAX = 80, TIE_DIGITS = 40 };

/* Rounds ties away from zero, as JavaScript's toFixed() does (printf rounds them to even).  |v| is
 * below 1e21. */
static void to_fixed(char out[static FIXED_MAX], double v, int decimals)
{
    (void)snprintf(out, FIXED_MAX, "%.*f", TIE_DIGITS, v);
    /* A tie ends in a single 5; doubles that only look like one have digits further on. */
    const char *digits = strchr(out, '.') + 1 + decimals;
    bool tie = *digits == '5' && strspn(digits + 1, "0") == strlen(digits + 1);
    if (tie)
        v = nextafter(v, v > 0 ? HUGE_VAL : -HUGE_VAL);
    (void)snprintf(out, FIXED_MAX, "%.*f", decimals, v);
}

static void fixed(struct buf *out, double v, int decimals)
{
    if (!isfinite(v) || fabs(v) >= 1e21) {
        numfmt_js(out, v);
        return;
    }
    char text[FIXED_MAX];
    to_fixed(text, v, decimals);
    buf_z(out, text);
}

static void trim_zeros(char *text)
{
    if (!strchr(text, '.'))
        return;
    size_t len = strlen(text);
    while (text[len - 1] == '0')
        text[--len] = '\0';
    if (text[len - 1] == '.')
        text[len - 1] = '\0';
    if (strcmp(text, "-0") == 0)
        memmove(text, "0", 2);
}

/* Fixed decimals without trailing zeros. */
static void fixed_trimmed(struct buf *out, double v, int decimals)
{
    if (not_finite(out, v))
        return;
    if (fabs(v) >= 1e21) {
        numfmt_js(out, v);
        return;
    }
    char text[FIXED_MAX];
    to_fixed(text, v, decimals);
    trim_zeros(text);
    buf_z(out, text);
}

static void fixed_truncated(struct buf *out, double v, int decimals)
{
    double scale = decimals == 2 ? 100 : 1;
    fixed_trimmed(out, trunc(scale * v) / scale, decimals);
}

void numfmt_plain(struct buf *out, double v)
{
    fixed_trimmed(out, v, 6);
}

void numfmt_percent(struct buf *out, double share)
{
    fixed(out, trunc(share * 100 * 100) / 100, 2);
    buf_z(out, "%");
}

void numfmt_bytes(struct buf *out, double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
    if (!(bytes >= 10)) {
        numfmt_js(out, bytes);
        buf_z(out, " B");
        return;
    }
    size_t e = (size_t)MIN(floor(log(bytes) / log(1000)), (double)(ARRAY_LEN(units) - 1));
    double v = floor(bytes / pow(1000, (double)e) * 10 + 0.5) / 10;
    fixed(out, v, v < 10 ? 1 : 0);
    buf_printf(out, " %s", units[e]);
}

static void duration_auto(struct buf *out, double ms)
{
    if (not_finite(out, ms))
        return;
    if (ms == 0) {
        buf_z(out, "0s");
    } else if (ms < 0.001) {
        numfmt_js(out, trunc(ms * 1000000));
        buf_z(out, "ns");
    } else if (ms < 1) {
        fixed_truncated(out, ms * 1000, 2);
        buf_z(out, "µs");
    } else if (ms < 1000) {
        fixed_truncated(out, ms, 2);
        buf_z(out, "ms");
    } else {
        double minutes = trunc(ms / 60000);
        double hours = trunc(minutes / 60);
        if (hours >= 1)
            buf_printf(out, "%.0fh", hours);
        if (minutes >= 1)
            buf_printf(out, "%.0fm", fmod(minutes, 60));
        fixed_truncated(out, fmod(ms, 60000) / 1000, ms > 60000 ? 0 : 2);
        buf_z(out, "s");
    }
}

void numfmt_duration(struct buf *out, double ms, enum numfmt_unit unit)
{
    switch (unit) {
    case NUMFMT_AUTO:
        duration_auto(out, ms);
        return;
    case NUMFMT_S:
        fixed(out, ms * 0.001, 2);
        buf_z(out, "s");
        return;
    case NUMFMT_MS:
        fixed(out, ms, 2);
        buf_z(out, "ms");
        return;
    case NUMFMT_US:
        fixed(out, ms * 1000, 2);
        buf_z(out, "µs");
        return;
    }
}

void numfmt_value(struct buf *out, double v, enum metric_type type, enum metric_contains contains,
                  enum numfmt_unit unit)
{
    if (type == METRIC_RATE) {
        numfmt_percent(out, v);
        return;
    }
    switch (contains) {
    case METRIC_DEFAULT:
        numfmt_plain(out, v);
        return;
    case METRIC_TIME:
        numfmt_duration(out, v, unit);
        return;
    case METRIC_DATA:
        numfmt_bytes(out, v);
        return;
    }
}

/* `ns` in a unit of `unit_ns`, fraction without trailing zeros. */
static void go_fraction(struct buf *out, uint64_t ns, uint64_t unit_ns, const char *unit)
{
    char text[32];
    int decimals = unit_ns == NS_PER_S    ? 9
                   : unit_ns == NS_PER_MS ? 6
                   : unit_ns == NS_PER_US ? 3
                                          : 0;
    if (decimals == 0)
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)ns);
    else
        (void)snprintf(text, sizeof text, "%llu.%0*llu", (unsigned long long)(ns / unit_ns),
                       decimals, (unsigned long long)(ns % unit_ns));
    trim_zeros(text);
    buf_printf(out, "%s%s", text, unit);
}

void numfmt_go_duration(struct buf *out, int64_t ns)
{
    uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (ns < 0)
        buf_byte(out, '-');
    if (u == 0) {
        buf_z(out, "0s");
    } else if (u < 1000) {
        go_fraction(out, u, 1, "ns");
    } else if (u < NS_PER_MS) {
        go_fraction(out, u, NS_PER_US, "µs");
    } else if (u < NS_PER_S) {
        go_fraction(out, u, NS_PER_MS, "ms");
    } else {
        uint64_t minutes = u / NS_PER_S / 60;
        if (minutes >= 60)
            buf_printf(out, "%lluh", (unsigned long long)(minutes / 60));
        if (minutes >= 1)
            buf_printf(out, "%llum", (unsigned long long)(minutes % 60));
        go_fraction(out, u % (60 * (uint64_t)NS_PER_S), NS_PER_S, "s");
    }
}
