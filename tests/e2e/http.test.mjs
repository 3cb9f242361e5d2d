// also: asan
// k6/http from outside: batch(), asyncRequest(), file(), digest, rps, httpDebug, and how requests
// under way end when a run does; against a server of the test's own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
const dir = mkdtempSync(join(tmpdir(), 'spate-http-'));
let server;
let url;
let requests; // of the test under way
let inside; // requests that have no answer yet
let most; // the most of them at once
let onNever; // called with the number of requests for /never that are there

const md5 = (text) => createHash('md5').update(text).digest('hex');

function digest(req, res) {
  const said = Object.fromEntries([...(req.headers.authorization ?? '').matchAll(/(\w+)="?([^",]*)"?/g)].map((m) => [m[1], m[2]]));
  const ha2 = md5(`${req.method}:${said.uri}`);
  const want = md5([md5('joe:r:a b:c'), said.nonce, said.nc, said.cnonce, 'auth', ha2].join(':'));
  if (said.nonce === 'once' && said.uri === req.url && said.response === want) return res.end('welcome');
  res.writeHead(401, { 'WWW-Authenticate': 'Digest realm="r", nonce="once", qop="auth", algorithm=MD5' });
  return res.end();
}

before(async () => {
  server = http.createServer((req, res) => {
    const chunks = [];
    inside++;
    most = Math.max(most, inside);
    res.on('close', () => inside--);
    req.on('data', (d) => chunks.push(d));
    req.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1');
      requests.push({ method: req.method, url: req.url, headers: req.headers, body });
      if (req.url === '/never') onNever(requests.length);
      else if (req.url.startsWith('/digest')) digest(req, res);
      else if (req.url === '/slow') setTimeout(() => res.end('slow'), 100);
      else res.end(`${req.method} ${req.url}`);
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  url = `http://127.0.0.1:${server.address().port}`;
});
beforeEach(() => {
  requests = [];
  inside = most = 0;
  onNever = () => {};
});
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

// Runs a script; `started` gets the process.
function run(text, args = [], started) {
  writeFileSync(join(dir, 'script.js'), `import http from 'k6/http';\nconst U = '${url}';\n${text}`);
  const env = { PATH: process.env.PATH, HOME: dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' };
  const p = spawn(spate, ['run', ...args, 'script.js'], { cwd: dir, env });
  started?.(p);
  let out = '';
  let err = '';
  p.stdout.on('data', (d) => (out += d));
  p.stderr.on('data', (d) => (err += d));
  return new Promise((ok) => p.on('close', (code) => ok({ code, out, err })));
}

const said = (r) => [...r.err.matchAll(/msg="?((?:[^"\\]|\\.)*)"?/g)].map((m) => m[1].replaceAll('\\"', '"'));
const line = (r, name) => r.out.match(new RegExp(`${name}\\.+: (.*)`))?.[1].trim();

test('batch() keeps its order and its limits', async () => {
  const r = await run(`
    export const options = { batch: 10, batchPerHost: 4 };
    export default function () {
      const l = http.batch([...Array(12).keys()].map((i) => (i === 7 ? U + '/seven' : U + '/slow')));
      console.log(l.map((x) => x.status).join(), l[7].body);
      const o = http.batch({ a: U + '/a', b: { method: 'post', url: U + '/b', body: { x: 1 } } });
      console.log(o.a.body, o.b.body);
    }`);
  assert.equal(r.code, 0, r.err);
  assert.deepEqual(said(r), [`${Array(12).fill(200)} GET /seven`, 'GET /a POST /b']);
  assert.equal(requests.length, 14);
  assert.equal(most, 4);
  assert.match(line(r, 'http_reqs'), /^14 /);
});

test('asyncRequest() runs beside the script, and the iteration waits for it', async () => {
  const r = await run(`
    export const options = { iterations: 2 };
    export default async function () {
      const all = await Promise.all([1, 2, 3].map(() => http.asyncRequest('GET', U + '/slow')));
      console.log(all.map((x) => x.body).join());
      http.asyncRequest('PUT', U + '/late', 'x').then((x) => console.log(x.body));
    }`);
  assert.equal(r.code, 0, r.err);
  assert.deepEqual(said(r), ['slow,slow,slow', 'PUT /late', 'slow,slow,slow', 'PUT /late']);
  assert.equal(most, 3);
  assert.match(line(r, 'iterations'), /^2 /);
});

test('file() makes a multipart body', async () => {
  const r = await run(`
    const f = http.file(new Uint8Array([0, 255, 13, 10]).buffer, 'a"b.bin');
    export default () => { http.post(U + '/up', { f, k: 'v' }); http.post(U + '/up', { f, k: 'v' }); }`);
  assert.equal(r.code, 0, r.err);
  const boundaries = requests.map((q) => /^multipart\/form-data; boundary=([0-9a-f]{60})$/.exec(q.headers['content-type'])[1]);
  assert.notEqual(boundaries[0], boundaries[1]);
  assert.equal(
    requests[0].body.replaceAll(boundaries[0], 'B'),
    '--B\r\nContent-Disposition: form-data; name="f"; filename="a\\"b.bin"\r\n' +
      'Content-Type: application/octet-stream\r\n\r\n\x00\xff\r\n\r\n' +
      '--B\r\nContent-Disposition: form-data; name="k"\r\n\r\nv\r\n--B--\r\n',
  );
});

test('digest takes two requests', async () => {
  const r = await run(`
    export default () => {
      const u = U.replace('//', '//joe:a%20b:c@') + '/digest?x=1';
      console.log(http.get(u, { auth: 'digest' }).body, http.get(u).status);
    }`);
  assert.equal(r.code, 0, r.err);
  assert.deepEqual(said(r), ['welcome 401']);
  assert.equal(requests.length, 3);
  assert.equal(requests[0].headers.authorization, undefined);
  assert.match(line(r, 'http_req_failed'), /33\.33%.*1 out of 3/);
});

test('--rps holds for all virtual users together', async () => {
  const began = Date.now();
  const r = await run(`export default () => http.batch([U, U]);`, ['--rps', '40', '-u', '4', '-i', '20']);
  assert.equal(r.code, 0, r.err);
  assert.equal(requests.length, 40);
  assert.ok(Date.now() - began >= 39 * 25, 'too fast');
});

test('--http-debug', async () => {
  const r = await run(`export default () => { http.post(U + '/x', 'the body'); }`, ['--http-debug=full']);
  assert.equal(r.code, 0, r.err);
  assert.match(r.err, /msg="Request:\\nPOST \/x HTTP\/1\.1\\nHost: .*\\n\\nthe body\\n/);
  assert.match(r.err, /msg="Response:\\nHTTP\/1\.1 200 OK\\n.*POST \/x\\n/);
  assert.match(r.err, /request_id=[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12} scenario=default source=http-debug vu=1/);
});

for (const [name, body] of [
  ['batch()', `http.batch(Array(8).fill(U + '/never'));`],
  ['asyncRequest()', `await Promise.all(Array(6).fill(0).map(() => http.asyncRequest('GET', U + '/never')));`],
]) {
  test(`Ctrl-C ends ${name}`, async () => {
    let p;
    let asked = 0;
    onNever = (n) => {
      if (n === 6) {
        asked = Date.now();
        p.kill('SIGINT');
      }
    };
    const r = await run(`export default async function () { ${body} console.log('no'); }`, [], (it) => (p = it));
    assert.equal(r.code, 105, r.err);
    assert.ok(Date.now() - asked < 5000, 'took long');
    assert.equal(requests.length, 6);
    assert.doesNotMatch(r.err, /Request Failed|msg=no|LeakSanitizer/);
  });

  test(`gracefulStop ends ${name}`, async () => {
    const r = await run(
      `export const options = { scenarios: { s: { executor: 'constant-vus', vus: 1, duration: '1s', gracefulStop: '0s' } } };
      export default async function () { ${body} console.log('no'); }`,
    );
    assert.equal(r.code, 0, r.err);
    assert.equal(requests.length, 6);
    assert.doesNotMatch(r.err, /Request Failed|msg=no|LeakSanitizer/);
    assert.match(r.err + r.out, /0 complete and 1 interrupted/);
  });
}
