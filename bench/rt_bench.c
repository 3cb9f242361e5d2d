/*
 * rt_bench - what a switch, a wait and a parked coroutine cost.  Prints one line a figure.
 *
 * Not a test: its figures go into docs/decisions/0002 and 0003.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "rt/co.h"
#include "rt/io.h"
#include "rt/loop.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct usage {
    int64_t wall_ns, user_ns, system_ns;
};

static struct usage usage_now(void)
{
    struct rusage r;
    getrusage(RUSAGE_THREAD, &r);
    return (struct usage){
        clock_mono_ns(),
        r.ru_utime.tv_sec * NS_PER_S + r.ru_utime.tv_usec * 1000,
        r.ru_stime.tv_sec * NS_PER_S + r.ru_stime.tv_usec * 1000,
    };
}

static void report(const char *what, struct usage from, long n)
{
    struct usage to = usage_now();
    printf("%-42s %8.1f ns wall, %8.1f ns user, %8.1f ns system each\n", what,
           (double)(to.wall_ns - from.wall_ns) / (double)n,
           (double)(to.user_ns - from.user_ns) / (double)n,
           (double)(to.system_ns - from.system_ns) / (double)n);
}

static void run_one(co_fn *fn, void *arg)
{
    struct loop *l = NULL;
    if (loop_new(&l) < 0 || co_spawn(l, fn, arg, NULL) < 0)
        abort();
    loop_run(l);
    loop_free(l);
}

/* --- switches: as many coroutines as asked take turns, with a look at epoll per round --- */

struct dance {
    long left;
    int dancers;
};

static void dance(void *arg)
{
    struct dance *d = arg;
    while (d->left-- > 0)
        if (co_yield () < 0)
            abort();
}

static void bench_switch(int dancers)
{
    enum { TURNS = 4000000 };
    struct dance d = {.left = TURNS, .dancers = dancers};
    struct loop *l = NULL;
    if (loop_new(&l) < 0)
        abort();
    for (int i = 0; i < dancers; i++)
        if (co_spawn(l, dance, &d, NULL) < 0)
            abort();
    struct usage from = usage_now();
    loop_run(l);
    char what[64];
    snprintf(what, sizeof what, "yield, %d coroutines (2 switches)", dancers);
    report(what, from, TURNS);
    loop_free(l);
}

/* --- waits: pairs of coroutines that play ping-pong over socket pairs --- */

enum { ROUNDS = 400000 };

struct match {
    struct io *a, *b;
    int rounds;
};

static void play(struct io *io, int rounds, bool serves)
{
    char c = 'x';
    for (int i = 0; i < rounds; i++) {
        if (serves && write(io_fd(io), &c, 1) != 1)
            abort();
        if (io_wait_readable(io, loop_now_ns(loop_current()) + 60 * NS_PER_S) < 0 ||
            read(io_fd(io), &c, 1) != 1)
            abort();
        io_drained(io);
        if (!serves && write(io_fd(io), &c, 1) != 1)
            abort();
    }
}

static void ping(void *arg)
{
    struct match *m = arg;
    play(m->a, m->rounds, true);
}

static void pong(void *arg)
{
    struct match *m = arg;
    play(m->b, m->rounds, false);
    io_close(m->b);
}

static void bench_wait(int pairs)
{
    struct match *m = mem_calloc((size_t)pairs, sizeof *m);
    struct loop *l = NULL;
    if (m == NULL || loop_new(&l) < 0)
        abort();
    for (int i = 0; i < pairs; i++) {
        int fds[2];
        m[i].rounds = ROUNDS / pairs;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0 ||
            io_open(l, fds[0], &m[i].a) < 0 || io_open(l, fds[1], &m[i].b) < 0 ||
            co_spawn(l, ping, &m[i], NULL) < 0 || co_spawn(l, pong, &m[i], NULL) < 0)
            abort();
    }
    struct usage from = usage_now();
    loop_run(l);
    char what[64];
    snprintf(what, sizeof what, "write + wait + read, %d socket pairs", pairs);
    report(what, from, 2L * ROUNDS);
    for (int i = 0; i < pairs; i++)
        io_close(m[i].a);
    mem_free(m);
    loop_free(l);
}

/* What the system calls of the same exchange cost by themselves. */
static void bench_calls(void)
{
    int fds[2];
    char c = 'x';
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
        abort();
    struct usage from = usage_now();
    for (int i = 0; i < 2 * ROUNDS; i++)
        if (write(fds[0], &c, 1) != 1 || read(fds[1], &c, 1) != 1)
            abort();
    report("write + read alone", from, 2L * ROUNDS);
    close(fds[0]);
    close(fds[1]);
}

/* --- timers --- */

static void sleeps(void *arg)
{
    int64_t *late_ns = arg;
    for (int i = 0; i < 200; i++) {
        int64_t due_ns = clock_mono_ns() + 2 * NS_PER_MS + i * 1000;
        if (co_sleep_until(due_ns) < 0)
            abort();
        *late_ns += clock_mono_ns() - due_ns;
    }
}

static void bench_sleep(void)
{
    int64_t late_ns = 0;
    run_one(sleeps, &late_ns);
    printf("%-42s %8.1f us late on average\n", "sleep of 2 ms", (double)late_ns / 200 / 1000);
}

static void naps(void *arg)
{
    int64_t *step_ns = arg;
    for (int i = 0; i < 20; i++)
        if (co_sleep_until(loop_now_ns(loop_current()) + *step_ns) < 0)
            abort();
}

static void bench_many_sleeps(void)
{
    enum { SLEEPERS = 10000 };
    struct loop *l = NULL;
    int64_t step_ns = 100 * NS_PER_MS;
    if (loop_new(&l) < 0)
        abort();
    for (int i = 0; i < SLEEPERS; i++)
        if (co_spawn(l, naps, &step_ns, NULL) < 0)
            abort();
    struct usage from = usage_now();
    loop_run(l);
    report("sleep of 100 ms, 10,000 coroutines", from, 20L * SLEEPERS);
    loop_free(l);
}

/* --- memory --- */

static long resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long size = 0, resident = 0;
    if (f == NULL || fscanf(f, "%ld %ld", &size, &resident) != 2)
        abort();
    fclose(f);
    return resident * sysconf(_SC_PAGESIZE);
}

enum { PARKED = 50000 };

struct field {
    long parked, bytes;
};

static void parks(void *arg)
{
    struct field *f = arg;
    f->parked++;
    if (co_sleep_until(loop_now_ns(loop_current()) + NS_PER_S) < 0)
        abort();
    if (f->bytes == 0)
        f->bytes = resident_bytes();
}

static void bench_memory(void)
{
    struct field f = {0};
    struct loop *l = NULL;
    if (loop_new(&l) < 0)
        abort();
    long before = resident_bytes();
    struct usage from = usage_now();
    for (int i = 0; i < PARKED; i++)
        if (co_spawn(l, parks, &f, NULL) < 0)
            abort();
    loop_run(l);
    report("spawn, run, end (and 1 s of sleep)", from, PARKED);
    printf("%-42s %8ld bytes each\n", "50,000 parked coroutines", (f.bytes - before) / PARKED);
    loop_free(l);
}

int main(void)
{
    bench_switch(2);
    bench_switch(100);
    bench_switch(1000);
    bench_switch(10000);
    bench_calls();
    bench_wait(1);
    bench_wait(50);
    bench_wait(1000);
    bench_sleep();
    bench_many_sleeps();
    bench_memory();
    return 0;
}
