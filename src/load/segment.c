#include "load/segment.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* Never negative, lowest terms. */
struct fraction {
    int64_t num, den;
};

static int64_t gcd(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

static struct fraction lowest(int64_t num, int64_t den)
{
    int64_t g = gcd(num, den);
    return g == 0 ? (struct fraction){0, 1} : (struct fraction){num / g, den / g};
}

static int fraction_cmp(struct fraction a, struct fraction b)
{
    __int128 x = (__int128)a.num * b.den, y = (__int128)b.num * a.den;
    return x < y ? -1 : x > y;
}

/* "0.25" as 25/100; at most nine digits behind the point. */
static int decimal_parse(struct str s, struct fraction *ret)
{
    struct str digits;
    struct str whole = str_cut(s, '.', &digits);
    int64_t w = 0, f = 0, den = 1;
    if (digits.len > 9 || (whole.len == 0 && digits.len == 0) ||
        (whole.len > 0 && str_to_i64(whole, &w) < 0) ||
        (digits.len > 0 && str_to_i64(digits, &f) < 0) || w < 0 || f < 0 || w > 1000)
        return -EINVAL;
    for (size_t i = 0; i < digits.len; i++)
        den *= 10;
    *ret = lowest(w * den + f, den);
    return 0;
}

static int fraction_parse(struct str s, struct fraction *ret)
{
    s = str_trim(s);
    struct str below;
    struct str above = str_cut(s, '/', &below);
    int rc = 0;
    if (below.ptr != NULL) {
        int64_t num, den;
        if (str_to_i64(above, &num) < 0 || str_to_i64(below, &den) < 0 || num < 0 || den <= 0)
            rc = -EINVAL;
        else
            *ret = lowest(num, den);
    } else if (str_ends(s, STR("%"))) {
        rc = decimal_parse(str_new(s.ptr, s.len - 1), ret);
        if (rc == 0)
            *ret = lowest(ret->num, ret->den * 100);
    } else {
        rc = decimal_parse(s, ret);
    }
    if (rc < 0 || fraction_cmp(*ret, (struct fraction){1, 1}) > 0)
        return err_set(E_CONFIG,
                       "'%.*s' isn't a valid point of an execution segment, which is "
                       "between 0 and 1",
                       STR_ARG(s));
    return 0;
}

/* ---- dealing ------------------------------------------------------------------------------- */

/* Deals `cycle` elements to parts with these shares and keeps those of `part`: at each element the
 * largest part that is behind its due takes it. */
static int deal(struct segment *s)
{
    uint32_t *order = mem_calloc(s->parts, sizeof *order);
    uint32_t *taken = mem_calloc(s->parts, sizeof *taken);
    s->len = 0;
    s->offsets = mem_calloc(s->shares[s->part] + 1, sizeof *s->offsets);
    int rc = order && taken && s->offsets ? 0 : -ENOMEM;
    for (uint32_t i = 0; rc == 0 && i < s->parts; i++) { /* stable, by size descending */
        uint32_t at = i;
        for (; at > 0 && s->shares[order[at - 1]] < s->shares[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (uint32_t e = 0; rc == 0 && e < s->cycle; e++)
        for (uint32_t k = 0; k < s->parts; k++) {
            uint32_t p = order[k];
            /* taken * cycle / share <= e, as fractions */
            if (s->shares[p] == 0 || (uint64_t)taken[p] * s->cycle > (uint64_t)e * s->shares[p])
                continue;
            taken[p]++;
            if (p == s->part)
                s->offsets[s->len++] = e;
            break;
        }
    mem_free(order);
    mem_free(taken);
    return rc;
}

void segment_fini(struct segment *s)
{
    mem_free(s->offsets);
    mem_free(s->shares);
    *s = (struct segment){0};
}

int segment_whole(struct segment *ret)
{
    struct segment s = {.cycle = 1, .parts = 1, .shares = mem_calloc(1, sizeof *s.shares)};
    if (s.shares == NULL)
        return -ENOMEM;
    s.shares[0] = 1;
    int rc = deal(&s);
    if (rc < 0)
        segment_fini(&s);
    else
        *ret = s;
    return rc;
}

/* points[0..n) ascending from 0 to 1 are the sequence's borders. */
static int from_points(const struct fraction *points, uint32_t n, uint32_t part,
                       struct segment *ret)
{
    int64_t cycle = 1;
    for (uint32_t i = 0; i + 1 < n; i++) {
        struct fraction a = points[i], b = points[i + 1];
        __int128 num = (__int128)b.num * a.den - (__int128)a.num * b.den;
        __int128 den = (__int128)a.den * b.den;
        if (den > INT64_MAX)
            return err_set(E_CONFIG, "the execution segments are too fine");
        int64_t d = lowest((int64_t)num, (int64_t)den).den;
        cycle = cycle / gcd(cycle, d) * d;
        if (cycle > LOAD_SEGMENT_CYCLE_MAX)
            return err_set(E_CONFIG, "the execution segments are too fine");
    }
    struct segment s = {.cycle = (uint32_t)cycle, .parts = n - 1, .part = part};
    s.shares = mem_calloc(s.parts, sizeof *s.shares);
    if (s.shares == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i + 1 < n; i++)
        s.shares[i] = (uint32_t)(points[i + 1].num * cycle / points[i + 1].den -
                                 points[i].num * cycle / points[i].den);
    int rc = deal(&s);
    if (rc < 0)
        segment_fini(&s);
    else
        *ret = s;
    return rc;
}

static int sequence_parse(const char *text, struct fraction *points, uint32_t *ret_len)
{
    struct str rest = str_of(text);
    uint32_t n = 0;
    while (rest.ptr != NULL) {
        if (n == LOAD_SEGMENTS_MAX)
            return err_set(E_CONFIG, "more than %d parts in the execution segment sequence",
                           LOAD_SEGMENTS_MAX - 1);
        int rc = fraction_parse(str_cut(rest, ',', &rest), &points[n]);
        if (rc < 0)
            return rc;
        if (n > 0 && fraction_cmp(points[n - 1], points[n]) >= 0)
            return err_set(E_CONFIG, "the points of the execution segment sequence '%s' don't rise",
                           text);
        n++;
    }
    *ret_len = n;
    return 0;
}

static uint32_t insert_point(struct fraction *points, uint32_t n, struct fraction p)
{
    uint32_t at = 0;
    while (at < n && fraction_cmp(points[at], p) < 0)
        at++;
    if (at < n && fraction_cmp(points[at], p) == 0)
        return n;
    memmove(&points[at + 1], &points[at], (n - at) * sizeof *points);
    points[at] = p;
    return n + 1;
}

static int borders_parse(const char *segment, struct fraction *from, struct fraction *to)
{
    struct str high;
    struct str low = str_cut(str_of(segment), ':', &high);
    *from = (struct fraction){0, 1};
    int rc = 0;
    if (high.ptr == NULL)
        high = low;
    else
        rc = fraction_parse(low, from);
    if (rc == 0)
        rc = fraction_parse(high, to);
    if (rc == 0 && fraction_cmp(*from, *to) >= 0)
        rc = err_set(E_CONFIG, "the execution segment '%s' has no length", segment);
    return rc;
}

int segment_parse(const char *segment, const char *sequence, struct segment *ret)
{
    struct fraction points[LOAD_SEGMENTS_MAX + 4];
    struct fraction zero = {0, 1}, one = {1, 1}, from = zero, to = one;
    uint32_t n = 0;
    int rc = 0;
    if (segment != NULL && segment[0] != '\0')
        rc = borders_parse(segment, &from, &to);
    if (rc == 0 && sequence != NULL && sequence[0] != '\0')
        rc = sequence_parse(sequence, points, &n);
    if (rc < 0)
        return rc;
    bool given = n > 0;
    n = insert_point(points, n, zero);
    n = insert_point(points, n, one);
    uint32_t known = n;
    n = insert_point(points, n, from);
    n = insert_point(points, n, to);
    for (uint32_t i = 0; i + 1 < n; i++)
        if (fraction_cmp(points[i], from) == 0 && fraction_cmp(points[i + 1], to) == 0 &&
            (!given || n == known))
            return from_points(points, n, i, ret);
    return err_set(E_CONFIG, "execution segment '%s' isn't a part of the sequence '%s'",
                   segment ? segment : "0:1", sequence ? sequence : "");
}

/* ---- use ----------------------------------------------------------------------------------- */

double segment_share(const struct segment *s)
{
    return (double)s->shares[s->part] / (double)s->cycle;
}

int64_t segment_scale(const struct segment *s, int64_t n)
{
    if (n <= 0)
        return 0;
    int64_t rest = n % s->cycle, below = 0;
    while (below < s->len && s->offsets[below] < rest)
        below++;
    return n / s->cycle * s->len + below;
}

int64_t segment_global(const struct segment *s, int64_t i)
{
    return s->len == 0 ? 0 : i / s->len * s->cycle + s->offsets[i % s->len];
}

int segment_by_value(const struct segment *s, int64_t n, struct segment *ret)
{
    if (n <= 0)
        return err_set(E_CONFIG, "nothing to divide");
    if (s->parts == 1)
        return segment_whole(ret);
    if (n > LOAD_SEGMENT_CYCLE_MAX)
        n = LOAD_SEGMENT_CYCLE_MAX;
    struct segment made = {.cycle = (uint32_t)n, .parts = s->parts, .part = s->part};
    made.shares = mem_calloc(s->parts, sizeof *made.shares);
    if (made.shares == NULL)
        return -ENOMEM;
    struct segment each = {.cycle = s->cycle, .parts = s->parts, .shares = s->shares};
    int rc = 0;
    for (uint32_t p = 0; rc == 0 && p < s->parts; p++) {
        each.part = p;
        rc = deal(&each);
        if (rc == 0)
            made.shares[p] = (uint32_t)segment_scale(&each, n);
        mem_free(each.offsets);
    }
    if (rc == 0)
        rc = deal(&made);
    if (rc < 0)
        segment_fini(&made);
    else
        *ret = made;
    return rc;
}
