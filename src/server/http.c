/*
 * Between libmicrohttpd and the routes: request line, body, access, reply.
 *
 * What can be refused by the headers alone is settled at once, but the answer waits until the body
 * has come (and been thrown away), as a connection closed on a sending client may lose it; only a
 * body announced as too large is answered before it.
 */
#include "server/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "server/access.h"
#include "server/deed.h"
#include "server/server_int.h"

/* ---- what was asked ---- */

struct str request_header(const struct request *r, const char *name)
{
    return str_of(MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, name));
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

struct str percent_decode(struct arena *a, struct str s, bool plus_is_space)
{
    char *out = arena_alloc(a, s.len + 1);
    if (!out)
        return STR_EMPTY;
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            if (s.len - i < 3)
                return STR_EMPTY;
            int h = hex_digit(s.ptr[i + 1]);
            int l = hex_digit(s.ptr[i + 2]);
            if (h < 0 || l < 0)
                return STR_EMPTY;
            c = (char)(h << 4 | l);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return str_new(out, n);
}

struct str request_arg_at(struct request *r, const char *name, size_t n)
{
    struct str rest = r->query;
    while (rest.len > 0) {
        struct str value;
        struct str pair = str_cut(rest, '&', &rest);
        struct str key = percent_decode(&r->arena, str_cut(pair, '=', &value), true);
        if (!str_eqz(key, name) || n-- > 0)
            continue;
        return value.len > 0 ? percent_decode(&r->arena, value, true) : STR("");
    }
    return STR_EMPTY;
}

struct str request_arg(struct request *r, const char *name)
{
    return request_arg_at(r, name, 0);
}

bool request_is_secure(const struct request *r)
{
    return str_ieq(request_header(r, "X-Forwarded-Proto"), STR("https"));
}

struct str request_base_url(struct request *r)
{
    struct str host = request_header(r, "Host");
    bool plain = host.len > 0 && host.len < 256;
    for (size_t i = 0; i < host.len && plain; i++) {
        char c = host.ptr[i];
        plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                c == '.' || c == ':' || c == '-' || c == '_' || c == '[' || c == ']';
    }
    if (!plain)
        return str_of(r->server->url);
    return str_of(arena_printf(&r->arena, "%s://%.*s", request_is_secure(r) ? "https" : "http",
                               STR_ARG(host)));
}

int request_id(const struct request *r, int param, int64_t *ret)
{
    int64_t id = 0;
    if (str_to_i64(r->params[param], &id) < 0 || id <= 0)
        return err_set(E_NOT_FOUND, "no such id: %.*s", STR_ARG(r->params[param]));
    *ret = id;
    return 0;
}

/* ---- what is answered ---- */

void reply_header(struct request *r, const char *name, const char *value)
{
    struct reply *reply = &r->reply;
    CHECK(reply->headers_len < REPLY_HEADERS_MAX);
    reply->headers[reply->headers_len].name = name;
    reply->headers[reply->headers_len].value = value;
    reply->headers_len++;
}

int reply_json(struct request *r, int status)
{
    int rc = buf_finish(&r->reply.body);
    if (rc < 0)
        return err_set(rc, "the answer is too large");
    r->reply.status = status;
    r->reply.content_type = "application/json";
    return 0;
}

int reply_empty(struct request *r, int status)
{
    buf_reset(&r->reply.body);
    r->reply.status = status;
    r->reply.content_type = NULL;
    return 0;
}

static int error_text(struct request *r, int status, int code, const char *word, struct str message)
{
    struct buf *out = &r->reply.body;
    buf_reset(out);
    buf_z(out, "{\"error\":{\"message\":");
    buf_json_str(out, message);
    if (!r->route || r->route->form == FORM_V6)
        buf_printf(out, ",\"code\":\"%s\"}}", word); /* k6 v2 falls over "target": null */
    else
        buf_printf(out, ",\"code\":%d}}", code);
    return reply_json(r, status);
}

