#include "output/timetext.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void timetext_init(struct timetext *t)
{
    *t = (struct timetext){.second = INT64_MIN};
}

static void reach(struct timetext *t, int64_t second)
{
    if (t->second == second)
        return;
    struct tm tm = {0};
    time_t then = (time_t)second;
    (void)localtime_r(&then, &tm);
    t->second = second;
    int n = snprintf(t->date, sizeof t->date, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900,
                     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    t->date_len = n > 0 ? MIN((size_t)n, sizeof t->date - 1) : 0;
    int minutes = (int)(tm.tm_gmtoff / 60);
    unsigned size = (unsigned)abs(minutes);
    n = minutes == 0 ? snprintf(t->zone, sizeof t->zone, "Z")
                     : snprintf(t->zone, sizeof t->zone, "%c%02u:%02u", minutes < 0 ? '-' : '+',
                                size / 60 % 100, size % 60);
    t->zone_len = n > 0 ? MIN((size_t)n, sizeof t->zone - 1) : 0;
}

/* Whole seconds, and what is left of them: never negative. */
static int64_t split(int64_t wall_ns, int64_t *ret_rest)
{
    int64_t second = wall_ns / NS_PER_S, rest = wall_ns % NS_PER_S;
    if (rest < 0) {
        rest += NS_PER_S;
        second--;
    }
    *ret_rest = rest;
    return second;
}

void timetext_seconds(struct timetext *t, struct buf *out, int64_t wall_ns)
{
    int64_t rest;
    reach(t, split(wall_ns, &rest));
    buf_append(out, t->date, t->date_len);
    buf_append(out, t->zone, t->zone_len);
}

void timetext_nanos(struct timetext *t, struct buf *out, int64_t wall_ns)
{
    int64_t rest;
    reach(t, split(wall_ns, &rest));
    buf_append(out, t->date, t->date_len);
    if (rest > 0) {
        char digits[10];
        size_t len = sizeof digits;
        digits[0] = '.';
        for (size_t i = 9; i > 0; i--, rest /= 10)
            digits[i] = (char)('0' + rest % 10);
        while (digits[len - 1] == '0')
            len--;
        buf_append(out, digits, len);
    }
    buf_append(out, t->zone, t->zone_len);
}
