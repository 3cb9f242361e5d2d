// @ts-nocheck: Node's own types aren't among the page's.
import assert from "node:assert/strict";
import { test } from "node:test";
import { extent, lines, loadCharts, nextRequest } from "../src/lib/charts";
import { groupName, joinChecks } from "../src/lib/checks";
import { ago, bytes, compact, count, duration, millis, moment, percent, rate } from "../src/lib/format";
import { highlight } from "../src/lib/highlight";
import { Pump } from "../src/lib/pump";
import { aggregateCall, rangeCall } from "../src/lib/query";
import { filterRequests, joinRequests, sortRequests } from "../src/lib/requests";
import { align, extend, fromPairs, stepFor, zeroWhere } from "../src/lib/series";
import { durationSeconds, fresher, runResult, runState } from "../src/lib/status";
import { selectorText, thresholdValue } from "../src/lib/thresholds";

const table = (fn, rows) => {
  for (const [input, want] of rows) assert.equal(fn(input), want, `${fn.name}(${input})`);
};

test("quantities read as people write them", () => {
  table(count, [[null, "–"], [NaN, "–"], [0, "0"], [12345.4, "12,345"], [1e9, "1,000,000,000"]]);
  table(compact, [[0, "0"], [0.256, "0.26"], [12.34, "12.3"], [999, "999"], [10_000, "10k"], [12_340, "12.3k"], [1.5e6, "1.5M"], [999_999, "1M"], [2e9, "2G"]]);
  table(rate, [[0.333, "0.33/s"], [45.21, "45.2/s"], [1234.4, "1,234/s"]]);
  table(millis, [[0, "0 ms"], [0.42, "0.42 ms"], [4.214, "4.21 ms"], [42.14, "42.1 ms"], [123.4, "123 ms"], [999.6, "1.00 s"], [1244, "1.24 s"], [12_440, "12.4 s"], [125_000, "2m 05s"]]);
  table(bytes, [[0, "0 B"], [999, "999 B"], [1000, "1.0 kB"], [154e6, "154 MB"], [1.5e9, "1.5 GB"]]);
  table(duration, [[null, "–"], [-1, "0s"], [8.4, "8s"], [65, "1m 05s"], [3600, "1h 00m"], [100_000, "1d 03h"]]);
});

test("a share that is neither nothing nor all never reads so", () => {
  table(percent, [[0, "0%"], [1e-7, "<0.01%"], [0.0002, "0.02%"], [0.034, "3.4%"], [0.5, "50.0%"], [0.9999, "99.99%"], [0.999999, ">99.99%"], [1, "100%"], [null, "–"]]);
});

test("moments carry the year only when it isn't this one", () => {
  const now = new Date(2026, 10, 22);
  assert.equal(moment(new Date(2026, 10, 22, 9, 2, 3).toISOString(), now), "Nov 22, 09:02:03");
  assert.match(moment(new Date(2024, 0, 2, 9, 2, 3).toISOString(), now), /2024/);
  assert.equal(moment("nonsense", now), "–");
  assert.equal(ago(new Date(now - 40e3).toISOString(), +now), "just now");
  assert.equal(ago(new Date(now - 4 * 60e3).toISOString(), +now), "4 min ago");
  assert.equal(ago(new Date(now - 26 * 3600e3).toISOString(), +now), "1 day ago");
});

test("states: the number decides, the words of an abort serve where there is none", () => {
  const state = (status, extra, type = status) => runState({ status, status_details: { type, entered: "", extra } });
  const words = ["Created", "Created", "Queued", "Initializing", "Running", "Finished", "Timed out", "Aborted by User", "Aborted by System", "Aborted (script error)", "Aborted by Threshold", "Aborted by Limit", "Archived"];
  for (const [i, word] of words.entries()) {
    const { word: got, ended } = state("aborted", { code: i - 2 });
    assert.equal(got, word);
    assert.equal(ended, i - 2 >= 3, word);
  }
  assert.equal(state("running").word, "Running");
  assert.equal(state("completed", null).word, "Finished");
  assert.equal(state("aborted", { by_user: "a@b" }).code, 5);
  assert.equal(state("aborted", { code: 8035 }).code, 7);
  assert.equal(state("aborted", { code: 8036, message: "crossed a threshold" }).code, 8);
  assert.equal(state("aborted", {}, "timed_out").code, 4);
  assert.equal(state("aborted", null).code, 6);
  assert.deepEqual([state("processing_metrics", { code: 3 }).word, state("processing_metrics", { code: 3 }).ended], ["Processing", false]);
  assert.equal(state("aborted", { code: 7, message: "boom" }).message, "boom");
  assert.equal(runResult("failed").word, "Failed");
  assert.equal(runResult(null), null);
});

