/*
 * fixture - a file of tests/fixtures, whole, for tests that compare with what k6 printed.
 */
#ifndef TESTS_OUTPUT_FIXTURE_H
#define TESTS_OUTPUT_FIXTURE_H

#include "base/attr.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FIXTURE_MAX = 256 * 1024 };

/* Valid until the next call. */
static inline struct str fixture(const char *name)
{
    static char text[FIXTURE_MAX];
    const char *root = getenv("SPATE_SOURCE_DIR");
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/tests/fixtures/%s", root ? root : ".", name);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("cannot open %s", path);
    size_t len = fread(text, 1, sizeof text, f);
    (void)fclose(f);
    assert_true(len > 0 && len < sizeof text);
    return str_new(text, len);
}

/* Fails with both texts from the first difference on. */
static inline void assert_text(struct str got, struct str want)
{
    size_t at = 0;
    while (at < got.len && at < want.len && got.ptr[at] == want.ptr[at])
        at++;
    if (at == got.len && at == want.len)
        return;
    size_t from = at > 60 ? at - 60 : 0;
    fail_msg("differs at byte %zu\n--- got\n%.*s\n--- want\n%.*s\n", at,
             (int)MIN(got.len - from, (size_t)300), got.ptr + from,
             (int)MIN(want.len - from, (size_t)300), want.ptr + from);
}

/* The part of `s` from the first `begin` up to the next `end` (not included). */
static inline struct str part_of(struct str s, const char *begin, const char *end)
{
    const char *from = memmem(s.ptr, s.len, begin, strlen(begin));
    assert_non_null(from);
    size_t left = s.len - (size_t)(from - s.ptr);
    const char *to = end ? memmem(from + 1, left - 1, end, strlen(end)) : from + left;
    assert_non_null(to);
    return str_new(from, (size_t)(to - from));
}

#endif
