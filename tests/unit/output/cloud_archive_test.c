#include "output/cloud_archive.h"

#include "codec/tar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <yyjson.h>

static void expect_entry(struct tar_reader *r, enum tar_type type, const char *path,
                         struct str *ret_data)
{
    struct tar_entry e;
    assert_int_equal(tar_next(r, &e), 1);
    assert_int_equal(e.type, type);
    assert_true(str_eqz(e.path, path));
    *ret_data = type == TAR_LINK ? e.target : e.data;
}

static void test_entries(void **state)
{
    (void)state;
    const struct output_file files[] = {
        {"/home/a b/shop.js", (const uint8_t *)"main", 4},
        {"/home/a b/lib/util.js", (const uint8_t *)"lib", 3},
        {"https://h.test/x/y.js", (const uint8_t *)"web", 3},
    };
    const struct tag env[] = {{STR("WHO"), STR("\"me\"")}};
    const struct output_run_info info = {
        .name = "shop.js",
        .script_path = "/home/a b/shop.js",
        .pwd = "/home/a b",
        .options_json = STR("{\"vus\":3}"),
        .files = files,
        .files_len = 3,
        .env = env,
        .env_len = 1,
    };
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(cloud_archive_write(&info, &b), 0);

    CLEANUP(tar_reader_fini) struct tar_reader r;
    tar_reader_init(&r, b.data, b.len);
    struct str data;
    expect_entry(&r, TAR_FILE, "metadata.json", &data);
    yyjson_doc *doc = yyjson_read(data.ptr, data.len, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "type")), "js");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "filename")),
                        "file:///home/nobody/shop.js");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "pwd")), "file:///home/nobody");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(yyjson_obj_get(root, "env"), "WHO")),
                        "\"me\"");
    assert_int_equal(yyjson_get_int(yyjson_obj_get(yyjson_obj_get(root, "options"), "vus")), 3);
    yyjson_doc_free(doc);
    expect_entry(&r, TAR_FILE, "data", &data);
    assert_true(str_eqz(data, "main"));
    expect_entry(&r, TAR_LINK, "file/home/nobody/shop.js", &data);
    assert_true(str_eqz(data, "data"));
    expect_entry(&r, TAR_FILE, "file/home/nobody/lib/util.js", &data);
    assert_true(str_eqz(data, "lib"));
    expect_entry(&r, TAR_FILE, "https/h.test/x/y.js", &data);
    assert_true(str_eqz(data, "web"));
    struct tar_entry e;
    assert_int_equal(tar_next(&r, &e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_entries)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
