#include "codec/idna.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *host, *punycode, *lookup; /* NULL: refused */
    } cases[] = {
        {"bücher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"BÜCHER.example", "xn--BCHER-2pa.example", "xn--bcher-kva.example"},
        {"faß.de", "xn--fa-hia.de", "xn--fa-hia.de"},
        {"他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye", "xn--ihqwcrb4cv8a8dqg056pqjye"},
        {"3年b組金八先生", "xn--3b-ww4c5e180e575a65lsy2b", "xn--3b-ww4c5e180e575a65lsy2b"},
        {"a.☃.b", "a.xn--n3h.b", "a.xn--n3h.b"},
        {"ü..x", "xn--tda..x", "xn--tda..x"},
        {"\xff", NULL, NULL},
        {"a\xc3", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_fini) struct buf b;
        buf_init(&b, 1000);
        buf_z(&b, "<");
        bool ok = idna_append_punycode(&b, str_of(cases[i].host));
        assert_int_equal(ok, cases[i].punycode != NULL);
        assert_string_equal(buf_cstr(&b) + 1, ok ? cases[i].punycode : "");
        buf_reset(&b);
        ok = idna_append_lookup(&b, str_of(cases[i].host));
        assert_int_equal(ok, cases[i].lookup != NULL);
        assert_string_equal(b.len > 0 ? buf_cstr(&b) : "", ok ? cases[i].lookup : "");
        assert_true(idna_is_needed(str_of(cases[i].host)));
    }
    assert_false(idna_is_needed(STR("plain.example")));
}

static void test_too_long(void **state)
{
    (void)state;
    char host[300];
    for (size_t i = 0; i + 1 < sizeof host; i += 2)
        memcpy(host + i, "ü", 2);
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 10000);
    assert_false(idna_append_punycode(&b, str_new(host, sizeof host)));
    assert_int_equal(b.len, 0);
    assert_false(idna_append_lookup(&b, str_new(host, sizeof host)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