test("the duration counts from the first load", () => {
  const history = [{ type: "created", entered: "2026-01-01T00:00:00Z" }, { type: "running", entered: "2026-01-01T00:00:10Z" }];
  const run = { status: "running", created: history[0].entered, ended: null, status_history: history, status_details: history[1] };
  assert.equal(durationSeconds(run, Date.parse("2026-01-01T00:01:00Z")), 50);
  assert.equal(durationSeconds({ ...run, ended: "2026-01-01T00:00:40Z" }, 0), 30);
  assert.equal(durationSeconds({ ...run, status_history: [], status_details: history[0] }, 0), null);
});

test("an answer that an event has overtaken changes nothing", () => {
  const older = { id: 1, status_history: [1] };
  const newer = { id: 1, status_history: [1, 2] };
  assert.equal(fresher(null, older), older);
  assert.equal(fresher(newer, older), newer);
  assert.equal(fresher(older, newer), newer);
  const noted = { id: 1, status_history: [1, 2] };
  assert.equal(fresher(newer, noted), noted);
});

test("calls keep their form and quote what users wrote", () => {
  assert.equal(aggregateCall("increase", "http_reqs"), "query_aggregate_k6(query='increase',metric='http_reqs')");
  assert.equal(
    rangeCall({ query: "histogram_quantile(0.95)", metric: "http_req_duration", step: 3, start: 1767225600 }),
    "query_range_k6(query='histogram_quantile(0.95)',metric='http_req_duration',step=3,start=2026-01-01T00:00:00Z)",
  );
  const call = aggregateCall("rate by (name)", "it's {a=\"x/y?#\"}");
  assert.ok(!/[ /?#"]/.test(call), call);
  assert.equal(decodeURIComponent(call), "query_aggregate_k6(query='rate by (name)',metric='it''s {a=\"x/y?#\"}')");
});

test("series grow at their end, and later answers replace earlier ones", () => {
  const known = { t: [3, 6, 9], v: [1, 2, 3] };
  assert.deepEqual(extend(known, 6, { t: [6, 9, 12], v: [20, 30, 40] }), { t: [3, 6, 9, 12], v: [1, 20, 30, 40] });
  assert.deepEqual(extend(known, 100, { t: [], v: [] }), known);
  assert.deepEqual(fromPairs([[3, "1.5"], [6, null], [9, "NaN"], [12, 4]]), { t: [3, 12], v: [1.5, 4] });
});

test("missing time is a gap, whatever the period of the data", () => {
  const s = { t: [0, 3, 6, 21, 24], v: [1, 2, 3, 4, 5] };
  assert.deepEqual(align([s], 3), [[0, 3, 6, 9, 21, 24], [1, 2, 3, null, 4, 5]]);
  const slow = { t: [0, 10, 20, 30], v: [1, 2, 3, 4] };
  assert.deepEqual(align([slow], 3)[1], [1, 2, 3, 4]);
  assert.deepEqual(align([{ t: [0, 3], v: [1, 2] }, { t: [3, 6], v: [5, 6] }], 3), [[0, 3, 6], [1, 2, null], [null, 5, 6]]);
  assert.deepEqual(align([{ t: [], v: [] }], 3), [[], []]);
});

test("no request while the generator reported is a rate of nought", () => {
  const vus = { t: [0, 3, 6, 9, 12], v: [1, 1, 1, 1, 1] };
  assert.deepEqual(zeroWhere({ t: [3, 9], v: [5, 7] }, vus), { t: [3, 6, 9], v: [5, 0, 7] });
  assert.deepEqual(zeroWhere({ t: [], v: [] }, vus), { t: [], v: [] });
});

test("a chart has at most so many points", () => {
  table(stepFor, [[0, 3], [1800, 3], [1801, 6], [86_400, 300], [1e9, 43_200]]);
});

test("a running chart asks for its end, and for all of it now and then", async () => {
  const asked = [];
  let until = 30;
  const ask = async (p) => {
    asked.push(p);
    const values = [];
    for (let t = 0; t <= until; t += 3) if (p.start === undefined || t >= p.start) values.push([t, t]);
    return [{ metric: {}, values }];
  };
  const first = await loadCharts(null, 30, 1000, false, ask);
  assert.equal(asked.length, Object.keys(lines).length);
  assert.ok(asked.every((p) => p.start === undefined));
  until = 36;
  asked.length = 0;
  const second = await loadCharts(first, 36, 2000, false, ask);
  assert.ok(asked.every((p) => p.start === 15));
  assert.deepEqual(second.lines.vus.t, [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36]);
  assert.deepEqual(extent(second.lines), [0, 36]);
  assert.deepEqual(second.lines.rate.t, second.lines.vus.t);
  const long = await loadCharts(null, 4000, 3000, false, ask);
  assert.equal(long.lines.rate.t.length, long.lines.vus.t.length - 1, "the last rate isn't full yet");
  assert.deepEqual((await loadCharts(null, 4000, 3000, true, ask)).lines.rate.t, long.lines.vus.t);
  assert.equal(nextRequest(second, 36, 70_000).from, undefined);
  assert.equal(nextRequest(second, 4000, 3000).from, undefined, "another step starts afresh");
});

test("requests are joined by name, method and status, sorted and filtered", () => {
  const series = (name, value, extra = {}) => ({ metric: { name, method: "GET", status: "200", ...extra }, value: [1, value] });
  const none = { rate: [], failed: [], min: [], avg: [], p99: [], max: [] };
  const rows = joinRequests({ ...none, count: [series("/a", 2), series("/b", "30"), series("/b", 1, { status: "500" })], p95: [series("/a", 9)] });
  assert.equal(rows.length, 3);
  assert.deepEqual(rows.map((r) => r.count), [2, 30, 1]);
  assert.deepEqual(sortRequests(rows, { column: "count", descending: true }).map((r) => r.count), [30, 2, 1]);
  for (const descending of [true, false]) assert.equal(sortRequests(rows, { column: "p95", descending })[0].name, "/a", "no figure comes last");
  assert.deepEqual(filterRequests(rows, "500 GET").map((r) => r.count), [1]);
  assert.equal(filterRequests(rows, " ").length, 3);
  assert.equal(filterRequests(rows, "<b>").length, 0);
});

test("checks are added up by group and name", () => {
  const series = (check, group, value) => ({ metric: { check, group }, value: [1, value] });
  const rows = joinChecks([series("x", "::a", 3)], [series("x", "::a", 4), series("y", "", 2)]);
  assert.deepEqual(rows.map((r) => [r.group, r.name, r.passed, r.total]), [["", "y", 0, 2], ["a", "x", 3, 4]]);
  assert.equal(groupName("::buy::pay"), "buy / pay");
});

test("a threshold's value has the unit of its metric", () => {
  const value = (metric, expression, v) => thresholdValue({ metric, expression, value: v });
  assert.equal(value("http_req_duration", "p(95)<500", 312.4), "312 ms");
  assert.equal(value("http_req_failed", "rate<0.01", 0.002), "0.20%");
  assert.equal(value("checks", "rate>0.99", null), "–");
  assert.equal(value("http_reqs", "rate>100", 123.4), "123");
  assert.equal(value("http_reqs", "count>100", 12345), "12,345");
  assert.deepEqual(["", "a:b", "{a:b}"].map(selectorText), ["", "{a:b}", "{a:b}"]);
  assert.equal(value("my_trend", "avg<10", 4.25), "4.25");
});

test("colouring never changes the text", () => {
  for (const text of ["", "const a = `x${1}`; // c", "/* open", "'unclosed\nlet b", "a < b && c > d", "\u{1F600} \"q\\\"uote\""])
    assert.equal(highlight(text).map(([, part]) => part).join(""), text);
  assert.deepEqual(highlight("let x = 1").map(([kind]) => kind), ["keyword", "", "number"]);
});

test("a pump never runs twice at once and runs once more after the last request", async () => {
  let inside = 0;
  let runs = 0;
  let release;
  const pump = new Pump(async () => {
    assert.equal(++inside, 1);
    runs++;
    await new Promise((resolve) => (release = resolve));
    inside--;
  }, 0);
  pump.kick();
  pump.kick();
  pump.kick();
  assert.equal(runs, 1);
  release();
  const deadline = Date.now() + 2000;
  while (runs < 2 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(runs, 2);
  release();
  await new Promise((resolve) => setImmediate(resolve));
  pump.stop();
  pump.kick();
  assert.equal(runs, 2);
});
