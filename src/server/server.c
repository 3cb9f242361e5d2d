#include "server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/http.h"
#include "server/owner.h"
#include "server/passwords.h"
#include "server/quota.h"
#include "server/schema.h"
#include "server/server_int.h"
#include "server/tail.h"

enum { THREADS = 8, LISTEN_BACKLOG = 256, TICK_MS = 100, STOP_S = 3 };

/* ---- the address ---- */

static int bad_address(const char *text)
{
    return err_set(E_CONFIG,
                   "listen address \"%s\": ADDR:PORT is needed, as in 127.0.0.1:6600 or "
                   "[::1]:6600",
                   text);
}

static int parse_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len)
{
    struct str all = str_of(text);
    size_t colon = all.len;
    while (colon > 0 && all.ptr[colon - 1] != ':')
        colon--;
    uint64_t port = 0;
    if (colon == 0 || str_to_u64(str_new(all.ptr + colon, all.len - colon), &port) < 0 ||
        port > UINT16_MAX)
        return bad_address(text);
    struct str host = str_new(all.ptr, colon - 1);
    char name[64];
    memset(ret, 0, sizeof *ret);
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        struct sockaddr_in6 *in6 = (void *)ret;
        host = str_new(host.ptr + 1, host.len - 2);
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        *ret_len = sizeof *in6;
        snprintf(name, sizeof name, "%.*s", STR_ARG(host));
        return inet_pton(AF_INET6, name, &in6->sin6_addr) == 1 ? 0 : bad_address(text);
    }
    struct sockaddr_in *in = (void *)ret;
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)port);
    *ret_len = sizeof *in;
    if (host.len == 0)
        host = STR("0.0.0.0");
    else if (str_eq(host, STR("localhost")))
        host = STR("127.0.0.1");
    snprintf(name, sizeof name, "%.*s", STR_ARG(host));
    return inet_pton(AF_INET, name, &in->sin_addr) == 1 ? 0 : bad_address(text);
}

/* What a client on this machine can use: the wildcard addresses become the loopback's. */
static void set_url(struct server *s, const struct sockaddr_storage *at)
{
    char name[INET6_ADDRSTRLEN] = "";
    if (at->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)at;
        bool any = IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
        if (!any)
            inet_ntop(AF_INET6, &in6->sin6_addr, name, sizeof name);
        snprintf(s->url, sizeof s->url, "http://[%s]:%u", any ? "::1" : name,
                 (unsigned)ntohs(in6->sin6_port));
        return;
    }
    const struct sockaddr_in *in = (const void *)at;
    bool any = in->sin_addr.s_addr == htonl(INADDR_ANY);
    if (!any)
        inet_ntop(AF_INET, &in->sin_addr, name, sizeof name);
    snprintf(s->url, sizeof s->url, "http://%s:%u", any ? "127.0.0.1" : name,
             (unsigned)ntohs(in->sin_port));
}

static int open_socket(struct server *s, const char *text)
{
    struct sockaddr_storage at;
    socklen_t len = 0;
    int rc = parse_address(text, &at, &len);
    if (rc < 0)
        return rc;
    s->listen_fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listen_fd < 0)
        return err_set_errno(-errno, "listen on %s", text);
    int on = 1;
    (void)setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(s->listen_fd, (struct sockaddr *)&at, len) < 0 ||
        listen(s->listen_fd, LISTEN_BACKLOG) < 0 ||
        getsockname(s->listen_fd, (struct sockaddr *)&at, &len) < 0) {
        rc = err_set_errno(-errno, "listen on %s", text);
        return rc == -EADDRINUSE
                   ? err_hint(rc,
                              "another server runs there; --listen 127.0.0.1:0 takes a free port")
                   : rc;
    }
    set_url(s, &at);
    return 0;
}

/* ---- what is shown once ---- */

const char *server_new_token(const struct server *s)
{
    return s->new_token;
}

const char *server_new_password(const struct server *s, const char **ret_email)
{
    *ret_email = s->new_owner;
    return s->new_password;
}

static void forget(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    mem_free(*text);
    *text = NULL;
}

void server_forget_token(struct server *s)
{
    forget(&s->new_token);
    forget(&s->new_password);
    forget(&s->new_owner);
}

/* ---- the ticker ---- */

static bool may_listen_still(void *arg, const struct auth_reader *reader)
{
    struct server *s = arg;
    return auth_reader_may_still(&s->auth, reader);
}

/* Live streams of those who may do other things now end; whoever still may comes back. */
static void recheck_streams(struct server *s)
{
    uint64_t generation = auth_generation(&s->auth);
    if (generation == s->auth_generation)
        return;
    s->auth_generation = generation;
    events_recheck(&s->events, may_listen_still, s);
}

