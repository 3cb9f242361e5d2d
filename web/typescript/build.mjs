// Bundles strip.js for src/js/typescript.c: build.mjs OUT.js DEPFILE.
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const [out, depfile] = process.argv.slice(2);

/** Names of the packages whose code is in the bundle. */
function packages(inputs) {
  const names = Object.keys(inputs).map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
  return [...new Set(names.filter(Boolean))].sort();
}

/** Their licences, which must go along with their code. */
async function notices(names) {
  const parts = [];
  for (const name of names) {
    const dir = join(here, "../node_modules", name);
    const { version } = JSON.parse(await readFile(join(dir, "package.json"), "utf8"));
    parts.push(`${name} ${version}\n\n${(await readFile(join(dir, "LICENSE"), "utf8")).trim()}\n`);
  }
  return `/*\n${parts.join("\n").replaceAll("*/", "* /")}*/\n`;
}

const { metafile, outputFiles } = await esbuild.build({
  absWorkingDir: here,
  entryPoints: ["strip.js"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  mainFields: ["module", "main"],
  legalComments: "none",
  metafile: true,
  write: false,
  logLevel: "warning",
});
await writeFile(out, outputFiles[0].text + (await notices(packages(metafile.inputs))));
const inputs = Object.keys(metafile.inputs).map((path) => join(here, path).replaceAll(" ", "\\ "));
await writeFile(depfile, `${out}: ${inputs.join(" ")}\n`);
