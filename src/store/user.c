#include "store/user.h"

#include <errno.h>

#include "base/err.h"
#include "base/limits.h"
#include "store/store_int.h"

#define USER_COLUMNS                                                                               \
    "id, email, name, password, owner, must_change, disabled, created_ns, signed_in_ns"

static void fill_user(sqlite3_stmt *q, struct arena *a, struct store_user *ret)
{
    *ret = (struct store_user){
        .id = sqlite3_column_int64(q, 0),
        .email = db_text_dup(q, 1, a),
        .name = db_text_dup(q, 2, a),
        .password = db_text_dup(q, 3, a),
        .owner = sqlite3_column_int(q, 4) != 0,
        .must_change = sqlite3_column_int(q, 5) != 0,
        .disabled = sqlite3_column_int(q, 6) != 0,
        .created_ns = sqlite3_column_int64(q, 7),
        .signed_in_ns = sqlite3_column_int64(q, 8),
    };
}

static int no_user(int64_t id)
{
    return err_set(E_NOT_FOUND, "no user with the id %lld", (long long)id);
}

static int taken(struct str email)
{
    return err_set(-EEXIST, "there is a user %.*s already", STR_ARG(email));
}

int store_add_user(struct store *s, struct store_user *u)
{
    STORE_LOCKED(s);
    int64_t count = 0;
    int rc = db_number(s->db, &count, 0, "SELECT count(*) FROM users", "");
    if (rc == 0 && count >= STORE_USERS_MAX)
        rc = err_set(E_LIMIT, "there are %d users, more are not taken", STORE_USERS_MAX);
    if (rc == 0)
        rc = db_run(s->db,
                    "INSERT INTO users (email, name, password, owner, must_change, created_ns)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    "sssiii", u->email, u->name, u->password, (int64_t)u->owner,
                    (int64_t)u->must_change, u->created_ns);
    if (rc < 0)
        return rc == -EEXIST ? taken(u->email) : rc;
    u->id = sqlite3_last_insert_rowid(s->db);
    return 0;
}

static int one_user(struct store *s, sqlite3_stmt *q, int rc, struct arena *a,
                    struct store_user *ret)
{
    (void)s;
    if (rc == 0)
        rc = db_step(q);
    if (rc <= 0)
        return rc;
    fill_user(q, a, ret);
    return ret->email.ptr ? 1 : -ENOMEM;
}

int store_get_user(struct store *s, int64_t id, struct arena *a, struct store_user *ret)
{
    STORE_LOCKED(s);
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(s->db, &q, "SELECT " USER_COLUMNS " FROM users WHERE id=?", "i", id);
    rc = one_user(s, q, rc, a, ret);
    return rc == 0 ? no_user(id) : MIN(rc, 0);
}

int store_find_user(struct store *s, struct str email, struct arena *a, struct store_user *ret)
{
    STORE_LOCKED(s);
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(s->db, &q, "SELECT " USER_COLUMNS " FROM users WHERE email=?", "s", email);
    rc = one_user(s, q, rc, a, ret);
    return rc == 0 ? err_set(E_NOT_FOUND, "no user %.*s", STR_ARG(email)) : MIN(rc, 0);
}

int store_list_users(struct store *s, struct arena *a, struct store_user **ret, size_t *ret_len)
{
    STORE_LOCKED(s);
    int64_t count = 0;
    int rc = db_number(s->db, &count, 0, "SELECT count(*) FROM users", "");
    if (rc < 0)
        return rc;
    struct store_user *list = arena_calloc(a, (size_t)count + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(s->db, &q, "SELECT " USER_COLUMNS " FROM users ORDER BY id", "");
    size_t len = 0;
    while (rc == 0 && len < (size_t)count && (rc = db_step(q)) > 0) {
        fill_user(q, a, &list[len++]);
        rc = 0;
    }
    if (rc < 0)
        return rc;
    *ret = list;
    *ret_len = len;
    return 0;
}

/* ---- changing ---- */

/* A server that nobody can administer any more is of no use to anyone. */
static int check_owner_left(sqlite3 *db)
{
    int64_t owners = 0;
    int rc =
        db_number(db, &owners, 0, "SELECT count(*) FROM users WHERE owner AND NOT disabled", "");
    if (rc == 0 && owners == 0)
        rc = err_set(E_REFUSED, "the server needs an owner: make another user one first");
    return rc;
}

static int change_user(sqlite3 *db, int64_t id, const struct store_user_change *c)
{
    int rc = db_run(db,
                    "UPDATE users SET email=ifnull(?, email), name=ifnull(?, name),"
                    " owner=iif(?, ?, owner), disabled=iif(?, ?, disabled) WHERE id=?",
                    "ssiiiii", c->email, c->name, (int64_t)c->set_owner, (int64_t)c->owner,
                    (int64_t)c->set_disabled, (int64_t)c->disabled, id);
    if (rc == -EEXIST)
        return taken(c->email);
    if (rc == 0 && sqlite3_changes(db) == 0)
        return no_user(id);
    if (rc == 0 && c->set_disabled && c->disabled)
        rc = db_run(db, "DELETE FROM sessions WHERE user_id=?", "i", id);
    return rc < 0 ? rc : check_owner_left(db);
}

int store_change_user(struct store *s, int64_t id, const struct store_user_change *change)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    return store_end(s->db, change_user(s->db, id, change));
}

