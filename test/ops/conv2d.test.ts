import { expect, test } from "vitest";
import { openDevice } from "../../engine/device.js";
import { conv2d } from "../../engine/ops/conv2d.js";
import { zeros } from "../../engine/tensor.js";
import { checkOp } from "../check-op.js";
import { map } from "../reference/array.js";
import * as reference from "../reference/conv2d.js";

checkOp<reference.ConvArgs>(
  "conv2d",
  ({ x, w, bias }, args) => conv2d(x!, w!, bias, args),
  ({ x, w, bias }, args) => reference.conv2d(x!, w!, bias, args),
  [
    { why: "3x3, an odd image", inputs: { x: [2, 8, 7, 5], w: [12, 8, 3, 3], bias: [12] }, args: { padding: 1 } },
    { why: "5 channels in, 6 out", inputs: { x: [2, 5, 6, 7], w: [6, 5, 3, 3], bias: [6] }, args: { padding: 1 } },
    { why: "an image of 3 channels", inputs: { x: [1, 3, 9, 8], w: [8, 3, 3, 3], bias: [8] }, args: { padding: 1 } },
    { why: "back to 3 channels", inputs: { x: [1, 8, 5, 6], w: [3, 8, 3, 3], bias: [3] }, args: { padding: 1 } },
    { why: "stride 2", inputs: { x: [2, 4, 9, 8], w: [8, 4, 3, 3], bias: [8] }, args: { stride: 2, padding: 1 } },
    {
      why: "stride 2, padded below and to the right alone",
      inputs: { x: [1, 4, 8, 6], w: [4, 4, 3, 3], bias: [4] },
      args: { stride: 2, padding: [0, 0, 1, 1] },
    },
    {
      why: "a 1x1 kernel with a stride skips pixels",
      inputs: { x: [2, 8, 7, 5], w: [4, 8, 1, 1] },
      args: { stride: 2 },
    },
    {
      why: "a 1x1 kernel with padding is no matrix",
      inputs: { x: [1, 4, 3, 2], w: [4, 4, 1, 1], bias: [4] },
      args: { padding: 1 },
    },
    { why: "1x1: a matrix product", inputs: { x: [2, 8, 3, 3], w: [12, 8, 1, 1], bias: [12] } },
    { why: "4x4, stride 2", inputs: { x: [1, 4, 8, 10], w: [8, 4, 4, 4] }, args: { stride: 2, padding: 1 } },
    {
      why: "7x7, stride 2, wider than the image",
      inputs: { x: [1, 3, 6, 5], w: [4, 3, 7, 7] },
      args: { stride: 2, padding: 3 },
    },
    { why: "1x7", inputs: { x: [1, 4, 3, 9], w: [8, 4, 1, 7] }, args: { padding: [0, 3] } },
    { why: "7x1", inputs: { x: [1, 4, 9, 3], w: [4, 4, 7, 1] }, args: { padding: [3, 0] } },
    { why: "one pixel", inputs: { x: [1, 4, 1, 1], w: [4, 4, 3, 3], bias: [4] }, args: { padding: 1 } },
    { why: "the last column is never reached", inputs: { x: [1, 4, 6, 6], w: [4, 4, 3, 3] }, args: { stride: 2 } },
    {
      why: "more channels than a tile, and so deep that GPUs split it",
      inputs: { x: [1, 68, 4, 4], w: [68, 68, 3, 3], bias: [68] },
      args: { padding: 1 },
    },
    {
      why: "so many pixels that the weight gradient is split, in both families; taps share a lane group",
      inputs: { x: [1, 4, 25, 23], w: [4, 4, 3, 3] },
      args: { padding: 1 },
    },
    {
      why: "8 and more columns, 64 channels: the wide weight gradient",
      inputs: { x: [1, 64, 3, 11], w: [4, 64, 3, 3] },
      args: { padding: 1 },
    },
    {
      why: "... whose gradient dy comes in several loads a lane",
      inputs: { x: [1, 64, 3, 11], w: [32, 64, 3, 3] },
      args: { padding: 1 },
    },
  ],
);

checkOp<reference.ConvArgs>(
  "conv2d, a residual",
  ({ x, w, bias, plus }, args) => conv2d(x!, w!, bias, { ...args, plus }),
  ({ x, w, bias, plus }, args) => map(reference.conv2d(x!, w!, bias, args), (v, i) => v + plus!.data[i]!),
  [
    {
      why: "3x3, an odd image",
      inputs: { x: [2, 8, 7, 5], w: [12, 8, 3, 3], bias: [12], plus: [2, 12, 7, 5] },
      args: { padding: 1 },
    },
    {
      why: "no bias, 3 channels out",
      inputs: { x: [1, 8, 4, 4], w: [3, 8, 3, 3], plus: [1, 3, 4, 4] },
      args: { padding: 1 },
    },
    {
      why: "so deep that GPUs split it",
      inputs: { x: [1, 68, 4, 4], w: [4, 68, 3, 3], bias: [4], plus: [1, 4, 4, 4] },
      args: { padding: 1 },
    },
  ],
);

test("what does not fit is refused with both shapes", async () => {
  const dev = await openDevice();
  try {
    const x = zeros([1, 8, 5, 5]);
    expect(() => conv2d(x, zeros([4, 12, 3, 3]))).toThrow(/x has 8 channels, w expects 12/);
    expect(() => conv2d(x, zeros([4, 8, 3, 3]), zeros([5]))).toThrow(/bias is \(5\).*4 channels/);
    expect(() => conv2d(x, zeros([4, 8, 7, 7]))).toThrow(/\(4, 8, 7, 7\) does not fit into x \(1, 8, 5, 5\)/);
    expect(() => conv2d(zeros([8, 5, 5]), zeros([4, 8, 3, 3]))).toThrow(/four dimensions/);
  } finally {
    dev.close();
  }
});
