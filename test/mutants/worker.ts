// The process that mutants run in: it holds the test files, a device and everything compiled, and does one request at a time.
// A mutant that never ends takes this process with it, not the runner (worker-process.ts).

import { Kernel, kernel } from "../../engine/shader.js";
import { overrideSource } from "../../engine/source.js";
import { lost, settle, verify } from "./device.js";
import { type Listed, runTest, startFile, tests } from "./vitest.js";
import type { Reply, Request } from "./worker-process.js";

/** Kernels that the test under way has run, and the sets of constants it ran them with. */
let used: Record<string, Set<string>> = {};

const run = Kernel.prototype.run;
Kernel.prototype.run = function (tensors, params, launch) {
  used[this.name] ??= new Set();
  used[this.name]!.add(JSON.stringify(launch.constants ?? {}));
  run.call(this, tensors, params, launch);
};

/** By file. */
const loaded = new Map<string, readonly Listed[]>();

async function load(file: string): Promise<readonly Listed[]> {
  const known = loaded.get(file);
  if (known) return known;
  const first = startFile(file.replace(/^.*\/test\//, "").replace(/\.test\.mjs$/, ""));
  await import(file);
  const found = tests.slice(first);
  loaded.set(file, found);
  return found;
}

async function runOne(file: string, index: number): Promise<Reply> {
  const test = (await load(file))[index]!;
  used = {};
  const before = process.cpuUsage();
  let error: string | undefined;
  try {
    await runTest(test);
    await verify();
  } catch (caught) {
    error = messageOf(caught);
  }
  const { user, system } = process.cpuUsage(before);
  await settle(error === undefined);
  return {
    ok: error === undefined,
    error,
    cpu: (user + system) / 1000,
    kernels: Object.fromEntries(Object.entries(used).map(([name, constants]) => [name, [...constants]])),
    lost,
    megabytes: process.memoryUsage.rss() / 2 ** 20,
  };
}

/** Puts the text in a file's place; what was compiled from the file is forgotten. */
function put({ path, text, kernels }: Extract<Request, { type: "put" }>): Reply {
  overrideSource(path, text);
  for (const name of kernels) kernel(name).forget();
  return { ok: true };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function answer(request: Request): Promise<Reply> {
  if (request.type === "list") return { ok: true, tests: (await load(request.file)).map((t) => t.name) };
  if (request.type === "test") return runOne(request.file, request.index);
  return put(request);
}

process.on("disconnect", () => process.exit()); // the runner was stopped
process.on("message", async (request: Request) => {
  process.send!(await answer(request).catch((error): Reply => ({ ok: false, error: messageOf(error) })));
});
