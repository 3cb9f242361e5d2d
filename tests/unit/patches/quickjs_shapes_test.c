/*
 * The shapes that patches/ makes QuickJS keep: code that runs again finds the shapes of its
 * objects, and what is kept has its bounds and goes with the runtime.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quickjs.h"

struct world {
    JSRuntime *rt;
    JSContext *ctx;
};

static void world_init(struct world *w)
{
    w->rt = JS_NewRuntime();
    assert_non_null(w->rt);
    w->ctx = JS_NewContext(w->rt);
    assert_non_null(w->ctx);
}

/* JS_FreeRuntime() asserts that no object is left. */
static void world_fini(struct world *w)
{
    JS_FreeContext(w->ctx);
    JS_FreeRuntime(w->rt);
}

/* The script's value as text, in `ret`. */
static void run(struct world *w, const char *script, char ret[static 128])
{
    JSValue v = JS_Eval(w->ctx, script, strlen(script), "test.js", JS_EVAL_TYPE_GLOBAL);
    if (JS_IsException(v)) {
        JSValue e = JS_GetException(w->ctx);
        const char *text = JS_ToCString(w->ctx, e);
        print_error("exception: %s\n", text ? text : "?");
        JS_FreeCString(w->ctx, text);
        JS_FreeValue(w->ctx, e);
        fail();
    }
    const char *text = JS_ToCString(w->ctx, v);
    assert_non_null(text);
    snprintf(ret, 128, "%s", text);
    JS_FreeCString(w->ctx, text);
    JS_FreeValue(w->ctx, v);
}

static void expect(struct world *w, const char *script, const char *value)
{
    char text[128];
    run(w, script, text);
    assert_string_equal(text, value);
}

static int64_t shapes(struct world *w)
{
    JSMemoryUsage use;
    JS_ComputeMemoryUsage(w->rt, &use);
    return use.shape_count;
}

static size_t allocations;

static void *count_malloc(JSMallocState *s, size_t size)
{
    (void)s;
    allocations++;
    return malloc(size);
}

static void count_free(JSMallocState *s, void *p)
{
    (void)s;
    free(p);
}

static void *count_realloc(JSMallocState *s, void *p, size_t size)
{
    (void)s;
    return realloc(p, size);
}

/* Blocks that a call of the global function once() takes. */
static size_t allocations_of_a_call(struct world *w)
{
    JSValue global = JS_GetGlobalObject(w->ctx);
    JSValue fn = JS_GetPropertyStr(w->ctx, global, "once");
    allocations = 0;
    JSValue v = JS_Call(w->ctx, fn, JS_UNDEFINED, 0, NULL);
    size_t n = allocations;
    assert_int_equal(JS_VALUE_GET_INT(v), 1);
    JS_FreeValue(w->ctx, fn);
    JS_FreeValue(w->ctx, global);
    return n;
}

static void finds_shapes_the_next_time(void **state)
{
    (void)state;
    const JSMallocFunctions functions = {count_malloc, count_free, count_realloc, NULL};
    struct world w;
    w.rt = JS_NewRuntime2(&functions, NULL);
    assert_non_null(w.rt);
    w.ctx = JS_NewContext(w.rt);
    assert_non_null(w.ctx);
    expect(&w, "function once() { return { kept: (r) => r, too: 1 }.too; } 0", "0");
    size_t first = allocations_of_a_call(&w);
    /* The way to a shape is found again from its end, one step a call: steps are made in place as
     * long as nobody else has them. */
    for (int i = 0; i < 4; i++)
        (void)allocations_of_a_call(&w);
    size_t later = allocations_of_a_call(&w);
    /* Two objects with their properties, and no shape. */
    assert_true(later < first);
    assert_in_range(later, 1, 4);
    assert_int_equal(allocations_of_a_call(&w), later);
    world_fini(&w);
}

static void keeps_few(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    expect(&w, "for (let i = 0; i < 100; i++) ({ ['x' + i]: 1 }); 0", "0");
    int64_t before = shapes(&w);
    expect(&w, "for (let i = 100; i < 10000; i++) ({ ['x' + i]: 1 }); 0", "0");
    assert_true(shapes(&w) <= before + 16);
    world_fini(&w);
}

/* An object that serves as a map of a thousand names must not live on in its shape. */
static void keeps_no_dictionaries(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    expect(&w,
           "function map(n) { const o = {}; for (let i = 0; i < n; i++) o['key' + i] = i;"
           " return o.key7; } map(9)",
           "7");
    JSMemoryUsage before, after;
    JS_ComputeMemoryUsage(w.rt, &before);
    expect(&w, "map(1000)", "7");
    JS_ComputeMemoryUsage(w.rt, &after);
    assert_true(after.atom_count < before.atom_count + 100);
    assert_true(after.shape_size < before.shape_size + 5000);
    world_fini(&w);
}

/* A kept shape holds its prototype, cycles included, until others take its place. */
static void keeps_prototypes_in_bounds(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    const char *script = "for (let i = 0; i < 2000; i++) {"
                         "  class Point { constructor() { this.x = i; } }"
                         "  Point.prototype.self = Point;"
                         "  new Point();"
                         "} 0";
    expect(&w, script, "0");
    JS_RunGC(w.rt);
    JSMemoryUsage before, after;
    JS_ComputeMemoryUsage(w.rt, &before);
    expect(&w, script, "0");
    JS_RunGC(w.rt);
    JS_ComputeMemoryUsage(w.rt, &after);
    assert_true(after.obj_count <= before.obj_count + 20);
    world_fini(&w);
}

static void shared_shapes_stay_apart(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    expect(&w,
           "function make() { return { a: 1, b: 2 }; } make(); make();"
           "const p = make(), q = make(); p.c = 3; delete q.a;"
           "JSON.stringify([p, q, make()])",
           "[{\"a\":1,\"b\":2,\"c\":3},{\"b\":2},{\"a\":1,\"b\":2}]");
    world_fini(&w);
}

static void functions_have_their_properties(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    expect(&w,
           "function two(a, b) {} const arrow = (a) => a;"
           "[two.name, two.length, arrow.name, arrow.length, (() => 0).name === ''].join()",
           "two,2,arrow,1,true");
    expect(&w, "Object.getOwnPropertyNames(two).join()", "length,name,prototype");
    expect(&w, "JSON.stringify(Object.getOwnPropertyDescriptor(arrow, 'length'))",
           "{\"value\":1,\"writable\":false,\"enumerable\":false,\"configurable\":true}"
           "");
    expect(&w, "class Named { static name = 'own'; } Named.name", "own");
    expect(&w, "two.bind(null, 1).name + two.bind(null, 1).length", "bound two1");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_shapes_the_next_time),
        cmocka_unit_test(keeps_few),
        cmocka_unit_test(keeps_no_dictionaries),
        cmocka_unit_test(keeps_prototypes_in_bounds),
        cmocka_unit_test(shared_shapes_stay_apart),
        cmocka_unit_test(functions_have_their_properties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
