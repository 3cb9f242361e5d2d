/*
 * io - waiting for a file descriptor.
 *
 * Registered with the loop once, edge-triggered, for both directions; the io remembers what the
 * kernel said.  At most one coroutine waits for reading and one for writing.  Unread data that
 * nobody waits for costs nothing.
 *
 * Callers may wait first or try first, and may read as little as they like: when the io can't know
 * whether there is more, the wait asks the kernel (one system call).  A caller that knows says so
 * with io_drained() or io_filled() and saves that call.
 */
#ifndef RT_IO_H
#define RT_IO_H

#include "base/attr.h"
#include "rt/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct io;

/* Takes the non-blocking `fd` over on success; a socket that is to connect has to be connecting by
 * now.  -ENOMEM or -errno (files can't be waited for). */
NODISCARD int io_open(struct loop *l, int fd, struct io **ret);
/* Wakes waiters with -ECANCELED, closes the fd; NULL is fine. */
void io_close(struct io *io);
int io_fd(const struct io *io);

/* 0 ready (try the call; -EAGAIN is possible), -ETIMEDOUT, -ECANCELED. */
YIELDS NODISCARD int io_wait_readable(struct io *io, int64_t deadline_ns);
YIELDS NODISCARD int io_wait_writable(struct io *io, int64_t deadline_ns);

/* What the caller saw: a read met -EAGAIN or returned less than it asked for; a write likewise. */
void io_drained(struct io *io);
void io_filled(struct io *io);

/* False when a read would surely wait; true: there may be something. */
bool io_maybe_readable(const struct io *io);

#endif
