// How the tiled family's matmul and convolutions are cut up: sizes in, kernel constants, params and workgroups out.
//
//   matmul   o[n, m] = alpha sum_k p[n, k] q[m, k] + bias          shaders/matmul_tiled.wgsl
//
// Pure functions of shapes and settings (engine/tuning/settings.ts), no GPU, with the arguments of gemm_plan.ts. The portable
// tiles, of 64 x 64 and of 128 x 128, run within WebGPU's default limits (256 threads, 16 KiB of workgroup memory). The choice
// between them and the splits follows from counts alone.

import type { TileSettings } from "../tuning/settings.js";
import { type Conv, foldGroups, type Gemm, type GemmPlan, type Plan } from "./gemm_plan.js";

/** Constants of a tiled kernel: outputs a workgroup and a thread, k's a tile and written out, tiles in memory. */
export interface Tile {
  TN: number;
  TM: number;
  RN: number;
  RM: number;
  TK?: number;
  KU?: number;
  BUFFERS?: 1 | 2;
}

/** `splits` above 1: give the kernel an output `splits` times as long and add its parts with `sum_splits`. */
export interface Split {
  splits: number;
}

/** What a caller who knows better may fix; tests and benchmarks do. */
export interface Choice {
  tile?: Tile;
  splits?: number;
}

/** Threads of a workgroup. */
export const threadsOf = (t: Tile): number => (t.TN / t.RN) * (t.TM / t.RM);

/** Bytes of workgroup memory. */
export const workgroupBytes = (t: Tile): number => 4 * (t.TN + t.TM) * (t.TK ?? 16) * (t.BUFFERS ?? 1);

/** out[r, c] = alpha sum_k a[r, k] b[c, k] + bias, at every batch and head: bind a as p and b as q. */
export function planGemm(g: Gemm, settings: TileSettings, choice: Choice = {}): GemmPlan & Split {
  const products = (g.batch ?? 1) * (g.heads ?? 1);
  // The parts of a split follow each other without gaps, which an output with a start or with gaps between rows forbids.
  const dense = !g.out.start && g.out.ld === (g.out.contiguous ? g.cols : g.rows);
  const cut = cutUp(g.rows, g.cols, g.depth, products, products === 1 && dense, settings, choice);
  const operands = [g.a, g.b, g.out];
  return {
    swapped: false,
    splits: cut.splits,
    constants: {
      ...cut.constants,
      P_K: g.a.contiguous,
      Q_K: g.b.contiguous,
      O_M: g.out.contiguous,
      BIAS: g.bias ?? false,
      SPLIT: cut.splits > 1,
      PLUS: g.plus ?? false,
      SLOPE: g.gelu === "slope",
      SUMS: g.sums ?? false,
      GELU: g.gelu === "behind" && cut.splits === 1,
    },
    params: {
      M: g.cols,
      N: g.rows,
      K: g.depth,
      heads: g.heads ?? 1,
      ld_p: g.a.ld,
      ld_q: g.b.ld,
      ld_o: g.out.ld,
      alpha: g.alpha ?? 1,
      ...partOf(g.rows * g.cols * (g.heads ?? 1), g.rows * (g.heads ?? 1), g.sums),
      start: [...operands.map((o) => o.start ?? 0), g.biasStart ?? 0],
      batch_stride: [...operands.map((o) => o.batchStride ?? 0), 0],
      head_stride: [...operands.map((o) => o.headStride ?? 0), g.biasStride ?? 0],
    },
    workgroups: cut.workgroups,
  };
}

/** conv2d: bindings x (B, large), w (small channels, kh, kw, large channels), bias, y (B, small). */
export function planConv(g: Conv, settings: TileSettings, choice: Choice = {}): Plan & Split {
  const pixels = g.batch * g.small[0] * g.small[1];
  const depth = g.kernel[0] * g.kernel[1] * g.largeChannels;
  const cut = cutUp(pixels, g.smallChannels, depth, 1, true, settings, choice);
  return {
    splits: cut.splits,
    constants: { ...cut.constants, TRANSPOSED: false, BIAS: g.bias ?? false, PLUS: g.plus ?? false },
    params: { ...geometry(g), x_size: g.large, y_size: g.small, K: g.largeChannels, M: g.smallChannels },
    workgroups: cut.workgroups,
  };
}

