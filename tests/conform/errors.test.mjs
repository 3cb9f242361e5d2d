// also: asan
// How requests fail: status, code, short text, body, and the long text that is logged or thrown.
// TLS has tls.test.mjs, HTTP/2 http2.test.mjs, proxies proxy.test.mjs.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
const dir = mkdtempSync(join(tmpdir(), 'spate-errors-'));
let server;
let port;
let seen; // requests

// What the server says before it hangs up; undefined: nothing, ever.
const says = {
  '/never': undefined, '/close': '', '/head': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n', '/body': 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour',
  '/nothttp': 'SSH-2.0-x\r\n\r\n', '/version': 'HTTP/x.y 200 OK\r\n\r\n', '/code': 'HTTP/1.1 2x0 OK\r\n\r\n', '/short': 'HTTP/1.1\r\n\r\n',
  '/header': 'HTTP/1.1 200 OK\r\nno colon\r\n\r\n', '/length': 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n', '/lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
  '/chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', '/chunks': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n', '/coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: odd\r\n\r\n',
  '/gzip': 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 13\r\n\r\nno zip at all', '/tiny': 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\nno zip', '/deflate': 'HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 6\r\n\r\nno zip', '/br': 'HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 6\r\n\r\nno zip',
  '/zstd': 'HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: 6\r\n\r\nno zip', '/101': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n', '/badloc': 'HTTP/1.1 302 Found\r\nLocation: http://a b/\r\nContent-Length: 0\r\n\r\n',
  '/ftp': 'HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\nContent-Length: 0\r\n\r\n', '/drip': 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ndrip', '/huge': `HTTP/1.1 200 OK\r\n${'X: ' + 'y'.repeat(100_000) + '\r\n'}`.repeat(1), '/404': 'HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno',
};

