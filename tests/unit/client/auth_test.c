#include "client_test.h"

#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "client/auth.h"
#include "client/digest.h"
#include "client/ntlm.h"

/* ---- digest --------------------------------------------------------------------------------- */

#define RFC7616_NONCE  "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
#define RFC7616_CNONCE "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
#define RFC7616_OPAQUE "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"

static void test_digest(void **state)
{
    (void)state;
    static const struct {
        const char *challenge, *want; /* want NULL: none that can be answered */
    } cases[] = {
        {"Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, "
         "nonce=\"" RFC7616_NONCE "\", opaque=\"" RFC7616_OPAQUE "\"",
         "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", nonce=\"" RFC7616_NONCE
         "\", uri=\"/dir/index.html\", response=\"8ca523f5e9506fed4657c9700eebdbec\", "
         "algorithm=MD5, cnonce=\"" RFC7616_CNONCE "\", opaque=\"" RFC7616_OPAQUE
         "\", qop=auth, nc=00000001"},
        {"Basic realm=\"x, y\", digest  realm = \"http-auth@example.org\",qop=auth ,"
         "algorithm=sha-256,nonce=\"" RFC7616_NONCE "\", Other a=b, realm=\"no\"",
         "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", nonce=\"" RFC7616_NONCE
         "\", uri=\"/dir/index.html\", "
         "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\", "
         "algorithm=SHA-256, cnonce=\"" RFC7616_CNONCE "\", qop=auth, nc=00000001"},
        {"Basic realm=\"x\"", NULL},
        {"Digest realm=\"x\", nonce=\"n\", algorithm=ROT13", NULL},
        {"Digest realm=\"x\", nonce=\"n\", qop=\"auth-later\"", NULL},
        {"", NULL},
        {"=,\"\"==Digest=,,\"", NULL},
    };
    const struct digest_request q = {
        .method = STR("GET"),
        .uri = STR("/dir/index.html"),
        .user = STR("Mufasa"),
        .password = STR("Circle of Life"),
        .cnonce = STR(RFC7616_CNONCE),
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        buf_init(&out, 10000);
        assert_int_equal(digest_answer(str_of(cases[i].challenge), &q, &out),
                         cases[i].want != NULL);
        assert_str(buf_view(&out), cases[i].want ? cases[i].want : "");
        buf_fini(&out);
    }
}

/* RFC 2069's form, which has no qop; RFC 2617's example in it. */
static void test_digest_without_qop(void **state)
{
    (void)state;
    const struct digest_request q = {
        .method = STR("GET"),
        .uri = STR("/dir/index.html"),
        .user = STR("Mufasa"),
        .password = STR("Circle Of Life"),
        .cnonce = STR("unused"),
    };
    struct buf out;
    buf_init(&out, 10000);
    struct str challenge = STR("Digest realm=\"testrealm@host.com\", "
                               "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"");
    assert_int_equal(digest_answer(challenge, &q, &out), 1);
    assert_str(buf_view(&out),
               "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", "
               "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", "
               "response=\"670fd8c2df070c60b045671b8b24ff02\"");
    buf_fini(&out);
}

/* ---- NTLM: the example of MS-NLMP 4.2.4 --------------------------------------------------------
 */

/* A challenge whose target is `target` (UTF-16) and whose info is `info`. */
static void make_challenge(struct buf *b, const char *target, size_t target_len, const char *info,
                           size_t info_len)
{
    uint8_t head[56] = "NTLMSSP";
    head[8] = 2;
    head[12] = head[14] = (uint8_t)target_len;
    head[16] = sizeof head;
    memcpy(head + 20, "\x33\x82\x8a\xe2", 4);
    memcpy(head + 24, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8);
    head[40] = head[42] = (uint8_t)info_len;
    head[44] = (uint8_t)(sizeof head + target_len);
    buf_append(b, head, sizeof head);
    buf_append(b, target, target_len);
    buf_append(b, info, info_len);
}

#define UTF16_DOMAIN "D\0o\0m\0a\0i\0n\0"
#define UTF16_SERVER "S\0e\0r\0v\0e\0r\0"
#define INFO         "\x02\0\x0c\0" UTF16_DOMAIN "\x01\0\x0c\0" UTF16_SERVER "\0\0\0\0"

static const struct ntlm_user user = {
    .name = STR("User"),
    .password = STR("Password"),
    .domain = STR("Domain"),
    .challenge = {0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa},
};

static void test_ntlm(void **state)
{
    (void)state;
    struct buf challenge, out;
    buf_init(&challenge, 1000);
    buf_init(&out, 10000);
    make_challenge(&challenge, UTF16_SERVER, 12, INFO, sizeof INFO - 1);
    assert_int_equal(ntlm_authenticate(buf_view(&challenge), &user, &out), 0);
    const uint8_t *p = out.data;
    assert_memory_equal(p, "NTLMSSP\0\3\0\0\0", 12);
    /* Fields: LM at 72, 24 bytes; NT behind it. */
    assert_memory_equal(p + 12, "\x18\0\x18\0\x48\0\0\0", 8);
    assert_memory_equal(p + 72,
                        "\x86\xc3\x50\x97\xac\x9c\xec\x10\x25\x54\x76\x4a\x57\xcc\xcc\x19"
                        "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa",
                        24);
    assert_memory_equal(p + 96,
                        "\x68\xcd\x0a\xb8\x51\xe5\x1c\x96\xaa\xbc\x92\x7b\xeb\xef\x6a\x1c\1\1", 18);
    assert_memory_equal(out.data + out.len - 20, UTF16_DOMAIN "U\0s\0e\0r\0", 20);
    buf_fini(&challenge);
    buf_fini(&out);
}

/* Every shorter challenge, and one whose fields point outside. */
static void test_ntlm_malformed(void **state)
{
    (void)state;
    struct buf challenge;
    buf_init(&challenge, 1000);
    make_challenge(&challenge, UTF16_SERVER, 12, INFO, sizeof INFO - 1);
    for (size_t len = 0; len < challenge.len; len++) {
        struct buf out;
        buf_init(&out, 10000);
        char *copy = mem_alloc(len + 1); /* so that a sanitizer sees its end */
        assert_non_null(copy);
        memcpy(copy, challenge.data, len);
        assert_int_equal(ntlm_authenticate(str_new(copy, len), &user, &out), -EINVAL);
        mem_free(copy);
        buf_fini(&out);
    }
    buf_fini(&challenge);
}

static void test_ntlm_negotiate(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    ntlm_negotiate(&out, STR("Dom"));
    assert_int_equal(out.len, 43);
    assert_memory_equal(out.data, "NTLMSSP\0\1\0\0\0", 12);
    assert_memory_equal(out.data + 16, "\3\0\3\0\x28\0\0\0", 8);
    assert_memory_equal(out.data + 40, "DOM", 3);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest),         cmocka_unit_test(test_digest_without_qop),
        cmocka_unit_test(test_ntlm),           cmocka_unit_test(test_ntlm_malformed),
        cmocka_unit_test(test_ntlm_negotiate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
