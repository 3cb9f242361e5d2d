// Builds the page into dist/: index.html and assets/ whose names carry a hash of
// their content, so that the server may let browsers keep them for ever.
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, "dist");
const watch = process.argv.includes("--watch");

/** Whose code or shapes are in the bundle, and must be named with it. */
const shipped = ["react", "react-dom", "scheduler", "uplot", "@fontsource-variable/inter"];

async function notices() {
  const parts = ["Spate's web page contains these works of others.\n"];
  for (const name of shipped) {
    const dir = join(root, "node_modules", name);
    const { version } = JSON.parse(await readFile(join(dir, "package.json"), "utf8"));
    const text = await readFile(join(dir, "LICENSE"), "utf8");
    parts.push(`${"=".repeat(72)}\n${name} ${version}\n\n${text.trim()}\n`);
  }
  return parts.join("\n");
}

async function asset(source, data) {
  const hash = createHash("sha256").update(data).digest("hex").slice(0, 8);
  const ext = extname(source);
  const name = `assets/${basename(source, ext)}-${hash}${ext}`;
  await writeFile(join(dist, name), data);
  return `/${name}`;
}

async function writeIndex(outputs) {
  const names = Object.keys(outputs).map((path) => path.replace(/^.*dist\//, "/"));
  const icon = await asset("icon.svg", await readFile(join(root, "src/icon.svg")));
  await asset("notices.txt", await notices());
  const html = (await readFile(join(root, "src/index.html"), "utf8"))
    .replace("%SCRIPT%", names.find((n) => n.endsWith(".js")))
    .replace("%STYLE%", names.find((n) => n.endsWith(".css")))
    .replace("%FONT%", names.find((n) => n.includes("inter-latin-wght")))
    .replace("%ICON%", icon);
  await writeFile(join(dist, "index.html"), html);
}

const options = {
  absWorkingDir: root,
  entryPoints: { app: "src/main.tsx" },
  outdir: "dist",
  entryNames: "assets/[name]-[hash]",
  assetNames: "assets/[name]-[hash]",
  publicPath: "/",
  bundle: true,
  minify: !watch,
  format: "esm",
  target: ["chrome100", "firefox100", "safari15.4"],
  loader: { ".woff2": "file" },
  define: { "process.env.NODE_ENV": JSON.stringify(watch ? "development" : "production") },
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
  plugins: [
    {
      name: "index",
      setup(build) {
        build.onEnd(async (result) => {
          if (result.errors.length > 0) return;
          await writeIndex(result.metafile.outputs);
          const bytes = Object.values(result.metafile.outputs).reduce((sum, o) => sum + o.bytes, 0);
          console.log(`web/dist: ${(bytes / 1024).toFixed(0)} KB`);
        });
      },
    },
  ],
};

await rm(dist, { recursive: true, force: true });
await mkdir(join(dist, "assets"), { recursive: true });
if (watch) await (await esbuild.context(options)).watch();
else await esbuild.build(options);
