#include "world.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static int setup(void **state)
{
    static struct world w;
    world_init(&w);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    world_fini(*state);
    return 0;
}

/* What a script says: its console lines, and how it failed. */
struct says {
    const char *source;
    const char *want;
};

static void check_says(const struct says *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct world w;
        world_init(&w);
        world_says(&w, cases[i].source);
        if (strcmp(world_log(&w), cases[i].want) != 0)
            print_error("script: %s\n", cases[i].source);
        assert_string_equal(world_log(&w), cases[i].want);
        world_fini(&w);
    }
}

static void test_default_function(void **state)
{
    struct world *w = *state;
    world_source(w, "import { check, sleep } from 'k6';\n"
                    "import { Counter, Trend } from 'k6/metrics';\n"
                    "const c = new Counter('my_counter'), t = new Trend('my_trend', true);\n"
                    "export const options = { vus: 3, fn: () => 1, gone: undefined };\n"
                    "export default function () {\n"
                    "  check({ status: 200 }, { ok: (r) => r.status === 200, bad: false });\n"
                    "  c.add(2); c.add(3, { a: 'b' }); t.add(1.5); sleep(0.01);\n"
                    "  console.log('vu', __VU, 'iter', __ITER, __ENV.GREETING);\n"
                    "}\n");
    assert_string_equal(w->message, "");
    assert_true(js_vm_has_export(w->vm, "default"));
    assert_false(js_vm_has_export(w->vm, "options"));
    assert_int_equal(js_vm_exports_len(w->vm), 1);
    struct buf json;
    buf_init(&json, 1000);
    assert_int_equal(js_vm_options_json(w->vm, &json), 0);
    assert_string_equal(buf_cstr(&json), "{\"vus\":3}");
    buf_fini(&json);
    w->host.iteration = 4;
    int64_t start_ns = clock_mono_ns();
    world_call(w, "default");
    assert_true(clock_mono_ns() - start_ns >= 10 * NS_PER_MS);
    assert_string_equal(w->message, "");
    assert_string_equal(world_log(w), "info vu 7 iter 4 hello\n");
    assert_int_equal(world_count(w, "checks"), 2);
    assert_true(world_sum(w, "checks") == 1);
    assert_true(world_sum(w, "my_counter") == 5);
    assert_int_equal(world_count(w, "my_trend"), 1);
    assert_int_equal(registry_find(w->registry, STR("my_trend"))->contains, METRIC_TIME);
}

