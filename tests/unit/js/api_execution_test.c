#include "cases.h"

#include <errno.h>
#include <stdio.h>

/* A run that is made up. */
static struct {
    uint32_t begun, failed;
    bool in_scenario;
    char aborted[256];
} fake;

static void fake_begin(struct js_host *h)
{
    (void)h;
    fake.begun++;
}

static bool fake_scenario(struct js_host *h, struct js_scenario_info *ret)
{
    (void)h;
    *ret = (struct js_scenario_info){"default", "per-vu-iterations", 1700000000123, 0.25, 5, 11};
    return fake.in_scenario;
}

static void fake_instance(struct js_host *h, struct js_instance_info *ret)
{
    (void)h;
    *ret = (struct js_instance_info){1500500000, 7, 2, 3, 4};
}

static void fake_vu(struct js_host *h, struct js_vu_info *ret)
{
    *ret = (struct js_vu_info){h->vu_id + 10, 6};
}

static struct str fake_options(struct js_host *h)
{
    (void)h;
    return STR("{\"paused\":null,\"vus\":3,\"iterations\":1,\"duration\":\"1s\",\"stages\":null,"
               "\"scenarios\":{\"default\":{\"executor\":\"per-vu-iterations\"}},"
               "\"summaryTrendStats\":[\"avg\"]}");
}

static void fake_abort(struct js_host *h, const char *message)
{
    (void)h;
    (void)snprintf(fake.aborted, sizeof fake.aborted, "%s", message);
}

static void fake_fail(struct js_host *h)
{
    (void)h;
    fake.failed++;
}

static const struct js_execution_ops fake_ops = {
    .begin_iteration = fake_begin,
    .scenario = fake_scenario,
    .instance = fake_instance,
    .vu = fake_vu,
    .options = fake_options,
    .abort = fake_abort,
    .fail = fake_fail,
};

static int setup(void **state)
{
    static struct world w;
    world_init(&w);
    memset(&fake, 0, sizeof fake);
    fake.in_scenario = true;
    w.host.execution = &fake_ops;
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    world_fini(*state);
    return 0;
}

#define HEAD                                                                                       \
    "import exec, { vu, scenario, test, instance } from 'k6/execution';\n"                         \
    "import * as ns from 'k6/execution';\n"                                                        \
    "const t = (f) => { try { return f() } catch (x) { return `${x.name}: ${x.message}` } };\n"

static void test_information(void **state)
{
    struct world *w = *state;
    w->host.iteration = 4;
    world_says(w, HEAD
               "export default function () {"
               "const { scenario: s, instance: i, vu: v } = exec;"
               "console.log(s.name, s.executor, s.startTime, s.progress, s.iterationInInstance, "
               "s.iterationInTest);"
               "console.log(i.currentTestRunDuration, i.iterationsCompleted, "
               "i.iterationsInterrupted, i.vusActive, i.vusInitialized);"
               "console.log(v.idInInstance, v.idInTest, v.iterationInInstance, "
               "v.iterationInScenario, JSON.stringify(v.tags));"
               "console.log(vu === v, scenario === s, instance === i, test === exec.test, "
               "ns.vu === v, ns.default === undefined);"
               "console.log(Object.keys(v).sort().join(), Object.keys(s).sort().join(), "
               "Object.keys(i).sort().join(), Object.keys(exec.test).sort().join(), "
               "Object.keys(v.metrics).sort().join(), Object.keys(exec).sort().join()) }");
    assert_string_equal(
        world_log(w),
        "info default per-vu-iterations 1700000000123 0.25 5 11\n"
        "info 1500.5 7 2 3 4\n"
        "info 7 17 4 6 {\"group\":\"\",\"scenario\":\"default\"}\n"
        "info true true true true true true\n"
        "info idInInstance,idInTest,iterationInInstance,iterationInScenario,metrics,tags "
        "executor,iterationInInstance,iterationInTest,name,progress,startTime "
        "currentTestRunDuration,iterationsCompleted,iterationsInterrupted,vusActive,"
        "vusInitialized abort,fail,options metadata,tags instance,scenario,test,vu\n");
    assert_int_equal(fake.begun, 1);
}

