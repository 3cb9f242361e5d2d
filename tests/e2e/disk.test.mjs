// A disk that is full or can't be written to, and files of runs that are damaged: a clear error for
// that run alone, and the rest of the server goes on.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { SPATE, Server, start, temporaryFolder, until } from './cloud_lib.mjs';

// k6's first push of the recording, whose time the server doesn't look at.
const recorded = readFileSync('tests/fixtures/k6-traffic/v0.49-run-out-cloud.jsonl', 'utf8')
  .trim().split('\n').map((line) => JSON.parse(line)).filter((q) => q.path.startsWith('/v2/metrics/'))
  .map((q) => Buffer.from(q.base64, 'base64'));

async function post(server, path, body, headers = {}) {
  const res = await fetch(server.url + path, { method: 'POST', headers: { Authorization: `Token ${server.token}`, ...headers }, body });
  const text = await res.text();
  return { status: res.status, text, json: () => JSON.parse(text) };
}

const post_json = (server, path, value) => post(server, path, JSON.stringify(value), { 'Content-Type': 'application/json' });

let keys = 0;
const push = (server, id, body = recorded[0]) =>
  post(server, `/v2/metrics/${id}`, body, {
    'Content-Type': 'application/x-protobuf', 'Content-Encoding': 'snappy', 'K6-Metrics-Protocol-Version': '2.0',
    'K6-Idempotency-Key': `key${keys++}`,
  });

async function newRun(server, name = 'run') {
  const made = await post_json(server, '/v1/tests', { name, vus: 1, duration: 60 });
  assert.equal(made.status, 200, made.text);
  return made.json().reference_id;
}

const finish = (server, id) => post_json(server, `/v1/tests/${id}`, { result_status: 0, run_status: 3, thresholds: {} });
const question = (id) => `/cloud/v5/test_runs/${id}/query_aggregate_k6(query='increase',metric='http_reqs')`;

/** A run with data, closed with the server, so that its file is whole and by itself. */
async function someRuns(server, count) {
  const ids = [];
  for (let i = 0; i < count; i++) {
    const id = await newRun(server, `damage ${i}`);
    assert.equal((await push(server, id)).status, 200);
    ids.push(id);
  }
  return ids;
}

const damages = {
  'random bytes'(path) {
    const bytes = Buffer.alloc(statSync(path).size);
    for (let i = 0, x = 1; i < bytes.length; i++) bytes[i] = (x = (x * 1103515245 + 12345) & 0x7fffffff) >> 16;
    writeFileSync(path, bytes);
  },
  'cut short': (path) => truncateSync(path, 4096 + 100),
  'zero length': (path) => truncateSync(path, 0),
  'pages overwritten'(path) {
    const fd = openSync(path, 'r+');
    const noise = Buffer.alloc(4096, 0xa5);
    for (let at = 4096; at < statSync(path).size; at += 4096) writeSync(fd, noise, 0, 4096, at);
    closeSync(fd);
  },
};

test('a damaged file is an error of its run only', async (t) => {
  const server = await new Server(t).start();
  const ids = await someRuns(server, Object.keys(damages).length + 1);
  await server.kill('SIGTERM');
  Object.values(damages).forEach((damage, i) => damage(join(server.dir, 'data/runs', `${ids[i]}.db`)));
  await server.start();
  for (const [i, name] of Object.keys(damages).entries()) {
    const read = await server.get(question(ids[i]));
    const error = (await read.json()).error;
    assert.equal(read.status, 500, name);
    assert.equal(error.code, 'damaged', `${name}: ${error.message}`);
    const pushed = await push(server, ids[i]);
    assert.equal(pushed.status, 500, `${name}: ${pushed.text}`);
    assert.match(pushed.json().error.message, new RegExp(`test run ${ids[i]}|damaged|malformed|not a database|empty`), name);
    // Everything else about it is as it was, and it can be ended and deleted.
    assert.equal((await server.run(ids[i])).status, 'running');
    assert.equal((await finish(server, ids[i])).status, 200, name);
    const gone = await fetch(`${server.url}/cloud/v6/test_runs/${ids[i]}`, { method: 'DELETE', headers: { Authorization: `Bearer ${server.token}` } });
    assert.equal(gone.status, 204, name);
  }
  const well = ids.at(-1);
  const before = await server.value(well, 'increase', 'http_reqs');
  assert.equal((await push(server, well, recorded[1])).status, 200);
  assert.ok((await server.value(well, 'increase', 'http_reqs')) > before);
  assert.equal((await finish(server, well)).status, 200);
});

