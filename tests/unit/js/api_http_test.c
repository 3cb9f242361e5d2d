#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "../client/script_server.h"
#include "base/mem.h"
#include "net/dial.h"

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

/* A world that can reach a script_server, whose address is `B` in scripts. */
struct online {
    struct world w;
    struct script_server server;
    struct dial_rules rules;
    struct dns_cache *cache;
    struct dialer *dialer;
    char source[16384];
};

static void online_init(struct online *o, const struct script_exchange *x, size_t len)
{
    world_init(&o->w);
    script_server_start(&o->server, x, len);
    dial_rules_init(&o->rules);
    assert_int_equal(dns_cache_new(&o->cache), 0);
    assert_int_equal(dialer_new(&o->rules, o->cache, &o->dialer), 0);
    o->w.run.user_agent = "Grafana k6/2.2.0";
    o->w.run.max_redirects = 10;
    o->w.run.batch_per_host = 6;
    o->w.host.dialer = o->dialer;
}

static void online_fini(struct online *o)
{
    world_fini(&o->w);
    dialer_free(o->dialer);
    dns_cache_free(o->cache);
    dial_rules_fini(&o->rules);
    script_server_stop(&o->server);
    script_server_fini(&o->server);
}

/* What the body of a default function says, one exchange a request. */
static const char *says(struct online *o, const char *body)
{
    snprintf(o->source, sizeof o->source,
             "import http, {CookieJar} from 'k6/http';\nconst B = 'http://127.0.0.1:%u';\n"
             "export default function () {\n%s\n}\n",
             o->server.port, body);
    return world_says(&o->w, o->source);
}

static void check(const char *body, const char *want, const struct script_exchange *x, size_t len)
{
    struct online *o = mem_calloc(1, sizeof *o);
    assert_non_null(o);
    online_init(o, x, len);
    assert_string_equal(says(o, body), want);
    online_fini(o);
    mem_free(o);
}

#define CHECK_SAYS(body, want, ...)                                                                \
    do {                                                                                           \
        static const struct script_exchange exchanges[] = {__VA_ARGS__};                           \
        check(body, want, exchanges, ARRAY_LEN(exchanges));                                        \
    } while (0)

/* ---- Response ------------------------------------------------------------------------------- */

static void test_own_properties(void **state)
{
    (void)state;
    CHECK_SAYS(
        "const r = http.get(B + '/x');"
        "console.log(Object.keys(r).join(' '));"
        "const s = {...r}; console.log(Object.keys(s).length, s.status, s.body);"
        "const j = JSON.parse(JSON.stringify(r));"
        "console.log(Object.keys(j).join(' '));"
        "console.log(j.status, j.body, j.headers['Content-Type'], typeof j.timings.duration);"
        "console.log('status' in r, 'nope' in r, r.hasOwnProperty('body'), r.toString());"
        "let n = 0; for (const k in r) n++; console.log(n);",
        "info remote_ip remote_port url status status_text proto headers cookies body timings "
        "tls_version tls_cipher_suite ocsp error error_code request clickLink html json "
        "submitForm\n"
        "info 20 200 ok\n"
        "info remote_ip remote_port url status status_text proto headers cookies body timings "
        "tls_version tls_cipher_suite ocsp error error_code request\n"
        "info 200 ok text/plain number\n"
        "info true false true [object Object]\n"
        "info 20\n",
        {.reply = OK_REPLY});
}

