import { expect, test } from "vitest";
import { openDevice } from "../../engine/device.js";
import { feedForward } from "../../engine/ops/feed_forward.js";
import { zeros } from "../../engine/tensor.js";
import { checkOp } from "../check-op.js";
import * as reference from "../reference/feed_forward.js";

checkOp(
  "feed_forward",
  ({ x, w1, bias1, w2, bias2, plus }) =>
    feedForward(x!, { w: w1!, bias: bias1! }, { w: w2!, bias: bias2! }, plus ?? x!),
  ({ x, w1, bias1, w2, bias2, plus }) => reference.feedForward(x!, [w1!, bias1!], [w2!, bias2!], plus ?? x!),
  [
    {
      why: "gelu's flat and steep parts, more hidden channels than a tile",
      inputs: { x: [2, 8, 5], w1: [72, 8], bias1: [72], w2: [12, 72], bias2: [12], plus: [2, 12, 5] },
      range: [-2, 2],
    },
    {
      why: "so deep that GPUs split both products and the slope's",
      inputs: { x: [1, 520, 3], w1: [640, 520], bias1: [640], w2: [520, 640], bias2: [520], plus: [1, 520, 3] },
      range: [-0.2, 0.2],
    },
    {
      why: "x is the residual too: its gradients meet in the last product",
      inputs: { x: [3, 12, 7], w1: [20, 12], bias1: [20], w2: [12, 20], bias2: [12] },
    },
    {
      why: "hidden channels that no vec4 fits",
      inputs: { x: [2, 4, 3], w1: [6, 4], bias1: [6], w2: [4, 6], bias2: [4], plus: [2, 4, 3] },
    },
  ],
);

test("why: layers that do not follow each other are refused with both weights", async () => {
  const dev = await openDevice();
  try {
    const [first, second] = [12, 8].map((n) => ({ w: zeros([n, n]), bias: zeros([n]) })) as [never, never];
    expect(() => feedForward(zeros([2, 12, 5]), first, second, zeros([2, 8, 5]))).toThrow(/\(12, 12\) and \(8, 8\)/);
  } finally {
    dev.close();
  }
});
