// Inputs and weights: numbers that are a function of a name, so that every engine makes the same ones by itself and none has
// to be carried between processes. pytorch.py has the same functions.

import type { Module } from "../../engine/nn.js";
import { hashed, paramValue } from "../../test/golden.js";
import type { Task } from "./protocol.js";

/** Float32 in [-1, 1), in PyTorch's order. */
export const input = (name: string, shape: readonly number[]): Float32Array<ArrayBuffer> =>
  hashed(`peers/${name}`, shape);

/** A parameter by its key in the state dict, scaled to its fan-in. */
export const weight = (key: string, shape: readonly number[]): Float32Array<ArrayBuffer> =>
  paramValue(`peers/${key}`, shape);

/** `net` with those weights. */
export function filled<N extends Module>(net: N): N {
  for (const [key, parameter] of net.entries()) parameter.write(weight(key, parameter.shape));
  return net;
}

/** Row i of a batch is of class i, and the classes start again where they end. */
export const labels = (B: number, classes: number): Uint32Array<ArrayBuffer> =>
  Uint32Array.from({ length: B }, (_, i) => i % classes);

/** Rows with a 1 at their label. */
export function oneHot(B: number, classes: number): Float32Array<ArrayBuffer> {
  const hot = new Float32Array(B * classes);
  labels(B, classes).forEach((label, b) => {
    hot[b * classes + label] = 1;
  });
  return hot;
}

/** The time steps of a batch. */
export const timeSteps = (B: number): number[] => Array.from({ length: B }, (_, i) => (37 * i + 500) % 1000);

/** A convolution of the small net: 3x3, padding 1. */
export interface SmallConv {
  inputs: number;
  outputs: number;
  stride: number;
}

/** Five convolutions with a ReLU each, the mean of every channel, a linear layer: 0.058 GFLOP an image of 32 x 32. */
export const smallConvs: readonly SmallConv[] = [
  { inputs: 3, outputs: 32, stride: 1 },
  { inputs: 32, outputs: 64, stride: 2 },
  { inputs: 64, outputs: 64, stride: 1 },
  { inputs: 64, outputs: 128, stride: 2 },
  { inputs: 128, outputs: 128, stride: 1 },
];
export const SMALL_CLASSES = 10;

/** The small net's parameters by key, with shapes. */
export const smallParameters = (): [string, number[]][] => [
  ...smallConvs.flatMap(({ inputs, outputs }, i): [string, number[]][] => [
    [`conv${i}.weight`, [outputs, inputs, 3, 3]],
    [`conv${i}.bias`, [outputs]],
  ]),
  ["head.weight", [SMALL_CLASSES, smallConvs.at(-1)!.outputs]],
  ["head.bias", [SMALL_CLASSES]],
];

/** A residual block of the IR nets in training: channels, stride. */
export interface IrBlock {
  key: string;
  inputs: number;
  outputs: number;
  stride: number;
}

const IR_STAGES = { ir_18: [2, 2, 2, 2], ir_50: [3, 4, 14, 3] };
const IR_WIDTHS = [64, 128, 256, 512];
export const IR_SIDE = 112;
/** Of the last maps, and the features that come out. */
export const IR_LAST = 7;
export const IR_FEATURES = 512;

/** Block by block as models/iresnet.ts has them, for engines that build the net by hand. */
export function irBlocks(net: keyof typeof IR_STAGES): IrBlock[] {
  const sizes = IR_STAGES[net].flatMap((count, s) =>
    Array.from({ length: count }, (_, n) => ({
      inputs: n ? IR_WIDTHS[s]! : IR_WIDTHS[Math.max(0, s - 1)]!,
      outputs: IR_WIDTHS[s]!,
      stride: n ? 1 : 2,
    })),
  );
  return sizes.map((size, i) => ({ key: `body.${i}`, ...size }));
}

/** What an engine says of a task that it does not have. */
export class NotThere extends Error {
  constructor(task: Task, engine: string) {
    super(`${engine} has no ${task.op} here`);
  }
}

/** Trained parameters of an IR net by key, with shapes; without its head. */
export function irParameters(blocks: readonly IrBlock[]): [string, number[]][] {
  const norm = (key: string, channels: number): [string, number[]][] => [
    [`${key}.weight`, [channels]],
    [`${key}.bias`, [channels]],
  ];
  const last = IR_WIDTHS.at(-1)!;
  return [
    ["input_layer.0.weight", [IR_WIDTHS[0]!, 3, 3, 3]],
    ...norm("input_layer.1", IR_WIDTHS[0]!),
    ["input_layer.2.weight", [IR_WIDTHS[0]!]],
    ...norm("output_layer.0", last),
    ["output_layer.3.weight", [IR_FEATURES, last * IR_LAST ** 2]],
    ["output_layer.3.bias", [IR_FEATURES]],
    ...blocks.flatMap((block) => irBlockParameters(block, norm)),
  ];
}

function irBlockParameters(
  { key, inputs, outputs }: IrBlock,
  norm: (key: string, channels: number) => [string, number[]][],
): [string, number[]][] {
  const short: [string, number[]][] = [
    [`${key}.shortcut_layer.0.weight`, [outputs, inputs, 1, 1]],
    ...norm(`${key}.shortcut_layer.1`, outputs),
  ];
  return [
    ...norm(`${key}.res_layer.0`, inputs),
    [`${key}.res_layer.1.weight`, [outputs, inputs, 3, 3]],
    ...norm(`${key}.res_layer.2`, outputs),
    [`${key}.res_layer.3.weight`, [outputs]],
    [`${key}.res_layer.4.weight`, [outputs, outputs, 3, 3]],
    ...norm(`${key}.res_layer.5`, outputs),
    ...(inputs === outputs ? [] : short),
  ];
}
