// What k6 sent, read back by an implementation of our own: recordings, the wire formats, and a
// check of answers against the specification.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const folder = 'tests/fixtures/k6-traffic/';

/** The requests of a recording: {method, path, headers, body: Buffer}. */
export function recording(name) {
  return readFileSync(`${folder}${name}.jsonl`, 'utf8').trim().split('\n').map((line) => {
    const { method, path, headers, text, base64 } = JSON.parse(line);
    return { method, path, headers, body: base64 ? Buffer.from(base64, 'base64') : Buffer.from(text ?? '') };
  });
}

// ---- v2: snappy and protobuf ----

function varint(bytes, at) {
  let value = 0n;
  for (let shift = 0n; ; shift += 7n) {
    const byte = bytes[at++];
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return [value, at];
  }
}

function unsnappy(packed) {
  let [size, at] = varint(packed, 0);
  const out = Buffer.alloc(Number(size));
  let to = 0;
  while (at < packed.length) {
    const tag = packed[at++];
    if ((tag & 3) === 0) {
      let length = tag >> 2;
      if (length >= 60) {
        const bytes = length - 59;
        length = packed.readUIntLE(at, bytes);
        at += bytes;
      }
      packed.copy(out, to, at, at + length + 1);
      at += length + 1;
      to += length + 1;
      continue;
    }
    let length;
    let offset;
    if ((tag & 3) === 1) {
      length = 4 + ((tag >> 2) & 7);
      offset = ((tag >> 5) << 8) | packed[at++];
    } else {
      const bytes = (tag & 3) === 2 ? 2 : 4;
      length = (tag >> 2) + 1;
      offset = packed.readUIntLE(at, bytes);
      at += bytes;
    }
    for (let i = 0; i < length; i++, to++) out[to] = out[to - offset];
  }
  return out;
}

/** The fields of a message: [number, value], a value being a BigInt, a double or bytes. */
function* fields(bytes) {
  for (let at = 0; at < bytes.length;) {
    let key;
    [key, at] = varint(bytes, at);
    let value;
    if ((key & 7n) === 0n) [value, at] = varint(bytes, at);
    else if ((key & 7n) === 1n) [value, at] = [bytes.readDoubleLE(at), at + 8];
    else {
      [value, at] = varint(bytes, at);
      [value, at] = [bytes.subarray(at, at + Number(value)), at + Number(value)];
    }
    yield [Number(key >> 3n), value];
  }
}

const all = (bytes, number) => [...fields(bytes)].filter(([n]) => n === number).map(([, value]) => value);
const one = (bytes, number, none = 0) => all(bytes, number)[0] ?? none;

/** Adds what a push holds to `totals`: metric → {sum} | {count, min, max} | {total, nonzero}. */
export function addPushV2(totals, body) {
  for (const metric of all(unsnappy(body), 3)) {
    const name = one(metric, 1).toString();
    const t = (totals[name] ??= { sum: 0, count: 0, total: 0, nonzero: 0, min: Infinity, max: -Infinity });
    for (const series of all(metric, 3)) {
      for (const v of all(one(series, 2, Buffer.alloc(0)), 1)) t.sum += one(v, 2);
      for (const v of all(one(series, 4, Buffer.alloc(0)), 1)) {
        t.nonzero += Number(one(v, 2));
        t.total += Number(one(v, 3));
      }
      for (const v of all(one(series, 5, Buffer.alloc(0)), 1)) {
        t.count += Number(one(v, 6));
        t.sum += one(v, 5);
        t.min = Math.min(t.min, one(v, 7));
        t.max = Math.max(t.max, one(v, 8));
      }
    }
  }
}

// ---- v1: JSON ----

