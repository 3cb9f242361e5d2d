// also: asan
// How load is made: what interrupts a virtual user, wherever it is; scenarios and their numbers over
// several machines; what happens when the generator is late, or the disk full.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
const dir = mkdtempSync(join(tmpdir(), 'spate-load-'));
const asan = process.env.ASAN_OPTIONS ?? '';
const env = { PATH: process.env.PATH, HOME: dir, TZ: 'UTC', ASAN_OPTIONS: asan };
const sockets = new Set();
let web;
let silent;
let full;
let urls;

// An address whose queue of new connections is full: whoever connects waits.
const FULL = `
import socket, sys
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(0); kept = []
for i in range(4):
    c = socket.socket(); c.setblocking(False); c.connect_ex(s.getsockname()); kept.append(c)
print(s.getsockname()[1], flush=True)
sys.stdin.read()`;

// Names are looked up for ever.
const NO_DNS = `
#include <netdb.h>
#include <unistd.h>
int getaddrinfo(const char *n, const char *s, const struct addrinfo *h, struct addrinfo **r)
{
    (void)n, (void)s, (void)h, (void)r;
    sleep(60);
    return EAI_AGAIN;
}`;

before(async () => {
  web = http.createServer((req, res) => {
    if (req.url === '/never') return;
    if (req.url === '/upload') return req.pause();
    res.writeHead(200, req.url === '/stall' ? { 'content-length': 1_000_000 } : {});
    if (req.url === '/stall') return res.write('x'.repeat(1000));
    if (req.url === '/endless') {
      const more = setInterval(() => res.write('x'.repeat(100)), 1);
      return res.on('close', () => clearInterval(more));
    }
    res.end('hello');
  });
  web.keepAliveTimeout = 60_000;
  silent = net.createServer((s) => { sockets.add(s); s.on('error', () => {}); });
  for (const s of [web, silent]) await new Promise((ok) => s.listen(0, '127.0.0.1', ok));
  full = spawn('python3', ['-c', FULL]);
  const port = await new Promise((ok) => full.stdout.once('data', (d) => ok(Number(d))));
  writeFileSync(join(dir, 'dns.c'), NO_DNS);
  execFileSync('cc', ['-shared', '-fPIC', '-o', join(dir, 'dns.so'), join(dir, 'dns.c')]);
  urls = { $URL: `http://127.0.0.1:${web.address().port}`, $TLS: `https://127.0.0.1:${silent.address().port}`, $FULL: `http://127.0.0.1:${port}` };
});
after(() => {
  full?.kill();
  for (const s of sockets) s.destroy();
  web?.closeAllConnections();
  web?.close();
  silent?.close();
  rmSync(dir, { recursive: true, force: true });
});

let names = 0;
function script(text) {
  const name = `s${names++}.js`;
  for (const [key, value] of Object.entries(urls)) text = text.replaceAll(key, value);
  writeFileSync(join(dir, name), text);
  return name;
}