/* Positions and words of what goes wrong in init code and in iterations. */
static void test_errors(void **state)
{
    (void)state;
    static const struct says cases[] = {
        {"export default () => { throw new Error('x') }",
         "failed: Error: x\n\tat default (file:///-:1:30)\n\n"},
        {"export default function () {}\nlost()",
         "failed: ReferenceError: lost is not defined\n\tat file:///-:2:1\n\n"},
        {"throw 'plain'; export default () => 1", "failed: plain\n"},
        {"export default () => { throw { a: 1 } }", "failed: { a: 1 }\n"},
        {"await null; throw new Error('later'); export default () => 1",
         "failed: Error: later\n\tat file:///-:1:19\n\n"},
        {"await new Promise(() => {}); export default () => 1",
         "failed: the init code never ends: it awaits what can't come\n"},
        {"export default async () => { await null; null.x }",
         "failed: Uncaught (in promise) TypeError: Cannot read property 'x' of undefined\n"
         "\tat default (file:///-:1:46)\n\n"},
        {"export default () => { Promise.reject(new Error('r')) }",
         "failed: Uncaught (in promise) Error: r\n\tat default (file:///-:1:39)\n\n"},
        {"export default () => { Promise.reject(1).catch(() => console.log('caught')) }",
         "info caught\n"},
        {"import { fail } from 'k6'; export default function () { fail('bad luck') }",
         "failed: GoError: bad luck\n\tat default (file:///-:1:61)\n\n"},
        {"function f() { return f() + 1 }\n"
         "export default () => { try { f() } catch (e) { console.log(e.name, e.message) } }",
         "info RangeError Maximum call stack size exceeded\n"},
        {"class A { get x() { throw new Error('deep') } }\n"
         "export default () => { new A().x }",
         "failed: Error: deep\n\tat get x (file:///-:1:27)\n\tat default (file:///-:2:31)\n\n"},
        {"export const options = {}", "failed: function 'default' not found in exports\n"},
        {"import { nope, check } from 'k6'; export default () => console.log(nope, typeof check)",
         "info undefined function\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

static void test_error_codes(void **state)
{
    struct world *w = *state;
    world_source(w, "export default () => { throw new Error('x') }");
    assert_int_equal(world_call(w, "default"), E_SCRIPT);
    assert_int_equal(w->exit_code, 107);
    assert_string_equal(w->hint, "script exception");
}

static void test_loading_fails(void **state)
{
    (void)state;
    static const struct {
        const char *source, *want;
        int exit_code;
    } cases[] = {
        {"export default () => {\n a b }", "file:///-: Line 2:4 expecting ';'", 107},
        {"import './nofile.js'",
         "The moduleSpecifier \"./nofile.js\" couldn't be found on local disk", 107},
        {"import './bad.js'", "js/bad.js: Line 2:18 unexpected token", 107},
        {"import x from 'lodash'", "The moduleSpecifier \"lodash\" couldn't be recognised", 107},
        {"import x from './bad.ts'", "js/bad.ts: Line 2:8 Unexpected token", 107},
        {"import x from 'k6/nope'", "unknown module: \"k6/nope\"", 107},
        {"import x from 'k6/experimental/timers'",
         "module \"k6/experimental/timers\" is gone: setTimeout() and the like are globals", 107},
        {"import x from 'k6/browser'", "module \"k6/browser\" isn't there yet", 107},
        {"import x from 'k6/x/sql'", "extensions aren't there yet", 107},
        {"import x from 'https://a.invalid/x.js'",
         "couldn't be retrieved from the resolved url \"https://a.invalid/x.js\"", 107},
        {"import x from 'http://a.test/x.js'", "only supported schemes for imports are file", 107},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world w;
        world_init(&w);
        world_source(&w, cases[i].source);
        static const char head[] = "could not initialize '-': could not load JS test 'file:///-': ";
        assert_memory_equal(w.message, head, sizeof head - 1);
        if (!strstr(w.message, cases[i].want))
            assert_string_equal(w.message, cases[i].want);
        assert_int_equal(w.exit_code, cases[i].exit_code);
        world_fini(&w);
    }
    struct world w;
    world_init(&w);
    assert_int_equal(world_load(&w, "nosuch.js"), E_NOT_FOUND);
    assert_int_equal(w.exit_code, 255);
    assert_non_null(strstr(w.message, "The moduleSpecifier \"nosuch.js\" couldn't be found"));
    world_fini(&w);
}

static void test_timers_and_promises(void **state)
{
    (void)state;
    static const struct says cases[] = {
        {"export default () => { setTimeout((a, b) => console.log('t', a, b), 3, 1, 'two');"
         " setTimeout(() => console.log('first'), 1) }",
         "info first\ninfo t 1 two\n"},
        {"export default () => { setTimeout(() => console.log(1), 1);"
         " setTimeout(() => console.log(2), 1); console.log(0) }",
         "info 0\ninfo 1\ninfo 2\n"},
        {"export default async () => { let n = 0; const id = setInterval(() => {"
         " if (++n == 3) { clearInterval(id); console.log('three') } }, 1);"
         " await new Promise((r) => setTimeout(r, 20)); console.log('after', n) }",
         "info three\ninfo after 3\n"},
        {"export default () => { const id = setTimeout(() => console.log('no'), 1);"
         " clearTimeout(id); clearTimeout(undefined); clearTimeout(77) }",
         ""},
        {"export default () => { setTimeout(() => { throw new Error('t') }, 1);"
         " setTimeout(() => console.log('no'), 60000) }",
         "warning setTimeout 2 was stopped because the VU iteration was interrupted\n"
         "failed: Error: t\n\tat file:///-:1:49\n\n"},
        {"export default () => { try { setTimeout(1) } catch (e) { console.log(e.message) } }",
         "info setTimeout's callback isn't a callable function\n"},
        {"import { setTimeout as s } from 'k6/timers';\n"
         "export default () => { s(() => console.log(s === setTimeout || typeof s), 0) }",
         "info function\n"},
        {"const v = await Promise.resolve(5); export default () => console.log(v)", "info 5\n"},
        {"export default async () => { for await (const x of [1, Promise.resolve(2)])"
         " console.log(x) }",
         "info 1\ninfo 2\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

static void test_setup_data_and_result(void **state)
{
    struct world *w = *state;
    world_source(w, "export function setup() { return { token: 'é', n: [1, null] } }\n"
                    "export async function later() { await null; return 7 }\n"
                    "export default function (data) { data.n.push(data.n.length);"
                    " console.log(data) }\n"
                    "export function none() { return undefined }");
    assert_int_equal(world_call(w, "setup"), 0);
    assert_string_equal(buf_cstr(&w->out), "{\"token\":\"é\",\"n\":[1,null]}");
    assert_int_equal(js_vm_set_setup_data(w->vm, buf_view(&w->out)), 0);
    world_call(w, "default");
    world_call(w, "default"); /* its own copy, once per VM */
    assert_string_equal(world_log(w), "info { token: \"é\", n: [ 1, null, 2 ] }\n"
                                      "info { token: \"é\", n: [ 1, null, 2, 3 ] }\n");
    assert_int_equal(world_call(w, "later"), 0);
    assert_string_equal(buf_cstr(&w->out), "7");
    assert_int_equal(world_call(w, "none"), 0);
    assert_int_equal(w->out.len, 0);
}

static void test_options_are_set(void **state)
{
    struct world *w = *state;
    world_source(w, "export const options = { vus: 1 };\n"
                    "export default () => console.log(options.vus, options.iterations)");
    assert_int_equal(js_vm_set_options(w->vm, STR("{\"vus\":5,\"iterations\":9}")), 0);
    world_call(w, "default");
    assert_string_equal(world_log(w), "info 5 9\n");
}

struct emitted {
    struct buf text;
};

static int emit(void *arg, struct str destination, const void *data, size_t len)
{
    struct emitted *e = arg;
    buf_str(&e->text, destination);
    buf_z(&e->text, "=");
    buf_append(&e->text, data, len);
    buf_z(&e->text, ";");
    return 0;
}

static struct emitted emitted;

static void handle_summary(struct world *w)
{
    w->rc = js_vm_handle_summary(w->vm, STR("{\"n\":3}"), emit, &emitted);
}

static void test_handle_summary(void **state)
{
    (void)state;
    static const struct {
        const char *body, *want;
        int rc;
    } cases[] = {
        {"return { stdout: 'n=' + d.n, 'a.bin': new Uint8Array([65, 66]).buffer }",
         "stdout=n=3;a.bin=AB;", 0},
        {"return {}", "", 0},
        {"return null", "", 1},
        {"return", "", 1},
        {"return { a: { b: 1 } }", "", 1},
        {"return { a: null, stdout: 'b' }", "stdout=b;", 0},
        {"return 5", "", E_CONFIG},
        {"return ['a']", "", E_CONFIG},
        {"return new Map()", "", E_CONFIG},
        {"throw new Error('hs')", "", E_SCRIPT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world w;
        char source[256];
        world_init(&w);
        buf_init(&emitted.text, 1000);
        (void)snprintf(source, sizeof source, "export function handleSummary(d) { %s }",
                       cases[i].body);
        assert_int_equal(world_source(&w, source), 0);
        world_on_co(&w, handle_summary);
        assert_int_equal(w.rc, cases[i].rc);
        buf_byte(&emitted.text, 0);
        assert_string_equal((char *)emitted.text.data, cases[i].want);
        buf_fini(&emitted.text);
        world_fini(&w);
    }
    struct world w;
    world_init(&w);
    world_source(&w, "export default () => 1");
    world_on_co(&w, handle_summary);
    assert_int_equal(w.rc, 1);
    world_fini(&w);
}

/* ---- interruption ---- */

struct victim {
    struct co *co;
    int rc;
    int64_t cancelled_ns, ended_ns; /* CPU time of this thread: others load the machine, too */
    bool ended;
};
static struct victim victim;

static int64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void run_victim(void *arg)
{
    struct world *w = arg;
    js_vm_begin_iteration(w->vm);
    victim.rc = js_vm_call(w->vm, "default", NULL);
    victim.ended_ns = cpu_ns();
    victim.ended = true;
}

/* Cancels once this coroutine has had a few turns beside the script: an endless loop must leave
 * them. */
static void cancel_victim(struct world *w)
{
    victim = (struct victim){0};
    if (co_spawn(w->loop, run_victim, w, &victim.co) < 0)
        abort();
    for (int turns = 0; turns < 3 && !victim.ended; turns++)
        (void)!co_sleep_until(clock_mono_ns() + 5 * NS_PER_MS);
    victim.cancelled_ns = cpu_ns();
    if (!victim.ended)
        co_cancel(victim.co);
}

static void test_cancelled_anywhere(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "while (true) {}",
        "while (true) { try { while (true) {} } catch (e) {} finally { console.log('no') } }",
        "sleep(1000); console.log('no')",
        "group('g', () => sleep(1000))",
        "return new Promise(() => setTimeout(() => console.log('no'), 1e6))",
        "setInterval(() => {}, 0)",
        "return (async () => { while (true) await null })()",
        "return (async () => { try { while (true) {} } catch (e) { console.log('no') } })()",
        "function* g() { while (true) yield 1 } for (const x of g()) ;",
        "/^(a+)+$/.test('a'.repeat(40) + 'b')",
        "check(1, { c: () => { while (true) {} } })",
        "[3, 1, 2].sort(() => { while (true) {} })",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct world w;
        char source[512];
        world_init(&w);
        world_watch(&w, "checks");
        (void)snprintf(source, sizeof source,
                       "import { sleep, group, check } from 'k6';\nlet runs = 0;\n"
                       "export default function () { if (runs++) { console.log('again');"
                       " return; } %s }",
                       bodies[i]);
        assert_int_equal(world_source(&w, source), 0);
        world_on_co(&w, cancel_victim);
        if (victim.rc != -ECANCELED)
            print_error("script: %s\n", bodies[i]);
        assert_int_equal(victim.rc, -ECANCELED);
        assert_true(victim.ended_ns - victim.cancelled_ns < 100 * NS_PER_MS);
        assert_string_equal(world_log(&w), "");
        /* And the VM can go on, without what the cancelled iteration had set going. */
        assert_int_equal(world_call(&w, "default"), 0);
        assert_string_equal(world_log(&w), "info again\n");
        assert_string_equal(w.host.group.ptr ? w.host.group.ptr : "", "");
        world_fini(&w);
    }
}

static void *interrupt_from_afar(void *arg)
{
    struct world *w = arg;
    struct timespec pause = {0, 30 * 1000 * 1000};
    (void)nanosleep(&pause, NULL);
    js_vm_interrupt(w->vm);
    return NULL;
}

static void test_interrupted_by_a_thread(void **state)
{
    struct world *w = *state;
    world_source(w, "export default () => { while (true) {} }");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, interrupt_from_afar, w), 0);
    assert_int_equal(world_call(w, "default"), -ECANCELED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(world_log(w), "");
}

static void test_memory_limit(void **state)
{
    struct world *w = *state;
    w->run.vu_memory_max = 4 << 20;
    world_source(w, "export default () => { const a = [];\n"
                    "  try { while (true) a.push(new Array(100).fill(a.length)) }"
                    " catch (e) { const n = a.length; a.length = 0;"
                    " console.log(e.message, n > 500 && n < 4000) }\n"
                    "  while (true) a.push(new Array(100).fill(a.length)) }");
    world_call(w, "default");
    assert_string_equal(world_log(w), "info out of memory true\n");
    assert_int_equal(w->rc, E_SCRIPT);
    assert_non_null(strstr(w->message, "out of memory"));
}

static void test_two_vms_do_not_share(void **state)
{
    struct world *w = *state;
    world_source(w, "let n = 0; export default () => console.log(++n, Math.random())");
    world_call(w, "default");
    world_call(w, "default");
    world_second_vm(w);
    world_call(w, "default");
    double a, b, c;
    int x, y, z;
    assert_int_equal(
        sscanf(world_log(w), "info %d %lf\ninfo %d %lf\ninfo %d %lf", &x, &a, &y, &b, &z, &c), 6);
    assert_int_equal(x, 1);
    assert_int_equal(y, 2);
    assert_int_equal(z, 1);
    assert_true(a != b && a != c && b != c);
}

/* ---- several threads ---- */

enum { THREADS = 3, VMS_PER_THREAD = 8 };

struct worker {
    struct js_program *program;
    struct registry *registry;
    struct loop *loop;
    unsigned calls_done;
    char message[ERR_MESSAGE_MAX];
};

static void worker_vu(void *arg)
{
    struct worker *k = arg;
    struct js_vm *vm = NULL;
    struct js_host host = {.loop = k->loop, .registry = k->registry, .vu_id = 1};
    int rc = js_vm_new(k->program, &host, &vm);
    host.stage = JS_STAGE_ITERATION;
    for (int i = 0; rc == 0 && i < 20; i++) {
        js_vm_begin_iteration(vm);
        rc = js_vm_call(vm, "default", NULL);
        k->calls_done += rc == 0 ? 1 : 0;
    }
    if (rc < 0)
        (void)snprintf(k->message, sizeof k->message, "%s", err_message());
    js_vm_free(vm);
}

static void *worker_run(void *arg)
{
    struct worker *k = arg;
    for (int i = 0; i < VMS_PER_THREAD; i++) {
        struct co *co;
        if (co_spawn(k->loop, worker_vu, k, &co) < 0)
            return NULL;
    }
    loop_run(k->loop);
    return NULL;
}

/* One program, its VMs on several threads at once. */
static void test_vms_on_threads(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_file(w, "threads.js"), 0);
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.program = w->program, .registry = w->registry};
        assert_int_equal(loop_new(&workers[i].loop), 0);
        assert_int_equal(pthread_create(&threads[i], NULL, worker_run, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_string_equal(workers[i].message, "");
        assert_int_equal(workers[i].calls_done, VMS_PER_THREAD * 20);
        loop_free(workers[i].loop);
    }
    assert_string_equal(world_log(w), "");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_default_function),
        cmocka_unit_test(test_errors),
        T(test_error_codes),
        cmocka_unit_test(test_loading_fails),
        cmocka_unit_test(test_timers_and_promises),
        T(test_setup_data_and_result),
        T(test_options_are_set),
        cmocka_unit_test(test_handle_summary),
        cmocka_unit_test(test_cancelled_anywhere),
        T(test_interrupted_by_a_thread),
        T(test_memory_limit),
        T(test_two_vms_do_not_share),
        T(test_vms_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
