#include "net_test.h"

#include <stdio.h>

static void echoes(struct bench *b)
{
    char buf[64];
    assert_int_equal(stream_write_all(b->s, "hello", 5, in_ms(5000)), 0);
    size_t got = 0;
    while (got < 5) {
        ssize_t n = stream_read(b->s, buf + got, sizeof buf - got, in_ms(5000));
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_memory_equal(buf, "hello", 5);
}

static void talks(void *arg)
{
    struct server *server = arg;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_dial(&b, "127.0.0.1", server->port, false), 0);
    assert_int_equal(b.how.failure, DIAL_OK);
    assert_true(b.how.connect_ns > 0 && b.how.tls_ns == 0);
    char peer[64];
    snprintf(peer, sizeof peer, "127.0.0.1:%u", server->port);
    assert_string_equal(stream_peer(b.s), peer);
    assert_string_equal(stream_peer_ip(b.s), "127.0.0.1");
    assert_int_equal(stream_peer_port(b.s), server->port);
    assert_null(stream_tls(b.s)->version);
    for (int i = 1; i <= 50; i++) {
        int64_t before_ns = clock_mono_ns();
        assert_true(stream_is_idle_ok(b.s));
        echoes(&b);
        assert_int_equal(stream_bytes_out(b.s), 5 * i);
        assert_int_equal(stream_bytes_in(b.s), 5 * i);
        /* The kernel's stamp lies in between, but for what the two clocks drift in 100 ms. */
        assert_true(stream_arrival_ns(b.s) >= before_ns - NS_PER_MS);
        assert_true(stream_arrival_ns(b.s) <= clock_mono_ns());
    }
    bench_fini(&b);
}

static void test_echo(void **state)
{
    (void)state;
    struct server server = {0};
    server_start(&server, AF_INET, echo_bytes, NULL);
    run_co(talks, &server);
    server_stop(&server);
}

/* The stamp is the kernel's: taken when the bytes came, not when they were read. */
static void reads_late(void *arg)
{
    struct server *server = arg;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_dial(&b, "127.0.0.1", server->port, false), 0);
    /* The first stamps of a process may miss: the kernel turns them on behind our back. */
    for (int i = 0; i < 200; i++) {
        echoes(&b);
        assert_int_equal(stream_write_all(b.s, "later", 5, in_ms(5000)), 0);
        assert_int_equal(co_sleep_until(in_ms(20)), 0);
        char buf[8];
        assert_int_equal(stream_read(b.s, buf, sizeof buf, in_ms(5000)), 5);
        if (clock_mono_ns() - stream_arrival_ns(b.s) > 10 * NS_PER_MS)
            break;
        assert_true(i < 199);
    }
    bench_fini(&b);
}

static void test_arrival_is_the_kernels(void **state)
{
    (void)state;
    struct server server = {0};
    server_start(&server, AF_INET, echo_bytes, NULL);
    run_co(reads_late, &server);
    server_stop(&server);
}

/* --- much data --- */

enum { MUCH = 4 << 20 };

static void writes_much(void *arg)
{
    struct bench *b = arg;
    char *data = mem_calloc(1, MUCH);
    assert_non_null(data);
    for (size_t i = 0; i < MUCH; i++)
        data[i] = (char)(i * 7 % 251);
    assert_int_equal(stream_write_all(b->s, data, MUCH, in_ms(20000)), 0);
    mem_free(data);
}

static void reads_much(void *arg)
{
    struct server *server = arg;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_dial(&b, "127.0.0.1", server->port, false), 0);
    /* One coroutine writes while another reads. */
    spawn(loop_current(), writes_much, &b);
    size_t at = 0;
    while (at < MUCH) {
        char buf[1500];
        ssize_t n = stream_read(b.s, buf, sizeof buf, in_ms(20000));
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++, at++)
            if (buf[i] != (char)(at * 7 % 251))
                fail_msg("byte %zu is wrong", at);
    }
    assert_int_equal(stream_bytes_out(b.s), MUCH);
    bench_fini(&b);
}

static void test_much_data_both_ways(void **state)
{
    (void)state;
    struct server server = {0};
    server_start(&server, AF_INET, echo_bytes, NULL);
    run_co(reads_much, &server);
    server_stop(&server);
}

/* --- the end, by turns --- */

static void says_bye(int fd, void *arg)
{
    (void)arg;
    ssize_t n = send(fd, "bye", 3, MSG_NOSIGNAL);
    assert_int_equal(n, 3);
    close(fd);
}

