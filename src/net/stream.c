#include "net/stream.h"

#include "base/mem.h"
#include "net/stream_int.h"

ssize_t stream_read(struct stream *s, void *p, size_t n, int64_t deadline_ns)
{
    return s->ops->read(s, p, n, deadline_ns);
}

int stream_write_all(struct stream *s, const void *p, size_t n, int64_t deadline_ns)
{
    return s->ops->write_all(s, p, n, deadline_ns);
}

ssize_t stream_try_read(struct stream *s, void *p, size_t n)
{
    return s->ops->try_read(s, p, n);
}

ssize_t stream_try_write(struct stream *s, const void *p, size_t n)
{
    return s->ops->try_write(s, p, n);
}

bool stream_maybe_readable(struct stream *s)
{
    return s->ops->maybe_readable(s);
}

int stream_wait_readable(struct stream *s, int64_t deadline_ns)
{
    return io_wait_readable(s->io, deadline_ns);
}

int stream_wait_writable(struct stream *s, int64_t deadline_ns)
{
    return io_wait_writable(s->io, deadline_ns);
}

void stream_abort(struct stream *s)
{
    (void)shutdown(io_fd(s->io), SHUT_RDWR);
}

int64_t stream_arrival_ns(const struct stream *s)
{
    return s->arrival_ns;
}

int64_t stream_lag_ns(const struct stream *s)
{
    return s->read_ns - s->arrival_ns;
}

bool stream_is_idle_ok(struct stream *s)
{
    return s->ops->is_idle_ok(s);
}

uint64_t stream_bytes_in(const struct stream *s)
{
    return s->bytes_in;
}

uint64_t stream_bytes_out(const struct stream *s)
{
    return s->bytes_out;
}

const struct stream_tls *stream_tls(const struct stream *s)
{
    return &s->tls;
}

const char *stream_peer(const struct stream *s)
{
    return s->peer;
}

const char *stream_peer_ip(const struct stream *s)
{
    return s->peer_ip;
}

uint16_t stream_peer_port(const struct stream *s)
{
    return s->peer_port;
}

void stream_close(struct stream *s)
{
    if (s == NULL)
        return;
    s->ops->fini(s);
    io_close(s->io);
    mem_free(s);
}
