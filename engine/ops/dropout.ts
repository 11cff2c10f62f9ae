// Dropout, and its gradient.
//
//   y_i  = m_i x_i / (1 - p)        m_i = 1 with probability 1 - p, else 0
//   dx_i = m_i dy_i / (1 - p)       nothing is saved: the key makes the mask again

import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import type { Rng } from "../random.js";
import { kernel, perElement } from "../shader.js";
import { record } from "../tape.js";
import { emptyLike, type Tensor } from "../tensor.js";

const masked = kernel("dropout"); // x -> y, dy -> dx

/**
 * Zeroes elements with probability p and scales the others by 1 / (1 - p).
 *
 * @param rng   gives one key; the same key gives the same mask for the same size and layout
 */
export function dropout(x: Tensor, p: number, rng: Rng): Tensor {
  if (!(p >= 0 && p < 1)) throw new ShapeError(`dropout: p is ${p}, but must lie in [0, 1).`);
  const key = rng.key();
  const apply = (from: Tensor): Tensor => {
    const to = emptyLike(from);
    masked.run({ x: from, y: to }, { n: to.size, p, key, scale: 1 / (1 - p) }, perElement(to.size));
    return to;
  };
  const { layout } = x;
  return record(apply(x), { inputs: [x] }, (dy) => [apply(toLayout(dy, layout))]);
}
