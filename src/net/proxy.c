#include "net/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "codec/url.h"
#include "net/rules.h"

/* One piece of NO_PROXY. */
struct exception {
    bool all;      /* "*" */
    bool is_range; /* by address */
    struct dial_cidr range;
    struct str domain;  /* with a dot in front; in `texts` */
    bool domain_itself; /* and not only what is below it */
    uint16_t port;      /* 0: any */
};

struct proxies {
    struct proxy *http, *https; /* NULL: none */
    struct exception *exceptions;
    size_t exceptions_len, exceptions_cap;
    char *texts; /* NO_PROXY in small letters, each domain with room for a dot */
};

/* ---- proxies ------------------------------------------------------------------------------- */

static void proxy_free(struct proxy *p)
{
    if (p == NULL)
        return;
    mem_free(p->host);
    mem_free(p->user);
    mem_free(p->password);
    mem_free(p->authorization);
    mem_free(p);
}

void proxies_free(struct proxies *p)
{
    if (p == NULL)
        return;
    proxy_free(p->http);
    proxy_free(p->https);
    mem_free(p->exceptions);
    mem_free(p->texts);
    mem_free(p);
}

static int set_kind(struct proxy *p, struct str scheme)
{
    static const struct {
        const char *scheme;
        enum proxy_kind kind;
        uint16_t port;
    } kinds[] = {
        {"http", PROXY_HTTP, 80},
        {"https", PROXY_HTTPS, 443},
        {"socks5", PROXY_SOCKS5, 1080},
        {"socks5h", PROXY_SOCKS5, 1080},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_eqz(scheme, kinds[i].scheme)) {
            p->kind = kinds[i].kind;
            p->port = p->port != 0 ? p->port : kinds[i].port;
            return 0;
        }
    return err_set(E_CONFIG, "a proxy is spoken to by http, https or socks5, not by %.*s",
                   STR_ARG(scheme));
}

static int set_user(struct proxy *p, const struct url *u)
{
    CLEANUP(buf_fini) struct buf plain;
    CLEANUP(buf_fini) struct buf text;
    buf_init(&plain, URL_TEXT_MAX);
    buf_init(&text, 2 * (size_t)URL_TEXT_MAX);
    url_append_userinfo(&plain, u);
    buf_z(&text, "Basic ");
    base64_encode(&text, BASE64_STD, buf_view(&plain));
    struct str password, user = str_cut(buf_view(&plain), ':', &password);
    p->user = str_dup(user);
    p->password = str_dup(password);
    p->authorization = str_dup(buf_view(&text));
    return plain.err == 0 && text.err == 0 && p->user && p->password && p->authorization ? 0
                                                                                         : -ENOMEM;
}

static int proxy_of_url(const struct url *u, struct proxy **ret)
{
    struct proxy *p = mem_calloc(1, sizeof *p);
    if (p == NULL)
        return -ENOMEM;
    p->port = u->port;
    int rc = set_kind(p, u->scheme);
    if (rc == 0 && u->port_beyond) /* not another port, which may be somebody else's */
        rc = err_set(E_CONFIG, "a proxy's port is at most %d", UINT16_MAX);
    if (rc == 0 && u->userinfo.ptr != NULL)
        rc = set_user(p, u);
    if (rc == 0 && (p->host = str_dup(u->host)) == NULL)
        rc = -ENOMEM;
    if (rc < 0)
        proxy_free(p);
    else
        *ret = p;
    return rc;
}

/* "host:3128" is as good as "http://host:3128". */
static int proxy_parse(const char *text, struct proxy **ret)
{
    struct url u = {0};
    int rc = url_parse(str_of(text), &u);
    if (rc == -ENOMEM)
        return rc;
    if (rc < 0 || u.scheme.len == 0 || u.host.len == 0) {
        CLEANUP(buf_fini) struct buf with_scheme;
        buf_init(&with_scheme, URL_TEXT_MAX);
        buf_z(&with_scheme, "http://");
        buf_z(&with_scheme, text);
        url_fini(&u);
        u = (struct url){0};
        rc = buf_finish(&with_scheme);
        rc = rc == -ENOMEM ? rc : rc < 0 ? -EINVAL : url_parse(buf_view(&with_scheme), &u);
    }
    if (rc == 0 && u.host.len > 0)
        rc = proxy_of_url(&u, ret);
    else if (rc == -EINVAL)
        rc = 0;
    url_fini(&u);
    return rc;
}

/* ---- NO_PROXY ------------------------------------------------------------------------------ */

static bool parse_port(struct str text, uint16_t *ret)
{
    int64_t n;
    if (text.len == 0 || str_to_i64(text, &n) < 0 || n < 1 || n > UINT16_MAX)
        return false;
    *ret = (uint16_t)n;
    return true;
}

/* Takes ":port" off, and brackets; false: "[" without "]". */
static bool split_port(struct str *host, uint16_t *ret_port)
{
    if (host->len > 0 && host->ptr[0] == '[') {
        struct str after, inside = str_cut(str_new(host->ptr + 1, host->len - 1), ']', &after);
        if (after.ptr == NULL)
            return false;
        *host = inside;
        return after.len == 0 ||
               (after.ptr[0] == ':' && parse_port(str_new(after.ptr + 1, after.len - 1), ret_port));
    }
    struct str rest, first = str_cut(*host, ':', &rest);
    if (rest.ptr == NULL || str_find(rest, ':') >= 0)
        return true; /* no port, or an address of IPv6 */
    *host = first;
    return parse_port(rest, ret_port);
}

