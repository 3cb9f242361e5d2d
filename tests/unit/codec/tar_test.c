#include "codec/tar.h"

#include "base/err.h"
#include "base/limits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char long_path[] =
    "file/home/someone/a/rather/deep/folder/of/a/project/with/a/name/that/is/longer/than/a/hundred/"
    "bytes/in/all/script.js";

static void make(struct buf *out, const char *unsplittable)
{
    buf_init(out, 1 << 20);
    tar_put_file(out, STR("metadata.json"), "{}", 2, 1795329636);
    tar_put_file(out, STR("data"), "export default 1", 16, 1795329636);
    tar_put_link(out, STR("file/C:/Users/x/script.js"), STR("data"), 1795329636);
    tar_put_file(out, str_of(long_path), "", 0, 0);
    tar_put_file(out, str_of(unsplittable), "body", 4, 0);
    tar_put_link(out, str_of(unsplittable), str_of(long_path), 0);
    tar_finish(out);
    assert_int_equal(buf_finish(out), 0);
}

static void expect(struct tar_reader *r, enum tar_type type, const char *path, const char *target,
                   const char *data)
{
    struct tar_entry e;
    assert_int_equal(tar_next(r, &e), 1);
    assert_int_equal(e.type, type);
    assert_true(str_eqz(e.path, path));
    assert_true(str_eqz(e.target, target));
    assert_true(str_eqz(e.data, data));
}

static void test_round_trip(void **state)
{
    (void)state;
    char unsplittable[400];
    memset(unsplittable, 'n', sizeof unsplittable);
    unsplittable[sizeof unsplittable - 1] = '\0';
    CLEANUP(buf_fini) struct buf b;
    make(&b, unsplittable);

    CLEANUP(tar_reader_fini) struct tar_reader r;
    tar_reader_init(&r, b.data, b.len);
    expect(&r, TAR_FILE, "metadata.json", "", "{}");
    expect(&r, TAR_FILE, "data", "", "export default 1");
    expect(&r, TAR_LINK, "file/C:/Users/x/script.js", "data", "");
    expect(&r, TAR_FILE, long_path, "", "");
    expect(&r, TAR_FILE, unsplittable, "", "body");
    expect(&r, TAR_LINK, unsplittable, long_path, "");
    struct tar_entry e;
    assert_int_equal(tar_next(&r, &e), 0);
}

/* Every prefix of an archive is either a shorter archive or an error, never more. */
static void test_cut_short(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b;
    make(&b, "x");
    for (size_t len = 0; len < b.len; len += 97) {
        CLEANUP(tar_reader_fini) struct tar_reader r;
        tar_reader_init(&r, b.data, len);
        struct tar_entry e;
        int rc, n = 0;
        while ((rc = tar_next(&r, &e)) == 1)
            n++;
        assert_true(n <= 6);
        assert_true(rc == 0 || rc == E_CORRUPT);
    }
}

static void test_bad_checksum(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b;
    make(&b, "x");
    b.data[0] ^= 1;
    CLEANUP(tar_reader_fini) struct tar_reader r;
    tar_reader_init(&r, b.data, b.len);
    struct tar_entry e;
    assert_int_equal(tar_next(&r, &e), E_CORRUPT);
    assert_string_equal(err_message(), "archive: bad header checksum at byte 0");
}

static void test_too_long_a_path(void **state)
{
    (void)state;
    static char path[TAR_NAME_MAX + 2];
    memset(path, 'p', sizeof path - 1);
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 1 << 20);
    tar_put_file(&b, str_of(path), "", 0, 0);
    assert_int_equal(buf_finish(&b), 0);
    CLEANUP(tar_reader_fini) struct tar_reader r;
    tar_reader_init(&r, b.data, b.len);
    struct tar_entry e;
    assert_int_equal(tar_next(&r, &e), E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_bad_checksum),
        cmocka_unit_test(test_too_long_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