static int remove_user(sqlite3 *db, int64_t id)
{
    int rc = db_run(db, "DELETE FROM users WHERE id=?", "i", id);
    if (rc == 0 && sqlite3_changes(db) == 0)
        return no_user(id);
    return rc < 0 ? rc : check_owner_left(db);
}

int store_remove_user(struct store *s, int64_t id)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    return store_end(s->db, remove_user(s->db, id));
}

static int set_password(sqlite3 *db, int64_t id, struct str encoded, bool must_change,
                        const uint8_t *keep)
{
    /* Who has only had tokens so far goes on where those were used. */
    int rc = db_run(db,
                    "DELETE FROM sessions WHERE user_id=?1 AND hash IS NOT ?2 AND (token_id IS NULL"
                    " OR (SELECT password IS NOT NULL FROM users WHERE id=?1))",
                    "ib", id, keep ? str_new(keep, STORE_HASH_LEN) : STR_EMPTY);
    if (rc == 0)
        rc = db_run(db, "UPDATE users SET password=?, must_change=? WHERE id=?", "sii", encoded,
                    (int64_t)must_change, id);
    if (rc == 0 && sqlite3_changes(db) == 0)
        return no_user(id);
    return rc;
}

int store_set_password(struct store *s, int64_t id, struct str encoded, bool must_change,
                       const uint8_t *keep)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    return store_end(s->db, set_password(s->db, id, encoded, must_change, keep));
}

int store_note_sign_in(struct store *s, int64_t id, int64_t now_ns)
{
    STORE_LOCKED(s);
    return db_run(s->db, "UPDATE users SET signed_in_ns=? WHERE id=?", "ii", now_ns, id);
}

/* ---- roles ---- */

