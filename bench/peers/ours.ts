// The engine of this repository, through its public functions, as a user of the library would call them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Device } from "../../engine/device.js";
import {
  Adam,
  attention,
  backward,
  conv2d,
  crossEntropy,
  groupNorm,
  keep,
  matmul,
  mean,
  mse,
  noGrad,
  openDevice,
  random,
  relu,
  reshape,
  SGD,
  scope,
  softmax,
  type Tensor,
  tensor,
  transpose,
} from "../../engine/index.js";
import { Conv2d, Linear, Module } from "../../engine/nn.js";
import { affine } from "../../engine/ops/unary.js";
import type { Shape } from "../../engine/tensor.js";
import { unets, vqgans } from "../../models/configs.js";
import { ArcFace } from "../../models/heads.js";
import { backbones } from "../../models/iresnet.js";
import { UNet } from "../../models/unet.js";
import { VqGan } from "../../models/vqgan.js";
import { peersFolder } from "./borrowed-gpu.js";
import type { Engine, Job } from "./engine.js";
import { filled, input, labels, timeSteps } from "./inputs.js";
import { IR_FEATURES, IR_SIDE, SMALL_CLASSES, smallConvs } from "./nets.js";
import { rates, type Task } from "./protocol.js";

/** Opens the best adapter there is, or the one that UIFACE_ADAPTER names. */
export async function open(): Promise<{ engine: Engine; device: Device }> {
  const device = await openDevice();
  const { version } = JSON.parse(readFileSync(join(peersFolder(), "..", "..", "package.json"), "utf8")) as {
    version: string;
  };
  const engine = { name: "ours", version, prepare: async (task: Task) => jobs(task), idle: () => device.queue.idle() };
  return { engine, device };
}

/** What a job holds for as long as it lives. */
type Held = { dispose(): void };
/** The task of one kind. */
type Of<K extends Task["op"]> = Extract<Task, { op: K }>;

/** All of them: what ours has not, is not compared. */
function jobs(task: Task): Job {
  switch (task.op) {
    case "matmul":
      return matmulJob(task);
    case "conv":
      return convJob(task);
    case "attention":
      return attentionJob(task);
    case "softmax":
      return softmaxJob(task);
    case "groupNorm":
      return groupNormJob(task);
    case "adam":
      return adamJob(task);
    case "unet":
      return unetJob(task);
    case "decode":
      return decodeJob(task);
    case "ir":
      return irJob(task);
    case "irStep":
      return irStep(task);
    case "smallStep":
      return smallStep(task);
  }
}

/** An input on the GPU; images are channels_last, as the nets have them. */
const given = (name: string, shape: Shape): Tensor =>
  keep(tensor(input(name, shape), shape, "f32", shape.length === 4 && shape[1]! % 4 === 0 ? "channels_last" : "plain"));

/** Runs `work` without a tape, and keeps its last result. */
function forward(work: () => Tensor, held: readonly Held[]): Job {
  let last: Tensor | undefined;
  return {
    run: () => {
      last?.dispose();
      last = keep(noGrad(() => scope(work)));
    },
    result: async () => (await last!.read()) as Float32Array,
    drop: () => {
      for (const one of [...held, ...(last ? [last] : [])]) one.dispose();
    },
  };
}

/** Runs one update after the other, and keeps the first two losses. */
function steps(loss: () => Tensor, optimizer: Adam | SGD, lr: number, held: readonly Held[]): Job {
  const losses: Tensor[] = [];
  return {
    run: () =>
      scope(() => {
        const l = loss();
        if (losses.length < 2) losses.push(keep(affine(l.detach(), 1)));
        backward(l);
        optimizer.step({ lr });
        optimizer.zeroGrad();
      }),
    result: async () => {
      const read: number[] = [];
      for (const l of losses) read.push((await l.read())[0]!);
      return Float32Array.from(read);
    },
    drop: () => {
      for (const one of [optimizer, ...held, ...losses]) one.dispose();
    },
  };
}

/** Both operands row-major. */
function matmulJob({ n }: Of<"matmul">): Job {
  const [a, b] = [given("a", [n, n]), given("b", [n, n])];
  return forward(() => matmul(a, b), [a, b]);
}

/** The form is the engine's choice, as in a net: transforms of the weight are part of every run. */
function convJob({ B, I, O, side }: Of<"conv">): Job {
  const [x, w] = [given("x", [B, I, side, side]), given("w", [O, I, 3, 3])];
  return forward(() => conv2d(x, w, undefined, { padding: 1 }), [x, w]);
}

/** Heads of one image; q, k and v are channels_last (1, heads D, L), which is rows of L tokens. */
function attentionJob({ heads, L, D }: Of<"attention">): Job {
  const part = (name: string): Tensor => {
    const rows = tensor(input(name, [heads, L, D]), [heads, L, D]); // one head an image
    return keep(scope(() => transpose(rows).channelsLast()));
  };
  const [q, k, v] = [part("q"), part("k"), part("v")];
  const run = () => attention(q, k, v, { heads: 1, scale: D ** -0.5 });
  const job = forward(run, [q, k, v]);
  // The result is (heads, D, L): back to (heads, L, D).
  const result = async () => {
    const got = await job.result();
    return got.map((_, i) => got[i - (i % (L * D)) + (i % D) * L + Math.floor((i % (L * D)) / D)]!);
  };
  return { ...job, result };
}

