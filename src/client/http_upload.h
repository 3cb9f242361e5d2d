/*
 * http_upload - the body of a request that the socket won't take at once, while its response is
 * read already: a server may refuse an upload before it has read it.  Private to the HTTP client.
 */
#ifndef CLIENT_HTTP_UPLOAD_H
#define CLIENT_HTTP_UPLOAD_H

#include "base/attr.h"
#include "base/str.h"

#include <stdint.h>
#include <sys/types.h>

struct stream;

/* Start from {0}. */
struct http_upload {
    struct stream *stream;
    struct str left;   /* to be written; the caller's memory */
    int64_t wrote_ns;  /* when all was; 0: not yet */
    int rc;            /* why it isn't; 0: it may still be */
    char why[256];     /* the message with rc */
    struct co *co;     /* writes; NULL: nobody */
    struct co *waiter; /* for it to end */
};

/* Writes what can be written at once; the rest goes to a coroutine. */
void http_upload_start(struct http_upload *u, struct stream *s, struct str body);
/* Ends the coroutine, if there is one. */
YIELDS void http_upload_stop(struct http_upload *u);

/* stream_read() beside an upload: only the upload waits for the socket to take more. */
YIELDS NODISCARD ssize_t http_upload_read(struct http_upload *u, void *p, size_t n,
                                          int64_t deadline_ns);

#endif
