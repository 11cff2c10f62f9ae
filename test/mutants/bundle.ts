// Bundles the worker and the test files it may run, with stand-ins for vitest and for the tests' device.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

/** A test file: its bundle, its source, and how many imports away each file of the project is (paths from the root). */
export interface TestFile {
  path: string;
  source: string;
  distance: ReadonlyMap<string, number>;
}

export interface Bundle {
  worker: string;
  tests: TestFile[];
}

/** Folders whose tests drive kernels closely. Others run whole nets: too slow for a thousand times. */
const FOLDERS = ["ops", "engine", "data"];
/** These end devices, start processes, test the loader on texts of their own, or train whole nets. So do those with mocks. */
const LEFT_OUT = /engine\/(?:exit|lost|leak|recompute|shader|expand|adapter|device)\.test\.ts$/;

export async function bundle(root: string): Promise<Bundle> {
  const sources = FOLDERS.flatMap((folder) => testFiles(join(root, "test", folder)))
    .map((path) => relative(root, path))
    .filter((path) => !LEFT_OUT.test(path) && !readFileSync(join(root, path), "utf8").includes("vi.mock("));
  const outdir = join(root, "dist", "mutants");
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ["test/mutants/worker.ts", ...sources],
    outdir,
    outbase: root,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    metafile: true,
    logLevel: "warning",
    plugins: [standIns(root)],
  });
  const inputs = new Map(
    Object.entries(metafile.inputs).map(([path, { imports }]) => [path, imports.map((i) => i.path)]),
  );
  const outputOf = (source: string) => join(outdir, source.replace(/\.ts$/, ".mjs"));
  return {
    worker: outputOf("test/mutants/worker.ts"),
    tests: sources.map((source) => ({ source, path: outputOf(source), distance: distances(source, inputs) })),
  };
}

function testFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((f) => f.endsWith(".test.ts"))
      .map((f) => join(folder, f))
      .sort();
  } catch {
    return []; // a folder that is not there yet
  }
}

function distances(source: string, inputs: ReadonlyMap<string, readonly string[]>): Map<string, number> {
  const found = new Map([[source, 0]]);
  for (const [at, far] of found) {
    for (const next of inputs.get(at) ?? []) if (inputs.has(next) && !found.has(next)) found.set(next, far + 1);
  }
  return found;
}

function standIns(root: string): Plugin {
  const here = join(root, "test", "mutants");
  return {
    name: "stand-ins",
    setup(build) {
      build.onResolve({ filter: /^vitest$/ }, () => ({ path: join(here, "vitest.ts") }));
      build.onResolve({ filter: /\/device\.js$/ }, ({ path, importer, resolveDir }) => {
        const isEngine = resolve(resolveDir, path) === join(root, "engine", "device.js");
        const fromTest = importer.startsWith(join(root, "test")) && !importer.startsWith(here);
        return isEngine && (fromTest || importer === join(root, "engine", "index.ts"))
          ? { path: join(here, "device.ts") }
          : undefined;
      });
      // A test file that imports what is not there fails when it is loaded, alone, and is named.
      build.onResolve({ filter: /^\.{1,2}\/.*\.js$/ }, ({ path, resolveDir }) =>
        existsSync(resolve(resolveDir, path.replace(/\.js$/, ".ts"))) ? undefined : { path, external: true },
      );
      // Files are found beside the source (`import.meta.url`), not beside the bundle.
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => ({
        loader: "ts",
        contents: readFileSync(path, "utf8").replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href)),
      }));
    },
  };
}
