#include "server/tail.h"

#include <errno.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "server/run_json.h"
#include "server/server_int.h"
#include "store/logs.h"
#include "store/selector.h"

enum { MESSAGE_IN_MAX = 4096, IDLE_MS = 1000 };

/* A client that says nothing, not even to a ping, is gone after the second of these. */
static const int64_t ping_ns = 20 * NS_PER_S;

struct tail {
    struct tails *tails;
    struct tail *next;
    struct arena arena; /* of the selector, and the question */
    struct tail_question question;
    struct selector selector;
    char run_text[24];
    struct buf early; /* bytes that came with the request */
    size_t early_at;

    struct MHD_UpgradeResponseHandle *upgrade;
    int fd;
    wslay_event_context_ptr ws;
    int64_t after_id; /* the last line sent */
    int64_t heard_ns; /* monotonic */
    int64_t pinged_ns;
    atomic_bool fresh; /* there may be lines to read */
    bool broken;
};

struct tails {
    struct server *server;
    uint64_t auth_generation; /* for which the clients were looked through; the thread's */
    pthread_t thread;
    bool started;
    int wake_fd;
    pthread_mutex_t lock;
    struct tail *list;     /* upgraded */
    struct tail *arriving; /* upgraded, not yet seen by the thread */
    int len;               /* in both */
    bool closing;
};

static void wake(struct tails *t)
{
    uint64_t one = 1;
    /* It can only be full of earlier ones, which do as well. */
    (void)!write(t->wake_fd, &one, sizeof one);
}

static void tail_free(struct tail *tail)
{
    struct tails *t = tail->tails;
    if (tail->ws)
        wslay_event_context_free(tail->ws);
    selector_fini(&tail->selector);
    buf_fini(&tail->early);
    arena_fini(&tail->arena);
    mem_free(tail);
    pthread_mutex_lock(&t->lock);
    t->len--;
    pthread_mutex_unlock(&t->lock);
}

/* ---- the library's callbacks ---- */

