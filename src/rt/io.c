#include "rt/io.h"

#include "base/err.h"
#include "base/mem.h"
#include "rt/loop_int.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

enum readiness {
    IO_NO,    /* a call would wait; the next edge will tell */
    IO_MAYBE, /* it was ready, and somebody has used it since */
    IO_YES,   /* an edge came */
};

/* On the stack of the coroutine that waits. */
struct io_waiter {
    struct co *co;
    bool closed; /* the io is gone */
};

struct io_side {
    enum readiness ready;
    bool for_ever; /* the peer has hung up: every further call returns at once */
    struct io_waiter *waiter;
};

struct io {
    struct loop *loop;
    int fd;
    struct io_side read, write;
};

int io_open(struct loop *l, int fd, struct io **ret)
{
    struct io *io = mem_calloc(1, sizeof *io);
    if (io == NULL)
        return err_set(-ENOMEM, "watch a descriptor");
    *io = (struct io){.loop = l, .fd = fd, .write = {.ready = IO_MAYBE}};
    struct epoll_event ev = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = io,
    };
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        int rc = -errno;
        mem_free(io);
        return err_set_errno(rc, "watch a descriptor");
    }
    *ret = io;
    return 0;
}

static void close_side(struct io_side *s)
{
    if (s->waiter == NULL)
        return;
    s->waiter->closed = true;
    co_unpark(s->waiter->co);
}

void io_close(struct io *io)
{
    if (io == NULL)
        return;
    close_side(&io->read);
    close_side(&io->write);
    close(io->fd); /* takes it out of epoll, too */
    mem_free(io);
}

int io_fd(const struct io *io)
{
    return io->fd;
}

static void mark_ready(struct io_side *s, bool for_ever)
{
    s->ready = IO_YES;
    s->for_ever |= for_ever;
    if (s->waiter != NULL)
        co_unpark(s->waiter->co);
}

void io_dispatch(struct io *io, uint32_t events)
{
    bool hung_up = events & EPOLLHUP;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        mark_ready(&io->read, hung_up || events & EPOLLRDHUP);
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        mark_ready(&io->write, hung_up);
}

/* Whoever used the side since its last edge didn't say whether it is exhausted. */
static void ask_kernel(struct io *io, struct io_side *s, short what)
{
    struct pollfd p = {.fd = io->fd, .events = what};
    s->ready = poll(&p, 1, 0) > 0 ? IO_YES : IO_NO;
}

static int wait_for(struct io *io, struct io_side *s, short what, int64_t deadline_ns)
{
    struct co *c = co_self();
    CHECK(c != NULL && s->waiter == NULL);
    if (co_cancelled(c))
        return -ECANCELED;
    if (s->ready == IO_MAYBE)
        ask_kernel(io, s, what);
    struct io_waiter w = {.co = c};
    s->waiter = &w;
    int rc = 0;
    while (s->ready == IO_NO && rc == 0) {
        rc = co_park(deadline_ns);
        if (w.closed)
            return -ECANCELED;
    }
    s->waiter = NULL;
    if (rc == -ECANCELED || s->ready == IO_NO)
        return rc;
    s->ready = IO_MAYBE;
    return 0;
}

int io_wait_readable(struct io *io, int64_t deadline_ns)
{
    return wait_for(io, &io->read, POLLIN, deadline_ns);
}

int io_wait_writable(struct io *io, int64_t deadline_ns)
{
    return wait_for(io, &io->write, POLLOUT, deadline_ns);
}

void io_drained(struct io *io)
{
    if (!io->read.for_ever)
        io->read.ready = IO_NO;
}

void io_filled(struct io *io)
{
    if (!io->write.for_ever)
        io->write.ready = IO_NO;
}

bool io_maybe_readable(const struct io *io)
{
    return io->read.ready != IO_NO;
}
