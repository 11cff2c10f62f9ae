// Rows of a batch in another order, repeated or left out.
//
//   y[i] = x[rows[i]]
//
// Copies, not a kernel: copyBufferToBuffer is 3-16 times faster on software adapters, and runs of rows are one copy.
// For sampling: not recorded (a gradient would add rows up; engine/ops/embedding.ts has that form).

import { ShapeError } from "../errors.js";
import { copyElements, empty, show, type Tensor } from "../tensor.js";

/**
 * @param x      (B, ...), either layout
 * @param rows   indices 0..B-1
 * @returns      (rows.length, ...), x's layout, without a gradient
 */
export function gatherRows(x: Tensor, rows: readonly number[]): Tensor {
  const bad = rows.find((r) => !(r >= 0 && r < x.dim(0)));
  if (bad !== undefined) throw new ShapeError(`gatherRows: row ${bad} is not in x ${show(x)}.`);
  const y = empty([rows.length, ...x.shape.slice(1)], x.dtype, x.layout);
  y.madeBy = "gatherRows";
  const width = x.size / x.dim(0);
  for (let i = 0, run = 1; i < rows.length; i += run, run = 1) {
    while (i + run < rows.length && rows[i + run] === rows[i]! + run) run++;
    copyElements(x, y, { from: rows[i]! * width, to: i * width, count: run * width });
  }
  return y;
}
