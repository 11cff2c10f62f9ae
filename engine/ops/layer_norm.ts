// Layer normalisation over the last dimension, and its gradients.
//
//   xhat = (x - mean) / sqrt(variance + eps),  y = xhat w + b       mean and variance of a row
//   g    = dy w,  dx = rstd (g - mean g - xhat mean(g xhat)),  dw = sum over rows of dy xhat,  db = sum over rows of dy

import { ShapeError } from "../errors.js";
import { record } from "../tape.js";
import { empty, emptyLike, sameShape, show, type Tensor } from "../tensor.js";
import { sumTo } from "./reduce.js";
import { dimsOf, rowsAlong, runRows } from "./rows.js";

/**
 * PyTorch's `layer_norm(x, (C), w, b, eps)`.
 *
 * @param x      (..., C)
 * @param w, b   (C)
 * @throws       ShapeError if w or b does not fit
 */
export function layerNorm(x: Tensor, w: Tensor, b: Tensor, eps = 1e-5): Tensor {
  const { rows, cols, toRows, fromRows } = rowsAlong("layerNorm", x, dimsOf(x, -1));
  if (!sameShape(w.shape, [cols]) || !sameShape(b.shape, [cols])) {
    throw new ShapeError(`layerNorm: x is ${show(x)}; w ${show(w)} and b ${show(b)} must be (${cols}).`);
  }
  const from = toRows(x);
  const y = emptyLike(from);
  const stats = empty([rows, 2]);
  runRows("layer_norm", { x: from, w, b, y, stats }, { rows, cols, count: cols, eps });

  return record(fromRows(y), { inputs: [x, w, b], saved: [from, w, stats] }, (given) => {
    const dy = toRows(given);
    const dx = emptyLike(from);
    const dw = emptyLike(from);
    runRows("layer_norm_backward", { x: from, w, dy, stats, dx, dw }, { rows, cols, count: cols });
    return [fromRows(dx), sumTo(dw, [cols]), sumTo(dy, [cols])];
  });
}