static void test_fields(void **state)
{
    (void)state;
    CHECK_SAYS(
        "const r = http.get(B + '/x?a=1');"
        "console.log(r.remote_ip, r.remote_port === Number(B.split(':')[2]), r.url === B + "
        "'/x?a=1');"
        "console.log(r.status, r.status_text, r.proto, r.body, r.error === '', r.error_code);"
        "console.log(JSON.stringify(r.headers));"
        "console.log(JSON.stringify(r.cookies));"
        "console.log(Object.keys(r.timings).join(' '));"
        "const t = r.timings;"
        "console.log(Math.abs(t.duration - t.sending - t.waiting - t.receiving) < 1e-9, "
        "t.looking_up);"
        "console.log(r.tls_version === '', r.tls_cipher_suite === '', r.ocsp.status === '');"
        "console.log(r.request.method, r.request.url === r.url, r.request.body === '',"
        "JSON.stringify(r.request.headers), JSON.stringify(r.request.cookies));"
        "console.log(r.headers === r.headers, r.timings === r.timings);",
        "info 127.0.0.1 true true\n"
        "info 200 200 OK HTTP/1.1 ok true 0\n"
        "info {\"Set-Cookie\":\"a=b; Path=/; HttpOnly; Max-Age=10, c=d\",\"X-Two\":\"1, 2\","
        "\"Content-Length\":\"2\"}\n"
        "info {\"a\":[{\"name\":\"a\",\"value\":\"b\",\"domain\":\"\",\"path\":\"/\","
        "\"http_only\":true,\"secure\":false,\"max_age\":10,\"expires\":-6795364578871}],"
        "\"c\":[{\"name\":\"c\",\"value\":\"d\",\"domain\":\"\",\"path\":\"\","
        "\"http_only\":false,\"secure\":false,\"max_age\":0,\"expires\":-6795364578871}]}\n"
        "info duration blocked looking_up connecting tls_handshaking sending waiting receiving\n"
        "info true 0\n"
        "info true true true\n"
        "info GET true true {\"User-Agent\":[\"Grafana k6/2.2.0\"]} {}\n"
        "info true true\n",
        {.reply = "HTTP/1.1 200 OK\r\nset-cookie: a=b; Path=/; HttpOnly; Max-Age=10\r\n"
                  "x-two: 1\r\nSet-Cookie: c=d\r\nX-Two: 2\r\nContent-Length: 2\r\n\r\nok"});
}

static void test_assignment(void **state)
{
    (void)state;
    CHECK_SAYS(
        "const r = http.get(B);"
        "r.status = 1; r.extra = 2; delete r.error; r.body = '{\"a\":3}';"
        "console.log(r.status, r.extra, r.error, Object.keys(r).includes('error'), r.json().a);"
        "Object.defineProperty(r, 'url', {get() { return 'mine'; }, enumerable: true, "
        "configurable: true});"
        "console.log(r.url, Object.keys(r).filter((k) => k === 'url').length);"
        "Object.freeze(r); try { r.status = 5; } catch (e) { console.log(e.name); }"
        "console.log(r.status, Object.isFrozen(r));",
        "info 1 2 undefined false 3\ninfo mine 1\ninfo TypeError\ninfo 1 true\n",
        {.reply = OK_REPLY});
}

/* A response that the collector alone can free: what it sent points back at it. */
static void test_cycles(void **state)
{
    (void)state;
    CHECK_SAYS("const body = new ArrayBuffer(3); const r = http.post(B, body);"
               "body.back = r; r.self = r; r.body = {r}; console.log(r.self === r);",
               "info true\n", {.reply = OK_REPLY});
}

