/*
 * stream_int - what the files of net/ share about a stream.  Nobody else includes it.
 */
#ifndef NET_STREAM_INT_H
#define NET_STREAM_INT_H

#include "net/stream.h"
#include "rt/io.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* One table for plain TCP, one for TLS on it. */
struct stream_ops {
    YIELDS ssize_t (*read)(struct stream *s, void *p, size_t n, int64_t deadline_ns);
    YIELDS int (*write_all)(struct stream *s, const void *p, size_t n, int64_t deadline_ns);
    ssize_t (*try_read)(struct stream *s, void *p, size_t n);
    ssize_t (*try_write)(struct stream *s, const void *p, size_t n);
    bool (*maybe_readable)(struct stream *s);
    bool (*is_idle_ok)(struct stream *s);
    void (*fini)(struct stream *s); /* what lies above the socket; the socket is closed after it */
};

struct stream {
    const struct stream_ops *ops;
    struct io *io;
    struct ssl_st *ssl;       /* tls.c's; NULL without TLS */
    struct ssl_st *ssl_below; /* what `ssl` goes over: TLS to a proxy; NULL: the socket */
    int64_t arrival_ns, read_ns;
    uint64_t bytes_in, bytes_out;
    struct stream_tls tls;
    int socket_error; /* -errno of the last failed call on the socket, for tls.c; 0: none */
    bool says_http;   /* the first bytes from the socket were "HTTP/": plain HTTP, not TLS */
    bool ended;       /* the socket gave end of file */
    bool broken;      /* TLS failed: no close_notify any more */
    uint16_t peer_port;
    char peer_ip[INET6_ADDRSTRLEN];
    char peer[INET6_ADDRSTRLEN + 8]; /* with brackets and port */
};

extern const struct stream_ops tcp_ops;

/* Options that every socket of ours has. */
void tcp_set_options(int fd);

/* A stream on `fd` (taken over on success), whose peer is `addr`; connected or still connecting. */
NODISCARD int tcp_stream_new(int fd, const struct sockaddr *addr, struct stream **ret);

/* One call on the socket, never waiting: bytes, 0 at the end (receive only), -EAGAIN, or -errno. */
ssize_t tcp_receive(struct stream *s, void *p, size_t n);
ssize_t tcp_send(struct stream *s, const void *p, size_t n);

/* err_set() as Go words it: "read tcp LOCAL->PEER: read: connection reset by peer". */
int tcp_error(const struct stream *s, const char *op, int code);

/* strerror as Go writes it: "connection refused"; in `out`. */
const char *tcp_errno_text(int code, char out[static 128]);

/* "1.2.3.4:80", "[::1]:80"; ip may be NULL. */
void tcp_format_address(const struct sockaddr *addr, char ip[INET6_ADDRSTRLEN],
                        char text[static INET6_ADDRSTRLEN + 8], uint16_t *ret_port);

#endif
