#include "codec/multipart.h"
#include "codec/multipart_read.h"

#include "base/err.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* The parts of a body as "name[=filename]:data|…", or the code of the failure. */
static int parts_of(struct str body, const char *boundary, struct buf *out)
{
    struct multipart_reader r;
    struct multipart_part p;
    int rc;
    buf_reset(out);
    multipart_reader_init(&r, body, str_of(boundary));
    while ((rc = multipart_next(&r, &p)) > 0) {
        buf_str(out, p.name);
        if (p.filename.ptr) {
            buf_byte(out, '=');
            buf_str(out, p.filename);
        }
        buf_byte(out, ':');
        buf_str(out, p.data);
        buf_byte(out, '|');
    }
    return rc;
}

static void assert_parts(const char *body, const char *want)
{
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1 << 20);
    int rc = parts_of(str_of(body), "b", &out);
    if (rc < 0)
        fail_msg("%s", err_message());
    assert_string_equal(buf_cstr(&out), want);
}

static void test_what_is_written(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf form;
    CLEANUP(buf_fini) struct buf out;
    struct multipart m;
    static const uint8_t random[MULTIPART_RANDOM_BYTES] = {1, 2, 3};
    buf_init(&form, 1 << 20);
    buf_init(&out, 1 << 20);
    multipart_init(&m, &form, random);
    multipart_field(&m, STR("name"), STR("a test"));
    multipart_field(&m, STR("empty"), STR(""));
    multipart_file(&m, STR("file"), STR("archive.tar"), STR("application/octet-stream"),
                   STR("bytes\r\n--b\r\n\0more"));
    multipart_end(&m);
    assert_int_equal(parts_of(buf_view(&form), m.boundary, &out), 0);
    assert_true(
        str_eq(buf_view(&out), STR("name:a test|empty:|file=archive.tar:bytes\r\n--b\r\n\0more|")));
}

#define PART(disposition) "--b\r\nContent-Disposition: form-data" disposition "\r\n\r\n"

static void test_shapes(void **state)
{
    (void)state;
    assert_parts("--b--", "");
    assert_parts(PART("; name=x") "1\r\n--b--", "x:1|");
    assert_parts("preamble\r\n" PART("; name=\"x\"") "1\r\n--b--\r\nepilogue", "x:1|");
    assert_parts(PART("; name=\"x\"") "\r\n--b--", "x:|");
    assert_parts(PART("; name=\"\"") "1\r\n--b--", ":1|");
    assert_parts(PART(";name=\"a;b\" ; filename=\"c\\\"d\"") "1\r\n--b--", "a;b=c\\\"d:1|");
    assert_parts("--b \t\r\ncontent-disposition:FORM-DATA;NAME=x\r\nX-Other: y\r\n\r\n1\r\n--b--",
                 "x:1|");
    assert_parts(PART("; name=x") "1\r\n--bb\r\n2\r\n--b--", "x:1\r\n--bb\r\n2|");
    assert_parts(PART("; name=x") "\r\n--bb\r\n\r\n--b--", "x:\r\n--bb\r\n|");
    assert_parts(PART("; name=x") "1\r\n" PART("; name=x") "2\r\n--b--", "x:1|x:2|");
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "--",
        "--b",
        "--b\r\n",
        "--bc\r\n",
        "x--b--",
        PART("; name=x"),
        PART("; name=x") "1",
        PART("; name=x") "1\r\n--b",
        PART("") "1\r\n--b--",
        PART("; filename=x") "1\r\n--b--",
        "--b\r\nContent-Disposition: attachment; name=x\r\n\r\n1\r\n--b--",
        "--b\r\nno colon\r\n\r\n1\r\n--b--",
        "--b\r\n\r\n1\r\n--b--",
        PART("; name=\"x") "1\r\n--b\r\n",
    };
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int rc = parts_of(str_of(bad[i]), "b", &out);
        if (rc != E_CORRUPT)
            fail_msg("%zu: %d for %s", i, rc, bad[i]);
    }
}

static void test_limits(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf form;
    CLEANUP(buf_fini) struct buf out;
    buf_init(&form, 1 << 20);
    buf_init(&out, 1 << 20);
    for (int i = 0; i <= MULTIPART_PARTS_MAX; i++)
        buf_printf(&form, "%s" PART("; name=x") "1", i ? "\r\n" : "");
    buf_z(&form, "\r\n--b--");
    assert_int_equal(parts_of(buf_view(&form), "b", &out), E_LIMIT);
    buf_reset(&form);
    buf_z(&form, "--b\r\nX: ");
    buf_fill(&form, 'y', MULTIPART_HEAD_MAX);
    buf_z(&form, "\r\n\r\n1\r\n--b--");
    assert_int_equal(parts_of(buf_view(&form), "b", &out), E_LIMIT);
}

static void test_boundary(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        const char *boundary; /* NULL: none */
    } cases[] = {
        {"multipart/form-data; boundary=abc", "abc"},
        {"Multipart/Form-Data;charset=x; BOUNDARY=\"a b;c\"", "a b;c"},
        {"multipart/form-data", NULL},
        {"multipart/form-data; boundary=", NULL},
        {"multipart/mixed; boundary=abc", NULL},
        {"application/json", NULL},
        {"", NULL},
        {"multipart/form-data; boundary="
         "12345678901234567890123456789012345678901234567890123456789012345678901",
         NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str have = multipart_boundary(str_of(cases[i].type));
        if (cases[i].boundary)
            assert_true(str_eqz(have, cases[i].boundary));
        else
            assert_null(have.ptr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written), cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_limits),
        cmocka_unit_test(test_boundary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
