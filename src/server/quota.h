/*
 * quota - what a project may still do: its limits, held against a run before it starts.
 */
#ifndef SERVER_QUOTA_H
#define SERVER_QUOTA_H

#include "server/server_int.h"

/* 1: it may; 0: it mustn't, and the request has been answered (403) in words for the user. */
NODISCARD int quota_check(struct request *r, int64_t project_id, const struct store_new_run *run);

#endif
