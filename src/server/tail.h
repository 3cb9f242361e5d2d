/*
 * tail - clients that follow a run's log by WebSocket.
 *
 * One thread serves them all.  Each has its place in the log: when something new has come and what
 * it was sent before has left, the next lines are read from the store.  So a slow client costs no
 * memory and misses nothing.  Frames are those of Loki's tail.
 */
#ifndef SERVER_TAIL_H
#define SERVER_TAIL_H

#include "base/attr.h"
#include "base/str.h"
#include "server/auth.h"

#include <stdint.h>

struct request;
struct server;
struct tails;

struct tail_question {
    int64_t run_id;
    int64_t start_ns;    /* lines of this time and later */
    struct str selector; /* of labels; NULL ptr: all lines */
    struct auth_reader reader;
};

NODISCARD int tails_new(struct server *s, struct tails **ret);
/* Tells every client good-bye, so that no request of theirs is left; none is taken any more. */
void tails_close(struct tails *t); /* NULL is fine */
void tails_free(struct tails *t);  /* NULL is fine; after the last request has ended */

/* Answers a request for a WebSocket; E_PROTOCOL when it isn't one, E_UNAVAILABLE when there are too
 * many. */
NODISCARD int tails_open(struct request *r, const struct tail_question *q);
/* Lines of the run have been stored. */
void tails_publish(struct tails *t, int64_t run_id);

#endif
