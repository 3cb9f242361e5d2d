/*
 * token - secrets that stand for a user or for a service, and the sessions of browsers.
 *
 * Only hashes are kept.
 */
#ifndef STORE_TOKEN_H
#define STORE_TOKEN_H

#include "store/user.h"

struct store_token {
    int64_t id;
    uint8_t hash[STORE_HASH_LEN];
    int64_t user_id; /* 0: a service token, with roles of its own */
    struct str name;
    struct str created_by; /* e-mail */
    int64_t created_ns;
    int64_t used_ns; /* about when it was last used; 0: never */
};

/* With the grants of a service token, whose ids are filled in here.  Fills in the token's id.
 * E_LIMIT when there are too many (of the user, or of services), E_NOT_FOUND for the user or a
 * project. */
NODISCARD int store_add_token(struct store *s, struct store_token *token,
                              const struct store_grant *grants, size_t grants_len);
/* By id. */
NODISCARD int store_list_tokens(struct store *s, struct arena *a, struct store_token **ret,
                                size_t *ret_len);
/* With the sessions that were opened by it.  E_NOT_FOUND. */
NODISCARD int store_remove_token(struct store *s, int64_t id);
/* Of a user's tokens of that name keeps the newest `keep`. */
NODISCARD int store_trim_tokens(struct store *s, int64_t user_id, struct str name, int64_t keep);

struct store_token_use {
    int64_t id;
    int64_t used_ns;
};
NODISCARD int store_note_uses(struct store *s, const struct store_token_use *uses, size_t len);

struct store_session {
    int64_t user_id;
    int64_t token_id; /* the token that opened it; 0: a password or a link */
    int64_t expires_ns;
};

NODISCARD int store_add_session(struct store *s, const uint8_t hash[STORE_HASH_LEN],
                                const struct store_session *session, int64_t now_ns);
/* One that hasn't expired; E_NOT_FOUND. */
NODISCARD int store_find_session(struct store *s, const uint8_t hash[STORE_HASH_LEN],
                                 int64_t now_ns, struct store_session *ret);
NODISCARD int store_remove_session(struct store *s, const uint8_t hash[STORE_HASH_LEN]);

#endif
