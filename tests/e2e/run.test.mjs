// also: asan
// `spate run` from outside: exit codes and messages, what is printed where, signals, thresholds,
// executors' counts against a server of the test's own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spate = process.env.SPATE_BIN ?? join(root, 'build/spate');
const dir = mkdtempSync(join(tmpdir(), 'spate-run-'));
let server;
let url;
let requests = 0;
const seen = new Map(); // header x-seen → count

before(async () => {
  server = http.createServer((req, res) => {
    requests++;
    const key = req.headers['x-seen'];
    if (key) seen.set(key, (seen.get(key) ?? 0) + 1);
    if (req.url === '/fail') res.statusCode = 500;
    res.end('hello');
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  url = `http://127.0.0.1:${server.address().port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

const clean = { PATH: process.env.PATH, HOME: dir, TZ: 'UTC', ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' };

function script(name, text) {
  writeFileSync(join(dir, name), text.replaceAll('$URL', url));
  return name;
}

// Starts spate; `started` gets the process, `onOut` all of standard output so far at every piece.
function spawnSpate(args, { env = {}, input, onOut, onErr } = {}) {
  const p = spawn(spate, args, { cwd: dir, env: { ...clean, ...env } });
  let out = '';
  let err = '';
  p.stdout.on('data', (d) => { out += d; onOut?.(out, p); });
  p.stderr.on('data', (d) => { err += d; onErr?.(err, p); });
  p.stdin.on('error', () => {}); // it may end before it reads
  p.stdin.end(input ?? '');
  return new Promise((ok) => p.on('close', (code, signal) => ok({ code, signal, out, err })));
}
const run = (args, more) => spawnSpate(['run', ...args], more);

// ---- exit codes and messages, as k6 v2.2 has them ------------------------------------------------

const stack = (name, fn) => new RegExp(`Error: x\\\\n\\\\tat ${fn} \\(file://.*/${name}.js:1:\\d+\\)\\\\n`);
const cases = [
  ['ok', 'export default () => {}', 0, /^$/],
  ['thr', "import { check } from 'k6'; export const options = { thresholds: { checks: ['rate>0.9'] } }; export default () => { check(1, { a: () => false }); }",
    99, /level=error msg="thresholds on metrics 'checks' have been crossed"/],
  ['setupto', "import { sleep } from 'k6'; export const options = { setupTimeout: '300ms' }; export function setup() { sleep(30); } export default () => {}",
    100, /msg="setup\(\) execution timed out after 0 seconds" hint="You can increase the time limit via the setupTimeout option"/],
  ['teardownto', "import { sleep } from 'k6'; export const options = { teardownTimeout: '300ms' }; export function teardown() { sleep(30); } export default () => {}",
    101, /msg="teardown\(\) execution timed out after 0 seconds" hint="You can increase the time limit via the teardownTimeout option"/],
  ['setupexc', "export function setup() { throw new Error('x'); } export default () => {}", 107, stack('setupexc', 'setup')],
  ['tdexc', "export function teardown() { throw new Error('x'); } export default () => {}", 107, stack('tdexc', 'teardown')],
  ['iterexc', "export default () => { throw new Error('x'); }", 0, /executor=per-vu-iterations hint="script exception" scenario=default source=stacktrace/],
  ['initexc', 'undefinedFn(); export default () => {}', 107, /ReferenceError: undefinedFn is not defined.* hint="script exception" source=stacktrace/],
  ['syntax', 'export default () => { a b }', 107, /could not initialize 'syntax\.js': could not load JS test 'file:.*syntax\.js': .*Line 1:\d+/],
  ['noexport', 'export const a = 1;', 255, /could not initialize 'noexport\.js': could not load JS test 'file:.*noexport\.js': no exported functions in script/],
  ['nodefault', 'export function foo() {}', 104, /problems with the specified script configuration:\\n\\t- executor default: function 'default' not found in exports/],
  ['badopt', "export const options = { vus: 'abc' }; export default () => {}", 104, /could not initialize 'badopt\.js': .*: strconv\.ParseInt: parsing \\"abc\\": invalid syntax/],
  ['badexec', "export const options = { scenarios: { a: { executor: 'nope' } } }; export default () => {}", 104, /unknown executor type 'nope'/],
  ['unkfield', "export const options = { scenarios: { a: { executor: 'constant-vus', duration: '1s', bogus: 1 } } }; export default () => {}", 104, /json: unknown field \\"bogus\\"/],
  ['unkopt', 'export const options = { bogusOption: 1 }; export default () => {}', 0, /level=warning msg="There were unknown fields in the options exported in the script" error="json: unknown field \\"bogusOption\\""/],
  ['badthr', "export const options = { thresholds: { checks: ['foo<1'] } }; export default () => {}", 104, /failed parsing threshold expression's \\"foo<1\\" left hand side/],
  ['unkmetric', "export const options = { thresholds: { nometric: ['count<1'] } }; export default () => {}", 104, /nometric/],
  ['conflict', "export const options = { iterations: 1, stages: [{ duration: '1s', target: 1 }] }; export default () => {}", 104, /msg="using `iterations` and `stages` options simultaneously is not allowed"/],
  ['noimport', "import './nofile.js'; export default () => {}", 107, /The moduleSpecifier \\"\.\/nofile\.js\\" couldn't be found on local disk/],
  ['nomodule', "import 'k6/nomodule'; export default () => {}", 107, /k6\/nomodule/],
  ['hsexc', "export default () => {}; export function handleSummary() { throw new Error('hs'); }", 0, /Error: hs\\n\\tat handleSummary .* hint="script exception" source=stacktrace/],
  ['abort', "import exec from 'k6/execution'; import { sleep } from 'k6'; export const options = { vus: 3, duration: '60s' }; export default () => { if (__VU === 2) exec.test.abort('bye'); sleep(30); }",
    108, /level=error msg="test aborted: bye at default \(file:.*abort\.js:1:\d+\)"\n$/],
  ['fail', "import exec from 'k6/execution'; export default () => { exec.test.fail('bad'); }",
    110, /msg="test marked as failed: bad"\n.*msg="test run was marked as failed"\n$/, 2],
  ['noopen', "open('nofile.txt'); export default () => {}", 107, /nofile\.txt: no such file or directory/],
];
for (const [name, text, code, message, errors] of cases)
  test(`exit code: ${name}`, async () => {
    const r = await run(['-q', script(`${name}.js`, text)]);
    assert.equal(r.code, code, r.err);
    assert.match(r.err, message);
    assert.equal((r.err.match(/level=error/g) ?? []).length, errors ?? (code === 0 && !/exc/.test(name) ? 0 : 1), 'error lines');
  });

const usage = [
  ['missing file', ['run', 'nosuchfile.js'], 255, /The moduleSpecifier \\"nosuchfile\.js\\" couldn't be found on local disk/],
  ['no args', ['run'], 255, /accepts 1 arg\(s\), received 0: arg should either be \\"-\\", if reading script from stdin, or a path to a script file/],
  ['unknown command', ['bogus'], 255, /unknown command \\"bogus\\" for \\"spate\\"/],
  ['unknown flag', ['run', '--bogus', 'ok.js'], 255, /msg="unknown flag: --bogus"/],
  ['bad flag value', ['run', '-u', 'abc', 'ok.js'], 255, /invalid argument \\"abc\\" for \\"-u, --vus\\" flag: strconv\.ParseInt: parsing \\"abc\\": invalid syntax/],
  ['-u 0', ['run', '-u', '0', 'ok.js'], 104, /scenario default has configuration errors: the number of VUs must be more than 0/],
  ['-i 1 -u 5', ['run', '-i', '1', '-u', '5', 'ok.js'], 104, /the number of iterations \(1\) can't be less than the number of VUs \(5\)/],
  ['-d 500ms', ['run', '-d', '500ms', 'ok.js'], 104, /the duration must be at least 1s, but is 500ms/],
  ['bad -e name', ['run', '-e', '1A=1', 'ok.js'], 255, /msg="invalid environment variable name '1A'"/],
  ['-c missing', ['run', '-c', 'nofile.json', 'ok.js'], 104, /failed to load the configuration file from the local file system: stat nofile\.json: no such file or directory/],
  ['-o bogus', ['run', '-o', 'bogus', 'ok.js'], 255, /invalid output type 'bogus', available types are: cloud/],
  ['a flag for later', ['run', '--traces-output=otel', 'ok.js'], 255, /--traces-output 'otel' .* isn't there yet/],
];
for (const [name, args, code, message] of usage)
  test(`usage: ${name}`, async () => {
    script('ok.js', 'export default () => {}');
    const r = await spawnSpate(args);
    assert.equal(r.code, code, r.err);
    assert.match(r.err, message);
    assert.equal(r.out, '');
  });

test('K6_VUS=abc', async () => {
  const r = await run([script('ok.js', 'export default () => {}')], { env: { K6_VUS: 'abc' } });
  assert.equal(r.code, 104);
  assert.match(r.err, /envconfig\.Process: assigning K6_VUS to VUs: converting 'abc' to type null\.Int\. details: strconv\.ParseInt: parsing \\"abc\\": invalid syntax/);
});

// ---- layers ---------------------------------------------------------------------------------------

test('flag over environment over script over config file', async () => {
  const s = script('layers.js', 'export const options = { vus: 3, iterations: 3 }; export default () => {}');
  writeFileSync(join(dir, 'conf.json'), '{"vus":2,"iterations":2}');
  const iterations = async (args, env) => {
    const r = await run(['--summary-export', 'layers.json', '-c', 'conf.json', '-q', ...args, s], { env });
    assert.equal(r.code, 0, r.err);
    return JSON.parse(readFileSync(join(dir, 'layers.json'))).metrics.iterations.count;
  };
  assert.equal(await iterations([]), 3);
  assert.equal(await iterations([], { K6_ITERATIONS: '4' }), 4);
  assert.equal(await iterations(['-i', '5'], { K6_ITERATIONS: '4' }), 5);
});

test('the script from standard input, its environment by -e', async () => {
  const r = await run(['-q', '-e', 'A=1=2', '-e', 'B', '-'], {
    env: { C: 'system' },
    input: "export default () => { console.log(__ENV.A, __ENV.B === '', __ENV.C); }",
  });
  assert.equal(r.code, 0, r.err);
  assert.match(r.err, /level=info msg="1=2 true system" source=console/);
});

// ---- what is printed ------------------------------------------------------------------------------

test('what stands where', async () => {
  const s = script('get.js', `
    import http from 'k6/http'; import { check } from 'k6';
    export default () => { check(http.get('$URL/'), { 'status is 200': (r) => r.status === 200 }); }`);
  const before = requests;
  const r = await run(['-u', '2', '-i', '10', s]);
  assert.equal(r.code, 0, r.err);
  assert.equal(requests - before, 10);
  assert.equal(r.err, '');
  for (const line of [
    '     execution: local\n        script: get.js\n        output: -\n',
    '     scenarios: (100.00%) 1 scenario, 2 max VUs, 10m30s max duration (incl. graceful stop):\n' +
      '              * default: 10 iterations shared among 2 VUs (maxDuration: 10m0s, gracefulStop: 30s)\n',
    '  █ TOTAL RESULTS \n',
    '    checks_succeeded...: 100.00% 10 out of 10\n',
    '    ✓ status is 200\n',
  ]) assert.ok(r.out.includes(line), `${line} in\n${r.out}`);
  assert.match(r.out, /\n {4}http_reqs\.+: 10 /);
  assert.match(r.out, /\nrunning \(00m0\d\.\ds\), 0\/2 VUs, 10 complete and 0 interrupted iterations\ndefault ✓ \[ 100% \] 2 VUs {2}00m0\d\.\ds\/10m0s {2}10\/10 shared iters *\n$/);
});

test('-q leaves the summary only; json log lines', async () => {
  const r = await run(['-q', '--log-format', 'json', script('log.js', "export default () => { console.warn('w'); }")]);
  assert.ok(r.out.startsWith('\n\n  █ TOTAL RESULTS \n'), r.out);
  assert.doesNotMatch(r.out, /running/);
  const line = JSON.parse(r.err);
  assert.deepEqual([line.level, line.msg, line.source], ['warning', 'w', 'console']);
});

test('console output in a file, log lines on standard output', async () => {
  const s = script('con.js', "export default () => { console.log('to the file'); throw new Error('x'); }");
  const r = await run(['-q', '--no-summary', '--console-output', 'con.txt', '--log-output', 'stdout', s]);
  assert.equal(r.err, '');
  assert.match(r.out, /source=stacktrace\n$/);
  assert.match(readFileSync(join(dir, 'con.txt'), 'utf8'), /msg="to the file" source=console\n$/);
  assert.doesNotMatch(r.out, /to the file/);
});

test('handleSummary: standard output, a file, and the data', async () => {
  const s = script('hs.js', `export default () => {}
    export function handleSummary(d) { return { stdout: 'n=' + d.metrics.iterations.values.count + '\\n', 'hs.json': JSON.stringify(d.state) }; }`);
  const r = await run(['-q', '-i', '3', s]);
  assert.equal(r.out, 'n=3\n');
  assert.ok(JSON.parse(readFileSync(join(dir, 'hs.json'))).testRunDurationMs > 0);
});

// ---- executors ------------------------------------------------------------------------------------

test('several scenarios: exec, env, tags, dropped and interrupted iterations', async () => {
  const s = script('multi.js', `
    import { sleep } from 'k6'; import { Counter } from 'k6/metrics';
    const c = new Counter('calls');
    export const options = {
      scenarios: {
        a: { executor: 'constant-vus', vus: 3, duration: '1s', gracefulStop: '0s', env: { X: '1' }, tags: { kind: 'k' } },
        b: { executor: 'per-vu-iterations', vus: 2, iterations: 3, maxDuration: '1s', gracefulStop: '2s', exec: 'bb' },
        s: { executor: 'shared-iterations', vus: 2, iterations: 30, startTime: '100ms', maxDuration: '1s', gracefulStop: '2s', exec: 'bb' },
      },
      thresholds: { 'calls{kind:k}': ['count==3'], 'calls{scenario:b}': ['count==4'], 'dropped_iterations{scenario:b}': ['count==2'], 'dropped_iterations{scenario:s}': ['count==26'] },
    };
    export default () => { if (__ENV.X !== '1') throw new Error('env'); c.add(1); sleep(30); };
    export function bb() { if (__ENV.X) throw new Error('env'); c.add(1); sleep(0.6); }`);
  const r = await run(['--workers', '2', s]);
  assert.equal(r.code, 0, r.err + r.out);
  assert.equal(r.err, '');
  assert.match(r.out, /3 scenarios, 7 max VUs/);
  assert.match(r.out, /running \(0?\d\.\ds\), 0\/7 VUs, 8 complete and 3 interrupted iterations/);
});

test('ramping up and down, with a virtual user that is interrupted', async () => {
  const s = script('ramp.js', `
    import { sleep } from 'k6';
    export const options = { scenarios: { r: { executor: 'ramping-vus', startVUs: 0, gracefulRampDown: '100ms', gracefulStop: '100ms',
      stages: [{ duration: '0s', target: 4 }, { duration: '500ms', target: 4 }, { duration: '0s', target: 1 }, { duration: '500ms', target: 1 }] } } };
    export default () => { sleep(__VU === 1 ? 0.2 : 30); };`);
  const r = await run([s]);
  assert.equal(r.code, 0, r.err);
  const [, complete, interrupted] = r.out.match(/(\d+) complete and (\d+) interrupted iterations\nr/);
  assert.equal(interrupted, '3');
  assert.ok(complete >= 4 && complete <= 5, r.out);
});

test('a virtual user keeps its world from one scenario to the next', async () => {
  const s = script('state.js', `
    let n = 0;
    export const options = { scenarios: {
      a: { executor: 'per-vu-iterations', vus: 1, iterations: 2, maxDuration: '1s', gracefulStop: '0s' },
      b: { executor: 'per-vu-iterations', vus: 1, iterations: 1, startTime: '1s', exec: 'b' } } };
    export default () => { n++; };
    export function b() { console.log('n', n, __VU, __ITER); }`);
  const r = await run([s]);
  assert.match(r.err, /msg="n 2 1 2"/);
  assert.match(r.out, /1 max VUs/);
});

test('arrival rates: exact counts on any number of workers, dropped ones, further virtual users', async () => {
  const ramp = script('ramping.js', `
    export const options = { scenarios: { r: { executor: 'ramping-arrival-rate', startRate: 0, preAllocatedVUs: 4,
      stages: [{ target: 40, duration: '500ms' }, { target: 40, duration: '500ms' }, { target: 0, duration: '500ms' }] } } };
    export default () => {};`);
  for (const workers of ['1', '3']) {
    const r = await run(['--workers', workers, ramp]);
    assert.match(r.out, /0\/4 VUs, 40 complete and 0 interrupted/, r.out);
  }
  const busy = script('busy.js', `
    import { sleep } from 'k6';
    export const options = { scenarios: { a: { executor: 'constant-arrival-rate', rate: 20, duration: '1s', preAllocatedVUs: 1, maxVUs: 3, gracefulStop: '0s' } } };
    export default () => { sleep(30); };`);
  const r = await run(['--workers', '2', busy]);
  assert.match(r.out, /0\/3 VUs, 0 complete and 3 interrupted/);
  assert.match(r.out, /dropped_iterations\.+: 18 /); // of 21
  assert.match(r.err, /^time=\S+ level=warning msg="Insufficient VUs, reached 3 active VUs and cannot initialize more" executor=constant-arrival-rate scenario=a\n$/);
});

test('parts of a test add up to the whole', async () => {
  const s = script('parts.js', "import http from 'k6/http'; export default () => { http.get('$URL/', { headers: { 'x-seen': 'parts' } }); }");
  for (const part of ['0:1/3', '1/3:2/3', '2/3:1'])
    assert.equal((await run(['-q', '-u', '4', '-i', '25', '--execution-segment', part, '--execution-segment-sequence', '0,1/3,2/3,1', s])).code, 0);
  assert.equal(seen.get('parts'), 25);
});

test('setup data reaches every virtual user and teardown', async () => {
  const s = script('data.js', `
    export const options = { scenarios: { a: { executor: 'per-vu-iterations', vus: 3 } } };
    export function setup() { return { v: [1, { a: 'b' }] }; }
    export default (d) => { if (JSON.stringify(d) !== '{"v":[1,{"a":"b"}]}') throw new Error('data'); d.v = 0; };
    export function teardown(d) { console.log(JSON.stringify(d)); }`);
  const r = await run(['-q', s]);
  assert.match(r.err, /^time=\S+ level=info msg="\{\\"v\\":\[1,\{\\"a\\":\\"b\\"\}\]\}" source=console\n$/);
});

// ---- ending early ---------------------------------------------------------------------------------

test('abortOnFail ends the test', async () => {
  const s = script('abort.js', `
    import { check, sleep } from 'k6';
    export const options = { duration: '60s', thresholds: { checks: [{ threshold: 'rate>0.9', abortOnFail: true }] } };
    export default () => { check(1, { a: () => false }); sleep(0.1); };
    export function teardown() { console.log('torn down'); }`);
  const r = await run([s]);
  assert.equal(r.code, 99);
  assert.match(r.err, /msg="torn down".*\n.*msg="thresholds on metrics 'checks' were crossed; at least one has abortOnFail enabled, stopping test prematurely"\n$/);
});

const sleeper = `
  import { sleep } from 'k6';
  export const options = { vus: 2, duration: '60s' };
  export default () => { console.log('begun'); sleep(60); };
  export function teardown() { console.log('torn down'); }`;

for (const [signal, word] of [['SIGINT', 'interrupt'], ['SIGTERM', 'terminated']])
  test(`${signal}: teardown, summary, 105`, async () => {
    let sent = false;
    const r = await run([script('sleeper.js', sleeper)], {
      onErr: (err, p) => { if (!sent && err.split('begun').length === 3) sent = p.kill(signal); },
    });
    assert.equal(r.code, 105);
    assert.match(r.err, new RegExp(`msg="torn down" source=console\n.*level=error msg="test run was aborted because spate received a '${word}' signal"\n$`));
    assert.match(r.out, /█ TOTAL RESULTS/);
    assert.match(r.out, /0 complete and 2 interrupted iterations\ndefault ✗/);
  });

test('a second signal ends it at once', async () => {
  let sent = 0;
  const r = await run([script('stuck.js', sleeper.replace("console.log('torn down')", "console.log('tearing'); sleep(60)"))], {
    onErr: (err, p) => {
      if (sent === 0 && err.includes('begun')) { sent = 1; p.kill('SIGINT'); }
      if (sent === 1 && err.includes('tearing')) { sent = 2; p.kill('SIGINT'); }
    },
  });
  assert.equal(r.code, 105);
  assert.doesNotMatch(r.out, /TOTAL RESULTS/);
});

test('endless loops end: at the hard stop, by a signal, in init code', async () => {
  const loop = script('loop.js', "export const options = { scenarios: { a: { executor: 'constant-vus', vus: 1, duration: '1s', gracefulStop: '100ms' } } }; export default () => { for (;;) {} }");
  const hard = await run(['-q', loop]);
  assert.equal(hard.code, 0, hard.err);
  let sent = false;
  const bySignal = await run(['-d', '60s', script('loop2.js', "export default () => { console.log('begun'); for (;;) {} }")], {
    onErr: (err, p) => { if (!sent && err.includes('begun')) sent = p.kill('SIGINT'); },
  });
  assert.equal(bySignal.code, 105);
  let sentInit = false;
  const init = await run([script('loop3.js', "console.log('begun'); for (;;) {}; export default () => {}")], {
    onErr: (err, p) => { if (!sentInit && err.includes('begun')) sentInit = p.kill('SIGINT'); },
  });
  assert.equal(init.code, 105);
});

test('called k6, it calls itself so', async () => {
  const { symlinkSync } = await import('node:fs');
  symlinkSync(spate, join(dir, 'k6'));
  const r = await new Promise((ok) => {
    const p = spawn(join(dir, 'k6'), ['version'], { env: clean });
    let out = '';
    p.stdout.on('data', (d) => { out += d; });
    p.on('close', (code) => ok({ code, out }));
  });
  assert.equal(r.code, 0);
  assert.match(r.out, /^k6 v\d+\.\d+\.\d+/);
});
