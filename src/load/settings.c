#include "load/settings.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/duration.h"
#include "load/options_int.h"
#include "load/settings_tls.h"
#include "net/proxy.h"
#include "net/rules.h"
#include "net/tls_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

/* k6 writes its name and version; scripts and servers may look for "k6". */
#define USER_AGENT "Spate/" SPATE_VERSION " (k6-compatible)"

enum { REDIRECTS = 10, BATCH = 20, BATCH_PER_HOST = 6 };

/* ---- addresses ----------------------------------------------------------------------------- */

struct address {
    int family;
    uint8_t bytes[16]; /* 4 of them for AF_INET */
};

static size_t address_len(const struct address *a)
{
    return a->family == AF_INET ? 4 : 16;
}

static int address_parse(struct str text, struct address *ret)
{
    char z[INET6_ADDRSTRLEN];
    if (text.len >= sizeof z)
        return -EINVAL;
    memcpy(z, text.ptr, text.len);
    z[text.len] = '\0';
    *ret = (struct address){.family = AF_INET};
    if (inet_pton(AF_INET, z, ret->bytes) == 1)
        return 0;
    ret->family = AF_INET6;
    return inet_pton(AF_INET6, z, ret->bytes) == 1 ? 0 : -EINVAL;
}

static void address_next(struct address *a)
{
    for (size_t i = address_len(a); i-- > 0;)
        if (++a->bytes[i] != 0)
            return;
}

static int add_ip(const struct address *a, char ***list, size_t *len, size_t *cap)
{
    char text[INET6_ADDRSTRLEN];
    int rc = mem_grow(list, cap, *len + 1, LOAD_LOCAL_IPS_MAX, sizeof **list);
    if (rc < 0)
        return rc == -E2BIG ? err_set(E_CONFIG, "more than %d local addresses", LOAD_LOCAL_IPS_MAX)
                            : rc;
    if (inet_ntop(a->family, a->bytes, text, sizeof text) == NULL)
        return -EINVAL;
    (*list)[*len] = mem_strdup(text);
    if ((*list)[*len] == NULL)
        return -ENOMEM;
    (*len)++;
    return 0;
}

static int range_of_two(struct str text, struct str low, struct str high, struct address *from,
                        struct address *to)
{
    if (address_parse(low, from) < 0 || address_parse(high, to) < 0)
        return err_set(E_CONFIG, "wrong IP range format: %.*s", STR_ARG(text));
    if (from->family != to->family)
        return err_set(E_CONFIG, "mixed IP range format: %.*s", STR_ARG(text));
    if (memcmp(from->bytes, to->bytes, address_len(from)) > 0)
        return err_set(E_CONFIG, "negative IP range: %.*s", STR_ARG(text));
    return 0;
}

/* Of a network of IPv4 with more than two addresses, the first and the last one aren't hosts'. */
static int range_of_network(struct str text, struct str low, struct str prefix,
                            struct address *from, struct address *to)
{
    int64_t bits = -1, all = 0;
    if (address_parse(low, from) == 0)
        all = 8 * (int64_t)address_len(from);
    if (all == 0 || str_to_i64(prefix, &bits) < 0 || bits < 0 || bits > all)
        return err_set(E_CONFIG, "parseCIDR() failed parsing %.*s: invalid CIDR address: %.*s",
                       STR_ARG(text), STR_ARG(text));
    *to = *from;
    for (int64_t b = bits; b < all; b++) {
        uint8_t mask = (uint8_t)(0x80 >> (b % 8));
        from->bytes[b / 8] &= (uint8_t)~mask;
        to->bytes[b / 8] |= mask;
    }
    if (from->family == AF_INET && bits < 31) {
        from->bytes[3]++;
        to->bytes[3]--;
    }
    return 0;
}

/* The first and last address of "a", "a-b" or "a/bits". */
static int range_parse(struct str text, struct address *from, struct address *to)
{
    struct str high, prefix;
    struct str low = str_cut(text, '-', &high);
    if (high.ptr != NULL)
        return range_of_two(text, low, high, from, to);
    low = str_cut(text, '/', &prefix);
    if (prefix.ptr != NULL)
        return range_of_network(text, low, prefix, from, to);
    if (address_parse(text, from) < 0)
        return err_set(E_CONFIG, "%.*s is not a valid IP, IP range or CIDR", STR_ARG(text));
    *to = *from;
    return 0;
}

