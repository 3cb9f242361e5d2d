/*
 * Clients that take their time: half-open ones, a byte now and then, answers that nobody takes.
 */
#include "server/server.h"

#include "base/clock.h"
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_open(&w, 120 * NS_PER_S);
    w.patience_ns = 200 * NS_PER_MS;
    world_stop(&w);
    world_restart(&w);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_close(&w);
    return 0;
}

/* Whether the other side has closed, after at most 20 ms. */
static bool is_closed(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char bytes[4096];
    if (poll(&p, 1, 20) <= 0)
        return false;
    return recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) <= 0 && errno != EAGAIN;
}

/* Sends `more` every 20 ms until the server has enough. */
static void drip(int fd, const char *more)
{
    int64_t end = clock_mono_ns() + 10 * NS_PER_S;
    while (!is_closed(fd)) {
        assert_true(clock_mono_ns() < end);
        if (send(fd, more, strlen(more), MSG_NOSIGNAL) < 0)
            break;
    }
    close(fd);
}

static void test_nothing_comes(void **state)
{
    (void)state;
    drip(dial(&w), "");
}

static void test_slow_line(void **state)
{
    (void)state;
    drip(dial(&w), "G");
}

static void test_slow_head(void **state)
{
    (void)state;
    int fd = dial(&w);
    static const char begin[] = "GET /session HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    send_all(fd, begin, strlen(begin));
    drip(fd, "x");
}

static void test_slow_body(void **state)
{
    (void)state;
    int fd = dial(&w);
    char head[512];
    snprintf(head, sizeof head,
             "POST /v1/tests HTTP/1.1\r\nHost: x\r\nAuthorization: Token %s\r\n"
             "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{",
             w.token);
    send_all(fd, head, strlen(head));
    drip(fd, " ");
    /* One that isn't taken anyhow is no reason to wait either. */
    fd = dial(&w);
    snprintf(head, sizeof head,
             "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{");
    send_all(fd, head, strlen(head));
    drip(fd, " ");
}

/* A body that comes steadily may take longer than that; a stream may take as long as it likes. */
static void test_patience(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf in;
    char head[512];
    buf_init(&in, 1 << 20);
    int stream = dial(&w);
    snprintf(
        head, sizeof head,
        "GET /cloud/v5/test_runs/events HTTP/1.1\r\nHost: x\r\nAuthorization: Token %s\r\n\r\n",
        w.token);
    send_all(stream, head, strlen(head));
    read_until(stream, &in, "text/event-stream");
    int fd = dial(&w);
    const int chunks = 20;
    snprintf(head, sizeof head,
             "POST /v1/tests HTTP/1.1\r\nHost: x\r\nAuthorization: Token %s\r\n"
             "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n",
             w.token, 25 + chunks * 1024);
    send_all(fd, head, strlen(head));
    send_all(fd, "{\"name\":\"n\",\"duration\":36", 25);
    for (int i = 0; i < chunks; i++) {
        char spaces[1024];
        memset(spaces, i + 1 < chunks ? ' ' : '}', sizeof spaces);
        memset(spaces, ' ', sizeof spaces - 1);
        assert_false(is_closed(fd)); /* waits 20 ms */
        send_all(fd, spaces, sizeof spaces);
    }
    CLEANUP(buf_fini) struct buf answer;
    buf_init(&answer, 1 << 20);
    read_until(fd, &answer, "reference_id");
    close(fd);
    drip(dial(&w), "");
    read_until(stream, &in, "event: run"); /* of the run made above: it is still open */
    close(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_comes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_head, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_patience, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
