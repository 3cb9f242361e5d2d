// also: asan
// Metrics, tags, thresholds, checks and groups: which samples there are, with what on them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logged, run, samples, script, url } from './output_lib.mjs';

// ---- tags of requests ---------------------------------------------------------------------------

const U = 'http://$HOST';
const every = "systemTags: ['proto', 'subproto', 'status', 'method', 'url', 'name', 'group', 'check', 'error', 'error_code', 'tls_version', 'scenario', 'service', 'expected_response', 'iter', 'vu', 'ip', 'ocsp_status']";
const ok = { expected_response: 'true', group: '', method: 'GET', proto: 'HTTP/1.1', scenario: 'default', status: '200' };
const lost = { expected_response: 'false', group: '', method: 'GET', scenario: 'default', status: '0' };
const same = (name) => ({ name, url: name });
// A call, and the tags of the samples that come of it, one a round trip.
const requests = [
  [`http.get('${U}/get')`, [{ ...ok, ...same(`${U}/get`) }]],
  [`http.get('${U}/status/404')`, [{ ...ok, ...same(`${U}/status/404`), status: '404', expected_response: 'false', error_code: '1404' }]],
  [`http.get('${U}/status/503', { tags: { name: 'five' } })`, [{ ...ok, ...same('five'), status: '503', expected_response: 'false', error_code: '1503' }]],
  [`http.get('${U}/redirect')`, [{ ...ok, ...same(`${U}/redirect`), status: '302' }, { ...ok, ...same(`${U}/get`) }]],
  [`http.get('${U}/redirect', { tags: { name: 'r' } })`, [{ ...ok, ...same('r'), status: '302' }, { ...ok, ...same('r') }]],
  [`http.get('${U.replace('//', '//user:pw@')}/get?a=1#frag')`, [{ ...ok, ...same(`${U.replace('//', '//****:****@')}/get?a=1#frag`) }]],
  [`http.get(http.url\`${U}/x/\${7}\`)`, [{ ...ok, ...same(`${U}/x/\${}`) }]],
  [`http.post('${U}/post', 'b', { tags: { status: 'mine', url: 'u', extra: 5, b: true } })`, [{ ...ok, ...same(`${U}/post`), method: 'POST', extra: '5', b: 'true' }]],
  [`http.get('${U}/get', { responseCallback: null })`, [{ ...ok, ...same(`${U}/get`), expected_response: undefined }]],
  [`http.get('${U}/status/404', { responseCallback: http.expectedStatuses(404) })`, [{ ...ok, ...same(`${U}/status/404`), status: '404', error_code: '1404' }]],
  ["http.get('http://127.0.0.1:1/')", [{ ...lost, ...same('http://127.0.0.1:1/'), error: 'dial: connection refused', error_code: '1212' }]],
  ["http.get('http://10.1.1.1/')", [{ ...lost, ...same('http://10.1.1.1/'), error: 'ip is blacklisted', error_code: '1110' }]],
  ["http.get('http://blocked.test/')", [{ ...lost, ...same('http://blocked.test/'), error: 'hostname is blocked', error_code: '1111' }]],
  ["http.get('ftp://x/')", [{ ...lost, ...same('ftp://x/'), error: 'unsupported protocol scheme "ftp"', error_code: '1000' }]],
  [`http.get('${U}/close')`, [{ ...lost, ...same(`${U}/close`), error: 'EOF', error_code: '1000' }]],
  ["http.get('http://a b/')", []],
  [`http.batch(['${U}/b', ['PUT', '${U}/b2', null, { tags: { q: '1' } }]])`, [{ ...ok, ...same(`${U}/b`) }, { ...ok, ...same(`${U}/b2`), method: 'PUT', q: '1' }]],
];
test('tags of requests', async () => {
  const r = await samples(`import http from 'k6/http'; import exec from 'k6/execution';
    export const options = { blacklistIPs: ['10.0.0.0/8'], blockHostnames: ['blocked.test'] };
    export default () => { ${requests.map(([call], i) => `exec.vu.tags.n = ${i}; ${call};`).join('\n')} };`.replaceAll('$HOST', new URL(url).host));
  assert.equal(r.code, 0, r.err);
  for (const [i, [call, expected]] of requests.entries()) {
    const got = r.of('http_reqs').filter((p) => p.tags.n === String(i)).map(({ tags: { n, ...tags } }) => tags);
    if (call.includes('batch')) got.sort((a, b) => (a.url < b.url ? -1 : 1));
    assert.deepEqual(got, JSON.parse(JSON.stringify(expected).replaceAll('$HOST', new URL(url).host)), call);
    const failed = r.of('http_req_failed').filter((p) => p.tags.n === String(i)).map((p) => p.value);
    assert.deepEqual(failed, got.filter((t) => t.expected_response).map((t) => Number(t.expected_response === 'false')), call);
  }
});

