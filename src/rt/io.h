/*
 * io - waiting for a file descriptor.
 *
 * Registered with the loop once, level-triggered; at most one coroutine waits for reading and one
 * for writing.  Unread data that nobody waits for costs nothing.
 */
#ifndef RT_IO_H
#define RT_IO_H

#include "base/attr.h"
#include "rt/loop.h"

#include <stdint.h>

struct io;

/* Takes the non-blocking `fd` over on success. */
NODISCARD int io_open(struct loop *l, int fd, struct io **ret);
/* Wakes waiters with -ECANCELED, closes the fd; NULL is fine. */
void io_close(struct io *io);
int io_fd(const struct io *io);

/* 0 ready (try the call; -EAGAIN is possible), -ETIMEDOUT, -ECANCELED. */
YIELDS NODISCARD int io_wait_readable(struct io *io, int64_t deadline_ns);
YIELDS NODISCARD int io_wait_writable(struct io *io, int64_t deadline_ns);

#endif