static ssize_t on_recv(wslay_event_context_ptr ws, uint8_t *out, size_t len, int flags, void *arg)
{
    struct tail *tail = arg;
    (void)flags;
    size_t early = tail->early.len - tail->early_at;
    if (early > 0) {
        size_t n = MIN(early, len);
        memcpy(out, tail->early.data + tail->early_at, n);
        tail->early_at += n;
        return (ssize_t)n;
    }
    ssize_t n = recv(tail->fd, out, len, MSG_DONTWAIT);
    if (n > 0) {
        tail->heard_ns = clock_mono_ns();
        return n;
    }
    bool later = n < 0 && (errno == EAGAIN || errno == EINTR);
    wslay_event_set_error(ws, later ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr ws, const uint8_t *data, size_t len, int flags,
                       void *arg)
{
    struct tail *tail = arg;
    (void)flags;
    ssize_t n = send(tail->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0)
        return n;
    bool later = errno == EAGAIN || errno == EINTR;
    wslay_event_set_error(ws, later ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

/* ---- lines ---- */

static int line_matches(struct tail *tail, struct arena *a, const struct store_log *l)
{
    if (tail->selector.len == 0)
        return 1;
    struct metricset_label labels[8];
    size_t len = 0;
    labels[len++] = (struct metricset_label){STR("level"), l->level};
    labels[len++] = (struct metricset_label){STR("test_run_id"), str_of(tail->run_text)};
    struct metricset_label *more = NULL;
    size_t more_len = 0;
    int rc = store_log_labels(a, l, &more, &more_len);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < more_len && len < ARRAY_LEN(labels); i++)
        labels[len++] = more[i];
    return selector_match(&tail->selector, STR_EMPTY, labels, len);
}

static void put_stream(struct buf *out, const struct tail *tail, const struct store_log *l)
{
    buf_z(out, "{\"stream\":");
    /* The labels are an object of their own: its brace is left open for the two more. */
    if (l->labels.len > 2) {
        buf_append(out, l->labels.ptr, l->labels.len - 1);
        buf_byte(out, ',');
    } else {
        buf_byte(out, '{');
    }
    buf_printf(out, "\"level\":\"%.*s\",\"test_run_id\":\"%s\"},\"values\":[[\"%lld\",",
               STR_ARG(l->level), tail->run_text, (long long)l->time_ns);
    buf_json_str(out, l->line);
    buf_z(out, "]]}");
}

/* The next lines as one message; *ret_more: there may be others behind them. */
static int queue_lines(struct tail *tail, bool *ret_more)
{
    struct tails *t = tail->tails;
    CLEANUP(arena_fini) struct arena a;
    CLEANUP(buf_fini) struct buf out;
    struct store_log *list = NULL;
    size_t len = 0;
    size_t put = 0;
    arena_init(&a, STORE_ARENA_MAX);
    buf_init(&out, SERVER_REPLY_BYTES);
    int rc = store_next_logs(t->server->store, tail->question.run_id, tail->after_id,
                             tail->question.start_ns, SERVER_TAIL_LINES, &a, &list, &len);
    buf_z(&out, "{\"streams\":[");
    for (size_t i = 0; i < len && rc >= 0; i++) {
        tail->after_id = list[i].id;
        rc = line_matches(tail, &a, &list[i]);
        if (rc <= 0)
            continue;
        if (put++ > 0)
            buf_byte(&out, ',');
        put_stream(&out, tail, &list[i]);
    }
    buf_z(&out, "],\"dropped_entries\":null}");
    *ret_more = len == SERVER_TAIL_LINES;
    if (rc >= 0)
        rc = buf_finish(&out);
    if (rc < 0 || put == 0)
        return rc < 0 ? rc : 0;
    struct wslay_event_msg message = {WSLAY_TEXT_FRAME, out.data, out.len};
    return wslay_event_queue_msg(tail->ws, &message) == 0 ? 0 : -ENOMEM;
}

/* ---- the thread ---- */

static void ping(struct tail *tail, int64_t now)
{
    if (now - tail->pinged_ns < ping_ns)
        return;
    tail->pinged_ns = now;
    tail->broken |= now - tail->heard_ns > 2 * ping_ns;
    struct wslay_event_msg message = {WSLAY_PING, NULL, 0};
    (void)wslay_event_queue_msg(tail->ws, &message);
}

/* One turn of one client: what it has sent, what it is to get. */
static void serve(struct tail *tail, int64_t now)
{
    if (wslay_event_want_read(tail->ws) && wslay_event_recv(tail->ws) != 0)
        tail->broken = true;
    if (!tail->broken && !wslay_event_want_write(tail->ws) &&
        atomic_exchange(&tail->fresh, false)) {
        bool more = false;
        if (queue_lines(tail, &more) < 0) {
            log_warning("log of test run %s: %s", tail->run_text, err_message());
            tail->broken = true;
        }
        if (more)
            tail->fresh = true;
    }
    ping(tail, now);
    if (!tail->broken && wslay_event_want_write(tail->ws) && wslay_event_send(tail->ws) != 0)
        tail->broken = true;
    if (!wslay_event_want_read(tail->ws) && !wslay_event_want_write(tail->ws))
        tail->broken = true; /* both have said good-bye */
}

static void end(struct tail *tail)
{
    struct MHD_UpgradeResponseHandle *upgrade = tail->upgrade;
    tail_free(tail);
    (void)MHD_upgrade_action(upgrade, MHD_UPGRADE_ACTION_CLOSE);
}

/* Takes the new ones over; false when it is time to stop. */
static bool take_arrivals(struct tails *t)
{
    uint64_t n;
    (void)!read(t->wake_fd, &n, sizeof n);
    pthread_mutex_lock(&t->lock);
    while (t->arriving) {
        struct tail *tail = t->arriving;
        t->arriving = tail->next;
        tail->next = t->list;
        t->list = tail;
    }
    bool go_on = !t->closing;
    pthread_mutex_unlock(&t->lock);
    return go_on;
}

/* Unlinks and ends those that are over. */
static void drop_broken(struct tails *t)
{
    struct tail *over = NULL;
    pthread_mutex_lock(&t->lock);
    for (struct tail **at = &t->list; *at;) {
        struct tail *tail = *at;
        if (!tail->broken) {
            at = &tail->next;
            continue;
        }
        *at = tail->next;
        tail->next = over;
        over = tail;
    }
    pthread_mutex_unlock(&t->lock);
    while (over) {
        struct tail *tail = over;
        over = tail->next;
        end(tail);
    }
}

/* Sleeps until something can be done; the list is the thread's to walk. */
static void wait_for_work(struct tails *t)
{
    struct pollfd fds[SERVER_TAILS_MAX + 1];
    nfds_t n = 0;
    int timeout_ms = IDLE_MS;
    fds[n++] = (struct pollfd){.fd = t->wake_fd, .events = POLLIN};
    for (struct tail *tail = t->list; tail && n < ARRAY_LEN(fds); tail = tail->next) {
        bool reads = wslay_event_want_read(tail->ws);
        bool writes = wslay_event_want_write(tail->ws);
        int events = (reads ? POLLIN : 0) | (writes ? POLLOUT : 0);
        fds[n++] = (struct pollfd){.fd = tail->fd, .events = (short)events};
        if ((reads && tail->early.len > tail->early_at) || (tail->fresh && !writes))
            timeout_ms = 0;
    }
    (void)poll(fds, n, timeout_ms);
}

static void say_goodbye(struct tail *tail)
{
    (void)wslay_event_queue_close(tail->ws, WSLAY_CODE_GOING_AWAY, NULL, 0);
    (void)wslay_event_send(tail->ws);
    tail->broken = true;
}

/* Whose roles are others now goes, and may ask anew. */
static void recheck(struct tails *t)
{
    struct auth *auth = &t->server->auth;
    uint64_t generation = auth_generation(auth);
    if (generation == t->auth_generation)
        return;
    t->auth_generation = generation;
    for (struct tail *tail = t->list; tail; tail = tail->next)
        if (!tail->broken && !auth_reader_may_still(auth, &tail->question.reader))
            say_goodbye(tail);
}

static void *run_tails(void *arg)
{
    struct tails *t = arg;
    while (take_arrivals(t)) {
        int64_t now = clock_mono_ns();
        recheck(t);
        for (struct tail *tail = t->list; tail; tail = tail->next)
            serve(tail, now);
        drop_broken(t);
        wait_for_work(t);
    }
    for (struct tail *tail = t->list; tail; tail = tail->next)
        say_goodbye(tail);
    drop_broken(t);
    return NULL;
}

/* ---- opening ---- */

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = on_recv,
    .send_callback = on_send,
};

static int make_tail(struct tails *t, const struct tail_question *q, struct tail **ret)
{
    struct tail *tail = mem_calloc(1, sizeof *tail);
    if (!tail)
        return -ENOMEM;
    pthread_mutex_lock(&t->lock);
    t->len++;
    pthread_mutex_unlock(&t->lock);
    tail->tails = t;
    tail->fd = -1;
    tail->question = *q;
    buf_init(&tail->early, SERVER_CONNECTION_BYTES);
    arena_init(&tail->arena, SERVER_REQUEST_BYTES);
    snprintf(tail->run_text, sizeof tail->run_text, "%lld", (long long)q->run_id);
    int rc = 0;
    struct str text = STR_EMPTY;
    if (q->selector.len > 0) {
        text = str_new(arena_dup(&tail->arena, q->selector), q->selector.len);
        rc = text.ptr ? selector_parse(&tail->arena, text, &tail->selector) : -ENOMEM;
    }
    if (rc == 0 && wslay_event_context_server_init(&tail->ws, &callbacks, tail) != 0)
        rc = -ENOMEM;
    if (rc < 0) {
        tail_free(tail);
        return rc;
    }
    wslay_event_config_set_max_recv_msg_length(tail->ws, MESSAGE_IN_MAX);
    tail->question.selector = text;
    *ret = tail;
    return 0;
}

/* What lives in the request's arena, which the connection keeps as long as it is upgraded. */
struct opening {
    struct tails *tails;
    struct tail_question question;
};

/* The connection is ours now; called by the connection's thread. */
static void on_upgrade(void *arg, struct MHD_Connection *conn, void *context, const char *extra,
                       size_t extra_len, MHD_socket fd, struct MHD_UpgradeResponseHandle *upgrade)
{
    const struct opening *opening = arg;
    struct tails *t = opening->tails;
    struct tail *tail = NULL;
    (void)conn;
    (void)context;
    if (make_tail(t, &opening->question, &tail) < 0) {
        (void)MHD_upgrade_action(upgrade, MHD_UPGRADE_ACTION_CLOSE);
        return;
    }
    tail->upgrade = upgrade;
    tail->fd = fd;
    tail->heard_ns = tail->pinged_ns = clock_mono_ns();
    tail->fresh = true;
    buf_append(&tail->early, extra, extra_len);
    pthread_mutex_lock(&t->lock);
    bool good = buf_finish(&tail->early) == 0 && !t->closing;
    if (good) {
        tail->next = t->arriving;
        t->arriving = tail;
    }
    pthread_mutex_unlock(&t->lock);
    if (good)
        wake(t);
    else
        end(tail);
}

/* "has the word" in a comma-separated header. */
static bool has_word(struct str text, struct str word)
{
    while (text.len > 0)
        if (str_ieq(str_trim(str_cut(text, ',', &text)), word))
            return true;
    return false;
}

static const char *accept_key(struct request *r, struct str key)
{
    uint8_t hash[SHA_DIGEST_LENGTH];
    char text[128];
    int n = snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", STR_ARG(key));
    if (n < 0 || (size_t)n >= sizeof text)
        return NULL;
    SHA1((const uint8_t *)text, (size_t)n, hash);
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 64);
    base64_encode(&out, BASE64_STD, str_new(hash, sizeof hash));
    return buf_finish(&out) == 0 ? arena_dup(&r->arena, buf_view(&out)) : NULL;
}

