#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/stream_int.h"
#include "rt/co.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

enum { KEEPALIVE_S = 30 };

/* --- addresses, words --- */

void tcp_format_address(const struct sockaddr *addr, char ip[INET6_ADDRSTRLEN],
                        char text[static INET6_ADDRSTRLEN + 8], uint16_t *ret_port)
{
    char number[INET6_ADDRSTRLEN] = "?";
    uint16_t port = 0;
    if (addr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)addr;
        inet_ntop(AF_INET, &in->sin_addr, number, sizeof number);
        port = ntohs(in->sin_port);
    } else if (addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)addr;
        inet_ntop(AF_INET6, &in6->sin6_addr, number, sizeof number);
        port = ntohs(in6->sin6_port);
    }
    if (addr->sa_family == AF_INET6)
        snprintf(text, INET6_ADDRSTRLEN + 8, "[%s]:%u", number, port);
    else
        snprintf(text, INET6_ADDRSTRLEN + 8, "%s:%u", number, port);
    if (ip != NULL)
        memcpy(ip, number, sizeof number);
    if (ret_port != NULL)
        *ret_port = port;
}

const char *tcp_errno_text(int code, char out[static 128])
{
    if (code == -ETIMEDOUT)
        return "i/o timeout";
    char text[120];
    const char *s = strerror_r(code < 0 ? -code : code, text, sizeof text);
    snprintf(out, 128, "%s", s);
    out[0] = (char)tolower((unsigned char)out[0]);
    return out;
}

int tcp_error(const struct stream *s, const char *op, int code)
{
    struct sockaddr_storage local = {0};
    socklen_t len = sizeof local;
    char from[INET6_ADDRSTRLEN + 8] = "?", text[128];
    if (getsockname(io_fd(s->io), (struct sockaddr *)&local, &len) == 0)
        tcp_format_address((struct sockaddr *)&local, NULL, from, NULL);
    bool own = code == -ETIMEDOUT || code == -ECANCELED; /* not the kernel's */
    return err_set(code, "%s tcp %s->%s: %s%s%s", op, from, s->peer, own ? "" : op, own ? "" : ": ",
                   code == -ECANCELED ? "operation was canceled" : tcp_errno_text(code, text));
}

/* --- life --- */

static void set_option(int fd, int level, int name, int value)
{
    /* A socket without one of them (a unix socket in a test) works as well. */
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

void tcp_set_options(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_S);
    set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
}

int tcp_stream_new(int fd, const struct sockaddr *addr, struct stream **ret)
{
    struct stream *s = mem_calloc(1, sizeof *s);
    if (s == NULL)
        return err_set(-ENOMEM, "connection");
    int rc = io_open(loop_current(), fd, &s->io);
    if (rc < 0) {
        mem_free(s);
        return rc;
    }
    s->ops = &tcp_ops;
    tcp_format_address(addr, s->peer_ip, s->peer, &s->peer_port);
    *ret = s;
    return 0;
}

int stream_open(int fd, struct stream **ret)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    if (getpeername(fd, (struct sockaddr *)&addr, &len) < 0)
        return err_set_errno(-errno, "take a socket over");
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return err_set_errno(-errno, "take a socket over");
    tcp_set_options(fd);
    return tcp_stream_new(fd, (struct sockaddr *)&addr, ret);
}

/* --- bytes --- */

static void note_arrival(struct stream *s, struct msghdr *msg)
{
    s->arrival_ns = s->read_ns = clock_mono_ns();
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        struct timespec ts;
        memcpy(&ts, CMSG_DATA(c), sizeof ts);
        int64_t wall_ns = (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
        int64_t at_ns = wall_ns - loop_wall_offset_ns(loop_current());
        s->arrival_ns = MIN(s->arrival_ns, at_ns);
    }
}

ssize_t tcp_receive(struct stream *s, void *p, size_t n)
{
    /* The io knows better than the kernel has to be asked: the next bytes come with an edge. */
    if (!io_maybe_readable(s->io))
        return -EAGAIN;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct timespec))];
    } control;
    struct iovec iov = {.iov_base = p, .iov_len = n};
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    ssize_t got;
    do
        got = recvmsg(io_fd(s->io), &msg, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        int rc = -errno;
        if (rc == -EAGAIN)
            io_drained(s->io);
        else
            s->socket_error = rc;
        return rc;
    }
    if (got == 0 && n > 0)
        s->ended = true;
    else if ((size_t)got < n)
        io_drained(s->io);
    s->bytes_in += (uint64_t)got;
    note_arrival(s, &msg);
    return got;
}

ssize_t tcp_send(struct stream *s, const void *p, size_t n)
{
    ssize_t sent;
    do
        sent = send(io_fd(s->io), p, n, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        int rc = -errno;
        if (rc == -EAGAIN)
            io_filled(s->io);
        else
            s->socket_error = rc;
        return rc;
    }
    if ((size_t)sent < n)
        io_filled(s->io);
    s->bytes_out += (uint64_t)sent;
    return sent;
}

/* --- the stream without TLS --- */

static ssize_t tcp_read(struct stream *s, void *p, size_t n, int64_t deadline_ns)
{
    /* A peer that is always faster than we are must not keep the others from running.  Not after
     * the bytes have come: they may lie in a buffer that the others read into as well. */
    int slice = io_maybe_readable(s->io) ? co_check_slice() : 0;
    if (slice < 0)
        return tcp_error(s, "read", slice);
    ssize_t got = tcp_receive(s, p, n);
    while (got == -EAGAIN) {
        int rc = io_wait_readable(s->io, deadline_ns);
        if (rc < 0)
            return tcp_error(s, "read", rc);
        got = tcp_receive(s, p, n);
    }
    return got < 0 ? tcp_error(s, "read", (int)got) : got;
}

static int tcp_write_all(struct stream *s, const void *p, size_t n, int64_t deadline_ns)
{
    const char *at = p;
    while (n > 0) {
        ssize_t sent = tcp_send(s, at, n);
        if (sent >= 0) {
            at += sent;
            n -= (size_t)sent;
            continue;
        }
        int rc = (int)sent;
        if (rc == -EAGAIN)
            rc = io_wait_writable(s->io, deadline_ns);
        if (rc < 0)
            return tcp_error(s, "write", rc);
    }
    return 0;
}

static ssize_t tcp_try_read(struct stream *s, void *p, size_t n)
{
    ssize_t got = tcp_receive(s, p, n);
    return got < 0 && got != -EAGAIN ? tcp_error(s, "read", (int)got) : got;
}

static ssize_t tcp_try_write(struct stream *s, const void *p, size_t n)
{
    ssize_t sent = tcp_send(s, p, n);
    return sent < 0 && sent != -EAGAIN ? tcp_error(s, "write", (int)sent) : sent;
}

static bool tcp_maybe_readable(struct stream *s)
{
    return io_maybe_readable(s->io);
}

static bool tcp_is_idle_ok(struct stream *s)
{
    if (s->ended || s->socket_error != 0)
        return false;
    if (!io_maybe_readable(s->io))
        return true;
    char c;
    if (recv(io_fd(s->io), &c, 1, MSG_PEEK) >= 0 || errno != EAGAIN)
        return false;
    io_drained(s->io);
    return true;
}

static void tcp_fini(struct stream *s)
{
    (void)s;
}

const struct stream_ops tcp_ops = {
    .read = tcp_read,
    .write_all = tcp_write_all,
    .try_read = tcp_try_read,
    .try_write = tcp_try_write,
    .maybe_readable = tcp_maybe_readable,
    .is_idle_ok = tcp_is_idle_ok,
    .fini = tcp_fini,
};
