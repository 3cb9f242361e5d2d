import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketTime, seeded, shopBucket, shopRun, shopScript } from "./fake_server.mjs";
import { fakeServer, figure, openPage, rowsOf, signedIn, textOf, until } from "./helper.mjs";

const state = (page) => textOf(page, ".pills .pill");
const canvasInk = (page) =>
  page.locator(".chart canvas").evaluateAll((all) => all.map((c) => {
    const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
    let inked = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i] > 40) inked++;
    return inked;
  }));

/** A bucket of one endpoint: `ok` requests of `ms` each and `bad` failed ones. */
const bucket = (time, vus, ok, bad = 0, ms = 50) => ({
  time, vus, iterations: ok + bad, received: ok * 1000, sent: ok * 100,
  requests: [
    { labels: { name: "http://sut/", method: "GET", status: "200" }, times: Array(ok).fill(ms) },
    ...(bad ? [{ labels: { name: "http://sut/", method: "GET", status: "500" }, times: Array(bad).fill(ms), failed: bad }] : []),
  ],
  checks: [{ name: "answers 200", passed: ok, total: ok + bad }],
});

test("a running test is followed to its end without a reload", async (t) => {
  const fake = await fakeServer(t);
  const begun = Date.now() - 30_000;
  const t0 = bucketTime(begun);
  const run = fake.addRun({ name: "live.js", max_vus: 20, script: shopScript, started_by: "ada@example.com", estimated_duration: 300 });
  const page = await signedIn(t, fake, `/runs/${run.record.id}`);
  await page.evaluate(() => (window.sameDocument = true));
  await until("created", state(page), (text) => text === "Created");
  await until("charts without data", () => page.getByText("No data yet").count(), (n) => n === 4);
  await until("live", () => page.locator("[data-stream]").getAttribute("data-stream"), (s) => s === "live");

  run.state(2, { at: begun });
  await until("running", state(page), (text) => text === "Running");
  run.push(bucket(t0, 5, 100), bucket(t0 + 3, 10, 200));
  await until("requests", figure(page, "requests"), (text) => text === "300");
  const figures = { vus: "10", rate: "50.0/s", p95: "50.0 ms", failed: "0%", checks: "100%" };
  for (const [id, want] of Object.entries(figures)) await until(id, figure(page, id), (text) => text === want);
  const ink = await canvasInk(page);

  run.thresholds = [{ metric: "http_req_failed", selector: "", expression: "rate<0.01", result: "failed", value: 0.1 }];
  run.push(bucket(t0 + 6, 20, 60, 40, 900), bucket(t0 + 9, 20, 60, 40, 900));
  await until("more requests", figure(page, "requests"), (text) => text === "500");
  await until("failures", figure(page, "failed"), (text) => text === "16.0%");
  await until("VUs", figure(page, "vus"), (text) => text === "20");
  await until("checks", figure(page, "checks"), (text) => text === "84.0%");
  await until("a row of each status", () => rowsOf(page, ".requests"), (rows) => rows.length === 2 && rows[1][2] === "500" && rows[1][3] === "80" && rows[1][5] === "100%");
  await until("the threshold", () => rowsOf(page, "[data-section=thresholds]"), (rows) => rows.length === 1 && rows[0][2] === "10.0%");
  await until("the charts go on", () => canvasInk(page), (later) => later.every((n, i) => n !== ink[i]));

  const ticking = await textOf(page, ".facts .ticking")();
  await until("the duration goes on", textOf(page, ".facts .ticking"), (text) => text !== ticking);
  assert.match(await page.title(), /^● live\.js #1 · Spate$/);

  run.push(bucket(t0 + 12, 20, 50));
  run.state(3, { at: Date.now(), result: "failed" });
  await until("finished", state(page), (text) => text === "Finished");
  await until("with its last data", figure(page, "requests"), (text) => text === "550");
  await until("its result", () => page.locator(".pills .pill").allTextContents(), (pills) => pills[1] === "Failed");
  await until("nothing more to follow", () => page.locator("[data-stream]").getAttribute("data-stream"), (s) => s === "off");
  const still = await textOf(page, ".facts .ticking")();
  assert.match(still, /^3\ds$/);
  assert.equal(await page.evaluate(() => window.sameDocument), true, "the page was never loaded again");
});

test("while it follows, the page asks for the end of the charts and not for all of them", async (t) => {
  const fake = await fakeServer(t);
  const run = shopRun(fake, { agoSeconds: 300, seconds: 900 });
  const page = await signedIn(t, fake, `/runs/${run.record.id}`);
  await until("figures", figure(page, "requests"), (text) => /\d/.test(text));
  await until("live", () => page.locator("[data-stream]").getAttribute("data-stream"), (s) => s === "live");
  fake.requests.length = 0;
  run.push(shopBucket(bucketTime(Date.now()), 0.4, 40, seeded(3)));
  const ranges = () => fake.requests.filter((r) => r.includes("query_range_k6("));
  await until("asks", ranges, (list) => list.length >= 7);
  for (const r of ranges()) assert.match(r, /start=\d{4}-\d\d-\d\dT/);
});

test("an aborted run is shown whole", async (t) => {
  const fake = await fakeServer(t);
  const at = Date.now() - 3_000_000;
  const run = shopRun(fake, { name: "crash.js", agoSeconds: 3100, seconds: 100, started_by: "ada@example.com" });
  run.state(7, { at, result: "error", message: "TypeError: cannot read property 'id' of undefined\n    at file:///crash.js:41:18" });
  const page = await signedIn(t, fake, `/runs/${run.record.id}`);
  await until("its state", state(page), (text) => text === "Aborted (script error)");
  assert.match(await page.locator(".notice").textContent(), /cannot read property 'id' of undefined/);
  const total = run.buckets.flatMap((b) => b.requests).reduce((n, r) => n + r.times.length, 0);
  await until("all requests", figure(page, "requests"), (text) => text === total.toLocaleString("en-US"));
  await until("every request's row", () => rowsOf(page, ".requests"), (rows) => rows.reduce((n, r) => n + Number(r[3].replaceAll(",", "")), 0) === total);
  await until("the checks", () => page.locator("tr[data-check]").count(), (n) => n === 4);
  await until("the thresholds", () => page.locator("[data-section=thresholds] tbody tr").count(), (n) => n === 4);
  assert.equal(await page.locator("[data-section=thresholds] tr[data-result=failed]").count(), 1, "one was crossed");
  await until("ink on every chart", () => canvasInk(page), (ink) => ink.length === 4 && ink.every((n) => n > 500));
  await until("the script", textOf(page, ".source code"), (text) => text === shopScript);
  assert.equal((await textOf(page, ".gutter")()).split("\n").length, shopScript.trimEnd().split("\n").length);
  assert.equal(fake.streams.size, 0, "nothing is followed");
  assert.match(await page.locator(".facts").textContent(), /1m 40s.*ada@example\.com/);
});

test("a run that never made a request, and one that isn't there", async (t) => {
  const fake = await fakeServer(t);
  const run = fake.addRun({ name: "empty.js" }).state(6, { result: "error", message: "setup failed" });
  const page = await signedIn(t, fake, `/runs/${run.record.id}`, { allow: /40[04]/ });
  await page.getByText("This run made no HTTP requests.").waitFor();
  await page.getByText("This run made no checks.").waitFor();
  await page.getByText("No script came with this run").waitFor();
  await page.getByText("The script has none.", { exact: false }).waitFor();
  assert.equal(await figure(page, "requests")(), "–");
  await page.goto(`${fake.url}/runs/4711`);
  await page.getByRole("heading", { name: "There is no run 4711" }).waitFor();
  await page.goto(`${fake.url}/elsewhere`);
  await page.getByRole("heading", { name: "There is nothing at this address" }).waitFor();
});

test("a broken stream is told of, comes back, and what was missed is shown", async (t) => {
  const fake = await fakeServer(t);
  const begun = Date.now() - 60_000;
  const t0 = bucketTime(begun);
  const run = fake.addRun({ name: "cut.js", max_vus: 5 }).state(2, { at: begun }).push(bucket(t0, 5, 10), bucket(t0 + 3, 5, 10));
  const page = await signedIn(t, fake, `/runs/${run.record.id}`, { allow: /503|ERR_|404/ });
  const stream = () => page.locator("[data-stream]").getAttribute("data-stream");
  await until("live", stream, (s) => s === "live");
  await until("requests", figure(page, "requests"), (text) => text === "20");
  fake.down = true;
  fake.dropStreams();
  await until("says so", stream, (s) => s === "reconnecting");
  assert.equal(await figure(page, "requests")(), "20", "what was there stays");
  run.push(bucket(t0 + 6, 5, 10));
  run.state(4, { at: Date.now() });
  fake.down = false;
  await until("the state that was missed", state(page), (text) => text === "Timed out", 20_000);
  await until("the data that was missed", figure(page, "requests"), (text) => text === "30");
});

test("a page in the background gives its connection up and catches up when it is looked at", async (t) => {
  const fake = await fakeServer(t);
  const begun = Date.now() - 30_000;
  const run = fake.addRun({ name: "behind.js", max_vus: 5, script: "" }).state(2, { at: begun }).push(bucket(bucketTime(begun), 5, 10));
  const page = await openPage(t);
  await page.clock.install();
  await page.addInitScript(() => {
    window.view = "visible";
    Object.defineProperty(document, "visibilityState", { get: () => window.view });
  });
  const look = (view) => page.evaluate((v) => {
    window.view = v;
    document.dispatchEvent(new Event("visibilitychange"));
  }, view);
  await page.context().request.post(`${fake.url}/session`, { data: { token: fake.token } });
  await page.goto(`${fake.url}/runs/${run.record.id}`);
  await until("requests", figure(page, "requests"), (text) => text === "10");
  await until("followed", () => fake.streams.size, (n) => n === 1);
  await look("hidden");
  await page.clock.fastForward(11_000);
  await until("given up", () => fake.streams.size, (n) => n === 0);
  fake.requests.length = 0;
  run.push(bucket(bucketTime(begun) + 3, 5, 10)).state(5, { result: "error" });
  await page.clock.fastForward(11_000);
  await until("the title tells the end all the same", () => page.title(), (title) => !title.startsWith("●"));
  await look("visible");
  await until("requests", figure(page, "requests"), (text) => text === "20");
  assert.equal(await state(page)(), "Aborted by User");
});

test("figures that can't be loaded are told of and tried again: by itself, or when one says so", async (t) => {
  const fake = await fakeServer(t);
  const run = shopRun(fake, { agoSeconds: 300, seconds: 60 }).state(3, { result: "passed" });
  const page = await signedIn(t, fake, "/runs", { allow: /503|403|ERR_/ });
  await page.locator(`tr[data-run="${run.record.id}"]`).waitFor();
  const alerts = () => page.locator(".page > [role=alert]").allTextContents();
  for (const status of [503, 403]) {
    await page.route("**/query_aggregate_k6*", (route) => route.fulfill({ status, json: { error: { message: `Not now: ${status}.` } } }));
    await page.goto(`${fake.url}/runs/${run.record.id}`);
    await until("says so", alerts, ([text]) => text?.includes(`can't be loaded. Not now: ${status}.`));
    assert.equal(await figure(page, "requests")(), "–");
    await page.unroute("**/query_aggregate_k6*");
    // What the server refuses isn't asked for again without being told to; what it fails at is.
    if (status === 403) await page.locator(".page > [role=alert] button").click();
    await until("figures", figure(page, "requests"), (text) => /\d/.test(text), 15_000);
    await until("no complaint", alerts, (texts) => texts.length === 0);
  }
});

test("requests are sorted and filtered", async (t) => {
  const fake = await fakeServer(t);
  const run = shopRun(fake, { agoSeconds: 300, seconds: 120 }).state(3, { result: "passed" });
  const page = await signedIn(t, fake, `/runs/${run.record.id}`);
  const rows = () => rowsOf(page, ".requests");
  const counts = async () => (await rows()).map((r) => Number(r[3].replaceAll(",", "")));
  await until("rows", counts, (list) => list.length >= 7);
  const first = await counts();
  assert.deepEqual(first, [...first].sort((a, b) => b - a), "most first");
  const header = page.getByRole("columnheader", { name: "Count" });
  assert.equal(await header.getAttribute("aria-sort"), "descending");
  await header.getByRole("button").click();
  await until("least first", counts, (list) => list[0] === Math.min(...list));
  assert.equal(await header.getAttribute("aria-sort"), "ascending");
  await page.getByRole("columnheader", { name: "Name" }).getByRole("button").click();
  await until("by name", rows, (list) => list[0][1] === "https://shop.test/");

  await page.getByRole("searchbox").fill("checkout 503");
  await until("one row", rows, (list) => list.length === 1 && list[0][2] === "503");
  assert.equal(await page.locator("[data-count]").textContent(), `1 of ${first.length}`);
  await page.getByRole("searchbox").fill("nowhere");
  await page.getByText("Nothing matches “nowhere”.").waitFor();
});

test("charts: lines are switched, a shared cursor tells values, a drag zooms all", async (t) => {
  const fake = await fakeServer(t);
  const run = shopRun(fake, { agoSeconds: 900, seconds: 300, gap: [0.4, 0.6] }).state(3, { result: "passed" });
  const page = await signedIn(t, fake, `/runs/${run.record.id}`);
  await until("ink", () => canvasInk(page), (ink) => ink.length === 4 && ink.every((n) => n > 500));

  const p99 = page.locator(".legend").getByRole("button", { name: "p99" });
  assert.equal(await p99.getAttribute("aria-pressed"), "false");
  await p99.click();
  assert.equal(await p99.getAttribute("aria-pressed"), "true");
  for (const name of ["p95", "median", "p99"]) await page.locator(".legend").getByRole("button", { name }).click();
  assert.equal(await page.locator(".legend [aria-pressed=true]").count(), 1, "the last line can't be hidden");
  for (const name of ["p95", "median"]) await page.locator(".legend").getByRole("button", { name }).click();

  const over = page.locator(".u-over");
  const box = await over.first().boundingBox();
  await page.mouse.move(box.x + box.width * 0.25, box.y + 40);
  await until("a tooltip", () => page.locator(".tip.on").allTextContents(), (texts) => texts.length === 1 && /p95\d.* m?s.*median\d.* m?s/.test(texts[0]));
  await until("every chart tells its value", () => page.locator(".chart").evaluateAll((all) => all.map((c) => c.querySelector(".legend b").textContent)), (texts) => texts.every((text) => /\d/.test(text)));
  await page.mouse.move(box.x + box.width * 0.5, box.y + 40);
  await until("a gap is told as one", () => page.locator(".tip.on").allTextContents(), (texts) => texts.length === 1 && /no data/.test(texts[0]));

  const before = await canvasInk(page);
  await page.mouse.move(box.x + box.width * 0.1, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 60, { steps: 4 });
  await page.mouse.up();
  const whole = page.getByRole("button", { name: "Show the whole run" });
  await whole.waitFor();
  await until("all four changed", () => canvasInk(page), (ink) => ink.every((n, i) => n !== before[i]));
  await whole.click();
  await whole.waitFor({ state: "detached" });

  await page.mouse.move(5, 5);
  const linear = await canvasInk(page);
  await page.getByRole("button", { name: "log" }).click();
  await until("a logarithmic scale", () => canvasInk(page), (ink) => ink[0] !== linear[0] && ink[0] > 500);
  await page.locator(".plot").first().focus();
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowRight");
  await until("the keyboard moves along the time", () => page.locator(".tip.on").allTextContents(), (texts) => texts.length === 1 && /\+\d+s/.test(texts[0]));
});

test("nothing moves while a run goes on", async (t) => {
  const fake = await fakeServer(t);
  const run = shopRun(fake, { agoSeconds: 60, seconds: 600 });
  const page = await signedIn(t, fake, `/runs/${run.record.id}`);
  await until("rows", () => page.locator(".requests tbody tr").count(), (n) => n >= 6);
  await until("checks", () => page.locator("tr[data-check]").count(), (n) => n === 4);
  await until("thresholds", () => page.locator("[data-section=thresholds] tbody tr").count(), (n) => n === 4);
  const places = () => page.locator(".figures, .chart, [data-section]").evaluateAll((all) => all.map((el) => { const r = el.getBoundingClientRect(); return [r.x, r.y, r.width]; }));
  const before = await places();
  const requests = await figure(page, "requests")();
  for (let i = 0; i < 3; i++) run.push(shopBucket(bucketTime(Date.now()) + i * 3, 0.2, 40, seeded(i)));
  await until("new data", figure(page, "requests"), (text) => text !== requests);
  assert.deepEqual(await places(), before);
});
