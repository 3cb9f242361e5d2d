// What the client sends to a cloud of the older API, and what it makes of its answers: against a scripted one.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { start, startCloud, SPATE, temporaryFolder, writeScript } from './cloud_lib.mjs';

const script = (options) => `
import { sleep } from 'k6';
import { Counter } from 'k6/metrics';
const mine = new Counter('mine');
export const options = ${JSON.stringify(options)};
export default function () { mine.add(1, { k: 'v' }); sleep(0.1); }
`;

function run(t, cloud, { options = { vus: 1, iterations: 2 }, args = [], env = {} } = {}) {
  const dir = temporaryFolder(t);
  const path = writeScript(dir, script(options), 'mine.js');
  return start(SPATE, ['cloud', 'run', '--local-execution', ...args, path], {
    env: { ...process.env, XDG_CONFIG_HOME: dir, K6_CLOUD_HOST: cloud.url, K6_CLOUD_TOKEN: 'tok123', K6_CLOUD_API_VERSION: '2', ...env },
  }).ended;
}

const created = { reference_id: '123' };
const isPush = (r) => r.path === '/v2/metrics/123';

describe('the older API', { concurrency: 4 }, () => {
  test('what it sends', async (t) => {
    const cloud = await startCloud(t, (r) => (r.path === '/v1/tests' ? { body: created } : {}));
    const options = { vus: 2, iterations: 4, thresholds: { mine: ['count>100', 'count>1'] }, cloud: { name: 'my test', projectID: 9 } };
    const end = await run(t, cloud, { options, args: ['--no-archive-upload'] });
    assert.equal(end.code, 99, end.stderr);
    const [create, ...rest] = cloud.requests;
    assert.equal(create.headers.authorization, 'Token tok123');
    assert.match(create.headers['user-agent'], /^k6cloud\//);
    assert.match(create.headers['k6-idempotency-key'], /^[0-9a-f]{16}$/);
    assert.deepEqual(JSON.parse(create.body), {
      name: 'my test',
      project_id: 9,
      vus: 2,
      thresholds: { mine: ['count>100', 'count>1'] },
      duration: 630,
    });
    const push = rest[0];
    assert.ok(isPush(push));
    assert.equal(push.headers['content-type'], 'application/x-protobuf');
    assert.equal(push.headers['content-encoding'], 'snappy');
    assert.equal(push.headers['k6-metrics-protocol-version'], '2.0');
    assert.notEqual(push.headers['k6-idempotency-key'], create.headers['k6-idempotency-key']);
    const finish = rest.at(-1);
    assert.equal(finish.path, '/v1/tests/123');
    assert.deepEqual(JSON.parse(finish.body), {
      result_status: 1,
      run_status: 3,
      thresholds: { mine: { 'count>100': true, 'count>1': false } },
    });
    assert.match(end.stdout, /output: cloud \(run 123\)/);
  });

  test('the archive goes with it, as a form', async (t) => {
    const cloud = await startCloud(t, (r) => (r.path === '/v1/tests' ? { body: created } : {}));
    const end = await run(t, cloud);
    assert.equal(end.code, 0, end.stderr);
    const { headers, body } = cloud.requests[0];
    assert.match(headers['content-type'], /^multipart\/form-data; boundary=[0-9a-f]{48}$/);
    const text = body.toString('latin1');
    assert.match(text, /name="name"\r\n\r\nmine\.js\r\n/);
    assert.match(text, /name="vus"\r\n\r\n1\r\n/);
    assert.match(text, /name="archive\.tar"; filename="archive\.tar"/);
    assert.match(text, /metadata\.json/);
    assert.match(text, /mine\.add\(1/);
  });

  test("the reply's settings and lines", async (t) => {
    const body = {
      reference_id: 123,
      config: { webAppURL: 'http://app.example', metricPushConcurrency: 2, aggregationWaitPeriod: '0s', unknown: 1 },
      logs: [{ level: 'warning', message: 'be careful' }, { level: 'info', message: 'welcome' }],
    };
    const cloud = await startCloud(t, (r) => (r.path === '/v1/tests' ? { body } : {}));
    const end = await run(t, cloud);
    assert.equal(end.code, 0, end.stderr);
    assert.match(end.stdout, /output: cloud \(http:\/\/app\.example\/runs\/123\)/);
    assert.match(end.stderr, /level=warning msg="be careful"/);
    assert.match(end.stderr, /level=info msg=welcome/);

    const nonsense = await startCloud(t, () => ({ body: { reference_id: '../../etc', config: {} } }));
    const refused = await run(t, nonsense);
    assert.equal(refused.code, 255);
    assert.match(refused.stderr, /no usable reference_id/);
    assert.equal(nonsense.requests.length, 1);
  });

  test('a failing cloud is tried again with the same key', async (t) => {
    let failures = 3;
    const cloud = await startCloud(t, (r, all) => {
      if (r.path === '/v1/tests') return all.length === 1 ? { status: 503 } : { body: created };
      if (isPush(r) && failures-- > 0) return { status: failures === 1 ? 429 : 500 };
      return {};
    });
    const end = await run(t, cloud);
    assert.equal(end.code, 0, end.stderr);
    const creates = cloud.requests.filter((r) => r.path === '/v1/tests');
    assert.equal(creates.length, 2);
    assert.equal(creates[0].headers['k6-idempotency-key'], creates[1].headers['k6-idempotency-key']);
    const pushes = cloud.requests.filter(isPush);
    assert.ok(pushes.length >= 4);
    const first = pushes.slice(0, 4).map((r) => r.headers['k6-idempotency-key']);
    assert.equal(new Set(first).size, 1);
    assert.ok(pushes[0].body.equals(pushes[3].body));
    assert.doesNotMatch(end.stderr, /could not be delivered/);
  });

  test('a batch that is refused is named, and the next ones are sent', async (t) => {
    let pushes = 0;
    const cloud = await startCloud(t, (r) => {
      if (r.path === '/v1/tests') return { body: created };
      if (isPush(r) && pushes++ === 0) return { status: 400, body: { error: { message: 'too odd', code: 2 } } };
      return {};
    });
    const end = await run(t, cloud, { options: { vus: 1, duration: '8s' } });
    assert.equal(end.code, 0, end.stderr);
    assert.match(end.stderr, /a batch of \d+ series was refused: .*too odd \(status 400\)/);
    assert.match(end.stderr, /1 of \d+ batches .* could not be delivered/);
    assert.ok(pushes >= 3);
  });

  test('403 with code 4 ends the stream, not the test', async (t) => {
    let pushes = 0;
    const cloud = await startCloud(t, (r) => {
      if (r.path === '/v1/tests') return { body: created };
      if (isPush(r)) pushes++;
      return isPush(r) ? { status: 403, body: { error: { message: 'enough', code: 4 } } } : {};
    });
    const end = await run(t, cloud, { options: { vus: 1, duration: '9s' } });
    assert.equal(end.code, 0, end.stderr);
    assert.match(end.stderr, /no more results are sent: .*enough/);
    assert.equal(pushes, 1);
    assert.equal(cloud.requests.at(-1).path, '/v1/tests/123');
  });

  test('403 with code 4 and K6_CLOUD_STOP_ON_ERROR: the test ends', async (t) => {
    const cloud = await startCloud(t, (r) => {
      if (r.path === '/v1/tests') return { body: created };
      return isPush(r) ? { status: 403, body: { error: { message: 'enough', code: 4 } } } : {};
    });
    const end = await run(t, cloud, { options: { vus: 1, duration: '120s' }, env: { K6_CLOUD_STOP_ON_ERROR: 'true' } });
    assert.notEqual(end.code, 0);
    assert.match(end.stderr, /enough/);
    assert.equal(JSON.parse(cloud.requests.at(-1).body).run_status, 6);
  });

  test('K6_CLOUD_PUSH_REF_ID: somebody else made the run and will end it', async (t) => {
    const cloud = await startCloud(t, () => ({}));
    const end = await run(t, cloud, { env: { K6_CLOUD_PUSH_REF_ID: '123' } });
    assert.equal(end.code, 0, end.stderr);
    assert.ok(cloud.requests.length > 0);
    assert.ok(cloud.requests.every(isPush));
  });

  test('many series: batches of the size that was asked for', async (t) => {
    const cloud = await startCloud(t, (r) => (r.path === '/v1/tests' ? { body: created } : {}));
    const dir = temporaryFolder(t);
    const path = writeScript(dir, `
      import { Counter } from 'k6/metrics';
      const mine = new Counter('mine');
      export default function () { for (let i = 0; i < 250; i++) mine.add(1, { i: String(i) }); }`);
    const end = await start(SPATE, ['run', '--out', 'cloud', path], {
      env: { ...process.env, XDG_CONFIG_HOME: dir, K6_CLOUD_HOST: cloud.url, K6_CLOUD_TOKEN: 't', K6_CLOUD_MAX_TIME_SERIES_IN_BATCH: '100' },
    }).ended;
    assert.equal(end.code, 0, end.stderr);
    assert.ok(cloud.requests.filter(isPush).length >= 3);
  });
});
