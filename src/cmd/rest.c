#include "cmd/rest.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/rest_json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 64, IDLE_S = 30, STOP_S = 1 };

struct rest {
    const char *address;
    bool must_start;
    int listen_fd; /* -1: none */
    struct MHD_Daemon *daemon;
    struct run *run;       /* while the daemon runs */
    _Atomic bool draining; /* connections are refused */

    pthread_mutex_t lock;
    pthread_cond_t idle;
    unsigned under_way; /* requests, under the lock */
};

/* A request, from its first line to its last byte. */
struct request {
    struct rest *rest;
    struct MHD_Connection *conn;
    const char *path, *method;
    struct buf body;
    struct buf reply;
    int status;
    const char *type;
};

/* ---- life ------------------------------------------------------------------------------------ */

int rest_new(const char *address, bool must_start, struct rest **ret)
{
    struct rest *r = mem_calloc(1, sizeof *r);
    if (r == NULL)
        return err_set_errno(-ENOMEM, "REST API");
    r->address = address;
    r->must_start = must_start;
    r->listen_fd = -1;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&r->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&r->lock, NULL);
    *ret = r;
    return 0;
}

static void close_socket(struct rest *r)
{
    if (r->listen_fd >= 0)
        (void)close(r->listen_fd);
    r->listen_fd = -1;
}

void rest_free(struct rest *r)
{
    if (r == NULL)
        return;
    close_socket(r);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->idle);
    mem_free(r);
}

/* ---- the address ----------------------------------------------------------------------------- */

static int bad_address(const char *text)
{
    return err_set(E_CONFIG,
                   "listen tcp: address %s: HOST:PORT is needed, HOST a number or localhost", text);
}

static int parse_host(struct str host, struct sockaddr_storage *at)
{
    char name[INET6_ADDRSTRLEN];
    struct sockaddr_in *in = (void *)at;
    struct sockaddr_in6 *in6 = (void *)at;
    if (host.len == 0 || str_ieq(host, STR("localhost")))
        host = STR("127.0.0.1");
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = str_new(host.ptr + 1, host.len - 2);
    if (host.len >= sizeof name)
        return -EINVAL;
    (void)snprintf(name, sizeof name, "%.*s", STR_ARG(host));
    at->ss_family = AF_INET;
    if (inet_pton(AF_INET, name, &in->sin_addr) == 1)
        return 0;
    at->ss_family = AF_INET6;
    return inet_pton(AF_INET6, name, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
}

static int parse_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len)
{
    struct str all = str_of(text);
    size_t colon = all.len;
    while (colon > 0 && all.ptr[colon - 1] != ':')
        colon--;
    uint64_t port = 0;
    memset(ret, 0, sizeof *ret);
    if (colon == 0 || str_to_u64(str_new(all.ptr + colon, all.len - colon), &port) < 0 ||
        port > UINT16_MAX || parse_host(str_new(all.ptr, colon - 1), ret) < 0)
        return bad_address(text);
    if (ret->ss_family == AF_INET) {
        ((struct sockaddr_in *)(void *)ret)->sin_port = htons((uint16_t)port);
        *ret_len = sizeof(struct sockaddr_in);
    } else {
        ((struct sockaddr_in6 *)(void *)ret)->sin6_port = htons((uint16_t)port);
        *ret_len = sizeof(struct sockaddr_in6);
    }
    return 0;
}

static int listen_on(struct rest *r, unsigned *ret_port, bool *ret_chosen)
{
    struct sockaddr_storage at;
    socklen_t len;
    int rc = parse_address(r->address, &at, &len);
    if (rc < 0)
        return rc;
    in_port_t asked = at.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&at)->sin_port
                                              : ((struct sockaddr_in6 *)(void *)&at)->sin6_port;
    *ret_chosen = asked == 0;
    r->listen_fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (r->listen_fd >= 0)
        (void)setsockopt(r->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (r->listen_fd < 0 || bind(r->listen_fd, (struct sockaddr *)&at, len) < 0 ||
        listen(r->listen_fd, BACKLOG) < 0 ||
        getsockname(r->listen_fd, (struct sockaddr *)&at, &len) < 0)
        return err_set_errno(-errno, "listen tcp %s: bind", r->address);
    *ret_port = ntohs(at.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&at)->sin_port
                                              : ((struct sockaddr_in6 *)(void *)&at)->sin6_port);
    return 0;
}