int reply_error(struct request *r, int status, int code, const char *word, const char *fmt, ...)
{
    char message[ERR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    return error_text(r, status, code, word, str_of(message));
}

/* Of the disk: the operator has to hear of it, but not of every push. */
static void log_failure(struct request *r, const char *message)
{
    int64_t now = clock_mono_ns();
    int64_t last = atomic_load(&r->server->told_ns);
    if ((last == 0 || now - last > NS_PER_S) &&
        atomic_compare_exchange_strong(&r->server->told_ns, &last, now))
        log_error("%.*s: %s", STR_ARG(r->path), message);
}

int reply_failure(struct request *r, int rc)
{
    static const struct {
        int rc;
        int status;
        int code;
        const char *word;
    } table[] = {
        {E_NOT_FOUND, 404, 3, "not_found"},
        {E_CONFIG, 400, 2, "validation_error"},
        {E_CORRUPT, 400, 2, "validation_error"},
        {E_PROTOCOL, 400, 2, "validation_error"},
        {E_LIMIT, 413, 2, "too_large"},
        {E_REFUSED, 403, 4, "forbidden"},
        {E_UNSUPPORTED, 501, 1, "not_implemented"},
        {E_UNAVAILABLE, 503, 1, "unavailable"},
        {-ENOMEM, 503, 1, "unavailable"},
        {-EMSGSIZE, 413, 2, "too_large"},
        {-ENOSPC, 503, 1, "unavailable"},
        {-EROFS, 503, 1, "unavailable"},
        {-EDQUOT, 503, 1, "unavailable"},
        {-EIO, 503, 1, "unavailable"},
        {E_DAMAGED, 500, 0, "damaged"},
    };
    const char *message = err_get()->code == rc ? err_message() : err_code_text(rc);
    if (rc == -ENOSPC || rc == -EROFS || rc == -EDQUOT || rc == -EIO || rc == E_DAMAGED)
        log_failure(r, message);
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].rc == rc)
            return error_text(r, table[i].status, table[i].code, table[i].word, str_of(message));
    log_error("%.*s: %s", STR_ARG(r->path), message);
    return error_text(r, 500, 0, "internal_error", str_of(message));
}

/* ---- routes ---- */

static bool match(const char *pattern, struct request *r)
{
    struct str path = r->path;
    struct str rest = str_of(pattern);
    int params = 0;
    if (path.len == 0 || path.ptr[0] != '/')
        return false;
    path = str_new(path.ptr + 1, path.len - 1);
    rest = str_new(rest.ptr + 1, rest.len - 1);
    for (;;) {
        struct str want = str_cut(rest, '/', &rest);
        if (str_eq(want, STR("{*}"))) {
            r->params[params] = path;
            return path.len > 0;
        }
        struct str have = str_cut(path, '/', &path);
        if (str_eq(want, STR("{}"))) {
            r->params[params] = percent_decode(&r->arena, have, false);
            if (r->params[params++].len == 0)
                return false;
        } else if (!str_eq(want, have)) {
            return false;
        }
        if (!rest.ptr || !path.ptr)
            return !rest.ptr && !path.ptr;
    }
}

/* The route, or the error of its absence. */
static int find_route(struct request *r)
{
    bool other_method = false;
    for (size_t i = 0; i < routes_len; i++) {
        if (!match(routes[i].pattern, r))
            continue;
        if (routes[i].method == r->method) {
            r->route = &routes[i];
            return 0;
        }
        /* What catches all the rest says nothing about what is there. */
        if (strstr(routes[i].pattern, "{*}"))
            continue;
        other_method = true;
        r->route = &routes[i]; /* for the form of the error */
    }
    if (other_method)
        return reply_error(r, 405, 7, "method_not_allowed", "method not allowed here");
    if (str_starts(r->path, STR("/v1/")) || str_starts(r->path, STR("/v2/"))) {
        static const struct route v1 = {.form = FORM_V1};
        r->route = &v1;
    }
    return reply_error(r, 404, 3, "not_found", "no such route: %.*s", STR_ARG(r->path));
}

/* ---- the body ---- */

