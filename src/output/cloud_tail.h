/*
 * cloud_tail - the log of a run in the cloud, followed by WebSocket and put into our own log.
 * cloud-protocol.md, "Logs".
 */
#ifndef OUTPUT_CLOUD_TAIL_H
#define OUTPUT_CLOUD_TAIL_H

#include "base/attr.h"
#include "output/cloud_api.h"

#include <stdint.h>

/* What it follows; all of it outlives the call. */
struct cloud_tail {
    struct cloud_api *api;
    const char *url; /* ws://… or wss://… */
    const char *token;
    const char *run_id;
    int64_t since_ns; /* lines from then on (since the epoch); moved on by those that came */
};

/* Until the coroutine is cancelled (-ECANCELED) or connecting fails several times in a row: the
 * last error, with a message.  A lost connection goes on behind the last line. */
YIELDS NODISCARD int cloud_tail_run(struct cloud_tail *t);

/* One message of the stream into our log, its labels as fields; *last_ns is moved on to the latest
 * line.  E_CORRUPT.  For the above, and tests. */
NODISCARD int cloud_tail_message(struct str json, int64_t *last_ns);

#endif
