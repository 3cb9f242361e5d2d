/*
 * rest - the REST API of a run that goes: status, metrics, groups, setup, teardown; pause, scale,
 * stop.  k6-surface 1.7.
 *
 * Off unless an address was given.  Listens on the loopback interface unless the address names
 * another one; there is no sign-in, so requests that come from a web page (with an Origin) are
 * refused.  Threads of its own serve the requests and ask the run by load/control.h.
 */
#ifndef CMD_REST_H
#define CMD_REST_H

#include "base/attr.h"
#include "load/run.h"

#include <stdbool.h>

struct rest;

/* `address` "HOST:PORT" outlives it: a number, "localhost", or nothing for the loopback; port 0
 * takes a free one and says so.  must_start: failing to listen ends the run with exit code 106,
 * else it is a warning and the run goes on without.  -ENOMEM. */
NODISCARD int rest_new(const char *address, bool must_start, struct rest **ret);
void rest_free(struct rest *r); /* NULL is fine */

/* For run_request.control; its argument is the struct rest. */
extern const struct run_control_ops rest_ops;

#endif
