// The server's public contract, as far as the page uses it, over data made up here: runs that grow when a test
// says so, states, hostile names, streams that break. `node tests/web/fake_server.mjs` serves a demo by itself.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const builtPage = fileURLToPath(new URL("../../web/dist", import.meta.url));
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2", ".txt": "text/plain" };

/** As strict as a server may be. */
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const legacyType = { [-2]: "created", [-1]: "created", 0: "queued", 1: "initializing", 2: "running", 3: "completed" };
const period = 3;

class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** One run: its record, and a list of buckets {time, vus, requests: [...], checks: [...], iterations, received, sent}. */
class Run {
  constructor(server, id, fields) {
    this.server = server;
    this.script = fields.script ?? null;
    this.thresholds = fields.thresholds ?? [];
    this.buckets = [];
    const created = new Date(fields.created ?? Date.now()).toISOString();
    this.record = {
      id, test_id: fields.test_id, project_id: 1, started_by: fields.started_by ?? null, created, ended: null, note: fields.note ?? "",
      retention_expiry: null, cost: null, status: "created", status_details: { type: "created", entered: created, extra: { code: -2 } },
      status_history: [{ type: "created", entered: created }], distribution: null, result: null, result_details: null, options: {},
      k6_dependencies: {}, k6_versions: {}, max_vus: fields.max_vus ?? null, max_browser_vus: null,
      estimated_duration: fields.estimated_duration ?? null, execution_duration: 0, is_starred: false,
    };
  }

  /** Moves the run to a state of the older numbers, at a time of ms since the epoch. */
  state(code, { at = Date.now(), result = null, message = null } = {}) {
    const type = legacyType[code] ?? "aborted";
    const entered = new Date(at).toISOString();
    const status = { type, entered, extra: { code, by_user: code === 5 ? "someone" : null, message } };
    Object.assign(this.record, { status: type, status_details: status, result });
    this.record.status_history.push(status);
    if (code >= 3) this.record.ended = entered;
    this.server.tell(this, "run", this.record);
    return this;
  }

  /** Commits buckets and tells whoever listens. */
  push(...buckets) {
    this.buckets.push(...buckets);
    this.server.tell(this, "metrics", { time: this.buckets[this.buckets.length - 1].time });
    return this;
  }

  metrics() {
    const all = { vus: "gauge", http_reqs: "counter", http_req_failed: "rate", http_req_duration: "trend", checks: "rate", iterations: "counter", data_received: "counter", data_sent: "counter" };
    return Object.entries(all).filter(([name]) => !this.samples(name).next().done).map(([name, type], id) => ({ id, name, type, origin: "builtin", test_run_id: this.record.id }));
  }

  /** Buckets' samples of one metric: {time, labels, …}, in the shape that its type has. */
  *samples(metric) {
    for (const b of this.buckets) {
      const of = {
        vus: () => [{ labels: {}, last: b.vus }],
        http_reqs: () => b.requests.map((r) => ({ labels: r.labels, sum: r.times.length * (r.weight ?? 1) })),
        http_req_failed: () => b.requests.map((r) => ({ labels: r.labels, nz: r.failed ?? 0, total: r.times.length * (r.weight ?? 1) })),
        http_req_duration: () => b.requests.map((r) => ({ labels: r.labels, times: r.times })),
        checks: () => (b.checks ?? []).map((c) => ({ labels: { check: c.name, group: c.group ?? "" }, nz: c.passed, total: c.total })),
        iterations: () => [{ labels: {}, sum: b.iterations ?? 0 }],
        data_received: () => [{ labels: {}, sum: b.received ?? 0 }],
        data_sent: () => [{ labels: {}, sum: b.sent ?? 0 }],
      }[metric];
      for (const s of of?.() ?? []) yield { time: b.time, ...s };
    }
  }
}

