// Stream version 1 from this client: what it sends, and that a server counts it exactly, outages included.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';

import { SPATE, runIdOf, setUp, start, startCloud, startTarget, stream, temporaryFolder, until, writeScript } from './cloud_lib.mjs';

const isPush = (r) => r.path === '/v1/metrics/123';
const unpack = (r) => JSON.parse(r.headers['content-encoding'] === 'gzip' ? gunzipSync(r.body) : r.body);

async function run(t, { env = {}, config = {}, options = { vus: 2, iterations: 300 } } = {}) {
  const target = await startTarget(t);
  const dir = temporaryFolder(t);
  const cloud = await startCloud(t, (r) => (r.path === '/v1/tests' ? { body: { reference_id: '123', config } } : {}));
  const path = writeScript(dir, `import http from 'k6/http'; import { check } from 'k6';
    export const options = ${JSON.stringify(options)};
    export default function () { check(http.get('${target}/x', { tags: { name: 'x' } }), { ok: (r) => r.status === 200 }); }`);
  const end = await start(SPATE, ['run', '--out', 'cloud', '--no-archive-upload', path], {
    env: { ...process.env, XDG_CONFIG_HOME: dir, K6_CLOUD_HOST: cloud.url, K6_CLOUD_TOKEN: 'tok', ...env },
  }).ended;
  assert.equal(end.code, 0, end.stderr);
  const pushes = cloud.requests.filter(isPush);
  const samples = pushes.flatMap(unpack);
  const of = (type, metric) => samples.filter((s) => s.type === type && s.metric === metric);
  const requests = of('Points', 'http_req_li_all').length + of('AggregatedPoints', 'http_req_li_all').reduce((n, s) => n + s.data.count, 0);
  return { cloud, end, pushes, samples, of, requests };
}

