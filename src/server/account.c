#include "server/account.h"

#include <errno.h>

#include "base/clock.h"
#include "server/access.h"
#include "server/account_admin.h"
#include "server/body.h"
#include "server/list.h"
#include "server/passwords.h"
#include "server/rights.h"
#include "server/run_json.h"
#include "server/session.h"
#include "server/v1.h"

/* Tokens of `k6 login cloud` that are kept of one user: a few machines. */
enum { LOGIN_TOKENS = 20 };
static const char login_token_name[] = "login by e-mail";

struct str account_email(struct request *r, struct str email)
{
    if (email.len == 0 || memchr(email.ptr, '@', email.len))
        return email;
    char *text = arena_printf(&r->arena, "%.*s@localhost", STR_ARG(email));
    for (char *p = text; p && *p; p++)
        if (*p == ' ')
            *p = '.';
    return str_of(text);
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
            return true;
    return false;
}

int account_check_email(struct request *r, struct str email)
{
    ptrdiff_t at = str_find(email, '@');
    bool good = email.len <= SERVER_EMAIL_MAX && at > 0 && (size_t)at + 1 < email.len &&
                !has_control(email) && !memchr(email.ptr, ' ', email.len) && str_is_utf8(email);
    if (good)
        good = !memchr(email.ptr + at + 1, '@', email.len - (size_t)at - 1);
    return good ? 1 : reply_field(r, "email", "not_valid", "an e-mail address is needed");
}

int account_check_name(struct request *r, struct str name)
{
    if (name.len > 0 && name.len <= SERVER_NAME_MAX && !has_control(name) && str_is_utf8(name))
        return 1;
    return reply_field(r, "name", "not_valid",
                       "1 to %d bytes without control characters are needed", SERVER_NAME_MAX);
}

/* ---- who one is ---- */

void account_put_identity(struct request *r)
{
    struct buf *out = &r->reply.body;
    const struct identity *who = &r->who;
    buf_byte(out, '{');
    json_str(out, "name", who->name);
    json_str(out, "email", who->email);
    if (who->user_id)
        run_json_int(out, "user_id", who->user_id);
    else
        json_null(out, "user_id");
    run_json_bool(out, "is_owner", who->owner);
    run_json_bool(out, "must_change_password", who->must_change);
    json_key(out, "roles");
    account_put_grants(out, who->grants, who->grants_len);
    buf_byte(out, '}');
}

int account_show(struct request *r)
{
    account_put_identity(r);
    return reply_json(r, 200);
}

int account_set_name(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    int rc = body_object(r, &doc);
    if (rc < 0)
        return rc;
    struct store_user_change c = {
        .name = str_trim(body_text(r, yyjson_doc_get_root(doc), "name")),
    };
    rc = account_check_name(r, c.name);
    if (rc <= 0)
        return rc;
    rc = store_change_user(r->server->store, r->who.user_id, &c);
    if (rc == 0)
        rc = auth_reload(&r->server->auth);
    r->deed_target = r->who.email;
    return rc < 0 ? rc : reply_empty(r, 204);
}

/* ---- the password ---- */

static int keep_password(struct request *r)
{
    uint8_t keep[STORE_HASH_LEN];
    int rc = session_brake(r, r->who.email); /* again, as in session_check() */
    if (rc <= 0)
        return rc;
    if (!r->password.right) {
        session_refused(r, r->who.email);
        return reply_field(r, "old_password", "wrong", "is not the present password");
    }
    if (r->password.rc < 0)
        return r->password.rc;
    struct str session = r->by_cookie ? access_session(r) : STR_EMPTY;
    auth_hash(session, keep);
    rc = store_set_password(r->server->store, r->who.user_id, str_of(r->password.encoded), false,
                            session.len > 0 ? keep : NULL);
    if (rc == 0)
        rc = auth_reload(&r->server->auth);
    r->deed_target = r->who.email;
    return rc < 0 ? rc : reply_empty(r, 204);
}

