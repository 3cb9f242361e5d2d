/*
 * body - what clients send: JSON held against the specification, forms, and errors that name
 * fields.
 *
 * A function here that returns 1 has read what it should; 0: the request has been answered and the
 * handler returns 0; negative: an error to be returned.
 */
#ifndef SERVER_BODY_H
#define SERVER_BODY_H

#include <yyjson.h>

#include "server/server_int.h"

struct schema_problems;

/* The body as the named schema has it.  *ret is the caller's to free, for 1 only. */
NODISCARD int body_read(struct request *r, const char *schema, yyjson_doc **ret);
void body_docp(yyjson_doc **doc); /* for CLEANUP() */

/* The body as any JSON object: 0, E_CORRUPT.  *ret is the caller's to free. */
NODISCARD int body_object(struct request *r, yyjson_doc **ret);

/* A member's text, in the request's arena; NULL ptr when it is none, or there is no memory. */
struct str body_text(struct request *r, yyjson_val *object, const char *member);
/* A member's whole number; `none` when it isn't there or null. */
int64_t body_number(yyjson_val *object, const char *member, int64_t none);
/* A value as JSON text in the request's arena; NULL ptr when there is no memory. */
struct str body_json(struct request *r, yyjson_val *value);

/* A field of multipart/form-data.  The name (NULL: any file) and `max` are the caller's, the rest
 * is filled in. */
struct form_field {
    const char *name;
    size_t max; /* bytes */
    bool there;
    struct str value; /* within the request's body */
};

NODISCARD int body_form(struct request *r, struct form_field *fields, size_t len);

/* 400 that names each field; 0. */
int reply_problems(struct request *r, const struct schema_problems *problems);
/* 400 for one field; 0. */
int reply_field(struct request *r, const char *field, const char *code, const char *fmt, ...)
    PRINTF(4, 5);
/* 409; 0. */
int reply_conflict(struct request *r, const char *fmt, ...) PRINTF(2, 3);

#endif
