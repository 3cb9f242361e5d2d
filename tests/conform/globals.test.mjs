// also: asan
// What scripts find without an import, and in each module that there is: names, what can be listed,
// and what their first uses in the wrong place say. Most of it as k6 v2.2 was seen to answer.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
const dir = mkdtempSync(join(tmpdir(), 'spate-globals-'));
after(() => rmSync(dir, { recursive: true, force: true }));

let scripts = 0;
// Runs the script and gives back the console's lines of its first init (or of the iteration).
async function lines(script, { files = {}, code = 0 } = {}) {
  const name = `s${++scripts}.js`;
  writeFileSync(join(dir, name), script);
  for (const [f, text] of Object.entries(files)) writeFileSync(join(dir, f), text);
  const env = { PATH: process.env.PATH, HOME: dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' };
  const p = spawn(spate, ['run', '--quiet', '--log-format', 'json', name], { cwd: dir, env });
  let err = '';
  p.stdout.resume();
  p.stderr.on('data', (d) => { err += d; });
  const exit = await new Promise((ok) => p.on('close', ok));
  assert.equal(exit, code, err);
  return err.trim().split('\n').map((l) => JSON.parse(l)).filter((l) => l.source === 'console').map((l) => l.msg ?? '');
}

const first = (body, imports = '') => `${imports}\nif (!globalThis.__ran && __VU === 0) { ${body} }\nglobalThis.__ran = true;\nexport default () => {};`;
// Such a script is there twice: for the options and for the summary.
const once = (script, more) => lines(script, more).then((l) => l.slice(0, l.length / 2));
const throwing = 'const t = (f) => { try { return f(); } catch (e) { return String(e); } };';

// ---- globals --------------------------------------------------------------------------------------

test('globals: those that k6 adds to the language', async () => {
  const names = '__ENV __VU clearInterval clearTimeout console crypto exports global module open require setInterval setTimeout vubox TextDecoder TextEncoder GoError'.split(' ');
  const [, missing] = await lines(`const own = Object.getOwnPropertyNames(globalThis);
    console.log(own.length > 0); console.log(${JSON.stringify(names)}.filter((n) => !own.includes(n)).join()); export default () => {};`);
  assert.equal(missing, '');
});

test('globals: those that can be listed', async () => {
  const [keys] = await lines('console.log(Object.keys(globalThis).sort().join()); export default () => {};');
  assert.equal(keys, 'TextDecoder,TextEncoder,__ENV,__VU,clearInterval,clearTimeout,console,crypto,global,open,require,setInterval,setTimeout');
});

test('globals: those that aren’t there', async () => {
  const names = ['Intl', 'WeakRef', 'FinalizationRegistry', 'structuredClone', 'URL', 'URLSearchParams', 'Buffer', 'process', 'window', 'fetch', 'queueMicrotask', 'btoa', 'atob', 'SharedArrayBuffer', 'Atomics', 'Iterator',
    'Object.groupBy', 'Map.groupBy', 'Promise.withResolvers', 'Promise.try', 'Array.fromAsync', 'Array.prototype.group'];
  const [there] = await lines(`const at = (p) => p.split('.').reduce((o, k) => o?.[k], globalThis);
    console.log(${JSON.stringify(names)}.filter((n) => at(n) !== undefined).join()); export default () => {};`);
  assert.equal(there, '');
});

test('globals: what the language has', async () => {
  const names = ['Array.prototype.flat', 'Array.prototype.flatMap', 'Array.prototype.at', 'Array.prototype.findLast', 'Array.prototype.toSorted', 'Array.prototype.with', 'Object.hasOwn', 'String.prototype.replaceAll', 'BigInt', 'BigInt64Array', 'BigUint64Array', 'Proxy', 'Reflect', 'WeakMap', 'AggregateError', 'Promise.any', 'Promise.allSettled'];
  const [missing] = await lines(`const at = (p) => p.split('.').reduce((o, k) => o?.[k], globalThis);
    console.log(${JSON.stringify(names)}.filter((n) => typeof at(n) === 'undefined').join()); export default () => {};`);
  assert.equal(missing, '');
});

test('globals: __ENV, __VU and __ITER', async () => {
  assert.deepEqual(await lines(`export const options = { vus: 1, iterations: 2 };
    console.log(typeof __ENV.PATH, __VU, typeof __ITER); __ENV.mine = __VU;
    export function setup() { console.log('setup', __VU, __ENV.mine); } export function teardown() { console.log('teardown', __VU); }
    export function handleSummary() { console.log('summary', __VU); return {}; }
    export default () => { console.log(__VU, __ITER, __ENV.mine); };`),
  ['string 0 undefined', 'string 1 undefined', 'string 0 undefined', 'setup 0 0', '1 0 1', '1 1 1', 'string 0 undefined', 'teardown 0', 'string 0 undefined', 'summary 0']);
});

test('the init code runs once, then once a virtual user and for the summary', async () => {
  const l = await lines("export const options = { vus: 2, iterations: 2 }; console.log('init', __VU); export default () => {};");
  assert.deepEqual(l.slice().sort(), ['init 0', 'init 0', 'init 1', 'init 2']);
});

test('module and exports outside of CommonJS', async () => {
  const l = await lines(`import 'k6'; ${throwing} console.log(t(() => module)); console.log(t(() => { exports.a = 1; })); export default () => {};`);
  assert.match(l[0], /^GoError: you are trying to access identifier "module", this likely is due to mixing ECMAScript Modules \(ESM\) and CommonJS syntax/);
  assert.match(l[1], /identifier "exports"/);
});

test('GoError is a class', async () => {
  const l = await once(first(`try { open(''); } catch (e) { console.log(e instanceof GoError, e instanceof Error, e.name, e.constructor.name, Object.keys(e).length); } const e = new GoError('x'); console.log(String(e), e instanceof GoError);`));
  assert.deepEqual(l, ['true true GoError GoError 0', 'GoError: x true']);
});

test('TextEncoder and TextDecoder', async () => {
  const l = await once(first(`const d = (l, b, o) => t(() => new TextDecoder(l, o).decode(new Uint8Array(b)));
    console.log(new TextEncoder().encode('é☃'), new TextEncoder() instanceof TextEncoder, new TextEncoder().encoding);
    console.log(d('utf-8', [0xc3, 0xa9]), d('utf-16le', [0x61, 0, 0x3d, 0xd8, 0, 0xde]), d('utf-16be', [0, 0x61]), d('utf-8', [0xff], { fatal: true }), d('utf-16le', [0x61], { fatal: true }), d('latin1', []));
    const s = new TextDecoder('utf-16le'); console.log(s.decode(new Uint8Array([0x3d]), { stream: true }) + s.decode(new Uint8Array([0xd8, 0]), { stream: true }) + s.decode(new Uint8Array([0xde])), s.encoding);
    class Mine extends TextDecoder { twice(b) { return this.decode(b) + this.decode(b); } } console.log(new Mine().twice(new Uint8Array([97])));`.replace(/^/, throwing)));
  assert.deepEqual(l, ['Uint8Array(5) [ 195, 169, 226, 152, 131 ] true utf-8',
    'é a😀 a TypeError: decoding text: invalid byte sequence TypeError: decoding text: invalid byte sequence RangeError: unsupported encoding: latin1', '😀 utf-16le', 'aa']);
});

test('crypto: random values; subtle names itself as missing', async () => {
  const l = await once(first(`${throwing} console.log(crypto.getRandomValues(new Uint8Array(4)).length, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()));
    for (const v of [[1], new Float64Array(1), undefined, new Uint8Array(65537)]) console.log(t(() => crypto.getRandomValues(v)));
    console.log(t(() => crypto.subtle));`));
  assert.deepEqual(l.slice(0, 1), ['4 true']);
  assert.match(l[1], /^GoError: TypeMismatchError/);
  assert.match(l[2], /^GoError: TypeMismatchError/);
  assert.match(l[3], /^GoError: TypeMismatchError/);
  assert.match(l[4], /^GoError: QuotaExceededError: typedArray parameter is too big; maximum length is 65536/);
  assert.match(l[5], /crypto\.subtle isn't there yet/);
});

// ---- modules --------------------------------------------------------------------------------------

const OCSP = ['AA_COMPROMISE', 'AFFILIATION_CHANGED', 'CA_COMPROMISE', 'CERTIFICATE_HOLD', 'CESSATION_OF_OPERATION', 'KEY_COMPROMISE', 'PRIVILEGE_WITHDRAWN', 'REMOVE_FROM_CRL', 'SUPERSEDED', 'UNSPECIFIED'].map((r) => `OCSP_REASON_${r}`)
  .concat(['GOOD', 'REVOKED', 'SERVER_FAILED', 'UNKNOWN'].map((s) => `OCSP_STATUS_${s}`));
const modules = {
  k6: 'check fail group randomSeed sleep',
  'k6/http': `CookieJar ${OCSP.join(' ')} TLS_1_0 TLS_1_1 TLS_1_2 TLS_1_3 asyncRequest batch cookieJar del expectedStatuses file get head options patch post put request setResponseCallback url`,
  'k6/metrics': 'Counter Gauge Rate Trend',
  'k6/execution': 'instance scenario test vu',
  'k6/data': 'SharedArray',
  'k6/encoding': 'b64decode b64encode',
  'k6/crypto': 'createHMAC createHash hexEncode hmac md4 md5 randomBytes ripemd160 sha1 sha256 sha384 sha512 sha512_224 sha512_256',
  'k6/crypto/x509': 'getAltNames getIssuer getSubject parse',
  'k6/timers': 'clearInterval clearTimeout setInterval setTimeout',
};
test('modules: exports by name, by default and by require()', async () => {
  const imports = Object.keys(modules).map((m, i) => `import * as ns${i} from '${m}'; import d${i} from '${m}';`).join('\n');
  const l = await once(first(Object.keys(modules).map((m, i) => `console.log(Object.keys(ns${i}).sort().join(' ')); console.log(Object.keys(d${i}).sort().join(' ')); console.log(ns${i}.default, 'default' in ns${i}, require('${m}') === d${i});`).join(' '), imports));
  Object.values(modules).forEach((names, i) => assert.deepEqual(l.slice(3 * i, 3 * i + 3), [names, names, 'undefined false true']));
});

const later = ['k6/ws', 'k6/websockets', 'k6/net/grpc', 'k6/html', 'k6/browser', 'k6/secrets', 'k6/experimental/csv', 'k6/experimental/fs', 'k6/experimental/streams', 'k6/experimental/redis', 'k6/x/sql', 'k6/nope'];
test('modules that aren’t there are named, wherever they are asked for', async () => {
  const l = await once(first(`${throwing} for (const m of ${JSON.stringify(later)}) console.log(t(() => require(m)));`));
  later.forEach((m, i) => assert.ok(l[i].startsWith('GoError: ') && l[i].includes(`"${m}"`), l[i]));
});

test('imports of every style', async () => {
  const l = await once(first(`console.log(typeof http.get, get === http.get, typeof all.get, check === k6.check); console.log(d, a, b(), fn(), prop, o.q, q, n.default, Object.keys(n).join(), c.default, Object.keys(c).join());`, `
    import http, { get } from 'k6/http'; import * as all from 'k6/http'; import k6, { check } from 'k6';
    import d, { a, b } from './c.js'; import fn, { prop } from './fn.js'; import o, { q } from './o.js'; import * as n from './o.js'; import * as c from './c.js';`), {
    files: { 'c.js': "exports.a = 1; exports.default = 'd'; exports.b = () => 2; Object.defineProperty(exports, '__esModule', { value: true });", 'fn.js': "module.exports = () => 'fn'; module.exports.prop = 5;", 'o.js': 'module.exports = { q: 1, f() { return 2; } };' },
  });
  assert.deepEqual(l, ['function true function true', 'd 1 2 fn 5 1 1 undefined f,q d a,b,default']);
});

test('objects of the modules can be listed', async () => {
  assert.deepEqual(await lines(`import http from 'k6/http'; import crypto from 'k6/crypto'; import { Counter } from 'k6/metrics'; import exec from 'k6/execution';
    const all = (o) => { const names = []; for (const n in o) names.push(n); return names.sort().join(); }; const c = new Counter('cc');
    export default () => { console.log(all(c)); console.log(all(crypto.createHash('md5'))); console.log(all(http.cookieJar())); console.log(all(console)); console.log(all(exec.vu), '|', all(exec.scenario), '|', all(exec.instance), '|', all(exec.test), '|', all(exec.vu.metrics)); };`),
  ['add,name', 'digest,update', 'clear,cookiesForURL,delete,set', 'debug,error,info,log,warn',
    'idInInstance,idInTest,iterationInInstance,iterationInScenario,metrics,tags | executor,iterationInInstance,iterationInTest,name,progress,startTime | currentTestRunDuration,iterationsCompleted,iterationsInterrupted,vusActive,vusInitialized | abort,fail,options | metadata,tags']);
});

// ---- in the wrong place ---------------------------------------------------------------------------

test('what init code can’t do', async () => {
  const cases = [
    ["http.get('http://127.0.0.1:1/')", 'Making http requests in the init context is not supported'],
    ["http.asyncRequest('GET', 'http://127.0.0.1:1/')", 'Making http requests in the init context is not supported'],
    ['http.batch([])', 'Using batch in the init context is not supported'],
    ['http.cookieJar()', 'Making cookie jars in the init context is not supported'],
    ['k6.check(1, { a: true })', 'Using check() in the init context is not supported'],
    ["k6.group('g', () => 1)", 'Using group() in the init context is not supported'],
    ['c.add(1)', 'Adding to metrics in the init context is not supported'],
    ['exec.vu.idInTest', 'getting VU information in the init context is not supported'],
    ['exec.scenario.name', 'getting scenario information outside of the VU context is not supported'],
    ['exec.instance.vusActive', 'getting instance information in the init context is not supported'],
    ['exec.test.options', 'getting test options in the init context is not supported'],
  ];
  const l = await once(first(`${throwing} const c = new Counter('cc'); ${cases.map(([f]) => `console.log(t(() => ${f}));`).join(' ')}`, "import http from 'k6/http'; import * as k6 from 'k6'; import { Counter } from 'k6/metrics'; import exec from 'k6/execution';"));
  assert.deepEqual(l, cases.map(([, text]) => `GoError: ${text}`));
});

test('what only init code can do', async () => {
  const l = await lines(`import { Counter } from 'k6/metrics'; import { SharedArray } from 'k6/data'; ${throwing}
    export default () => { for (const f of [() => open('x'), () => require('k6'), () => new Counter('x'), () => new SharedArray('x', () => [])]) console.log(t(f)); };`);
  assert.match(l[0], /^GoError: the "open" function is only available in the init stage \(i\.e\. the global scope\)/);
  assert.match(l[1], /^GoError: the "require" function is only available in the init stage \(i\.e\. the global scope\)/);
  assert.deepEqual(l.slice(2), ['GoError: metrics must be declared in the init context', 'GoError: new SharedArray must be called in the init context']);
});

// ---- open() ---------------------------------------------------------------------------------------

test('open(): relative to the module whose top level runs', async () => {
  const files = { 'd.txt': 'root', 'lib.mjs.js': "export const t = open('./d.txt'); export const later = () => open('./d.txt');" };
  const l = await once(first(`${throwing} console.log(open('d.txt'), open('./d.txt', 'b').byteLength, lib.t, lib.later(), require('./cjs.js').t);
    for (const f of [() => open('nope'), () => open(''), () => open(), () => open('.'), () => open('/nope')]) console.log(t(f));`, "import * as lib from './lib.mjs.js';"), {
    files: { ...files, 'cjs.js': "exports.t = open('d.txt');" },
  });
  assert.equal(l[0], 'root 4 root root root');
  assert.deepEqual(l.slice(1), [`GoError: stat ${dir}/nope: no such file or directory`, "GoError: open() can't be used with an empty filename", "GoError: open() can't be used with an empty filename",
    `GoError: open() can't be used with directories, path: "${dir}"`, 'GoError: stat /nope: no such file or directory']);
});

// ---- certificates ---------------------------------------------------------------------------------

function pem(name, ...args) {
  execFileSync('openssl', ['req', '-x509', '-nodes', '-keyout', 'key.pem', '-out', name, '-days', '30', ...args], { cwd: dir, stdio: 'pipe' });
  return readFileSync(join(dir, name), 'utf8');
}

test('k6/crypto/x509', async () => {
  pem('rsa.pem', '-newkey', 'rsa:2048', '-utf8', '-subj', '/C=NO/ST=Viken/L=Ås/O=Org/OU=A/OU=B/CN=first/CN=x.test', '-addext', 'subjectAltName=URI:https://u.test/p,DNS:a.test,IP:10.0.0.1,email:e@x.test,IP:2001:db8::1');
  pem('ec.pem', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-subj', '/CN=ec');
  pem('ed.pem', '-newkey', 'ed25519', '-subj', '/CN=ed');
  const print = execFileSync('openssl', ['x509', '-in', 'rsa.pem', '-noout', '-fingerprint', '-sha1'], { cwd: dir, encoding: 'utf8' });
  const l = await once(first(`${throwing} const rsa = parse(open('rsa.pem')), ec = parse(open('ec.pem', 'b'));
    console.log(JSON.stringify(rsa.subject)); console.log(JSON.stringify(rsa.issuer)); console.log(getAltNames(open('rsa.pem')).join(), Object.keys(rsa).join());
    console.log(rsa.signatureAlgorithm, /^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$/.test(rsa.notBefore), Date.parse(rsa.notAfter) - Date.parse(rsa.notBefore), rsa.publicKey.algorithm, rsa.publicKey.key.e, typeof rsa.publicKey.key.n);
    console.log(rsa.fingerPrint.map((b) => b.toString(16).padStart(2, '0')).join(':').toUpperCase());
    console.log(ec.signatureAlgorithm, ec.publicKey.algorithm, typeof ec.publicKey.key.x, ec.publicKey.key.curve.params().name, ec.altNames.length);
    console.log(getSubject(open('ec.pem')).commonName, JSON.stringify(getIssuer(open('ed.pem'))), t(() => parse(open('ed.pem'))));
    for (const v of ['', 'x', null, '-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n', 3]) console.log(t(() => parse(v)));`, "import { parse, getAltNames, getIssuer, getSubject } from 'k6/crypto/x509';"));
  const names = '[{"type":"2.5.4.6","value":"NO"},{"type":"2.5.4.8","value":"Viken"},{"type":"2.5.4.7","value":"Ås"},{"type":"2.5.4.10","value":"Org"},{"type":"2.5.4.11","value":"A"},{"type":"2.5.4.11","value":"B"},{"type":"2.5.4.3","value":"first"},{"type":"2.5.4.3","value":"x.test"}]';
  assert.deepEqual(l, [
    `{"commonName":"x.test","country":"NO","postalCode":"","stateOrProvinceName":"Viken","localityName":"Ås","streetAddress":"","organizationName":"Org","organizationalUnitName":["A","B"],"names":${names}}`,
    `{"commonName":"x.test","country":"NO","stateOrProvinceName":"Viken","localityName":"Ås","organizationName":"Org","names":${names}}`,
    'a.test,e@x.test,10.0.0.1,2001:db8::1,https://u.test/p subject,issuer,notBefore,notAfter,altNames,signatureAlgorithm,fingerPrint,publicKey',
    `SHA256-RSA true ${30 * 86400e3} RSA 65537 bigint`,
    print.trim().split('=')[1],
    'ECDSA-SHA256 ECDSA bigint P-256 0',
    'ec {"commonName":"ed","country":"","stateOrProvinceName":"","localityName":"","organizationName":"","names":[{"type":"2.5.4.3","value":"ed"}]} GoError: unsupported public key algorithm',
    'GoError: failed to decode certificate PEM file', 'GoError: failed to decode certificate PEM file', 'GoError: failed to decode certificate PEM file',
    'GoError: failed to parse certificate: x509: malformed certificate', 'GoError: invalid type int64, expected string, []byte or ArrayBuffer',
  ]);
});