static int add_exception(struct proxies *p, struct exception e)
{
    int rc =
        mem_grow(&p->exceptions, &p->exceptions_cap, p->exceptions_len + 1, NO_PROXY_MAX, sizeof e);
    if (rc == 0)
        p->exceptions[p->exceptions_len++] = e;
    return rc;
}

static struct dial_cidr range_of(const struct net_ip *ip)
{
    struct dial_cidr range = {.bits = 128, .v6 = !net_ip_is_v4(ip)};
    memcpy(range.addr, ip->addr, sizeof range.addr);
    return range;
}

/* `one` lies in `texts` with a byte in front of it that may become a dot. */
static int read_exception(struct proxies *p, struct str one)
{
    struct exception e = {0};
    struct net_ip ip;
    if (str_eqz(one, "*"))
        return add_exception(p, (struct exception){.all = true});
    if (dial_cidr_parse(one, &e.range) == 0) {
        e.is_range = true;
        return add_exception(p, e);
    }
    if (!split_port(&one, &e.port) || one.len == 0)
        return 0;
    if (net_ip_parse(one, &ip)) {
        e.is_range = true;
        e.range = range_of(&ip);
        return add_exception(p, e);
    }
    if (one.len > 1 && one.ptr[0] == '*' && one.ptr[1] == '.')
        one = str_new(one.ptr + 1, one.len - 1);
    e.domain_itself = one.ptr[0] != '.';
    if (e.domain_itself) {
        char *dot = p->texts + (one.ptr - p->texts) - 1;
        *dot = '.';
        one = str_new(dot, one.len + 1);
    }
    e.domain = one;
    return add_exception(p, e);
}

static int read_exceptions(struct proxies *p, const char *text)
{
    size_t len = strlen(text);
    p->texts = mem_alloc(len + 2);
    if (p->texts == NULL)
        return -ENOMEM;
    p->texts[0] = ',';
    for (size_t i = 0; i <= len; i++)
        p->texts[i + 1] =
            (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i]);
    int rc = 0;
    for (struct str rest = str_new(p->texts + 1, len); rest.len > 0 && rc == 0;) {
        struct str one = str_trim(str_cut(rest, ',', &rest));
        if (one.len > 0)
            rc = read_exception(p, one);
    }
    return rc;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static const char *either(proxy_getenv_fn *getenv_fn, void *arg, const char *name,
                          const char *small)
{
    const char *value = getenv_fn(arg, name);
    return value != NULL && value[0] != '\0' ? value : getenv_fn(arg, small);
}

int proxies_from_env(proxy_getenv_fn *getenv_fn, void *arg, struct proxies **ret)
{
    const char *http = either(getenv_fn, arg, "HTTP_PROXY", "http_proxy");
    const char *https = either(getenv_fn, arg, "HTTPS_PROXY", "https_proxy");
    const char *none = either(getenv_fn, arg, "NO_PROXY", "no_proxy");
    *ret = NULL;
    bool has_http = http != NULL && http[0] != '\0', has_https = https != NULL && https[0] != '\0';
    if (!has_http && !has_https)
        return 0;
    struct proxies *p = mem_calloc(1, sizeof *p);
    if (p == NULL)
        return err_set(-ENOMEM, "proxies");
    int rc = has_http ? proxy_parse(http, &p->http) : 0;
    if (rc == E_CONFIG)
        rc = err_wrap(rc, "HTTP_PROXY");
    if (rc == 0 && has_https && (rc = proxy_parse(https, &p->https)) == E_CONFIG)
        rc = err_wrap(rc, "HTTPS_PROXY");
    if (rc == 0 && none != NULL && (rc = read_exceptions(p, none)) == -E2BIG)
        rc = err_set(E_CONFIG, "NO_PROXY has more than %d pieces", NO_PROXY_MAX);
    if (rc < 0) {
        proxies_free(p);
        return rc == -ENOMEM ? err_set(rc, "proxies") : rc;
    }
    *ret = p;
    return 0;
}

static const char *of_process(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

int proxies_from_process(struct proxies **ret)
{
    return proxies_from_env(of_process, NULL, ret);
}

static bool is_loopback(const struct net_ip *ip)
{
    static const uint8_t v6[16] = {[15] = 1};
    return net_ip_is_v4(ip) ? ip->addr[12] == 127 : memcmp(ip->addr, v6, sizeof v6) == 0;
}

static bool ends_with(struct str s, struct str tail)
{
    return s.len >= tail.len && str_ieq(str_new(s.ptr + s.len - tail.len, tail.len), tail);
}

static bool excepts(const struct exception *e, const struct net_ip *ip, struct str host,
                    uint16_t port)
{
    if (e->all)
        return true;
    if (e->port != 0 && e->port != port)
        return false;
    if (e->is_range)
        return ip != NULL && rules_in_range(&e->range, ip);
    if (ip != NULL)
        return false;
    return ends_with(host, e->domain) ||
           (e->domain_itself && str_ieq(host, str_new(e->domain.ptr + 1, e->domain.len - 1)));
}

const struct proxy *proxies_find(const struct proxies *p, bool tls, struct str host, uint16_t port)
{
    const struct proxy *found = p == NULL ? NULL : tls ? p->https : p->http;
    struct net_ip ip;
    if (found == NULL || str_eqz(host, "localhost"))
        return NULL;
    bool is_ip = net_ip_parse(host, &ip);
    if (is_ip && is_loopback(&ip))
        return NULL;
    for (size_t i = 0; i < p->exceptions_len; i++)
        if (excepts(&p->exceptions[i], is_ip ? &ip : NULL, host, port))
            return NULL;
    return found;
}
