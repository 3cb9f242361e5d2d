// What no client of good will sends, to every route: each answer is a 4xx with an error that says
// why, the server lives on, and what it keeps is what it was told, letter by letter.
// also: asan
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import test from 'node:test';
import { gzipSync } from 'node:zlib';

import { Server } from '../e2e/cloud_lib.mjs';
import { assertSpecified } from './contract_lib.mjs';

const spec = JSON.parse(readFileSync('tests/fixtures/cloud-api-v6.json', 'utf8'));

/** Every route: those of the specification, and the others. {} is an id. */
const routes = [
  ...Object.entries(spec.paths).flatMap(([path, operations]) => Object.keys(operations).map((method) => [method.toUpperCase(), path.replace(/\{[^}]*\}/g, '{}')])),
  ['POST', '/v1/tests'], ['POST', '/v1/tests/{}'], ['POST', '/v1/tests/{}/stop'], ['POST', '/v1/metrics/{}'], ['POST', '/v2/metrics/{}'],
  ['POST', '/v1/validate-token'], ['POST', '/v1/login'], ['POST', '/v1/validate-options'], ['POST', '/v1/archive-upload'], ['GET', '/v1/test-progress/{}'],
  ['POST', '/provisioning/v1/test_runs/{}/logs'], ['PUT', '/provisioning/v1/archives/{}'], ['GET', '/api/v1/tail'],
  ['POST', '/session'], ['GET', '/session/link/{}'],
  ...['metrics', 'series', 'labels', 'label/{}/values', 'outliers', 'logs', 'thresholds', 'query_range_k6({})', 'query_aggregate_k6({})'].map((end) => ['GET', `/cloud/v5/test_runs/{}/${end}`]),
  ['GET', '/cloud/v5/load_tests/{}/metrics({})'], ['GET', '/cloud/v5/load_tests/{}/query_aggregate_k6({})'],
];

const ids = ['1', '0', '-1', '99999999999999999999', '%00', "1'%20OR%201=1--", '..%2f..%2fetc%2fpasswd', '%', '%zz', 'x'.repeat(3000)];

const types = ['application/json', 'multipart/form-data; boundary=b', 'multipart/form-data', 'application/x-protobuf', 'application/octet-stream', 'text/plain', ''];

const deep = '['.repeat(200000);
const bodies = {
  empty: '', brace: '{', number: '1', null: 'null', 'deep arrays': deep, 'deep objects': '{"a":'.repeat(100000), 'not UTF-8': Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  'wrong kinds': '{"name":1,"options":[],"streams":{},"thresholds":3,"vus":"x","duration":{},"project_id":"1;drop table runs","value":"x","token":[],"run_status":1e400}',
  infinite: '{"vus":1e999,"duration":-1e999,"max_vus":1e308,"total_duration":-9223372036854775808,"archive_size":1e300,"options":{"duration":"999999999999h","vus":1e18}}',
  form: '--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\0\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="../../x"\r\n\r\nnot a tar\r\n--b--\r\n',
  'endless form': '--b\r\nContent-Disposition: form-data; name="' + 'n'.repeat(100000),
  zeros: Buffer.alloc(100000), noise: Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) & 255)),
};

async function ask(server, method, path, headers, body) {
  const res = await fetch(server.url + path, { method, redirect: 'manual', headers: { Authorization: `Token ${server.token}`, ...headers }, body: method === 'GET' ? undefined : body });
  const text = await res.text();
  if (/json/.test(res.headers.get('content-type') ?? '')) assertSpecified(method, path, res.status, text);
  return { status: res.status, text, headers: res.headers };
}

/** No answer of ours is an accident, and each error says something. */
function assertAnswer(what, reply) {
  assert.ok(reply.status < 500 || reply.status === 501, `${what}: ${reply.status} ${reply.text.slice(0, 300)}`);
  assert.equal(reply.headers.get('x-content-type-options'), 'nosniff', what);
  if (reply.status < 400 || !/json/.test(reply.headers.get('content-type') ?? '')) return;
  const { error } = JSON.parse(reply.text);
  assert.ok(error.message.length > 3, `${what}: ${reply.text}`);
  assert.ok(error.message.length < 2100, `${what}: an error of ${error.message.length} characters`);
}

