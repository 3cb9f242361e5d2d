/*
 * tls_words - what OpenSSL says, as Go would have said it.
 */
#ifndef NET_TLS_WORDS_H
#define NET_TLS_WORDS_H

#include <stdbool.h>

/* OpenSSL's oldest error, out of its queue, which is empty then; 0: none. */
unsigned long tls_take_error(void);

/* True for an alert that the peer sent. */
bool tls_is_alert(unsigned long e);

/* err_set(E_TLS) with what it says, or `what`. */
int tls_error(unsigned long e, const char *what);

#endif