test('all system tags: iter and vu are metadata, ip is a tag', async () => {
  const r = await samples(`import http from 'k6/http'; import { check } from 'k6'; export const options = { ${every}, iterations: 2 };
    export function setup() { http.get('$URL/setup'); }
    export default () => { http.get('$URL/get'); check(1, { ok: true }); };`);
  assert.equal(r.code, 0, r.err);
  const got = r.of('http_reqs').map(({ tags, metadata }) => ({ tags, metadata }));
  const tags = { ...ok, ip: '127.0.0.1', name: `${url}/get`, url: `${url}/get` };
  assert.deepEqual(got.map((g) => g.metadata), [{ iter: '0' }, { iter: '0', vu: '1' }, { iter: '1', vu: '1' }]);
  assert.deepEqual(got[1].tags, tags);
  assert.equal(got[0].tags.group, '::setup');
  for (const m of ['checks', 'iterations', 'iteration_duration', 'data_sent', 'data_received'])
    assert.deepEqual(r.of(m).filter((p) => p.tags.scenario).map((p) => p.metadata), [{ iter: '0', vu: '1' }, { iter: '1', vu: '1' }], m);
  const csv = await run([script(`export const options = { ${every} }; export default () => {};`), '--out', 'csv=-', '--summary-mode=disabled']);
  assert.match(csv.out, /^metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,ip,method,name,ocsp_status,proto,scenario,/);
  assert.match(csv.out, /^iterations,.*,iter=0&vu=1$/m);
});

test('no system tags', async () => {
  const r = await samples("import http from 'k6/http'; import { check, group } from 'k6'; export const options = { systemTags: [], tags: { t: 'r' } }; export default () => { group('g', () => { http.get('$URL/get'); check(1, { ok: true }); }); };");
  for (const p of r.points) assert.deepEqual(p.data.tags, { t: 'r' }, p.metric);
  assert.equal(r.lines.find((l) => l.metric === 'http_req_duration').data.submetrics, null);
});

// ---- samples of executors -------------------------------------------------------------------------

test('dropped iterations, data, iterations: when, with what', async () => {
  const r = await samples(`import { sleep } from 'k6';
    export const options = { tags: { run: 'x' }, systemTags: ['scenario', 'group', 'vu'], scenarios: {
      shared: { executor: 'shared-iterations', vus: 2, iterations: 9, maxDuration: '1s', gracefulStop: '0s', tags: { st: '1' } },
      own: { executor: 'per-vu-iterations', vus: 2, iterations: 5, maxDuration: '1s', gracefulStop: '3s', tags: { st: '2' } },
      rate: { executor: 'constant-arrival-rate', rate: 5, duration: '1s', preAllocatedVUs: 1, gracefulStop: '3s', tags: { st: '3' } } } };
    export default () => { sleep(0.7); };`);
  assert.equal(r.code, 0, r.err);
  const by = (metric, scenario) => r.of(metric).filter((p) => p.tags.scenario === scenario);
  assert.deepEqual(by('dropped_iterations', 'shared').map((p) => [p.value, p.tags]), [[5, { run: 'x', scenario: 'shared' }]]);
  const own = by('dropped_iterations', 'own');
  assert.deepEqual(own.map((p) => p.value), [3, 3]);
  assert.deepEqual(Object.keys(own[0].tags), ['run', 'scenario', 'vu']);
  for (const p of by('dropped_iterations', 'rate')) assert.deepEqual([p.value, p.tags], [1, { run: 'x', scenario: 'rate' }]);
  assert.deepEqual([by('iterations', 'shared').length, by('data_sent', 'shared').length], [2, 4]); /* two were interrupted */
  assert.deepEqual([by('iterations', 'own').length, by('iteration_duration', 'own').length, by('data_received', 'own').length], [4, 4, 4]);
  for (const p of by('iteration_duration', 'own')) assert.deepEqual(p.tags, { group: '', run: 'x', scenario: 'own', st: '2' });
  for (const m of ['vus', 'vus_max']) {
    assert.ok(r.of(m).length >= 1);
    for (const p of r.of(m)) assert.deepEqual(p.tags, { run: 'x' }, m);
  }
});

