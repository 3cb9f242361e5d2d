#include "cmd/screen.h"

#include "base/limits.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct screen screen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_terminal(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) && (term == NULL || strcmp(term, "dumb") != 0);
}

void screen_init(void)
{
    buf_init(&screen.block, CMD_PROGRESS_BYTES);
    screen.out_tty = is_terminal(STDOUT_FILENO);
    screen.err_tty = is_terminal(STDERR_FILENO);
}

/* 0, or why not all of it could be written. Waits for a pipe that another program made
 * non-blocking. */
static int write_whole(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EAGAIN)
            (void)poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (n < 0 && errno != EINTR)
            return -errno;
        else if (n == 0)
            return -EIO;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Under the lock. Of a closed pipe nobody wants to hear; of a full disk somebody has to. */
static void put(FILE *to, const void *data, size_t len)
{
    int rc = fflush(to) == 0 ? write_whole(fileno(to), data, len) : -errno;
    if (rc < 0 && to == stdout && rc != -EPIPE && screen.out_error == 0)
        screen.out_error = rc;
}

int screen_error(void)
{
    pthread_mutex_lock(&screen.lock);
    int rc = screen.out_error;
    pthread_mutex_unlock(&screen.lock);
    return rc;
}

static bool is_screen(const FILE *to)
{
    return (to == stdout && screen.out_tty) || (to == stderr && screen.err_tty);
}

void screen_write(FILE *to, const void *data, size_t len)
{
    pthread_mutex_lock(&screen.lock);
    bool over = screen.block.len > 0 && is_screen(to);
    if (over)
        put(stdout, "\r\033[J", 4);
    put(to, data, len);
    if (over)
        put(stdout, screen.block.data, screen.block.len);
    pthread_mutex_unlock(&screen.lock);
}

void screen_block(struct str text)
{
    pthread_mutex_lock(&screen.lock);
    if (text.len == 0 && screen.block.len > 0)
        put(stdout, "\r\033[J", 4);
    buf_reset(&screen.block);
    buf_str(&screen.block, text);
    if (text.len > 0)
        put(stdout, text.ptr, text.len);
    pthread_mutex_unlock(&screen.lock);
}

int screen_width(void)
{
    struct winsize w;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0)
        return 0;
    return w.ws_col;
}
