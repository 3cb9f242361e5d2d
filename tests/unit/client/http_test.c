#include "client/http.h"

#include "client_test.h"
#include "script_server.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "client/cookie.h"
#include "net/dial.h"
#include "rt/co.h"
#include "rt/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRIPS_MAX = 16 };

struct seen_trip {
    char method[16], url[128], error[128];
    int status, error_code;
    char proto[16];
    struct http_timings timings;
};

/* A client with its dialer, against a script_server. */
struct world {
    struct script_server server;
    struct dial_rules rules;
    struct dns_cache *cache;
    struct dialer *dialer;
    struct http_client *client;
    struct cookie_jar *jar;
    uint64_t sent, received;
    struct seen_trip trips[TRIPS_MAX];
    size_t trips_len;
    void (*test)(struct world *w);
};

static void on_trip(void *arg, const struct http_trip *t)
{
    struct world *w = arg;
    assert_true(w->trips_len < TRIPS_MAX);
    struct seen_trip *s = &w->trips[w->trips_len++];
    snprintf(s->method, sizeof s->method, "%.*s", STR_ARG(t->method));
    snprintf(s->url, sizeof s->url, "%.*s", STR_ARG(t->url->clean));
    snprintf(s->error, sizeof s->error, "%.*s", STR_ARG(t->error));
    snprintf(s->proto, sizeof s->proto, "%s", t->proto ? t->proto : "");
    s->status = t->status;
    s->error_code = t->error_code;
    s->timings = t->timings;
}

static void run_world(void *arg)
{
    struct world *w = arg;
    struct http_client_options o = {
        .dialer = w->dialer,
        .user_agent = "Grafana k6/2.2.0",
        .idle_per_host_max = 6,
        .bytes_sent = &w->sent,
        .bytes_received = &w->received,
    };
    assert_int_equal(http_client_new(&o, &w->client), 0);
    w->test(w);
    http_client_free(w->client);
}

static void with_server(const struct script_exchange *x, size_t len, void (*test)(struct world *))
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->test = test;
    script_server_start(&w->server, x, len);
    dial_rules_init(&w->rules);
    assert_int_equal(dns_cache_new(&w->cache), 0);
    assert_int_equal(dialer_new(&w->rules, w->cache, &w->dialer), 0);
    assert_int_equal(cookie_jar_new(&w->jar), 0);
    struct loop *l;
    struct co *co;
    assert_int_equal(loop_new(&l), 0);
    assert_int_equal(co_spawn(l, run_world, w, &co), 0);
    loop_run(l);
    dialer_free(w->dialer);
    loop_free(l);
    dns_cache_free(w->cache);
    dial_rules_fini(&w->rules);
    cookie_jar_free(w->jar);
    if (w->server.thread)
        script_server_stop(&w->server);
    script_server_fini(&w->server);
    free(w);
}

#define WITH_SERVER(test, ...)                                                                     \
    do {                                                                                           \
        static const struct script_exchange exchanges[] = {__VA_ARGS__};                           \
        with_server(exchanges, ARRAY_LEN(exchanges), test);                                        \
    } while (0)

/* The server's requests may be read from here on; later tests of the client fail to connect. */
static void stop_server(struct world *w)
{
    script_server_stop(&w->server);
    w->server.thread = 0;
}

struct call {
    const char *method, *path;
    struct http_request req; /* its other members */
    struct url url;
    struct http_response res;
};

static int go(struct world *w, struct call *c)
{
    char text[256];
    if (c->path[0] == '/')
        snprintf(text, sizeof text, "http://127.0.0.1:%u%s", w->server.port, c->path);
    else
        snprintf(text, sizeof text, "%s", c->path);
    assert_int_equal(url_parse(str_of(text), &c->url), 0);
    c->req.method = str_of(c->method);
    c->req.url = &c->url;
    if (c->req.deadline_ns == 0)
        c->req.deadline_ns = clock_mono_ns() + 20 * NS_PER_S;
    c->req.on_trip = on_trip;
    c->req.on_trip_arg = w;
    return http_do(w->client, &c->req, &c->res);
}

