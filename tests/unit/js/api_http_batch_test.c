#include "world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crowd.h"
#include "net/dial.h"

/* A world that can reach a crowd, whose address is `B` in scripts. */
struct online {
    struct world w;
    struct crowd *crowd;
    struct dial_rules rules;
    struct dns_cache *cache;
    struct dialer *dialer;
    char source[8192];
};

static int setup(void **state)
{
    struct online *o = mem_calloc(1, sizeof *o);
    assert_non_null(o);
    world_init(&o->w);
    o->crowd = crowd_start();
    dial_rules_init(&o->rules);
    assert_int_equal(dns_cache_new(&o->cache), 0);
    assert_int_equal(dialer_new(&o->rules, o->cache, &o->dialer), 0);
    o->w.run.user_agent = "ua";
    o->w.run.max_redirects = 10;
    o->w.run.batch = 20;
    o->w.run.batch_per_host = 6;
    o->w.host.dialer = o->dialer;
    *state = o;
    return 0;
}

static int teardown(void **state)
{
    struct online *o = *state;
    world_fini(&o->w);
    dialer_free(o->dialer);
    dns_cache_free(o->cache);
    dial_rules_fini(&o->rules);
    crowd_stop(o->crowd);
    crowd_free(o->crowd);
    mem_free(o);
    return 0;
}

static const char *says(struct online *o, const char *body)
{
    snprintf(o->source, sizeof o->source,
             "import http from 'k6/http';\nimport {group} from 'k6';\n"
             "const B = 'http://127.0.0.1:%u';\nconst L = 'http://localhost:%u';\n"
             "export default async function () {\n%s\n}\n",
             o->crowd->port, o->crowd->port, body);
    return world_says(&o->w, o->source);
}

/* ---- batch() -------------------------------------------------------------------------------- */

static void test_forms(void **state)
{
    const char *said =
        says(*state,
             "let r = http.batch([B + '/a', ['POST', B + '/b', 'two'], ['get', B + '/low'],"
             "  {method: 'put', url: B + '/c', body: {k: 'v'}, params: {tags: {t: '1'}}},"
             "  {method: 'GET', url: B + '/d', body: 'dropped'}, http.url`${B}/e`,"
             "  ['POST', B + '/f', null, {headers: {'X-A': 'b'}}], {url: B + '/g', body: 'kept'}]);"
             "console.log(Array.isArray(r), r.length);"
             "for (const x of r) console.log(x.body, x.status, x.request.method);"
             "r = http.batch({one: B + '/1', two: {url: B + '/2', method: 'DELETE'}});"
             "console.log(Object.keys(r).join(), r.one.body, r.two.body);"
             "console.log(JSON.stringify(http.batch([])), JSON.stringify(http.batch({})));");
    assert_string_equal(said, "info true 8\n"
                              "info GET /a  200 GET\n"
                              "info POST /b two 200 POST\n"
                              "info get /low  200 get\n"
                              "info PUT /c k=v 200 PUT\n"
                              "info GET /d  200 GET\n"
                              "info GET /e  200 GET\n"
                              "info POST /f  200 POST\n"
                              "info GET /g kept 200 GET\n"
                              "info one,two GET /1  DELETE /2 \n"
                              "info [] {}\n");
}

static void test_wrong_arguments(void **state)
{
    const char *said =
        says(*state,
             "for (const args of [[], [[], []], ['x'], [5], [null], [true]])"
             "  try { http.batch(...args); } catch (e) { console.log(e.name, e.message); }"
             "const r = http.batch([B, ['GET'], B]);"
             "console.log(r.length, r[0].status, r[0].error, r[1].status, r[1].error, r[2]);"
             "console.log(http.batch([[1, B]])[0].error);"
             "console.log(http.batch({a: {body: 'x'}}).a.error);"
             "console.log(http.batch([{url: B, method: null}])[0].error);"
             "console.log(http.batch([null])[0].error_code, http.batch([['GET', B, 5]])[0].error);"
             "console.log(http.batch([{url: B, params: {tags: {a: {}}}}])[0].error);");
    assert_string_equal(
        said, "info GoError no argument was provided to http.batch()\n"
              "info GoError http.batch() accepts only an array or an object of requests\n"
              "info GoError invalid http.batch() argument type string\n"
              "info GoError invalid http.batch() argument type int64\n"
              "info GoError invalid http.batch() argument type <nil>\n"
              "info GoError invalid http.batch() argument type bool\n"
              "warning A batch request failed\n"
              "info 3 0  0 invalid batch request 'GET' null\n"
              "warning A batch request failed\ninfo invalid method type '1'\n"
              "warning A batch request failed\ninfo batch request a doesn't have a url key\n"
              "warning A batch request failed\ninfo invalid method type '<nil>'\n"
              "warning A batch request failed\nwarning A batch request failed\n"
              "info 1020 unknown request body type int64\n"
              "warning A batch request failed\n"
              "info invalid HTTP request metric tags: invalid value for "
              "metric tag 'a': only String, Boolean and Number types are accepted as a metric tag "
              "values\n");
    assert_int_equal(((struct online *)*state)->crowd->requests, 0);
}

