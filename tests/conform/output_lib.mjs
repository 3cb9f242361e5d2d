// What the files about outputs, summaries and metrics share: a folder, a server, the program.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
export const dir = mkdtempSync(join(tmpdir(), 'spate-output-'));
const env = { PATH: process.env.PATH, HOME: dir, TZ: 'UTC', ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' };
export let url;
let server;

before(async () => {
  server = http.createServer((req, res) => {
    const status = /^\/status\/(\d+)/.exec(req.url);
    if (status) res.statusCode = Number(status[1]);
    if (req.url === '/close') return req.socket.destroy();
    if (req.url === '/redirect') {
      res.statusCode = 302;
      res.setHeader('location', '/get');
    }
    res.end('{"a":1}');
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  url = `http://127.0.0.1:${server.address().port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

let names = 0;
// A script in the folder; `$URL` is the server.
export function script(text) {
  const name = `s${names++}.js`;
  writeFileSync(join(dir, name), text.replaceAll('$URL', url));
  return name;
}
export const read = (name) => readFileSync(join(dir, name), 'utf8');

// `said` gets what standard error has so far, each time there is more.
export function run(args, more, said) {
  const p = spawn(spate, ['run', '-q', ...args], { cwd: dir, env: { ...env, ...more } });
  let out = '';
  let err = '';
  p.stdout.on('data', (d) => { out += d; });
  p.stderr.on('data', (d) => { err += d; said?.(err); });
  return new Promise((ok) => p.on('close', (code) => ok({ code, out, err })));
}

// What `console.log` was given, a line each.
export const logged = (err) => [...err.matchAll(/level=info(?: msg=("(?:[^"\\]|\\.)*"|\S*))? source=console/g)]
  .map(([, m = '']) => (m[0] === '"' ? JSON.parse(m) : m));

// Runs a script with the output json: its lines, parsed.
export async function samples(text, args = [], more = {}) {
  const name = `${names}.json`;
  const r = await run([script(text), '--out', `json=${name}`, ...args], more);
  const lines = read(name).trim().split('\n').map((l) => JSON.parse(l));
  const points = lines.filter((l) => l.type === 'Point');
  return { ...r, lines, points, of: (metric) => points.filter((p) => p.metric === metric).map((p) => p.data) };
}
