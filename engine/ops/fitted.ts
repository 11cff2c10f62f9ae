// Tensors made to measure: the matrix kernels read vec4f's, so channels, tokens and columns that are no multiples of 4 go
// through copies with zeros behind them. Inside ops and their rules only: nothing here is recorded.

import { toLayout } from "../layout.js";
import { empty, type Layout, layoutFor, type Shape, sameShape, type Tensor, zeros } from "../tensor.js";
import { copyBox, stridesOf } from "./strided.js";

/** The next multiple of 4. */
export const ceil4 = (n: number): number => 4 * Math.ceil(n / 4);

/**
 * The values of x in another shape of as many dimensions and in `layout`: a longer dimension ends in zeros, a shorter one
 * loses its end. x itself where nothing changes.
 */
export function fitted(x: Tensor, shape: Shape, layout: Layout): Tensor {
  if (sameShape(x.shape, shape)) return toLayout(x, layout);
  const box = shape.map((n, d) => Math.min(n, x.shape[d]!));
  const y = (sameShape(box, shape) ? empty : zeros)(shape, x.dtype, layout);
  const from = { tensor: x, first: 0, strides: stridesOf(x.shape, x.layout) };
  copyBox(box, layout, from, { tensor: y, first: 0, strides: stridesOf(shape, layout) });
  return y;
}

/** What `fill` writes into a channels_last tensor of shape `wide`, cut down to `shape`. */
export function cutFrom(wide: Shape, shape: Shape, fill: (y: Tensor) => void): Tensor {
  const y = empty(wide, "f32", "channels_last");
  fill(y);
  return fitted(y, shape, layoutFor(shape));
}