int tails_open(struct request *r, const struct tail_question *q)
{
    struct str key = request_header(r, "Sec-WebSocket-Key");
    if (!has_word(request_header(r, "Upgrade"), STR("websocket")) ||
        !has_word(request_header(r, "Connection"), STR("upgrade")) || key.len == 0 ||
        !str_eq(request_header(r, "Sec-WebSocket-Version"), STR("13")))
        return err_set(E_PROTOCOL, "this is a WebSocket: ask for it with its handshake");
    const char *accept = accept_key(r, key);
    if (!accept)
        return err_set(E_PROTOCOL, "Sec-WebSocket-Key is malformed");
    struct tails *t = r->server->tails;
    pthread_mutex_lock(&t->lock);
    bool full = t->closing || t->len >= SERVER_TAILS_MAX;
    pthread_mutex_unlock(&t->lock);
    if (full)
        return err_set(E_UNAVAILABLE, "%d logs are being followed already", SERVER_TAILS_MAX);
    struct opening *opening = arena_alloc(&r->arena, sizeof *opening);
    if (!opening)
        return -ENOMEM;
    *opening = (struct opening){t, *q};
    struct MHD_Response *m = MHD_create_response_for_upgrade(on_upgrade, opening);
    if (!m)
        return -ENOMEM;
    r->reply.made = m;
    r->reply.status = MHD_HTTP_SWITCHING_PROTOCOLS;
    reply_header(r, "Upgrade", "websocket");
    reply_header(r, "Sec-WebSocket-Accept", accept);
    return 0;
}

