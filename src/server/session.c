#include "server/session.h"

#include <errno.h>
#include <yyjson.h>

#include "base/clock.h"
#include "base/map.h"
#include "server/access.h"
#include "server/account.h"
#include "server/body.h"
#include "server/deed.h"
#include "server/passwords.h"
#include "server/run_json.h"
#include "server/v1.h"

static int too_many(struct request *r, int wait_s)
{
    const char *after = arena_printf(&r->arena, "%d", wait_s);
    if (after)
        reply_header(r, "Retry-After", after);
    return reply_error(r, 429, 6, "too_many_requests",
                       "too many failed sign-ins: try again in %d seconds", wait_s);
}

static uint64_t account_key(struct request *r, struct str email)
{
    char *small = arena_dup(&r->arena, email);
    for (char *p = small; p && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + ('a' - 'A'));
    return map_hash(small ? small : "", small ? email.len : 0) | 1;
}

int session_brake(struct request *r, struct str email)
{
    struct auth *a = &r->server->auth;
    int64_t now = clock_mono_ns();
    int wait_s = brake_wait_s(&a->addresses, access_peer(r), now);
    if (wait_s == 0 && email.len > 0)
        wait_s = brake_wait_s(&a->accounts, account_key(r, email), now);
    return wait_s == 0 ? 1 : too_many(r, wait_s);
}

void session_refused(struct request *r, struct str email)
{
    int64_t now = clock_mono_ns();
    brake_failed(&r->server->auth.addresses, access_peer(r), now);
    if (email.len == 0)
        return;
    brake_failed(&r->server->auth.accounts, account_key(r, email), now);
    deed_refused(r, email);
}

static void admitted(struct request *r, struct str email)
{
    brake_forgive(&r->server->auth.accounts, account_key(r, email));
    if (store_note_sign_in(r->server->store, r->who.user_id, clock_wall_ns()) < 0)
        err_clear();
}

static int give_cookie(struct request *r, int64_t user_id, int64_t token_id)
{
    char secret[AUTH_SECRET_LEN + 1];
    int rc = auth_open_session(&r->server->auth, user_id, token_id, secret);
    if (rc < 0)
        return rc;
    const char *cookie =
        arena_printf(&r->arena, "spate_session=%s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%d%s",
                     secret, AUTH_SESSION_LIFE_S, request_is_secure(r) ? "; Secure" : "");
    explicit_bzero(secret, sizeof secret);
    if (!cookie)
        return -ENOMEM;
    reply_header(r, "Set-Cookie", cookie);
    return 0;
}

/* ---- by a token ---- */

static int open_by_token(struct request *r, struct str token)
{
    int rc = auth_check_token(&r->server->auth, str_trim(token), &r->arena, &r->who);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        session_refused(r, STR_EMPTY);
        return reply_error(r, 401, 6, "unauthorized", "the token is not valid here");
    }
    if (r->who.user_id == 0)
        return reply_error(r, 403, 4, "forbidden",
                           "this is a service token: it is for programs, sign in as a user");
    rc = give_cookie(r, r->who.user_id, r->who.token_id);
    return rc < 0 ? rc : reply_empty(r, 204);
}

/* ---- by e-mail and password ---- */

static int find_user(struct request *r, struct str email, struct store_user *ret)
{
    *ret = (struct store_user){0};
    int rc = store_find_user(r->server->store, account_email(r, email), &r->arena, ret);
    if (rc == 0 && ret->disabled)
        *ret = (struct store_user){0};
    err_clear();
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* The user is looked up again after the waiting: who was removed meanwhile doesn't get in. */
int session_begin(struct request *r, handler_fn *then)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct store_user user;
    int rc = body_object(r, &doc);
    if (rc < 0)
        return rc;
    yyjson_val *root = yyjson_doc_get_root(doc);
    struct str email = str_trim(body_text(r, root, "email"));
    struct str password = password_trim(body_text(r, root, "password"));
    if (email.len == 0 || password.len == 0)
        return err_set(E_CONFIG, "email and password: both are needed");
    if (email.len > SERVER_EMAIL_MAX || password.len > SERVER_PASSWORD_MAX)
        return err_set(E_CONFIG, "email or password: too long");
    email = account_email(r, email);
    rc = session_brake(r, email);
    if (rc <= 0)
        return rc;
    rc = find_user(r, email, &user);
    if (rc < 0)
        return rc;
    r->deed_target = email;
    r->who = (struct identity){.user_id = user.id, .email = email};
    return passwords_verify(r, password, user.password, STR_EMPTY, then);
}

