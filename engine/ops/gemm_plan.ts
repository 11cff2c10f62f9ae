// How the broadcast family's matmul and convolutions are cut up: sizes in, kernel constants, params and workgroups out.
//
//   matmul   o[n, m] = alpha sum_k p[n, k] q[m, k] + bias          shaders/matmul_broadcast.wgsl
//
// Pure functions of shapes and settings (engine/tuning/settings.ts), no GPU. The lanes of a subgroup lie along N, 4 * columns
// each; M is spread by broadcast. The numbers that stand here were measured on lavapipe (subgroup 8) and SwiftShader
// (subgroup 4), 2026-11-24, the two adapters of this family.

import type { LaneSettings, WeightSettings } from "../tuning/settings.js";
import { alongK, isApart, rowsOf, tile } from "./lane_plan.js";

/** Lanes of a subgroup: 4 on SwiftShader, 8 on lavapipe with 256-bit registers. */
export type SubgroupSize = 4 | 8;

export interface Plan {
  constants: Record<string, number | boolean | string>;
  params: Record<string, number | readonly number[]>;
  workgroups: [number, number, number];
}

/** A matrix (rows, depth) per batch and head; distances in elements, each a multiple of 4. */
export interface Operand {
  /** Is the depth (or for the output: are the columns) contiguous in memory? */
  contiguous: boolean;
  /** Elements from one row to the next, or between depths if the rows are contiguous. */
  ld: number;
  start?: number;
  batchStride?: number;
  headStride?: number;
}

export interface Gemm {
  rows: number; // R
  cols: number; // C
  depth: number; // K
  a: Operand; // (R, K)
  b: Operand; // (C, K)
  out: Operand; // (R, C)
  batch?: number;
  heads?: number;
  alpha?: number;
  /** One value a column of the output (or a row, if rows are contiguous there). */
  bias?: boolean;
  /** From a head's biases, or sums, to the next head's; 0 where all share them. */
  biasStride?: number;
  biasStart?: number;
  /** Tiled kernels alone: a tensor that lies as the output does is added. */
  plus?: boolean;
  /** Tiled kernels alone: the sums of a over the depth follow behind the output (tiled_plan.ts#behind). */
  sums?: boolean;
  /** Tiled kernels alone: gelu(out) follows behind the output; or out is multiplied by gelu'(plus), and plus not added. */
  gelu?: "behind" | "slope" | undefined;
}

/** `swapped`: bind b as p and a as q. */
export interface GemmPlan extends Plan {
  swapped: boolean;
}

/**
 * What a plan's workgroups do, in multiply-adds of one with 32 rows: edges and idle lanes count, and few rows pay more for
 * the loads of their columns (RM 8: 1.7, 16: 1.3 times the time for as many multiply-adds, lavapipe, 2026-11-24).
 */
export function workOf({ constants: { SG, RM, CN }, workgroups: [x, y, z] }: Plan, depth: number): number {
  return x * y * z * 4 * Number(CN) * Number(SG) * ((2 / 3) * (Number(RM) + 16)) * depth;
}

/** A dimension of the grid, at most (WebGPU's default maxComputeWorkgroupsPerDimension). */
const maxGroups = 65_535;

/** Folds a count of workgroups into the first two dimensions of the grid. */
export function foldGroups(count: number): [number, number] {
  const y = Math.max(1, Math.ceil(count / maxGroups));
  return [Math.ceil(count / y), y];
}

/**
 * out[r, c] = alpha sum_k a[r, k] b[c, k] + bias, at every batch and head.
 *
 * The lanes take the rows of a unless these are too few to fill them; then the roles are swapped.
 */
export function planGemm(g: Gemm, subgroup: SubgroupSize, settings: LaneSettings): GemmPlan {
  const swapped = g.rows <= 4 * subgroup && g.cols > g.rows;
  const [n, m] = swapped ? [g.cols, g.rows] : [g.rows, g.cols];
  const [p, q] = swapped ? [g.b, g.a] : [g.a, g.b];
  const outM = g.out.contiguous !== swapped; // is m the contiguous dimension of the output?
  const rows = swapped ? Math.min(16, settings.rows) : settings.rows; // a pipeline of 16 rows is there already
  const { rm, cn, ku } = tile([m, n, g.depth], p, q, subgroup, { ...settings, rows });
  const heads = g.heads ?? 1;
  const z = (g.batch ?? 1) * heads;
  if (z > maxGroups) throw new RangeError(`matmul: ${z} products at once; the grid holds ${maxGroups}.`);

  const [x, y] = foldGroups(Math.ceil(m / rm) * Math.ceil(n / (4 * cn * subgroup)));
  const operands = [p, q, g.out];
  return {
    swapped,
    constants: {
      SG: subgroup,
      RM: rm,
      CN: cn,
      KU: ku,
      P_K: p.contiguous,
      Q_K: q.contiguous,
      O_M: outM,
      SWAP: swaps(subgroup, rm),
      WRITTEN_OUT: writtenOut(subgroup),
      ...loadWidths(p.contiguous, q.contiguous, ku),
    },
    params: {
      M: m,
      N: n,
      K: g.depth,
      heads,
      ld_p: p.ld,
      ld_q: q.ld,
      ld_o: g.out.ld,
      alpha: g.alpha ?? 1,
      start: [...operands.map((o) => o.start ?? 0), g.biasStart ?? 0],
      batch_stride: [...operands.map((o) => o.batchStride ?? 0), 0],
      head_stride: [...operands.map((o) => o.headStride ?? 0), g.biasStride ?? 0],
      has_bias: Number(g.bias ?? false),
    },
    workgroups: [x, y, z],
  };
}