static int on_open(void *arg)
{
    struct rest *r = arg;
    unsigned port = 0;
    bool chosen = false;
    int rc = listen_on(r, &port, &chosen);
    if (rc == 0) {
        log_debug("the REST API listens on %s", r->address);
        if (chosen)
            log_info("the REST API listens on port %u", port);
        return 0;
    }
    close_socket(r);
    if (r->must_start)
        return err_exit(err_wrap(rc, "Error from API server"), EXIT_REST_START);
    struct log_field f = {"error", err_message()};
    log_fields(LOG_WARNING, "Error from API server", &f, 1);
    return 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

static const char json_type[] = "application/json; charset=utf-8";

static void reply_error(struct request *q, int status, const char *title, const char *detail)
{
    buf_reset(&q->reply);
    rest_json_error(&q->reply, status, title, detail);
    q->status = status;
    q->type = json_type;
}

/* What load/ said, with the status that k6 gives to it. */
static void reply_failure(struct request *q, int rc, int status, const char *title)
{
    if (rc == E_UNAVAILABLE)
        status = 503;
    reply_error(q, status, title, err_get()->code == rc ? err_message() : err_code_text(rc));
}

static void reply_text(struct request *q, int status, const char *text)
{
    buf_reset(&q->reply);
    buf_z(&q->reply, text);
    q->status = status;
    q->type = "text/plain; charset=utf-8";
}

static void reply_empty(struct request *q, int status)
{
    buf_reset(&q->reply);
    q->status = status;
}

/* ---- routes ---------------------------------------------------------------------------------- */

/* 0, or the answer is there already. */
static int ask_status(struct request *q, struct control_status *s)
{
    int rc = control_status(q->rest->run, s);
    if (rc < 0)
        reply_failure(q, rc, 500, "Status error");
    return rc;
}

static void get_status(struct request *q)
{
    struct control_status s;
    if (ask_status(q, &s) == 0)
        rest_json_status(&q->reply, &s);
}

/* 0 with the status then, or the answer is there already. */
static int apply_patch(struct request *q, const struct rest_patch *p, struct control_status *s)
{
    struct run *run = q->rest->run;
    int rc = 0;
    if (p->stopped) {
        rc = control_stop(run, s);
        if (rc < 0)
            reply_failure(q, rc, 500, "Stop error");
        return rc;
    }
    if (p->has_paused) {
        rc = control_pause(run, p->paused, s);
        if (rc < 0) {
            reply_failure(q, rc, 500, "Pause error");
            return rc;
        }
    }
    if (!p->has_vus && !p->has_vus_max)
        return p->has_paused ? 0 : ask_status(q, s);
    rc = control_scale(run, p->has_vus ? &p->vus : NULL, p->has_vus_max ? &p->vus_max : NULL, s);
    if (rc == E_UNSUPPORTED)
        reply_failure(q, rc, 500, "Execution config error");
    else if (rc < 0)
        reply_failure(q, rc, 400, "Config update error");
    return rc;
}

static void patch_status(struct request *q)
{
    struct rest_patch p;
    struct control_status s;
    int rc = rest_json_patch(buf_view(&q->body), &p);
    if (rc < 0)
        reply_failure(q, rc, 400, "Invalid data");
    else if (apply_patch(q, &p, &s) == 0)
        rest_json_status(&q->reply, &s);
}

static int write_metrics(void *arg, const struct control_view *v)
{
    struct request *q = arg;
    rest_json_metrics(&q->reply, v);
    return 0;
}

static struct str id_of(const struct request *q, const char *prefix)
{
    return str_of(q->path + strlen(prefix));
}

static int write_metric(void *arg, const struct control_view *v)
{
    struct request *q = arg;
    return rest_json_metric(&q->reply, v, id_of(q, "/v1/metrics/"))
               ? 0
               : err_set(E_NOT_FOUND, "No metric with that ID was found");
}

static int write_groups(void *arg, const struct control_view *v)
{
    struct request *q = arg;
    return rest_json_groups(&q->reply, v);
}

static int write_group(void *arg, const struct control_view *v)
{
    struct request *q = arg;
    int rc = rest_json_group(&q->reply, v, id_of(q, "/v1/groups/"));
    return rc == E_NOT_FOUND ? err_set(rc, "No group with that ID was found") : rc;
}

static void look(struct request *q, control_view_fn *fn)
{
    int rc = control_look(q->rest->run, fn, q);
    if (rc == E_NOT_FOUND)
        reply_failure(q, rc, 404, "Not Found");
    else if (rc < 0)
        reply_failure(q, rc, 500, "Encoding error");
}

static void get_metrics(struct request *q)
{
    look(q, write_metrics);
}

static void get_metric(struct request *q)
{
    look(q, write_metric);
}

static void get_groups(struct request *q)
{
    look(q, write_groups);
}

static void get_group(struct request *q)
{
    look(q, write_group);
}

static void get_setup(struct request *q)
{
    CLEANUP(buf_fini) struct buf data;
    buf_init(&data, LOAD_JSON_BYTES);
    bool set = false;
    int rc = control_setup_data(q->rest->run, &data, &set);
    if (rc < 0)
        reply_failure(q, rc, 500, "Encoding error");
    else
        rest_json_setup(&q->reply, set, buf_view(&data));
}

static void put_setup(struct request *q)
{
    CLEANUP(buf_fini) struct buf data;
    buf_init(&data, LOAD_JSON_BYTES);
    int rc = q->body.len > 0 ? rest_json_compact(buf_view(&q->body), &data) : 0;
    if (rc < 0) {
        reply_failure(q, rc, 400, "Error parsing request body");
        return;
    }
    rc = control_set_setup_data(q->rest->run, buf_view(&data));
    if (rc < 0)
        reply_failure(q, rc, 500, "Error reading request body");
    else
        get_setup(q);
}

static void log_script_error(const char *what, int rc)
{
    if (rc == E_UNAVAILABLE || rc == -ECANCELED)
        return; /* the run's end, not the script's mistake */
    struct log_field f = {"error", err_message()};
    log_fields(LOG_ERROR, what, &f, 1);
}

static void post_setup(struct request *q)
{
    int rc = control_run_setup(q->rest->run);
    if (rc == 0) {
        get_setup(q);
        return;
    }
    log_script_error("Error executing setup", rc);
    reply_failure(q, rc, 500, "Error executing setup");
}

static void post_teardown(struct request *q)
{
    int rc = control_run_teardown(q->rest->run);
    if (rc == 0) {
        reply_empty(q, 200);
        return;
    }
    log_script_error("Error executing teardown", rc);
    reply_failure(q, rc, 500, "Error executing teardown");
}

static const struct route {
    const char *path; /* one that ends in a slash: whatever is behind it */
    const char *method;
    void (*fn)(struct request *q);
} routes[] = {
    {"/v1/status", "GET", get_status},   {"/v1/status", "PATCH", patch_status},
    {"/v1/metrics", "GET", get_metrics}, {"/v1/metrics/", "GET", get_metric},
    {"/v1/groups", "GET", get_groups},   {"/v1/groups/", "GET", get_group},
    {"/v1/setup", "GET", get_setup},     {"/v1/setup", "PUT", put_setup},
    {"/v1/setup", "POST", post_setup},   {"/v1/teardown", "POST", post_teardown},
};

static bool fits(const struct route *route, const char *path)
{
    size_t len = strlen(route->path);
    return route->path[len - 1] == '/' ? strncmp(path, route->path, len) == 0
                                       : strcmp(path, route->path) == 0;
}

static void answer_other(struct request *q)
{
    if (strncmp(q->path, "/v1/", 4) == 0)
        reply_text(q, 404, "404 page not found\n");
    else if (strncmp(q->path, "/debug/pprof/", 13) == 0)
        reply_text(q, 200, "There is no profile of Go's here; try perf(1) with this process\n");
    else
        reply_text(q, 200, "ok");
}

static void answer(struct request *q)
{
    bool known = false;
    q->status = 200;
    q->type = json_type;
    if (MHD_lookup_connection_value(q->conn, MHD_HEADER_KIND, "Origin") != NULL) {
        reply_error(q, 403, "Forbidden", "web pages have no access");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!fits(&routes[i], q->path))
            continue;
        known = true;
        if (strcmp(q->method, routes[i].method) == 0) {
            routes[i].fn(q);
            return;
        }
    }
    if (known)
        reply_empty(q, 405);
    else
        answer_other(q);
}