static void test_init(void **state)
{
    struct world *w = *state;
    world_says(w, HEAD "export default function () {}\n"
                       "for (const f of [() => exec.vu, () => exec.scenario, () => exec.instance, "
                       "() => vu.tags, () => scenario.name, () => instance.vusActive, "
                       "() => test.options, () => test.fail('x')]) console.log(t(f));"
                       "console.log(typeof exec.test.abort)");
    assert_string_equal(
        world_log(w),
        "info GoError: getting VU information in the init context is not supported\n"
        "info GoError: getting scenario information outside of the VU context is not supported\n"
        "info GoError: getting instance information in the init context is not supported\n"
        "info GoError: getting VU information in the init context is not supported\n"
        "info GoError: getting scenario information outside of the VU context is not supported\n"
        "info GoError: getting instance information in the init context is not supported\n"
        "info GoError: getting test options in the init context is not supported\n"
        "info GoError: marking the test as failed in the init context is not supported\n"
        "info function\n");
    assert_int_equal(fake.failed, 0);
}

/* setup() has no scenario, and a VM without a run around it knows of nothing. */
static void test_outside(void **state)
{
    struct world *w = *state;
    fake.in_scenario = false;
    world_says(w, HEAD "export default function () {"
                       "console.log(t(() => scenario.name), t(() => instance.vusActive), "
                       "vu.idInTest) }");
    w->host.execution = NULL;
    world_call(w, "default");
    assert_string_equal(
        world_log(w),
        "info GoError: getting scenario information outside of the VU context is not supported 3 "
        "17\n"
        "info GoError: getting scenario information outside of the VU context is not supported "
        "GoError: getting instance information in the init context is not supported 7\n");
}

static void test_options(void **state)
{
    struct world *w = *state;
    world_says(w, HEAD "export default function () { const o = exec.test.options;"
                       "console.log(JSON.stringify(o), o === test.options, Object.isFrozen(o), "
                       "t(() => { o.scenarios.default.executor = 1 }).slice(0, 9), 'vus' in o) }");
    assert_string_equal(world_log(w),
                        "info {\"paused\":null,\"scenarios\":{\"default\":{\"executor\":"
                        "\"per-vu-iterations\"}},\"summaryTrendStats\":[\"avg\"]} true true "
                        "TypeError false\n");
}

static void test_tags(void **state)
{
    struct world *w = *state;
    world_source(w, HEAD "import { Counter } from 'k6/metrics'; const c = new Counter('cc');\n"
                         "let n = 0;\n"
                         "export default function () { n++; const g = vu.tags;"
                         "if (n == 1) { c.add(1); g.a = 1; g['b'] = true; c.add(1); "
                         "console.log(g.a, g.b, 'a' in g, g.x, 'toString' in g, "
                         "g.hasOwnProperty('a'), exec.vu.metrics.tags.a) }"
                         "if (n == 2) { c.add(1); g.a = '2'; c.add(1); delete g.b; c.add(1); "
                         "delete g.scenario; delete g.nope; c.add(1) }"
                         "if (n == 3) c.add(1);"
                         "console.log(n, JSON.stringify(g), Object.keys(g).join()) }");
    assert_string_equal(w->message, "");
    world_watch(w, "cc{a:1}");
    world_watch(w, "cc{a:2}");
    world_watch(w, "cc{b:true}");
    world_watch(w, "cc{scenario:default}");
    world_call(w, "default");
    assert_string_equal(w->message, "");
    struct tag tags[] = {{STR("scenario"), STR("default")}, {STR("group"), STR("")}};
    struct tagset *base =
        tags_with(shard_tags(w->shard), tags_empty(shard_tags(w->shard)), tags, 2);
    world_call(w, "default");
    assert_string_equal(w->message, "");
    w->host.tags = base; /* load/ does so for the next scenario */
    world_call(w, "default");
    assert_string_equal(w->message, "");
    assert_string_equal(
        world_log(w), "info 1 true true undefined true true 1\n"
                      "info 1 {\"a\":\"1\",\"b\":\"true\",\"group\":\"\",\"scenario\":\"default\"} "
                      "a,b,group,scenario\n"
                      "info 2 {\"a\":\"2\",\"group\":\"\"} a,group\n"
                      "info 3 {\"group\":\"\",\"scenario\":\"default\"} group,scenario\n");
    assert_int_equal(world_count(w, "cc"), 7);
    assert_int_equal(world_count(w, "cc{a:1}"), 2);
    assert_int_equal(world_count(w, "cc{a:2}"), 3);
    assert_int_equal(world_count(w, "cc{b:true}"), 3);
    assert_int_equal(world_count(w, "cc{scenario:default}"), 6);
}