static void test_in_init_code(void **state)
{
    struct online *o = *state;
    world_source(&o->w, "import http from 'k6/http'; http.batch([]);");
    assert_true(o->w.rc < 0);
    assert_non_null(strstr(o->w.message, "Using batch in the init context is not supported"));
}

/* The gate opens when so many are there, and none more than allowed has come until then. */
static void test_limits(void **state)
{
    struct online *o = *state;
    o->w.run.batch = 5;
    o->w.run.batch_per_host = 3;
    const char *said = says(o, "const n = (l) => console.log(l.filter((r) => r.status === 200)"
                               ".length);"
                               "n(http.batch(Array(6).fill(B + '/gate/3')));");
    assert_string_equal(said, "info 6\n");
    assert_int_equal(o->crowd->most_at_once, 3);
    /* The connections stay for the next ones. */
    assert_int_equal(o->crowd->connections, 3);
}

static void test_limit_of_all(void **state)
{
    struct online *o = *state;
    o->w.run.batch = 4;
    o->w.run.batch_per_host = 0;
    const char *said = says(o, "console.log(http.batch(Array(8).fill(B + '/gate/4')).filter("
                               "(r) => r.status === 200).length);");
    assert_string_equal(said, "info 8\n");
    assert_int_equal(o->crowd->most_at_once, 4);
}

/* Hosts are told apart as they are written: two of each are four. */
static void test_limit_of_each_host(void **state)
{
    struct online *o = *state;
    o->w.run.batch_per_host = 2;
    const char *said =
        says(o, "const u = [B, B, B, B, L, L, L, L].map((x) => x + '/gate/4');"
                "console.log(http.batch(u).filter((r) => r.status === 200).length);");
    assert_string_equal(said, "info 8\n");
    assert_int_equal(o->crowd->most_at_once, 4);
}

static void test_failures(void **state)
{
    struct online *o = *state;
    const char *said =
        says(o, "const r = http.batch([B + '/drop', B + '/a', B + '/status/404',"
                "  ['GET', B + '/never', null, {timeout: 50}]]);"
                "console.log(r.map((x) => x.status + ':' + x.error_code + ':' + x.error).join());"
                "try { http.batch([B + '/b', ['POST', B + '/drop', null, {throw: true}],"
                "  B + '/c']); } catch (e) { console.log(e.message.replace(B, '')); }");
    assert_string_equal(said, "warning Request Failed\nwarning Request Failed\n"
                              "info 0:1000:EOF,200:0:,404:1404:,0:1050:request timeout\n"
                              "info Post \"/drop\": EOF\n");
    assert_int_equal(o->crowd->requests, 7);
}

static void test_samples(void **state)
{
    struct online *o = *state;
    world_watch(&o->w, "http_reqs{t:1}");
    world_watch(&o->w, "http_reqs{name:${}/u}");
    world_watch(&o->w, "http_reqs{group:::g}");
    world_watch(&o->w, "http_req_failed");
    says(o, "group('g', () => http.batch([[ 'GET', B + '/a', null, {tags: {t: '1'}}],"
            "  http.url`${B}/u`, B + '/status/500']));"
            "http.batch([['GET', B + '/b', null, {tags: {t: '1'}}]]);");
    assert_int_equal(world_count(&o->w, "http_reqs{t:1}"), 2);
    assert_int_equal(world_count(&o->w, "http_reqs{name:${}/u}"), 1);
    assert_int_equal(world_count(&o->w, "http_reqs{group:::g}"), 3);
    assert_int_equal(world_count(&o->w, "http_req_failed"), 4);
    assert_true(world_sum(&o->w, "http_req_failed") == 1);
}

/* A method whose text the script lets go of. */
static void test_own_method(void **state)
{
    const char *said =
        says(*state, "const all = []; for (let i = 0; i < 3; i++)"
                     "  all.push(http.request(['MK', 'COL' + i].join(''), B + '/same'));"
                     "console.log(all.map((r) => r.request.method).join());");
    assert_string_equal(said, "info MKCOL0,MKCOL1,MKCOL2\n");
}

/* ---- asyncRequest() ------------------------------------------------------------------------- */

