// also: asan
// The outputs json and csv as files: forms, settings, several at once, and what can't be.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { dir, read, run, samples, script } from './output_lib.mjs';

const demo = `
  import http from 'k6/http'; import { check, group } from 'k6'; import { Counter, Trend } from 'k6/metrics'; import exec from 'k6/execution';
  const c = new Counter('my_counter'), t = new Trend('my_time', true);
  export const options = {
    iterations: 2, tags: { run: 'r,1' },
    thresholds: {
      http_req_duration: ['p(95)<5000', { threshold: 'avg<4000', abortOnFail: true, delayAbortEval: '10s' }],
      'http_req_duration{scenario:default}': ['max<9000'], http_reqs: ['count>1'], 'my_time{ a : "b" }': [],
    },
  };
  export function setup() { http.get('$URL/get'); return 1; }
  export default () => {
    group('front', () => { http.get('$URL/get', { tags: { name: 'front' } }); check(1, { 'is "one"': true, never: false }); });
    c.add(2, { kind: 'x&y' }); exec.vu.metrics.metadata.trace = 'T' + __ITER; t.add(1234.5);
  };
  export function teardown() {}`;

test('json: a line about each metric before its first sample, then samples with tags and metadata', async () => {
  const r = await samples(demo);
  assert.equal(r.code, 0, r.err);
  const seen = new Set();
  for (const l of r.lines)
    if (l.type === 'Metric') {
      assert.ok(!seen.has(l.metric), l.metric);
      assert.deepEqual(Object.keys(l), ['type', 'data', 'metric']);
      assert.deepEqual(Object.keys(l.data), ['name', 'type', 'contains', 'thresholds', 'submetrics']);
      seen.add(l.metric);
    } else {
      assert.ok(seen.has(l.metric), `${l.metric} before its line`);
      assert.deepEqual(Object.keys(l), ['metric', 'type', 'data']);
      assert.match(l.data.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
      assert.doesNotMatch(l.data.time, /\.\d*0Z$/);
      assert.deepEqual(Object.keys(l.data.tags), Object.keys(l.data.tags).sort());
    }
  const about = (m) => r.lines.find((l) => l.type === 'Metric' && l.metric === m).data;
  assert.deepEqual(about('http_req_duration'), {
    name: 'http_req_duration', type: 'trend', contains: 'time',
    thresholds: ['p(95)<5000', { threshold: 'avg<4000', abortOnFail: true, delayAbortEval: '10s' }],
    submetrics: [
      { name: 'http_req_duration{scenario:default}', suffix: 'scenario:default', tags: { scenario: 'default' } },
      { name: 'http_req_duration{expected_response:true}', suffix: 'expected_response:true', tags: { expected_response: 'true' } },
    ],
  });
  assert.deepEqual(about('http_reqs'), { name: 'http_reqs', type: 'counter', contains: 'default', thresholds: ['count>1'], submetrics: null });
  assert.deepEqual(about('my_time').submetrics, [{ name: 'my_time{a : "b"}', suffix: 'a : "b"', tags: { a: 'b' } }]);
  assert.deepEqual(about('data_sent'), { name: 'data_sent', type: 'counter', contains: 'data', thresholds: [], submetrics: null });

  assert.deepEqual(r.of('my_time').map(({ value, tags, metadata }) => ({ value, tags, metadata })), [0, 1].map((i) => (
    { value: 1234.5, tags: { group: '', run: 'r,1', scenario: 'default' }, metadata: { trace: `T${i}` } })));
  assert.equal('metadata' in r.of('http_reqs')[0], false);
  const one = r.points.filter((p) => p.data.tags.name === 'front').slice(0, 9);
  assert.deepEqual(one.map((p) => p.metric), ['http_reqs', 'http_req_duration', 'http_req_blocked', 'http_req_connecting',
    'http_req_tls_handshaking', 'http_req_sending', 'http_req_waiting', 'http_req_receiving', 'http_req_failed']);
  for (const p of one)
    assert.deepEqual([p.data.time, p.data.tags], [one[0].data.time, { expected_response: 'true', group: '::front', method: 'GET', name: 'front',
      proto: 'HTTP/1.1', run: 'r,1', scenario: 'default', status: '200', url: 'front' }]);
  const iteration = r.points.filter((p) => p.data.tags.scenario && p.data.metadata?.trace === 'T1').map((p) => p.metric);
  assert.deepEqual(iteration.slice(-5), ['my_time', 'data_sent', 'data_received', 'iteration_duration', 'iterations']);
  const v = Object.fromEntries(one.map((p) => [p.metric, p.data.value]));
  assert.ok(Math.abs(v.http_req_sending + v.http_req_waiting + v.http_req_receiving - v.http_req_duration) < 1e-3);
});

test('csv: rows of columns, its settings, several outputs at once', async () => {
  const r = await run([script(demo), '--out', 'csv=a.csv.gz', '--out', 'json=a.json', '-o', 'csv=fileName=b.csv,timeFormat=rfc3339_nano', '-o', 'csv'],
    { K6_CSV_FILENAME: 'c.csv', K6_CSV_TIME_FORMAT: 'unix_milli', K6_CSV_SAVE_INTERVAL: '20ms' });
  assert.equal(r.code, 0, r.err);
  const rows = (text) => text.trim().split('\n').map((l) => [...l.matchAll(/(?:^|,)("(?:[^"]|"")*"|[^,]*)/g)].map(([, f]) => (f[0] === '"' ? f.slice(1, -1).replaceAll('""', '"') : f)));
  const packed = gunzipSync(readFileSync(join(dir, 'a.csv.gz'))).toString();
  const a = rows(packed);
  const b = rows(read('b.csv'));
  const c = rows(read('c.csv'));
  assert.equal(a[0].join(','), 'metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,scenario,service,status,subproto,tls_version,url,extra_tags,metadata');
  assert.deepEqual([b[0], c[0]], [a[0], a[0]]);
  assert.equal(a.length, b.length);
  assert.equal(a.length, c.length);
  assert.equal(a.length - 1, read('a.json').split('\n').filter((l) => l.includes('"type":"Point"')).length);
  const column = Object.fromEntries(a[0].map((n, i) => [n, i]));
  for (const row of a) assert.equal(row.length, a[0].length, row.join('|'));
  for (const [i, row] of a.entries())
    if (i > 0) assert.match(row[2], /^-?\d+\.\d{6}$/);
  assert.match(a[1][1], /^\d{13}$/);
  assert.match(c[1][1], /^\d{13}$/);
  assert.match(b[1][1], /^\d{4}-.*T.*Z$/);
  const counter = a.find((x) => x[0] === 'my_counter');
  assert.equal(counter[column.extra_tags], 'kind=x&y&run=r,1');
  assert.equal(a.find((x) => x[0] === 'my_time')[column.metadata], 'trace=T0');
  assert.deepEqual(a.filter((x) => x[0] === 'checks').map((x) => [x[column.check], x[2]]).slice(0, 2), [['is "one"', '1.000000'], ['never', '0.000000']]);
  assert.match(packed, /,"is ""one""",/);
});

test('json on standard output, in the description, by K6_OUT and the config file', async () => {
  const text = 'export default () => {};';
  for (const args of [['--out', 'json'], ['--out', 'json=-']]) {
    const r = await run([script(text), '--summary-mode=disabled', ...args]);
    assert.equal(r.code, 0, r.err);
    const lines = r.out.trim().split('\n').map((l) => JSON.parse(l));
    assert.ok(lines.some((l) => l.metric === 'iterations' && l.type === 'Point' && l.data.value === 1));
  }
  const env = await run([script(text)], { K6_OUT: 'json=e1.json,csv=e2.csv' });
  assert.equal(env.code, 0, env.err);
  assert.match(read('e1.json'), /"iterations"/);
  assert.match(read('e2.csv'), /^iterations,/m);
  writeFileSync(join(dir, 'c.json'), JSON.stringify({ out: ['csv'], collectors: { csv: { file_name: 'f.csv', time_format: 'unix_nano' } } }));
  const config = await run([script(text), '-c', 'c.json']);
  assert.equal(config.code, 0, config.err);
  assert.match(read('f.csv'), /^iterations,\d{19},1\.000000,/m);
});

const bad = [
  ['foo=bar', "invalid output type 'foo', available types are: cloud, csv, json"],
  ['influxdb=http://x/y', "the output 'influxdb' isn't there yet; available types are: cloud, csv, json"],
  ['kafka', "the output 'kafka' isn't there yet"],
  ['opentelemetry', "the output 'opentelemetry' isn't there yet"],
  ['experimental-prometheus-rw', "the output 'experimental-prometheus-rw' isn't there yet"],
  ['web-dashboard', "the output 'web-dashboard' isn't there yet"],
  ['csv=fileName=a.csv,foo=1', "could not create the 'csv' output: unknown key \\\"foo\\\" as argument for csv output"],
  ['csv=timeFormat=x', "could not create the 'csv' output: timeFormat: 'x' isn't one of unix,"],
  ['csv=saveInterval=0', "could not create the 'csv' output: saveInterval must be positive, not '0'"],
  ['json=/no/such/folder/x.json', "could not start the output 'json': open /no/such/folder/x.json: no such file or directory"],
  ['csv=/no/such/folder/x.csv', "could not start the output 'csv': open /no/such/folder/x.csv: no such file or directory"],
];
for (const [out, message] of bad)
  test(`can't be: ${out}`, async () => {
    const r = await run([script('export default () => { console.log("ran"); };'), '--out', out]);
    assert.equal(r.code, 255, r.err);
    assert.ok(r.err.includes(message), r.err);
    assert.ok(!r.err.includes('ran'));
    assert.equal(r.err.match(/level=error/g).length, 1);
  });

test('a file that can\'t be written is said at the end, and what comes of it', async () => {
  const r = await run([script('export default () => {};'), '--out', 'json=/dev/full']);
  assert.equal(r.code, 255, r.err);
  assert.ok(r.err.includes("the output 'json' is incomplete: write /dev/full: no space left on device"), r.err);
});

test('values that JSON has no number for are left out and told', async () => {
  const r = await samples("import { Gauge } from 'k6/metrics'; const g = new Gauge('gg'); export default () => { g.add(Infinity); g.add(1e21); g.add(1e-9); g.add(0.1 + 0.2); };");
  assert.equal(r.code, 0, r.err);
  assert.deepEqual(r.of('gg').map((p) => p.value), [1e21, 1e-9, 0.1 + 0.2]);
  assert.ok(r.err.includes("1 samples are not in the output 'json'"), r.err);
});

// A pipe that nobody reads until it has been said: samples wait, then iterations do, and nothing is lost.
test('iterations wait for an output that is behind', { skip: Boolean(process.env.ASAN_OPTIONS) }, async () => {
  assert.equal(spawnSync('mkfifo', [join(dir, 'pipe.json')]).status, 0);
  const text = "import { Counter } from 'k6/metrics'; const c = new Counter('cc'); export const options = { vus: 2, iterations: 400 };"
    + "export default () => { for (let i = 0; i < 1500; i++) c.add(1); };";
  const reader = spawn('sh', ['-c', 'exec 3<pipe.json; read go; grep -c \'"metric":"cc","type":"Point"\' <&3'], { cwd: dir });
  const ended = run([script(text), '--out', 'json=pipe.json'], {}, (err) => { if (err.includes('iterations wait')) reader.stdin.end('go\n'); });
  let count = '';
  reader.stdout.on('data', (d) => { count += d; });
  const closed = new Promise((ok) => reader.on('close', ok));
  const r = await ended;
  await closed;
  assert.equal(r.code, 0, r.err);
  assert.equal(Number(count), 600000);
  assert.equal(r.err.match(/iterations wait/g)?.length, 1, r.err);
  assert.ok(!r.err.includes('missing'), r.err);
});
