import { expect, test } from "vitest";
import { openDevice } from "../../engine/device.js";
import { max, mean, std, sum, sumTo, variance } from "../../engine/ops/reduce.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { tensor } from "../../engine/tensor.js";
import { checkOp, FULL_ROWS, type OpCase } from "../check-op.js";
import type { ReduceArgs } from "../reference/reduce.js";
import * as reference from "../reference/reduce.js";

checkOp<ReduceArgs>(
  "sum",
  ({ x }, { dims, keepdim }) => sum(x!, dims, keepdim),
  ({ x }, args) => reference.sum(x!, args),
  [
    { why: "one element", inputs: { x: [1] }, args: {} },
    { why: "more than one chunk, and no multiple of 4", inputs: { x: [33_001] }, args: {} },
    { why: "a long sum of vec4's", inputs: { x: [16, 4096] }, args: {} },
    { why: "over the last dimension of vec4's", inputs: { x: [7, 64] }, args: { dims: -1 } },
    {
      why: "over a last dimension that is no multiple of 4",
      inputs: { x: [5, 33] },
      args: { dims: -1, keepdim: true },
    },
    { why: "over B and pixels: the bias gradient", inputs: { x: [3, 8, 5, 7] }, args: { dims: [0, 2, 3] } },
    {
      why: "over pixels, kept: a channel weight's gradient",
      inputs: { x: [3, 8, 5, 7] },
      args: { dims: [2, 3], keepdim: true },
    },
    { why: "over the batch: the rest is still channels_last", inputs: { x: [3, 8, 2, 3] }, args: { dims: 0 } },
    { why: "over C alone", inputs: { x: [2, 12, 2, 3] }, args: { dims: 1 } },
    { why: "two separate groups of dimensions", inputs: { x: [3, 4, 5, 6] }, args: { dims: [0, 2] } },
    { why: "many long columns in chunks", inputs: { x: [900, 12] }, args: { dims: 0 } },
    { why: "a dimension of one element", inputs: { x: [3, 1, 2] }, args: { dims: 1 } },
    { why: "sixteen rows: sums that end at a multiple of 64 bytes", inputs: { x: [16, 51] }, args: { dims: 1 } },
    { why: "workgroups of columns, to a multiple of 64 bytes", inputs: { x: [3, 208] }, args: { dims: 0 } },
  ],
);

checkOp<ReduceArgs>(
  "mean",
  ({ x }, { dims, keepdim }) => mean(x!, dims, keepdim),
  ({ x }, args) => reference.mean(x!, args),
  [
    { why: "of everything", inputs: { x: [2, 4, 3, 3] }, args: {} },
    {
      why: "the scale is applied once in two steps",
      inputs: { x: [3, 4, 5, 6] },
      args: { dims: [-4, -2], keepdim: true },
    },
    { why: "of one element", inputs: { x: [4, 1] }, args: { dims: 1 } },
  ],
);

checkOp<ReduceArgs>(
  "max",
  ({ x }, { dims }) => max(x!, dims as number),
  ({ x }, args) => reference.max(x!, args),
  [
    { why: "the last dimension", inputs: { x: [3, 40] }, args: { dims: -1 } },
    { why: "a middle dimension", inputs: { x: [2, 8, 3] }, args: { dims: 1 } },
    { why: "several workgroups, to a multiple of 64 bytes", inputs: { x: [16, 3, 13] }, args: { dims: 1 } },
    { why: "all below zero", inputs: { x: [300, 2] }, args: { dims: 1 }, range: [-9, -3] },
  ],
);

interface SpreadArgs extends ReduceArgs {
  unbiased?: boolean;
}
const spreads: OpCase<SpreadArgs>[] = [
  { why: "the last dimension, vec4's", inputs: { x: [3, 40] }, args: { dims: -1 } },
  { why: "an odd row, biased, kept", inputs: { x: [3, 37] }, args: { dims: -1, unbiased: false, keepdim: true } },
  { why: "of everything", inputs: { x: [2, 4, 3, 3] }, args: {} },
  { why: "workgroups of rows, all full", inputs: { x: [FULL_ROWS, 6] }, args: { dims: 1 } },
  { why: "sixteen rows, ending at a multiple of 64 bytes", inputs: { x: [16, 33] }, args: { dims: 1 } },
  { why: "per channel: two runs of dimensions", inputs: { x: [3, 8, 4, 5] }, args: { dims: [0, 2, 3] } },
  { why: "two separate runs, kept", inputs: { x: [3, 4, 5, 6] }, args: { dims: [0, 2], keepdim: true } },
  { why: "a mean 100 times the spread", inputs: { x: [4, 64] }, args: { dims: 1 }, range: [99, 101] },
];
checkOp<SpreadArgs>(
  "variance",
  ({ x }, { dims, ...options }) => variance(x!, dims, options),
  ({ x }, args) => reference.variance(x!, args),
  spreads,
);
checkOp<SpreadArgs>(
  "std",
  ({ x }, { dims, ...options }) => std(x!, dims, options),
  ({ x }, args) => reference.std(x!, args),
  [
    ...spreads,
    {
      why: "equal values: PyTorch's gradient is 0, not 0 / 0",
      inputs: { x: [2, 8] },
      range: [5, 5],
      args: { dims: 1 },
    },
  ],
);

const shapes: [string, number[], number[]][] = [
  ["a row", [2, 5, 8], [8]],
  ["a leading one", [2, 5, 8], [1, 1, 8]],
  ["a channel weight", [3, 8, 4, 5], [1, 8, 1, 1]],
  ["a scale of (B, C, 1, 1)", [3, 8, 4, 5], [3, 8, 1, 1]],
  ["a map of (H, W)", [3, 8, 4, 5], [4, 5]],
  ["only the batch", [3, 8, 4, 5], [8, 4, 5]],
  ["one number", [3, 8, 4, 5], [1]],
  ["nothing to sum", [3, 8, 4, 5], [3, 8, 4, 5]],
  ["nothing to sum, but a dimension less", [1, 8, 4, 5], [8, 4, 5]],
];
checkOp<{ shape: number[] }>(
  "sumTo",
  ({ x }, { shape }) => sumTo(x!, shape),
  ({ x }, { shape }) => reference.sumTo(x!, shape),
  shapes.map(([why, x, shape]) => ({ why, inputs: { x }, args: { shape } })),
  { grad: false },
);

test("of equal maxima the first gets the gradient", async () => {
  const dev = await openDevice({ poison: true });
  try {
    const x = tensor([[1, 3, 2, 3]]).requiresGrad("x");
    scope(() => backward(max(x), tensor([7])));
    expect([...(await x.grad!.read())]).toEqual([0, 7, 0, 0]);
  } finally {
    dev.close();
  }
});
