#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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
    world_call(w, "default");
    assert_string_equal(w->message, "");
    assert_string_equal(world_log(w), "info vu 7 iter 4 hello\n");
    assert_int_equal(world_count(w, "checks"), 2);
    assert_true(world_sum(w, "checks") == 1);
    assert_true(world_sum(w, "my_counter") == 5);
    assert_int_equal(world_count(w, "my_trend"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_default_function, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
