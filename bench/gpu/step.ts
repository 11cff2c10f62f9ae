// 8. One training step of the paper's UNet (forward, backward, Adam): how long the GPU is busy in it, and with which kernels.

import type { Device } from "../../engine/device.js";
import { scope } from "../../engine/scope.js";
import { quantile } from "../compare.js";
import { WrongResult } from "../measure.js";
import { ALLOWED, type Timed, timed, unetStep } from "../nets.js";
import { ceilingOf } from "./matmul.js";
import type { Context, Stage } from "./stage.js";

/** Kernels that are listed. */
const TOP = 20;
/** Share of the FMA ceiling that a step is taken to reach when a batch is chosen. */
const ASSUMED = 0.15;
/** Forward and twice that back; nets.ts counts the same. */
const GFLOP_PER_IMAGE = 3 * 13.8;

export const stepStage: Stage = {
  name: "step",
  title: "A training step of the UNet",
  seconds: 120,
  async run(context) {
    const ceiling = await ceilingOf(context);
    const first = batchFor(context, ceiling);
    for (const B of [64, 16, 4, 2, 1].filter((b) => b <= first)) {
      try {
        await measureStep(context, B, ceiling);
        return;
      } catch (error) {
        if (error instanceof WrongResult || context.software || B === 1) throw error;
        context.note(`A batch of ${B} did not run: ${(error as Error).message.split("\n")[0]}`);
      }
    }
  },
};

/** The paper's 64, or the largest batch whose step takes few seconds. Software adapters train the golden files' small net. */
export function batchFor(context: Pick<Context, "software" | "quick">, ceiling: number): number {
  if (context.software) return 2;
  const seconds = (B: number) => (B * GFLOP_PER_IMAGE) / (ASSUMED * ceiling);
  return (context.quick ? [16, 4, 1] : [64, 16, 4, 1]).find((B) => seconds(B) < 3) ?? 1;
}

/** The name that PyTorch's row refers to. */
export const stepName = (B: number): string => `UNet training step (Adam), B${B}`;

/** Checked against the authors' loss, timed without and then with the profiler. */
async function measureStep(context: Context, B: number, ceiling: number): Promise<void> {
  const dev = await context.open();
  const job = await unetStep(B, context.software ? "small" : "full");
  const error = await job.check();
  if (!(error <= ALLOWED)) throw new WrongResult(`The loss is ${error.toExponential(1)} off, allowed ${ALLOWED}.`);
  if (context.software)
    context.note("On a software adapter the small net of the golden files is trained: its times say little.");
  await timed(dev, job); // compiles
  const runs: Timed[] = [];
  for (let i = 0; i < context.rounds && context.hasTimeFor(20); i++) runs.push(await timed(dev, job));
  const median = (of: (r: (typeof runs)[number]) => number) => quantile(runs.map(of), 0.5);
  const ms = median((r) => r.ms);
  const timeline = dev.gpu.features.has("timestamp-query") ? await profiled(dev, job.run) : [];
  const busy = timeline.reduce((sum, t) => sum + t.ms, 0);
  context.table({
    title: "The step",
    note: "ms: by the host's clock, median. GPU busy: the kernels' own times added up, each in a pass of its own, over ms; far below 100 % the host or the waits between kernels decide.",
    columns: [
      { key: "name", title: "what" },
      { key: "ms", title: "ms" },
      { key: "busyMs", title: "kernels, ms" },
      { key: "busyShare", title: "GPU busy", percent: true },
      { key: "recordMs", title: "recording, ms" },
      { key: "dispatches", title: "dispatches" },
      { key: "gflops", title: "GFLOP/s" },
      { key: "share", title: "of the ceiling", percent: true },
      { key: "peakGiB", title: "peak GiB" },
    ],
    rows: [
      {
        name: stepName(B),
        ms,
        samples: runs.map((r) => r.ms),
        ...(busy && { busyMs: busy, busyShare: busy / ms }),
        recordMs: median((r) => r.recordMs),
        dispatches: runs[0]!.dispatches,
        ...(job.gflop && { gflops: job.gflop / (ms / 1000), share: job.gflop / (ms / 1000) / ceiling }),
        peakGiB: runs[0]!.peakBytes / 2 ** 30,
      },
    ],
  });
  if (busy) topKernels(context, timeline, busy);
  else context.note("Without timestamp-query the kernels cannot be told apart.");
  for (const one of job.held) one.dispose();
}

/** Every dispatch of one step, in order. */
const profiled = (dev: Device, run: () => void | Promise<void>) => dev.profile(() => scope(run));

/** What to make faster first. */
function topKernels(context: Context, timeline: readonly { kernel: string; ms: number }[], busy: number): void {
  const byName = new Map<string, { calls: number; total: number }>();
  for (const { kernel, ms } of timeline) {
    const sum = byName.get(kernel) ?? { calls: 0, total: 0 };
    byName.set(kernel, { calls: sum.calls + 1, total: sum.total + ms });
  }
  const sorted = [...byName].sort(([, a], [, b]) => b.total - a.total);
  context.table({
    title: "Kernels by time",
    note: `${sorted.length} kernels in ${timeline.length.toLocaleString("en")} dispatches; the first ${Math.min(TOP, sorted.length)}.`,
    columns: [
      { key: "name", title: "kernel" },
      { key: "total", title: "ms" },
      { key: "share", title: "of the kernels", percent: true, digits: 1 },
      { key: "calls", title: "dispatches" },
      { key: "each", title: "µs each" },
    ],
    bars: "total",
    rows: sorted.slice(0, TOP).map(([name, { calls, total }]) => ({
      ...{ name, total, calls },
      ...{ share: total / busy, each: (1000 * total) / calls },
    })),
  });
}