/** The same of the older pushes; setup() and teardown() are no iterations. */
export function addPushV1(totals, request) {
  const text = request.headers['content-encoding'] === 'gzip' ? gunzipSync(request.body) : request.body;
  const at = (name) => (totals[name] ??= { sum: 0, count: 0, total: 0, nonzero: 0, min: Infinity, max: -Infinity });
  const put = (name, value) => {
    const t = at(name);
    t.sum += value;
    t.count += 1;
    t.total += 1;
    t.nonzero += value !== 0 ? 1 : 0;
    t.min = Math.min(t.min, value);
    t.max = Math.max(t.max, value);
  };
  for (const { type, metric, data } of JSON.parse(text)) {
    if (type === 'Point') put(metric, data.value);
    else if (type === 'Points') {
      for (const [name, value] of Object.entries(data.values))
        if (!(name === 'iterations' && /^::(setup|teardown)$/.test(data.tags.group))) put(name, value);
    } else {
      for (const [name, v] of Object.entries(data.values)) {
        const t = at(name);
        t.count += data.count;
        t.total += v.count ?? 0;
        t.nonzero += v.nz_count ?? 0;
        if (v.avg === undefined) continue;
        t.sum += v.avg * data.count;
        t.min = Math.min(t.min, v.min);
        t.max = Math.max(t.max, v.max);
      }
      at('http_reqs').sum += data.count;
    }
  }
}

// ---- the specification ----

const spec = JSON.parse(readFileSync('tests/fixtures/cloud-api-v6.json', 'utf8'));

const errorResponse = { content: { 'application/json': { schema: { $ref: '#/components/schemas/ErrorResponseApiModel' } } } };

function resolve(schema) {
  while (schema?.$ref) {
    const [, , kind, name] = schema.$ref.split('/'); // "#/components/schemas/Name"
    schema = kind === 'responses' ? errorResponse : spec.schemas[name];
    assert.ok(schema, name);
  }
  return schema;
}

const kinds = { object: (v) => v !== null && typeof v === 'object' && !Array.isArray(v), array: Array.isArray, string: (v) => typeof v === 'string', integer: Number.isInteger, number: (v) => typeof v === 'number', boolean: (v) => typeof v === 'boolean', null: (v) => v === null };

/** What is wrong with `value`, as a list of texts. */
export function violations(schema, value, where = '$') {
  schema = resolve(schema);
  if (!schema || schema === true) return [];
  if (schema.nullable && value === null) return [];
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices && !choices.some((one) => violations(one, value, where).length === 0)) return [`${where}: fits none of ${choices.length} forms`];
  const found = (schema.allOf ?? []).flatMap((one) => violations(one, value, where));
  const types = [schema.type ?? []].flat();
  if (types.length > 0 && !types.some((type) => kinds[type](value))) return [`${where}: ${JSON.stringify(value)} is no ${types}`];
  if (schema.enum && !schema.enum.includes(value)) found.push(`${where}: ${JSON.stringify(value)} is none of ${schema.enum}`);
  if (schema.format === 'date-time' && typeof value === 'string' && Number.isNaN(Date.parse(value))) found.push(`${where}: ${value} is no time`);
  if (kinds.object(value)) {
    for (const name of schema.required ?? []) if (!(name in value)) found.push(`${where}.${name} is missing`);
    for (const [name, inner] of Object.entries(value)) {
      const known = schema.properties?.[name] ?? (typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined);
      if (known) found.push(...violations(known, inner, `${where}.${name}`));
      else if (schema.additionalProperties === false) found.push(`${where}.${name} is unknown`);
    }
  }
  if (Array.isArray(value) && schema.items) value.forEach((inner, i) => found.push(...violations(schema.items, inner, `${where}[${i}]`)));
  return found;
}

/** The operation of a path in the specification: {path, operation}, or undefined. */
export function operationOf(method, path) {
  const parts = path.split('?')[0].split('/');
  for (const [pattern, operations] of Object.entries(spec.paths)) {
    const want = pattern.split('/');
    if (want.length === parts.length && want.every((part, i) => part.startsWith('{') || part === parts[i]) && operations[method.toLowerCase()])
      return { pattern, operation: operations[method.toLowerCase()] };
  }
}

/** Fails unless the answer is one that the specification has for that request. */
export function assertSpecified(method, path, status, text) {
  const found = operationOf(method, path);
  if (!found) return false;
  const { responses } = found.operation;
  // What any HTTP server may say is in the form of the specification's own errors.
  const described = responses[status] ?? ([405, 413, 415, 429, 501, 503].includes(status) ? errorResponse : undefined);
  assert.ok(described, `${method} ${found.pattern}: ${status} isn't in the specification`);
  const response = resolve(described);
  const schema = response.content?.['application/json']?.schema;
  if (schema && text) assert.deepEqual(violations(schema, JSON.parse(text)), [], `${method} ${path}: ${text.slice(0, 400)}`);
  return true;
}
