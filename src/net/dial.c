#include "net/dial.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/proxy.h"
#include "net/resolve.h"
#include "net/rules.h"
#include "net/stream_int.h"
#include "net/tls.h"
#include "rt/co.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

struct dialer {
    const struct dial_rules *rules;
    struct dns_cache *cache;
    struct tls_context *tls;
};

/* One dial on its way. */
struct attempt {
    struct dialer *dialer;
    struct str host;
    uint16_t port;         /* as asked for, or as the override says */
    int64_t limit_ns;      /* the sooner of the request's deadline and 30 s from its start */
    bool limit_is_request; /* it is the request's */
    const char *local_ip;  /* or NULL */
    struct dial_result *how;
};

int dialer_new(const struct dial_rules *rules, struct dns_cache *cache, struct dialer **ret)
{
    struct dialer *d = mem_calloc(1, sizeof *d);
    if (d == NULL)
        return err_set(-ENOMEM, "dialer");
    d->rules = rules;
    d->cache = cache;
    int rc = tls_context_new(rules, dns_cache_roots(cache), &d->tls);
    if (rc < 0) {
        mem_free(d);
        return rc;
    }
    *ret = d;
    return 0;
}

void dialer_free(struct dialer *d)
{
    if (d == NULL)
        return;
    tls_context_free(d->tls);
    mem_free(d);
}

const struct proxy *dialer_proxy(const struct dialer *d, bool tls, struct str host, uint16_t port)
{
    return d->rules->proxies ? proxies_find(d->rules->proxies, tls, host, port) : NULL;
}

bool dialer_offers_h2(const struct dialer *d)
{
    return d->rules->offer_h2;
}

/* The wait's own end: which of the two deadlines was it, or was it cancelled? */
static enum dial_failure failure_of_wait(const struct attempt *a, int rc,
                                         enum dial_failure on_timeout)
{
    if (rc == -ECANCELED)
        return DIAL_CANCELLED;
    return a->limit_is_request ? DIAL_DEADLINE : on_timeout;
}

/* --- which address --- */

static int find_address(struct attempt *a, struct net_ip *ret)
{
    const struct dial_rules *rules = a->dialer->rules;
    const char *pattern = rules_blocked_pattern(rules, a->host);
    if (pattern != NULL) {
        a->how->failure = DIAL_BLOCKED_HOSTNAME;
        return err_set(E_REFUSED, "hostname (%.*s) is in a blocked pattern (%s)", STR_ARG(a->host),
                       pattern);
    }
    int rc = rules_override(rules, a->host, a->port, ret, &a->port);
    if (rc == 1)
        return 0;
    if (rc == 0)
        rc = resolve(a->dialer->cache, rules, a->host, a->limit_ns, ret);
    if (rc == E_NOT_FOUND)
        a->how->failure = DIAL_DNS_NO_HOST;
    else if (rc == -ETIMEDOUT || rc == -ECANCELED)
        a->how->failure = failure_of_wait(a, rc, DIAL_DNS_OTHER);
    else if (rc == E_DNS)
        a->how->failure = DIAL_DNS_OTHER;
    return rc;
}

static int check_blacklist(struct attempt *a, const struct net_ip *ip)
{
    const struct dial_cidr *c = rules_blacklisted(a->dialer->rules, ip);
    if (c == NULL)
        return 0;
    char text[INET6_ADDRSTRLEN] = "?";
    if (net_ip_is_v4(ip))
        inet_ntop(AF_INET, ip->addr + 12, text, sizeof text);
    else
        inet_ntop(AF_INET6, ip->addr, text, sizeof text);
    a->how->failure = DIAL_BLACKLISTED;
    return err_set(E_REFUSED, "IP (%s) is in a blacklisted range (%s)", text, c->text);
}

static socklen_t to_sockaddr(const struct net_ip *ip, uint16_t port, struct sockaddr_storage *ret)
{
    *ret = (struct sockaddr_storage){0};
    if (net_ip_is_v4(ip)) {
        struct sockaddr_in *in = (struct sockaddr_in *)ret;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, ip->addr + 12, 4);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    memcpy(&in6->sin6_addr, ip->addr, 16);
    return sizeof *in6;
}