static void test_async(void **state)
{
    struct online *o = *state;
    const char *said =
        says(o, "const p = http.asyncRequest('GET', B + '/a');"
                "console.log(p instanceof Promise);"
                "const r = await p; console.log(r.status, r.body, r.json === r.json);"
                "const all = await Promise.all([1, 2, 3].map(() => http.asyncRequest('POST', "
                "B + '/gate/3', 'x')));"
                "console.log(all.map((x) => x.body).join());"
                "http.asyncRequest('GET', B + '/late').then((x) => console.log(x.body));"
                "console.log('end');");
    assert_string_equal(said, "info true\ninfo 200 GET /a  true\n"
                              "info POST /gate/3 x,POST /gate/3 x,POST /gate/3 x\n"
                              "info end\ninfo GET /late \n");
}

/* What the script changes afterwards is not what was asked for. */
static void test_async_arguments(void **state)
{
    struct online *o = *state;
    world_watch(&o->w, "http_reqs{group:::g}");
    const char *said =
        says(o, "const b = new Uint8Array([97, 98]); let p;"
                "const m = ['mk', 'col'].join('');"
                "group('g', () => { p = http.asyncRequest(m, B + '/' + Math.floor(1.5), b, "
                "  {headers: {['X-' + 'a'.repeat(3)]: 'y'.repeat(2)}, tags: {a: 'b'}}); });"
                "b[0] = 120;"
                "const r = await p; console.log(r.body, r.request.method, r.request.body);");
    assert_string_equal(said, "info mkcol /1 ab mkcol ab\n");
    assert_int_equal(world_count(&o->w, "http_reqs{group:::g}"), 1);
}

static void test_async_failures(void **state)
{
    struct online *o = *state;
    const char *said =
        says(o, "const r = await http.asyncRequest('GET', B + '/drop');"
                "console.log(r.status, r.error);"
                "const bad = await http.asyncRequest('GET', null); console.log(bad.error_code);"
                "try { await http.asyncRequest('GET', B + '/drop', null, {throw: true}); }"
                "catch (e) { console.log(e.name, e.message.replace(B, '')); }"
                "try { await http.asyncRequest('GET', B, null, {tags: {a: {}}}); }"
                "catch (e) { console.log(e.message); }");
    assert_string_equal(said, "warning Request Failed\ninfo 0 EOF\nwarning Request Failed\n"
                              "info 1020\ninfo GoError Get \"/drop\": EOF\n"
                              "warning Request Failed\n");
}

/* ---- the end of an iteration ------------------------------------------------------------------
 */

static struct co *victim;

static void call_default(void *arg)
{
    struct online *o = arg;
    victim = co_self();
    o->w.rc = js_vm_call(o->w.vm, "default", NULL);
}

/* Cancels the victim when all its requests are there; 10 s are for ever. */
static void cancel_soon(void *arg)
{
    struct online *o = arg;
    int64_t give_up = clock_mono_ns() + 10 * NS_PER_S;
    while (o->crowd->unanswered < 3 && clock_mono_ns() < give_up)
        if (co_sleep_until(loop_now_ns(o->w.loop) + NS_PER_MS) < 0)
            return;
    co_cancel(victim);
}

static void check_cancel(struct online *o, const char *body)
{
    snprintf(o->source, sizeof o->source,
             "import http from 'k6/http';\nconst B = 'http://127.0.0.1:%u';\n"
             "export default async function () {\n%s\n}\n",
             o->crowd->port, body);
    assert_int_equal(world_source(&o->w, o->source), 0);
    struct co *co;
    assert_int_equal(co_spawn(o->w.loop, call_default, o, &co), 0);
    assert_int_equal(co_spawn(o->w.loop, cancel_soon, o, &co), 0);
    loop_run(o->w.loop); /* ends only when no coroutine is left */
    assert_int_equal(o->w.rc, -ECANCELED);
    assert_int_equal(o->crowd->requests, 3);
    assert_string_equal(world_log(&o->w), "");
}

static void test_batch_cancelled(void **state)
{
    check_cancel(*state, "try { http.batch([B + '/never', B + '/never', B + '/never']); }"
                         "finally { console.log('no'); }");
}

/* Two wait for a place at the host. */
static void test_batch_cancelled_in_the_queue(void **state)
{
    struct online *o = *state;
    o->w.run.batch_per_host = 3;
    check_cancel(o, "http.batch(Array(5).fill(B + '/never')); console.log('no');");
}

static void test_async_cancelled(void **state)
{
    check_cancel(*state, "await Promise.all(Array(3).fill(0).map(() => "
                         "http.asyncRequest('POST', B + '/never', new ArrayBuffer(3))));"
                         "console.log('no');");
}

/* An exception ends the iteration, and what it had set going. */
static void test_async_abandoned(void **state)
{
    struct online *o = *state;
    const char *said = says(o, "for (let i = 0; i < 3; i++) http.asyncRequest('GET', B + '/never');"
                               "http.asyncRequest('GET', B + '/gate/1');"
                               "http.batch([B + '/gate/1']); throw new Error('enough');");
    assert_non_null(strstr(said, "failed: Uncaught (in promise) Error: enough"));
}

