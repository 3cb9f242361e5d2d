// The server dies by SIGKILL at random moments while many clients stream, and is started again each
// time: every acknowledged batch is there exactly once, every database opens, no run is stuck.
//
//     SPATE_KILLS=100 SPATE_CRASH_RUNS=200 SPATE_CRASH_SERIES=1000 node --test tests/e2e/crash.test.mjs
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { Server, SPATE, start } from './cloud_lib.mjs';

const KILLS = Number(process.env.SPATE_KILLS || 6);
const RUNS = Number(process.env.SPATE_CRASH_RUNS || 20);
const SERIES = Number(process.env.SPATE_CRASH_SERIES || 100);
const LOAD = process.env.SPATE_LOAD || join(dirname(SPATE), '../bench/cloud_load');
const MEAN_MS = RUNS > 50 ? 1500 : 300; // between a start and the next death
const seed = Number(process.env.SPATE_SEED || Date.now() % 1000000);

/** Numbers between 0 and 1 that follow from the seed (mulberry32). */
function random(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** SQLite's own opinion of every database in the folder; skipped where there is no python3. */
function checkDatabases(dir) {
  const script = `
import sqlite3, sys
for path in sys.argv[1:]:
    db = sqlite3.connect(path)
    (said,) = db.execute('PRAGMA integrity_check').fetchone()
    assert said == 'ok', path + ': ' + said
    db.close()
`;
  const files = [join(dir, 'spate.db'), ...readdirSync(join(dir, 'runs')).filter((name) => name.endsWith('.db')).map((name) => join(dir, 'runs', name))];
  const done = spawnSync('python3', ['-c', script, ...files], { encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  return files.length;
}

test(`${KILLS} deaths under the load of ${RUNS} clients`, async (t) => {
  t.diagnostic(`seed ${seed}`);
  const next = random(seed);
  const server = await new Server(t).start();
  // Long enough for all the deaths; clients that lack an answer ask again until there is one.
  const seconds = Math.ceil((KILLS * (MEAN_MS + 300)) / 1000) + 2;
  const load = start(LOAD, ['--url', server.url, '--token-file', join(server.dir, 'token'), '--runs', String(RUNS), '--series', String(SERIES),
    '--seconds', String(seconds), '--period-ms', RUNS > 50 ? '1000' : '250', '--max-ms', '0', '--patience-s', '60']);
  t.after(() => load.running() && load.child.kill('SIGKILL'));
  for (let i = 0; i < KILLS; i++) {
    await new Promise((wake) => setTimeout(wake, next() * 2 * MEAN_MS)); // the random moment
    await server.kill('SIGKILL');
    await server.start();
  }
  const { code, stdout, stderr } = await load.ended;
  const report = JSON.parse(stdout);
  t.diagnostic(`${report.pushes} pushes, ${report.again} sent again, slowest ${report.max_ms} ms`);
  assert.equal(code, 0, `${stderr}\n${stdout.slice(0, 300)}`);
  assert.equal(report.failed_runs, 0, stderr);
  assert.ok(report.again > 0, 'no death was noticed by any client');
  // Also after one more start, from what is on the disk alone.
  await server.kill('SIGKILL');
  await server.start();
  let total = 0;
  for (const id of report.ids) {
    const run = await server.run(id);
    assert.equal(run.status, 'completed', `run ${id} is ${run.status}`);
    total += await server.value(id, 'increase', 'http_reqs');
  }
  assert.equal(total, report.requests);
  const list = await server.json('/cloud/v6/test_runs?$count=true&$top=1');
  assert.equal(list['@count'], RUNS, 'as many runs as clients: none was created twice');
  await server.kill('SIGTERM');
  assert.equal(checkDatabases(join(server.dir, 'data')), RUNS + 1);
});
