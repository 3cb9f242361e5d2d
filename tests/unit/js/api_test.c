#include "world.h"

#include "base/clock.h"
#include "js/api.h"
#include "js/vm_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static struct buf told; /* what the host heard of */

static void on_group(void *arg, struct str path)
{
    (void)arg;
    buf_printf(&told, "group %.*s\n", STR_ARG(path));
}

static void on_check(void *arg, struct str group, struct str name)
{
    (void)arg;
    buf_printf(&told, "check %.*s|%.*s\n", STR_ARG(group), STR_ARG(name));
}

static void test_checks_and_groups(void **state)
{
    struct world *w = *state;
    buf_init(&told, 10000);
    w->host.on_group = on_group;
    w->host.on_check = on_check;
    static const char *const watched[] = {
        "checks{check:ok}",
        "checks{check:bad}",
        "checks{group:::a::b}",
        "checks{kind:odd}",
        "checks{n:1.5}",
        "group_duration{group:::a}",
        "group_duration{group:::a::b}",
    };
    world_source(
        w,
        "import { check, group, sleep } from 'k6';\n"
        "export default function () {\n"
        "  console.log(check(5, { ok: (v) => v === 5 }, { kind: 'odd', n: 1.5, t: true }),\n"
        "    check(5, { ok: 1, bad: () => 0, last: true }), check(1, {}));\n"
        "  console.log(group('a', () => { sleep(0.02); group('b', () => check(0, { ok: 1 }));\n"
        "    return 'result' }));\n"
        "  try { group('c', () => { throw new Error('out') }) } catch (e) { check(0, { ok: 1 }) }\n"
        "  group('', () => check(0, { ok: 1 }));\n"
        "}");
    for (size_t i = 0; i < ARRAY_LEN(watched); i++)
        world_watch(w, watched[i]);
    world_call(w, "default");
    world_call(w, "default");
    assert_string_equal(w->message, "");
    assert_string_equal(world_log(w), "info true false true\ninfo result\n"
                                      "info true false true\ninfo result\n");
    static const unsigned want[] = {10, 2, 2, 2, 2, 2, 2};
    for (size_t i = 0; i < ARRAY_LEN(watched); i++)
        assert_int_equal(world_count(w, watched[i]), want[i]);
    assert_true(world_sum(w, "checks{check:ok}") == 10);
    assert_true(world_sum(w, "checks{check:bad}") == 0);
    assert_true(world_sum(w, "group_duration{group:::a}") >= 40);
    assert_string_equal(buf_cstr(&told), "check |ok\ncheck |bad\ncheck |last\ngroup ::a\n"
                                         "group ::a::b\ncheck ::a::b|ok\ngroup ::c\ngroup \n");
    buf_fini(&told);
}

