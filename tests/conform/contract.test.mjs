// Every route that a k6 binary calls, as recordings of k6 v0.43, v0.49 and v2.2 have them: replayed
// (with ids and tokens of this server) they end in the state that their client meant, with its
// counts; answers of the API v6 are held against the specification.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { gzipSync } from 'node:zlib';

import { Server, start, until } from '../e2e/cloud_lib.mjs';
import { addPushV1, addPushV2, assertSpecified, operationOf, recording } from './contract_lib.mjs';

/** A client that sends what k6 sent, and knows what k6 keeps of the answers. */
class Replay {
  constructor(server) {
    this.server = server;
    this.url = server.url;
    this.totals = {};
    this.routes = new Set();
  }

  async send(method, path, { headers = {}, body, token = this.server.token, scheme = 'Bearer', url } = {}) {
    const target = url ?? this.url + path;
    const all = { ...(token ? { Authorization: `${scheme} ${token}` } : {}), ...headers };
    const res = await fetch(target, { method, headers: all, body: body?.length ? body : undefined });
    const text = await res.text();
    if (!url) assertSpecified(method, path, res.status, text);
    return { status: res.status, text, json: () => JSON.parse(text) };
  }

  /** Where a recorded request goes here. */
  place(q) {
    const { path } = q;
    if (path === '/upload/archive.tar') return { url: this.started.archive_upload_url, token: null };
    if (path === '/logs/push') return { url: this.started.runtime_config.logs.push_url, token: this.started.runtime_config.test_run_token };
    if (path.startsWith('/push/')) return { url: this.started.runtime_config.metrics.push_url, token: this.started.runtime_config.test_run_token };
    if (path.endsWith('/notify')) return { path: path.replace('/123', `/${this.run}`), token: this.started.runtime_config.test_run_token };
    return { path: path.replace(/\/456\b/, `/${this.test}`).replace(/(tests|metrics|test-progress|test_runs)\/(123|0)\b/, `$1/${this.run}`) };
  }

  async play(q) {
    const at = this.place(q);
    const headers = Object.fromEntries(Object.entries(q.headers).filter(([name]) => !['host', 'content-length', 'authorization', 'accept-encoding', 'connection', 'transfer-encoding'].includes(name)));
    const body = q.path === '/logs/push' ? Buffer.from(q.body.toString().replaceAll('"test_run_id":"123"', `"test_run_id":"${this.run}"`)) : q.body;
    const scheme = (q.headers.authorization ?? 'Token').split(' ')[0];
    const reply = await this.send(q.method, at.path, { headers, body, scheme, url: at.url, ...('token' in at ? { token: at.token } : {}) });
    this.routes.add(`${q.method} ${q.path.split('?')[0].replace(/\b\d+\b/g, (n) => (n === '1' || n === '2' ? n : '{}'))}`);
    this.keep(q, reply);
    return reply;
  }

  keep(q, reply) {
    if (reply.status >= 300) return;
    if (q.path === '/v1/tests' || q.path === '/v1/archive-upload') this.run = reply.json().reference_id;
    if (q.path.endsWith('/start_local_execution')) [this.started, this.run] = [reply.json(), reply.json().test_run_id];
    if (/\/projects\/\d+\/load_tests$/.test(q.path) && q.method === 'POST') this.test = reply.json().id;
    if (/\/load_tests\/\d+\/start$/.test(q.path)) this.run = reply.json().id;
    if (q.path.startsWith('/v1/metrics/')) addPushV1(this.totals, q);
    if (q.path.includes('/v2/metrics/')) addPushV2(this.totals, q.body);
  }
}

/** All of a recording; each answer has to be a good one. */
async function replay(server, name) {
  const r = new Replay(server);
  for (const q of recording(name)) {
    const reply = await r.play(q);
    assert.ok(reply.status >= 200 && reply.status < 300, `${q.method} ${q.path}: ${reply.status} ${reply.text}`);
  }
  return r;
}

