/*
 * traffic - recorded requests of real k6 clients (tests/fixtures/k6-traffic), for tests.
 */
#ifndef TESTS_TRAFFIC_H
#define TESTS_TRAFFIC_H

#include "base/buf.h"

#include <stddef.h>

struct traffic_request {
    char method[8];
    char path[128];
    char type[128];    /* Content-Type; "" for none */
    char encoding[32]; /* Content-Encoding */
    char key[40];      /* K6-Idempotency-Key */
    struct buf body;
};

enum { TRAFFIC_MAX = 64 };

struct traffic {
    struct traffic_request requests[TRAFFIC_MAX];
    size_t len;
};

/* Ends the test when the file can't be read. */
void traffic_load(struct traffic *t, const char *name);
void traffic_free(struct traffic *t);

#endif