/** conv_transpose2d, or conv2d's input gradient: bindings x = (B, small), the same w, bias, y = (B, large). */
export function planConvTransposed(g: Conv, settings: TileSettings, choice: Choice = {}): Plan & Split {
  const perRemainder = (size: number, axis: 0 | 1) => Math.ceil(size / g.stride[axis]);
  const pixels = g.batch * perRemainder(g.large[0], 0) * perRemainder(g.large[1], 1);
  const depth = perRemainder(g.kernel[0], 0) * perRemainder(g.kernel[1], 1) * g.smallChannels;
  const cut = cutUp(pixels, g.largeChannels, depth, g.stride[0] * g.stride[1], true, settings, choice);
  return {
    splits: cut.splits,
    constants: { ...cut.constants, TRANSPOSED: true, BIAS: g.bias ?? false, PLUS: g.plus ?? false },
    params: { ...geometry(g), x_size: g.small, y_size: g.large, K: g.smallChannels, M: g.largeChannels },
    workgroups: cut.workgroups,
  };
}

/** The weight gradient of both: bindings x (B, large), dy (B, small), dw (small channels, kh, kw, large channels). */
export function planConvWeight(g: Conv, settings: TileSettings, choice: Choice = {}): Plan & Split {
  const columns = g.kernel[0] * g.kernel[1] * g.largeChannels;
  const cut = cutUp(columns, g.smallChannels, g.batch * g.small[0] * g.small[1], 1, true, settings, choice);
  return {
    splits: cut.splits,
    constants: { ...cut.constants, SUMS: g.sums ?? false },
    params: {
      ...geometry(g),
      x_size: g.large,
      y_size: g.small,
      N: g.largeChannels,
      M: g.smallChannels,
      ...partOf(columns * g.smallChannels, g.smallChannels, g.sums),
    },
    workgroups: cut.workgroups,
  };
}

/** Where what a kernel writes behind its output of `n` elements begins: where a binding may. */
export const behind = (n: number): number => 64 * Math.ceil(n / 64);

const partOf = (n: number, sums: number, has = false) => ({ part: has ? behind(n) + sums : n, behind: behind(n) });

/** The launch of `sum_splits` over an output of `n` elements, with gelu(y) behind it if wanted. */
export function planSum(n: number, splits: number, gelu = false) {
  const params = { n, splits, behind: behind(n) };
  return { params, workgroups: foldGroups(Math.ceil(n / 256)), constants: { GELU: gelu } };
}

const geometry = (g: Conv) => ({ kernel: g.kernel, stride: g.stride, pad: g.pad, B: g.batch });

/** Tile, splits and grid of `products` GEMMs n x m, `depth` deep. */
function cutUp(
  n: number,
  m: number,
  depth: number,
  products: number,
  mayBeSplit: boolean,
  s: TileSettings,
  choice: Choice,
) {
  const groupsOf = (t: Tile) => Math.ceil(n / t.TN) * Math.ceil(m / t.TM) * products;
  const depths = { TK: s.tk, KU: s.ku, BUFFERS: s.buffers === 2 ? 2 : 1 } as const;
  const large: Tile = { TN: s.tn, TM: s.tm, RN: s.rn, RM: s.rm, ...depths };
  const [TN, TM] = [side(n), side(m)];
  const small: Tile = { TN, TM, RN: TN / 8, RM: TM / 8, ...depths };
  const tile = choice.tile ?? (groupsOf(large) >= s.workgroups ? large : small);
  const wanted = Math.min(
    Math.floor(s.workgroups / groupsOf(tile)), // none where they fill half of the adapter: adding parts is a second dispatch
    Math.floor(depth / s.splitDepth), // below, a split costs more in writing and adding its part than it gains
    s.maxSplits,
  );
  const splits = choice.splits ?? (mayBeSplit ? Math.max(1, wanted) : 1);
  const z = products * splits;
  if (z > 65_535) throw new RangeError(`matmul: ${z} products at once; the grid holds 65535.`);
  const [x, y] = foldGroups(groupsOf(tile) / products);
  return {
    splits,
    constants: { ...tile },
    workgroups: [x, y, z] as [number, number, number],
  };
}

/** 64 outputs along one side of a tile, 8 a thread, or half of both where there are few: always 64 threads. */
const side = (length: number): number => (length <= 32 ? 32 : 64);
