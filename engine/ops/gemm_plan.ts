// How the broadcast family's matmul and convolutions are cut up: sizes in, kernel constants, params and workgroups out.
//
//   matmul   o[n, m] = alpha sum_k p[n, k] q[m, k] + bias          shaders/matmul_broadcast.wgsl
//
// Pure functions, no GPU. The lanes of a subgroup lie along N, 4 * columns each; M is spread by broadcast. The numbers
// were measured on lavapipe (subgroup 8) and SwiftShader (subgroup 4), 2026-11-24, the two adapters of this family.

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
export function planGemm(g: Gemm, subgroup: SubgroupSize): GemmPlan {
  const swapped = g.rows < 4 * subgroup && g.cols > g.rows;
  const [n, m] = swapped ? [g.cols, g.rows] : [g.rows, g.cols];
  const [p, q] = swapped ? [g.b, g.a] : [g.a, g.b];
  const outM = g.out.contiguous !== swapped; // is m the contiguous dimension of the output?
  const { rm, cn, ku } = tile(m, n, g.depth, p, q, subgroup);
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
      BIAS: g.bias ?? false,
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
      start: [...operands.map((o) => o.start ?? 0), 0],
      batch_stride: [...operands.map((o) => o.batchStride ?? 0), 0],
      head_stride: [...operands.map((o) => o.headStride ?? 0), 0],
    },
    workgroups: [x, y, z],
  };
}

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

/** Rows a workgroup: 4, 8 or 16, where there are few, beat a half-empty tile by up to 2.3x. */
function rowsOf(m: number, subgroup: SubgroupSize): number {
  return m <= 4 ? 4 : m <= 8 ? 8 : m <= 16 || subgroup === 4 ? 16 : 32;
}

/** Rows a workgroup, vec4f columns a thread, k's a turn. Source: docs/kernels.md, constants of the broadcast family. */
function tile(m: number, n: number, k: number, p: Operand, q: Operand, subgroup: SubgroupSize) {
  const rm = rowsOf(m, subgroup);
  if (p.contiguous || q.contiguous) return { rm, ...alongK(rm, n, !p.contiguous || isApart(p.ld), subgroup) };
  const ku = k % 2 === 0 ? 2 : 1; // the weight gradient's form: no operand has k contiguous
  return { rm, cn: subgroup === 8 && ku === 2 && fillsTwo(n) ? 2 : 1, ku };
}

/**
 * Vec4f columns a thread and k's a turn where k is contiguous. On lavapipe 2 and 2 take 0.7 to 0.85 of the time of 1 and 4
 * (CPU time, matmul and convolution of 16 to 1000 channels, 2026-11-24), except where few rows are, where half of a workgroup
 * would have no work, or where columns are not `apart`. On SwiftShader they change nothing.
 */
function alongK(rm: number, n: number, apart: boolean, subgroup: SubgroupSize): { cn: number; ku: number } {
  if (subgroup === 4) return { cn: 1, ku: 2 };
  return rm >= 16 && apart && fillsTwo(n) ? { cn: 2, ku: 2 } : { cn: 1, ku: 4 };
}

/** Whether columns, `ld` elements from one to the next, do not all fall into the same lines of a cache of 32 KiB. */
const isApart = (ld: number): boolean => ld % 1024 !== 0;

/** Whether workgroups of 2 vec4f's for each of 8 lanes leave hardly more lanes without a column than those of 1. */
const fillsTwo = (n: number): boolean => 64 * Math.ceil(n / 64) <= 1.1 * 32 * Math.ceil(n / 32);

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
}

/** conv2d: bindings x (B, large), w (small channels, kh, kw, large channels), bias, y (B, small). */
export function planConv(g: Conv, subgroup: SubgroupSize): Plan {
  return convLaunch(g, false, subgroup);
}

/** conv_transpose2d, or conv2d's input gradient: bindings x = (B, small), the same w, bias, y = (B, large). */
export function planConvTransposed(g: Conv, subgroup: SubgroupSize): Plan {
  return convLaunch(g, true, subgroup);
}

function convLaunch(g: Conv, transposed: boolean, subgroup: SubgroupSize): Plan {
  const from = transposed ? { size: g.small, channels: g.smallChannels } : { size: g.large, channels: g.largeChannels };
  const to = transposed ? { size: g.large, channels: g.largeChannels } : { size: g.small, channels: g.smallChannels };
  const remainders = transposed ? g.stride : ([1, 1] as const); // output pixels of one remainder share their taps
  const pixels = g.batch * Math.ceil(to.size[0] / remainders[0]) * Math.ceil(to.size[1] / remainders[1]);
  const rm = rowsOf(to.channels, subgroup);
  const { cn, ku } = alongK(rm, pixels, isApart(from.channels), subgroup);
  const [x, y] = foldGroups(Math.ceil(to.channels / rm) * Math.ceil(pixels / (4 * cn * subgroup)));
  const wWidth = transposed ? 4 : ku;
  return {
    constants: {
      SG: subgroup,
      RM: rm,
      CN: cn,
      KU: ku,
      TRANSPOSED: transposed,
      BIAS: g.bias ?? false,
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
    },
    workgroups: [x, y, remainders[0] * remainders[1]],
  };
}

/** Workgroups that keep the cores of a software adapter busy to the end. */
const ENOUGH = 32;
/** Output pixels below which a split costs more in writing and adding its part than it gains. */
const SPLIT_PIXELS = 256;

/**
 * The weight gradient of both: bindings x (B, large), dy (B, small), dw (splits, small channels, kh, kw, large channels),
 * whose parts the caller adds.
 */
export function planConvWeight(g: Conv, subgroup: SubgroupSize): Plan & { splits: number } {
  // Direct weight gradient: 2 vec4f's a lane. Measured 2026-11-24, lavapipe, 3x3: batch 8, one pixel a turn
  // in short rows (768 channels at 4x4: 24, not 28 ms); batch 32 at 64x64, taps side by side in the lanes, rows cut to the
  // channels and split pixels, against a tap a workgroup: 10, not 125 ms (4 to 16 channels), 31, not 82 ms (16 to 16).
  const rm = rowsOf(g.smallChannels, subgroup);
  const cn = 2;
  const ku = subgroup === 4 || g.small[1] < 8 ? 1 : 2;
  const columns = g.kernel[0] * g.kernel[1] * g.largeChannels;
  const groups = Math.ceil(g.smallChannels / rm) * Math.ceil(columns / (4 * cn * subgroup));
  const rows = g.batch * g.small[0];
  const splits = Math.max(
    1,
    Math.min(Math.ceil(ENOUGH / groups), Math.floor((rows * g.small[1]) / SPLIT_PIXELS), rows),
  );
  return {
    splits,
    constants: { SG: subgroup, RM: rm, CN: cn, KU: ku },
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