/* --- TCP --- */

static enum dial_failure failure_of_errno(int rc)
{
    switch (-rc) {
    case ECONNREFUSED:
        return DIAL_TCP_REFUSED;
    case ETIMEDOUT:
        return DIAL_TCP_TIMEOUT;
    case ECONNRESET:
        return DIAL_RESET;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return DIAL_OTHER;
    default: /* the kernel has more of them */
        return DIAL_TCP_ERRNO;
    }
}

static int connect_failed(struct attempt *a, const struct sockaddr *to, const char *call, int rc)
{
    char peer[INET6_ADDRSTRLEN + 8], text[128];
    tcp_format_address(to, NULL, peer, NULL);
    const char *local = a->local_ip != NULL ? a->local_ip : "";
    bool v6 = strchr(local, ':') != NULL;
    a->how->failure = failure_of_errno(rc);
    a->how->sys_errno = -rc;
    return err_set(rc, "dial tcp %s%s%s%s%s: %s: %s", v6 ? "[" : "", local, v6 ? "]" : "",
                   a->local_ip != NULL ? ":0->" : "", peer, call,
                   rc == -ETIMEDOUT ? "connection timed out" : tcp_errno_text(rc, text));
}

static int bind_source(int fd, const char *local_ip)
{
    struct net_ip ip;
    if (!net_ip_parse(str_of(local_ip), &ip))
        return -EINVAL;
    struct sockaddr_storage from;
    socklen_t len = to_sockaddr(&ip, 0, &from);
    int yes = 1; /* or each connection would use a port up for all destinations */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    return bind(fd, (struct sockaddr *)&from, len) < 0 ? -errno : 0;
}

/* A socket that is connecting. */
static int start_connect(struct attempt *a, const struct sockaddr *to, socklen_t len,
                         const char *local_ip, struct stream **ret)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return connect_failed(a, to, "socket", -errno);
    tcp_set_options(fd);
    int rc = local_ip == NULL ? 0 : bind_source(fd, local_ip);
    if (rc < 0) {
        close(fd);
        return connect_failed(a, to, "bind", rc);
    }
    rc = connect(fd, to, len) < 0 && errno != EINPROGRESS ? -errno : 0;
    if (rc < 0) {
        close(fd);
        return connect_failed(a, to, "connect", rc);
    }
    rc = tcp_stream_new(fd, to, ret);
    if (rc < 0)
        close(fd);
    return rc;
}

