// Group normalisation with its affine map, an optional modulation and an optional SiLU, and the gradients.
//
//   xhat = (x - mean) rstd,  mean and rstd = 1 / sqrt(variance + eps) over a group of channels and all pixels
//   z    = (1 + scale) (w xhat + bias) + shift  =  a (x - mean) + s  with one a, s for each (b, c)
//   y    = z  or  z sigmoid(z)
//
//   d    = dy act'(z),  g = w (1 + scale),  n = elements of a group;  sums over the group:
//   dx   = a d + u (x - mean) + v,   u = -rstd^3 sum(g d (x - mean)) / n,   v = -rstd sum(g d) / n
//
// Two forms. On GPUs a workgroup does a whole group (group_norm_whole.ts). Else, and for large groups, there are steps: sums of
// chunks of pixels; their merge by group; the map, over x. Both end, on the way back, with the gradients of w, bias and modulation
// from sums per (b, c). Batch normalisation is the case of one channel a group over all items: batch_norm.ts uses the same steps.

import { device } from "../device.js";
import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { inParts } from "../parts.js";
import { scope } from "../scope.js";
import { type Kernel, kernel } from "../shader.js";
import { type Rule, record, type Take } from "../tape.js";
import { empty, emptyLike, type Layout, planes, sameShape, show, type Tensor, zeros } from "../tensor.js";
import { chunksOf, type Found, type Memory, memoryOf, type Norm, perPixel } from "./group_norm_plan.js";
import { fitsWorkgroup, wholeBackward, wholeForward } from "./group_norm_whole.js";

const statisticsKernel = kernel("group_norm_statistics"); //   x              -> partial
const merge = kernel("group_norm_merge"); //                   partial, w ... -> stats, affine
const mergeRows = kernel("group_norm_merge_rows");
const forward = kernel("group_norm"); //                       x, affine      -> y
const backwardSums = kernel("group_norm_backward_sums"); //    x, dy, affine  -> partial
const backwardMerge = kernel("group_norm_backward_merge"); //  partial ...    -> sums, uv
const backwardMergeRows = kernel("group_norm_backward_merge_rows");
const backwardInput = kernel("group_norm_backward"); //        x, dy, uv ...  -> dx
const backwardWeight = kernel("group_norm_backward_weight"); // sums ...      -> dw, dbias, dmodulation

export interface GroupNormOptions {
  eps?: number;
  /** Applies SiLU to the result. */
  silu?: boolean;
  /** (B, 2 C), scale and then shift of each channel: the normalised x is multiplied by 1 + scale, and shift is added. */
  modulation?: Tensor | undefined;
  /** Of y; x's own unless said. */
  layout?: Layout;
}

/**
 * PyTorch's `group_norm(x, groups, w, b, eps)`, then modulation, then SiLU.
 *
 * @param x      (B, C, ...) in either layout
 * @param w, b   (C)
 * @throws       ShapeError if groups does not divide C or a tensor does not fit
 */
export function groupNorm(x: Tensor, groups: number, w: Tensor, b: Tensor, options: GroupNormOptions = {}): Tensor {
  const { eps = 1e-5, silu = false, modulation, layout = x.layout } = options;
  const { batch, channels } = planes(x.shape);
  if (x.shape.length < 2 || !(groups > 0) || channels % groups) {
    throw new ShapeError(`groupNorm: x is ${show(x)}; its channels do not make ${groups} groups.`);
  }
  const fits: [string, Tensor | undefined, number[]][] = [
    ["w", w, [channels]],
    ["b", b, [channels]],
    ["modulation", modulation, [batch, 2 * channels]],
  ];
  for (const [name, t, shape] of fits) {
    if (t && !sameShape(t.shape, shape))
      throw new ShapeError(`groupNorm: ${name} is ${show(t)}; x ${show(x)} needs ${show(shape)}.`);
  }
  const norm: Norm = { x, memory: memoryOf(x, false), batch, groups, eps, silu, w, bias: b, modulation };
  if (fitsWorkgroup(norm)) {
    const y = empty(x.shape, "f32", layout);
    return recordNorm(norm, y, wholeForward(norm, y), wholeBackward);
  }
  return scope(() => {
    const found = statistics(norm);
    return recordNorm(norm, toLayout(applyAffine(norm, found.affine), layout), found, stepsBackward(false));
  });
}

