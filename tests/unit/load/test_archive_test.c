#include "load/test_archive.h"

#include "base/err.h"
#include "base/mem.h"
#include "codec/tar.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct item {
    const char *path, *text; /* text NULL: the end of a list */
    const char *link;
};

static void put(struct buf *out, const struct item *items)
{
    for (; items->path != NULL; items++) {
        if (items->link != NULL)
            tar_put_link(out, str_of(items->path), str_of(items->link), 1);
        else
            tar_put_file(out, str_of(items->path), items->text, strlen(items->text), 1);
    }
    tar_finish(out);
    assert_int_equal(buf_finish(out), 0);
}

static const struct js_file *find(const struct test_archive *a, const char *path)
{
    for (size_t i = 0; i < a->bundle.files_len; i++)
        if (strcmp(a->bundle.files[i].path, path) == 0)
            return &a->bundle.files[i];
    return NULL;
}

static const char meta[] =
    "{\"type\":\"js\",\"options\":{\"vus\":3},\"filename\":\"file:///home/nobody/a%20b/m.js\","
    "\"pwd\":\"file:///home/nobody/a%20b/"
    "\",\"env\":{\"B\":\"2\",\"A\":\"1\"},\"k6version\":\"0.49.0\"}";

static void test_of_today(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf tar;
    CLEANUP(test_archive_fini) struct test_archive a;
    const struct item items[] = {{"metadata.json", meta, NULL},
                                 {"data", "main", NULL},
                                 {"file/home/nobody/a b/m.js", NULL, "data"},
                                 {"file/home/nobody/a b/lib.js", "lib", NULL},
                                 {"https/cdn.test/x y.js?v=1", "remote", NULL},
                                 {NULL, NULL, NULL}};
    buf_init(&tar, 1 << 20);
    put(&tar, items);
    assert_true(test_archive_begins(tar.data));
    assert_int_equal(test_archive_read(&a, buf_view(&tar), "x.tar"), 0);
    assert_string_equal(a.bundle.main, "/home/nobody/a b/m.js");
    assert_string_equal(a.bundle.dir, "/home/nobody/a b");
    assert_int_equal(a.bundle.files_len, 3);
    assert_string_equal(a.bundle.files[0].path, a.bundle.main);
    assert_memory_equal(a.bundle.files[0].data, "main", 4);
    assert_non_null(find(&a, "/home/nobody/a b/lib.js"));
    assert_non_null(find(&a, "https://cdn.test/x y.js?v=1"));
    assert_true(str_eqz(a.options_json, "{\"vus\":3}"));
    assert_int_equal(a.env_len, 2);
}

/* From before hard links, from Windows, and from before 0.25. */
static void test_older(void **state)
{
    (void)state;
    static const struct {
        const char *metadata;
        struct item files[3];
        const char *main, *other;
    } cases[] = {
        {"{\"type\":\"js\",\"filename\":\"file:///C/Users/nobody/m.js\",\"pwd\":\"file:///C/Users/"
         "nobody/\"}",
         {{"file/C/Users/nobody/m.js", "main", NULL}, {"file/C/Users/nobody/d.txt", "d", NULL}},
         "/C/Users/nobody/m.js",
         "/C/Users/nobody/d.txt"},
        {"{\"type\":\"js\",\"filename\":\"file:///C:/x/m.js\",\"pwd\":\"file:///C:/x\"}",
         {{"file/C_/x/m.js", "main", NULL}, {"file/C:/x/d.txt", "d", NULL}},
         "/C/x/m.js",
         "/C/x/d.txt"},
        {"{\"filename\":\"C:/something/m.js\",\"options\":{}}",
         {{"scripts/_/C/something/m.js", "main", NULL}, {"files/_/C/something/d", "d", NULL}},
         "/C/something/m.js",
         "/C/something/d"},
        {"{\"filename\":\"/abs/m.js\",\"options\":null,\"env\":null}",
         {{"scripts/_/abs/m.js", "main", NULL}, {"files/example.com/d.js", "d", NULL}},
         "/abs/m.js",
         "https://example.com/d.js"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_fini) struct buf tar;
        CLEANUP(test_archive_fini) struct test_archive a;
        const struct item items[] = {{"metadata.json", cases[i].metadata, NULL},
                                     {"data", "main", NULL},
                                     cases[i].files[0],
                                     cases[i].files[1],
                                     {NULL, NULL, NULL}};
        buf_init(&tar, 1 << 20);
        put(&tar, items);
        assert_int_equal(test_archive_read(&a, buf_view(&tar), "x.tar"), 0);
        assert_string_equal(a.bundle.main, cases[i].main);
        assert_int_equal(a.bundle.files_len, 2);
        assert_non_null(find(&a, cases[i].other));
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        struct item items[4];
        const char *message;
    } cases[] = {
        {{{"data", "x", NULL}}, "it has no metadata.json"},
        {{{"metadata.json", "{\"filename\":\"/a\"}", NULL}}, "it has no main script"},
        {{{"metadata.json", "{", NULL}, {"data", "x", NULL}}, "metadata.json isn't a JSON object"},
        {{{"metadata.json", "{}", NULL}, {"data", "x", NULL}},
         "metadata.json doesn't name the main script"},
        {{{"metadata.json", "{\"type\":\"go\",\"filename\":\"/a\"}", NULL}, {"data", "x", NULL}},
         "it has the unsupported test type 'go'"},
        {{{"metadata.json", "{\"filename\":\"/a\",\"env\":{\"A\":1}}", NULL}, {"data", "x", NULL}},
         "metadata.json: env.A isn't a text"},
        {{{"strange/file", "x", NULL}}, "unknown file prefix `strange` for file `strange/file`"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_fini) struct buf tar;
        CLEANUP(test_archive_fini) struct test_archive a;
        char expected[300];
        buf_init(&tar, 1 << 20);
        put(&tar, cases[i].items);
        assert_true(test_archive_read(&a, buf_view(&tar), "x.tar") < 0);
        (void)snprintf(expected, sizeof expected, "could not load test archive bundle 'x.tar': %s",
                       cases[i].message);
        assert_string_equal(err_message(), expected);
        assert_int_equal(err_get()->exit_code, 255);
    }
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf tar;
    const struct item items[] = {{"metadata.json", meta, NULL},
                                 {"data", "main", NULL},
                                 {"https/h/x.js", "remote", NULL},
                                 {NULL, NULL, NULL}};
    buf_init(&tar, 1 << 20);
    put(&tar, items);
    int rc = -ENOMEM;
    for (int n = 0; rc != 0; n++) {
        struct test_archive a;
        mem_fail_countdown = n;
        rc = test_archive_read(&a, buf_view(&tar), "x.tar");
        mem_fail_countdown = -1;
        test_archive_fini(&a);
        assert_true(rc == 0 || rc == -ENOMEM);
        assert_true(n < 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_today),
        cmocka_unit_test(test_older),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
