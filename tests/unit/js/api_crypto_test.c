#include "cases.h"

#define HEAD                                                                                       \
    "import crypto from 'k6/crypto';\n"                                                            \
    "const t = (f) => { try { return f() } catch (x) { return `${x.name}: ${x.message}` } };\n"    \
    "const short = (s) => s.slice(0, 24);\n"                                                       \
    "const bytes = (b) => new Uint8Array(b).join();\n"                                             \
    "const names = ['md4', 'md5', 'sha1', 'sha256', 'sha384', 'sha512', 'sha512_224', "            \
    "'sha512_256', 'ripemd160'];\n"                                                                \
    "export default function () {"

/* As the openssl command has them. */
#define HELLO_HASHES                                                                               \
    "info md4 866437cb7a794bce2b727acc 32\n"                                                       \
    "info md5 5d41402abc4b2a76b9719d91 32\n"                                                       \
    "info sha1 aaf4c61ddcc5e8a2dabede0f 40\n"                                                      \
    "info sha256 2cf24dba5fb0a30e26e83b2a 64\n"                                                    \
    "info sha384 59e1748777448c69de6b800d 96\n"                                                    \
    "info sha512 9b71d224bd62f3785d96d46a 128\n"                                                   \
    "info sha512_224 fe8509ed1fb7dcefc27e6ac1 56\n"                                                \
    "info sha512_256 e30d87cfa2a75db545eac4d6 64\n"                                                \
    "info ripemd160 108f07b8382412612c048d07 40\n"

