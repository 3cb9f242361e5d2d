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
    if (req.url.startsWith('/reset')) return req.socket.resetAndDestroy();
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

function run(args, { more } = {}) {
  const p = spawn(spate, ['run', ...args], { cwd: dir, env: { ...env, ...more } });
  let out = '';
  let err = '';
  p.stdout.on('data', (d) => { out += d; });
  p.stderr.on('data', (d) => { err += d; });
  return new Promise((ok) => p.on('close', (code, signal) => ok({ code, signal, out, err })));
}

let names = 0;
// What `console.log` was given, a line each.
const logged = (err) => [...err.matchAll(/level=info msg=("(?:[^"\\]|\\.)*"|\S*) source=console/g)]
  .map(([, m]) => (m[0] === '"' ? JSON.parse(m) : m));

// ---- what scripts print ---------------------------------------------------------------------------

const prints = [
  ['recursion a thousand deep',
    'function f(n) { return n === 0 ? 0 : 1 + f(n - 1); } console.log(f(1000)); export default () => { console.log(f(1000)); try { f(1e9); } catch (e) { console.log(e.name); } };',
    process.env.ASAN_OPTIONS ? null : ['1000', '1000', '1000', 'RangeError']],
  ['JSON nested three thousand deep',
    "export default () => { console.log(JSON.stringify(JSON.parse('['.repeat(3000) + ']'.repeat(3000))).length); };", ['6000']],
  ['sleep() of what is no number',
    "import { sleep } from 'k6'; export default () => { sleep(NaN); sleep(); sleep(undefined); sleep('x'); sleep(-1); sleep(null); sleep('0.001'); console.log('awake'); };", ['awake']],
  ['options of null', 'export const options = null; export default () => { console.log(1); };', ['1']],
];
for (const [name, script, lines] of prints)
  if (lines)
    test(`prints: ${name}`, async () => {
      const r = await run(['-q', file(`p${names++}.js`, script)]);
      assert.equal(r.code, 0, r.err);
      assert.deepEqual(logged(r.err), lines, r.err);
    });

// ---- mistakes -------------------------------------------------------------------------------------

const nothing = 'export default () => {};';
const opt = (o) => `export const options = ${o}; export default () => {};`;
const bad = [
  ['options that are a number', opt('5'), 104, 'json: cannot unmarshal number into Go value of type lib.Options'],
  ['options that are a string', opt("'x'"), 104, 'json: cannot unmarshal string into Go value of type lib.Options'],
  ['options that are a function', opt('() => ({})'), 104, "exported 'options' must be an object"],
  ['setup that is no function', 'export const setup = 5; export default () => {};', 255, "exported 'setup' must be a function"],
  ['teardown that is no function', 'export const teardown = {}; export default () => {};', 255, "exported 'teardown' must be a function"],
  ['sequence without its segment', opt("{ executionSegmentSequence: '0,1/2' }"), 104, "execution segment '0:1' isn't a part of the sequence '0,1/2'"],
  ['star within a blocked name', opt("{ blockHostnames: ['a*b'] }"), 104, "invalid hostname pattern 'a*b'"],
  ['a compatibility mode', nothing, 255, 'invalid compatibility mode \\"x\\"', { args: ['--compatibility-mode', 'x'] }],
  ['what the environment asks for', nothing, 104, "what K6_WEB_DASHBOARD asks for isn't there yet", { more: { K6_WEB_DASHBOARD: 'true', K6_TRACES_OUTPUT: 'none' } }],
  ['abort in handleSummary', "import exec from 'k6/execution'; export default () => {}; export function handleSummary() { exec.test.abort('enough'); }", 108, 'test aborted: enough at handleSummary'],
];
for (const [name, script, code, message, { args = [], more = {} } = {}] of bad)
  test(`bad: ${name}`, async () => {
    const r = await run(['-q', ...args, file(`b${names++}.js`, script)], { more });
    assert.equal(r.code, code, r.err);
    assert.ok(r.err.includes(message), r.err);
    assert.equal(r.err.match(/level=error/g).length, 1, r.err);
    if (!/handleSummary/.test(script)) assert.equal(r.out, '');
  });
