// also: asan
// What a run says at its end: the text's modes, the data's forms, handleSummary(), where things go.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dir, logged, read, run, script } from './output_lib.mjs';

const demo = `
  import http from 'k6/http'; import { check, group } from 'k6'; import { Counter, Gauge, Rate, Trend } from 'k6/metrics';
  const c = new Counter('my_counter'), g = new Gauge('my_gauge'), r = new Rate('my_rate'), t = new Trend('my_time', true);
  export const options = { iterations: 4, summaryTrendStats: ['avg', 'p(90)', 'p(95)', 'p(99.9)', 'count'],
    thresholds: { checks: ['rate>0.9'], http_reqs: ['count>1', 'rate>0'], my_gauge: ['value<10'], 'my_time{a:b}': [], 'my_time': ['p(90)<9'] } };
  export function setup() { return { v: 1 }; }
  export default () => {
    group('front', () => { http.get('$URL/get'); check(1, { ok: true, never: false }); group('inner', () => {}); });
    c.add(2); g.add(3); r.add(true); r.add(0); t.add(1.5); t.add(2.5, { a: 'b' });
  };
  export function teardown() {}`;
// Numbers that differ from run to run, and the columns that follow from them.
const plain = (text) => text.replace(/\d+(\.\d+)?(ns|µs|ms|s|m\d+s)\b/g, 'T').replace(/\d+(\.\d+)?\/s/g, 'R').replace(/\d+(\.\d+)? [kM]?B( \d+ [kM]?B\/s)?/g, 'B').replace(/ +/g, ' ');

test('text: compact', async () => {
  const r = await run([script(demo)]);
  assert.equal(r.code, 99, r.err);
  const text = plain(r.out);
  for (const line of ['\n █ THRESHOLDS \n', "\n checks\n ✗ 'rate>0.9' rate=50.00%\n", "\n http_reqs\n ✓ 'count>1' count=4\n ✓ 'rate>0' rate=R\n", "\n my_gauge\n ✓ 'value<10' value=3\n",
    "\n my_time\n ✓ 'p(90)<9' p(90)=T\n", '\n checks_total.......: 8 R\n checks_succeeded...: 50.00% 4 out of 8\n checks_failed......: 50.00% 4 out of 8\n\n ✓ ok\n ✗ never\n ↳ 0% — ✓ 0 / ✗ 4\n',
    '\n my_counter.....................: 8 R\n my_gauge.......................: 3 min=3 max=3\n my_rate........................: 50.00% 4 out of 8\n',
    '\n my_time........................: avg=T p(90)=T p(95)=T p(99.9)=T count=8\n { a:b }......................: avg=T p(90)=T p(95)=T p(99.9)=T count=4\n'])
    assert.ok(text.includes(line), `${line}\nin\n${text}`);
  assert.ok(!text.includes('http_req_waiting') && !text.includes('GROUP'));
  assert.match(r.err, /msg="thresholds on metrics 'checks' have been crossed"/);
});

test('text: full', async () => {
  const r = await run([script(demo), '--summary-mode', 'full', '--summary-time-unit', 'us']);
  const text = plain(r.out);
  for (const part of ['\n http_req_waiting...', '\n █ GROUP: front \n', '\n ↳ GROUP: inner \n', '\n group_duration'])
    assert.equal(text.includes(part), part !== '\n group_duration', `${part}\nin\n${text}`);
  assert.match(r.out, /avg=2000\.00µs/);
});

test('text: legacy', async () => {
  const r = await run([script(demo)], { K6_SUMMARY_MODE: 'legacy' });
  const lines = plain(r.out).split('\n').map((l) => l.trimEnd());
  assert.deepEqual(lines.slice(0, 15), ['', ' █ setup', '', ' █ front', '', ' ✓ ok', ' ✗ never', ' ↳ 0% — ✓ 0 / ✗ 4', '', ' █ inner', '', ' █ teardown', '',
    ' ✗ checks.........................: 50.00% ✓ 4 ✗ 4', lines[14]]);
  assert.match(lines[14], /^ data_received/);
  for (const line of [' my_rate........................: 50.00% ✓ 4 ✗ 4', ' ✓ my_gauge.......................: 3 min=3 max=3',
    ' ✓ my_time........................: avg=T p(90)=T p(95)=T p(99.9)=T count=8', ' { a:b }......................: avg=T p(90)=T p(95)=T p(99.9)=T count=4'])
    assert.ok(lines.some((l) => l.trimEnd() === line), `${line}\nin\n${lines.join('\n')}`);
});

