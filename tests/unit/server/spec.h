/*
 * spec - answers held against the specification of the cloud API
 * (tests/fixtures/cloud-api-v6.json).
 */
#ifndef TESTS_SERVER_SPEC_H
#define TESTS_SERVER_SPEC_H

#include "client.h"

void spec_open(void);
void spec_close(void);

/* Fails the test when the specification has the route, but not this status, or when the body is not
 * as its schema has it. */
void spec_check(const char *method, const char *path, struct reply *r);

/* call() with JSON, the status compared and the answer held against the specification.  Replaces
 * *ret. */
void api(struct world *w, const char *method, const char *path, const char *json, int want,
         struct reply *ret);
/* The same with headers and bytes of one's own. */
void api_bytes(struct world *w, const char *method, const char *path, const char *headers,
               const void *body, size_t len, int want, struct reply *ret);

/* A number and a text of the last answer, by a path as in "value.0.id"; fail the test without. */
int64_t reply_number(struct reply *r, const char *path);
void reply_string(struct reply *r, const char *path, char out[static 512]);

#endif
