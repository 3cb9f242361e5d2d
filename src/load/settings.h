/*
 * settings - the consolidated options in the form in which API modules and connections obey them.
 */
#ifndef LOAD_SETTINGS_H
#define LOAD_SETTINGS_H

#include "base/attr.h"
#include "js/host.h"
#include "js/rate.h"
#include "load/options.h"
#include "net/dial.h"

struct settings {
    struct js_run_options run;
    struct dial_rules rules;
    struct rate *rate; /* what run.rate is; owned */
    char **local_ips;  /* dealt to virtual users in turn; owned */
    size_t local_ips_len;
};

/* `o` outlives it. E_CONFIG, exit code 104. */
NODISCARD int settings_make(const struct options *o, struct settings *ret);
/* What connections take from the process's environment: proxies, GODEBUG=http2client=0,
 * SSLKEYLOGFILE.  E_CONFIG,
 * exit code 104. */
NODISCARD int settings_add_env(struct settings *s);
void settings_fini(struct settings *s);

/* Source address of virtual user `vu` (from 0), or NULL. */
const char *settings_local_ip(const struct settings *s, uint64_t vu);

/* "10.0.0.1,10.0.0.5-10.0.0.9,fd00::/120" as single addresses, appended. E_CONFIG with message. */
NODISCARD int settings_parse_ips(const char *text, char ***ret, size_t *ret_len);

#endif
