/*
 * auth - who asks: tokens, the page's sessions, one-time links, and a brake on guessing.
 *
 * Secrets are 32 random bytes in hex; only their SHA-256 is kept.  Any thread may call.
 */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "store/credential.h"
#include "store/store.h"

#include <pthread.h>

enum { AUTH_SECRET_LEN = 64, AUTH_LINKS = 64, AUTH_PEERS = 256 };

struct auth_link {
    uint8_t hash[STORE_HASH_LEN];
    int64_t token_id; /* 0: free */
    int64_t expires_ns;
};

/* Failed sign-ins of one address. */
struct auth_peer {
    uint64_t address; /* hash; 0: free */
    int64_t since_ns;
    int failures;
};

struct auth {
    struct store *store;
    pthread_mutex_t lock; /* of everything below */
    struct arena arena;   /* of tokens */
    struct store_token *tokens;
    size_t tokens_len;
    struct auth_link links[AUTH_LINKS];
    struct auth_peer peers[AUTH_PEERS];
};

NODISCARD int auth_init(struct auth *a, struct store *store);
void auth_fini(struct auth *a);

/* A new secret, NUL-terminated; -EIO when the system gives no random bytes. */
NODISCARD int auth_new_secret(char out[static AUTH_SECRET_LEN + 1]);

/* Makes a token and puts it into `out`. */
NODISCARD int auth_add_token(struct auth *a, char out[static AUTH_SECRET_LEN + 1]);
bool auth_has_tokens(struct auth *a);

/* True, and who it is, for a valid token. */
bool auth_check_token(struct auth *a, struct str token, struct store_token *ret);

/* Makes a secret for one run and one purpose. */
NODISCARD int auth_add_credential(struct auth *a, const struct store_credential *credential,
                                  char out[static AUTH_SECRET_LEN + 1]);
bool auth_check_credential(struct auth *a, struct str secret, enum store_purpose purpose,
                           struct store_credential *ret);

/* Sessions of the page.  `out` is the cookie's value. */
NODISCARD int auth_open_session(struct auth *a, int64_t token_id,
                                char out[static AUTH_SECRET_LEN + 1]);
bool auth_check_session(struct auth *a, struct str session, struct store_token *ret);
NODISCARD int auth_close_session(struct auth *a, struct str session);

/* One-time links: a code that opens one session within AUTH_LINK_LIFE_NS. */
NODISCARD int auth_make_link(struct auth *a, int64_t token_id,
                             char out[static AUTH_SECRET_LEN + 1]);
bool auth_use_link(struct auth *a, struct str code, int64_t *ret_token_id);

/* The brake: false when the address has failed too often lately. */
bool auth_may_try(struct auth *a, uint64_t address);
void auth_failed(struct auth *a, uint64_t address);

#define AUTH_SESSION_LIFE_S (30 * 24 * 3600)
#define AUTH_LINK_LIFE_NS   (600 * 1000000000LL)

#endif
