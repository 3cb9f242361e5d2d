/*
 * roots - the certificates that TLS trusts: the system's, or those of SSL_CERT_FILE and
 * SSL_CERT_DIR.
 *
 * Parsing them takes a tenth of a second of CPU, so it is done once a run, in the thread pool, when
 * the first connection wants TLS; what can be checked at little cost is checked before.
 */
#ifndef NET_ROOTS_H
#define NET_ROOTS_H

#include "base/attr.h"

struct roots;
struct x509_store_st; /* OpenSSL's X509_STORE */

NODISCARD int roots_new(struct roots **ret); /* -ENOMEM */
void roots_free(struct roots *r);            /* connections may outlive it */

/* 0, or E_CONFIG with a message when the environment names what can't be read. */
NODISCARD int roots_check(void);

/* Any loop.  *ret belongs to `r`.  0, or E_CONFIG, -ENOMEM with a message. */
YIELDS NODISCARD int roots_get(struct roots *r, struct x509_store_st **ret);

#endif
