#include "server/access.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/map.h"
#include "server/rights.h"

uint64_t access_peer(const struct request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr)
        return 1;
    if (info->client_addr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)info->client_addr;
        return map_hash(&in->sin_addr, sizeof in->sin_addr) | 1;
    }
    /* The first half of an IPv6 address is a network, the second anyone in it can choose. */
    const struct sockaddr_in6 *in6 = (const void *)info->client_addr;
    return map_hash(&in6->sin6_addr, 8) | 1;
}

struct str access_address(struct request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char text[INET6_ADDRSTRLEN] = "";
    const struct sockaddr *at = info ? info->client_addr : NULL;
    if (at && at->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)at)->sin_addr, text,
                  sizeof text);
    else if (at)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)at)->sin6_addr, text,
                  sizeof text);
    return str_of(arena_dup(&r->arena, str_of(text)));
}

/* "Token x" or "Bearer x"; STR_EMPTY without. */
static struct str header_token(const struct request *r)
{
    struct str token;
    struct str scheme = str_cut(str_trim(request_header(r, "Authorization")), ' ', &token);
    if (!str_ieq(scheme, STR("Token")) && !str_ieq(scheme, STR("Bearer")))
        return STR_EMPTY;
    return str_trim(token);
}

/* A browser sends the cookie along whoever made it ask; what changes something has to come from
 * our own page.  Without both headers it is no browser. */
bool access_same_origin(const struct request *r)
{
    struct str site = request_header(r, "Sec-Fetch-Site");
    if (site.ptr)
        return str_eq(site, STR("same-origin")) || str_eq(site, STR("none"));
    struct str origin = request_header(r, "Origin");
    if (!origin.ptr)
        return true;
    struct str host = request_header(r, "Host");
    return host.len > 0 && str_ends(origin, host) && origin.len > host.len + 3 &&
           memcmp(origin.ptr + (origin.len - host.len - 3), "://", 3) == 0;
}

struct str access_session(const struct request *r)
{
    return str_of(MHD_lookup_connection_value(r->conn, MHD_COOKIE_KIND, "spate_session"));
}

/* True when it is of this very run; another run's gets its answer here. */
static bool check_credential(struct request *r, struct str token)
{
    struct store_credential c;
    int64_t id = 0;
    if (!auth_check_credential(&r->server->auth, token, CREDENTIAL_PUSH, &c))
        return false;
    r->run_id = c.run_id;
    if (str_to_i64(r->params[0], &id) == 0 && id == c.run_id)
        return true;
    (void)reply_error(r, 403, 4, "forbidden", "the token is of another test run");
    return false;
}

/* What may be uploaded is known by the URL's secret alone. */
static int check_upload(struct request *r)
{
    struct store_credential c;
    uint64_t peer = access_peer(r);
    if (!auth_may_try(&r->server->auth, peer))
        return reply_error(r, 429, 6, "too_many_requests", "too many failed attempts");
    if (!auth_check_credential(&r->server->auth, r->params[0], CREDENTIAL_UPLOAD, &c)) {
        auth_failed(&r->server->auth, peer);
        return reply_error(r, 404, 3, "not_found", "no such upload");
    }
    r->run_id = c.run_id;
    r->body_max = MIN(r->body_max, (size_t)c.bytes);
    return 0;
}

/* 1: it is known who asks; 0: refused, or a run's credential. */
static int check_token(struct request *r, struct str token)
{
    int rc = auth_check_token(&r->server->auth, token, &r->arena, &r->who);
    if (rc != 0)
        return rc;
    if (r->route->access == ACCESS_RUN && check_credential(r, token))
        return 0;
    if (r->reply.status)
        return 0;
    return reply_error(r, 401, 6, "unauthorized", "the token is not valid here");
}

static int check_cookie(struct request *r, struct str session)
{
    int rc = auth_check_session(&r->server->auth, session, &r->arena, &r->who);
    if (rc <= 0)
        return rc < 0 ? rc
                      : reply_error(r, 401, 5, "unauthorized", "not signed in: a token is needed");
    r->by_cookie = true;
    /* What is read stays with the browser, but for a WebSocket, which any site may open and read.
     */
    bool reads = r->method == METHOD_GET && !request_header(r, "Upgrade").ptr;
    if (reads || access_same_origin(r))
        return 1;
    return reply_error(r, 401, 5, "unauthorized", "the request comes from another site");
}

int access_check(struct request *r)
{
    if (r->route->access == ACCESS_UPLOAD)
        return check_upload(r);
    if (r->route->access == ACCESS_ANYONE)
        return 0;
    struct str token = header_token(r);
    struct str session = access_session(r);
    int rc = 0;
    if (token.len > 0)
        rc = check_token(r, token);
    else if (session.len > 0)
        rc = check_cookie(r, session);
    else
        return reply_error(r, 401, 5, "unauthorized", "not signed in: a token is needed");
    if (rc <= 0)
        return rc;
    if (r->who.must_change && r->route->access != ACCESS_SELF &&
        r->route->access != ACCESS_PASSWORD)
        return reply_error(r, 403, 4, "password_change_required",
                           "the one-time password has to be changed first");
    return MIN(rights_check_route(r), 0);
}
