// also: asan
// A run that is asked and steered while it goes: the REST API's documents as k6 sends them, and the
// commands status, stats, pause, resume and scale.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
const dir = mkdtempSync(join(tmpdir(), 'spate-rest-'));
const env = { PATH: process.env.PATH, HOME: dir, TZ: 'UTC', ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' };
const started = [];
after(() => {
  for (const p of started) p.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

const DEADLINE_MS = 20_000;
let names = 0;

function script(text) {
  const name = `s${names++}.js`;
  writeFileSync(join(dir, name), text);
  return name;
}

// A process; `until(text)` waits for words on standard error or output.
function start(args, more = {}) {
  const p = spawn(spate, args, { cwd: dir, env: { ...env, ...more } });
  started.push(p);
  const r = { p, out: '', err: '', more: () => {} };
  p.stdout.on('data', (d) => { r.out += d; r.more(); });
  p.stderr.on('data', (d) => { r.err += d; r.more(); });
  r.done = new Promise((ok) => p.on('close', (code) => { r.code = code; r.more(); ok(r); }));
  r.until = (what) => new Promise((ok, fail) => {
    const late = setTimeout(() => fail(new Error(`no ${what} in ${r.err}${r.out}`)), DEADLINE_MS);
    r.more = () => {
      const found = what.exec(r.err) ?? what.exec(r.out);
      if (found || r.code !== undefined) { clearTimeout(late); r.more = () => {}; }
      if (found) ok(found);
      else if (r.code !== undefined) fail(new Error(`ended with ${r.code}: ${r.err}`));
    };
    r.more();
  });
  return r;
}

async function run(args, text, more) {
  const r = start(['run', '--address', '127.0.0.1:0', ...args, script(text)], more);
  r.port = Number((await r.until(/REST API listens on port (\d+)/))[1]);
  return r;
}

function ask(r, method, path, body, headers = {}) {
  return new Promise((ok, fail) => {
    const q = http.request({ port: r.port, host: '127.0.0.1', method, path, headers }, (res) => {
      let text = '';
      res.on('data', (d) => { text += d; });
      res.on('end', () => ok({ status: res.statusCode, text, json: text.startsWith('{') ? JSON.parse(text) : undefined }));
    });
    q.on('error', fail);
    q.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body));
  });
}
const patch = (r, attributes) => ask(r, 'PATCH', '/v1/status', { data: { type: 'status', id: 'default', attributes } });

// Asks until the answer is as wished.
async function poll(r, path, good) {
  for (const until = Date.now() + DEADLINE_MS; ;) {
    const a = await ask(r, 'GET', path);
    if (a.json && good(a.json.data)) return a;
    if (Date.now() > until) assert.fail(`${path}: ${a.text}`);
  }
}
const stage = (r, n) => poll(r, '/v1/status', (d) => d.attributes.status === n);

async function command(r, ...args) {
  const c = await start([...args, '--address', `127.0.0.1:${r.port}`]).done;
  return { code: c.code, out: c.out, err: c.err };
}
const yaml = (o) => Object.entries({ status: 7, paused: '"false"', stopped: false, running: true, tainted: false, ...o })
  .sort(([a], [b]) => order.indexOf(a) - order.indexOf(b)).map(([k, v]) => `${k}: ${v}\n`).join('');
const order = ['status', 'paused', 'vus', 'vus-max', 'stopped', 'running', 'tainted'];

const error = (status, title, detail) => ({ errors: [{ status: String(status), title, detail }] });

describe('REST API', { concurrency: 4 }, () => {
  test('documents of a run, and its end by PATCH: exit code 103', async () => {
    const r = await run(['-q'], `
      import { check, group, sleep } from 'k6'; import { Counter, Gauge, Trend } from 'k6/metrics';
      const c = new Counter('my_c'), g = new Gauge('my_g'), t = new Trend('my_t', true);
      export const options = { vus: 2, duration: '1h', thresholds: { my_c: ['count>=0'], 'my_t{a:b}': ['avg<1'] } };
      export function setup() { return { a: [1, 'x'] }; }
      export function teardown(d) { console.log('down', d.a.length); }
      export default () => {
        check(1, { one: (v) => v === 1 }); group('g', () => { group('h', () => check(2, { two: false })); });
        c.add(2); g.add(7); t.add(3); sleep(0.01);
      };`);
    await poll(r, '/v1/groups', (d) => d.length === 3 && d[2].attributes.checks.length === 1);
    assert.equal((await poll(r, '/v1/status', (d) => d.attributes.vus === 2)).text,
      '{"data":{"type":"status","id":"default","attributes":{"status":7,"paused":false,"vus":2,"vus-max":2,"stopped":false,"running":true,"tainted":false}}}');

    const metrics = (await ask(r, 'GET', '/v1/metrics')).json.data;
    const of = (id) => metrics.find((m) => m.id === id);
    for (const m of metrics) {
      assert.deepEqual(Object.keys(m), ['type', 'id', 'attributes']);
      assert.deepEqual(Object.keys(m.attributes), ['type', 'contains', 'tainted', 'sample']);
      assert.deepEqual(Object.keys(m.attributes.sample), { counter: ['count', 'rate'], gauge: ['value'], rate: ['rate'], trend: ['avg', 'max', 'med', 'min', 'p(90)', 'p(95)'] }[m.attributes.type], m.id);
    }
    assert.deepEqual(of('my_g').attributes, { type: 'gauge', contains: 'default', tainted: null, sample: { value: 7 } });
    assert.deepEqual(of('my_t').attributes, { type: 'trend', contains: 'time', tainted: null, sample: { avg: 3, max: 3, med: 3, min: 3, 'p(90)': 3, 'p(95)': 3 } });
    assert.equal(of('checks').attributes.sample.rate, 0.5);
    assert.equal(of('data_sent').attributes.contains, 'data');
    assert.equal(of('my_t{a:b}').attributes.sample.max, 0);
    assert.equal(of('http_reqs'), undefined);
    assert.deepEqual((await ask(r, 'GET', '/v1/metrics/my_t')).json, { data: of('my_t') });
    assert.deepEqual((await ask(r, 'GET', '/v1/metrics/my_t%7Ba:b%7D')).json.data.id, 'my_t{a:b}');

    const groups = (await ask(r, 'GET', '/v1/groups')).json.data;
    const [g0, g1, g2] = ['d41d8cd98f00b204e9800998ecf8427e', '652e756c89643c3ada0b451cbd88a9d3', 'bb28071eeeb058f0107ec19f006e3852'];
    assert.deepEqual(groups.map((g) => [g.type, g.id, g.attributes.path, g.attributes.name]), [['groups', g0, '', ''], ['groups', g1, '::g', 'g'], ['groups', g2, '::g::h', 'h']]);
    assert.deepEqual(groups.map((g) => g.relationships), [
      { groups: { data: [{ type: 'groups', id: g1 }] }, parent: { data: null } },
      { groups: { data: [{ type: 'groups', id: g2 }] }, parent: { data: { type: 'groups', id: g0 } } },
      { groups: { data: [] }, parent: { data: { type: 'groups', id: g1 } } }]);
    assert.equal(groups[1].attributes.checks, null);
    const { passes, fails, ...check } = groups[2].attributes.checks[0];
    assert.deepEqual(check, { id: '12909550df8fc17f6668d056ee1e9573', path: '::g::h::two', name: 'two' });
    assert.ok(passes === 0 && fails > 0);
    assert.equal((await ask(r, 'GET', `/v1/groups/${g1}`)).json.data.id, g1);

    for (const [method, path, body, status, expected] of [
      ['GET', '/v1/setup', undefined, 200, { data: { type: 'setupData', id: 'default', attributes: { data: { a: [1, 'x'] } } } }],
      ['GET', '/v1/metrics/nope', undefined, 404, error(404, 'Not Found', 'No metric with that ID was found')],
      ['GET', '/v1/groups/nope', undefined, 404, error(404, 'Not Found', 'No group with that ID was found')],
      ['GET', '/v1/nope', undefined, 404, '404 page not found\n'],
      ['GET', '/ping', undefined, 200, 'ok'],
      ['GET', '/', undefined, 200, 'ok'],
      ['PUT', '/v1/status', '', 405, ''],
      ['DELETE', '/v1/metrics', undefined, 405, ''],
      ['POST', '/v1/metrics/my_c', '', 405, ''],
      ['GET', '/v1/teardown', undefined, 405, ''],
      ['PATCH', '/v1/status', '{"data":', 400, /"title":"Invalid data"/],
      ['PATCH', '/v1/status', '[]', 400, /"title":"Invalid data"/],
      ['PATCH', '/v1/status', '{"data":{"attributes":{"paused":"x"}}}', 400, /"title":"Invalid data"/],
      ['PATCH', '/v1/status', '{"data":{"attributes":{"vus":1.5}}}', 400, /"title":"Invalid data"/],
      ['PATCH', '/v1/status', '{"data":{"attributes":{"paused":null,"vus":null,"vus-max":null,"stopped":false}}}', 200, /"stopped":false/],
      ['PATCH', '/v1/status', '{}', 200, /"stopped":false/],
      ['PATCH', '/v1/status', '{"data":{"attributes":{"paused":true}}}', 500, error(500, 'Pause error', "constant-vus executor 'default' doesn't support pause and resume operations after its start")],
      ['PATCH', '/v1/status', '{"data":{"attributes":{"vus":3}}}', 500, error(500, 'Execution config error', 'an externally-controlled executor needs to be configured for live configuration updates')],
      ['PUT', '/v1/setup', '{x', 400, /"title":"Error parsing request body"/],
    ]) {
      const a = await ask(r, method, path, body);
      const what = `${method} ${path} ${body}: ${a.text}`;
      assert.equal(a.status, status, what);
      if (expected instanceof RegExp) assert.match(a.text, expected, what);
      else assert.deepEqual(a.json ?? a.text, expected, what);
    }
    assert.equal((await ask(r, 'GET', '/v1/status', undefined, { Origin: 'http://page.example' })).status, 403);

    const stopped = await patch(r, { stopped: true });
    assert.equal(stopped.json.data.attributes.stopped, true);
    await r.done;
    assert.equal(r.code, 103, r.err);
    assert.match(r.err, /msg="down 2"/);
    assert.match(r.err, /level=error msg="test run stopped from REST API"/);
    assert.match(r.out, /my_c\.*: \d+/);
  });

  test('a threshold that was crossed taints', async () => {
    const r = await run(['-q'], "import { sleep } from 'k6'; export const options = { duration: '1h', thresholds: { iterations: ['count<1'] } }; export default () => sleep(0.01);");
    await poll(r, '/v1/status', (d) => d.attributes.tainted);
    assert.equal((await ask(r, 'GET', '/v1/metrics/iterations')).json.data.attributes.tainted, true);
    await patch(r, { stopped: true });
    assert.equal((await r.done).code, 103);
  });

  test('paused: all is made, nothing begins before resume; setup() and its data meanwhile', async () => {
    const r = await run(['-q', '-p', '--no-setup'], `
      export const options = { vus: 3, iterations: 3 };
      export function setup() { console.log('setup'); return { by: 'setup' }; }
      export function teardown(d) { console.log('teardown', d === undefined ? 'without' : d.by); }
      export default (d) => console.log('iteration', JSON.stringify(d));`);
    const s = await stage(r, 4);
    assert.deepEqual(s.json.data.attributes, { status: 4, paused: true, vus: 0, 'vus-max': 3, stopped: false, running: false, tainted: false });
    assert.deepEqual((await patch(r, { paused: true })).json, error(500, 'Pause error', 'execution is already paused'));
    const of = (data) => ({ data: { type: 'setupData', id: 'default', attributes: data === undefined ? {} : { data } } });
    assert.deepEqual((await ask(r, 'GET', '/v1/setup')).json, of());
    assert.deepEqual((await ask(r, 'POST', '/v1/setup')).json, of({ by: 'setup' }));
    assert.equal((await ask(r, 'POST', '/v1/teardown')).status, 200);
    assert.deepEqual((await ask(r, 'PUT', '/v1/setup', '')).json, of());
    assert.equal((await ask(r, 'PUT', '/v1/setup', '{ "by": "hand", "n": 1.50 }')).text, '{"data":{"type":"setupData","id":"default","attributes":{"data":{"by":"hand","n":1.50}}}}');
    assert.ok(!r.err.includes('iteration'));
    const resumed = await command(r, 'resume');
    assert.equal(resumed.code, 0, resumed.err);
    assert.equal((await r.done).code, 0, r.err);
    assert.equal(r.err.match(/iteration {\\"by\\":\\"hand\\",\\"n\\":1.5}/g).length, 3, r.err);
    assert.deepEqual([...r.err.matchAll(/msg="?(setup|teardown \w+)/g)].map((m) => m[1]), ['setup', 'teardown setup', 'teardown hand']);
  });

  test('paused and interrupted: exit code 105 without setup(), and a warning when nobody can resume', async () => {
    const r = start(['run', '-q', '--paused', script("export function setup() { console.log('setup'); } export default () => {};")]);
    await r.until(/level=warning msg="the test is paused, and without --address nobody can resume it"/);
    r.p.kill('SIGINT');
    assert.equal((await r.done).code, 105, r.err);
    assert.ok(!r.err.includes('source=console'), r.err);
  });

  test('setup() by POST that fails, and one that is under way when the run ends', async () => {
    const r = await run(['-q', '--no-setup', '--no-teardown'], `
      import { sleep } from 'k6'; let n = 0;
      export const options = { duration: '1h' };
      export function setup() { if (__ENV.HANG) sleep(3600); throw new Error('setup is broken'); }
      export function teardown() { sleep(3600); }
      export default () => sleep(0.01);`);
    await stage(r, 7);
    const failed = await ask(r, 'POST', '/v1/setup');
    assert.equal(failed.status, 500);
    assert.match(failed.json.errors[0].detail, /setup is broken/);
    const hangs = ask(r, 'POST', '/v1/teardown').catch((e) => e);
    await patch(r, { stopped: true });
    const before = Date.now();
    assert.equal((await r.done).code, 103, r.err);
    await hangs;
    assert.ok(Date.now() - before < 5000);
  });

  test('externally-controlled: scale, pause, resume by command', async () => {
    const r = await run([], `
      import { sleep } from 'k6'; import exec from 'k6/execution';
      export const options = { scenarios: { e: { executor: 'externally-controlled', vus: 1, maxVUs: 2, duration: '0s' } } };
      export default () => { if (exec.vu.iterationInScenario === 0) console.log('user', exec.vu.idInTest, exec.scenario.executor); sleep(0.02); };`);
    await stage(r, 7);
    await r.until(/infinite duration\n/);
    assert.match(r.out, /1 scenario, 2 max VUs, 0s max duration \(incl\. graceful stop\):\n {14}\* e: Externally controlled execution with 1 VUs, 2 max VUs, infinite duration\n/);
    const ok = { code: 0, err: '' };
    assert.deepEqual(await command(r, 'status'), { ...ok, out: yaml({ vus: '"1"', 'vus-max': '"2"' }) });
    assert.deepEqual(await command(r, 'scale', '-u', '2'), { ...ok, out: yaml({ vus: '"2"', 'vus-max': '"2"' }) });
    assert.deepEqual(await command(r, 'scale', '--vus=5', '-m', '6'), { ...ok, out: yaml({ vus: '"5"', 'vus-max': '"6"' }) });
    for (const [args, said] of [
      [['-u', '7'], 'Config update error: invalid configuration supplied: the number of active VUs (7) must be less than or equal to the number of maxVUs (6)'],
      [['-u', '-1'], "Config update error: invalid configuration supplied: the number of VUs can't be negative"],
      [['-u', '1', '-m', '1'], 'Config update error: the new number of max VUs cannot be lower than the starting number of max VUs (2)'],
      [[], 'Specify either -u/--vus or -m/--max'],
    ]) {
      const c = await command(r, 'scale', ...args);
      assert.equal(c.code, 255);
      assert.ok(c.err.includes(`level=error msg="${said}"`), c.err);
    }
    assert.deepEqual(await command(r, 'pause'), { ...ok, out: yaml({ paused: '"true"', vus: '"0"', 'vus-max': '"6"' }) });
    const again = await command(r, 'pause');
    assert.equal(again.code, 255);
    assert.match(again.err, /Pause error: test execution was already paused/);
    const counted = async () => (await ask(r, 'GET', '/v1/metrics/iterations')).json.data.attributes.sample.count;
    const before = await counted();
    await r.until(/\npaused \(\d+\.\ds\), 0\/6 VUs, /);
    assert.equal(await counted(), before);
    assert.deepEqual(await command(r, 'scale', '-u', '3'), { ...ok, out: yaml({ paused: '"true"', vus: '"0"', 'vus-max': '"6"' }) });
    assert.deepEqual(await command(r, 'resume'), { ...ok, out: yaml({ vus: '"3"', 'vus-max': '"6"' }) });
    assert.match((await command(r, 'resume')).err, /Pause error: test execution wasn't paused/);
    assert.deepEqual(await command(r, 'scale', '-u', '0', '-m', '2'), { ...ok, out: yaml({ vus: '"0"', 'vus-max': '"2"' }) });
    const stats = await command(r, 'stats');
    assert.match(stats.out, /^- name: iterations\n {2}type:\n {4}type: counter\n {4}valid: true\n {2}contains:\n {4}type: default\n {4}valid: true\n {2}tainted: ""\n {2}sample:\n {4}count: \d+\n {4}rate: [\d.]+\n/m);
    await patch(r, { stopped: true });
    assert.equal((await r.done).code, 103, r.err);
    const ids = [...r.err.matchAll(/user (\d+) externally-controlled/g)].map((m) => Number(m[1]));
    assert.ok(ids.length === 5 && new Set(ids).size === 5 && ids.every((id) => id >= 1 && id <= 6), r.err);
  });

  test('externally-controlled: a duration, which pauses prolong; scaled before it began', async () => {
    const r = await run(['-q', '--paused'], `
      import { sleep } from 'k6';
      export const options = { scenarios: { e: { executor: 'externally-controlled', vus: 0, maxVUs: 1, duration: '600ms' } } };
      export default () => sleep(0.02);`);
    await stage(r, 4);
    assert.equal((await patch(r, { vus: 3, 'vus-max': 3 })).status, 200);
    await patch(r, { paused: false });
    await poll(r, '/v1/status', (d) => d.attributes.vus === 3);
    await patch(r, { paused: true });
    const paused = Date.now();
    while (Date.now() - paused < 700) await ask(r, 'GET', '/v1/status');
    assert.equal(r.code, undefined);
    await patch(r, { paused: false });
    assert.equal((await r.done).code, 0, r.err);
    assert.match(r.out, /vus_max\.*: 3 +min=1 +max=3|vus\.*: /);
  });

  test('a run ends while it is asked and changed from all sides', async () => {
    for (const end of ['SIGINT', 'PATCH']) {
      const r = await run(['-q'], `
        import { sleep } from 'k6';
        export const options = { scenarios: { e: { executor: 'externally-controlled', vus: 1, maxVUs: 2, duration: '0' } } };
        export function setup() { sleep(0.01); return 1; }
        export default () => sleep(0.003);`);
      await stage(r, 7);
      let n = 0;
      const again = async (f) => { while (r.code === undefined && await f(n++).catch(() => null)); };
      const all = [
        again((i) => patch(r, { vus: i % 15, 'vus-max': 15 + (i % 7) })), again((i) => patch(r, { paused: i % 2 === 0 })),
        again(() => ask(r, 'GET', '/v1/metrics')), again(() => ask(r, 'POST', '/v1/setup')), again(() => ask(r, 'GET', '/v1/status')),
      ];
      await poll(r, '/v1/status', (d) => d.attributes['vus-max'] > 10 && n > 30);
      if (end === 'SIGINT') r.p.kill('SIGINT');
      else await patch(r, { stopped: true }).catch(() => null);
      const late = setTimeout(() => r.p.kill('SIGKILL'), DEADLINE_MS);
      await r.done;
      clearTimeout(late);
      assert.equal(r.code, end === 'SIGINT' ? 105 : 103, r.err.slice(-2000));
      await Promise.all(all);
    }
  });

  test('externally-controlled: what it refuses', async () => {
    const said = async (fields) => (await start(['run', '-q', script(`export const options = { scenarios: { e: { executor: 'externally-controlled', ${fields} } } }; export default () => {};`)]).done);
    for (const [fields, words] of [
      ['vus: 1', 'the duration must be specified, for infinite duration use 0'],
      ["vus: 1, duration: '-1s'", "the duration can't be negative, for infinite duration use 0"],
      ["vus: 3, maxVUs: 2, duration: '1s'", 'the number of active VUs (3) must be less than or equal to the number of maxVUs (2)'],
      ["vus: -1, duration: '1s'", "the number of VUs can't be negative"],
      ["vus: 1, duration: '1s', gracefulStop: '1s'", 'gracefulStop is not supported by the externally controlled executor'],
    ]) {
      const r = await said(fields);
      assert.equal(r.code, 104, r.err);
      assert.ok(r.err.includes(words), r.err);
    }
  });

  test('a busy port: exit code 106 by flag, a warning by variable', async () => {
    const busy = net.createServer().listen(0, '127.0.0.1');
    await new Promise((ok) => busy.on('listening', ok));
    const address = `127.0.0.1:${busy.address().port}`;
    const file = script("export default () => console.log('ran');");
    const flag = await start(['run', '-q', '-a', address, file]).done;
    assert.equal(flag.code, 106, flag.err);
    assert.match(flag.err, /level=error msg="Error from API server: listen tcp 127\.0\.0\.1:\d+: bind: address already in use"/);
    assert.ok(!flag.err.includes('ran'));
    const variable = await start(['run', '-q', file], { K6_ADDRESS: address }).done;
    assert.equal(variable.code, 0, variable.err);
    assert.match(variable.err, /level=warning msg="Error from API server" error="listen tcp 127\.0\.0\.1:\d+: bind: address already in use"/);
    assert.match(variable.err, /ran/);
    busy.close();
    const bad = await start(['run', '-q', '-a', 'nowhere', file]).done;
    assert.equal(bad.code, 106, bad.err);
    const nobody = await start(['status', '-a', address]).done;
    assert.equal(nobody.code, 255);
    assert.match(nobody.err, /Get \\"http:\/\/127\.0\.0\.1:\d+\/v1\/status\\": dial tcp 127\.0\.0\.1:\d+: connect: connection refused/);
  });

  test('linger: the API answers after the end, Ctrl+C ends it with the result as it was', async () => {
    const r = await run(['--linger'], "export const options = { thresholds: { iterations: ['count>5'] } }; export default () => {};");
    await r.until(/The test is done, but --linger was enabled/);
    const s = await stage(r, 9);
    assert.deepEqual(s.json.data.attributes, { status: 9, paused: false, vus: 0, 'vus-max': 1, stopped: false, running: false, tainted: false });
    assert.equal((await ask(r, 'GET', '/v1/metrics/iterations')).json.data.attributes.sample.count, 1);
    assert.ok(!r.out.includes('TOTAL RESULTS'));
    r.p.kill('SIGINT');
    assert.equal((await r.done).code, 99, r.err);
    assert.match(r.out, /TOTAL RESULTS/);
  });
});
