// Concatenation and slices along one dimension, and their gradients.
//
//   y = (x_0, x_1, ..)      dx_k = the part of dy that x_k became
//   y = x[start..end)       dx   = dy at start..end, 0 elsewhere
//
// Both are copies of boxes: copy commands where a box is a few contiguous runs, a kernel otherwise (engine/ops/strided.ts). Two
// tensors joined in their channels, the form of a UNet's skips, are one kernel there and one back.

import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { mostElements, viewOf } from "../parts.js";
import { kernel, perElement } from "../shader.js";
import { record } from "../tape.js";
import { empty, type Layout, type Shape, show, type Tensor, zeros } from "../tensor.js";
import { copyBox, stridesOf } from "./strided.js";

const rows = kernel("cat_rows"); //                  a, b -> y
const rowsBackward = kernel("cat_rows_backward"); // dy   -> da, db

/**
 * Joins tensors that agree in every dimension but `dim`.
 *
 * @returns     channels_last if one of `xs` is and the number of channels allows it, else plain
 */
export function cat(xs: readonly Tensor[], dim = 1): Tensor {
  const first = xs[0];
  if (!first) throw new ShapeError("cat: no tensors were given.");
  const along = dimension("cat", first, dim);
  for (const x of xs) checkFits(first, x, along);
  const sizes = xs.map((x) => x.shape[along]!);
  const shape = first.shape.map((n, d) => (d === along ? sizes.reduce((a, b) => a + b) : n));
  if (along === 1 && isPair(xs)) return catRows(xs[0]!, xs[1]!, shape);
  const anyLast = xs.some((x) => x.layout === "channels_last");
  const y = empty(shape, first.dtype, anyLast && shape[1]! % 4 === 0 ? "channels_last" : "plain");
  y.madeBy = "cat";

  const starts = sizes.map((_, k) => sizes.slice(0, k).reduce((a, b) => a + b, 0));
  for (const [k, x] of xs.entries()) {
    const strides = stridesOf(shape, y.layout);
    const to = { tensor: y, first: starts[k]! * strides[along]!, strides };
    copyBox(x.shape, y.layout, { tensor: x, first: 0, strides: stridesOf(x.shape, x.layout) }, to);
  }
  const layouts = xs.map((x) => x.layout);
  return record(y, { inputs: xs }, (dy, needs) =>
    sizes.map((n, k) => (needs[k] ? partOf(dy, along, starts[k]!, n, layouts[k]!) : null)),
  );
}

/** Two tensors whose channels lie innermost. */
const isPair = (xs: readonly Tensor[]): boolean =>
  xs.length === 2 &&
  xs.every((x) => x.layout === "channels_last" && x.dtype === "f32") &&
  xs[0]!.size + xs[1]!.size <= mostElements();

function catRows(a: Tensor, b: Tensor, shape: Shape): Tensor {
  const y = empty(shape, "f32", "channels_last");
  rows.run({ a, b, y }, unitsOf(a, b), perElement(y.size));
  return recordPair(a, b, y);
}

const unitsOf = (a: Tensor, b: Tensor) => ({
  n: (a.size + b.size) / 4,
  a_units: a.dim(1) / 4,
  b_units: b.dim(1) / 4,
});

/** Puts y on the tape as cat([a, b]), both and y channels_last. */
export function recordPair(a: Tensor, b: Tensor, y: Tensor): Tensor {
  const shapes = [a.shape, b.shape];
  const params = unitsOf(a, b);
  return record(y, { inputs: [a, b] }, (given) => {
    const dy = toLayout(given, "channels_last");
    const [da, db] = shapes.map((of) => empty(of, "f32", "channels_last")) as [Tensor, Tensor];
    rowsBackward.run({ dy, da, db }, params, perElement(dy.size));
    return [da, db];
  });
}

/**
 * Elements start .. end - 1 of dimension `dim`; negative numbers count from the end.
 *
 * @returns     x's layout, unless the channels left are no multiple of 4: then plain
 */
export function slice(x: Tensor, dim: number, start: number, end = x.dim(dim)): Tensor {
  const along = dimension("slice", x, dim);
  const size = x.shape[along]!;
  const [from, to] = [start, end].map((n) => (n < 0 ? n + size : n)) as [number, number];
  if (!(Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to && to <= size)) {
    throw new ShapeError(`slice: [${start}, ${end}) is no part of dimension ${along} of ${show(x)}.`);
  }
  const y = part(x, along, from, to, x.layout);
  y.madeBy = "slice";
  const { shape, layout, dtype } = x;
  return record(y, { inputs: [x] }, (dy) => {
    const dx = zeros(shape, dtype, layout);
    const strides = stridesOf(shape, layout);
    const side = { tensor: dy, first: 0, strides: stridesOf(dy.shape, dy.layout) };
    copyBox(dy.shape, layout, side, { tensor: dx, first: from * strides[along]!, strides });
    return [dx];
  });
}

/** dy[.., start .. start + n, ..]: a view where that is a run of memory which a kernel can bind, else a copy. */
function partOf(dy: Tensor, along: number, start: number, n: number, layout: Layout): Tensor {
  const from = start * stridesOf(dy.shape, dy.layout)[0]!;
  if (along || dy.layout !== layout || from % 64) return part(dy, along, start, start + n, layout);
  return viewOf(dy, [n, ...dy.shape.slice(1)], layout, from);
}

/** A copy of x[.., start..end, ..], in `layout` if its channels allow. */
function part(x: Tensor, along: number, start: number, end: number, layout: Layout): Tensor {
  const shape: Shape = x.shape.map((n, d) => (d === along ? end - start : n));
  const y = empty(shape, x.dtype, layout === "channels_last" && shape[1]! % 4 ? "plain" : layout);
  const strides = stridesOf(x.shape, x.layout);
  const side = { tensor: x, first: start * strides[along]!, strides };
  copyBox(shape, y.layout, side, { tensor: y, first: 0, strides: stridesOf(shape, y.layout) });
  return y;
}

function dimension(op: string, x: Tensor, dim: number): number {
  const along = dim < 0 ? dim + x.shape.length : dim;
  if (x.shape[along] === undefined) throw new ShapeError(`${op}: ${show(x)} has no dimension ${dim}.`);
  return along;
}

function checkFits(first: Tensor, x: Tensor, along: number): void {
  const fits = x.shape.length === first.shape.length && x.dtype === first.dtype;
  if (fits && x.shape.every((n, d) => d === along || n === first.shape[d])) return;
  throw new ShapeError(`cat: ${show(first)} and ${show(x)} differ outside of dimension ${along}.`);
}