static int check_type(struct request *r)
{
    struct str rest;
    struct str type = str_trim(str_cut(request_header(r, "Content-Type"), ';', &rest));
    bool json = str_ieq(type, STR("application/json"));
    switch (r->route->body) {
    case BODY_NONE:
        return 0;
    case BODY_JSON:
        if (json)
            return 0;
        return reply_error(r, 415, 2, "unsupported_media_type",
                           "Content-Type has to be application/json");
    case BODY_JSON_OR_FORM:
        if (json || str_ieq(type, STR("multipart/form-data")))
            return 0;
        return reply_error(r, 415, 2, "unsupported_media_type",
                           "Content-Type has to be application/json or multipart/form-data");
    case BODY_BYTES:
        if (str_ieq(type, STR("application/octet-stream")) ||
            str_ieq(type, STR("application/x-tar")) || str_ieq(type, STR("text/javascript")))
            return 0;
        return reply_error(r, 415, 2, "unsupported_media_type",
                           "Content-Type has to be application/octet-stream");
    case BODY_FORM:
        if (str_ieq(type, STR("multipart/form-data")))
            return 0;
        return reply_error(r, 415, 2, "unsupported_media_type",
                           "Content-Type has to be multipart/form-data");
    case BODY_PROTOBUF:
        if (!str_ieq(type, STR("application/x-protobuf")))
            return reply_error(r, 415, 2, "unsupported_media_type",
                               "Content-Type has to be application/x-protobuf");
        if (!str_ieq(request_header(r, "Content-Encoding"), STR("snappy")))
            return reply_error(r, 415, 2, "unsupported_media_type",
                               "Content-Encoding has to be snappy");
        return 0;
    }
    return 0;
}

static int too_large(struct request *r)
{
    return reply_error(r, 413, 2, "too_large", "the body is too large, at most %zu bytes are taken",
                       r->body_max);
}

/* Looks at the headers; r->reply.status is set when the answer is settled. */
static int start_request(struct request *r)
{
    int rc = find_route(r);
    if (r->reply.status == 404 && r->method == METHOD_GET && !str_starts(r->path, STR("/cloud/")) &&
        !str_starts(r->path, STR("/v1/")) && !str_starts(r->path, STR("/v2/")) &&
        !str_starts(r->path, STR("/session")) && !str_starts(r->path, STR("/accounts/")) &&
        !str_starts(r->path, STR("/provisioning/"))) {
        r->reply.status = 0;
        rc = page_serve(r);
    }
    if (rc < 0 || r->reply.status)
        return rc;
    r->body_max = r->route->body_max;
    rc = access_check(r);
    if (rc == 0 && !r->reply.status)
        rc = check_type(r);
    if (rc < 0 || r->reply.status)
        return rc;
    buf_init(&r->body, r->body_max);
    uint64_t length = 0;
    struct str announced = request_header(r, "Content-Length");
    if (announced.ptr && str_to_u64(announced, &length) == 0 && length > r->body_max)
        return too_large(r);
    return 0;
}

/* ---- the library's side ---- */

static enum method method_of(const char *name)
{
    static const struct {
        const char *name;
        enum method method;
    } table[] = {
        {"GET", METHOD_GET}, {"HEAD", METHOD_GET},    {"POST", METHOD_POST},
        {"PUT", METHOD_PUT}, {"PATCH", METHOD_PATCH}, {"DELETE", METHOD_DELETE},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].method;
    return METHOD_OTHER;
}

/*
 * The library makes a request known by its line, but tells its end only when the headers were
 * whole; so the connection remembers it, and frees what its end has left.
 */
struct http_connection {
    struct request *request;     /* the one begun last; NULL: ended */
    int fd;                      /* open while this is in the server's list */
    _Atomic int64_t deadline_ns; /* monotonic; cut off then; 0: not now */
    struct http_connection *next, *previous;
};

