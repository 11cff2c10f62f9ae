// 7. The commonest convolutions of the paper's UNet, all three passes. Those of 1 x 1 are matrix products and stand in stage 6.

import { correlate, slide, spread } from "../../engine/ops/convolution.js";
import type { Conv } from "../../engine/ops/gemm_plan.js";
import { emptyLike, type Tensor } from "../../engine/tensor.js";
import { type Case, type Filled, filled, type Pair, places } from "../case.js";
import { measure } from "../measure.js";
import { measuredTable, type Stage } from "./stage.js";

/** Sides before and after, channels likewise; `count`: how often a forward pass of the UNet has it. */
export interface ConvShape {
  L: number;
  S: number;
  side: number;
  kernel: number;
  stride: number;
  count: number;
}

/** 3 x 3, stride 1, padding 1. */
const square = (L: number, S: number, side: number, count: number): ConvShape => ({
  ...{ L, S, side, count },
  ...{ kernel: 3, stride: 1 },
});

// Counted on models/unet.ts with the paper's configuration: commonest first, then the two that change the size.
export const convShapes: readonly ConvShape[] = [
  square(768, 768, 4, 9),
  square(96, 96, 32, 7),
  square(192, 192, 16, 5),
  square(384, 384, 8, 5),
  square(192, 96, 32, 3),
  square(384, 192, 16, 2),
  square(768, 384, 8, 2),
  square(1536, 768, 4, 2),
  { L: 96, S: 96, side: 32, kernel: 3, stride: 2, count: 1 }, // down from the widest level
  { L: 96, S: 96, side: 32, kernel: 4, stride: 2, count: 1 }, // and up to it again: there `dx` is the forward pass
];

const NOTE =
  "Channels in and out, the side of the larger image. The last one is a transposed convolution, whose forward pass is dx.";

export const convStage: Stage = {
  name: "conv",
  title: "Convolutions, all three passes",
  seconds: 90,
  async run(context) {
    const dev = await context.open();
    const B = context.software ? 1 : context.quick ? 16 : 64;
    for (const shape of convShapes) {
      if (!context.hasTimeFor(4)) {
        context.note("The time was over before the last shapes.");
        return;
      }
      const rows = await measure(dev, { stem: "conv", make: () => passes(shape, B) }, context.rounds);
      const table = measuredTable({ title: `Batches of ${B}`, note: NOTE, bars: "share" }, rows.slice(2));
      context.table({
        ...table,
        columns: [...table.columns, { key: "count", title: "in a forward pass" }],
        rows: table.rows.map((row) => ({ ...row, count: shape.count })),
      });
    }
  },
};

/** 3 x 3, 96->96, 32 x 32, B64 */
export function nameOf({ L, S, side, kernel, stride }: ConvShape, B: number): string {
  return `conv ${kernel}x${kernel}${stride > 1 ? `/${stride}` : ""} ${L}->${S} @${side} B${B}`;
}

/** Forward, input gradient, weight gradient: as many multiply-adds each. */
export function passes(shape: ConvShape, B: number): Case[] {
  const { L, S, side, kernel, stride } = shape;
  const out = side / stride;
  const g: Conv = {
    ...{ large: [side, side], small: [out, out], largeChannels: L, smallChannels: S, batch: B },
    ...{ kernel: [kernel, kernel], stride: [stride, stride], pad: [1, 1] },
  };
  const [x, w, dy] = [
    filled([B, L, side, side], 1, "channels_last"),
    filled([S, L, kernel, kernel], 2, "channels_last"),
    filled([B, S, out, out], 3, "channels_last"),
  ];
  const common = { work: { flops: 2 * B * out ** 2 * L * S * kernel ** 2 }, allowed: 3e-5 };
  const one = (pass: string, like: Filled, run: (y: Tensor) => void, want: (i: number) => number): Case => ({
    ...common,
    name: `${nameOf(shape, B)}${pass}`,
    run: () => {
      const y = emptyLike(like.t);
      run(y);
      return y;
    },
    check: async (y) => {
      const got = await y.read();
      return places(got.length).map((i): Pair => [got[i]!, want(i)]);
    },
  });
  const sums = { x, w, dy, g };
  return [
    one(
      "",
      dy,
      (y) => slide(g, { x: x.t, w: w.t, y }),
      (i) => forwardAt(sums, i),
    ),
    one(
      ", dx",
      x,
      (y) => spread(g, { x: dy.t, w: w.t, y }),
      (i) => inputGradientAt(sums, i),
    ),
    one(
      ", dw",
      w,
      (dw) => correlate(g, { large: x.t, small: dy.t, dw }),
      (i) => weightGradientAt(sums, i),
    ),
  ];
}

/** The tensors of one convolution, for the sums in float64 below. */
interface Sums {
  x: Filled;
  w: Filled;
  dy: Filled;
  g: Conv;
}

/** Element (b, c, row, col) of images, 0 outside. */
function pixel({ t, v }: Filled, b: number, c: number, row: number, col: number): number {
  const [, C, H, W] = t.shape as [number, number, number, number];
  return row < 0 || col < 0 || row >= H || col >= W ? 0 : v[((b * C + c) * H + row) * W + col]!;
}

/** An index of (.., C, H, W) in its four parts. */
function split({ t }: Filled, i: number): [number, number, number, number] {
  const [, C, H, W] = t.shape as [number, number, number, number];
  return [Math.floor(i / (C * H * W)), Math.floor(i / (H * W)) % C, Math.floor(i / W) % H, i % W];
}

/** y at i: sum over channels and taps of w x. */
function forwardAt({ x, w, dy, g }: Sums, i: number): number {
  const [b, o, row, col] = split(dy, i);
  let sum = 0;
  for (let c = 0; c < g.largeChannels; c++)
    for (let r = 0; r < g.kernel[0]; r++)
      for (let s = 0; s < g.kernel[1]; s++)
        sum += pixel(w, o, c, r, s) * pixel(x, b, c, row * g.stride[0] + r - 1, col * g.stride[1] + s - 1);
  return sum;
}

/** dx at i: every output whose window meets it. */
function inputGradientAt({ x, w, dy, g }: Sums, i: number): number {
  const [b, c, row, col] = split(x, i);
  let sum = 0;
  for (let r = 0; r < g.kernel[0]; r++)
    for (let s = 0; s < g.kernel[1]; s++) {
      const [y, z] = [(row + 1 - r) / g.stride[0], (col + 1 - s) / g.stride[1]];
      if (!Number.isInteger(y) || !Number.isInteger(z)) continue;
      for (let o = 0; o < g.smallChannels; o++) sum += pixel(w, o, c, r, s) * pixel(dy, b, o, y, z);
    }
  return sum;
}

/** dw at i: sum over images and outputs. */
function weightGradientAt({ x, w, dy, g }: Sums, i: number): number {
  const [o, c, r, s] = split(w, i);
  let sum = 0;
  for (let b = 0; b < g.batch; b++)
    for (let row = 0; row < g.small[0]; row++)
      for (let col = 0; col < g.small[1]; col++)
        sum += pixel(dy, b, o, row, col) * pixel(x, b, c, row * g.stride[0] + r - 1, col * g.stride[1] + s - 1);
  return sum;
}
