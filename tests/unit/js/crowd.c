#include "crowd.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attr.h"

static void hang_up(struct crowd *c, struct crowd_client *k)
{
    if (k->gate != 0)
        c->unanswered--;
    close(k->fd);
    k->fd = -1;
    k->gate = 0;
    k->len = 0;
    c->open--;
}

static void reply(struct crowd_client *k, int status)
{
    char body[4200], text[4400];
    const char *end = strstr(k->text, "\r\n\r\n");
    int line = (int)strcspn(k->text, "\r");
    line = line > 9 ? line - 9 : line; /* without " HTTP/1.1" */
    int len = snprintf(body, sizeof body, "%.*s %.4000s", line, k->text, end ? end + 4 : "");
    int n = snprintf(text, sizeof text, "HTTP/1.1 %d Said\r\nContent-Length: %d\r\n\r\n%s", status,
                     len, body);
    CHECK(send(k->fd, text, (size_t)n, MSG_NOSIGNAL) == n);
    k->len = 0;
    k->gate = 0;
}

static bool is_whole(const struct crowd_client *k)
{
    const char *end = strstr(k->text, "\r\n\r\n");
    const char *length = strstr(k->text, "\r\nContent-Length: ");
    size_t body = length ? strtoul(length + 18, NULL, 10) : 0;
    return end && k->len >= (size_t)(end + 4 - k->text) + body;
}

static void act(struct crowd *c, struct crowd_client *k)
{
    c->requests++;
    memcpy(c->last, k->text, sizeof c->last);
    const char *path = strchr(k->text, ' ');
    path = path ? path + 1 : "";
    if (strncmp(path, "/gate/", 6) == 0)
        k->gate = (int)strtol(path + 6, NULL, 10);
    else if (strncmp(path, "/never", 6) == 0)
        k->gate = CROWD_CLIENTS_MAX + 1;
    else if (strncmp(path, "/drop", 5) == 0)
        hang_up(c, k);
    else
        reply(k, strncmp(path, "/status/", 8) == 0 ? (int)strtol(path + 8, NULL, 10) : 200);
    if (k->gate != 0)
        c->unanswered++;
}

static void take(struct crowd *c, struct crowd_client *k)
{
    ssize_t n = recv(k->fd, k->text + k->len, CROWD_REQUEST_BYTES - k->len, 0);
    if (n <= 0) {
        hang_up(c, k);
        return;
    }
    k->len += (size_t)n;
    k->text[k->len] = '\0';
    if (k->gate == 0 && is_whole(k))
        act(c, k);
}

static void welcome(struct crowd *c)
{
    int fd = accept(c->fd, NULL, NULL);
    for (size_t i = 0; fd >= 0 && i < CROWD_CLIENTS_MAX; i++)
        if (c->clients[i].fd < 0) {
            c->clients[i].fd = fd;
            c->connections++;
            c->open++;
            return;
        }
    close(fd);
}

/* Whoever should not have come yet has had the time to, when nothing happens for a moment. */
static void open_gate(struct crowd *c)
{
    size_t waiting = 0;
    int wanted = CROWD_CLIENTS_MAX + 1;
    for (size_t i = 0; i < CROWD_CLIENTS_MAX; i++)
        if (c->clients[i].gate > 0 && c->clients[i].gate <= CROWD_CLIENTS_MAX) {
            waiting++;
            wanted = MIN(wanted, c->clients[i].gate);
        }
    if (waiting > c->most_at_once)
        c->most_at_once = waiting;
    for (size_t i = 0; i < CROWD_CLIENTS_MAX && (int)waiting >= wanted; i++)
        if (c->clients[i].gate > 0 && c->clients[i].gate <= CROWD_CLIENTS_MAX) {
            reply(&c->clients[i], 200);
            c->unanswered--;
        }
}

static void *run(void *arg)
{
    struct crowd *c = arg;
    for (;;) {
        struct pollfd fds[CROWD_CLIENTS_MAX + 2] = {{c->stop_pipe[0], POLLIN, 0},
                                                    {c->fd, POLLIN, 0}};
        for (size_t i = 0; i < CROWD_CLIENTS_MAX; i++)
            fds[2 + i] = (struct pollfd){c->clients[i].fd, POLLIN, 0};
        int n = poll(fds, CROWD_CLIENTS_MAX + 2, 20);
        if (fds[0].revents != 0)
            return NULL;
        if (n == 0)
            open_gate(c);
        for (size_t i = 0; n > 0 && i < CROWD_CLIENTS_MAX; i++)
            if (fds[2 + i].revents != 0)
                take(c, &c->clients[i]);
        if (n > 0 && fds[1].revents != 0)
            welcome(c);
    }
}

struct crowd *crowd_start(void)
{
    struct crowd *c = calloc(1, sizeof *c);
    CHECK(c != NULL);
    for (size_t i = 0; i < CROWD_CLIENTS_MAX; i++)
        c->clients[i].fd = -1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof addr;
    CHECK(c->fd >= 0 && bind(c->fd, (struct sockaddr *)&addr, size) == 0);
    CHECK(listen(c->fd, 64) == 0 && getsockname(c->fd, (struct sockaddr *)&addr, &size) == 0);
    CHECK(pipe(c->stop_pipe) == 0);
    c->port = ntohs(addr.sin_port);
    CHECK(pthread_create(&c->thread, NULL, run, c) == 0);
    return c;
}

void crowd_stop(struct crowd *c)
{
    CHECK(write(c->stop_pipe[1], "x", 1) == 1);
    pthread_join(c->thread, NULL);
    for (size_t i = 0; i < CROWD_CLIENTS_MAX; i++)
        if (c->clients[i].fd >= 0)
            close(c->clients[i].fd);
    close(c->fd);
    close(c->stop_pipe[0]);
    close(c->stop_pipe[1]);
}

void crowd_free(struct crowd *c)
{
    free(c);
}
