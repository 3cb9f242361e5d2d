#include "codec/gzip.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Texts of many lengths, some that pack well, some that don't. */
static void test_what_is_packed_is_unpacked(void **state)
{
    (void)state;
    static uint8_t data[200000];
    uint64_t seed = 7;
    for (size_t len = 0; len < sizeof data; len = len * 3 + 1)
        for (int random = 0; random < 2; random++) {
            CLEANUP(buf_fini) struct buf packed, plain;
            buf_init(&packed, 1 << 20);
            buf_init(&plain, 1 << 20);
            for (size_t i = 0; i < len; i++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                data[i] = random ? (uint8_t)(seed >> 56) : (uint8_t) "{\"a\":1},"[i % 8];
            }
            gzip_pack(data, len, &packed);
            assert_int_equal(buf_finish(&packed), 0);
            assert_true(random || len < 1000 || packed.len < len / 20);
            assert_int_equal(gzip_unpack(packed.data, packed.len, sizeof data, &plain), 0);
            assert_int_equal(plain.len, len);
            assert_true(len == 0 || memcmp(plain.data, data, len) == 0);
        }
}

static void test_no_room(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf small, none;
    buf_init(&small, 5);
    gzip_pack("0123456789", 10, &small);
    assert_int_equal(buf_finish(&small), -EMSGSIZE);
    buf_init(&none, 1 << 20);
    mem_fail_countdown = 0;
    gzip_pack("0123456789", 10, &none);
    mem_fail_countdown = -1;
    assert_int_equal(buf_finish(&none), -ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_packed_is_unpacked),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
