// What the page's tests share: a freshly built page, a browser, waiting with a deadline.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

const web = new URL("../../web/", import.meta.url);
if (!existsSync(new URL("node_modules", web))) throw new Error("run `npm ci` in web/ first");

const { chromium } = createRequire(new URL("package.json", web))("playwright-core");
const { build } = await import(new URL("build.mjs", web));
const { FakeServer } = await import("./fake_server.mjs");

const dist = mkdtempSync(join(tmpdir(), "spate-page-"));
await build(dist);

let browser;

export async function openBrowser() {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Root has no user namespaces to put a sandbox into, and small machines a small /dev/shm.
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
  return browser;
}

after(async () => {
  await browser?.close();
  rmSync(dist, { recursive: true, force: true });
});

const endings = new WeakMap();

/** Like t.after, but last in, first out: a page goes before its server. */
export function atEnd(t, fn) {
  if (!endings.has(t)) {
    const list = [];
    endings.set(t, list);
    t.after(async () => {
      let failed = null;
      for (const end of list.reverse()) {
        try {
          await end();
        } catch (error) {
          failed ??= error;
        }
      }
      if (failed) throw failed;
    });
  }
  endings.get(t).push(fn);
}

/** A fake server that goes away with its test. */
export async function fakeServer(t, options = {}) {
  const fake = await FakeServer.start({ dist, ...options });
  atEnd(t, () => fake.close());
  return fake;
}

/**
 * A page of its own browser context. Whatever goes wrong inside fails the test at its end, unless `allow` matches it:
 * uncaught errors, and errors on the console, where the browser also reports violations of the content security policy.
 */
export async function openPage(t, { allow = null, ...context } = {}) {
  const ctx = await (await openBrowser()).newContext({ viewport: { width: 1400, height: 900 }, ...context });
  ctx.setDefaultTimeout(10_000);
  const page = await ctx.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !allow?.test(message.text())) wrong.push(message.text());
  });
  atEnd(t, async () => {
    await ctx.close();
    if (wrong.length > 0) throw new Error(`in the page:\n${wrong.join("\n")}`);
  });
  return page;
}

/** A page that is signed in already. */
export async function signedIn(t, fake, path, options = {}) {
  const page = await openPage(t, options);
  await page.context().request.post(`${fake.url}/session`, { data: { token: fake.token } });
  await page.goto(`${fake.url}${path}`);
  return page;
}

/** Asks until `holds` accepts the answer; the last one is in the error when time runs out. */
export async function until(what, ask, holds = (answer) => Boolean(answer), ms = 10_000) {
  const deadline = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: still ${JSON.stringify(answer)} after ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export const textOf = (page, selector) => () => page.locator(selector).first().textContent({ timeout: 5000 }).catch(() => null);

/** The big number of a key figure. */
export const figure = (page, id) => textOf(page, `[data-figure="${id}"] dd`);

/** A table's body as rows of trimmed texts. */
export const rowsOf = (page, selector) => page.locator(`${selector} tbody tr`).evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim())));

export const root = fileURLToPath(new URL("../../", import.meta.url));
