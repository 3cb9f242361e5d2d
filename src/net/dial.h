/*
 * dial - from a host name to a connected stream: overrides, DNS cache, address rules, TCP, TLS.
 *
 * The rules (k6-surface 2.4, 3.1, 4.5) are one struct shared read-only by all VUs; the DNS cache is
 * shared between workers behind a lock; the TLS context is one per worker.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/str.h"
#include "net/stream.h"

#include <stdbool.h>
#include <stdint.h>

enum dial_select { DIAL_SELECT_RANDOM, DIAL_SELECT_FIRST, DIAL_SELECT_ROUND_ROBIN };
enum dial_policy {
    DIAL_PREFER_IPV4,
    DIAL_PREFER_IPV6,
    DIAL_ONLY_IPV4,
    DIAL_ONLY_IPV6,
    DIAL_ANY,
};

/* A blocked range: the first `bits` of addr (IPv4 as ::ffff:0:0/96). */
struct dial_cidr {
    uint8_t addr[16];
    int bits;
    bool v6;       /* written as IPv6: holds no address of IPv4 */
    char text[64]; /* in its usual form, without the bits behind the prefix */
};

/* Made once by the run, read by all; owned by the run. */
struct dial_rules {
    struct map hosts; /* "host" | "host:port" | "*.x" → char* "ip" | "ip:port" */
    struct dial_cidr *blacklist;
    size_t blacklist_len;
    char **blocked_hostnames; /* patterns, leading '*' is a wildcard */
    size_t blocked_hostnames_len;
    int64_t dns_ttl_ns; /* INT64_MAX: for ever; 0: no cache */
    enum dial_select dns_select;
    enum dial_policy dns_policy;
    struct proxies *proxies; /* NULL: none */
    bool insecure_skip_tls_verify;
    const char *tls_min, *tls_max; /* "tls1.0".."tls1.3" or NULL */
    struct tls_auth *auth;         /* net/tls_options.h, likewise the next ones */
    size_t auth_len, auth_cap;
    bool suites_given;
    struct buf suites; /* OpenSSL's names of those up to TLS 1.2 */
    int key_log;       /* file for session keys; -1: none */
    bool offer_h2;     /* by ALPN; else HTTP/1.1 is all we speak */
};

/* Defaults as k6 has them; blacklist etc. empty. */
void dial_rules_init(struct dial_rules *r);
void dial_rules_fini(struct dial_rules *r);
NODISCARD int dial_cidr_parse(struct str text, struct dial_cidr *ret); /* E_CONFIG with message */

/* Why a dial failed, in k6's terms (k6-surface 4.5). */
enum dial_failure {
    DIAL_OK,
    DIAL_DNS_NO_HOST,      /* 1101 */
    DIAL_DNS_OTHER,        /* 1100 */
    DIAL_BLACKLISTED,      /* 1110 */
    DIAL_BLOCKED_HOSTNAME, /* 1111 */
    DIAL_TCP_TIMEOUT,      /* 1211 */
    DIAL_TCP_REFUSED,      /* 1212 */
    DIAL_TCP_ERRNO,        /* 1213 */
    DIAL_TCP_OTHER,        /* 1210 */
    DIAL_RESET,            /* 1220 */
    DIAL_TLS_GENERIC,      /* 1000; k6 has 1300 for it, but never says so */
    DIAL_TLS_ALERT,        /* 1010: the peer refused, and said why */
    DIAL_TLS_RECORD,       /* 1301 */
    DIAL_TLS_UNKNOWN_CA,   /* 1310 */
    DIAL_TLS_HOSTNAME,     /* 1311 */
    DIAL_PROXY,            /* 1200: no connection to the proxy */
    DIAL_EOF,              /* 1000 "EOF": the peer closed it during the TLS handshake */
    DIAL_OTHER,            /* 1000: the proxy said no, out of memory, too many open files, … */
    DIAL_DEADLINE,         /* 1050: the request's own deadline, not the 30 s of a dial */
    DIAL_CANCELLED,
};

struct proxy; /* net/proxy.h */

struct dial_result {
    int64_t lookup_ns, connect_ns, tls_ns; /* durations */
    enum dial_failure failure;             /* DIAL_OK on success */
    int sys_errno;                         /* of the failed connect, or 0 */
};

struct dialer;    /* one per worker: TLS context, session settings, resolver handle */
struct dns_cache; /* one per run, thread-safe; also keeps the certificates that TLS trusts */

NODISCARD int dns_cache_new(struct dns_cache **ret);
void dns_cache_free(struct dns_cache *c);

/* `rules` and `cache` outlive the dialer.  E_CONFIG with a message when SSL_CERT_FILE or
 * SSL_CERT_DIR name what can't be read; they are parsed, once a run, for the first connection with
 * TLS. */
NODISCARD int dialer_new(const struct dial_rules *rules, struct dns_cache *cache,
                         struct dialer **ret);
void dialer_free(struct dialer *d);
bool dialer_offers_h2(const struct dialer *d); /* to servers with TLS */

/* The proxy for host:port by the rules, NULL: none. */
const struct proxy *dialer_proxy(const struct dialer *d, bool tls, struct str host, uint16_t port);

/* Where to, and how. */
struct dial_target {
    struct str host; /* a name, IPv4, or IPv6 without brackets */
    uint16_t port;
    bool tls;                  /* SNI and the checked name are `host` whatever the overrides say */
    bool no_h2;                /* HTTP/2 isn't offered, whatever the rules say */
    const struct proxy *proxy; /* NULL: none */
    bool ends_at_proxy;        /* what is said is said to the proxy: no CONNECT, no TLS behind it */
    const char *local_ip;      /* source address or NULL */
};

/*
 * Connects.  At most 30 s and never after `deadline_ns`.  *ret_how is always filled; 0 or a
 * negative code with a message in k6's words ("dial tcp 127.0.0.1:1: connect: connection refused").
 */
YIELDS NODISCARD int dial_to(struct dialer *d, const struct dial_target *to, int64_t deadline_ns,
                             struct stream **ret, struct dial_result *ret_how);

/* The same without a proxy. */
YIELDS NODISCARD int dial(struct dialer *d, struct str host, uint16_t port, bool tls,
                          const char *local_ip, int64_t deadline_ns, struct stream **ret,
                          struct dial_result *ret_how);

#endif