static void test_check_rules(void **state)
{
    (void)state;
#define HEAD "import { check, group } from 'k6'; export default () => { try { "
#define TAIL " } catch (e) { console.log(String(e)) } }"
    static const struct says cases[] = {
        {HEAD "check(1, { 'a::b': true })" TAIL,
         "info GoError: group and check names may not contain '::'\n"},
        {HEAD "group('a::b', () => 1)" TAIL,
         "info GoError: group and check names may not contain '::'\n"},
        {HEAD "check(1, { x: async () => true })" TAIL,
         "info GoError: check \"x\" is an async function: check() takes values and functions that "
         "give one at once\n"},
        {HEAD "group('x', async () => true)" TAIL,
         "info GoError: group() does not support async functions as arguments, please see docs for "
         "working around\n"},
        {HEAD "group('x')" TAIL,
         "info GoError: group() requires a callback as a second argument\n"},
        {HEAD "check(1, { x: () => { throw new Error('in check') }, y: console.log('no') })" TAIL,
         "info no\ninfo Error: in check\n"},
        {HEAD "check(1, { x: true }, { t: {} })" TAIL,
         "info GoError: invalid value for metric tag 't': only String, Boolean and Number types "
         "are "
         "accepted as a metric tag values\n"},
        {HEAD "check(1)" TAIL, "info GoError: no checks provided to `check`\n"},
        {"import { check } from 'k6'; check(1, { x: 1 })",
         "failed: GoError: Using check() in the init context is not supported\n"
         "\tat file:///-:1:34\n\n"},
        {"import { group } from 'k6'; group('g', () => 1)",
         "failed: GoError: Using group() in the init context is not supported\n"
         "\tat file:///-:1:34\n\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
#undef HEAD
#undef TAIL
}

/* A predicate that throws counts as a failure, and ends the check() there. */
static void test_check_throws(void **state)
{
    struct world *w = *state;
    world_watch(w, "checks{check:second}");
    world_source(w, "import { check } from 'k6'; export default () => check(1, {\n"
                    " first: () => { throw new Error('x') }, second: true })");
    assert_int_equal(world_call(w, "default"), E_SCRIPT);
    assert_int_equal(world_count(w, "checks"), 1);
    assert_true(world_sum(w, "checks") == 0);
    assert_int_equal(world_count(w, "checks{check:second}"), 0);
}

static void test_check_tag_can_be_off(void **state)
{
    struct world *w = *state;
    w->run.system_tags = TAGS_DEFAULT_BITS & ~(TAG_BIT(TAG_CHECK) | TAG_BIT(TAG_GROUP));
    world_watch(w, "checks{check:ok}");
    world_watch(w, "checks{group:::g}");
    world_source(w, "import { check, group } from 'k6';\n"
                    "export default () => group('g', () => check(1, { ok: true }))");
    world_call(w, "default");
    assert_int_equal(world_count(w, "checks"), 1);
    assert_int_equal(world_count(w, "checks{check:ok}"), 0);
    assert_int_equal(world_count(w, "checks{group:::g}"), 0);
}

static void test_metrics(void **state)
{
    struct world *w = *state;
    world_watch(w, "checks");
    world_source(w,
                 "import { Counter, Gauge, Rate, Trend } from 'k6/metrics';\n"
                 "const c = new Counter('cc'), g = new Gauge('gg'), r = new Rate('rr'),"
                 " t = new Trend('tt', true), again = new Counter('cc');\n"
                 "for (const f of [() => new Counter('cc', true), () => new Trend('cc'),"
                 " () => new Counter('9'), () => c.add(1)])\n"
                 "  try { f() } catch (e) { console.log(e.message) }\n"
                 "export default () => {\n"
                 "  console.log(c.name, c.add(1), again.add('2'), c.add(true),"
                 " c instanceof Counter, c instanceof Gauge);\n"
                 "  console.log(c.add(NaN), c.add(null), c.add(), c.add('x'), c.add({}));\n"
                 "  g.add(3); g.add(-1.5); r.add(true); r.add(0); t.add(12.5, { a: 'b' });\n"
                 "  for (const f of [() => new Counter('late'), () => c.add(1n),"
                 " () => c.add(1, { a: {} })]) try { f() } catch (e) { console.log(String(e)) }\n"
                 "  const { add } = t; add(1, 'xy'); t.add(1, 5); c.add(2, ['z']);\n"
                 "}");
    assert_string_equal(w->message, "");
    struct str log = buf_view(&w->log);
    assert_int_equal(log.len > 0, 1);
    const char *text = world_log(w);
    assert_non_null(strstr(text, "metric 'cc' already exists but with"));
    assert_non_null(strstr(text, "Invalid metric name: '9'"));
    assert_non_null(strstr(text, "info Adding to metrics in the init context is not supported\n"));
    buf_reset(&w->log);
    world_watch(w, "tt{a:b}");
    world_watch(w, "tt{0:x,1:y}");
    world_watch(w, "cc{0:z}");
    world_call(w, "default");
    assert_string_equal(w->message, "");
#define BAD(v)                                                                                     \
    "warning '" v "' is an invalid value for metric 'cc', a number or a boolean value is "         \
    "expected\n"
    assert_string_equal(
        world_log(w),
        "info cc true true true true false\n" BAD("NaN") BAD(
            "null") "warning no value was provided for metric 'cc', a number or a boolean value is "
                    "expected\n" BAD("x")
                        BAD("[object Object]") "info false false false false false\n"
                                               "info GoError: metrics must be declared in the init "
                                               "context\n"
                                               "info TypeError: cannot convert bigint to number\n"
                                               "info GoError: cannot add tags for the 'cc' custom "
                                               "metric: invalid value for metric "
                                               "tag 'a': only String, Boolean and Number types are "
                                               "accepted as a metric tag values\n");
    assert_true(world_sum(w, "cc") == 6);
    assert_int_equal(world_count(w, "tt"), 3);
    assert_int_equal(world_count(w, "gg"), 2);
    assert_true(world_sum(w, "rr") == 1);
    assert_int_equal(world_count(w, "rr"), 2);
    assert_true(world_sum(w, "tt{a:b}") == 12.5);
    assert_int_equal(world_count(w, "tt{0:x,1:y}"), 1);
    assert_true(world_sum(w, "cc{0:z}") == 2);
}

static void test_metrics_throw_when_asked_to(void **state)
{
    struct world *w = *state;
    w->run.throw_errors = true;
    world_says(w,
               "import { Counter } from 'k6/metrics'; const c = new Counter('cc');\n"
               "export default () => { try { c.add(NaN) } catch (e) { console.log(e.message) } }");
    assert_string_equal(world_log(w), "info 'NaN' is an invalid value for metric 'cc', a number or "
                                      "a boolean value is expected\n");
}

static void test_console(void **state)
{
    (void)state;
    static const struct says cases[] = {
#define LOG(args, want) {"export default () => { console.log(" args ") }", "info " want "\n"}
        LOG("{ a: 1, b: [1, 'x', null, undefined], c: { d: () => 1 } }",
            "{ a: 1, b: [ 1, \"x\", null, null ], c: { d: [object Function] } }"),
        LOG("undefined, null, true, 1.5, 's', 'q'", "undefined null true 1.5 s q"),
        LOG("new Error('boom')", "Error: boom"),
        LOG("{ e: new TypeError('in') }", "{ e: TypeError: in }"),
        LOG("new Date(0)", "\"1970-01-01T00:00:00.000Z\""),
        LOG("new Date(NaN)", "{}"),
        LOG("new Map([[1, 2]]), new Set([1])", "{} {}"),
        LOG("new Uint8Array([1, 2])", "Uint8Array(2) [ 1, 2 ]"),
        LOG("new Uint8Array([1, 2]).buffer",
            "ArrayBuffer { [Uint8Contents]: <01 02>, byteLength: 2 }"),
        LOG("[new Date(0)]", "[ \"1970-01-01T00:00:00.000Z\" ]"),
        LOG("() => 1", "[object Function]"),
        LOG("", ""),
        LOG("[], {}, [[]], { a: {} }", "[] {} [ [] ] { a: {} }"),
        LOG("{ 'a b': 1, '': 2, _x1: 3 }", "{ a b: 1, : 2, _x1: 3 }"),
        LOG("10n, Symbol('s'), NaN, [Symbol('t')]", "10 s NaN [ \"t\" ]"),
        LOG("'a\"b', ['a\"b']", "a\"b [ \"a\"b\" ]"),
        LOG("(() => { const o = {}; o.me = o; return [o, o] })()",
            "[ { me: [Circular] }, { me: [Circular] } ]"),
        LOG("{ get x() { throw new Error('no') }, y: 1 }", "{}"),
        {"export default () => { console.debug('d'); console.info('i'); console.warn('w');"
         " console.error('e') }",
         "debug d\ninfo i\nwarning w\nerror e\n"},
        {"export default () => { let o = {}; for (let i = 0; i < 10000; i++) o = { o };"
         " console.log(o) }",
         "info { o: { o: { o: { o: { o: { o: { o: { o: { o: { o: { o: { o: { o: { o: { o: { o: { "
         "o: { o: { o: { o: { o: { o: { o: { o: { o: { o: { o: { o: { o: { o: { o: { o: [Object] } "
         "} } } } } } } } } } } } } } } } } } } } } } } } } } } } } } }\n"},
#undef LOG
    };
    check_says(cases, ARRAY_LEN(cases));
}

static void test_globals(void **state)
{
    (void)state;
    static const struct says cases[] = {
        {"console.log(['WeakRef', 'FinalizationRegistry', 'structuredClone', 'URL', 'Buffer',"
         " 'process', 'window', 'fetch', 'queueMicrotask', 'btoa', 'Iterator', 'SharedArrayBuffer',"
         " 'Atomics', 'Intl'].filter((x) => x in globalThis), global === globalThis);\n"
         "console.log(typeof __ITER, __VU); export default () => console.log(__ITER)",
         "info [] true\ninfo undefined 7\ninfo 0\n"},
        {"console.log(__ENV.GREETING, __ENV.NOPE, __ENV); __ENV.X = '1';\n"
         "export default () => { console.log(__ENV.X); __ENV = { gone: 1 }; console.log(__ENV) }",
         "info hello undefined { GREETING: \"hello\", EMPTY: \"\" }\ninfo 1\ninfo { gone: 1 }\n"},
        {"const e = new TextEncoder(), d = new TextDecoder();\n"
         "export default () => console.log(e.encode('aé€😀').length,"
         " d.decode(e.encode('aé€😀')), d.encoding, e.encodeInto('héé', new Uint8Array(4)))",
         "info 10 aé€😀 utf-8 { read: 2, written: 3 }\n"},
        {"const s = new TextDecoder('utf-8', { fatal: true });\n"
         "export default () => { console.log(s.decode(new Uint8Array([0xc3]), { stream: true }) +"
         " s.decode(new Uint8Array([0xa9]))); try { s.decode(new Uint8Array([0xff])) }"
         " catch (e) { console.log(e.message) } console.log(new TextDecoder().decode("
         "new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xff])));"
         " try { new TextDecoder('latin1') } catch (e) { console.log(e.name) } }",
         "info é\ninfo decoding text: invalid byte sequence\ninfo a\xef\xbf\xbd\ninfo "
         "RangeError\n"},
        {"export default () => { const a = crypto.getRandomValues(new Uint32Array(4));\n"
         "console.log(a.some((x) => x > 0),"
         " /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/"
         ".test(crypto.randomUUID())); try { crypto.subtle } catch (e) { console.log(e.message) } "
         "}",
         "info true true\ninfo crypto.subtle isn't there yet\n"},
        {"import { randomSeed } from 'k6'; export default () => { randomSeed(3);"
         " const a = Math.random(); randomSeed(3); const b = Math.random(); randomSeed(4);"
         " console.log(a === b, a === Math.random()) }",
         "info true false\n"},
        {"import { sleep } from 'k6'; export default () => { sleep(0); sleep(-1); sleep('0.001');"
         " sleep(); sleep('x'); sleep(NaN); sleep(null); console.log('awake') }",
         "info awake\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

/* ---- what C modules get from the engine ---- */

struct conversion {
    const char *source; /* an expression */
    int64_t want_ns;    /* -1: refused */
};

static const struct conversion durations[] = {
    {"1500", 1500 * NS_PER_MS},
    {"0.5", 500 * NS_PER_US},
    {"'1m30s'", 90 * NS_PER_S},
    {"'250ms'", 250 * NS_PER_MS},
    {"'1.5h'", 5400 * NS_PER_S},
    {"'10us'", 10 * NS_PER_US},
    {"'10µs'", 10 * NS_PER_US},
    {"'3000'", 3 * NS_PER_S},
    {"'-2s'", -2 * NS_PER_S},
    {"'xx'", -1},
    {"''", -1},
    {"'10 s'", -1},
    {"'1s2'", -1},
    {"{}", -1},
    {"NaN", -1},
    {"1e30", -1},
};
static int64_t duration_ns[ARRAY_LEN(durations)];

static void read_durations(struct world *w)
{
    vm_enter(w->vm);
    for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
        char source[64];
        int n = snprintf(source, sizeof source, "(%s)", durations[i].source);
        JSValue v = JS_Eval(w->vm->ctx, source, (size_t)n, "d", JS_EVAL_TYPE_GLOBAL);
        if (js_duration_of(w->vm->ctx, v, &duration_ns[i]) < 0)
            duration_ns[i] = -1;
        JS_FreeValue(w->vm->ctx, v);
    }
    vm_leave(w->vm);
}

static void test_durations(void **state)
{
    struct world *w = *state;
    world_source(w, "export default () => 1");
    world_on_co(w, read_durations);
    for (size_t i = 0; i < ARRAY_LEN(durations); i++)
        assert_int_equal(duration_ns[i], durations[i].want_ns);
}

/* An operation that another coroutine ends, or never. */
struct op {
    struct js_async *async;
    struct loop *loop;
    struct co *co;
    int value;
};
static int ops_finished, ops_cancelled, ops_unwanted;

static void op_cancel(void *arg)
{
    struct op *op = arg;
    ops_cancelled++;
    co_cancel(op->co);
}

static JSValue op_finish(JSContext *ctx, void *arg, bool *rejected)
{
    struct op *op = arg;
    ops_finished++;
    int value = op->value;
    free(op);
    *rejected = value < 0;
    return JS_NewInt32(ctx, value);
}

static void op_run(void *arg)
{
    struct op *op = arg;
    int ms = op->value < 0 ? -op->value : op->value;
    (void)!co_sleep_until(clock_mono_ns() + ms * NS_PER_MS);
    if (!js_async_done(op->async, op_finish, op)) {
        ops_unwanted++;
        free(op);
    }
}

/* slow(n): n after n milliseconds; rejected when negative. */
static JSValue slow(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    (void)argc;
    struct op *op = calloc(1, sizeof *op);
    op->loop = js_host_of(ctx)->loop;
    (void)JS_ToInt32(ctx, &op->value, argv[0]);
    JSValue promise = js_async_new(ctx, op_cancel, op, &op->async);
    if (co_spawn(op->loop, op_run, op, &op->co) < 0)
        abort();
    return promise;
}

static void add_slow(struct world *w)
{
    JSContext *ctx = w->vm->ctx;
    vm_enter(w->vm);
    JSValue global = JS_GetGlobalObject(ctx);
    JS_SetPropertyStr(ctx, global, "slow", JS_NewCFunction(ctx, slow, "slow", 1));
    JS_FreeValue(ctx, global);
    vm_leave(w->vm);
    ops_finished = ops_cancelled = ops_unwanted = 0;
}

static void test_async_operations(void **state)
{
    struct world *w = *state;
    world_source(w, "import { sleep } from 'k6';\n"
                    "export default async () => {\n"
                    "  const order = []; const p = [30, 10, 20].map((n) => slow(n).then((v) => "
                    "order.push(v)));\n"
                    "  sleep(0.015); await Promise.all(p); console.log(order);\n"
                    "  try { await slow(-5) } catch (e) { console.log('rejected', e) }\n"
                    "  slow(1).then((v) => console.log('last', v)); }\n"
                    "export function fails() { slow(60000); Promise.reject(new Error('x')) }\n"
                    "export function left() { slow(-1) }");
    world_on_co(w, add_slow);
    world_call(w, "default");
    assert_string_equal(w->message, "");
    assert_string_equal(world_log(w), "info [ 10, 20, 30 ]\ninfo rejected -5\ninfo last 1\n");
    assert_int_equal(ops_finished, 5);

    assert_int_equal(world_call(w, "fails"), E_SCRIPT);
    assert_int_equal(ops_cancelled, 1);
    assert_int_equal(ops_unwanted, 1);

    assert_int_equal(world_call(w, "left"), E_SCRIPT);
    assert_string_equal(w->message, "Uncaught (in promise) -1");
}

static void abandon(struct world *w)
{
    vm_enter(w->vm);
    JSContext *ctx = w->vm->ctx;
    static const char source[] = "slow(60000)";
    JS_FreeValue(ctx, JS_Eval(ctx, source, sizeof source - 1, "s", JS_EVAL_TYPE_GLOBAL));
    vm_leave(w->vm);
    js_vm_free(w->vm);
    w->vm = NULL;
}

static void test_async_operations_end_with_the_vm(void **state)
{
    struct world *w = *state;
    world_source(w, "export default () => 1");
    world_on_co(w, add_slow);
    world_on_co(w, abandon);
    assert_int_equal(ops_cancelled, 1);
    assert_int_equal(ops_unwanted, 1);
    assert_int_equal(ops_finished, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_checks_and_groups),
        cmocka_unit_test(test_check_rules),
        T(test_check_throws),
        T(test_check_tag_can_be_off),
        T(test_metrics),
        T(test_metrics_throw_when_asked_to),
        cmocka_unit_test(test_console),
        cmocka_unit_test(test_globals),
        T(test_durations),
        T(test_async_operations),
        T(test_async_operations_end_with_the_vm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
