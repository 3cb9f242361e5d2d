#include "server/auth.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"

/* A token's last use is shown to people: to the minute is enough. */
static const int64_t use_step_ns = 60 * NS_PER_S;

void auth_hash(struct str secret, uint8_t out[static STORE_HASH_LEN])
{
    SHA256((const uint8_t *)(secret.ptr ? secret.ptr : ""), secret.len, out);
}

/* ---- who there is ---- */

/* Holds the lock. */
static int load(struct auth *a)
{
    struct arena fresh;
    struct store_user *users = NULL;
    struct store_token *tokens = NULL;
    struct store_grant *grants = NULL;
    size_t users_len = 0;
    size_t tokens_len = 0;
    size_t grants_len = 0;
    arena_init(&fresh, STORE_ARENA_MAX);
    int rc = store_list_users(a->store, &fresh, &users, &users_len);
    if (rc == 0)
        rc = store_list_tokens(a->store, &fresh, &tokens, &tokens_len);
    if (rc == 0)
        rc = store_list_grants(a->store, &fresh, &grants, &grants_len);
    if (rc < 0) {
        arena_fini(&fresh);
        return rc;
    }
    /* What has not been saved yet is not to be forgotten. */
    for (size_t i = 0, j = 0; i < tokens_len; i++) {
        while (j < a->tokens_len && a->tokens[j].id < tokens[i].id)
            j++;
        if (j < a->tokens_len && a->tokens[j].id == tokens[i].id)
            tokens[i].used_ns = MAX(tokens[i].used_ns, a->tokens[j].used_ns);
    }
    arena_fini(&a->arena);
    a->arena = fresh;
    a->users = users;
    a->users_len = users_len;
    a->tokens = tokens;
    a->tokens_len = tokens_len;
    a->grants = grants;
    a->grants_len = grants_len;
    a->generation++;
    return 0;
}

int auth_reload(struct auth *a)
{
    pthread_mutex_lock(&a->lock);
    int rc = load(a);
    pthread_mutex_unlock(&a->lock);
    return rc;
}

int auth_init(struct auth *a, struct store *store)
{
    memset(a, 0, sizeof *a);
    a->store = store;
    pthread_mutex_init(&a->lock, NULL);
    arena_init(&a->arena, STORE_ARENA_MAX);
    int rc = brake_init(&a->addresses, SERVER_LOGINS_MAX, SERVER_LOGIN_WINDOW_S * NS_PER_S);
    if (rc == 0)
        rc =
            brake_init(&a->accounts, SERVER_ACCOUNT_LOGINS_MAX, SERVER_ACCOUNT_WINDOW_S * NS_PER_S);
    bool outside = false;
    if (rc == 0)
        rc = store_changed_outside(store, &outside);
    return rc < 0 ? rc : auth_reload(a);
}

static void save_uses(struct auth *a)
{
    CLEANUP(arena_fini) struct arena arena;
    arena_init(&arena, STORE_ARENA_MAX);
    pthread_mutex_lock(&a->lock);
    struct store_token_use *uses = NULL;
    size_t len = 0;
    if (a->uses_unsaved)
        uses = arena_calloc(&arena, a->tokens_len + 1, sizeof *uses);
    for (size_t i = 0; uses && i < a->tokens_len; i++)
        if (a->tokens[i].used_ns > 0)
            uses[len++] = (struct store_token_use){a->tokens[i].id, a->tokens[i].used_ns};
    a->uses_unsaved = a->uses_unsaved && !uses;
    pthread_mutex_unlock(&a->lock);
    if (len > 0 && store_note_uses(a->store, uses, len) < 0)
        log_warning("last use of tokens: %s", err_message());
}

