#include "client/http2_conn.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "client/http_int.h"
#include "net/stream.h"
#include "rt/co.h"
#include "rt/loop.h"

enum { WHY_MAX = 512, IDLE_PIECES_MAX = 64 };

struct http2_conn {
    struct stream *stream;
    struct http2 *proto;
    struct http2_exchange *exchanges; /* under way */
    struct buf out;                   /* given out by the protocol, not written from out_at on */
    size_t out_at;
    int64_t arrival_ns;   /* of the bytes that the protocol is being fed */
    bool reading;         /* an exchange's coroutine reads for all */
    struct co *writer;    /* waits for the socket to take more; NULL: nobody */
    struct co *finishing; /* waits for the writer to end; NULL: nobody */
    int rc;               /* why it is lost; 0: it isn't */
    char why[WHY_MAX];
};

void http2_exchange_init(struct http2_exchange *x)
{
    memset((char *)x + sizeof x->stream, 0, sizeof *x - sizeof x->stream);
    http2_stream_init(&x->stream);
}

void http2_exchange_fini(struct http2_exchange *x)
{
    http2_stream_fini(&x->stream);
}

int http2_conn_new(struct stream *s, struct http2_conn **ret)
{
    struct http2_conn *c = mem_calloc(1, sizeof *c);
    if (!c)
        return err_set(-ENOMEM, "HTTP/2 connection");
    int rc = http2_new(&c->proto);
    if (rc < 0) {
        mem_free(c);
        return rc;
    }
    c->stream = s;
    buf_init(&c->out, HTTP2_OUT_BYTES + 3 * (size_t)HTTP_REQUEST_HEAD_MAX);
    *ret = c;
    return 0;
}

void http2_conn_free(struct http2_conn *c)
{
    if (!c)
        return;
    CHECK(!c->exchanges && !c->writer);
    http2_free(c->proto);
    buf_fini(&c->out);
    mem_free(c);
}

/* The connection is lost, and the message says why: all that wait shall look. */
static void lose(struct http2_conn *c, int rc)
{
    if (c->rc == 0) {
        c->rc = rc;
        snprintf(c->why, sizeof c->why, "%s", err_message());
    }
    stream_abort(c->stream);
    for (struct http2_exchange *x = c->exchanges; x; x = x->next)
        co_unpark(x->co);
}

static void on_event(struct http2_stream *s, enum http2_event e)
{
    struct http2_exchange *x = CONTAINER_OF(s, struct http2_exchange, stream);
    switch (e) {
    case HTTP2_FIRST:
        x->first_ns = x->conn->arrival_ns;
        loop_note_lag(loop_current(), stream_lag_ns(x->conn->stream));
        break;
    case HTTP2_SENT:
        x->sent = true;
        break;
    case HTTP2_ENDED:
        x->last_ns = x->conn->arrival_ns;
        co_unpark(x->co);
        break;
    }
}

/* ---- writing ------------------------------------------------------------------------------- */

static void note_written(struct http2_conn *c)
{
    int64_t now_ns = 0;
    for (struct http2_exchange *x = c->exchanges; x; x = x->next) {
        if (!x->sent || x->wrote_ns != 0)
            continue;
        if (now_ns == 0)
            now_ns = clock_mono_ns();
        x->wrote_ns = now_ns;
    }
}

/* 1: all is written, 0: the socket is full, negative: lost. */
static int write_out(struct http2_conn *c)
{
    while (c->rc == 0) {
        if (c->out_at == c->out.len) {
            note_written(c);
            buf_reset(&c->out);
            c->out_at = 0;
            int rc = http2_fill(c->proto, &c->out);
            if (rc < 0)
                lose(c, rc);
            if (rc < 0 || c->out.len == 0)
                break;
        }
        ssize_t n = stream_try_write(c->stream, c->out.data + c->out_at, c->out.len - c->out_at);
        if (n == -EAGAIN)
            return 0;
        if (n < 0)
            lose(c, (int)n);
        else
            c->out_at += (size_t)n;
    }
    if (c->rc == 0 && c->out.cap > HTTP2_OUT_BYTES / 4)
        buf_fini(&c->out);
    if (c->rc == 0 && http2_is_over(c->proto))
        lose(c, err_set(E_PROTOCOL, "the peer broke the protocol"));
    return c->rc < 0 ? c->rc : 1;
}

static void run_writer(void *arg)
{
    struct http2_conn *c = arg;
    int rc = 0;
    while (rc == 0) {
        if (stream_wait_writable(c->stream, CO_FOREVER) < 0)
            break; /* cancelled: the last exchange has gone */
        rc = write_out(c);
    }
    c->writer = NULL;
    if (c->finishing)
        co_unpark(c->finishing);
}