/** The server's totals are what the client has sent, metric by metric. */
async function assertTotals(server, r) {
  const types = Object.fromEntries((await server.json(`/cloud/v5/test_runs/${r.run}/metrics`)).value.map((m) => [m.name, m.type]));
  assert.deepEqual(Object.keys(types).sort(), Object.keys(r.totals).sort());
  const near = (a, b, what) => assert.ok(Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b)), `${what}: ${a}, not ${b}`);
  for (const [name, t] of Object.entries(r.totals)) {
    const value = (query) => server.value(r.run, query, name);
    if (types[name] === 'counter') near(await value('increase'), t.sum, name);
    if (types[name] === 'rate') {
      assert.equal(await value('increase_total'), t.total, name);
      assert.equal(await value('increase_nz'), t.nonzero, name);
    }
    if (types[name] === 'trend') {
      assert.equal(await value('histogram_count_increase'), t.count, name);
      near(await value('histogram_min'), t.min, `${name} min`);
      near(await value('histogram_max'), t.max, `${name} max`);
      near(await value('histogram_avg'), t.sum / t.count, `${name} avg`);
    }
  }
}

for (const name of ['v0.43-run-out-cloud', 'v0.43-run-out-cloud-aggregated', 'v0.49-run-out-cloud']) {
  test(`${name}: Finished, passed, exact`, async (t) => {
    const server = await new Server(t).start();
    const r = await replay(server, name);
    const run = await server.run(r.run);
    assert.equal(run.status, 'completed');
    assert.equal(server.stateCode(run), 3);
    assert.equal(run.result, 'passed');
    await assertTotals(server, r);
    // The client lost every answer and asks again: nothing is counted twice, no run made twice.
    const again = new Replay(server);
    for (const q of recording(name)) {
      again.run ??= r.run;
      const reply = await again.play(q);
      assert.ok(reply.status === 200, `${q.method} ${q.path} again: ${reply.status} ${reply.text}`);
    }
    assert.equal(again.run, r.run);
    await assertTotals(server, r);
    // A push that hasn't come before is one too late.
    const late = recording(name).find((q) => q.path.includes('/metrics/'));
    late.headers['k6-idempotency-key'] = 'ffffffffffffffff';
    const refused = await r.play(late);
    assert.equal(refused.status, 403);
    assert.equal(refused.json().error.code, 4);
  });
}

test('v2.2-cloud-run-local-execution: archive, logs, totals, Finished', async (t) => {
  const server = await new Server(t).start();
  const r = await replay(server, 'v2.2-cloud-run-local-execution');
  const run = await server.run(r.run);
  assert.equal(run.status, 'completed');
  assert.equal(run.result, 'passed');
  assert.deepEqual(run.status_history.map((s) => s.type), ['created', 'initializing', 'running', 'completed']);
  await assertTotals(server, r);
  const logs = await server.json(`/cloud/v5/test_runs/${r.run}/logs?$top=1000`);
  const lines = recording('v2.2-cloud-run-local-execution').filter((q) => q.path === '/logs/push')
    .flatMap((q) => JSON.parse(q.body).streams.flatMap((s) => s.values));
  assert.equal(logs['@count'], lines.length);
  const script = await server.get(`/cloud/v6/test_runs/${r.run}/script`);
  assert.deepEqual(Buffer.from(await script.arrayBuffer()), recording('v2.2-cloud-run-local-execution').find((q) => q.method === 'PUT').body);
});

test('v2.2-cloud-run and v0.49-cloud: stored, queued, aborted with the reason', async (t) => {
  const server = await new Server(t).start();
  for (const name of ['v2.2-cloud-run', 'v0.49-cloud']) {
    const r = await replay(server, name);
    const run = await server.run(r.run);
    assert.equal(run.status, 'aborted', name);
    assert.deepEqual(run.status_history.map((s) => s.type), ['created', 'queued', 'aborted'], name);
    assert.equal(run.result, 'error', name);
    assert.match(run.status_details.extra.message, /No load zone is available/, name);
    const script = await server.get(`/cloud/v6/test_runs/${r.run}/script`, { Accept: 'text/javascript' });
    assert.match(await script.text(), /import http from/, name);
  }
  const progress = await server.json(`/v1/test-progress/${(await server.newestRun()).id}`);
  assert.equal(progress.run_status, 6);
  assert.equal(progress.progress, 1);
});

