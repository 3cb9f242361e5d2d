// Tests on the cloud's own machines, uploads, lists: by both generations of the API.
// also: asan
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';

import { SPATE, Server, formField, start, startCloud, startTarget, temporaryFolder, until, writeScript } from './cloud_lib.mjs';

const script = (options) => `
export const options = ${JSON.stringify(options)};
export default function () {}
`;

function begin(t, cloud, args, { options = { vus: 3, duration: '6s' }, env = {} } = {}) {
  const dir = temporaryFolder(t);
  const path = writeScript(dir, script(options), 'checkout.js');
  return start(SPATE, ['cloud', ...args.map((a) => (a === 'SCRIPT' ? path : a))], {
    env: { ...process.env, XDG_CONFIG_HOME: dir, K6_CLOUD_HOST: cloud.url, K6_CLOUD_TOKEN: 'tok123', ...env },
  });
}
const run = (t, cloud, args, how) => begin(t, cloud, args, how).ended;
const calls = (cloud) => cloud.requests.map((r) => `${r.method} ${r.path.split('?')[0]}`);

/** A cloud of API v6 that runs a test: its states one after the other, the last one for good. */
async function startRunner(t, states, { taken = false, lines = [] } = {}) {
  const left = [...states];
  const cloud = await startCloud(t, (r) => {
    const path = r.path.split('?')[0];
    if (path === '/cloud/v6/auth') return { body: { stack_id: 7, default_project_id: 1 } };
    if (path === '/cloud/v6/validate_options') return { body: { vuh_usage: 0.1 } };
    if (path === '/cloud/v6/projects/1/load_tests' && r.method === 'GET') return { body: { value: [{ id: 455 }] } };
    if (path === '/cloud/v6/projects/1/load_tests')
      return taken ? { status: 409, body: { error: { message: 'taken', code: 'conflict' } } } : { status: 201, body: { id: 456 } };
    if (path.endsWith('/start')) return { body: { id: 789, test_run_details_page_url: 'http://page.example/runs/789' } };
    if (path === '/cloud/v6/test_runs/789') {
      const body = { status_history: [], estimated_duration: 60, result: null, ...(left.length > 1 ? left.shift() : left[0]) };
      return body.status ? { body } : { status: 404, body: { error: { message: 'no such run', code: 'not_found' } } };
    }
    return { status: 204 };
  });
  cloud.tails = [];
  cloud.server.on('upgrade', (req, socket) => {
    cloud.tails.push({ path: req.url, headers: req.headers });
    const accept = createHash('sha1').update(`${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    const batch = lines.shift();
    if (batch) socket.write(frame(JSON.stringify(batch)));
    if (lines.length > 0) setTimeout(() => socket.destroy(), 100); // the next connection gets the rest
    socket.on('error', () => {});
  });
  return cloud;
}

function frame(text) {
  const data = Buffer.from(text);
  const head = data.length < 126 ? Buffer.from([0x81, data.length]) : Buffer.from([0x81, 126, data.length >> 8, data.length & 255]);
  return Buffer.concat([head, data]);
}

const running = { status: 'running', status_history: [{ type: 'running', entered: new Date().toISOString(), extra: {} }] };
const passed = { status: 'completed', result: 'passed' };

describe('the cloud executes', { concurrency: 4 }, () => {
  test('validated, uploaded, started, watched to its end', async (t) => {
    const cloud = await startRunner(t, [{ status: 'queued' }, running, passed]);
    const end = await run(t, cloud, ['run', '--show-logs=false', 'SCRIPT'], { options: { vus: 3, duration: '6s', cloud: { name: 'shop' } } });
    assert.equal(end.code, 0, end.stderr);
    assert.deepEqual(calls(cloud).slice(0, 5), [
      'GET /cloud/v6/auth',
      'POST /cloud/v6/validate_options',
      'POST /cloud/v6/projects/1/load_tests',
      'POST /cloud/v6/load_tests/456/start',
      'GET /cloud/v6/test_runs/789',
    ]);
    const [, validate, create, started] = cloud.requests;
    const asked = JSON.parse(validate.body);
    assert.equal(asked.project_id, 1);
    assert.equal(asked.options.duration, '6s');
    assert.equal(validate.headers['x-stack-id'], '7');
    assert.equal(formField(create, 'name'), 'shop');
    assert.match(create.body.toString('latin1'), /name="script"; filename="script"\r\n/);
    assert.match(create.body.toString('latin1'), /metadata\.json/);
    assert.match(started.headers['k6-idempotency-key'], /^[0-9a-f]{16}$/);
    assert.match(end.stdout, /execution: cloud\n/);
    assert.match(end.stdout, /output: http:\/\/page\.example\/runs\/789/);
    assert.match(end.stdout, /3 looping VUs for 6s/);
    assert.match(end.stdout, /Run {4}\[ .*\] Queued/);
    assert.match(end.stdout, /\[ +\d+% \] 0?\d(\.\d)?s\/1m0s|\[ +\d+% \] 0m0\d\.\ds\/1m0s/);
    assert.match(end.stdout, /test status: Finished/);
  });

  test('a test that is there gets the new script', async (t) => {
    const cloud = await startRunner(t, [passed], { taken: true });
    const end = await run(t, cloud, ['SCRIPT', '--show-logs=false']);
    assert.equal(end.code, 0, end.stderr);
    assert.ok(calls(cloud).includes('PUT /cloud/v6/load_tests/455/script'));
    assert.ok(calls(cloud).includes('POST /cloud/v6/load_tests/455/start'));
    assert.equal(new URL(cloud.requests.find((r) => r.path.includes('name=')).path, 'http://x').searchParams.get('name'), 'checkout.js');
  });

  test('exit codes: thresholds 99, failures 97, no progress 98; leaving once it runs 0', async (t) => {
    const by = (message, user = null) => [{ type: 'aborted', entered: '2026-11-22T10:00:00Z', extra: { by_user: user, message, code: 6 } }];
    const cases = [
      { states: [{ status: 'completed', result: 'failed' }], code: 99, says: /Thresholds have been crossed/, status: 'Finished' },
      { states: [{ status: 'aborted', result: 'error', status_history: by('no load zone') }], code: 97, says: /no load zone/, status: 'Aborted' },
      { states: [{ status: 'aborted', result: 'error', status_history: by(null, 'me@x') }], code: 97, status: 'Aborted (by user)' },
      { states: [{ status: 'processing_metrics' }, passed], code: 0, status: 'Finished', shown: /Processing Metrics/ },
      { states: [{}], code: 98, says: /no such run/ },
      { states: [running], args: ['--exit-on-running'], code: 0, status: 'Running' },
      { states: [running], env: { K6_EXIT_ON_RUNNING: 'true', K6_SHOW_CLOUD_LOGS: 'false' }, code: 0, status: 'Running' },
    ];
    await Promise.all(cases.map(async (c) => {
      const cloud = await startRunner(t, c.states);
      const end = await run(t, cloud, ['run', '--show-logs=false', ...(c.args || []), 'SCRIPT'], { env: c.env });
      assert.equal(end.code, c.code, end.stderr);
      if (c.status) assert.ok(end.stdout.includes(`test status: ${c.status}\n`), end.stdout);
      if (c.says) assert.match(end.stderr, c.says);
      if (c.shown) assert.match(end.stdout, c.shown);
    }));
  });

  test('Ctrl-C stops it there and waits; a second one leaves', async (t) => {
    const cloud = await startRunner(t, [running]);
    const client = begin(t, cloud, ['run', '--show-logs=false', 'SCRIPT']);
    await until('it is watched', () => calls(cloud).filter((c) => c === 'GET /cloud/v6/test_runs/789').length > 0);
    client.child.kill('SIGINT');
    await until('it is stopped', () => calls(cloud).includes('POST /cloud/v6/test_runs/789/abort'));
    const before = calls(cloud).length;
    await until('it is still watched', () => calls(cloud).length > before);
    client.child.kill('SIGINT');
    const end = await client.ended;
    assert.equal(end.code, 105, end.stderr);
  });

  test("the run's log, over a connection that breaks", async (t) => {
    const now = Date.now() + 5000;
    const line = (ns, text, level) => ({ streams: [{ stream: { level, instance_id: '0' }, values: [[ns, text]] }], dropped_entries: null });
    const lines = [line(`${now}000007`, 'first words', 'warning'), line(`${now}000009`, 'second words', 'info')];
    const cloud = await startRunner(t, [running, running, passed], { lines });
    const end = await run(t, cloud, ['run', '--log-format', 'json', 'SCRIPT']);
    assert.equal(end.code, 0, end.stderr);
    const logged = end.stderr.trim().split('\n').map((l) => JSON.parse(l));
    const first = logged.find((l) => l.msg === 'first words');
    assert.equal(first.level, 'warning');
    assert.equal(first.instance_id, '0');
    assert.equal(new Date(first.time).getTime(), now - (now % 1000));
    assert.ok(logged.some((l) => l.msg === 'second words'));
    assert.equal(cloud.tails[0].headers.authorization, 'token tok123');
    assert.equal(cloud.tails[0].headers['x-k6testrun-id'], '789');
    const query = (tail) => new URL(tail.path, 'http://x').searchParams;
    assert.equal(query(cloud.tails[0]).get('query'), '{test_run_id="789"}');
    assert.equal(query(cloud.tails[1]).get('start'), `${now}000008`, 'from behind the last line');
  });

  test('the older API: validate-options, archive-upload, test-progress, stop', async (t) => {
    let polls = 0;
    const cloud = await startCloud(t, (r) => {
      if (r.path.startsWith('/cloud/')) return { status: 404 };
      if (r.path === '/v1/archive-upload') return { body: { reference_id: '123', config: { webAppURL: 'http://app.example' } } };
      if (r.path !== '/v1/test-progress/123') return {};
      const ended = calls(cloud).includes('POST /v1/tests/123/stop');
      polls++;
      return { body: ended ? { run_status: 5, run_status_text: 'Aborted (by user)', result_status: 1, progress: 1 } : { run_status: 2, run_status_text: 'Running', progress: 0.25 } };
    });
    const client = begin(t, cloud, ['SCRIPT', '--show-logs=false']);
    await until('it is watched', () => polls > 0);
    client.child.kill('SIGINT');
    const end = await client.ended;
    assert.equal(end.code, 97, end.stderr);
    assert.match(end.stdout, /output: http:\/\/app\.example\/runs\/123/);
    assert.match(end.stdout, /test status: Aborted \(by user\)/);
    const validate = cloud.requests.find((r) => r.path === '/v1/validate-options');
    assert.equal(JSON.parse(validate.body).options.vus, 3);
    assert.equal(validate.headers.authorization, 'Token tok123');
    const upload = cloud.requests.find((r) => r.path === '/v1/archive-upload');
    assert.equal(formField(upload, 'name'), 'checkout.js');
    assert.match(upload.body.toString('latin1'), /name="file"; filename="archive\.tar"/);
  });

  test('uploads only', async (t) => {
    const cloud = await startRunner(t, [passed]);
    for (const args of [['upload', 'SCRIPT'], ['SCRIPT', '--upload-only']]) {
      const end = await run(t, cloud, args);
      assert.equal(end.code, 0, end.stderr);
      assert.match(end.stdout, /test status: Archived/);
    }
    assert.ok(!calls(cloud).some((c) => c.endsWith('/start')));
  });

  test('options that the cloud refuses; flags of the other place', async (t) => {
    const error = { message: 'validation failed', code: 'invalid', details: [{ message: 'has to be at most 5', target: 'options.vus' }] };
    const cloud = await startCloud(t, (r) =>
      r.path === '/cloud/v6/auth' ? { body: { stack_id: 7, default_project_id: 1 } } : { status: 400, body: { error } });
    const end = await run(t, cloud, ['run', 'SCRIPT']);
    assert.equal(end.code, 255);
    assert.match(end.stderr, /the options are not accepted: .*validation failed: options\.vus has to be at most 5/);
    for (const args of [['run', '--no-cloud-logs', 'SCRIPT'], ['run', '--local-execution', '--show-logs=false', 'SCRIPT']]) {
      const wrong = await run(t, cloud, args);
      assert.equal(wrong.code, 104);
      assert.match(wrong.stderr, /--local-execution/);
    }
  });
});

test('lists: tables in k6\'s form, JSON, all pages', async (t) => {
  const page = (r, all) => {
    const at = Number(new URL(r.path, 'http://x').searchParams.get('$skip'));
    const value = all.slice(at, at + 2);
    return { body: { value, ...(at + 2 < all.length ? { '@nextLink': 'http://x/more' } : {}) } };
  };
  const time = '2026-01-02T03:04:05.6Z';
  const cloud = await startCloud(t, (r) => {
    const path = r.path.split('?')[0];
    if (path === '/cloud/v6/auth') return { body: { stack_id: 7, default_project_id: 3 } };
    if (path === '/cloud/v6/projects') return page(r, [1, 2, 30].map((id) => ({ id, name: `p${id}`, is_default: id === 1, grafana_folder_uid: null })));
    if (path === '/cloud/v6/projects/3/load_tests') return { body: { value: [{ id: 12, project_id: 3, name: 'a\u001b[31mb', created: time, updated: time, k6_version: null }] } };
    if (path === '/cloud/v6/projects/9/load_tests') return { body: { value: [] } };
    return { body: { value: [{ id: 5, name: 'Our racks', k6_load_zone_id: 'racks', available: true, custom_load_runner_image: null, public: false }] } };
  });
  const lines = async (...args) => {
    const end = await run(t, cloud, args);
    assert.equal(end.code, 0, end.stderr);
    return end.stdout.split('\n');
  };
  assert.deepEqual(await lines('project', 'list'), [`Projects for ${cloud.url}:`, '', 'ID   NAME   DEFAULT', '1    p1     yes', '2    p2     no', '30   p30    no', '']);
  assert.deepEqual(await lines('test', 'list'), ['Tests in project 3:', '', 'ID   NAME      CREATED            UPDATED', '12   a?[31mb   2026-01-02 03:04   2026-01-02 03:04', '']);
  assert.deepEqual(await lines('test', 'list', '--project-id', '9'), ['Tests in project 9:', '', 'No tests found.', '']);
  assert.deepEqual(await lines('load-zone', 'list'), [`Load zones for ${cloud.url}:`, '', 'ID      NAME        TYPE      AVAILABLE', 'racks   Our racks   private   yes', '']);
  assert.deepEqual(JSON.parse((await lines('load-zone', 'list', '--json')).join('\n')), [{ id: 5, k6_load_zone_id: 'racks', name: 'Our racks', public: false, available: true }]);
  assert.ok(cloud.requests.every((r) => r.path.startsWith('/cloud/v6/auth') || r.headers['x-stack-id'] === '7'));
});

test('a Spate server has no load zone: aborted by the system, its message, 97; its log can be followed', async (t) => {
  const server = await new Server(t).start();
  const target = await startTarget(t);
  const path = writeScript(server.dir, `import http from 'k6/http'; export default function () { http.get('${target}'); }`);
  const env = { ...process.env, K6_CLOUD_HOST: server.url, K6_CLOUD_TOKEN: server.token, XDG_CONFIG_HOME: server.dir };
  for (const version of ['6', '2']) {
    const end = await start(SPATE, ['cloud', 'run', path], { env: { ...env, K6_CLOUD_API_VERSION: version } }).ended;
    assert.equal(end.code, 97, end.stderr);
    assert.match(end.stderr, /No load zone is available/);
    assert.match(end.stdout, new RegExp(`output: ${server.url}/runs/\\d+`));
    assert.doesNotMatch(end.stderr, /log can't be followed/);
    const upload = await start(SPATE, ['cloud', 'upload', path], { env: { ...env, K6_CLOUD_API_VERSION: '6' } }).ended;
    assert.equal(upload.code, 0, upload.stderr);
  }
  const list = await start(SPATE, ['cloud', 'test', 'list', '--json'], { env }).ended;
  assert.equal(JSON.parse(list.stdout)[0].name, 'script.js');
});
