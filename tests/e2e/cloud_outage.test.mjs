// Clients and servers that are killed, networks that are cut: nothing is lost, nothing counted twice.
// also: asan
import assert from 'node:assert/strict';
import test from 'node:test';

import { assertSameTotals, runIdOf, setUp, startRelay, stream, until } from './cloud_lib.mjs';

test('the client killed: Running, then Timed out, data kept', async (t) => {
  const { server, path } = await setUp(t, { vus: 2, duration: '60s' }, { args: ['--run-timeout', '6s'] });
  const client = stream(server, path);
  const id = runIdOf(await until('the URL', () => /output: cloud \(.*\)/.exec(client.stdout)?.[0]));
  await until('data', async () => (await server.value(id, 'increase', 'http_reqs')) > 0);
  client.child.kill('SIGKILL');
  await client.ended;
  assert.equal(server.stateCode(await server.run(id)), 2, 'still Running');
  await until('timed out', async () => server.stateCode(await server.run(id)) === 4);
  assert.ok((await server.value(id, 'increase', 'http_reqs')) > 0);
});

test('the server killed and started again during a run: every count exact', async (t) => {
  const { server, path, summary } = await setUp(t, { vus: 3, duration: '14s' });
  const client = stream(server, path, { args: ['--summary-export', summary] });
  const id = runIdOf(await until('the URL', () => /output: cloud \(.*\)/.exec(client.stdout)?.[0]));
  await until('data', async () => (await server.value(id, 'increase', 'http_reqs')) > 0);
  await server.kill('SIGKILL');
  await until('the outage is noticed', () => client.stderr.includes('results are kept and sent later'));
  await server.start();
  const end = await client.ended;
  assert.equal(end.code, 0, end.stderr);
  assert.match(end.stderr, /the connection is back/);
  assert.equal(server.stateCode(await server.run(id)), 3);
  await assertSameTotals(server, id, summary);
});

test('the connection dead for a while: every count exact', async (t) => {
  const { server, path, summary } = await setUp(t, { vus: 3, duration: '12s' });
  const relay = await startRelay(t, () => server.port);
  const client = stream(server, path, { url: relay.url, args: ['--summary-export', summary], env: { K6_CLOUD_TIMEOUT: '2s' } });
  const id = runIdOf(await until('the URL', () => /output: cloud \(.*\)/.exec(client.stdout)?.[0]));
  await until('data', async () => (await server.value(id, 'increase', 'http_reqs')) > 0);
  relay.cut();
  await until('the outage is noticed', () => client.stderr.includes('results are kept and sent later'));
  relay.mend();
  const end = await client.ended;
  assert.equal(end.code, 0, end.stderr);
  assert.equal(server.stateCode(await server.run(id)), 3);
  await assertSameTotals(server, id, summary);
});

test('a cloud that is away at the end: a clear line, and Ctrl-C gives up', async (t) => {
  const { server, path } = await setUp(t, { vus: 1, duration: '4s' });
  const client = stream(server, path);
  await until('the URL', () => /output: cloud \(.*\)/.exec(client.stdout));
  await server.kill('SIGKILL');
  await until('progress of the last results', () => /sending the last results, \d+ of \d+ batches left/.test(client.stderr), 30000);
  client.child.kill('SIGINT');
  const end = await client.ended;
  assert.match(end.stderr, /\d+ of \d+ batches .* could not be delivered/);
});

test('a cloud that stays away: the client ends by itself and says what is missing', async (t) => {
  const { server, path } = await setUp(t, { vus: 1, duration: '4s' });
  const client = stream(server, path, { env: { SPATE_CLOUD_FLUSH_TIMEOUT: '1s' } });
  await until('the URL', () => /output: cloud \(.*\)/.exec(client.stdout));
  await server.kill('SIGKILL');
  await until('the client ends', () => !client.running(), 60000);
  const end = await client.ended;
  assert.match(end.stderr, /[1-9]\d* of \d+ batches .* could not be delivered/);
  assert.match(end.stderr, /could not tell the cloud that run \d+ has ended/);
});
