// The three passes that conv2d and conv_transpose2d share; here, and only here, their family is chosen.
//
//   slide      small[o] = sum_tap w[tap] large[o stride - pad + tap]      conv2d; the input gradient of conv_transpose2d
//   spread     large[p] = the transpose of slide                          conv_transpose2d; the input gradient of conv2d
//   correlate  dw[tap]  = sum_o dsmall[o] large[o stride - pad + tap]     the weight gradient of both
//
// All tensors channels_last: large (B, L, H, W), small (B, S, H', W'), w (S, L, kh, kw), L and S multiples of 4.

import { device } from "../device.js";
import { ShapeError } from "../errors.js";
import { scope } from "../scope.js";
import { type Kernel, kernel } from "../shader.js";
import { empty, show, type Tensor } from "../tensor.js";
import * as broadcast from "./gemm_plan.js";
import type { Conv, Plan } from "./gemm_plan.js";
import * as tiled from "./tiled_plan.js";

/** All sides; [rows, columns]; or [top, left, bottom, right]. */
export type Padding = number | readonly [number, number] | readonly [number, number, number, number];

export interface ConvOptions {
  stride?: number;
  padding?: Padding;
}

/** Top, left, bottom, right. */
export function sides(padding: Padding): readonly [number, number, number, number] {
  if (typeof padding === "number") return [padding, padding, padding, padding];
  const [top, left, bottom = top, right = left] = padding;
  return [top, left, bottom, right];
}

/** Throws unless x (B, C, H, W), w (S, L, kh, kw) and the bias agree. */
export function checkConv(op: string, x: Tensor, w: Tensor, bias: Tensor | undefined, wChannels: 0 | 1): void {
  if (x.shape.length !== 4 || w.shape.length !== 4) {
    throw new ShapeError(`${op}: x is ${show(x)} and w ${show(w)}; both need four dimensions.`);
  }
  if (x.shape[1] !== w.shape[wChannels]) {
    throw new ShapeError(`${op}: x has ${x.shape[1]} channels, w expects ${w.shape[wChannels]}.
  x  ${show(x)}${x.madeBy && `   made by ${x.madeBy}`}
  w  ${show(w)}   ${w.name}`);
  }
  const outputs = w.shape[1 - wChannels];
  if (bias && (bias.shape.length !== 1 || bias.size !== outputs)) {
    throw new ShapeError(`${op}: bias is ${show(bias)}, but w ${show(w)} makes ${outputs} channels.`);
  }
}

const slideBroadcast = kernel("conv2d_broadcast"); //                      x, w, bias -> y
const slideTiled = kernel("conv2d_tiled"); //                              x, w, bias -> y
const correlateBroadcast = kernel("conv2d_backward_weight_broadcast"); //  x, dy -> dw
const correlateTiled = kernel("conv2d_backward_weight_tiled"); //          x, dy -> dw

export interface Passed {
  /** What is read: `large` of slide, `small` of spread. */
  x: Tensor;
  w: Tensor;
  bias?: Tensor | undefined;
  y: Tensor;
}

export function slide(g: Conv, { x, w, bias, y }: Passed): void {
  const inputs = { x, w, bias: bias ?? w }; // a binding must be filled even where the constant BIAS is false
  const sizes = { ...g, bias: bias !== undefined };
  const { family, subgroupSize } = device();
  if (family === "tiled") runTiled(slideTiled, inputs, { y }, tiled.planConv(sizes));
  else run(slideBroadcast, { ...inputs, y }, broadcast.planConv(sizes, subgroupSize === 4 ? 4 : 8));
}

export function spread(g: Conv, { x, w, bias, y }: Passed): void {
  const inputs = { x, w, bias: bias ?? w };
  const sizes = { ...g, bias: bias !== undefined };
  const { family, subgroupSize } = device();
  if (family === "tiled") runTiled(slideTiled, inputs, { y }, tiled.planConvTransposed(sizes));
  else run(slideBroadcast, { ...inputs, y }, broadcast.planConvTransposed(sizes, subgroupSize === 4 ? 4 : 8));
}

export function correlate(g: Conv, { large, small, dw }: { large: Tensor; small: Tensor; dw: Tensor }): void {
  const inputs = { x: large, dy: small };
  const { family, subgroupSize } = device();
  if (family === "tiled") runTiled(correlateTiled, inputs, { dw }, tiled.planConvWeight(g));
  else run(correlateBroadcast, { ...inputs, dw }, broadcast.planConvWeight(g, subgroupSize === 4 ? 4 : 8));
}

const run = (chosen: Kernel, tensors: Record<string, Tensor>, plan: Plan): void => chosen.run(tensors, plan.params, plan);

const sumSplits = kernel("sum_splits"); // x -> y

/** Runs a tiled kernel with one output; where its depth is split, into parts that are then added. */
function runTiled(
  chosen: Kernel,
  inputs: Record<string, Tensor>,
  output: Record<string, Tensor>,
  plan: Plan & tiled.Split,
): void {
  if (plan.splits === 1) return run(chosen, { ...inputs, ...output }, plan);
  const [name, y] = Object.entries(output)[0]!;
  scope(() => {
    const parts = empty([plan.splits, y.size]);
    run(chosen, { ...inputs, [name]: parts }, plan);
    const sum = tiled.planSum(y.size, plan.splits);
    sumSplits.run({ x: parts, y }, sum.params, sum);
  });
}
