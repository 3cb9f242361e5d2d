/*
 * multipart_read - the parts of a multipart/form-data body (RFC 7578) that is whole in memory.
 *
 * Nothing is copied: names and data are views into the body.
 */
#ifndef CODEC_MULTIPART_READ_H
#define CODEC_MULTIPART_READ_H

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>

struct multipart_part {
    struct str name;     /* as written; with a backslash before what was escaped */
    struct str filename; /* likewise; NULL ptr: it is no file */
    struct str data;
};

struct multipart_reader {
    struct str rest;     /* begins behind a delimiter */
    struct str boundary; /* the caller's */
    bool begun;          /* the first delimiter has been found */
    bool ended;          /* so has the last one */
    size_t parts;        /* so far */
};

/* The boundary in a Content-Type; NULL ptr when it is none of multipart/form-data or lacks one. */
struct str multipart_boundary(struct str content_type);

void multipart_reader_init(struct multipart_reader *r, struct str body, struct str boundary);
/* 1: a part; 0: the end; E_CORRUPT or E_LIMIT with a message. */
NODISCARD int multipart_next(struct multipart_reader *r, struct multipart_part *ret);

#endif
