/*
 * One http_do() is a struct http_call: hops (redirects), each a round trip on a connection.  All
 * failures pass through http_fail().
 */
#include "client/http.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "client/cookie.h"
#include "client/decode.h"
#include "client/http_int.h"
#include "rt/loop.h"

static void report(struct http_call *k)
{
    const struct http_response *ret = k->ret;
    if (!k->req->on_trip)
        return;
    bool failed = ret->error[0] != '\0' || ret->status == 0;
    struct http_trip trip = {
        .method = k->method,
        .url = k->url,
        .status = failed ? 0 : ret->status,
        .proto = failed ? NULL : ret->proto,
        .tls_version = failed ? NULL : ret->tls_version,
        .ocsp_status = failed || !ret->tls_version ? NULL
                       : ret->ocsp.status          ? ret->ocsp.status
                                                   : "unknown",
        .remote_ip = ret->remote_port ? ret->remote_ip : NULL,
        .error_code = ret->error_code,
        .error = str_of(ret->error),
        .timings = ret->timings,
        .end_ns = loop_now_ns(loop_current()),
    };
    k->req->on_trip(k->req->on_trip_arg, &trip);
}

static void store_cookies(struct http_call *k)
{
    if (!k->req->jar || !k->cookies_may_be_there)
        return;
    struct http_header h;
    size_t cursor = 0;
    int64_t now_s = clock_wall_ns() / NS_PER_S;
    while (http_response_next(k->ret, &cursor, &h)) {
        struct http_cookie c;
        if (str_eq(h.name, STR("Set-Cookie")) && cookie_parse(h.value, &c))
            (void)cookie_jar_set(k->req->jar, k->url, &c, now_s);
    }
}

/* Undoes Content-Encoding; a failure is the call's. */
static int decode(struct http_call *k)
{
    struct http_response *ret = k->ret;
    if (!k->encoding_may_be_there || k->req->body_mode != HTTP_BODY_KEEP || ret->body.len == 0)
        return 0;
    struct str encodings = http_response_header(ret, "Content-Encoding");
    if (!decode_wanted(encodings))
        return 0;
    struct buf out;
    buf_init(&out, k->req->body_max ? k->req->body_max : (size_t)HTTP_BODY_MAX);
    bool started;
    int rc = decode_body(encodings, ret->body, &out, &started);
    buf_byte(&out, '\0');
    if (rc == 0 && out.err != 0)
        rc = err_set(E_LIMIT, "decoded body is larger than %zu bytes", out.max);
    if (rc < 0 && !started)
        ret->has_body = false;
    mem_free(ret->body_block);
    size_t len;
    ret->body_block = buf_take(&out, &len);
    ret->body = str_new(ret->body_block, len > 0 ? len - 1 : 0);
    buf_fini(&out);
    return rc;
}

