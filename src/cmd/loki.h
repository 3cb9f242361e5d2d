/*
 * loki - log lines pushed to a Loki server while the program runs (`--log-output loki=…`).
 *
 * Lines go into a bounded queue that never waits; a thread of its own sends what is there once a
 * period.  What doesn't fit is counted, and the next push says so.
 */
#ifndef CMD_LOKI_H
#define CMD_LOKI_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/log.h"
#include "cmd/log_target.h"

#include <stdint.h>

struct loki;

/* Says what went wrong with a push; on the thread of the pushes. */
typedef void loki_trouble_fn(enum log_level level, const char *message);

/* Starts the thread.  `settings` and what it points to outlive it. */
NODISCARD int loki_new(const struct loki_settings *settings, loki_trouble_fn *trouble,
                       struct loki **ret);

/* Takes a line; any thread, never waits. */
void loki_add(struct loki *l, const struct log_line *line);

/* Sends what is left, for five seconds at most, and ends the thread. */
void loki_free(struct loki *l);

/* ---- for tests ---- */

/* The lines that wait as one push, and takes them; false: there are none. */
bool loki_take(struct loki *l, struct buf *out);
/* Without a thread. */
NODISCARD int loki_new_idle(const struct loki_settings *settings, struct loki **ret);

#endif
