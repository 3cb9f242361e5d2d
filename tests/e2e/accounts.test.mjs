// Who may use a server: first start, users and tokens by command line and API, signing in, limits.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Server, SPATE, runIdOf, start, startTarget, stream, temporaryFolder, until, writeScript, shopScript } from './cloud_lib.mjs';

const json = { 'Content-Type': 'application/json' };

async function ask(server, method, path, { token = server.token, body, headers = {} } = {}) {
  const res = await fetch(server.url + path, {
    method,
    headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...(body === undefined ? {} : json), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await res.text();
  return { status: res.status, body: text && text[0] === '{' ? JSON.parse(text) : text, headers: res.headers };
}

/** A server whose standard input and output belong to a terminal of `script`'s, which answers what is asked. */
function onTerminal(t, command, answers) {
  const child = spawn('script', ['-qefc', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const p = { child, out: '' };
  const left = [...answers];
  child.stdout.on('data', (chunk) => {
    p.out += chunk;
    while (left.length > 0 && left[0][0].test(p.out)) child.stdin.write(`${left.shift()[1]}\n`);
  });
  p.ended = new Promise((done) => child.on('close', (code) => done(code)));
  t.after(async () => {
    child.kill('SIGTERM');
    await p.ended;
  });
  return p;
}

test('the first start makes an owner: a one-time password, and nothing the second time', async (t) => {
  const dir = temporaryFolder(t);
  const serve = (...args) => start(SPATE, ['server', '--data', join(dir, 'data'), '--listen', '127.0.0.1:0', ...args]);
  const first = serve();
  t.after(() => first.running() && first.child.kill('SIGKILL'));
  const url = (await until('its URL', () => /http:\/\/127\.0\.0\.1:\d+/.exec(first.stdout)))[0];
  const [, email, password] = await until('the password', () => /signs in on the page as (\S+);[^]*?\n\n {4}([0-9a-z]{20})\n/.exec(first.stdout));
  assert.equal(email, 'admin@localhost');
  const server = { url, token: /\n {4}([0-9a-f]{64})\n/.exec(first.stdout)[1] };
  const open = await ask(server, 'POST', '/session', { token: null, body: { email: 'admin', password } });
  assert.equal(open.status, 204);
  assert.match(open.headers.get('set-cookie'), /^spate_session=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+$/);
  const headers = { Cookie: open.headers.get('set-cookie').split(';')[0] };
  assert.equal((await ask(server, 'GET', '/cloud/v6/test_runs', { token: null, headers })).status, 403);
  const change = { old_password: password, new_password: 'a better password' };
  assert.equal((await ask(server, 'POST', '/accounts/v1/me/password', { token: null, headers, body: change })).status, 204);
  assert.equal((await ask(server, 'GET', '/cloud/v6/test_runs', { token: null, headers })).status, 200);
  // Neither password nor token is on the disk as it is.
  const db = readFileSync(join(dir, 'data', 'spate.db'), 'latin1') + readFileSync(join(dir, 'data', 'spate.db-wal'), 'latin1');
  for (const secret of [password, 'a better password', server.token]) assert.ok(!db.includes(secret));
  assert.match(db, /\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  first.child.kill('SIGTERM');
  await first.ended;
  const second = serve();
  t.after(() => second.running() && second.child.kill('SIGKILL'));
  await until('its URL', () => /http:\/\/127\.0\.0\.1:\d+/.exec(second.stdout));
  second.child.kill('SIGTERM');
  assert.equal((await second.ended).stdout.trim().split('\n').length, 1);
});

test('a first start in the background asks nothing, as the terminal would stop it', async (t) => {
  const dir = temporaryFolder(t);
  const job = `'${SPATE}' server --data ${join(dir, 'data')} --listen 127.0.0.1:0 & wait`;
  const p = onTerminal(t, `exec bash -mc "trap 'kill %1' TERM HUP; ${job}"`, []);
  await until('the password', () => /signs in on the page as admin@localhost/.test(p.out));
  assert.doesNotMatch(p.out, /Name or e-mail/);
});

test('the owner and the password from a file', async (t) => {
  const dir = temporaryFolder(t);
  const file = join(dir, 'password');
  writeFileSync(file, 'from the file\n', { mode: 0o600 });
  const bad = join(dir, 'bad');
  writeFileSync(bad, 'short\n');
  const refused = await start(SPATE, ['server', '--data', join(dir, 'x'), '--listen', '127.0.0.1:0', '--admin-password-file', bad]).ended;
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /password file .*bad: the password is too short/);
  const nobody = await start(SPATE, ['server', '--data', join(dir, 'x'), '--listen', '127.0.0.1:0', '--admin-email', 'a b@c']).ended;
  assert.match(nobody.stderr, /--admin-email: .*no e-mail address/);
  const missing = await start(SPATE, ['server', '--data', join(dir, 'x'), '--listen', '127.0.0.1:0', '--admin-password-file', join(dir, 'none')]).ended;
  assert.match(missing.stderr, /password file .*none: no such file/);
  const server = await new Server(t, { args: ['--admin-password-file', file, '--admin-email', 'ann@example.com'] }).start();
  assert.doesNotMatch(server.process.stdout, /password/);
  const login = await ask(server, 'POST', '/v1/login', { token: null, body: { email: 'ann@example.com', password: 'from the file\n' } });
  assert.equal(login.status, 200);
  assert.match(login.body.token, /^[0-9a-f]{64}$/);
  const me = await ask(server, 'GET', '/accounts/v1/me', { token: login.body.token });
  assert.deepEqual([me.body.email, me.body.is_owner], ['ann@example.com', true]);
});

test('on a terminal the owner is asked for, the password without echo', async (t) => {
  if (!existsSync('/usr/bin/script')) return t.skip('no script(1) here');
  const dir = temporaryFolder(t);
  const p = onTerminal(t, `'${SPATE}' server --data '${join(dir, 'data')}' --listen 127.0.0.1:0`, [
    [/owner \[admin@localhost\]: $/, 'Ann Example'],
    [/Password for Ann\.Example@localhost: $/, 'tiny'],
    [/too short[^]*Password for Ann\.Example@localhost: $/, 'typed by ann'],
    [/The same again: $/, 'typed by ann'],
  ]);
  const url = (await until('its URL', () => /http:\/\/127\.0\.0\.1:\d+/.exec(p.out)))[0];
  await until('the token', () => /[0-9a-f]{64}/.exec(p.out));
  assert.doesNotMatch(p.out, /typed by ann|tiny/);
  assert.doesNotMatch(p.out, /has to be\s+changed/);
  const open = await ask({ url }, 'POST', '/session', { token: null, body: { email: 'ann example', password: 'typed by ann' } });
  assert.equal(open.status, 204);
});

test('whoever is asked may give up', async (t) => {
  if (!existsSync('/usr/bin/script')) return t.skip('no script(1) here');
  const dir = temporaryFolder(t);
  const p = onTerminal(t, `'${SPATE}' server --data '${join(dir, 'data')}' --listen 127.0.0.1:0; stty -a`, [
    [/owner \[admin@localhost\]: $/, ''],
    [/Password for admin@localhost: $/, '\x03'],
  ]);
  await until('it ends', () => p.child.exitCode !== null || /speed/.test(p.out));
  await p.ended;
  assert.doesNotMatch(p.out, /http:\/\//);
  assert.doesNotMatch(p.out, /-echo /); // what is typed is seen again
});

test('users and tokens by the command line, beside a running server', async (t) => {
  const server = await new Server(t).start();
  const data = ['--data', join(server.dir, 'data')];
  const run = (...args) => start(SPATE, ['server', ...args, ...data]).ended;
  const file = join(server.dir, 'pw');
  writeFileSync(file, 'her own words\n');
  const add = await run('user', 'add', '--email', 'ann@example.com', '--name', 'Ann', '--role', 'viewer:1', '--password-file', file);
  assert.equal(add.code, 0, add.stderr);
  const login = await until('the server knows her', async () => {
    const l = await ask(server, 'POST', '/v1/login', { token: null, body: { email: 'ann@example.com', password: 'her own words' } });
    return l.status === 200 && l;
  });
  const { token } = login.body;
  assert.equal((await ask(server, 'GET', '/cloud/v6/projects/1', { token })).status, 200);
  assert.equal((await ask(server, 'POST', '/v1/tests', { token, body: { name: 'a.js' } })).status, 403);
  assert.equal((await run('user', 'roles', '--email', 'ann@example.com', '--role', 'editor')).code, 0);
  await until('she may', async () => (await ask(server, 'POST', '/v1/tests', { token, body: { name: 'a.js' } })).status === 200);
  const service = await run('token', 'add', '--name', 'ci', '--role', 'editor:1');
  const secret = /[0-9a-f]{64}/.exec(service.stdout)[0];
  await until('the service token', async () => (await ask(server, 'GET', '/cloud/v6/auth', { token: secret })).status === 200);
  const list = await run('user', 'list');
  assert.match(list.stdout, /\tann@example\.com\tAnn\teditor\t/);
  const tokens = await run('token', 'list');
  const [, id] = /^(\d+)\tci\tservice\teditor:1\t/m.exec(tokens.stdout);
  assert.ok(!tokens.stdout.includes(secret));
  assert.equal((await run('token', 'remove', id)).code, 0);
  await until('it is revoked', async () => (await ask(server, 'GET', '/cloud/v6/auth', { token: secret })).status === 401);
  assert.equal((await run('user', 'remove', '--email', 'ann@example.com')).code, 0);
  await until('she is gone', async () => (await ask(server, 'GET', '/cloud/v6/auth', { token })).status === 401);
  const last = await run('user', 'remove', '--email', 'admin');
  assert.equal(last.code, 255);
  assert.match(last.stderr, /needs an owner/);
  const audit = await ask(server, 'GET', '/accounts/v1/audit?actor=command%20line');
  assert.deepEqual(audit.body.value.map((d) => d.action), ['user.remove', 'token.revoke', 'service_token.create', 'user.roles', 'user.create']);
  for (const [args, says] of [
    [['user', 'add'], /--email EMAIL/],
    [['user', 'add', '--email', 'a b'], /no e-mail address/],
    [['user', 'add', '--email', 'x@y', '--role', 'king'], /viewer, editor or admin/],
    [['user', 'add', '--email', 'x@y', '--role', 'viewer:99', '--one-time'], /no project with the id 99/],
    [['user', 'fly'], /unknown command .*fly/],
    [['token', 'remove', '999'], /no token with the id 999/],
  ]) {
    const end = await run(...args);
    assert.equal(end.code, 255, args.join(' '));
    assert.match(end.stderr, says);
  }
  assert.doesNotMatch((await run('user', 'list')).stdout, /x@y/);
  const nowhere = await start(SPATE, ['server', 'user', 'list', '--data', join(server.dir, 'nowhere')]).ended;
  assert.match(nowhere.stderr, /no data folder/);
  assert.ok(!existsSync(join(server.dir, 'nowhere')));
});

test('login cloud by e-mail and password, login with a stack, --show, --reset', async (t) => {
  const target = await startTarget(t);
  const server = await new Server(t).start();
  const config = join(server.dir, 'spate', 'config.json');
  const env = { ...process.env, XDG_CONFIG_HOME: server.dir, K6_CLOUD_HOST: server.url, K6_CLOUD_TOKEN: '' };
  const spate = (args, input = '') => {
    const p = start(SPATE, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    p.child.stdin.end(input);
    return p.ended;
  };
  const made = await ask(server, 'POST', '/accounts/v1/users', { body: { email: 'me@example.com', password: 'long enough', roles: [{ project_id: 1, role: 'editor' }] } });
  assert.equal(made.status, 201);

  const wrong = await spate(['login', 'cloud'], 'me@example.com\nnot the one\n');
  assert.equal(wrong.code, 255);
  assert.match(wrong.stderr, /could not sign in as me@example\.com.*e-mail or password is wrong/);
  assert.ok(!existsSync(config));
  const nothing = await spate(['login', 'cloud'], '');
  assert.match(nothing.stderr, /no e-mail and password given/);
  const right = await spate(['login', 'cloud'], 'me@example.com\nlong enough\n');
  assert.equal(right.code, 0, right.stderr);
  assert.equal(statSync(config).mode & 0o777, 0o600);
  const kept = JSON.parse(readFileSync(config, 'utf8')).collectors.cloud;
  assert.match(kept.token, /^[0-9a-f]{64}$/);
  assert.deepEqual([kept.host, kept.stackID, kept.defaultProjectID], [server.url, 1, 1]);
  assert.ok(!(right.stdout + right.stderr).includes(kept.token));

  const path = writeScript(server.dir, shopScript(target, { vus: 1, iterations: 2 }));
  const run = await stream({ ...server, url: server.url, dir: server.dir, token: '' }, path).ended;
  assert.equal(run.code, 0, run.stderr);
  assert.equal((await server.run(runIdOf(run.stdout))).started_by, 'me@example.com');

  for (const [stack, shown] of [[server.url, new RegExp(`stack-id: 1\n {2}stack-url: ${server.url}\n`)], ['my-team', /stack-id: 1\n {2}stack-url: my-team\n/], ['4711', /stack-id: 4711\n {2}stack-url: <not set>\n/]]) {
    const login = await spate(['cloud', 'login', '--token', server.token, '--stack', stack]);
    assert.equal(login.code, 0, login.stderr);
    const show = await spate(['cloud', 'login', '--show']);
    assert.match(show.stdout, shown);
    assert.match(show.stdout, new RegExp(`token: ${server.token.slice(0, 4)}\\*{56}${server.token.slice(-4)}\n`));
    assert.equal((await stream({ ...server, token: '' }, path, { url: server.url }).ended).code, 0);
  }
  const piped = await spate(['cloud', 'login'], `${server.token}\n`);
  assert.equal(piped.code, 0, piped.stderr);
  assert.equal((await spate(['cloud', 'login', '--reset'])).code, 0);
  assert.deepEqual(JSON.parse(readFileSync(config, 'utf8')).collectors.cloud, {});
});

test('a run over a limit of its project is refused in words, or aborted on the way', async (t) => {
  const target = await startTarget(t);
  const server = await new Server(t).start();
  const limits = (body) => ask(server, 'PATCH', '/cloud/v6/projects/1/limits', { body });
  const script = (options) => writeScript(server.dir, shopScript(target, options));
  await limits({ vu_max_per_test: 2 });
  for (const command of [['cloud', 'run', '--local-execution'], ['run', '--out', 'cloud']]) {
    const end = await stream(server, script({ vus: 3, duration: '1s' }), { command }).ended;
    assert.notEqual(end.code, 0);
    assert.match(end.stderr, /limited to 2 virtual users a test; this test would make it 3/);
  }
  await limits({ vu_max_per_test: null, duration_max_per_test: 3600 });
  const long = stream(server, script({ vus: 1, duration: '120s' }), { env: { K6_CLOUD_STOP_ON_ERROR: 'true' } });
  const run = await until('it runs', async () => {
    const r = await server.newestRun();
    return r && r.status === 'running' && r;
  });
  await limits({ duration_max_per_test: 1 });
  const ended = await until('it is aborted', async () => {
    const r = await server.run(run.id);
    return r.status === 'aborted' && r;
  });
  assert.equal(ended.status_details.extra.code, 9);
  assert.equal(ended.result, 'error');
  assert.match(ended.status_details.extra.message, /limited to 1 seconds a test/);
  const end = await long.ended;
  assert.notEqual(end.code, 0, end.stderr);
});