test('v2.2-lists-and-upload: lists, and a test without a run', async (t) => {
  const server = await new Server(t).start();
  const r = await replay(server, 'v2.2-lists-and-upload');
  assert.equal((await server.json(`/cloud/v6/load_tests/${r.test}`)).name, 'checkout');
  assert.deepEqual((await server.json('/cloud/v6/test_runs')).value, []);
  // The same name again: a conflict, after which the client looks the test up and sends its script.
  const create = recording('v2.2-lists-and-upload').find((q) => q.method === 'POST' && q.path.endsWith('/load_tests'));
  assert.equal((await r.play(create)).status, 409);
  const found = await r.send('GET', '/cloud/v6/projects/1/load_tests?name=checkout');
  assert.equal(found.json().value[0].id, r.test);
  const archive = create.body.subarray(create.body.indexOf('metadata.json'), create.body.lastIndexOf('\r\n--'));
  const put = await r.send('PUT', `/cloud/v6/load_tests/${r.test}/script`, { headers: { 'Content-Type': 'application/octet-stream' }, body: archive });
  assert.equal(put.status, 204, put.text);
});

// What a real k6 sends at the end of its run, and the state that it means.
test('ends: each run_status and each notify code', async (t) => {
  const server = await new Server(t).start();
  const r = new Replay(server);
  const [create, push] = recording('v0.49-run-out-cloud');
  const json = (value) => ({ headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(value) });
  const states = { 3: ['completed', 'passed'], 4: ['aborted', 'error'], 5: ['aborted', 'error'], 6: ['aborted', 'error'], 7: ['aborted', 'error'], 8: ['aborted', 'failed'], 9: ['aborted', 'error'] };
  for (const [code, [status, result]] of Object.entries(states)) {
    create.headers['k6-idempotency-key'] = push.headers['k6-idempotency-key'] = `key of ${code}`;
    await r.play(create);
    await r.play(push);
    const end = await r.send('POST', `/v1/tests/${r.run}`, { scheme: 'Token', ...json({ result_status: 0, run_status: Number(code), thresholds: { checks: { 'rate>0.9': false } } }) });
    assert.equal(end.status, 200, end.text);
    const run = await server.run(r.run);
    assert.deepEqual([run.status, run.result, server.stateCode(run)], [status, result, Number(code)]);
    assert.deepEqual(run.status_history.map((s) => s.extra.code), [-2, 2, Number(code)]);
    assert.equal((await server.json(`/v1/test-progress/${r.run}`)).run_status, Number(code));
  }
  const reasons = [[null, 3, 'passed'], [{ code: 8036, reason: 'test aborted' }, 5, 'error'], [{ code: 8036, reason: "thresholds on metrics 'x' were crossed; at least one has abortOnFail enabled" }, 8, 'failed'],
    [{ code: 8035, reason: 'boom' }, 7, 'error'], [{ code: 8034, reason: 'setup() execution timed out after 1s' }, 9, 'error'], [{ code: 8034, reason: 'output stopped' }, 6, 'error'], [{ code: 0, reason: 'unknown' }, 6, 'error']];
  await r.play(recording('v2.2-cloud-run-local-execution').find((q) => q.path.endsWith('/load_tests')));
  for (const [error, code, result] of reasons) {
    const started = await r.send('POST', `/provisioning/v1/load_tests/${r.test}/start_local_execution`, json({ options: {}, max_vus: 1, total_duration: 10, archive_size: null }));
    assert.equal(started.status, 200, started.text);
    const { test_run_id: id, runtime_config: config } = started.json();
    const end = await r.send('POST', `/provisioning/v1/test_runs/${id}/notify`, { token: config.test_run_token, ...json({ event_type: 'script_execution_completed', error }) });
    assert.equal(end.status, 204, end.text);
    const run = await server.run(id);
    assert.deepEqual([server.stateCode(run), run.result], [code, result], JSON.stringify(error));
  }
});