int session_check(struct request *r)
{
    struct str email = r->deed_target;
    int64_t user_id = r->who.user_id;
    r->who = (struct identity){0};
    /* Others may have failed while this one waited: many at once are no way around the brake. */
    int rc = session_brake(r, email);
    if (rc <= 0)
        return rc;
    rc = r->password.right && user_id != 0
             ? auth_check_user(&r->server->auth, user_id, &r->arena, &r->who)
             : 0;
    if (rc < 0)
        return rc;
    if (rc == 0) {
        session_refused(r, email);
        return reply_error(r, 401, 6, "unauthorized", "e-mail or password is wrong");
    }
    admitted(r, email);
    return 1;
}

static int open_by_password(struct request *r)
{
    int rc = session_check(r);
    if (rc <= 0)
        return rc;
    rc = give_cookie(r, r->who.user_id, 0);
    return rc < 0 ? rc : reply_empty(r, 204);
}

/* ---- the routes ---- */

int session_open(struct request *r)
{
    if (!access_same_origin(r))
        return reply_error(r, 403, 4, "forbidden", "the request comes from another site");
    int rc = session_brake(r, STR_EMPTY);
    if (rc <= 0)
        return rc;
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    rc = body_object(r, &doc);
    if (rc < 0)
        return rc;
    yyjson_val *token = yyjson_obj_get(yyjson_doc_get_root(doc), "token");
    if (!token)
        return session_begin(r, open_by_password);
    return open_by_token(r, body_text(r, yyjson_doc_get_root(doc), "token"));
}

int session_show(struct request *r)
{
    account_put_identity(r);
    return reply_json(r, 200);
}

int session_close(struct request *r)
{
    struct str session = access_session(r);
    if (session.len > 0) {
        int rc = auth_close_session(&r->server->auth, session);
        if (rc < 0)
            return rc;
    }
    reply_header(r, "Set-Cookie", "spate_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    return reply_empty(r, 204);
}

int session_make_link(struct request *r)
{
    char code[AUTH_SECRET_LEN + 1];
    int rc = auth_make_link(&r->server->auth, r->who.user_id, r->who.token_id, code);
    if (rc < 0)
        return rc;
    buf_byte(&r->reply.body, '{');
    json_str(&r->reply.body, "url",
             str_of(arena_printf(&r->arena, "%.*s/session/link/%s", STR_ARG(request_base_url(r)),
                                 code)));
    buf_byte(&r->reply.body, '}');
    return reply_json(r, 200);
}

/* A path of our own page and nothing else: no other host, no header of its own. */
static bool is_local_path(struct str to)
{
    if (to.len == 0 || to.len > 1024 || to.ptr[0] != '/')
        return false;
    if (to.len > 1 && (to.ptr[1] == '/' || to.ptr[1] == '\\'))
        return false;
    for (size_t i = 0; i < to.len; i++)
        if (to.ptr[i] <= ' ' || to.ptr[i] == '\\' || to.ptr[i] == 0x7f)
            return false;
    return true;
}

int session_use_link(struct request *r)
{
    int64_t user_id = 0;
    int64_t token_id = 0;
    int rc = session_brake(r, STR_EMPTY);
    if (rc <= 0)
        return rc;
    struct str to = request_arg(r, "to");
    const char *path = is_local_path(to) ? to.ptr : "/";
    if (auth_use_link(&r->server->auth, r->params[0], &user_id, &token_id)) {
        rc = auth_check_user(&r->server->auth, user_id, &r->arena, &r->who);
        if (rc > 0)
            rc = give_cookie(r, user_id, token_id);
        if (rc < 0)
            return rc;
        r->deed_target = r->who.email;
    } else {
        /* Spent or too old: the page asks who it is, unless this browser is signed in. */
        session_refused(r, STR_EMPTY);
    }
    reply_header(r, "Location", path);
    return reply_empty(r, 303);
}
