/*
 * stream - bytes to and from a peer: TCP, or TLS on it.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/attr.h"
#include "net/ocsp.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct stream;

/* What TLS agreed on; strings live as long as the stream. */
struct stream_tls {
    const char *version; /* k6's names: "tls1.2", "tls1.3"; NULL without TLS */
    const char *cipher;  /* IANA name, "TLS_AES_128_GCM_SHA256" */
    const char *alpn;    /* "h2", "http/1.1" or NULL */
    struct ocsp ocsp;    /* what the server stapled */
};

/* Takes a connected stream socket over, on success, as a stream of the running loop: makes it
 * non-blocking and sets the options that all our sockets have.  dial() does this by itself. */
NODISCARD int stream_open(int fd, struct stream **ret);

/* At least one byte, 0 at the end of the stream, or -errno, -ETIMEDOUT, -ECANCELED, E_TLS. Messages
 * are k6's: "read tcp 127.0.0.1:4242->127.0.0.1:80: read: connection reset by peer".
 * The bytes are written after any waiting, just before it returns: coroutines of one thread may
 * read into the same buffer. */
YIELDS NODISCARD ssize_t stream_read(struct stream *s, void *p, size_t n, int64_t deadline_ns);

/* All of it, or an error. */
YIELDS NODISCARD int stream_write_all(struct stream *s, const void *p, size_t n,
                                      int64_t deadline_ns);

/* One call that never waits: bytes, 0 at the end of the stream (reading), -EAGAIN, or an error as
 * above.  After -EAGAIN the next write must begin with the same bytes, and have at least as many.
 */
NODISCARD ssize_t stream_try_read(struct stream *s, void *p, size_t n);
NODISCARD ssize_t stream_try_write(struct stream *s, const void *p, size_t n);

/* False when stream_try_read() would surely say -EAGAIN. */
bool stream_maybe_readable(struct stream *s);

/* Until the socket may have or take something: 0, -ETIMEDOUT, -ECANCELED, both without a message.
 * One coroutine may wait for each. */
YIELDS NODISCARD int stream_wait_readable(struct stream *s, int64_t deadline_ns);
YIELDS NODISCARD int stream_wait_writable(struct stream *s, int64_t deadline_ns);

/* Ends both directions: whoever waits is woken and finds the end.  It still is to be closed. */
void stream_abort(struct stream *s);

/* Monotonic time at which the kernel received the bytes of the last stream_read(), from its receive
 * time stamp; the time of the read when the kernel gave none.  Never later than the read. */
int64_t stream_arrival_ns(const struct stream *s);
/* For how long they had been there when they were read. */
int64_t stream_lag_ns(const struct stream *s);

/* False when the peer has closed it or sent unasked bytes: not to be used again.  Doesn't wait. */
bool stream_is_idle_ok(struct stream *s);

/* On the socket, TLS records and handshake included; they only grow. */
uint64_t stream_bytes_in(const struct stream *s);
uint64_t stream_bytes_out(const struct stream *s);

const struct stream_tls *stream_tls(const struct stream *s); /* never NULL */
const char *stream_peer(const struct stream *s);             /* "127.0.0.1:8080" or "[::1]:8080" */
const char *stream_peer_ip(const struct stream *s);          /* "127.0.0.1" */
uint16_t stream_peer_port(const struct stream *s);

/* Closes at once (TLS: close_notify if it can be sent without waiting); NULL is fine. */
void stream_close(struct stream *s);

#endif
