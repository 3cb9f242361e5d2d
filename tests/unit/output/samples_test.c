#include "output/samples.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "rt/co.h"
#include "rt/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

enum { PRODUCERS = 3, CHUNKS = 400 };

/* An output that counts, and that can be held up. */
struct counter {
    pthread_mutex_t held;
    uint64_t samples, flushes;
    uint64_t last[PRODUCERS]; /* serial of the latest chunk of each */
    bool in_order;
};

static void count(void *self, const struct sample_chunk *c)
{
    struct counter *k = self;
    pthread_mutex_lock(&k->held);
    pthread_mutex_unlock(&k->held);
    if (!c) {
        k->flushes++;
        return;
    }
    k->samples += c->len;
    size_t producer = (size_t)c->samples[0].value;
    k->in_order = k->in_order && c->serial == k->last[producer] + 1;
    k->last[producer] = c->serial;
}

static const struct output_ops counting = {.name = "counting", .samples = count};
static const struct output_ops deaf = {.name = "deaf"};

struct world {
    struct counter counter;
    struct output outputs[2];
    struct sample_stream *stream;
    void (*body)(struct world *w);
    atomic_uint ended;
};

static struct sample_chunk *chunk(size_t producer, uint64_t serial, size_t len)
{
    struct sample_chunk *c = mem_calloc(1, sizeof *c);
    assert_non_null(c);
    arena_init(&c->arena, SAMPLE_ARENA_MAX);
    c->serial = serial;
    c->len = len;
    c->samples[0].value = (double)producer;
    return c;
}

static void main_co(void *arg)
{
    struct world *w = arg;
    assert_int_equal(sample_stream_new(w->outputs, 2, &w->stream), 0);
    w->body(w);
    sample_stream_stop(w->stream);
}

static void in_world(struct world *w, void (*body)(struct world *w))
{
    struct loop *loop;
    struct co *co;
    *w = (struct world){.body = body, .counter.in_order = true};
    pthread_mutex_init(&w->counter.held, NULL);
    w->outputs[0] = (struct output){&deaf, NULL};
    w->outputs[1] = (struct output){&counting, &w->counter};
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(co_spawn(loop, main_co, w, &co), 0);
    loop_run(loop);
    sample_stream_free(w->stream);
    loop_free(loop);
    pthread_mutex_destroy(&w->counter.held);
}

struct producer {
    struct world *world;
    size_t number;
    pthread_t thread;
};

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (uint64_t i = 1; i <= CHUNKS; i++) {
        while (sample_stream_behind(p->world->stream))
            sched_yield();
        sample_stream_put(p->world->stream, chunk(p->number, i, i % SAMPLES_PER_CHUNK + 1));
    }
    atomic_fetch_add(&p->world->ended, 1);
    return NULL;
}

static void three_producers(struct world *w)
{
    struct producer p[PRODUCERS];
    for (size_t i = 0; i < PRODUCERS; i++) {
        p[i] = (struct producer){.world = w, .number = i};
        assert_int_equal(pthread_create(&p[i].thread, NULL, produce, &p[i]), 0);
    }
    while (atomic_load(&w->ended) < PRODUCERS)
        assert_int_equal(co_yield (), 0);
    for (size_t i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_join(p[i].thread, NULL), 0);
}

static void test_all_arrive_in_order(void **state)
{
    (void)state;
    struct world w;
    uint64_t all = 0;
    for (uint64_t i = 1; i <= CHUNKS; i++)
        all += i % SAMPLES_PER_CHUNK + 1;
    in_world(&w, three_producers);
    assert_int_equal(w.counter.samples, PRODUCERS * all);
    assert_true(w.counter.in_order);
    assert_true(w.counter.flushes >= 1);
}

/* More than there is room for, while nobody takes any: what is too much is lost, not more. */
static void too_much(struct world *w)
{
    const size_t room = SAMPLES_WAITING_MAX / sizeof(struct sample_chunk);
    pthread_mutex_lock(&w->counter.held);
    for (size_t i = 1; i <= room + 10; i++) {
        sample_stream_put(w->stream, chunk(0, i, 2));
        if (i == 1)
            assert_false(sample_stream_behind(w->stream));
    }
    sample_stream_put(w->stream, NULL);
    assert_true(sample_stream_behind(w->stream));
    pthread_mutex_unlock(&w->counter.held);
    for (int64_t until = clock_mono_ns() + 10 * NS_PER_S; sample_stream_behind(w->stream);) {
        assert_true(clock_mono_ns() < until);
        assert_int_equal(co_yield (), 0);
    }
}

static void test_bounded(void **state)
{
    (void)state;
    struct world w;
    const size_t room = SAMPLES_WAITING_MAX / sizeof(struct sample_chunk);
    in_world(&w, too_much);
    assert_int_equal(w.counter.samples, 2 * room);
}

static void nothing(struct world *w)
{
    (void)w;
}

static void test_nothing(void **state)
{
    (void)state;
    struct world w;
    in_world(&w, nothing);
    assert_int_equal(w.counter.samples, 0);
    assert_int_equal(w.counter.flushes, 1);
    sample_stream_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_arrive_in_order),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
