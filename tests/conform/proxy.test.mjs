// also: asan
// HTTP_PROXY, HTTPS_PROXY, NO_PROXY: which requests take a proxy, what is said to it, and what its
// refusals are called.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
const dir = mkdtempSync(join(tmpdir(), 'spate-proxy-'));
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'key.pem', '-out', 'cert.pem',
  '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,DNS:web.test,IP:127.0.0.1'], { cwd: dir, stdio: 'ignore' });
const key = readFileSync(join(dir, 'key.pem'));
const cert = readFileSync(join(dir, 'cert.pem'));

let plain; // servers
let secure;
let proxies; // { http, https, socks }: ports
let heard; // what the proxies were told, a line each
const servers = [];
let onMute = () => {};

async function listen(server) {
  servers.push(server);
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  return server.address().port;
}

// Whatever the name, it is this machine.
const through = (port, socket, hello) => {
  const to = net.connect(port, '127.0.0.1', () => { socket.write(hello); socket.pipe(to).pipe(socket); });
  to.on('error', () => socket.destroy());
  socket.on('error', () => to.destroy());
};

function httpProxy(make, name) {
  const s = make((req, res) => {
    heard.push(`${name} ${req.method} ${req.url} host=${req.headers.host} auth=${req.headers['proxy-authorization'] ?? ''}`);
    if (req.url.includes('/refused')) { res.statusCode = 403; return res.end('no'); }
    const to = http.request(req.url.replace(/^http:\/\/[^/:]+/, 'http://127.0.0.1'), { method: req.method }, (r) => { res.writeHead(r.statusCode, r.headers); r.pipe(res); });
    return req.pipe(to);
  });
  s.on('connect', (req, socket) => {
    heard.push(`${name} CONNECT ${req.url} host=${req.headers.host} auth=${req.headers['proxy-authorization'] ?? ''}`);
    if (req.url.startsWith('refused.test')) return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    if (req.url.startsWith('odd.test')) return socket.end('what?\r\n\r\n');
    if (req.url.startsWith('gone.test')) return socket.end();
    if (req.url.startsWith('mute.test')) return onMute();
    return through(Number(req.url.split(':')[1]), socket, 'HTTP/1.1 200 Connection established\r\n\r\n');
  });
  return s;
}

