// The tiled matmul and convolution kernels, called directly, against float64 sums. The ops' own tests run them too; here are
// the traps of tiling: edges of tiles and threads, blocks past the depth, splits, both numbers of buffers.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import type { Conv, Gemm, Operand, Plan } from "../../engine/ops/gemm_plan.js";
import * as tiled from "../../engine/ops/tiled_plan.js";
import { random } from "../../engine/random.js";
import { kernel } from "../../engine/shader.js";
import { empty, type Tensor, tensor } from "../../engine/tensor.js";
import { portable } from "../../engine/tuning/settings.js";
import { compare } from "../check-op.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());

const small: tiled.Tile = { TN: 32, TM: 32, RN: 4, RM: 4 };
const square: tiled.Tile = { TN: 64, TM: 64, RN: 8, RM: 8 };
const large: tiled.Tile = { TN: 128, TM: 128, RN: 8, RM: 8 };

/** What outputs are filled with beforehand: an element that a kernel must not touch still has it. */
const UNTOUCHED = 777;
const GUARD = 64;

function uniform(key: string, n: number): Float32Array {
  return Float32Array.from(random(3, key).uniforms(n), (u) => 2 * u - 1);
}

/** Runs a kernel, and the second pass if the plan splits the depth; returns the output and the guard zone behind it. */
async function run(name: string, inputs: Record<string, Tensor>, out: string, n: number, plan: Plan & tiled.Split) {
  const y = tensor(new Float32Array(n + GUARD).fill(UNTOUCHED));
  if (plan.splits === 1) {
    kernel(name).run({ ...inputs, [out]: y }, plan.params, plan);
  } else {
    const parts = empty([plan.splits * n]);
    kernel(name).run({ ...inputs, [out]: parts }, plan.params, plan);
    const sum = tiled.planSum(n, plan.splits);
    kernel("sum_splits").run({ x: parts, y }, sum.params, sum);
    parts.dispose();
  }
  const values = (await y.read()) as Float32Array;
  for (const x of [y, ...Object.values(inputs)]) x.dispose();
  expect([...values.subarray(n)], "guard zone").toEqual(Array(GUARD).fill(UNTOUCHED));
  return values.subarray(0, n);
}

interface GemmCase extends tiled.Choice {
  why: string;
  rows: number;
  cols: number;
  depth: number;
  /** Which dimension is contiguous: a (rows, depth), b (cols, depth), out (rows, cols). */
  a?: "rows" | "depth";
  b?: "cols" | "depth";
  out?: "rows" | "cols";
  batch?: number;
  heads?: number;
  alpha?: number;
  bias?: boolean;
  start?: number;
}

const gemms: GemmCase[] = [
  { why: "one row, one vec4f of columns, one of depth", rows: 1, cols: 4, depth: 4 },
  { why: "a whole tile", rows: 64, cols: 64, depth: 16, tile: square },
  { why: "one row less and a column block less than a tile", rows: 63, cols: 60, depth: 32, tile: square },
  { why: "one row and a column block more than a tile", rows: 65, cols: 68, depth: 32, tile: square },
  { why: "depth one block past a tile", rows: 20, cols: 24, depth: 20, bias: true },
  { why: "the large tile, past its edge", rows: 129, cols: 132, depth: 36, tile: large, bias: true },
  { why: "two buffers, three tiles deep", rows: 65, cols: 68, depth: 44, tile: { ...square, BUFFERS: 2 } },
  {
    why: "a tile of 64 x 32: threads without a last block",
    rows: 70,
    cols: 32,
    depth: 24,
    tile: { ...square, TM: 32, RM: 4 },
  },
  { why: "a tile of 32 lines: eight blocks along k", rows: 33, cols: 36, depth: 68, tile: { ...small, TK: 32, KU: 4 } },
  { why: "input gradient: q across, depth with a tail", rows: 65, cols: 68, depth: 28, b: "cols", tile: square },
  { why: "weight gradient: both across, odd depth", rows: 68, cols: 36, depth: 37, a: "rows", b: "cols", tile: square },
  {
    why: "only p across, rows contiguous in the output",
    rows: 68,
    cols: 37,
    depth: 20,
    a: "rows",
    out: "rows",
    bias: true,
  },
  {
    why: "rows contiguous in the output, odd number of columns",
    rows: 36,
    cols: 67,
    depth: 12,
    out: "rows",
    bias: true,
  },
  {
    why: "batches and heads as slices of channels",
    rows: 21,
    cols: 24,
    depth: 8,
    batch: 2,
    heads: 3,
    alpha: 0.25,
    start: 8,
  },
  { why: "heads of values: b across its rows", rows: 9, cols: 8, depth: 12, batch: 2, heads: 2, b: "cols" },
  { why: "three splits, the last one short", rows: 65, cols: 36, depth: 84, splits: 3, alpha: 2, bias: true },
  { why: "more splits than tiles of depth: empty parts count 0", rows: 8, cols: 8, depth: 20, splits: 4, bias: true },
  { why: "splits of an odd depth", rows: 36, cols: 8, depth: 77, a: "rows", b: "cols", splits: 2 },
  { why: "the plan's own choice splits a deep, small product", rows: 8, cols: 8, depth: 1028 },
];

