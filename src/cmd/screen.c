#include "cmd/screen.h"

#include "base/limits.h"

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

static void put(FILE *to, const void *data, size_t len)
{
    /* A closed pipe or a full disk has nobody left to tell. */
    size_t written = fwrite(data, 1, len, to);
    (void)written;
    (void)fflush(to);
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