void auth_tick(struct auth *a, int64_t mono_ns)
{
    bool changed = false;
    int rc = store_changed_outside(a->store, &changed);
    if (rc == 0 && changed)
        rc = auth_reload(a);
    if (rc < 0)
        log_warning("users and tokens: %s", err_message());
    if (mono_ns - a->saved_ns < use_step_ns)
        return;
    a->saved_ns = mono_ns;
    save_uses(a);
}

void auth_fini(struct auth *a)
{
    if (!a->store)
        return;
    save_uses(a);
    arena_fini(&a->arena);
    brake_fini(&a->addresses);
    brake_fini(&a->accounts);
    pthread_mutex_destroy(&a->lock);
}

/* ---- roles ---- */

enum store_role identity_role_in_all(const struct identity *who)
{
    return who->owner ? ROLE_ADMIN : who->in_all;
}

enum store_role identity_role(const struct identity *who, int64_t project_id)
{
    enum store_role role = identity_role_in_all(who);
    for (size_t i = 0; i < who->grants_len; i++)
        if (who->grants[i].project_id == project_id)
            role = MAX(role, who->grants[i].role);
    return role;
}

/* Copies the roles of a user or a service; holds the lock. */
static int copy_grants(struct auth *a, int64_t user_id, int64_t token_id, struct arena *arena,
                       struct identity *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < a->grants_len; i++)
        n += a->grants[i].user_id == user_id && a->grants[i].token_id == token_id;
    if (n == 0)
        return 0;
    struct store_grant *copy = arena_calloc(arena, n, sizeof *copy);
    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < a->grants_len; i++) {
        const struct store_grant *g = &a->grants[i];
        if (g->user_id != user_id || g->token_id != token_id)
            continue;
        if (g->project_id == 0)
            ret->in_all = g->role;
        copy[ret->grants_len++] = *g;
    }
    ret->grants = copy;
    return 0;
}

static struct str copy_text(struct arena *arena, struct str s)
{
    return str_new(arena_dup(arena, s), s.len);
}

/* Holds the lock. */
static struct store_user *user_by_id(struct auth *a, int64_t id)
{
    for (size_t i = 0; i < a->users_len; i++)
        if (a->users[i].id == id)
            return &a->users[i];
    return NULL;
}

/* 1, 0 when that user can't sign in, -ENOMEM.  Holds the lock. */
static int fill_user(struct auth *a, int64_t user_id, struct arena *arena, struct identity *ret)
{
    const struct store_user *u = user_by_id(a, user_id);
    if (!u || u->disabled)
        return 0;
    *ret = (struct identity){
        .user_id = user_id,
        .email = copy_text(arena, u->email),
        .name = copy_text(arena, u->name),
        .owner = u->owner,
        .must_change = u->must_change,
    };
    if (!ret->email.ptr || !ret->name.ptr)
        return -ENOMEM;
    int rc = copy_grants(a, user_id, 0, arena, ret);
    return rc < 0 ? rc : 1;
}

static int fill_service(struct auth *a, const struct store_token *t, struct arena *arena,
                        struct identity *ret)
{
    *ret = (struct identity){
        .email = str_of(arena_printf(arena, "service-%lld@localhost", (long long)t->id)),
        .name = copy_text(arena, t->name),
    };
    if (!ret->email.ptr || !ret->name.ptr)
        return -ENOMEM;
    int rc = copy_grants(a, 0, t->id, arena, ret);
    return rc < 0 ? rc : 1;
}

int auth_check_user(struct auth *a, int64_t user_id, struct arena *arena, struct identity *ret)
{
    pthread_mutex_lock(&a->lock);
    int rc = fill_user(a, user_id, arena, ret);
    pthread_mutex_unlock(&a->lock);
    return rc;
}

/* Holds the lock. */
static const struct store_token *token_by_id(const struct auth *a, int64_t id)
{
    for (size_t i = 0; i < a->tokens_len; i++)
        if (a->tokens[i].id == id)
            return &a->tokens[i];
    return NULL;
}