/**
 * Whether sums are variables, and their stores written out. Arrays cost SwiftShader a fifth to a third of its speed; on lavapipe
 * they are as fast, and a product of 32 rows is compiled in 0.5 s, not in 6 (2026-11-24): its compiler looks at every pair of
 * blocks, and a load or store of a vec4f is 40 to 60 of them.
 */
const writtenOut = (subgroup: SubgroupSize): boolean => subgroup === 4;

/**
 * Whether rows reach the lanes of a quad by swaps, an instruction each, in the place of broadcasts, some ten: 0.8 of the time of a
 * product on SwiftShader, 2026-11-24. 16 rows are a vec4f for each lane.
 */
const swaps = (subgroup: SubgroupSize, rm: number): boolean => subgroup === 4 && rm === 16;

/** An operand with contiguous k is loaded KU wide; any other a vec4f along its own rows. */
export function loadWidths(pK: boolean, qK: boolean, ku: number): Record<string, number | string> {
  const width = (contiguous: boolean) => (contiguous ? ku : 4);
  return {
    P_VEC: `vec${width(pK)}f`,
    Q_VEC: `vec${width(qK)}f`,
    P_WIDTH: width(pK),
    Q_WIDTH: width(qK),
  };
}

export interface Conv {
  /** Height and width of the side that the windows slide over: x of conv2d, y of conv_transpose2d; and of the other. */
  large: readonly [number, number];
  small: readonly [number, number];
  largeChannels: number;
  smallChannels: number;
  batch: number;
  kernel: readonly [number, number];
  stride: readonly [number, number];
  /** Top and left; bottom and right follow from the sizes. */
  pad: readonly [number, number];
  bias?: boolean;
  /** Tiled kernels alone, as in Gemm. */
  plus?: boolean;
  sums?: boolean;
}

/** conv2d: bindings x (B, large), w (small channels, kh, kw, large channels), bias, y (B, small). */
export function planConv(g: Conv, subgroup: SubgroupSize, settings: LaneSettings): Plan {
  return convLaunch(g, false, subgroup, settings);
}

/** conv_transpose2d, or conv2d's input gradient: bindings x = (B, small), the same w, bias, y = (B, large). */
export function planConvTransposed(g: Conv, subgroup: SubgroupSize, settings: LaneSettings): Plan {
  return convLaunch(g, true, subgroup, settings);
}

function convLaunch(g: Conv, transposed: boolean, subgroup: SubgroupSize, settings: LaneSettings): Plan {
  const from = transposed ? { size: g.small, channels: g.smallChannels } : { size: g.large, channels: g.largeChannels };
  const to = transposed ? { size: g.large, channels: g.largeChannels } : { size: g.small, channels: g.smallChannels };
  const remainders = transposed ? g.stride : ([1, 1] as const); // output pixels of one remainder share their taps
  const pixels = g.batch * Math.ceil(to.size[0] / remainders[0]) * Math.ceil(to.size[1] / remainders[1]);
  const rm = rowsOf(to.channels, settings.rows);
  const { cn, ku } = alongK(rm, pixels, isApart(from.channels), subgroup, settings);
  const [x, y] = foldGroups(Math.ceil(to.channels / rm) * Math.ceil(pixels / (4 * cn * subgroup)));
  const wWidth = transposed ? 4 : ku;
  return {
    constants: {
      SG: subgroup,
      RM: rm,
      CN: cn,
      KU: ku,
      TRANSPOSED: transposed,
      WRITTEN_OUT: writtenOut(subgroup),
      SWAP: swaps(subgroup, rm),
      X_VEC: `vec${ku}f`,
      W_VEC: `vec${wWidth}f`,
      W_WIDTH: wWidth,
    },
    params: {
      x_size: from.size,
      y_size: to.size,
      kernel: g.kernel,
      stride: g.stride,
      pad: g.pad,
      B: g.batch,
      K: from.channels,
      M: to.channels,
      has_bias: Number(g.bias ?? false),
    },
    workgroups: [x, y, remainders[0] * remainders[1]],
  };
}

/**
 * The weight gradient of both: bindings x (B, large), dy (B, small), dw (splits, small channels, kh, kw, large channels),
 * whose parts the caller adds.
 */
export function planConvWeight(g: Conv, subgroup: SubgroupSize, settings: WeightSettings): Plan & { splits: number } {
  // Measured 2026-11-24, lavapipe, 3x3, batch 32 at 64x64: taps side by side in the lanes, rows cut to the channels and
  // split pixels, against a tap a workgroup: 10, not 125 ms (4 to 16 channels), 31, not 82 ms (16 to 16).
  const rm = rowsOf(g.smallChannels, settings.rows);
  const cn = settings.columns;
  const ku = settings.pixels;
  const columns = g.kernel[0] * g.kernel[1] * g.largeChannels;
  const groups = Math.ceil(g.smallChannels / rm) * Math.ceil(columns / (4 * cn * subgroup));
  const pixels = g.batch * g.small[0] * g.small[1];
  const splits = Math.max(
    1,
    Math.min(Math.ceil(settings.workgroups / groups), Math.floor(pixels / settings.splitPixels)),
  );
  return {
    splits,
    constants: { SG: subgroup, RM: rm, CN: cn, KU: ku, SWAP: swaps(subgroup, rm) },
    params: {
      x_size: g.large,
      y_size: g.small,
      kernel: g.kernel,
      stride: g.stride,
      pad: g.pad,
      B: g.batch,
      N: g.largeChannels,
      M: g.smallChannels,
      splits,
    },
    workgroups: [...foldGroups(groups), splits],
  };
}