function fold(method, samples, seconds) {
  const sum = (f) => samples.reduce((n, s) => n + f(s), 0);
  const [, name, arg] = /^(\w+)(?:\(([\d.]+)\))?$/.exec(method) ?? [];
  const times = () => samples.flatMap((s) => s.times).sort((a, b) => a - b);
  switch (name) {
    case "last": return samples[samples.length - 1].last;
    case "increase": return sum((s) => s.sum);
    case "rate": return sum((s) => s.sum) / seconds;
    case "increase_nz": return sum((s) => s.nz);
    case "increase_total": return sum((s) => s.total);
    case "ratio": return sum((s) => s.nz) / sum((s) => s.total);
    case "histogram_min": return times()[0];
    case "histogram_max": return times().pop();
    case "histogram_avg": { const t = times(); return t.reduce((a, b) => a + b, 0) / t.length; }
    case "histogram_quantile": { const t = times(); return t[Math.min(t.length - 1, Math.floor(Number(arg) * t.length))]; }
    default: throw new HttpError(400, `query: unknown method ${method}`);
  }
}

function query(run, call) {
  const [, kind, inner] = /^(query_range_k6|query_aggregate_k6)\((.*)\)$/s.exec(call) ?? [];
  if (!kind) throw new HttpError(404, "no such route");
  const params = {};
  for (const [, key, quoted, bare] of inner.matchAll(/(\w+)=(?:'((?:[^']|'')*)'|([^,']+))/g)) params[key] = quoted !== undefined ? quoted.replaceAll("''", "'") : bare;
  let text = params.query;
  text = /^sum\((.*)\)$/.exec(text)?.[1] ?? text;
  const by = / by \(([^)]*)\)$/.exec(text);
  const labels = by && params.query === text ? by[1].split(",").map((l) => l.trim()) : [];
  const method = by ? text.slice(0, by.index) : text;
  const start = params.start ? Date.parse(params.start) / 1000 : -Infinity;
  const samples = [...run.samples(params.metric)].filter((s) => s.time >= start);
  if (![...run.samples(params.metric)].length) throw new HttpError(400, `metric: the run has no metric ${params.metric}`);
  const groups = new Map();
  for (const s of samples) {
    const metric = Object.fromEntries(labels.map((l) => [l, s.labels[l] ?? ""]));
    const key = JSON.stringify(metric);
    if (!groups.has(key)) groups.set(key, { metric, samples: [] });
    groups.get(key).samples.push(s);
  }
  const whole = run.buckets.length * period;
  const result = [...groups.values()].map(({ metric, samples: all }) => {
    if (kind === "query_aggregate_k6") return { metric, value: [all[all.length - 1].time, fold(method, all, whole)] };
    const step = Number(params.step);
    const slots = new Map();
    for (const s of all) {
      const t = Math.floor(s.time / step) * step;
      if (!slots.has(t)) slots.set(t, []);
      slots.get(t).push(s);
    }
    return { metric, values: [...slots].map(([t, list]) => [t, fold(method, list, step)]) };
  });
  return { status: "success", data: { resultType: kind === "query_range_k6" ? "matrix" : "vector", result } };
}

export class FakeServer {
  static async start({ token = "spate-test-token", port = 0, dist = builtPage } = {}) {
    const fake = new FakeServer(token, dist);
    await fake.listen(port);
    return fake;
  }

  constructor(token, dist) {
    this.token = token;
    this.password = "fake password";
    this.dist = dist;
    this.runs = new Map();
    this.tests = new Map();
    this.streams = new Set();
    this.requests = [];
    this.sessions = new Set();
    /** While true, streams are refused and every other call is answered with 503. */
    this.down = false;
  }

