/*
 * events - live streams (server-sent events): who listens, and what each has yet to be told.
 *
 * A stream is a suspended connection; publishing puts text into its buffer and wakes it.  A reader
 * that doesn't keep up is cut off and comes back by itself, as EventSource does.
 */
#ifndef SERVER_EVENTS_H
#define SERVER_EVENTS_H

#include "base/attr.h"
#include "base/str.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct MHD_Connection;
struct MHD_Response;
struct auth_reader;
struct event_stream;

struct events {
    pthread_mutex_t lock;
    struct event_stream *streams;
    int len;
    bool closing;
};

void server_events_init(struct events *e);
void server_events_fini(struct events *e);

/* A response that streams the events of a run (0: of all in the `projects_len` projects; projects
 * NULL: in any), beginning with `first`.  E_LIMIT when
 * there are too many, -ENOMEM. */
NODISCARD int events_open(struct events *e, struct MHD_Connection *conn, int64_t run_id,
                          const struct auth_reader *reader, const int64_t *projects,
                          size_t projects_len, struct str first, struct MHD_Response **ret);

/* A run has changed: `json` is its present form, in one line. */
void events_publish_run(struct events *e, int64_t run_id, int64_t project_id, struct str json);
/* New measurements up to the bucket `time_s`; told at most once a second. */
void events_publish_metrics(struct events *e, int64_t run_id, int64_t time_s);
/* What is due by now; called several times a second. */
void events_tick(struct events *e, int64_t mono_ns);
/* Ends the streams whose reader `still` says no to. */
void events_recheck(struct events *e, bool (*still)(void *arg, const struct auth_reader *reader),
                    void *arg);
/* Ends every stream, also those to come. */
void events_close(struct events *e);

#endif
