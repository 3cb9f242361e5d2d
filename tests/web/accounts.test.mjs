// Signing in, accounts and administration over the real server. SPATE_BIN, or build/spate where there is one.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { atEnd, openPage, root, rowsOf, textOf, until } from "./helper.mjs";

const bin = process.env.SPATE_BIN ?? join(root, "build/spate");
const skip = !existsSync(bin) && process.env.SPATE_BIN === undefined ? `${bin} isn't built` : false;
const expected = /40[0139] /;

/** A server whose owner has the password "correct horse"; without `password` it prints a one-time one. */
async function serve(t, { password = "correct horse" } = {}) {
  const dir = mkdtempSync(join(tmpdir(), "spate-accounts-"));
  atEnd(t, () => rmSync(dir, { recursive: true, force: true }));
  const args = ["server", "--data", join(dir, "data"), "--listen", "127.0.0.1:0", "--token-file", join(dir, "token")];
  writeFileSync(join(dir, "password"), `${password}\n`);
  if (password !== null) args.push("--admin-password-file", join(dir, "password"));
  const child = spawn(bin, args, { stdio: ["ignore", "pipe", "pipe"] });
  const server = { dir, out: "" };
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (server.out += chunk));
  atEnd(t, async () => {
    if (child.exitCode === null) child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  await until("the server's address", () => server.out, (out) => /http:\/\/127\.0\.0\.1:\d+/.test(out) || child.exitCode !== null);
  server.url = /http:\/\/127\.0\.0\.1:\d+/.exec(server.out)?.[0];
  assert.ok(server.url, server.out);
  server.token = readFileSync(join(dir, "token"), "utf8").trim();
  server.ask = async (method, path, body, token = server.token) => {
    const headers = { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
    const res = await fetch(server.url + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    return { status: res.status, body: res.status === 204 ? null : await res.json() };
  };
  return server;
}

async function signIn(t, server, email, password) {
  const page = await openPage(t, { allow: expected });
  await page.goto(server.url);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
  return page;
}

const runs = (page) => page.getByRole("heading", { name: "Runs", exact: true });

test("a one-time password is good for choosing another one", { skip, timeout: 60_000 }, async (t) => {
  const server = await serve(t, { password: null });
  const once = await until("the one-time password", () => /\n {4}([0-9a-z]{20})\n/.exec(server.out)?.[1]);
  const page = await signIn(t, server, "admin", once);
  await page.getByRole("heading", { name: "Choose a password" }).waitFor();
  assert.equal(await page.getByRole("navigation").count(), 0, "nothing else is to be had");
  await page.getByLabel("Present password").fill(once);
  await page.getByLabel("New password").fill("words of mine");
  await page.getByLabel("The same again").fill("words of yours");
  await page.getByRole("button", { name: "Change the password" }).click();
  await until("not twice the same", textOf(page, "[role=alert]"), (text) => /isn't the same both times/.test(text));
  await page.getByLabel("The same again").fill("words of mine");
  await page.getByRole("button", { name: "Change the password" }).click();
  await runs(page).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("E-mail").fill("admin");
  await page.getByLabel("Password").fill(once);
  await page.keyboard.press("Enter");
  await until("the old one is over", textOf(page, "[role=alert]"), (text) => /wrong/.test(text));
});

test("one's account: tokens that work until they are revoked, name, password", { skip, timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  const page = await signIn(t, server, "admin", "correct horse");
  await runs(page).waitFor();
  await page.getByRole("link", { name: "Owner" }).click();
  await page.getByLabel("A new one for").fill("my laptop");
  await page.getByRole("button", { name: "Make a token" }).click();
  const token = await until("the new token", textOf(page, ".secret code"), (text) => /^[0-9a-f]{64}$/.test(text));
  assert.equal((await server.ask("GET", "/accounts/v1/me", undefined, token)).body.email, "admin@localhost");
  await page.getByRole("button", { name: "Done" }).click();
  await page.reload();
  const row = page.locator("tr", { hasText: "my laptop" });
  await row.waitFor();
  assert.equal(await page.locator(".secret").count(), 0, "shown once");
  assert.ok(!(await page.content()).includes(token));
  await row.getByRole("button", { name: "Revoke" }).click();
  await row.getByRole("button", { name: "Revoke it now" }).click();
  await until("it is gone", () => row.count(), (n) => n === 0);
  assert.equal((await server.ask("GET", "/accounts/v1/me", undefined, token)).status, 401);

  await page.getByLabel("Name").fill("Ann <b>Owner</b>");
  await page.getByRole("button", { name: "Change the name" }).click();
  await page.getByRole("link", { name: "Ann <b>Owner</b>" }).waitFor();

  await page.getByLabel("Present password").fill("not that");
  await page.getByLabel("New password").fill("another horse");
  await page.getByLabel("The same again").fill("another horse");
  await page.getByRole("button", { name: "Change the password" }).click();
  await until("said", () => page.locator("[role=alert]").allTextContents(), (all) => all.some((text) => /isn't? .*present password|isn't the present|is not the present/i.test(text)));
  await page.getByLabel("Present password").fill("correct horse");
  await page.getByRole("button", { name: "Change the password" }).click();
  await page.getByText("your other sessions have ended").waitFor();
});

test("the owner makes users and service tokens; a viewer sees what a viewer may", { skip, timeout: 90_000 }, async (t) => {
  const server = await serve(t);
  await server.ask("POST", "/cloud/v6/projects", { name: "Shop" });
  const page = await signIn(t, server, "admin", "correct horse");
  await page.getByRole("link", { name: "Administration" }).click();
  await page.getByRole("button", { name: "Add a user" }).click();
  await page.getByLabel("E-mail").fill("ann@example.com");
  await page.getByLabel("Name").fill("Ann");
  await page.getByLabel("Role", { exact: true }).selectOption("viewer");
  await page.getByLabel("Project", { exact: true }).selectOption({ label: "Shop" });
  await page.getByRole("button", { name: "Make the account" }).click();
  const once = await until("her one-time password", textOf(page, ".secret code"), (text) => /^[0-9a-z]{20}$/.test(text));
  await until("her row", () => rowsOf(page, ".listing"), (rows) => rows.some((r) => /^Ann\s+ann@example\.com$/.test(r[0]) && r[1] === "viewer Shop"));

  const ann = await signIn(t, server, "ann@example.com", once);
  await ann.getByLabel("Present password").fill(once);
  await ann.getByLabel("New password").fill("words of ann");
  await ann.getByLabel("The same again").fill("words of ann");
  await ann.getByRole("button", { name: "Change the password" }).click();
  await runs(ann).waitFor();
  assert.equal(await ann.getByRole("link", { name: "Administration" }).count(), 0);
  await ann.getByRole("link", { name: "Projects" }).click();
  await until("her one project", () => rowsOf(ann, ".listing"), (rows) => rows.length === 1 && /^Shop/.test(rows[0][0]));
  await ann.getByRole("link", { name: "Shop" }).click();
  await ann.getByText("sets them").waitFor();
  assert.equal(await ann.getByRole("heading", { name: "Members" }).count(), 0);
  await ann.goto(`${server.url}/admin/users`);
  await ann.getByText("This takes the owner").waitFor();

  // From viewer to admin of the project, who lets others in.
  await page.locator('[data-user="ann@example.com"]').getByRole("button", { name: "Change" }).click();
  await page.getByLabel("Role", { exact: true }).selectOption("admin");
  await page.getByRole("button", { name: "Keep the changes" }).click();
  await until("changed", () => rowsOf(page, ".listing"), (rows) => rows.some((r) => r[1] === "admin Shop"));
  await server.ask("POST", "/accounts/v1/users", { email: "bob@example.com", password: "words of bob" });
  await ann.goto(`${server.url}/projects/2`);
  await ann.getByLabel("Someone with an account here").fill("bob@example.com");
  await ann.getByRole("button", { name: "Add" }).click();
  await ann.locator('[data-member="bob@example.com"]').waitFor();
  const { body: members } = await server.ask("GET", "/accounts/v1/projects/2/members");
  assert.deepEqual(members.value.map((m) => [m.email, m.role]), [["admin@localhost", "admin"], ["ann@example.com", "admin"], ["bob@example.com", "viewer"]]);

  await page.getByRole("link", { name: "Service tokens" }).click();
  await page.getByLabel("Name").fill("ci");
  await page.getByRole("button", { name: "Add a role" }).click();
  await page.getByLabel("Role", { exact: true }).selectOption("editor");
  await page.getByRole("button", { name: "Make the token" }).click();
  const token = await until("the token", textOf(page, ".secret code"), (text) => /^[0-9a-f]{64}$/.test(text));
  const started = await server.ask("POST", "/v1/tests", { name: "a.js", vus: 1, duration: 1 }, token);
  assert.equal(started.status, 200);

  await page.getByRole("link", { name: "Audit" }).click();
  await until("who did what", () => page.locator("[data-deed]").evaluateAll((all) => all.map((r) => r.dataset.deed)), (list) => list.includes("test_run.start") && list.includes("service_token.create") && list.includes("project.member"));
  await page.getByLabel("What").selectOption("user");
  await until("of users alone", () => page.locator("[data-deed]").evaluateAll((all) => all.map((r) => r.dataset.deed)), (list) => list.length > 0 && list.every((d) => d.startsWith("user.")));
});

test("limits and used hours of a project", { skip, timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  await server.ask("POST", "/v1/tests", { name: "a.js", vus: 60, duration: 120 });
  const page = await signIn(t, server, "admin", "correct horse");
  await page.getByRole("link", { name: "Projects" }).click();
  await until("the month", () => rowsOf(page, ".listing"), (rows) => rows.length === 1 && rows[0][1] === "1" && rows[0][2] === "1.5" && rows[0][3] === "no limit");
  await page.getByRole("link", { name: "Default project" }).click();
  await page.getByLabel("VU hours a month").fill("3");
  await page.getByLabel("Virtual users a test").fill("100");
  await page.getByRole("button", { name: "Keep these limits" }).click();
  await page.getByRole("button", { name: "Kept" }).waitFor();
  await until("of the limit", textOf(page, "[data-month] td:nth-child(3)"), (text) => text === "1.5 of 3");
  const { body } = await server.ask("POST", "/v1/tests", { name: "b.js", vus: 60, duration: 180 });
  assert.match(body.error.message, /limited to 3 VU hours a month; this test would make it 3\.75/);
  await page.reload();
  await until("kept", () => page.getByLabel("Virtual users a test").inputValue(), (v) => v === "100");
});

test("the specification of the API as a page", { skip, timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  const page = await signIn(t, server, "admin", "correct horse");
  await page.getByRole("link", { name: "API" }).click();
  const spec = await (await fetch(`${server.url}/cloud/v6/openapi`)).json();
  const all = Object.entries(spec.paths).flatMap(([path, item]) => Object.keys(item).map((m) => `${m.toUpperCase()} ${path}`));
  const shown = await until("every operation", () => page.locator("[data-operation]").evaluateAll((list) => list.map((o) => o.dataset.operation)), (list) => list.length === all.length);
  assert.deepEqual([...shown].sort(), all.sort());
  await page.getByPlaceholder("Find").fill("patch limits");
  await until("what was looked for", () => page.locator("[data-operation]").count(), (n) => n === 1);
  await page.locator("[data-operation] summary").first().click();
  await until("its body", () => rowsOf(page, ".operation-body .listing"), (rows) => rows.some((r) => r[0] === "vuh_max_per_month" && /integer or null/.test(r[1]) && /at least 1/.test(r[2])));
});
