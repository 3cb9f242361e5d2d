// also: asan
// The bytes of requests and what responses say, row by row: URLs, headers, bodies, redirects,
// cookies, compression. The server writes down what came, byte for byte.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
const dir = mkdtempSync(join(tmpdir(), 'spate-wire-'));
let server;
let port;
let wire; // requests, as they came
let connections;

const reply = (status, headers = [], body = 'ok') => Buffer.concat([
  Buffer.from(`HTTP/1.1 ${status}\r\n${[...headers, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n`), Buffer.from(body)]);
const compressed = {
  gzip: zlib.gzipSync('packed'), deflate: zlib.deflateSync('packed'), br: zlib.brotliCompressSync('packed'),
  'br, gzip': zlib.gzipSync(zlib.brotliCompressSync('packed')), rot13: Buffer.from('cnpxrq'),
};

function answer(path) {
  const redirect = /^\/r(\d+)(\/.*)?$/.exec(path);
  if (redirect) return reply(`${redirect[1]} Go On`, [`Location: ${redirect[2] ?? '/after'}`, 'Set-Cookie: rc=1']);
  if (path.startsWith('/loop/')) { const n = Number(path.slice(6)); return n === 0 ? reply('200 OK') : reply('302 Found', [`Location: /loop/${n - 1}`]); }
  if (path.startsWith('/away')) return reply('302 Found', [`Location: http://other.test:${port}/there`]);
  if (path.startsWith('/badloc')) return reply('302 Found', ['Location: http://a b/']);
  if (path.startsWith('/noloc')) return reply('302 Found');
  if (path.startsWith('/status/')) return reply(decodeURIComponent(path.slice(8)));
  if (path === '/204') return Buffer.from('HTTP/1.1 204 No Content\r\n\r\n');
  if (path === '/304') return Buffer.from('HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n');
  if (path === '/101') return Buffer.from('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  if (path === '/103') return Buffer.concat([Buffer.from('HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'), reply('200 OK')]);
  if (path === '/chunked') return Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer-One: 1\r\n\r\n');
  if (path === '/multi') return reply('200 Fine By Me', ['x-lower: a', 'X-Lower: b', 'Empty:', 'content-type: text/plain']);
  if (path === '/cookies') return reply('200 OK', ['Set-Cookie: a=1; Path=/; HttpOnly; Secure; Max-Age=60; Expires=Wed, 21 Oct 2037 07:28:00 GMT; Domain=x.test', 'Set-Cookie: a=2', 'Set-Cookie: b="q"']);
  if (path === '/set') return reply('200 OK', ['Set-Cookie: s=1', 'Set-Cookie: p=2; Path=/only']);
  if (path.startsWith('/packed/')) { const how = decodeURIComponent(path.slice(8)); return reply('200 OK', [`Content-Encoding: ${how}`], compressed[how] ?? 'plain'); }
  if (path === '/latin') return reply('200 OK', [], Buffer.from([0x61, 0xff, 0x62]));
  return reply('200 OK');
}

before(async () => {
  server = net.createServer((s) => {
    connections++;
    let got = '';
    s.on('error', () => {});
    s.on('data', (d) => {
      got += d.toString('latin1');
      for (;;) {
        const end = got.indexOf('\r\n\r\n');
        if (end < 0) return;
        const length = Number(/^content-length: (\d+)/im.exec(got.slice(0, end))?.[1] ?? 0);
        if (got.length < end + 4 + length) return;
        const one = got.slice(0, end + 4 + length);
        got = got.slice(one.length);
        wire.push(Buffer.from(one, 'latin1').toString('utf8').replaceAll(`:${port}`, ':PORT'));
        s.write(answer(one.split(' ')[1].replace(/^http:\/\/[^/]*/, '')));
        if (/\r\nConnection: close/i.test(one)) s.end();
      }
    });
  });
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  port = server.address().port;
});
after(() => {
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

function run(body, { options = {}, init = '', args = [] } = {}) {
  wire = [];
  connections = 0;
  writeFileSync(join(dir, 'script.js'), `import http from 'k6/http'; const U = 'http://127.0.0.1:${port}';
    export const options = Object.assign({ userAgent: 'UA', hosts: { 'foo.example': '127.0.0.1', 'other.test': '127.0.0.1', 'sub.foo.example': '127.0.0.1', 'xn--bcher-kva.example': '127.0.0.1', 'xn--fa-hia.example': '127.0.0.1' } }, ${JSON.stringify(options)});
    const show = (...r) => console.log(...r); ${init}
    export default function () { ${body} }`);
  const env = { PATH: process.env.PATH, HOME: dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' };
  const p = spawn(spate, ['run', ...args, 'script.js'], { cwd: dir, env });
  let out = '';
  let err = '';
  p.stdout.on('data', (d) => { out += d; });
  p.stderr.on('data', (d) => { err += d; });
  const strings = (re) => [...err.matchAll(re)].map(([, m]) => (m[0] === '"' ? JSON.parse(m.replaceAll('\\x', '\\u00')) : m).replaceAll(`:${port}`, ':PORT'));
  return new Promise((ok) => p.on('close', (code) => ok({
    code, out, err, lines: strings(/level=info msg=("(?:[^"\\]|\\.)*"|\S*) source=console/g), warnings: strings(/level=warning msg=("(?:[^"\\]|\\.)*"|\S*)/g),
    failed: strings(/msg="Request Failed" error=("(?:[^"\\]|\\.)*"|\S*)/g),
  })));
}

const H = 'Host: 127.0.0.1:PORT\r\nUser-Agent: UA\r\n';
const GET = (path, more = '') => `GET ${path} HTTP/1.1\r\n${H}${more}\r\n`;
const BODY = (method, path, body, more = '') => `${method} ${path} HTTP/1.1\r\n${H}Content-Length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`;

// ---- requests: [what, script, the bytes] ------------------------------------------------------------

const requests = [
  ['headers sorted, names canonical, Host kept', "http.get(U + '/h', { headers: { 'x-lower': 'v', Accept: '*/*', host: 'foo.example', 'X_odd-name': '1' }, cookies: { k1: 'v1', k2: 'v2' } });",
    ['GET /h HTTP/1.1\r\nHost: foo.example\r\nUser-Agent: UA\r\nAccept: */*\r\nCookie: k1=v1; k2=v2\r\nX-Lower: v\r\nX_odd-Name: 1\r\n\r\n']],
  ['a user agent of the request, and none', "http.get(U, { headers: { 'user-agent': 'mine' } }); http.get(U, { headers: { 'User-Agent': '' } });",
    ['GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUser-Agent: mine\r\n\r\n', 'GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n']],
  ['values: numbers, spaces around, empty', "http.get(U, { headers: { A: 1, B: '  x  ', C: '', D: true, E: null } });", [GET('/', 'A: 1\r\nB: x\r\nC: \r\nD: true\r\nE: null\r\n')]],
  ['the URL as typed', "http.get(U + '/a b?c=d e&f=é#g'); http.get(U + '/%41%2f/../x//y?q=%zz|{}'); http.get(U + '?only=query'); http.get(U + '/é');",
    [GET('/a%20b?c=d e&f=é'), GET('/%41%2f/../x//y?q=%zz|{}'), GET('/?only=query'), GET('/%C3%A9')]],
  ['user and password', "http.get(U.replace('//', '//joe:a%20b%3A@')); http.get(U.replace('//', '//joe@')); http.get(U.replace('//', '//joe:x@'), { headers: { Authorization: 'mine' } });",
    [GET('/', `Authorization: Basic ${btoa('joe:a b:')}\r\n`), GET('/', `Authorization: Basic ${btoa('joe:')}\r\n`), GET('/', 'Authorization: mine\r\n')]],
  ['names of other alphabets', "http.get('http://bücher.example:' + U.split(':')[2] + '/'); http.get('http://BÜCHER.example:' + U.split(':')[2] + '/'); http.get('http://faß.example:' + U.split(':')[2] + '/');",
    ['GET / HTTP/1.1\r\nHost: xn--bcher-kva.example:PORT\r\nUser-Agent: UA\r\n\r\n', 'GET / HTTP/1.1\r\nHost: xn--BCHER-2pa.example:PORT\r\nUser-Agent: UA\r\n\r\n', 'GET / HTTP/1.1\r\nHost: xn--fa-hia.example:PORT\r\nUser-Agent: UA\r\n\r\n']],
  ['forms', "http.post(U + '/f', { z: '1 2', a: ['x', 'y'], n: 5, b: true, 'k&=': 'é+' });", [BODY('POST', '/f', 'a=x&a=y&b=true&k%26%3D=%C3%A9%2B&n=5&z=1+2', 'Content-Type: application/x-www-form-urlencoded\r\n')]],
  ['forms: values as Go prints them', "http.post(U + '/f', { a: { c: 1, b: [1, 'x', [true]] }, d: [[2], null, { e: undefined }], n: null, f: 1.5, g: 1e21 });",
    [BODY('POST', '/f', 'a=map%5Bb%3A%5B1+x+%5Btrue%5D%5D+c%3A1%5D&d=%5B2%5D&d=%3Cnil%3E&d=map%5Be%3A%3Cnil%3E%5D&f=1.5&g=1e%2B21&n=%3Cnil%3E', 'Content-Type: application/x-www-form-urlencoded\r\n')]],
  ['a form with a type of its own', "http.post(U + '/f', { a: 1 }, { headers: { 'Content-Type': 'x/y' } });", [BODY('POST', '/f', 'a=1', 'Content-Type: x/y\r\n')]],
  ['strings and bytes', "http.post(U + '/s', 'plain bödy'); http.put(U + '/b', new Uint8Array([97, 98]).buffer); http.patch(U + '/b', new Uint8Array([1, 97, 98, 2]).subarray(1, 3)); http.post(U + '/j', JSON.stringify({ a: 1 }), { headers: { 'Content-Type': 'application/json' } });",
    [BODY('POST', '/s', 'plain bödy'), BODY('PUT', '/b', 'ab'), BODY('PATCH', '/b', 'ab'), BODY('POST', '/j', '{"a":1}', 'Content-Type: application/json\r\n')]],
  ['no body', "http.post(U); http.put(U); http.patch(U); http.del(U); http.options(U); http.head(U); http.request('purge', U); http.del(U, 'x'); http.request('GET', U, 'b');",
    [BODY('POST', '/', ''), BODY('PUT', '/', ''), BODY('PATCH', '/', ''), `DELETE / HTTP/1.1\r\n${H}\r\n`, `OPTIONS / HTTP/1.1\r\n${H}\r\n`, `HEAD / HTTP/1.1\r\n${H}\r\n`, `purge / HTTP/1.1\r\n${H}\r\n`,
      BODY('DELETE', '/', 'x'), BODY('GET', '/', 'b')]],
  ['a Content-Length that is wrong', "http.post(U, 'four', { headers: { 'Content-Length': '99' } });", [BODY('POST', '/', 'four')]],
  ['redirects: 301, 302, 303 drop the body', "for (const n of [301, 302, 303]) http.post(U + '/r' + n, 'body', { headers: { 'Content-Type': 't/p', Authorization: 'x' } });",
    [301, 302, 303].flatMap((n, i) => [BODY('POST', `/r${n}`, 'body', `Authorization: x\r\nContent-Type: t/p\r\n${i ? 'Cookie: rc=1\r\n' : ''}`),
      GET('/after', `Authorization: x\r\nCookie: rc=1\r\nReferer: http://127.0.0.1:PORT/r${n}\r\n`)])],
  ['redirects: 307 and 308 keep it', "for (const n of [307, 308]) http.put(U + '/r' + n, 'body', { headers: { 'Content-Type': 't/p' } });",
    [307, 308].flatMap((n, i) => [BODY('PUT', `/r${n}`, 'body', `Content-Type: t/p\r\n${i ? 'Cookie: rc=1\r\n' : ''}`),
      BODY('PUT', '/after', 'body', `Content-Type: t/p\r\nCookie: rc=1\r\nReferer: http://127.0.0.1:PORT/r${n}\r\n`)])],
  ['redirects: HEAD stays, other methods become GET', "http.head(U + '/r302'); http.del(U + '/r301');",
    [`HEAD /r302 HTTP/1.1\r\n${H}\r\n`, `HEAD /after HTTP/1.1\r\n${H}Cookie: rc=1\r\nReferer: http://127.0.0.1:PORT/r302\r\n\r\n`, `DELETE /r301 HTTP/1.1\r\n${H}Cookie: rc=1\r\n\r\n`, GET('/after', 'Cookie: rc=1\r\nReferer: http://127.0.0.1:PORT/r301\r\n')]],
  ['redirects to another host', "http.get(U + '/away', { headers: { Authorization: 'x', Host: 'foo.example', 'X-A': 'y' }, cookies: { c: 'd' } });",
    ['GET /away HTTP/1.1\r\nHost: foo.example\r\nUser-Agent: UA\r\nAuthorization: x\r\nCookie: c=d\r\nX-A: y\r\n\r\n', 'GET /there HTTP/1.1\r\nHost: other.test:PORT\r\nUser-Agent: UA\r\nCookie: c=d\r\nReferer: http://127.0.0.1:PORT/away\r\nX-A: y\r\n\r\n']],
  ['cookies: the request\'s before the jar\'s; replace', "const j = http.cookieJar(); j.set(U, 'a', 'jar'); j.set(U, 'b', 'jar'); http.get(U, { cookies: { a: 'req', c: 'req' } }); http.get(U, { cookies: { a: { value: 'only', replace: true } } }); http.get(U, { headers: { Cookie: 'h=1' }, cookies: { x: 'y' } });",
    [GET('/', 'Cookie: a=req; c=req; a=jar; b=jar\r\n'), GET('/', 'Cookie: a=only; b=jar\r\n'), GET('/', 'Cookie: h=1; x=y; a=jar; b=jar\r\n')]],
  ['cookies: from responses, by path', "http.get(U + '/set'); http.get(U + '/x'); http.get(U + '/only/y');", [GET('/set'), GET('/x', 'Cookie: s=1\r\n'), GET('/only/y', 'Cookie: p=2; s=1\r\n')]],
  ['cookies: another jar, and none', "const j = new http.CookieJar(); j.set(U, 'own', '1'); http.get(U + '/set', { jar: j }); http.get(U); http.get(U, { jar: j });", [GET('/set', 'Cookie: own=1\r\n'), GET('/'), GET('/', 'Cookie: own=1; s=1\r\n')]],
  ['cookies with odd values', "http.get(U, { cookies: { a: 'x y', b: 'p,q', c: 'é;\"', 'd e': '1' } });", [GET('/', 'Cookie: a="x y"; b="p,q"; c=; d e=1\r\n')]],
  ['Connection: close', "http.get(U, { headers: { Connection: 'close' } }); http.get(U);", [GET('/', 'Connection: close\r\n'), GET('/')]],
  ['batch, each form', "http.batch([U + '/1', ['POST', U + '/2', 'q'], { method: 'get', url: U + '/3', body: 'dropped' }, ['PUT', U + '/4', { a: 1 }, { headers: { X: 'y' } }], http.url`${U}/5`]);",
    [GET('/1'), BODY('POST', '/2', 'q'), GET('/3'), BODY('PUT', '/4', 'a=1', 'Content-Type: application/x-www-form-urlencoded\r\nX: y\r\n'), GET('/5')], { batch: 1 }],
  ['batch: the jar is asked before anything is sent', "http.batch([U + '/set', U + '/x']); http.get(U + '/y');", [GET('/set'), GET('/x'), GET('/y', 'Cookie: s=1\r\n')], { batch: 1 }],
  ['noConnectionReuse', 'http.get(U); http.post(U, "b", { headers: { Z: "1" } });', [GET('/', 'Connection: close\r\n'), BODY('POST', '/', 'b', 'Z: 1\r\nConnection: close\r\n')], { noConnectionReuse: true }],
  ['expect and range go as they are', "http.get(U, { headers: { Range: 'bytes=0-', Expect: 'nothing', TE: 'x' } });", [GET('/', 'Expect: nothing\r\nRange: bytes=0-\r\nTe: x\r\n')]],
];
for (const [name, script, expected, options = {}] of requests)
  test(`sent: ${name}`, async () => {
    const r = await run(script, { options });
    assert.deepEqual(wire, expected, r.err);
  });

test('sent: multipart', async () => {
  const r = await run("http.post(U + '/m', { f: http.file('data', 'n\"a.txt', 'text/x'), k: 'v' }); http.post(U + '/m', { f: http.file(new Uint8Array([104, 105]).buffer) });");
  const boundary = /boundary=([0-9a-f]{60})\r\n/.exec(wire[0])[1];
  const parts = wire[0].split('\r\n\r\n').slice(1).join('\r\n\r\n').split(`--${boundary}`);
  assert.equal(parts.length, 4, r.err);
  assert.deepEqual(parts.slice(1, 3).sort(), ['\r\nContent-Disposition: form-data; name="f"; filename="n\\"a.txt"\r\nContent-Type: text/x\r\n\r\ndata\r\n', '\r\nContent-Disposition: form-data; name="k"\r\n\r\nv\r\n']);
  assert.match(wire[0], new RegExp(`^POST /m HTTP/1\\.1\r\n${H}Content-Length: \\d+\r\nContent-Type: multipart/form-data; boundary=${boundary}\r\n\r\n`));
  assert.match(wire[1], /name="f"; filename="\d+"\r\nContent-Type: application\/octet-stream\r\n\r\nhi\r\n/);
});

test('sent: compressed bodies', async () => {
  const r = await run("for (const c of ['gzip', 'deflate', 'br', 'zstd', 'deflate, gzip']) http.post(U + '/' + encodeURI(c), 'x'.repeat(100), { compression: c });");
  assert.deepEqual(wire.map((w) => /Content-Encoding: (.*)\r\n/.exec(w)[1]), ['gzip', 'deflate', 'br', 'zstd', 'deflate, gzip'], r.err);
});

// ---- responses: [what, script, what it prints] ---------------------------------------------------------

const responses = [
  ['headers and status text', "const r = http.get(U + '/multi'); show(r.status, r.status_text, r.proto, r.headers['X-Lower'], '[' + r.headers.Empty + ']', r.headers['Content-Type'], r.headers['content-type'], Object.keys(r.headers).sort().join());",
    ['200 200 Fine By Me HTTP/1.1 a, b [] text/plain undefined Content-Length,Content-Type,Empty,X-Lower']],
  ['cookies', "const r = http.get(U + '/cookies'); show(JSON.stringify(r.cookies));",
    [{ a: [{ name: 'a', value: '1', domain: 'x.test', path: '/', http_only: true, secure: true, max_age: 60, expires: 2139722880000 }, { name: 'a', value: '2', domain: '', path: '', http_only: false, secure: false, max_age: 0, expires: -6795364578871 }],
      b: [{ name: 'b', value: 'q', domain: '', path: '', http_only: false, secure: false, max_age: 0, expires: -6795364578871 }] }]],
  ['the request within', "const r = http.post(U.replace('//', '//u:p@') + '/p?q#f', { a: 1 }, { headers: { 'x-y': 'z' }, cookies: { c: { value: '1', replace: true } } }); const q = r.request; show(q.method, q.url, Object.keys(q.headers).sort().join(), q.headers['X-Y'], q.headers.Cookie, q.body, JSON.stringify(q.cookies)); show(r.url);",
    ['POST http://u:p@127.0.0.1:PORT/p?q#f Content-Type,Cookie,User-Agent,X-Y [ "z" ] [ "c=1" ] a=1 {"c":[{"name":"c","value":"1","replace":false}]}', 'http://u:p@127.0.0.1:PORT/p?q#f']],
  ['redirects: url and request', "const r = http.get(U + '/r302'); show(r.status, r.url, r.request.url, r.request.method, JSON.stringify(r.cookies));", ['200 http://127.0.0.1:PORT/after http://127.0.0.1:PORT/r302 GET {}']],
  ['redirects: none wanted, too many', "const a = http.get(U + '/loop/3', { redirects: 0 }), b = http.get(U + '/loop/3', { redirects: 2 }), c = http.get(U + '/loop/3'); show(a.status, a.url, b.status, b.url, c.status, c.error_code);",
    ['302 http://127.0.0.1:PORT/loop/3 302 http://127.0.0.1:PORT/loop/1 200 0']],
  ['redirects: without a Location', "const r = http.get(U + '/noloc'); show(r.status, r.error_code, r.error);", ['302 0 ']],
  ['no bodies', "show(http.get(U + '/204').body, http.get(U + '/304').body, http.head(U).body === '', http.get(U, { responseType: 'none' }).body);", ['null null true null']],
  ['interim and chunked', "show(http.get(U + '/103').status, http.get(U + '/chunked').body);", ['200 abcde']],
  ['response types', "const r = http.get(U, { responseType: 'binary' }); show(r.body instanceof ArrayBuffer, r.body.byteLength, http.get(U + '/latin').body.length, http.get(U + '/latin', { responseType: 'binary' }).body.byteLength);", ['true 2 3 3']],
  ['compressed', "for (const c of ['gzip', 'deflate', 'br', 'br, gzip', 'rot13']) show(http.get(U + '/packed/' + encodeURIComponent(c)).body);", ['packed', 'packed', 'packed', 'packed', 'cnpxrq']],
  ['statuses', "for (const s of ['400 Bad', '404 Not Found', '500 Oops', '599 Last', '299 Odd', '777 Lucky']) { const r = http.get(U + '/status/' + encodeURIComponent(s)); show(r.status, r.status_text, r.error_code, '[' + r.error + ']'); }",
    ['400 400 Bad 1400 []', '404 404 Not Found 1404 []', '500 500 Oops 1500 []', '599 599 Last 1599 []', '299 299 Odd 0 []', '777 777 Lucky 1777 []']],
  ['timings', "const a = http.get(U).timings, b = http.get(U).timings; show(Object.keys(a).sort().join(), a.blocked > 0, a.connecting > 0, a.looking_up, b.connecting, b.tls_handshaking, Math.abs(a.duration - a.sending - a.waiting - a.receiving) < 0.001);",
    ['blocked,connecting,duration,looking_up,receiving,sending,tls_handshaking,waiting true true 0 0 0 true']],
  ['remote address', "const r = http.get(U); show(r.remote_ip, r.remote_port === Number(U.split(':')[2]), r.tls_version, r.tls_cipher_suite);", ['127.0.0.1 true  ']],
  ['discardResponseBodies, and what overrides it', "show(http.get(U).body, http.get(U, { responseType: 'text' }).body);", ['null ok'], { discardResponseBodies: true }],
  ['userAgent of nothing', "http.get(U); show('x');", ['x'], { userAgent: '' }],
  ['cookies are gone with the iteration', "http.cookieJar().set(U, 'k' + __ITER, 'v'); show(Object.keys(http.cookieJar().cookiesForURL(U)).join());", ['k0', 'k1'], { iterations: 2 }],
  ['noCookiesReset', "http.cookieJar().set(U, 'k' + __ITER, 'v'); show(Object.keys(http.cookieJar().cookiesForURL(U)).sort().join());", ['k0', 'k0,k1'], { iterations: 2, noCookiesReset: true }],
  ['hosts: with a port, wildcards', "const p = U.split(':')[2]; show(http.get('http://a.test:1/').status, http.get('http://x.wild.test:' + p).status, http.get('http://y.x.wild.test:' + p).status, http.get('http://a.test:2/').error_code);",
    ['200 200 200 1212'], { hosts: { 'a.test:1': '127.0.0.1:$P', 'a.test': '127.0.0.1', '*.wild.test': '127.0.0.1' } }],
];
for (const [name, script, expected, options = {}] of responses)
  test(`received: ${name}`, async () => {
    const r = await run(script, { options: JSON.parse(JSON.stringify(options).replaceAll('$P', port)) });
    if (typeof expected[0] === 'string') assert.deepEqual(r.lines, expected, r.err);
    else assert.deepEqual(JSON.parse(r.lines[0]), expected[0], r.err);
  });

test('localIPs: dealt to virtual users in turn', async () => {
  const r = await run("const e = http.get('http://127.0.0.1:1/').error_code; show(__VU, http.get(U).status, e);", { options: { vus: 3, iterations: 3 }, args: ['--local-ips', '127.0.0.2-127.0.0.3,127.0.1.0/30'] });
  assert.deepEqual(r.lines.map((l) => l.slice(2)), Array(3).fill('200 1212'), r.err);
  const own = new Set(r.failed.map((f) => /dial tcp (127[\d.]+):0->127\.0\.0\.1:1: connect: connection refused/.exec(f)?.[1]));
  for (const one of own) assert.ok(['127.0.0.2', '127.0.0.3', '127.0.1.1'].includes(one), one);
  const bad = await run('', { args: ['--local-ips', 'x'] });
  assert.match(bad.err, /x is not a valid IP, IP range or CIDR/);
});

test('connections: kept, and how many', async () => {
  await run('http.get(U); http.get(U);', { options: { iterations: 2 } });
  assert.equal(connections, 1);
  await run('http.get(U); http.get(U);', { options: { iterations: 2, noVUConnectionReuse: true } });
  assert.equal(connections, 2);
  await run('http.get(U); http.get(U);', { options: { iterations: 2, noConnectionReuse: true } });
  assert.equal(connections, 4);
});