static struct http_connection *connection_of(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/*
 * The library's own limit is of silence, which a byte now and then ends.  So a request has a time
 * to come in and its answer one to go out, longer by what has been moved.
 */
static void allow(const struct request *r, size_t bytes)
{
    struct http_connection *c = connection_of(r->conn);
    if (c)
        atomic_store(&c->deadline_ns, clock_mono_ns() + r->server->patience_ns +
                                          (int64_t)(bytes / SERVER_BYTES_A_SECOND) * NS_PER_S);
}

static void extend(const struct request *r, size_t bytes)
{
    struct http_connection *c = connection_of(r->conn);
    if (c)
        atomic_fetch_add(&c->deadline_ns, (int64_t)bytes * (NS_PER_S / SERVER_BYTES_A_SECOND));
}

/* While we are at it ourselves, and for streams, which end as they like. */
static void allow_all(const struct request *r)
{
    struct http_connection *c = connection_of(r->conn);
    if (c)
        atomic_store(&c->deadline_ns, 0);
}

void http_tick(struct server *s, int64_t mono_ns)
{
    pthread_mutex_lock(&s->tick_lock);
    for (struct http_connection *c = s->connections; c; c = c->next) {
        int64_t deadline = atomic_load(&c->deadline_ns);
        if (deadline > 0 && mono_ns > deadline) {
            (void)shutdown(c->fd, SHUT_RDWR);
            atomic_store(&c->deadline_ns, 0);
        }
    }
    pthread_mutex_unlock(&s->tick_lock);
}

static void request_free(struct request *r)
{
    if (!r)
        return;
    struct server *s = r->server;
    if (r->reply.made)
        MHD_destroy_response(r->reply.made);
    buf_fini(&r->body);
    buf_fini(&r->reply.body);
    arena_fini(&r->arena);
    if (r->started) {
        pthread_mutex_lock(&s->tick_lock);
        if (--s->active == 0)
            pthread_cond_signal(&s->ended);
        pthread_mutex_unlock(&s->tick_lock);
    }
    mem_free(r);
}

static enum MHD_Result send_reply(struct request *r)
{
    struct reply *reply = &r->reply;
    if (reply->made) {
        allow_all(r);
    } else {
        size_t len = 0;
        uint8_t *bytes = buf_take(&reply->body, &len);
        allow(r, len);
        reply->made = MHD_create_response_from_buffer_with_free_callback(len, bytes, mem_free);
        if (!reply->made) {
            mem_free(bytes);
            return MHD_NO;
        }
    }
    struct MHD_Response *m = reply->made;
    if (reply->content_type)
        MHD_add_response_header(m, "Content-Type", reply->content_type);
    for (int i = 0; i < reply->headers_len; i++)
        MHD_add_response_header(m, reply->headers[i].name, reply->headers[i].value);
    MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
    if (!MHD_get_response_header(m, "Cache-Control"))
        MHD_add_response_header(m, "Cache-Control", "no-store");
    if (reply->status == 401)
        MHD_add_response_header(m, "WWW-Authenticate", "Bearer");
    enum MHD_Result done = MHD_queue_response(r->conn, (unsigned)reply->status, m);
    MHD_destroy_response(m);
    reply->made = NULL;
    return done;
}

static void open_connection(struct server *s, struct MHD_Connection *conn, void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_connection *c = mem_calloc(1, sizeof *c);
    *context = c;
    if (!c)
        return; /* its requests will be refused */
    c->fd = info ? info->connect_fd : -1;
    c->deadline_ns = clock_mono_ns() + s->patience_ns;
    pthread_mutex_lock(&s->tick_lock);
    c->next = s->connections;
    if (c->next)
        c->next->previous = c;
    s->connections = c;
    pthread_mutex_unlock(&s->tick_lock);
}

static void close_connection(struct server *s, struct http_connection *c)
{
    request_free(c->request);
    pthread_mutex_lock(&s->tick_lock);
    if (c->next)
        c->next->previous = c->previous;
    if (c->previous)
        c->previous->next = c->next;
    else
        s->connections = c->next;
    if (!s->connections)
        pthread_cond_signal(&s->ended);
    pthread_mutex_unlock(&s->tick_lock);
    mem_free(c);
}

void http_on_connection(void *arg, struct MHD_Connection *conn, void **context,
                        enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        open_connection(arg, conn, context);
    } else if (*context) {
        close_connection(arg, *context);
        *context = NULL;
    }
}

/* Waits until `done` says so, at most to `end`; holds tick_lock. */
static bool wait_for(struct server *s, bool (*done)(const struct server *), int64_t end_ns)
{
    struct timespec at = {end_ns / NS_PER_S, end_ns % NS_PER_S};
    while (!done(s))
        if (pthread_cond_timedwait(&s->ended, &s->tick_lock, &at) != 0)
            return done(s);
    return true;
}

