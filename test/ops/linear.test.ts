import { expect, test } from "vitest";
import { openDevice } from "../../engine/device.js";
import { cat } from "../../engine/ops/cat.js";
import { linearChannels, linearEach } from "../../engine/ops/linear.js";
import { type Tensor, zeros } from "../../engine/tensor.js";
import { checkOp } from "../check-op.js";
import { type Array64, map } from "../reference/array.js";
import { cat as referenceCat, slice } from "../reference/cat.js";
import * as reference from "../reference/linear.js";

const add = (a: Array64, b: Array64): Array64 => map(a, (v, i) => v + b.data[i]!);

checkOp(
  "linear_channels",
  ({ x, w, bias }) => linearChannels(x!, w!, bias),
  ({ x, w, bias }) => reference.linearChannels(x!, w!, bias),
  [
    { why: "tokens, weight of a Linear", inputs: { x: [2, 12, 11], w: [20, 12], bias: [20] } },
    { why: "tokens, weight of a Conv1d", inputs: { x: [2, 8, 6], w: [12, 8, 1], bias: [12] } },
    { why: "an image, no bias, an odd number of pixels", inputs: { x: [1, 8, 5, 3], w: [8, 8, 1, 1] } },
    { why: "128 outputs: the weight gradient is two tiles wide", inputs: { x: [1, 4, 6], w: [128, 4], bias: [128] } },
    { why: "3 channels in and out", inputs: { x: [2, 3, 4, 5], w: [3, 3, 1, 1], bias: [3] } },
    { why: "channels are filled up on one side alone", inputs: { x: [2, 8, 9], w: [5, 8], bias: [5] } },
    { why: "... and on the other", inputs: { x: [2, 6, 9], w: [8, 6], bias: [8] } },
    { why: "one pixel: both layouts are the same memory", inputs: { x: [1, 4, 1, 1], w: [36, 4, 1, 1], bias: [36] } },
  ],
);

checkOp(
  "linear_channels, a residual",
  ({ x, w, bias, plus }) => linearChannels(x!, w!, bias, plus),
  ({ x, w, bias, plus }) => add(reference.linearChannels(x!, w!, bias), plus!),
  [
    { why: "tokens", inputs: { x: [2, 12, 11], w: [20, 12, 1], bias: [20], plus: [2, 20, 11] } },
    { why: "no bias, 3 channels out", inputs: { x: [2, 8, 9], w: [3, 8], plus: [2, 3, 9] } },
    { why: "so deep that GPUs split it", inputs: { x: [1, 640, 5], w: [8, 640], bias: [8], plus: [1, 8, 5] } },
    {
      why: "so many tokens that GPUs split the weight gradient",
      inputs: { x: [2, 4, 300], w: [8, 4], bias: [8], plus: [2, 8, 300] },
    },
  ],
);

// Each use of x returns a gradient, and the rule that runs last adds the others' in its own kernel (tape.ts#Take).
checkOp(
  "linear_channels, x used three times",
  ({ x, w, bias }) => linearChannels(linearChannels(x!, w!, bias, x), w!, bias, x),
  ({ x, w, bias }) => {
    const layer = (h: Array64) => add(reference.linearChannels(h, w!, bias), x!);
    return layer(layer(x!));
  },
  [
    { why: "8 channels", inputs: { x: [2, 8, 6], w: [8, 8], bias: [8] } },
    { why: "6 channels", inputs: { x: [2, 6, 5], w: [6, 6], bias: [6] } },
  ],
);

const alike = (w: Tensor, bias: Tensor, count: number) => [{ w, bias, count }];

checkOp(
  "linear_each",
  ({ x, w, bias }, heads: number) => cat(linearEach(x!, alike(w!, bias!, heads)), 0),
  ({ x, w, bias }, heads) => reference.linearEach(x!, w!, bias!, heads),
  [
    {
      why: "a matrix; a layer's part ends off a binding's start",
      inputs: { x: [3, 24], w: [36, 8], bias: [36] },
      args: 3,
    },
    { why: "... and on it", inputs: { x: [16, 8], w: [24, 4], bias: [24] }, args: 2 },
    { why: "tokens", inputs: { x: [2, 16, 7], w: [48, 8, 1], bias: [48] }, args: 2 },
    { why: "tiles past a layer's end", inputs: { x: [1, 24, 70], w: [144, 12, 1], bias: [144] }, args: 2 },
    { why: "one layer, so deep that GPUs split it", inputs: { x: [5, 640], w: [8, 640], bias: [8] }, args: 1 },
    {
      why: "one layer of tokens, so many that GPUs split the weight gradient",
      inputs: { x: [2, 4, 300], w: [8, 4], bias: [8] },
      args: 1,
    },
  ],
);

checkOp(
  "linear_each, two sizes, and a layer that nothing uses",
  ({ x, w, bias, u, more }) => {
    const groups = [...alike(w!, bias!, 2), ...alike(u!, more!, 1)];
    const [a, , c] = linearEach(x!, groups);
    const [, b] = linearEach(x!, groups);
    return cat([a!, b!, c!], 1);
  },
  ({ x, w, bias, u, more }) => {
    const two = reference.linearEach(slice(x!, 1, 0, 8), w!, bias!, 2);
    const B = x!.shape[0]!;
    const one = reference.linearEach(slice(x!, 1, 8, 20), u!, more!, 1);
    return referenceCat([slice(two, 0, 0, B), slice(two, 0, B, 2 * B), one], 1);
  },
  [{ why: "tokens", inputs: { x: [2, 20, 5], w: [16, 4, 1], bias: [16], u: [12, 12, 1], more: [12] } }],
);

test("why: a slice of channels that no vec4 fits would read another layer's", async () => {
  const dev = await openDevice();
  try {
    const each = (x: number[], w: number[], bias: number) => () =>
      linearEach(zeros(x), alike(zeros(w), zeros([bias]), 2));
    expect(each([2, 12], [8, 6], 8)).toThrow("multiples of 4");
    expect(each([2, 16], [8, 8], 4)).toThrow("bias (4) are no 2 layers");
    expect(each([2, 20], [8, 8], 8)).toThrow("the layers take 16 channels, but x is (2, 20)");
  } finally {
    dev.close();
  }
});

test("a weight of other channels is refused with both shapes", async () => {
  const dev = await openDevice();
  try {
    expect(() => linearChannels(zeros([2, 8, 5]), zeros([4, 12]))).toThrow(/\(4, 12\).*\(2, 8, 5\)/);
    expect(() => linearChannels(zeros([2, 8, 5]), zeros([4, 8, 3]))).toThrow(/\(4, 8, 3\)/);
    expect(() => linearChannels(zeros([2, 8, 5]), zeros([4, 8]), zeros([5]))).toThrow(/bias is \(5\)/);
  } finally {
    dev.close();
  }
});
