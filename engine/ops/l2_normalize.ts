// Division by the length along one dimension, and its gradient.
//
//   n    = sqrt(sum_j x_j^2),  y_i = x_i / max(n, eps)
//   dx_i = (dy_i - y_i sum_j dy_j y_j) / n  where n >= eps,  dy_i / eps elsewhere

import { record } from "../tape.js";
import { empty, emptyLike, type Tensor } from "../tensor.js";
import { dimsOf, rowsAlong, runRows } from "./rows.js";

/**
 * PyTorch's `normalize(x, dim=dim, eps=eps)`.
 *
 * @param x      any shape; fastest over the last dimension, or over the channels of a channels_last x
 * @throws       ShapeError if x has no such dimension or an empty one
 */
export function l2Normalize(x: Tensor, dim = -1, eps = 1e-12): Tensor {
  const { rows, cols, toRows, fromRows } = rowsAlong("l2Normalize", x, dimsOf(x, dim));
  const from = toRows(x);
  const y = emptyLike(from);
  const norm = empty([rows]);
  runRows("l2_normalize", { x: from, y, norm }, { rows, cols, eps });

  return record(fromRows(y), { inputs: [x], saved: [y, norm] }, (given) => {
    const dy = toRows(given);
    const dx = emptyLike(y);
    runRows("l2_normalize_backward", { y, dy, norm, dx }, { rows, cols, eps });
    return [fromRows(dx)];
  });
}