/* ---- all of them ---- */

int tails_new(struct server *s, struct tails **ret)
{
    struct tails *t = mem_calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->server = s;
    pthread_mutex_init(&t->lock, NULL);
    t->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int rc = t->wake_fd < 0 ? err_set_errno(-errno, "start following logs") : 0;
    if (rc == 0) {
        rc = -pthread_create(&t->thread, NULL, run_tails, t);
        t->started = rc == 0;
    }
    if (rc < 0) {
        tails_free(t);
        return rc;
    }
    *ret = t;
    return 0;
}

void tails_close(struct tails *t)
{
    if (!t || !t->started)
        return;
    pthread_mutex_lock(&t->lock);
    t->closing = true;
    pthread_mutex_unlock(&t->lock);
    wake(t);
    pthread_join(t->thread, NULL);
    t->started = false;
}

void tails_free(struct tails *t)
{
    if (!t)
        return;
    if (t->wake_fd >= 0)
        close(t->wake_fd);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

void tails_publish(struct tails *t, int64_t run_id)
{
    bool any = false;
    pthread_mutex_lock(&t->lock);
    for (struct tail *tail = t->list; tail; tail = tail->next) {
        if (tail->question.run_id != run_id)
            continue;
        tail->fresh = true;
        any = true;
    }
    pthread_mutex_unlock(&t->lock);
    if (any)
        wake(t);
}
