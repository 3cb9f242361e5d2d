// Many clients stream at once: nothing is lost, no file is closed too early, memory stays small.
// The whole of it is `bench/server_load.sh`.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';

import { Server, SPATE, start } from './cloud_lib.mjs';

const LOAD = process.env.SPATE_LOAD || join(dirname(SPATE), '../bench/cloud_load');
const RUNS = 60;

function load(server, args) {
  return start(LOAD, ['--url', server.url, '--token-file', join(server.dir, 'token'), '--max-ms', '0', ...args]);
}

const memory = (server) => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) / 1024;

test(`${RUNS} clients with 200 series each`, async (t) => {
  const server = await new Server(t).start();
  const { code, stdout, stderr } = await load(server, ['--runs', String(RUNS), '--series', '200', '--seconds', '3', '--period-ms', '500']).ended;
  assert.equal(code, 0, stderr);
  const report = JSON.parse(stdout);
  t.diagnostic(`${report.pushes} pushes, median ${report.p50_ms} ms, slowest ${report.max_ms} ms, ${memory(server).toFixed(0)} MB`);
  assert.equal(report.pushes, RUNS * 6);
  assert.equal(report.again, 0);
  assert.ok(memory(server) < 300, `${memory(server)} MB`);
});

// With 128 descriptors fewer files than runs can be open: each push may have to open its own.
test('more runs than files that may be open', async (t) => {
  const server = await new Server(t, { wrap: () => ['sh', '-c', 'ulimit -n 128; exec "$@"', 'sh'] }).start();
  const { code, stdout, stderr } = await load(server, ['--runs', '40', '--series', '20', '--seconds', '2', '--period-ms', '500']).ended;
  assert.equal(code, 0, `${stderr} ${stdout}`);
  assert.equal(JSON.parse(stdout).pushes, 40 * 4);
});
