#include "server/v1_login.h"

#include "server/account.h"
#include "server/body.h"
#include "server/run_json.h"
#include "server/session.h"
#include "server/v1.h"

int v1_validate_token(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct identity who;
    int rc = session_brake(r, STR_EMPTY);
    if (rc > 0)
        rc = body_object(r, &doc) < 0 ? E_CORRUPT : 1;
    if (rc <= 0)
        return rc;
    struct str token = body_text(r, yyjson_doc_get_root(doc), "token");
    rc = auth_check_token(&r->server->auth, token, &r->arena, &who);
    if (rc < 0)
        return rc;
    bool valid = rc > 0;
    if (!valid)
        session_refused(r, STR_EMPTY);
    struct buf *out = &r->reply.body;
    buf_byte(out, '{');
    run_json_bool(out, "is_valid", valid);
    json_str(out, "message", valid ? STR("") : STR("the token is not valid here"));
    buf_byte(out, '}');
    return reply_json(r, 200);
}

static int give_token(struct request *r)
{
    char secret[AUTH_SECRET_LEN + 1];
    int rc = session_check(r);
    if (rc <= 0)
        return rc;
    if (r->who.must_change)
        return reply_error(r, 403, 4, "forbidden",
                           "the one-time password has to be changed first: sign in at %.*s",
                           STR_ARG(request_base_url(r)));
    rc = account_login_token(r, secret);
    if (rc == E_LIMIT)
        return reply_error(r, 403, 4, "forbidden", "%s", err_message());
    if (rc < 0)
        return rc;
    buf_byte(&r->reply.body, '{');
    json_str(&r->reply.body, "token", str_of(secret));
    buf_byte(&r->reply.body, '}');
    explicit_bzero(secret, sizeof secret);
    return reply_json(r, 200);
}

int v1_login(struct request *r)
{
    return session_begin(r, give_token);
}
