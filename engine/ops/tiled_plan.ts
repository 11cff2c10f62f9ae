// How the tiled family's matmul and convolutions are cut up: sizes in, kernel constants, params and workgroups out.
//
//   matmul   o[n, m] = alpha sum_k p[n, k] q[m, k] + bias          shaders/matmul_tiled.wgsl
//
// Pure functions, no GPU, with the arguments of gemm_plan.ts. Tiles of 64 x 64 run within WebGPU's default limits (256
// threads, 16 KiB of workgroup memory), and so do those of 128 x 128. The choice between them and the splits follows from
// counts alone: no number here was measured on a GPU yet (2026-11-24).

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

/** What a caller who knows better may fix; tests and the tuner do. */
export interface Choice {
  tile?: Tile;
  splits?: number;
}

/** Workgroups that fill a large GPU: two for each of an H100's 132 multiprocessors. */
const ENOUGH = 264;
/** Depth below which a split costs more in writing and adding its part than it gains; a multiple of any TK. */
const SPLIT_DEPTH = 256;
const MAX_SPLITS = 32;

/** Threads of a workgroup. */
export const threadsOf = (t: Tile): number => (t.TN / t.RN) * (t.TM / t.RM);

/** Bytes of workgroup memory. */
export const workgroupBytes = (t: Tile): number => 4 * (t.TN + t.TM) * (t.TK ?? 16) * (t.BUFFERS ?? 1);

/** out[r, c] = alpha sum_k a[r, k] b[c, k] + bias, at every batch and head: bind a as p and b as q. */
export function planGemm(g: Gemm, choice: Choice = {}): GemmPlan & Split {
  const products = (g.batch ?? 1) * (g.heads ?? 1);
  // The parts of a split follow each other without gaps, which an output with a start or with gaps between rows forbids.
  const dense = !g.out.start && g.out.ld === (g.out.contiguous ? g.cols : g.rows);
  const cut = cutUp(g.rows, g.cols, g.depth, products, products === 1 && dense, choice);
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
      start: [...operands.map((o) => o.start ?? 0), 0],
      batch_stride: [...operands.map((o) => o.batchStride ?? 0), 0],
      head_stride: [...operands.map((o) => o.headStride ?? 0), 0],
    },
    workgroups: cut.workgroups,
  };
}

/** conv2d: bindings x (B, large), w (small channels, kh, kw, large channels), bias, y (B, small). */
export function planConv(g: Conv, choice: Choice = {}): Plan & Split {
  const pixels = g.batch * g.small[0] * g.small[1];
  const depth = g.kernel[0] * g.kernel[1] * g.largeChannels;
  const cut = cutUp(pixels, g.smallChannels, depth, 1, true, choice);
  return {
    splits: cut.splits,
    constants: { ...cut.constants, TRANSPOSED: false, BIAS: g.bias ?? false },
    params: { ...geometry(g), x_size: g.large, y_size: g.small, K: g.largeChannels, M: g.smallChannels },
    workgroups: cut.workgroups,
  };
}

/** conv_transpose2d, or conv2d's input gradient: bindings x = (B, small), the same w, bias, y = (B, large). */
export function planConvTransposed(g: Conv, choice: Choice = {}): Plan & Split {
  const perRemainder = (size: number, axis: 0 | 1) => Math.ceil(size / g.stride[axis]);
  const pixels = g.batch * perRemainder(g.large[0], 0) * perRemainder(g.large[1], 1);
  const depth = perRemainder(g.kernel[0], 0) * perRemainder(g.kernel[1], 1) * g.smallChannels;
  const cut = cutUp(pixels, g.largeChannels, depth, g.stride[0] * g.stride[1], true, choice);
  return {
    splits: cut.splits,
    constants: { ...cut.constants, TRANSPOSED: true, BIAS: g.bias ?? false },
    params: { ...geometry(g), x_size: g.small, y_size: g.large, K: g.smallChannels, M: g.largeChannels },
    workgroups: cut.workgroups,
  };
}

/** The weight gradient of both: bindings x (B, large), dy (B, small), dw (small channels, kh, kw, large channels). */
export function planConvWeight(g: Conv, choice: Choice = {}): Plan & Split {
  const columns = g.kernel[0] * g.kernel[1] * g.largeChannels;
  const cut = cutUp(columns, g.smallChannels, g.batch * g.small[0] * g.small[1], 1, true, choice);
  return {
    splits: cut.splits,
    constants: cut.constants,
    params: { ...geometry(g), x_size: g.large, y_size: g.small, N: g.largeChannels, M: g.smallChannels },
    workgroups: cut.workgroups,
  };
}

/** The launch of `sum_splits` over an output of `n` elements. */
export function planSum(
  n: number,
  splits: number,
): { params: { n: number; splits: number }; workgroups: [number, number] } {
  return { params: { n, splits }, workgroups: foldGroups(Math.ceil(n / 256)) };
}

const geometry = (g: Conv) => ({ kernel: g.kernel, stride: g.stride, pad: g.pad, B: g.batch });

/** Tile, splits and grid of `products` GEMMs n x m, `depth` deep. */
function cutUp(n: number, m: number, depth: number, products: number, mayBeSplit: boolean, choice: Choice) {
  const groupsOf = (t: Tile) => Math.ceil(n / t.TN) * Math.ceil(m / t.TM) * products;
  const large: Tile = { TN: 128, TM: 128, RN: 8, RM: 8 };
  const tile = choice.tile ?? (groupsOf(large) >= ENOUGH ? large : { ...side("N", n), ...side("M", m) });
  const wanted = Math.min(Math.ceil(ENOUGH / groupsOf(tile)), Math.floor(depth / SPLIT_DEPTH), MAX_SPLITS);
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
function side<S extends "N" | "M">(name: S, length: number): Record<`T${S}` | `R${S}`, number> {
  const few = length <= 32;
  return { [`T${name}`]: few ? 32 : 64, [`R${name}`]: few ? 4 : 8 } as Record<`T${S}` | `R${S}`, number>;
}
