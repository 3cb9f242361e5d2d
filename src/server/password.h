/*
 * password - passwords as argon2id keeps them, one-time passwords, and what a password has to be.
 *
 * Hashing takes some 20 ms and PASSWORD_KIB of memory: not on a thread that serves requests, see
 * passwords.h.
 */
#ifndef SERVER_PASSWORD_H
#define SERVER_PASSWORD_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/str.h"

enum {
    PASSWORD_ENCODED_MAX = 128, /* with the NUL */
    PASSWORD_ONCE_LEN = 20,
    PASSWORD_KIB = 19 * 1024, /* with two passes what OWASP recommends at least */
};

/* Without the line end that some clients leave on it. */
struct str password_trim(struct str password);
/* E_CONFIG, in words for the user, when it is too short or too long. */
NODISCARD int password_check(struct str password);

/* -EIO, -ENOMEM. */
NODISCARD int password_hash(struct str password, char out[static PASSWORD_ENCODED_MAX]);
/* `encoded` may be empty: takes as long, and is false. */
bool password_verify(struct str password, struct str encoded);

/* A new one-time password (100 random bits, easy to read out) and its hash, which is quickly made:
 * there is nothing to guess. */
NODISCARD int password_make_once(char out[static PASSWORD_ONCE_LEN + 1],
                                 char encoded[static PASSWORD_ENCODED_MAX]);

#endif
