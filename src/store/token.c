#include "store/token.h"

#include <errno.h>

#include "base/err.h"
#include "base/limits.h"
#include "store/store_int.h"

/* ---- tokens ---- */

static int check_room(sqlite3 *db, int64_t user_id)
{
    int64_t max = user_id ? STORE_USER_TOKENS_MAX : STORE_SERVICE_TOKENS_MAX;
    int64_t all = 0;
    int64_t count = 0;
    int rc = db_number(db, &all, 0, "SELECT count(*) FROM tokens", "");
    if (rc == 0)
        rc = db_number(db, &count, 0, "SELECT count(*) FROM tokens WHERE ifnull(user_id, 0)=?", "i",
                       user_id);
    if (rc == 0 && (count >= max || all >= STORE_TOKENS_MAX))
        rc = err_set(E_LIMIT, "there are %lld tokens already: revoke one that isn't needed",
                     (long long)(count >= max ? count : all));
    return rc;
}

static int insert_token(struct store *s, struct store_token *t, const struct store_grant *grants,
                        size_t len)
{
    int rc = check_room(s->db, t->user_id);
    if (rc == 0)
        rc = db_run(s->db,
                    "INSERT INTO tokens (hash, user_id, name, created_by, created_ns)"
                    " VALUES (?, nullif(?, 0), ?, ?, ?)",
                    "bissi", str_new(t->hash, STORE_HASH_LEN), t->user_id, t->name, t->created_by,
                    t->created_ns);
    if (rc == -EEXIST)
        return err_set(E_NOT_FOUND, "no user with the id %lld", (long long)t->user_id);
    t->id = sqlite3_last_insert_rowid(s->db);
    if (rc == 0 && len > 0)
        rc = store_insert_grants(s, 0, t->id, grants, len);
    return rc;
}

int store_add_token(struct store *s, struct store_token *token, const struct store_grant *grants,
                    size_t grants_len)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    return store_end(s->db, insert_token(s, token, grants, grants_len));
}

int store_list_tokens(struct store *s, struct arena *a, struct store_token **ret, size_t *ret_len)
{
    STORE_LOCKED(s);
    int64_t count = 0;
    int rc = db_number(s->db, &count, 0, "SELECT count(*) FROM tokens", "");
    if (rc < 0)
        return rc;
    struct store_token *list = arena_calloc(a, (size_t)count + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(s->db, &q,
                  "SELECT id, hash, ifnull(user_id, 0), name, created_by, created_ns, used_ns"
                  " FROM tokens ORDER BY id",
                  "");
    size_t len = 0;
    while (rc == 0 && len < (size_t)count && (rc = db_step(q)) > 0) {
        struct str hash = db_blob(q, 1);
        if (hash.len != STORE_HASH_LEN)
            return err_set(E_DAMAGED, "token without a proper hash");
        list[len].id = sqlite3_column_int64(q, 0);
        memcpy(list[len].hash, hash.ptr, STORE_HASH_LEN);
        list[len].user_id = sqlite3_column_int64(q, 2);
        list[len].name = db_text_dup(q, 3, a);
        list[len].created_by = db_text_dup(q, 4, a);
        list[len].created_ns = sqlite3_column_int64(q, 5);
        list[len].used_ns = sqlite3_column_int64(q, 6);
        len++;
        rc = 0;
    }
    if (rc < 0)
        return rc;
    *ret = list;
    *ret_len = len;
    return 0;
}

int store_remove_token(struct store *s, int64_t id)
{
    STORE_LOCKED(s);
    int rc = db_run(s->db, "DELETE FROM tokens WHERE id=?", "i", id);
    if (rc < 0 || sqlite3_changes(s->db) > 0)
        return rc;
    return err_set(E_NOT_FOUND, "no token with the id %lld", (long long)id);
}

int store_trim_tokens(struct store *s, int64_t user_id, struct str name, int64_t keep)
{
    STORE_LOCKED(s);
    return db_run(s->db,
                  "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE user_id=? AND name=?"
                  " ORDER BY id DESC LIMIT -1 OFFSET ?)",
                  "isi", user_id, name, keep);
}

int store_note_uses(struct store *s, const struct store_token_use *uses, size_t len)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < len && rc == 0; i++)
        rc = db_run(s->db, "UPDATE tokens SET used_ns=max(used_ns, ?) WHERE id=?", "ii",
                    uses[i].used_ns, uses[i].id);
    return store_end(s->db, rc);
}

/* ---- sessions ---- */

int store_add_session(struct store *s, const uint8_t hash[STORE_HASH_LEN],
                      const struct store_session *session, int64_t now_ns)
{
    STORE_LOCKED(s);
    int rc = db_run(s->db, "INSERT INTO sessions VALUES (?, ?, nullif(?, 0), ?, ?)", "biiii",
                    str_new(hash, STORE_HASH_LEN), session->user_id, session->token_id, now_ns,
                    session->expires_ns);
    /* Whoever signs in again and again doesn't fill the disk. */
    if (rc == 0)
        rc = db_run(s->db,
                    "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE user_id=?"
                    " ORDER BY created_ns DESC LIMIT -1 OFFSET ?)",
                    "ii", session->user_id, (int64_t)STORE_USER_SESSIONS_MAX);
    return rc;
}

int store_find_session(struct store *s, const uint8_t hash[STORE_HASH_LEN], int64_t now_ns,
                       struct store_session *ret)
{
    STORE_LOCKED(s);
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(s->db, &q,
                      "SELECT user_id, ifnull(token_id, 0), expires_ns FROM sessions"
                      " WHERE hash=? AND expires_ns>?",
                      "bi", str_new(hash, STORE_HASH_LEN), now_ns);
    if (rc == 0)
        rc = db_step(q);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_set(E_NOT_FOUND, "no such session");
    *ret = (struct store_session){
        .user_id = sqlite3_column_int64(q, 0),
        .token_id = sqlite3_column_int64(q, 1),
        .expires_ns = sqlite3_column_int64(q, 2),
    };
    return 0;
}

int store_remove_session(struct store *s, const uint8_t hash[STORE_HASH_LEN])
{
    STORE_LOCKED(s);
    return db_run(s->db, "DELETE FROM sessions WHERE hash=?", "b", str_new(hash, STORE_HASH_LEN));
}
