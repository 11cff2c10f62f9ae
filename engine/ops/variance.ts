// Variance and standard deviation over dimensions, and their gradients.
//
//   v  = sum (x - mean)^2 / divisor,  divisor = n - 1 (unbiased) or n        dx = 2 dy (x - mean) / divisor
//   s  = sqrt v                                                              dx = dy (x - mean) / (s divisor), 0 where s = 0

import { kernel } from "../shader.js";
import { record } from "../tape.js";
import { empty, emptyLike, type Tensor } from "../tensor.js";
import { dimsOf, reducedShape, reshaped, rowsAlong, runRows, toMemory, unitsOf } from "./rows.js";

const backward = kernel("variance_backward"); // x, y, mean, dy -> dx

export interface VarianceOptions {
  /** Divide by n - 1 (the default) rather than n. */
  unbiased?: boolean;
  keepdim?: boolean;
}

/** PyTorch's `x.var(dims, unbiased, keepdim)`; all dimensions by default. */
export const variance = (x: Tensor, dims?: number | readonly number[], options: VarianceOptions = {}): Tensor =>
  spreadOf("variance", x, dims, options, false);

/** PyTorch's `x.std(dims, unbiased, keepdim)`; all dimensions by default. */
export const std = (x: Tensor, dims?: number | readonly number[], options: VarianceOptions = {}): Tensor =>
  spreadOf("std", x, dims, options, true);

function spreadOf(
  op: string,
  x: Tensor,
  given: number | readonly number[] | undefined,
  options: VarianceOptions,
  STD: boolean,
): Tensor {
  const { unbiased = true, keepdim = false } = options;
  const dims = dimsOf(x, given);
  const { rows, cols, toRows, fromRows } = rowsAlong(op, x, dims);
  const { kept, squeezed, layout } = reducedShape(x, dims);
  const divisor = unbiased ? cols - 1 : cols;
  const from = toRows(x);
  const perRow = empty([rows]);
  const average = empty([rows]);
  runRows("variance", { x: from, y: perRow, mean: average }, { rows, cols, count: cols, divisor }, { STD });

  const y = keepdim ? perRow.alias(kept, layout) : reshaped(perRow.alias(kept, layout), squeezed);
  return record(y, { inputs: [x], saved: [from, perRow, average] }, (given) => {
    const dy = toMemory(given, kept, layout);
    const dx = emptyLike(from);
    const { T, units } = unitsOf(cols);
    const launch = { workgroups: Math.ceil((rows * units) / 64), constants: { T, STD } };
    backward.run({ x: from, y: perRow, mean: average, dy, dx }, { rows, cols: units, divisor }, launch);
    return [fromRows(dx)];
  });
}
