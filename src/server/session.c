#include "server/session.h"

#include <errno.h>
#include <yyjson.h>

#include "server/http.h"
#include "server/run_json.h"

static int too_many(struct request *r)
{
    reply_header(r, "Retry-After", "60");
    return reply_error(r, 429, 6, "too_many_requests", "too many failed sign-ins, wait a minute");
}

static int give_cookie(struct request *r, int64_t token_id)
{
    char secret[AUTH_SECRET_LEN + 1];
    int rc = auth_open_session(&r->server->auth, token_id, secret);
    if (rc < 0)
        return rc;
    const char *cookie =
        arena_printf(&r->arena, "spate_session=%s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%d",
                     secret, AUTH_SESSION_LIFE_S);
    if (!cookie)
        return -ENOMEM;
    reply_header(r, "Set-Cookie", cookie);
    return 0;
}

int session_open(struct request *r)
{
    uint64_t peer = http_peer(r);
    if (!auth_may_try(&r->server->auth, peer))
        return too_many(r);
    /* The flags promise not to write into the text. */
    yyjson_doc *doc = yyjson_read((const char *)r->body.data, r->body.len, YYJSON_READ_NOFLAG);
    yyjson_val *token = yyjson_obj_get(yyjson_doc_get_root(doc), "token");
    struct store_token who;
    bool valid =
        yyjson_is_str(token) &&
        auth_check_token(&r->server->auth,
                         str_trim(str_new(yyjson_get_str(token), yyjson_get_len(token))), &who);
    yyjson_doc_free(doc);
    if (!valid) {
        auth_failed(&r->server->auth, peer);
        return reply_error(r, 401, 6, "unauthorized", "the token is not valid here");
    }
    int rc = give_cookie(r, who.id);
    return rc < 0 ? rc : reply_empty(r, 204);
}

int session_show(struct request *r)
{
    buf_byte(&r->reply.body, '{');
    json_str(&r->reply.body, "name", r->token.user);
    buf_byte(&r->reply.body, '}');
    return reply_json(r, 200);
}

int session_close(struct request *r)
{
    struct str session = http_session(r);
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
    int rc = auth_make_link(&r->server->auth, r->token.id, code);
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
    uint64_t peer = http_peer(r);
    int64_t token_id = 0;
    if (!auth_may_try(&r->server->auth, peer))
        return too_many(r);
    struct str to = request_arg(r, "to");
    const char *path = is_local_path(to) ? to.ptr : "/";
    if (auth_use_link(&r->server->auth, r->params[0], &token_id)) {
        int rc = give_cookie(r, token_id);
        if (rc < 0)
            return rc;
    } else {
        /* Spent or too old: the page asks for the token, unless this browser is signed in. */
        auth_failed(&r->server->auth, peer);
    }
    reply_header(r, "Location", path);
    return reply_empty(r, 303);
}
