/*
 * net_test - servers of the tests of net/: threads with blocking sockets on 127.0.0.1 or ::1, so
 * that nothing of what is tested serves itself.
 */
#ifndef NET_TEST_H
#define NET_TEST_H

#include "../rt/rt_test.h"

#include "base/err.h"
#include "base/mem.h"
#include "net/dial.h"
#include "net/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Serves one connection; closes `fd` itself. */
typedef void serve_fn(int fd, void *arg);

struct server {
    int fd;
    uint16_t port;
    serve_fn *serve;
    void *arg;
    int connections; /* that it takes, one after another */
    pthread_t thread;
};

static inline void *server_main(void *arg)
{
    struct server *s = arg;
    for (int i = 0; i < s->connections; i++) {
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            break;
        s->serve(fd, s->arg);
    }
    return NULL;
}

static inline void server_listen(struct server *s, int family)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *addr = family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
    socklen_t len = family == AF_INET ? sizeof in : sizeof in6;
    s->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, addr, len), 0);
    assert_int_equal(listen(s->fd, 64), 0);
    assert_int_equal(getsockname(s->fd, addr, &len), 0);
    s->port = ntohs(family == AF_INET ? in.sin_port : in6.sin6_port);
}

static inline void server_start(struct server *s, int family, serve_fn *serve, void *arg)
{
    if (s->connections == 0)
        s->connections = 1;
    s->serve = serve;
    s->arg = arg;
    server_listen(s, family);
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

/* After the last of its connections. */
static inline void server_stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR); /* ends an accept() that is still waiting */
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static inline void echo_bytes(int fd, void *arg)
{
    (void)arg;
    char buf[2048];
    ssize_t n;
    while ((n = read(fd, buf, sizeof buf)) > 0)
        for (ssize_t at = 0, w; at < n; at += w)
            if ((w = send(fd, buf + at, (size_t)(n - at), MSG_NOSIGNAL)) <= 0)
                break;
    close(fd);
}

/* What a dial needs, and one try at a time. */
struct bench {
    struct dial_rules rules;
    struct dns_cache *cache;
    struct dialer *dialer;
    struct stream *s;
    struct dial_result how;
};

static inline void bench_init(struct bench *b)
{
    *b = (struct bench){0};
    dial_rules_init(&b->rules);
    assert_int_equal(dns_cache_new(&b->cache), 0);
}

static inline void bench_fini(struct bench *b)
{
    stream_close(b->s);
    dialer_free(b->dialer);
    dns_cache_free(b->cache);
    dial_rules_fini(&b->rules);
}

/* In a coroutine, at most 10 s. */
static inline int bench_dial(struct bench *b, const char *host, uint16_t port, bool tls)
{
    if (b->dialer == NULL)
        assert_int_equal(dialer_new(&b->rules, b->cache, &b->dialer), 0);
    stream_close(b->s);
    b->s = NULL;
    return dial(b->dialer, str_of(host), port, tls, NULL, in_ms(10000), &b->s, &b->how);
}

#define assert_fails(how, want_failure, want_message)                                              \
    do {                                                                                           \
        assert_string_equal(err_message(), want_message);                                          \
        assert_int_equal((how).failure, want_failure);                                             \
    } while (0)

#endif
