#include "cases.h"

#define HEAD                                                                                       \
    "import { b64encode as e, b64decode as d } from 'k6/encoding';\n"                              \
    "const t = (f) => { try { return f() } catch (x) { return `${x.name}: ${x.message}` } };\n"    \
    "const bytes = (b) => new Uint8Array(b).join();\n"                                             \
    "export default function () {"

static void test_encode(void **state)
{
    (void)state;
    static const struct says cases[] = {
        {HEAD "console.log(e(''), e('a'), e('ab'), e('abc'), e('abcd')) }",
         "info  YQ== YWI= YWJj YWJjZA==\n"},
        {HEAD "console.log(e('a', 'rawstd'), e('ab', 'rawurl'), e('a', 'url'), e('a', 'nope')) }",
         "info YQ YWI YQ== YQ==\n"},
        {HEAD "const b = new Uint8Array([251, 255, 190, 0]);"
              "console.log(e(b), e(b.buffer), e(b, 'url'), e(b.subarray(1, 3)), "
              "e(new Uint16Array(b.buffer, 2), 'rawurl')) }",
         "info +/++AA== +/++AA== -_--AA== /74= vgA\n"},
        {HEAD "console.log(e('héllo €')) }", "info aMOpbGxvIOKCrA==\n"},
        {HEAD "console.log(t(() => e(1)), t(() => e(1.5)), t(() => e()), t(() => e({})), "
              "t(() => e([1])), t(() => e(true))) }",
         "info GoError: invalid type int64, expected string, []byte or ArrayBuffer "
         "GoError: invalid type float64, expected string, []byte or ArrayBuffer "
         "GoError: invalid type <nil>, expected string, []byte or ArrayBuffer "
         "GoError: invalid type map[string]interface {}, expected string, []byte or ArrayBuffer "
         "GoError: invalid type []interface {}, expected string, []byte or ArrayBuffer "
         "GoError: invalid type bool, expected string, []byte or ArrayBuffer\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

static void test_decode(void **state)
{
    (void)state;
    static const struct says cases[] = {
        {HEAD "const b = d('+/++AA=='); console.log(b instanceof ArrayBuffer, bytes(b)) }",
         "info true 251,255,190,0\n"},
        {HEAD "console.log(d('aMOpbGxvIOKCrA==', 'std', 's'), d('YQ', 'rawstd', 's'), "
              "d('-_--AA', 'rawurl').byteLength, d('', 'std', 's') === '', d('').byteLength) }",
         "info héllo € a 4 true 0\n"},
        {HEAD "console.log(d('YW\\r\\nJj\\n', 'std', 's'), d('YQ=\\n=\\n', undefined, 's')) }",
         "info abc a\n"},
        /* Places of errors are Go's. */
        {HEAD "for (const x of ['!!!!', '====', 'x===', 'A=AA', 'AA=A', 'AA==A', 'AAA=AAAA', "
              "'AAAAA', 'AAAAAA', 'A=', 'AA=', 'AAAAAA=', 'YWJjZA=====', 'A!\\n', '-_--']) "
              "console.log(x, t(() => d(x)).match(/GoError: illegal base64 data at input byte "
              "(\\d+)/)[1]) }",
         "info !!!! 0\ninfo ==== 0\ninfo x=== 1\ninfo A=AA 1\ninfo AA=A 2\ninfo AA==A 4\n"
         "info AAA=AAAA 4\ninfo AAAAA 4\ninfo AAAAAA 4\ninfo A= 1\ninfo AA= 3\ninfo AAAAAA= 7\n"
         "info YWJjZA===== 8\ninfo A!\n 1\ninfo -_-- 0\n"},
        {HEAD "console.log(t(() => d('YQ==', 'rawstd')), t(() => d('YQ', 'std')), "
              "t(() => d('A', 'rawurl'))) }",
         "info GoError: illegal base64 data at input byte 2 "
         "GoError: illegal base64 data at input byte 0 "
         "GoError: illegal base64 data at input byte 0\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

/* More than one step of the encoder, and back. */
static void test_large(void **state)
{
    (void)state;
    static const struct says cases[] = {
        {HEAD "for (const n of [786431, 786432, 786433, 3000001]) {"
              "  const b = new Uint8Array(n); for (let i = 0; i < n; i += 97) b[i] = i;"
              "  const text = e(b), back = new Uint8Array(d(text));"
              "  let same = back.length === n; for (let i = 0; i < n; i++) if (b[i] !== back[i]) "
              "same = false;"
              "  console.log(text.length === Math.ceil(n / 3) * 4, same) } }",
         "info true true\ninfo true true\ninfo true true\ninfo true true\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

static void test_imports(void **state)
{
    (void)state;
    static const struct says cases[] = {
        {"import encoding from 'k6/encoding'; import * as ns from 'k6/encoding';"
         "export default function () { console.log(encoding.b64encode('a'), ns.b64encode('a'), "
         "Object.keys(ns).join()) }",
         "info YQ== YQ== b64decode,b64encode\n"},
        {"const encoding = require('k6/encoding');"
         "exports.default = function () { console.log(encoding.b64encode('a')) }",
         "info YQ==\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_imports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
