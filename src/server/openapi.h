/*
 * openapi - the specification of the cloud API v6 and of provisioning, compiled into the program
 * from openapi.json.
 */
#ifndef SERVER_OPENAPI_H
#define SERVER_OPENAPI_H

#include <stddef.h>

extern const char openapi_text[]; /* JSON, UTF-8; no NUL behind it */
extern const size_t openapi_text_len;

#endif
