#include "client/decode.h"

#include "client_test.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>

static const char *const codings[] = {"gzip", "deflate", "br", "zstd"};

/* Text that compresses, of `len` bytes. */
static struct buf text_of(size_t len)
{
    struct buf b;
    buf_init(&b, len);
    for (size_t i = 0; i < len; i++)
        buf_byte(&b, (uint8_t)("the quick brown fox "[i % 20] + (char)(i / 1000 % 3)));
    return b;
}

static void test_there_and_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 100, 32768, 200001};
    for (size_t c = 0; c < ARRAY_LEN(codings); c++)
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            CLEANUP(buf_fini) struct buf text = text_of(sizes[i]);
            CLEANUP(buf_fini) struct buf packed;
            CLEANUP(buf_fini) struct buf out;
            buf_init(&packed, 1 << 20);
            buf_init(&out, 1 << 20);
            assert_int_equal(encode_body(str_of(codings[c]), buf_view(&text), &packed), 0);
            bool started;
            assert_int_equal(decode_body(str_of(codings[c]), buf_view(&packed), &out, &started), 0);
            assert_true(str_eq(buf_view(&out), buf_view(&text)));

            /* Cut short: what there was of it, and the words. */
            buf_reset(&out);
            struct str cut = {(const char *)packed.data, packed.len - 1};
            assert_int_equal(decode_body(str_of(codings[c]), cut, &out, &started), E_CORRUPT);
            assert_string_equal(err_message(), "unexpected EOF");
            assert_true(started);

            /* No more than fits. */
            CLEANUP(buf_fini) struct buf small;
            buf_init(&small, sizes[i] - 1);
            assert_int_equal(decode_body(str_of(codings[c]), buf_view(&packed), &small, &started),
                             E_LIMIT);
        }
}

static void test_lists(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf text = text_of(1000);
    CLEANUP(buf_fini) struct buf once;
    CLEANUP(buf_fini) struct buf twice;
    CLEANUP(buf_fini) struct buf out;
    buf_init(&once, 10000);
    buf_init(&twice, 10000);
    buf_init(&out, 10000);
    assert_int_equal(encode_body(STR("br"), buf_view(&text), &once), 0);
    assert_int_equal(encode_body(STR("gzip"), buf_view(&once), &twice), 0);
    bool started;
    assert_int_equal(decode_body(STR("br, x-unknown , GZIP"), buf_view(&twice), &out, &started), 0);
    assert_true(str_eq(buf_view(&out), buf_view(&text)));
    assert_false(decode_wanted(STR("identity")));
    assert_false(decode_wanted(STR("")));
    assert_true(decode_wanted(STR("identity, gzip")));
    assert_int_equal(decode_body(STR("gzip,gzip,gzip,gzip,gzip,gzip,gzip,gzip,gzip"),
                                 buf_view(&twice), &out, &started),
                     E_LIMIT);
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *coding, *body, *message;
    } cases[] = {
        {"gzip", "{\"not\": \"gzip\"}", "gzip: invalid header"},
        {"deflate", "{\"not\": \"deflate\"}", "zlib: invalid header"},
        {"zstd", "not zstd at all", "invalid input: magic number mismatch"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_fini) struct buf out;
        buf_init(&out, 1000);
        bool started;
        assert_int_equal(
            decode_body(str_of(cases[i].coding), str_of(cases[i].body), &out, &started), E_CORRUPT);
        assert_string_equal(err_message(), cases[i].message);
    }
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1000);
    bool started;
    assert_int_equal(decode_body(STR("br"), STR("\xff\xff\xff\xff"), &out, &started), E_CORRUPT);
    assert_true(strncmp(err_message(), "brotli: ", 8) == 0);
    assert_int_equal(encode_body(STR("lzw"), STR("x"), &out), -EINVAL);
}

/* A bare deflate stream, as some servers send it. */
static void test_raw_deflate(void **state)
{
    (void)state;
    static const char raw[] = "\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x00";
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1000);
    bool started;
    assert_int_equal(decode_body(STR("deflate"), str_new(raw, sizeof raw - 1), &out, &started), 0);
    assert_str(buf_view(&out), "hello hello hello");
}

static void test_two_gzip_members(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf packed;
    CLEANUP(buf_fini) struct buf out;
    buf_init(&packed, 1000);
    buf_init(&out, 1000);
    assert_int_equal(encode_body(STR("gzip"), STR("one "), &packed), 0);
    assert_int_equal(encode_body(STR("gzip"), STR("two"), &packed), 0);
    bool started;
    assert_int_equal(decode_body(STR("gzip"), buf_view(&packed), &out, &started), 0);
    assert_str(buf_view(&out), "one two");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_raw_deflate),
        cmocka_unit_test(test_two_gzip_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
