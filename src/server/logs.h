/*
 * logs - lines that a run's script has logged: taken in Loki's form, searched, followed.
 */
#ifndef SERVER_LOGS_H
#define SERVER_LOGS_H

#include "server/server_int.h"

int logs_push(struct request *r);
int logs_list(struct request *r);
/* A WebSocket of one run's lines (tail.h). */
int logs_tail(struct request *r);

/* A line of the server's own in a run's log, as a warning; what goes wrong is only logged. */
void logs_tell(struct server *s, int64_t run_id, const char *text);

#endif
