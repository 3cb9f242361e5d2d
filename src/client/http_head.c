/* The head of a request: the script's headers and ours, in the order that Go writes them. */
#include "client/http_int.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "client/cookie.h"

/* In its place among the sorted ones. */
static void insert_header(struct http_head *h, struct http_header one)
{
    size_t at = h->len++;
    while (at > 0 && str_cmp(h->list[at - 1].name, one.name) > 0) {
        h->list[at] = h->list[at - 1];
        at--;
    }
    h->list[at] = one;
}

/* Headers that a redirect to another host, or one that drops the body, leaves behind. */
static bool is_left_behind(const struct http_call *k, struct str name)
{
    if (k->hops == 0)
        return false;
    if (!k->keep_private &&
        (http_name_is(name, "Authorization") || http_name_is(name, "Www-Authenticate") ||
         http_name_is(name, "Cookie") || http_name_is(name, "Cookie2")))
        return true;
    if (http_name_is(name, "Cookie"))
        return k->req->jar != NULL;
    return !k->send_body &&
           (http_name_is(name, "Content-Type") || http_name_is(name, "Content-Encoding") ||
            http_name_is(name, "Content-Language") || http_name_is(name, "Content-Location"));
}

struct cookie_writer {
    struct buf *out;
    const struct http_request *req;
};

static int write_jar_cookie(void *arg, struct str name, struct str value)
{
    struct cookie_writer *w = arg;
    for (size_t i = 0; i < w->req->cookies_replace_len; i++)
        if (str_eq(w->req->cookies_replace[i], name))
            return 0;
    cookie_append_pair(w->out, name, value);
    return 0;
}

/* The whole Cookie header: the script's own header, then params, then the jar's. */
static void write_cookies(struct http_call *k, struct str own, struct buf *out)
{
    const struct http_request *req = k->req;
    buf_str(out, own);
    if (k->hops == 0 && req->cookies_first.ptr) {
        if (out->len > 0 && req->cookies_first.len > 0)
            buf_z(out, "; ");
        buf_str(out, req->cookies_first);
        return;
    }
    if (req->cookies.len > 0) {
        if (out->len > 0)
            buf_z(out, "; ");
        buf_str(out, req->cookies);
    }
    if (req->jar && cookie_jar_len(req->jar) > 0) {
        struct cookie_writer w = {out, req};
        (void)cookie_jar_each(req->jar, k->url, clock_wall_ns() / NS_PER_S, write_jar_cookie, &w);
    }
}

static void write_base64(struct buf *b, struct str s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.len; i += 3) {
        uint32_t v = (uint32_t)(uint8_t)s.ptr[i] << 16;
        if (i + 1 < s.len)
            v |= (uint32_t)(uint8_t)s.ptr[i + 1] << 8;
        if (i + 2 < s.len)
            v |= (uint8_t)s.ptr[i + 2];
        buf_byte(b, (uint8_t)digits[v >> 18]);
        buf_byte(b, (uint8_t)digits[v >> 12 & 63]);
        buf_byte(b, i + 1 < s.len ? (uint8_t)digits[v >> 6 & 63] : '=');
        buf_byte(b, i + 2 < s.len ? (uint8_t)digits[v & 63] : '=');
    }
}

static void write_basic_auth(const struct url *u, struct buf *out)
{
    CLEANUP(buf_fini) struct buf plain;
    buf_init(&plain, URL_TEXT_MAX);
    url_append_userinfo(&plain, u);
    buf_z(out, "Basic ");
    write_base64(out, buf_view(&plain));
}

static bool wants_length(struct str method)
{
    return str_eq(method, STR("POST")) || str_eq(method, STR("PUT")) ||
           str_eq(method, STR("PATCH"));
}

static int64_t content_length(const struct http_call *k)
{
    if (k->send_body && k->req->body.len > 0)
        return (int64_t)k->req->body.len;
    return wants_length(k->method) || (k->send_body && k->req->body_given) ? 0 : -1;
}

/* Sorts the script's headers into `h` and `head`, checks them, and notes what is there. */
struct given {
    struct str cookie;
    bool authorization, referer, connection;
};

static int take_headers(struct http_call *k, struct http_head *h, struct given *ret)
{
    const struct http_request *req = k->req;
    for (size_t i = 0; i < req->headers_len; i++) {
        struct http_header one = req->headers[i];
        int rc = http1_check_header(one);
        if (rc < 0)
            return http_fail_plain(k, rc, HTTP_ERROR_DEFAULT);
        if (is_left_behind(k, one.name))
            continue;
        if (http_name_is(one.name, "Host")) {
            if (k->keep_host && one.value.len > 0)
                h->req.host = one.value;
        } else if (http_name_is(one.name, "User-Agent")) {
            h->req.user_agent = one.value.len > 0 ? one.value : STR_EMPTY;
        } else if (http_name_is(one.name, "Cookie")) {
            ret->cookie = one.value;
        } else if (!http_name_is(one.name, "Content-Length") &&
                   !http_name_is(one.name, "Transfer-Encoding") &&
                   !http_name_is(one.name, "Trailer")) {
            if (k->auth.say.len > 0 && http_name_is(one.name, "Authorization"))
                continue;
            ret->authorization = ret->authorization || http_name_is(one.name, "Authorization");
            ret->referer = ret->referer || http_name_is(one.name, "Referer");
            bool connection = http_name_is(one.name, "Connection");
            ret->connection = ret->connection || connection;
            h->closes = h->closes || (connection && str_ieq(str_trim(one.value), STR("close")));
            insert_header(h, one);
        }
    }
    return 0;
}

