// npm run bench -- --nets: whole nets and training steps at the paper's sizes.
//
// Weights and inputs are those of the golden files (test/golden), so each net is checked against the authors' numbers before it is
// timed; a row of a batch is the same image over and over. Times are medians by the host's clock, with everything that a user waits
// for: recording, kernels, the wait. Work is counted: multiply-adds of convolutions, linears and attention, times 2.

import type { Device } from "../engine/device.js";
import type { Module } from "../engine/nn.js";
import { cat } from "../engine/ops/cat.js";
import { crossEntropy } from "../engine/ops/cross_entropy.js";
import { mse } from "../engine/ops/loss.js";
import { Adam, SGD } from "../engine/optim.js";
import { random } from "../engine/random.js";
import { scope } from "../engine/scope.js";
import { backward, noGrad } from "../engine/tape.js";
import { type Tensor, tensor } from "../engine/tensor.js";
import { vqgans } from "../models/configs.js";
import { ArcFace } from "../models/heads.js";
import { backbones } from "../models/iresnet.js";
import { linear } from "../models/schedule.js";
import { UNet, type UNetConfig } from "../models/unet.js";
import { VqGan } from "../models/vqgan.js";
import { ddimJumps } from "../sample/ddim.js";
import { twoStage } from "../sample/two-stage.js";
import { type Golden, hashed, loadGolden, paramValue, relativeError } from "../test/golden.js";
import { measure, WrongResult } from "./measure.js";

export interface NetRow {
  name: string;
  /** Median of a run, and of its recording, which overlaps with the kernels. */
  ms: number;
  recordMs: number;
  /** Milliseconds of each run. */
  samples: number[];
  gflops: number;
  /** Of the FMA ceiling, measured just before. */
  share: number;
  dispatches: number;
  peakBytes: number;
  /** Of the check. */
  error: number;
}

export interface Job {
  /** Of one run; 0 where nobody counted. */
  gflop: number;
  /** Error against the golden numbers, or another form's; before any run. */
  check(): Promise<number>;
  run(): void | Promise<void>;
  /** What to free afterwards. */
  held: { dispose(): void }[];
}

interface NetCase {
  name: string;
  make(): Promise<Job>;
}

/** For whole nets in float32 (golden/README.md). Winograd has its own bound, docs/kernels.md. */
export const ALLOWED = 5e-4;
const GFLOP = { unet: 13.8, encode: 82, decode: 161, ir_18: 5.2, ir_50: 12.6 }; // a forward row, counted at the sizes below

const cases: readonly NetCase[] = [
  { name: "UNet forward, B1", make: () => unetForward(1) },
  { name: "UNet forward, B8", make: () => unetForward(8) },
  { name: "two-stage sampler, a step of stage 2, B1", make: twoStageStep },
  { name: "UNet training step (Adam), B4", make: () => unetStep(4) },
  { name: "VQ-f4 encode 128 x 128, B1", make: () => vqgan("encode") },
  { name: "VQ-f4 decode 32 x 32, B1", make: () => vqgan("decode") },
  { name: "IR-50 forward, B8", make: () => recogniserForward("ir_50", 8) },
  { name: "IR-18 training step (ArcFace 1,000, SGD), B8", make: () => recogniserStep("ir_18", 8, 1000) },
  { name: "IR-50 training step (ArcFace 10,572, SGD), B8", make: () => recogniserStep("ir_50", 8, 10_572) },
];

