// The page over the real thing: server, a streamed run, a browser. SPATE_BIN, or build/spate where there is one.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { atEnd, figure, openPage, root, rowsOf, textOf, until } from "./helper.mjs";

const bin = process.env.SPATE_BIN ?? join(root, "build/spate");
const skip = !existsSync(bin) && process.env.SPATE_BIN === undefined ? `${bin} isn't built` : false;

const script = (url, seconds) => `import http from "k6/http";
import { check, group, sleep } from "k6";

export const options = {
  scenarios: { visitors: { executor: "constant-vus", vus: 3, duration: "${seconds}s", gracefulStop: "5s" } },
  thresholds: { http_req_failed: ["rate<0.001"], http_req_duration: ["p(95)<5000"] },
};

export default function () {
  check(http.get("${url}/"), { "home is up": (r) => r.status === 200 });
  group("browse", () => {
    check(http.get("${url}/missing"), { "is there": (r) => r.status === 200 });
  });
  check(http.post("${url}/<b>cart</b>", "x"), { "<i>takes</i> it": (r) => r.status === 201 });
  sleep(0.2);
}
`;

/** Starts the program; its output is gathered in `out`, and it goes with the test. */
function start(t, args, env = {}) {
  const child = spawn(bin, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const run = { child, out: "", exit: once(child, "exit") };
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (run.out += chunk));
  atEnd(t, async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await run.exit;
  });
  return run;
}

async function exitCode(run, what, ms = 60_000) {
  return until(what, () => run.child.exitCode, (code) => code !== null, ms).catch((error) => {
    throw new Error(`${error.message}\n${run.out}`);
  });
}

