/*
 * load_test - options from text, for the tests of what is made from them.
 */
#ifndef LOAD_LOAD_TEST_H
#define LOAD_LOAD_TEST_H

#include "base/err.h"
#include "base/limits.h"
#include "load/options.h"

/* Script options `json`, finished and derived; the code of the first step that fails. */
static inline int load_options(struct arena *a, const char *json, struct options *ret)
{
    struct options o;
    arena_init(a, LOAD_OPTIONS_BYTES);
    options_init(&o, a);
    int rc = options_parse_json(&o, str_of(json), OPTIONS_SCRIPT);
    if (rc == 0)
        rc = options_finish(&o);
    return rc < 0 ? rc : options_derive(&o, ret);
}

#endif