/** From dy to the sums over pixels of d and of d xhat, (batch, 2, C), and to dx, if wanted. */
export type Backward = (
  norm: Norm,
  dy: Tensor,
  found: Found,
  wants: boolean,
  take: Take,
) => { sums: Tensor; dx?: Tensor };

export function statistics(norm: Norm): Found {
  return scope(() => {
    const { x, batch, groups, w, bias, modulation } = norm;
    const { chunks, run, workgroup: WORKGROUP } = chunksOf(norm.memory);
    const channels = x.dim(1);
    const partial = empty([norm.memory.items, chunks, 2, channels]);
    overItems(norm, { x, partial }, {}, (tensors, { T, ...place }) => {
      const workgroups = Math.ceil((place.items * chunks * place.units) / WORKGROUP);
      statisticsKernel.run(tensors, { ...place, chunks, run }, { workgroups, constants: { T, WORKGROUP } });
    });

    const stats = empty([batch, groups, 2]);
    const affine = empty([batch, 3, channels]);
    const unused = partial; // bound in place of what the constants say is not read
    const tensors = {
      partial,
      w: w ?? unused,
      bias: bias ?? unused,
      modulation: modulation ?? unused,
      stats,
      affine,
    };
    runMerge(norm, merge, mergeRows, tensors);
    return { stats, affine };
  });
}

/** y = act(a (x - mean) + s). */
export function applyAffine(norm: Norm, affine: Tensor): Tensor {
  const { x, silu: SILU } = norm;
  const y = emptyLike(x);
  overItems(norm, { x, y }, { affine }, (tensors, memory) => {
    const { T, ...place } = memory;
    forward.run(tensors, { ...place, item_stride: itemStride(norm, 3) }, perPixel(memory, { T, SILU }));
  });
  return y;
}

/** Puts y on the tape. */
export function recordNorm(norm: Norm, y: Tensor, { stats, affine }: Found, backward: Backward): Tensor {
  const { x, w, bias, modulation } = norm;
  const parts = { x, w, bias, modulation };
  const names = (Object.keys(parts) as (keyof typeof parts)[]).filter((name) => parts[name]);
  const inputs = names.map((name) => parts[name]!);
  const rule: Rule = (dy, needs, take) => {
    const { sums, dx } = backward(norm, dy, { stats, affine }, needs[0]!, take);
    const arrived = (name: "w" | "bias") => (needs[names.indexOf(name)] ? take(names.indexOf(name)) : undefined);
    const rest = needs.some((need, i) => need && i > 0) && weightGradients(norm, sums, arrived);
    const grads: Record<string, Tensor | undefined> = { x: dx, ...rest };
    return names.map((name, i) => (needs[i] ? grads[name]! : null));
  };
  return record(y, { inputs, saved: [stats, affine, ...inputs] }, rule);
}

/** `frozen`: the statistics are constants (batch norm in eval mode), so dx = a d alone. */
export const stepsBackward =
  (frozen: boolean): Backward =>
  (norm, given, { stats, affine }, wants) => {
    const dy = toLayout(given, norm.x.layout);
    const { sums, uv } = gradientSums(norm, dy, stats, affine);
    return wants ? { sums, dx: inputGradient(norm, dy, affine, frozen ? zeros(uv.shape) : uv) } : { sums };
  };