int store_list_grants(struct store *s, struct arena *a, struct store_grant **ret, size_t *ret_len)
{
    STORE_LOCKED(s);
    int64_t count = 0;
    int rc = db_number(s->db, &count, 0, "SELECT count(*) FROM roles", "");
    if (rc < 0)
        return rc;
    struct store_grant *list = arena_calloc(a, (size_t)count + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(s->db, &q,
                  "SELECT ifnull(user_id, 0) AS u, ifnull(token_id, 0) AS t,"
                  " ifnull(project_id, 0) AS p, role FROM roles ORDER BY u, t, p",
                  "");
    size_t len = 0;
    while (rc == 0 && len < (size_t)count && (rc = db_step(q)) > 0) {
        list[len++] = (struct store_grant){
            .user_id = sqlite3_column_int64(q, 0),
            .token_id = sqlite3_column_int64(q, 1),
            .project_id = sqlite3_column_int64(q, 2),
            .role = (enum store_role)sqlite3_column_int(q, 3),
        };
        rc = 0;
    }
    if (rc < 0)
        return rc;
    *ret = list;
    *ret_len = len;
    return 0;
}

static int check_there(sqlite3 *db, const char *sql, const char *what, int64_t id)
{
    int64_t there = 0;
    int rc = db_number(db, &there, 0, sql, "i", id);
    if (rc == 0 && there == 0)
        rc = err_set(E_NOT_FOUND, "no %s with the id %lld", what, (long long)id);
    return rc;
}

static int insert_grant(sqlite3 *db, const struct store_grant *g)
{
    int rc = 0;
    if (g->project_id)
        rc = check_there(db, "SELECT count(*) FROM projects WHERE id=?", "project", g->project_id);
    if (rc == 0)
        rc = db_run(db,
                    "INSERT INTO roles (user_id, token_id, project_id, role)"
                    " VALUES (nullif(?, 0), nullif(?, 0), nullif(?, 0), ?)",
                    "iiii", g->user_id, g->token_id, g->project_id, (int64_t)g->role);
    if (rc == -EEXIST)
        return err_set(-EEXIST, "project %lld: a role is given twice", (long long)g->project_id);
    return rc;
}

int store_insert_grants(struct store *s, int64_t user_id, int64_t token_id,
                        const struct store_grant *grants, size_t len)
{
    if (len > STORE_GRANTS_MAX)
        return err_set(E_LIMIT, "at most %d roles are taken", STORE_GRANTS_MAX);
    int rc = 0;
    for (size_t i = 0; i < len && rc == 0; i++) {
        struct store_grant g = grants[i];
        g.user_id = user_id;
        g.token_id = token_id;
        rc = insert_grant(s->db, &g);
    }
    return rc;
}

static int replace_grants(struct store *s, int64_t user_id, int64_t token_id,
                          const struct store_grant *grants, size_t len)
{
    int rc = user_id
                 ? check_there(s->db, "SELECT count(*) FROM users WHERE id=?", "user", user_id)
                 : check_there(s->db, "SELECT count(*) FROM tokens WHERE id=? AND user_id IS NULL",
                               "service token", token_id);
    if (rc == 0)
        rc = db_run(s->db, "DELETE FROM roles WHERE ifnull(user_id, 0)=? AND ifnull(token_id, 0)=?",
                    "ii", user_id, token_id);
    return rc < 0 ? rc : store_insert_grants(s, user_id, token_id, grants, len);
}

int store_set_grants(struct store *s, int64_t user_id, int64_t token_id,
                     const struct store_grant *grants, size_t len)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    return store_end(s->db, replace_grants(s, user_id, user_id ? 0 : token_id, grants, len));
}

static int replace_grant(sqlite3 *db, const struct store_grant *g)
{
    int rc = g->user_id
                 ? check_there(db, "SELECT count(*) FROM users WHERE id=?", "user", g->user_id)
                 : 0;
    if (rc == 0)
        rc = db_run(db,
                    "DELETE FROM roles WHERE ifnull(user_id, 0)=? AND ifnull(token_id, 0)=?"
                    " AND ifnull(project_id, 0)=?",
                    "iii", g->user_id, g->token_id, g->project_id);
    return rc < 0 || g->role == ROLE_NONE ? rc : insert_grant(db, g);
}

int store_set_grant(struct store *s, const struct store_grant *grant)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    return store_end(s->db, replace_grant(s->db, grant));
}

/* ---- whose something is ---- */

static int project_of(struct store *s, const char *sql, const char *what, int64_t id, int64_t *ret)
{
    STORE_LOCKED(s);
    int64_t project = 0;
    int rc = db_number(s->db, &project, 0, sql, "i", id);
    if (rc == 0 && project == 0)
        rc = err_set(E_NOT_FOUND, "no %s with the id %lld", what, (long long)id);
    if (rc == 0)
        *ret = project;
    return rc;
}

int store_project_of_test(struct store *s, int64_t test_id, int64_t *ret)
{
    return project_of(s, "SELECT project_id FROM tests WHERE id=?", "load test", test_id, ret);
}

int store_project_of_run(struct store *s, int64_t run_id, int64_t *ret)
{
    return project_of(s,
                      "SELECT project_id FROM runs JOIN tests ON tests.id=test_id WHERE runs.id=?",
                      "test run", run_id, ret);
}

int store_project_of_schedule(struct store *s, int64_t schedule_id, int64_t *ret)
{
    return project_of(
        s, "SELECT project_id FROM schedules JOIN tests ON tests.id=test_id WHERE schedules.id=?",
        "schedule", schedule_id, ret);
}

int store_changed_outside(struct store *s, bool *ret)
{
    STORE_LOCKED(s);
    int64_t version = 0;
    int rc = db_number(s->db, &version, 0, "PRAGMA data_version", "");
    if (rc < 0)
        return rc;
    *ret = s->data_version != 0 && version != s->data_version;
    s->data_version = version;
    return 0;
}