/* Holds the lock. */
static uint64_t rights_of(struct auth *a, int64_t user_id, int64_t token_id)
{
    const struct store_user *u = user_id ? user_by_id(a, user_id) : NULL;
    if ((user_id && (!u || u->disabled)) || (token_id && !token_by_id(a, token_id)))
        return 0;
    uint64_t sum = u && u->owner ? 3 : 1;
    if (u && token_id == 0) /* signed in by a password, good as long as that is */
        sum += map_hash(u->password.ptr ? u->password.ptr : "", u->password.len) & ~UINT64_C(3);
    for (size_t i = 0; i < a->grants_len; i++) {
        const struct store_grant *g = &a->grants[i];
        if (g->user_id != user_id || g->token_id != (user_id ? 0 : token_id))
            continue;
        int64_t words[] = {(int64_t)sum, g->project_id, (int64_t)g->role};
        sum = map_hash(words, sizeof words) | 1;
    }
    return sum;
}

uint64_t auth_rights(struct auth *a, int64_t user_id, int64_t token_id)
{
    pthread_mutex_lock(&a->lock);
    uint64_t rights = rights_of(a, user_id, token_id);
    pthread_mutex_unlock(&a->lock);
    return rights;
}

struct auth_reader auth_reader_of(struct auth *a, const struct identity *who)
{
    return (struct auth_reader){
        .user_id = who->user_id,
        .token_id = who->token_id,
        .rights = auth_rights(a, who->user_id, who->token_id),
    };
}

bool auth_reader_may_still(struct auth *a, const struct auth_reader *reader)
{
    return auth_rights(a, reader->user_id, reader->token_id) == reader->rights;
}

uint64_t auth_generation(struct auth *a)
{
    pthread_mutex_lock(&a->lock);
    uint64_t generation = a->generation;
    pthread_mutex_unlock(&a->lock);
    return generation;
}

/* ---- tokens ---- */

