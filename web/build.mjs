// Builds the page into dist/: index.html and assets/ whose names carry a hash of
// their content, so that the server may let browsers keep them for ever.
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));

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

async function writeAsset(dist, source, data) {
  const hash = createHash("sha256").update(data).digest("hex").slice(0, 8);
  const ext = extname(source);
  const name = `assets/${basename(source, ext)}-${hash}${ext}`;
  await writeFile(join(dist, name), data);
  return `/${name}`;
}

async function writeIndex(dist, outputs) {
  const names = Object.keys(outputs).map((path) => `/${relative(dist, resolve(root, path))}`);
  const icon = await writeAsset(dist, "icon.svg", await readFile(join(root, "src/icon.svg")));
  await writeAsset(dist, "notices.txt", await notices());
  const html = (await readFile(join(root, "src/index.html"), "utf8"))
    .replace("%SCRIPT%", names.find((n) => n.endsWith(".js")))
    .replace("%STYLE%", names.find((n) => n.endsWith(".css")))
    .replace("%FONT%", names.find((n) => n.includes("inter-latin-wght")))
    .replace("%ICON%", icon);
  await writeFile(join(dist, "index.html"), html);
}

function options(dist, watch) {
  return {
    absWorkingDir: root,
    entryPoints: { app: "src/main.tsx" },
    outdir: dist,
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
            if (result.errors.length === 0) await writeIndex(dist, result.metafile.outputs);
          });
        },
      },
    ],
  };
}

/** Leaves a fresh page in `dist`, and nothing else there; returns its size in bytes. */
export async function build(dist, { watch = false } = {}) {
  await rm(dist, { recursive: true, force: true });
  await mkdir(join(dist, "assets"), { recursive: true });
  if (watch) {
    await (await esbuild.context(options(dist, true))).watch();
    return 0;
  }
  const { metafile } = await esbuild.build(options(dist, false));
  return Object.values(metafile.outputs).reduce((sum, o) => sum + o.bytes, 0);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const bytes = await build(join(root, "dist"), { watch: process.argv.includes("--watch") });
  if (bytes > 0) console.log(`web/dist: ${(bytes / 1024).toFixed(0)} KB`);
}