/* ---- libmicrohttpd --------------------------------------------------------------------------- */

static struct request *new_request(struct rest *r, struct MHD_Connection *conn, const char *path,
                                   const char *method)
{
    struct request *q = mem_calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    q->rest = r;
    q->conn = conn;
    q->path = path;
    q->method = method;
    buf_init(&q->body, LOAD_JSON_BYTES);
    buf_init(&q->reply, LOAD_JSON_BYTES);
    pthread_mutex_lock(&r->lock);
    r->under_way++;
    pthread_mutex_unlock(&r->lock);
    return q;
}

static enum MHD_Result send_reply(struct request *q)
{
    if (buf_finish(&q->body) < 0)
        reply_error(q, 413, "Couldn't read request", "the body is too large");
    else
        answer(q);
    if (buf_finish(&q->reply) < 0)
        reply_error(q, 500, "Encoding error", "not enough memory");
    log_debug("%s %s: %d", q->method, q->path, q->status);
    struct MHD_Response *m =
        MHD_create_response_from_buffer(q->reply.len, q->reply.data, MHD_RESPMEM_MUST_COPY);
    if (m == NULL)
        return MHD_NO;
    if (q->reply.len > 0)
        (void)MHD_add_response_header(m, "Content-Type", q->type);
    enum MHD_Result done = MHD_queue_response(q->conn, (unsigned)q->status, m);
    MHD_destroy_response(m);
    return done;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *conn, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **state)
{
    (void)version;
    if (*state == NULL) {
        *state = new_request(arg, conn, path, method);
        return *state != NULL ? MHD_YES : MHD_NO;
    }
    struct request *q = *state;
    if (*data_len > 0) {
        buf_append(&q->body, data, *data_len);
        *data_len = 0;
        return MHD_YES;
    }
    return send_reply(q);
}

