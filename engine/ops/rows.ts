// What the row operations share: which dimensions are meant, how x becomes (R, C) with contiguous rows, and which form of a
// kernel runs.

import { device } from "../device.js";
import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { bindable, inParts } from "../parts.js";
import { scope } from "../scope.js";
import { kernel, type Params } from "../shader.js";
import { empty, type Layout, type Shape, sameShape, show, sizeOf, type Tensor } from "../tensor.js";

/** Dimensions counted from the front; all of them if none are given. */
export function dimsOf(x: Tensor, dims: number | readonly number[] | undefined): number[] {
  const rank = x.shape.length;
  return [dims ?? [...x.shape.keys()]].flat().map((d) => {
    if (d < -rank || d >= rank) throw new ShapeError(`${show(x)} has no dimension ${d}.`);
    return d < 0 ? d + rank : d;
  });
}

/** The shape left by a reduction over `dims`, with and without them, and the layout of what keeps them. */
export function reducedShape(x: Tensor, dims: readonly number[]): { kept: Shape; squeezed: Shape; layout: Layout } {
  const kept = x.shape.map((n, i) => (dims.includes(i) ? 1 : n));
  const squeezed = x.shape.filter((_, i) => !dims.includes(i));
  const layout = x.layout === "channels_last" && kept[1] === x.shape[1] ? "channels_last" : "plain";
  return { kept, squeezed: squeezed.length ? squeezed : [1], layout };
}

/** The same values under another shape, in PyTorch's order. */
export function reshaped(x: Tensor, shape: Shape): Tensor {
  // With one pixel both layouts are the same memory.
  const pixels = sizeOf(x.shape.slice(2));
  return (pixels === 1 ? x : toLayout(x, "plain")).alias(shape, "plain");
}

/** A gradient of the squeezed or the kept shape, as it lies in memory beside x. */
export function toMemory(dy: Tensor, kept: Shape, layout: Layout): Tensor {
  return toLayout(sameShape(dy.shape, kept) ? dy : toLayout(dy, "plain").alias(kept, "plain"), layout);
}

/** The order in which the dimensions lie in memory. */
export function memoryOrder(shape: Shape, layout: Layout): number[] {
  const order = shape.map((_, i) => i);
  if (layout === "channels_last") order.push(...order.splice(1, 1));
  return order;
}

/** Some dimensions of x as the columns of a matrix, the others, in memory's order, as its rows. */
export interface Rows {
  rows: number;
  cols: number;
  /** A tensor of x's shape, in any layout, as (R, C) in memory. */
  toRows(t: Tensor): Tensor;
  /** An (R, C) result in x's shape and layout. */
  fromRows(t: Tensor): Tensor;
}

/**
 * Without a copy where `dims` are innermost: the last of a plain x, the channels of a channels_last one. Else each run of
 * them changes places with all that lies behind it.
 */
export function rowsAlong(op: string, x: Tensor, dims: readonly number[]): Rows {
  const { shape, layout } = x;
  const cols = sizeOf(dims.map((d) => shape[d]!));
  if (!cols) throw new ShapeError(`${op}: x is ${show(x)}; dimension ${dims.join(", ")} is empty.`);
  const order = memoryOrder(shape, layout).filter((d) => shape[d] !== 1);
  const swaps: [number, number][] = []; // (a, b): the last a * b elements of memory are a matrix (a, b), to be transposed
  for (;;) {
    const from = order.findIndex((d) => dims.includes(d));
    const length = order.slice(from).findIndex((d) => !dims.includes(d));
    if (from < 0 || length < 0) break;
    const run = order.splice(from, length);
    swaps.push([sizeOf(run.map((d) => shape[d]!)), sizeOf(order.slice(from).map((d) => shape[d]!))]);
    order.push(...run);
  }
  const rows = x.size / cols;
  return {
    rows,
    cols,
    toRows: (t) => swaps.reduce((y, [a, b]) => transpose(y, a, b), toLayout(t, layout)).alias([rows, cols], "plain"),
    fromRows: (t) => swaps.reduceRight((y, [a, b]) => transpose(y, b, a), t).alias(shape, layout),
  };
}

/** (.., rows, cols) to (.., cols, rows). */
function transpose(x: Tensor, rows: number, cols: number): Tensor {
  const batch = x.size / (rows * cols);
  const y = empty([batch, cols, rows]);
  scope(() =>
    inParts({ x: x.alias([batch, rows, cols], "plain"), y }, (part, batch) => {
      const tiles = [Math.ceil(cols / 64), Math.ceil(rows / 4), Math.min(batch, 65_535)] as const;
      kernel("transpose").run(part, { rows, cols, batch }, { workgroups: tiles });
    }),
  );
  return y;
}

/** Kernels of software adapters that also have the form `name_lanes`: a row rests in the registers of a subgroup. */
const IN_LANES: readonly string[] = ["softmax"];
/** Units a lane holds at most. Measured on lavapipe, 2026-11-24: 16 compile in 0.9 s, 32 in 2.3 s. */
const MOST_HELD = 16;

/**
 * Runs the row kernel `name` over (rows, cols): `name` gives a row to a workgroup (GPUs), `name_rows` to a thread, `name_lanes`
 * to a subgroup (software adapters). All take vec4's where the columns allow it; `cols` in params counts those.
 */
export function runRows(
  name: string,
  tensors: Record<string, Tensor>,
  { rows, cols, ...rest }: Params & { rows: number; cols: number },
  constants: Record<string, boolean | number> = {},
): void {
  const { T, units } = unitsOf(cols);
  const chosen = { ...constants, T, SHARE: T === "vec4f" ? 1 : 0.25 };
  const run = (part: Record<string, Tensor>, rows: number) => {
    const params = { rows, cols: units, ...rest };
    if (device().family === "tiled") {
      kernel(name).run(part, params, { workgroups: rows, constants: { ...chosen, WORKGROUP: threadsFor(units) } });
      return;
    }
    const held = IN_LANES.includes(name) ? heldBy(units) : undefined;
    const form = kernel(held ? `${name}_lanes` : `${name}_rows`);
    form.run(part, params, { workgroups: Math.ceil(rows / 16), constants: { ...chosen, ...held } });
  };
  const all = Object.entries(tensors);
  const sameRows = all.every(([, x]) => x.size === rows * cols); // else some hold a value a row, or one a column
  if (bindable(Object.values(tensors)) || !sameRows) run(tensors, rows);
  else scope(() => inParts(Object.fromEntries(all.map(([key, x]) => [key, x.alias([rows, cols], "plain")])), run));
}

/** Lanes and units a lane that hold a row of `units`, if they can. A power of two, so that few pipelines serve all rows. */
function heldBy(units: number): { SG: number; N: number } | undefined {
  const SG = device().subgroupSize;
  if (!SG) return undefined;
  const N = 2 ** Math.max(0, Math.ceil(Math.log2(units / SG)));
  return N <= MOST_HELD ? { SG, N } : undefined;
}

/** Threads of a workgroup that walks `n` elements: a power of two, 32 at least. */
export const threadsFor = (n: number): number =>
  Math.min(device().tuning.tiled.rows.threads, Math.max(32, 2 ** Math.ceil(Math.log2(n))));

/** `n` contiguous elements as vec4's, if they can be. */
export const unitsOf = (n: number) =>
  n % 4 ? ({ T: "f32", units: n } as const) : ({ T: "vec4f", units: n / 4 } as const);