int account_set_password(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct store_user user;
    int rc = session_brake(r, r->who.email);
    if (rc <= 0)
        return rc;
    rc = body_object(r, &doc);
    if (rc < 0)
        return rc;
    yyjson_val *root = yyjson_doc_get_root(doc);
    struct str old = password_trim(body_text(r, root, "old_password"));
    struct str fresh = password_trim(body_text(r, root, "new_password"));
    if (!fresh.ptr || password_check(fresh) < 0)
        return reply_field(r, "new_password", "not_valid", "%s",
                           fresh.ptr ? err_message() : "is needed");
    if (str_eq(old, fresh))
        return reply_field(r, "new_password", "not_valid", "has to be another one");
    rc = store_get_user(r->server->store, r->who.user_id, &r->arena, &user);
    if (rc < 0)
        return rc;
    if (!user.password.ptr) {
        r->password.right = true;
        return passwords_hash(r, fresh, keep_password);
    }
    if (!old.ptr)
        return reply_field(r, "old_password", "required", "is needed");
    return passwords_verify(r, old, user.password, fresh, keep_password);
}

/* ---- tokens ---- */

void account_put_token(struct request *r, const struct store_token *t, const char *secret)
{
    struct buf *out = &r->reply.body;
    buf_byte(out, '{');
    run_json_int(out, "id", t->id);
    json_str(out, "name", t->name);
    json_str(out, "created_by", t->created_by);
    json_time(out, "created", t->created_ns);
    json_time(out, "last_used", t->used_ns);
    if (secret)
        json_str(out, "token", str_of(secret));
}

/* Of auth's list, as that knows the newest uses. */
int account_list_tokens(struct request *r)
{
    struct auth *a = &r->server->auth;
    struct buf *out = &r->reply.body;
    list_begin(r);
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->tokens_len; i++) {
        if (a->tokens[i].user_id != r->who.user_id)
            continue;
        list_item(r);
        account_put_token(r, &a->tokens[i], NULL);
        buf_byte(out, '}');
    }
    pthread_mutex_unlock(&a->lock);
    buf_z(out, "]}");
    return reply_json(r, 200);
}

int account_add_token(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    char secret[AUTH_SECRET_LEN + 1];
    int rc = body_object(r, &doc);
    if (rc < 0)
        return rc;
    struct store_token t = {
        .user_id = r->who.user_id,
        .name = str_trim(body_text(r, yyjson_doc_get_root(doc), "name")),
        .created_by = r->who.email,
    };
    rc = account_check_name(r, t.name);
    if (rc <= 0)
        return rc;
    rc = auth_add_token(&r->server->auth, &t, NULL, 0, secret);
    if (rc == E_LIMIT)
        return reply_conflict(r, "%s", err_message());
    if (rc < 0)
        return rc;
    r->deed_target = t.name;
    account_put_token(r, &t, secret);
    explicit_bzero(secret, sizeof secret);
    buf_byte(&r->reply.body, '}');
    return reply_json(r, 201);
}

/* Somebody else's isn't there, as far as this route goes. */
static int find_own(struct request *r, int64_t id)
{
    struct auth *a = &r->server->auth;
    bool found = false;
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->tokens_len; i++)
        if (a->tokens[i].id == id && a->tokens[i].user_id == r->who.user_id) {
            r->deed_target =
                str_new(arena_dup(&r->arena, a->tokens[i].name), a->tokens[i].name.len);
            found = true;
        }
    pthread_mutex_unlock(&a->lock);
    return found ? 0 : err_set(E_NOT_FOUND, "no token with the id %lld", (long long)id);
}

int account_remove_token(struct request *r)
{
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = find_own(r, id);
    if (rc == 0)
        rc = store_remove_token(r->server->store, id);
    if (rc == 0)
        rc = auth_reload(&r->server->auth);
    return rc < 0 ? rc : reply_empty(r, 204);
}

int account_login_token(struct request *r, char out[static AUTH_SECRET_LEN + 1])
{
    struct str name = str_of(login_token_name);
    struct store_token t = {
        .user_id = r->who.user_id,
        .name = name,
        .created_by = r->who.email,
    };
    int rc = store_trim_tokens(r->server->store, r->who.user_id, name, LOGIN_TOKENS - 1);
    if (rc == 0)
        rc = auth_add_token(&r->server->auth, &t, NULL, 0, out);
    return rc;
}
