// A choice between two tensors, item by item, and its gradient.
//
//   y[b] = a[b] where flag[b], else b[b]        da[b] = dy[b] where flag[b], else 0; db the other way round

import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { kernel, perElement } from "../shader.js";
import { record } from "../tape.js";
import { empty, emptyLike, sameShape, show, type Tensor } from "../tensor.js";
import { sumTo } from "./reduce.js";

const forward = kernel("select_rows"); //            flag, a, b -> y
const backward = kernel("select_rows_backward"); //  flag, dy   -> dx

/**
 * Item b of `a` where flag[b] is not 0, else of `b`.
 *
 * @param flag  (B) u32
 * @param a, b  (B, ...), or (1, ...) for the same item in every row
 * @returns     (B, ...) in a's layout
 */
export function selectRows(flag: Tensor, a: Tensor, b: Tensor): Tensor {
  const [rows] = flag.shape as [number];
  const rest = a.shape.slice(1);
  const fits = [a, b].every((x) => (x.shape[0] === rows || x.shape[0] === 1) && sameShape(x.shape.slice(1), rest));
  if (flag.dtype !== "u32" || flag.shape.length !== 1 || !fits) {
    throw new ShapeError(`selectRows: flag is ${show(flag)}, a is ${show(a)}, b is ${show(b)}.
flag must be (B) u32, a and b (B, ...) or (1, ...) of one shape.`);
  }
  const { layout } = a;
  const other = toLayout(b, layout);
  const y = empty([rows, ...rest], "f32", layout);
  const width = y.size / rows;
  const word = width % 4 ? 1 : 4;
  const [n, cols] = [y.size / word, width / word];
  const { workgroups, constants } = perElement(4 * n);
  const T = word === 4 ? "vec4f" : "f32";
  const params = { n, cols, a_rows: a.shape[0]!, b_rows: b.shape[0]! };
  forward.run({ flag, a, b: other, y }, params, { workgroups, constants: { ...constants, T } });

  const [aShape, bShape] = [a.shape, b.shape];
  return record(y, { inputs: [a, b], saved: [flag] }, (given, needs) => {
    const dy = toLayout(given, layout);
    return [aShape, bShape].map((shape, k) => {
      if (!needs[k]) return null;
      const dx = emptyLike(dy);
      backward.run({ flag, dy, dx }, { n, cols }, { workgroups, constants: { ...constants, T, CHOSEN: k === 0 } });
      return sumTo(dx, shape);
    });
  });
}
