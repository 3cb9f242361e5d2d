/*
 * proxy - which proxy, if any, a connection goes through: what HTTP_PROXY, HTTPS_PROXY and NO_PROXY
 * say, read as Go's programs read them.
 */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct stream;

enum proxy_kind {
    PROXY_HTTP,
    PROXY_HTTPS, /* spoken to over TLS */
    PROXY_SOCKS5,
};

struct proxy {
    enum proxy_kind kind;
    char *host;
    uint16_t port;
    char *user, *password; /* decoded; NULL: none were given */
    char *authorization;   /* "Basic …", what the header says; NULL: none */
};

struct proxies;

/* Each of the variables by `getenv_fn`, in capitals before small letters.  *ret is NULL when there
 * is no proxy.  0, -ENOMEM, or E_CONFIG with a message for a scheme that isn't spoken; what is no
 * URL at all is passed over. */
typedef const char *proxy_getenv_fn(void *arg, const char *name);
NODISCARD int proxies_from_env(proxy_getenv_fn *getenv_fn, void *arg, struct proxies **ret);
NODISCARD int proxies_from_process(struct proxies **ret); /* the process's environment */
void proxies_free(struct proxies *p);                     /* NULL is fine */

/* The one for host:port (no brackets), asked for with TLS or without; NULL: none.  `p` may be NULL.
 */
const struct proxy *proxies_find(const struct proxies *p, bool tls, struct str host, uint16_t port);

/* Asks the proxy at the other end of `s` for a connection to host:port: CONNECT, or SOCKS5's way.
 * 0; E_REFUSED when it says no, with its words as the message; or another negative code. */
YIELDS NODISCARD int proxy_ask(const struct proxy *p, struct stream *s, struct str host,
                               uint16_t port, int64_t deadline_ns);

#endif
