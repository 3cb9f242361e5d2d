/*
 * client_test - cmocka's headers in their order, and a comparison that prints both texts.
 */
#ifndef CLIENT_TEST_H
#define CLIENT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static inline void assert_str(struct str got, const char *want)
{
    size_t len = strlen(want);
    if (got.len != len || (len > 0 && memcmp(got.ptr, want, len) != 0))
        fail_msg("got \"%.*s\", want \"%s\"", STR_ARG(got), want);
}

#endif
