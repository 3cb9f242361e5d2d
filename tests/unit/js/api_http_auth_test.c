#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "../client/script_server.h"
#include "base/mem.h"
#include "net/dial.h"

struct online {
    struct world w;
    struct script_server server;
    struct dial_rules rules;
    struct dns_cache *cache;
    struct dialer *dialer;
    char source[4096];
};

static struct online *start(const struct script_exchange *x, size_t len)
{
    struct online *o = mem_calloc(1, sizeof *o);
    assert_non_null(o);
    world_init(&o->w);
    script_server_start(&o->server, x, len);
    dial_rules_init(&o->rules);
    assert_int_equal(dns_cache_new(&o->cache), 0);
    assert_int_equal(dialer_new(&o->rules, o->cache, &o->dialer), 0);
    o->w.run.user_agent = "ua";
    o->w.run.max_redirects = 10;
    o->w.run.batch_per_host = 6;
    o->w.host.dialer = o->dialer;
    world_watch(&o->w, "http_reqs");
    world_watch(&o->w, "http_req_failed");
    return o;
}

static void stop(struct online *o)
{
    world_fini(&o->w);
    dialer_free(o->dialer);
    dns_cache_free(o->cache);
    dial_rules_fini(&o->rules);
    script_server_stop(&o->server);
    script_server_fini(&o->server);
    mem_free(o);
}

/* `H` is the server with credentials in front. */
static const char *says(struct online *o, const char *body)
{
    snprintf(o->source, sizeof o->source,
             "import http from 'k6/http';\nconst H = 'http://us%%65r:p%%3Aw@127.0.0.1:%u';\n"
             "const B = 'http://127.0.0.1:%u';\nexport default function () {\n%s\n}\n",
             o->server.port, o->server.port, body);
    return world_says(&o->w, o->source);
}

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define ASKS(how)                                                                                  \
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: " how "\r\nContent-Length: 2\r\n\r\nno"

static bool says_authorization(const struct online *o, size_t request, const char *text)
{
    const char *at = strstr(o->server.request[request], "\r\nAuthorization: ");
    return text ? at && strncmp(at + 17, text, strlen(text)) == 0 : !at;
}

static void test_digest(void **state)
{
    (void)state;
    static const struct script_exchange x[] = {
        {.reply = ASKS("Basic realm=x\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", "
                       "qop=\"auth\"")},
        {.reply = OK_REPLY}};
    struct online *o = start(x, ARRAY_LEN(x));
    const char *said = says(o, "const r = http.post(H + '/a?b=c', 'body', {auth: 'digest',"
                               "  headers: {Authorization: 'mine'}});"
                               "console.log(r.status, r.body, r.error_code, r.request.method);");
    assert_string_equal(said, "info 200 ok 0 POST\n");
    assert_int_equal(o->server.requests, 2);
    assert_int_equal(o->server.connections, 1);
    assert_true(says_authorization(o, 0, "mine\r\n"));
    assert_true(says_authorization(o, 1,
                                   "Digest username=\"user\", realm=\"r\", nonce=\"n\", "
                                   "uri=\"/a?b=c\", response=\""));
    assert_non_null(strstr(o->server.request[1], "\r\n\r\nbody"));
    assert_int_equal(world_count(&o->w, "http_reqs"), 2);
    assert_true(world_sum(&o->w, "http_req_failed") == 0);
    stop(o);
}

/* Nothing is shown to a server that doesn't ask; and k6 expects it to. */
static void test_digest_not_asked_for(void **state)
{
    (void)state;
    static const struct script_exchange x[] = {{.reply = OK_REPLY}, {.reply = ASKS("Basic")}};
    struct online *o = start(x, ARRAY_LEN(x));
    const char *said = says(o, "console.log(http.get(H, {auth: 'digest'}).status,"
                               "  http.get(H, {auth: 'digest'}).status);");
    assert_string_equal(said, "info 200 401\n");
    assert_true(says_authorization(o, 0, NULL));
    assert_int_equal(o->server.requests, 2);
    assert_true(world_sum(&o->w, "http_req_failed") == 1);
    stop(o);
}