// `said(err, p)` sees what standard error has so far.
function run(args, { more, said, stdout } = {}) {
  const began = Date.now();
  const p = spawn(spate, ['run', ...args], { cwd: dir, env: { ...env, ...more }, stdio: ['ignore', stdout ?? 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  p.stdout?.on('data', (d) => { out += d; });
  p.stderr.on('data', (d) => { err += d; said?.(err, p); });
  const late = setTimeout(() => p.kill('SIGKILL'), 20_000);
  return new Promise((ok) => p.on('close', (code, signal) => {
    clearTimeout(late);
    ok({ code, signal, out, err, ms: Date.now() - began, ended: Date.now() });
  }));
}
const count = (r, metric) => Number(new RegExp(`^ +${metric}\\.*: +(\\d+)`, 'm').exec(r.out)?.[1] ?? 0);
const logged = (r) => [...r.err.matchAll(/level=info msg=("(?:[^"\\]|\\.)*"|\S*) source=console/g)].map(([, m]) => (m[0] === '"' ? JSON.parse(m) : m));

// ---- interrupting -----------------------------------------------------------------------------------

// Seen are some 10 ms; a busy machine may take its time.
const SOON_MS = asan ? 3000 : 1000;

const places = {
  'a loop': 'for (;;);',
  'microtasks': 'const again = () => Promise.resolve().then(again); await again();',
  'sleep()': 'sleep(3600);',
  'a timer': 'await new Promise((ok) => setTimeout(ok, 3600e3));',
  'the look-up of a name': "http.get('http://nowhere.example/');",
  'connecting': "http.get('$FULL/');",
  'a TLS handshake': "http.get('$TLS/');",
  'waiting for a head': "http.get('$URL/never');",
  'a body that stalls': "http.get('$URL/stall');",
  'a body without end': "http.get('$URL/endless', { responseType: 'none' });",
  'sending': "http.post('$URL/upload', new Uint8Array(16e6).buffer);",
  'batch()': "http.batch(['$URL/never', '$URL/stall', '$FULL/']);",
  'asyncRequest()': "await http.asyncRequest('GET', '$URL/never');",
  'sleep() beside asyncRequest()': "http.asyncRequest('GET', '$URL/never'); sleep(3600);",
  'a regular expression': "/^(a+)+$/.test('a'.repeat(60) + '!');",
};
const bodies = Object.values(places);
const preload = () => ({ LD_PRELOAD: join(dir, 'dns.so'), ASAN_OPTIONS: `${asan}:verify_asan_link_order=0` });

const everywhere = (scenario, more = '') => `
  import http from 'k6/http'; import { sleep } from 'k6'; import exec from 'k6/execution';
  export const options = { scenarios: { ${bodies.map((_, i) => `p${i}: { executor: ${scenario}, exec: 'p${i}' }`).join(', ')}${more} } };
  ${bodies.map((b, i) => `export async function p${i}() { console.log('at'); ${b} }`).join('\n')}`;
const arrived = (err) => err.split('msg=at ').length - 1;

// Most of them wait: several at a time.
describe('load', { concurrency: 4 }, () => {
  for (const [name, body] of Object.entries(places))
    test(`Ctrl+C ends ${name}`, async () => {
      let sent;
      const r = await run(['-q', script(`
        import http from 'k6/http'; import { sleep } from 'k6';
        export const options = { vus: 2, duration: '1h' };
        export default async () => { console.log('at'); ${body} };`)], {
        more: preload(),
        said: (err, p) => { if (!sent && arrived(err) === 2) { sent = Date.now(); p.kill('SIGINT'); } },
      });
      assert.equal(r.code, 105, r.err);
      assert.ok(r.ended - sent < SOON_MS, `${r.ended - sent} ms`);
      assert.equal(arrived(r.err), 2);
      assert.ok(!r.err.includes('level=warning'), r.err);
      assert.equal(count(r, 'iterations'), 0, r.out);
    });

  test('the end of gracefulStop interrupts all places at once', async () => {
    const r = await run([script(everywhere("'constant-vus', vus: 1, duration: '1s', gracefulStop: '0s'"))], { more: preload() });
    assert.equal(r.code, 0, r.err);
    assert.ok(r.ms < 1000 + 2 * SOON_MS, `${r.ms} ms`);
    assert.match(r.out, new RegExp(`0/${bodies.length} VUs, 0 complete and ${bodies.length} interrupted iterations`));
    assert.ok(!r.err.includes('level=error'), r.err);
  });

  test('exec.test.abort() interrupts all places at once', async () => {
    const r = await run(['-q', script(`${everywhere("'constant-vus', vus: 1, duration: '1h'", ", z: { executor: 'shared-iterations', startTime: '300ms', exec: 'z' }")}
      export function z() { console.log('aborts ' + Date.now()); exec.test.abort('enough'); }
      export function teardown() { console.log('teardown'); }`)], { more: preload() });
    assert.equal(r.code, 108, r.err);
    assert.ok(r.ended - Number(/aborts (\d+)/.exec(r.err)[1]) < SOON_MS, r.err);
    assert.match(r.err, /msg=teardown/);
    assert.match(r.err, /test aborted: enough/);
  });

  const stages = [
    ['the first init', 'for (;;);', 105, 'SIGINT'],
    ['the init of virtual users', 'if (__VU > 0) for (;;);', 105, 'SIGINT'],
    ['setup()', 'export function setup() { for (;;); }', 105, 'SIGINT'],
    ['setup() in a request', "export function setup() { http.get('$URL/never'); }", 105, 'SIGTERM'],
  ];
  for (const [name, text, code, signal] of stages)
    test(`${signal} ends ${name}`, async () => {
      let sent;
      const r = await run(['-q', script(`import http from 'k6/http'; console.log('at'); ${text}\nexport default () => {};`)],
        { said: (err, p) => { if (!sent && arrived(err) > 0) { sent = Date.now(); setTimeout(() => { sent = Date.now(); p.kill(signal); }, 50); } } });
      assert.equal(r.code, code, r.err);
      assert.ok(r.ended - sent < SOON_MS, `${r.ended - sent} ms`);
    });

  const limits = [
    ['setup()', 100, "export const options = { setupTimeout: '200ms' }; export function setup() { for (;;); } export default () => {};", 'setup'],
    ['teardown()', 101, "export const options = { teardownTimeout: '200ms' }; export function teardown() { http.get('$URL/never'); } export default () => {};", 'teardown'],
  ];
  for (const [name, code, text, what] of limits)
    test(`${what}Timeout ends ${name} anywhere`, async () => {
      const r = await run(['-q', script(`import http from 'k6/http'; ${text}`)]);
      assert.equal(r.code, code, r.err);
      assert.ok(r.ms < 200 + 2 * SOON_MS, `${r.ms} ms`);
    });

  test('handleSummaryTimeout: said, and the summary is the usual one', async () => {
    const r = await run(['-q', script("export const options = { handleSummaryTimeout: '200ms' }; export default () => {}; export function handleSummary() { for (;;); }")]);
    assert.match(r.err, /handleSummary/);
    assert.match(r.out, /iterations\.*: 1 /);
    assert.ok(r.ms < 200 + 2 * SOON_MS, `${r.ms} ms`);
  });

  test('minIterationDuration: slept after whole iterations, not measured; setup() and teardown() have none', async () => {
    const r = await run(['-q', '-i', '3', '--min-iteration-duration', '200ms', script('export function setup() {} export function teardown() {} export default () => {};')]);
    assert.equal(r.code, 0, r.err);
    assert.ok(r.ms >= 600 && r.ms < 600 + 2 * SOON_MS, `${r.ms} ms`);
    assert.ok(Number(/iteration_duration\.*: avg=([\d.]+)(?:µs|ns)/.exec(r.out)?.[1]) < 1e6, r.out);
  });

  // ---- scenarios --------------------------------------------------------------------------------------

  test('three machines: shares sum up, numbers of iterations and virtual users interleave', async () => {
    const file = script(`
      import exec from 'k6/execution'; import { sleep } from 'k6';
      export const options = { scenarios: {
        shared: { executor: 'shared-iterations', vus: 7, iterations: 50, exec: 'one' },
        each: { executor: 'per-vu-iterations', vus: 5, iterations: 3, exec: 'one' },
        rate: { executor: 'constant-arrival-rate', rate: 60, duration: '1s', preAllocatedVUs: 12, maxVUs: 15, exec: 'one' },
        ramp: { executor: 'ramping-arrival-rate', startRate: 0, stages: [{ target: 40, duration: '1s' }], preAllocatedVUs: 6, exec: 'one' },
      } };
      export function one() { console.log(exec.scenario.name, exec.scenario.iterationInTest, exec.vu.idInTest); }`);
    const parts = ['0:1/6', '1/6:1/2', '1/2:1'].map((part) => run(['-q', '--execution-segment', part, '--execution-segment-sequence', '0,1/6,1/2,1', file]));
    const rows = [];
    const users = [];
    for (const r of await Promise.all(parts)) {
      assert.equal(r.code, 0, r.err);
      const own = logged(r).map((l) => l.split(' '));
      rows.push(...own);
      users.push(new Set(own.map(([, , id]) => Number(id))));
    }
    const numbers = (name) => rows.filter(([n]) => n === name).map(([, i]) => Number(i)).sort((a, b) => a - b);
    const upTo = (n) => Array.from({ length: n }, (_, i) => i);
    assert.deepEqual(numbers('shared'), upTo(50));
    assert.equal(numbers('each').length, 15);
    assert.deepEqual(numbers('rate'), upTo(61)); // the last one falls on the end, as in k6
    assert.deepEqual(numbers('ramp'), upTo(20));
    for (const a of users) for (const b of users) if (a !== b) for (const id of a) assert.ok(!b.has(id), `user ${id} on two machines`);
  });

  test('an iteration of an arrival rate has its own number, on any number of workers', async () => {
    for (const workers of ['1', '3']) {
      const r = await run(['-q', '--workers', workers, script(`
        import exec from 'k6/execution'; import { sleep } from 'k6';
        export const options = { scenarios: { a: { executor: 'constant-arrival-rate', rate: 100, duration: '1s', preAllocatedVUs: 1, maxVUs: 20 } } };
        export default () => { console.log(exec.scenario.iterationInTest); sleep(0.05); };`)]);
      const numbers = logged(r).map(Number).sort((a, b) => a - b);
      assert.deepEqual(numbers, Array.from({ length: numbers.length }, (_, i) => i), r.err);
      assert.equal(numbers.length + count(r, 'dropped_iterations'), 101);
      assert.ok(count(r, 'dropped_iterations') < 50, r.out); // missing virtual users came soon
    }
  });

  test('one after another: scenarios share virtual users and their worlds; at once: they do not', async () => {
    const r = await run([script(`
      import exec from 'k6/execution'; import { sleep } from 'k6'; let seen = [];
      export const options = { scenarios: {
        a: { executor: 'constant-vus', vus: 2, duration: '1s', gracefulStop: '0s', exec: 'a' },
        b: { executor: 'per-vu-iterations', vus: 3, startTime: '1s', maxDuration: '1s', gracefulStop: '0s', exec: 'b' },
      } };
      export function a() { if (seen.length === 0) seen.push('a' + __VU); sleep(0.1); }
      export function b() { seen.push('b' + __VU); console.log(seen.join(' ')); }`)]);
    assert.match(r.out, /2 scenarios, 3 max VUs/);
    assert.deepEqual(logged(r).sort(), ['a1 b1', 'a2 b2', 'b3'], r.err);
  });
});

// ---- a generator that is late -----------------------------------------------------------------------

test('generator_lag: hidden while all is well, shown to whom has a threshold on it', async () => {
  const text = (more) => script(`import { sleep } from 'k6'; export const options = { vus: 2, iterations: 20${more} }; export default () => sleep(0.01);`);
  const json = join(dir, 'lag.json');
  const hidden = await run(['-q', '--out', `json=${json}`, text('')]);
  assert.ok(!hidden.out.includes('generator_lag'), hidden.out);
  assert.ok(!readFileSync(json, 'utf8').includes('generator_lag'));
  const shown = await run(['-q', '--out', `json=${json}`, text(", thresholds: { generator_lag: ['max<60000'] }")]);
  assert.equal(shown.code, 0, shown.err);
  assert.match(shown.out, /✓ 'max<60000' max=/);
  assert.match(shown.out, /EXECUTION\n {4}generator_lag\.*: avg=/);
  assert.equal(readFileSync(json, 'utf8').split('\n').filter((l) => l.includes('"metric":"generator_lag","type":"Point"')).length, 20);
});

test('a generator that is late says so once, and its latencies are those of the server', { skip: asan !== '' }, async () => {
  const r = await run(['-q', '--workers', '1', '--summary-mode', 'full', script(`
    import http from 'k6/http';
    export const options = { vus: 20, duration: '4s', summaryTimeUnit: 'ms' };
    export default () => { http.get('$URL/'); for (const until = Date.now() + 4; Date.now() < until;); };`)]);
  assert.equal(r.code, 0, r.err);
  assert.equal(r.err.match(/level=warning msg="this machine can't keep up with the test/g)?.length, 1, r.err);
  const med = (name) => Number(new RegExp(`${name}\\.*: .*med=([\\d.]+)ms`).exec(r.out)[1]);
  assert.ok(med('generator_lag') > 20, r.out);
  assert.ok(med('http_req_duration') < med('generator_lag') / 2, r.out);
});

// ---- a full disk ------------------------------------------------------------------------------------

test('a full disk: what could not be written is said, and the exit code is not 0', async () => {
  const file = script('export default () => {};');
  const nowhere = script("export default () => {}; export function handleSummary() { return { stdout: 'mine', '/dev/full': 'x', 'no/such/folder.txt': 'y' }; }");
  const disk = openSync('/dev/full', 'w');
  const cases = [
    [['-q', file], { stdout: disk }, /write to standard output: no space left on device/],
    [[file], { stdout: disk }, /write to standard output: no space left on device/],
    [['-q', '--summary-export', '/dev/full', file], {}, /failed to save the summary: could not write '\/dev\/full': no space left on device/],
    [['-q', nowhere], {}, /could not write '\/dev\/full'[^]*could not open 'no\/such\/folder\.txt': no such file or directory[^]*not all of the summary could be saved/],
    [['-q', '--out', 'json=/dev/full', file], {}, /json.*write \/dev\/full: no space left on device/],
    [['-q', '--out', 'csv=/dev/full', file], {}, /csv.*write \/dev\/full: no space left on device/],
  ];
  for (const [args, options, words] of cases) {
    const r = await run(args, options);
    assert.equal(r.code, 255, `${args}: ${r.err}`);
    assert.match(r.err, words);
  }
  const crossed = await run(['-q', '--summary-export', '/dev/full', script("export const options = { thresholds: { iterations: ['count>1'] } }; export default () => {};")]);
  assert.equal(crossed.code, 99, crossed.err);
});
