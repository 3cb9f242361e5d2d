#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

void clock_format_utc(int64_t wall_ns, int fraction_digits, char out[static 40])
{
    int64_t s = wall_ns / NS_PER_S, ns = wall_ns % NS_PER_S;
    if (ns < 0) {
        s--;
        ns += NS_PER_S;
    }
    time_t t = (time_t)s;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL) {
        snprintf(out, 40, "invalid time");
        return;
    }
    size_t n = strftime(out, 30, "%Y-%m-%dT%H:%M:%S", &tm);
    if (fraction_digits > 0) {
        for (int i = fraction_digits; i < 9; i++)
            ns /= 10;
        n += (size_t)snprintf(out + n, 40 - n, ".%0*lld", fraction_digits, (long long)ns);
    }
    snprintf(out + n, 40 - n, "Z");
}
