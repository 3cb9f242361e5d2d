// A run's results in a cloud: the same totals, true states, nothing lost to outages.
// also: asan
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { SPATE, Server, assertSameTotals, runIdOf, setUp, start, stream, temporaryFolder, until, writeScript } from './cloud_lib.mjs';

test('a run: the same totals as the console, Finished, the script kept', async (t) => {
  const { server, path, summary } = await setUp(t, { vus: 4, duration: '7s' });
  const client = stream(server, path, { args: ['--summary-export', summary] });
  const id = runIdOf(await until('the URL', () => /output: cloud \(.*\)/.exec(client.stdout)?.[0]));

  // The first points: one period (3 s), the wait (2 s), and 2 s at most.
  await until('first points', () => server.value(id, 'increase', 'http_reqs'), 7000);
  assert.equal(server.stateCode(await server.run(id)), 2, 'Running');

  const end = await client.ended;
  assert.equal(end.code, 0, end.stderr);
  const run = await server.run(id);
  assert.equal(run.status, 'completed');
  assert.equal(server.stateCode(run), 3);
  assert.equal(run.result, 'passed');
  await assertSameTotals(server, id, summary);
  const slow = await server.json(`/cloud/v5/test_runs/${id}/outliers?$top=1`);
  const { max } = JSON.parse(readFileSync(summary, 'utf8')).metrics.http_req_duration;
  assert.equal(slow.value[0].duration, max, 'the slowest request by itself');
  const text = await server.get(`/cloud/v6/test_runs/${id}/script`, { Accept: 'text/javascript' });
  assert.equal(await text.text(), readFileSync(path, 'utf8'));
});

test('run --out cloud is the same; --no-archive-upload keeps the script here', async (t) => {
  const { server, path, summary } = await setUp(t, { vus: 2, iterations: 6 });
  const older = stream(server, path, { command: ['run', '--out', 'cloud'], args: ['--summary-export', summary] });
  const end = await older.ended;
  assert.equal(end.code, 0, end.stderr);
  const id = runIdOf(end.stdout);
  assert.equal(server.stateCode(await server.run(id)), 3);
  await assertSameTotals(server, id, summary);

  const kept = stream(server, path, { args: ['--no-archive-upload'] });
  const keptEnd = await kept.ended;
  assert.equal(keptEnd.code, 0, keptEnd.stderr);
  const keptId = runIdOf(keptEnd.stdout);
  assert.equal((await server.get(`/cloud/v6/test_runs/${keptId}/script`)).status, 404);
});

test('an output beside the cloud that cannot start ends the run at once', async (t) => {
  const { server, path } = await setUp(t, { vus: 1, iterations: 1 });
  const begin = performance.now();
  const args = ['--out', 'json=/nonexistent/results.json'];
  const end = await stream(server, path, { command: ['run', '--out', 'cloud'], args }).ended;
  assert.equal(end.code, 255, end.stderr);
  assert.match(end.stderr, /could not start the output 'json': open \/nonexistent\/results\.json: no such file or directory/);
  assert.ok(performance.now() - begin < 30000, 'waits for no batches that never come');
});

test('thresholds crossed at the end: Finished, failed, exit 99', async (t) => {
  const options = { vus: 2, iterations: 4, thresholds: { checks: ['rate>0.999'], http_req_failed: ['rate<0.1'] } };
  const { server, path } = await setUp(t, options);
  const end = await stream(server, path).ended;
  assert.equal(end.code, 99, end.stderr);
  const run = await server.run(runIdOf(end.stdout));
  assert.equal(server.stateCode(run), 3);
  assert.equal(run.status, 'completed');
  assert.equal(run.result, 'failed');
  const { value } = await server.json(`/cloud/v5/test_runs/${run.id}/thresholds`);
  const failed = value.find((v) => v.metric === 'http_req_failed');
  assert.equal(failed.expression, 'rate<0.1');
  assert.equal(failed.result, 'failed');
});

test('a threshold that aborts: Aborted by threshold, exit 99', async (t) => {
  const options = { vus: 2, duration: '60s', thresholds: { http_req_failed: [{ threshold: 'rate<0.1', abortOnFail: true }] } };
  const { server, path } = await setUp(t, options);
  const end = await stream(server, path).ended;
  assert.equal(end.code, 99, end.stderr);
  assert.equal(server.stateCode(await server.run(runIdOf(end.stdout))), 8);
});

test('Ctrl-C: Aborted by User, exit 105, the data up to then', async (t) => {
  const { server, path, summary } = await setUp(t, { vus: 2, duration: '60s' });
  const client = stream(server, path, { args: ['--summary-export', summary] });
  const id = runIdOf(await until('the URL', () => /output: cloud \(.*\)/.exec(client.stdout)?.[0]));
  await until('running', async () => server.stateCode(await server.run(id)) === 2);
  client.child.kill('SIGINT');
  const end = await client.ended;
  assert.equal(end.code, 105, end.stderr);
  const run = await server.run(id);
  assert.equal(run.status, 'aborted');
  assert.equal(server.stateCode(run), 5);
  await assertSameTotals(server, id, summary);
});

