// also: asan
// The command line from outside: commands, flags with their variables and options, exit codes, the
// config file and who has the last word, what is printed where. A case is a row of the table that
// says how k6 does it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
const asan = !!process.env.ASAN_OPTIONS;
const dir = mkdtempSync(join(tmpdir(), 'spate-cli-'));
const base = { PATH: process.env.PATH, HOME: join(dir, 'home'), TZ: 'UTC', ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' };
mkdirSync(join(dir, 'home'));
after(() => rmSync(dir, { recursive: true, force: true }));

function file(name, text) {
  mkdirSync(dirname(join(dir, name)), { recursive: true });
  writeFileSync(join(dir, name), text);
  return name;
}

// When standard error has `until` in it, `then` gets the process.
function run(args, { env = {}, input, cwd = dir, until, then, bin = spate } = {}) {
  const p = spawn(bin, args, { cwd, env: { ...base, ...env } });
  const out = [];
  let err = '';
  let seen = !until;
  p.stdout.on('data', (d) => out.push(d));
  p.stderr.on('data', (d) => {
    err += d;
    if (!seen && err.includes(until)) { seen = true; then(p); }
  });
  p.stdin.on('error', () => {}); // it may end before it has read all
  p.stdin.end(input ?? '');
  return new Promise((ok) => p.on('close', (code, signal) => ok({ code, signal, raw: Buffer.concat(out), out: Buffer.concat(out).toString(), err })));
}

const errors = (err) => [...err.matchAll(/level=error msg=("(?:[^"\\]|\\.)*"|\S*)/g)].map(([, m]) => (m[0] === '"' ? JSON.parse(m.replace(/\\x../g, '?')) : m));
const logged = (err) => [...err.matchAll(/level=info msg=("(?:[^"\\]|\\.)*"|\S*) source=console/g)].map(([, m]) => (m[0] === '"' ? JSON.parse(m) : m));
const nothing = 'export default () => {};';
const opt = (o) => `export const options = ${JSON.stringify(o)}; export default () => {};`;
file('ok.js', nothing);

// ---- tars, by hand --------------------------------------------------------------------------------

function tarHeader(name, size, type, link) {
  const h = Buffer.alloc(512);
  h.write(name, 0); h.write('0000644\0', 100); h.write('0000000\0', 108); h.write('0000000\0', 116);
  h.write(size.toString(8).padStart(11, '0') + '\0', 124); h.write('00000000000\0', 136);
  h.write('        ', 148); h.write(type, 156); h.write(link, 157); h.write('ustar\x0000', 257);
  h.write(h.reduce((a, b) => a + b, 0).toString(8).padStart(6, '0') + '\0 ', 148);
  return h;
}
// Entries are [path, text], [path, null, link's target] or [path] for a folder.
function tar(...entries) {
  const parts = [];
  for (const [path, text, link] of entries) {
    const data = Buffer.from(text ?? '');
    parts.push(tarHeader(path, data.length, link ? '1' : text == null ? '5' : '0', link ?? ''), data, Buffer.alloc((512 - data.length % 512) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}
function untar(buf) {
  const files = {};
  for (let at = 0; at + 512 <= buf.length && buf[at] !== 0;) {
    const text = (from, n) => buf.toString('utf8', at + from, at + from + n).replace(/\0.*$/s, '');
    const size = parseInt(text(124, 12), 8);
    const name = (text(345, 155) ? `${text(345, 155)}/` : '') + text(0, 100);
    files[name] = text(156, 1) === '1' ? { link: text(157, 100) } : buf.toString('utf8', at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
const metadata = (o) => JSON.stringify({ type: 'js', options: {}, filename: 'file:///x/m.js', pwd: 'file:///x/', env: {}, compatibilityMode: 'extended', k6version: '0.49.0', goos: 'linux', ...o });

// ---- 1.1 commands ---------------------------------------------------------------------------------

describe('commands', () => {
  const commands = ['new', 'run', 'archive', 'inspect', 'deps', 'server', 'cloud', 'cloud run', 'cloud login', 'login', 'completion', 'features', 'version', 'status', 'stats', 'pause', 'resume', 'scale'];
  test('each has a help, by three ways', async () => {
    for (const c of asan ? ['run', 'cloud login'] : commands) {
      const by = await Promise.all([run(['help', ...c.split(' ')]), run([...c.split(' '), '--help']), run([...c.split(' '), '-h'])]);
      for (const r of by) {
        assert.equal(r.code, 0, `${c}: ${r.err}`);
        assert.equal(r.out, by[0].out);
        assert.match(r.out, new RegExp(`\\nUsage:\\n  spate ${c} `));
        assert.match(r.out, /\nFlags of all commands:\n/);
      }
    }
  });

  test('no command, help, --help: the list of them', async () => {
    for (const args of [[], ['help'], ['--help'], ['-h'], ['-q']]) {
      const r = await run(args);
      assert.equal(r.code, 0);
      for (const c of commands.filter((n) => !/ |login/.test(n))) assert.match(r.out, new RegExp(`\\n  ${c} `));
    }
  });

  for (const [args, message] of [
    [['bogus'], 'unknown command "bogus" for "spate"'],
    [['rn'], 'hint="did you mean run?"'],
    [['shop.js'], 'hint="a script is run by `spate run shop.js`"'],
    [['--bogus'], 'unknown flag: --bogus'],
    [['run', '--vuss', '1'], 'hint="did you mean --vus?"'],
    [['convert', 'x.har'], "the command convert isn't there"],
    [['x', 'docs'], "the command x isn't there"],
    [['login', 'influxdb'], "login influxdb isn't there"],
    [['completion', 'tcsh'], "no completion for 'tcsh'"],
    [['run'], 'accepts 1 arg(s), received 0'],
    [['run', 'a', 'b'], 'accepts 1 arg(s), received 2'],
    [['archive'], 'accepts 1 arg(s), received 0'],
    [['version', 'x'], 'accepts 0 arg(s), received 1'],
    [['new', 'a', 'b'], 'accepts between 0 and 1 arg(s), received 2'],
  ])
    test(`wrong: ${args.join(' ')}`, async () => {
      const r = await run(args);
      assert.equal(r.code, 255);
      assert.ok(r.err.replaceAll('\\"', '"').includes(message), r.err);
    });

  test('flags in front of the command', async () => {
    const r = await run(['-q', '--log-format', 'raw', 'run', file('front.js', "export default () => console.log('there');")]);
    assert.equal(r.code, 0);
    assert.equal(r.err, 'there\n');
  });

  test('version', async () => {
    const [a, b, j] = await Promise.all([run(['version']), run(['--version']), run(['version', '--json'])]);
    assert.match(a.out, /^spate v\d+\.\d+\.\d+ \(k6 v2\.2\.0, .*, linux\/(amd64|arm64)\)\n$/);
    assert.equal(b.out, a.out);
    assert.match(JSON.parse(j.out).version, /^v\d+\.\d+\.\d+$/);
    symlinkSync(spate, join(dir, 'k6'));
    assert.match((await run(['version'], { bin: join(dir, 'k6') })).out, /^k6 v/);
  });

  test('new: a template of each kind that runs, never over a file that exists', async () => {
    const first = await run(['new']);
    assert.equal(first.out, 'New script created: script.js (minimal template).\n');
    const again = await run(['new']);
    assert.equal(again.code, 255);
    assert.deepEqual(errors(again.err), ['script.js already exists. Use the `--force` flag to overwrite it']);
    assert.equal((await run(['new', '-f', '--template', 'protocol', '--project-id', '12'])).code, 0);
    assert.match(readFileSync(join(dir, 'script.js'), 'utf8'), /cloud: \{ projectID: 12, name: 'script\.js' \}/);
    const r = await run(['inspect', 'script.js']);
    assert.equal(JSON.parse(r.out).cloud.projectID, 12);
    assert.equal((await run(['new', '--template', 'browser', 'b.js'])).code, 0);
    file('t.tpl', '// {{ .ScriptName }}{{ if .ProjectID }} {{ .ProjectID }}{{ end }}\n');
    assert.equal((await run(['new', '--template', './t.tpl', 't.js'])).code, 0);
    assert.equal(readFileSync(join(dir, 't.js'), 'utf8'), '// t.js\n');
    assert.match((await run(['new', '--template', 't.tpl', 'u.js'])).err, /invalid template type \\"t\.tpl\\"" hint="did you mean \.\/t\.tpl\?"/);
    assert.ok(!existsSync(join(dir, 'u.js')));
  });

  test('deps', async () => {
    file('d/lib.js', "import 'k6/metrics'; export const a = 1;");
    const script = file('d/main.js', "import http from 'k6/http'; import { a } from './lib.js'; import foo from 'k6/x/foo'; require('k6/data'); export default () => http.get(a);");
    const j = await run(['deps', '--json', script]);
    assert.deepEqual(JSON.parse(j.out), {
      buildDependencies: { k6: '*', 'k6/x/foo': '*' },
      imports: [`file://${dir}/d/lib.js`, `file://${dir}/d/main.js`, 'k6/http', 'k6/metrics', 'k6/x/foo'],
      customBuildRequired: true,
    });
    const use = file('d/use.js', `#!/usr/bin/env k6\n// c\n/* d */ "use k6 >= v1.0"; 'use k6 with k6/x/faker  >= 0.4, < 1'; "use strict"; export default () => {}; "use k6 with k6/x/late";`);
    assert.match((await run(['deps', use])).out, /^Build Dependencies:\n  k6: >=v1\.0\n  k6\/x\/faker: >=0\.4 <1\n\nImports:\n[^\n]*\n\nCustom Build Required: yes\n$/);
    const twice = await run(['deps', file('d/two.js', `"use k6 with k6/x/a >= 1"; "use k6 with k6/x/a >= 2"; export default () => {};`)]);
    assert.equal(twice.code, 255);
    assert.match(twice.err, /k6\/x\/a/);
    const t = await run(['deps', 'ok.js']);
    assert.equal(t.out, `Build Dependencies:\n  k6: *\n\nImports:\n  file://${dir}/ok.js\n\nCustom Build Required: no\n`);
  });

  test('features: listed, turned on, unknown', async () => {
    assert.deepEqual(JSON.parse((await run(['features', '--json'])).out).map((f) => f.feature), ['freeze-env', 'merge-run-tags', 'native-histograms']);
    assert.match((await run(['features'])).out, /^FEATURE +LIFECYCLE +DESCRIPTION\nfreeze-env +Experimental /);
    const script = file('feat.js', `export const options = { tags: { a: 's', b: 's' }, thresholds: { 'iterations{a:c}': ['count==1'], 'iterations{b:s}': ['count==1'], 'iterations{k6_feature_merge_run_tags:true}': ['count==1'] } };
      export default () => { try { __ENV.X = 'y'; } catch (e) { console.log(e.name); } console.log(__ENV.X); };`);
    const env = { X: '1', K6_TAGS: 'a:c' };
    const on = await run(['run', '-q', '--features', 'freeze-env,merge-run-tags', script], { env });
    assert.equal(on.code, 0, on.err + on.out);
    assert.deepEqual(logged(on.err), ['TypeError', '1']);
    const off = await run(['run', '-q', script], { env });
    assert.equal(off.code, 99);
    assert.deepEqual(logged(off.err), ['y']);
    const unknown = await run(['run', '-q', 'ok.js'], { env: { K6_FEATURES: 'zzz' } });
    assert.equal(unknown.code, 0);
    assert.match(unknown.err, /unknown feature 'zzz'/);
    assert.match((await run(['run', '-q', file('fo.js', opt({ features: ['freeze-env'] }))])).err, /Feature flags in script options are not supported/);
  });

  test('completion: the bash script asks the program', async () => {
    mkdirSync(join(dir, 'bin'), { recursive: true });
    if (!existsSync(join(dir, 'bin/spate'))) symlinkSync(spate, join(dir, 'bin/spate'));
    file('complete.sh', `PATH="${dir}/bin:$PATH"; source <(spate completion bash)
      t() { COMP_LINE="$1"; COMP_POINT=\${#1}; COMPREPLY=(); _spate_complete; printf '%s|' "\${COMPREPLY[@]}"; echo; }
      t 'spate arch'; t 'spate run --dur'; t 'spate run --type='; t 'spate cloud log'; t 'spate run -c comp'`);
    const r = await run(['complete.sh'], { bin: '/bin/bash' });
    assert.equal(r.out, 'archive|\n--duration|\njs|archive|\nlogin|\ncomplete.sh|\n');
    for (const shell of ['zsh', 'fish', 'powershell']) assert.match((await run(['completion', shell])).out, /__complete /);
    assert.match((await run(['completion', 'fish', '--no-descriptions'])).out, /__complete -n /);
    assert.match((await run(['__complete', 'run', '--dur'])).out, /^--duration\t\S/);
  });
});

// ---- 1.1 inspect ----------------------------------------------------------------------------------

test('inspect: what the script says; with requirements, what follows from all', async () => {
  const script = file('ins.js', opt({ vus: 3, stages: [{ duration: '1m30s', target: 5 }, { duration: 1500, target: 0 }], thresholds: { checks: ['rate>0.9'] }, systemTags: ['url', 'status', 'bogus'], ext: { a: 1 }, cloud: { name: 'n' } }));
  const plain = await run(['inspect', script]);
  assert.equal(plain.code, 0, plain.err);
  assert.ok(plain.out.endsWith('"features": null\n}'));
  assert.match(plain.out, /^\{\n  "paused": null,\n  "vus": 3,\n/);
  assert.match(plain.out, /"rate\\u003e0\.9"/);
  const o = JSON.parse(plain.out);
  assert.deepEqual(o.stages, [{ duration: '1m30s', target: 5 }, { duration: '1.5s', target: 0 }]);
  assert.deepEqual(o.systemTags, ['status', 'url']);
  assert.equal(o.scenarios, null);
  assert.equal(o.summaryTrendStats, null);
  assert.deepEqual(Object.keys(o).slice(-11), ['minIterationDuration', 'cloud', 'ext', 'summaryTrendStats', 'summaryTimeUnit', 'systemTags', 'tags', 'metricSamplesBufferSize', 'noCookiesReset', 'discardResponseBodies', 'features']);
  const full = JSON.parse((await run(['inspect', '--execution-requirements', script], { env: { K6_BATCH: '3' } })).out);
  assert.equal(full.scenarios.default.executor, 'ramping-vus');
  assert.equal(full.totalDuration, '2m1.5s');
  assert.equal(full.maxVUs, 5);
  assert.equal(full.batch, 3);
  assert.deepEqual(full.summaryTrendStats, ['avg', 'min', 'med', 'max', 'p(90)', 'p(95)']);
});

test('inspect: values that can\'t be', async () => {
  for (const o of [{ executionSegment: '3:1' }, { blockHostnames: ['a*b'] }, { blacklistIPs: ['x'] }, { tlsVersion: 'ssl' }, { dns: { policy: 'x' } }]) {
    const r = await run(['inspect', file('iv.js', opt(o))]);
    assert.equal(r.code, 104, JSON.stringify(o));
    assert.match(r.err, /could not initialize 'iv\.js': could not load JS test 'file:/);
  }
  assert.equal((await run(['inspect', file('iw.js', opt({ summaryTrendStats: ['foo'], thresholds: { checks: ['foo<1'] } }))])).code, 0); // judged when it runs
});

// ---- 1.1 archives ---------------------------------------------------------------------------------

describe('archives', () => {
  const entries = async () => {
    file('proj/lib/a.js', "export const a = () => 'lib';");
    file('proj/data/x.txt', 'text');
    file('proj/main.js', "import { a } from './lib/a.js'; const x = open('./data/x.txt'); export const options = { vus: 2, iterations: 2, tags: { t: 'u' } }; export default () => console.log(a(), x, __ENV.WHO, __ENV.SYS);");
    const r = await run(['archive', '-O', '-', '-e', 'WHO=me', '-i', '3', '--type', 'js', 'proj/main.js'], { env: { SYS: 'secret', K6_BATCH: '7' } });
    assert.equal(r.code, 0, r.err);
    return r.raw;
  };

  test('hold script, files, consolidated options and variables', async () => {
    const files = untar(await entries());
    const where = dir.slice(1);
    assert.deepEqual(Object.keys(files), ['metadata.json', 'data', `file/${where}/proj/main.js`, `file/${where}/proj/lib/a.js`, `file/${where}/proj/data/x.txt`]);
    assert.deepEqual(files[`file/${where}/proj/main.js`], { link: 'data' });
    const m = JSON.parse(files['metadata.json']);
    assert.equal(m.type, 'js');
    assert.equal(m.filename, `file://${dir}/proj/main.js`);
    assert.equal(m.pwd, `file://${dir}/proj`);
    assert.deepEqual(m.env, { WHO: 'me' });
    assert.equal(m.options.iterations, 3);
    assert.equal(m.options.vus, 2);
    assert.equal(m.options.batch, 7);
    assert.equal(m.options.scenarios, null);
    assert.deepEqual(m.options.tags, { t: 'u' });
    const without = await run(['archive', '-O', '-', '-e', 'WHO=me', '--exclude-env-vars', 'proj/main.js']);
    assert.deepEqual(JSON.parse(untar(without.raw)['metadata.json']).env, {});
    assert.equal((await run(['archive', 'ok.js'])).code, 0);
    assert.ok(existsSync(join(dir, 'archive.tar')));
    const all = await run(['archive', '-O', '-', '--include-system-env-vars', 'ok.js'], { env: { SYS: '1' } });
    assert.equal(JSON.parse(untar(all.raw)['metadata.json']).env.SYS, '1');
  });

  test('run from a file, from standard input, and again from an archive of theirs; nothing of the disk', async () => {
    writeFileSync(join(dir, 'away.tar'), await entries());
    rmSync(join(dir, 'proj'), { recursive: true });
    const lines = Array(3).fill('lib text me sys');
    const r = await run(['run', '-q', 'away.tar'], { env: { SYS: 'sys' } });
    assert.equal(r.code, 0, r.err);
    assert.deepEqual(logged(r.err), lines);
    const input = readFileSync(join(dir, 'away.tar'));
    assert.deepEqual(logged((await run(['run', '-q', '-e', 'WHO=you', '-'], { input, env: { SYS: 'sys', WHO: 'they' } })).err), lines.map((l) => l.replace('me', 'you')));
    assert.deepEqual(logged((await run(['run', '-q', 'away.tar'], { env: { WHO: 'they', SYS: 'sys' } })).err), lines.map((l) => l.replace('me', 'they')));
    assert.equal((await run(['archive', '-O', 'twice.tar', '-u', '1', '-i', '1', 'away.tar'])).code, 0);
    assert.deepEqual(logged((await run(['run', '-q', 'twice.tar'])).err), ['lib text me undefined']);
    assert.equal(JSON.parse((await run(['inspect', '-'], { input })).out).iterations, 3);
    assert.match((await run(['deps', 'away.tar'])).out, /main\.js/);
  });

  test('options: its own over the config file, below variables and flags', async () => {
    writeFileSync(join(dir, 'prec.tar'), tar(['metadata.json', metadata({ options: { iterations: 2, vus: 1, batch: 4 } })], ['data', 'export const options = { iterations: 9, rps: 5 }; export default () => {};'], ['file/x/m.js', null, 'data']));
    file('prec.json', '{"iterations":7,"batchPerHost":8}');
    const o = JSON.parse((await run(['inspect', '--execution-requirements', '-c', 'prec.json', 'prec.tar'], { env: { K6_BATCH: '6' } })).out);
    assert.deepEqual([o.iterations, o.batch, o.batchPerHost, o.rps], [2, 6, 8, null]);
  });

  for (const [name, entriesOf, code, expected] of [
    ['of k6 with folders and a copy of the script', [['metadata.json', metadata({ filename: 'file:///home/nobody/p/m.js', pwd: 'file:///home/nobody/p/' })], ['data', "import './a.js'; export default () => {};"], ['file'], ['file/home'], ['file/home/nobody/p/m.js', "import './a.js'; export default () => {};"], ['file/home/nobody/p/a.js', "console.log('a');"]], 0, ['a']],
    ['of Windows', [['metadata.json', metadata({ filename: 'file:///C:/Users/kim/p/m.js', pwd: 'file:///C:/Users/kim/p/', goos: 'windows' })], ['data', "import './lib/a.js'; console.log(open('C:\\\\Users\\\\kim\\\\p\\\\d.txt'), open('./d.txt'), open('sub\\\\e.txt')); export default () => {};"], ['file/C/Users/nobody/p/lib/a.js', ''], ['file/C/Users/nobody/p/d.txt', 'D'], ['file/C/Users/nobody/p/sub/e.txt', 'E']], 0, ['D D E']],
    ['of Windows, drive as C_', [['metadata.json', metadata({ filename: 'file:///C:/p/m.js', pwd: 'file:///C:/p' })], ['data', "console.log(open('./d.txt')); export default () => {};"], ['file/C_/p/d.txt', 'D']], 0, ['D']],
    ['with a module of the web, which is never fetched', [['metadata.json', metadata({})], ['data', "import { v } from 'https://nowhere.invalid/lib/v.js?x=1'; console.log(v); export default () => {};"], ['https/nowhere.invalid/lib/v.js?x=1', "import './w.js'; export const v = 'remote';"], ['https/nowhere.invalid/lib/w.js', '']], 0, ['remote']],
    ['whose main script is one of the web', [['metadata.json', metadata({ filename: 'https://nowhere.invalid/a/m.js', pwd: 'https://nowhere.invalid/a/' })], ['data', "import { v } from './v.js'; console.log(v); export default () => {};"], ['https/nowhere.invalid/a/v.js', "export const v = 'beside';"]], 0, ['beside']],
    ['from standard input', [['metadata.json', metadata({ filename: 'file:///-', pwd: 'file:///w/' })], ['data', "import { v } from './v.js'; console.log(v); export default () => {};"], ['file/-', null, 'data'], ['file/w/v.js', "export const v = 'cwd';"]], 0, ['cwd']],
    ['from before 2019', [['metadata.json', '{"filename":"/old/m.js","pwd":"/old","options":{}}'], ['data', "import './a.js'; console.log(open('/old/d.txt')); export default () => {};"], ['scripts/_/old/m.js', ''], ['scripts/_/old/a.js', ''], ['files/_/old/d.txt', 'old']], 0, ['old']],
  ])
    test(`run: ${name}`, async () => {
      writeFileSync(join(dir, 'case.tar'), tar(...entriesOf));
      const r = await run(['run', '-q', 'case.tar']);
      assert.equal(r.code, code, r.err);
      assert.equal(logged(r.err)[0], expected[0], r.err);
    });

  for (const [name, bytes, code, message] of [
    ['a file that it lacks is not looked for on the disk', () => tar(['metadata.json', metadata({ filename: `file://${dir}/m.js`, pwd: `file://${dir}/` })], ['data', `import './ok.js'; export default () => {};`]), 107, 'couldn\'t be found'],
    ['likewise open()', () => tar(['metadata.json', metadata({ filename: `file://${dir}/m.js`, pwd: `file://${dir}/` })], ['data', `open('./ok.js'); export default () => {};`]), 107, 'no such file or directory'],
    ['likewise by a path that leads out', () => tar(['metadata.json', metadata({})], ['data', `open('../../../../../etc/passwd'); export default () => {};`]), 107, 'no such file or directory'],
    ['a module of the web that it lacks', () => tar(['metadata.json', metadata({})], ['data', `import 'https://nowhere.invalid/x.js'; export default () => {};`]), 107, "it isn't in the archive"],
    ['without metadata', () => tar(['data', nothing]), 255, "could not load test archive bundle 'bad.tar': it has no metadata.json"],
    ['of something else', () => tar(['readme', 'x'], ['other/file', 'x']), 255, 'unknown file prefix `other`'],
    ['of another type', () => tar(['metadata.json', metadata({ type: 'go' })], ['data', nothing]), 255, "unsupported test type 'go'"],
    ['with options that can\'t be', () => tar(['metadata.json', metadata({ options: { vus: 'x' } })], ['data', nothing]), 104, 'strconv.ParseInt'],
    ['cut short', () => tar(['metadata.json', metadata({})], ['data', nothing]).subarray(0, 1550), 255, 'archive: cut short'],
    ['with a header that is broken', () => { const t = tar(['metadata.json', metadata({})], ['data', nothing]); t[1100] ^= 1; return t; }, 255, 'bad header checksum'],
  ])
    test(`not run: ${name}`, async () => {
      writeFileSync(join(dir, 'bad.tar'), bytes());
      const r = await run(['run', '-q', 'bad.tar']);
      assert.equal(r.code, code, r.err);
      assert.ok(r.err.includes(message), r.err);
    });

  for (const [args, code, message] of [
    [['-t', 'archive', 'ok.js'], 255, "could not load test archive bundle 'ok.js': archive"],
    [['-t', 'js', 'bad.tar'], 107, 'Line 1'],
    [['-t', 'foo', 'ok.js'], 255, "unknown or unspecified test type 'foo' for 'ok.js'"],
    [['-t', 'archive', 'none.tar'], 255, 'none.tar: no such file or directory'],
  ])
    test(`--type: ${args.join(' ')}`, async () => {
      writeFileSync(join(dir, 'bad.tar'), tar(['data', nothing]));
      const r = await run(['run', '-q', ...args]);
      assert.equal(r.code, code, r.err);
      assert.ok(r.err.includes(message), r.err);
    });
});

test('a script from standard input: what it names is relative to the working folder', async () => {
  file('std/v.js', "export const v = 'beside';");
  file('std/d.txt', 'data');
  const r = await run(['run', '-q', '-'], { cwd: join(dir, 'std'), input: "import { v } from './v.js'; const d = open('d.txt'); export default () => console.log(v, d);" });
  assert.equal(r.code, 0, r.err);
  assert.deepEqual(logged(r.err), ['beside data']);
  // in an archive it lies where it was read, as k6 looks beside it
  const packed = await run(['archive', '-O', '-', '-'], { cwd: join(dir, 'std'), input: "import { v } from './v.js'; const d = open('d.txt'); export default () => console.log(v, d);" });
  assert.equal(JSON.parse(untar(packed.raw)['metadata.json']).filename, `file://${dir}/std/-`);
  assert.deepEqual(logged((await run(['run', '-q', '-'], { input: packed.raw })).err), ['beside data']);
});

// ---- 1.3 flags, variables, options ----------------------------------------------------------------

// flag, its value; variable; option, as JSON in scripts and the config file; what comes out
const rows = [
  ['--max-redirects', '4', 'K6_MAX_REDIRECTS', 'maxRedirects', 4],
  ['--batch', '21', 'K6_BATCH', 'batch', 21],
  ['--batch-per-host', '7', 'K6_BATCH_PER_HOST', 'batchPerHost', 7],
  ['--rps', '5', 'K6_RPS', 'rps', 5],
  ['--user-agent', 'me', 'K6_USER_AGENT', 'userAgent', 'me'],
  ['--http-debug=full', null, 'K6_HTTP_DEBUG', 'httpDebug', 'full'],
  ['--insecure-skip-tls-verify', null, 'K6_INSECURE_SKIP_TLS_VERIFY', 'insecureSkipTLSVerify', true],
  ['--no-connection-reuse', null, 'K6_NO_CONNECTION_REUSE', 'noConnectionReuse', true],
  ['--no-vu-connection-reuse', null, 'K6_NO_VU_CONNECTION_REUSE', 'noVUConnectionReuse', true],
  ['--min-iteration-duration', '1m30s', 'K6_MIN_ITERATION_DURATION', 'minIterationDuration', '1m30s'],
  ['-w', null, 'K6_THROW', 'throw', true],
  ['--blacklist-ip', '10.0.0.0/8,fd00::/8', 'K6_BLACKLIST_IPS', 'blacklistIPs', ['10.0.0.0/8', 'fd00::/8']],
  ['--block-hostnames', '*.x.test,y.test', 'K6_BLOCK_HOSTNAMES', 'blockHostnames', ['*.x.test', 'y.test']],
  ['--summary-trend-stats', 'avg,p(99.9),count', 'K6_SUMMARY_TREND_STATS', 'summaryTrendStats', ['avg', 'p(99.9)', 'count']],
  ['--summary-time-unit', 'ms', 'K6_SUMMARY_TIME_UNIT', 'summaryTimeUnit', 'ms'],
  ['--system-tags', 'url,status', 'K6_SYSTEM_TAGS', 'systemTags', ['status', 'url']],
  ['--tag', 'a=b', 'K6_TAGS', 'tags', { a: 'b' }, 'a:b'],
  ['--discard-response-bodies', null, 'K6_DISCARD_RESPONSE_BODIES', 'discardResponseBodies', true],
  ['--dns', 'ttl=1m,select=first,policy=onlyIPv4', 'K6_DNS', 'dns', { ttl: '1m', select: 'first', policy: 'onlyIPv4' }],
  ['--no-setup', null, 'K6_NO_SETUP', 'noSetup', true],
  ['--no-teardown', null, 'K6_NO_TEARDOWN', 'noTeardown', true],
  ['--paused', null, 'K6_PAUSED', 'paused', true],
  ['-u', '3', 'K6_VUS', 'vus', 3],
  ['-d', '1m', 'K6_DURATION', 'duration', '1m0s'],
  ['--execution-segment', '1/4:1/2', null, 'executionSegment', '1/4:1/2'],
  ['--execution-segment-sequence', '0,1/4,1/2,1', null, 'executionSegmentSequence', '0,1/4,1/2,1'],
  [null, '70s', 'K6_SETUP_TIMEOUT', 'setupTimeout', '1m10s'],
  [null, '5000', 'K6_TEARDOWN_TIMEOUT', 'teardownTimeout', '5s'],
  [null, '1d2h', 'K6_HANDLE_SUMMARY_TIMEOUT', 'handleSummaryTimeout', '26h0m0s'],
  [null, 'true', 'K6_NO_COOKIES_RESET', 'noCookiesReset', true],
  [null, '{"a.test":"1.2.3.4"}', 'K6_HOSTS', 'hosts', { 'a.test': '1.2.3.4' }],
  [null, '{"checks":["rate>0.9"]}', 'K6_THRESHOLDS', 'thresholds', { checks: ['rate>0.9'] }],
  [null, '55', 'K6_METRIC_SAMPLES_BUFFER_SIZE', 'metricSamplesBufferSize', 55],
];

describe('options', () => {
  // Kept out where a run with --paused would be asked for: archive only packs.
  const options = async (args, env, script = 'ok.js') => {
    const r = await run(['archive', '-O', '-', ...args, script], { env });
    assert.equal(r.code, 0, r.err);
    return JSON.parse(untar(r.raw)['metadata.json']).options;
  };
  const check = (o, list, what) => { for (const [, , , name, value] of list) assert.deepEqual(o[name], value, `${what} ${name}`); };

  test('each by its flag', async () => {
    const list = rows.filter((r) => r[0]);
    check(await options(list.flatMap(([flag, value]) => (value === null ? [flag] : [flag, value])), {}), list, 'flag');
  });

  test('each by its variable', async () => {
    const list = rows.filter((r) => r[2]);
    check(await options([], Object.fromEntries(list.map(([flag, value, name, , wanted, text]) => [name, text ?? value ?? String(wanted)]))), list, 'variable');
  });

  test('each by the script, and by the config file', async () => {
    const o = Object.fromEntries(rows.map(([, , , name, value]) => [name, value]));
    check(await options([], {}, file('all.js', opt(o))), rows, 'script');
    check(await options(['-c', file('all.json', JSON.stringify(o))], {}), rows, 'config file');
  });

  test('the higher layer of two', async () => {
    file('l.json', '{"batch":1,"batchPerHost":1,"rps":1,"maxRedirects":1,"tags":{"c":"1"}}');
    const script = file('l.js', opt({ batchPerHost: 2, rps: 2, maxRedirects: 2, tags: {} }));
    const o = await options(['-c', 'l.json', '--max-redirects', '4'], { K6_RPS: '3', K6_MAX_REDIRECTS: '3' }, script);
    assert.deepEqual([o.batch, o.batchPerHost, o.rps, o.maxRedirects, o.tags], [1, 2, 3, 4, { c: '1' }]);
  });

  // layers: config file, script, variables, flags; what is left of the four ways to schedule
  const four = (o) => [o.duration, o.iterations, o.stages && o.stages.length, o.scenarios && Object.keys(o.scenarios).join()].map((v) => v ?? null);
  const scenario = { s: { executor: 'shared-iterations' } };
  for (const [name, config, script, env, args, left, warned] of [
    ['flag over script', {}, { stages: [{ duration: '1s', target: 1 }] }, {}, ['-d', '5s'], ['5s', null, null, null]],
    ['flag over scenarios', {}, { scenarios: scenario }, {}, ['-i', '5'], [null, 5, null, null], 'cli'],
    ['variable over scenarios', {}, { scenarios: scenario }, { K6_STAGES: '5s:1,6s:0' }, [], [null, null, 2, null], 'env'],
    ['script over config file', { duration: '9s' }, { iterations: 3 }, {}, [], [null, 3, null, null]],
    ['scenarios of the script over those of the config file', { scenarios: { c: scenario.s } }, { scenarios: scenario }, {}, [], [null, null, null, 's'], 'script'],
    ['vus alone leaves all', {}, { duration: '5s' }, {}, ['-u', '7'], ['5s', null, null, null]],
    ['all of one layer stays', {}, {}, {}, ['-d', '5s', '-i', '3'], ['5s', 3, null, null]],
  ])
    test(`schedules: ${name}`, async () => {
      const r = await run(['archive', '-O', '-', '-c', file('w.json', JSON.stringify(config)), ...args, file('w.js', opt(script))], { env });
      assert.equal(r.code, 0, r.err);
      assert.deepEqual(four(JSON.parse(untar(r.raw)['metadata.json']).options), left);
      assert.equal(/level=warning msg="\\"(\w+)\\" level configuration overrode scenarios configuration entirely"/.exec(r.err)?.[1], warned);
    });

  test('vus alone: as many iterations; over scenarios with a warning', async () => {
    assert.match((await run(['run', '-u', '3', 'ok.js'])).out, /3 iterations shared among 3 VUs/);
    const r = await run(['run', '-u', '3', file('vs.js', opt({ scenarios: scenario }))]);
    assert.match(r.err, /`vus=3` overrides scenarios configuration/);
    assert.match(r.out, /3 iterations shared among 3 VUs/);
  });
});

describe('flags of the run', () => {
  const thr = file('thr.js', "import { check } from 'k6'; export const options = { thresholds: { checks: ['rate==1'] } }; export default () => check(1, { a: false });");
  for (const [args, env, code] of [
    [[], {}, 99], [['--no-thresholds'], {}, 0], [[], { K6_NO_THRESHOLDS: 'true' }, 0], [['--no-thresholds=false'], { K6_NO_THRESHOLDS: 'true' }, 99], [[], { K6_NO_THRESHOLDS: 'x' }, 255],
  ])
    test(`thresholds: ${args} ${JSON.stringify(env)}`, async () => assert.equal((await run(['run', '-q', ...args, thr], { env })).code, code));

  test('--summary-mode, --no-summary, --summary-export and their variables', async () => {
    const summary = async (args, env) => (await run(['run', '-q', ...args, 'ok.js'], { env })).out;
    assert.match(await summary([]), /TOTAL RESULTS/);
    for (const [args, env] of [[['--summary-mode', 'disabled']], [[], { K6_SUMMARY_MODE: 'disabled' }], [['--no-summary']], [[], { K6_NO_SUMMARY: '1' }]]) assert.equal(await summary(args, env), '');
    await summary(['--summary-export', 'se.json']);
    assert.ok(JSON.parse(readFileSync(join(dir, 'se.json'), 'utf8')).metrics.iterations);
    await summary([], { K6_SUMMARY_EXPORT: 'se2.json' });
    assert.ok(existsSync(join(dir, 'se2.json')));
  });

  test('__ENV: -e, the environment, and neither', async () => {
    const script = file('env.js', 'export default () => console.log(__ENV.A, __ENV.B, __ENV.C);');
    const said = async (args, env) => logged((await run(['run', '-q', ...args, script], { env: { A: 'a', B: 'b', ...env } })).err)[0];
    assert.equal(await said(['-e', 'B=x=y', '-e', 'C']), 'a x=y ');
    assert.equal(await said(['--include-system-env-vars=false', '-e', 'C=1']), 'undefined undefined 1');
    assert.equal(await said([], { K6_INCLUDE_SYSTEM_ENV_VARS: 'false' }), 'undefined undefined undefined');
    const inspected = await run(['inspect', file('env2.js', 'export const options = { userAgent: String(__ENV.A) }; export default () => {};')], { env: { A: 'a' } });
    assert.equal(JSON.parse(inspected.out).userAgent, 'undefined');
  });

  test('--console-output and its variable', async () => {
    const script = file('con.js', "export default () => console.warn('to the file');");
    const a = await run(['run', '-q', '--console-output', 'con.log', script]);
    const b = await run(['run', '-q', script], { env: { K6_CONSOLE_OUTPUT: 'con.log' } });
    assert.equal(a.err + b.err, '');
    assert.match(readFileSync(join(dir, 'con.log'), 'utf8'), /^(time="[^"]*" level=warning msg="to the file" source=console\n){2}$/);
  });

  test('--out and K6_OUT, and out of the config file', async () => {
    for (const [args, env] of [[['-o', 'json=o.json']], [[], { K6_OUT: 'json=o.json' }], [['-c', file('out.json', '{"out":["json=o.json"]}')]]]) {
      const r = await run(['run', '-q', ...args, 'ok.js'], { env });
      assert.equal(r.code, 0, r.err);
      assert.match(readFileSync(join(dir, 'o.json'), 'utf8'), /"metric":"iterations"/);
      rmSync(join(dir, 'o.json'));
    }
  });
});

// ---- 1.4 exit codes, 1.3 values that can't be -----------------------------------------------------

const exec = (text) => `import exec from 'k6/execution'; import { check, sleep } from 'k6'; ${text}`;
const codes = [
  ['ok', nothing, 0, []],
  ['an iteration that throws', "export default () => { throw new Error('x'); };", 0, [/^Error: x\n\tat default \(file:/]],
  ['handleSummary that throws', "export default () => {}; export function handleSummary() { throw new Error('hs'); }", 0, [/^Error: hs/]],
  ['an option that nobody knows', opt({ bogusOption: 1 }), 0, []],
  ['crossed thresholds', exec("export const options = { thresholds: { checks: ['rate>0.9'] } }; export default () => check(1, { a: false });"), 99, ["thresholds on metrics 'checks' have been crossed"]],
  ['a threshold that aborts', exec("export const options = { vus: 1, duration: '30s', thresholds: { checks: [{ threshold: 'rate>0.9', abortOnFail: true }] } }; export default () => { check(1, { a: false }); sleep(0.01); };"), 99, [/^thresholds on metrics 'checks' were crossed; at least one has abortOnFail enabled/]],
  ['setup() that takes too long', exec("export const options = { setupTimeout: '200ms' }; export function setup() { sleep(9); } export default () => {};"), 100, ['setup() execution timed out after 0 seconds']],
  ['teardown() that takes too long', exec("export const options = { teardownTimeout: '200ms' }; export function teardown() { sleep(9); } export default () => {};"), 101, ['teardown() execution timed out after 0 seconds']],
  ['setup() that throws', "export function setup() { throw new Error('x'); } export default () => {};", 107, [/^Error: x/]],
  ['teardown() that throws', "export function teardown() { throw new Error('x'); } export default () => {};", 107, [/^Error: x/]],
  ['init code that throws', 'undefinedFn(); export default () => {};', 107, [/^ReferenceError: /]],
  ['a syntax error', 'export default () => { a b };', 107, [/could not load JS test 'file:.*Line 1:/]],
  ['a module that is missing', "import './nofile.js'; export default () => {};", 107, [/couldn't be found on local disk/]],
  ['a built-in module that is missing', "import 'k6/nomodule'; export default () => {};", 107, [/k6\/nomodule/]],
  ['a file that is missing', "open('nofile.txt'); export default () => {};", 107, [/no such file or directory/]],
  ['exec.test.abort()', exec("export default () => exec.test.abort('bye');"), 108, [/^test aborted: bye at default/]],
  ['exec.test.abort() in init code', exec("exec.test.abort('bye'); export default () => {};"), 108, [/^test aborted: bye/]],
  ['exec.test.fail()', exec("export default () => exec.test.fail('bad');"), 110, ['test marked as failed: bad', 'test run was marked as failed']],
  ['no exported function', 'const a = 1;', 255, [/no exported functions in script$/]],
  ['no default function', 'export function foo() {}', 104, [/executor default: function 'default' not found in exports$/]],
  ['an executor that nobody knows', opt({ scenarios: { a: { executor: 'nope' } } }), 104, [/unknown executor type 'nope'$/]],
  ['a field that the executor has not', opt({ scenarios: { a: { executor: 'constant-vus', duration: '1s', bogus: 1 } } }), 104, [/json: unknown field "bogus"$/]],
  ['an exec that is missing', opt({ scenarios: { a: { executor: 'shared-iterations', exec: 'zz' } } }), 104, [/executor a: function 'zz' not found in exports$/]],
  ['iterations and stages', opt({ iterations: 5, stages: [{ duration: '1s', target: 1 }] }), 104, ['using `iterations` and `stages` options simultaneously is not allowed']],
  ['duration and scenarios', opt({ duration: '1s', scenarios: { a: { executor: 'shared-iterations' } } }), 104, ['using `duration` and `scenarios` options simultaneously is not allowed']],
  ['a threshold that can\'t be read', opt({ thresholds: { checks: ['foo<1'] } }), 104, [/^failed parsing threshold expression/]],
  ['options of a wrong type', opt({ vus: 'abc' }), 104, [/strconv\.ParseInt: parsing "abc": invalid syntax$/]],
  ['a duration of nothing', opt({ duration: '0s' }), 104, [/^`duration` option should be more than 0/]],
  ['iterations of nothing', opt({ iterations: 0 }), 104, [/the number of iterations/]],
  ['a trend statistic that nobody knows', opt({ summaryTrendStats: ['foo'] }), 255, [/invalid trend stat 'foo'/]],
  ['stages without a duration aren\'t any', opt({ stages: [{ target: 5 }] }), 0, []],
  ['a unit that nobody knows', opt({ summaryTimeUnit: 'h' }), 0, []],
];

describe('exit codes', { concurrency: 2 }, () => {
  let n = 0;
  for (const [name, script, code, messages] of codes)
    test(`${code}: ${name}`, async () => {
      const r = await run(['run', '-q', file(`code${n++}.js`, script)]);
      assert.equal(r.code, code, r.err);
      const said = errors(r.err);
      assert.equal(said.length, messages.length, r.err);
      messages.forEach((m, i) => (typeof m === 'string' ? assert.equal(said[i], m) : assert.match(said[i], m)));
    });

  // by flags, variables and the config file
  file('broken.json', '{');
  file('number.json', '{"duration":"x"}');
  file('dashboard.json', '{"webDashboard":true}');
  for (const [args, code, message, env] of [
    [['nosuchfile.js'], 255, 'The moduleSpecifier "nosuchfile.js" couldn\'t be found on local disk'],
    [['-u', 'abc', 'ok.js'], 255, 'invalid argument "abc" for "-u, --vus" flag: strconv.ParseInt: parsing "abc": invalid syntax'],
    [['-d', '10', 'ok.js'], 255, 'invalid argument "10" for "-d, --duration" flag: time: missing unit in duration "10"'],
    [['--throw=maybe', 'ok.js'], 255, 'strconv.ParseBool'],
    [['-u'], 255, 'flag needs an argument: \'u\' in -u'],
    [['-u', '0', 'ok.js'], 104, 'the number of VUs must be more than 0'],
    [['-i', '1', '-u', '5', 'ok.js'], 104, "the number of iterations (1) can't be less than the number of VUs (5)"],
    [['-d', '500ms', 'ok.js'], 104, 'the duration must be at least 1s, but is 500ms'],
    [['-e', '1A=x', 'ok.js'], 255, "invalid environment variable name '1A'"],
    [['-c', 'nofile.json', 'ok.js'], 104, 'failed to load the configuration file from the local file system: stat nofile.json: no such file or directory'],
    [['-c', 'broken.json', 'ok.js'], 104, 'failed to load the configuration file from the local file system: broken.json'],
    [['-c', 'dashboard.json', 'ok.js'], 104, "webDashboard isn't there yet"],
    [['ok.js'], 104, 'K6_WEB_DASHBOARD', { K6_WEB_DASHBOARD: 'true' }],
    [['-c', 'number.json', 'ok.js'], 104, 'invalid duration "x"'],
    [['-o', 'bogus', 'ok.js'], 255, "invalid output type 'bogus', available types are: "],
    [['-o', 'kafka', 'ok.js'], 255, 'kafka'],
    [['-s', ':5', 'ok.js'], 255, "stage 0 doesn't have a specified duration"],
    [['-s', 'x:5', 'ok.js'], 255, 'invalid duration "x"'],
    [['--tag', 'x', 'ok.js'], 255, 'invalid tag'],
    [['--blacklist-ip', 'x', 'ok.js'], 255, 'invalid CIDR address: x'],
    [['--block-hostnames', 'a*b', 'ok.js'], 255, 'a*b'],
    [['--local-ips', 'x', 'ok.js'], 255, 'x is not a valid IP, IP range or CIDR'],
    [['--dns', 'foo', 'ok.js'], 255, 'foo'],
    [['--dns', 'ttl=zz', 'ok.js'], 255, 'zz'],
    [['--dns', 'policy=zz', 'ok.js'], 255, 'zz'],
    [['--summary-trend-stats', 'foo', 'ok.js'], 255, "invalid trend stat 'foo'"],
    [['--summary-time-unit', 'h', 'ok.js'], 255, "invalid summary time unit 'h'"],
    [['--summary-mode', 'zz', 'ok.js'], 255, 'summary mode'],
    [['--execution-segment', '3:1', 'ok.js'], 255, "'3'"],
    [['--compatibility-mode', 'es5', 'ok.js'], 255, 'invalid compatibility mode "es5"'],
    [['--traces-output', 'otel', 'ok.js'], 255, "--traces-output 'otel'"],
    [['--secret-source', 'mock=a=b', 'ok.js'], 255, "--secret-source isn't there yet"],
    [['--log-output', 'foo', 'ok.js'], 255, "unsupported log output 'foo'"],
    [['--log-output', 'loki=http://127.0.0.1:1,foo=1', 'ok.js'], 255, 'unknown loki config key foo'],
    [['--log-output', 'file=/nonex/x.log', 'ok.js'], 255, '/nonex/x.log'],
    [['ok.js'], 104, "envconfig.Process: assigning K6_VUS to VUs: converting 'abc' to type null.Int", { K6_VUS: 'abc' }],
    [['ok.js'], 104, 'assigning K6_DURATION', { K6_DURATION: 'x' }],
    [['ok.js'], 104, 'assigning K6_STAGES', { K6_STAGES: 'x' }],
    [['ok.js'], 104, 'assigning K6_TAGS', { K6_TAGS: 'a' }],
    [['ok.js'], 104, 'assigning K6_THRESHOLDS', { K6_THRESHOLDS: '{' }],
    [['ok.js'], 104, 'nofile', { K6_CONFIG: 'nofile' }],
    [['ok.js'], 255, "invalid output type 'bogus'", { K6_OUT: 'bogus' }],
    [['ok.js'], 255, "unsupported log output 'x'", { K6_LOG_OUTPUT: 'x' }],
    [['ok.js'], 255, "env var 'K6_INCLUDE_SYSTEM_ENV_VARS' is not a valid boolean value", { K6_INCLUDE_SYSTEM_ENV_VARS: 'x' }],
    [['ok.js'], 255, 'invalid compatibility mode "x"', { K6_COMPATIBILITY_MODE: 'x' }],
    [['ok.js'], 255, "unknown or unspecified test type 'x'", { K6_TYPE: 'x' }],
    [['ok.js'], 255, "K6_TRACES_OUTPUT", { K6_TRACES_OUTPUT: 'otel' }],
    [['ok.js'], 0, '', { K6_TRACES_OUTPUT: 'none', K6_VUS: '', K6_DURATION: '' }],
  ].slice(0, asan ? 6 : undefined))
    test(`${code}: ${args.join(' ')} ${env ? JSON.stringify(env) : ''}`, async () => {
      const r = await run(['run', '-q', ...args], { env });
      assert.equal(r.code, code, r.err);
      assert.ok(r.err.replaceAll('\\"', '"').includes(message), r.err);
      if (code !== 0) assert.equal(r.out, '');
      assert.equal(errors(r.err).length, code === 0 ? 0 : 1, r.err);
    });

  for (const [signal, name] of [['SIGINT', 'interrupt'], ['SIGTERM', 'terminated']])
    test(`105: ${signal}, teardown included; at once with the second`, async () => {
      const script = file(`sig${name}.js`, exec("export default () => { console.log('now'); sleep(60); }; export function teardown() { console.log('torn down'); }"));
      const r = await run(['run', '-q', script], { until: 'now', then: (p) => p.kill(signal) });
      assert.equal(r.code, 105, r.err);
      assert.deepEqual(logged(r.err), ['now', 'torn down']);
      assert.match(errors(r.err)[0], new RegExp(`received a '${name}' signal`));
      const stuck = file(`two${name}.js`, "export default () => {}; export function teardown() { console.log('now'); for (;;); }");
      const twice = await run(['run', '-q', stuck], { until: 'now', then: (p) => { p.kill(signal); setTimeout(() => p.kill(signal), 50); } });
      assert.equal(twice.code, 105);
    });

  test('109: an error of the program itself', { skip: asan }, async () => {
    const script = file('crash.js', exec("export default () => { console.log('now'); sleep(60); };"));
    const r = await run(['-c', `ulimit -c 0; exec '${spate}' run -q '${script}'`], { bin: '/bin/bash', until: 'now', then: (p) => p.kill('SIGSEGV') });
    assert.equal(r.code, 109, r.err);
    assert.match(r.err, /ended by an error of its own/);
  });
});

// ---- 1.2 the config file --------------------------------------------------------------------------

describe('config file', () => {
  test('where it is looked for', async () => {
    const o = async (env, args = []) => JSON.parse((await run(['inspect', '--execution-requirements', ...args, 'ok.js'], { env })).out).batch;
    file('home/.config/spate/config.json', '{"batch":1}');
    file('xdg/spate/config.json', '{"batch":2}');
    file('other.json', '{"batch":3}');
    file('flag.json', '{"batch":4}');
    assert.equal(await o({}), 1);
    assert.equal(await o({ XDG_CONFIG_HOME: join(dir, 'xdg') }), 2);
    assert.equal(await o({ XDG_CONFIG_HOME: join(dir, 'nowhere') }), null);
    assert.equal(await o({ K6_CONFIG: 'other.json' }), 3);
    assert.equal(await o({ K6_CONFIG: 'other.json' }, ['-c', 'flag.json']), 4);
    rmSync(join(dir, 'home/.config'), { recursive: true });
  });

  test('what it may say besides options', async () => {
    const r = await run(['run', '-q', '-c', file('more.json', JSON.stringify({ linger: false, noUsageReport: true, webDashboard: false, features: ['freeze-env'], collectors: { cloud: { token: 'x' } }, out: [] })), file('fz.js', 'export default () => console.log(Object.isFrozen(__ENV));')]);
    assert.equal(r.code, 0, r.err);
    assert.deepEqual(logged(r.err), ['true']);
  });

  test('one that can\'t be read', { skip: process.getuid() === 0 }, async () => {
    chmodSync(join(dir, file('locked.json', '{}')), 0);
    assert.equal((await run(['run', '-c', 'locked.json', 'ok.js'])).code, 104);
  });
});

// ---- 1.2 log lines --------------------------------------------------------------------------------

describe('log lines', () => {
  const script = file('log.js', "export default () => { console.debug('d'); console.log('one line', { a: 1 }); console.error('bad'); };");
  const text = /^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=info msg="one line \{ a: 1 \}" source=console\ntime="[^"]*" level=error msg=bad source=console\n$/;

  for (const [args, env, out, err] of [
    [[], {}, /^$/, text],
    [['--log-output', 'stdout'], {}, text, /^$/],
    [[], { K6_LOG_OUTPUT: 'stdout' }, text, /^$/],
    [['--log-output', 'stderr'], { K6_LOG_OUTPUT: 'stdout' }, /^$/, text],
    [['--log-output', 'none'], {}, /^$/, /^$/],
    [['--log-format', 'raw'], {}, /^$/, /^one line \{ a: 1 \}\nbad\n$/],
    [[], { K6_LOG_FORMAT: 'raw' }, /^$/, /^one line \{ a: 1 \}\nbad\n$/],
    [['--log-format', 'json'], {}, /^$/, /^\{"level":"info","msg":"one line \{ a: 1 \}","source":"console","time":"[^"]*Z"\}\n\{"level":"error","msg":"bad",/],
    [['--log-format', 'bogus'], {}, /^$/, text],
    [['-v'], {}, /^$/, /level=debug msg=d source=console\n/],
  ])
    test(`${args.join(' ')} ${JSON.stringify(env)}`, async () => {
      const r = await run(['run', '-q', '--summary-mode', 'disabled', ...args, script], { env });
      assert.equal(r.code, 0, r.err);
      assert.match(r.out, out);
      assert.match(r.err, err);
    });

  test('into a file, appended, by level, for its owner only', async () => {
    for (let i = 0; i < 2; i++) assert.equal((await run(['run', '-q', '--summary-mode', 'disabled', '--log-output', 'file=run.log,level=warn', script])).err, '');
    assert.match(readFileSync(join(dir, 'run.log'), 'utf8'), /^(time="[^"]*" level=error msg=bad source=console\n){2}$/);
    assert.equal(statSync(join(dir, 'run.log')).mode & 0o777, 0o600);
  });

  describe('to Loki', () => {
    const pushes = [];
    let server;
    let status = 204;
    before(async () => {
      server = http.createServer((req, res) => {
        let body = '';
        req.on('data', (d) => { body += d; });
        req.on('end', () => { pushes.push({ url: req.url, headers: req.headers, ...JSON.parse(body) }); res.statusCode = status; res.end('no'); });
      });
      await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
    });
    after(() => { server.closeAllConnections(); server.close(); });
    const push = async (keys, name = script, args = ['-q']) => {
      pushes.length = 0;
      const r = await run(['run', ...args, '--summary-mode', 'disabled', '--log-output', `loki=http://127.0.0.1:${server.address().port}/push${keys}`, name]);
      return { ...r, streams: pushes.flatMap((p) => p.streams) };
    };

    test('labels, headers, levels, what is allowed, how long a line is', async () => {
      const all = await push('');
      assert.equal(all.err, '');
      assert.deepEqual(all.streams.map((s) => s.stream), [{ level: 'info', source: 'console' }, { level: 'error', source: 'console' }]);
      assert.match(all.streams[0].values[0][0], /^\d{19}$/);
      assert.equal(all.streams[0].values[0][1], 'one line { a: 1 }');
      const some = await push(',label.app=shop,header.X-Scope-OrgID=me,level=error,allowedLabels=[app,level],msgMaxSize=8,pushPeriod=50ms,profile=true');
      assert.deepEqual(some.streams, [{ stream: { app: 'shop', level: 'error' }, values: [[some.streams[0].values[0][0], 'bad ... omitting 10 characters ...sole']] }]);
      assert.equal(pushes[0].headers['x-scope-orgid'], 'me');
      assert.equal(pushes[0].headers['content-type'], 'application/json');
      assert.equal(pushes[0].url, '/push');
      assert.match(some.err, /log lines to loki: \d+ bytes in \d+ ms/);
    });

    test('more lines than the limit, a server that says no, how the program ends', async () => {
      const many = await push(',limit=2', file('many.js', 'export default () => { for (let i = 0; i < 5; i++) console.log(i); };'));
      assert.deepEqual(many.streams.flatMap((s) => s.values.map((v) => v[1])), ['0', '1', '3 log lines were left out: more than 2 within 1s']);
      const end = await push('', 'nosuchfile.js');
      assert.equal(end.code, 255);
      assert.match(end.err, /nosuchfile/); // here, too
      assert.match(end.streams[0].values[0][1], /nosuchfile/);
      status = 400;
      assert.match((await push('')).err, /Error while sending logs to loki: got 400 from loki: no"/);
      status = 204;
    });
  });
});

// ---- 1.6 what is printed --------------------------------------------------------------------------

describe('what is printed', { concurrency: 8 }, () => {
  const script = file('print.js', exec("export const options = { scenarios: { a: { executor: 'constant-vus', vus: 2, duration: '2s', gracefulStop: '0s' }, late: { executor: 'shared-iterations', startTime: '1500ms' } } }; export default () => sleep(0.2);"));

  test('without a terminal: banner, description, a block a second, summary, the last block', async () => {
    const r = await run(['run', script]);
    assert.equal(r.err, '');
    assert.ok(!r.out.includes('\x1b'));
    assert.match(r.out, /^\n( .*\n){5}\n/);
    assert.match(r.out, /     execution: local\n        script: print\.js\n        output: -\n\n     scenarios: \(100\.00%\) 2 scenarios, 3 max VUs, 10m31\.5s max duration \(incl\. graceful stop\):\n              \* a: 2 looping VUs for 2s\n              \* late: 1 iterations shared among 1 VUs \(maxDuration: 10m0s, startTime: 1\.5s, gracefulStop: 30s\)\n/);
    const blocks = [...r.out.matchAll(/\nrunning \((\d\dm\d\d\.\ds)\), \d\/3 VUs, \d+ complete and \d+ interrupted iterations\n/g)].map((m) => m[1]);
    assert.equal(blocks[0], '00m01.0s');
    assert.ok(blocks.length >= 2 && blocks.length <= 4, r.out);
    assert.match(r.out, /\na    +\[  50% \] 2 VUs +1\.0s\/2s/);
    assert.match(r.out, /TOTAL RESULTS[^]*\na    ✓ \[ 100% \] 2 VUs[^\n]*2s[^\n]*\nlate ✓ \[ 100% \] 1 VUs[^\n]*1\/1 shared iters\n$/);
  });

  test('-q: the summary alone', async () => {
    const r = await run(['run', '-q', 'ok.js']);
    assert.match(r.out, /^\n\n  █ TOTAL RESULTS/);
    assert.ok(!/running|execution:/.test(r.out));
  });

  // In a terminal; the script prints while the progress is there.
  const shown = file('tty.js', exec("export const options = { vus: 1, duration: '1s' }; export default () => { sleep(0.3); if (__ITER === 1) console.log('said'); };"));
  const tty = (cols, env = {}, args = []) => run(['-qec', `stty cols ${cols} rows 40; '${spate}' run ${args.join(' ')} ${shown}`, '/dev/null'], { bin: 'script', env: { TERM: 'xterm', ...env } });
  const hasScript = existsSync('/usr/bin/script');

  test('in a terminal: bars drawn again ten times a second, lines above them', { skip: !hasScript }, async () => {
    const r = await tty(100);
    assert.match(r.out, /\x1b\[33m {5}___/);
    const frames = [...r.out.matchAll(/running \(0\d\.\ds\), \d\/1 VUs[^\r]*\x1b\[K\r\ndefault +\[=*>?\x1b\[2m-*\x1b\[22m\] 1 VUs {2}0\.\ds\/1s\x1b\[K\r\n\r\x1b\[J\x1b\[3A/g)];
    assert.ok(frames.length >= 5, r.out);
    assert.match(r.out, /\x1b\[36mINFO\x1b\[0m\[000\d\] said +\x1b\[36msource\x1b\[0m=console/);
    assert.match(r.out, /default \x1b\[32m✓\x1b\[0m \[=+\x1b\[2m\x1b\[22m\] 1 VUs {2}1s/);
    const bar = (out) => [...out.matchAll(/default +\[([=>]+)\x1b\[2m(-+)/g)].at(-1).slice(1).join('').length;
    assert.ok(bar((await tty(50)).out) < bar(r.out)); // the width is the terminal's
  });

  for (const [env, args] of [[{ NO_COLOR: '' }, []], [{ K6_NO_COLOR: '1' }, []], [{}, ['--no-color']]])
    test(`in a terminal without colours: ${JSON.stringify(env)} ${args}`, { skip: !hasScript || asan }, async () => {
      const r = await tty(100, env, args);
      assert.ok(!/\x1b\[\d*;?\d+m/.test(r.out), r.out);
      assert.match(r.out, /default +\[=*>-+\] 1 VUs/);
      assert.match(r.out, /time="[^"]*" level=info msg=said source=console/);
    });

  test('in a terminal that can do nothing (TERM=dumb): as without one', { skip: !hasScript }, async () => {
    const r = await tty(100, { TERM: 'dumb' });
    assert.ok(!r.out.includes('\x1b'), r.out);
    assert.match(r.out, /default ✓ \[ 100% \] 1 VUs/);
  });
});