/** Rows as they come. `only`: a part of the name. */
export async function* measureNets(dev: Device, rounds: number, only = ""): AsyncGenerator<NetRow> {
  for (const { name, make } of cases.filter((c) => c.name.toLowerCase().includes(only.toLowerCase()))) {
    const [fma] = await measure(dev, { stem: "", make: () => [] }, 3);
    const job = await make();
    const error = await job.check();
    if (!(error <= ALLOWED))
      throw new WrongResult(
        `${name}: the result is ${error.toExponential(1)} off, allowed ${ALLOWED}. Nothing was timed.`,
      );
    await timed(dev, job); // compiles
    const runs: Timed[] = [];
    for (let i = 0; i < rounds; i++) runs.push(await timed(dev, job));
    for (const one of job.held) one.dispose();
    const samples = runs.map((r) => r.ms);
    const middle = runs.sort((a, b) => a.ms - b.ms)[runs.length >> 1]!;
    const gflops = job.gflop / (middle.ms / 1000);
    yield { name, ...middle, samples, gflops, share: gflops / fma!.rate, error };
  }
}

export type Timed = Pick<NetRow, "ms" | "recordMs" | "dispatches" | "peakBytes">;

export async function timed({ queue, pool }: Device, { run }: Pick<Job, "run">): Promise<Timed> {
  await queue.idle();
  pool.resetPeak();
  const [start, before] = [performance.now(), queue.dispatches];
  await scope(() => run());
  const recordMs = performance.now() - start;
  await queue.idle();
  return {
    ms: performance.now() - start,
    recordMs,
    dispatches: queue.dispatches - before,
    peakBytes: pool.peakBytes,
  };
}

/** `net` with the golden weights. */
function withWeights<N extends Module>(golden: Golden, net: N, prefix = ""): N {
  for (const [name, p] of net.entries()) p.write(paramValue(golden.tag + prefix + name, p.shape));
  return net;
}

/** A golden tensor, `B` times over. */
function repeated(golden: Golden, name: string, B: number): Tensor {
  const one = tensor(golden.values(name), golden.shape(name));
  return B === 1
    ? one
    : cat(
        Array.from({ length: B }, () => one),
        0,
      );
}

/** max|got - want| / max|want|, the golden tensor `B` times over. */
const errorOf = async (got: Tensor, golden: Golden, name: string): Promise<number> => {
  const want = golden.values(name);
  const values = (await got.read()) as Float32Array;
  return relativeError(
    values,
    Float32Array.from({ length: values.length }, (_, i) => want[i % want.length]!),
  );
};

/** The paper's net, or the golden files' small one, with B rows of its golden inputs over and over. */
function unetGiven(B: number, size: "full" | "small" = "full") {
  const golden = loadGolden(`unet_${size}`);
  const unet = withWeights(golden, new UNet(golden.json<UNetConfig>("config")));
  const steps = Array.from(golden.read("t").data as ArrayLike<number | bigint>, Number);
  const t = Array.from({ length: B }, (_, i) => steps[i % steps.length]!);
  const input = (name: string) => repeated(golden, name, B / golden.shape(name)[0]!);
  return { golden, unet, t, x: input("x"), context: input("context"), input };
}

async function unetForward(B: number): Promise<Job> {
  const { golden, unet, t, x, context } = unetGiven(B);
  const run = () => noGrad(() => unet.forward(x, t, context));
  return {
    gflop: B * GFLOP.unet,
    check: () => scope(() => errorOf(run(), golden, "eps_cond")),
    run: () => void run(),
    held: [unet, x, context],
  };
}

/** Forward, backward and Adam. */
export async function unetStep(B: number, size: "full" | "small" = "full"): Promise<Job> {
  const { golden, unet, t, x, context, input } = unetGiven(B, size);
  const grads = size === "full" ? loadGolden("unet_full_grads") : golden;
  const target = size === "full" ? repeated(grads, "target", B) : input("target");
  const adam = new Adam(unet.parameters());
  const loss = () => mse(unet.forward(x, t, context), target);
  return {
    gflop: size === "full" ? 3 * B * GFLOP.unet : 0,
    check: () => scope(() => errorOf(noGrad(loss), grads, "loss")),
    run: () => {
      backward(loss());
      adam.step({ lr: 1e-4 });
      adam.zeroGrad();
    },
    held: [adam, unet, x, context, target],
  };
}

