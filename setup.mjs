// The starter behind every npm script: installs what is missing, bundles, runs. Plain JavaScript, because Node 20 runs no TypeScript,
// and without imports outside Node, because nothing is installed yet when a fresh clone calls it.
//
//   node setup.mjs uiface demo --smoke      node setup.mjs vitest run      node setup.mjs size
//   node setup.mjs build                    bundles, and runs nothing: `import ... from "uiface-webgpu/engine"` then works
//   node setup.mjs build --types            and writes its declarations, for packing

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const [command = "uiface", ...args] = process.argv.slice(2);

/** Commands that are our own programs: bundled from this file, then run by Node. */
const programs = {
  uiface: "bin/uiface.ts",
  parity: "test/parity/main.ts",
  mutants: "test/mutants/main.ts",
  bench: "bench/main.ts",
  gpu: "bench/gpu.ts",
  size: "tools/size.ts",
  soak: "tools/soak.ts",
  memory: "tools/memory.ts",
};

/** The engine as a library: what package.json exports as "uiface-webgpu/engine". */
const libraries = { engine: "engine/index.ts" };

checkNode();
await install();
if (command in programs || command === "build") await bundle();
if (command !== "build") process.exit(await run(commandLine()));
process.exit(args.includes("--types") ? await declare() : 0);

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(`uiface needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(2);
}

/** npm ci, when node_modules is missing or was made from another lock file. No package's install script runs. */
async function install() {
  const lock = readFileSync(join(root, "package-lock.json"), "utf8");
  const stamp = join(root, "node_modules", ".uiface-lock");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  console.error("Installing packages (once) ...");
  const flags = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  if ((await run(npm ? [process.execPath, npm, ...flags] : ["npm", ...flags])) !== 0) {
    console.error("The installation failed: see npm's message above. Nothing else was changed.");
    process.exit(1);
  }
  writeFileSync(stamp, lock);
}

/** One file a program, with all of ours in it: what runs already has nothing left to load while another build writes dist/. */
async function bundle() {
  const { build } = await import("esbuild");
  const dist = join(root, "dist");
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(Object.entries({ ...programs, ...libraries }).filter(isThere)),
    outdir: dist,
    write: false,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    sourcemap: true,
    keepNames: true, // --explain reads names off the stack
    logLevel: "warning",
  });
  mkdirSync(dist, { recursive: true });
  for (const { path, contents } of outputFiles) {
    writeFileSync(`${path}.${process.pid}`, contents);
    renameSync(`${path}.${process.pid}`, path); // whole or not there: whoever starts it now reads one build or the other
  }
  const written = outputFiles.map(({ path }) => basename(path));
  for (const name of readdirSync(dist))
    if (/\.mjs(\.map)?$/.test(name) && !written.includes(name)) rmSync(join(dist, name), { force: true });
}

/** dist/types: what TypeScript reads for `uiface-webgpu/engine`. */
function declare() {
  rmSync(join(root, "dist", "types"), { recursive: true, force: true });
  return run([process.execPath, ...binOf("tsc"), "-p", "tsconfig.types.json"]);
}

function isThere([, file]) {
  return existsSync(join(root, file));
}

function commandLine() {
  if (command in programs)
    return [process.execPath, "--enable-source-maps", join(root, "dist", `${command}.mjs`), ...args];
  return [process.execPath, ...binOf(command), ...args];
}

/** The JavaScript file behind a development tool, run by this Node rather than by whichever the PATH has. */
function binOf(tool) {
  const packages = { vitest: "vitest", tsc: "typescript", biome: "@biomejs/biome" };
  const name = packages[tool];
  if (!name) {
    console.error(
      `setup.mjs knows ${[...Object.keys(programs), "build", ...Object.keys(packages)].join(", ")}; not "${command}".`,
    );
    process.exit(2);
  }
  const { bin } = JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8"));
  return [join(root, "node_modules", name, typeof bin === "string" ? bin : bin[tool])];
}

/** Runs to the end and returns the exit code. Ctrl-C goes to the whole group: the program saves and ends, and we wait for it. */
function run([file, ...rest]) {
  const cwd =
    file === process.execPath && rest[0]?.startsWith("--enable") ? (process.env.INIT_CWD ?? process.cwd()) : root;
  const child = spawn(file, rest, { cwd, stdio: "inherit" });
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((resolve) => {
    child.on("error", (error) => {
      console.error(`${file} could not be started: ${error.message}`);
      resolve(1);
    });
    child.on("exit", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : signal === "SIGTERM" ? 143 : 1)));
  });
}