/** Per (b, c): the sums of d and of d xhat (batch, 2, C); and u, v of dx = a d + u (x - mean) + v. */
function gradientSums(norm: Norm, dy: Tensor, stats: Tensor, affine: Tensor): { sums: Tensor; uv: Tensor } {
  const { x, batch, w, modulation, silu: SILU } = norm;
  const { chunks, run, workgroup: WORKGROUP } = chunksOf(norm.memory);
  const channels = x.dim(1);
  const partial = empty([norm.memory.items, chunks, 2, channels]);
  overItems(norm, { x, dy, partial }, { affine }, (tensors, { T, ...place }) => {
    const params = { ...place, item_stride: itemStride(norm, 3), chunks, run };
    const workgroups = Math.ceil((place.items * chunks * place.units) / WORKGROUP);
    backwardSums.run(tensors, params, { workgroups, constants: { T, WORKGROUP, SILU } });
  });

  const sums = empty([batch, 2, channels]);
  const uv = empty([batch, 2, channels]);
  runMerge(norm, backwardMerge, backwardMergeRows, {
    partial,
    w: w ?? partial,
    modulation: modulation ?? partial,
    stats,
    sums,
    uv,
  });
  return { sums, uv };
}

function inputGradient(norm: Norm, dy: Tensor, affine: Tensor, uv: Tensor): Tensor {
  const { x, silu: SILU } = norm;
  const dx = emptyLike(x);
  overItems(norm, { x, dy, dx }, { affine, uv }, (tensors, memory) => {
    const { T, ...place } = memory;
    const params = { ...place, item_stride: itemStride(norm, 3), uv_stride: itemStride(norm, 2) };
    backwardInput.run(tensors, params, perPixel(memory, { T, SILU }));
  });
  return dx;
}

export function weightGradients(
  norm: Norm,
  sums: Tensor,
  arrived: (name: "w" | "bias") => Tensor | undefined,
): { w: Tensor; bias: Tensor; modulation: Tensor } {
  const { batch, w, bias, modulation } = norm;
  const channels = norm.x.dim(1);
  const grads = { w: empty([channels]), bias: empty([channels]), modulation: empty([batch, 2 * channels]) };
  const inputs = { sums, w: w ?? sums, bias: bias ?? sums, modulation: modulation ?? sums };
  const [plusW, plusBias] = [arrived("w"), arrived("bias")];
  const others = { plus_w: plusW ?? sums, plus_bias: plusBias ?? sums };
  const constants = { MODULATED: Boolean(modulation), PLUS_W: Boolean(plusW), PLUS_BIAS: Boolean(plusBias) };
  const tensors = { ...inputs, ...others, dw: grads.w, dbias: grads.bias, dmodulation: grads.modulation };
  const launch = { workgroups: Math.ceil(channels / 16), constants };
  backwardWeight.run(tensors, { batch, channels }, launch);
  return grads;
}

/** Merges partial sums by group: a workgroup a group on GPUs, a thread a group on software adapters. */
function runMerge(norm: Norm, tree: Kernel, rows: Kernel, tensors: Record<string, Tensor>): void {
  const { batch, groups, eps, memory } = norm;
  const channels = norm.x.dim(1);
  const { chunks, run } = chunksOf(memory);
  const count = norm.x.size / (batch * groups);
  const merged = chunks * (memory.items / batch);
  const params = {
    batch,
    groups,
    channels,
    pixels: memory.pixels,
    chunks: merged,
    item_chunks: chunks,
    run,
    count,
    eps,
  };
  const constants = { AFFINE: Boolean(norm.w), MODULATED: Boolean(norm.modulation) };
  if (device().family === "tiled") tree.run(tensors, params, { workgroups: batch * groups, constants });
  else rows.run(tensors, params, { workgroups: Math.ceil((batch * groups) / 16), constants });
}

/** Runs a step over all of x, or over a run of its items after the other; `maps` are an item each, or one for all. */
function overItems(
  { x, batch, memory }: Norm,
  items: Record<string, Tensor>,
  maps: Record<string, Tensor>,
  run: (tensors: Record<string, Tensor>, memory: Memory) => void,
): void {
  const whole = batch > 1 ? { ...items, ...maps } : items;
  inParts(whole, (part, count) => run({ ...maps, ...part }, { ...memory, items: (count * memory.items) / x.dim(0) }));
}

/** From one item's map to the next, in T; 0 where all items share one. */
function itemStride({ batch, memory }: Norm, planesOfMap: number): number {
  return batch === 1 ? 0 : planesOfMap * memory.units;
}