static int finish_connect(struct attempt *a, const struct sockaddr *to, struct stream *s)
{
    io_filled(s->io); /* the edge tells of the connection */
    int rc = io_wait_writable(s->io, a->limit_ns);
    if (rc < 0) {
        a->how->failure = failure_of_wait(a, rc, DIAL_TCP_TIMEOUT);
        return err_set(rc, "dial tcp %s: %s", s->peer,
                       rc == -ETIMEDOUT ? "i/o timeout" : "operation was canceled");
    }
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(io_fd(s->io), SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    return error == 0 ? 0 : connect_failed(a, to, "connect", -error);
}

static int connect_tcp(struct attempt *a, const struct net_ip *ip, const char *local_ip,
                       struct stream **ret)
{
    struct sockaddr_storage to;
    socklen_t len = to_sockaddr(ip, a->port, &to);
    struct stream *s = NULL;
    int rc = start_connect(a, (struct sockaddr *)&to, len, local_ip, &s);
    if (rc < 0)
        return rc;
    rc = finish_connect(a, (struct sockaddr *)&to, s);
    if (rc < 0) {
        stream_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

/* --- all of it --- */

/* The time since *from_ns, which moves on to now. */
static int64_t lap(int64_t *from_ns)
{
    int64_t now_ns = clock_mono_ns(), took_ns = now_ns - *from_ns;
    *from_ns = now_ns;
    return took_ns;
}

/* TCP to a->host: an address by the rules, then a connection. */
static int reach(struct attempt *a, const char *local_ip, struct stream **ret)
{
    struct net_ip ip;
    int64_t from_ns = clock_mono_ns();
    int rc = find_address(a, &ip);
    a->how->lookup_ns = lap(&from_ns);
    if (rc == 0)
        rc = check_blacklist(a, &ip);
    if (rc < 0)
        return rc;
    rc = connect_tcp(a, &ip, local_ip, ret);
    a->how->connect_ns = lap(&from_ns);
    return rc;
}

static int shake_hands(struct attempt *a, struct stream *s, struct str host, bool offer_h2)
{
    int64_t from_ns = clock_mono_ns();
    int rc = tls_connect(a->dialer->tls, s, host, offer_h2, a->limit_ns, &a->how->failure);
    int64_t took_ns = lap(&from_ns);
    a->how->tls_ns = a->how->tls_ns == 0 ? took_ns : a->how->tls_ns; /* the first one, as in k6 */
    if (rc == -ETIMEDOUT || rc == -ECANCELED)
        a->how->failure = failure_of_wait(a, rc, DIAL_TLS_GENERIC);
    return rc;
}

/* The way to the proxy failed: Go has a name for that, which hides what it was. */
static int proxy_failed(struct attempt *a, int rc)
{
    switch (a->how->failure) {
    case DIAL_CANCELLED:
    case DIAL_DEADLINE:
        return rc;
    case DIAL_TCP_TIMEOUT:
        a->how->failure = DIAL_DEADLINE;
        return rc;
    default:
        a->how->failure = DIAL_PROXY;
        return err_wrap(rc, "proxyconnect tcp");
    }
}

static int ask_proxy(struct attempt *a, const struct dial_target *to, struct stream *s)
{
    int rc = proxy_ask(to->proxy, s, to->host, to->port, a->limit_ns);
    if (rc == -ETIMEDOUT || rc == -ECANCELED)
        a->how->failure = failure_of_wait(a, rc, DIAL_DEADLINE);
    else if (rc < 0)
        a->how->failure = rc == -ECONNRESET                 ? DIAL_RESET
                          : to->proxy->kind == PROXY_SOCKS5 ? DIAL_PROXY
                                                            : DIAL_OTHER;
    return rc;
}

/* On *ret, which is the caller's to close when it isn't NULL. */
static int run(struct attempt *a, const struct dial_target *to, struct stream **ret)
{
    const struct proxy *p = to->proxy;
    int rc = reach(a, to->local_ip, ret);
    if (rc == 0 && p && p->kind == PROXY_HTTPS)
        rc = shake_hands(a, *ret, a->host, false);
    if (rc < 0)
        return p ? proxy_failed(a, rc) : rc;
    if (p && !to->ends_at_proxy)
        rc = ask_proxy(a, to, *ret);
    if (rc == 0 && to->tls && !(p && to->ends_at_proxy))
        rc = shake_hands(a, *ret, to->host, !to->no_h2);
    return rc;
}

int dial_to(struct dialer *d, const struct dial_target *to, int64_t deadline_ns,
            struct stream **ret, struct dial_result *ret_how)
{
    int64_t limit_ns = clock_mono_ns() + NET_DIAL_MAX_NS;
    struct attempt a = {
        .dialer = d,
        .host = to->proxy ? str_of(to->proxy->host) : to->host,
        .port = to->proxy ? to->proxy->port : to->port,
        .limit_ns = MIN(limit_ns, deadline_ns),
        .limit_is_request = deadline_ns <= limit_ns,
        .local_ip = to->local_ip,
        .how = ret_how,
    };
    *ret_how = (struct dial_result){.failure = DIAL_OTHER};
    struct stream *s = NULL;
    int rc = run(&a, to, &s);
    if (rc < 0) {
        stream_close(s);
        return rc;
    }
    ret_how->failure = DIAL_OK;
    *ret = s;
    return 0;
}

int dial(struct dialer *d, struct str host, uint16_t port, bool tls, const char *local_ip,
         int64_t deadline_ns, struct stream **ret, struct dial_result *ret_how)
{
    struct dial_target to = {.host = host, .port = port, .tls = tls, .local_ip = local_ip};
    return dial_to(d, &to, deadline_ns, ret, ret_how);
}