/** All of them, some at a time. */
async function each(list, check) {
  const rest = [...list];
  const worker = async () => {
    while (rest.length > 0) await check(rest.pop());
  };
  await Promise.all(Array.from({ length: 12 }, worker));
}

async function assertAlive(server) {
  assert.ok(server.process.running(), server.process.stderr);
  assert.equal((await server.get('/session')).status, 200);
}

const newRun = async (server, name = 'run') =>
  JSON.parse((await ask(server, 'POST', '/v1/tests', { 'Content-Type': 'application/json' }, JSON.stringify({ name, vus: 1, duration: 1 }))).text).reference_id;

test('ids that are none', async (t) => {
  const server = await new Server(t).start();
  await newRun(server);
  await each(routes.flatMap((route) => ids.slice(1).map((id) => [...route, id])), async ([method, path, id]) => {
    const reply = await ask(server, method, path.replaceAll('{}', id), { 'Content-Type': 'application/json' }, '{}');
    assertAnswer(`${method} ${path} with ${id.slice(0, 40)}`, reply);
  });
  await assertAlive(server);
});

test('bodies and types that are none', async (t) => {
  const server = await new Server(t).start();
  await newRun(server);
  const cases = routes.filter(([method]) => method !== 'GET' && method !== 'DELETE')
    .flatMap((route) => Object.keys(bodies).flatMap((name) => (name === 'empty' || name === 'noise' ? types : types.slice(0, 4)).map((type) => [...route, name, type])));
  await each(cases, async ([method, path, name, type]) => {
    const headers = type ? { 'Content-Type': type, ...(type.includes('protobuf') ? { 'Content-Encoding': 'snappy' } : {}) } : {};
    assertAnswer(`${method} ${path}: ${name} as ${type}`, await ask(server, method, path.replaceAll('{}', '1'), headers, bodies[name]));
  });
  await assertAlive(server);
});

test('parameters that are none', async (t) => {
  const server = await new Server(t).start();
  const id = await newRun(server);
  const values = ['', "'", "''", '%00', '1;drop table runs', "x' OR '1'='1", '9'.repeat(400), '-1', '1e309', '%ff%fe', '{', '{__name__=~"(a+)+$"}', '['.repeat(1000), '('.repeat(3000), 'last '.repeat(500)];
  const names = ['$top', '$skip', '$orderby', '$count', 'match[]', 'match', 'start', 'end', 'level', 'text', 'name', 'name_search', 'created_after', 'is_starred', 'project_id', 'query'];
  const lists = ['/cloud/v6/test_runs', '/cloud/v6/projects', '/cloud/v6/load_tests', `/cloud/v5/test_runs/${id}/series`, `/cloud/v5/test_runs/${id}/logs`, `/cloud/v5/test_runs/${id}/outliers`, '/api/v1/tail'];
  const encode = (value) => (value.includes('%') ? value : encodeURIComponent(value));
  const paths = lists.flatMap((path) => names.flatMap((name) => values.map((value) => `${path}?${encodeURIComponent(name)}=${encode(value)}`)));
  for (const value of values)
    for (const call of [`query='${value}',metric='x'`, `query='rate',metric='${value}'`, `query='rate',metric='x',step=${value}`, `query='rate',metric='x',start=${value}`, value])
      paths.push(`/cloud/v5/test_runs/${id}/query_range_k6(${encode(call)})`, `/cloud/v5/load_tests/1/query_aggregate_k6(${encode(call)})`);
  await each(paths, async (path) => assertAnswer(path.slice(0, 120), await ask(server, 'GET', path)));
  await assertAlive(server);
});