/* ---- no memory --------------------------------------------------------------------------------
 */

static int fail_at;

static void call_without_memory(void *arg)
{
    struct online *o = arg;
    js_vm_begin_iteration(o->w.vm);
    mem_fail_countdown = fail_at;
    o->w.rc = js_vm_call(o->w.vm, "default", NULL);
}

/* The n-th allocation fails, for every n until none does: nothing but an exception comes of it. */
static void test_every_allocation_fails(void **state)
{
    struct online *o = *state;
    assert_string_equal(
        says(o, "const f = http.file('x');"
                "http.batch([['POST', B + '/a', {f}, {headers: {a: 'b'}, tags: {t: '1'}}],"
                "  ['MKCOL', B + '/b', new ArrayBuffer(3), {cookies: {c: 'd'}}],"
                "  B + '/drop']);"
                "const l = await Promise.all([http.asyncRequest('PUT', B + '/c', 'text'),"
                "  http.asyncRequest('GET', B + '/d', null, {timeout: 9999})]);"
                "if (l[1].status === 200) console.log(l[1].body);"),
        "warning Request Failed\ninfo GET /d \n");
    bool all_tried = false;
    for (fail_at = 0; !all_tried; fail_at++) {
        struct co *co;
        js_vm_close_idle_connections(o->w.vm);
        assert_int_equal(co_spawn(o->w.loop, call_without_memory, o, &co), 0);
        loop_run(o->w.loop);
        all_tried = mem_fail_countdown >= 0;
        mem_fail_countdown = -1;
        assert_true(o->w.rc == 0 || o->w.rc == E_SCRIPT || o->w.rc == -ENOMEM);
        assert_true(fail_at < 5000);
    }
    assert_int_equal(o->w.rc, 0);
    assert_true(fail_at > 30);
}

/* ---- file() --------------------------------------------------------------------------------- */

static void test_file(void **state)
{
    struct online *o = *state;
    const char *said =
        says(o, "const f = http.file('data', 'n\"a.txt', 'text/x');"
                "console.log(Object.keys(f).join(), f.data, f.filename, f.content_type);"
                "const d = http.file(new Uint8Array([1, 2]).buffer);"
                "console.log(/^[0-9]{19}$/.test(d.filename), d.content_type, d.data.byteLength);"
                "for (const x of [5, null, {}]) try { http.file(x); } catch (e) {"
                "  console.log(e.message); }"
                "const r = http.post(B + '/multi', {f, k: 'v'});"
                "const b = r.request.headers['Content-Type'][0].split('boundary=')[1];"
                "console.log(/^[0-9a-f]{60}$/.test(b), r.request.headers['Content-Type'][0]"
                ".replace(b, 'BB'), r.request.body.length);"
                "console.log(JSON.stringify(r.request.body.replaceAll(b, 'BB')));"
                "const s = http.post(B, {f, k: 'v'}).request.headers['Content-Type'][0];"
                "console.log(s.endsWith(b));");
    assert_string_equal(
        said,
        "info data,filename,content_type data n\"a.txt text/x\n"
        "info true application/octet-stream 2\n"
        "info invalid type int64, expected string, []byte or ArrayBuffer\n"
        "info invalid type <nil>, expected string, []byte or ArrayBuffer\n"
        "info invalid type object, expected string, []byte or ArrayBuffer\n"
        "info true multipart/form-data; boundary=BB 334\n"
        "info \"--BB\\r\\nContent-Disposition: form-data; name=\\\"f\\\"; "
        "filename=\\\"n\\\\\\\"a.txt\\\"\\r\\nContent-Type: text/x\\r\\n\\r\\ndata\\r\\n--BB"
        "\\r\\nContent-Disposition: form-data; name=\\\"k\\\"\\r\\n\\r\\nv\\r\\n--BB--\\r\\n\""
        "\n"
        "info false\n");
}

static void test_multipart_values(void **state)
{
    const char *said =
        says(*state, "const r = http.post(B, {a: [1, 'x'], n: null, b: true, f: http.file('z')});"
                     "const parts = r.request.body.split('\\r\\n');"
                     "console.log(parts[3], parts[7], parts[11]);");
    assert_string_equal(said, "info [1 x] <nil> true\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_forms),
        TEST(test_wrong_arguments),
        TEST(test_in_init_code),
        TEST(test_limits),
        TEST(test_limit_of_all),
        TEST(test_limit_of_each_host),
        TEST(test_failures),
        TEST(test_samples),
        TEST(test_own_method),
        TEST(test_async),
        TEST(test_async_arguments),
        TEST(test_async_failures),
        TEST(test_batch_cancelled),
        TEST(test_batch_cancelled_in_the_queue),
        TEST(test_async_cancelled),
        TEST(test_async_abandoned),
        TEST(test_every_allocation_fails),
        TEST(test_file),
        TEST(test_multipart_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
