/*
 * resolve - from a name to one address, through a cache that all workers of a run share.
 *
 * A name is looked up once, however many coroutines of however many loops ask for it: the first one
 * has a thread of the cache's do the look-up, and all wait for its result, each with a deadline of
 * its own; nobody waits for a look-up that nobody wants any more.  An answer is used for the TTL of
 * the rules, counted from the look-up; failures aren't kept.  struct dns_cache is declared in
 * net/dial.h.
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "net/dial.h"
#include "net/rules.h"

/* Addresses (1…) or 0 for none, E_DNS with a message.  Runs in a thread of the cache; tests put
 * their own.
 */
typedef int resolve_lookup_fn(const char *host, struct net_ip *ips, int max);
void dns_cache_set_lookup(struct dns_cache *c, resolve_lookup_fn *fn);

/* What the cache keeps beside names. */
struct roots *dns_cache_roots(struct dns_cache *c);

/*
 * `host` as an address by policy and selection of the rules.  Literals and "localhost" don't wait.
 * 0; E_NOT_FOUND: no such host, or none that the policy allows; E_DNS, -ETIMEDOUT, -ECANCELED,
 * -ENOMEM; all with a message.
 */
YIELDS NODISCARD int resolve(struct dns_cache *c, const struct dial_rules *rules, struct str host,
                             int64_t deadline_ns, struct net_ip *ret);

#endif
