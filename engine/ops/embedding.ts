// Rows of a table, and the table's gradient.
//
//   y[.., :] = w[ids[..], :]        dw[i, :] = sum of dy[.., :] where ids[..] = i

import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { kernel, perElement } from "../shader.js";
import { record } from "../tape.js";
import { empty, show, type Tensor, zeros } from "../tensor.js";

const forward = kernel("embedding"); //            ids, w  -> y
const backward = kernel("embedding_backward"); //  ids, dy -> dw

/**
 * PyTorch's `embedding(ids, w)`.
 *
 * @param ids   (...) u32, below N; the GPU cannot throw, so a larger one takes the last row
 * @param w     (N, D)
 * @returns     (..., D), plain
 */
export function embedding(ids: Tensor, w: Tensor): Tensor {
  const [rows, width] = w.shape;
  if (ids.dtype !== "u32" || !rows || !width || w.shape.length !== 2) {
    throw new ShapeError(`embedding: ids is ${show(ids)}, w is ${show(w)}; ids must be u32 and w (N, D).`);
  }
  const shape = [...ids.shape, width];
  const word = width % 4 ? 1 : 4;
  const T = word === 4 ? "vec4f" : "f32";
  const params = { n: (ids.size * width) / word, rows, cols: width / word };
  const { workgroups, constants } = perElement(4 * params.n);
  const plainIds = toLayout(ids, "plain");

  const y = empty(shape);
  forward.run({ ids: plainIds, w, y }, params, { workgroups, constants: { ...constants, T } });

  return record(y, { inputs: [ids, w], saved: [plainIds] }, (given) => {
    const dy = toLayout(given, "plain");
    const dw = zeros([rows, width]);
    backward.run({ ids: plainIds, dy, dw }, params, { workgroups: Math.ceil(params.n / 64), constants: { T } });
    return [null, dw];
  });
}