static void on_completed(void *arg, struct MHD_Connection *conn, void **state,
                         enum MHD_RequestTerminationCode why)
{
    (void)conn;
    (void)why;
    struct rest *r = arg;
    struct request *q = *state;
    if (q == NULL)
        return;
    *state = NULL;
    buf_fini(&q->body);
    buf_fini(&q->reply);
    mem_free(q);
    pthread_mutex_lock(&r->lock);
    if (--r->under_way == 0)
        pthread_cond_signal(&r->idle);
    pthread_mutex_unlock(&r->lock);
}

PRINTF(2, 0)
static void log_library(void *arg, const char *fmt, va_list ap)
{
    char text[512];
    (void)arg;
    (void)vsnprintf(text, sizeof text, fmt, ap);
    log_debug("REST API: %.*s", STR_ARG(str_trim(str_of(text))));
}

/* No more connections when the run is over. */
static enum MHD_Result admit(void *arg, const struct sockaddr *address, socklen_t len)
{
    struct rest *r = arg;
    (void)address;
    (void)len;
    return atomic_load(&r->draining) ? MHD_NO : MHD_YES;
}

/* A thread a connection, as some answers take as long as the script wants. */
static int on_start(void *arg, struct run *run)
{
    struct rest *r = arg;
    r->run = run;
    if (r->listen_fd < 0)
        return 0;
    r->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                                     MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG,
                                 0, admit, r, on_request, r, MHD_OPTION_EXTERNAL_LOGGER,
                                 log_library, NULL, MHD_OPTION_LISTEN_SOCKET, r->listen_fd,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)REST_CONNECTIONS_MAX,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
                                 MHD_OPTION_NOTIFY_COMPLETED, on_completed, r, MHD_OPTION_END);
    if (r->daemon == NULL)
        return err_exit(err_set(-EIO, "Error from API server: its threads don't start"),
                        EXIT_REST_START);
    r->listen_fd = -1; /* the library's now */
    return 0;
}

/* The run answers nobody any more: what is under way only has to be sent. */
static void on_stop(void *arg)
{
    struct rest *r = arg;
    if (r->daemon == NULL)
        return;
    atomic_store(&r->draining, true);
    int64_t until = clock_mono_ns() + STOP_S * NS_PER_S;
    struct timespec at = {until / NS_PER_S, until % NS_PER_S};
    pthread_mutex_lock(&r->lock);
    while (r->under_way > 0 && pthread_cond_timedwait(&r->idle, &r->lock, &at) == 0)
        ;
    pthread_mutex_unlock(&r->lock);
    MHD_stop_daemon(r->daemon);
    r->daemon = NULL;
    r->run = NULL;
}

static void on_close(void *arg)
{
    close_socket(arg);
}

const struct run_control_ops rest_ops = {
    .open = on_open,
    .start = on_start,
    .stop = on_stop,
    .close = on_close,
};
