// Winograd's form of a 3x3 convolution of stride 1: tiles of m x m outputs, F(m), with fewer multiplications.
//
//   y = AT ((G w GT) * (BT x B)) A + bias        for each tile; * for each of the T x T places t of a tile, T = m + 2,
//                                                is a matrix product:  p[t] (tiles, O) = v[t] (tiles, I) u[t]^T (I, O)
//   dx = the same with w turned by half a turn   dw = GT ((A dy AT) * (BT x B)) G, summed over tiles by the product
//
// 9 multiplications an output become 4 in F(2), 2.25 in F(4). Rounding differs from the direct form: winograd_output.wgsl
// has the bounds. Memory for a run: u, T T / 9 times w, made anew in training and kept while weights rest (kept.ts); v
// and p, (T / m)^2 times x and y, for a chunk of tiles at a time. convolution.ts decides when it pays.

import { device } from "../device.js";
import { mostElements, runElements } from "../parts.js";
import { scope } from "../scope.js";
import { kernel } from "../shader.js";
import { weightsRest } from "../tape.js";
import { empty, emptyLike, type Tensor } from "../tensor.js";
import type { Tuning } from "../tuning/settings.js";
import { gemm } from "./gemm.js";
import { type Conv, type Gemm, planGemm, type SubgroupSize, workOf } from "./gemm_plan.js";

const input = kernel("winograd_input"); //                       x -> v
const weight = kernel("winograd_weight"); //                     w -> u
const output = kernel("winograd_output"); //                     p, bias -> y
const backwardOutput = kernel("winograd_backward_output"); //    dy -> z
const backwardWeight = kernel("winograd_backward_weight"); //    du -> dw
const addInto = kernel("add_into"); //                           x -> y (in place)

/** Side of a tile of outputs: F(2) or F(4). */
export type WinogradTile = 2 | 4;

/** Elements of v or p at a time, 64 MiB: within every adapter's limit, and a small part of what a net needs. */
const CHUNK = 2 ** 24;

/** The image that is read and the one that is written, channels of both; `flipped`: w is turned and exchanges its channels. */
interface Sides {
  from: readonly [number, number];
  to: readonly [number, number];
  pad: readonly [number, number];
  inputs: number;
  outputs: number;
  flipped: boolean;
}

const forward = (g: Conv): Sides => {
  return { from: g.large, to: g.small, pad: g.pad, inputs: g.largeChannels, outputs: g.smallChannels, flipped: false };
};
const backward = (g: Conv): Sides => {
  const pad = [2 - g.pad[0], 2 - g.pad[1]] as const;
  return { from: g.small, to: g.large, pad, inputs: g.smallChannels, outputs: g.largeChannels, flipped: true };
};

interface Passed {
  x: Tensor;
  w: Tensor;
  bias?: Tensor | undefined;
  y: Tensor;
}

/** conv2d, or conv_transpose2d's input gradient: x (B, large), w (small channels, 3, 3, large channels), y (B, small). */
export const slideWinograd = (g: Conv, m: WinogradTile, passed: Passed) => convolve(forward(g), m, g.batch, passed);

/** conv_transpose2d, or conv2d's input gradient: x (B, small), the same w, y (B, large). */
export const spreadWinograd = (g: Conv, m: WinogradTile, passed: Passed) => convolve(backward(g), m, g.batch, passed);

function convolve(sides: Sides, m: WinogradTile, batch: number, { x, w, bias, y }: Passed): void {
  const { to, inputs, outputs, flipped } = sides;
  const [O, I] = flipped ? [inputs, outputs] : [outputs, inputs];
  const planes = (m + 2) ** 2;
  scope(() => {
    const u = transformedWeight(w, [planes, O, I], flipped);
    for (const chunk of chunksOf(sides, m, batch)) {
      scope(() => {
        const v = transformed(sides, m, x, chunk);
        const p = empty([planes, chunk.count, outputs]);
        gemm(productOf(sides, m, chunk.count), { a: v, b: u, out: p });
        const params = { ...chunk, y_size: to, C: outputs };
        output.run({ p, bias: bias ?? w, y }, params, perVec(m, p.size / planes, { BIAS: bias !== undefined }));
      });
    }
  });
}

/** u of w as it is now. */
function transformedWeight(w: Tensor, shape: [planes: number, O: number, I: number], flipped: boolean): Tensor {
  const [planes, O, I] = shape;
  const make = () => {
    const u = empty(shape);
    weight.run({ w, u }, { O, I }, perVec(planes === 36 ? 4 : 2, O * I, { FLIPPED: flipped }));
    return u;
  };
  return weightsRest() ? device().kept.get(w, `winograd ${shape} ${flipped}`, make) : make();
}

