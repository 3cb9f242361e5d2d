// also: asan
// HTTP/2 as scripts see it: which connection requests share, what responses say, what each end of a
// stream or a connection is called; against Node's server, and one made of frames for what no
// server does.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
const dir = mkdtempSync(join(tmpdir(), 'spate-http2-'));
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'key.pem', '-out', 'cert.pem',
  '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'], { cwd: dir, stdio: 'ignore' });
const key = readFileSync(join(dir, 'key.pem'));
const cert = readFileSync(join(dir, 'cert.pem'));

let server;
let U;
let sessions; // that the server has seen, in order
let requests; // { url, headers, body, session }

function answer(req, res, body) {
  const { url } = req;
  const stream = res.stream;
  if (url === '/slow') return setTimeout(() => res.end('slow'), 100);
  if (url === '/never') return undefined;
  if (url.startsWith('/big/')) return res.end(Buffer.alloc(Number(url.slice(5)), 'x'));
  if (url.startsWith('/status/')) { res.statusCode = Number(url.slice(8)); return res.end('body'); }
  if (url === '/redirect') { res.writeHead(302, { location: '/landed' }); return res.end(); }
  if (url.startsWith('/reset/')) return stream.close(Number(url.slice(7)));
  if (url === '/reset-in-body') { res.write('part'); return setTimeout(() => stream.close(2), 20); }
  if (url.startsWith('/goaway/')) { stream.session.goaway(Number(url.slice(8))); return setTimeout(() => stream.session.destroy(), 20); }
  if (url === '/hang-up') return stream.session.socket.destroy();
  if (url === '/gzip') { res.setHeader('content-encoding', 'gzip'); return res.end(zlib.gzipSync('unpacked')); }
  if (url === '/trailers') { res.addTrailers({ 'x-later': '1' }); return res.end('with trailers'); }
  if (url === '/hints') { res.writeEarlyHints({ link: '</a.css>; rel=preload' }); return res.end('after hints'); }
  if (url === '/push') { try { stream.pushStream({ ':path': '/pushed' }, () => {}); } catch (e) { return res.end(e.code); } return res.end('pushed'); }
  res.setHeader('set-cookie', ['a=1', 'b=2']);
  res.setHeader('x-multi', ['v1', 'v2']);
  return res.end(JSON.stringify({ method: req.method, length: body.length }));
}

