/*
 * The ROM image that patches/ adds to QuickJS: a program of three modules is compiled once, and
 * several runtimes run it from one image, which lies in memory that nobody can write.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "quickjs.h"

enum { MODULES = 3, RUNTIMES = 5, THREADS = 4 };

struct source {
    const char *name;
    const char *text;
};

/* `total`, `scale` and `label` stand in several of them, in another order each time. */
static const struct source sources[MODULES] = {
    {"lib/names.js", "export const label = 'täglich \\u{1f680}';\n"
                     "export function scale(total) { return total * 2; }\n"
                     "export class Box { #inner = 3; get inner() { return this.#inner; } }\n"},
    {"lib/math.js", "import { scale, label } from 'lib/names.js';\n"
                    "export const firstOfMath = 1;\n"
                    "export function twice(total) {\n"
                    "  if (total < 0)\n"
                    "    throw new RangeError('negative ' + label);\n"
                    "  return scale(total) + firstOfMath;\n"
                    "}\n"},
    {"main.js", "import { twice } from 'lib/math.js';\n"
                "import { label, Box } from 'lib/names.js';\n"
                "globalThis.runOnce = function runOnce(n) {\n"
                "  const own = { label, total: twice(n), inner: new Box().inner };\n"
                "  own['key' + n] = n;\n"
                "  return own.label + ':' + own.total + ':' + own.inner + ':' + own['key' + n];\n"
                "};\n"
                "globalThis.runBad = () => twice(-1);\n"
                "globalThis.sourceOf = () => twice.toString();\n"},
};

struct image {
    uint8_t *data; /* mapped read-only */
    size_t len;
};

static void fail_with_exception(JSContext *ctx)
{
    JSValue e = JS_GetException(ctx);
    const char *text = JS_ToCString(ctx, e);
    print_error("exception: %s\n", text ? text : "?");
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, e);
    fail();
}