test('what unpacks to more than it may', async (t) => {
  const server = await new Server(t).start();
  const id = await newRun(server);
  const bomb = gzipSync(Buffer.alloc(70 << 20, 0x20)); // 70 KB
  const json = await ask(server, 'POST', `/v1/metrics/${id}`, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }, bomb);
  assert.equal(json.status, 413, json.text);
  const logs = await ask(server, 'POST', `/provisioning/v1/test_runs/${id}/logs`, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }, bomb);
  assert.equal(logs.status, 413, logs.text);
  // Snappy announces its size: 2^32 - 1 bytes, without them.
  const proto = await ask(server, 'POST', `/v2/metrics/${id}`, { 'Content-Type': 'application/x-protobuf', 'Content-Encoding': 'snappy' }, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]));
  assert.equal(proto.status, 413, proto.text);
  const large = await ask(server, 'POST', `/v2/metrics/${id}`, { 'Content-Type': 'application/x-protobuf', 'Content-Encoding': 'snappy' }, Buffer.alloc((16 << 20) + 1)).catch((error) => ({ status: 413, text: String(error) }));
  assert.equal(large.status, 413, large.text);
  const cut = gzipSync('[]');
  for (const end of [cut.length - 1, 10, 1]) assert.equal((await ask(server, 'POST', `/v1/metrics/${id}`, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }, cut.subarray(0, end))).status, 400);
  assert.equal((await server.run(id)).status, 'created');
  await assertAlive(server);
});

test('names are kept letter by letter', async (t) => {
  const server = await new Server(t).start();
  const names = ['<script>alert(1)</script>', "Robert'); DROP TABLE runs;--", '"quoted" \\ back\nline\ttab', '💥 ünï', '%s%n%x', '${jndi:ldap://x}', '\u202eright to left', ' '.repeat(3) + 'x'];
  for (const name of names) {
    const id = await newRun(server, name);
    assert.equal((await server.json(`/cloud/v6/load_tests/${(await server.run(id)).test_id}`)).name, name);
    const sample = [{ type: 'Point', metric: 'm', data: { type: 'counter', time: '1795329630000000', tags: { [name]: name, plain: name }, value: 1 } }];
    const push = await ask(server, 'POST', `/v1/metrics/${id}`, { 'Content-Type': 'application/json' }, JSON.stringify(sample));
    assert.equal(push.status, 200, push.text);
    assert.deepEqual((await server.json(`/cloud/v5/test_runs/${id}/label/plain/values`)).data, [name]);
    assert.ok((await server.json(`/cloud/v5/test_runs/${id}/labels`)).data.includes(name));
    assert.equal(await server.value(id, 'increase', `m{plain="${name.replace(/["\\]/g, '\\$&').replace(/\n/g, '\\n').replace(/\t/g, '\\t')}"}`).catch(() => 1), 1);
  }
  assert.equal((await server.json('/cloud/v6/test_runs?$count=true'))['@count'], names.length);
});

test('requests that are none', async (t) => {
  const server = await new Server(t).start();
  const head = `Host: x\r\nAuthorization: Token ${server.token}\r\n`;
  const lines = [
    'GET', '\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', `GET ${'/a'.repeat(40000)} HTTP/1.1\r\n${head}\r\n`, `GET / HTTP/1.1\r\n${'X: y\r\n'.repeat(20000)}\r\n`, `GET / HTTP/1.1\r\nX: ${'y'.repeat(200000)}\r\n\r\n`,
    `POST /v1/tests HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: -5\r\n\r\n`, `POST /v1/tests HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 99999999999999999999999\r\n\r\n`,
    `POST /v1/tests HTTP/1.1\r\n${head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`, `POST /v1/tests HTTP/1.1\r\n${head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n`,
    `POST /v1/tests HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, `\0\x01\x02\xff${'\0'.repeat(1000)}`, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  ];
  await Promise.all(lines.map((line) => new Promise((done) => {
    const socket = net.connect(server.port, '127.0.0.1');
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => assert.match(bytes.toString('latin1'), /^HTTP\/1\.1 (?!50[0-4])|^[^H]/, line.slice(0, 60)));
    socket.on('close', done);
    socket.setTimeout(3000, () => socket.destroy()); // one that is waited for is cut off by the server after half a minute
    socket.end(line, 'latin1');
  })));
  await assertAlive(server);
});
