// also: asan
// Where modules come from and in which forms: the web, CommonJS, TypeScript, source maps; and what
// is said when they can't be had. A case is a set of files, and what has to come of the first one.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
const dir = mkdtempSync(join(tmpdir(), 'spate-modules-'));
const web = new Map(); // what the server has: path -> text, or [status, headers, text]
const asked = [];
let server;
let url;

function certificate() {
  const make = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  make('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test');
  make('req', ...key, '-keyout', 'key.pem', '-out', 'csr.pem', '-subj', '/CN=localhost');
  writeFileSync(join(dir, 'ext'), 'subjectAltName=DNS:localhost');
  make('x509', '-req', '-in', 'csr.pem', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial',
    '-out', 'cert.pem', '-days', '2', '-extfile', 'ext');
  return { key: readFileSync(join(dir, 'key.pem')), cert: readFileSync(join(dir, 'cert.pem')) };
}

before(async () => {
  server = https.createServer(certificate(), (req, res) => {
    asked.push(req.url);
    const found = web.get(req.url) ?? web.get(req.url.replace(/[?&]_k6=1$/, '')) ?? [404, {}, 'no'];
    const [status, headers, text] = typeof found === 'string' ? [200, {}, found] : found;
    res.writeHead(status, headers);
    res.end(text);
  });
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  url = `https://localhost:${server.address().port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

// `files`: name -> text; those that begin with "https:" are the server's. $URL is its address.
function put(files) {
  web.clear();
  asked.length = 0;
  for (const [name, text] of Object.entries(files)) {
    const fill = (s) => (typeof s === 'string' ? s.replaceAll('$URL', url) : s);
    const filled = Array.isArray(text) ? [text[0], Object.fromEntries(Object.entries(text[1]).map(([k, v]) => [k, fill(v)])), text[2]] : fill(text);
    if (name.startsWith('https:')) { web.set(name.slice(6), filled); continue; }
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), filled);
  }
}

function run(args, { input } = {}) {
  const env = { PATH: process.env.PATH, HOME: dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', SSL_CERT_FILE: join(dir, 'ca.pem') };
  const p = spawn(spate, args, { cwd: dir, env });
  let err = '';
  p.stdout.resume();
  p.stderr.on('data', (d) => { err += d; });
  p.stdin.end(input ?? '');
  return new Promise((ok) => p.on('close', (code) => ok({ code, err })));
}

const logged = (err) => [...err.matchAll(/level=(?:info|warning) msg=("(?:[^"\\]|\\.)*"|\S*)/g)]
  .map(([, m]) => (m[0] === '"' ? JSON.parse(m) : m));

async function says(files, want, main = Object.keys(files)[0]) {
  put(files);
  const { code, err } = await run(['run', '--quiet', main]);
  assert.equal(code, 0, err);
  assert.deepEqual([...new Set(logged(err))], want, err);
}

async function fails(files, code, want) {
  put(files);
  const r = await run(['run', '--quiet', Object.keys(files)[0]]);
  assert.equal(r.code, code, r.err);
  for (const text of [want].flat()) assert.ok(r.err.includes(text.replaceAll('$URL', url).replaceAll('$DIR', dir).replaceAll('"', '\\"')), r.err);
}

const end = '\nexport default () => {};';

// ---- the web --------------------------------------------------------------------------------------

test('imports of the web, and relative ones within it', () => says({
  'a.js': `import { b } from '$URL/lib/b.js'; import c from '$URL/c.js?v=1'; console.log(b, c);${end}`,
  'https:/lib/b.js': "import d from '../d.js'; import { e } from './sub/e.js'; import f from '/f.js'; export const b = [d, e, f].join();",
  'https:/lib/sub/e.js': "export const e = 'e';",
  'https:/d.js': "export default 'd';",
  'https:/f.js': "module.exports = 'f' + require('./g.js').g;",
  'https:/g.js': "exports.g = 'g';",
  'https:/c.js?v=1': "export default import.meta.resolve('./x/y.js').replace(/:\\d+/, '');",
}, ['d,e,fg https://localhost/x/y.js']));

test('each URL is fetched once, with _k6=1 first', async () => {
  await says({
    'a.js': `import '$URL/b.js'; import * as b from '$URL/b.js'; import '$URL/c.js'; require('$URL/b.js'); console.log(b.n);
      export const options = { vus: 3, iterations: 3 }; export function setup() {}${end}`,
    'https:/b.js': 'export const n = 1;',
    'https:/c.js': "import { n } from './b.js'; export const m = n;",
  }, ['1']);
  assert.deepEqual(asked, ['/b.js?_k6=1', '/c.js?_k6=1']);
});

test('a server that minds _k6=1 is asked without it', async () => {
  await says({
    'a.js': `import n from '$URL/b.js?x'; console.log(n);${end}`,
    'https:/b.js?x&_k6=1': [400, {}, 'what?'],
    'https:/b.js?x': 'export default 2;',
  }, ['2']);
  assert.deepEqual(asked, ['/b.js?x&_k6=1', '/b.js?x']);
});

test('redirects are followed, and the module keeps its name', () => says({
  'a.js': `import n from '$URL/v/b.js'; console.log(n);${end}`,
  'https:/v/b.js': [302, { location: '/v1/b.js' }, ''],
  'https:/v1/b.js': [301, { location: '$URL/v2/b.js' }, ''],
  'https:/v2/b.js': "import c from './c.js'; export default c;",
  'https:/v/c.js': "export default 'c';",
}, ['c']));

test('a script of the web', async () => {
  put({ 'https:/main.js': "import n from './n.js'; console.log(n); export default () => { throw new Error('x'); };", 'https:/n.js': 'export default 5;' });
  const { code, err } = await run(['run', '--quiet', `${url}/main.js`]);
  assert.equal(code, 0, err);
  assert.deepEqual([...new Set(logged(err))], ['5']);
  assert.match(err, /Error: x\\n\\tat default \(https:\/\/localhost:\d+\/main.js:1:\d+\)/);
  const gone = await run(['run', `${url}/gone.js`]);
  assert.equal(gone.code, 255);
  assert.match(gone.err, /couldn't be retrieved from the resolved url .*not found: https:/);
});

const refused = [
  ['not there', { 'a.js': "import 'k6';\n  import n from '$URL/gone.js'" },
    ['The moduleSpecifier "$URL/gone.js" couldn\'t be retrieved from the resolved url "$URL/gone.js"', 'not found: $URL/gone.js', 'at file://$DIR/a.js:2:17']],
  ['not there, from the web', { 'a.js': "import '$URL/b.js'", 'https:/b.js': "import './gone.js'" },
    ['"./gone.js" couldn\'t be retrieved from the resolved url "$URL/gone.js"', 'at $URL/b.js:1:8']],
  ['another status', { 'a.js': "import '$URL/b.js'", 'https:/b.js': [500, {}, ''] }, 'wrong status code (500) for: $URL/b.js'],
  ['no server', { 'a.js': "import 'https://localhost:1/b.js'" }, 'connect: connection refused'],
  ['another certificate', { 'a.js': "import '$URL/b.js'".replace('localhost', '127.0.0.1'), 'https:/b.js': '' }, 'couldn\'t be retrieved', (f) => ({ 'a.js': f['a.js'].replace('$URL', url.replace('localhost', '127.0.0.1')) })],
  ['a redirect away from https', { 'a.js': "import '$URL/b.js'", 'https:/b.js': [302, { location: 'http://localhost/b.js' }, ''] }, 'isn\'t https'],
  ['redirects without end', { 'a.js': "import '$URL/b.js'", 'https:/b.js': [302, { location: '/b.js' }, ''] }, 'stopped after 10 redirects'],
  ['a local file from the web', { 'a.js': "import '$URL/b.js'", 'https:/b.js': "import 'file:///etc/passwd'" }, 'origin ($URL) not allowed to load local file: file:///etc/passwd'],
  ['http', { 'a.js': "import 'http://localhost/b.js'" }, 'only supported schemes for imports are file and https, http://localhost/b.js has `http`'],
  ['a bare name', { 'a.js': "import 'lodash'" }, 'The moduleSpecifier "lodash" couldn\'t be recognised'],
  ['a bare name on the web', { 'a.js': "import '$URL/b.js'", 'https:/b.js': "import 'lodash'" }, ['The moduleSpecifier "lodash" couldn\'t be recognised', 'at $URL/b.js:1:8']],
  ['github.com', { 'a.js': "import 'github.com/a/b/c.js'" }, "github.com 'special' urls are no longer supported"],
  ['cdnjs.com', { 'a.js': "import 'cdnjs.com/libraries/x'" }, "cdnjs.com 'special' urls are no longer supported"],
  ['syntax', { 'a.js': "import '$URL/b.js'", 'https:/b.js': 'export const x = ;' }, '$URL/b.js: Line 1:18'],
  ['not imported in the first init', { 'a.js': "if (__VU > 0) require('$URL/b.js'); export default () => {}", 'https:/b.js': '' },
    'the module "$URL/b.js" was not previously resolved during initialization (__VU==0)'],
];
for (const [name, files, want, change, code] of refused)
  test(`refused: ${name}`, () => fails(change ? { ...files, ...change(files) } : files, code ?? 107, want));

// ---- TypeScript -----------------------------------------------------------------------------------

const types = `import { check, type Checkers } from 'k6';
import type { Options } from 'k6/options';
import { Box, type Named } from './lib/box.ts';
import web from '$URL/web.ts';

export const options: Options = { vus: 1, iterations: 1 } satisfies Options;
enum Color { Red = 1, Green, Blue = 'blue' as any }
const enum Bits { A = 1 << 2, B }
declare const somewhere: string;
namespace Space.Inner { export const one: number = 1; const hidden = 2; export function two(): number { return hidden; } export namespace Deep { export const three = 3; } export interface Nothing {} }
namespace Gone { export type T = string; }
abstract class Base<T extends object = {}> {
  static made: number = 0;
  declare nothing: string;
  constructor(private readonly value: T, protected other?: number) { Base.made++; }
  abstract name(): string;
  get(): T { return this.value; }
}
class Derived extends Base<{ a: number }> implements Named {
  #secret: number = 4;
  override name(this: Derived): string { return \`n\${this.#secret}\`; }
  [key: string]: any;
}
function over(a: string): string;
function over(a: number): string;
function over(a: any) { return typeof a; }
const generic = <T,>(x: T): T => x;
let sure = null! as unknown as number | null;
const cast = <number>(generic(5));
const tuple: readonly [a: string, b?: number] = ['t'] as const;
function isText(v: unknown): v is string { return typeof v === 'string'; }
export type { Named };
export default async function (this: unknown, data?: { a: string }): Promise<void> {
  const d = new Derived({ a: 1 });
  console.log(Color.Green, Color[1], Color.Blue, Bits.B);
  console.log(Space.Inner.one, Space.Inner.two(), Space.Inner.Deep.three, (Space.Inner as any).hidden);
  console.log(d.get().a, d.name(), Base.made, over(1), generic<string>('g'), sure, cast, tuple[0], isText(3));
  console.log(new Box<number>(6).get(), web);
  check<number>(3, { 'three': (n: number) => n === 3 } as Checkers<number>);
}`;

test('TypeScript, local and of the web', () => says({
  'a.ts': types,
  'lib/box.ts': 'export interface Named { name(): string }\nexport class Box<T> { constructor(public readonly v: T) {} get(): T { return this.v; } }\n',
  'https:/web.ts': "const w: string = 'web'; export default w as string;",
}, ['2 Red blue 5', '1 2 3 undefined', '1 n4 1 number g null 5 t false', '6 web']));

test('TypeScript from standard input', async () => {
  const { code, err } = await run(['run', '--quiet', '-'], { input: 'const n: number = 3; export default (): void => { console.log(n as any); };' });
  assert.equal(code, 0, err);
  assert.deepEqual(logged(err), ['3']);
});

test('places in TypeScript are those of the source', async () => {
  put({ 'a.ts': 'interface A { b: string }\n\nexport default function (x?: A): void {\n  const f = (n: number, a?: Array<string>): never => { throw new Error("at " + n); };\n  f(4);\n}\n' });
  const { err } = await run(['run', '--quiet', 'a.ts']);
  assert.match(err, /Error: at 4\\n\\tat f \(file:\/\/\S*\/a\.ts:4:62\)\\n\\tat default \(file:\/\/\S*\/a\.ts:5:\d+\)/);
});

test('what isn’t TypeScript either', () => fails({ 'a.ts': 'const a: number = 1;\nlet b: = 2;' }, 107, 'a.ts: Line 2:8 Unexpected token'));
test('types in a .js', () => fails({ 'a.js': 'const a: number = 1; export default () => {};' }, 107, 'a.js: Line 1:8'));

// ---- source maps ----------------------------------------------------------------------------------

// Line 1 of the code is line 5 of src/a.ts, from column 3 on; made by hand.
const map = JSON.stringify({ version: 3, sources: ['src/a.ts'], names: [], mappings: 'AAIE' });
const throwing = "export default () => { throw new Error('x'); };";
const comment = '\n//# sourceMappingURL=';

test('source maps: in the code, beside it, on the web', async () => {
  for (const [link, more] of [
    [`data:application/json;charset=utf-8;base64,${btoa(map)}`, {}],
    ['a.js.map', { 'a.js.map': map }],
    ['$URL/maps/a.map', { 'https:/maps/a.map': map }],
  ]) {
    put({ 'a.js': throwing + comment + link, ...more });
    const { code, err } = await run(['run', '--quiet', 'a.js']);
    assert.equal(code, 0, err);
    assert.match(err, /Error: x\\n\\tat default \(file:\/\/\S*\/src\/a\.ts:5:3\)/, link);
  }
});

test('a source map of CommonJS', async () => {
  put({ 'a.js': `exports.default = () => { throw new Error('x'); };${comment}data:application/json;base64,${btoa(map)}` });
  const { err } = await run(['run', '--quiet', 'a.js']);
  assert.match(err, /Error: x\\n\\tat \S*\/src\/a\.ts:5:3|at \S+ \(\S*\/src\/a\.ts:5:3\)/);
});

test('source maps that can’t be had don’t stop a script', async () => {
  for (const [link, why] of [['gone.map', 'no such file'], ['data:application/json;base64,e30=', 'it has no mappings'], ['data:text/plain,x', "isn't base64"]]) {
    put({ 'a.js': `console.log(1);${end}${comment}${link}` });
    const { code, err } = await run(['run', '--quiet', 'a.js']);
    assert.equal(code, 0, err);
    assert.match(err, new RegExp(`level=warning msg="Couldn't load source map for file:///.*${why}`));
    assert.equal(err.match(/Couldn't load/g).length, 1);
  }
});

// ---- servers and files that go on without end ----------------------------------------------------

test('imports have a depth', async () => {
  const files = { 'a.js': `import './d0.js';${end}` };
  for (let i = 0; i < 300; i++) files[`d${i}.js`] = `import './d${i + 1}.js'; export default 1;`;
  files['d300.js'] = 'export default 1;';
  await fails(files, 107, 'modules import each other more than 250 deep');
  await fails({ ...files, 'a.js': `require('./d0.js');${end}` }, 107, 'modules import each other more than 250 deep');
  await says({ ...files, 'a.js': `import './d60.js'; console.log('fine');${end}` }, ['fine']);
});
