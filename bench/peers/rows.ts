// The rows of the comparison: what is run, who runs it, and how far ahead we want to be.

import type { Device } from "../../engine/device.js";
import type { Size, Task } from "./protocol.js";

/** The engines by what the command line calls them, ours apart; `torch` is the one without WebGPU. */
export const peerNames = ["jax", "tfjs", "ort", "torch"] as const;
export type Peer = (typeof peerNames)[number];

/** One line of the table. */
export interface RowPlan {
  name: string;
  task: Task;
  peers: readonly Peer[];
  /** By adapter; of another one nothing is wanted. */
  wanted: Goal;
}

/** Of milliseconds, theirs over ours: of the fastest WebGPU engine, of PyTorch. */
export interface Wanted {
  webgpu?: number;
  torch?: number;
}
export type Goal = Partial<Record<Device["kind"], Wanted>>;

const all: readonly Peer[] = peerNames;

/** Ahead of the other WebGPU engines, and what else is wanted on lavapipe. */
const ahead = (lavapipe: number, swiftshader = lavapipe, more: Wanted = {}): Goal => ({
  lavapipe: { webgpu: lavapipe, ...more },
  swiftshader: { webgpu: swiftshader },
});
/** Behind PyTorch, whose vector code an adapter that imitates a GPU on the same processor hardly passes: by so much at most. */
const FORWARD: Wanted = { torch: 1 / 2.5 };
const STEP: Wanted = { torch: 1 / 3.5 };
// 3x3 convolutions and training steps, whose work Winograd's form saves; rows and attention; a plain product, which has no form
// that saves work; a step of Adam, which is memory and nothing else.
const CONV = ahead(8);
const ROWS = ahead(4);
const MATMUL = ahead(5, 2);
const ADAM = ahead(2.5, 4);

/** The shapes of the UNet (B8) and of the decoder (B1). */
const conv = (B: number, I: number, side: number): RowPlan => ({
  name: `conv 3x3 B${B} ${I}->${I} @${side}`,
  task: { op: "conv", B, I, O: I, side },
  peers: all,
  wanted: CONV,
});

/** Latents of 32 x 32 x 3. */
const unet = (B: number, peers: readonly Peer[], wanted: Goal, steps = false): RowPlan => ({
  name: `UNet ${steps ? "training step (Adam)" : "forward"} B${B}`,
  task: { op: "unet", size: "paper", B, steps },
  peers,
  wanted,
});

/** In the order of the table: operations, then nets, then training steps. */
export const rows: readonly RowPlan[] = [
  { name: "matmul 1024^3", task: { op: "matmul", n: 1024 }, peers: all, wanted: MATMUL },
  conv(8, 96, 32),
  conv(8, 192, 16),
  conv(8, 768, 4),
  conv(1, 128, 128),
  conv(1, 512, 32),
  { name: "attention 48x256x32", task: { op: "attention", heads: 48, L: 256, D: 32 }, peers: all, wanted: ROWS },
  { name: "softmax 12288x256", task: { op: "softmax", rows: 12_288, cols: 256 }, peers: all, wanted: ROWS },
  {
    name: "group norm 32, 8x192x16x16",
    task: { op: "groupNorm", B: 8, C: 192, side: 16, groups: 32 },
    peers: all,
    wanted: ROWS,
  },
  { name: "Adam 10M", task: { op: "adam", n: 10_000_000 }, peers: ["jax", "tfjs", "torch"], wanted: ADAM },
  unet(1, ["ort", "torch"], ahead(12, 25, FORWARD)),
  unet(8, ["torch"], { lavapipe: FORWARD }),
  {
    name: "VQ-f4 decode 32x32",
    task: { op: "decode", size: "paper", side: 32 },
    peers: ["ort", "torch"],
    wanted: ahead(15, 25, FORWARD),
  },
  { name: "IR-50 forward B8", task: { op: "ir", net: "ir_50", B: 8 }, peers: ["torch"], wanted: { lavapipe: FORWARD } },
  {
    name: "small net training step (Adam) B16",
    task: { op: "smallStep", B: 16, side: 32 },
    peers: ["jax", "tfjs", "torch"],
    wanted: CONV,
  },
  {
    name: "IR-18 training step (SGD) B8",
    task: { op: "irStep", net: "ir_18", B: 8, classes: 1000, head: "linear" },
    peers: ["jax", "tfjs", "torch"],
    wanted: CONV,
  },
  unet(4, ["torch"], { lavapipe: STEP }, true),
  {
    name: "IR-50 training step (ArcFace, SGD) B8",
    task: { op: "irStep", net: "ir_50", B: 8, classes: 10_572, head: "arcface" },
    peers: ["torch"],
    wanted: { lavapipe: STEP },
  },
];

/** The same tasks at sizes that take milliseconds: --tiny, for tests and for a look at an engine. Nothing is wanted of them. */
export const tiny: readonly RowPlan[] = rows.map((row) => ({
  ...row,
  name: `${row.name}, tiny`,
  task: shrunk(row.task),
  wanted: {},
}));

/** Small enough for every kernel to be a matter of overhead. */
function shrunk(task: Task): Task {
  const size: Size = "tiny";
  switch (task.op) {
    case "matmul":
      return { ...task, n: 64 };
    case "conv":
      return { ...task, B: 1, I: 8, O: 8, side: 8 };
    case "attention":
      return { ...task, heads: 2, L: 16, D: 8 };
    case "softmax":
      return { ...task, rows: 32, cols: 64 };
    case "groupNorm":
      return { ...task, B: 1, C: 32, side: 4, groups: 4 };
    case "adam":
      return { ...task, n: 4096 };
    case "unet":
      return { ...task, size, B: Math.min(task.B, 2) };
    case "decode":
      return { ...task, size, side: 8 };
    case "ir":
    case "irStep":
      return { ...task, net: "ir_18", B: 4 };
    case "smallStep":
      return { ...task, B: 4, side: 16 };
  }
}