  async listen(port) {
    this.http = createServer((req, res) => {
      this.handle(req, res).catch((error) => {
        const status = error.status ?? 500;
        if (status === 500) console.error(error);
        this.json(res, { error: { message: error.message, code: String(status) } }, status);
      });
    });
    await new Promise((resolve) => this.http.listen(port, "127.0.0.1", resolve));
    this.port = this.http.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  async close() {
    this.dropStreams();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  /** `fields.name` is the test's; runs of the same name share it. */
  addRun(fields) {
    let testId = [...this.tests].find(([, name]) => name === fields.name)?.[0];
    if (testId === undefined) this.tests.set((testId = this.tests.size + 1), fields.name);
    const id = this.runs.size + 1;
    const run = new Run(this, id, { ...fields, test_id: testId });
    this.runs.set(id, run);
    this.tell(run, "run", run.record);
    return run;
  }

  tell(run, event, data) {
    for (const s of this.streams) {
      if (s.run === run.record.id || (s.run === null && event === "run")) s.res.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    }
  }

  dropStreams() {
    for (const s of this.streams) s.res.destroy();
    this.streams.clear();
  }

  json(res, body, status = 200) {
    res.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  }

  stream(req, res, run) {
    res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    res.write(": here\n\n");
    const entry = { res, run };
    this.streams.add(entry);
    res.on("close", () => this.streams.delete(entry));
  }

  async handle(req, res) {
    const url = new URL(req.url, this.url);
    const path = decodeURIComponent(url.pathname);
    this.requests.push(`${req.method} ${path}${url.search}`);
    if (path.startsWith("/cloud/") || path === "/session") {
      if (this.down) throw new HttpError(503, "The server is being restarted.");
      if (path === "/session") return this.session(req, res);
      if (!this.signedIn(req)) throw new HttpError(401, "Sign in first.");
      return this.api(req, res, url, path);
    }
    const link = /^\/session\/link\/(\w+)$/.exec(path);
    if (link) return this.link(res, link[1], url.searchParams.get("to") ?? "/");
    return this.file(res, path);
  }

  signedIn(req) {
    const cookie = /spate_session=(\w+)/.exec(req.headers.cookie ?? "")?.[1];
    return this.sessions.has(cookie);
  }

  newSession(res) {
    const id = Math.random().toString(36).slice(2);
    this.sessions.add(id);
    res.setHeader("Set-Cookie", `spate_session=${id}; HttpOnly; SameSite=Lax; Path=/`);
  }

  link(res, code, to) {
    if (code !== this.linkCode) throw new HttpError(401, "This link was used already.");
    this.linkCode = null;
    this.newSession(res);
    res.writeHead(302, { Location: to }).end();
  }

  async session(req, res) {
    if (req.method === "POST") {
      let body = "";
      for await (const chunk of req) body += chunk;
      const { token, email, password } = JSON.parse(body);
      if (token !== this.token && !(email === "owner@example.com" && password === this.password)) throw new HttpError(401, "That is wrong.");
      this.newSession(res);
      return res.writeHead(204).end();
    }
    if (req.method === "DELETE") {
      this.sessions.clear();
      return res.writeHead(204).end();
    }
    if (!this.signedIn(req)) throw new HttpError(401, "Sign in first.");
    return this.json(res, { name: "owner", email: "owner@example.com", user_id: 1, is_owner: true, must_change_password: false, roles: [] });
  }

  run(id) {
    const run = this.runs.get(Number(id));
    if (!run) throw new HttpError(404, `There is no run ${id}.`);
    return run;
  }

  api(req, res, url, path) {
    if (path === "/cloud/v5/test_runs/events") return this.stream(req, res, null);
    const [, ofTest] = /^\/cloud\/v6\/load_tests\/(\d+)\/test_runs$/.exec(path) ?? [];
    if (ofTest !== undefined || path === "/cloud/v6/test_runs") {
      const all = [...this.runs.values()].map((r) => r.record).filter((r) => ofTest === undefined || r.test_id === Number(ofTest)).sort((a, b) => b.created.localeCompare(a.created) || b.id - a.id);
      const skip = Number(url.searchParams.get("$skip") ?? 0);
      const top = Number(url.searchParams.get("$top") ?? 1000);
      return this.json(res, { value: all.slice(skip, skip + top), ...(url.searchParams.get("$count") === "true" ? { "@count": all.length } : {}) });
    }
    const test = /^\/cloud\/v6\/load_tests\/(\d+)$/.exec(path);
    if (test) return this.json(res, { id: Number(test[1]), project_id: 1, name: this.tests.get(Number(test[1])) });
    const [, id, rest] = /^\/cloud\/v[56]\/test_runs\/(\d+)(?:\/(.*))?$/s.exec(path) ?? [];
    if (id === undefined) throw new HttpError(404, "no such route");
    const run = this.run(id);
    if (rest === undefined) return this.json(res, run.record);
    if (rest === "metrics") return this.json(res, { value: run.metrics() });
    if (rest === "events") return this.stream(req, res, run.record.id);
    if (rest === "thresholds") return this.json(res, { value: run.thresholds });
    if (rest === "script") {
      if (run.script === null) throw new HttpError(404, "No archive was uploaded.");
      return res.writeHead(200, { "Content-Type": "text/javascript" }).end(run.script);
    }
    return this.json(res, query(run, rest));
  }

  file(res, path) {
    const wanted = join(this.dist, normalize(path));
    const found = wanted.startsWith(this.dist) && existsSync(wanted) && statSync(wanted).isFile();
    if (!found && path.startsWith("/assets/")) throw new HttpError(404, "no such file");
    const file = found ? wanted : join(this.dist, "index.html");
    res.writeHead(200, { "Content-Type": types[extname(file)] ?? "application/octet-stream", "Content-Security-Policy": csp, "X-Content-Type-Options": "nosniff" });
    createReadStream(file).pipe(res);
  }
}

/** The time of the bucket that a moment of ms falls into. */
export const bucketTime = (ms) => Math.floor(ms / 1000 / period) * period;

/** A small generator of numbers that are the same at every run. */
export function seeded(seed) {
  let s = seed;
  return () => {
    s = (s * 1664525 + 1013904223) % 4294967296;
    return s / 4294967296;
  };
}

const shop = [
  { method: "GET", name: "https://shop.test/", base: 38, status: "200" },
  { method: "GET", name: "https://shop.test/products/${id}", base: 64, status: "200" },
  { method: "GET", name: "https://shop.test/products/${id}", base: 21, status: "404", share: 0.02, failed: true },
  { method: "POST", name: "https://shop.test/cart", base: 92, status: "201" },
  { method: "POST", name: "https://shop.test/checkout", base: 240, status: "200", share: 0.3 },
  { method: "POST", name: "https://shop.test/checkout", base: 1900, status: "503", share: 0.015, failed: true },
  { method: "GET", name: "https://shop.test/search?q=a+fairly+long+query+that+nobody+would+type&sort=price&page=2", base: 130, status: "200" },
  { method: "GET", name: "https://shop.test/api/recommendations", base: 15000, status: "0", share: 0.003, failed: true },
];

/** A bucket of the sample shop: `at` 0..1 is where in the test it lies. */
export function shopBucket(time, at, vus, random) {
  const requests = [];
  for (const r of shop) {
    const n = Math.round(vus * 1.1 * (r.share ?? 1) * (0.85 + random() * 0.3) + (r.share ? random() * 0.6 : 0));
    if (n < 1) continue;
    const times = Array.from({ length: n }, () => r.base * (0.7 + at * 0.5 + 0.25 * random() + (random() < 0.04 ? 2.5 * random() : 0)));
    requests.push({ labels: { name: r.name, method: r.method, status: r.status }, times, failed: r.failed ? n : 0 });
  }
  const made = requests.reduce((n, r) => n + r.times.length, 0);
  return {
    time, vus, requests, iterations: Math.round(vus * 1.05), received: made * 14_300, sent: made * 410,
    checks: [
      { name: "home is up", passed: vus, total: vus },
      { name: "product has a price", group: "::browse", passed: Math.round(vus * 0.985), total: vus },
      { name: "cart answers 201", group: "::browse::cart", passed: vus, total: vus },
      { name: "order is confirmed", group: "::buy", passed: Math.round(vus * 0.92), total: vus },
    ],
  };
}

export const shopThresholds = [
  { metric: "http_req_duration", selector: "", expression: "p(95)<500", result: "passed", value: 312.44 },
  { metric: "http_req_duration", selector: "{name:https://shop.test/checkout}", expression: "p(99)<1500", result: "failed", value: 2104.2 },
  { metric: "http_req_failed", selector: "", expression: "rate<0.05", result: "passed", value: 0.0123 },
  { metric: "checks", selector: "", expression: "rate>0.99", result: null, value: null },
];

export const shopScript = `import http from "k6/http";
import { check, group, sleep } from "k6";

// A visitor looks around; one in three buys.
export const options = {
  scenarios: {
    visitors: {
      executor: "ramping-vus",
      stages: [
        { duration: "1m", target: 40 },
        { duration: "3m", target: 40 },
        { duration: "30s", target: 0 },
      ],
    },
  },
  thresholds: {
    http_req_duration: ["p(95)<500"],
    http_req_failed: ["rate<0.05"],
  },
};

export default function () {
  const home = http.get(\`\${__ENV.BASE_URL}/\`);
  check(home, { "home is up": (r) => r.status === 200 });
  sleep(Math.random() * 2);
}
`;

/** A ramp up, a plateau and a ramp down over 0..1. */
export const ramp = (at, most) => Math.max(1, Math.round(most * Math.min(1, at * 5, (1 - at) * 9)));

/** A whole shop run of that length that began `agoSeconds` ago; `gap` leaves that part (0..1, 0..1) out. */
export function shopRun(fake, { name = "shop.js", agoSeconds, seconds, vus = 40, gap = null, script = shopScript, thresholds = shopThresholds, ...rest }) {
  const begun = Date.now() - agoSeconds * 1000;
  const run = fake.addRun({ name, created: begun - 2000, max_vus: vus, script, thresholds, estimated_duration: seconds, ...rest });
  const random = seeded(run.record.id);
  run.state(2, { at: begun });
  const buckets = [];
  for (let s = 0; s < Math.min(seconds, agoSeconds); s += period) {
    const at = s / seconds;
    if (gap && at > gap[0] && at < gap[1]) continue;
    buckets.push(shopBucket(bucketTime(begun + s * 1000), at, ramp(at, vus), random));
  }
  if (buckets.length) run.push(...buckets);
  return run;
}

async function demo() {
  const fake = await FakeServer.start({ token: "demo", port: Number(process.env.PORT ?? 6601) });
  for (let i = 0; i < 60; i++) {
    shopRun(fake, { name: i % 3 ? "shop.js" : "login flow", agoSeconds: 86_400 + i * 7000, seconds: 60, vus: 10 }).state([3, 3, 5, 3, 8, 4][i % 6], { at: Date.now() - 86_340_000 - i * 7e6, result: i % 6 === 4 ? "failed" : i % 6 === 2 ? "error" : "passed" });
  }
  shopRun(fake, { agoSeconds: 9000, seconds: 270, gap: [0.4, 0.55], started_by: "ada@example.com" }).state(3, { at: Date.now() - 8_730_000, result: "failed" });
  shopRun(fake, { name: "crash.js", agoSeconds: 4000, seconds: 90 }).state(7, { at: Date.now() - 3_910_000, result: "error", message: "TypeError: cannot read property 'id' of undefined\n    at checkout (file:///home/ada/crash.js:41:18)" });
  const seconds = 600;
  const run = shopRun(fake, { agoSeconds: 120, seconds, vus: 60, started_by: "ada@example.com" });
  const begun = Date.parse(run.record.status_details.entered);
  const random = seeded(99);
  setInterval(() => {
    const at = (Date.now() - begun) / 1000 / seconds;
    if (at < 1) run.push(shopBucket(bucketTime(Date.now()), at, ramp(at, 60), random));
  }, 3000);
  fake.linkCode = "demo";
  console.log(`${fake.url}/session/link/demo?to=/runs`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await demo();
