#include "rt_test.h"

#include "rt/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct ends {
    struct io *a, *b;
    int rounds;
    struct co *waiter;
    int result;
};

static void open_ends(struct ends *e)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(io_open(loop_current(), fds[0], &e->a), 0);
    assert_int_equal(io_open(loop_current(), fds[1], &e->b), 0);
}

static void close_ends(struct ends *e)
{
    io_close(e->a);
    io_close(e->b);
}

/* --- ping-pong --- */

static void echo(void *arg)
{
    struct ends *e = arg;
    for (int i = 0; i < e->rounds; i++) {
        char c;
        assert_int_equal(io_wait_readable(e->b, in_ms(5000)), 0);
        assert_int_equal(read(io_fd(e->b), &c, 1), 1);
        assert_int_equal(write(io_fd(e->b), &c, 1), 1);
    }
}

static void ping(void *arg)
{
    struct ends *e = arg;
    open_ends(e);
    spawn(loop_current(), echo, e);
    for (int i = 0; i < e->rounds; i++) {
        char c = (char)i, back = 0;
        assert_int_equal(write(io_fd(e->a), &c, 1), 1);
        assert_int_equal(io_wait_readable(e->a, in_ms(5000)), 0);
        assert_int_equal(read(io_fd(e->a), &back, 1), 1);
        assert_int_equal(back, c);
    }
    close_ends(e);
}

static void test_ping_pong(void **state)
{
    (void)state;
    struct ends e = {.rounds = 300};
    run_co(ping, &e);
}

/* --- what the io remembers --- */

/* Reads a byte at a time of what came as one edge, without a hint: no wait may hang. */
static void reads_in_small_bites(void *arg)
{
    struct ends *e = arg;
    open_ends(e);
    assert_false(io_maybe_readable(e->a));
    assert_int_equal(write(io_fd(e->b), "abcde", 5), 5);
    for (const char *want = "abcde"; *want != '\0'; want++) {
        char c;
        assert_int_equal(io_wait_readable(e->a, in_ms(5000)), 0);
        assert_true(io_maybe_readable(e->a));
        assert_int_equal(read(io_fd(e->a), &c, 1), 1);
        assert_int_equal(c, *want);
    }
    assert_int_equal(io_wait_readable(e->a, in_ms(2)), -ETIMEDOUT);

    assert_int_equal(write(io_fd(e->b), "f", 1), 1);
    char buf[8];
    assert_int_equal(io_wait_readable(e->a, in_ms(5000)), 0);
    assert_int_equal(read(io_fd(e->a), buf, sizeof buf), 1);
    io_drained(e->a);
    assert_false(io_maybe_readable(e->a));
    assert_int_equal(write(io_fd(e->b), "g", 1), 1);
    assert_int_equal(io_wait_readable(e->a, in_ms(5000)), 0); /* the next edge */
    assert_int_equal(read(io_fd(e->a), buf, sizeof buf), 1);
    close_ends(e);
}

static void test_no_edge_is_lost(void **state)
{
    (void)state;
    struct ends e = {0};
    run_co(reads_in_small_bites, &e);
}

static void sees_the_end(void *arg)
{
    struct ends *e = arg;
    open_ends(e);
    assert_int_equal(write(io_fd(e->b), "last", 4), 4);
    io_close(e->b);
    e->b = NULL;
    char buf[64];
    assert_int_equal(io_wait_readable(e->a, in_ms(5000)), 0);
    assert_int_equal(read(io_fd(e->a), buf, sizeof buf), 4);
    io_drained(e->a); /* a short read: but the end came with the data, no edge will follow */
    assert_int_equal(io_wait_readable(e->a, in_ms(5000)), 0);
    assert_int_equal(read(io_fd(e->a), buf, sizeof buf), 0);
    close_ends(e);
}

static void test_end_after_data(void **state)
{
    (void)state;
    struct ends e = {0};
    run_co(sees_the_end, &e);
}

