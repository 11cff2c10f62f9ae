// The three passes that conv2d and conv_transpose2d share; here, and only here, their family is chosen.
//
//   slide      small[o] = sum_tap w[tap] large[o stride - pad + tap]      conv2d; the input gradient of conv_transpose2d
//   spread     large[p] = the transpose of slide                          conv_transpose2d; the input gradient of conv2d
//   correlate  dw[tap]  = sum_o dsmall[o] large[o stride - pad + tap]     the weight gradient of both
//
// All tensors channels_last: large (B, L, H, W), small (B, S, H', W'), w (S, L, kh, kw), L and S multiples of 4.

import { device } from "../device.js";
import { ShapeError } from "../errors.js";
import { runElements } from "../parts.js";
import { scope } from "../scope.js";
import { kernel } from "../shader.js";
import { weightsRest } from "../tape.js";
import { copyElements, show, type Tensor } from "../tensor.js";
import type { Tuning } from "../tuning/settings.js";
import { inSplits } from "./gemm.js";
import type { Conv, SubgroupSize } from "./gemm_plan.js";
import * as broadcast from "./gemm_plan.js";
import * as tiled from "./tiled_plan.js";
import { channelSums } from "./weight_gradient.js";
import { correlateWinograd, slideWinograd, spreadWinograd, type WinogradTile, winogradWork } from "./winograd.js";

/** All sides; [rows, columns]; or [top, left, bottom, right]. */
export type Padding = number | readonly [number, number] | readonly [number, number, number, number];

export interface ConvOptions {
  stride?: number;
  padding?: Padding;
  /** (B, O, H', W'), added to the result: a residual. conv2d alone. */
  plus?: Tensor | undefined;
  /** In the place of what `formOf` would choose, for all passes: for tests and benchmarks. */
  form?: Form | undefined;
}

export type Pass = "slide" | "spread" | "correlate";

/** The sum as it stands, or the tile of Winograd's form (3x3 kernels of stride 1 alone). */
export type Form = "direct" | WinogradTile;

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
const addInto = kernel("add_into"); //                                    x -> y (in place)

export interface Passed {
  /** What is read: `large` of slide, `small` of spread. */
  x: Tensor;
  w: Tensor;
  bias?: Tensor | undefined;
  /** Is added; lies as y does. */
  plus?: Tensor | undefined;
  y: Tensor;
}

/**
 * The form of a pass: of those that an adapter takes, the one with the least work.
 *
 * Winograd's are for software adapters, and not for `precision: "exact"`: winograd_output.wgsl has their errors. Work is
 * estimated in multiply-adds (winograd.ts#winogradWork).
 */
export function formOf(g: Conv, pass: Pass): Form {
  const { family, precision, tuning } = device();
  if (family !== "broadcast" || precision === "exact") return "direct";
  return leastWork(g, pass, lanes(), tuning.broadcast, weightsRest());
}

/** The same of these settings. */
export function leastWork(
  g: Conv,
  pass: Pass,
  lanes: SubgroupSize,
  settings: Tuning["broadcast"],
  rests = false,
): Form {
  const direct = directWork[pass](g, lanes, settings);
  const [two, four] = [2, 4].map((m) => winogradWork(g, m as WinogradTile, pass, lanes, settings, rests)) as [
    number,
    number,
  ];
  if (Math.min(two, four) > settings.winograd.gain * direct) return "direct";
  return two < four ? 2 : 4;
}

const directWork: Record<Pass, (g: Conv, lanes: SubgroupSize, s: Tuning["broadcast"]) => number> = {
  slide: (g, lanes, s) =>
    broadcast.workOf(broadcast.planConv(g, lanes, s.conv), g.largeChannels * g.kernel[0] * g.kernel[1]),
  spread: (g, lanes, s) =>
    broadcast.workOf(broadcast.planConvTransposed(g, lanes, s.conv), g.smallChannels * g.kernel[0] * g.kernel[1]),
  correlate: (g, lanes, s) => {
    const plan = broadcast.planConvWeight(g, lanes, s.conv_weight);
    return broadcast.workOf(plan, (g.batch * g.small[0] * g.small[1]) / plan.splits);
  },
};

export function slide(g: Conv, passed: Passed, form = formOf(g, "slide")): void {
  if (form !== "direct") withPlus(passed, () => slideWinograd(g, form, passed));
  else if (device().family === "broadcast") runBroadcast(broadcast.planConv, g, passed);
  else runTiled(tiled.planConv, g, passed);
}

export function spread(g: Conv, passed: Passed, form = formOf(g, "spread")): void {
  if (form !== "direct") withPlus(passed, () => spreadWinograd(g, form, passed));
  else if (device().family === "broadcast") runBroadcast(broadcast.planConvTransposed, g, passed);
  else runTiled(tiled.planConvTransposed, g, passed);
}

/** Winograd's form of GPUs' kernels, which tests alone ask for: what the direct form adds and sums up as it passes comes after. */
function withPlus({ plus, y }: Passed, run: () => void): void {
  run();
  if (plus) runElements(addInto, { x: plus, y });
}

function runBroadcast(planOf: typeof broadcast.planConv, g: Conv, { x, w, bias, y }: Passed): void {
  const plan = planOf({ ...g, bias: bias !== undefined }, lanes(), device().tuning.broadcast.conv);
  convBroadcast.run({ x, w, bias: bias ?? w, y }, plan.params, plan); // a binding must be filled without a bias too
}

function runTiled(planOf: typeof tiled.planConv, g: Conv, { x, w, bias, plus, y }: Passed): void {
  const plan = planOf({ ...g, bias: bias !== undefined, plus: plus !== undefined }, device().tuning.tiled.conv);
  inSplits(plan.splits, y, (y) => convTiled.run({ x, w, bias: bias ?? w, plus: plus ?? w, y }, plan.params, plan));
}

export function correlate(
  g: Conv,
  { large, small, dw }: { large: Tensor; small: Tensor; dw: Tensor },
  form = formOf(g, "correlate"),
): void {
  const inputs = { x: large, dy: small };
  if (form !== "direct") {
    correlateWinograd(g, form, { ...inputs, dw });
    const O = g.smallChannels;
    if (g.sums) scope(() => copyElements(channelSums(small, O), dw, { to: dw.size - O, count: O }));
  } else if (device().family === "broadcast") {
    const plan = broadcast.planConvWeight(g, lanes(), device().tuning.broadcast.conv_weight);
    inSplits(plan.splits, dw, (dw) => weightBroadcast.run({ ...inputs, dw }, plan.params, plan));
  } else {
    const plan = tiled.planConvWeight(g, device().tuning.tiled.conv_weight);
    inSplits(plan.splits, dw, (dw) => weightTiled.run({ ...inputs, dw }, plan.params, plan));
  }
}

/** Lanes of a subgroup, for the plans of the broadcast family. */
const lanes = () => (device().subgroupSize === 4 ? 4 : 8);