test('groups and checks: paths, durations, what a predicate that throws leaves', async () => {
  const r = await samples(`import { check, group } from 'k6';
    export default () => {
      group('a', () => { group('b', () => check(1, { in: true }, { ct: 5 })); });
      group('', () => {});
      try { check(1, { first: true, bad: () => { throw new Error('E'); }, third: true }); } catch (e) { console.log(e.message); }
      try { group('t', () => { throw new Error('G'); }); } catch (e) { console.log(e.message); }
    };
    export function teardown() { group('late', () => check(1, { td: true })); }`);
  assert.deepEqual(logged(r.err), ['E', 'G'], r.err);
  assert.deepEqual(r.of('group_duration').map((p) => p.tags.group), ['::a::b', '::a', '', '::t', '::teardown::late']);
  assert.deepEqual(r.of('checks').map((p) => [p.tags.check, p.value, p.tags.group, p.tags.ct]),
    [['in', 1, '::a::b', '5'], ['first', 1, '', undefined], ['bad', 0, '', undefined], ['td', 1, '::teardown::late', undefined]]);
  assert.equal(r.of('iterations').length, 1);
});

test('exec.vu.tags and metadata last as long as the scenario', async () => {
  const r = await samples(`import exec from 'k6/execution'; import { Counter } from 'k6/metrics'; const c = new Counter('cc');
    const s = { executor: 'per-vu-iterations', vus: 1, iterations: 1 };
    export const options = { scenarios: { one: s, two: { ...s, startTime: '100ms' } } };
    export default () => {
      c.add(1); exec.vu.tags.t = 1; exec.vu.metrics.tags.u = true; exec.vu.metrics.metadata.m = 2; c.add(2, { t: 'own', m: 'tag' });
      delete exec.vu.tags.u; delete exec.vu.metrics.metadata.m; exec.vu.metrics.metadata.k = 'v'; c.add(3);
      console.log(Object.keys(exec.vu.metrics.metadata), JSON.stringify(exec.vu.metrics.metadata), 'k' in exec.vu.metrics.metadata);
      try { exec.vu.metrics.metadata.o = {}; } catch (e) { console.log(e.message); }
    };`);
  assert.deepEqual(r.of('cc').map(({ value, tags: { group, ...tags }, metadata }) => [value, tags, metadata]), ['one', 'two'].flatMap((scenario) => [
    [1, { scenario }, undefined], [2, { m: 'tag', scenario, t: 'own', u: 'true' }, { m: '2' }], [3, { scenario, t: '1' }, { k: 'v' }]]));
  const said = ['[ "k" ] {"k":"v"} true', "invalid value for metric metadata 'o': only String, Boolean and Number types are accepted as a metric metadata value"];
  assert.deepEqual(logged(r.err), [...said, ...said], r.err);
});

// ---- the module k6/metrics --------------------------------------------------------------------------

test('k6/metrics: what add() takes', async () => {
  const r = await samples(`import { Counter } from 'k6/metrics'; const c = new Counter('cc');
    export default () => {
      const said = [1, '2', 'abc', null, undefined, NaN, true, false, {}, [], [5], -1, new Date(5), '', ' ', '0x10'].map((v) => c.add(v));
      console.log(JSON.stringify(said)); console.log(c.add());
      const { add } = c; add(100, { a: 1 }); add(200, 'xy'); add(300, 5);
      for (const f of [() => c.add(1n), () => c.add(1, { a: {} }), () => c.add(1, { a: null })]) try { f(); } catch (e) { console.log(e.message); }
    };`);
  const T = true;
  const F = false;
  const tag = "cannot add tags for the 'cc' custom metric: invalid value for metric tag 'a': only String, Boolean and Number types are accepted as a metric tag values";
  assert.deepEqual(logged(r.err), [JSON.stringify([T, T, F, F, F, F, T, T, F, T, T, T, T, T, T, T]), 'false', 'cannot convert bigint to number', tag, tag], r.err);
  assert.deepEqual(r.of('cc').map((p) => p.value), [1, 2, 1, 0, 0, 5, -1, 5, 0, 0, 16, 100, 200, 300]);
  assert.deepEqual(r.of('cc').slice(-3).map(({ tags: { group, scenario, ...rest } }) => rest), [{ a: '1' }, { 0: 'x', 1: 'y' }, {}]);
  for (const shown of ["'abc'", "'null'", "'undefined'", "'NaN'", "'[object Object]'"]) assert.ok(r.err.includes(`${shown} is an invalid value for metric 'cc', a number or a boolean value is expected`), shown);
  assert.ok(r.err.includes("no value was provided for metric 'cc', a number or a boolean value is expected"));
  const strict = await run([script("import { Counter } from 'k6/metrics'; const c = new Counter('cc'); export default () => { try { c.add('x'); } catch (e) { console.log(e.message); } };"), '--throw']);
  assert.deepEqual(logged(strict.err), ["'x' is an invalid value for metric 'cc', a number or a boolean value is expected"]);
});