static bool no_requests(const struct server *s)
{
    return s->active == 0;
}

static bool no_connections(const struct server *s)
{
    return !s->connections;
}

/*
 * The library (0.9.75) falls over a malformed request that it answers while it is being stopped.
 * So every connection is ended before, and the stop finds none.
 */
void http_drain(struct server *s, int64_t timeout_ns)
{
    int64_t now = clock_mono_ns();
    pthread_mutex_lock(&s->tick_lock);
    (void)wait_for(s, no_requests, now + timeout_ns);
    for (struct http_connection *c = s->connections; c; c = c->next)
        (void)shutdown(c->fd, SHUT_RDWR);
    (void)wait_for(s, no_connections, clock_mono_ns() + timeout_ns);
    pthread_mutex_unlock(&s->tick_lock);
}

void *http_begin(void *arg, const char *uri, struct MHD_Connection *conn)
{
    struct http_connection *c = connection_of(conn);
    struct request *r = c ? mem_calloc(1, sizeof *r) : NULL;
    if (!r)
        return NULL;
    request_free(c->request);
    c->request = r;
    r->server = arg;
    r->conn = conn;
    arena_init(&r->arena, SERVER_REQUEST_BYTES);
    buf_init(&r->reply.body, SERVER_REPLY_BYTES);
    r->target = str_of(arena_dup(&r->arena, str_of(uri)));
    r->path = str_cut(r->target, '?', &r->query);
    allow(r, 0);
    return r;
}

/* False when another thread has the request now. */
static bool run_handler(struct request *r)
{
    handler_fn *handler = r->next ? r->next : r->route->handler;
    r->next = NULL;
    err_clear();
    int rc = handler(r);
    if (rc == REPLY_LATER)
        return false;
    if (rc < 0)
        rc = reply_failure(r, rc);
    if (rc < 0 || r->reply.status == 0)
        (void)reply_empty(r, 500);
    deed_note(r);
    return true;
}

enum MHD_Result http_handle(void *arg, struct MHD_Connection *conn, const char *url,
                            const char *method, const char *version, const char *data,
                            size_t *data_len, void **state)
{
    struct request *r = *state;
    (void)arg;
    (void)conn;
    (void)url;
    (void)version;
    if (!r)
        return MHD_NO;
    if (!r->started) {
        r->started = true;
        pthread_mutex_lock(&r->server->tick_lock);
        r->server->active++;
        pthread_mutex_unlock(&r->server->tick_lock);
        r->method = method_of(method);
        r->head = strcmp(method, "HEAD") == 0;
        err_clear();
        int rc = start_request(r);
        if (rc < 0)
            (void)reply_failure(r, rc);
        if (r->reply.status == 413)
            return send_reply(r);
        return MHD_YES;
    }
    if (*data_len > 0) {
        if (r->reply.status) {
            r->ignored += *data_len;
            if (r->ignored > SERVER_IGNORED_MAX)
                return MHD_NO;
        } else {
            buf_append(&r->body, data, *data_len);
            extend(r, *data_len);
            if (r->body.err == -EMSGSIZE)
                (void)too_large(r);
            else if (r->body.err)
                (void)reply_failure(r, r->body.err);
        }
        *data_len = 0;
        return MHD_YES;
    }
    allow_all(r);
    if (!r->reply.status && !run_handler(r))
        return MHD_YES;
    return send_reply(r);
}

void http_end(void *arg, struct MHD_Connection *conn, void **state,
              enum MHD_RequestTerminationCode why)
{
    struct request *r = *state;
    struct server *s = arg;
    (void)why;
    if (!r)
        return;
    struct http_connection *c = connection_of(conn);
    if (c && c->request == r)
        c->request = NULL;
    if (c) /* kept open for the next one */
        atomic_store(&c->deadline_ns, clock_mono_ns() + s->patience_ns + SERVER_IDLE_S * NS_PER_S);
    request_free(r);
    *state = NULL;
}