/* Of more than LOAD_LOCAL_IPS_MAX addresses the first ones: no more virtual users than that ask. */
int settings_parse_ips(const char *text, char ***ret, size_t *ret_len)
{
    struct str rest = str_of(text);
    size_t cap = *ret_len;
    while (rest.ptr != NULL && *ret_len < LOAD_LOCAL_IPS_MAX) {
        struct str item = str_trim(str_cut(rest, ',', &rest));
        struct address at, last;
        int rc = range_parse(item, &at, &last);
        while (rc == 0 && *ret_len < LOAD_LOCAL_IPS_MAX) {
            rc = add_ip(&at, ret, ret_len, &cap);
            if (rc == 0 && memcmp(at.bytes, last.bytes, address_len(&at)) == 0)
                break;
            address_next(&at);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

const char *settings_local_ip(const struct settings *s, uint64_t vu)
{
    return s->local_ips_len == 0 ? NULL : s->local_ips[vu % s->local_ips_len];
}

/* ---- dial rules ---------------------------------------------------------------------------- */

static int set_dns(const struct options *o, struct dial_rules *r)
{
    static const char *const selects[] = {"random", "first", "roundRobin"};
    static const char *const policies[] = {"preferIPv4", "preferIPv6", "onlyIPv4", "onlyIPv6",
                                           "any"};
    if (o->dns_ttl != NULL && strcmp(o->dns_ttl, "inf") == 0) {
        r->dns_ttl_ns = INT64_MAX;
    } else if (o->dns_ttl != NULL && o->dns_ttl[0] != '\0') {
        int rc = duration_parse(str_of(o->dns_ttl), &r->dns_ttl_ns);
        if (rc < 0 || r->dns_ttl_ns < 0)
            return err_set(E_CONFIG, "invalid DNS TTL: %s", o->dns_ttl);
    }
    if (o->dns_select != NULL && o->dns_select[0] != '\0') {
        unsigned i = 0;
        while (i < ARRAY_LEN(selects) && strcmp(selects[i], o->dns_select) != 0)
            i++;
        if (i == ARRAY_LEN(selects))
            return err_set(E_CONFIG, "%s does not belong to DNSSelect values", o->dns_select);
        r->dns_select = (enum dial_select)i;
    }
    if (o->dns_policy != NULL && o->dns_policy[0] != '\0') {
        unsigned i = 0;
        while (i < ARRAY_LEN(policies) && strcmp(policies[i], o->dns_policy) != 0)
            i++;
        if (i == ARRAY_LEN(policies))
            return err_set(E_CONFIG, "%s does not belong to DNSPolicy values", o->dns_policy);
        r->dns_policy = (enum dial_policy)i;
    }
    return 0;
}

static int set_blocks(const struct options *o, struct dial_rules *r)
{
    if (o->blacklist_ips.len > 0) {
        r->blacklist = mem_calloc(o->blacklist_ips.len, sizeof *r->blacklist);
        if (r->blacklist == NULL)
            return -ENOMEM;
    }
    for (size_t i = 0; i < o->blacklist_ips.len; i++) {
        int rc = dial_cidr_parse(str_of(o->blacklist_ips.items[i]), &r->blacklist[i]);
        if (rc < 0)
            return err_wrap(rc, "failed to parse CIDR '%s'", o->blacklist_ips.items[i]);
        r->blacklist_len++;
    }
    if (o->block_hostnames.len > 0) {
        r->blocked_hostnames = mem_calloc(o->block_hostnames.len, sizeof(char *));
        if (r->blocked_hostnames == NULL)
            return -ENOMEM;
    }
    for (size_t i = 0; i < o->block_hostnames.len; i++) {
        const char *name = o->block_hostnames.items[i];
        if (!rules_is_pattern(str_of(name), false))
            return err_set(E_CONFIG, "invalid hostname pattern '%s'", name);
        char *copy = r->blocked_hostnames[i] = mem_strdup(name);
        if (copy == NULL)
            return -ENOMEM;
        for (; *copy != '\0'; copy++)
            *copy = (char)(*copy >= 'A' && *copy <= 'Z' ? *copy + ('a' - 'A') : *copy);
        r->blocked_hostnames_len++;
    }
    return 0;
}

static int set_hosts(const struct options *o, struct dial_rules *r)
{
    for (size_t i = 0; i < o->hosts.len; i++) {
        struct str pattern = o->hosts.items[i].key;
        if (!rules_is_pattern(pattern, true))
            return err_set(E_CONFIG, "invalid host pattern '%.*s'", STR_ARG(pattern));
        char *value = str_dup(o->hosts.items[i].value);
        if (value == NULL)
            return -ENOMEM;
        int rc = map_put(&r->hosts, o->hosts.items[i].key, value);
        if (rc < 0) {
            mem_free(value);
            return rc;
        }
    }
    return 0;
}

/* True when GODEBUG says, among others, http2client=0: k6 obeys that, too. */
static bool is_http2_off(const char *godebug)
{
    for (struct str rest = str_of(godebug); rest.len > 0;)
        if (str_eqz(str_cut(rest, ',', &rest), "http2client=0"))
            return true;
    return false;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static enum http_debug http_debug(const char *text)
{
    if (text == NULL || text[0] == '\0')
        return HTTP_DEBUG_OFF;
    return strcmp(text, "full") == 0 ? HTTP_DEBUG_FULL : HTTP_DEBUG_HEADERS;
}

static void set_run(const struct options *o, struct js_run_options *r)
{
    *r = (struct js_run_options){
        .user_agent = o->user_agent != NULL ? o->user_agent : USER_AGENT,
        .max_redirects = o->max_redirects.set ? (int)o->max_redirects.value : REDIRECTS,
        .max_redirects_set = o->max_redirects.set,
        .batch = o->batch.set ? (int)o->batch.value : BATCH,
        .batch_per_host = o->batch_per_host.set ? (int)o->batch_per_host.value : BATCH_PER_HOST,
        .http_debug = http_debug(o->http_debug),
        .throw_errors = o->throw_errors.value,
        .discard_response_bodies = o->discard_response_bodies.value,
        .no_connection_reuse = o->no_connection_reuse.value,
        .no_vu_connection_reuse = o->no_vu_connection_reuse.value,
        .no_cookies_reset = o->no_cookies_reset.value,
    };
    for (size_t i = 0; i < o->system_tags.len; i++)
        r->system_tags |= system_tags_parse(str_of(o->system_tags.items[i]));
}

static int set_rate(const struct options *o, struct settings *s)
{
    if (!o->rps.set || o->rps.value <= 0)
        return 0;
    s->run.rate = s->rate = mem_alloc(sizeof *s->rate);
    if (s->rate == NULL)
        return err_set(-ENOMEM, "settings");
    rate_init(s->rate, o->rps.value);
    return 0;
}

int settings_make(const struct options *o, struct settings *ret)
{
    struct settings s = {0};
    dial_rules_init(&s.rules);
    set_run(o, &s.run);
    int rc = set_rate(o, &s);
    s.rules.insecure_skip_tls_verify = o->insecure_skip_tls_verify.value;
    if (rc == 0)
        rc = set_dns(o, &s.rules);
    if (rc == 0)
        rc = set_blocks(o, &s.rules);
    if (rc == 0)
        rc = set_hosts(o, &s.rules);
    if (rc == 0)
        rc = settings_tls(o, &s.rules);
    if (rc == 0 && o->local_ips != NULL && o->local_ips[0] != '\0')
        rc = settings_parse_ips(o->local_ips, &s.local_ips, &s.local_ips_len);
    if (rc < 0) {
        settings_fini(&s);
        return options_bad(rc);
    }
    *ret = s;
    return 0;
}

int settings_add_env(struct settings *s)
{
    s->rules.offer_h2 = !is_http2_off(getenv("GODEBUG"));
    int rc = proxies_from_process(&s->rules.proxies);
    const char *key_log = getenv("SSLKEYLOGFILE");
    if (rc == 0 && key_log != NULL && key_log[0] != '\0') {
        log_warning("SSLKEYLOGFILE was specified, logging TLS connection keys to '%s'...", key_log);
        rc = tls_key_log_open(&s->rules, key_log);
    }
    return rc < 0 ? options_bad(rc) : 0;
}

void settings_fini(struct settings *s)
{
    dial_rules_fini(&s->rules);
    for (size_t i = 0; i < s->local_ips_len; i++)
        mem_free(s->local_ips[i]);
    mem_free(s->local_ips);
    mem_free(s->rate);
    *s = (struct settings){0};
}