before(async () => {
  server = net.createServer((s) => {
    s.on('error', () => {});
    s.once('data', (d) => {
      const path = d.toString('latin1').split(' ')[1];
      seen.push(path);
      if (path === '/reset') s.resetAndDestroy();
      else if (path === '/reset-body') { s.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour'); setTimeout(() => s.resetAndDestroy(), 30); }
      else if (path === '/endless') { s.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'); const on = () => { if (s.destroyed) return; if (s.writableLength < 1e6) s.write(`10000\r\n${'x'.repeat(65536)}\r\n`); setImmediate(on); }; on(); }
      else if (path === '/refuse') { s.pause(); s.write('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig'); }
      else if (path === '/slow') { s.pause(); setTimeout(() => s.resume(), 300); let n = d.length; s.on('data', (x) => { n += x.length; if (n > 2e7) s.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nread'); }); }
      else if (path === '/drip') s.write(says[path]);
      else if (says[path] !== undefined) s.end(says[path]);
    });
  });
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  port = server.address().port;
});
after(() => {
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

function run(body, { options = {}, more = {} } = {}) {
  seen = [];
  writeFileSync(join(dir, 'script.js'), `import http from 'k6/http'; const U = 'http://127.0.0.1:${port}';
    export const options = Object.assign({ blacklistIPs: ['10.0.0.0/8', '2001:db8::/32'], hosts: { 'list.test': '10.1.1.1' }, blockHostnames: ['blocked.test', '*.bl.test', 'sub.*'] .slice(0, 2) }, ${JSON.stringify(options)});
    const kind = (b) => (b === null ? 'null' : typeof b === 'string' ? 'string:' + b : typeof b);
    const show = (r) => console.log(JSON.stringify([r.status, r.error_code, r.error, kind(r.body), r.status_text, r.url, r.proto]));
    export default function () { ${body} }`);
  const env = { PATH: process.env.PATH, HOME: dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', ...more };
  const p = spawn(spate, ['run', 'script.js'], { cwd: dir, env });
  let out = '';
  let err = '';
  p.stdout.on('data', (d) => { out += d; });
  p.stderr.on('data', (d) => { err += d; });
  const plain = (t) => t.replaceAll(`:${port}`, ':PORT').replace(/127\.0\.0\.1:\d+->/, '127.0.0.1:N->');
  const strings = (re) => [...err.matchAll(re)].map(([, m]) => plain(m[0] === '"' ? JSON.parse(m) : m));
  return new Promise((ok) => p.on('close', (code) => ok({
    code, out, err, lines: strings(/level=info msg=("(?:[^"\\]|\\.)*"|\S*) source=console/g), failed: strings(/msg="Request Failed" error=("(?:[^"\\]|\\.)*"|\S*)/g),
  })));
}

const U = 'http://127.0.0.1:PORT';
// [what, URL or expression, code, short text, long text; body, url, where they aren't the usual ones]
const gets = [
  ['refused', "'http://127.0.0.1:1/'", 1212, 'dial: connection refused', 'Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused'],
  ['a blacklisted address', "'http://10.1.2.3/'", 1110, 'ip is blacklisted', 'Get "http://10.1.2.3/": IP (10.1.2.3) is in a blacklisted range (10.0.0.0/8)'],
  ['a blacklisted address, IPv6', "'http://[2001:db8::1]/'", 1110, 'ip is blacklisted', 'Get "http://[2001:db8::1]/": IP (2001:db8::1) is in a blacklisted range (2001:db8::/32)'],
  ['a blacklisted address by hosts', "'http://list.test/'", 1110, 'ip is blacklisted', 'Get "http://list.test/": IP (10.1.1.1) is in a blacklisted range (10.0.0.0/8)'],
  ['a blocked name', "'http://blocked.test/'", 1111, 'hostname is blocked', 'Get "http://blocked.test/": hostname (blocked.test) is in a blocked pattern (blocked.test)'],
  ['a blocked name by wildcard', "'http://x.y.bl.test/'", 1111, 'hostname is blocked', 'Get "http://x.y.bl.test/": hostname (x.y.bl.test) is in a blocked pattern (*.bl.test)'],
  ['another scheme', "'ftp://a.test/'", 1000, 'unsupported protocol scheme "ftp"', 'Get "ftp://a.test/": unsupported protocol scheme "ftp"'],
  ['no scheme', "'a.test/get'", 1000, 'unsupported protocol scheme ""', 'Get "a.test/get": unsupported protocol scheme ""'],
  ['no host', "'http:///x'", 1000, 'http: no Host in request URL', 'Get "http:///x": http: no Host in request URL'],
  ['a port that there is not', "'http://127.0.0.1:99999/'", 1210, 'dial tcp: address 99999: invalid port', 'Get "http://127.0.0.1:99999/": dial tcp: address 99999: invalid port'],
  ['a password in the URL', "'http://joe:secret@127.0.0.1:1/'", 1212, 'dial: connection refused', 'Get "http://joe:***@127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused'],
  ['nothing came', "U + '/close'", 1000, 'EOF', `Get "${U}/close": EOF`],
  ['half a head', "U + '/head'", 1000, 'unexpected EOF', `Get "${U}/head": unexpected EOF`],
  ['half a body', "U + '/body'", 1000, 'unexpected EOF', 'unexpected EOF', 'string:four'],
  ['a reset', "U + '/reset'", 1220, 'read: connection reset by peer', `Get "${U}/reset": read tcp 127.0.0.1:N->127.0.0.1:PORT: read: connection reset by peer`],
  ['a reset in the body', "U + '/reset-body'", 1220, 'read: connection reset by peer', 'read tcp 127.0.0.1:N->127.0.0.1:PORT: read: connection reset by peer', 'string:four'],
  ['no HTTP', "U + '/nothttp'", 1000, 'malformed HTTP response "SSH-2.0-x"', `Get "${U}/nothttp": net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0-x"`],
  ['another version', "U + '/version'", 1000, 'malformed HTTP version "HTTP/x.y"', `Get "${U}/version": net/http: HTTP/1.x transport connection broken: malformed HTTP version "HTTP/x.y"`],
  ['no status', "U + '/code'", 1000, 'malformed HTTP status code "2x0"', `Get "${U}/code": net/http: HTTP/1.x transport connection broken: malformed HTTP status code "2x0"`],
  ['a status line that ends', "U + '/short'", 1000, 'malformed HTTP response "HTTP/1.1"', `Get "${U}/short": net/http: HTTP/1.x transport connection broken: malformed HTTP response "HTTP/1.1"`],
  ['a header without a colon', "U + '/header'", 1000, 'malformed MIME header: missing colon: "no colon"', `Get "${U}/header": net/http: HTTP/1.x transport connection broken: malformed MIME header: missing colon: "no colon"`],
  ['a length that is none', "U + '/length'", 1000, 'bad Content-Length "x"', `Get "${U}/length": net/http: HTTP/1.x transport connection broken: bad Content-Length "x"`],
  ['a chunk that is none', "U + '/chunk'", 1000, 'invalid byte in chunk length', 'invalid byte in chunk length', 'string:'],
  ['half the chunks', "U + '/chunks'", 1000, 'unexpected EOF', 'unexpected EOF', 'string:abc'],
  ['another transfer encoding', "U + '/coding'", 1000, 'unsupported transfer encoding: "odd"', `Get "${U}/coding": net/http: HTTP/1.x transport connection broken: unsupported transfer encoding: "odd"`],
  ['no gzip', "U + '/gzip'", 1701, 'error decompressing response body (error decompressing response body (gzip: invalid header))', 'error decompressing response body (gzip: invalid header)'],
  ['less than gzip begins with', "U + '/tiny'", 1701, 'error decompressing response body (unexpected EOF)', 'error decompressing response body (unexpected EOF)'],
  ['no deflate', "U + '/deflate'", 1701, 'error decompressing response body (error decompressing response body (zlib: invalid header))', 'error decompressing response body (zlib: invalid header)'],
  ['a Location that is none', "U + '/badloc'", 1000, 'failed to parse Location header "http://a b/": parse "http://a b/": invalid character " " in host name', `Get "${U}/badloc": failed to parse Location header "http://a b/": parse "http://a b/": invalid character " " in host name`],
  ['a Location elsewhere', "U + '/ftp'", 1000, 'unsupported protocol scheme "ftp"', 'Get "ftp://x/": unsupported protocol scheme "ftp"', 'null', 'ftp://x/'],
  ['a time-out', "U + '/never', { timeout: 150 }", 1050, 'request timeout', `Get "${U}/never": request timeout`],
  ['a time-out as text', "U + '/never', { timeout: '150ms' }", 1050, 'request timeout', `Get "${U}/never": request timeout`],
  ['a time-out in the body', "U + '/drip', { timeout: 150 }", 1050, 'request timeout', 'request timeout', 'string:drip'],
  ['a body without end', "U + '/endless', { timeout: 500, responseType: 'none' }", 1050, 'request timeout', 'request timeout'],
  ['a header without a name', "U, { headers: { '': 'x' } }", 1000, 'net/http: invalid header field name ""', `Get "${U}": net/http: invalid header field name ""`],
  ['a header name that is none', "U, { headers: { 'a b': 'x' } }", 1000, 'net/http: invalid header field name "a b"', `Get "${U}": net/http: invalid header field name "a b"`],
  ['a header value with a line end', "U, { headers: { X: 'a\\nb' } }", 1000, 'net/http: invalid header field value for "X"', `Get "${U}": net/http: invalid header field value for "X"`],
];
for (const [name, expression, code, text, long, body = 'null', url] of gets)
  test(`error: ${name}`, async () => {
    const r = await run(`show(http.get(${expression}));`);
    const [status, gotCode, gotText, gotBody, statusText, gotUrl, proto] = JSON.parse(r.lines[0] ?? '[]');
    assert.deepEqual([status, gotCode, gotText, gotBody, statusText, proto], [0, code, text, body, '', ''], r.err);
    assert.deepEqual(r.failed, [long]);
    if (url) assert.equal(gotUrl, url);
    assert.match(r.out, /http_req_failed\.+: (100|50)\.00%/);
    assert.match(r.out, /http_reqs\.+: [12] /);
  });

// No request was made of these: no samples, an empty body of no type, no url.
const unsent = [
  ['a space in the host', "http.get('http://a b/')", 1020, 'invalid URL: parse "http://a b/": invalid character " " in host name'],
  ['a control character', "http.get('http://a/\\x01')", 1020, 'invalid URL: parse "http://a/\\x01": net/url: invalid control character in URL'],
  ['a bad escape', "http.get('http://a/%zz')", 1020, 'invalid URL: parse "http://a/%zz": invalid URL escape "%zz"'],
  ['a bad port', "http.get('http://a:b/')", 1020, 'invalid URL: parse "http://a:b/": invalid port ":b" after host'],
  ['a colon first', "http.get(':x')", 1020, 'invalid URL: parse ":x": missing protocol scheme'],
  ['null', 'http.get(null)', 1020, "invalid URL: '#<nil>'"],
  ['undefined', 'http.get()', 1020, "invalid URL: '#<nil>'"],
  ['a number', 'http.get(5)', 1020, "invalid URL: '#5'"],
  ['a response type', "http.get(U, { responseType: 'xx' })", 0, 'xx does not belong to ResponseType values'],
  ['a time-out', "http.get(U, { timeout: 'xx' })", 0, 'invalid timeout value: time: invalid duration "xx"'],
  ['a time-out of nothing', 'http.get(U, { timeout: null })', 0, 'invalid timeout value: unable to use type <nil> as a duration value'],
  ['a time-out of a list', 'http.get(U, { timeout: [] })', 0, 'invalid timeout value: unable to use type []interface {} as a duration value'],
  ['a body', 'http.post(U, 5)', 0, 'unknown request body type int64'],
  ['a compression', "http.post(U, 'x', { compression: 'zip' })", 0, /unknown compression algorithm|does not belong|zip/],
];
for (const [name, call, code, text] of unsent)
  test(`not sent: ${name}`, async () => {
    const r = await run(`show(${call});`);
    const [status, gotCode, gotText, body, , url] = JSON.parse(r.lines[0] ?? '[]');
    assert.deepEqual([status, gotCode, body, url], [0, code, 'object', ''], r.err);
    if (text instanceof RegExp) assert.match(gotText, text); else assert.equal(gotText, text);
    assert.equal(r.failed.length, 1);
    assert.doesNotMatch(r.out, /http_reqs/);
    assert.deepEqual(seen, []);
  });

test('blockHostnames is about names, whatever their case', async () => {
  const r = await run("show(http.get(U + '/404')); show(http.get(U.replace('127.0.0.1', 'LocalHost')));", { options: { blockHostnames: ['*', 'LOCALHOST'] } });
  assert.deepEqual(r.lines.map((l) => JSON.parse(l).slice(0, 2)), [[404, 1404], [0, 1111]], r.err);
});

test('a range of IPv6 holds no address of IPv4', async () => {
  const r = await run("show(http.get(U + '/404')); show(http.get('http://[::1]:1/'));", { options: { blacklistIPs: ['::/0'] } });
  assert.deepEqual(r.lines.map((l) => JSON.parse(l).slice(0, 2)), [[404, 1404], [0, 1110]], r.err);
});

test('numbers that are no addresses', async () => {
  const r = await run("show(http.get('http://127.1:1/')); show(http.get('http://2130706433:1/'));");
  assert.deepEqual(r.lines.map((l) => JSON.parse(l).slice(0, 3)), [[0, 1101, 'lookup: no such host'], [0, 1101, 'lookup: no such host']], r.err);
});

const badOptions = [
  [{ blacklistIPs: ['10.0.0.1'] }, "failed to parse CIDR '10.0.0.1': invalid CIDR address: 10.0.0.1"], [{ blacklistIPs: ['10.0.0.0/33'] }, 'invalid CIDR address: 10.0.0.0/33'],
  [{ blockHostnames: ['a*b'] }, "invalid hostname pattern 'a*b'"], [{ blockHostnames: ['a..b'] }, "invalid hostname pattern 'a..b'"], [{ blockHostnames: ['a_b.test'] }, "invalid hostname pattern 'a_b.test'"],
  [{ hosts: { 'a*b': '127.0.0.1' } }, "invalid host pattern 'a*b'"], [{ dns: { select: 'x' } }, 'x does not belong to DNSSelect values'], [{ dns: { policy: 'x' } }, 'x does not belong to DNSPolicy values'],
];
for (const [options, message] of badOptions)
  test(`bad option: ${JSON.stringify(options)}`, async () => {
    const r = await run('', { options });
    assert.equal(r.code, 104);
    assert.ok(r.err.includes(message), r.err);
  });

test('throw: an exception instead of a response', async () => {
  const said = "for (const f of [() => http.get('http://127.0.0.1:1/'), () => http.get('http://a b/'), () => http.get(U + '/gzip'), () => http.get(U + '/404')]) try { console.log(f().status); } catch (e) { console.log(String(e)); }";
  const expected = ['GoError: Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused', 'GoError: invalid URL: parse "http://a b/": invalid character " " in host name', 'GoError: error decompressing response body (gzip: invalid header)', '404'];
  const r = await run(said, { options: { throw: true } });
  assert.deepEqual(r.lines, expected, r.err);
  assert.deepEqual(r.failed, []);
  const one = await run("try { http.get('http://127.0.0.1:1/', { throw: true }); } catch (e) { console.log(e instanceof Error, e.name); } console.log(http.get('http://127.0.0.1:1/').status);");
  assert.equal(one.lines[1], '0', one.err);
});

test('an upload that is answered before it is read, and one that is read slowly', async () => {
  const r = await run("const b = new Uint8Array(2e7).buffer; show(http.post(U + '/refuse', b)); show(http.post(U + '/slow', b)); show(http.post(U + '/never', b, { timeout: 300 })); show(http.post(U + '/close', b));");
  const l = r.lines.map((x) => JSON.parse(x));
  assert.deepEqual(l.slice(0, 3).map((x) => x.slice(0, 4)), [[413, 1413, '', 'string:big'], [200, 0, '', 'string:read'], [0, 1050, 'request timeout', 'null']], r.err);
  assert.equal(l[3][0], 0);
});

test('101 throws', async () => {
  const r = await run("try { http.get(U + '/101'); } catch (e) { console.log(String(e)); }");
  assert.deepEqual(r.lines, ['GoError: unsupported response status: 101 Switching Protocols'], r.err);
});

test('names that there are not', async () => {
  const r = await run("show(http.get('http://no-such-host.invalid/')); show(http.get('http://x/'));", { options: { dns: { policy: 'onlyIPv4' } } });
  for (const line of r.lines) {
    const [status, code, text] = JSON.parse(line);
    assert.equal(status, 0);
    if (code === 1101) assert.equal(text, 'lookup: no such host');
    else assert.equal(code, 1100);
  }
});

test('batch: one bad entry, and no request is sent', async () => {
  const r = await run("const l = http.batch([U + '/404', 'http://a b/', U + '/404']); console.log(JSON.stringify(l.map((x) => x && [x.status, x.error_code])));");
  assert.equal(seen.length, 0);
  assert.equal(r.lines[0], '[[0,0],[0,1020],null]', r.err);
});

test('tags of failed requests', async () => {
  const r = await run("http.get('http://127.0.0.1:1/'); http.get(U + '/404');", { options: { thresholds: {
    'http_reqs{error_code:1212,status:0,error:dial: connection refused,expected_response:false}': ['count==1'], 'http_reqs{error_code:1404,status:404,proto:HTTP/1.1}': ['count==1'] } } });
  assert.equal(r.code, 0, r.out + r.err);
});
