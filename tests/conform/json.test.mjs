// also: asan
// Response.json(path): what gjson's paths find, each row as k6 gives it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const spate = process.env.SPATE_BIN ?? join(fileURLToPath(new URL('../..', import.meta.url)), 'build/spate');
const dir = mkdtempSync(join(tmpdir(), 'spate-json-'));
let server;

const document = {
  name: { first: 'Tom', last: 'Anderson' }, age: 37, children: ['Sara', 'Alex', 'Jack'], 'fav.movie': 'Deer Hunter',
  friends: [
    { first: 'Dale', last: 'Murphy', age: 44, nets: ['ig', 'fb', 'tw'] },
    { first: 'Roger', last: 'Craig', age: 68, nets: ['fb', 'tw'] },
    { first: 'Jane', last: 'Murphy', age: 47, nets: ['ig', 'tw'] },
  ],
  nested: [[1, 2, [3, 4]], 5], text: '[1,2]', columns: { a: [1, 2, 3], b: [4, 5] }, nothing: null,
};

const rows = [
  ['name.last', 'Anderson'], ['children.#', 3], ['children.1', 'Alex'], ['child*.2', 'Jack'], ['c?ildren.0', 'Sara'],
  ['fav\\.movie', 'Deer Hunter'], ['friends.#.first', ['Dale', 'Roger', 'Jane']], ['friends.#.first|0', 'Dale'],
  ['friends.#(last=="Murphy").first', 'Dale'], ['friends.#(last=="Murphy")#.first', ['Dale', 'Jane']],
  ['friends.#(age>45)#.last', ['Craig', 'Murphy']], ['friends.#(first%"D*").last', 'Murphy'],
  ['friends.#(first!%"D*").last', 'Craig'], ['friends.#(nets.#(=="fb"))#.first', ['Dale', 'Roger']],
  ['friends.#()', undefined], ['nothing', null], ['nothing.x', undefined], ['children.9', undefined], ['[', undefined], ['{', undefined],
  ['children|@reverse', ['Jack', 'Alex', 'Sara']], ['children.@reverse.0', 'Jack'], ['@reverse.age', 37],
  ['name.@keys', ['first', 'last']], ['name|@values', ['Tom', 'Anderson']], ['children.@keys', [null, null, null]],
  ['nested.@flatten', [1, 2, [3, 4], 5]], ['nested.@flatten:{"deep":true}', [1, 2, 3, 4, 5]],
  ['friends.@join|first', 'Jane'], ['name.@tostr', '{"first":"Tom","last":"Anderson"}'], ['text.@fromstr.1', 2],
  ['columns.@group', [{ a: 1, b: 4 }, { a: 2, b: 5 }, { a: 3 }]], ['friends.@dig:age', [44, 68, 47]],
  ['{name.first,age,"murphys":friends.#(last="Murphy")#.first}', { first: 'Tom', age: 37, murphys: ['Dale', 'Jane'] }],
  ['{a:age}', { a: 37 }], ['[name.first,age,nope,children.0]', ['Tom', 37, 'Sara']], ['{"x":!"lit",age}', { x: 'lit', age: 37 }],
  ['friends.#.{first,"years":age}|1', { first: 'Roger', years: 68 }], ['children.@unknown', undefined], ['@this.age', 37], ['@pretty|age', 37],
];

before(async () => {
  server = http.createServer((req, res) => res.end(JSON.stringify(document)));
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
});
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

test('paths into JSON', async () => {
  writeFileSync(join(dir, 'paths.js'), `import http from 'k6/http';
    const paths = ${JSON.stringify(rows.map(([path]) => path))};
    export default () => {
      const res = http.get('http://127.0.0.1:${server.address().port}/');
      for (const path of paths) console.log(JSON.stringify([res.json(path)]));
    };`);
  const p = spawn(spate, ['run', '-q', '--log-format', 'raw', 'paths.js'], { cwd: dir, env: { PATH: process.env.PATH, HOME: dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' } });
  let err = '';
  p.stderr.on('data', (d) => { err += d; });
  assert.equal(await new Promise((ok) => p.on('close', ok)), 0, err);
  const got = err.trim().split('\n').map((line) => JSON.parse(line)[0]);
  rows.forEach(([path, want], i) => assert.deepEqual(got[i], want ?? null, path));
});

// gjson would go on for as long as its stack lasts.
test('paths within paths end somewhere', async () => {
  writeFileSync(join(dir, 'deep.js'), `import http from 'k6/http';
    export default () => {
      const res = http.get('http://127.0.0.1:${server.address().port}/');
      const nested = '@dig:'.repeat(20000) + 'a';
      console.log(res.json('nothing.x|' + nested), Array.isArray(res.json('!{}|' + nested)), res.json('@dig:nets.0').join());
    };`);
  const p = spawn(spate, ['run', '-q', '--log-format', 'raw', 'deep.js'], { cwd: dir, env: { PATH: process.env.PATH, HOME: dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' } });
  let err = '';
  p.stderr.on('data', (d) => { err += d; });
  assert.equal(await new Promise((ok) => p.on('close', ok)), 0, err);
  assert.equal(err, 'undefined true ig,fb,ig\n');
});