test('k6/metrics: names, and metrics that are there already', async () => {
  const r = await run([script(`import { Counter, Trend } from 'k6/metrics';
    const say = (f) => { try { console.log(f().name); } catch (e) { console.log(e.message); } };
    for (const n of ['ab', '_1', 'x'.repeat(129), 'a', '1a', 'a b', 'a-b', 'ä1', '', 'x'.repeat(130), undefined, null]) say(() => new Counter(n));
    say(() => new Counter('ab')); say(() => Counter('ab')); say(() => new Trend('ab')); say(() => new Counter('ab', true)); say(() => new Counter('http_reqs')); say(() => new Trend('http_reqs')); say(() => new Trend('http_req_duration'));
    export default () => { say(() => new Counter('late')); };`)]);
  const no = (n) => `Invalid metric name: '${n}'. Metric names must only include up to 128 ASCII letters, numbers, or underscores and start with a letter or an underscore.`;
  const once = ['ab', '_1', 'x'.repeat(129), ...['a', '1a', 'a b', 'a-b', 'ä1', '', 'x'.repeat(130), '', ''].map(no), 'ab', 'ab', "metric 'ab' already exists but with type counter, instead of trend",
    "metric 'ab' already exists but with a value type default, instead of time", 'http_reqs', "metric 'http_reqs' already exists but with type counter, instead of trend",
    "metric 'http_req_duration' already exists but with a value type time, instead of default"];
  assert.deepEqual(logged(r.err).slice(0, once.length), once);
  assert.ok(logged(r.err).includes('metrics must be declared in the init context'), r.err);
});

// ---- thresholds -------------------------------------------------------------------------------------