function softmaxJob({ rows, cols }: Of<"softmax">): Job {
  const x = given("x", [rows, cols]);
  return forward(() => softmax(x), [x]);
}

function groupNormJob({ B, C, side, groups }: Of<"groupNorm">): Job {
  const [x, w, b] = [given("x", [B, C, side, side]), given("w", [C]), given("b", [C])];
  return forward(() => groupNorm(x, groups, w, b), [x, w, b]);
}

/** A gradient that stays: `zeroGrad` is never called. */
function adamJob({ n }: Of<"adam">): Job {
  const w = given("w", [n]).requiresGrad("w");
  const optimizer = new Adam([w]);
  scope(() => backward(affine(w, 1), tensor(input("g", [n]), [n])));
  return {
    run: () => optimizer.step({ lr: rates.adam }),
    result: async () => (await w.read()) as Float32Array,
    drop: () => {
      optimizer.dispose();
      w.dispose();
    },
  };
}

/** In evaluation mode also where it trains: no identity is dropped, so that PyTorch does the same. */
function unetJob({ size, B, steps: training }: Of<"unet">): Job {
  const config = size === "paper" ? unets.unet_cond_ca_cpd25_uncond20 : { ...unets.tiny, predicts: "noise" as const };
  const side = size === "paper" ? 32 : 16;
  const net = filled(new UNet(config));
  const x = given("x", [B, 3, side, side]);
  const context = given("context", [B, config.context_input_channels]);
  const eps = () => net.forward(x, timeSteps(B), context);
  if (!training) return forward(eps, [net, x, context]);
  const target = given("target", [B, 3, side, side]);
  return steps(() => mse(eps(), target), new Adam(net.parameters()), rates.unet, [net, x, context, target]);
}

/** From codes, not from latents: two engines that round differently may choose different codes. */
function decodeJob({ size, side }: Of<"decode">): Job {
  const net = filled(new VqGan(vqgans[size === "paper" ? "vq-f4" : "tiny"]));
  const z = given("z", [1, 3, side, side]);
  return forward(() => net.decodeCodes(z), [net, z]);
}

/** With running statistics. */
function irJob({ net: name, B }: Of<"ir">): Job {
  const net = filled(backbones[name](0));
  const x = given("image", [B, 3, IR_SIDE, IR_SIDE]);
  return forward(() => net.forward(x), [net, x]);
}

/** With the batch's statistics; without dropout, whose numbers are each engine's own. */
function irStep({ net: name, B, classes, head: kind }: Of<"irStep">): Job {
  const net = filled(backbones[name](0));
  const [head, logits] = headOf(kind, classes, labels(B, classes));
  const x = given("image", [B, 3, IR_SIDE, IR_SIDE]);
  const truth = keep(tensor(labels(B, classes), [B], "u32"));
  const sgd = new SGD([...net.parameters(), ...head.parameters()], { momentum: rates.momentum });
  const loss = () => crossEntropy(logits(net.forward(x, random(0))), truth);
  return steps(loss, sgd, rates.ir, [net, head, x, truth]);
}

/** A head with its weights, and what it makes of features. */
function headOf(kind: "linear" | "arcface", classes: number, truth: Uint32Array): [Module, (x: Tensor) => Tensor] {
  if (kind === "arcface") {
    const head = filled(new ArcFace(IR_FEATURES, classes));
    return [head, (features) => head.forward(features, truth)];
  }
  const head = filled(new LinearHead(classes));
  return [head, (features) => head.head.forward(features)];
}

/** Under the key `head`. */
class LinearHead extends Module {
  readonly head: Linear;

  constructor(classes: number) {
    super();
    this.head = new Linear(IR_FEATURES, classes);
  }
}

/** conv0 ... conv4 and head, as `smallParameters` names them. */
class SmallNet extends Module {
  readonly convs: readonly Conv2d[];
  readonly head = new Linear(smallConvs.at(-1)!.outputs, SMALL_CLASSES);

  constructor() {
    super();
    const made = smallConvs.map(
      ({ inputs, outputs, stride }) => new Conv2d(inputs, outputs, 3, { stride, padding: 1 }),
    );
    this.convs = made;
  }

  /** Keys without the list's name in them. */
  override entries(prefix = ""): ReturnType<Module["entries"]> {
    return super.entries(prefix).map(([key, p]) => [key.replace("convs.", "conv"), p]);
  }

  forward(x: Tensor): Tensor {
    let h = x;
    for (const conv of this.convs) h = relu(conv.forward(h));
    const [B, C, H, W] = h.shape as [number, number, number, number];
    return this.head.forward(mean(reshape(h, [B, C, H * W]), 2));
  }
}

/** Mean cross-entropy, Adam. */
function smallStep({ B, side }: Of<"smallStep">): Job {
  const net = filled(new SmallNet());
  const x = given("image", [B, 3, side, side]);
  const truth = keep(tensor(labels(B, SMALL_CLASSES), [B], "u32"));
  const loss = () => crossEntropy(net.forward(x), truth);
  return steps(loss, new Adam(net.parameters()), rates.small, [net, x, truth]);
}
