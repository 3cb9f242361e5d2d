/*
 * wslay does the framing and no I/O: bytes that were read are handed to it, and what it wants to
 * say (pongs, mostly) is written afterwards, as nothing may wait within its callbacks.
 */
#include "output/cloud_tail.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "rt/co.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/random.h>
#include <wslay/wslay.h>
#include <yyjson.h>

enum { HEAD_MAX = 16 * 1024, READ_BYTES = 16 * 1024, TRIES = 3, NONCE_BYTES = 16 };

static const int64_t connect_max_ns = 30 * NS_PER_S;
/* Without a word for so long the peer is asked; without an answer for as long again it is gone. */
static const int64_t quiet_max_ns = 30 * NS_PER_S;
static const int64_t retry_first_ns = NS_PER_S, retry_max_ns = 10 * NS_PER_S;

struct socket {
    struct stream *stream;
    wslay_event_context_ptr ws;
    struct buf in; /* read, not yet taken by wslay */
    struct buf out;
    struct cloud_tail *tail;
    bool broken;
};

/* ---- lines ---- */

static enum log_level level_of(const char *name)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {{"trace", LOG_DEBUG},  {"debug", LOG_DEBUG}, {"warning", LOG_WARNING},
                  {"warn", LOG_WARNING}, {"error", LOG_ERROR}, {"fatal", LOG_ERROR},
                  {"panic", LOG_ERROR}};
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(levels); i++)
        if (strcmp(name, levels[i].name) == 0)
            return levels[i].level;
    return LOG_INFO;
}

static int read_labels(yyjson_val *labels, struct log_field *fields, const char **level)
{
    int n = 0;
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(labels, i, max, key, value)
    {
        if (yyjson_equals_str(key, "level"))
            *level = yyjson_get_str(value);
        else if (n < LOG_FIELDS_MAX && yyjson_is_str(value))
            fields[n++] = (struct log_field){yyjson_get_str(key), yyjson_get_str(value)};
    }
    return n;
}

static int64_t read_ns(yyjson_val *v)
{
    int64_t ns;
    struct str text = str_new(yyjson_get_str(v), yyjson_get_len(v));
    /* One nanosecond more is where the next connection begins. */
    return yyjson_is_str(v) && str_to_i64(text, &ns) == 0 && ns < INT64_MAX ? ns : 0;
}

static void log_stream(yyjson_val *stream, int64_t *last_ns)
{
    struct log_field fields[LOG_FIELDS_MAX];
    const char *level = NULL;
    int n = read_labels(yyjson_obj_get(stream, "stream"), fields, &level);
    size_t i, max;
    yyjson_val *pair;
    yyjson_arr_foreach(yyjson_obj_get(stream, "values"), i, max, pair)
    {
        int64_t ns = read_ns(yyjson_arr_get(pair, 0));
        const char *line = yyjson_get_str(yyjson_arr_get(pair, 1));
        if (line == NULL)
            continue;
        log_at(ns > 0 ? ns : clock_wall_ns(), level_of(level), line, fields, n);
        *last_ns = MAX(*last_ns, ns);
    }
}

int cloud_tail_message(struct str json, int64_t *last_ns)
{
    size_t i, max;
    yyjson_val *each;
    yyjson_doc *doc = yyjson_read(json.ptr, json.len, 0);
    if (doc == NULL)
        return err_set(E_CORRUPT, "the cloud's log sent what is no JSON");
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_arr_foreach(yyjson_obj_get(root, "streams"), i, max, each) log_stream(each, last_ns);
    size_t dropped = yyjson_arr_size(yyjson_obj_get(root, "dropped_entries"));
    if (dropped > 0)
        log_warning("the cloud dropped %zu lines of this run's log", dropped);
    yyjson_doc_free(doc);
    return 0;
}

/* ---- wslay's callbacks ---- */