/* Sends what the protocol has to say; what the socket won't take is the writer's. */
static void flush(struct http2_conn *c)
{
    if (c->writer || c->rc < 0 || write_out(c) != 0)
        return;
    if (co_spawn(loop_current(), run_writer, c, &c->writer) < 0) {
        c->writer = NULL;
        lose(c, err_set(-ENOMEM, "HTTP/2 connection"));
    }
}

/* The last exchange goes while the socket is full: the connection can't be kept. */
static void stop_writer(struct http2_conn *c)
{
    c->finishing = co_self();
    co_cancel(c->writer);
    while (c->writer)
        co_park_hard();
    c->finishing = NULL;
    if (c->rc == 0)
        lose(c, err_set(-ECANCELED, "the peer doesn't read"));
}

/* ---- reading ------------------------------------------------------------------------------- */

/* One piece, if there is any: its bytes, 0, or -EAGAIN when the socket has no more. */
static int read_piece(struct http2_conn *c)
{
    uint8_t *bytes = http_pool_scratch();
    if (!bytes) {
        lose(c, err_set(-ENOMEM, "read buffer"));
        return 0;
    }
    ssize_t n = stream_try_read(c->stream, bytes, HTTP_SCRATCH_BYTES);
    if (n == -EAGAIN)
        return -EAGAIN;
    if (n <= 0) {
        lose(c, n == 0 ? err_set(E_EOF, "unexpected EOF") : (int)n);
        return 0;
    }
    c->arrival_ns = stream_arrival_ns(c->stream);
    int rc = http2_feed(c->proto, bytes, (size_t)n);
    if (rc < 0)
        lose(c, rc);
    return (int)n;
}

static int read_some(struct http2_conn *c, int64_t deadline_ns)
{
    c->reading = true;
    int rc = stream_maybe_readable(c->stream) ? read_piece(c) : -EAGAIN;
    if (rc == -EAGAIN)
        rc = stream_wait_readable(c->stream, deadline_ns);
    else
        rc = co_check_slice();
    c->reading = false;
    /* A peer that never stops would keep us from ever waiting. */
    return rc == 0 && loop_now_ns(loop_current()) >= deadline_ns ? -ETIMEDOUT : rc;
}

bool http2_conn_has_room(struct http2_conn *c)
{
    if (c->finishing)
        return false; /* stop_writer() is about to lose it */
    if (!c->exchanges && c->rc == 0 && stream_maybe_readable(c->stream)) {
        int pieces = 0;
        while (c->rc == 0 && pieces < IDLE_PIECES_MAX && read_piece(c) != -EAGAIN)
            pieces++;
        if (c->rc == 0 && (pieces == IDLE_PIECES_MAX || write_out(c) == 0))
            lose(c, err_set(E_PROTOCOL, "the peer sends and doesn't read"));
    }
    return c->rc == 0 && http2_has_room(c->proto);
}

bool http2_conn_is_good(const struct http2_conn *c)
{
    return c->rc == 0 && http2_is_good(c->proto);
}

void http2_conn_retire(struct http2_conn *c)
{
    http2_retire(c->proto);
}

bool http2_conn_goaway(const struct http2_conn *c, uint32_t *ret_code, char *ret_text, size_t size)
{
    return http2_goaway(c->proto, ret_code, ret_text, size);
}

/* ---- an exchange --------------------------------------------------------------------------- */

static int await_end(struct http2_conn *c, struct http2_exchange *x, int64_t deadline_ns)
{
    for (;;) {
        flush(c);
        if (x->stream.how != HTTP2_OPEN)
            return 0;
        if (c->rc < 0)
            return err_set(c->rc, "%s", c->why);
        int rc = c->reading ? co_park(deadline_ns) : read_some(c, deadline_ns);
        if (rc < 0)
            return rc;
    }
}

static void enter(struct http2_conn *c, struct http2_exchange *x)
{
    x->conn = c;
    x->co = co_self();
    x->next = c->exchanges;
    x->link = &c->exchanges;
    if (x->next)
        x->next->link = &x->next;
    c->exchanges = x;
}

static void leave(struct http2_conn *c, struct http2_exchange *x)
{
    *x->link = x->next;
    if (x->next)
        x->next->link = x->link;
    http2_cancel(&x->stream);
    flush(c);
    if (c->exchanges && !c->reading)
        co_unpark(c->exchanges->co); /* reads from now on */
    if (!c->exchanges && c->writer)
        stop_writer(c);
}

int http2_conn_do(struct http2_conn *c, const struct http1_request *r, struct str scheme,
                  struct http2_exchange *x, int64_t deadline_ns)
{
    x->stream.on_event = on_event;
    int rc = http2_submit(c->proto, r, scheme, &x->stream);
    if (rc < 0)
        return rc;
    enter(c, x);
    rc = await_end(c, x, deadline_ns);
    leave(c, x);
    return rc;
}
