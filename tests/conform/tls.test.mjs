// also: asan
// What scripts may say of TLS, what responses say of it, and what goes wrong is called.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
const dir = mkdtempSync(join(tmpdir(), 'spate-tls-'));
const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'pipe', 'ignore'] });
const pem = (name) => readFileSync(join(dir, name), 'utf8');

// Certificates: an authority, what it has signed, and what it hasn't.
function issue(name, kind, extra, days = '2', issuer = 'ca') {
  const key = kind === 'rsa' ? ['-newkey', 'rsa:2048'] : ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  openssl('req', ...key, '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
  writeFileSync(join(dir, `${name}.ext`), extra);
  openssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`, '-CAcreateserial', '-days', days, '-out', `${name}.pem`, '-extfile', `${name}.ext`);
}
function authority(name) {
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.pem`, '-days', '2', '-subj', `/CN=${name}`);
}
authority('ca');
authority('ca2');
issue('web', 'ec', 'subjectAltName=DNS:localhost,DNS:good.test,DNS:*.wild.test,IP:127.0.0.1');
issue('webrsa', 'rsa', 'subjectAltName=DNS:localhost,IP:127.0.0.1');
issue('old', 'ec', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-1');
issue('nameless', 'ec', 'basicConstraints=CA:FALSE');
issue('client', 'ec', 'extendedKeyUsage=clientAuth');
issue('client2', 'ec', 'extendedKeyUsage=clientAuth', '2', 'ca2');
openssl('ec', '-in', 'client.key', '-aes128', '-passout', 'pass:secret', '-out', 'client.enc');
openssl('ocsp', '-issuer', 'ca.pem', '-cert', 'web.pem', '-reqout', 'ocsp.req');
const index = (state) => {
  const serial = openssl('x509', '-in', 'web.pem', '-noout', '-serial').toString().trim().split('=')[1];
  writeFileSync(join(dir, 'index.txt'), `${state === 'V' ? 'V\t491231235959Z\t' : 'R\t491231235959Z\t250101000000Z,keyCompromise'}\t${serial}\tunknown\t/CN=web\n`);
  openssl('ocsp', '-index', 'index.txt', '-rsigner', 'ca.pem', '-rkey', 'ca.key', '-CA', 'ca.pem', '-reqin', 'ocsp.req', '-respout', `ocsp-${state}.der`, '-ndays', '1');
  return readFileSync(join(dir, `ocsp-${state}.der`));
};
const stapled = { V: index('V'), R: index('R') };

const ports = {};
const servers = [];
async function serve(name, options) {
  const s = https.createServer(options, (req, res) => {
    const say = () => res.end(`${req.socket.getProtocol()} ${req.socket.getCipher().standardName} ${req.socket.getPeerCertificate().subject?.CN ?? '-'} ${req.socket.servername}`);
    if (options.renegotiate) req.socket.renegotiate({ requestCert: true, rejectUnauthorized: false }, say);
    else say();
  });
  s.on('tlsClientError', () => {});
  s.on('error', () => {});
  s.on('OCSPRequest', (cert, issuer, done) => done(null, stapled[options.staple] ?? null));
  servers.push(s);
  await new Promise((ok) => s.listen(0, '127.0.0.1', ok));
  ports[name] = s.address().port;
}
const of = (name) => ({ key: pem(`${name}.key`), cert: pem(`${name}.pem`) });

before(async () => {
  await serve('web', { ...of('web'), ALPNProtocols: ['http/1.1'] });
  await serve('tls12', { ...of('web'), maxVersion: 'TLSv1.2' });
  await serve('rsa12', { ...of('webrsa'), maxVersion: 'TLSv1.2', honorCipherOrder: false });
  await serve('tls13', { ...of('web'), minVersion: 'TLSv1.3' });
  await serve('tls11', { ...of('web'), minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
  await serve('cbc', { ...of('web'), maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' });
  await serve('old', of('old'));
  await serve('nameless', of('nameless'));
  await serve('asks', { ...of('web'), requestCert: true, rejectUnauthorized: false });
  await serve('wants', { ...of('web'), requestCert: true, rejectUnauthorized: true, ca: pem('ca.pem') });
  await serve('wants12', { ...of('web'), requestCert: true, rejectUnauthorized: true, ca: pem('ca.pem'), maxVersion: 'TLSv1.2' });
  await serve('later', { ...of('web'), maxVersion: 'TLSv1.2', renegotiate: true });
  await serve('either', { ...of('web'), requestCert: true, rejectUnauthorized: true, ca: [pem('ca.pem'), pem('ca2.pem')] });
  await serve('good', { ...of('web'), staple: 'V' });
  await serve('revoked', { ...of('web'), staple: 'R' });
  await serve('h2only', { ...of('web'), ALPNProtocols: ['spdy/3'] });
  const plain = http.createServer((req, res) => res.end());
  const reset = net.createServer((s) => { s.on('error', () => {}); s.on('data', () => s.resetAndDestroy()); });
  const gone = net.createServer((s) => { s.on('error', () => {}); s.on('data', () => s.end()); });
  const dumb = net.createServer((s) => s.on('error', () => {}));
  for (const [name, s] of Object.entries({ plain, reset, gone, dumb })) {
    servers.push(s);
    await new Promise((ok) => s.listen(0, '127.0.0.1', ok));
    ports[name] = s.address().port;
  }
});
after(() => {
  for (const s of servers) { s.closeAllConnections?.(); s.close(); }
  rmSync(dir, { recursive: true, force: true });
});

function run(body, options = {}, { more = {}, args = [] } = {}) {
  writeFileSync(join(dir, 'script.js'), `import http from 'k6/http'; const p = ${JSON.stringify(ports)};
    export const options = Object.assign({ hosts: { 'good.test': '127.0.0.1', 'a.wild.test': '127.0.0.1', 'bad.test': '127.0.0.1' } }, ${JSON.stringify(options)});
    const at = (name, host = 'localhost') => 'https://' + host + ':' + p[name] + '/';
    const show = (r) => console.log(r.status, r.error_code, r.error, r.body === null ? 'null' : r.body);
    export default function () { ${body} }`);
  const env = { PATH: process.env.PATH, HOME: dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', SSL_CERT_FILE: join(dir, 'ca.pem'), ...more };
  const p = spawn(spate, ['run', ...args, 'script.js'], { cwd: dir, env });
  let out = '';
  let err = '';
  p.stdout.on('data', (d) => { out += d; });
  p.stderr.on('data', (d) => { err += d; });
  const strings = (re) => [...err.matchAll(re)].map(([, m]) => (m[0] === '"' ? JSON.parse(m) : m));
  return new Promise((ok) => p.on('close', (code) => ok({
    code, out, err, lines: strings(/level=info msg=("(?:[^"\\]|\\.)*"|\S*) source=console/g), warnings: strings(/msg="Request Failed" error=("(?:[^"\\]|\\.)*"|\S*)/g),
  })));
}

// ---- what works ------------------------------------------------------------------------------------

const SUITES = ['TLS_RSA_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305'];
const works = [
  ['versions and suites by name', "const a = http.get(at('web')), b = http.get(at('tls12')), c = http.get('http://127.0.0.1:' + p.plain); console.log(a.tls_version, a.tls_cipher_suite, b.tls_version, b.body.split(' ')[0], '[' + c.tls_version + c.tls_cipher_suite + ']');",
    {}, ['tls1.3 TLS_AES_128_GCM_SHA256 tls1.2 TLSv1.2 []', 'tls1.3 TLS_AES_256_GCM_SHA384 tls1.2 TLSv1.2 []']],
  ['tlsVersion', "console.log(http.get(at('web')).tls_version);", { tlsVersion: 'tls1.2' }, ['tls1.2']],
  ['tlsVersion, min and max', "console.log(http.get(at('tls12')).tls_version, http.get(at('web')).tls_version);", { tlsVersion: { min: 'tls1.2', max: 'tls1.3' } }, ['tls1.2 tls1.3']],
  ['an old version, asked for', "console.log(http.get(at('tls11')).tls_version);", { tlsVersion: { min: 'tls1.0', max: 'tls1.2' } }, ['tls1.1']],
  ['names: wildcard, address, SNI', "console.log(http.get(at('web', 'good.test')).body.split(' ').pop(), http.get(at('web', 'a.wild.test')).status, http.get(at('web', '127.0.0.1')).body.split(' ').pop());", {}, ['good.test 200 false']],
  ['insecureSkipTLSVerify', "console.log(http.get(at('old')).status, http.get(at('web', 'bad.test')).status, http.get(at('nameless')).status);", { insecureSkipTLSVerify: true }, ['200 200 200']],
  ...SUITES.map((suite) => [`tlsCipherSuites: ${suite}`, "console.log(http.get(at('rsa12')).tls_cipher_suite);", { tlsCipherSuites: [suite] }, [suite]]),
  ['tlsCipherSuites of TLS 1.3 only', "console.log(http.get(at('tls13')).tls_version, http.get(at('tls12')).status);", { tlsCipherSuites: ['TLS_AES_128_GCM_SHA256'] }, ['tls1.3 0']],
  ['no certificate where none is wanted', "console.log(http.get(at('asks')).body.split(' ')[2]);", {}, ['-']],
];
for (const [name, script, options, lines] of works)
  test(`works: ${name}`, async () => {
    const r = await run(script, options);
    assert.ok(lines.includes(r.lines[0]), `${r.lines[0]}\n${r.err}`);
  });

test('tlsAuth', async () => {
  const mine = { cert: pem('client.pem'), key: pem('client.key') };
  const locked = { cert: pem('client.pem'), key: pem('client.enc'), password: 'secret', domains: ['localhost'] };
  const other = { cert: pem('client2.pem'), key: pem('client2.key') };
  const show = "console.log(http.get(at('wants')).body?.split(' ')[2], http.get(at('wants12')).body?.split(' ')[2], http.get(at('asks')).body?.split(' ')[2]);";
  assert.deepEqual((await run(show, { tlsAuth: [mine] })).lines, ['client client client']);
  assert.deepEqual((await run(show, { tlsAuth: [locked] })).lines, ['client client client']);
  // The server says which authorities it takes; a domain doesn't keep one away that fits.
  assert.deepEqual((await run(show, { tlsAuth: [other, mine] })).lines, ['client client client2']);
  assert.deepEqual((await run(show, { tlsAuth: [{ ...mine, domains: ['elsewhere.test'] }] })).lines, ['client client client']);
});

test('tlsAuth: asked for when the request is there', async () => {
  const r = await run("console.log(http.get(at('later')).body.split(' ')[2]);", { tlsAuth: [{ cert: pem('client.pem'), key: pem('client.key') }] });
  assert.deepEqual(r.lines, ['client'], r.err);
});

test('tlsAuth: the one that is meant for the host comes first', { skip: /k6/.test(spate) }, async () => {
  const auth = [{ cert: pem('client2.pem'), key: pem('client2.key'), domains: ['*.test'] }, { cert: pem('client.pem'), key: pem('client.key'), domains: ['*.wild.test', 'localhost'] }];
  const r = await run("console.log(http.get(at('either', 'a.wild.test')).body.split(' ')[2], http.get(at('either', 'good.test')).body.split(' ')[2], http.get(at('either')).body.split(' ')[2]);", { tlsAuth: auth });
  assert.deepEqual(r.lines, ['client2 client2 client'], r.err);
});

test('stapled answers', async () => {
  const r = await run("for (const n of ['good', 'revoked', 'web']) { const o = http.get(at(n)).ocsp; console.log(o.status, o.revocation_reason || '-', o.revoked_at, o.produced_at > 1.7e9, o.next_update - o.this_update); } console.log(JSON.stringify(http.get('http://127.0.0.1:' + p.plain).ocsp));",
    { systemTags: ['ocsp_status', 'url'], thresholds: { 'http_reqs{ocsp_status:good}': ['count==1'], 'http_reqs{ocsp_status:revoked}': ['count==1'], 'http_reqs{ocsp_status:unknown}': ['count==1'] } });
  assert.equal(r.code, 0, r.err + r.out);
  assert.deepEqual(r.lines, ['good unspecified -62135596800 true 86400', 'revoked key_compromise 1735689600 true 86400', 'unknown - 0 false 0',
    '{"produced_at":0,"this_update":0,"next_update":0,"revoked_at":0,"revocation_reason":"","status":""}']);
});

test('SSLKEYLOGFILE', async () => {
  const r = await run("http.get(at('web')); http.get(at('tls12'));", {}, { more: { SSLKEYLOGFILE: 'keys.log' } });
  assert.match(r.err, /SSLKEYLOGFILE was specified, logging TLS connection keys to 'keys\.log'/);
  assert.match(pem('keys.log'), /^CLIENT_TRAFFIC_SECRET_0 [0-9a-f]{64} [0-9a-f]+$/m);
  assert.match(pem('keys.log'), /^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}$/m);
  assert.equal(statSync(join(dir, 'keys.log')).mode & 0o777, 0o600);
});

test('SSL_CERT_DIR', async () => {
  const r = await run("console.log(http.get(at('web')).status);", {}, { more: { SSL_CERT_FILE: '', SSL_CERT_DIR: dir } });
  assert.deepEqual(r.lines, ['200'], r.err);
});

// ---- what doesn't ------------------------------------------------------------------------------------

const fails = [
  ['an unknown authority', 'web', {}, 1310, 'x509: unknown authority', 'tls: failed to verify certificate: x509: certificate signed by unknown authority', { more: { SSL_CERT_FILE: join(dir, 'ca2.pem') } }],
  ['another name', 'web', {}, 1311, "x509: certificate doesn't match hostname", 'tls: failed to verify certificate: x509: certificate is valid for localhost, good.test, *.wild.test, not bad.test', {}, 'bad.test'],
  ['no names at all', 'nameless', {}, 1311, "x509: certificate doesn't match hostname", 'tls: failed to verify certificate: x509: certificate is not valid for any names, but wanted to match localhost'],
  ['an old certificate', 'old', {}, 1000, /^x509: certificate has expired or is not yet valid: current time \d{4}-\d\d-\d\dT[\d:]+Z is after \d{4}-\d\d-\d\dT[\d:]+Z$/, /^tls: failed to verify certificate: x509: certificate has expired/],
  ['a version that is too old', 'tls11', {}, 1010, 'remote error: tls: protocol version not supported', 'remote error: tls: protocol version not supported'],
  ['a version that is too new', 'tls13', { tlsVersion: 'tls1.2' }, 1010, 'remote error: tls: protocol version not supported', 'remote error: tls: protocol version not supported'],
  ['no suite in common', 'cbc', { tlsCipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'], tlsVersion: 'tls1.2' }, 1010, 'remote error: tls: handshake failure', 'remote error: tls: handshake failure'],
  ['no certificate where one is wanted', 'wants', {}, 1010, 'remote error: tls: certificate required', 'remote error: tls: certificate required'],
  ['a certificate that the server does not trust', 'wants12', { tlsAuth: 'client2' }, 1010, /^remote error: tls: (handshake failure|unknown certificate authority)$/, /^remote error: tls: /],
  ['no protocol in common', 'h2only', {}, 1010, 'remote error: tls: no application protocol', 'remote error: tls: no application protocol'],
  ['plain HTTP', 'plain', {}, 1301, 'tls: first record does not look like a TLS handshake', 'http: server gave HTTP response to HTTPS client'],
  ['hanging up', 'gone', {}, 1000, 'EOF', 'EOF'],
  ['a reset', 'reset', {}, 1220, 'read: connection reset by peer', /read: connection reset by peer/],
];
for (const [name, server, options, code, text, long, more, host = 'localhost'] of fails)
  test(`fails: ${name}`, async () => {
    const auth = options.tlsAuth ? { ...options, tlsAuth: [{ cert: pem('client2.pem'), key: pem('client2.key') }] } : options;
    const r = await run(`const r = http.get(at('${server}', '${host}')); console.log(r.status, r.error_code, r.tls_version || 'null'); console.log(r.error);`, auth, more);
    assert.equal(r.lines[0], `0 ${code} null`, r.err);
    const after = r.warnings[0]?.replace(`Get "https://${host}:${ports[server]}/": `, '');
    if (text instanceof RegExp) assert.match(r.lines[1], text); else assert.equal(r.lines[1], text);
    if (long instanceof RegExp) assert.match(after, long); else assert.equal(after, long);
  });

test('fails: a handshake that takes too long', async () => {
  const r = await run("show(http.get(at('dumb'), { timeout: 200 }));");
  assert.deepEqual(r.lines, ['0 1050 request timeout null'], r.err);
});

test('Ctrl-C within a handshake', async () => {
  writeFileSync(join(dir, 'dumb.js'), `import http from 'k6/http'; export default () => { http.batch(Array(3).fill('https://localhost:${ports.dumb}/')); console.log('no'); };`);
  const p = spawn(spate, ['run', '-q', 'dumb.js'], { cwd: dir, env: { PATH: process.env.PATH, HOME: dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' } });
  let err = '';
  let asked;
  p.stderr.on('data', (d) => { err += d; });
  servers.at(-1).once('connection', (s) => s.once('data', () => { asked = Date.now(); p.kill('SIGINT'); }));
  const code = await new Promise((ok) => p.on('close', ok));
  assert.equal(code, 105, err);
  assert.ok(Date.now() - asked < 3000);
  assert.doesNotMatch(err, /Request Failed|msg=no|Sanitizer/);
});

const bad = [
  ['a version that there is not', { tlsVersion: 'tls9' }, /unknown TLS version 'tls9'/],
  ['a suite that there is not', { tlsCipherSuites: ['TLS_NONE'] }, /unknown cipher suite 'TLS_NONE'/],
  ['a certificate that is none', { tlsAuth: [{ cert: 'x', key: 'y' }] }, /tls: failed to find any PEM data in certificate input/],
  ['a key that is none', { tlsAuth: [{ cert: 'client.pem', key: 'y' }] }, /tls: failed to find any PEM data in key input/],
  ['a key of another certificate', { tlsAuth: [{ cert: 'client.pem', key: 'client2.key' }] }, /tls: private key does not match public key/],
  ['a wrong password', { tlsAuth: [{ cert: 'client.pem', key: 'client.enc', password: 'wrong' }] }, /x509: decryption password incorrect/],
];
for (const [name, options, message] of bad)
  test(`bad: ${name}`, async () => {
    const file = (f) => (/\./.test(f) ? pem(f) : f);
    const auth = options.tlsAuth?.map((a) => ({ ...a, cert: file(a.cert), key: file(a.key) }));
    const r = await run('', auth ? { ...options, tlsAuth: auth } : options);
    assert.match(r.err, message);
    assert.notEqual(r.code, 0);
    assert.doesNotMatch(r.err, /BEGIN|PRIVATE/);
  });
