#include "net/rules.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/proxy.h"
#include "net/tls_options.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

enum { HOSTS_MAX = 1 << 16, DNS_TTL_S = 300, V4_BITS = 96 };

void dial_rules_init(struct dial_rules *r)
{
    *r = (struct dial_rules){
        .dns_ttl_ns = DNS_TTL_S * NS_PER_S,
        .dns_select = DIAL_SELECT_RANDOM,
        .dns_policy = DIAL_PREFER_IPV4,
    };
    r->key_log = -1;
    map_init(&r->hosts, HOSTS_MAX);
    buf_init(&r->suites, TLS_SUITES_MAX);
}

void dial_rules_fini(struct dial_rules *r)
{
    for (size_t i = 0; i < map_len(&r->hosts); i++)
        mem_free(map_value_at(&r->hosts, i));
    map_fini(&r->hosts);
    mem_free(r->blacklist);
    for (size_t i = 0; i < r->blocked_hostnames_len; i++)
        mem_free(r->blocked_hostnames[i]);
    mem_free(r->blocked_hostnames);
    proxies_free(r->proxies);
    tls_options_fini(r);
    dial_rules_init(r);
}

bool net_ip_is_v4(const struct net_ip *ip)
{
    return memcmp(ip->addr, v4_prefix, sizeof v4_prefix) == 0;
}

bool net_ip_parse(struct str text, struct net_ip *ret)
{
    char z[INET6_ADDRSTRLEN];
    if (text.len >= sizeof z)
        return false;
    memcpy(z, text.len > 0 ? text.ptr : "", text.len);
    z[text.len] = '\0';
    struct net_ip ip;
    if (inet_pton(AF_INET, z, ip.addr + sizeof v4_prefix) == 1)
        memcpy(ip.addr, v4_prefix, sizeof v4_prefix);
    else if (inet_pton(AF_INET6, z, ip.addr) != 1)
        return false;
    *ret = ip;
    return true;
}

/* Clears what is behind the prefix, and writes the range as it is usually written. */
static void tidy_range(struct dial_cidr *c)
{
    char number[INET6_ADDRSTRLEN] = "?";
    for (int bit = c->bits; bit < 128; bit++)
        c->addr[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    if (c->v6)
        inet_ntop(AF_INET6, c->addr, number, sizeof number);
    else
        inet_ntop(AF_INET, c->addr + sizeof v4_prefix, number, sizeof number);
    snprintf(c->text, sizeof c->text, "%s/%d", number, c->v6 ? c->bits : c->bits - V4_BITS);
}

int dial_cidr_parse(struct str text, struct dial_cidr *ret)
{
    struct str rest, number = str_cut(text, '/', &rest);
    struct net_ip ip;
    int64_t bits = 0;
    bool ok = rest.ptr != NULL && net_ip_parse(number, &ip) && str_to_i64(rest, &bits) == 0;
    bool v4 = ok && str_find(number, ':') < 0;
    if (!ok || bits < 0 || bits > (v4 ? 32 : 128))
        return err_set(E_CONFIG, "invalid CIDR address: %.*s", (int)MIN(text.len, (size_t)100),
                       text.len > 0 ? text.ptr : "");
    *ret = (struct dial_cidr){.bits = (int)bits + (v4 ? V4_BITS : 0), .v6 = !v4};
    memcpy(ret->addr, ip.addr, sizeof ret->addr);
    tidy_range(ret);
    return 0;
}

bool rules_in_range(const struct dial_cidr *c, const struct net_ip *ip)
{
    int whole = c->bits / 8, rest = c->bits % 8;
    if (c->v6 == net_ip_is_v4(ip))
        return false;
    if (memcmp(c->addr, ip->addr, (size_t)whole) != 0)
        return false;
    if (rest == 0)
        return true;
    unsigned mask = 0xffu << (8 - rest) & 0xffu;
    return ((c->addr[whole] ^ ip->addr[whole]) & mask) == 0;
}

const struct dial_cidr *rules_blacklisted(const struct dial_rules *r, const struct net_ip *ip)
{
    for (size_t i = 0; i < r->blacklist_len; i++)
        if (rules_in_range(&r->blacklist[i], ip))
            return &r->blacklist[i];
    return NULL;
}

/* "*.x" matches a.x and a.b.x, not x; without a star the whole name counts. */
static bool matches(struct str pattern, struct str name)
{
    if (pattern.len == 0 || pattern.ptr[0] != '*')
        return str_ieq(pattern, name);
    struct str tail = str_new(pattern.ptr + 1, pattern.len - 1);
    return name.len > tail.len && str_ieq(tail, str_new(name.ptr + name.len - tail.len, tail.len));
}

static bool is_label_char(char c, bool at_edge)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c == '-' && !at_edge);
}

