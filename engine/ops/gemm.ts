// The matrix product that matmul, linear and attention share; here, and only here, its family is chosen.
//
//   out[r, c] = alpha sum_k a[r, k] b[c, k] + bias        (gemm_plan.ts says what an operand may look like)

import { device } from "../device.js";
import { scope } from "../scope.js";
import { kernel } from "../shader.js";
import { empty, type Tensor } from "../tensor.js";
import { type Gemm, planGemm } from "./gemm_plan.js";
import { planSum, planGemm as planTiled } from "./tiled_plan.js";

const broadcast = kernel("matmul_broadcast"); // p, q, bias -> o     software adapters
const tiled = kernel("matmul_tiled"); //         p, q, bias -> o     GPUs
const sumSplits = kernel("sum_splits"); //       x -> y

/** Runs the product into `out`. Every contiguous dimension, ld, start and stride: a multiple of 4. Records nothing. */
export function gemm(
  g: Omit<Gemm, "bias">,
  tensors: { a: Tensor; b: Tensor; bias?: Tensor | undefined; out: Tensor },
): void {
  const { a, b, bias, out } = tensors;
  const sizes = { ...g, bias: bias !== undefined };
  const unused = b; // a binding must be filled even where the constant BIAS is false
  const dev = device();
  if (dev.family === "broadcast") {
    const plan = planGemm(sizes, dev.subgroupSize === 4 ? 4 : 8);
    const [p, q] = plan.swapped ? [b, a] : [a, b];
    broadcast.run({ p, q, bias: bias ?? unused, o: out }, plan.params, plan);
    return;
  }
  const plan = planTiled(sizes);
  inSplits(plan.splits, out, (o) => tiled.run({ p: a, q: b, bias: bias ?? unused, o }, plan.params, plan));
}

/** Runs a tiled kernel into y; where its depth is split, into as many parts of y's size, which are then added. */
export function inSplits(splits: number, y: Tensor, run: (into: Tensor) => void): void {
  if (splits === 1) {
    run(y);
    return;
  }
  scope(() => {
    const x = empty([splits, y.size]);
    run(x);
    const plan = planSum(y.size, splits);
    sumSplits.run({ x, y }, plan.params, plan);
  });
}