#define CHALLENGE                                                                                  \
    "TlRMTVNTUAACAAAADAAMADgAAAAzgoriASNFZ4mrze8AAAAAAAAAACQAJABEAAAABgBwFwAAAA9TAGUAcgB2AGUAcgAC" \
    "AAwARABvAG0AYQBpAG4AAQAMAFMAZQByAHYAZQByAAAAAAA="

static void test_ntlm(void **state)
{
    (void)state;
    static const struct script_exchange x[] = {
        {.reply = ASKS("Negotiate\r\nWWW-Authenticate: NTLM")},
        {.reply = ASKS("NTLM " CHALLENGE)},
        {.reply = OK_REPLY}};
    struct online *o = start(x, ARRAY_LEN(x));
    const char *said = says(o, "const r = http.post(H + '/a', 'body', {auth: 'ntlm'});"
                               "console.log(r.status, r.body);");
    assert_string_equal(said, "info 200 ok\n");
    assert_int_equal(o->server.requests, 3);
    assert_int_equal(o->server.connections, 1);
    assert_true(says_authorization(o, 0, NULL));
    assert_true(says_authorization(o, 1, "NTLM TlRMTVNTUAABAAAA"));
    assert_true(says_authorization(o, 2, "NTLM TlRMTVNTUAADAAAA"));
    assert_int_equal(world_count(&o->w, "http_reqs"), 3);
    assert_true(world_sum(&o->w, "http_req_failed") == 1);
    stop(o);
}

/* A server without NTLM gets Basic; one whose challenge is none is an error. */
static void test_ntlm_otherwise(void **state)
{
    (void)state;
    static const struct script_exchange x[] = {
        {.reply = ASKS("Basic")},     {.reply = OK_REPLY},     {.reply = ASKS("NTLM")},
        {.reply = ASKS("NTLM AAAA")}, {.reply = ASKS("NTLM")}, {.reply = ASKS("NTLM")},
        {.reply = ASKS("NTLM")}};
    struct online *o = start(x, ARRAY_LEN(x));
    const char *said =
        says(o, "const show = (r) => console.log(r.status, r.error_code, r.error);"
                "show(http.get(H, {auth: 'ntlm'})); show(http.get(H, {auth: 'ntlm'}));"
                "show(http.get(H, {auth: 'ntlm'})); show(http.get(B, {auth: 'ntlm'}));");
    assert_string_equal(said, "info 200 0 \nwarning Request Failed\n"
                              "info 0 1000 ntlm: the server's challenge is malformed\n"
                              "info 401 1401 \ninfo 401 1401 \n");
    assert_true(says_authorization(o, 1, "Basic dXNlcjpwOnc=\r\n"));
    stop(o);
}

/* httpDebug shows each round trip. */
static void test_debug(void **state)
{
    (void)state;
    static const struct script_exchange x[] = {{.reply = ASKS("Digest realm=\"r\", nonce=\"n\"")},
                                               {.reply = OK_REPLY}};
    static const char *const want[] = {
        "info Request:\nPOST / HTTP/1.1\nHost: 127.0.0.1:",
        "\nUser-Agent: ua\nContent-Length: 4\n\nbody\n\n",
        "info Response:\nHTTP/1.1 401 Unauthorized\nWww-Authenticate: Digest realm=",
        "\nContent-Length: 2\n\nno\n\ninfo Request:\nPOST / ",
        "\nAuthorization: Digest username=",
        "\n\nbody\n\ninfo Response:\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok\n\n"};
    struct online *o = start(x, ARRAY_LEN(x));
    o->w.run.http_debug = HTTP_DEBUG_FULL;
    const char *at = says(o, "http.post(H, 'body', {auth: 'digest'});");
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const char *found = strcasestr(at, want[i]);
        if (!found)
            fail_msg("no %s in %s", want[i], at);
        at = found + strlen(want[i]);
    }
    stop(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest), cmocka_unit_test(test_digest_not_asked_for),
        cmocka_unit_test(test_ntlm),   cmocka_unit_test(test_ntlm_otherwise),
        cmocka_unit_test(test_debug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
