#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
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

static void test_import_styles(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_file(w, "main.js"), 0);
    world_call(w, "default");
    static const char want[] = "info 42 4 cjs! cjs! 5\n"
                               "info true true function\n"
                               "info true true\n";
    assert_string_equal(world_log(w), want);

    /* A later VM reads the same bytecode, and has instances of its own. */
    world_second_vm(w);
    buf_reset(&w->log);
    world_call(w, "default");
    assert_string_equal(world_log(w), want);

    /* What the archive will hold: the main file first, each file once. */
    static const char *const files[] = {"main.js", "lib/math.js", "lib/deep.js", "lib/old.js",
                                        "lib/helper.js"};
    assert_int_equal(js_program_files_len(w->program), ARRAY_LEN(files));
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct str path = str_of(js_program_file_at(w->program, i).path);
        assert_true(str_ends(path, str_of(files[i])));
    }
    assert_string_equal(js_program_main_path(w->program), js_program_file_at(w->program, 0).path);
}

static void test_commonjs_main(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_file(w, "commonjs.js"), 0);
    struct buf json;
    buf_init(&json, 1000);
    assert_int_equal(js_vm_options_json(w->vm, &json), 0);
    assert_string_equal(buf_cstr(&json), "{\"vus\":2}");
    buf_fini(&json);
    assert_int_equal(js_vm_exports_len(w->vm), 2);
    assert_int_equal(world_call(w, "default"), E_SCRIPT);
    assert_string_equal(world_log(w), "info 2 function\n");
    assert_non_null(strstr(w->message, "Error: x\n\tat file:///"));
    assert_non_null(strstr(w->message, "/commonjs.js:4:83\n"));
    world_second_vm(w);
    assert_int_equal(world_call(w, "first"), E_SCRIPT);
    assert_non_null(strstr(w->message, "/commonjs.js:5:37\n"));
}

/* Our own words in front of a CommonJS file don't show in the places of its first line. */
static void test_commonjs_first_line(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_file(w, "commonjs1.js"), 0);
    assert_int_equal(world_call(w, "default"), E_SCRIPT);
    assert_non_null(strstr(w->message, "/commonjs1.js:1:39\n"));
}