static void hears_bye(void *arg)
{
    struct server *server = arg;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_dial(&b, "127.0.0.1", server->port, false), 0);
    char buf[64];
    ssize_t n, got = 0;
    while ((n = stream_read(b.s, buf + got, sizeof buf - (size_t)got, in_ms(5000))) > 0)
        got += n;
    assert_int_equal(n, 0);
    assert_int_equal(got, 3);
    assert_int_equal(stream_read(b.s, buf, sizeof buf, in_ms(5000)), 0);
    assert_false(stream_is_idle_ok(b.s));
    bench_fini(&b);
}

static void test_end_of_stream(void **state)
{
    (void)state;
    struct server server = {0};
    server_start(&server, AF_INET, says_bye, NULL);
    run_co(hears_bye, &server);
    server_stop(&server);
}

static void resets(int fd, void *arg)
{
    (void)arg;
    char c;
    ssize_t n = read(fd, &c, 1);
    (void)n;
    struct linger at_once = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void is_reset(void *arg)
{
    struct server *server = arg;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_dial(&b, "127.0.0.1", server->port, false), 0);
    char buf[64], tail[128];
    assert_int_equal(stream_write_all(b.s, "x", 1, in_ms(5000)), 0);
    assert_int_equal(stream_read(b.s, buf, sizeof buf, in_ms(5000)), -ECONNRESET);
    snprintf(tail, sizeof tail, "->127.0.0.1:%u: read: connection reset by peer", server->port);
    assert_true(str_starts(str_of(err_message()), STR("read tcp 127.0.0.1:")));
    assert_true(str_ends(str_of(err_message()), str_of(tail)));
    assert_false(stream_is_idle_ok(b.s));
    assert_int_equal(stream_write_all(b.s, "x", 1, in_ms(5000)), -EPIPE);
    assert_true(str_ends(str_of(err_message()), STR(": write: broken pipe")));
    bench_fini(&b);
}

static void test_reset(void **state)
{
    (void)state;
    struct server server = {0};
    server_start(&server, AF_INET, resets, NULL);
    run_co(is_reset, &server);
    server_stop(&server);
}

/* --- deadlines, cancelling --- */

struct silence {
    struct server *server;
    struct bench b;
    int result;
};

static void reads_for_ever(void *arg)
{
    struct silence *s = arg;
    char c;
    s->result = (int)stream_read(s->b.s, &c, 1, CO_FOREVER);
}

static void waits_in_vain(void *arg)
{
    struct silence *s = arg;
    bench_init(&s->b);
    assert_int_equal(bench_dial(&s->b, "127.0.0.1", s->server->port, false), 0);
    char c;
    int64_t until_ns = in_ms(5);
    assert_int_equal(stream_read(s->b.s, &c, 1, until_ns), -ETIMEDOUT);
    assert_true(clock_mono_ns() >= until_ns);
    assert_true(str_ends(str_of(err_message()), STR(": i/o timeout")));

    struct co *reader = spawn(loop_current(), reads_for_ever, s);
    assert_int_equal(co_join(reader, in_ms(5)), -ETIMEDOUT);
    co_cancel(reader);
    assert_int_equal(co_join(reader, in_ms(5000)), 0);
    assert_int_equal(s->result, -ECANCELED);
    echoes(&s->b); /* it is as good as before */
    bench_fini(&s->b);
}

static void test_deadline_and_cancel(void **state)
{
    (void)state;
    struct server server = {0};
    struct silence s = {.server = &server};
    server_start(&server, AF_INET, echo_bytes, NULL);
    run_co(waits_in_vain, &s);
    server_stop(&server);
}

/* --- streams on other people's sockets --- */

static void opens_a_pair(void *arg)
{
    (void)arg;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct stream *a = NULL, *b = NULL;
    assert_int_equal(stream_open(fds[0], &a), 0);
    assert_int_equal(stream_open(fds[1], &b), 0);
    char c = 0;
    assert_true(stream_is_idle_ok(b));
    assert_int_equal(stream_write_all(a, "x", 1, in_ms(5000)), 0);
    assert_int_equal(co_sleep_until(in_ms(1)), 0);
    assert_false(stream_is_idle_ok(b)); /* unasked bytes */
    assert_int_equal(stream_read(b, &c, 1, in_ms(5000)), 1);
    assert_true(stream_is_idle_ok(b));
    stream_close(a);
    assert_int_equal(co_sleep_until(in_ms(1)), 0);
    assert_false(stream_is_idle_ok(b));
    stream_close(b);
    assert_true(stream_open(-1, &a) < 0);
    stream_close(NULL);
}

static void test_open(void **state)
{
    (void)state;
    run_co(opens_a_pair, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_arrival_is_the_kernels),
        cmocka_unit_test(test_much_data_both_ways),
        cmocka_unit_test(test_end_of_stream),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_deadline_and_cancel),
        cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
