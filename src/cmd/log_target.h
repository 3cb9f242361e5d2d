/*
 * log_target - what --log-output says: "stderr", "file=PATH,level=LEVEL", "loki=URL,KEY=VALUE,…".
 *
 * Pure: nothing is opened or asked for.  k6-surface 1.2.
 */
#ifndef CMD_LOG_TARGET_H
#define CMD_LOG_TARGET_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/log.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_target_kind {
    LOG_TARGET_STDERR,
    LOG_TARGET_STDOUT,
    LOG_TARGET_NONE,
    LOG_TARGET_FILE,
    LOG_TARGET_LOKI,
};

enum { LOG_TARGET_PAIRS_MAX = 64 }; /* labels, headers or allowed labels of one line */

/* What only loki has; its strings are NUL-terminated, in the arena. */
struct loki_settings {
    const char *url;
    int64_t period_ns;    /* between two pushes */
    uint32_t limit;       /* lines of one push; more are counted and left out */
    uint32_t message_max; /* characters; of longer ones the middle is left out */
    bool profile;         /* say how long pushes take */
    bool allowed_set;
    const char *allowed[LOG_TARGET_PAIRS_MAX]; /* labels that stay; others go into the message */
    size_t allowed_len;
    struct log_field labels[LOG_TARGET_PAIRS_MAX]; /* of every line */
    size_t labels_len;
    struct log_field headers[LOG_TARGET_PAIRS_MAX]; /* of the HTTP request */
    size_t headers_len;
};

struct log_target {
    enum log_target_kind kind;
    const char *path;     /* of a file */
    enum log_level level; /* lines below it are left out */
    bool silent;          /* a level above all that is logged */
    struct loki_settings loki;
};

/* E_CONFIG with the reason and exit code 255.  Strings are copied into `a`. */
NODISCARD int log_target_parse(const char *text, struct arena *a, struct log_target *ret);

#endif
