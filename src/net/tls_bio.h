/*
 * tls_bio - where OpenSSL reads and writes: a stream's socket, or the TLS below; none of it waits.
 *
 * What would wait comes back as "want read", and the waiting is done outside OpenSSL.  The BIO's
 * data is the struct stream.
 */
#ifndef NET_TLS_BIO_H
#define NET_TLS_BIO_H

#include <openssl/bio.h>

/* The caller's to BIO_meth_free(); NULL: no memory. */
BIO_METHOD *tls_bio_method(void);
BIO_METHOD *tls_bio_method_over(void); /* over stream->ssl_below */

#endif
