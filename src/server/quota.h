/*
 * quota - what a project may still do: its limits, held against a run before it starts and while it
 * goes on.
 */
#ifndef SERVER_QUOTA_H
#define SERVER_QUOTA_H

#include "server/server_int.h"

/* 1: it may, or was started before with the same key; 0: it mustn't, and the request has been
 * answered (403) in words for the user. */
NODISCARD int quota_check(struct request *r, int64_t project_id, const struct store_new_run *run);

/* Aborts, by limit, the open runs that have passed one; called several times a second, looks every
 * SERVER_QUOTA_TICK_S. */
void quota_tick(struct server *s, int64_t mono_ns);

#endif
