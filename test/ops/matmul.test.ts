import { expect, test } from "vitest";
import { foldGroups, planGemm } from "../../engine/ops/gemm_plan.js";
import { linear, matmul } from "../../engine/ops/matmul.js";
import { portable } from "../../engine/tuning/settings.js";
import { checkOp } from "../check-op.js";
import * as reference from "../reference/matmul.js";

checkOp<{ transposeB?: boolean; alpha?: number }>(
  "matmul",
  ({ a, b }, args) => matmul(a!, b!, args),
  ({ a, b }, args) => reference.matmul(a!, b!, args?.transposeB, args?.alpha),
  [
    { why: "one tile and one row past it, both ways", inputs: { a: [33, 32], b: [32, 36] } },
    {
      why: "b transposed, partial tiles",
      inputs: { a: [37, 12], b: [68, 12] },
      args: { transposeB: true, alpha: 0.3 },
    },
    { why: "too few rows for the lanes: the roles are swapped", inputs: { a: [3, 64], b: [64, 132] } },
    { why: "swapped, b transposed", inputs: { a: [9, 20], b: [100, 20] }, args: { transposeB: true } },
    {
      why: "a batch of heads, each with its own b",
      inputs: { a: [2, 3, 20, 8], b: [2, 3, 8, 12] },
      args: { alpha: -2 },
    },
    {
      why: "a batch, b transposed: attention's logits",
      inputs: { a: [6, 17, 32], b: [6, 16, 32] },
      args: { transposeB: true },
    },
    { why: "one b for a batch of a", inputs: { a: [2, 5, 8], b: [8, 4] } },
    { why: "no size is a multiple of 4", inputs: { a: [5, 7], b: [7, 3] } },
    { why: "zeros in several workgroups, all full", inputs: { a: [15, 17], b: [17, 15] } },
    { why: "odd K, b transposed, batched", inputs: { a: [2, 3, 5], b: [2, 6, 5] }, args: { transposeB: true } },
    { why: "1 x 1 x 1", inputs: { a: [1, 1], b: [1, 1] } },
  ],
  { layouts: false },
);

checkOp(
  "linear",
  ({ x, weight, bias }) => linear(x!, weight!, bias),
  ({ x, weight, bias }) => reference.linear(x!, weight!, bias),
  [
    { why: "bias along the broadcast side", inputs: { x: [40, 8], weight: [12, 8], bias: [12] } },
    { why: "bias along the lanes: one row, roles swapped", inputs: { x: [1, 16], weight: [40, 16], bias: [40] } },
    { why: "an odd number of rows is the weight gradient's K", inputs: { x: [3, 11, 8], weight: [8, 8], bias: [8] } },
    { why: "one output", inputs: { x: [6, 10], weight: [1, 10], bias: [1] } },
  ],
  { layouts: false },
);

test("more products than grid z holds are refused with both numbers", () => {
  const operand = { contiguous: true, ld: 4 };
  const g = { rows: 4, cols: 4, depth: 4, a: operand, b: operand, out: operand, batch: 9_000, heads: 8 };
  expect(() => planGemm(g, 4, portable.broadcast.matmul)).toThrow(/72000 products.*65535/);
});

test("workgroups past one dimension fold into two, and none is lost", () => {
  for (const count of [1, 65_535, 65_536, 131_071, 5_000_001]) {
    const [x, y] = foldGroups(count);
    expect(x).toBeLessThanOrEqual(65_535);
    expect(x * y).toBeGreaterThanOrEqual(count);
    expect(x * y - count).toBeLessThan(y);
  }
});
