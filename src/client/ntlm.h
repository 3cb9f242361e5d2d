/*
 * ntlm - the messages of NTLM authentication (MS-NLMP), version 2 of its response.
 *
 * Pure: time and what is random are given.
 */
#ifndef CLIENT_NTLM_H
#define CLIENT_NTLM_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdint.h>

struct ntlm_user {
    struct str name, password; /* UTF-8 */
    struct str domain;         /* may be empty */
    bool ask_domain;           /* the server's own is used when `domain` is empty */
    uint64_t time;             /* of Windows: 100 ns since 1601; used when the server has none */
    uint8_t challenge[8];      /* the client's, random */
};

/* The first message, appended. */
void ntlm_negotiate(struct buf *out, struct str domain);

/* Answers the server's challenge message: the third message, appended.  0; -EINVAL when it is none;
 * -ENOMEM. */
NODISCARD int ntlm_authenticate(struct str challenge, const struct ntlm_user *u, struct buf *out);

#endif