/** Both passes of a guided step as one batch of two rows; checked against the official code's two calls. */
async function twoStageStep(): Promise<Job> {
  const { unet, x, context } = unetGiven(1);
  const jump = ddimJumps(linear().alphaBars, 50)
    .filter(({ t }) => t < 500)
    .slice(0, 1);
  const step = (form: "cheap" | "literal") => twoStage(unet, x, context, jump, { form });
  return {
    gflop: 2 * GFLOP.unet,
    check: () =>
      scope(async () => {
        const [got, want] = [await step("cheap"), await step("literal")];
        return relativeError((await got.x.read()) as Float32Array, (await want.x.read()) as Float32Array);
      }),
    run: async () => void (await step("cheap")),
    held: [unet, x, context],
  };
}

/** Checked at the golden file's size, timed at the paper's. */
async function vqgan(way: "encode" | "decode"): Promise<Job> {
  const golden = loadGolden("vq_full");
  const net = withWeights(golden, new VqGan(vqgans["vq-f4"]));
  const shape = way === "encode" ? [1, 3, 128, 128] : [1, 3, 32, 32];
  const x = tensor(hashed("bench", shape), shape);
  return {
    gflop: GFLOP[way],
    check: () =>
      scope(() =>
        way === "encode"
          ? errorOf(
              noGrad(() => net.encode(repeated(golden, "image", 1))),
              golden,
              "z",
            )
          : errorOf(
              noGrad(() => net.decodeCodes(repeated(golden, "quantized", 1))),
              golden,
              "decoded",
            ),
      ),
    run: () => void noGrad(() => net[way](x)),
    held: [net, x],
  };
}

/** Golden images as many times over as B asks. */
function faces(name: "ir_18" | "ir_50", B: number) {
  const golden = loadGolden("fr_backbones");
  const net = withWeights(golden, backbones[name](0));
  const x = repeated(golden, "image", B / golden.shape("image")[0]!);
  return { golden, net, x };
}

async function recogniserForward(name: "ir_18" | "ir_50", B: number): Promise<Job> {
  const { golden, net, x } = faces(name, B);
  const run = () => noGrad(() => net.forward(x));
  return {
    gflop: B * GFLOP[name],
    check: () => scope(() => errorOf(run(), golden, `${name}/embedding`)),
    run: () => void run(),
    held: [net, x],
  };
}

async function recogniserStep(name: "ir_18" | "ir_50", B: number, classes: number): Promise<Job> {
  const { golden, net, x } = faces(name, B);
  const head = new ArcFace(512, classes).init(0);
  const sgd = new SGD([...net.parameters(), ...head.parameters()], { momentum: 0.9, weightDecay: 5e-4 });
  const labels = Uint32Array.from({ length: B }, (_, i) => i);
  const truth = tensor(labels, [B], "u32");
  return {
    gflop: 3 * B * GFLOP[name],
    check: () =>
      scope(() =>
        errorOf(
          noGrad(() => net.forward(x)),
          golden,
          `${name}/embedding`,
        ),
      ),
    run: () => {
      backward(crossEntropy(head.forward(net.forward(x, random(0)), labels), truth));
      sgd.step({ lr: 0.01 });
      sgd.zeroGrad();
    },
    held: [sgd, head, net, x, truth],
  };
}

/** A line of the table. */
export function netLine({ name, ms, gflops, share, dispatches, recordMs, peakBytes }: NetRow): string {
  return (
    name.padEnd(48) +
    ms.toFixed(0).padStart(8) +
    gflops.toFixed(1).padStart(10) +
    `${(100 * share).toFixed(0)} %`.padStart(9) +
    dispatches.toLocaleString("en").padStart(12) +
    recordMs.toFixed(0).padStart(11) +
    (peakBytes / 2 ** 20).toFixed(0).padStart(11)
  );
}

export const netHeading = `${"what".padEnd(48)}${"ms".padStart(8)}${"GFLOP/s".padStart(10)}${"ceiling".padStart(9)}${"dispatches".padStart(12)}${"record ms".padStart(11)}${"peak MiB".padStart(11)}`;