test('stopped and aborted from here; the client that goes on pushing is told', async (t) => {
  const server = await new Server(t).start();
  const r = new Replay(server);
  const [create, push] = recording('v0.49-run-out-cloud');
  for (const stop of [(id) => `/v1/tests/${id}/stop`, (id) => `/cloud/v6/test_runs/${id}/abort`]) {
    create.headers['k6-idempotency-key'] = push.headers['k6-idempotency-key'] = stop('');
    await r.play(create);
    await r.play(push);
    const stopped = await r.send('POST', stop(r.run));
    assert.ok([200, 204].includes(stopped.status), stopped.text);
    push.headers['k6-idempotency-key'] += '2';
    const refused = await r.play(push);
    assert.equal(refused.status, 403);
    assert.equal(refused.json().error.code, 4);
    assert.equal(server.stateCode(await server.run(r.run)), 5);
  }
});

test('several instances push to one run, and are judged together', async (t) => {
  const server = await new Server(t).start();
  const r = new Replay(server);
  const json = (value) => ({ scheme: 'Token', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(value) });
  const made = await r.send('POST', '/v1/tests', json({ name: 'many', vus: 6, duration: 36, instances: 2, process_thresholds: true, thresholds: { http_reqs: ['count>5'], vus: ['value<1'] } }));
  const id = made.json().reference_id;
  const sample = (instance, metric, type, value) => ({ type: 'Point', metric, data: { type, time: '1795329630000000', tags: { instance_id: instance }, value } });
  for (const instance of ['0', '1']) {
    const push = await r.send('POST', `/v1/metrics/${id}`, {
      scheme: 'Token', headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip', 'K6-Idempotency-Key': `i${instance}` },
      body: gzipSync(JSON.stringify([sample(instance, 'http_reqs', 'counter', 3), sample(instance, 'vus', 'gauge', 3)])),
    });
    assert.equal(push.status, 200, push.text);
  }
  assert.equal(await server.value(id, 'sum(last by (instance_id))', 'vus'), 6);
  assert.equal(await server.value(id, 'increase', 'http_reqs{instance_id="1"}'), 3);
  assert.equal((await r.send('POST', `/v1/tests/${id}`, json({ result_status: 0, run_status: 3, thresholds: {} }))).status, 200);
  const run = await server.run(id);
  assert.equal(run.result, 'failed');
  const { value } = await server.json(`/cloud/v5/test_runs/${id}/thresholds`);
  assert.deepEqual(value.map((v) => [v.metric, v.result]), [['http_reqs', 'passed'], ['vus', 'failed']]);
});

