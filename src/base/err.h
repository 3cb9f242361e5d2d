/*
 * err - what went wrong, in words, beside the code that says so.
 *
 * A function that fails returns a negative int: a negative errno or one of enum err_code.  On the
 * way it leaves a message in the current error slot: err_set() starts a new one, err_wrap() puts
 * what the caller was doing in front of it ("open script: shop.js: no such file or directory").
 * Each coroutine owns a slot (rt/co switches it); a thread outside coroutines has one of its own.
 * The slot is overwritten by the next err_set() of the same coroutine: read it at once.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/attr.h"

#include <stdarg.h>

enum err_code {
    E_EOF = -7000,         /* the peer closed where more was expected */
    E_PROTOCOL = -7001,    /* the peer sent what its protocol forbids */
    E_LIMIT = -7002,       /* a maximum of base/limits.h was passed */
    E_CONFIG = -7003,      /* bad flag, option, environment variable or file */
    E_SCRIPT = -7004,      /* exception in the script */
    E_NOT_FOUND = -7005,   /* the thing named doesn't exist */
    E_REFUSED = -7006,     /* a server said no; retrying is useless */
    E_UNAVAILABLE = -7007, /* a server can't now; retrying may help */
    E_TLS = -7008,         /* TLS handshake or record failure */
    E_DNS = -7009,         /* name resolution failed */
    E_CORRUPT = -7010,     /* received data that doesn't decode */
    E_UNSUPPORTED = -7011, /* of k6's, but not here yet */
    E_DAMAGED = -7012,     /* what we have stored ourselves doesn't decode any more */
};

enum { ERR_MESSAGE_MAX = 2048, ERR_HINT_MAX = 256 };

struct err {
    int code;                      /* the last err_set's code, 0: none */
    int exit_code;                 /* process exit code that it asks for (k6's table), 0: unsaid */
    char message[ERR_MESSAGE_MAX]; /* causes joined by ": ", outermost first; truncated with "…" */
    char hint[ERR_HINT_MAX];       /* what to do next; empty: none */
};

/* Starts a new message; returns `code`.  `code` must be negative. */
int err_set(int code, const char *fmt, ...) PRINTF(2, 3);
int err_setv(int code, const char *fmt, va_list ap) PRINTF(2, 0);

/* err_set() with strerror(-code) after "message: ". */
int err_set_errno(int code, const char *fmt, ...) PRINTF(2, 3);

/* Puts "fmt: " in front of the message.  When the slot's code is another one than `code` (somebody
 * returned without a message), starts from strerror(-code).  Returns `code`. */
int err_wrap(int code, const char *fmt, ...) PRINTF(2, 3);

/* Adds to the current message; both return `code` for `return` in one line. */
int err_exit(int code, int exit_code);
int err_hint(int code, const char *fmt, ...) PRINTF(2, 3);

/* The current slot; never NULL. */
struct err *err_get(void);
const char *err_message(void);
void err_clear(void);

/* For rt/co: makes `slot` (NULL: the thread's own) current and returns the one before. */
struct err *err_switch(struct err *slot);

/* One line for a code without message: strerror in small letters for errno values (good until the
 * next one in this thread), a phrase for enum err_code. */
const char *err_code_text(int code);

#endif