/* The headers that are ours: they go in among the script's. */
static void add_own(struct http_call *k, struct http_head *h, const struct given *given)
{
    write_cookies(k, given->cookie, &h->cookies);
    if (h->cookies.len > 0)
        insert_header(h, (struct http_header){STR("Cookie"), buf_view(&h->cookies)});
    if (k->auth.say.len > 0) {
        insert_header(h, (struct http_header){STR("Authorization"), buf_view(&k->auth.say)});
    } else if (k->url->userinfo.ptr && !given->authorization && k->req->auth == HTTP_AUTH_BASIC) {
        write_basic_auth(k->url, &h->basic);
        insert_header(h, (struct http_header){STR("Authorization"), buf_view(&h->basic)});
    }
    if (k->referer.len > 0 && !given->referer)
        insert_header(h, (struct http_header){STR("Referer"), buf_view(&k->referer)});
    if (k->c->o.idle_per_host_max == 0 && !given->connection) /* behind the sorted ones, as in Go */
        h->list[h->len++] = (struct http_header){STR("Connection"), STR("close")};
}

/* A proxy is told the whole URL, and who asks. */
static void speak_to_proxy(struct http_call *k, struct http_head *h)
{
    buf_printf(&h->absolute, "http://%.*s%.*s", STR_ARG(h->req.host), STR_ARG(k->url->target));
    h->req.target = buf_view(&h->absolute);
    bool given = false;
    for (size_t i = 0; i < h->len; i++)
        given = given || http_name_is(h->list[i].name, "Proxy-Authorization");
    if (k->proxy->authorization && !given)
        h->list[h->len++] =
            (struct http_header){STR("Proxy-Authorization"), str_of(k->proxy->authorization)};
}

void http_head_fini(struct http_head *h)
{
    if (h->cookies.data || h->basic.data || h->absolute.data) { /* mostly there is none */
        buf_fini(&h->cookies);
        buf_fini(&h->basic);
        buf_fini(&h->absolute);
    }
    if (h->list != h->room)
        mem_free(h->list);
}

int http_head_collect(struct http_call *k, struct http_head *h)
{
    const struct http_request *req = k->req;
    h->list = h->room;
    h->len = 0;
    h->closes = false;
    buf_init(&h->cookies, HTTP_REQUEST_HEAD_MAX);
    buf_init(&h->basic, 2 * (size_t)URL_TEXT_MAX);
    buf_init(&h->absolute, 2 * (size_t)URL_TEXT_MAX);
    int rc = http1_check_method(k->method);
    if (rc < 0)
        return http_fail_plain(k, rc, HTTP_ERROR_DEFAULT);
    h->req = (struct http1_request){
        .method = k->method,
        .target = k->url->target,
        .host = k->url->authority,
        .user_agent = str_of(k->c->o.user_agent),
        .content_length = content_length(k),
    };
    if (h->req.user_agent.len == 0)
        h->req.user_agent = STR_EMPTY;
    if (req->headers_len + HTTP_HEAD_OWN > HTTP_HEAD_INLINE) {
        struct http_header *many = mem_calloc(req->headers_len + HTTP_HEAD_OWN, sizeof *h->list);
        if (!many)
            return http_fail_plain(k, err_set(-ENOMEM, "request headers"), HTTP_ERROR_DEFAULT);
        h->list = many;
    }
    struct given given = {0};
    rc = take_headers(k, h, &given);
    if (rc < 0)
        return rc;
    add_own(k, h, &given);
    if (http_ends_at_proxy(k, k->url->scheme.len == 5))
        speak_to_proxy(k, h);
    h->req.headers = h->list;
    h->req.headers_len = h->len;
    rc = h->absolute.err < 0 ? h->absolute.err : buf_finish(&h->cookies);
    return rc < 0 ? http_fail_plain(k, err_set(rc, "request head is too large"), HTTP_ERROR_DEFAULT)
                  : 0;
}

int http_head_write(struct http_call *k, struct buf *out, bool *ret_closes)
{
    CLEANUP(http_head_fini) struct http_head h;
    int rc = http_head_collect(k, &h);
    if (rc < 0)
        return rc;
    *ret_closes = h.closes;
    http1_write_head(out, &h.req);
    rc = buf_finish(out);
    return rc < 0 ? http_fail_plain(k, err_set(rc, "request head is too large"), HTTP_ERROR_DEFAULT)
                  : 0;
}