static void test_require(void **state)
{
    (void)state;
    static const struct {
        const char *source, *want;
    } cases[] = {
        {"const k6 = require('k6'), d = require('./lib/deep.js');\n"
         "exports.default = () => console.log(typeof k6.check, d.value, require === "
         "global.require)",
         "info function 5 true\n"},
        {"const a = require('./cycle_a.js'); exports.default = () => console.log(a.name, a.seen)",
         "info a undefined\n"},
        {"let m; try { require('./nofile.js') } catch (e) { m = e.message }\n"
         "try { require('./bad.js') } catch (e) { m += '|' + e.message }\n"
         "exports.default = () => console.log(m.includes(\"couldn't be found on local disk\"),"
         " m.includes('bad.js: Line 2:18'))",
         "info true true\n"},
        {"exports.default = () => require('k6')",
         "failed: GoError: the \"require\" function is only available in the init stage (i.e. the "
         "global scope)\n\tat file:///-:1:32\n\n"},
        {"const s = 'k6/' + 'html'; require(s); exports.default = 1",
         "failed: GoError: module \"k6/html\" isn't there yet\n\tat file:///-:1:34\n\n"},
        {"module.exports = { default: function () { console.log(this === undefined, 'obj') } }",
         "info false obj\n"},
        {"exports.default = () => console.log('loose'); n = 1; exports.n = n", "info loose\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world w;
        world_init(&w);
        world_says(&w, cases[i].source);
        assert_string_equal(world_log(&w), cases[i].want);
        world_fini(&w);
    }
}

static void test_required_only_in_the_first_init(void **state)
{
    struct world *w = *state;
    w->host.vu_id = 0;
    assert_int_equal(world_source(w, "const f = __VU === 0 ? './lib/deep.js' : './lib/helper.js';\n"
                                     "const m = require(f); exports.default = () => 1"),
                     0);
    w->host.vu_id = 3;
    assert_int_equal(world_second_vm(w), E_SCRIPT);
    assert_non_null(strstr(w->message, "was not previously resolved during initialization"));
}

static void test_open(void **state)
{
    (void)state;
    static const struct {
        const char *source, *want;
    } cases[] = {
        {"const d = open('data.txt'), b = open('./data.bin', 'b'), u = open(`file://${__ENV.DIR}"
         "/data.txt`);\n"
         "export default () => console.log(d.length, new Uint8Array(b), u === d)",
         "info 7 Uint8Array(4) [ 0, 1, 254, 255 ] true\n"},
        {"import { text, later } from './lib/opens.js'; const l = later();\n"
         "export default () => console.log(text.trim(), l.trim())",
         "warning open() of \"data.txt\" in file://DIR/lib/opens.js is relative to the folder "
         "file://DIR of the module that is being run, not to that file's: use "
         "import.meta.resolve()\ninfo text é text é\n"},
        {"export default () => open('data.txt')",
         "failed: GoError: the \"open\" function is only available in the init stage (i.e. the "
         "global scope)\n\tat default (file:///-:1:26)\n\n"},
        {"open('nofile.txt'); export default 1",
         "failed: GoError: stat DIR/nofile.txt: no such file or directory\n"
         "\tat file:///-:1:5\n\n"},
        {"open('lib'); export default 1",
         "failed: GoError: open() can't be used with directories, path: \"DIR/lib\"\n"
         "\tat file:///-:1:5\n\n"},
        {"open(''); export default 1",
         "failed: GoError: open() can't be used with an empty filename\n\tat file:///-:1:5\n\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world w;
        world_init(&w);
        w.env[0] = (struct tag){STR("DIR"), str_of(fixture_dir())};
        world_says(&w, cases[i].source);
        struct buf want;
        buf_init(&want, 10000);
        for (const char *at = cases[i].want; *at;) {
            const char *dir = strstr(at, "DIR");
            size_t n = dir ? (size_t)(dir - at) : strlen(at);
            buf_append(&want, at, n);
            buf_z(&want, dir ? fixture_dir() : "");
            at += n + (dir ? 3 : 0);
        }
        assert_string_equal(world_log(&w), buf_cstr(&want));
        buf_fini(&want);
        world_fini(&w);
    }
}

static void test_open_in_later_vms(void **state)
{
    struct world *w = *state;
    w->host.vu_id = 0;
    assert_int_equal(world_source(w, "const t = open('data.txt'); if (__VU > 1) open('data.bin');\n"
                                     "export default () => console.log(t.trim())"),
                     0);
    w->host.vu_id = 1;
    assert_int_equal(world_second_vm(w), 0);
    world_call(w, "default");
    assert_string_equal(world_log(w), "info text é\n");
    assert_int_equal(js_program_files_len(w->program), 2);
    w->host.vu_id = 2;
    assert_int_equal(world_second_vm(w), E_SCRIPT);
    assert_non_null(strstr(w->message, "weren't previously opened during initialization"));
}

static void test_dynamic_import(void **state)
{
    struct world *w = *state;
    world_says(w, "const m = await import('./lib/deep.js');\n"
                  "export default async () => { const k = await import('k6');"
                  " console.log(m.value, typeof k.sleep, import.meta.resolve('./x.js')) }");
    assert_non_null(strstr(world_log(w), "info 5 function file:///"));
    assert_non_null(strstr(world_log(w), "tests/fixtures/js/x.js\n"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_import_styles),
        T(test_commonjs_main),
        T(test_commonjs_first_line),
        cmocka_unit_test(test_require),
        T(test_required_only_in_the_first_init),
        cmocka_unit_test(test_open),
        T(test_open_in_later_vms),
        T(test_dynamic_import),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