test('a damaged log of last transactions costs those alone', async (t) => {
  const server = await new Server(t).start();
  const [id] = await someRuns(server, 1);
  await server.kill('SIGKILL');
  const wal = join(server.dir, 'data/runs', `${id}.db-wal`);
  assert.ok(existsSync(wal));
  const size = statSync(wal).size;
  const keep = join(server.dir, 'wal');
  copyFileSync(wal, keep);
  for (const cut of [size - 1, Math.floor(size / 2), 33, 0]) {
    copyFileSync(keep, wal);
    truncateSync(wal, cut);
    await server.start();
    const read = await server.get(question(id));
    const text = await read.text(); // what is left is read, or the error says what is wrong
    assert.ok(read.status === 200 || /damaged|unknown metric/.test(text), `${cut}: ${read.status} ${text}`);
    const other = await newRun(server, `beside ${cut}`);
    assert.equal((await push(server, other)).status, 200);
    await server.kill('SIGKILL');
    ['.db', '.db-shm'].forEach((end) => rmSync(wal.replace('.db-wal', end === '.db' ? '.none' : end), { force: true }));
  }
});

// A mount of one's own needs a namespace, which not every machine gives.
const inNamespace = (script) => ['unshare', ...(process.getuid() === 0 ? ['-m'] : ['-Urm']), 'sh', '-c', script, 'sh'];
const canMount = spawnSync(inNamespace('x')[0], [...inNamespace('mount -t tmpfs tmpfs /mnt').slice(1)]).status === 0;

test('a full disk refuses, and goes on when there is room', { skip: !canMount && 'no mounts here' }, async (t) => {
  const dir = (server) => join(server.dir, 'data');
  const server = new Server(t, { wrap: (s) => inNamespace(`mount -t tmpfs -o size=3m tmpfs '${dir(s)}' && head -c 2000000 /dev/zero >'${dir(s)}/ballast' && exec "$@"`) });
  mkdirSync(dir(server));
  await server.start();
  const id = await newRun(server);
  let last;
  await until('the disk is full', async () => (last = await push(server, id)).status !== 200);
  assert.equal(last.status, 503, last.text);
  assert.match(last.json().error.message, /full|space/);
  const had = await server.value(id, 'increase', 'http_reqs');
  assert.equal((await server.run(id)).status, 'running');
  // A push that was refused has left nothing behind; with room again it is taken.
  rmSync(`/proc/${server.pid}/root/${dir(server)}/ballast`);
  assert.equal((await push(server, id)).status, 200);
  assert.ok((await server.value(id, 'increase', 'http_reqs')) > had);
  assert.equal((await finish(server, id)).status, 200);
});

test('runs that can\'t be written are refused one by one', { skip: !canMount && 'no mounts here' }, async (t) => {
  const runs = (server) => join(server.dir, 'data/runs');
  const server = await new Server(t).start();
  const [id] = await someRuns(server, 1);
  await server.kill('SIGTERM');
  server.wrap = (s) => inNamespace(`mount --bind '${runs(s)}' '${runs(s)}' && mount -o remount,bind,ro '${runs(s)}' && exec "$@"`);
  await server.start();
  for (const one of [id, await newRun(server)]) {
    const pushed = await push(server, one);
    assert.equal(pushed.status, 503, pushed.text);
    assert.match(pushed.json().error.message, /read-only/);
  }
  assert.equal((await server.run(id)).status, 'running');
  assert.equal((await finish(server, id)).status, 200);
});

test('a folder that can\'t be written is said at the start', { skip: !canMount && 'no mounts here' }, async (t) => {
  const dir = join(temporaryFolder(t), 'data');
  mkdirSync(dir);
  const command = [...inNamespace(`mount --bind '${dir}' '${dir}' && mount -o remount,bind,ro '${dir}' && exec "$@"`), SPATE, 'server', '--data', dir, '--listen', '127.0.0.1:0'];
  const { code, stderr } = await start(command[0], command.slice(1)).ended;
  assert.notEqual(code, 0);
  assert.match(stderr, /read-only file system/);
});