int auth_new_secret(char out[static AUTH_SECRET_LEN + 1])
{
    uint8_t bytes[AUTH_SECRET_LEN / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return err_set(-EIO, "no random bytes from the system");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

int auth_add_token(struct auth *a, struct store_token *token, const struct store_grant *grants,
                   size_t grants_len, char out[static AUTH_SECRET_LEN + 1])
{
    int rc = auth_new_secret(out);
    if (rc < 0)
        return rc;
    auth_hash(str_of(out), token->hash);
    token->created_ns = clock_wall_ns();
    rc = store_add_token(a->store, token, grants, grants_len);
    return rc < 0 ? rc : auth_reload(a);
}

bool auth_has_tokens(struct auth *a)
{
    pthread_mutex_lock(&a->lock);
    bool has = a->tokens_len > 0;
    pthread_mutex_unlock(&a->lock);
    return has;
}

/* Holds the lock. */
static int identify(struct auth *a, struct store_token *t, struct arena *arena,
                    struct identity *ret)
{
    int rc = t->user_id ? fill_user(a, t->user_id, arena, ret) : fill_service(a, t, arena, ret);
    if (rc <= 0)
        return rc;
    ret->token_id = t->id;
    ret->token_name = copy_text(arena, t->name);
    ret->must_change = false; /* that is about passwords */
    int64_t now = clock_wall_ns();
    if (now - t->used_ns > use_step_ns) {
        t->used_ns = now;
        a->uses_unsaved = true;
    }
    return ret->token_name.ptr ? 1 : -ENOMEM;
}

/* All are compared, so that the time says nothing about which one came near. */
int auth_check_token(struct auth *a, struct str token, struct arena *arena, struct identity *ret)
{
    uint8_t hash[STORE_HASH_LEN];
    struct store_token *found = NULL;
    auth_hash(token, hash);
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->tokens_len; i++)
        if (CRYPTO_memcmp(hash, a->tokens[i].hash, sizeof hash) == 0)
            found = &a->tokens[i];
    int rc = found ? identify(a, found, arena, ret) : 0;
    pthread_mutex_unlock(&a->lock);
    return rc;
}

/* ---- credentials of runs ---- */

int auth_add_credential(struct auth *a, const struct store_credential *credential,
                        char out[static AUTH_SECRET_LEN + 1])
{
    int rc = auth_new_secret(out);
    if (rc < 0)
        return rc;
    uint8_t hash[STORE_HASH_LEN];
    auth_hash(str_of(out), hash);
    return store_add_credential(a->store, hash, credential);
}

bool auth_check_credential(struct auth *a, struct str secret, enum store_purpose purpose,
                           struct store_credential *ret)
{
    uint8_t hash[STORE_HASH_LEN];
    if (secret.len != AUTH_SECRET_LEN)
        return false;
    auth_hash(secret, hash);
    return store_find_credential(a->store, hash, purpose, ret) == 0;
}

/* ---- sessions ---- */

int auth_open_session(struct auth *a, int64_t user_id, int64_t token_id,
                      char out[static AUTH_SECRET_LEN + 1])
{
    int rc = auth_new_secret(out);
    if (rc < 0)
        return rc;
    uint8_t hash[STORE_HASH_LEN];
    auth_hash(str_of(out), hash);
    int64_t now = clock_wall_ns();
    struct store_session session = {
        .user_id = user_id,
        .token_id = token_id,
        .expires_ns = now + AUTH_SESSION_LIFE_S * NS_PER_S,
    };
    return store_add_session(a->store, hash, &session, now);
}

int auth_check_session(struct auth *a, struct str session, struct arena *arena,
                       struct identity *ret)
{
    uint8_t hash[STORE_HASH_LEN];
    struct store_session found;
    if (session.len != AUTH_SECRET_LEN)
        return 0;
    auth_hash(session, hash);
    if (store_find_session(a->store, hash, clock_wall_ns(), &found) < 0)
        return 0;
    int rc = auth_check_user(a, found.user_id, arena, ret);
    ret->token_id = found.token_id;
    if (found.token_id != 0)
        ret->must_change = false;
    return rc;
}

int auth_close_session(struct auth *a, struct str session)
{
    uint8_t hash[STORE_HASH_LEN];
    auth_hash(session, hash);
    return store_remove_session(a->store, hash);
}

/* ---- one-time links ---- */

int auth_make_link(struct auth *a, int64_t user_id, int64_t token_id,
                   char out[static AUTH_SECRET_LEN + 1])
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
    auth_hash(str_of(out), link->hash);
    link->user_id = user_id;
    link->token_id = token_id;
    link->rights = rights_of(a, user_id, token_id);
    link->expires_ns = now + AUTH_LINK_LIFE_NS;
    pthread_mutex_unlock(&a->lock);
    return 0;
}

bool auth_use_link(struct auth *a, struct str code, int64_t *ret_user_id, int64_t *ret_token_id)
{
    uint8_t hash[STORE_HASH_LEN];
    bool found = false;
    int64_t now = clock_mono_ns();
    auth_hash(code, hash);
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < AUTH_LINKS; i++) {
        struct auth_link *link = &a->links[i];
        if (link->user_id == 0 || link->expires_ns < now ||
            CRYPTO_memcmp(hash, link->hash, sizeof hash) != 0)
            continue;
        *ret_user_id = link->user_id;
        *ret_token_id = link->token_id;
        found = rights_of(a, link->user_id, link->token_id) == link->rights;
        *link = (struct auth_link){0};
    }
    pthread_mutex_unlock(&a->lock);
    return found;
}

/* ---- the brake ---- */

bool auth_may_try(struct auth *a, uint64_t address)
{
    return brake_wait_s(&a->addresses, address, clock_mono_ns()) == 0;
}

void auth_failed(struct auth *a, uint64_t address)
{
    brake_failed(&a->addresses, address, clock_mono_ns());
}
