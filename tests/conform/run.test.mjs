// also: asan
// Scripts of all sorts, run from outside: what they print, what is said about their mistakes, with
// which exit code. A case is a script and what has to come of it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
const dir = mkdtempSync(join(tmpdir(), 'spate-conform-'));
const env = { PATH: process.env.PATH, HOME: dir, TZ: 'UTC', ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' };
let server;
let url;

before(async () => {
  server = http.createServer((req, res) => {
    const status = /^\/status\/(\d+)/.exec(req.url);
    if (status) res.statusCode = Number(status[1]);
    if (req.url === '/never') return;
    if (req.url.startsWith('/redirect/')) {
      const n = Number(req.url.slice(10));
      res.statusCode = 302;
      res.setHeader('location', n > 1 ? `/redirect/${n - 1}` : '/');
    }
    res.end('hello');
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  url = `http://127.0.0.1:${server.address().port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

function file(name, text) {
  mkdirSync(dirname(join(dir, name)), { recursive: true });
  writeFileSync(join(dir, name), text.replaceAll('$URL', url));
  return name;
}

// `signal` gets what standard error has so far, until it has returned true.
function run(args, { more, signal: ask } = {}) {
  const p = spawn(spate, ['run', ...args], { cwd: dir, env: { ...env, ...more } });
  let out = '';
  let err = '';
  p.stdout.on('data', (d) => { out += d; });
  let asked = !ask;
  p.stderr.on('data', (d) => { err += d; asked ||= ask(err, p); });
  return new Promise((ok) => p.on('close', (code, signal) => ok({ code, signal, out, err })));
}

let names = 0;
// What `console.log` was given, a line each.
const logged = (err) => [...err.matchAll(/level=info(?: msg=("(?:[^"\\]|\\.)*"|\S*))? source=console/g)]
  .map(([, m = '']) => (m[0] === '"' ? JSON.parse(m) : m));

// ---- what scripts print ---------------------------------------------------------------------------

const prints = [
  ['recursion a thousand deep',
    'function f(n) { return n === 0 ? 0 : 1 + f(n - 1); } console.log(f(1000)); export default () => { console.log(f(1000)); try { f(1e9); } catch (e) { console.log(e.name); } };',
    process.env.ASAN_OPTIONS ? null : ['1000', '1000', '1000', 'RangeError', '1000']],
  ['JSON nested three thousand deep',
    "export default () => { console.log(JSON.stringify(JSON.parse('['.repeat(3000) + ']'.repeat(3000))).length); };", ['6000']],
  ['sleep() of what is no number',
    "import { sleep } from 'k6'; export default () => { sleep(NaN); sleep(); sleep(undefined); sleep('x'); sleep(-1); sleep(null); sleep('0.001'); console.log('awake'); };", ['awake']],
  ['options of null', 'export const options = null; export default () => { console.log(1); };', ['1']],
  ['what console does with values', `
    const o = { a: 1 }; o.self = o;
    export default () => {
      console.log({ a: 1, b: [1, 'x', null, undefined], c: { d: () => {} } }); console.log(undefined, null, true, 1.5, 's');
      console.log(new Error('boom')); console.log(new Date(0)); console.log(new Map([[1, 2]])); console.log(new Uint8Array([1, 2]));
      console.log(() => {}); console.log(); console.log(o); console.log('%s', 'é☃😀'); console.log([{ e: new TypeError('t') }]);
    };`,
    ['{ a: 1, b: [ 1, "x", null, null ], c: { d: [object Function] } }', 'undefined null true 1.5 s', 'Error: boom', '"1970-01-01T00:00:00.000Z"', '{}',
      'Uint8Array(2) [ 1, 2 ]', '[object Function]', '', '{ a: 1, self: [Circular] }', '%s é☃😀', '[ { e: TypeError: t } ]']],
  ['what a script of today is written in', `
    class P { #p = 1; static s = 2; static { P.t = 3; } get p() { return this.#p; } has(o) { return #p in o; } }
    const later = await Promise.resolve('later');
    export default async function () {
      const p = new P(); const { z = 5, ...rest } = { q: 1 }; let w = null; w ??= 7;
      console.log(p.p, P.s, P.t, p.has(p), 1_000, 2n ** 64n, 'abc'.at(-1), z, rest, w, /(?<y>\\d+)/.exec('12').groups.y, [3, 1].toSorted(), later);
      for await (const k of (async function* () { yield 1; yield 2; })()) console.log(k);
      const order = []; setTimeout(() => order.push('t'), 5); await null; order.push('m'); await new Promise((ok) => setTimeout(ok, 20)); console.log(order);
    };`,
    ['1 2 3 true 1000 18446744073709551616 c 5 { q: 1 } 7 12 [ 1, 3 ] later', '1', '2', '[ "m", "t" ]']],
  ['what stands where no module is', 'export default () => { console.log(typeof structuredClone, typeof URL, typeof fetch, typeof Buffer, typeof process, typeof window, typeof require, typeof global, typeof TextEncoder, typeof crypto); };',
    ['undefined undefined undefined undefined undefined undefined function object function object']],
  ['group and check', `
    import { check, group, fail } from 'k6';
    const said = (f) => { try { console.log(f()); } catch (e) { console.log(String(e)); } };
    export default () => {
      said(() => group('g', () => 5)); said(() => check(1, { a: 1, b: '' })); said(() => check(1, { a: [], b: (v) => v === 1 })); said(() => check(1));
      said(() => group('a::b', () => {})); said(() => group('g', async () => {})); said(() => check(1, { a: () => { throw new Error('in check'); } })); said(() => fail('no'));
    };`,
    ['5', 'false', 'true', 'GoError: no checks provided to `check`', "GoError: group and check names may not contain '::'",
      'GoError: group() does not support async functions as arguments, please see docs for working around', 'Error: in check', 'GoError: no']],
];
for (const [name, script, lines] of prints)
  if (lines)
    test(`prints: ${name}`, async () => {
      const r = await run(['-q', file(`p${names++}.js`, script)]);
      assert.equal(r.code, 0, r.err);
      assert.deepEqual(logged(r.err), lines, r.err);
    });

test('modules in folders, CommonJS beside them, files relative to the script', async () => {
  file('m/lib/a.js', "import { helper } from '../util/h.js'; export default (n) => helper(n); export const named = 'N'; export let counter = 1; counter++;");
  file('m/util/h.js', "import { named } from '../lib/a.js'; export const helper = (n) => n + 1 + named;");
  file('m/lib/b.js', "export * from './a.js'; export default 'b'; export * as sub from './a.js';");
  file('m/lib/c.js', "const h = require('../util/cjs.js'); module.exports = { x: h.v };");
  file('m/util/cjs.js', 'exports.v = 42;');
  file('m/data/text.txt', 'tëxt');
  const r = await run(['-q', file('m/main.js', `
    import def, { named, counter } from './lib/a.js'; import * as ns from './lib/b.js'; import cjs, { x } from './lib/c.js';
    import abs from 'file://${dir}/m/lib/b.js'; import http, { get } from 'k6/http'; import k6 from 'k6';
    const same = require('./lib/c.js') === cjs, text = open('data/text.txt'), bytes = open('./data/text.txt', 'b');
    export default () => {
      console.log(def(1), named, counter, ns.default, Object.keys(ns), cjs.x, x, abs, same, http.get === get, typeof k6.check);
      console.log(text, bytes.byteLength, import.meta.url.endsWith('/m/main.js'));
    };`)]);
  assert.equal(r.code, 0, r.err);
  assert.deepEqual(logged(r.err), ['2N N 2 b [ "counter", "default", "named", "sub" ] 42 42 b true true function', 'tëxt 5 true']);
});

test('a script that is CommonJS throughout', async () => {
  const r = await run(['-q', file('cjs.js', "const { check } = require('k6'); module.exports.options = { iterations: 2 }; module.exports.default = () => console.log(typeof check, __ITER);")]);
  assert.deepEqual(logged(r.err), ['function 0', 'function 1'], r.err);
});

// ---- iterations that fail -------------------------------------------------------------------------

const failing = [
  ['a rejected async function', "export default async () => { await null; throw new TypeError('later'); };", /^Uncaught \(in promise\) TypeError: later\n\tat default \(file:/],
  ['a promise nobody looks after', "export default () => { Promise.reject(new Error('alone')); setTimeout(() => console.log('never'), 50); };", /^Uncaught \(in promise\) Error: alone/, 'setTimeout 1 was stopped because the VU iteration was interrupted'],
  ['a timer that throws', "export default () => { setTimeout(() => { throw new Error('in timer'); }, 1); };", /^Error: in timer/],
  ['a thrown string', "export default () => { throw 'text'; };", /^text$/],
  ['a thrown null', 'export default () => { throw null; };', /^null$/],
  ['recursion without end', 'function f() { return f() + 1; } export default () => f();', /^RangeError: Maximum call stack size exceeded\n\tat f /],
  ['memory without end', "export default () => { const a = []; for (;;) a.push('x'.repeat(100) + a.length); };", /^InternalError: out of memory/, '', ['--vu-memory-limit', '16MB']],
];
for (const [name, script, message, warning, args = []] of failing)
  test(`fails: ${name}`, async () => {
    const r = await run([...args, '-i', '2', file(`f${names++}.js`, script)]);
    assert.equal(r.code, 0, r.err);
    const errors = [...r.err.matchAll(/level=error msg=("(?:[^"\\]|\\.)*"|\S*) executor=shared-iterations (?:hint="script exception" )?scenario=default(?: source=stacktrace)?\n/g)];
    assert.equal(errors.length, 2, r.err); // the second iteration came, as if nothing had been
    for (const [, m] of errors) assert.match(m[0] === '"' ? JSON.parse(m) : m, message);
    if (warning) assert.ok(r.err.includes(warning), r.err);
    assert.match(r.out, /2 complete and 0 interrupted iterations/);
    assert.deepEqual(logged(r.err), []);
  });

// ---- tags, as thresholds see them -----------------------------------------------------------------

test('what samples are tagged with', async () => {
  const r = await run(['-q', file('tags.js', `
    import http from 'k6/http'; import { check, group } from 'k6'; import { Counter, Trend } from 'k6/metrics'; import exec from 'k6/execution';
    const c = new Counter('cc'), t = new Trend('tt', true), B = '$URL', host = B.slice(7);
    const is = (n) => ['count==' + n];
    export const options = {
      tags: { run: 'R' },
      scenarios: { s: { executor: 'per-vu-iterations', vus: 1, iterations: 2, tags: { sc: 'S', run: 'over' } } },
      thresholds: {
        'http_reqs{name:N}': is(2), 'http_reqs{url:N}': is(2), ['http_reqs{name:' + B + '/u/$' + '{}}']: is(6), 'http_reqs{method:POST}': is(2),
        'http_reqs{status:404}': is(2), 'http_reqs{error_code:1404}': is(2), 'http_reqs{status:0}': is(2), 'http_reqs{error_code:1212}': is(2),
        'http_reqs{error:dial: connection refused}': is(2), 'http_reqs{group:::g1::g2}': is(2), 'http_reqs{run:R}': is(2), 'http_reqs{group:::setup}': is(1),
        'http_reqs{group:::teardown}': is(1), 'http_reqs{vt:x}': is(2), 'http_reqs{num:5,b:true}': is(2), 'http_reqs{expected_response:false}': is(4),
        'http_req_failed{status:404}': ['rate==1'], 'http_req_failed{cb:1}': ['rate==0'], ['http_reqs{url:' + B + '/redirect/2}']: is(2), ['http_reqs{url:' + B + '/redirect/1}']: is(2),
        ['http_reqs{name:http://****:****@' + host + '/auth}']: is(2), 'http_reqs{proto:HTTP/1.1,scenario:s}': is(26),
        'checks{check:ok}': ['rate==0.5'], 'checks{ct:1}': ['rate==1'], 'cc{k:v}': is(4), cc: is(6), tt: ['avg==10', 'p(95)==10'], 'iterations{sc:S}': is(2),
        'group_duration{group:::g1}': ['max>0'], 'data_sent{group:::setup}': ['count>0'], 'data_sent{scenario:s}': ['count>0'],
      } };
    export function setup() { http.get(B + '/'); }
    export function teardown() { http.get(B + '/'); }
    export default () => {
      http.get(B + '/', { tags: { name: 'N' } });
      for (const i of [1, 2, 3]) http.get(http.url\`$URL/u/\${i}\`, { responseCallback: null });
      http.get(B + '/status/404'); http.get('http://127.0.0.1:1/');
      group('g1', () => group('g2', () => http.post(B + '/')));
      exec.vu.tags.vt = 'x'; http.get(B + '/'); delete exec.vu.tags.vt;
      http.get(B + '/', { tags: { num: 5, b: true } }); http.get(B + '/redirect/2'); http.get('http://u:p@' + host + '/auth');
      http.get(B + '/status/418', { responseCallback: http.expectedStatuses({ min: 400, max: 499 }), tags: { cb: '1' } });
      check(1, { ok: __ITER === 0 }); check(1, { two: true }, { ct: '1' });
      c.add(1); c.add(2, { k: 'v' }); t.add(10);
    };`)]);
  assert.equal(r.code, 0, r.err + r.out);
});

test('a loop around calls that take long ends at the hard stop', async () => {
  const r = await run(['-q', file('slow.js', `
    export const options = { scenarios: { a: { executor: 'constant-vus', vus: 1, duration: '1s', gracefulStop: '0s' }, b: { executor: 'constant-vus', vus: 1, duration: '1s', gracefulStop: '0s', exec: 'b' } } };
    const text = '[' + '1,'.repeat(500000) + '1]', long = 'a'.repeat(1000000);
    export default () => { for (;;) JSON.parse(text); };
    export function b() { for (;;) long.split(''); };`), '--vu-memory-limit', '500MB']);
  assert.equal(r.code, 0, r.err);
  assert.equal(r.err, '');
});

// ---- Ctrl-C, wherever it comes ---------------------------------------------------------------------

// the script says "now" when the signal is due; again, with `twice`.
const interrupted = [
  ['in endless init code', "console.log('now'); for (;;); export default () => {};", { summary: false }],
  ['in setup', "import { sleep } from 'k6'; export function setup() { console.log('now'); sleep(60); } export default () => {}; export function teardown() { console.log('torn down'); }", { says: ['now'] }],
  ['in an endless setup', "export function setup() { console.log('now'); for (;;); } export default () => {};", {}],
  ['in a request', "import http from 'k6/http'; export default () => { console.log('now'); http.get('$URL/never'); }; export function teardown() { console.log('torn down'); }", { says: ['now', 'torn down'] }],
  ['while a promise waits', "export default async () => { console.log('now'); await new Promise((ok) => setTimeout(ok, 60000)); };", {}],
  ['in a loop that catches everything', "export default () => { console.log('now'); for (;;) try { for (;;); } catch (e) { console.log('caught'); } finally { for (;;); } };", { says: ['now'] }],
  ['in a regular expression', "export default () => { console.log('now'); /(a+)+$/.test('a'.repeat(40) + 'b'); };", {}],
  ['before the first scenario', "export const options = { scenarios: { a: { executor: 'constant-vus', vus: 1, duration: '5s', startTime: '60s' } } }; export function setup() { console.log('now'); } export default () => {};", {}],
  ['twice in an endless teardown', "export default () => {}; export function teardown() { console.log('now'); for (;;); }", { twice: true, summary: false }],
  ['twice in an endless handleSummary', "export default () => {}; export function handleSummary() { console.log('now'); for (;;); }", { twice: true, summary: false }],
];
for (const [name, script, { says = ['now'], twice = false, summary = true }] of interrupted)
  test(`Ctrl-C ${name}`, async () => {
    const signal = (err, p) => { if (err.includes('now')) { p.kill('SIGINT'); if (twice) setTimeout(() => p.kill('SIGINT'), 50); return true; } };
    const r = await run(['-q', file(`i${names++}.js`, script)], { signal });
    assert.equal(r.code, 105, r.err);
    assert.deepEqual(logged(r.err), says);
    assert.equal(/TOTAL RESULTS/.test(r.out), summary, r.out);
    if (!twice) assert.match(r.err, /test run was aborted because spate received a 'interrupt' signal"\n$/);
  });

// ---- mistakes -------------------------------------------------------------------------------------

const nothing = 'export default () => {};';
const opt = (o) => `export const options = ${o}; export default () => {};`;
const bad = [
  ['options that are a number', opt('5'), 104, 'json: cannot unmarshal number into Go value of type lib.Options'],
  ['options that are a string', opt("'x'"), 104, 'json: cannot unmarshal string into Go value of type lib.Options'],
  ['options that are a function', opt('() => ({})'), 255, "exported 'options' must be an object"],
  ['setup that is no function', 'export const setup = 5; export default () => {};', 255, "exported 'setup' must be a function"],
  ['teardown that is no function', 'export const teardown = {}; export default () => {};', 255, "exported 'teardown' must be a function"],
  ['sequence without its segment', opt("{ executionSegmentSequence: '0,1/2' }"), 104, "execution segment '0:1' isn't a part of the sequence '0,1/2'"],
  ['star within a blocked name', opt("{ blockHostnames: ['a*b'] }"), 104, "invalid hostname pattern 'a*b'"],
  ['a compatibility mode', nothing, 255, 'invalid compatibility mode \\"x\\"', { args: ['--compatibility-mode', 'x'] }],
  ['what the environment asks for', nothing, 104, "what K6_WEB_DASHBOARD asks for isn't there yet", { more: { K6_WEB_DASHBOARD: 'true', K6_TRACES_OUTPUT: 'none' } }],
  ['abort in handleSummary', "import exec from 'k6/execution'; export default () => {}; export function handleSummary() { exec.test.abort('enough'); }", 0, 'test aborted: enough at handleSummary'],
];
for (const [name, script, code, message, { args = [], more = {} } = {}] of bad)
  test(`bad: ${name}`, async () => {
    const r = await run(['-q', ...args, file(`b${names++}.js`, script)], { more });
    assert.equal(r.code, code, r.err);
    assert.ok(r.err.includes(message), r.err);
    assert.equal(r.err.match(/level=error/g).length, 1, r.err);
    if (!/handleSummary/.test(script)) assert.equal(r.out, '');
  });