static ssize_t on_recv(wslay_event_context_ptr ws, uint8_t *out, size_t len, int flags, void *arg)
{
    struct socket *s = arg;
    (void)flags;
    size_t n = MIN(len, s->in.len);
    if (n == 0) {
        wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(out, s->in.data, n);
    buf_shift(&s->in, n);
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr ws, const uint8_t *data, size_t len, int flags,
                       void *arg)
{
    struct socket *s = arg;
    (void)flags;
    buf_append(&s->out, data, len);
    if (buf_finish(&s->out) == 0)
        return (ssize_t)len;
    wslay_event_set_error(ws, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

/* A client's frames are masked with what nobody can guess. */
static int on_mask(wslay_event_context_ptr ws, uint8_t *out, size_t len, void *arg)
{
    (void)ws;
    (void)arg;
    return getrandom(out, len, 0) == (ssize_t)len ? 0 : -1;
}

static void on_message(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *m,
                       void *arg)
{
    struct socket *s = arg;
    (void)ws;
    if (m->opcode != WSLAY_TEXT_FRAME && m->opcode != WSLAY_BINARY_FRAME)
        return;
    int64_t last_ns = s->tail->since_ns - 1;
    if (cloud_tail_message(str_new(m->msg, m->msg_length), &last_ns) < 0)
        log_warning("%s", err_message());
    s->tail->since_ns = last_ns + 1; /* not the same line again */
}

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = on_recv,
    .send_callback = on_send,
    .genmask_callback = on_mask,
    .on_msg_recv_callback = on_message,
};

/* ---- the handshake ---- */

static void put_request(struct buf *b, const struct cloud_tail *t, const struct url *url,
                        struct str key)
{
    buf_printf(b, "GET %.*s%squery=%%7Btest_run_id%%3D%%22%s%%22%%7D&start=%lld HTTP/1.1\r\n",
               STR_ARG(url->target), url->query.ptr != NULL ? "&" : "?", t->run_id,
               (long long)t->since_ns);
    buf_printf(b, "Host: %.*s\r\n", STR_ARG(url->authority));
    buf_printf(b,
               "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: %.*s\r\n",
               STR_ARG(key));
    buf_printf(b, "Authorization: token %s\r\nX-K6TestRun-Id: %s\r\n\r\n", t->token, t->run_id);
}

/* Reads up to the empty line; what is behind it stays in s->in. */
static int read_head(struct socket *s, struct buf *head, int64_t deadline_ns)
{
    for (;;) {
        const char *end = s->in.len > 0 ? memmem(s->in.data, s->in.len, "\r\n\r\n", 4) : NULL;
        if (end != NULL) {
            size_t len = (size_t)(end - (const char *)s->in.data) + 4;
            buf_append(head, s->in.data, len);
            buf_shift(&s->in, len);
            return buf_finish(head);
        }
        uint8_t *room = buf_reserve(&s->in, 1024);
        if (room == NULL)
            return err_set(E_PROTOCOL, "too long an answer");
        ssize_t n = stream_read(s->stream, room, 1024, deadline_ns);
        if (n <= 0)
            return n == 0 ? err_set(E_EOF, "the connection was closed") : (int)n;
        buf_claim(&s->in, (size_t)n);
    }
}

static struct str head_value(struct str head, const char *name)
{
    while (head.ptr != NULL) {
        struct str value, line = str_cut(head, '\n', &head);
        if (str_ieq(str_cut(line, ':', &value), str_of(name)))
            return str_trim(value);
    }
    return STR_EMPTY;
}

static int check_head(struct str head, struct str key)
{
    uint8_t digest[SHA_DIGEST_LENGTH];
    CLEANUP(buf_fini) struct buf text, want;
    buf_init(&text, 200);
    buf_init(&want, 200);
    buf_str(&text, key);
    buf_z(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"); /* RFC 6455, 1.3 */
    (void)SHA1(text.data, text.len, digest);
    base64_encode(&want, BASE64_STD, str_new(digest, sizeof digest));
    if (!str_starts(head, STR("HTTP/1.1 101 ")))
        return err_set(E_REFUSED, "the cloud doesn't let its log be followed: %.*s",
                       STR_ARG(str_trim(str_cut(head, '\n', &head))));
    if (!str_eq(head_value(head, "Sec-WebSocket-Accept"), buf_view(&want)))
        return err_set(E_PROTOCOL, "the answer is no WebSocket's");
    return 0;
}

static int shake_hands(struct socket *s, const struct url *url, int64_t deadline_ns)
{
    uint8_t nonce[NONCE_BYTES];
    CLEANUP(buf_fini) struct buf key, head;
    buf_init(&key, 64);
    buf_init(&head, HEAD_MAX);
    if (getrandom(nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce)
        return err_set_errno(-errno, "random bytes");
    base64_encode(&key, BASE64_STD, str_new(nonce, sizeof nonce));
    put_request(&head, s->tail, url, buf_view(&key));
    int rc = buf_finish(&head);
    if (rc == 0)
        rc = stream_write_all(s->stream, head.data, head.len, deadline_ns);
    buf_reset(&head);
    if (rc == 0)
        rc = read_head(s, &head, deadline_ns);
    return rc == 0 ? check_head(buf_view(&head), buf_view(&key)) : rc;
}

/* ---- one connection ---- */

static void socket_fini(struct socket *s)
{
    if (s->ws != NULL)
        wslay_event_context_free(s->ws);
    stream_close(s->stream);
    buf_fini(&s->in);
    buf_fini(&s->out);
}

static int connect_to(struct socket *s, struct cloud_tail *t)
{
    CLEANUP(url_fini) struct url url = {0};
    int64_t deadline_ns = clock_mono_ns() + connect_max_ns;
    s->tail = t;
    buf_init(&s->in, HEAD_MAX + READ_BYTES);
    buf_init(&s->out, CLOUD_REPLY_MAX);
    int rc = cloud_api_dial(t->api, t->url, deadline_ns, &url, &s->stream);
    if (rc == 0)
        rc = shake_hands(s, &url, deadline_ns);
    if (rc == 0 && wslay_event_context_client_init(&s->ws, &callbacks, s) != 0)
        rc = err_set_errno(-ENOMEM, "WebSocket");
    if (rc == 0)
        wslay_event_config_set_max_recv_msg_length(s->ws, CLOUD_REPLY_MAX);
    return rc;
}

/* Lets wslay take what was read, and writes what it has to say. */
static int turn(struct socket *s)
{
    if (wslay_event_recv(s->ws) != 0 || wslay_event_send(s->ws) != 0)
        return err_set(E_PROTOCOL, "the cloud's log broke the WebSocket protocol");
    int rc = 0;
    if (s->out.len > 0)
        rc = stream_write_all(s->stream, s->out.data, s->out.len, clock_mono_ns() + quiet_max_ns);
    buf_reset(&s->out);
    if (rc == 0 && wslay_event_get_close_received(s->ws))
        rc = err_set(E_EOF, "the cloud closed its log");
    return rc;
}

static int ask(struct socket *s)
{
    struct wslay_event_msg ping = {.opcode = WSLAY_PING};
    return wslay_event_queue_msg(s->ws, &ping) == 0 ? 0 : err_set_errno(-ENOMEM, "WebSocket");
}

static int follow(struct socket *s)
{
    bool asked = false;
    for (;;) {
        int rc = turn(s);
        if (rc < 0)
            return rc;
        uint8_t *room = buf_reserve(&s->in, READ_BYTES);
        if (room == NULL)
            return err_set_errno(-ENOMEM, "WebSocket");
        ssize_t n = stream_read(s->stream, room, READ_BYTES, clock_mono_ns() + quiet_max_ns);
        if (n == -ETIMEDOUT && !asked) {
            asked = true;
            rc = ask(s);
            if (rc < 0)
                return rc;
            continue;
        }
        if (n <= 0)
            return n == 0 ? err_set(E_EOF, "the connection was closed") : (int)n;
        asked = false;
        buf_claim(&s->in, (size_t)n);
    }
}

int cloud_tail_run(struct cloud_tail *t)
{
    int failures = 0;
    int64_t gap_ns = retry_first_ns;
    for (;;) {
        CLEANUP(socket_fini) struct socket s = {0};
        int rc = connect_to(&s, t);
        if (rc == 0) {
            failures = 0;
            gap_ns = retry_first_ns;
            rc = follow(&s);
            if (rc != -ECANCELED)
                log_warning("cloud: the connection to the run's log is lost, it is made anew: %s",
                            err_message());
        } else {
            failures++;
        }
        if (rc == -ECANCELED || failures == TRIES)
            return err_wrap(rc, "the run's log can't be followed");
        rc = co_sleep_until(clock_mono_ns() + gap_ns);
        if (rc < 0)
            return rc;
        gap_ns = MIN(gap_ns * 2, retry_max_ns);
    }
}