static void done(struct call *c)
{
    http_response_fini(&c->res);
    url_fini(&c->url);
}

static void assert_request(struct world *w, size_t i, const char *head)
{
    char want[2048];
    const char *port = strstr(head, "PORT");
    if (port)
        snprintf(want, sizeof want, "%.*s%u%s", (int)(port - head), head, w->server.port, port + 4);
    else
        snprintf(want, sizeof want, "%s", head);
    /* "PORT" may be there twice: in Host and Referer. */
    char *second = strstr(want, "PORT");
    if (second) {
        char tail[1024];
        snprintf(tail, sizeof tail, "%u%s", w->server.port, second + 4);
        memcpy(second, tail, strlen(tail) + 1);
    }
    assert_true(i < w->server.requests);
    assert_string_equal(w->server.request[i], want);
}

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* ---- wire bytes ----------------------------------------------------------------------------- */

static void do_keep_alive(struct world *w)
{
    for (int i = 0; i < 3; i++) {
        struct call c = {.method = "GET", .path = "/get?a=b c"};
        assert_int_equal(go(w, &c), 0);
        assert_int_equal(c.res.status, 200);
        assert_str(c.res.status_text, "200 OK");
        assert_string_equal(c.res.proto, "HTTP/1.1");
        assert_str(c.res.body, "ok");
        assert_true(c.res.has_body);
        assert_string_equal(c.res.remote_ip, "127.0.0.1");
        assert_int_equal(c.res.remote_port, w->server.port);
        assert_int_equal(c.res.error_code, 0);
        assert_true(c.res.timings.sending_ns > 0);
        assert_int_equal(c.res.timings.connecting_ns > 0, i == 0);
        done(&c);
    }
    stop_server(w);
    assert_int_equal(w->server.connections, 1);
    assert_request(w, 0,
                   "GET /get?a=b c HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n"
                   "User-Agent: Grafana k6/2.2.0\r\n\r\n");
    assert_int_equal(w->trips_len, 3);
    assert_int_equal(w->trips[2].status, 200);
    assert_string_equal(w->trips[2].proto, "HTTP/1.1");
    assert_int_equal(w->sent, 3 * strlen(w->server.request[0]));
    assert_int_equal(w->received, 3 * strlen(OK_REPLY));
}

static void test_keep_alive(void **state)
{
    (void)state;
    WITH_SERVER(do_keep_alive, {.reply = OK_REPLY}, {.reply = OK_REPLY}, {.reply = OK_REPLY});
}

