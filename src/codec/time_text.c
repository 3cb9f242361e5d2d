#include "codec/time_text.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"

/* `len` digits at *at, as a number; -1 when there aren't. */
static int digits(struct str s, size_t *at, size_t len)
{
    int v = 0;
    if (s.len - *at < len)
        return -1;
    for (size_t i = 0; i < len; i++) {
        char c = s.ptr[*at + i];
        if (c < '0' || c > '9')
            return -1;
        v = v * 10 + (c - '0');
    }
    *at += len;
    return v;
}

static bool one_of(struct str s, size_t *at, const char *set)
{
    if (*at >= s.len || !strchr(set, s.ptr[*at]))
        return false;
    (*at)++;
    return true;
}

/* ".123" as nanoseconds. */
static int64_t fraction(struct str s, size_t *at)
{
    int64_t ns = 0;
    int64_t unit = NS_PER_S;
    if (*at >= s.len || s.ptr[*at] != '.')
        return 0;
    for ((*at)++; *at < s.len && s.ptr[*at] >= '0' && s.ptr[*at] <= '9'; (*at)++) {
        unit /= 10;
        ns += (s.ptr[*at] - '0') * unit;
    }
    return ns;
}

/* "Z", "+02:00" or nothing, as seconds east; false when it is something else. */
static bool offset(struct str s, size_t *at, int64_t *ret_s)
{
    *ret_s = 0;
    if (*at == s.len)
        return true;
    if (one_of(s, at, "Zz"))
        return *at == s.len;
    int64_t sign = s.ptr[*at] == '-' ? -1 : 1;
    if (!one_of(s, at, "+- ")) /* a '+' that was decoded as a space */
        return false;
    int hours = digits(s, at, 2);
    (void)one_of(s, at, ":");
    int minutes = digits(s, at, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *ret_s = sign * (hours * 3600 + minutes * 60);
    return *at == s.len;
}

int time_text_parse(struct str text, int64_t *ret_ns)
{
    double seconds = 0;
    if (str_to_double(text, &seconds) == 0 && seconds >= 0 && seconds < 9e9) {
        *ret_ns = (int64_t)(seconds * 1e9);
        return 0;
    }
    size_t at = 0;
    struct tm tm = {0};
    tm.tm_year = digits(text, &at, 4) - 1900;
    bool good = tm.tm_year >= 70 && one_of(text, &at, "-");
    tm.tm_mon = good ? digits(text, &at, 2) - 1 : -1;
    good = good && tm.tm_mon >= 0 && tm.tm_mon < 12 && one_of(text, &at, "-");
    tm.tm_mday = good ? digits(text, &at, 2) : 0;
    good = good && tm.tm_mday >= 1 && tm.tm_mday <= 31;
    int64_t ns = 0;
    int64_t east_s = 0;
    if (good && at < text.len) {
        good = one_of(text, &at, "Tt ");
        tm.tm_hour = good ? digits(text, &at, 2) : -1;
        good = good && tm.tm_hour >= 0 && tm.tm_hour < 24 && one_of(text, &at, ":");
        tm.tm_min = good ? digits(text, &at, 2) : -1;
        good = good && tm.tm_min >= 0 && tm.tm_min < 60;
        if (good && one_of(text, &at, ":"))
            tm.tm_sec = digits(text, &at, 2);
        good = good && tm.tm_sec >= 0 && tm.tm_sec <= 60;
        ns = good ? fraction(text, &at) : 0;
        good = good && offset(text, &at, &east_s);
    }
    if (!good || tm.tm_year > 300)
        return err_set(E_CONFIG, "not a time: %.*s", STR_ARG(text));
    *ret_ns = ((int64_t)timegm(&tm) - east_s) * NS_PER_S + ns;
    return 0;
}