describe('stream version 1', { concurrency: 4 }, () => {
  test('single requests, iterations, points; in packages of the size asked for', async (t) => {
    const { pushes, of, requests, end } = await run(t, { env: { K6_CLOUD_API_VERSION: '1', K6_CLOUD_MAX_METRIC_SAMPLES_PER_PACKAGE: '100' } });
    assert.equal(requests, 300);
    assert.equal(of('AggregatedPoints', 'http_req_li_all').length, 0);
    assert.equal(of('Points', 'iter_li_all').length, 300);
    assert.equal(of('Point', 'checks').length, 300);
    assert.ok(pushes.length >= 9);
    for (const push of pushes) {
      assert.equal(push.headers['content-encoding'], 'gzip');
      assert.equal(push.headers['content-type'], 'application/json');
      assert.equal(Number(push.headers['x-payload-sample-count']), unpack(push).length);
      assert.ok(unpack(push).length <= 100);
      assert.match(push.headers['k6-idempotency-key'], /^[0-9a-f]{16}$/);
    }
    const [one] = of('Points', 'http_req_li_all');
    assert.match(one.data.time, /^\d{16}$/);
    assert.equal(one.data.tags.name, 'x');
    assert.deepEqual(Object.keys(one.data.values).sort(), ['http_req_blocked', 'http_req_connecting', 'http_req_duration', 'http_req_failed',
      'http_req_receiving', 'http_req_sending', 'http_req_tls_handshaking', 'http_req_waiting', 'http_reqs']);
    assert.doesNotMatch(end.stderr, /lost|could not/);
  });

  test('aggregated: by the variables, which choose the version, too', async (t) => {
    const env = { K6_CLOUD_AGGREGATION_PERIOD: '2s', K6_CLOUD_AGGREGATION_MIN_SAMPLES: '25', K6_CLOUD_NO_COMPRESS: 'true' };
    const { end, of, requests, pushes } = await run(t, { env });
    assert.match(end.stderr, /stream version 1/);
    assert.equal(requests, 300);
    assert.ok(of('AggregatedPoints', 'http_req_li_all').length >= 1);
    const [a] = of('AggregatedPoints', 'http_req_li_all');
    assert.equal(a.data.type, 'aggregated_trend');
    assert.equal(a.data.values.http_req_failed.count, a.data.count);
    assert.ok(a.data.values.http_req_duration.min <= a.data.values.http_req_duration.avg);
    assert.equal(Number(a.data.time) % 2000000, 1000000, 'the middle of its bucket');
    assert.equal(pushes[0].headers['content-encoding'], undefined);
  });

  test("the server's settings go over ours", async (t) => {
    const { of, requests } = await run(t, {
      env: { K6_CLOUD_API_VERSION: '1' },
      config: { aggregationPeriod: '3s', aggregationMinSamples: 10, aggregationSkipOutlierDetection: true },
    });
    assert.equal(requests, 300);
    assert.equal(of('Points', 'http_req_li_all').length, 0);
  });

  test('settings out of bounds are named', async (t) => {
    const dir = temporaryFolder(t);
    const path = writeScript(dir, 'export default function () {}');
    for (const [name, value, says] of [
      ['K6_CLOUD_AGGREGATION_OUTLIER_IQR_COEF_UPPER', 'wide', /K6_CLOUD_AGGREGATION_OUTLIER_IQR_COEF_UPPER must be a number, 0 or more/],
      ['K6_CLOUD_AGGREGATION_CALC_INTERVAL', '0s', /aggregationCalcInterval must be 1ms to 1h/],
      ['K6_CLOUD_MAX_METRIC_SAMPLES_PER_PACKAGE', '0', /K6_CLOUD_MAX_METRIC_SAMPLES_PER_PACKAGE must be a whole number above 0/],
    ]) {
      const end = await start(SPATE, ['run', '--out', 'cloud', path], { env: { ...process.env, XDG_CONFIG_HOME: dir, K6_CLOUD_TOKEN: 't', [name]: value } }).ended;
      assert.equal(end.code, 104, end.stderr);
      assert.match(end.stderr, says);
    }
  });

  test('a server killed and started again: every count exact', async (t) => {
    const { server, path, summary } = await setUp(t, { vus: 3, duration: '9s' });
    const client = stream(server, path, {
      command: ['run', '--out', 'cloud'],
      args: ['--summary-export', summary],
      env: { K6_CLOUD_API_VERSION: '1', K6_CLOUD_AGGREGATION_PERIOD: '1s', K6_CLOUD_AGGREGATION_WAIT_PERIOD: '1s', K6_CLOUD_AGGREGATION_CALC_INTERVAL: '1s', K6_CLOUD_AGGREGATION_MIN_SAMPLES: '10' },
    });
    const id = runIdOf(await until('the URL', () => /output: cloud \(.*\)/.exec(client.stdout)?.[0]));
    await until('data', async () => (await server.value(id, 'increase', 'http_reqs')) > 0);
    await server.kill('SIGKILL');
    await until('the outage is noticed', () => client.stderr.includes('results are kept and sent later'));
    await server.start();
    const end = await client.ended;
    assert.equal(end.code, 0, end.stderr);
    assert.equal(server.stateCode(await server.run(id)), 3);
    const { metrics } = JSON.parse(readFileSync(summary, 'utf8'));
    assert.equal(await server.value(id, 'increase', 'http_reqs'), metrics.http_reqs.count);
    assert.equal(await server.value(id, 'increase', 'iterations'), metrics.iterations.count);
    assert.equal(await server.value(id, 'increase', 'data_sent'), metrics.data_sent.count);
    assert.equal(await server.value(id, 'increase_nz', 'checks'), metrics.checks.passes);
    assert.equal(await server.value(id, 'increase_nz', 'http_req_failed'), metrics.http_req_failed.passes);
    assert.equal(await server.value(id, 'histogram_max', 'http_req_duration'), metrics.http_req_duration.max);
  });
});