describe("matmul_tiled", () => {
  for (const c of gemms) test(c.why, () => checkGemm(c));
});

async function checkGemm(c: GemmCase): Promise<void> {
  const { rows, cols, depth, batch = 1, heads = 1, alpha = 1 } = c;
  const start = c.start ?? 0;
  const a = operand(rows, depth, c.a !== "rows", heads, start);
  const b = operand(cols, depth, c.b !== "cols", heads, start);
  const out = operand(rows, cols, c.out !== "rows", heads, start);
  const lengthOf = (o: Required<Operand>) => start + batch * o.batchStride;
  const A = uniform(`${c.why} a`, lengthOf(a));
  const B = uniform(`${c.why} b`, lengthOf(b));
  const bias = c.bias ? uniform(`${c.why} bias`, out.contiguous ? cols : rows) : undefined;

  const want = new Float64Array(lengthOf(out)).fill(UNTOUCHED);
  for (let z = 0; z < batch * heads; z++) {
    for (let r = 0; r < rows; r++) {
      for (let col = 0; col < cols; col++) {
        let sum = 0;
        for (let k = 0; k < depth; k++) sum += A[at(a, heads, z, r, k)]! * B[at(b, heads, z, col, k)]!;
        want[at(out, heads, z, r, col)] = alpha * sum + (bias ? bias[out.contiguous ? col : r]! : 0);
      }
    }
  }

  const gemm: Gemm = { rows, cols, depth, a, b, out, batch, heads, alpha, bias: c.bias ?? false };
  const plan = tiled.planGemm(gemm, portable.tiled.matmul, c);
  const [p, q] = [tensor(A), tensor(B)];
  const got = await run("matmul_tiled", { p, q, bias: tensor(bias ?? [0, 0, 0, 0]), plus: q }, "o", want.length, plan);
  const touched = (x: ArrayLike<number>) => Array.from(x).filter((_, i) => want[i] !== UNTOUCHED);
  compare(c.why, touched(got), touched(want), 2e-6);
  expect(
    got.filter((_, i) => want[i] === UNTOUCHED).every((v) => v === UNTOUCHED),
    "gaps are left alone",
  ).toBe(true);
}

/** A matrix whose heads lie side by side along the contiguous dimension. */
function operand(rows: number, cols: number, contiguous: boolean, heads: number, start: number): Required<Operand> {
  const [outer, inner] = contiguous ? [rows, cols] : [cols, rows];
  return { contiguous, ld: inner * heads, start, headStride: inner, batchStride: outer * inner * heads };
}

function at(o: Required<Operand>, heads: number, z: number, row: number, col: number): number {
  const base = o.start + Math.floor(z / heads) * o.batchStride + (z % heads) * o.headStride;
  return base + (o.contiguous ? row * o.ld + col : col * o.ld + row);
}

interface ConvCase extends tiled.Choice {
  why: string;
  /** Height, width, channels of the side that the windows slide over. */
  large: readonly [number, number, number];
  channels: number;
  batch?: number;
  kernel: readonly [number, number];
  stride?: readonly [number, number];
  /** Top, left, bottom, right. */
  pad?: readonly [number, number, number, number];
  bias?: boolean;
}

