/*
 * log - lines for the user, with a level and fields, to the sinks that cmd/ has set up.
 *
 * Library folders never print: they log, and cmd/ decides where a line goes and how it looks
 * (k6's text, JSON, raw; terminal or file; the cloud).  Thread-safe; a sink is called with a mutex
 * held, so it must not log and must not wait for anything but its own file.  Never log a secret.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_field {
    const char *key;
    const char *value;
};

struct log_line {
    int64_t wall_ns;
    enum log_level level;
    const char *message;            /* may hold newlines; escaping is the sink's */
    const struct log_field *fields; /* sorted by key */
    int fields_len;
};

typedef void log_sink_fn(void *arg, const struct log_line *line);

enum { LOG_SINKS_MAX = 8, LOG_FIELDS_MAX = 8 };

/* 0 or -E2BIG.  A sink gets lines of at least `level`. */
int log_add_sink(enum log_level level, log_sink_fn *fn, void *arg);
void log_remove_sink(log_sink_fn *fn, void *arg);

void log_message(enum log_level level, const char *fmt, ...) PRINTF(2, 3);
#define log_debug(...)   log_message(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)    log_message(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_message(LOG_ERROR, __VA_ARGS__)

/* With fields, at most LOG_FIELDS_MAX, in any order; message taken as it is. */
void log_fields(enum log_level level, const char *message, const struct log_field *fields,
                int fields_len);

/* The same of an earlier moment: a line that was logged elsewhere. */
void log_at(int64_t wall_ns, enum log_level level, const char *message,
            const struct log_field *fields, int fields_len);

/* True when some sink wants `level`: for arguments that cost something. */
bool log_wants(enum log_level level);

const char *log_level_name(enum log_level level); /* "debug", "info", "warning", "error" */

#endif