static void test_bodies(void **state)
{
    (void)state;
    CHECK_SAYS("console.log(http.get(B, {responseType: 'none'}).body);"
               "const b = http.get(B, {responseType: 'binary'}).body;"
               "console.log(b instanceof ArrayBuffer, b.byteLength);"
               "console.log(http.get(B).body);"
               "console.log(http.head(B).body === '');"
               "const t = http.get(B).body; console.log(t.length, t.charCodeAt(0), "
               "t.charCodeAt(1), t.charCodeAt(3));",
               "info null\ninfo true 2\ninfo null\ninfo true\ninfo 4 65533 65533 233\n",
               {.reply = OK_REPLY}, {.reply = OK_REPLY},
               {.reply = "HTTP/1.1 204 No Content\r\n\r\n"},
               {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"},
               {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\xff\xfex\xc3\xa9"});
}

#define JSON_REPLY(text) "HTTP/1.0 200 OK\r\n\r\n" text, .then = SCRIPT_CLOSE

static void test_json(void **state)
{
    (void)state;
    CHECK_SAYS(
        "const r = http.get(B);"
        "console.log(r.json().name.last, r.json() === r.json());"
        "for (const p of ['name.last', 'age', 'children.1', 'children.#', 'child*.2', 'c?ildren.0',"
        "  'fav\\\\.movie', 'friends.#.first', 'friends.#(last==\"Murphy\").first',"
        "  'friends.#(last==\"Murphy\")#.first', 'friends.#(age>45)#.last', "
        "'friends.#(first%\"D*\").last',"
        "  'children.#(!%\"*a*\")', 'children.#(%\"*a*\")#', 'friends.#(nets.#(==\"fb\"))#.first',"
        "  'friends.#(last=\"Murphy\")#|0', 'friends|0|first', 'nope', 'children.9', "
        "'friends.#.nope', ''])"
        "  console.log(p, JSON.stringify(r.json(p)));",
        "info Anderson true\n"
        "info name.last \"Anderson\"\ninfo age 37\ninfo children.1 \"Alex\"\ninfo children.# 3\n"
        "info child*.2 \"Jack\"\ninfo c?ildren.0 \"Sara\"\ninfo fav\\.movie \"Deer Hunter\"\n"
        "info friends.#.first [\"Dale\",\"Roger\",\"Jane\"]\n"
        "info friends.#(last==\"Murphy\").first \"Dale\"\n"
        "info friends.#(last==\"Murphy\")#.first [\"Dale\",\"Jane\"]\n"
        "info friends.#(age>45)#.last [\"Craig\",\"Murphy\"]\n"
        "info friends.#(first%\"D*\").last \"Murphy\"\n"
        "info children.#(!%\"*a*\") \"Alex\"\n"
        "info children.#(%\"*a*\")# [\"Sara\",\"Jack\"]\n"
        "info friends.#(nets.#(==\"fb\"))#.first [\"Dale\",\"Roger\"]\n"
        "info friends.#(last=\"Murphy\")#|0 {\"first\":\"Dale\",\"last\":\"Murphy\",\"age\":44,"
        "\"nets\":[\"ig\",\"fb\",\"tw\"]}\n"
        "info friends|0|first \"Dale\"\ninfo nope undefined\ninfo children.9 undefined\n"
        "info friends.#.nope []\ninfo  undefined\n",
        {.reply = JSON_REPLY(
             "{\"name\":{\"first\":\"Tom\",\"last\":\"Anderson\"},\"age\":37,"
             "\"children\":[\"Sara\",\"Alex\",\"Jack\"],\"fav.movie\":\"Deer Hunter\",\"friends\":["
             "{\"first\":\"Dale\",\"last\":\"Murphy\",\"age\":44,\"nets\":[\"ig\",\"fb\",\"tw\"]},"
             "{\"first\":\"Roger\",\"last\":\"Craig\",\"age\":68,\"nets\":[\"fb\",\"tw\"]},"
             "{\"first\":\"Jane\",\"last\":\"Murphy\",\"age\":47,\"nets\":[\"ig\",\"tw\"]}]}")});
}

static void test_bad_json(void **state)
{
    (void)state;
    CHECK_SAYS("for (let i = 0; i < 8; i++) { const r = http.get(B);"
               "  try { r.json(); console.log('good'); } catch (e) { console.log(e.message); }"
               "  console.log(r.json('a')); }"
               "try { http.get(B).json(); } catch (e) { console.log(e.name, e.message); }",
               "info cannot parse json due to an error at line 1, character 1 , error: invalid "
               "character '<' looking for beginning of value\ninfo undefined\n"
               "info cannot parse json due to an error at line 1, character 6 , error: invalid "
               "character '}' looking for beginning of value\ninfo undefined\n"
               "info cannot parse json due to an error at line 2, character 6 , error: invalid "
               "character 'b' looking for beginning of object key string\ninfo undefined\n"
               "info cannot parse json due to an error at line 1, character 2 , error: unexpected "
               "end of JSON input\ninfo undefined\n"
               "info cannot parse json due to an error at line 1, character 3 , error: invalid "
               "character 'x' in literal true (expecting 'u')\ninfo undefined\n"
               "info cannot parse json due to an error at line 1, character 5 , error: invalid "
               "character ']' after object key\ninfo undefined\n"
               "info cannot parse json due to an error at line 1, character 4 , error: invalid "
               "character '2' after top-level value\ninfo undefined\n"
               "info good\ninfo \xef\xbf\xbd\n"
               "info GoError the body is null so we can't transform it to JSON - this likely was "
               "because of a request error getting the response\n",
               {.reply = JSON_REPLY("<html>")}, {.reply = JSON_REPLY("{\"a\":}")},
               {.reply = JSON_REPLY("{\"a\":1,\n    b:2}")}, {.reply = JSON_REPLY("[1")},
               {.reply = JSON_REPLY("trx")}, {.reply = JSON_REPLY("{\"a\"]")},
               {.reply = JSON_REPLY("12 2")}, {.reply = JSON_REPLY("{\"a\":\"\xff\"}")},
               {.reply = "HTTP/1.1 204 No Content\r\n\r\n"});
}

/* ---- requests ------------------------------------------------------------------------------- */

static void test_wire(void **state)
{
    (void)state;
    static const struct script_exchange x[] = {
        {.reply = OK_REPLY}, {.reply = OK_REPLY}, {.reply = OK_REPLY},
        {.reply = OK_REPLY}, {.reply = OK_REPLY}, {.reply = OK_REPLY},
        {.reply = OK_REPLY}, {.reply = OK_REPLY}, {.reply = OK_REPLY},
    };
    struct online *o = mem_calloc(1, sizeof *o);
    assert_non_null(o);
    online_init(o, x, ARRAY_LEN(x));
    const char *log = says(
        o, "http.get(B + '/get?a=b c', {headers: {'x-lower': 'v', Accept: '*/*', 'X-LOWER': 'w'},"
           "  cookies: {k1: 'v1', k2: {value: 'v2'}}});"
           "http.cookieJar().set(B, 'a', 'b');"
           "const r = http.post(B + '/form', {z: '1 2', a: ['x', 'y'], n: 5, b: true});"
           "console.log(r.request.body, JSON.stringify(r.request.headers), "
           "JSON.stringify(r.request.cookies));"
           "http.post(B + '/json', JSON.stringify({a: 1}), {headers: {'Content-Type': "
           "'application/json'}});"
           "http.post(B + '/nobody');"
           "http.del(B + '/del');"
           "http.del(B + '/delbody', 'x');"
           "http.request('purge', B + '/purge');"
           "http.post(B + '/ab', new Uint8Array([97, 98, 99]).buffer, {cookies: {a: {value: "
           "'mine', replace: true}}});"
           "http.patch(B + '/ta', new Uint8Array([100, 101, 102]).subarray(1));");
    assert_string_equal(
        log,
        "info a=x&a=y&b=true&n=5&z=1+2 {\"Content-Type\":[\"application/x-www-form-urlencoded\"],"
        "\"User-Agent\":[\"Grafana k6/2.2.0\"],\"Cookie\":[\"a=b\"]} "
        "{\"a\":[{\"name\":\"a\",\"value\":\"b\","
        "\"replace\":false}]}\n");
    static const char *const want[] = {
        "GET /get?a=b c HTTP/1.1\r\n%sAccept: */*\r\nCookie: k1=v1; k2=v2\r\nX-Lower: w\r\n\r\n",
        "POST /form HTTP/1.1\r\n%sContent-Length: 24\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nCookie: "
        "a=b\r\n\r\na=x&a=y&b=true&n=5&z=1+2",
        ("POST /json HTTP/1.1\r\n%sContent-Length: 7\r\nContent-Type: application/json\r\n"
         "Cookie: a=b\r\n\r\n{\"a\":1}"),
        "POST /nobody HTTP/1.1\r\n%sContent-Length: 0\r\nCookie: a=b\r\n\r\n",
        "DELETE /del HTTP/1.1\r\n%sCookie: a=b\r\n\r\n",
        "DELETE /delbody HTTP/1.1\r\n%sContent-Length: 1\r\nCookie: a=b\r\n\r\nx",
        "purge /purge HTTP/1.1\r\n%sCookie: a=b\r\n\r\n",
        "POST /ab HTTP/1.1\r\n%sContent-Length: 3\r\nCookie: a=mine\r\n\r\nabc",
        "PATCH /ta HTTP/1.1\r\n%sContent-Length: 2\r\nCookie: a=b\r\n\r\nef",
    };
    assert_int_equal(o->server.requests, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        char common[100], text[1000];
        snprintf(common, sizeof common, "Host: 127.0.0.1:%u\r\nUser-Agent: Grafana k6/2.2.0\r\n",
                 o->server.port);
        const char *mark = strstr(want[i], "%s");
        snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - want[i]), want[i], common, mark + 2);
        assert_string_equal(o->server.request[i], text);
    }
    online_fini(o);
    mem_free(o);
}

static void test_what_is_wrong(void **state)
{
    (void)state;
    CHECK_SAYS(
        "const show = (r) => console.log(r.status, r.error_code, r.error, typeof r.body, r.url === "
        "'');"
        "show(http.get('http://a b/')); show(http.get(null)); show(http.get());"
        "show(http.get(B, {responseType: 'xx'})); show(http.get(B, {timeout: 'xx'}));"
        "show(http.post(B, 5)); show(http.get(B, {responseCallback: 5}));"
        "show(http.post(B, 'x', {compression: 'lzw'}));"
        "show(http.get('ftp://x/')); show(http.get('x/get'));"
        "try { http.get('http://127.0.0.1:1/', {throw: true}); } catch (e) { console.log(e.name, "
        "e.message); }",
        "warning Request Failed\n"
        "info 0 1020 invalid URL: parse \"http://a b/\": invalid character \" \" in host name "
        "object true\n"
        "warning Request Failed\ninfo 0 1020 invalid URL: '#<nil>' object true\n"
        "warning Request Failed\ninfo 0 1020 invalid URL: '#<nil>' object true\n"
        "warning Request Failed\ninfo 0 0 xx does not belong to ResponseType values object true\n"
        "warning Request Failed\n"
        "info 0 0 invalid timeout value: time: invalid duration \"xx\" object true\n"
        "warning Request Failed\ninfo 0 0 unknown request body type int64 object true\n"
        "warning Request Failed\ninfo 0 0 unsupported responseCallback object true\n"
        "warning Request Failed\ninfo 0 0 unknown compression algorithm lzw, supported algorithms "
        "are "
        "[gzip deflate zstd br] object true\n"
        "warning Request Failed\ninfo 0 1000 unsupported protocol scheme \"ftp\" object false\n"
        "warning Request Failed\ninfo 0 1000 unsupported protocol scheme \"\" object false\n"
        "info GoError Get \"http://127.0.0.1:1/\": dial tcp 127.0.0.1:1: connect: connection "
        "refused\n",
        {.reply = OK_REPLY});
}

static void test_init_code(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_source(&w, "import http from 'k6/http'; http.get('http://127.0.0.1/');");
    assert_true(w.rc < 0);
    assert_non_null(strstr(w.message, "Making http requests in the init context is not supported"));
    world_fini(&w);
}

static void test_compression(void **state)
{
    (void)state;
    static const struct script_exchange x[] = {{.reply = OK_REPLY}};
    struct online *o = mem_calloc(1, sizeof *o);
    assert_non_null(o);
    online_init(o, x, 1);
    says(o, "http.post(B, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', {compression: 'gzip'});");
    assert_non_null(strstr(o->server.request[0], "Content-Encoding: gzip\r\n"));
    online_fini(o);
    mem_free(o);
}

static void test_redirects(void **state)
{
    (void)state;
    CHECK_SAYS(
        "let r = http.get(B + '/a'); console.log(r.status, r.url === B + '/b', r.request.url === B "
        "+ '/a', r.cookies.c);"
        "r = http.get(B + '/a', {redirects: 0}); console.log(r.status, r.url === B + '/a');",
        "info 200 true true undefined\ninfo 302 true\n",
        {.reply =
             "HTTP/1.1 302 Found\r\nLocation: /b\r\nSet-Cookie: c=1\r\nContent-Length: 0\r\n\r\n"},
        {.reply = OK_REPLY},
        {.reply = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"});
}

/* ---- jars ----------------------------------------------------------------------------------- */

static void test_jars(void **state)
{
    (void)state;
    CHECK_SAYS(
        "http.get(B);"
        "const jar = http.cookieJar(); console.log(JSON.stringify(jar.cookiesForURL(B)));"
        "jar.set(B, 'x', 'y', {path: '/p'}); console.log(JSON.stringify(jar.cookiesForURL(B + "
        "'/p/q')));"
        "jar.delete(B, 'a'); console.log(JSON.stringify(jar.cookiesForURL(B)));"
        "const own = new CookieJar(); own.set(B, 'mine', '1'); http.get(B, {jar: own});"
        "own.clear(B); console.log(JSON.stringify(own.cookiesForURL(B)));"
        "try { jar.set(B, 'e', 'f', {expires: 'soon'}); } catch (e) { console.log(e.message); }"
        "console.log(own instanceof CookieJar, Object.keys(jar).length);",
        "info {\"a\":[\"1\"]}\ninfo {\"x\":[\"y\"],\"a\":[\"1\"]}\ninfo {}\ninfo {}\n"
        "info unable to parse \"expires\" date string \"soon\"\ninfo true 0\n",
        {.reply = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n"},
        {.reply = OK_REPLY});
}

static void test_jar_is_new_each_iteration(void **state)
{
    (void)state;
    static const struct script_exchange x[] = {
        {.reply = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n"},
        {.reply = OK_REPLY},
        {.reply = OK_REPLY},
        {.reply = OK_REPLY}};
    struct online *o = mem_calloc(1, sizeof *o);
    assert_non_null(o);
    online_init(o, x, ARRAY_LEN(x));
    says(o, "http.get(B); http.get(B);");
    assert_int_equal(world_call(&o->w, "default"), 0);
    assert_int_equal(o->server.requests, 4);
    assert_null(strstr(o->server.request[0], "Cookie"));
    assert_non_null(strstr(o->server.request[1], "Cookie: a=1"));
    assert_null(strstr(o->server.request[2], "Cookie"));
    online_fini(o);
    mem_free(o);
}

/* ---- samples -------------------------------------------------------------------------------- */

static void test_samples(void **state)
{
    (void)state;
    static const struct script_exchange x[] = {
        {.reply = OK_REPLY},
        {.reply = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"},
        {.reply = OK_REPLY},
        {.reply = OK_REPLY},
        {.reply = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"},
        {.reply = OK_REPLY},
        {.reply = "HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n"},
        {.then = SCRIPT_CLOSE},
    };
    struct online *o = mem_calloc(1, sizeof *o);
    assert_non_null(o);
    online_init(o, x, ARRAY_LEN(x));
    char url[100], name[100];
    snprintf(url, sizeof url, "http_reqs{url:http://127.0.0.1:%u/plain}", o->server.port);
    snprintf(name, sizeof name, "http_reqs{name:http://127.0.0.1:%u/u/${}}", o->server.port);
    const char *keys[] = {"http_reqs{status:200}",
                          "http_reqs{status:404}",
                          "http_reqs{error_code:1404}",
                          "http_reqs{status:0}",
                          "http_reqs{error_code:1000}",
                          "http_reqs{error:EOF}",
                          "http_reqs{name:mine}",
                          "http_reqs{url:mine}",
                          "http_reqs{method:GET}",
                          "http_reqs{proto:HTTP/1.1}",
                          "http_reqs{expected_response:false}",
                          "http_reqs{expected_response:true}",
                          "http_reqs{scenario:default}",
                          "http_reqs{mytag:v}",
                          url,
                          name};
    static const uint64_t counts[] = {4, 1, 1, 1, 1, 1, 1, 1, 7, 7, 2, 6, 8, 1, 1, 1};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        world_watch(&o->w, keys[i]);
    world_watch(&o->w, "http_req_failed");
    says(o, "http.get(B + '/plain'); http.get(B + '/missing');"
            "http.get(B + '/x', {tags: {name: 'mine', mytag: 'v'}});"
            "http.get(http.url`${B}/u/${5}`.url === undefined ? '' : http.url(['http://127.0.0.1:' "
            "+ B.split(':')[2] + '/u/', ''], 5));"
            "http.get(B + '/r');"
            "http.get(B + '/tea', {responseCallback: http.expectedStatuses(418, {min: 500, max: "
            "599})});"
            "http.post(B + '/gone', 'x');");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (world_count(&o->w, keys[i]) != counts[i])
            fail_msg("%s: %d", keys[i], (int)world_count(&o->w, keys[i]));
    assert_int_equal(world_count(&o->w, "http_reqs"), 8);
    assert_int_equal(world_count(&o->w, "http_req_duration"), 8);
    assert_int_equal((int)world_sum(&o->w, "http_req_failed"), 2);
    assert_true(o->w.host.bytes_sent > 500);
    assert_true(o->w.host.bytes_received > 300);
    online_fini(o);
    mem_free(o);
}

static void test_response_callback(void **state)
{
    (void)state;
    static const struct script_exchange x[] = {{.reply = OK_REPLY}, {.reply = OK_REPLY}};
    struct online *o = mem_calloc(1, sizeof *o);
    assert_non_null(o);
    online_init(o, x, ARRAY_LEN(x));
    world_watch(&o->w, "http_req_failed");
    const char *log = says(
        o, "http.setResponseCallback(null); http.get(B);"
           "http.setResponseCallback(http.expectedStatuses(201)); http.get(B);"
           "for (const f of [() => http.expectedStatuses(), () => http.expectedStatuses('x'),"
           "  () => http.expectedStatuses({min: 1, max: 'y'}), () => http.setResponseCallback(5)])"
           "  try { f(); } catch (e) { console.log(e.message); }"
           "console.log(http.TLS_1_3, http.OCSP_STATUS_GOOD, http.OCSP_REASON_AA_COMPROMISE);");
    assert_string_equal(
        log, "info no arguments\n"
             "info argument number 1 to expectedStatuses was neither an integer nor an object like "
             "{min:100, max:329}\n"
             "info both min and max need to be integers for argument number 1\n"
             "info unsupported argument, expected http.expectedStatuses\n"
             "info tls1.3 good aa_compromise\n");
    assert_int_equal(world_count(&o->w, "http_req_failed"), 1);
    assert_int_equal((int)world_sum(&o->w, "http_req_failed"), 1);
    online_fini(o);
    mem_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_properties), cmocka_unit_test(test_fields),
        cmocka_unit_test(test_assignment),     cmocka_unit_test(test_cycles),
        cmocka_unit_test(test_bodies),         cmocka_unit_test(test_json),
        cmocka_unit_test(test_bad_json),       cmocka_unit_test(test_wire),
        cmocka_unit_test(test_what_is_wrong),  cmocka_unit_test(test_init_code),
        cmocka_unit_test(test_compression),    cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_jars),           cmocka_unit_test(test_jar_is_new_each_iteration),
        cmocka_unit_test(test_samples),        cmocka_unit_test(test_response_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
