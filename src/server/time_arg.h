/*
 * time_arg - points in time as the API's parameters give them (RFC 3339).
 */
#ifndef SERVER_TIME_ARG_H
#define SERVER_TIME_ARG_H

#include "base/attr.h"
#include "base/str.h"

#include <stdint.h>

struct request;

/* "2026-11-22T05:58:38Z", with fraction and offset, or Unix seconds; E_CONFIG. */
NODISCARD int time_parse(struct str text, int64_t *ret_ns);
/* Of the query's parameter; *ret is left alone when it isn't there. */
NODISCARD int time_arg(struct request *r, const char *name, int64_t *ret_ns);

#endif
