/*
 * crowd - a server for many connections at once on a loopback port, in a thread of its own.
 *
 * It answers by the request's path: "/gate/N" when N requests wait at the gate (all of them then),
 * "/never" not at all, "/drop" by hanging up, "/status/N" with that status, anything else at once
 * with 200.  The body says what was asked: "POST /x the body".
 */
#ifndef CROWD_H
#define CROWD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { CROWD_CLIENTS_MAX = 64, CROWD_REQUEST_BYTES = 16384 };

struct crowd_client {
    int fd;   /* -1: free */
    int gate; /* requests that it waits for; 0: not at the gate */
    size_t len;
    char text[CROWD_REQUEST_BYTES + 1];
};

struct crowd {
    uint16_t port;
    atomic_size_t requests, connections;
    atomic_size_t open;                 /* connections now */
    atomic_size_t unanswered;           /* requests at the gate, or that never get an answer */
    atomic_size_t most_at_once;         /* at the gate */
    char last[CROWD_REQUEST_BYTES + 1]; /* request as it came; after crowd_stop() */
    /* private */
    int fd;
    int stop_pipe[2];
    pthread_t thread;
    struct crowd_client clients[CROWD_CLIENTS_MAX];
};

struct crowd *crowd_start(void);
void crowd_stop(struct crowd *c); /* waits for its thread */
void crowd_free(struct crowd *c);

#endif
