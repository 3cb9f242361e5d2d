// A run executed here and made through API v6 and provisioning: what the client sends, and what it makes of answers.
// also: asan
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { SPATE, formField, start, startCloud, startCloudV6, temporaryFolder, until, writeScript } from './cloud_lib.mjs';

const script = (options, body = '') => `
import { sleep } from 'k6';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
const mine = new Counter('mine');
export const options = ${JSON.stringify(options)};
export default function () { mine.add(1, { k: 'v' }); ${body} sleep(0.1); }
`;

function begin(t, cloud, { options = { vus: 1, iterations: 2 }, body, text, args = [], env = {} } = {}) {
  const dir = temporaryFolder(t);
  const path = writeScript(dir, text ?? script(options, body), 'mine.js');
  return start(SPATE, ['cloud', 'run', '--local-execution', ...args, path], {
    env: { ...process.env, XDG_CONFIG_HOME: dir, K6_CLOUD_HOST: cloud.url, K6_CLOUD_TOKEN: 'tok123', ...env },
  });
}
const run = (t, cloud, how) => begin(t, cloud, how).ended;

const isPush = (r) => r.path === '/push/v2/metrics/123';
const isLog = (r) => r.path === '/logs/push';
const isNotify = (r) => r.path === '/provisioning/v1/test_runs/123/notify';
const calls = (cloud) => cloud.requests.map((r) => `${r.method} ${r.path.split('?')[0]}`);
const notified = (cloud) => JSON.parse(cloud.requests.find(isNotify).body);
const lines = (cloud) =>
  cloud.requests.filter(isLog).flatMap((r) => JSON.parse(r.body).streams.flatMap((s) => s.values.map(([time, line]) => ({ time, line, ...s.stream }))));

