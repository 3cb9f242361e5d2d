/*
 * test_archive - a test packed by `archive`, k6's of any version or ours: the tar's script, files,
 * options and environment.  k6-surface 1.1, 1.8.
 *
 * Reading touches no disk: names in it are looked up, never opened.
 */
#ifndef LOAD_TEST_ARCHIVE_H
#define LOAD_TEST_ARCHIVE_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/str.h"
#include "js/program.h"
#include "metrics/tags.h"

#include <stdbool.h>
#include <stdint.h>

struct test_archive {
    struct arena arena;
    struct js_bundle bundle; /* its files' data lies in the bytes that were read */
    struct str options_json; /* consolidated when it was made; "{}" when it has none */
    const struct tag *env;   /* kept with it, sorted as written */
    size_t env_len;
};

/* True when these 512 bytes are a tar's first. */
bool test_archive_begins(const uint8_t *block);

/* `bytes` outlive it.  `shown`: the file's name in messages.  E_CORRUPT, E_LIMIT, E_UNSUPPORTED,
 * -ENOMEM with a message; exit code 255.  Whatever it returns, test_archive_fini() follows. */
NODISCARD int test_archive_read(struct test_archive *a, struct str bytes, const char *shown);
void test_archive_fini(struct test_archive *a); /* safe on a zeroed one */

#endif
