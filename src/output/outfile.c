#include "output/outfile.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { PACKED_ROOM = 64 * 1024, WINDOW_BITS_GZIP = 15 + 16 };

void outfile_init(struct outfile *f)
{
    *f = (struct outfile){.fd = -1};
    buf_init(&f->text, OUTFILE_TEXT_MAX);
}

/* Level 1: a third of the work of the usual one, for files that are a tenth larger. */
static int pack_begin(struct outfile *f)
{
    f->packed = mem_alloc(PACKED_ROOM);
    f->z = mem_calloc(1, sizeof *f->z);
    if (!f->packed || !f->z)
        return -ENOMEM;
    int rc = deflateInit2(f->z, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS_GZIP, 8, Z_DEFAULT_STRATEGY);
    if (rc == Z_OK)
        return 0;
    mem_free(f->z); /* has no state to end */
    f->z = NULL;
    return -ENOMEM;
}

int outfile_open(struct outfile *f, const char *path)
{
    f->path = path;
    if (path[0] == '\0' || strcmp(path, "-") == 0) {
        f->path = "standard output";
        f->fd = STDOUT_FILENO;
        f->is_stdout = true;
        return 0;
    }
    f->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (f->fd < 0)
        return err_set_errno(-errno, "open %s", path);
    size_t len = strlen(path);
    if (len < 3 || strcmp(path + len - 3, ".gz") != 0)
        return 0;
    int rc = pack_begin(f);
    return rc < 0 ? err_set_errno(rc, "open %s", path) : 0;
}

static void write_all(struct outfile *f, const uint8_t *data, size_t len)
{
    while (len > 0 && f->rc == 0) {
        ssize_t n = write(f->fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) { /* a pipe that another program made non-blocking */
            (void)poll(&(struct pollfd){.fd = f->fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        if (n <= 0) {
            f->rc = n < 0 ? -errno : -EIO;
            return;
        }
        data += n;
        len -= (size_t)n;
    }
}

static void pack(struct outfile *f, uint8_t *data, size_t len, int how)
{
    f->z->next_in = data;
    f->z->avail_in = (uInt)len;
    do {
        f->z->next_out = f->packed;
        f->z->avail_out = PACKED_ROOM;
        (void)deflate(f->z, how); /* fails only when it is called wrongly */
        write_all(f, f->packed, PACKED_ROOM - f->z->avail_out);
    } while (f->z->avail_out == 0);
}

void outfile_flush(struct outfile *f)
{
    int rc = buf_finish(&f->text);
    if (rc < 0 && f->rc == 0)
        f->rc = rc;
    if (f->z)
        pack(f, f->text.data, f->text.len, Z_NO_FLUSH);
    else
        write_all(f, f->text.data, f->text.len);
    buf_reset(&f->text);
}

void outfile_keep_small(struct outfile *f)
{
    if (f->text.len >= OUTFILE_BLOCK)
        outfile_flush(f);
}

int outfile_close(struct outfile *f)
{
    if (f->fd < 0)
        return 0;
    outfile_flush(f);
    if (f->z)
        pack(f, NULL, 0, Z_FINISH);
    if (!f->is_stdout && close(f->fd) < 0 && f->rc == 0)
        f->rc = -errno;
    f->fd = -1;
    return f->rc < 0 ? err_set_errno(f->rc, "write %s", f->path) : 0;
}

void outfile_fini(struct outfile *f)
{
    if (f->fd >= 0 && !f->is_stdout)
        (void)close(f->fd);
    if (f->z)
        (void)deflateEnd(f->z);
    mem_free(f->z);
    mem_free(f->packed);
    buf_fini(&f->text);
    f->z = NULL;
    f->packed = NULL;
    f->fd = -1;
}
