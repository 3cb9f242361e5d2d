import assert from "node:assert/strict";
import { test } from "node:test";
import { shopRun } from "./fake_server.mjs";
import { fakeServer, openPage, signedIn, textOf, until } from "./helper.mjs";

const refused = /401 \(Unauthorized\)/;

test("signing in takes e-mail and password", async (t) => {
  const fake = await fakeServer(t);
  const page = await openPage(t, { allow: refused });
  await page.goto(`${fake.url}/runs`);
  await page.getByLabel("E-mail").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "email", "one can type at once");
  await page.keyboard.press("Enter");
  await until("asks for the e-mail", textOf(page, "[role=alert]"), (text) => /Enter your e-mail/.test(text));
  await page.keyboard.type("owner@example.com");
  await page.keyboard.press("Enter");
  await until("asks for the password", textOf(page, "[role=alert]"), (text) => /Enter your password/.test(text));
  await page.keyboard.type("wrong");
  await page.keyboard.press("Enter");
  await until("refuses the wrong one", textOf(page, "[role=alert]"), (text) => /E-mail or password is wrong/.test(text));
  await page.getByLabel("Password").fill(fake.password);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "No runs yet" }).waitFor();
});

test("signing in takes the token and leads to where one wanted to go", async (t) => {
  const fake = await fakeServer(t);
  const run = shopRun(fake, { agoSeconds: 100, seconds: 30 }).state(3, { result: "passed" });
  const page = await openPage(t, { allow: refused });
  await page.goto(`${fake.url}/runs/${run.record.id}`);
  await page.getByRole("button", { name: "Sign in with a token" }).click();
  await page.getByLabel("Token").waitFor();
  assert.match(await page.locator(".help").textContent(), /prints a token when it starts for the first time/);
  assert.equal(await page.evaluate(() => document.activeElement.id), "token", "one can type at once");

  await page.keyboard.press("Enter");
  await until("asks for the token", textOf(page, "[role=alert]"), (text) => /Enter the token/.test(text));

  await page.keyboard.type("not-the-token");
  await page.keyboard.press("Enter");
  await until("refuses the wrong token", textOf(page, "[role=alert]"), (text) => /isn't a token of this server/.test(text));

  await page.getByLabel("Token").fill(`  ${fake.token}\n`);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "shop.js" }).waitFor();
  assert.equal(new URL(page.url()).pathname, `/runs/${run.record.id}`);
});

test("the session is a cookie that scripts can't read, and ends with signing out", async (t) => {
  const fake = await fakeServer(t);
  const page = await signedIn(t, fake, "/", { allow: refused });
  await page.getByRole("heading", { name: "No runs yet" }).waitFor();
  assert.equal(new URL(page.url()).pathname, "/runs");
  assert.equal(await page.evaluate(() => document.cookie), "");
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.ok(!stored.includes(fake.token), "the token isn't kept in the page");

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("E-mail").waitFor();
  assert.equal(fake.sessions.size, 0);
  await page.reload();
  await page.getByLabel("E-mail").waitFor();
});

test("a session that ended on the server leads to signing in", async (t) => {
  const fake = await fakeServer(t);
  const first = shopRun(fake, { agoSeconds: 100, seconds: 30 }).state(3, { result: "passed" });
  const page = await signedIn(t, fake, "/runs", { allow: refused });
  // Once all has come that the list asks for: else it is the list that finds the session ended, before the click.
  const row = `tr[data-run="${first.record.id}"]`;
  await until("its p95", textOf(page, `${row} td:nth-child(7)`), (text) => / m?s$/.test(text));
  await until("its failures", textOf(page, `${row} td:nth-child(8)`), (text) => /%$/.test(text));
  await until("live", () => page.locator("[data-stream]").getAttribute("data-stream"), (s) => s === "live");
  fake.sessions.clear();
  await page.getByRole("link", { name: "shop.js" }).click();
  await page.getByLabel("E-mail").waitFor();
});

test("a stream that is refused for want of a session leads to signing in", async (t) => {
  const fake = await fakeServer(t);
  const page = await signedIn(t, fake, "/runs", { allow: /401|ERR_/ });
  await until("live", () => page.locator("[data-stream]").getAttribute("data-stream"), (s) => s === "live");
  fake.sessions.clear();
  fake.dropStreams();
  await page.getByLabel("E-mail").waitFor();
});

test("a link of the server's signs in once", async (t) => {
  const fake = await fakeServer(t);
  const run = shopRun(fake, { agoSeconds: 100, seconds: 30 }).state(3, { result: "passed" });
  fake.linkCode = "once";
  const page = await openPage(t);
  await page.goto(`${fake.url}/session/link/once?to=/runs/${run.record.id}`);
  await page.getByRole("heading", { name: "shop.js" }).waitFor();
});