/* A module of the program under a name, compiled when it is asked for. */
static JSValue compile(JSContext *ctx, const char *name)
{
    for (size_t i = 0; i < MODULES; i++)
        if (strcmp(sources[i].name, name) == 0)
            return JS_Eval(ctx, sources[i].text, strlen(sources[i].text), name,
                           JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    return JS_ThrowReferenceError(ctx, "no module %s", name);
}

static JSModuleDef *load_never(JSContext *ctx, const char *name, void *opaque)
{
    (void)opaque;
    JS_ThrowReferenceError(ctx, "module %s is not there", name);
    return NULL;
}

static char *normalize(JSContext *ctx, const char *base, const char *name, void *opaque)
{
    (void)base;
    (void)opaque;
    return js_strdup(ctx, name);
}

/* Compiles the three modules in a runtime of their own and gives back their image. */
static struct image build_image(void)
{
    JSRuntime *rt = JS_NewRuntime();
    assert_non_null(rt);
    JS_SetModuleLoaderFunc(rt, normalize, load_never, NULL);
    JSContext *ctx = JS_NewContext(rt);
    assert_non_null(ctx);

    JSValue modules[MODULES];
    for (size_t i = 0; i < MODULES; i++) {
        modules[i] = compile(ctx, sources[i].name);
        if (JS_IsException(modules[i]))
            fail_with_exception(ctx);
    }
    size_t len = 0;
    uint8_t *data = JS_WriteRom(ctx, &len, modules, MODULES);
    if (!data)
        fail_with_exception(ctx);

    struct image image = {.len = len};
    image.data = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(image.data != MAP_FAILED);
    memcpy(image.data, data, len);
    assert_int_equal(mprotect(image.data, len, PROT_READ), 0);

    js_free(ctx, data);
    for (size_t i = 0; i < MODULES; i++)
        JS_FreeValue(ctx, modules[i]);
    JS_FreeContext(ctx);
    JS_FreeRuntime(rt);
    return image;
}

static void free_image(struct image *image)
{
    assert_int_equal(munmap(image->data, image->len), 0);
}

struct vm {
    JSRuntime *rt;
    JSContext *ctx;
};

/* A runtime that has read the image and evaluated main.js; false when anything threw. */
static bool vm_start(struct vm *vm, const struct image *image)
{
    vm->rt = JS_NewRuntime();
    if (!vm->rt || JS_SeedRomAtoms(vm->rt, image->data, image->len) < 0)
        return false;
    JS_SetModuleLoaderFunc(vm->rt, normalize, load_never, NULL);
    vm->ctx = JS_NewContext(vm->rt);
    if (!vm->ctx)
        return false;

    JSValue main = JS_UNDEFINED;
    for (uint32_t i = 0; i < JS_GetRomCount(vm->rt); i++) {
        JSValue module = JS_ReadRom(vm->ctx, i);
        if (JS_IsException(module))
            return false;
        if (i == MODULES - 1)
            main = module;
        else
            JS_FreeValue(vm->ctx, module);
    }
    if (JS_ResolveModule(vm->ctx, main) < 0)
        return false;
    JSValue done = JS_EvalFunction(vm->ctx, main);
    bool ok = JS_PromiseState(vm->ctx, done) == JS_PROMISE_FULFILLED;
    JS_FreeValue(vm->ctx, done);
    return ok;
}

static void vm_stop(struct vm *vm)
{
    JS_FreeContext(vm->ctx);
    JS_FreeRuntime(vm->rt);
}

/* Calls a global function; the result as text on the heap, an exception as "! message\nstack". */
static char *vm_call(struct vm *vm, const char *name, int arg)
{
    JSValue global = JS_GetGlobalObject(vm->ctx);
    JSValue fn = JS_GetPropertyStr(vm->ctx, global, name);
    JSValue argv[] = {JS_NewInt32(vm->ctx, arg)};
    JSValue ret = JS_Call(vm->ctx, fn, JS_UNDEFINED, 1, argv);
    char *text = NULL;
    if (JS_IsException(ret)) {
        JSValue e = JS_GetException(vm->ctx);
        JSValue stack = JS_GetPropertyStr(vm->ctx, e, "stack");
        const char *message = JS_ToCString(vm->ctx, e);
        const char *trace = JS_ToCString(vm->ctx, stack);
        if (asprintf(&text, "! %s\n%s", message, trace) < 0)
            text = NULL;
        JS_FreeCString(vm->ctx, message);
        JS_FreeCString(vm->ctx, trace);
        JS_FreeValue(vm->ctx, stack);
        JS_FreeValue(vm->ctx, e);
    } else {
        const char *s = JS_ToCString(vm->ctx, ret);
        text = strdup(s);
        JS_FreeCString(vm->ctx, s);
    }
    JS_FreeValue(vm->ctx, ret);
    JS_FreeValue(vm->ctx, fn);
    JS_FreeValue(vm->ctx, global);
    return text;
}

static void test_several_runtimes_run_one_image(void **state)
{
    (void)state;
    struct image image = build_image();
    struct vm vms[RUNTIMES];

    for (int i = 0; i < RUNTIMES; i++)
        assert_true(vm_start(&vms[i], &image));
    for (int i = 0; i < RUNTIMES; i++) {
        char want[64];
        snprintf(want, sizeof want, "täglich 🚀:%d:3:%d", i * 2 + 1, i);
        char *got = vm_call(&vms[i], "runOnce", i);
        assert_string_equal(got, want);
        free(got);
    }
    /* The others still run when one, in the middle, is gone. */
    vm_stop(&vms[2]);
    JS_RunGC(vms[0].rt);
    char *got = vm_call(&vms[4], "runOnce", 7);
    assert_string_equal(got, "täglich 🚀:15:3:7");
    free(got);
    for (int i = 0; i < RUNTIMES; i++)
        if (i != 2)
            vm_stop(&vms[i]);
    free_image(&image);
}

static void test_errors_keep_file_and_line(void **state)
{
    (void)state;
    struct image image = build_image();
    struct vm vm;

    assert_true(vm_start(&vm, &image));
    char *got = vm_call(&vm, "runBad", 0);
    assert_non_null(strstr(got, "! RangeError: negative täglich 🚀"));
    assert_non_null(strstr(got, "at twice (lib/math.js:5:"));
    assert_non_null(strstr(got, "(main.js:8:"));
    free(got);
    got = vm_call(&vm, "sourceOf", 0);
    assert_non_null(strstr(got, "throw new RangeError('negative ' + label);"));
    free(got);
    vm_stop(&vm);
    free_image(&image);
}

/* What the sharing is for: a second runtime must not hold bytecode or source of its own. */
static void test_source_and_bytecode_are_not_copied(void **state)
{
    (void)state;
    enum { PADDING = 200000 };
    char *text = malloc(PADDING + 100);
    assert_non_null(text);
    int n = snprintf(text, 100, "export function f() { return 'x'; /*");
    memset(text + n, '.', PADDING);
    strcpy(text + n + PADDING, "*/ }\n");

    JSRuntime *rt = JS_NewRuntime();
    JSContext *ctx = JS_NewContext(rt);
    JSValue module =
        JS_Eval(ctx, text, strlen(text), "big.js", JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    assert_false(JS_IsException(module));
    size_t len = 0;
    uint8_t *image = JS_WriteRom(ctx, &len, &module, 1);
    assert_non_null(image);
    assert_true(len > PADDING);

    JSRuntime *rt2 = JS_NewRuntime();
    assert_int_equal(JS_SeedRomAtoms(rt2, image, len), 0);
    JSContext *ctx2 = JS_NewContext(rt2);
    JSMemoryUsage before;
    JSMemoryUsage after;
    JS_ComputeMemoryUsage(rt2, &before);
    JSValue copy = JS_ReadRom(ctx2, 0);
    assert_false(JS_IsException(copy));
    JS_ComputeMemoryUsage(rt2, &after);
    assert_true(after.malloc_size - before.malloc_size < 4096);

    JS_FreeValue(ctx2, copy);
    JS_FreeContext(ctx2);
    JS_FreeRuntime(rt2);
    js_free(ctx, image);
    JS_FreeValue(ctx, module);
    JS_FreeContext(ctx);
    JS_FreeRuntime(rt);
    free(text);
}

static void test_a_runtime_that_is_not_new_is_refused(void **state)
{
    (void)state;
    struct image image = build_image();
    JSRuntime *rt = JS_NewRuntime();
    JSContext *ctx = JS_NewContext(rt);
    JSAtom early = JS_NewAtom(ctx, "taken before the image");

    assert_int_equal(JS_SeedRomAtoms(rt, image.data, image.len), -1);
    assert_int_equal(JS_GetRomCount(rt), 0);
    JSValue v = JS_ReadRom(ctx, 0);
    assert_true(JS_IsException(v));
    JS_FreeValue(ctx, JS_GetException(ctx));

    JS_FreeAtom(ctx, early);
    JS_FreeContext(ctx);
    JS_FreeRuntime(rt);
    free_image(&image);
}

static void test_a_second_image_is_refused(void **state)
{
    (void)state;
    struct image image = build_image();
    JSRuntime *rt = JS_NewRuntime();

    assert_int_equal(JS_SeedRomAtoms(rt, image.data, image.len), 0);
    assert_int_equal(JS_SeedRomAtoms(rt, image.data, image.len), -1);
    assert_int_equal(JS_GetRomCount(rt), MODULES);
    JS_FreeRuntime(rt);
    free_image(&image);
}

static void test_a_cut_or_changed_image_is_refused(void **state)
{
    (void)state;
    struct image image = build_image();
    uint8_t *copy = malloc(image.len);
    assert_non_null(copy);

    for (size_t len = 0; len < image.len; len += 1 + image.len / 50) {
        JSRuntime *rt = JS_NewRuntime();
        memcpy(copy, image.data, len);
        assert_int_equal(JS_SeedRomAtoms(rt, copy, len), -1);
        JS_FreeRuntime(rt);
    }
    for (size_t word = 0; word < 9; word++) {
        JSRuntime *rt = JS_NewRuntime();
        memcpy(copy, image.data, image.len);
        copy[word * 4 + 3] ^= 0x40;
        /* Word 2 counts the atoms: too many of them run into the end of the table. */
        assert_int_equal(JS_SeedRomAtoms(rt, copy, image.len), -1);
        JS_FreeRuntime(rt);
    }
    free(copy);
    free_image(&image);
}

static void *thread_main(void *arg)
{
    const struct image *image = arg;
    for (int round = 0; round < 3; round++) {
        struct vm vm;
        if (!vm_start(&vm, image))
            return (void *)(uintptr_t)1; /* did not start */
        char *got = vm_call(&vm, "runOnce", round);
        char want[64];
        snprintf(want, sizeof want, "täglich 🚀:%d:3:%d", round * 2 + 1, round);
        bool same = strcmp(got, want) == 0;
        free(got);
        vm_stop(&vm);
        if (!same)
            return (void *)(uintptr_t)2; /* wrong result */
    }
    return NULL;
}

static void test_threads_share_one_image(void **state)
{
    (void)state;
    struct image image = build_image();
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thread_main, &image), 0);
    for (int i = 0; i < THREADS; i++) {
        void *ret = NULL;
        assert_int_equal(pthread_join(threads[i], &ret), 0);
        assert_null(ret);
    }
    free_image(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_runtimes_run_one_image),
        cmocka_unit_test(test_errors_keep_file_and_line),
        cmocka_unit_test(test_source_and_bytecode_are_not_copied),
        cmocka_unit_test(test_a_runtime_that_is_not_new_is_refused),
        cmocka_unit_test(test_a_second_image_is_refused),
        cmocka_unit_test(test_a_cut_or_changed_image_is_refused),
        cmocka_unit_test(test_threads_share_one_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
