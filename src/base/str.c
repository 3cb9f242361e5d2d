#include "base/str.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_ieq(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    if (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0)
        return true; /* as it is mostly, and quicker */
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_new(s.ptr, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_new(s.ptr + (s.len - suffix.len), suffix.len), suffix);
}

int str_cmp(struct str a, struct str b)
{
    size_t n = MIN(a.len, b.len);
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    if (c != 0)
        return c;
    return a.len < b.len ? -1 : a.len > b.len;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

ptrdiff_t str_find(struct str s, char c)
{
    const char *p = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return p ? p - s.ptr : -1;
}

struct str str_cut(struct str s, char sep, struct str *rest)
{
    ptrdiff_t i = str_find(s, sep);
    if (i < 0) {
        *rest = STR_EMPTY;
        return s;
    }
    *rest = str_new(s.ptr + i + 1, s.len - (size_t)i - 1);
    return str_new(s.ptr, (size_t)i);
}

/* strto* want a NUL and take leading spaces; a number longer than this is not one of ours. */
enum { NUMBER_MAX = 400 };

static int number_text(struct str s, char text[static NUMBER_MAX + 1])
{
    if (s.len == 0 || s.len > NUMBER_MAX || is_space(s.ptr[0]) || memchr(s.ptr, '\0', s.len))
        return -EINVAL;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return 0;
}

int str_to_i64(struct str s, int64_t *ret)
{
    char text[NUMBER_MAX + 1], *end;
    if (number_text(s, text) < 0)
        return -EINVAL;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (*end != '\0' || end == text)
        return -EINVAL;
    if (errno != 0)
        return -ERANGE;
    *ret = v;
    return 0;
}

int str_to_u64(struct str s, uint64_t *ret)
{
    char text[NUMBER_MAX + 1], *end;
    if (number_text(s, text) < 0 || text[0] == '-')
        return -EINVAL;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end != '\0' || end == text)
        return -EINVAL;
    if (errno != 0)
        return -ERANGE;
    *ret = v;
    return 0;
}

int str_to_double(struct str s, double *ret)
{
    char text[NUMBER_MAX + 1], *end;
    if (number_text(s, text) < 0)
        return -EINVAL;
    errno = 0;
    double v = strtod(text, &end);
    if (*end != '\0' || end == text)
        return -EINVAL;
    *ret = v;
    return 0;
}

uint64_t str_hash(struct str s)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (uint8_t)s.ptr[i]) * 1099511628211u;
    h ^= h >> 32;
    return h * 0x9e3779b97f4a7c15u;
}

char *str_dup(struct str s)
{
    return mem_strndup(s.ptr, s.len);
}

/* Length of the well-formed sequence at p, 0 when there is none. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < n)
        return 0;
    uint8_t lo = 0x80, hi = 0xbf;
    if (p[0] == 0xe0)
        lo = 0xa0;
    else if (p[0] == 0xed)
        hi = 0x9f;
    else if (p[0] == 0xf0)
        lo = 0x90;
    else if (p[0] == 0xf4)
        hi = 0x8f;
    if (p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool str_is_utf8(struct str s)
{
    for (size_t i = 0; i < s.len;) {
        size_t n = utf8_sequence((const uint8_t *)s.ptr + i, s.len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}
