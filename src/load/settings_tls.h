/*
 * settings_tls - what options say of TLS, as connections obey it.
 */
#ifndef LOAD_SETTINGS_TLS_H
#define LOAD_SETTINGS_TLS_H

#include "base/attr.h"
#include "load/options.h"
#include "net/dial.h"

/* Versions (which `o` keeps), cipher suites, certificates.  E_CONFIG with a message. */
NODISCARD int settings_tls(const struct options *o, struct dial_rules *r);

#endif
