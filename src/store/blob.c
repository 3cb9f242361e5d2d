#include "store/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/limits.h"

static int path_of(const struct store *s, enum blob_kind kind, int64_t id, const char *suffix,
                   char path[static STORE_PATH_MAX])
{
    int n = snprintf(path, STORE_PATH_MAX, "%s/%s/%lld.tar%s", s->dir,
                     kind == BLOB_ARCHIVE ? "archives" : "scripts", (long long)id, suffix);
    return n < 0 || n >= STORE_PATH_MAX ? -ENAMETOOLONG : 0;
}

static int write_file(const char *path, struct str bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(-errno, "create %s", path);
    int rc = 0;
    while (rc == 0 && bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0)
            rc = errno == EINTR ? 0 : err_set_errno(-errno, "write %s", path);
        else
            bytes = str_new(bytes.ptr + n, bytes.len - (size_t)n);
    }
    close(fd);
    return rc;
}

/* Written beside and renamed, so that there is a whole one or none. */
int blob_write(struct store *s, enum blob_kind kind, int64_t id, struct str bytes)
{
    char part[STORE_PATH_MAX];
    char path[STORE_PATH_MAX];
    int rc = path_of(s, kind, id, ".part", part);
    if (rc == 0)
        rc = path_of(s, kind, id, "", path);
    if (rc == 0)
        rc = write_file(part, bytes);
    if (rc == 0 && rename(part, path) < 0)
        rc = err_set_errno(-errno, "rename %s", part);
    if (rc < 0)
        (void)unlink(part);
    return rc;
}

int blob_read(struct store *s, enum blob_kind kind, int64_t id, struct buf *out)
{
    char path[STORE_PATH_MAX];
    int rc = path_of(s, kind, id, "", path);
    if (rc < 0)
        return rc;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? E_NOT_FOUND : err_set_errno(-errno, "open %s", path);
    struct stat st;
    if (fstat(fd, &st) < 0)
        rc = err_set_errno(-errno, "read %s", path);
    size_t left = rc == 0 ? (size_t)st.st_size : 0;
    uint8_t *room = left > 0 ? buf_reserve(out, left) : NULL;
    while (room && left > 0 && rc == 0) {
        ssize_t n = read(fd, room, left);
        if (n < 0 && errno != EINTR)
            rc = err_set_errno(-errno, "read %s", path);
        if (n == 0)
            rc = err_set(E_DAMAGED, "read %s: it has become shorter", path);
        if (n <= 0)
            continue;
        buf_claim(out, (size_t)n);
        room += n;
        left -= (size_t)n;
    }
    close(fd);
    return rc < 0 ? rc : buf_finish(out);
}

void blob_remove(struct store *s, enum blob_kind kind, int64_t id)
{
    char path[STORE_PATH_MAX];
    if (path_of(s, kind, id, "", path) == 0)
        (void)unlink(path);
}