test('an upload that is only kept: archived', async (t) => {
  const server = await new Server(t).start();
  const r = new Replay(server);
  const upload = recording('v0.49-cloud').find((q) => q.path.endsWith('/archive-upload'));
  const boundary = /boundary=(\w+)/.exec(upload.headers['content-type'])[1];
  upload.body = Buffer.concat([Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="upload_only"\r\n\r\ntrue\r\n`), upload.body]);
  assert.equal((await r.play(upload)).status, 200);
  const progress = await server.json(`/v1/test-progress/${r.run}`);
  assert.deepEqual([progress.run_status, progress.run_status_text, progress.result_status], [10, 'Archived', 0]);
  const run = await server.run(r.run);
  assert.deepEqual([run.status, run.result, server.stateCode(run)], ['completed', null, 10]);
  assert.equal((await server.get(`/cloud/v6/test_runs/${r.run}/script`)).status, 200);
});

test('metrics of a load test: over its runs', async (t) => {
  const server = await new Server(t).start();
  const ids = [];
  for (const key of ['a', 'b', 'c']) {
    const r = new Replay(server);
    for (const q of recording('v0.49-run-out-cloud')) {
      q.headers['k6-idempotency-key'] = key + q.path.length;
      assert.equal((await r.play(q)).status, 200);
    }
    ids.push(Number(r.run));
  }
  const { test_id: id } = await server.run(ids[0]);
  const { value } = await server.json(`/cloud/v5/load_tests/${id}/metrics(test_run_count=2)`);
  const reqs = value.find((m) => m.name === 'http_reqs');
  assert.equal(reqs.type, 'counter');
  assert.ok(['method', 'name', 'status', 'url'].every((label) => reqs.labels.includes(label)), JSON.stringify(reqs));
  assert.deepEqual(value.map((m) => m.name), value.map((m) => m.name).sort());
  const total = await server.value(ids[0], 'increase', 'http_reqs');
  const ask = async (more) => (await server.json(`/cloud/v5/load_tests/${id}/query_aggregate_k6(query='increase',metric='http_reqs'${more})`)).data;
  const all = await ask('');
  assert.equal(all.resultType, 'vector');
  assert.deepEqual(all.result.map((one) => [Number(one.metric.test_run_id), one.value[1]]), [...ids].reverse().map((run) => [run, total]));
  assert.deepEqual((await ask(`,test_run_ids=[${ids[1]}]`)).result.map((one) => Number(one.metric.test_run_id)), [ids[1]]);
  const by = (await server.json(`/cloud/v5/load_tests/${id}/query_aggregate_k6(query='increase%20by%20(status)',metric='http_reqs',test_run_count=1)`)).data.result;
  assert.deepEqual(Object.keys(by[0].metric).sort(), ['status', 'test_run_id']);
});

test('what else a k6 binary asks', async (t) => {
  const server = await new Server(t).start();
  const r = new Replay(server);
  const json = (value) => ({ token: null, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(value) });
  assert.deepEqual((await r.send('POST', '/v1/validate-token', json({ token: server.token }))).json(), { is_valid: true, message: '' });
  assert.equal((await r.send('POST', '/v1/validate-token', json({ token: 'wrong' }))).json().is_valid, false);
  // A wrong password: 4xx, as 5xx would be tried again, with a message that the client shows.
  const login = recording('v0.43-login-email')[0];
  const refused = await r.play(login);
  assert.ok(refused.status >= 400 && refused.status < 500, refused.text);
  assert.ok(refused.json().error.message.length > 10);
  // Secrets and sessions: none here, said in the form that the client reads.
  await r.play(recording('v2.2-cloud-run-local-execution')[1]);
  const { test_run_id: id, runtime_config: config } = (await r.send('POST', `/provisioning/v1/load_tests/${r.test}/start_local_execution`,
    { headers: { 'Content-Type': 'application/json' }, body: '{"options":{},"max_vus":1,"total_duration":1,"archive_size":null}' })).json();
  const secret = await r.send('GET', `/provisioning/v1/test_runs/${id}/decrypt_secret?name=db`, { token: config.test_run_token });
  assert.equal(secret.status, 404);
  assert.match(secret.json().error.message, /db/);
  const session = await r.send('GET', `/provisioning/v1/test_runs/${id}/aisdk_session`, { token: config.test_run_token });
  assert.ok(session.json().error.message.length > 10, session.text);
  assert.ok(operationOf('GET', `/provisioning/v1/test_runs/${id}/decrypt_secret`));
  // A run's token opens nothing else.
  for (const path of ['/cloud/v6/projects', `/cloud/v6/test_runs/${id}`, `/provisioning/v1/test_runs/${id + 1}/decrypt_secret?name=db`])
    assert.ok([401, 403].includes((await r.send('GET', path, { token: config.test_run_token })).status), path);
  // Errors are such that k6 v2 can print them: it falls over a target that is null.
  const error = (await r.send('GET', '/cloud/v6/test_runs/77')).json().error;
  assert.ok(!('target' in error) || error.target !== null);
});