static bool is_port(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len >= 1 && s.len <= 5;
}

bool rules_is_pattern(struct str s, bool port_too)
{
    struct str port;
    struct str name = port_too ? str_cut(s, ':', &port) : s;
    if (port_too && port.ptr && !is_port(port))
        return false;
    if (name.len > 0 && name.ptr[0] == '*')
        name = str_new(name.ptr + 1, name.len - 1);
    bool starred = name.len < s.len && s.ptr[0] == '*';
    if (starred && name.len > 0 && name.ptr[0] == '.')
        name = str_new(name.ptr + 1, name.len - 1);
    for (size_t i = 0; i < name.len; i++) {
        bool edge = i == 0 || i + 1 == name.len || name.ptr[i - 1] == '.' || name.ptr[i + 1] == '.';
        bool dot = name.ptr[i] == '.' && i > 0 && i + 1 < name.len && name.ptr[i - 1] != '.';
        if (!dot && !is_label_char(name.ptr[i], edge))
            return false;
    }
    return true;
}

const char *rules_blocked_pattern(const struct dial_rules *r, struct str host)
{
    struct net_ip ip;
    if (r->blocked_hostnames_len > 0 && net_ip_parse(host, &ip))
        return NULL;
    for (size_t i = 0; i < r->blocked_hostnames_len; i++)
        if (matches(str_of(r->blocked_hostnames[i]), host))
            return r->blocked_hostnames[i];
    return NULL;
}

static bool is_wildcard(struct str key)
{
    return key.len > 0 && key.ptr[0] == '*';
}

/* The value of the best key for `name`: itself, else the longest pattern. */
static const char *best_override(const struct map *hosts, struct str name)
{
    const char *best = NULL;
    size_t best_len = 0;
    for (size_t i = 0; i < map_len(hosts); i++) {
        struct str key = map_key_at(hosts, i);
        if (!matches(key, name))
            continue;
        if (!is_wildcard(key))
            return map_value_at(hosts, i);
        if (best == NULL || key.len > best_len) {
            best = map_value_at(hosts, i);
            best_len = key.len;
        }
    }
    return best;
}

/* "1.2.3.4", "1.2.3.4:80", "::1", "[::1]", "[::1]:80"; *port stays when there is none. */
static bool parse_target(struct str text, struct net_ip *ip, uint16_t *port)
{
    if (net_ip_parse(text, ip))
        return true;
    struct str host = text, number = STR_EMPTY;
    if (text.len > 0 && text.ptr[0] == '[') {
        struct str after;
        host = str_cut(str_new(text.ptr + 1, text.len - 1), ']', &after);
        if (after.len > 0 && after.ptr[0] != ':')
            return false;
        if (after.len > 0)
            number = str_new(after.ptr + 1, after.len - 1);
    } else {
        host = str_cut(text, ':', &number);
    }
    if (!net_ip_parse(host, ip))
        return false;
    if (number.ptr == NULL)
        return true;
    int64_t n;
    if (str_to_i64(number, &n) < 0 || n < 0 || n > UINT16_MAX)
        return false;
    *port = n == 0 ? *port : (uint16_t)n;
    return true;
}

int rules_override(const struct dial_rules *r, struct str host, uint16_t port,
                   struct net_ip *ret_ip, uint16_t *ret_port)
{
    if (map_len(&r->hosts) == 0 || host.len > NET_HOST_MAX)
        return 0;
    char with_port[NET_HOST_MAX + 16];
    bool v6 = str_find(host, ':') >= 0;
    int n = v6 ? snprintf(with_port, sizeof with_port, "[%.*s]:%u", STR_ARG(host), port)
               : snprintf(with_port, sizeof with_port, "%.*s:%u", STR_ARG(host), port);
    const char *target = best_override(&r->hosts, str_new(with_port, (size_t)n));
    if (target == NULL)
        target = best_override(&r->hosts, host);
    if (target == NULL)
        return 0;
    if (!parse_target(str_of(target), ret_ip, ret_port))
        return err_set(E_CONFIG, "hosts: \"%s\" is not an address", target);
    return 1;
}
