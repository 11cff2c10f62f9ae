// Softmax over one dimension, and its gradient.
//
//   y_i  = exp(x_i - max x) / sum_j exp(x_j - max x)
//   dx_i = y_i (dy_i - sum_j dy_j y_j)            y alone is needed, so y alone is saved
//
// shaders/softmax.wgsl gives a row to a workgroup, softmax_lanes.wgsl to a subgroup, softmax_rows.wgsl a long row to a thread;
// rows.ts chooses.

import { record } from "../tape.js";
import { emptyLike, type Tensor } from "../tensor.js";
import { dimsOf, rowsAlong, runRows } from "./rows.js";

/**
 * PyTorch's `softmax(x, dim)`.
 *
 * @param x      any shape; fastest over the last dimension, or over the channels of a channels_last x
 * @returns      same shape; the values along `dim` sum to 1
 * @throws       ShapeError if x has no such dimension or an empty one
 */
export function softmax(x: Tensor, dim = -1): Tensor {
  const { rows, cols, toRows, fromRows } = rowsAlong("softmax", x, dimsOf(x, dim));
  const from = toRows(x);
  const y = emptyLike(from);
  runRows("softmax", { x: from, y }, { rows, cols });

  return record(fromRows(y), { inputs: [x], saved: [y] }, (given) => {
    const dy = toRows(given);
    const dx = emptyLike(y);
    runRows("softmax_backward", { y, dy, dx }, { rows, cols });
    return [fromRows(dx)];
  });
}