/* --- writing --- */

static void drains(void *arg)
{
    struct ends *e = arg;
    char buf[2048];
    ssize_t n;
    while ((n = read(io_fd(e->b), buf, sizeof buf)) != 0) {
        if (n > 0)
            e->result += (int)n;
        else
            assert_int_equal(io_wait_readable(e->b, in_ms(5000)), 0);
    }
}

static void fills(void *arg)
{
    struct ends *e = arg;
    open_ends(e);
    struct co *reader = spawn(loop_current(), drains, e);
    char buf[2048];
    memset(buf, 'x', sizeof buf);
    int sent = 0, waits = 0;
    while (sent < 1 << 20) {
        ssize_t n = write(io_fd(e->a), buf, sizeof buf);
        if (n > 0) {
            sent += (int)n;
            continue;
        }
        assert_int_equal(errno, EAGAIN);
        if (waits++ % 2 == 0) /* with the hint and without */
            io_filled(e->a);
        assert_int_equal(io_wait_writable(e->a, in_ms(5000)), 0);
    }
    assert_true(waits > 0);
    shutdown(io_fd(e->a), SHUT_WR);
    assert_int_equal(co_join(reader, in_ms(5000)), 0);
    assert_int_equal(e->result, sent);
    close_ends(e);
}

static void test_full_socket(void **state)
{
    (void)state;
    struct ends e = {0};
    run_co(fills, &e);
}

/* --- ends of waits --- */

static void waits_to_read(void *arg)
{
    struct ends *e = arg;
    e->result = io_wait_readable(e->a, in_ms(60000));
}

static void closes_under_it(void *arg)
{
    struct ends *e = arg;
    open_ends(e);
    e->waiter = spawn(loop_current(), waits_to_read, e);
    assert_int_equal(co_sleep_until(in_ms(2)), 0);
    co_wake(e->waiter); /* not what it waits for */
    assert_int_equal(co_yield (), 0);
    assert_int_equal(e->result, 1);
    io_close(e->a);
    assert_int_equal(co_join(e->waiter, in_ms(5000)), 0);
    assert_int_equal(e->result, -ECANCELED);
    e->a = NULL;
    close_ends(e);
}

static void test_close_ends_waits(void **state)
{
    (void)state;
    struct ends e = {.result = 1};
    run_co(closes_under_it, &e);
}

static void cancels_it(void *arg)
{
    struct ends *e = arg;
    open_ends(e);
    e->waiter = spawn(loop_current(), waits_to_read, e);
    assert_int_equal(co_yield (), 0);
    co_cancel(e->waiter);
    assert_int_equal(co_join(e->waiter, in_ms(5000)), 0);
    assert_int_equal(e->result, -ECANCELED);
    /* The io is as good as before. */
    assert_int_equal(io_wait_readable(e->a, in_ms(1)), -ETIMEDOUT);
    assert_int_equal(write(io_fd(e->b), "x", 1), 1);
    assert_int_equal(io_wait_readable(e->a, in_ms(5000)), 0);
    close_ends(e);
}

static void test_cancel_ends_waits(void **state)
{
    (void)state;
    struct ends e = {.result = 1};
    run_co(cancels_it, &e);
}

static void rejects_files(void *arg)
{
    (void)arg;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct io *io = NULL;
    assert_int_equal(io_open(loop_current(), fd, &io), -EPERM);
    assert_null(io);
    close(fd);
    io_close(NULL);
}

static void test_files_cannot_be_waited_for(void **state)
{
    (void)state;
    run_co(rejects_files, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ping_pong),
        cmocka_unit_test(test_no_edge_is_lost),
        cmocka_unit_test(test_end_after_data),
        cmocka_unit_test(test_full_socket),
        cmocka_unit_test(test_close_ends_waits),
        cmocka_unit_test(test_cancel_ends_waits),
        cmocka_unit_test(test_files_cannot_be_waited_for),
    };
    return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
