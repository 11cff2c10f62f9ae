import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { duration } from "../../data/progress.js";
import { type Device, openDevice } from "../../engine/device.js";
import { TrainingStopped } from "../../engine/errors.js";
import { Adam } from "../../engine/optim.js";
import { scope } from "../../engine/scope.js";
import type { Part } from "../../engine/state.js";
import { backward } from "../../engine/tape.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { saves } from "../../train/checkpoint.js";
import { Progress } from "../../train/progress.js";
import { openRun } from "../../train/run.js";

let dev: Device;
let out: string;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), "uiface-run-"));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

/** One weight, pulled down by a gradient of 1 a step. */
class Net implements Part {
  readonly w: Tensor = tensor([10], [1]).requiresGrad("w");
  stateDict = () => new Map([["w", this.w]]);
  load(values: ReadonlyMap<string, { data: unknown }>) {
    this.w.write(values.get("w")!.data as Float32Array);
  }
}

const rows = () =>
  readFileSync(join(out, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, number>);

/** Trains to `steps`; `gradient` of a step, `stopAt` as if the process had died there. */
async function train(
  steps: number,
  { gradient = (_: number): number => 1, stopAt = steps, saveEvery = 2 } = {},
): Promise<{ net: Net; from: number }> {
  const net = new Net();
  const adam = new Adam([net.w]);
  const run = await openRun({ out, steps, saveEvery, lr: 0.5 }, { parts: { net, adam } });
  for (let step = run.step; step < Math.min(steps, stopAt); step++) {
    scope(() => {
      for (const micro of [0, 1]) {
        const loss = tensor([step * gradient(step) + micro], [1]);
        backward(net.w, tensor([gradient(step) / 2], [1]));
        run.log({ loss, lr: 0.5 });
      }
    });
    adam.step({ lr: 0.5 });
    adam.zeroGrad();
    await run.endStep(step);
  }
  if (stopAt < steps) (run as unknown as { close(): void }).close();
  else await run.finish();
  return { net, from: run.step };
}

test("why: logs are means of micro-batches, one row a step; saves are every second step and at the end", async () => {
  await train(5);
  expect(rows()).toEqual([0, 1, 2, 3, 4].map((step) => ({ step, loss: step + 0.5, lr: 0.5 })));
  expect(saves(out).map(({ step }) => step)).toEqual([4, 5]);
  expect(JSON.parse(readFileSync(join(out, "settings.json"), "utf8"))).toEqual({
    out,
    steps: 5,
    saveEvery: 2,
    lr: 0.5,
  });
  expect(existsSync(join(out, ".lock"))).toBe(false);
});

test("why: a run that died goes on from its last save, ends with the same bits and leaves no row twice", async () => {
  const whole = await train(7);
  const want = await whole.net.w.read();
  rmSync(out, { recursive: true });
  await train(7, { stopAt: 3 });
  writeFileSync(join(out, "metrics.jsonl"), `${readFileSync(join(out, "metrics.jsonl"), "utf8")}{"step": 2, "lo`);
  const { net, from } = await train(7);
  expect(from).toBe(2);
  expect(await net.w.read()).toEqual(want);
  expect(rows().map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  const again = await train(7);
  expect(again.from).toBe(7);
  expect(await again.net.w.read()).toEqual(want);
});

test("why: a NaN must end the run with the weights before it on disk", async () => {
  const good = await train(3, { saveEvery: 0 });
  const want = await good.net.w.read();
  rmSync(out, { recursive: true });
  const bad = train(9, { gradient: (step) => (step >= 3 ? Number.NaN : 1), saveEvery: 6 });
  await expect(bad).rejects.toThrow(TrainingStopped);
  await expect(bad).rejects.toThrow(
    `step 3: the loss is not finite. The weights before it were saved as ${join(out, "step-3")}`,
  );
  expect(saves(out).map(({ step }) => step)).toEqual([3]);
  const { from, net } = await train(3);
  expect(from).toBe(3);
  expect(await net.w.read()).toEqual(want);
});

test("why: a loss that is infinite while the gradient is fine must stop too", async () => {
  const net = new Net();
  const run = await openRun({ out, steps: 9, saveEvery: 0 }, { parts: { net } });
  run.log({ loss: Number.POSITIVE_INFINITY });
  await expect(run.endStep(0)).rejects.toThrow(/step 0: the loss is not finite[\s\S]*last save {2}none/);
});

test("why: a second process on the same folder is refused", async () => {
  const run = await openRun({ out, steps: 1, saveEvery: 0 }, { parts: { net: new Net() } });
  await expect(openRun({ out, steps: 1, saveEvery: 0 }, { parts: { net: new Net() } })).rejects.toThrow(
    "is in use by process",
  );
  await run.finish();
});

// A script of its own, bundled: signals can only be tried on another process.
const SCRIPT = `
import { openDevice } from "./engine/device.js";
import { tensor } from "./engine/tensor.js";
import { openRun } from "./train/run.js";
await openDevice();
const w = tensor([1], [1]);
const net = { stateDict: () => new Map([["w", w]]), load: (v) => w.write(v.get("w").data) };
try {
  const run = await openRun({ out: process.argv[2], steps: 1e6, saveEvery: 0 }, { parts: { net } });
  for (let step = run.step; step < 1e6; step++) {
    w.write([step + 1]);
    run.log({ loss: step });
    await run.endStep(step);
    if (step === run.step + 3) console.log("running from", run.step);
    await new Promise((done) => setTimeout(done, 5));
  }
} catch (error) {
  console.log(error.message);
  process.exitCode = error.exitCode;
}
`;

let script: string;
beforeAll(async () => {
  const folder = resolve("dist/run-test"); // below the packages, so that they are found
  mkdirSync(folder, { recursive: true });
  script = join(folder, `script-${process.pid}.mjs`);
  const contents = { contents: SCRIPT, resolveDir: resolve("."), loader: "ts" as const };
  await build({
    stdin: contents,
    outfile: script,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "error",
  });
});
afterAll(() => rmSync(script, { force: true }));

function start(): {
  child: ChildProcess;
  said: (text: string) => Promise<void>;
  ended: Promise<{ code: number | null; output: string }>;
} {
  const child = spawn(process.execPath, [script, out]);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data) => {
      output += String(data);
    });
  const ended = new Promise<{ code: number | null; output: string }>((done) =>
    child.on("close", (code) => done({ code, output })),
  );
  const said = async (text: string) => {
    while (!output.includes(text)) {
      if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${output}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  };
  return { child, said, ended };
}

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("why: %s saves the step it interrupts and ends with %i", async (signal, code) => {
  const first = start();
  await first.said("running from 0");
  first.child.kill(signal);
  const end = await first.ended;
  expect(end.output).toMatch(/Stopped after step [\d,]+ of 1,000,000; all is saved in/);
  expect(end.code).toBe(code);
  const [last] = saves(out);
  expect(existsSync(join(out, ".lock"))).toBe(false);

  const second = start();
  await second.said(`running from ${last!.step}`);
  second.child.kill("SIGKILL");
  await second.ended;
  expect(existsSync(join(out, ".lock"))).toBe(true); // and yet the next one may run
  const third = start();
  await third.said(`running from ${last!.step}`);
  third.child.kill(signal);
  expect((await third.ended).code).toBe(code);
});

test("why: the line is rewritten on a terminal, and a note does not cut it", () => {
  const written: string[] = [];
  const progress = new Progress(1000, 0, { isTTY: true, write: (text) => written.push(text) });
  progress.show(1, { loss: 0.123456, lr: 1e-4 });
  progress.note("saved");
  progress.show(2, { loss: 12345 });
  expect(written[0]).toBe("\r\x1b[Kstep 1/1,000  loss 0.1235  lr 1.00e-4  first step 0 s, shaders compiled");
  expect(written.slice(1, 3)).toEqual(["\n", "saved\n"]);
  expect(written[3]!.slice(4)).toMatch(/^step 2\/1,000 {2}loss 12350 {2}\S+ steps\/s {2}\S+ s left$/);
});

test("why: time left reads like a clock, not like a number", () => {
  expect([12, 89.6, 600, 7500, 200_000].map(duration)).toEqual(["12 s", "90 s", "10 min", "2 h 05 min", "2 d 7 h"]);
});