/** The weight gradient of both: x (B, large), dy (B, small), dw (small channels, 3, 3, large channels). */
export function correlateWinograd(g: Conv, m: WinogradTile, { x, dy, dw }: Record<"x" | "dy" | "dw", Tensor>): void {
  const sides = forward(g);
  const [O, I] = [sides.outputs, sides.inputs];
  const planes = (m + 2) ** 2;
  for (const chunk of chunksOf(sides, m, g.batch)) {
    scope(() => {
      const v = transformed(sides, m, x, chunk);
      const z = empty([planes, chunk.count, O]);
      backwardOutput.run({ dy, z }, { ...chunk, y_size: sides.to, C: O }, perVec(m, z.size / planes));
      const du = empty([planes, O, I]);
      gemm(gradientOf(sides, m, chunk.count), { a: z, b: v, out: du });
      const sum = chunk.first ? emptyLike(dw) : dw;
      backwardWeight.run({ du, dw: sum }, { O, I }, perVec(m, O * I));
      if (chunk.first) runElements(addInto, { x: sum, y: dw });
    });
  }
}

/** p = v u^T, plane by plane. */
function productOf({ inputs, outputs, flipped }: Sides, m: WinogradTile, tiles: number): Gemm {
  return {
    rows: tiles,
    cols: outputs,
    depth: inputs,
    batch: (m + 2) ** 2,
    a: { contiguous: true, ld: inputs, batchStride: tiles * inputs },
    b: { contiguous: !flipped, ld: flipped ? outputs : inputs, batchStride: outputs * inputs },
    out: { contiguous: true, ld: outputs, batchStride: tiles * outputs },
  };
}

/** du = z^T v, plane by plane. */
function gradientOf({ inputs, outputs }: Sides, m: WinogradTile, tiles: number): Gemm {
  return {
    rows: outputs,
    cols: inputs,
    depth: tiles,
    batch: (m + 2) ** 2,
    a: { contiguous: false, ld: outputs, batchStride: tiles * outputs },
    b: { contiguous: false, ld: inputs, batchStride: tiles * inputs },
    out: { contiguous: true, ld: inputs, batchStride: outputs * inputs },
  };
}

/** v of a chunk: (T T, count, inputs). */
function transformed({ from, pad, inputs }: Sides, m: WinogradTile, x: Tensor, chunk: Chunk): Tensor {
  const v = empty([(m + 2) ** 2, chunk.count, inputs]);
  input.run({ x, v }, { ...chunk, x_size: from, pad, C: inputs }, perVec(m, chunk.count * inputs));
  return v;
}

/** The tiles from `first` to `first + count`, of `tiles` (rows, columns) in an image; row by row, image after image. */
interface Chunk {
  tiles: readonly [number, number];
  first: number;
  count: number;
}

const tilesOf = ({ to }: Sides, m: WinogradTile) => [Math.ceil(to[0] / m), Math.ceil(to[1] / m)] as const;

/** All tiles, cut so that v and p can be bound. */
function chunksOf(sides: Sides, m: WinogradTile, batch: number): Chunk[] {
  const tiles = tilesOf(sides, m);
  const all = batch * tiles[0] * tiles[1];
  const each = (m + 2) ** 2 * Math.max(sides.inputs, sides.outputs);
  const most = Math.max(1, Math.floor(Math.min(CHUNK, mostElements()) / each));
  const count = Math.ceil(all / Math.ceil(all / most));
  return Array.from({ length: Math.ceil(all / count) }, (_, i) => {
    return { tiles, first: i * count, count: Math.min(count, all - i * count) };
  });
}

/** One thread for each vec4f of `elements`. */
const perVec = (m: WinogradTile, elements: number, constants: Record<string, boolean> = {}) => ({
  workgroups: Math.ceil(elements / 256),
  constants: { TILE: m + 2, ...constants },
});

/** The part of calls in which weights that rest are transformed: two, in a sampler of some fifty steps. */
const AT_REST = 0.05;

/**
 * The work of a pass in multiply-adds as gemm_plan.ts#workOf counts them, and in elements that the transforms and the product
 * move; infinite where it is no 3x3 of stride 1, or where u cannot be bound. Weights lie in as many planes as a tile has
 * places, and pay more the more there are; where they rest, they are transformed in few of many calls. Source: CPU time of 87 passes of 16 to 768 channels, sides of 4 to 64, on lavapipe
 * and SwiftShader, 2026-11-24 (docs/kernels.md): the form with the least work was the fastest, or 1 % slower in the mean.
 */
export function winogradWork(
  g: Conv,
  m: WinogradTile,
  pass: "slide" | "spread" | "correlate",
  lanes: SubgroupSize,
  { matmul, winograd }: Tuning["broadcast"],
  rests = false,
): number {
  const sides = pass === "spread" ? backward(g) : forward(g);
  const { inputs, outputs } = sides;
  const planes = (m + 2) ** 2;
  const fits = [...g.kernel, ...g.stride].join() === "3,3,1,1" && planes * inputs * outputs <= mostElements();
  if (!fits) return Number.POSITIVE_INFINITY;
  const [rows, columns] = tilesOf(sides, m);
  const tiles = g.batch * rows * columns;
  const product = pass === "correlate" ? gradientOf(sides, m, tiles) : productOf(sides, m, tiles);
  const ofTiles = tiles * (2 * planes * inputs + (2 * planes + m * m) * outputs);
  const ofWeights = (rests ? AT_REST : 1) * (planes + 9) * inputs * outputs;
  return (
    workOf(planGemm(product, lanes, matmul), product.depth) + winograd.moved * (ofTiles + (planes / 18) * ofWeights)
  );
}