const convs: ConvCase[] = [
  {
    why: "3 x 3 with padding all round",
    large: [5, 7, 8],
    channels: 12,
    batch: 2,
    kernel: [3, 3],
    pad: [1, 1, 1, 1],
    bias: true,
  },
  { why: "pixels and channels one block past a tile", large: [13, 5, 16], channels: 68, kernel: [1, 1], tile: square },
  { why: "pixels one less than a tile", large: [9, 7, 16], channels: 60, kernel: [1, 1], tile: square, bias: true },
  {
    why: "four channels: a tile of depth crosses four taps",
    large: [6, 5, 4],
    channels: 8,
    kernel: [3, 3],
    pad: [1, 1, 1, 1],
  },
  {
    why: "12 channels: tiles of depth straddle taps",
    large: [6, 5, 12],
    channels: 8,
    batch: 2,
    kernel: [3, 3],
    pad: [1, 1, 1, 1],
  },
  { why: "20 channels, two buffers", large: [6, 6, 20], channels: 20, kernel: [3, 3], tile: { ...square, BUFFERS: 2 } },
  {
    why: "the large tile",
    large: [12, 12, 8],
    channels: 132,
    kernel: [3, 3],
    pad: [1, 1, 1, 1],
    tile: large,
    bias: true,
  },
  {
    why: "4 x 4 with stride 2",
    large: [8, 6, 8],
    channels: 12,
    batch: 2,
    kernel: [4, 4],
    stride: [2, 2],
    pad: [1, 1, 1, 1],
    bias: true,
  },
  {
    why: "padding only right and below, stride 2",
    large: [8, 8, 8],
    channels: 8,
    kernel: [3, 3],
    stride: [2, 2],
    pad: [0, 0, 1, 1],
  },
  {
    why: "7 x 7 with stride 2, odd sizes",
    large: [11, 9, 4],
    channels: 8,
    batch: 2,
    kernel: [7, 7],
    stride: [2, 2],
    pad: [3, 3, 3, 3],
  },
  {
    why: "1 x 1 with stride 2: input pixels that no window meets",
    large: [5, 6, 8],
    channels: 8,
    kernel: [1, 1],
    stride: [2, 2],
    bias: true,
  },
  {
    why: "stride 2 along one axis, another kernel along each",
    large: [6, 9, 8],
    channels: 4,
    kernel: [1, 3],
    stride: [1, 2],
    pad: [0, 2, 0, 0],
  },
  {
    why: "rows shorter than a block of pixels",
    large: [9, 2, 4],
    channels: 4,
    batch: 3,
    kernel: [3, 1],
    pad: [2, 0, 1, 0],
  },
  {
    why: "one output pixel, four k's written out",
    large: [3, 3, 8],
    channels: 4,
    kernel: [3, 3],
    tile: { ...small, KU: 4 },
  },
  {
    why: "three splits in the middle of taps",
    large: [6, 5, 12],
    channels: 36,
    batch: 2,
    kernel: [3, 3],
    pad: [1, 1, 1, 1],
    splits: 3,
    bias: true,
  },
  {
    why: "splits with stride 2: remainders times splits",
    large: [8, 7, 8],
    channels: 8,
    kernel: [4, 4],
    stride: [2, 2],
    pad: [1, 1, 1, 1],
    splits: 2,
    bias: true,
  },
  {
    why: "the plan's own choice splits",
    large: [4, 4, 64],
    channels: 64,
    kernel: [3, 3],
    pad: [1, 1, 1, 1],
    bias: true,
  },
];

for (const pass of ["forward", "transposed", "weight"] as const) {
  describe(`conv2d tiled, ${pass}`, () => {
    for (const c of convs) test(c.why, () => checkConv(c, pass));
  });
}

