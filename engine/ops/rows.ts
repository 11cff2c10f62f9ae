// What the row operations share: how x becomes (R, C) with contiguous rows, and which form of a kernel runs.

import { device } from "../device.js";
import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { kernel, type Params } from "../shader.js";
import { empty, type Layout, show, sizeOf, type Tensor } from "../tensor.js";

/** One dimension of x as the columns of a matrix. */
export interface Rows {
  rows: number;
  cols: number;
  /** A tensor of x's shape, in any layout, as (R, C) in memory. */
  toRows(t: Tensor): Tensor;
  /** An (R, C) result in x's shape. */
  fromRows(t: Tensor): Tensor;
}

/** `dim` innermost: without a copy for the last dimension of a plain x and for the channels of a channels_last one. */
export function rowsAlong(op: string, x: Tensor, dim: number): Rows {
  const { shape } = x;
  const d = dim < 0 ? dim + shape.length : dim;
  const cols = shape[d];
  if (!cols) throw new ShapeError(`${op}: x is ${show(x)}, but needs a dimension ${dim} of 1 or more.`);
  const rows = x.size / cols;
  const inner = sizeOf(shape.slice(d + 1));
  const direct = (layout: Layout): Rows => ({
    rows,
    cols,
    toRows: (t) => toLayout(t, layout).alias([rows, cols], "plain"),
    fromRows: (t) => t.alias(shape, layout),
  });
  if (x.layout === "channels_last" && d === 1) return direct("channels_last");
  if (inner === 1) return direct("plain");
  return {
    rows,
    cols,
    toRows: (t) => transpose(toLayout(t, "plain"), cols, inner).alias([rows, cols], "plain"),
    fromRows: (t) => transpose(t, inner, cols).alias(shape, "plain"),
  };
}

/** (.., rows, cols) to (.., cols, rows). */
function transpose(x: Tensor, rows: number, cols: number): Tensor {
  const batch = x.size / (rows * cols);
  const y = empty([batch, cols, rows]);
  const tiles = [Math.ceil(cols / 64), Math.ceil(rows / 4), Math.min(batch, 65_535)] as const;
  kernel("transpose").run({ x, y }, { rows, cols, batch }, { workgroups: tiles });
  return y;
}

/**
 * Runs the row kernel `name` over (rows, cols): `name` gives a row to a workgroup (GPUs), `name_rows` to a thread (software
 * adapters). Both take vec4's where the columns allow it; `cols` in params counts those.
 */
export function runRows(name: string, tensors: Record<string, Tensor>, { rows, cols, ...rest }: Params & { rows: number; cols: number }): void {
  const wide = cols % 4 === 0;
  const units = wide ? cols / 4 : cols;
  const constants = wide ? { T: "vec4f", SHARE: 1 } : { T: "f32", SHARE: 0.25 };
  const params = { rows, cols: units, ...rest };
  if (device().family === "tiled") {
    kernel(name).run(tensors, params, { workgroups: rows, constants: { ...constants, WORKGROUP: threadsFor(units) } });
  } else {
    kernel(`${name}_rows`).run(tensors, params, { workgroups: Math.ceil(rows / 16), constants });
  }
}

/** Threads of a workgroup that walks `n` elements: a power of two from 32 to 256. */
export const threadsFor = (n: number): number => Math.min(256, Math.max(32, 2 ** Math.ceil(Math.log2(n))));
