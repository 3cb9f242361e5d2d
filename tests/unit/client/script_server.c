#include "script_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attr.h"

/* False when the test wants it to end. */
static bool wait_for(struct script_server *s, int fd)
{
    struct pollfd fds[] = {{fd, POLLIN, 0}, {s->stop_pipe[0], POLLIN, 0}};
    while (poll(fds, 2, -1) < 0) {
    }
    return fds[1].revents == 0;
}

static size_t length_of(const char *head)
{
    const char *at = strstr(head, "\r\nContent-Length: ");
    return at ? (size_t)strtoul(at + 18, NULL, 10) : 0;
}

/* One request, as it came; false at the end of the connection. */
static bool read_request(struct script_server *s, int fd, char *text)
{
    size_t len = 0;
    for (;;) {
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        if (end && len >= (size_t)(end + 4 - text) + length_of(text))
            return true;
        if (len == SCRIPT_REQUEST_BYTES - 1 || !wait_for(s, fd))
            return false;
        ssize_t n = recv(fd, text + len, SCRIPT_REQUEST_BYTES - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
    }
}

static void send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        p += sent;
        n -= (size_t)sent;
    }
}

/* True when the connection stays for another request. */
static bool act(struct script_server *s, int fd, const struct script_exchange *x)
{
    if (x->reply)
        send_all(fd, x->reply, x->reply_len ? x->reply_len : strlen(x->reply));
    char c;
    switch (x->then) {
    case SCRIPT_KEEP:
        return true;
    case SCRIPT_CLOSE:
        return false;
    case SCRIPT_RESET: {
        struct linger linger = {1, 0};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        return false;
    }
    case SCRIPT_HOLD:
        while (wait_for(s, fd) && recv(fd, &c, 1, 0) > 0) {
        }
        return false;
    }
    return false;
}

static void serve(struct script_server *s, int fd, char *text)
{
    size_t *next = &s->requests;
    for (;;) {
        bool at_once = *next < s->exchanges_len && s->exchanges[*next].at_once;
        if (!at_once && !read_request(s, fd, text))
            return;
        if (*next == s->exchanges_len)
            return;
        if (*next < SCRIPT_REQUESTS_MAX)
            s->request[*next] = strdup(at_once ? "" : text);
        const struct script_exchange *x = &s->exchanges[(*next)++];
        if (!act(s, fd, x))
            return;
    }
}

static void *run(void *arg)
{
    struct script_server *s = arg;
    char *text = malloc(SCRIPT_REQUEST_BYTES);
    while (text && wait_for(s, s->fd)) {
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            continue;
        s->connections++;
        serve(s, fd, text);
        close(fd);
    }
    free(text);
    return NULL;
}

void script_server_start(struct script_server *s, const struct script_exchange *exchanges,
                         size_t len)
{
    *s = (struct script_server){.exchanges = exchanges, .exchanges_len = len};
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof addr;
    CHECK(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&addr, size) == 0);
    CHECK(listen(s->fd, 16) == 0 && getsockname(s->fd, (struct sockaddr *)&addr, &size) == 0);
    CHECK(pipe(s->stop_pipe) == 0);
    s->port = ntohs(addr.sin_port);
    CHECK(pthread_create(&s->thread, NULL, run, s) == 0);
}

void script_server_stop(struct script_server *s)
{
    CHECK(write(s->stop_pipe[1], "x", 1) == 1);
    pthread_join(s->thread, NULL);
    close(s->fd);
    close(s->stop_pipe[0]);
    close(s->stop_pipe[1]);
}

void script_server_fini(struct script_server *s)
{
    for (size_t i = 0; i < SCRIPT_REQUESTS_MAX; i++)
        free(s->request[i]);
}
