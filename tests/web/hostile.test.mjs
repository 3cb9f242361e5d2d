import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketTime } from "./fake_server.mjs";
import { fakeServer, rowsOf, signedIn, textOf, until } from "./helper.mjs";

const nasty = [
  `"><img src=x onerror="window.pwned=1">`,
  `<script>window.pwned=1</script>`,
  `it's "quoted" {a="b"} & 100% \\ back`,
  `javascript:window.pwned=1`,
  `\u202Egnp.exe \u{1F4A5} 日本語`,
  `x${"y".repeat(3000)}`,
];

test("names of users' making are shown as they are and do nothing", async (t) => {
  const fake = await fakeServer(t);
  const run = fake.addRun({ name: nasty[0], started_by: nasty[1], note: nasty[1], script: `// </script>${nasty[0]}\n` });
  const time = bucketTime(Date.now() - 6000);
  run.thresholds = [{ metric: "http_req_duration", selector: `{name:${nasty[1]}}`, expression: "p(95)<1", result: "failed", value: 3 }];
  run.state(2, { at: time * 1000 });
  run.push({
    time, vus: 1,
    requests: nasty.map((name) => ({ labels: { name, method: nasty[1], status: `<b>200</b>` }, times: [1, 2, 3] })),
    checks: nasty.map((name) => ({ name, group: `::${nasty[1]}`, passed: 1, total: 2 })),
  });
  run.state(5, { message: nasty[0], result: "error" });

  const page = await signedIn(t, fake, "/runs");
  await until("in the list", textOf(page, ".runs td:first-child a"), (text) => text === nasty[0]);
  await page.getByRole("link", { name: nasty[0] }).click();
  await until("in the head", textOf(page, "h1"), (text) => text === nasty[0]);
  await until("in the table", () => rowsOf(page, ".requests"), (rows) => rows.length === nasty.length);
  const rows = await rowsOf(page, ".requests");
  assert.deepEqual(new Set(rows.map((r) => r[1])), new Set(nasty));
  assert.ok(rows.every((r) => r[0] === nasty[1] && r[2] === "<b>200</b>"));
  await until("in the checks", () => page.locator("tr[data-check]").count(), (n) => n === nasty.length);
  assert.match(await page.locator("tr.group").textContent(), /<script>/);
  assert.match(await page.locator("[data-section=thresholds] tbody").textContent(), /<script>/);
  assert.equal(await page.locator(".notice > div").textContent(), nasty[0]);
  await until("in the script", textOf(page, ".source code"), (text) => text.includes(nasty[0]));
  await page.locator(".u-over").first().hover();

  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.equal(await page.locator("#root img, #root script, #root b:has-text('200')").count(), 0);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `the page is ${wide} px wider than the window`);
});

test("ten thousand different requests are held, capped with a notice, and found by the filter", async (t) => {
  const fake = await fakeServer(t);
  const time = bucketTime(Date.now() - 60_000);
  const run = fake.addRun({ name: "many.js" }).state(2, { at: time * 1000 });
  run.push({
    time, vus: 1,
    requests: Array.from({ length: 10_000 }, (_, i) => ({ labels: { name: `http://sut/item/${i}`, method: "GET", status: "200" }, times: [i / 100] })),
  });
  run.state(3, { result: "passed" });
  const page = await signedIn(t, fake, `/runs/${run.record.id}`, { allow: /404/ });
  const rows = page.locator(".requests tbody tr");
  await until("rows", () => rows.count(), (n) => n === 100, 30_000);
  assert.match(await page.locator(".cap").textContent(), /The first 100 of 10,000/);
  await page.getByRole("button", { name: "Show 400 more" }).click();
  await until("more rows", () => rows.count(), (n) => n === 500);
  await page.getByRole("searchbox").fill("item/9999");
  await until("the one", () => rows.count(), (n) => n === 1);
  await page.getByRole("searchbox").fill("");
  await page.getByRole("columnheader", { name: "Max" }).getByRole("button").click();
  await until("the slowest first", () => rowsOf(page, ".requests"), (list) => list[0][1] === "http://sut/item/9999");
});

test("it is usable on a phone and in the dark", async (t) => {
  const fake = await fakeServer(t);
  const time = bucketTime(Date.now() - 60_000);
  const run = fake.addRun({ name: nasty[5], note: nasty[5], started_by: nasty[5] }).state(2, { at: time * 1000 });
  run.push({ time, vus: 1, requests: [{ labels: { name: nasty[5], method: "GET", status: "200" }, times: [5] }], checks: [{ name: nasty[5], passed: 1, total: 1 }] });
  run.thresholds = [{ metric: "http_req_duration", selector: `{name:${nasty[5]}}`, expression: "p(95)<1", result: null, value: null }];
  const page = await signedIn(t, fake, `/runs/${run.record.id}`, { allow: /404/, viewport: { width: 360, height: 740 }, colorScheme: "dark" });
  await until("rows", () => page.locator(".requests tbody tr").count(), (n) => n === 1);
  await until("checks", () => page.locator("tr[data-check]").count(), (n) => n === 1);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `the page is ${wide} px wider than the window`);
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.match(ground, /^rgb\((\d|[12]\d), /, "dark");
});