before(async () => {
  server = http2.createSecureServer({ key, cert, allowHTTP1: true });
  server.on('session', (s) => sessions.push(s));
  server.on('sessionError', () => {});
  server.on('request', (req, res) => {
    const chunks = [];
    req.on('data', (d) => chunks.push(d));
    req.on('end', () => {
      const body = Buffer.concat(chunks);
      requests.push({ url: req.url, headers: req.headers, rawHeaders: req.rawHeaders, body, session: sessions.indexOf(req.stream?.session), version: req.httpVersion });
      answer(req, res, body);
    });
  });
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  U = `https://localhost:${server.address().port}`;
});
after(() => {
  for (const s of sessions ?? []) s.destroy();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

function run(body, { options = {}, more = {}, args = [], url = U } = {}) {
  sessions = [];
  requests = [];
  writeFileSync(join(dir, 'script.js'), `import http from 'k6/http'; const U = '${url}';
    export const options = ${JSON.stringify({ insecureSkipTLSVerify: true, ...options })};
    const show = (r) => console.log(r.status, r.error_code, r.error, r.body === null ? 'null' : r.body);
    export default async function () { ${body} }`);
  const env = { PATH: process.env.PATH, HOME: dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', ...more };
  const p = spawn(spate, ['run', ...args, 'script.js'], { cwd: dir, env });
  let out = '';
  let err = '';
  p.stdout.on('data', (d) => { out += d; });
  p.stderr.on('data', (d) => { err += d; });
  return new Promise((ok) => p.on('close', (code) => {
    const lines = [...err.matchAll(/level=info msg=("(?:[^"\\]|\\.)*"|\S*) source=console/g)].map(([, m]) => (m[0] === '"' ? JSON.parse(m) : m));
    const warnings = [...err.matchAll(/msg="Request Failed" error=("(?:[^"\\]|\\.)*"|\S*)/g)].map(([, m]) => (m[0] === '"' ? JSON.parse(m) : m));
    ok({ code, out, err, lines, warnings });
  }));
}

// ---- what goes over a connection that works -------------------------------------------------------

test('a response over HTTP/2', async () => {
  const r = await run(`const r = http.get(U + '/x?a=b', { headers: { 'X-Upper': 'V', Connection: 'keep-alive' }, cookies: { c: '1', d: '2' } });
    console.log(r.status, r.status_text, r.proto, r.headers['X-Multi'], r.headers['Set-Cookie'], Object.keys(r.cookies), r.tls_version, r.remote_ip);
    console.log(r.timings.duration > 0, r.timings.tls_handshaking > 0, http.get(U + '/y').timings.tls_handshaking);`);
  assert.deepEqual(r.lines, ['200 200 OK HTTP/2.0 v1, v2 a=1, b=2 [ "a", "b" ] tls1.3 127.0.0.1', 'true true 0'], r.err);
  assert.equal(sessions.length, 1);
  assert.equal(requests[0].headers['x-upper'], 'V');
  assert.equal(requests[0].headers.cookie, 'c=1; d=2');
  assert.equal(requests[0].headers.connection, undefined);
  assert.equal(requests[1].headers.cookie, 'a=1; b=2');
  assert.deepEqual(requests[0].rawHeaders.filter((_, i) => i % 2 === 0).slice(0, 4), [':authority', ':method', ':path', ':scheme']);
});

test('bodies both ways, larger than windows', async () => {
  const r = await run(`const r = http.post(U + '/p', 'x'.repeat(3e6)), g = http.get(U + '/big/9000000', { responseType: 'binary' });
    console.log(r.body, g.body.byteLength, http.get(U + '/big/0').body.length);
    console.log(http.post(U + '/e').body, http.get(U + '/big/5000000', { responseType: 'none' }).body, http.head(U + '/x').body.length);`);
  assert.deepEqual(r.lines, ['{"method":"POST","length":3000000} 9000000 0', '{"method":"POST","length":0} null 0'], r.err);
  assert.equal(requests[3].headers['content-length'], '0');
  assert.match(r.out, /data_received\.+: 14 MB/);
  assert.match(r.out, /data_sent\.+: 3\.0 MB/);
});

test('batch() and asyncRequest() share a connection', async () => {
  const r = await run(`console.log(http.batch(Array(12).fill(U + '/slow')).map((x) => x.status).join());
    console.log((await Promise.all([1, 2, 3].map(() => http.asyncRequest('GET', U + '/slow')))).map((x) => x.body).join());`, { options: { batch: 12, batchPerHost: 0 } });
  assert.deepEqual(r.lines, [Array(12).fill(200).join(), 'slow,slow,slow'], r.err);
  assert.equal(sessions.length, 1);
  assert.match(r.out, /http_req_duration\.+: avg=1\d\d/);
});

const odd = [
  ['a redirect', "const r = http.get(U + '/redirect'); console.log(r.status, r.url.endsWith('/landed'), r.proto);", ['200 true HTTP/2.0']],
  ['a compressed body', "console.log(http.get(U + '/gzip').body);", ['unpacked']],
  ['trailers', "const r = http.get(U + '/trailers'); console.log(r.body, r.headers['X-Later']);", ['with trailers undefined']],
  ['interim responses', "const r = http.get(U + '/hints'); console.log(r.status, r.body, r.headers['Link']);", ['200 after hints undefined']],
  ['push is refused', "console.log(http.get(U + '/push').body);", ['ERR_HTTP2_PUSH_DISABLED']],
  ['204 and statuses without a name', "const a = http.get(U + '/status/204'), b = http.get(U + '/status/599'); console.log(a.body, a.status_text, b.status_text, b.error_code);", ['null 204 No Content 599  1599']],
  ['a header that is HTTP/1.1\'s alone', "show(http.get(U, { headers: { Connection: 'Upgrade' } }));", ['0 1000 invalid Connection request header: ["Upgrade"] null']],
];
for (const [name, script, lines] of odd)
  test(`fine: ${name}`, async () => {
    const r = await run(script);
    assert.deepEqual(r.lines, lines, r.err);
  });

test('GODEBUG=http2client=0 is HTTP/1.1', async () => {
  const r = await run("console.log(http.get(U).proto);", { more: { GODEBUG: 'x=1,http2client=0' } });
  assert.deepEqual(r.lines, ['HTTP/1.1']);
});

test('noConnectionReuse and noVUConnectionReuse', async () => {
  await run("http.get(U); http.get(U); http.batch([U, U]);", { options: { noConnectionReuse: true } });
  assert.equal(sessions.length, 4);
  await run("http.get(U); http.get(U);", { options: { noVUConnectionReuse: true, iterations: 2 } });
  assert.equal(sessions.length, 2);
  await run("http.get(U); http.get(U);", { options: { iterations: 2 } });
  assert.equal(sessions.length, 1);
});

test('tags and httpDebug say HTTP/2', async () => {
  const r = await run("http.get(U + '/x');", { args: ['--http-debug'], options: { thresholds: { 'http_reqs{proto:HTTP/2.0,tls_version:tls1.3}': ['count==1'] } } });
  assert.equal(r.code, 0, r.err + r.out);
  assert.match(r.err, /Request:\\nGET \/x HTTP\/1\.1\\nHost: localhost/);
  assert.match(r.err, /Response:\\nHTTP\/2\.0 200 OK\\n/);
});

// ---- ends that are no answer -----------------------------------------------------------------------

const ends = [
  ['/reset/8', 1639, 'http2: stream error with http2 ErrCode CANCEL', 'stream error: stream ID 1; CANCEL; received from peer'],
  ['/reset/2', 1633, 'http2: stream error with http2 ErrCode INTERNAL_ERROR', 'stream error: stream ID 1; INTERNAL_ERROR; received from peer'],
  ['/reset/11', 1642, 'http2: stream error with http2 ErrCode ENHANCE_YOUR_CALM', 'stream error: stream ID 1; ENHANCE_YOUR_CALM; received from peer'],
  ['/reset/13', 1644, 'http2: stream error with http2 ErrCode HTTP_1_1_REQUIRED', 'stream error: stream ID 1; HTTP_1_1_REQUIRED; received from peer'],
  ['/goaway/0', 1611, 'http2: received GoAway with http2 ErrCode NO_ERROR', 'http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR, debug=""'],
  ['/goaway/11', 1622, 'http2: received GoAway with http2 ErrCode ENHANCE_YOUR_CALM', 'http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=ENHANCE_YOUR_CALM, debug=""'],
];
for (const [path, code, text, long] of ends)
  test(`error: ${path}`, async () => {
    const r = await run(`show(http.get(U + '${path}')); show(http.get(U + '/big/1'));`);
    assert.deepEqual(r.lines, [`0 ${code} ${text} null`, '200 0  x'], r.err);
    assert.deepEqual(r.warnings, [`Get "${U}${path}": ${long}`]);
  });

test('a reset within the body leaves what came', async () => {
  const r = await run("show(http.get(U + '/reset-in-body'));");
  assert.deepEqual(r.lines, ['0 1633 http2: stream error with http2 ErrCode INTERNAL_ERROR part'], r.err);
});

test('time-outs leave the connection to the others', async () => {
  const r = await run("const [a, b] = http.batch([['GET', U + '/never', null, { timeout: 100 }], U + '/slow', U + '/big/1']); show(a); show(b); show(http.get(U + '/big/1'));");
  assert.deepEqual(r.lines, ['0 1050 request timeout null', '200 0  slow', '200 0  x'], r.err);
  assert.equal(sessions.length, 1);
});

test('Ctrl-C ends requests under way', async () => {
  sessions = [];
  requests = [];
  writeFileSync(join(dir, 'never.js'), `import http from 'k6/http'; export const options = { insecureSkipTLSVerify: true, batchPerHost: 10 };
    export default () => { http.batch(Array(5).fill('${U}/never').concat(['${U}/big/1'])); console.log('no'); };`);
  const p = spawn(spate, ['run', '-q', 'never.js'], { cwd: dir, env: { PATH: process.env.PATH, HOME: dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' } });
  let err = '';
  p.stderr.on('data', (d) => { err += d; });
  const deadline = Date.now() + 20_000;
  while (requests.length < 6 && Date.now() < deadline) await new Promise((ok) => setTimeout(ok, 5));
  p.kill('SIGINT');
  const code = await new Promise((ok) => p.on('close', ok));
  assert.equal(code, 105, err);
  assert.doesNotMatch(err, /Request Failed|msg=no|Sanitizer/);
});

// ---- peers that don't play by the rules: frames by hand ----------------------------------------------

const frame = (type, flags, id, payload = Buffer.alloc(0)) => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
};
const SETTINGS = frame(4, 0, 0);
const setting = (id, value) => { const b = Buffer.alloc(6); b.writeUInt16BE(id, 0); b.writeUInt32BE(value, 2); return frame(4, 0, 0, b); };
const OK = Buffer.from([0x88]); // :status 200
const literal = (name, value) => Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
const goaway = (last, code) => frame(7, 0, 0, Buffer.concat([u32(last), u32(code)]));

// A server that says `say(id, socket, n)` to the n-th HEADERS of a connection, n from 0; `connection` counts from 0.
async function peer(say, fn) {
  let connections = 0;
  const sockets = [];
  const s = tls.createServer({ key, cert, ALPNProtocols: ['h2'] }, (socket) => {
    const connection = connections++;
    sockets.push(socket);
    let got = Buffer.alloc(0);
    let n = 0;
    let preface = true;
    socket.on('error', () => {});
    socket.on('data', (d) => {
      got = Buffer.concat([got, d]);
      if (preface && got.length >= 24) { got = got.subarray(24); preface = false; }
      while (!preface && got.length >= 9 && got.length >= 9 + got.readUIntBE(0, 3)) {
        const len = got.readUIntBE(0, 3);
        if (got[3] === 1) say(got.readUInt32BE(5), socket, n++, connection);
        got = got.subarray(9 + len);
      }
    });
  });
  await new Promise((ok) => s.listen(0, '127.0.0.1', ok));
  try {
    return await fn(`https://localhost:${s.address().port}`, () => connections);
  } finally {
    for (const socket of sockets) socket.destroy();
    s.close();
  }
}
const whole = (id) => Buffer.concat([frame(1, 4, id, OK), frame(0, 1, id, Buffer.from('fine'))]);

const hostile = [
  ['frames before SETTINGS', (id, s) => s.write(whole(id)), '0 1652 http2: connection error with http2 ErrCode PROTOCOL_ERROR null'],
  ['a frame that is too large', (id, s) => s.write(Buffer.concat([SETTINGS, frame(0, 0, id, Buffer.alloc(20000))])), '0 1000 http2: frame too large null'],
  ['a PING that is too short', (id, s) => s.write(Buffer.concat([SETTINGS, frame(6, 0, 0, Buffer.alloc(7))])), '0 1657 http2: connection error with http2 ErrCode FRAME_SIZE_ERROR null'],
  ['no HPACK at all', (id, s) => s.write(Buffer.concat([SETTINGS, frame(1, 5, id, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]))])), '0 1660 http2: connection error with http2 ErrCode COMPRESSION_ERROR null'],
  ['a head without a status', (id, s) => s.write(Buffer.concat([SETTINGS, frame(1, 5, id, literal('x', 'y'))])), '0 1632 http2: stream error with http2 ErrCode PROTOCOL_ERROR null'],
  ['a name in capitals', (id, s) => s.write(Buffer.concat([SETTINGS, frame(1, 5, id, Buffer.concat([OK, literal('X', 'y')]))])), '0 1632 http2: stream error with http2 ErrCode PROTOCOL_ERROR null'],
  ['less than Content-Length', (id, s) => s.write(Buffer.concat([SETTINGS, frame(1, 4, id, Buffer.concat([OK, literal('content-length', '9')])), frame(0, 1, id, Buffer.from('four'))])), '0 1000 unexpected EOF four'],
  ['more than Content-Length', (id, s) => s.write(Buffer.concat([SETTINGS, frame(1, 4, id, Buffer.concat([OK, literal('content-length', '3')])), frame(0, 1, id, Buffer.from('four'))])), /^0 1000 net\/http: server replied with more than declared Content-Length; truncated /],
  ['a push', (id, s) => s.write(Buffer.concat([SETTINGS, frame(5, 4, id, Buffer.concat([u32(2), OK]))])), '0 1652 http2: connection error with http2 ErrCode PROTOCOL_ERROR null'],
  ['GOAWAY at once', (id, s) => s.write(Buffer.concat([SETTINGS, goaway(0, 11)])), '0 1000 http2: Transport received GOAWAY from server ErrCode:ENHANCE_YOUR_CALM null'],
  ['a code that has no name', (id, s) => s.write(Buffer.concat([SETTINGS, frame(3, 0, id, u32(0x2a))])), '0 1630 http2: stream error with http2 ErrCode unknown error code 0x2a null'],
  ['hanging up in the body', (id, s) => s.end(Buffer.concat([SETTINGS, frame(1, 4, id, OK), frame(0, 0, id, Buffer.from('four'))])), '0 1000 unexpected EOF four'],
  ['a flood of CONTINUATION', (id, s) => { s.write(Buffer.concat([SETTINGS, frame(1, 0, id, OK)])); for (let i = 0; i < 500; i++) s.write(frame(9, 0, id, literal('x', 'y'))); }, /^0 16\d\d http2: connection error/],
  ['a head without end', (id, s) => { const field = literal('x'.repeat(100), 'y'.repeat(120)); s.write(SETTINGS); const b = Buffer.concat(Array(70).fill(field)); s.write(frame(1, 0, id, OK)); for (let i = 0; i < 62; i++) s.write(frame(9, 0, id, b)); for (let i = 0; i < 62; i++) s.write(frame(9, i === 61 ? 4 : 0, id, b)); }, /^0 16\d\d http2: /],
  ['pings that nobody asked for', (id, s) => { const b = Buffer.concat(Array(900).fill(frame(6, 0, 0, Buffer.alloc(8)))); s.write(SETTINGS); for (let i = 0; i < 20; i++) s.write(b); s.write(whole(id)); }, /^200 0 {2}fine|^0 16/],
  ['pings without end', (id, s) => { const b = Buffer.concat(Array(900).fill(frame(6, 0, 0, Buffer.alloc(8)))); s.write(SETTINGS); const on = () => { if (s.destroyed) return; s.write(b); setImmediate(on); }; on(); }, /^0 (1050 request timeout|16\d\d http2: connection error)/, "show(http.get(U, { timeout: 500 }));"],
  ['data without end', (id, s) => { const b = frame(0, 0, id, Buffer.alloc(16384)); s.write(Buffer.concat([SETTINGS, frame(1, 4, id, OK)])); const on = () => { if (s.destroyed) return; if (s.writableLength < 1e6) s.write(b); setImmediate(on); }; on(); }, '0 1050 request timeout null', "show(http.get(U, { timeout: 500, responseType: 'none' }));"],
  ['a window of nothing', (id, s) => s.write(setting(4, 0)), '0 1050 request timeout null', "show(http.post(U, 'x'.repeat(100000), { timeout: 300 }));"],
  ['no streams at all', (id, s) => s.write(setting(3, 0)), '0 1050 request timeout null', "show(http.get(U, { timeout: 300 }));"],
];
for (const [name, say, line, script = 'show(http.get(U));'] of hostile)
  test(`hostile: ${name}`, async () => {
    const r = await peer(say, (url) => run(script, { url }));
    assert.equal(r.code, 0, r.err);
    assert.equal(r.lines.length, 1, r.err);
    if (line instanceof RegExp) assert.match(r.lines[0], line);
    else assert.equal(r.lines[0], line, r.err);
  });

test('what the peer refused is sent again', async () => {
  const refuse = (id, s, n) => s.write(n === 0 ? Buffer.concat([SETTINGS, frame(3, 0, id, u32(7))]) : whole(id));
  await peer(refuse, async (url, connections) => {
    const r = await run("show(http.post(U, 'again'));", { url });
    assert.deepEqual(r.lines, ['200 0  fine'], r.err);
    assert.equal(connections(), 1);
    assert.match(r.out, /http_reqs\.+: 1 /);
  });
});

test('what came behind GOAWAY goes over another connection', async () => {
  const leave = (id, s, n, connection) => s.write(Buffer.concat([n === 0 ? SETTINGS : Buffer.alloc(0), connection === 0 && n === 1 ? goaway(1, 0) : whole(id)]));
  await peer(leave, async (url, connections) => {
    const r = await run("show(http.get(U)); show(http.get(U)); show(http.get(U));", { url });
    assert.deepEqual(r.lines, Array(3).fill('200 0  fine'), r.err);
    assert.equal(connections(), 2);
  });
});

test('an idle connection that the peer closed is not used', async () => {
  const close = (id, s, n) => { s.write(Buffer.concat([n === 0 ? SETTINGS : Buffer.alloc(0), whole(id)])); s.end(); };
  await peer(close, async (url, connections) => {
    const r = await run("show(http.get(U)); await new Promise((ok) => setTimeout(ok, 100)); show(http.get(U));", { url });
    assert.deepEqual(r.lines, Array(2).fill('200 0  fine'), r.err);
    assert.equal(connections(), 2);
  });
});

test('more requests than the peer takes at once go over a second connection', async () => {
  const held = [];
  const one = (id, s, n) => {
    if (n === 0) s.write(setting(3, 1));
    held.push(() => s.write(whole(id)));
    setTimeout(() => { while (held.length) held.shift()(); }, 50);
  };
  await peer(one, async (url, connections) => {
    const r = await run("show(http.get(U)); for (const x of http.batch([U, U, U])) show(x);", { url });
    assert.deepEqual(r.lines, Array(4).fill('200 0  fine'), r.err);
    assert.ok(connections() >= 2);
  });
});
