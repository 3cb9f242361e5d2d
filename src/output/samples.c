#include "output/samples.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "rt/co.h"
#include "rt/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static const int64_t flush_every_ns = 200 * NS_PER_MS;

struct sample_stream {
    const struct output *outputs;
    size_t outputs_len;
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct sample_chunk *first, **last;
    size_t bytes; /* of the chunks that wait and of the one that is being written */
    uint64_t lost;
    bool said_behind;
    bool closing;

    atomic_bool behind;

    struct loop *loop; /* of the coroutine that stops it */
    struct co *stopper;
    struct mail mail;
    bool ended; /* the stopper's */
};

/* ---- the workers' side --------------------------------------------------------------------- */

/* What to say is decided under the lock and said outside of it. */
void sample_stream_put(void *arg, struct sample_chunk *c)
{
    struct sample_stream *s = arg;
    size_t bytes = c ? sample_chunk_bytes(c) : 0;
    bool say_behind = false, say_lost = false;
    pthread_mutex_lock(&s->lock);
    bool fits = c && s->bytes + bytes <= SAMPLES_WAITING_MAX;
    if (fits) {
        c->next = NULL;
        *s->last = c;
        s->last = &c->next;
        s->bytes += bytes;
        pthread_cond_signal(&s->changed);
    } else {
        say_lost = s->lost == 0;
        s->lost += c ? c->len : 1;
    }
    if (s->bytes > SAMPLES_BEHIND && !atomic_load_explicit(&s->behind, memory_order_relaxed)) {
        atomic_store_explicit(&s->behind, true, memory_order_relaxed);
        say_behind = !s->said_behind;
        s->said_behind = true;
    }
    pthread_mutex_unlock(&s->lock);
    if (!fits)
        sample_chunk_free(c);
    if (say_behind)
        log_warning("Samples come faster than the outputs can write them; iterations wait where "
                    "needed so that none is lost.");
    if (say_lost)
        log_warning("Samples come faster than the outputs can write them, and there is no more "
                    "room: some will be missing there. The summary has them all.");
}

bool sample_stream_behind(const struct sample_stream *s)
{
    return atomic_load_explicit(&s->behind, memory_order_relaxed);
}

/* ---- the thread ---------------------------------------------------------------------------- */

static void give(const struct sample_stream *s, const struct sample_chunk *c)
{
    for (size_t i = 0; i < s->outputs_len; i++)
        if (s->outputs[i].ops->samples)
            s->outputs[i].ops->samples(s->outputs[i].self, c);
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

/* The oldest chunk; NULL: none has come until `deadline_ns` (0: no deadline), or none ever will. */
static struct sample_chunk *take(struct sample_stream *s, int64_t deadline_ns)
{
    struct timespec until = timespec_of(deadline_ns);
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    while (!s->first && !s->closing && rc == 0)
        rc = deadline_ns ? pthread_cond_timedwait(&s->changed, &s->lock, &until)
                         : pthread_cond_wait(&s->changed, &s->lock);
    struct sample_chunk *c = s->first;
    if (c) {
        s->first = c->next;
        if (!s->first)
            s->last = &s->first;
    }
    pthread_mutex_unlock(&s->lock);
    return c;
}

static void written(struct sample_stream *s, struct sample_chunk *c)
{
    size_t bytes = sample_chunk_bytes(c);
    sample_chunk_free(c);
    pthread_mutex_lock(&s->lock);
    s->bytes -= bytes;
    if (s->bytes <= SAMPLES_BEHIND / 2)
        atomic_store_explicit(&s->behind, false, memory_order_relaxed);
    pthread_mutex_unlock(&s->lock);
}

static bool closing(struct sample_stream *s)
{
    pthread_mutex_lock(&s->lock);
    bool yes = s->closing && !s->first;
    pthread_mutex_unlock(&s->lock);
    return yes;
}

static void handle_ended(struct mail *m)
{
    struct sample_stream *s = CONTAINER_OF(m, struct sample_stream, mail);
    s->ended = true;
    co_wake(s->stopper);
}

static void *thread_main(void *arg)
{
    struct sample_stream *s = arg;
    int64_t flush_ns = 0; /* when what has been given should be in the files; 0: it is */
    while (!closing(s)) {
        struct sample_chunk *c = take(s, flush_ns);
        if (c) {
            give(s, c);
            written(s, c);
        }
        int64_t now_ns = clock_mono_ns();
        if (c && flush_ns == 0)
            flush_ns = now_ns + flush_every_ns;
        if (flush_ns != 0 && now_ns >= flush_ns) {
            give(s, NULL);
            flush_ns = 0;
        }
    }
    give(s, NULL);
    s->mail.fn = handle_ended;
    mail_send(s->loop, &s->mail);
    return NULL;
}

/* ---- life ---------------------------------------------------------------------------------- */

static int make_lock(struct sample_stream *s)
{
    pthread_condattr_t attr;
    int rc = -pthread_condattr_init(&attr);
    if (rc < 0)
        return rc;
    rc = -pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (rc == 0)
        rc = -pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&s->lock, NULL);
    return rc;
}

int sample_stream_new(const struct output *outputs, size_t len, struct sample_stream **ret)
{
    struct sample_stream *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_set(-ENOMEM, "outputs of samples");
    s->outputs = outputs;
    s->outputs_len = len;
    s->last = &s->first;
    s->loop = loop_current();
    int rc = make_lock(s);
    if (rc == 0)
        rc = -pthread_create(&s->thread, NULL, thread_main, s);
    if (rc < 0) {
        mem_free(s);
        return err_set_errno(rc, "start the thread of the outputs");
    }
    *ret = s;
    return 0;
}

void sample_stream_stop(struct sample_stream *s)
{
    s->stopper = co_self();
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    while (!s->ended) {
        int rc = co_wait(CO_FOREVER);
        (void)rc; /* the mail points into `s`: nothing may end this early */
        co_cancel_clear();
    }
    (void)pthread_join(s->thread, NULL);
    if (s->lost > 0)
        log_error("%llu samples are missing in the outputs: they came faster than they could be "
                  "written",
                  (unsigned long long)s->lost);
}

void sample_stream_free(struct sample_stream *s)
{
    if (!s)
        return;
    while (s->first) {
        struct sample_chunk *c = s->first;
        s->first = c->next;
        sample_chunk_free(c);
    }
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}
