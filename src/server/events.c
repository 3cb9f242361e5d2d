#include "server/events.h"

#include <errno.h>
#include <microhttpd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "server/auth.h"

static const int64_t metrics_gap_ns = NS_PER_S;
/* Proxies close what is silent for a minute. */
static const int64_t keepalive_ns = 15 * NS_PER_S;

struct event_stream {
    struct events *events;
    struct event_stream *next;
    struct MHD_Connection *conn;
    int64_t run_id;    /* 0: all runs */
    int64_t *projects; /* ... of these projects, owned; NULL: of any */
    size_t projects_len;
    struct auth_reader reader;
    bool over;               /* ends once `pending` has been sent */
    struct buf pending;      /* text not yet sent */
    bool suspended;          /* waits for something in `pending` */
    int64_t metrics_time_s;  /* newest bucket not yet told, 0: none */
    int64_t metrics_sent_ns; /* when the last such event went out */
    int64_t sent_ns;         /* when anything went out */
};

void server_events_init(struct events *e)
{
    *e = (struct events){0};
    pthread_mutex_init(&e->lock, NULL);
}

void server_events_fini(struct events *e)
{
    CHECK(!e->streams);
    pthread_mutex_destroy(&e->lock);
}

/* Holds the lock. */
static void wake(struct event_stream *s)
{
    if (!s->suspended)
        return;
    s->suspended = false;
    MHD_resume_connection(s->conn);
}

/* Called by the server's threads whenever the connection can take bytes. */
static ssize_t read_stream(void *arg, uint64_t pos, char *out, size_t max)
{
    struct event_stream *s = arg;
    ssize_t n = 0;
    (void)pos;
    pthread_mutex_lock(&s->events->lock);
    if (s->pending.err) {
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (s->pending.len > 0) {
        size_t len = MIN(max, s->pending.len);
        memcpy(out, s->pending.data, len);
        buf_shift(&s->pending, len);
        s->sent_ns = clock_mono_ns();
        n = (ssize_t)len;
    } else if (s->events->closing || s->over) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        s->suspended = true;
        MHD_suspend_connection(s->conn);
    }
    pthread_mutex_unlock(&s->events->lock);
    return n;
}

static void discard(struct event_stream *s)
{
    if (!s)
        return;
    buf_fini(&s->pending);
    mem_free(s->projects);
    mem_free(s);
}

static void free_stream(void *arg)
{
    struct event_stream *s = arg;
    struct events *e = s->events;
    pthread_mutex_lock(&e->lock);
    for (struct event_stream **at = &e->streams; *at; at = &(*at)->next) {
        if (*at == s) {
            *at = s->next;
            e->len--;
            break;
        }
    }
    pthread_mutex_unlock(&e->lock);
    discard(s);
}

static struct event_stream *make_stream(const int64_t *projects, size_t len)
{
    struct event_stream *s = mem_calloc(1, sizeof *s);
    if (!s || !projects)
        return s;
    s->projects = mem_calloc(len + 1, sizeof *projects);
    if (!s->projects) {
        mem_free(s);
        return NULL;
    }
    if (len > 0)
        memcpy(s->projects, projects, len * sizeof *projects);
    s->projects_len = len;
    return s;
}

int events_open(struct events *e, struct MHD_Connection *conn, int64_t run_id,
                const struct auth_reader *reader, const int64_t *projects, size_t projects_len,
                struct str first, struct MHD_Response **ret)
{
    struct event_stream *s = make_stream(projects, projects_len);
    if (!s)
        return -ENOMEM;
    s->events = e;
    s->conn = conn;
    s->run_id = run_id;
    s->reader = *reader;
    s->sent_ns = clock_mono_ns();
    buf_init(&s->pending, SERVER_EVENT_BYTES);
    /* The comment makes the browser see the stream as open at once. */
    buf_z(&s->pending, "retry: 2000\n: open\n\n");
    buf_str(&s->pending, first);

    pthread_mutex_lock(&e->lock);
    bool full = e->len >= SERVER_EVENTS_MAX || e->closing;
    if (!full) {
        s->next = e->streams;
        e->streams = s;
        e->len++;
    }
    pthread_mutex_unlock(&e->lock);
    if (full) {
        discard(s);
        return err_set(E_UNAVAILABLE, "%d live streams are open already", SERVER_EVENTS_MAX);
    }
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 * 1024, read_stream, s, free_stream);
    if (!response) {
        free_stream(s);
        return -ENOMEM;
    }
    *ret = response;
    return 0;
}

static bool wants(const struct event_stream *s, int64_t run_id, int64_t project_id)
{
    if (s->run_id != 0)
        return s->run_id == run_id;
    for (size_t i = 0; s->projects && i < s->projects_len; i++)
        if (s->projects[i] == project_id)
            return true;
    return !s->projects;
}

void events_publish_run(struct events *e, int64_t run_id, int64_t project_id, struct str json)
{
    pthread_mutex_lock(&e->lock);
    for (struct event_stream *s = e->streams; s; s = s->next) {
        if (!wants(s, run_id, project_id))
            continue;
        buf_z(&s->pending, "event: run\ndata: ");
        buf_str(&s->pending, json);
        buf_z(&s->pending, "\n\n");
        wake(s);
    }
    pthread_mutex_unlock(&e->lock);
}

/* Holds the lock. */
static void tell_metrics(struct event_stream *s, int64_t mono_ns)
{
    if (s->metrics_time_s == 0 || mono_ns - s->metrics_sent_ns < metrics_gap_ns)
        return;
    buf_printf(&s->pending, "event: metrics\ndata: {\"time\":%lld}\n\n",
               (long long)s->metrics_time_s);
    s->metrics_time_s = 0;
    s->metrics_sent_ns = mono_ns;
    wake(s);
}

void events_publish_metrics(struct events *e, int64_t run_id, int64_t time_s)
{
    int64_t now = clock_mono_ns();
    pthread_mutex_lock(&e->lock);
    for (struct event_stream *s = e->streams; s; s = s->next) {
        if (s->run_id != run_id)
            continue;
        s->metrics_time_s = MAX(s->metrics_time_s, time_s);
        tell_metrics(s, now);
    }
    pthread_mutex_unlock(&e->lock);
}

void events_tick(struct events *e, int64_t mono_ns)
{
    pthread_mutex_lock(&e->lock);
    for (struct event_stream *s = e->streams; s; s = s->next) {
        tell_metrics(s, mono_ns);
        if (s->suspended && mono_ns - s->sent_ns > keepalive_ns) {
            buf_z(&s->pending, ": keep-alive\n\n");
            wake(s);
        }
    }
    pthread_mutex_unlock(&e->lock);
}

void events_close(struct events *e)
{
    pthread_mutex_lock(&e->lock);
    e->closing = true;
    for (struct event_stream *s = e->streams; s; s = s->next)
        wake(s);
    pthread_mutex_unlock(&e->lock);
}

void events_recheck(struct events *e, bool (*still)(void *arg, const struct auth_reader *reader),
                    void *arg)
{
    pthread_mutex_lock(&e->lock);
    for (struct event_stream *s = e->streams; s; s = s->next) {
        if (s->over || still(arg, &s->reader))
            continue;
        s->over = true;
        wake(s);
    }
    pthread_mutex_unlock(&e->lock);
}
