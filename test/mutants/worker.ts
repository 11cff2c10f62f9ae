// The process that mutants run in: it holds the test files, a device and everything compiled, and does one request at a time.
// A mutant that never ends takes this process with it, not the runner (worker-process.ts).

import { Kernel, kernel } from "../../engine/shader.js";
import { overrideSource } from "../../engine/source.js";
import { openDevice, settle } from "./device.js";
import { runTest, startFile, tests } from "./vitest.js";
import type { Reply, Request, TestName } from "./worker-process.js";

/** Kernels that the test under way has run, and the sets of constants it ran them with. */
let used: Record<string, Set<string>> = {};

const run = Kernel.prototype.run;
Kernel.prototype.run = function (tensors, params, launch) {
  used[this.name] ??= new Set();
  used[this.name]!.add(JSON.stringify(launch.constants ?? {}));
  run.call(this, tensors, params, launch);
};

async function load(files: readonly string[]): Promise<Reply> {
  const found: TestName[] = [];
  const broken: string[] = [];
  for (const file of files) {
    const first = startFile(file.replace(/^.*\/test\//, "").replace(/\.test\.mjs$/, ""));
    try {
      await import(file);
    } catch (error) {
      broken.push(`${file}: ${messageOf(error)}`);
      tests.length = first;
    }
    found.push(...tests.slice(first).map(({ name }) => ({ file, name })));
  }
  return { ok: true, tests: found, error: broken.join("\n") };
}

async function runOne(index: number): Promise<Reply> {
  used = {};
  const start = performance.now();
  let error: string | undefined;
  try {
    await runTest(tests[index]!);
  } catch (caught) {
    error = messageOf(caught);
  }
  const ms = performance.now() - start;
  await settle();
  const kernels = Object.fromEntries(Object.entries(used).map(([name, constants]) => [name, [...constants]]));
  return { ok: error === undefined, error, ms, kernels, megabytes: process.memoryUsage.rss() / 2 ** 20 };
}

/** Puts the text in place; with `check`, reports the first of the kernels and constants that does not compile. */
async function put({ path, text, kernels }: Extract<Request, { type: "put" }>): Promise<Reply> {
  overrideSource(path, text);
  for (const name of Object.keys(kernels)) kernel(name).forget();
  const dev = await openDevice();
  for (const [name, sets] of Object.entries(kernels)) {
    for (const constants of sets) {
      try {
        dev.gpu.pushErrorScope("validation");
        const module = dev.gpu.createShaderModule({ code: kernel(name).expanded(JSON.parse(constants), dev).text });
        const { messages } = await module.getCompilationInfo();
        const error = messages.find((m) => m.type === "error");
        if (error) return { ok: false, error: error.message };
      } catch (error) {
        return { ok: false, error: messageOf(error) };
      } finally {
        await dev.gpu.popErrorScope();
      }
    }
  }
  return { ok: true };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function answer(request: Request): Promise<Reply> {
  if (request.type === "load") return load(request.files);
  if (request.type === "test") return runOne(request.index);
  return put(request);
}

process.on("message", async (request: Request) => {
  process.send!(await answer(request).catch((error): Reply => ({ ok: false, error: messageOf(error) })));
});