test('text: none, and modes that are not', async () => {
  for (const args of [['--summary-mode=disabled'], ['--no-summary']]) {
    const r = await run([script(`${demo} export function handleSummary() { console.log('called'); return { stdout: 'x' }; }`), '--summary-export', 'none.json', ...args]);
    assert.deepEqual([r.code, r.out], [99, ''], r.err);
    assert.ok(!r.err.includes('called') && !existsSync(join(dir, 'none.json')));
  }
  const r = await run([script(demo), '--summary-mode', 'short']);
  assert.equal(r.code, 255);
  assert.match(r.err, /invalid summary mode 'short'/);
});

const isNumber = (v) => assert.equal(typeof v, 'number');
test('export: the older form', async () => {
  const r = await run([script(demo), '--summary-export', 'old.json']);
  assert.equal(r.code, 99);
  const text = read('old.json');
  assert.match(text, /^\{\n    "root_group": \{\n        "name": "",/);
  const d = JSON.parse(text);
  assert.deepEqual(Object.keys(d), ['root_group', 'metrics', 'setup_data']);
  assert.deepEqual(d.setup_data, { v: 1 });
  assert.deepEqual(d.root_group.groups.front.checks.never,
    { name: 'never', path: '::front::never', id: '5a75134c35701aba14afcbb322d7fb5d', passes: 0, fails: 4 });
  assert.equal(d.root_group.groups.front.groups.inner.path, '::front::inner');
  assert.deepEqual(d.metrics.checks, { value: 0.5, passes: 4, fails: 4, thresholds: { 'rate>0.9': true } });
  assert.deepEqual(d.metrics.my_gauge, { value: 3, min: 3, max: 3, thresholds: { 'value<10': false } });
  assert.deepEqual(d.metrics['my_time{a:b}'], { avg: 2.5, 'p(90)': 2.5, 'p(95)': 2.5, 'p(99.9)': 2.5, count: 4 });
  assert.deepEqual(Object.keys(d.metrics.my_counter), ['count', 'rate']);
  isNumber(d.metrics.my_counter.rate);
});

test('export: the newer form', async () => {
  const name = script(demo);
  const r = await run([name, '--summary-export', 'new.json', '--new-machine-readable-summary']);
  assert.equal(r.code, 99, r.err);
  const d = JSON.parse(read('new.json'));
  assert.deepEqual(Object.keys(d), ['config', 'metadata', 'results', 'version']);
  assert.equal(d.version, '1.0.0');
  assert.deepEqual([d.config.execution, d.config.script], ['local', read(name)]);
  isNumber(d.config.duration);
  assert.ok(Math.abs(Date.parse(d.metadata.generated_at) - Date.now()) < 60_000);
  assert.deepEqual(d.results.checks, {
    metrics: [
      { contains: 'default', name: 'checks_total', type: 'counter', values: { count: 8 } },
      { contains: 'default', name: 'checks_failed', type: 'rate', values: { matches: 4, rate: 0.5, total: 8 } },
      { contains: 'default', name: 'checks_succeeded', type: 'rate', values: { matches: 4, rate: 0.5, total: 8 } },
    ],
    results: [{ fails: 0, name: 'ok', passes: 4 }, { fails: 4, name: 'never', passes: 0 }],
  });
  const by = Object.fromEntries(d.results.metrics.map((m) => [m.name, m]));
  assert.deepEqual(by.my_gauge, { contains: 'default', name: 'my_gauge', type: 'gauge', values: { max: 3, min: 3, value: 3 } });
  assert.deepEqual(by['my_time{a:b}'].values, { avg: 2.5, max: null, med: null, min: null, p90: 2.5, p95: 2.5 });
  assert.ok(!('checks' in by) && !('group_duration' in by) && !('http_req_waiting' in by));
  const full = await run([name, '--summary-mode=full'], { K6_SUMMARY_EXPORT: 'full.json', K6_NEW_MACHINE_READABLE_SUMMARY: 'true' });
  assert.equal(full.code, 99, full.err);
  assert.ok(JSON.parse(read('full.json')).results.metrics.some((m) => m.name === 'http_req_waiting'));
});

test('handleSummary: its data, and where its results go', async () => {
  const r = await run([script(`${demo}
    export function handleSummary(d) {
      return { stdout: 'to out\\n', stderr: 'to err\\n', 'data.json': JSON.stringify(d), 'bytes.bin': new Uint8Array([65, 0, 66]), 'empty.txt': '', '/no/such/folder/x': 'x' };
    }`), '--no-color']);
  assert.equal(r.code, 99, r.err);
  assert.equal(r.out, 'to out\n');
  assert.match(r.err, /^to err$/m);
  assert.equal(read('bytes.bin'), 'A\0B');
  assert.equal(read('empty.txt'), '');
  assert.match(r.err, /failed to save the summary: could not open '\/no\/such\/folder\/x': no such file or directory/);
  const d = JSON.parse(read('data.json'));
  assert.deepEqual(Object.keys(d).sort(), ['metrics', 'options', 'root_group', 'setup_data', 'state']);
  assert.deepEqual(d.options, { summaryTrendStats: ['avg', 'p(90)', 'p(95)', 'p(99.9)', 'count'], summaryTimeUnit: '', noColor: true });
  assert.deepEqual([d.state.isStdOutTTY, d.state.isStdErrTTY], [false, false]);
  isNumber(d.state.testRunDurationMs);
  assert.deepEqual(d.root_group.groups.map((g) => [g.name, g.checks.map((c) => [c.name, c.passes, c.fails]), g.groups.map((i) => i.name)]),
    [['front', [['ok', 4, 0], ['never', 0, 4]], ['inner']]]);
  assert.deepEqual(d.metrics.my_gauge, { type: 'gauge', contains: 'default', values: { value: 3, min: 3, max: 3 }, thresholds: { 'value<10': { ok: true } } });
  assert.deepEqual(d.metrics.checks, { type: 'rate', contains: 'default', values: { rate: 0.5, passes: 4, fails: 4 }, thresholds: { 'rate>0.9': { ok: false } } });
  assert.equal('thresholds' in d.metrics['my_time{a:b}'], false);
});

test('handleSummary: the newer form', async () => {
  const r = await run([script(`${demo} export function handleSummary(d) { console.log(Object.keys(d), d.results.checks.results[1].fails); return { stdout: '' }; }`), '--new-machine-readable-summary']);
  assert.deepEqual(logged(r.err), ['[ "config", "metadata", "results", "version" ] 4'], r.err);
});

// What it returns, what is on standard output then ('…': the default text), and an error that is said.
const returns = [
  ['nothing', 'undefined', '…'], ['null', 'null', '…'], ['an empty map', '{}', ''],
  ['text', "'abc'", '…', 'handleSummary() should return a map with string keys'],
  ['an array', "['a']", '…', 'handleSummary() should return a map with string keys'],
  ['a Map', 'new Map()', '…', 'handleSummary() should return a map with string keys'],
  ['a number for standard output', '{ stdout: 5 }', '…', 'handleSummary() gave \\"stdout\\" something that is neither text nor bytes'],
  ['a good and a bad entry', "{ stdout: 'a', stderr: null }", 'a', 'handleSummary() gave \\"stderr\\" something'],
  ['an exception', '(() => { throw new Error("boom"); })()', '…', 'Error: boom'],
  ['an abort', "exec.test.abort('late')", '…', 'test aborted: late'],
  ['a failure', "(exec.test.fail('late'), { stdout: 'f' })", 'f', 'test marked as failed: late'],
  ['a promise', "Promise.resolve({ stdout: 'p' })", 'p'],
  ['a request made', "{ stdout: String(http.get('$URL/get').status) }", '200'],
  ['checks and samples', "(check(1, { late: true }), { stdout: String('late' in d.root_group) })", 'false'],
];
for (const [name, value, out, error] of returns)
  test(`handleSummary gives ${name}`, async () => {
    const r = await run([script(`import exec from 'k6/execution'; import http from 'k6/http'; import { check } from 'k6'; export default () => {}; export function handleSummary(d) { return ${value}; }`)]);
    assert.equal(r.code, 0, r.err);
    if (out === '…') assert.match(r.out, /TOTAL RESULTS/);
    else assert.equal(r.out, out);
    if (error) assert.ok(r.err.includes(error), r.err);
    else assert.ok(!r.err.includes('level=error'), r.err);
  });

const stats = [['p(101)', "invalid percentile trend stat value 'p(101)'"], ['p(x)', "invalid percentile trend stat value 'p(x)'"], ['foo', "invalid trend stat 'foo'"]];
for (const [stat, message] of stats)
  test(`summaryTrendStats: ${stat}`, async () => {
    const r = await run([script('export default () => {};'), '--summary-trend-stats', stat]);
    assert.notEqual(r.code, 0);
    assert.ok(r.err.includes(message), r.err);
  });

test('the console in a file of its own', async () => {
  const name = script("export default () => { console.log('into the file'); console.error('this, too'); };");
  for (let i = 0; i < 2; i++) {
    const r = await run([name, '--console-output', 'console.log']);
    assert.equal(r.code, 0, r.err);
    assert.ok(!r.err.includes('file'), r.err);
  }
  const lines = read('console.log').trim().split('\n');
  assert.equal(lines.length, 4);
  assert.match(lines[0], /^time=".*" level=info msg="into the file" source=console$/);
  assert.match(lines[3], /level=error msg="this, too"/);
});