describe('provisioning', { concurrency: 4 }, () => {
  test('the calls of a run, in their order', async (t) => {
    const cloud = await startCloudV6(t);
    const options = { vus: 2, iterations: 4, cloud: { name: 'checkout', projectID: 9, note: 'of today' } };
    const end = await run(t, cloud, { options, body: "console.log('this is run ' + __ENV.K6_CLOUDRUN_TEST_RUN_ID);" });
    assert.equal(end.code, 0, end.stderr);
    assert.match(end.stderr, /this is run 123"/);
    assert.match(end.stdout, /output: cloud \(http:\/\/page\.example\/runs\/123\)/);
    const seen = calls(cloud).filter((c, i, all) => c !== all[i - 1]);
    assert.deepEqual(seen.slice(0, 6), [
      'GET /cloud/v6/auth',
      'POST /cloud/v6/projects/9/load_tests',
      'POST /provisioning/v1/load_tests/456/start_local_execution',
      'PUT /upload/secret-place',
      'GET /cloud/v6/test_runs/123',
      'PATCH /cloud/v6/test_runs/123',
    ]);
    assert.equal(seen.at(-1), 'POST /provisioning/v1/test_runs/123/notify');
    const [auth, create, begin, upload] = cloud.requests;
    assert.equal(auth.headers.authorization, 'Bearer tok123');
    assert.equal(auth.headers['x-stack-url'], cloud.url);
    assert.equal(create.headers['x-stack-id'], '7');
    assert.equal(formField(create, 'name'), 'checkout');
    assert.match(begin.headers['k6-idempotency-key'], /^[0-9a-f]{16}$/);
    const asked = JSON.parse(begin.body);
    assert.deepEqual(Object.keys(asked).sort(), ['archive_size', 'max_vus', 'options', 'total_duration']);
    assert.equal(asked.max_vus, 2);
    assert.equal(asked.total_duration, 630);
    assert.equal(asked.archive_size, upload.body.length);
    assert.equal(asked.options.scenarios.default.executor, 'shared-iterations');
    assert.equal(upload.headers.authorization, undefined);
    assert.equal(upload.headers['content-type'], 'application/x-tar');
    assert.match(upload.body.toString('latin1'), /^metadata\.json/);
    const push = cloud.requests.find(isPush);
    assert.equal(push.headers.authorization, 'Bearer scoped-token');
    assert.equal(push.headers['k6-metrics-protocol-version'], '2.0');
    assert.match(push.headers['k6-idempotency-key'], /^[0-9a-f]{16}$/);
    assert.equal(cloud.requests.find(isNotify).headers.authorization, 'Bearer scoped-token');
    assert.deepEqual(notified(cloud), { event_type: 'script_execution_completed', error: null });
    assert.deepEqual(JSON.parse(cloud.requests.find((r) => r.method === 'PATCH').body), { note: 'of today' });
    assert.ok(cloud.requests.every((r) => r.path.startsWith('/logs/') || r.path.startsWith('/upload/') || /^k6cloud\//.test(r.headers['user-agent'])));
  });

  test('a name that is taken is looked up; no project: the default one; no archive: none announced', async (t) => {
    const cloud = await startCloudV6(t, { tests: [{ id: 88, name: 'my own & test' }] });
    const end = await run(t, cloud, { args: ['--no-archive-upload'], env: { K6_CLOUD_NAME: 'my own & test' } });
    assert.equal(end.code, 0, end.stderr);
    assert.ok(calls(cloud).includes('POST /cloud/v6/projects/1/load_tests'));
    const begin = cloud.requests.find((r) => r.path.endsWith('start_local_execution'));
    assert.equal(begin.path, '/provisioning/v1/load_tests/88/start_local_execution');
    assert.equal(JSON.parse(begin.body).archive_size, null);
    assert.ok(!calls(cloud).some((c) => c.startsWith('PUT')));
  });

  test('how the run ended, by its codes', async (t) => {
    const cases = [
      { options: { vus: 1, iterations: 1, thresholds: { mine: ['count>100'] } }, exit: 99, error: null },
      { body: "exec.test.abort('enough');", exit: 108, code: 8036, reason: /enough/ },
      { options: { vus: 1, duration: '60s', thresholds: { mine: [{ threshold: 'count<1', abortOnFail: true }] } }, exit: 99, code: 8036, reason: /abortOnFail/ },
      { text: "export function setup() { throw new Error('bad start'); } export default function () {}", exit: 107, code: 8035, reason: /bad start/ },
      { text: "import { sleep } from 'k6'; export const options = { setupTimeout: '500ms' }; export function setup() { sleep(9); } export default function () {}", exit: 100, code: 8034, reason: /timed out/ },
    ];
    await Promise.all(cases.map(async ({ exit, code, reason, ...how }) => {
      const cloud = await startCloudV6(t);
      const end = await run(t, cloud, how);
      assert.equal(end.code, exit, end.stderr);
      const { error } = notified(cloud);
      if (code === undefined) assert.equal(error, null);
      else assert.equal(error.code, code);
      if (reason) assert.match(error.reason, reason);
    }));
  });

  test('Ctrl-C: 8036, and the data up to then', async (t) => {
    const cloud = await startCloudV6(t);
    const client = begin(t, cloud, { options: { vus: 1, duration: '60s' } });
    await until('it runs', () => /running \(/.test(client.stdout));
    client.child.kill('SIGINT');
    const end = await client.ended;
    assert.equal(end.code, 105, end.stderr);
    assert.equal(notified(cloud).error.code, 8036);
    assert.ok(cloud.requests.some(isPush));
  });

  test('a run that the cloud aborts before it begins; one that is interrupted while it waits', async (t) => {
    const history = [{ type: 'aborted', entered: '2026-11-22T10:00:00Z', extra: { by_user: null, message: 'no VUH are left', code: 9 } }];
    const refusing = await startCloudV6(t, { run: { status: 'aborted', result: 'error', status_history: history } });
    const end = await run(t, refusing);
    assert.equal(end.code, 255);
    assert.match(end.stderr, /aborted the run before it began: no VUH are left/);

    const slow = await startCloudV6(t, { run: { status: 'queued' } });
    const client = begin(t, slow);
    await until('it waits', () => calls(slow).includes('GET /cloud/v6/test_runs/123'));
    client.child.kill('SIGINT');
    const interrupted = await client.ended;
    assert.equal(interrupted.code, 105, interrupted.stderr);
    assert.equal(notified(slow).error.code, 8036);
  });

  test('outages: tried again with the same key; the settings of the reply hold', async (t) => {
    let failures = 3;
    const cloud = await startCloudV6(t, {
      runtime: { metrics: { aggregation_period: '1s', aggregation_wait_period: '0s', push_interval: '100ms', max_samples_per_package: 2, push_concurrency: 1 } },
      over: (r) => {
        if (isPush(r) && failures-- > 0) return { status: 503 };
        return undefined;
      },
    });
    const end = await run(t, cloud, { options: { vus: 1, duration: '3s' } });
    assert.equal(end.code, 0, end.stderr);
    assert.match(end.stderr, /results are kept and sent later/);
    assert.doesNotMatch(end.stderr, /could not be delivered/);
    const keys = cloud.requests.filter(isPush).map((r) => r.headers['k6-idempotency-key']);
    assert.equal(new Set(keys.slice(0, 4)).size, 1);
    assert.ok(new Set(keys).size >= 6, `batches of two series: ${keys.length} pushes`);
  });

  test('403 with code 4: the stream ends; with K6_CLOUD_STOP_ON_ERROR the test does, too', async (t) => {
    const enough = (r) => (isPush(r) ? { status: 403, body: { error: { message: 'enough', code: 4 } } } : undefined);
    const cloud = await startCloudV6(t, { over: enough, runtime: { metrics: { aggregation_period: '1s', aggregation_wait_period: '0s' } } });
    const end = await run(t, cloud, { options: { vus: 1, duration: '4s' } });
    assert.equal(end.code, 0, end.stderr);
    assert.match(end.stderr, /no more results are sent: .*enough/);
    assert.equal(cloud.requests.filter(isPush).length, 1);
    assert.equal(notified(cloud).error, null);

    const strict = await startCloudV6(t, { over: enough, runtime: { metrics: { aggregation_period: '1s', aggregation_wait_period: '0s' } } });
    const stopped = await run(t, strict, { options: { vus: 1, duration: '120s' }, env: { K6_CLOUD_STOP_ON_ERROR: 'true' } });
    assert.equal(stopped.code, 105);
    assert.equal(notified(strict).error.code, 8034);
  });

  test('log lines: labels, level, limits, secrets', async (t) => {
    const cloud = await startCloudV6(t, { runtime: { logs: { limit: 50, message_max_size: 40 } } });
    const text = `
      import { sleep } from 'k6';
      export default function () {
        console.log('hello'); console.warn('careful'); console.debug('not this');
        console.log('my token is tok123, the run has scoped-token');
        console.log('x'.repeat(100));
        sleep(1.3);
        for (let i = 0; i < 2000; i++) console.log('flood ' + i);
      }`;
    const end = await run(t, cloud, { text });
    assert.equal(end.code, 0, end.stderr);
    const got = lines(cloud);
    const of = (word) => got.find((l) => l.line.includes(word));
    assert.equal(of('hello').line, 'hello source=console');
    assert.equal(of('hello').level, 'info');
    assert.equal(of('hello').test_run_id, '123');
    assert.equal(of('careful').level, 'warning');
    assert.equal(of('not this'), undefined);
    assert.ok(!cloud.requests.filter(isLog).some((r) => /tok123|scoped-token/.test(r.body.toString())));
    assert.match(of('my token is').line, /\*\*\*SECRET/);
    assert.ok(got.every((l) => l.line.length <= 40));
    assert.ok(got.filter((l) => /flood/.test(l.line)).length <= 1000 + 50);
    assert.match(of('dropped').line, /^\d+ log lines were dropped/);
    for (const push of cloud.requests.filter(isLog)) {
      assert.equal(push.headers.authorization, 'Bearer scoped-token');
      for (const { values } of JSON.parse(push.body).streams)
        for (let i = 1; i < values.length; i++) assert.ok(BigInt(values[i][0]) >= BigInt(values[i - 1][0]), 'in order of time');
    }
    assert.ok(calls(cloud).lastIndexOf('POST /logs/push') < calls(cloud).findIndex((c) => c.endsWith('/notify')));

    const silent = await startCloudV6(t);
    const quiet = await run(t, silent, { text, args: ['--no-cloud-logs'] });
    assert.equal(quiet.code, 0, quiet.stderr);
    assert.equal(silent.requests.filter(isLog).length, 0);
  });

  test('a log that hangs or fails holds nothing up', async (t) => {
    const cloud = await startCloudV6(t, { over: (r) => (isLog(r) ? { status: 500 } : undefined) });
    const end = await run(t, cloud, { options: { vus: 1, duration: '3s' }, body: "console.log('hi');" });
    assert.equal(end.code, 0, end.stderr);
    assert.equal(end.stderr.match(/log lines can't be sent/g).length, 1);
    assert.equal(notified(cloud).error, null);
  });

  test('credentials from outside: K6_CLOUD_PUSH_REF_ID with its URL and token', async (t) => {
    const cloud = await startCloudV6(t);
    const env = {
      K6_CLOUD_PUSH_REF_ID: '123',
      K6_CLOUD_METRICS_PUSH_URL: `${cloud.url}/push/v2/metrics/123`,
      K6_CLOUD_TEST_RUN_TOKEN: 'scoped-token',
      K6_CLOUD_LOGS_PUSH_URL: `${cloud.url}/logs/push`,
      K6_CLOUD_LOGS_ALLOWED_LABELS: 'level,test_run_id,source',
      K6_CLOUD_TOKEN: '',
    };
    const end = await run(t, cloud, { env, body: "console.log('hi');" });
    assert.equal(end.code, 0, end.stderr);
    assert.deepEqual([...new Set(calls(cloud))].sort(), ['POST /logs/push', 'POST /push/v2/metrics/123']);
    assert.ok(cloud.requests.every((r) => r.headers.authorization === 'Bearer scoped-token'));
    assert.equal(lines(cloud).find((l) => l.line === 'hi').source, 'console');

    const half = await run(t, cloud, { env: { ...env, K6_CLOUD_TEST_RUN_TOKEN: '', K6_CLOUD_LOGS_PUSH_URL: '' } });
    assert.equal(half.code, 104);
    assert.match(half.stderr, /K6_CLOUD_METRICS_PUSH_URL and K6_CLOUD_TEST_RUN_TOKEN have to be set together/);
  });

  test('a cloud without API v6: its older one, unless v6 is asked for', async (t) => {
    const older = () => startCloud(t, (r) => (r.path === '/v1/tests' ? { body: { reference_id: '123' } } : r.path.startsWith('/cloud/') ? { status: 404 } : {}));
    const cloud = await older();
    const end = await run(t, cloud);
    assert.equal(end.code, 0, end.stderr);
    assert.ok(calls(cloud).includes('POST /v1/tests/123'));
    for (const forced of [{ env: { K6_CLOUD_API_VERSION: '6' } }, { args: ['--cloud-api-version', '6'] }]) {
      const refused = await run(t, await older(), forced);
      assert.equal(refused.code, 255);
      assert.match(refused.stderr, /has no API v6/);
    }
    // A project that v6 doesn't know: the older API may make it.
    const foreign = await startCloudV6(t, {
      over: (r) => (/projects\/77\/load_tests/.test(r.path) ? { status: 404 } : r.path === '/v1/tests' ? { body: { reference_id: '5' } } : undefined),
    });
    const moved = await run(t, foreign, { env: { K6_CLOUD_PROJECT_ID: '77' }, args: ['--no-archive-upload'] });
    assert.equal(moved.code, 0, moved.stderr);
    assert.equal(JSON.parse(foreign.requests.find((r) => r.path === '/v1/tests').body).project_id, 77);
    assert.equal(foreign.requests.at(-1).path, '/v1/tests/5');
    const new6 = await startCloudV6(t);
    const ended = await run(t, new6, { args: ['--cloud-api-version=2'], env: { K6_CLOUD_API_VERSION: '6' } });
    assert.match(ended.stderr, /no usable reference_id/);
    assert.deepEqual(calls(new6), ['POST /v1/tests']);
  });

  test('through a proxy', async (t) => {
    const cloud = await startCloudV6(t); // the proxy and what is behind it in one
    const end = await run(t, cloud, { env: { K6_CLOUD_HOST: 'http://cloud.example', HTTP_PROXY: cloud.url, http_proxy: '' } });
    assert.equal(end.code, 0, end.stderr);
    assert.equal(cloud.requests[0].target, 'http://cloud.example/cloud/v6/auth');
    assert.equal(notified(cloud).error, null);
  });

  test('what is wrong before anything is made', async (t) => {
    const cloud = await startCloudV6(t);
    const long = await run(t, cloud, { env: { K6_CLOUD_NAME: 'x'.repeat(301) } });
    assert.equal(long.code, 104);
    assert.match(long.stderr, /at most 300 characters/);
    const tags = await run(t, cloud, { options: { vus: 1, iterations: 1, systemTags: ['name', 'method', 'status'] } });
    assert.equal(tags.code, 255);
    assert.match(tags.stderr, /needs the system tags .*check.*error.*group|needs the system tags .*group.*check.*error/);
    assert.equal(cloud.requests.length, 0);
  });
});