static void test_hashes(void **state)
{
    (void)state;
    static const struct says cases[] = {
        {HEAD "for (const n of names) { const h = crypto[n]('hello', 'hex');"
              "console.log(n, short(h), h.length) } }",
         HELLO_HASHES},
        {HEAD "for (const n of names) { const o = crypto.createHash(n); o.update('hel');"
              "o.digest('hex'); o.update(new Uint8Array([108, 111])); const h = o.digest('hex');"
              "console.log(n, short(h), h.length) } }",
         HELLO_HASHES},
        {HEAD "console.log(crypto.md5('', 'hex'), crypto.md4('', 'hex')) }",
         "info d41d8cd98f00b204e9800998ecf8427e 31d6cfe0d16ae931b73c59d7e0c089c0\n"},
        {HEAD "const m = (e) => crypto.md5('hello', e);"
              "console.log(m('base64'), m('base64url'), m('base64rawurl'), bytes(m('binary'))) }",
         "info XUFAKrxLKna5cZ2REBfFkg== XUFAKrxLKna5cZ2REBfFkg== XUFAKrxLKna5cZ2REBfFkg "
         "93,65,64,42,188,75,42,118,185,113,157,145,16,23,197,146\n"},
        {HEAD "console.log(crypto.createHash('sha1').update('x') === undefined, "
              "Object.prototype.toString.call(crypto.createHash('sha1'))) }",
         "info true [object Object]\n"},
        /* RFC 1320's longest, over several blocks and in pieces. */
        {HEAD "const o = crypto.createHash('md4'); for (let i = 0; i < 8; i++) "
              "o.update('1234567890'); console.log(o.digest('hex')) }",
         "info e33b4ddc9c38f2199c3e7b164fcc0536\n"},
        {HEAD "const a = 'a'.repeat(5000000); const o = crypto.createHash('md4'); "
              "for (let i = 0; i < a.length; i += 777777) o.update(a.slice(i, i + 777777)); "
              "console.log(o.digest('hex') === crypto.md4(a, 'hex')) }",
         "info true\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

static void test_hmac(void **state)
{
    (void)state;
    /* A key of one byte and one that is longer than a block. */
    static const char want[] = "info md4 b5e7f0d8cdb9dd7b3f9cf2f3 2e614af32e1da7c4438f1508\n"
                               "info sha256 406e4b43f87095aa86ca6299 174c64caec6f5e924a5df231\n"
                               "info sha512 86b6102b754ae558df0ec3e7 99de81d756eaf11246a55a2e\n"
                               "info sha512_224 73e674ac785da8d3c8452643 93d65860025bf4735d96448c\n"
                               "info ripemd160 dee050825fae5df17d769f2e 3d243ae7480b043bdae55d11\n";
    static const struct says cases[] = {
        {HEAD "for (const n of ['md4', 'sha256', 'sha512', 'sha512_224', 'ripemd160']) "
              "console.log(n, short(crypto.hmac(n, 'k', 'hello', 'hex')), "
              "short(crypto.hmac(n, 'k'.repeat(200), 'hello', 'hex'))) }",
         want},
        {HEAD "for (const n of ['md4', 'sha256', 'sha512', 'sha512_224', 'ripemd160']) {"
              "const h = (k) => { const o = crypto.createHMAC(n, k); o.update('he'); "
              "o.digest('hex'); o.update('llo'); return short(o.digest('hex')) };"
              "console.log(n, h(new Uint8Array([107])), h('k'.repeat(200))) } }",
         want},
        {HEAD "console.log(crypto.hmac('md5', '', '', 'hex')) }",
         "info 74e6f7298a9c2d168935f58c001bad88\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

static void test_errors(void **state)
{
    (void)state;
    static const struct says cases[] = {
        {HEAD "console.log(t(() => crypto.createHash('nope')), t(() => crypto.createHash())) }",
         "info GoError: invalid algorithm: nope GoError: invalid algorithm: \n"},
        {HEAD "console.log(t(() => crypto.hmac('x', 'k', 'd', 'hex')), "
              "t(() => crypto.createHMAC('sha1', 1))) }",
         "info GoError: invalid algorithm: x "
         "GoError: invalid type int64, expected string, []byte or ArrayBuffer\n"},
        {HEAD "console.log(t(() => crypto.md5('d')), t(() => crypto.md5('d', 'HEX'))) }",
         "info GoError: invalid output encoding:  GoError: invalid output encoding: HEX\n"},
        {HEAD "console.log(t(() => crypto.sha1({}, 'hex')), "
              "t(() => crypto.createHash('sha1').update(null))) }",
         "info GoError: sha1 failed: invalid type map[string]interface {}, expected string, []byte "
         "or "
         "ArrayBuffer GoError: invalid type <nil>, expected string, []byte or ArrayBuffer\n"},
        {HEAD "const u = crypto.createHash('sha1').update;"
              "console.log(t(() => u.call({}, 'x')).startsWith('TypeError')) }",
         "info true\n"},
        {HEAD "console.log(t(() => crypto.randomBytes(0)), t(() => crypto.randomBytes(-1)), "
              "t(() => crypto.randomBytes(1e12))) }",
         "info GoError: invalid size GoError: invalid size GoError: invalid size\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

static void test_bytes(void **state)
{
    (void)state;
    static const struct says cases[] = {
        {HEAD "const a = crypto.randomBytes(32), b = crypto.randomBytes(32);"
              "console.log(a instanceof ArrayBuffer, a.byteLength, bytes(a) !== bytes(b), "
              "crypto.randomBytes(100000).byteLength) }",
         "info true 32 true 100000\n"},
        {HEAD "console.log(crypto.hexEncode('aé'), crypto.hexEncode(new Uint8Array([0, 255])), "
              "crypto.hexEncode('') === '') }",
         "info 61c3a9 00ff true\n"},
        {"import { sha256, hexEncode } from 'k6/crypto'; import * as ns from 'k6/crypto';"
         "export default function () {"
         "console.log(sha256('hello', 'hex') === hexEncode(ns.sha256('hello', 'binary')));"
         "console.log(Object.keys(ns).filter((k) => k !== 'default').sort().join(' ')) }",
         "info true\n"
         "info createHMAC createHash hexEncode hmac md4 md5 randomBytes ripemd160 sha1 sha256 "
         "sha384 sha512 sha512_224 sha512_256\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

/* A VM's memory limit holds for random bytes as well. */
static void test_memory_limit(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    w.run.vu_memory_max = 8 << 20;
    world_says(&w, HEAD "const t = []; try { for (;;) t.push(crypto.randomBytes(1 << 20)) } "
                        "catch (e) { console.log(t.length < 8, e.message) } }");
    assert_string_equal(world_log(&w), "info true out of memory\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashes),       cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_errors),       cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_memory_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
