#include "server/auth.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"

/* Runs show who started them in the form of an e-mail address, which k6's API asks for. */
static const char default_user[] = "admin@localhost";

static void hash_secret(struct str secret, uint8_t out[static STORE_HASH_LEN])
{
    SHA256((const uint8_t *)(secret.ptr ? secret.ptr : ""), secret.len, out);
}

static int load_tokens(struct auth *a)
{
    arena_reset(&a->arena);
    a->tokens_len = 0;
    return store_list_tokens(a->store, &a->arena, &a->tokens, &a->tokens_len);
}

int auth_init(struct auth *a, struct store *store)
{
    memset(a, 0, sizeof *a);
    a->store = store;
    pthread_mutex_init(&a->lock, NULL);
    arena_init(&a->arena, STORE_ARENA_MAX);
    return load_tokens(a);
}

void auth_fini(struct auth *a)
{
    if (!a->store)
        return;
    arena_fini(&a->arena);
    pthread_mutex_destroy(&a->lock);
}

int auth_new_secret(char out[static AUTH_SECRET_LEN + 1])
{
    uint8_t bytes[AUTH_SECRET_LEN / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return err_set(-EIO, "no random bytes from the system");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

int auth_add_token(struct auth *a, char out[static AUTH_SECRET_LEN + 1])
{
    int rc = auth_new_secret(out);
    if (rc < 0)
        return rc;
    uint8_t hash[STORE_HASH_LEN];
    hash_secret(str_of(out), hash);
    int64_t id = 0;
    pthread_mutex_lock(&a->lock);
    rc = store_add_token(a->store, hash, str_of(default_user), clock_wall_ns(), &id);
    if (rc == 0)
        rc = load_tokens(a);
    pthread_mutex_unlock(&a->lock);
    return rc;
}

bool auth_has_tokens(struct auth *a)
{
    pthread_mutex_lock(&a->lock);
    bool has = a->tokens_len > 0;
    pthread_mutex_unlock(&a->lock);
    return has;
}

/* All are compared, so that the time says nothing about which one came near. */
bool auth_check_token(struct auth *a, struct str token, struct store_token *ret)
{
    uint8_t hash[STORE_HASH_LEN];
    bool found = false;
    hash_secret(token, hash);
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->tokens_len; i++) {
        if (CRYPTO_memcmp(hash, a->tokens[i].hash, sizeof hash) == 0) {
            *ret = a->tokens[i];
            found = true;
        }
    }
    pthread_mutex_unlock(&a->lock);
    return found;
}

static bool token_by_id(struct auth *a, int64_t id, struct store_token *ret)
{
    bool found = false;
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->tokens_len && !found; i++) {
        if (a->tokens[i].id == id) {
            *ret = a->tokens[i];
            found = true;
        }
    }
    pthread_mutex_unlock(&a->lock);
    return found;
}

/* ---- credentials of runs ---- */

int auth_add_credential(struct auth *a, const struct store_credential *credential,
                        char out[static AUTH_SECRET_LEN + 1])
{
    int rc = auth_new_secret(out);
    if (rc < 0)
        return rc;
    uint8_t hash[STORE_HASH_LEN];
    hash_secret(str_of(out), hash);
    return store_add_credential(a->store, hash, credential);
}

bool auth_check_credential(struct auth *a, struct str secret, enum store_purpose purpose,
                           struct store_credential *ret)
{
    uint8_t hash[STORE_HASH_LEN];
    if (secret.len != AUTH_SECRET_LEN)
        return false;
    hash_secret(secret, hash);
    return store_find_credential(a->store, hash, purpose, ret) == 0;
}

/* ---- sessions ---- */

int auth_open_session(struct auth *a, int64_t token_id, char out[static AUTH_SECRET_LEN + 1])
{
    int rc = auth_new_secret(out);
    if (rc < 0)
        return rc;
    uint8_t hash[STORE_HASH_LEN];
    hash_secret(str_of(out), hash);
    return store_add_session(a->store, hash, token_id,
                             clock_wall_ns() + AUTH_SESSION_LIFE_S * NS_PER_S);
}

bool auth_check_session(struct auth *a, struct str session, struct store_token *ret)
{
    uint8_t hash[STORE_HASH_LEN];
    int64_t token_id = 0;
    if (session.len != AUTH_SECRET_LEN)
        return false;
    hash_secret(session, hash);
    if (store_find_session(a->store, hash, clock_wall_ns(), &token_id) < 0)
        return false;
    return token_by_id(a, token_id, ret);
}

int auth_close_session(struct auth *a, struct str session)
{
    uint8_t hash[STORE_HASH_LEN];
    hash_secret(session, hash);
    return store_remove_session(a->store, hash);
}

/* ---- one-time links ---- */

int auth_make_link(struct auth *a, int64_t token_id, char out[static AUTH_SECRET_LEN + 1])
{
    int rc = auth_new_secret(out);
    if (rc < 0)
        return rc;
    int64_t now = clock_mono_ns();
    pthread_mutex_lock(&a->lock);
    /* The oldest gives way: a link is made just before it is used. */
    struct auth_link *link = &a->links[0];
    for (size_t i = 0; i < AUTH_LINKS; i++)
        if (a->links[i].expires_ns < link->expires_ns)
            link = &a->links[i];
    hash_secret(str_of(out), link->hash);
    link->token_id = token_id;
    link->expires_ns = now + AUTH_LINK_LIFE_NS;
    pthread_mutex_unlock(&a->lock);
    return 0;
}

bool auth_use_link(struct auth *a, struct str code, int64_t *ret_token_id)
{
    uint8_t hash[STORE_HASH_LEN];
    bool found = false;
    int64_t now = clock_mono_ns();
    hash_secret(code, hash);
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < AUTH_LINKS; i++) {
        struct auth_link *link = &a->links[i];
        if (link->token_id == 0 || link->expires_ns < now ||
            CRYPTO_memcmp(hash, link->hash, sizeof hash) != 0)
            continue;
        *ret_token_id = link->token_id;
        *link = (struct auth_link){0};
        found = true;
    }
    pthread_mutex_unlock(&a->lock);
    return found;
}

/* ---- the brake ---- */

static struct auth_peer *peer_at(struct auth *a, uint64_t address)
{
    return &a->peers[address % AUTH_PEERS];
}

bool auth_may_try(struct auth *a, uint64_t address)
{
    pthread_mutex_lock(&a->lock);
    const struct auth_peer *p = peer_at(a, address);
    bool may = p->address != address || p->failures < SERVER_LOGINS_MAX ||
               clock_mono_ns() - p->since_ns > SERVER_LOGIN_WINDOW_S * NS_PER_S;
    pthread_mutex_unlock(&a->lock);
    return may;
}

void auth_failed(struct auth *a, uint64_t address)
{
    int64_t now = clock_mono_ns();
    pthread_mutex_lock(&a->lock);
    struct auth_peer *p = peer_at(a, address);
    if (p->address != address || now - p->since_ns > SERVER_LOGIN_WINDOW_S * NS_PER_S)
        *p = (struct auth_peer){.address = address, .since_ns = now};
    p->failures++;
    pthread_mutex_unlock(&a->lock);
}