function socksProxy() {
  return net.createServer((socket) => {
    let step = 0;
    socket.on('error', () => {});
    const on = (d) => {
      if (step === 0) {
        const password = d.subarray(2).includes(2);
        step = password ? 1 : 2;
        socket.write(Buffer.from([5, password ? 2 : 0]));
      } else if (step === 1) {
        heard.push(`socks user=${d.subarray(2, 2 + d[1])} password=${d.subarray(3 + d[1])}`);
        step = 2;
        socket.write(Buffer.from([1, 0]));
      } else {
        const name = d[3] === 3 ? d.subarray(5, 5 + d[4]).toString() : d.subarray(4, 8).join('.');
        const port = d.readUInt16BE(d.length - 2);
        heard.push(`socks ${name}:${port === plain ? 'plain' : port === secure ? 'secure' : port}`);
        socket.removeListener('data', on);
        if (name === 'refused.test') return socket.end(Buffer.from([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]));
        through(port, socket, Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
      }
      return undefined;
    };
    socket.on('data', on);
  });
}

before(async () => {
  plain = await listen(http.createServer((req, res) => res.end(`${req.method} ${req.url} ${req.headers.host}`)));
  const s = http2.createSecureServer({ key, cert, allowHTTP1: true });
  s.on('request', (req, res) => res.end(`${req.httpVersion} ${req.url}`));
  secure = await listen(s);
  proxies = {
    http: await listen(httpProxy((fn) => http.createServer(fn), 'http')),
    https: await listen(httpProxy((fn) => {
      const inner = http.createServer(fn);
      const outer = tls.createServer({ key, cert }, (socket) => inner.emit('connection', socket));
      outer.on('connect', () => {});
      inner.on('connect', (...a) => outer.emit('connect', ...a));
      return outer;
    }, 'https')),
    socks: await listen(socksProxy()),
  };
});
after(() => {
  for (const s of servers) { s.closeAllConnections?.(); s.close(); }
  rmSync(dir, { recursive: true, force: true });
});

function run(body, more, options = {}) {
  heard = [];
  writeFileSync(join(dir, 'script.js'), `import http from 'k6/http';
    export const options = ${JSON.stringify({ insecureSkipTLSVerify: true, hosts: { 'direct.test': '127.0.0.1' }, ...options })};
    const P = ${plain}, S = ${secure}; const show = (r) => console.log(r.status, r.error_code, r.error, r.body === null ? 'null' : r.body);
    export default function () { ${body} }`);
  const p = spawn(spate, ['run', 'script.js'], { cwd: dir, env: { PATH: process.env.PATH, HOME: dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', ...more } });
  let out = '';
  let err = '';
  p.stdout.on('data', (d) => { out += d; });
  p.stderr.on('data', (d) => { err += d; });
  return new Promise((ok) => p.on('close', (code) => ok({ code, out, err, lines: [...err.matchAll(/level=info msg=("(?:[^"\\]|\\.)*"|\S*) source=console/g)].map(([, m]) => (m[0] === '"' ? JSON.parse(m) : m)) })));
}
const H = () => `http://127.0.0.1:${proxies.http}`;
const told = () => heard.map((h) => h.replaceAll(plain, 'P').replaceAll(secure, 'S'));

test('plain HTTP: the proxy is told the whole URL', async () => {
  const r = await run("show(http.get('http://web.test:' + P + '/a?b#c')); show(http.post('http://web.test:' + P + '/p', 'x', { headers: { Host: 'other.test:' + P } })); console.log(http.get('http://other.test:' + P).timings.connecting === 0, http.get('http://web.test:' + P).remote_port);", { HTTP_PROXY: `http://joe:a%20b@127.0.0.1:${proxies.http}` });
  assert.deepEqual(r.lines.map((l) => l.replaceAll(plain, 'P').replaceAll(proxies.http, 'X')), ['200 0  GET /a?b 127.0.0.1:P', '200 0  POST /p 127.0.0.1:P', 'true X'], r.err);
  const auth = `auth=Basic ${Buffer.from('joe:a b').toString('base64')}`;
  assert.deepEqual(told().slice(0, 2), [`http GET http://web.test:P/a?b host=web.test:P ${auth}`, `http POST http://other.test:P/p host=other.test:P ${auth}`]);
});

test('HTTPS: CONNECT, and HTTP/2 behind it', async () => {
  const r = await run("show(http.get('https://web.test:' + S + '/a')); show(http.get('https://web.test:' + S + '/b')); show(http.get('http://direct.test:' + P));", { https_proxy: `127.0.0.1:${proxies.http}` });
  assert.deepEqual(r.lines.map((l) => l.replaceAll(plain, 'P')), ['200 0  2.0 /a', '200 0  2.0 /b', '200 0  GET / direct.test:P'], r.err);
  assert.deepEqual(told(), ['http CONNECT web.test:S host=web.test:S auth=']);
});

test('a proxy that is spoken to over TLS', async () => {
  const X = `https://127.0.0.1:${proxies.https}`;
  const r = await run("show(http.get('https://web.test:' + S + '/a')); show(http.get('http://web.test:' + P + '/x')); show(http.get('https://web.test:' + S + '/' + 'y'.repeat(100)));", { HTTPS_PROXY: X, HTTP_PROXY: X });
  assert.deepEqual(r.lines.map((l) => l.replaceAll(plain, 'P')), ['200 0  2.0 /a', '200 0  GET /x 127.0.0.1:P', `200 0  2.0 /${'y'.repeat(100)}`], r.err);
  assert.deepEqual(told(), ['https CONNECT web.test:S host=web.test:S auth=', 'https GET http://web.test:P/x host=web.test:P auth=']);
});

test('SOCKS5', async () => {
  const X = `socks5://joe:secret@127.0.0.1:${proxies.socks}`;
  const r = await run("show(http.get('https://web.test:' + S + '/a')); show(http.get('http://web.test:' + P + '/x')); show(http.get('http://10.1.1.1:' + P + '/y')); show(http.get('http://refused.test:' + P));", { HTTPS_PROXY: X, HTTP_PROXY: X });
  assert.deepEqual(r.lines.map((l) => l.replaceAll(plain, 'P').replaceAll(proxies.socks, 'X')), ['200 0  2.0 /a', '200 0  GET /x web.test:P', '200 0  GET /y 10.1.1.1:P',
    '0 1200 socks connect tcp 127.0.0.1:X->refused.test:P: unknown error connection refused null'], r.err);
  assert.deepEqual(told().filter((l) => !l.includes('user=')), ['socks web.test:secure', 'socks web.test:plain', 'socks 10.1.1.1:plain', 'socks refused.test:plain']);
  assert.equal(told()[0], 'socks user=joe password=secret');
});

test('loopback takes no proxy', async () => {
  const r = await run("show(http.get('http://127.0.0.1:' + P)); show(http.get('http://localhost:' + P)); show(http.get('https://localhost:' + S));", { HTTP_PROXY: 'http://127.0.0.1:1', HTTPS_PROXY: 'http://127.0.0.1:1' });
  assert.deepEqual(r.lines.map((l) => l.split(' ')[0]), ['200', '200', '200'], r.err);
  assert.deepEqual(told(), []);
});

// NO_PROXY, and whether direct.test or 10.1.1.1 then take the proxy
const exceptions = [
  ['', true], ['*', false], ['direct.test', false], ['DIRECT.test', false], ['test', false], ['.test', false], ['*.test', false], ['.direct.test', true],
  ['rect.test', true], ['other.test, direct.test ', false], ['direct.test:1', true], ['direct.test:$P', false], ['10.0.0.0/8', true],
];
test('NO_PROXY: names', async () => {
  for (const [no, proxied] of exceptions) {
    const r = await run("show(http.get('http://direct.test:' + P));", { HTTP_PROXY: H(), no_proxy: no.replace('$P', plain) });
    assert.equal(r.lines[0]?.slice(0, 3), '200', `${no}: ${r.err}`);
    assert.equal(heard.length > 0, proxied, no);
  }
});
test('NO_PROXY: addresses', async () => {
  for (const [no, proxied] of [['10.0.0.0/8', false], ['10.1.1.1', false], ['10.1.1.1:$P', false], ['10.1.1.1:1', true], ['10.1.1.2', true], ['10.1.1.0/31', false], ['192.168.0.0/16,fe80::/10', true], ['::1', true]]) {
    const r = await run("show(http.get('http://10.1.1.1:' + P, { timeout: 200 }));", { HTTP_PROXY: `socks5://127.0.0.1:${proxies.socks}`, NO_PROXY: no.replace('$P', plain) }, { blacklistIPs: ['10.0.0.0/8'] });
    assert.equal(r.lines[0]?.split(' ')[1], proxied ? '0' : '1110', `${no}: ${r.err}`);
  }
});

const errors = [
  ['no proxy there', "show(http.get('http://web.test'));", { HTTP_PROXY: 'http://127.0.0.1:1' }, '0 1200 proxyconnect tcp: dial tcp 127.0.0.1:1: connect: connection refused null'],
  ['no proxy there, CONNECT', "show(http.get('https://web.test'));", { HTTPS_PROXY: 'http://127.0.0.1:1' }, '0 1200 proxyconnect tcp: dial tcp 127.0.0.1:1: connect: connection refused null'],
  ['CONNECT refused', "show(http.get('https://refused.test'));", { HTTPS_PROXY: '$H' }, '0 1000 Proxy Authentication Required null'],
  ['no answer to CONNECT', "show(http.get('https://gone.test'));", { HTTPS_PROXY: '$H' }, '0 1000 unexpected EOF null'],
  ['nonsense for CONNECT', "show(http.get('https://odd.test'));", { HTTPS_PROXY: '$H' }, '0 1000 malformed HTTP response "what?" null'],
  ['the proxy refuses', "show(http.get('http://web.test:' + P + '/refused'));", { HTTP_PROXY: '$H' }, '403 1403  no'],
  ['a proxy that is blacklisted', "show(http.get('http://web.test'));", { HTTP_PROXY: 'http://10.9.9.9' }, '0 1200 proxyconnect tcp: IP (10.9.9.9) is in a blacklisted range (10.9.0.0/16) null'],
];
for (const [name, script, env, line] of errors)
  test(`error: ${name}`, async () => {
    const more = Object.fromEntries(Object.entries(env).map(([k, v]) => [k, v.replace('$H', H())]));
    const r = await run(script, more, { blacklistIPs: ['10.9.0.0/16'] });
    assert.deepEqual(r.lines, [line], r.err);
  });

test('Ctrl-C while the proxy is silent', async () => {
  writeFileSync(join(dir, 'mute.js'), "import http from 'k6/http'; export default () => { http.get('https://mute.test/'); console.log('no'); };");
  const p = spawn(spate, ['run', '-q', 'mute.js'], { cwd: dir, env: { PATH: process.env.PATH, HOME: dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', HTTPS_PROXY: H() } });
  let err = '';
  let asked;
  p.stderr.on('data', (d) => { err += d; });
  onMute = () => { asked = Date.now(); p.kill('SIGINT'); };
  const code = await new Promise((ok) => p.on('close', ok));
  assert.equal(code, 105, err);
  assert.ok(Date.now() - asked < 3000);
  assert.doesNotMatch(err, /Request Failed|msg=no|Sanitizer/);
});

test('a scheme that no proxy has is said before the run', async () => {
  const r = await run('', { HTTP_PROXY: 'ftp://127.0.0.1:1' });
  assert.equal(r.code, 104);
  assert.match(r.err, /HTTP_PROXY: a proxy is spoken to by http, https or socks5, not by ftp/);
});