const head = "import { Counter, Gauge, Rate, Trend } from 'k6/metrics'; new Trend('tt', true); new Rate('rr'); new Gauge('gg'); new Counter('cc');";
// The option, the exit code, a part of the error.
const thresholds = [
  [{ tt: ['p(95)<5', 'p(99.99) < 5', 'med<5', 'min<=5', 'max>=0', 'avg!=1', 'p(0)==0', 'p(100)===0'] }, 0],
  [{ cc: ['count<5', 'rate<1_000', 'count==0', ' rate < 1e3 '], rr: ['rate>0.9'], gg: ['value<0.5'] }, 0],
  [{ cc: ['count>5'] }, 99, "thresholds on metrics 'cc' have been crossed"],
  [{ tt: ['max>5'], cc: ['count>0'], 'tt{a:b}': ['max>5'] }, 99, "thresholds on metrics 'cc, tt, tt{a:b}' have been crossed"],
  [{ 'tt{ a : b , \'c\' : "d" }': ['max<5'], 'tt{a:b:c}': ['max<5'], 'tt{a:{b}}': ['max<5'] }, 0],
  [{ tt: [], 'cc{a:b}': null }, 0],
  [{ tt: [{ threshold: 'max<5', abortOnFail: true, delayAbortEval: '10s' }] }, 0],
  [{ tt: ['count<5'] }, 104, 'count'], [{ tt: ['value<5'] }, 104], [{ tt: ['rate<5'] }, 104], [{ cc: ['avg<5'] }, 104], [{ cc: ['value<5'] }, 104], [{ rr: ['count<5'] }, 104], [{ gg: ['last<5'] }, 104],
  [{ tt: ['p(101)<5'] }, 104], [{ tt: ['p(-1)<5'] }, 104], [{ tt: ['p95<5'] }, 104], [{ tt: ['MAX<5'] }, 104], [{ tt: ['max<<5'] }, 104], [{ tt: ['max=5'] }, 104], [{ tt: ['max'] }, 104], [{ tt: [''] }, 104],
  [{ tt: ['max<abc'] }, 104, 'failed parsing threshold expresion\'s \\"max<abc\\" right hand side'], [{ tt: ['max<0x10'] }, 104], [{ tt: ['max<5ms'] }, 104],
  [{ nope: ['max<5'] }, 104, 'no metric name \\"nope\\" found'], [{ 'nope{a:b}': ['max<5'] }, 104],
  [{ 'tt{a:b': ['max<5'] }, 104], [{ 'tt{a}': ['max<5'] }, 104], [{ 'tt{a:}': ['max<5'] }, 104], [{ 'tt{}': ['max<5'] }, 104], [{ 'tt}a:b{': ['max<5'] }, 104], [{ 'tt{a:b}c': ['max<5'] }, 104],
  [{ tt: 'max<5' }, 104], [{ tt: [5] }, 104], [{ tt: [{ threshold: 'max<5', abortOnFail: 'yes' }] }, 104], [{ tt: [{ threshold: 'max<5', delayAbortEval: 'x' }] }, 104],
];
test('thresholds: what they may be', async () => {
  const name = script(`${head} export const options = { thresholds: JSON.parse(__ENV.T) }; export default () => {};`);
  for (const [option, code, message] of thresholds) {
    const r = await run([name, '--summary-mode=disabled', '-e', `T=${JSON.stringify(option)}`]);
    assert.equal(r.code, code, `${JSON.stringify(option)}: ${r.err}`);
    if (message) assert.ok(r.err.includes(message), r.err);
    assert.equal((r.err.match(/level=error/g) ?? []).length, code === 0 ? 0 : 1, r.err);
  }
});

test('thresholds: on iter and vu they warn, and never match', async () => {
  const r = await run([script(`${head} export const options = { thresholds: { 'iterations{vu:1}': ['count==0'], 'iterations{iter:0}': ['count==0'] }, systemTags: ['vu', 'iter'] }; export default () => {};`)]);
  assert.equal(r.code, 0, r.err);
  assert.equal(r.err.match(/The high-cardinality '(vu|iter)' metric tag/g)?.length, 2, r.err);
});

test('thresholds: not evaluated with --no-thresholds, sub-metrics are there', async () => {
  const r = await run([script("export const options = { thresholds: { iterations: ['count>5'], 'iterations{scenario:default}': ['count>5'] } }; export default () => {};"), '--no-thresholds']);
  assert.equal(r.code, 0, r.err);
  assert.match(r.out, /\{ scenario:default \}/);
});

test('thresholds: one that ends the test', async () => {
  const r = await run([script(`import { sleep } from 'k6'; export const options = { duration: '60s', vus: 1,
    thresholds: { iterations: [{ threshold: 'count<1', abortOnFail: true, delayAbortEval: '100ms' }], checks: ['rate>0.5'] } };
    export default () => { sleep(0.1); }; export function teardown() { console.log('torn down'); }`)]);
  assert.equal(r.code, 99, r.err);
  assert.ok(r.err.includes("thresholds on metrics 'iterations' were crossed; at least one has abortOnFail enabled, stopping test prematurely"), r.err);
  assert.deepEqual(logged(r.err), ['torn down']);
});

// ---- many different URLs ------------------------------------------------------------------------------

test('many sets of tags: one warning, no loss in files, names of the script stay', { skip: Boolean(process.env.ASAN_OPTIONS) }, async () => {
  const r = await samples(`import { Counter } from 'k6/metrics'; const c = new Counter('cc');
    export const options = { vus: 2, iterations: 2, thresholds: { 'cc{name:login}': ['count==2'], cc: ['count==120002'] } };
    export default () => {
      for (let i = 0; i < 60000; i++) { const u = 'http://h/' + __VU + '/' + i; c.add(1, { url: u, name: u }); }
      c.add(1, { name: 'login', url: 'login' });
    };`);
  assert.equal(r.code, 0, r.err);
  assert.equal(r.err.match(/level=warning/g).length, 1, r.err);
  assert.match(r.err, /more than 100000 different sets of metric tags/);
  assert.equal(new Set(r.of('cc').map((p) => p.tags.url)).size, 120001);
});