static void test_tag_errors(void **state)
{
    struct world *w = *state;
    world_says(w, HEAD "export default function () {"
                       "for (const x of [{}, [], null, undefined, () => 1]) "
                       "if (t(() => { vu.tags.a = x }) !== \"TypeError: invalid value for metric "
                       "tag 'a': only String, Boolean and Number types are accepted as a metric "
                       "tag values\") console.log(String(x));"
                       "console.log(t(() => { for (let i = 0; i < 100; i++) vu.tags['t' + i] = i "
                       "})); console.log(t(() => { vu.tags = 1 }).slice(0, 9)) }");
    assert_string_equal(world_log(w),
                        "info GoError: a sample has at most 64 tags\ninfo TypeError\n");
}

/* A tag set within a group stays after it; the group itself doesn't. */
static void test_tags_and_groups(void **state)
{
    struct world *w = *state;
    world_says(w, HEAD "import { group } from 'k6';\n"
                       "export default function () { group('g', () => { group('h', () => { "
                       "vu.tags.a = 1; }); console.log(JSON.stringify(vu.tags)) });"
                       "console.log(JSON.stringify(vu.tags)); group('i', () => {}); "
                       "console.log(JSON.stringify(vu.tags)) }");
    assert_string_equal(world_log(w),
                        "info {\"a\":\"1\",\"group\":\"::g\",\"scenario\":\"default\"}\n"
                        "info {\"a\":\"1\",\"group\":\"\",\"scenario\":\"default\"}\n"
                        "info {\"a\":\"1\",\"group\":\"\",\"scenario\":\"default\"}\n");
}

static void test_abort(void **state)
{
    struct world *w = *state;
    world_source(w, HEAD "export default function () { try { exec.test.abort('bye') } "
                         "catch (e) { console.log('caught') } finally { console.log('f') } }\n"
                         "export function deep() { (() => { test.abort() })() }\n"
                         "export function later() { Promise.resolve().then(() => "
                         "exec.test.abort(null)) }\n"
                         "export function after() { console.log('goes on') }");
    assert_string_equal(w->message, "");
    assert_int_equal(world_call(w, "default"), -ECANCELED);
    assert_string_equal(fake.aborted, "test aborted: bye at default (file:///-:4:51)");
    assert_int_equal(world_call(w, "deep"), -ECANCELED);
    assert_string_equal(fake.aborted, "test aborted at file:///-:5:45");
    assert_int_equal(world_call(w, "later"), -ECANCELED);
    assert_memory_equal(fake.aborted, "test aborted: null at ", 22);
    assert_int_equal(world_call(w, "after"), 0);
    assert_string_equal(world_log(w), "info goes on\n");
}

static void test_abort_in_init(void **state)
{
    struct world *w = *state;
    world_source(w, HEAD "export default function () {}\nexec.test.abort('no');\n"
                         "console.log('not here')");
    assert_int_equal(w->rc, -ECANCELED);
    assert_string_equal(fake.aborted, "test aborted: no at file:///-:5:16");
    assert_string_equal(world_log(w), "");
}

static void test_fail(void **state)
{
    struct world *w = *state;
    world_says(w, HEAD "export default function () { exec.test.fail('bad'); exec.test.fail(); "
                       "console.log('on') }");
    assert_string_equal(world_log(w), "error test marked as failed: bad\n"
                                      "error test marked as failed\ninfo on\n");
    assert_int_equal(fake.failed, 2);
}

static void test_require(void **state)
{
    struct world *w = *state;
    world_says(w, "const exec = require('k6/execution');"
                  "exports.default = function () { console.log(exec.vu.idInTest) }");
    assert_string_equal(world_log(w), "info 17\n");
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_information),
        CASE(test_init),
        CASE(test_outside),
        CASE(test_options),
        CASE(test_tags),
        CASE(test_tag_errors),
        CASE(test_tags_and_groups),
        CASE(test_abort),
        CASE(test_abort_in_init),
        CASE(test_fail),
        CASE(test_require),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