async function target(t) {
  const seen = { "/": 0, "/missing": 0, other: 0 };
  const server = createServer((req, res) => {
    seen[req.url in seen ? req.url : "other"]++;
    req.resume();
    res.statusCode = req.url === "/missing" ? 404 : req.method === "POST" ? 201 : 200;
    res.end("hello");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  atEnd(t, () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${server.address().port}`, seen };
}

async function serve(t) {
  const dir = mkdtempSync(join(tmpdir(), "spate-real-"));
  atEnd(t, () => rmSync(dir, { recursive: true, force: true }));
  const tokenFile = join(dir, "token");
  const server = start(t, ["server", "--data", join(dir, "data"), "--listen", "127.0.0.1:0", "--token-file", tokenFile]);
  const address = /http:\/\/127\.0\.0\.1:\d+/;
  await until("the server's address", () => server.out, (out) => address.test(out) || server.child.exitCode !== null);
  const url = address.exec(server.out)?.[0];
  assert.ok(url, server.out);
  await until("the token's file", () => existsSync(tokenFile));
  const token = readFileSync(tokenFile, "utf8").trim();
  const env = { K6_CLOUD_HOST: url, K6_CLOUD_TOKEN: token, HOME: dir, XDG_CONFIG_HOME: dir };
  return { dir, url, token, env };
}

async function signIn(t, server) {
  // The first answer to a stranger is a 401, and a run without metrics may be answered with 400 or 404.
  const page = await openPage(t, { allow: /40[014] / });
  await page.goto(server.url);
  await page.getByRole("button", { name: "Sign in with a token" }).click();
  await page.getByLabel("Token").fill(server.token);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Runs", exact: true }).waitFor();
  return page;
}

const state = (page) => textOf(page, ".pills .pill");
const number = (text) => Number((text ?? "").replace(/[^\d.]/g, "") || NaN);

test("a streamed run is seen live and, when it has ended, whole and exact", { skip, timeout: 180_000 }, async (t) => {
  const sut = await target(t);
  const server = await serve(t);
  const page = await signIn(t, server);
  await page.getByRole("heading", { name: "No runs yet" }).waitFor();

  const file = join(server.dir, "visit.js");
  const text = script(sut.url, 14);
  writeFileSync(file, text);
  const run = start(t, ["run", "--out", "cloud", file], server.env);

  const link = page.getByRole("link", { name: "visit.js" });
  await link.waitFor({ timeout: 30_000 }).catch((error) => {
    throw new Error(`${error.message}\n${run.out}`);
  });
  await link.click();
  await page.evaluate(() => (window.sameDocument = true));
  await until("running", state(page), (word) => word === "Running", 30_000);
  const early = await until("requests while it runs", figure(page, "requests"), (n) => number(n) > 0, 30_000);
  assert.equal(await state(page)(), "Running");
  await until("more of them", figure(page, "requests"), (n) => number(n) > number(early), 30_000);
  await until("its VUs", figure(page, "vus"), (text) => text === "3");

  assert.equal(await exitCode(run, "the run's end"), 99, run.out);
  await until("finished", state(page), (word) => word === "Finished", 15_000);
  await until("its result", () => page.locator(".pills .pill").allTextContents(), (pills) => pills[1] === "Failed");
  assert.equal(await page.evaluate(() => window.sameDocument), true, "never loaded again");

  const whole = async () => {
    const total = sut.seen["/"] + sut.seen["/missing"] + sut.seen.other;
    assert.match(run.out, new RegExp(`http_reqs\\W+${total}\\b`), "the console's count");
    await until("every request", figure(page, "requests"), (n) => number(n) === total, 15_000);
    await until("the failures' share", figure(page, "failed"), (v) => Math.abs(number(v) - (100 * sut.seen["/missing"]) / total) < 0.06);
    const rows = await until("the table", () => rowsOf(page, ".requests"), (list) => list.length === 3);
    const row = (name) => rows.find((r) => r[1] === sut.url + name);
    assert.deepEqual([row("/")[0], row("/")[2], number(row("/")[3]), row("/")[5]], ["GET", "200", sut.seen["/"], "0%"]);
    assert.deepEqual([row("/missing")[2], number(row("/missing")[3]), row("/missing")[5]], ["404", sut.seen["/missing"], "100%"]);
    const posted = rows.find((r) => r[0] === "POST");
    assert.deepEqual([posted[2], number(posted[3])], ["201", sut.seen.other]);
    assert.match(posted[1], /cart/);
    for (const r of rows) for (const time of r.slice(6)) assert.match(time, /^[\d.]+ m?s$/);

    const checks = await until("the checks", () => page.locator("tr[data-check]").evaluateAll((all) => all.map((r) => [r.dataset.check, r.cells[2].textContent])), (list) => list.length === 3);
    const of = Object.fromEntries(checks);
    assert.equal(of["home is up"].replaceAll(",", ""), `${sut.seen["/"]} / ${sut.seen["/"]}`);
    assert.equal(of["is there"].replaceAll(",", ""), `0 / ${sut.seen["/missing"]}`);
    assert.equal(of["<i>takes</i> it"].replaceAll(",", ""), `${sut.seen.other} / ${sut.seen.other}`);
    assert.match(await page.locator("tr.group").textContent(), /browse/);

    const thresholds = await until("the thresholds", () => page.locator("[data-section=thresholds] tbody tr").evaluateAll((all) => all.map((r) => [r.cells[1].textContent.replace(/\s+/g, " "), r.dataset.result])), (list) => list.length === 2);
    assert.deepEqual(thresholds.sort(), [["http_req_duration p(95)<5000", "passed"], ["http_req_failed rate<0.001", "failed"]]);
    await until("the script", textOf(page, ".source code"), (source) => source === text);
  };
  await whole();
  await page.reload();
  await whole();

  await page.getByRole("link", { name: "Runs" }).first().click();
  const listed = await until("its row with figures", () => rowsOf(page, ".runs"), (rows) => rows.length === 1 && /s$/.test(rows[0][6]));
  assert.deepEqual([listed[0][1], listed[0][2]], ["Finished", "Failed"]);
});

test("a run that is interrupted is shown as aborted by its user, with its data", { skip, timeout: 120_000 }, async (t) => {
  const sut = await target(t);
  const server = await serve(t);
  const page = await signIn(t, server);
  const file = join(server.dir, "long.js");
  writeFileSync(file, script(sut.url, 60));
  const run = start(t, ["run", "--out", "cloud", file], server.env);
  await page.getByRole("link", { name: "long.js" }).click({ timeout: 30_000 });
  await until("requests", figure(page, "requests"), (n) => number(n) > 0, 30_000);
  run.child.kill("SIGINT");
  assert.equal(await exitCode(run, "the run's end"), 105, run.out);
  await until("aborted", state(page), (word) => word === "Aborted by User", 15_000);
  const total = sut.seen["/"] + sut.seen["/missing"] + sut.seen.other;
  // Requests that the interruption cut off may have been seen by one side alone: at most one a virtual user.
  await until("its data", figure(page, "requests"), (n) => Math.abs(number(n) - total) <= 3, 15_000);
});
