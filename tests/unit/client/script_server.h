/*
 * script_server - a server on a loopback port that says what the test wrote down, byte for byte.
 *
 * One thread of its own.  Each request that it reads, on whichever connection, gets the next
 * exchange; the requests as they came are kept for the test to look at.  Past the last exchange it
 * hangs up.
 */
#ifndef SCRIPT_SERVER_H
#define SCRIPT_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum script_then {
    SCRIPT_KEEP,  /* waits for the next request */
    SCRIPT_CLOSE, /* orderly */
    SCRIPT_RESET, /* RST */
    SCRIPT_HOLD,  /* says no more, until the client hangs up */
};

struct script_exchange {
    const char *reply; /* NULL: nothing */
    enum script_then then;
    size_t reply_len; /* 0: strlen(reply) */
    bool at_once;     /* doesn't wait for a request: acts as soon as the connection is there */
};

enum { SCRIPT_REQUESTS_MAX = 16, SCRIPT_REQUEST_BYTES = 65536 };

struct script_server {
    const struct script_exchange *exchanges;
    size_t exchanges_len;
    uint16_t port;
    /* For the test after script_server_stop(). */
    size_t requests, connections;
    char *request[SCRIPT_REQUESTS_MAX];
    /* private */
    int fd;
    int stop_pipe[2];
    pthread_t thread;
};

void script_server_start(struct script_server *s, const struct script_exchange *exchanges,
                         size_t len);
void script_server_stop(struct script_server *s); /* hangs up and waits for its thread */
void script_server_fini(struct script_server *s); /* frees the requests */

#endif
