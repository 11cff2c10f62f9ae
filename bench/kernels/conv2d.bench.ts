// 3x3 convolutions, stride 1, padding 1: those of the paper's nets, and those of the miniature's nets (few channels). Each pass
// has a row for the direct form, and one for Winograd's where that is what the engine takes. All rates count direct multiplies.

import { correlate, type Form, formOf, slide, spread } from "../../engine/ops/convolution.js";
import type { Conv } from "../../engine/ops/gemm_plan.js";
import { emptyLike, type Tensor } from "../../engine/tensor.js";
import { type Case, type Filled, type Floor, type Group, type Pair, places } from "../case.js";
import { conv3x3, operands } from "../conv3x3.js";
import { convFloor } from "../floors.js";

/** Winograd's form: half of what the reference kernels of docs/kernels.md reached. */
const winogradFloor = { share: { lavapipe: 0.45, swiftshader: 0.2 } };

/** Batch, channels in and out, side; `floored`: it has a floor. */
const shapes = [
  { B: 8, I: 96, O: 96, side: 32, floored: true },
  { B: 8, I: 192, O: 192, side: 16, floored: true },
  { B: 8, I: 384, O: 384, side: 8, floored: true },
  { B: 8, I: 768, O: 768, side: 4, floored: true },
  { B: 1, I: 128, O: 128, side: 128, floored: true },
  { B: 1, I: 512, O: 512, side: 32, floored: true },
  { B: 32, I: 4, O: 16, side: 64, floored: false },
  { B: 32, I: 16, O: 16, side: 64, floored: false },
  { B: 32, I: 16, O: 32, side: 64, floored: false },
  { B: 32, I: 64, O: 64, side: 16, floored: false },
];

/** One row of the list. */
type Size = (typeof shapes)[number];

/** Forward, input gradient, weight gradient: the same number of multiply-adds each. */
function passes({ B, I, O, side, floored }: Size): Case[] {
  const { x, w, dy } = operands(B, I, O, side);
  const g = conv3x3(B, I, O, side);
  const image = `conv B${B} ${I}->${O} @${side}`;
  const common = { work: { flops: 2 * B * side ** 2 * I * O * 9 }, allowed: 3e-5 };
  const floors = (name: string, direct: Floor) => (form: Form) => ({
    ...common,
    name: form === "direct" ? name : `${name}, F(${form})`,
    ...(floored && { floor: form === "direct" ? direct : winogradFloor }),
  });
  const rows = (pass: Pass, row: (form: Form) => Case): Case[] =>
    [...new Set<Form>(["direct", formOf(g, pass)])].map((form) => row(form));
  const [y, dx, dw] = [
    floors(image, convFloor),
    floors(`${image}, dx`, { rateOf: image }),
    floors(`${image}, dw`, { rateOf: image }),
  ];
  return [
    ...rows("slide", (form) => ({
      ...y(form),
      run: () => into(dy, (y) => slide(g, { x: x.t, w: w.t, y }, form)),
      check: async (y) => pairs(await y.read(), (i) => forwardAt(x, w, g, i)),
    })),
    ...rows("spread", (form) => ({
      ...dx(form),
      run: () => into(x, (y) => spread(g, { x: dy.t, w: w.t, y }, form)),
      check: async (y) => pairs(await y.read(), (i) => inputGradientAt(dy, w, g, i)),
    })),
    ...rows("correlate", (form) => ({
      ...dw(form),
      run: () => into(w, (dw) => correlate(g, { large: x.t, small: dy.t, dw }, form)),
      check: async (y) => pairs(await y.read(), (i) => weightGradientAt(x, dy, g, i)),
    })),
  ];
}

type Pass = Parameters<typeof formOf>[1];

/** A tensor like this one, after `work` has filled it. */
function into({ t }: Filled, work: (y: Tensor) => void): Tensor {
  const y = emptyLike(t);
  work(y);
  return y;
}

/** Values at some places, with what they should be. */
const pairs = (got: ArrayLike<number>, want: (i: number) => number): Pair[] =>
  places(got.length).map((i) => [got[i]!, want(i)]);

/** Element (b, c, row, col) of an image, 0 outside. */
function pixel({ t, v }: Filled, b: number, c: number, row: number, col: number): number {
  const [, C, H, W] = t.shape as [number, number, number, number];
  return row < 0 || col < 0 || row >= H || col >= W ? 0 : v[((b * C + c) * H + row) * W + col]!;
}

/** Splits an index of (.., C, H, W) into its four parts. */
function split(i: number, C: number, H: number, W: number): [number, number, number, number] {
  return [Math.floor(i / (C * H * W)), Math.floor(i / (H * W)) % C, Math.floor(i / W) % H, i % W];
}

/** y at element i: sum over channels and taps. */
function forwardAt(x: Filled, w: Filled, g: Conv, i: number): number {
  const [b, o, row, col] = split(i, g.smallChannels, ...g.small);
  let sum = 0;
  for (let c = 0; c < g.largeChannels; c++) {
    for (let tap = 0; tap < 9; tap++) {
      const [r, s] = [Math.floor(tap / 3), tap % 3];
      sum += pixel(w, o, c, r, s) * pixel(x, b, c, row + r - 1, col + s - 1);
    }
  }
  return sum;
}

/** dx at element i: the taps turned round. */
function inputGradientAt(dy: Filled, w: Filled, g: Conv, i: number): number {
  const [b, c, row, col] = split(i, g.largeChannels, ...g.large);
  let sum = 0;
  for (let o = 0; o < g.smallChannels; o++) {
    for (let tap = 0; tap < 9; tap++) {
      const [r, s] = [Math.floor(tap / 3), tap % 3];
      sum += pixel(w, o, c, r, s) * pixel(dy, b, o, row + 1 - r, col + 1 - s);
    }
  }
  return sum;
}

/** dw at element i: sum over images and pixels. */
function weightGradientAt(x: Filled, dy: Filled, g: Conv, i: number): number {
  const [o, c, r, s] = split(i, g.largeChannels, 3, 3);
  let sum = 0;
  for (let b = 0; b < g.batch; b++) {
    for (let row = 0; row < g.small[0]; row++) {
      for (let col = 0; col < g.small[1]; col++) {
        sum += pixel(dy, b, o, row, col) * pixel(x, b, c, row + r - 1, col + s - 1);
      }
    }
  }
  return sum;
}

/** Two groups, so that ceilings are measured near what they are compared with. */
export const conv2d: Group = { stem: "conv2d", make: () => shapes.filter((s) => s.floored).flatMap(passes) };
export const conv2dSmall: Group = { stem: "conv2d", make: () => shapes.filter((s) => !s.floored).flatMap(passes) };
