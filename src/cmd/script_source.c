#include "cmd/script_source.h"

#include "base/err.h"
#include "base/limits.h"
#include "cmd/flags_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, TAR_BLOCK = 512 };

int read_all_of(int fd, struct buf *out)
{
    for (;;) {
        uint8_t *room = buf_reserve(out, CHUNK);
        if (room == NULL)
            return buf_finish(out);
        ssize_t n = read(fd, room, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        buf_claim(out, (size_t)n);
    }
}

int read_whole_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = read_all_of(fd, out);
    (void)close(fd);
    return rc;
}

/* Whether the file begins like a tar; false when it can't be read. */
static bool file_is_archive(const char *path)
{
    uint8_t block[TAR_BLOCK];
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while (len < sizeof block) {
        ssize_t n = read(fd, block + len, sizeof block - len);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    (void)close(fd);
    return len == sizeof block && test_archive_begins(block);
}

static int bad_type(const char *type, const char *arg)
{
    return err_exit(err_set(E_CONFIG,
                            "unknown or unspecified test type '%s' for '%s': use js or archive",
                            type, arg),
                    FLAGS_EXIT);
}

static int read_bytes(struct script_source *s, const char *arg, bool from_stdin)
{
    int rc = from_stdin ? read_all_of(STDIN_FILENO, &s->bytes) : read_whole_file(arg, &s->bytes);
    if (rc == -EMSGSIZE)
        return err_exit(err_set(E_LIMIT, "%s is larger than %zu bytes",
                                from_stdin ? "standard input" : arg, s->bytes.max),
                        FLAGS_EXIT);
    if (rc < 0)
        return err_exit(err_set_errno(rc, "read %s", from_stdin ? "standard input" : arg),
                        FLAGS_EXIT);
    return 0;
}

int script_source_read(struct script_source *s, const char *arg, const char *type)
{
    *s = (struct script_source){0};
    buf_init(&s->bytes, CMD_ARCHIVE_BYTES);
    bool from_stdin = strcmp(arg, "-") == 0;
    bool js = type != NULL && strcmp(type, "js") == 0;
    bool archive = type != NULL && strcmp(type, "archive") == 0;
    if (type != NULL && !js && !archive)
        return bad_type(type, arg);
    if (!archive && !js && !from_stdin)
        archive = file_is_archive(arg);
    if (!archive && !from_stdin)
        return 0;
    int rc = read_bytes(s, arg, from_stdin);
    if (rc < 0)
        return rc;
    s->is_archive =
        archive || (!js && s->bytes.len >= TAR_BLOCK && test_archive_begins(s->bytes.data));
    return s->is_archive ? test_archive_read(&s->archive, buf_view(&s->bytes), arg) : 0;
}

void script_source_fini(struct script_source *s)
{
    test_archive_fini(&s->archive);
    buf_fini(&s->bytes);
}
