import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketTime, seeded, shopBucket, shopRun } from "./fake_server.mjs";
import { fakeServer, rowsOf, signedIn, textOf, until } from "./helper.mjs";

const cell = (page, id, column) => textOf(page, `tr[data-run="${id}"] td:nth-child(${column})`);

test("runs are listed newest first, with state, result, duration, VUs, p95 and failures", async (t) => {
  const fake = await fakeServer(t);
  const ends = [[3, "passed"], [3, "failed"], [4, null], [5, "error"], [6, "error"], [7, "error"], [8, "failed"], [9, "error"]];
  for (const [i, [code, result]] of ends.entries()) {
    const ago = 10_000 - i * 1000;
    shopRun(fake, { name: `test ${i}`, agoSeconds: ago, seconds: 60, vus: 10 + i }).state(code, { at: Date.now() - (ago - 65) * 1000, result });
  }
  fake.addRun({ name: "waiting", created: Date.now() });
  const page = await signedIn(t, fake, "/runs");
  await until("figures of all rows", () => rowsOf(page, ".runs"), (rows) => rows.length === 9 && rows.slice(1).every((r) => / m?s$/.test(r[6]) && /%$/.test(r[7])));
  const rows = await rowsOf(page, ".runs");
  assert.deepEqual(rows.map((r) => r[0].replace(/#\d+/, "")), ["waiting", "test 7", "test 6", "test 5", "test 4", "test 3", "test 2", "test 1", "test 0"]);
  assert.deepEqual(rows.map((r) => r[1]), ["Created", "Aborted by Limit", "Aborted by Threshold", "Aborted (script error)", "Aborted by System", "Aborted by User", "Timed out", "Finished", "Finished"]);
  assert.deepEqual(rows.map((r) => r[2]), ["", "Error", "Failed", "Error", "Error", "Error", "", "Failed", "Passed"]);
  assert.deepEqual(rows.slice(1).map((r) => r[4]), Array(8).fill("1m 05s"));
  assert.deepEqual(rows.slice(1).map((r) => r[5]), ["17", "16", "15", "14", "13", "12", "11", "10"]);
  assert.deepEqual(rows[0].slice(4), ["–", "–", "–", "–"]);

  const asked = fake.requests.filter((r) => r.includes("/load_tests/"));
  assert.equal(asked.length, 9, "each test's name is asked for once");
});

test("the list follows runs as they come, go on and end", async (t) => {
  const fake = await fakeServer(t);
  const page = await signedIn(t, fake, "/runs");
  await page.getByRole("heading", { name: "No runs yet" }).waitFor();
  assert.match(await page.locator(".first").textContent(), new RegExp(`--host ${fake.url}`));
  await until("live", () => page.locator("[data-stream]").getAttribute("data-stream"), (s) => s === "live");

  const run = shopRun(fake, { name: "new.js", agoSeconds: 9, seconds: 600 });
  const id = run.record.id;
  await until("appears", cell(page, id, 2), (text) => text === "Running");
  const before = await cell(page, id, 5)();
  await until("its duration goes on", cell(page, id, 5), (text) => text !== before);
  await until("its p95", cell(page, id, 7), (text) => / m?s$/.test(text));
  const p95 = await cell(page, id, 7)();
  run.push({ ...shopBucket(bucketTime(Date.now()), 0.1, 20, seeded(1)), requests: [{ labels: { name: "/", method: "GET", status: "200" }, times: Array(900).fill(7000) }] });
  await until("its p95 goes on", cell(page, id, 7), (text) => text !== p95);
  run.state(3, { result: "passed" });
  await until("ends", cell(page, id, 2), (text) => text === "Finished");
  await until("with a result", cell(page, id, 3), (text) => text === "Passed");
  assert.equal(await page.locator(".runs tbody tr").count(), 1);
});

test("the runs of one test, at the address that k6 prints, too", async (t) => {
  const fake = await fakeServer(t);
  const shop = shopRun(fake, { name: "shop", agoSeconds: 900, seconds: 60 });
  shopRun(fake, { name: "other", agoSeconds: 500, seconds: 60 });
  const page = await signedIn(t, fake, `/a/k6-app/tests/${shop.record.test_id}`);
  await until("its run alone", () => rowsOf(page, ".runs"), (rows) => rows.length === 1 && rows[0][0].startsWith("shop"));
  assert.equal(await page.locator("h1").textContent(), "shop");
  await page.getByRole("link", { name: "shop" }).click();
  await page.getByRole("navigation", { name: "Breadcrumb" }).getByRole("link", { name: "shop" }).click();
  await until("back at the test", async () => new URL(page.url()).pathname, (at) => at === `/tests/${shop.record.test_id}`);
});

test("what happened while the stream was broken is there when it is back", async (t) => {
  const fake = await fakeServer(t);
  shopRun(fake, { agoSeconds: 300, seconds: 30 }).state(3, { at: Date.now() - 270_000, result: "passed" });
  const page = await signedIn(t, fake, "/runs", { allow: /503|ERR_/ });
  const stream = () => page.locator("[data-stream]").getAttribute("data-stream");
  await until("live", stream, (s) => s === "live");
  fake.down = true;
  fake.dropStreams();
  await until("says so", stream, (s) => s === "reconnecting");
  const missed = shopRun(fake, { name: "missed.js", agoSeconds: 40, seconds: 30 }).state(3, { result: "passed" });
  fake.down = false;
  await until("live again", stream, (s) => s === "live");
  await until("the missed run", cell(page, missed.record.id, 2), (text) => text === "Finished");
});

test("older runs come on demand, and figures are asked for only where one looks", async (t) => {
  const fake = await fakeServer(t);
  for (let i = 0; i < 120; i++) shopRun(fake, { agoSeconds: 100_000 - i * 100, seconds: 6, vus: 2 }).state(3, { at: Date.now() - 99_000_000 + i * 100_000, result: "passed" });
  const page = await signedIn(t, fake, "/runs");
  await until("a page of rows", () => page.locator(".runs tbody tr").count(), (n) => n === 50);
  await until("figures in view", cell(page, 120, 7), (text) => / m?s$/.test(text));
  const asked = () => new Set(fake.requests.flatMap((r) => /test_runs\/(\d+)\/query_/.exec(r)?.[1] ?? [])).size;
  assert.ok(asked() < 50, `${asked()} rows' figures were asked for`);
  await page.getByRole("button", { name: "Show older runs" }).click();
  await until("more rows", () => page.locator(".runs tbody tr").count(), (n) => n === 100);
  await page.getByRole("button", { name: "Show older runs" }).click();
  await until("all rows", () => page.locator(".runs tbody tr").count(), (n) => n === 120);
  assert.equal(await page.getByRole("button", { name: "Show older runs" }).count(), 0);
});

test("the keyboard leads to a run, and a server that fails is told of", async (t) => {
  const fake = await fakeServer(t);
  shopRun(fake, { agoSeconds: 300, seconds: 30 }).state(3, { result: "passed" });
  const page = await signedIn(t, fake, "/runs", { allow: /503|ERR_/ });
  await page.locator(".runs a").first().focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "shop.js" }).waitFor();
  await page.goBack();
  await page.getByRole("heading", { name: "Runs" }).waitFor();

  fake.down = true;
  await page.goto(`${fake.url}/runs`);
  await until("says that it can't", textOf(page, "[role=alert]"), (text) => /doesn't answer/.test(text));
  fake.down = false;
  await page.locator(".runs a").first().waitFor();
});
