#include "client/http_upload.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "net/stream.h"
#include "rt/co.h"
#include "rt/loop.h"

static void note_failure(struct http_upload *u, int rc)
{
    u->rc = rc;
    snprintf(u->why, sizeof u->why, "%s", err_message());
}

/* True when the socket is full; otherwise the upload is over. */
static bool write_some(struct http_upload *u)
{
    while (u->left.len > 0) {
        ssize_t n = stream_try_write(u->stream, u->left.ptr, u->left.len);
        if (n == -EAGAIN)
            return true;
        if (n < 0) {
            note_failure(u, (int)n);
            return false;
        }
        u->left = str_new(u->left.ptr + n, u->left.len - (size_t)n);
    }
    u->wrote_ns = clock_mono_ns();
    return false;
}

static void run(void *arg)
{
    struct http_upload *u = arg;
    do {
        int rc = stream_wait_writable(u->stream, CO_FOREVER);
        if (rc < 0) {
            u->rc = rc; /* stopped */
            break;
        }
    } while (write_some(u));
    u->co = NULL;
    if (u->waiter)
        co_unpark(u->waiter);
}

void http_upload_start(struct http_upload *u, struct stream *s, struct str body)
{
    u->stream = s;
    u->left = body;
    if (!write_some(u))
        return;
    int rc = co_spawn(loop_current(), run, u, &u->co);
    if (rc < 0) {
        u->co = NULL;
        note_failure(u, rc);
    }
}

void http_upload_stop(struct http_upload *u)
{
    if (!u->co)
        return;
    u->waiter = co_self();
    co_cancel(u->co);
    while (u->co)
        co_park_hard();
}

ssize_t http_upload_read(struct http_upload *u, void *p, size_t n, int64_t deadline_ns)
{
    for (;;) {
        ssize_t got = stream_try_read(u->stream, p, n);
        if (got != -EAGAIN)
            return got;
        int rc = stream_wait_readable(u->stream, deadline_ns);
        if (rc < 0)
            return rc;
    }
}
