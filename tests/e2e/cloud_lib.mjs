// What the cloud tests share: the real server, the real client, a target, a wire that can be cut.
// Everything is on loopback with ports that the system chooses; waiting is polling with a deadline.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const SPATE = resolve(process.env.SPATE_BIN || 'build/spate');

/** Polls until `probe` gives something truthy; fails with `what` at the deadline. */
export async function until(what, probe, ms = 20000) {
  const deadline = Date.now() + ms;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}${last ? ` (${last})` : ''}`);
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

export function temporaryFolder(t) {
  const dir = mkdtempSync(join(tmpdir(), 'spate-e2e-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A process whose output is kept; `ended` resolves with {code, signal, stdout, stderr}. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const p = { child, pid: child.pid, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (p.stdout += chunk));
  child.stderr.on('data', (chunk) => (p.stderr += chunk));
  p.ended = new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => done({ code, signal, stdout: p.stdout, stderr: p.stderr }));
  });
  p.running = () => child.exitCode === null && child.signalCode === null;
  return p;
}

/** A Spate server with a data folder and a token of its own. */
export class Server {
  constructor(t, options = {}) {
    this.dir = temporaryFolder(t);
    this.args = options.args || [];
    this.wrap = options.wrap; // what stands before the command: (server) => [program, arguments…]
    this.port = 0;
    t.after(() => this.kill());
  }

  async start() {
    const args = ['server', '--data', join(this.dir, 'data'), '--listen', `127.0.0.1:${this.port}`];
    const command = [...(this.wrap ? this.wrap(this) : []), SPATE, ...args, '--token-file', join(this.dir, 'token'), ...this.args];
    this.process = start(command[0], command.slice(1));
    this.pid = this.process.pid;
    const url = await until('the server prints its URL', () => {
      assert.ok(this.process.running(), `the server ended: ${this.process.stderr}`);
      return /http:\/\/127\.0\.0\.1:\d+/.exec(this.process.stdout + this.process.stderr);
    });
    this.url = url[0];
    this.port = Number(new URL(this.url).port); // the same after a restart
    this.token = readFileSync(join(this.dir, 'token'), 'utf8').trim();
    return this;
  }

  async kill(signal = 'SIGKILL') {
    if (!this.process) return;
    if (this.process.running()) this.process.child.kill(signal);
    await this.process.ended;
  }

  async get(path, headers = {}) {
    const res = await fetch(this.url + path, { headers: { Authorization: `Bearer ${this.token}`, ...headers } });
    return res;
  }

  async json(path) {
    const res = await this.get(path);
    const text = await res.text();
    assert.equal(res.status, 200, `${path}: ${res.status} ${text}`);
    return JSON.parse(text);
  }

  run(id) {
    return this.json(`/cloud/v6/test_runs/${id}`);
  }

  async newestRun() {
    const list = await this.json('/cloud/v6/test_runs?$orderby=created%20desc&$top=1');
    return list.value[0];
  }

  /** One number: the aggregate of a metric over the whole run. */
  async value(id, query, metric) {
    const call = `query_aggregate_k6(query='${encodeURIComponent(query)}',metric='${encodeURIComponent(metric)}')`;
    const { data } = await this.json(`/cloud/v5/test_runs/${id}/${call}`);
    assert.equal(data.result.length, 1, `${metric} ${query}: ${JSON.stringify(data)}`);
    return data.result[0].value[1];
  }

  stateCode(run) {
    return run.status_details.extra.code;
  }
}

const clients = new Set();
process.on('exit', () => clients.forEach((p) => p.running() && p.child.kill('SIGKILL')));

/** The client, streaming to `server` (or to another URL in front of it). */
export function stream(server, script, { args = [], env = {}, url = server.url, command = ['cloud', 'run', '--local-execution'] } = {}) {
  const client = start(SPATE, [...command, ...args, script], {
    env: { ...process.env, K6_CLOUD_HOST: url, K6_CLOUD_TOKEN: server.token, XDG_CONFIG_HOME: server.dir, NO_COLOR: '1', ...env },
  });
  clients.add(client); // a test that fails leaves none behind
  return client;
}

export function writeScript(dir, text, name = 'script.js') {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

/** A target that answers at once; /slow takes 50 ms, /fail gives 500. */
export async function startTarget(t) {
  const server = http.createServer((req, res) => {
    req.resume();
    const answer = () => {
      res.writeHead(req.url === '/fail' ? 500 : 200, { 'Content-Type': 'application/json' });
      res.end('{"ok":true}');
    };
    if (req.url === '/slow') setTimeout(answer, 50);
    else answer();
  });
  server.keepAliveTimeout = 60000;
  await new Promise((up) => server.listen(0, '127.0.0.1', up));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** A cloud whose `answer(request)` gives {status, body}; it keeps every request. */
export async function startCloud(t, answer) {
  const requests = [];
  const server = http.createServer((req, res) => {
    const chunks = [];
    req.on('data', (chunk) => chunks.push(chunk));
    req.on('end', () => {
      const request = { method: req.method, path: req.url.replace(/^http:\/\/[^/]*/, ''), target: req.url, headers: req.headers, body: Buffer.concat(chunks) };
      requests.push(request);
      const { status = 200, body = {} } = answer(request, requests) || {};
      res.writeHead(status, { 'Content-Type': 'application/json' });
      res.end(status === 204 ? undefined : JSON.stringify(body));
    });
  });
  await new Promise((up) => server.listen(0, '127.0.0.1', up));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, requests, server };
}

/**
 * A cloud of API v6 as k6 v2's recordings show it. `over(request)` may answer instead, or give undefined; `runtime` and
 * `run` are put over the replies of start_local_execution and of the run.
 */
export async function startCloudV6(t, { over, runtime = {}, run = {}, tests = [] } = {}) {
  const statuses = ['created', 'initializing'];
  const cloud = await startCloud(t, (r) => {
    const mine = over?.(r);
    if (mine) return mine;
    const path = r.path.split('?')[0];
    if (path === '/cloud/v6/auth') return { body: { stack_id: 7, default_project_id: 1 } };
    if (/^\/cloud\/v6\/projects\/\d+\/load_tests$/.test(path)) {
      const name = r.method === 'GET' ? new URL(r.path, 'http://x').searchParams.get('name') : formField(r, 'name');
      if (r.method === 'GET') return { body: { value: tests.filter((test) => test.name === name) } };
      if (tests.some((test) => test.name === name)) return { status: 409, body: { error: { message: 'the name is taken', code: 'conflict' } } };
      return { status: 201, body: { id: 456, project_id: 1, name } };
    }
    if (path.endsWith('/start_local_execution')) {
      const body = {
        test_run_id: 123,
        archive_upload_url: JSON.parse(r.body).archive_size ? `${cloud.url}/upload/secret-place` : null,
        test_run_details_page_url: 'http://page.example/runs/123',
        runtime_config: {
          metrics: { push_url: `${cloud.url}/push/v2/metrics/123`, push_interval: null, push_concurrency: null, aggregation_period: null,
            aggregation_wait_period: null, aggregation_min_samples: null, max_samples_per_package: null, ...runtime.metrics },
          traces: { push_url: '', traces_metadata: {}, proto: '' },
          files: { push_url: '', screenshots_base_path: '', headers: {}, method: '' },
          logs: { push_url: `${cloud.url}/logs/push`, tail_url: '', limit: 900, push_period_seconds: '1s', level: 'info',
            message_max_size: 10000, allowed_labels: ['level', 'test_run_id'], ...runtime.logs },
          secrets: { endpoint: '', response_path: '' },
          test_run_token: 'scoped-token',
        },
      };
      return { body };
    }
    if (path === '/cloud/v6/test_runs/123' && r.method === 'GET') {
      const status = statuses.length > 1 ? statuses.shift() : statuses[0];
      return { body: { id: 123, status, result: null, status_history: [], estimated_duration: 10, ...run } };
    }
    if (path.startsWith('/upload/')) return { status: 200 };
    if (path.startsWith('/push/') || path === '/v1/tests') return { status: 200 };
    return { status: 204 };
  });
  return cloud;
}

/** A text field of a multipart request. */
export function formField(request, name) {
  const found = new RegExp(`name="${name}"\\r\\n\\r\\n([^\\r]*)\\r\\n`).exec(request.body.toString('latin1'));
  return found?.[1];
}

/** Requests in a group, a check that holds and one that doesn't always, a request that fails. */
export const shopScript = (target, options, extra = '') => `
import http from 'k6/http';
import { check, group, sleep } from 'k6';
export const options = ${JSON.stringify(options)};
export default function () {
  group('front', () => {
    const res = http.get('${target}/slow', { tags: { name: 'front' } });
    check(res, { 'status is 200': (r) => r.status === 200, 'lucky': () => Math.random() < 0.8 });
  });
  http.post('${target}/fail', { a: 1 });
  ${extra}
}
`;

/** A target, a server, a script for both. */
export async function setUp(t, options, serverOptions) {
  const target = await startTarget(t);
  const server = await new Server(t, serverOptions).start();
  const path = writeScript(server.dir, shopScript(target, options));
  return { server, path, summary: join(server.dir, 'summary.json') };
}

/** A TCP relay to `port`; cut() swallows everything and answers nothing, as a dead network does. */
export async function startRelay(t, port) {
  const pairs = new Set();
  let cut = false;
  const relay = net.createServer((from) => {
    const to = net.connect(port(), '127.0.0.1');
    const pair = [from, to];
    pairs.add(pair);
    const drop = () => {
      pairs.delete(pair);
      from.destroy();
      to.destroy();
    };
    for (const [a, b] of [[from, to], [to, from]]) {
      a.on('data', (chunk) => {
        if (!cut) b.write(chunk);
      });
      a.on('error', drop);
      a.on('close', drop);
    }
  });
  await new Promise((up) => relay.listen(0, '127.0.0.1', up));
  t.after(() => {
    for (const pair of pairs) pair.forEach((s) => s.destroy());
    relay.close();
  });
  return {
    url: `http://127.0.0.1:${relay.address().port}`,
    cut() {
      cut = true;
    },
    mend() {
      cut = false;
      // What was swallowed is gone: those connections are out of step for good.
      for (const pair of [...pairs]) pair.forEach((s) => s.destroy());
    },
  };
}

export function runIdOf(output) {
  const found = /\/runs\/(\d+)/.exec(output);
  assert.ok(found, `no run's URL in: ${output}`);
  return found[1];
}

/** The server's totals are the client's, to the last request; p95 within 1 %. */
export async function assertSameTotals(server, id, summaryFile) {
  const { metrics } = JSON.parse(readFileSync(summaryFile, 'utf8'));
  const same = async (query, metric, want) => assert.equal(await server.value(id, query, metric), want, `${metric} ${query}`);
  await same('increase', 'http_reqs', metrics.http_reqs.count);
  await same('increase', 'iterations', metrics.iterations.count);
  await same('increase', 'data_sent', metrics.data_sent.count);
  await same('increase', 'data_received', metrics.data_received.count);
  await same('increase_nz', 'checks', metrics.checks.passes);
  await same('increase_z', 'checks', metrics.checks.fails);
  await same('histogram_count_increase', 'http_req_duration', metrics.http_reqs.count);
  const p95 = await server.value(id, 'histogram_quantile(0.95)', 'http_req_duration');
  const want = metrics.http_req_duration['p(95)'];
  assert.ok(Math.abs(p95 - want) <= want * 0.01, `p95 ${p95}, the client's ${want}`);
}
