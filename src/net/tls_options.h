/*
 * tls_options - what a script may say of TLS: its own certificates, cipher suites by Go's names,
 * and where session keys are written to.  Kept in struct dial_rules.
 */
#ifndef NET_TLS_OPTIONS_H
#define NET_TLS_OPTIONS_H

#include "base/attr.h"
#include "base/str.h"
#include "net/dial.h"

struct x509_st;
struct evp_pkey_st;

/* One entry of tlsAuth, as the script has it; nothing is kept of it. */
struct tls_auth_text {
    struct str cert, key; /* PEM */
    struct str password;  /* NULL ptr: none */
};

/* A certificate of our own, to show to servers that ask. */
struct tls_auth {
    struct x509_st *leaf;
    struct x509_st **chain; /* what came behind it */
    size_t chain_len, chain_cap;
    struct evp_pkey_st *key;
    char **domains; /* it is meant for; "*.x" is any name below x */
    size_t domains_len, domains_cap;
};

/* 0, -ENOMEM, or E_CONFIG with Go's words, which never show any of the text. */
NODISCARD int tls_auth_add(struct dial_rules *r, const struct tls_auth_text *text);
/* To the one that was added last. */
NODISCARD int tls_auth_add_domain(struct dial_rules *r, struct str domain);
/* True when it is meant for `host`; one without domains is for all. */
bool tls_auth_fits(const struct tls_auth *a, struct str host);

/* One name of tlsCipherSuites; E_CONFIG with k6's words when there is no such suite. */
NODISCARD int tls_suites_add(struct dial_rules *r, struct str name);
/* The name that k6 has for a suite of OpenSSL's standard name. */
const char *tls_suite_name(const char *standard);

/* Appends session keys to the file from now on; E_CONFIG with a message. */
NODISCARD int tls_key_log_open(struct dial_rules *r, const char *path);

void tls_options_fini(struct dial_rules *r);

#endif
