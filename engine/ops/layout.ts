// Layouts, shapes and the order of dimensions. Where the memory stays as it is, so does the buffer: the result is an alias.

import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { scope } from "../scope.js";
import { record } from "../tape.js";
import { empty, type Layout, type Shape, sameShape, show, sizeOf, type Tensor } from "../tensor.js";
import { copyBox, stridesOf } from "./strided.js";

/** `x` in plain (row-major) memory; x itself if it lies so. */
export const contiguous = (x: Tensor): Tensor => inLayout(x, "plain");

/** `x` in channels_last memory; x itself if it lies so. Needs (B, C, ...) with C a multiple of 4. */
export const channelsLast = (x: Tensor): Tensor => inLayout(x, "channels_last");

function inLayout(x: Tensor, layout: Layout): Tensor {
  if (x.layout === layout) return x;
  const before = x.layout;
  return record(relaid(x, layout), { inputs: [x] }, (dy) => [relaid(dy, before)]);
}

/** The values of x in another layout, without the tape; an alias where both are the same memory. */
function relaid(x: Tensor, layout: Layout): Tensor {
  const onePixel = x.shape.length >= 3 && x.shape[1]! % 4 === 0 && sizeOf(x.shape.slice(2)) === 1;
  return x.layout === layout || onePixel ? x.alias(x.shape, layout) : toLayout(x, layout);
}

/**
 * The same values under another shape of equal size, in PyTorch's order. One size may be -1: the one that fits.
 *
 * Free for plain tensors, and for channels_last ones that keep B and C, as (B, C, H, W) -> (B, C, H * W) does; else a copy.
 */
export function reshape(x: Tensor, sizes: Shape): Tensor {
  const shape = completed(x, sizes);
  const keeps = x.layout === "channels_last" && shape.length >= 3 && shape[0] === x.shape[0] && shape[1] === x.shape[1];
  if (sameShape(shape, x.shape)) return x;
  const layout = keeps ? x.layout : "plain";
  const { shape: before, layout: layoutBefore } = x;
  const y = scope(() => (keeps ? x : relaid(x, "plain")).alias(shape, layout));
  return record(y, { inputs: [x] }, (dy) => [
    keeps
      ? relaid(dy, layout).alias(before, layoutBefore)
      : relaid(relaid(dy, "plain").alias(before, "plain"), layoutBefore),
  ]);
}

function completed(x: Tensor, sizes: Shape): Shape {
  const known = sizeOf(sizes.filter((n) => n !== -1));
  const shape = sizes.map((n) => (n === -1 ? x.size / known : n));
  if (
    sizes.filter((n) => n === -1).length > 1 ||
    sizeOf(shape) !== x.size ||
    shape.some((n) => !Number.isInteger(n) || n < 0)
  ) {
    throw new ShapeError(`reshape: ${show(x)} has ${x.size} elements and cannot become (${sizes.join(", ")}).`);
  }
  return shape;
}

/**
 * The dimensions in another order: PyTorch's `x.permute(dims)`. The result is an alias if its memory order happens to be x's,
 * as from (B, C, L) channels_last to (B, L, C) plain and back, else a plain copy.
 */
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  const rank = x.shape.length;
  const order = dims.map((d) => (d < 0 ? d + rank : d));
  if (order.length !== rank || new Set(order).size !== rank || order.some((d) => x.shape[d] === undefined)) {
    throw new ShapeError(`permute: (${dims.join(", ")}) does not order the dimensions of ${show(x)}.`);
  }
  const back = order.map((_, d) => order.indexOf(d));
  return record(permuted(x, order), { inputs: [x] }, (dy) => [permuted(dy, back)]);
}

/** The last two dimensions exchanged. */
export function transpose(x: Tensor): Tensor {
  const rank = x.shape.length;
  if (rank < 2) throw new ShapeError(`transpose: ${show(x)} has fewer than two dimensions.`);
  return permute(x, [...Array.from({ length: rank - 2 }, (_, d) => d), rank - 1, rank - 2]);
}

function permuted(x: Tensor, order: readonly number[]): Tensor {
  const shape = order.map((d) => x.shape[d]!);
  const own = stridesOf(x.shape, x.layout);
  const strides = order.map((d) => own[d]!);
  const lies = (layout: Layout) =>
    stridesOf(shape, layout).every((stride, d) => stride === strides[d] || shape[d] === 1);
  if (lies("plain")) return x.alias(shape, "plain");
  if (shape.length >= 3 && shape[1]! % 4 === 0 && lies("channels_last")) return x.alias(shape, "channels_last");

  const y = empty(shape, x.dtype);
  y.madeBy = "permute";
  copyBox(
    shape,
    "plain",
    { tensor: x, first: 0, strides },
    { tensor: y, first: 0, strides: stridesOf(shape, "plain") },
  );
  return y;
}
