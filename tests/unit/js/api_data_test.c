#include "cases.h"

#include "base/limits.h"

#define HEAD                                                                                       \
    "import { SharedArray } from 'k6/data';\n"                                                     \
    "const t = (f) => { try { return f() } catch (x) { return `${x.name}: ${x.message}` } };\n"    \
    "const a = new SharedArray('a', () => [{ a: 1, b: [1, { c: 2 }] }, 'x', null, 1.5, true]);\n"  \
    "const n = new SharedArray('n', () => [3, 1, 2]);\n"                                           \
    "export default function () {"

static void test_reads(void **state)
{
    (void)state;
    static const struct says cases[] = {
        {HEAD "console.log(a.length, a[0].a, a[0].b[1].c, a[1], a[2], a[3], a[4], a[5], a[-1], "
              "a['01'], a[1.5]) }",
         "info 5 1 2 x null 1.5 true undefined undefined undefined undefined\n"},
        {HEAD "console.log(Array.isArray(a), a instanceof Array, a instanceof SharedArray, "
              "Object.getPrototypeOf(a) === Array.prototype, typeof a) }",
         "info true true true true object\n"},
        {HEAD "console.log(Object.keys(n).join(), Object.values(n).join(), "
              "Object.getOwnPropertyNames(n).join(), 1 in n, 3 in n, 'length' in n, 'map' in n, "
              "n.hasOwnProperty(0), n.hasOwnProperty('map'));"
              "let k = ''; for (const i in n) k += i; console.log(k, JSON.stringify(n), "
              "JSON.stringify(Object.getOwnPropertyDescriptor(n, 0)), "
              "JSON.stringify(Object.getOwnPropertyDescriptor(n, 'length'))) }",
         "info 0,1,2 3,1,2 0,1,2,length true false true true true false\n"
         "info 012 [3,1,2] {\"value\":3,\"writable\":true,\"enumerable\":true,\"configurable\":"
         "true} {\"value\":3,\"writable\":true,\"enumerable\":false,\"configurable\":false}\n"},
        {HEAD "let s = 0; for (const x of n) s += x; console.log(s, [...n].join(), "
              "n.map((x) => x * 2).join(), n.filter((x) => x > 1).join(), "
              "n.reduce((p, x) => p + x), n.find((x) => x < 3), n.indexOf(2), n.includes(9), "
              "n.slice(1).join(), n.concat([4]).join(), [0].concat(n).join(), n.at(-1), "
              "n.toSorted().join(), n.some((x) => x > 2), n.every((x) => x > 2), "
              "n.join('-'), n.flat().join(), [...n.entries()].join('|'), Array.from(n).length);"
              "const [p, ...q] = n; console.log(p, q.join(), Math.max(...n)); "
              "n.forEach((x, i, all) => { if (all !== n) throw new Error('x') }) }",
         "info 6 3,1,2 6,2,4 3,2 6 1 2 false 1,2 3,1,2,4 0,3,1,2 2 1,2,3 true false 3-1-2 3,1,2 "
         "0,3|1,1|2,2 3\n"
         "info 3 1,2 3\n"},
        {HEAD "console.log(n); console.log(JSON.stringify({ a })) }",
         "info [ 3, 1, 2 ]\ninfo {\"a\":[{\"a\":1,\"b\":[1,{\"c\":2}]},\"x\",null,1.5,true]}\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

static void test_writes(void **state)
{
    (void)state;
    static const struct says cases[] = {
        {HEAD "for (const f of [() => { a[0] = 1 }, () => { a[9] = 1 }, () => { a.length = 0 }, "
              "() => { a.x = 1 }, () => a.push(1), () => a.sort(), () => a.reverse(), "
              "() => delete a[0], () => a.pop(), () => Object.defineProperty(a, 0, {}), "
              "() => Object.freeze(a), () => Object.setPrototypeOf(a, null), "
              "() => a.splice(0, 1), () => a.fill(0)]) "
              "if (t(f) !== 'TypeError: SharedArray is immutable') console.log(String(f), t(f));"
              "console.log(a.length, n.join()) }",
         "info 5 3,1,2\n"},
        {HEAD "for (const f of [() => { a[0].a = 2 }, () => { a[0].x = 2 }, "
              "() => { a[0].b[0] = 2 }, () => { a[0].b.push(3) }, () => { a[0].b[1].c = 3 }, "
              "() => { delete a[0].a }, () => { a[0].b.length = 0 }]) "
              "if (!t(f).startsWith('TypeError')) console.log(String(f), t(f));"
              "console.log(JSON.stringify(a[0]), Object.isFrozen(a[0]), Object.isFrozen(a[0].b), "
              "Object.isFrozen(a[0].b[1]), Array.isArray(a[0].b), a[0].b.length) }",
         "info {\"a\":1,\"b\":[1,{\"c\":2}]} true true true true 2\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

static void test_constructor(void **state)
{
    (void)state;
#define TRY                                                                                        \
    "import { SharedArray } from 'k6/data';\n"                                                     \
    "const t = (f) => { try { return f() } catch (x) { return `${x.name}: ${x.message}` } };\n"    \
    "export default function () { "
    static const struct says cases[] = {
        {TRY "} console.log(t(() => new SharedArray('', () => [])), t(() => new SharedArray('a')), "
             "t(() => new SharedArray('a', () => ({}))), t(() => new SharedArray('a', async () => "
             "[])), t(() => SharedArray('a', () => [])))",
         "info GoError: empty name provided to SharedArray's constructor "
         "GoError: a function is expected as the second argument of SharedArray's constructor "
         "GoError: only arrays can be made into SharedArray "
         "GoError: SharedArray constructor does not support async functions as second argument "
         "TypeError: must be called with new\n"},
        {TRY "console.log(t(() => new SharedArray('a', () => []))) }",
         "info GoError: new SharedArray must be called in the init context\n"},
        {TRY "} console.log(t(() => new SharedArray('a', () => { throw new RangeError('no') })), "
             "new SharedArray('a', () => [7])[0], new SharedArray('a', () => [8])[0], "
             "new SharedArray('b', () => new SharedArray('a', () => []))[0])",
         "info RangeError: no 7 7 7\n"},
        {TRY "} console.log(t(() => new SharedArray('a', () => new SharedArray('a', () => [1]))))",
         "info GoError: SharedArray \"a\" is made inside of itself\n"},
        {TRY "} const e = new SharedArray('e', () => [undefined, () => 1, new Date(0), "
             "{ toJSON: () => 'j' }, , NaN]); console.log(JSON.stringify(e), e.length)",
         "info [null,null,\"1970-01-01T00:00:00.000Z\",\"j\",null,null] 6\n"},
        {"import data from 'k6/data'; import * as ns from 'k6/data';"
         "const a = new data.SharedArray('x', () => [1]); const b = new ns.SharedArray('x', null ||"
         " (() => 0)); export default function () { console.log(a[0], b[0]) }",
         "info 1 1\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

/* All that JSON has comes back as it went. */
static void test_values(void **state)
{
    (void)state;
    static const struct says cases[] = {
        {"import { SharedArray } from 'k6/data';"
         "const make = () => [0, -0, 1, -1, 123456789012345, 1234567890123456789, 1e21, 1e-7, "
         "-1.5e300, 0.1, 5e-324, 2147483648, true, false, null, '', 'a\\u0000b', '\\\"\\\\/\\b\\f"
         "\\n\\r\\t\\u001f\\u2028', 'h\\u00e9 \\u20ac \\ud83d\\ude00', '\\ud800', '\\udc00x', [], "
         "{}, [[]], [{}], { '': 1, '0': 2, 'a b': 3, ['__proto__']: 4, length: 5 }, "
         "{ a: { b: [{ c: [1, [2, 3]] }, 'x'] }, d: [] }];"
         "const s = new SharedArray('v', make);"
         "export default function () { const w = make(); for (let i = 0; i < w.length; i++) "
         "if (JSON.stringify(s[i]) !== JSON.stringify(w[i]) || (i > 1 && typeof w[i] !== 'object' "
         "&& s[i] !== w[i])) console.log(i, JSON.stringify(s[i])); console.log(s.length) }",
         "info 27\n"},
        /* Deep ones need no stack. */
        {"import { SharedArray } from 'k6/data';"
         "const s = new SharedArray('v', () => { let x = 1; for (let i = 0; i < 500; i++) "
         "x = i % 2 ? [x] : { x }; return [x] });"
         "export default function () { let x = s[0], n = 0; while (typeof x === 'object') { "
         "x = x[0] || x.x; n++ } console.log(n, x) }",
         "info 500 1\n"},
        /* More lists of keys than have models, and arrays of all lengths; all of them frozen. */
        {"import { SharedArray } from 'k6/data';"
         "const make = () => Array.from({ length: 2000 }, (_, i) => ({ ['k' + i]: i, n: { ['q' + i "
         "% "
         "700]: [i, { i }], '7': 1 }, list: Array.from({ length: i % 40 }, (_, j) => ({ j })) }));"
         "const s = new SharedArray('v', make);"
         "const deep = (v) => typeof v !== 'object' || (Object.isFrozen(v) && "
         "Object.values(v).every(deep));"
         "export default function () { const w = make(); let bad = 0; for (let n = 0; n < 3000; "
         "n++) "
         "{ const i = n * 7919 % 2000; if (JSON.stringify(s[i]) !== JSON.stringify(w[i]) || "
         "!deep(s[i]) || Array.isArray(s[i].list) !== true) bad++ } console.log(bad, s.length) }",
         "info 0 2000\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

/* What was read once is the same object the next time, until others take its room. */
static void test_cache(void **state)
{
    (void)state;
    static const struct says cases[] = {
        {HEAD "console.log(a[0] === a[0], a[0].b === a[0].b) }", "info true true\n"},
        /* Random access over more elements than fit, twice. */
        {"import { SharedArray } from 'k6/data';"
         "const s = new SharedArray('s', () => Array.from({ length: 5000 }, (_, i) => "
         "({ i, pad: 'x'.repeat(i % 300) })));"
         "const u = new SharedArray('u', () => Array.from({ length: 5000 }, (_, i) => ({ i: -i "
         "})));"
         "export default function () { let at = 1, bad = 0; for (let n = 0; n < 20000; n++) { "
         "at = (at * 1103515245 + 12345) % 5000; const x = s[at]; "
         "if (x.i !== at || x.pad.length !== at % 300 || u[at].i !== -at) bad++ }"
         "console.log(bad) }",
         "info 0\n"},
        /* One that is larger than all of the room stays, too. */
        {"import { SharedArray } from 'k6/data';"
         "const s = new SharedArray('s', () => [1, { big: 'x'.repeat(1000000) }, 2]);"
         "export default function () { const x = s[1]; console.log(s[1] === x, s[0], s[1] === x, "
         "s[1] === s[1]) }",
         "info true 1 false true\n"},
    };
    check_says(cases, ARRAY_LEN(cases));
}

/* The next VM of the program reads what the first one built; it doesn't build it again. */
static void test_built_once(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_source(&w, "import { SharedArray } from 'k6/data';"
                     "const s = new SharedArray('s', () => { console.log('built'); return [{ a: 1 "
                     "}] });"
                     "const late = __VU == 8 ? new SharedArray('late', () => { console.log('late')"
                     "; return [9] }) : [];"
                     "export default function () { console.log(__VU, s[0].a, late[0]) }");
    assert_string_equal(w.message, "");
    for (uint32_t id = 8; id < 11; id++) {
        w.host.vu_id = id;
        world_second_vm(&w);
        assert_string_equal(w.message, "");
        world_call(&w, "default");
        assert_string_equal(w.message, "");
    }
    assert_string_equal(world_log(&w), "info built\ninfo late\ninfo 8 1 9\ninfo 9 1 undefined\n"
                                       "info 10 1 undefined\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),       cmocka_unit_test(test_writes),
        cmocka_unit_test(test_constructor), cmocka_unit_test(test_values),
        cmocka_unit_test(test_cache),       cmocka_unit_test(test_built_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
