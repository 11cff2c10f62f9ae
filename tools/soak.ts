// npm run -s soak -- [--steps 2000] [--batch 1] [--json]: trains the small diffusion model for long and looks whether memory stays.
//
// Exit code 1 unless live bytes and live buffers are the same at step 20 and at the end, and resident memory has grown by less
// than 5 %. The steps are those of train/diffusion.ts, with its metrics and its saves, on random latents.
//
// Whoever changes what the engine keeps (tape, scopes, pool, bind groups) runs it once: a leak of one small tensor a step shows
// here as a number that is not the same, hours before it would end a training.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe } from "../engine/adapter.js";
import { type Device, openDevice } from "../engine/device.js";
import { UifaceError, UsageError } from "../engine/errors.js";
import { Adam, Ema } from "../engine/optim.js";
import { random } from "../engine/random.js";
import { scope } from "../engine/scope.js";
import { unets } from "../models/configs.js";
import { UNet } from "../models/unet.js";
import { diffusionDefaults, drawBatch, gradientStep } from "../train/diffusion.js";
import type { Latents } from "../train/latents.js";
import { openRun } from "../train/run.js";

/** Everything is compiled and every buffer made by then. */
const SETTLED = 20;
const MOST_GROWTH = 0.05;

/** What is held after a step. */
interface Memory {
  step: number;
  liveBytes: number;
  liveBlocks: number;
  /** Buffers kept for reuse. */
  idleBytes: number;
  rss: number;
}

/** Options as text; an unknown one is a UsageError. */
function parse() {
  try {
    return parseArgs({
      options: {
        steps: { type: "string", default: "2000" },
        batch: { type: "string", default: "1" },
        json: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The same, checked. */
function options(): { steps: number; batch: number; json: boolean } {
  const { values } = parse();
  const whole = (name: "steps" | "batch", least: number) => {
    const n = Number(values[name]);
    if (Number.isInteger(n) && n >= least) return n;
    throw new UsageError(`--${name} takes a whole number from ${least} on, not "${values[name]}".`);
  };
  return { steps: whole("steps", SETTLED + 1), batch: whole("batch", 1), json: values.json };
}

/** Random numbers in the shapes of the small nets, but for the side: 8 asks for the same operations as 16 in a quarter of the time. */
function latents(): Latents {
  const [count, shape, dim] = [8, [3, 8, 8], 128];
  const rng = random(0, "soak");
  return { z: rng.normals(2 * count * 192), shape, contexts: rng.normals(count * dim), dim, count };
}

// Node hands out its garbage collector only behind a flag: resident memory would say nothing with garbage in it.
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** What is held after a step, garbage not counted. */
function memory(dev: Device, step: number): Memory {
  collect();
  const { liveBytes, liveBlocks, idleBytes } = dev.pool;
  return { step, liveBytes, liveBlocks, idleBytes, rss: process.memoryUsage.rss() };
}

/** Trains, and looks at the memory at step 20, every hundredth and the last. */
async function train(
  dev: Device,
  steps: number,
  batch: number,
  out: string,
  onLook: (seen: Memory) => void,
): Promise<Memory[]> {
  const s = { ...diffusionDefaults, batch, steps, saveEvery: 500, out };
  const data = latents();
  const unet = new UNet(unets.tiny).init(s.seed);
  const adam = new Adam(unet.parameters());
  const ema = new Ema(unet.parameters());
  const gradients = gradientStep(unet, s);
  const run = await openRun(s, { parts: { unet, adam, ema } });
  const seen: Memory[] = [];
  for (let step = run.step; step < s.steps; step++) {
    scope(() => run.log({ loss: gradients.run(...drawBatch(data, s, step)) }));
    adam.step({ lr: s.lr });
    adam.zeroGrad();
    ema.update(s.ema);
    await run.endStep(step);
    const done = step + 1;
    if (done === SETTLED || done === steps || done % 100 === 0) {
      const now = memory(dev, done);
      seen.push(now);
      onLook(now);
    }
  }
  await run.finish();
  return seen;
}

/** What has grown, one line each. */
function violations(first: Memory, last: Memory): string[] {
  const grown: string[] = [];
  for (const name of ["liveBytes", "liveBlocks"] as const)
    if (first[name] !== last[name])
      grown.push(`${name}: ${first[name]} at step ${first.step}, ${last[name]} at step ${last.step}`);
  const growth = last.rss / first.rss - 1;
  if (growth >= MOST_GROWTH) grown.push(`resident memory has grown by ${(100 * growth).toFixed(1)} %`);
  return grown;
}

/** Trains, prints, decides; returns the exit code. */
async function main(): Promise<number> {
  const { steps, batch, json } = options();
  const dev = await openDevice();
  console.error(`adapter  ${describe(dev.info)} (${dev.kind})`);
  const out = mkdtempSync(join(tmpdir(), "uiface-soak-"));
  try {
    if (!json) console.log("  step     live bytes  live buffers     idle bytes  resident MiB");
    const seen = await train(dev, steps, batch, out, json ? () => {} : (now) => console.log(row(now)));
    const first = seen.find(({ step }) => step === SETTLED)!;
    const last = seen.at(-1)!;
    const grown = violations(first, last);
    const growth = `resident memory ${(100 * (last.rss / first.rss - 1)).toFixed(1)} % more`;
    if (json) console.log(JSON.stringify({ adapter: describe(dev.info), batch, seen, grown }));
    else
      console.log(
        grown.length ? `GROWN: ${grown.join("; ")}` : `Flat from step ${first.step} to ${last.step}: ${growth}.`,
      );
    return grown.length ? 1 : 0;
  } finally {
    rmSync(out, { recursive: true, force: true });
    dev.close();
  }
}

const row = ({ step, liveBytes, liveBlocks, idleBytes, rss }: Memory): string =>
  `${pad(step, 6)}${pad(liveBytes, 15)}${pad(liveBlocks, 14)}${pad(idleBytes, 15)}${(rss / 2 ** 20).toFixed(1).padStart(14)}`;

const pad = (n: number, width: number): string => n.toLocaleString("en").padStart(width);

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof UifaceError ? error.exitCode : 1;
}
