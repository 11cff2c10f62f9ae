import { expect, test } from "vitest";
import { openDevice } from "../../engine/device.js";
import { linearChannels } from "../../engine/ops/linear.js";
import { zeros } from "../../engine/tensor.js";
import { checkOp } from "../check-op.js";
import * as reference from "../reference/linear.js";

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