/* k6 wraps most decoding errors twice on their way to `error`. */
static int fail_decode(struct http_call *k, int rc)
{
    char cause[256], text[512];
    snprintf(cause, sizeof cause, "%s", err_message());
    if (str_eqz(str_of(cause), "unexpected EOF")) {
        if (k->ret->has_body)
            return http_fail(k, rc, HTTP_ERROR_DEFAULT, cause);
        snprintf(text, sizeof text, "error decompressing response body (%s)", cause);
        (void)err_set(rc, "%s", text);
        return http_fail(k, rc, HTTP_ERROR_DECOMPRESSION, text);
    }
    snprintf(text, sizeof text,
             "error decompressing response body (error decompressing response body (%s))", cause);
    (void)http_fail(k, rc, HTTP_ERROR_DECOMPRESSION, text);
    return err_set(rc, "error decompressing response body (%s)", cause);
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* True when a header of the first URL may go to the host of the second one as well. */
static bool is_same_or_below(struct str from, struct str to)
{
    if (str_ieq(from, to))
        return true;
    return to.len > from.len && to.ptr[to.len - from.len - 1] == '.' &&
           str_ieq(str_new(to.ptr + to.len - from.len, from.len), from);
}

/* True for "/x", "x", "?y", "//host/x". */
static bool has_no_scheme(struct str location)
{
    for (size_t i = 0; i < location.len; i++) {
        char c = location.ptr[i];
        if (c == ':')
            return false;
        if (c == '/' || c == '?' || c == '#')
            return true;
    }
    return true;
}

static void note_referer(struct http_call *k, const struct url *next)
{
    buf_reset(&k->referer);
    if (str_eqz(k->url->scheme, "https") && str_eqz(next->scheme, "http"))
        return;
    if (!k->url->userinfo.ptr) {
        buf_str(&k->referer, k->url->text);
        return;
    }
    const char *rest = k->url->authority.ptr;
    buf_printf(&k->referer, "%.*s://", STR_ARG(k->url->scheme));
    buf_append(&k->referer, rest, (size_t)(k->url->text.ptr + k->url->text.len - rest));
}

/* Makes the hop's URL the response's own. */
static int keep_url(struct http_call *k)
{
    struct http_response *ret = k->ret;
    if (k->hops == 0) {
        ret->url = k->url->text;
        return 0;
    }
    mem_free(ret->url_block);
    ret->url_block = str_dup(k->url->text);
    ret->url = ret->url_block ? str_new(ret->url_block, k->url->text.len) : STR("");
    return ret->url_block ? 0 : err_set(-ENOMEM, "response");
}

/*
 * Looks whether the response asks to go elsewhere: 1 when the call is set up for the next hop (and
 * the response is gone), 0 when it is the answer, negative when the Location is no URL.
 */
static int follow(struct http_call *k)
{
    struct http_response *ret = k->ret;
    int status = ret->status;
    if (!is_redirect(status) || !k->location_may_be_there)
        return 0;
    struct str location = http_response_header(ret, "Location");
    if (location.len == 0)
        return 0;
    struct url *next = &k->own[(k->hops + 1) % 2];
    url_fini(next);
    int rc = url_resolve(k->url, location, next);
    if (rc < 0) {
        CLEANUP(buf_fini) struct buf quoted;
        buf_init(&quoted, ERR_MESSAGE_MAX);
        url_append_quoted(&quoted, location);
        (void)err_wrap(rc, "failed to parse Location header %.*s", STR_ARG(buf_view(&quoted)));
        k->in_body = false;
        ret->has_body = false;
        return http_fail_plain(k, rc, HTTP_ERROR_DEFAULT);
    }
    store_cookies(k);
    if (k->hops + 1 > (unsigned)MAX(k->req->max_redirects, 0)) {
        ret->redirect_refused = true;
        return 0;
    }
    note_referer(k, next);
    auth_reset(&k->auth);
    k->keep_host = k->keep_host && has_no_scheme(location);
    report(k);
    if (status <= 303) {
        if (!str_eq(k->method, STR("HEAD")))
            k->method = STR("GET");
        k->send_body = false;
    }
    k->keep_private = k->keep_private && is_same_or_below(k->req->url->host, next->host);
    k->url = next;
    k->hops++;
    http_response_fini(ret);
    ret->error = "";
    return 1;
}

/* A 401 to a request that has more to show: 1 when it is to be sent again (and the response is
 * gone), 0 when it is the answer. */
static int authorize(struct http_call *k)
{
    struct http_response *ret = k->ret;
    struct auth_request q = {
        .how = k->req->auth,
        .url = k->url,
        .method = k->method,
        .body = k->send_body ? k->req->body : STR_EMPTY,
    };
    int rc = auth_next(&k->auth, &q, ret);
    if (rc <= 0)
        return rc < 0 ? http_fail_plain(k, rc, HTTP_ERROR_DEFAULT) : 0;
    ret->error_code = 1000 + ret->status;
    report(k);
    http_response_fini(ret);
    ret->error = "";
    return 1;
}

/* The last hop has failed: what is left of the response is the body so far. */
static void forget_answer(struct http_response *ret)
{
    ret->status = 0;
    ret->status_text = STR_EMPTY;
    ret->proto = NULL;
    ret->tls_version = NULL;
    ret->tls_cipher[0] = '\0';
    ret->headers_at = ret->headers_end = 0;
}

static int finish_failed(struct http_call *k, int rc)
{
    struct http_response *ret = k->ret;
    if (rc == -ECANCELED) {
        http_response_fini(ret);
        ret->error = "";
        return -ECANCELED;
    }
    (void)keep_url(k);
    char saved[1024];
    snprintf(saved, sizeof saved, "%s", err_message());
    forget_answer(ret);
    report(k);
    return err_set(rc, "%s", saved);
}

static int finish_answered(struct http_call *k)
{
    struct http_response *ret = k->ret;
    if (k->status_101) {
        struct str text = ret->status_text;
        return err_set(E_UNSUPPORTED, "unsupported response status: %.*s", STR_ARG(text));
    }
    int rc = decode(k);
    if (rc < 0) {
        k->in_body = true;
        return finish_failed(k, fail_decode(k, rc));
    }
    rc = keep_url(k);
    if (rc < 0)
        return rc;
    if (ret->status >= 400)
        ret->error_code = 1000 + ret->status;
    store_cookies(k);
    report(k);
    return 0;
}

int http_do(struct http_client *c, const struct http_request *req, struct http_response *ret)
{
    struct http_call k = {
        .c = c,
        .req = req,
        .ret = ret,
        .url = req->url,
        .method = req->method,
        .deadline_ns = req->deadline_ns,
        .send_body = true,
        .keep_private = true,
        .keep_host = true,
    };
    *ret = (struct http_response){.error = ""};
    buf_init(&k.referer, 2 * (size_t)URL_TEXT_MAX);
    http_auth_init(&k.auth);
    c->busy++;
    int rc;
    do {
        rc = http_trip_make(&k);
        if (rc == 0 && req->auth != HTTP_AUTH_BASIC)
            rc = authorize(&k);
        if (rc == 0)
            rc = follow(&k);
    } while (rc > 0);
    rc = rc == 0 ? finish_answered(&k) : finish_failed(&k, rc);
    c->busy--;
    buf_fini(&k.referer);
    http_auth_fini(&k.auth);
    url_fini(&k.own[0]);
    url_fini(&k.own[1]);
    return rc;
}