async function checkConv(c: ConvCase, pass: "forward" | "transposed" | "weight"): Promise<void> {
  const {
    kernel: [kh, kw],
    batch = 1,
    stride = [1, 1] as const,
    pad = [0, 0, 0, 0] as const,
  } = c;
  const [H, W, C] = c.large;
  const small = [
    Math.floor((H + pad[0] + pad[2] - kh) / stride[0]) + 1,
    Math.floor((W + pad[1] + pad[3] - kw) / stride[1]) + 1,
  ] as const;
  const D = c.channels;
  const conv: Conv = {
    large: [H, W],
    small,
    largeChannels: C,
    smallChannels: D,
    batch,
    kernel: c.kernel,
    stride,
    pad: [pad[0], pad[1]],
    bias: pass !== "weight" && (c.bias ?? false),
  };
  const x = uniform(`${c.why} x`, batch * H * W * C);
  const y = uniform(`${c.why} y`, batch * small[0] * small[1] * D);
  const w = uniform(`${c.why} w`, D * kh * kw * C);
  const bias = uniform(`${c.why} bias`, pass === "forward" ? D : C);

  // Every (x, w, y) triple of the convolution once; each pass sums the product of two into the third.
  const want = new Float64Array({ forward: y, transposed: x, weight: w }[pass].length);
  if (conv.bias)
    want.forEach((_, i) => {
      want[i] = bias[i % bias.length]!;
    });
  for (let b = 0; b < batch; b++) {
    for (let o = 0; o < small[0] * small[1]; o++) {
      for (let tap = 0; tap < kh * kw; tap++) {
        const row = Math.floor(o / small[1]) * stride[0] - pad[0] + Math.floor(tap / kw);
        const col = (o % small[1]) * stride[1] - pad[1] + (tap % kw);
        if (row < 0 || row >= H || col < 0 || col >= W) continue;
        for (let n = 0; n < C; n++) {
          const atX = ((b * H + row) * W + col) * C + n;
          for (let m = 0; m < D; m++) {
            const atY = (b * small[0] * small[1] + o) * D + m;
            const atW = (m * kh * kw + tap) * C + n;
            if (pass === "forward") want[atY]! += x[atX]! * w[atW]!;
            else if (pass === "transposed") want[atX]! += y[atY]! * w[atW]!;
            else want[atW]! += x[atX]! * y[atY]!;
          }
        }
      }
    }
  }

  const launch = {
    forward: () =>
      run(
        "conv2d_tiled",
        { x: tensor(x), w: tensor(w), bias: tensor(bias), plus: tensor(w) },
        "y",
        want.length,
        tiled.planConv(conv, portable.tiled.conv, c),
      ),
    transposed: () =>
      run(
        "conv2d_tiled",
        { x: tensor(y), w: tensor(w), bias: tensor(bias), plus: tensor(w) },
        "y",
        want.length,
        tiled.planConvTransposed(conv, portable.tiled.conv, c),
      ),
    weight: () =>
      run(
        "conv2d_backward_weight_tiled",
        { x: tensor(x), dy: tensor(y) },
        "dw",
        want.length,
        tiled.planConvWeight(conv, portable.tiled.conv_weight, c),
      ),
  };
  compare(c.why, await launch[pass](), want, 2e-6);
}

describe("the plan", () => {
  test("every tile that it chooses fits WebGPU's default limits", () => {
    for (const rows of [1, 31, 33, 64, 1000, 65_536]) {
      for (const cols of [4, 32, 36, 96, 768, 10_572]) {
        const { constants } = tiled.planGemm(
          {
            rows,
            cols,
            depth: 512,
            a: { contiguous: true, ld: 512 },
            b: { contiguous: true, ld: 512 },
            out: { contiguous: true, ld: cols },
          },
          portable.tiled.matmul,
        );
        const tile = constants as unknown as tiled.Tile;
        expect(tiled.threadsOf(tile)).toBeLessThanOrEqual(256);
        expect(tiled.workgroupBytes(tile)).toBeLessThanOrEqual(16_384);
      }
    }
  });

  test("a gap between the output's rows, a batch or a start forbids a split", () => {
    const gemm: Gemm = {
      rows: 8,
      cols: 8,
      depth: 4096,
      a: { contiguous: true, ld: 4096 },
      b: { contiguous: true, ld: 4096 },
      out: { contiguous: true, ld: 8 },
    };
    expect(tiled.planGemm(gemm, portable.tiled.matmul).splits).toBe(16);
    expect(tiled.planGemm({ ...gemm, out: { contiguous: true, ld: 12 } }, portable.tiled.matmul).splits).toBe(1);
    expect(tiled.planGemm({ ...gemm, out: { contiguous: true, ld: 8, start: 4 } }, portable.tiled.matmul).splits).toBe(
      1,
    );
    expect(tiled.planGemm({ ...gemm, batch: 2 }, portable.tiled.matmul).splits).toBe(1);
  });
});