static void do_headers(struct world *w)
{
    const struct http_header headers[] = {{STR("X-Lower"), STR("v")},
                                          {STR("Host"), STR("foo.example")},
                                          {STR("Accept"), STR("*/*")},
                                          {STR("Content-Length"), STR("99")},
                                          {STR("User-Agent"), STR("mine")}};
    struct call c = {.method = "POST",
                     .path = "/form",
                     .req = {.headers = headers,
                             .headers_len = ARRAY_LEN(headers),
                             .body = STR("a=1"),
                             .cookies = STR("k1=v1; k2=v2")}};
    assert_int_equal(go(w, &c), 0);
    done(&c);
    static const char *const bodiless[] = {"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "purge"};
    for (size_t i = 0; i < ARRAY_LEN(bodiless); i++) {
        struct call d = {.method = bodiless[i], .path = "/x"};
        assert_int_equal(go(w, &d), 0);
        done(&d);
    }
    struct call e = {.method = "DELETE", .path = "/x", .req.body = STR("x")};
    assert_int_equal(go(w, &e), 0);
    done(&e);
    stop_server(w);
    assert_request(w, 0,
                   "POST /form HTTP/1.1\r\nHost: foo.example\r\nUser-Agent: mine\r\n"
                   "Content-Length: 3\r\nAccept: */*\r\nCookie: k1=v1; k2=v2\r\nX-Lower: v\r\n\r\n"
                   "a=1");
    for (size_t i = 0; i < ARRAY_LEN(bodiless); i++) {
        char want[256];
        snprintf(want, sizeof want,
                 "%s /x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUser-Agent: Grafana k6/2.2.0\r\n%s\r\n",
                 bodiless[i], i < 3 ? "Content-Length: 0\r\n" : "");
        assert_request(w, i + 1, want);
    }
    assert_request(w, 7,
                   "DELETE /x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n"
                   "User-Agent: Grafana k6/2.2.0\r\nContent-Length: 1\r\n\r\nx");
}

static void test_headers(void **state)
{
    (void)state;
    WITH_SERVER(do_headers, {.reply = OK_REPLY}, {.reply = OK_REPLY}, {.reply = OK_REPLY},
                {.reply = OK_REPLY}, {.reply = OK_REPLY}, {.reply = OK_REPLY}, {.reply = OK_REPLY},
                {.reply = OK_REPLY});
}

static void do_basic_auth(struct world *w)
{
    char text[64];
    snprintf(text, sizeof text, "http://user:p%%40ss@127.0.0.1:%u/", w->server.port);
    struct call c = {.method = "GET", .path = text};
    assert_int_equal(go(w, &c), 0);
    done(&c);
    stop_server(w);
    assert_request(w, 0,
                   "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUser-Agent: Grafana k6/2.2.0\r\n"
                   "Authorization: Basic dXNlcjpwQHNz\r\n\r\n");
    assert_null(strstr(w->trips[0].url, "user"));
    assert_non_null(strstr(w->trips[0].url, "****:****@"));
}

static void test_basic_auth(void **state)
{
    (void)state;
    WITH_SERVER(do_basic_auth, {.reply = OK_REPLY});
}

static void do_no_reuse(struct world *w)
{
    struct http_client_options o = {.dialer = w->dialer, .user_agent = "ua"};
    struct http_client *keeps = w->client;
    assert_int_equal(http_client_new(&o, &w->client), 0);
    const struct http_header header = {STR("X"), STR("y")};
    for (int i = 0; i < 2; i++) {
        struct call c = {
            .method = "GET", .path = "/", .req = {.headers = &header, .headers_len = 1}};
        assert_int_equal(go(w, &c), 0);
        done(&c);
    }
    http_client_free(w->client);
    w->client = keeps;
    stop_server(w);
    assert_int_equal(w->server.connections, 2);
    assert_request(w, 0,
                   "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUser-Agent: ua\r\nX: y\r\n"
                   "Connection: close\r\n\r\n");
}

static void test_no_reuse(void **state)
{
    (void)state;
    WITH_SERVER(do_no_reuse, {.reply = OK_REPLY}, {.reply = OK_REPLY});
}

static void do_invalid_header(struct world *w)
{
    const struct http_header header = {STR("A b"), STR("v")};
    struct call c = {.method = "GET", .path = "/", .req = {.headers = &header, .headers_len = 1}};
    assert_true(go(w, &c) < 0);
    assert_string_equal(c.res.error, "net/http: invalid header field name \"A b\"");
    assert_int_equal(c.res.error_code, 1000);
    assert_int_equal(w->trips_len, 1);
    done(&c);
}

static void test_invalid_header(void **state)
{
    (void)state;
    WITH_SERVER(do_invalid_header, {.reply = OK_REPLY});
}

static void do_large_body(struct world *w)
{
    size_t len = 60000; /* of a megabyte and more the sample server keeps nothing */
    char *body = malloc(len);
    assert_non_null(body);
    memset(body, 'x', len);
    struct call c = {.method = "POST", .path = "/", .req.body = {body, len}};
    assert_int_equal(go(w, &c), 0);
    done(&c);
    stop_server(w);
    assert_int_equal(w->server.requests, 1);
    const char *end = strstr(w->server.request[0], "\r\n\r\n");
    assert_non_null(end);
    assert_int_equal(strlen(end + 4), len);
    free(body);
}

static void test_large_body(void **state)
{
    (void)state;
    WITH_SERVER(do_large_body, {.reply = OK_REPLY});
}

/* ---- redirects ------------------------------------------------------------------------------ */

static void do_redirects(struct world *w)
{
    const struct http_header headers[] = {{STR("Authorization"), STR("x")},
                                          {STR("Content-Type"), STR("text/plain")}};
    static const char *const paths[] = {"/r301", "/r302", "/r303", "/r307", "/r308"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct call c = {.method = "POST",
                         .path = paths[i],
                         .req = {.headers = headers,
                                 .headers_len = 2,
                                 .body = STR("body"),
                                 .max_redirects = 10,
                                 .jar = w->jar}};
        assert_int_equal(go(w, &c), 0);
        assert_int_equal(c.res.status, 200);
        char url[64];
        snprintf(url, sizeof url, "http://127.0.0.1:%u/after", w->server.port);
        assert_str(c.res.url, url);
        done(&c);
    }
    stop_server(w);
    assert_int_equal(w->server.connections, 1);
    assert_request(
        w, 1,
        "GET /after HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUser-Agent: Grafana k6/2.2.0\r\n"
        "Authorization: x\r\nCookie: rc=1\r\nReferer: http://127.0.0.1:PORT/r301\r\n\r\n");
    assert_request(
        w, 7,
        "POST /after HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUser-Agent: Grafana k6/2.2.0\r\n"
        "Content-Length: 4\r\nAuthorization: x\r\nContent-Type: text/plain\r\nCookie: rc=1\r\n"
        "Referer: http://127.0.0.1:PORT/r307\r\n\r\nbody");
    assert_int_equal(w->trips_len, 10);
    assert_int_equal(w->trips[0].status, 301);
    assert_string_equal(w->trips[0].method, "POST");
    assert_int_equal(w->trips[1].status, 200);
    assert_string_equal(w->trips[1].method, "GET");
}

#define REDIRECT(status, to)                                                                       \
    "HTTP/1.1 " status " Moved\r\nLocation: " to "\r\nContent-Length: 4\r\n\r\ngone"

static void test_redirects(void **state)
{
    (void)state;
    WITH_SERVER(do_redirects,
                {.reply = "HTTP/1.1 301 Moved\r\nLocation: /after\r\nSet-Cookie: rc=1\r\n"
                          "Content-Length: 0\r\n\r\n"},
                {.reply = OK_REPLY}, {.reply = REDIRECT("302", "/after")}, {.reply = OK_REPLY},
                {.reply = REDIRECT("303", "after")}, {.reply = OK_REPLY},
                {.reply = REDIRECT("307", "/after")}, {.reply = OK_REPLY},
                {.reply = REDIRECT("308", "./after")}, {.reply = OK_REPLY});
}

static void do_redirect_limits(struct world *w)
{
    struct call none = {.method = "GET", .path = "/0"};
    assert_int_equal(go(w, &none), 0);
    assert_int_equal(none.res.status, 302);
    assert_true(none.res.redirect_refused);
    assert_str(none.res.body, "gone");
    done(&none);
    struct call one = {.method = "HEAD", .path = "/1", .req.max_redirects = 1};
    assert_int_equal(go(w, &one), 0);
    assert_int_equal(one.res.status, 302);
    assert_true(one.res.redirect_refused);
    done(&one);
    struct call nowhere = {.method = "GET", .path = "/2", .req.max_redirects = 1};
    assert_int_equal(go(w, &nowhere), 0);
    assert_int_equal(nowhere.res.status, 302);
    assert_false(nowhere.res.redirect_refused);
    done(&nowhere);
    struct call bad = {.method = "GET", .path = "/3", .req.max_redirects = 1};
    assert_true(go(w, &bad) < 0);
    assert_int_equal(bad.res.status, 0);
    assert_non_null(strstr(bad.res.error, "failed to parse Location header \"http://a b/\""));
    done(&bad);
    assert_int_equal(w->trips_len, 5);
    assert_int_equal(w->trips[4].status, 0);
}

static void test_redirect_limits(void **state)
{
    (void)state;
    WITH_SERVER(do_redirect_limits, {.reply = REDIRECT("302", "/a")},
                {.reply = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 9\r\n\r\n"},
                {.reply = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 9\r\n\r\n"},
                {.reply = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"},
                {.reply = REDIRECT("302", "http://a b/")});
}

static char other_host_reply[256];

/* Another host gets no Authorization: the same server by another name. */
static void do_other_host(struct world *w)
{
    assert_int_equal(map_put(&w->rules.hosts, STR("other.test"), mem_strdup("127.0.0.1")), 0);
    snprintf(other_host_reply, sizeof other_host_reply,
             "HTTP/1.1 302 Found\r\nLocation: http://other.test:%u/\r\nContent-Length: 0\r\n\r\n",
             w->server.port);
    const struct http_header header = {STR("Authorization"), STR("secret")};
    struct call c = {.method = "GET",
                     .path = "/",
                     .req = {.headers = &header, .headers_len = 1, .max_redirects = 3}};
    assert_int_equal(go(w, &c), 0);
    done(&c);
    stop_server(w);
    assert_non_null(strstr(w->server.request[0], "Authorization: secret"));
    assert_non_null(strstr(w->server.request[1], "Host: other.test"));
    assert_null(strstr(w->server.request[1], "Authorization"));
}

static void test_other_host(void **state)
{
    (void)state;
    static const struct script_exchange exchanges[] = {
        {.reply = other_host_reply, .then = SCRIPT_CLOSE}, {.reply = OK_REPLY}};
    with_server(exchanges, 2, do_other_host);
}

/* ---- connections ---------------------------------------------------------------------------- */

static void do_stale(struct world *w)
{
    struct call first = {.method = "GET", .path = "/1"};
    assert_int_equal(go(w, &first), 0);
    done(&first);
    struct call second = {.method = "GET", .path = "/2"};
    assert_int_equal(go(w, &second), 0); /* the server hung up without a word: tried again */
    assert_int_equal(second.res.status, 200);
    done(&second);
    stop_server(w);
    assert_int_equal(w->server.connections, 2);
    assert_int_equal(w->trips_len, 2);
}

static void test_kept_connection_is_gone(void **state)
{
    (void)state;
    WITH_SERVER(do_stale, {.reply = OK_REPLY}, {.then = SCRIPT_CLOSE}, {.reply = OK_REPLY});
    WITH_SERVER(do_stale, {.reply = OK_REPLY}, {.then = SCRIPT_RESET}, {.reply = OK_REPLY});
}

static void do_stale_post(struct world *w)
{
    struct call first = {.method = "GET", .path = "/1"};
    assert_int_equal(go(w, &first), 0);
    done(&first);
    struct call second = {.method = "POST", .path = "/2", .req.body = STR("once")};
    assert_int_equal(go(w, &second), E_EOF); /* it may have been acted on: not sent twice */
    assert_string_equal(second.res.error, "EOF");
    assert_int_equal(second.res.error_code, 1000);
    done(&second);
    stop_server(w);
    assert_int_equal(w->server.requests, 2);
}

static void test_post_goes_out_once(void **state)
{
    (void)state;
    WITH_SERVER(do_stale_post, {.reply = OK_REPLY}, {.then = SCRIPT_CLOSE}, {.reply = OK_REPLY});
}

static void do_close(struct world *w)
{
    for (int i = 0; i < 2; i++) {
        struct call c = {.method = "GET", .path = "/"};
        assert_int_equal(go(w, &c), 0);
        assert_str(c.res.body, i == 0 ? "ok" : "to the end");
        done(&c);
    }
    stop_server(w);
    assert_int_equal(w->server.connections, 2);
}

static void test_closing_servers(void **state)
{
    (void)state;
    WITH_SERVER(do_close,
                {.reply = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
                 .then = SCRIPT_CLOSE},
                {.reply = "HTTP/1.0 200 OK\r\n\r\nto the end", .then = SCRIPT_CLOSE});
}

/* ---- bodies --------------------------------------------------------------------------------- */

static void do_bodies(struct world *w)
{
    struct call none = {.method = "GET", .path = "/204"};
    assert_int_equal(go(w, &none), 0);
    assert_false(none.res.has_body);
    done(&none);
    struct call head = {.method = "HEAD", .path = "/"};
    assert_int_equal(go(w, &head), 0);
    assert_true(head.res.has_body);
    assert_int_equal(head.res.body.len, 0);
    done(&head);
    struct call discard = {.method = "GET", .path = "/", .req.body_mode = HTTP_BODY_DISCARD};
    assert_int_equal(go(w, &discard), 0);
    assert_false(discard.res.has_body);
    assert_str(http_response_header(&discard.res, "content-length"), "2");
    done(&discard);
    struct call chunked = {.method = "GET", .path = "/"};
    assert_int_equal(go(w, &chunked), 0);
    assert_str(chunked.res.body, "hello world");
    done(&chunked);
    struct call small = {.method = "GET", .path = "/", .req.body_max = 1};
    assert_int_equal(go(w, &small), E_LIMIT);
    done(&small);
}

static void test_bodies(void **state)
{
    (void)state;
    WITH_SERVER(do_bodies, {.reply = "HTTP/1.1 204 No Content\r\n\r\n"},
                {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"}, {.reply = OK_REPLY},
                {.reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"},
                {.reply = OK_REPLY});
}

static void do_bad_gzip(struct world *w)
{
    struct call c = {.method = "GET", .path = "/"};
    assert_int_equal(go(w, &c), E_CORRUPT);
    assert_string_equal(err_message(), "error decompressing response body (gzip: invalid header)");
    assert_string_equal(c.res.error, "error decompressing response body (error decompressing "
                                     "response body (gzip: invalid header))");
    assert_int_equal(c.res.error_code, 1701);
    assert_int_equal(c.res.status, 0);
    assert_false(c.res.has_body);
    assert_int_equal(w->trips[0].error_code, 1701);
    assert_int_equal(w->trips[0].status, 0);
    done(&c);
}

static void test_bad_gzip(void **state)
{
    (void)state;
    WITH_SERVER(do_bad_gzip, {.reply = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                                       "Content-Length: 20\r\n\r\n{\"not\": \"gzip data\"}"});
}

/* ---- errors --------------------------------------------------------------------------------- */

static void expect_error(struct world *w, const char *path, int rc, int code, const char *text)
{
    struct call c = {.method = "GET", .path = path};
    assert_int_equal(go(w, &c), rc);
    assert_string_equal(c.res.error, text);
    assert_int_equal(c.res.error_code, code);
    assert_int_equal(c.res.status, 0);
    assert_false(c.res.has_body);
    assert_int_equal(w->trips_len, 1);
    assert_int_equal(w->trips[0].status, 0);
    assert_string_equal(w->trips[0].error, text);
    assert_int_equal(w->trips[0].error_code, code);
    done(&c);
    w->trips_len = 0;
}

static void do_errors(struct world *w)
{
    expect_error(w, "/", E_EOF, 1000, "EOF");
    expect_error(w, "/", -ECONNRESET, 1220, "read: connection reset by peer");
    expect_error(w, "/", E_PROTOCOL, 1000, "malformed HTTP response \"nonsense\"");
    expect_error(w, "/", E_EOF, 1000, "unexpected EOF");
    expect_error(w, "ftp://127.0.0.1/", -EINVAL, 1000, "unsupported protocol scheme \"ftp\"");
    expect_error(w, "127.0.0.1/get", -EINVAL, 1000, "unsupported protocol scheme \"\"");
    expect_error(w, "http:///x", -EINVAL, 1000, "http: no Host in request URL");
}

static void test_errors(void **state)
{
    (void)state;
    WITH_SERVER(do_errors, {.then = SCRIPT_CLOSE}, {.then = SCRIPT_RESET},
                {.reply = "nonsense\r\n\r\n", .then = SCRIPT_CLOSE},
                {.reply = "HTTP/1.1 200 OK\r\nConte", .then = SCRIPT_CLOSE});
}

static void do_refused(struct world *w)
{
    stop_server(w); /* nobody listens on its port any more */
    struct call c = {.method = "GET", .path = "/"};
    assert_true(go(w, &c) < 0);
    char want[200];
    snprintf(want, sizeof want,
             "Get \"http://127.0.0.1:%u/\": dial tcp 127.0.0.1:%u: connect: connection refused",
             w->server.port, w->server.port);
    assert_string_equal(err_message(), want);
    assert_string_equal(c.res.error, "dial: connection refused");
    assert_int_equal(c.res.error_code, 1212);
    assert_int_equal(c.res.timings.blocked_ns, 0);
    done(&c);
}

static void test_refused(void **state)
{
    (void)state;
    WITH_SERVER(do_refused, {.then = SCRIPT_CLOSE});
}

static void do_blocked(struct world *w)
{
    w->rules.blocked_hostnames = mem_calloc(1, sizeof(char *));
    w->rules.blocked_hostnames[0] = mem_strdup("*.bl.test");
    w->rules.blocked_hostnames_len = 1;
    w->rules.blacklist = mem_calloc(1, sizeof *w->rules.blacklist);
    assert_int_equal(dial_cidr_parse(STR("10.0.0.0/8"), &w->rules.blacklist[0]), 0);
    w->rules.blacklist_len = 1;
    struct call c = {.method = "GET", .path = "http://a.bl.test/"};
    assert_true(go(w, &c) < 0);
    assert_string_equal(c.res.error, "hostname is blocked");
    assert_int_equal(c.res.error_code, 1111);
    done(&c);
    struct call d = {.method = "GET", .path = "http://10.1.2.3/"};
    assert_true(go(w, &d) < 0);
    assert_string_equal(d.res.error, "ip is blacklisted");
    assert_int_equal(d.res.error_code, 1110);
    done(&d);
}

static void test_blocked(void **state)
{
    (void)state;
    WITH_SERVER(do_blocked, {.then = SCRIPT_CLOSE});
}

static void do_timeout(struct world *w)
{
    struct call c = {
        .method = "GET", .path = "/", .req.deadline_ns = clock_mono_ns() + 50 * NS_PER_MS};
    assert_int_equal(go(w, &c), -ETIMEDOUT);
    assert_string_equal(c.res.error, "request timeout");
    assert_int_equal(c.res.error_code, 1050);
    assert_non_null(strstr(err_message(), "/\": request timeout"));
    assert_false(c.res.has_body);
    assert_true(w->trips[0].timings.waiting_ns >= 30 * NS_PER_MS);
    done(&c);
}

static void test_timeout(void **state)
{
    (void)state;
    WITH_SERVER(do_timeout, {.then = SCRIPT_HOLD});
}

static void do_body_timeout(struct world *w)
{
    struct call c = {
        .method = "GET", .path = "/", .req.deadline_ns = clock_mono_ns() + 50 * NS_PER_MS};
    assert_int_equal(go(w, &c), -ETIMEDOUT);
    assert_string_equal(err_message(), "request timeout");
    assert_int_equal(c.res.error_code, 1050);
    assert_int_equal(c.res.status, 0);
    assert_true(c.res.has_body);
    assert_str(c.res.body, "part");
    assert_int_equal(w->trips[0].status, 0);
    assert_true(w->trips[0].timings.receiving_ns > 0);
    done(&c);
}

static void test_body_timeout(void **state)
{
    (void)state;
    WITH_SERVER(do_body_timeout, {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart",
                                  .then = SCRIPT_HOLD});
}

static void do_101(struct world *w)
{
    struct call c = {.method = "GET", .path = "/"};
    assert_int_equal(go(w, &c), E_UNSUPPORTED);
    assert_string_equal(err_message(), "unsupported response status: 101 Switching Protocols");
    assert_int_equal(w->trips_len, 0);
    done(&c);
}

static void test_101(void **state)
{
    (void)state;
    WITH_SERVER(do_101, {.reply = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"});
}

static void do_status_error(struct world *w)
{
    struct call c = {.method = "GET", .path = "/"};
    assert_int_equal(go(w, &c), 0);
    assert_int_equal(c.res.status, 404);
    assert_int_equal(c.res.error_code, 1404);
    assert_string_equal(c.res.error, "");
    assert_int_equal(w->trips[0].status, 404);
    assert_int_equal(w->trips[0].error_code, 1404);
    done(&c);
}

static void test_status_error(void **state)
{
    (void)state;
    WITH_SERVER(do_status_error, {.reply = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"});
}

/* ---- cancelling ----------------------------------------------------------------------------- */

struct cancelled {
    struct world *w;
    int rc;
    struct co *co;
};

static void cancelled_call(void *arg)
{
    struct cancelled *x = arg;
    struct call c = {.method = "GET", .path = "/"};
    x->rc = go(x->w, &c);
    done(&c);
}

static void do_cancel(struct world *w)
{
    struct cancelled x = {.w = w};
    assert_int_equal(co_spawn(loop_current(), cancelled_call, &x, &x.co), 0);
    /* First before it has run at all, so that it is cancelled while it connects; then while it
     * waits for an answer. */
    co_cancel(x.co);
    assert_int_equal(co_join(x.co, clock_mono_ns() + 10 * NS_PER_S), 0);
    assert_int_equal(x.rc, -ECANCELED);
    for (int turns = 1; turns < 6; turns++) {
        x = (struct cancelled){.w = w};
        assert_int_equal(co_spawn(loop_current(), cancelled_call, &x, &x.co), 0);
        for (int i = 0; i < turns; i++)
            assert_int_equal(co_sleep_until(clock_mono_ns() + NS_PER_MS), 0);
        co_cancel(x.co);
        assert_int_equal(co_join(x.co, clock_mono_ns() + 10 * NS_PER_S), 0);
        assert_int_equal(x.rc, -ECANCELED);
    }
    assert_int_equal(w->trips_len, 0);
}

static void test_cancel(void **state)
{
    (void)state;
    WITH_SERVER(do_cancel, {.then = SCRIPT_HOLD}, {.then = SCRIPT_HOLD}, {.then = SCRIPT_HOLD},
                {.then = SCRIPT_HOLD}, {.then = SCRIPT_HOLD}, {.then = SCRIPT_HOLD});
}

/* ---- memory --------------------------------------------------------------------------------- */

static void do_allocations(struct world *w)
{
    int n = 0;
    for (int rc = -1; rc != 0; n++) {
        assert_true(n < 500);
        struct call c = {.req = {.jar = w->jar, .cookies = STR("a=b")}};
        char text[64];
        snprintf(text, sizeof text, "http://u:p@127.0.0.1:%u/", w->server.port);
        w->trips_len = 0;
        assert_int_equal(url_parse(str_of(text), &c.url), 0);
        c.req.method = STR("GET");
        c.req.url = &c.url;
        c.req.deadline_ns = clock_mono_ns() + 20 * NS_PER_S;
        mem_fail_countdown = n;
        rc = http_do(w->client, &c.req, &c.res);
        mem_fail_countdown = -1;
        done(&c);
        http_client_close_idle(w->client);
    }
    assert_true(n > 3);
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    static struct script_exchange many[400];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct script_exchange){
            .reply = "HTTP/1.1 200 OK\r\nSet-Cookie: x=y\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "5\r\nhello\r\n0\r\n\r\n"};
    with_server(many, ARRAY_LEN(many), do_allocations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_basic_auth),
        cmocka_unit_test(test_no_reuse),
        cmocka_unit_test(test_invalid_header),
        cmocka_unit_test(test_large_body),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_redirect_limits),
        cmocka_unit_test(test_other_host),
        cmocka_unit_test(test_kept_connection_is_gone),
        cmocka_unit_test(test_post_goes_out_once),
        cmocka_unit_test(test_closing_servers),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_bad_gzip),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_blocked),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_body_timeout),
        cmocka_unit_test(test_101),
        cmocka_unit_test(test_status_error),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
