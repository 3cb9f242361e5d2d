/*
 * cloud_logs - the run's log lines, sent to the cloud while it goes (Loki's push form).
 *
 * Lines are taken from base/log by whatever thread logs, into a bounded queue that never waits; a
 * coroutine of the main loop sends them once a period.  What doesn't fit, or can't be sent, is
 * dropped and counted: a run never waits for its log.  cloud-protocol.md, "Logs".
 */
#ifndef OUTPUT_CLOUD_LOGS_H
#define OUTPUT_CLOUD_LOGS_H

#include "base/attr.h"
#include "base/log.h"
#include "base/str.h"
#include "output/cloud_api.h"

#include <stdbool.h>
#include <stdint.h>

enum { CLOUD_LOG_LABELS_MAX = 32, CLOUD_LOG_LABEL_MAX = 64 };

/* Where lines go and how many; what the server's runtime_config or the environment says. */
struct cloud_logs_settings {
    char *push_url; /* owned; NULL or "": nowhere */
    enum log_level level;
    uint32_t limit;    /* lines of one period; more are dropped */
    int64_t period_ns; /* between pushes */
    uint32_t message_max;
    char labels[CLOUD_LOG_LABELS_MAX][CLOUD_LOG_LABEL_MAX]; /* fields that become labels */
    size_t labels_len;                                      /* 0: all of them */
};
void cloud_logs_settings_init(struct cloud_logs_settings *s); /* defaults, no URL */
void cloud_logs_settings_fini(struct cloud_logs_settings *s); /* safe on a zeroed one */

/* From the reply's runtime_config.logs; what is odd keeps its default, with a warning. */
struct yyjson_val;
void cloud_logs_settings_read(struct cloud_logs_settings *s, struct yyjson_val *logs);
/* From K6_CLOUD_LOGS_PUSH_URL and its like, for runs that somebody else has made.  E_CONFIG. */
NODISCARD int cloud_logs_settings_env(struct cloud_logs_settings *s,
                                      const char *(*get)(void *arg, const char *name), void *arg);

struct cloud_logs;

/* Takes lines from now on; they wait until cloud_logs_start().  -ENOMEM, -E2BIG. */
NODISCARD int cloud_logs_new(struct cloud_logs **ret);
void cloud_logs_free(struct cloud_logs *l); /* not started, or stopped; NULL is fine */

/* A text that never leaves in a line: a token.  Copied; at most CLOUD_LOG_LABELS_MAX. */
void cloud_logs_hide(struct cloud_logs *l, const char *secret);

/* Main loop's thread.  All that is pointed to outlives it. */
NODISCARD int cloud_logs_start(struct cloud_logs *l, struct cloud_api *api,
                               const struct cloud_logs_settings *settings, const char *token,
                               const char *test_run_id);

/* A line of ours that isn't to be seen here: how the run ended. */
void cloud_logs_add(struct cloud_logs *l, enum log_level level, const char *message);

/* Takes no more lines, sends what is left until `deadline_ns` (mono). */
YIELDS void cloud_logs_stop(struct cloud_logs *l, int64_t deadline_ns);

/* ---- for tests ---- */

/* One push of at most `limit` lines, oldest first, and the note of what was dropped; false: there
 * is nothing to send. */
bool cloud_logs_write(struct cloud_logs *l, struct buf *out);

#endif
