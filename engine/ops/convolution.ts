// The three passes that conv2d and conv_transpose2d share; here, and only here, their family is chosen.
//
//   slide      small[o] = sum_tap w[tap] large[o stride - pad + tap]      conv2d; the input gradient of conv_transpose2d
//   spread     large[p] = the transpose of slide                          conv_transpose2d; the input gradient of conv2d
//   correlate  dw[tap]  = sum_o dsmall[o] large[o stride - pad + tap]     the weight gradient of both
//
// All tensors channels_last: large (B, L, H, W), small (B, S, H', W'), w (S, L, kh, kw), L and S multiples of 4.

import { device } from "../device.js";
import { ShapeError } from "../errors.js";
import { kernel } from "../shader.js";
import { show, type Tensor } from "../tensor.js";
import { inSplits } from "./gemm.js";
import type { Conv } from "./gemm_plan.js";
import * as broadcast from "./gemm_plan.js";
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

const convBroadcast = kernel("conv2d_broadcast"); //                      x, w, bias -> y     software adapters
const convTiled = kernel("conv2d_tiled"); //                              x, w, bias -> y     GPUs
const weightBroadcast = kernel("conv2d_backward_weight_broadcast"); //    x, dy -> dw
const weightTiled = kernel("conv2d_backward_weight_tiled"); //            x, dy -> dw

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
  if (family === "broadcast") {
    const plan = broadcast.planConv(sizes, subgroupSize === 4 ? 4 : 8);
    convBroadcast.run({ ...inputs, y }, plan.params, plan);
    return;
  }
  const plan = tiled.planConv(sizes);
  inSplits(plan.splits, y, (y) => convTiled.run({ ...inputs, y }, plan.params, plan));
}

export function spread(g: Conv, { x, w, bias, y }: Passed): void {
  const inputs = { x, w, bias: bias ?? w };
  const sizes = { ...g, bias: bias !== undefined };
  const { family, subgroupSize } = device();
  if (family === "broadcast") {
    const plan = broadcast.planConvTransposed(sizes, subgroupSize === 4 ? 4 : 8);
    convBroadcast.run({ ...inputs, y }, plan.params, plan);
    return;
  }
  const plan = tiled.planConvTransposed(sizes);
  inSplits(plan.splits, y, (y) => convTiled.run({ ...inputs, y }, plan.params, plan));
}

export function correlate(g: Conv, { large, small, dw }: { large: Tensor; small: Tensor; dw: Tensor }): void {
  const inputs = { x: large, dy: small };
  const { family, subgroupSize } = device();
  if (family === "broadcast") {
    const plan = broadcast.planConvWeight(g, subgroupSize === 4 ? 4 : 8);
    inSplits(plan.splits, dw, (dw) => weightBroadcast.run({ ...inputs, dw }, plan.params, plan));
    return;
  }
  const plan = tiled.planConvWeight(g);
  inSplits(plan.splits, dw, (dw) => weightTiled.run({ ...inputs, dw }, plan.params, plan));
}
