/*
 * rules - the questions that a dial asks struct dial_rules.
 */
#ifndef NET_RULES_H
#define NET_RULES_H

#include "net/dial.h"

/* An address in the form of struct dial_cidr: IPv6, or IPv4 as ::ffff:0:0/96. */
struct net_ip {
    uint8_t addr[16];
};

bool net_ip_is_v4(const struct net_ip *ip);
bool net_ip_parse(struct str text, struct net_ip *ret); /* no brackets, no zone */

/* True for an address of the range. */
bool rules_in_range(const struct dial_cidr *c, const struct net_ip *ip);

/* True for what may be in blockHostnames: a name whose beginning may be "*"; with `port_too`, for
 * what may be a key of `hosts`. */
bool rules_is_pattern(struct str s, bool port_too);

/* The pattern that blocks the name `host`, or NULL; addresses aren't blocked. */
const char *rules_blocked_pattern(const struct dial_rules *r, struct str host);
/* The range that holds `ip`, or NULL. */
const struct dial_cidr *rules_blacklisted(const struct dial_rules *r, const struct net_ip *ip);

/* The override for host:port: "host:port" first, then "host", then the longest "*" pattern.
 * 1: *ret_ip is it, and *ret_port when it names one; 0: none; E_CONFIG: it isn't an address. */
NODISCARD int rules_override(const struct dial_rules *r, struct str host, uint16_t port,
                             struct net_ip *ret_ip, uint16_t *ret_port);

#endif