static void *run_ticker(void *arg)
{
    struct server *s = arg;
    int64_t expired_ns = clock_mono_ns();
    pthread_mutex_lock(&s->tick_lock);
    while (!s->stopping) {
        pthread_mutex_unlock(&s->tick_lock);
        int64_t now = clock_mono_ns();
        events_tick(&s->events, now);
        life_tick(s, now);
        http_tick(s, now);
        quota_tick(s, now);
        auth_tick(&s->auth, now);
        recheck_streams(s);
        if (now - expired_ns > 3600 * NS_PER_S) {
            expired_ns = now;
            if (store_expire(s->store, clock_wall_ns()) < 0)
                log_warning("old sessions: %s", err_message());
        }
        int64_t next = now + TICK_MS * NS_PER_MS;
        struct timespec at = {next / NS_PER_S, next % NS_PER_S};
        pthread_mutex_lock(&s->tick_lock);
        if (!s->stopping)
            pthread_cond_timedwait(&s->tick_wake, &s->tick_lock, &at);
    }
    pthread_mutex_unlock(&s->tick_lock);
    return NULL;
}

static int start_ticker(struct server *s)
{
    int rc = pthread_create(&s->ticker, NULL, run_ticker, s);
    if (rc != 0)
        return err_set_errno(-rc, "start a thread");
    s->ticking = true;
    return 0;
}

static void stop_ticker(struct server *s)
{
    if (!s->ticking)
        return;
    pthread_mutex_lock(&s->tick_lock);
    s->stopping = true;
    pthread_cond_signal(&s->tick_wake);
    pthread_mutex_unlock(&s->tick_lock);
    pthread_join(s->ticker, NULL);
    s->ticking = false;
}

/* ---- start and stop ---- */

PRINTF(2, 0)
static void log_library(void *arg, const char *fmt, va_list ap)
{
    char text[512];
    (void)arg;
    vsnprintf(text, sizeof text, fmt, ap);
    log_debug("http: %.*s", STR_ARG(str_trim(str_of(text))));
}

/* No more connections when the server is on its way out. */
static enum MHD_Result admit(void *arg, const struct sockaddr *address, socklen_t len)
{
    struct server *s = arg;
    (void)address;
    (void)len;
    return atomic_load(&s->draining) ? MHD_NO : MHD_YES;
}

static int start_daemon(struct server *s)
{
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME |
            MHD_ALLOW_UPGRADE,
        0, admit, s, http_handle, s, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
        MHD_OPTION_LISTEN_SOCKET, s->listen_fd, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)SERVER_CONNECTIONS_MAX,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)SERVER_PER_IP_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SERVER_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)SERVER_CONNECTION_BYTES, MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, s,
        MHD_OPTION_URI_LOG_CALLBACK, http_begin, s, MHD_OPTION_NOTIFY_COMPLETED, http_end, s,
        MHD_OPTION_END);
    if (!s->daemon)
        return err_set(-EIO, "the HTTP service doesn't start");
    s->listen_fd = -1; /* the library's now */
    return 0;
}

/* Connections and open run files: as many as the system lets us have. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)SERVER_DESCRIPTORS);
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_warning("the limit of open files can't be raised: fewer runs will be open at once");
}

static int start_all(struct server *s, const struct server_config *config)
{
    /* First, so that a bad address leaves no data folder behind. */
    int rc = open_socket(s, config->listen);
    raise_descriptors();
    if (rc == 0)
        rc = store_open(config->data_dir, &s->store);
    if (rc == 0)
        rc = auth_init(&s->auth, s->store);
    if (rc == 0)
        rc = schema_open(&s->schema);
    if (rc == 0)
        rc = store_expire(s->store, clock_wall_ns());
    if (rc == 0)
        rc = owner_prepare(s, config);
    if (rc == 0)
        rc = life_init(s);
    if (rc == 0)
        rc = tails_new(s, &s->tails);
    if (rc == 0)
        rc = passwords_new(&s->passwords);
    if (rc == 0)
        rc = start_daemon(s);
    if (rc == 0)
        rc = start_ticker(s);
    return rc;
}

int server_start(const struct server_config *config, struct server **ret)
{
    struct server *s = mem_calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->listen_fd = -1;
    s->run_timeout_ns = config->run_timeout_ns;
    s->patience_ns = config->patience_ns > 0 ? config->patience_ns : SERVER_PATIENCE_S * NS_PER_S;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->tick_wake, &monotonic);
    pthread_cond_init(&s->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&s->tick_lock, NULL);
    server_events_init(&s->events);
    pthread_mutex_init(&s->life.lock, NULL);
    int rc = start_all(s, config);
    if (rc < 0) {
        server_stop(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void server_stop(struct server *s)
{
    if (!s)
        return;
    stop_ticker(s);
    if (s->daemon) {
        /* Not MHD_quiesce_daemon(): two threads may take the socket out of an epoll set then, and
         * the library (0.9.75) ends the process when the second one doesn't find it. */
        atomic_store(&s->draining, true);
        events_close(&s->events);
        tails_close(s->tails);
        http_drain(s, STOP_S * NS_PER_S);
        MHD_stop_daemon(s->daemon);
    }
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    tails_close(s->tails);
    tails_free(s->tails);
    passwords_free(s->passwords);
    server_events_fini(&s->events);
    life_fini(s);
    auth_fini(&s->auth);
    schema_close(s->schema);
    store_close(s->store);
    server_forget_token(s);
    pthread_cond_destroy(&s->tick_wake);
    pthread_cond_destroy(&s->ended);
    pthread_mutex_destroy(&s->tick_lock);
    mem_free(s);
}

const char *server_url(const struct server *s)
{
    return s->url;
}