test('--linger: Finished in the cloud while the process stays', async (t) => {
  const { server, path, summary } = await setUp(t, { vus: 1, iterations: 2 });
  const client = stream(server, path, { args: ['--linger', '--summary-export', summary] });
  await until('it lingers', () => /--linger was enabled/.test(client.stdout));
  const run = await server.newestRun();
  assert.equal(server.stateCode(run), 3);
  assert.ok(client.running());
  client.child.kill('SIGINT');
  const end = await client.ended;
  assert.equal(end.code, 0, end.stderr);
  await assertSameTotals(server, run.id, summary);
});

test('a script that throws in setup: Aborted (script error), exit 107', async (t) => {
  const server = await new Server(t).start();
  const path = writeScript(server.dir, 'export function setup() { throw new Error("no"); } export default function () {}');
  const end = await stream(server, path).ended;
  assert.equal(end.code, 107, end.stderr);
  assert.equal(server.stateCode(await server.run(runIdOf(end.stdout))), 7);
});

test('cloud login keeps a token that the server knows, and only that', async (t) => {
  const server = await new Server(t).start();
  const config = join(server.dir, 'spate', 'config.json');
  const env = { ...process.env, XDG_CONFIG_HOME: server.dir, K6_CLOUD_HOST: '' };
  const login = (...args) => start(SPATE, args, { env }).ended;

  const wrong = await login('cloud', 'login', '--host', server.url, '--token', 'not-a-token-at-all');
  assert.equal(wrong.code, 255);
  assert.match(wrong.stderr, /doesn't know this token/);
  assert.doesNotMatch(wrong.stderr + wrong.stdout, /not-a-token/);
  assert.ok(!existsSync(config));

  const right = await login('cloud', 'login', '--host', server.url, '--token', server.token);
  assert.equal(right.code, 0, right.stderr);
  assert.doesNotMatch(right.stdout, new RegExp(server.token));
  assert.equal(statSync(config).mode & 0o777, 0o600);
  const show = await login('cloud', 'login', '--show');
  assert.match(show.stdout, /\*\*\*\*/);
  assert.doesNotMatch(show.stdout, new RegExp(server.token));

  const path = writeScript(server.dir, 'export default function () {}');
  const run = await login('cloud', 'run', '--local-execution', path);
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stdout, new RegExp(`output: cloud \\(${server.url}/runs/\\d+\\)`));

  assert.equal((await login('login', 'cloud', '--reset')).code, 0);
  assert.ok(!readFileSync(config, 'utf8').includes(server.token));
  const out = await login('cloud', 'run', '--local-execution', path);
  assert.equal(out.code, 255);
  assert.match(out.stderr, /not logged in/);
});

test('clouds that are no use: one clear message each', async (t) => {
  const dir = temporaryFolder(t);
  const path = writeScript(dir, 'export default function () {}');
  const run = (env, ...args) => start(SPATE, ['cloud', 'run', ...args, path], { env: { ...process.env, XDG_CONFIG_HOME: dir, ...env } }).ended;

  const nobody = await run({ K6_CLOUD_HOST: 'http://127.0.0.1:1', K6_CLOUD_TOKEN: 'x' }, '--local-execution');
  assert.equal(nobody.code, 255);
  assert.match(nobody.stderr, /http:\/\/127\.0\.0\.1:1 can't be reached/);
  assert.match(nobody.stderr, /spate server/);
  assert.match(nobody.stderr, /K6_CLOUD_HOST/);

  const noUrl = await run({ K6_CLOUD_HOST: 'nowhere', K6_CLOUD_TOKEN: 'x' }, '--local-execution');
  assert.equal(noUrl.code, 104);
  assert.match(noUrl.stderr, /cloud host 'nowhere'/);

  const server = await new Server(t).start();
  const stranger = await run({ K6_CLOUD_HOST: server.url, K6_CLOUD_TOKEN: 'wrong' }, '--local-execution');
  assert.equal(stranger.code, 255);
  assert.match(stranger.stderr, /status 401/);
  assert.match(stranger.stderr, /cloud login/);

  writeFileSync(join(dir, 'broken.json'), '{');
  const broken = await run({ K6_CLOUD_HOST: server.url, K6_CLOUD_TOKEN: 'x' }, '--local-execution', '-c', join(dir, 'broken.json'));
  assert.notEqual(broken.code, 0);
  assert.match(broken.stderr, /broken\.json/);
});
