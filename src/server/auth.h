/*
 * auth - who asks: users and service tokens, the page's sessions, one-time links, secrets of single
 * runs, and a brake on guessing.
 *
 * Secrets are 32 random bytes in hex; only their SHA-256 is kept.  Users, tokens and roles are held
 * in memory and read anew after each change, also one by another process.  Any thread may call.
 */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "server/brake.h"
#include "store/credential.h"
#include "store/token.h"
#include "store/user.h"

enum { AUTH_SECRET_LEN = 64, AUTH_LINKS = 64 };

#define AUTH_SESSION_LIFE_S (30 * 24 * 3600)
#define AUTH_LINK_LIFE_NS   (600 * 1000000000LL)

/* Who asks.  Texts and roles live in the arena of the request. */
struct identity {
    int64_t user_id;       /* 0: a service token, or nobody */
    int64_t token_id;      /* the token that was shown, or that opened the session; 0: a password */
    struct str email;      /* what runs show as their starter: an e-mail address by form */
    struct str name;       /* for people */
    struct str token_name; /* NULL ptr: no token was shown */
    bool owner;
    bool must_change;       /* the password is good for choosing another one only */
    enum store_role in_all; /* the role in every project */
    const struct store_grant *grants;
    size_t grants_len;
};

static inline bool identity_known(const struct identity *who)
{
    return who->user_id != 0 || who->token_id != 0;
}

/* The role in a project; the owner is admin everywhere. */
enum store_role identity_role(const struct identity *who, int64_t project_id);
/* The role that holds in every project, those to come among them. */
enum store_role identity_role_in_all(const struct identity *who);

struct auth_link {
    uint8_t hash[STORE_HASH_LEN];
    int64_t user_id;  /* 0: free */
    int64_t token_id; /* what asked for it; 0: a password */
    uint64_t rights;  /* then; with others it is good for nothing */
    int64_t expires_ns;
};

struct auth {
    struct store *store;
    pthread_mutex_t lock; /* of everything below but the brakes */
    struct arena arena;   /* of the lists */
    struct store_user *users;
    size_t users_len;
    struct store_token *tokens;
    size_t tokens_len;
    struct store_grant *grants;
    size_t grants_len;
    int64_t saved_ns; /* monotonic, when uses were saved; of the ticker alone */
    uint64_t generation;
    bool uses_unsaved; /* some token's used_ns is newer than the store's */
    struct auth_link links[AUTH_LINKS];
    struct brake addresses;
    struct brake accounts;
};

NODISCARD int auth_init(struct auth *a, struct store *store);
void auth_fini(struct auth *a);

/* After users, tokens or roles were changed in the store. */
NODISCARD int auth_reload(struct auth *a);
/* Called now and then: looks for changes by other processes, saves when tokens were used. */
void auth_tick(struct auth *a, int64_t mono_ns);

/* A new secret, NUL-terminated; -EIO when the system gives no random bytes. */
NODISCARD int auth_new_secret(char out[static AUTH_SECRET_LEN + 1]);

/* Makes a token and puts its secret into `out`; as store_add_token(). */
NODISCARD int auth_add_token(struct auth *a, struct store_token *token,
                             const struct store_grant *grants, size_t grants_len,
                             char out[static AUTH_SECRET_LEN + 1]);
bool auth_has_tokens(struct auth *a);

/* 1 and who it is, for a valid token; 0; -ENOMEM. */
NODISCARD int auth_check_token(struct auth *a, struct str token, struct arena *arena,
                               struct identity *ret);
/* The same for a user by id; 0 when disabled or gone. */
NODISCARD int auth_check_user(struct auth *a, int64_t user_id, struct arena *arena,
                              struct identity *ret);

/* A number that changes with what the user, or the service token, may do; 0: nothing any more.  A
 * user's token that was revoked may do nothing either.  Without a token it changes with the
 * password, too, which ends sessions. */
uint64_t auth_rights(struct auth *a, int64_t user_id, int64_t token_id);
/* Who reads a stream or follows a log, so that it can end when they may do so no more. */
struct auth_reader {
    int64_t user_id;
    int64_t token_id;
    uint64_t rights; /* when it began */
};
struct auth_reader auth_reader_of(struct auth *a, const struct identity *who);
bool auth_reader_may_still(struct auth *a, const struct auth_reader *reader);
/* How often users, tokens or roles have changed. */
uint64_t auth_generation(struct auth *a);

/* Makes a secret for one run and one purpose. */
NODISCARD int auth_add_credential(struct auth *a, const struct store_credential *credential,
                                  char out[static AUTH_SECRET_LEN + 1]);
bool auth_check_credential(struct auth *a, struct str secret, enum store_purpose purpose,
                           struct store_credential *ret);

/* Sessions of the page.  `out` is the cookie's value.  token_id: what opened it, 0: a password. */
NODISCARD int auth_open_session(struct auth *a, int64_t user_id, int64_t token_id,
                                char out[static AUTH_SECRET_LEN + 1]);
NODISCARD int auth_check_session(struct auth *a, struct str session, struct arena *arena,
                                 struct identity *ret);
NODISCARD int auth_close_session(struct auth *a, struct str session);
void auth_hash(struct str secret, uint8_t out[static STORE_HASH_LEN]);

/* One-time links: a code that opens one session within AUTH_LINK_LIFE_NS. */
NODISCARD int auth_make_link(struct auth *a, int64_t user_id, int64_t token_id,
                             char out[static AUTH_SECRET_LEN + 1]);
bool auth_use_link(struct auth *a, struct str code, int64_t *ret_user_id, int64_t *ret_token_id);

/* The brake by address: false when it has failed too often lately. */
bool auth_may_try(struct auth *a, uint64_t address);
void auth_failed(struct auth *a, uint64_t address);

#endif
