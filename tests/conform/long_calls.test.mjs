// also: asan
// Calls of built-in functions that would go on for minutes or for ever end with Ctrl-C, and with the
// time of gracefulStop.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
const dir = mkdtempSync(join(tmpdir(), 'spate-long-calls-'));
after(() => rmSync(dir, { recursive: true, force: true }));

const calls = [
  ['indexOf', 'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)'],
  ['includes', 'Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1)'],
  ['every', 'Array.prototype.every.call({ length: 2 ** 53 - 1 }, () => true)'],
  ['reverse', 'Array.prototype.reverse.call({ length: 2 ** 53 - 1 })'],
  ['splice', 'Array.prototype.splice.call({ length: 2 ** 53 - 1 }, 0, 1)'],
  ['join', "Array.prototype.join.call({ length: 2 ** 32 }, '')"],
  ['a regular expression', "/(a+)+$/.exec('a'.repeat(60) + 'b')"],
  ['JSON.stringify', 'JSON.stringify(Array(2 ** 32 - 1))'],
  ['an iterator without end', 'new Set({ [Symbol.iterator]: () => ({ next: () => ({ value: 1 }) }) })'],
];

const run = (call, options, onBegin) => new Promise((ok) => {
  const name = `s${Math.random().toString(36).slice(2)}.js`;
  writeFileSync(join(dir, name), `export const options = ${options}; export default () => { console.log('begin'); ${call}; console.log('end'); };`);
  const p = spawn(spate, ['run', '--quiet', name], { cwd: dir, env: { PATH: process.env.PATH, HOME: dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' } });
  let err = '';
  let begun = false;
  p.stdout.resume();
  p.stderr.on('data', (d) => { err += d; if (!begun && err.includes('msg=begin')) { begun = true; onBegin?.(p); } });
  p.on('close', (code, signal) => ok({ code, signal, err }));
});

for (const [name, call] of calls)
  test(`Ctrl-C: ${name}`, { timeout: 20_000 }, async () => {
    const { code, err } = await run(call, '{ vus: 1, iterations: 1 }', (p) => p.kill('SIGINT'));
    assert.equal(code, 105, err);
    assert.doesNotMatch(err, /msg=end/);
  });

test('gracefulStop', { timeout: 20_000 }, async () => {
  const { code, err } = await run(calls[0][1], "{ scenarios: { s: { executor: 'constant-vus', vus: 2, duration: '1s', gracefulStop: '100ms' } } }");
  assert.equal(code, 0, err);
  assert.doesNotMatch(err, /msg=end/);
});
