/*
 * When patches/ makes QuickJS ask its interrupt callback: what C functions do counts, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "quickjs.h"

static int on_interrupt(JSRuntime *rt, void *opaque)
{
    (void)rt;
    ++*(int *)opaque;
    return 0;
}

/* How often the callback is asked while `script` runs in a new runtime; `before` isn't counted. */
static int asked(const char *before, const char *script)
{
    int n = 0;
    JSRuntime *rt = JS_NewRuntime();
    JSContext *ctx = JS_NewContext(rt);
    assert_non_null(ctx);
    JS_SetInterruptHandler(rt, on_interrupt, &n);
    for (int i = 0; i < 2; i++) {
        const char *text = i == 0 ? before : script;
        n = 0;
        JSValue v = JS_Eval(ctx, text, strlen(text), "test.js", JS_EVAL_TYPE_GLOBAL);
        assert_false(JS_IsException(v));
        JS_FreeValue(ctx, v);
    }
    JS_FreeContext(ctx);
    JS_FreeRuntime(rt);
    return n;
}

/* Once is what making the runtime may have left due. */
static void short_code_is_left_alone(void **state)
{
    (void)state;
    assert_in_range(asked("", "let n = 0; for (let i = 0; i < 5000; i++) n += i;"), 0, 1);
    assert_in_range(asked("", "for (let i = 0; i < 100; i++) Math.abs(i);"), 0, 1);
}

static void calls_of_c_functions_count(void **state)
{
    (void)state;
    int n = asked("", "for (let i = 0; i < 2600; i++) Math.abs(i);");
    assert_in_range(n, 10, 12);
}

static void allocations_count(void **state)
{
    (void)state;
    int n = asked("", "for (let i = 0; i < 7; i++) 'x'.repeat(2000000);");
    assert_in_range(n, 7, 8);
}

/* One call alone. */
static void long_calls_ask_on_their_way(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"const text = '[' + '1,'.repeat(200000) + '1]'", "JSON.parse(text)"},
        {"const list = JSON.parse('[' + '1,'.repeat(200000) + '1]')", "JSON.stringify(list)"},
        {"const list = JSON.parse('[' + '1,'.repeat(200000) + '1]')", "list.sort()"},
        {"const list = JSON.parse('[' + '1,'.repeat(200000) + '1]')", "list.fill(0)"},
        {"", "Array.prototype.indexOf.call({ length: 1e6 }, 1)"},
        {"", "Array.prototype.join.call({ length: 1e6 }, '')"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_in_range(asked(cases[i][0], cases[i][1]), 19, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_code_is_left_alone),
        cmocka_unit_test(calls_of_c_functions_count),
        cmocka_unit_test(allocations_count),
        cmocka_unit_test(long_calls_ask_on_their_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
