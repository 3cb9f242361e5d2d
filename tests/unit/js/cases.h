/*
 * cases - tables of scripts and what their consoles say.
 */
#ifndef TESTS_JS_CASES_H
#define TESTS_JS_CASES_H

#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct says {
    const char *source;
    const char *want; /* "info hello\n" for each line; "failed: …\n" for an exception */
};

static inline void check_says(const struct says *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct world w;
        world_init(&w);
        world_says(&w, cases[i].source);
        if (strcmp(world_log(&w), cases[i].want) != 0)
            print_error("script: %s\n", cases[i].source);
        assert_string_equal(world_log(&w), cases[i].want);
        world_fini(&w);
    }
}

#endif
