// Sums, means and maxima over dimensions, and their gradients.
//
//   y = scale * sum over the reduced dimensions of x        dx = scale * dy, repeated along them
//   y = max over one dimension                              dx = dy at the first maximum, 0 elsewhere
//
// A tensor in memory is a row of dimensions; neighbours that are both reduced or both kept are one. What is left are steps
// (O, R, I) -> (O, I), taken from the last to the first; the way back takes them from the first to the last.

import { device } from "../device.js";
import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { bindable, inParts } from "../parts.js";
import { keep, scope } from "../scope.js";
import { kernel } from "../shader.js";
import { record } from "../tape.js";
import { empty, type Layout, type Shape, show, sizeOf, type Tensor } from "../tensor.js";
import { cat } from "./cat.js";
import { dimsOf, memoryOrder, reducedShape, reshaped, toMemory } from "./rows.js";

export { std, variance } from "./variance.js";

const sumRow = kernel("sum"); //             x -> y     a workgroup a row
const sumColumns = kernel("sum_columns"); // x -> y     a thread a column
const expand = kernel("expand"); //          x -> y
const maxForward = kernel("max"); //         x -> y, index
const maxBackward = kernel("max_backward"); // dy, index -> dx

/** One reduction in memory: (outer, rows, inner) -> (outer, inner). */
interface Step {
  outer: number;
  rows: number;
  inner: number;
}

/**
 * The sum over `dims` (all by default): PyTorch's `x.sum(dims, keepdim)`. A full sum has shape (1).
 *
 * @param x     (...), either layout; the result is channels_last where x is and C is kept with `keepdim`
 * @throws      ShapeError if x lacks one of `dims`
 */
export function sum(x: Tensor, dims?: number | readonly number[], keepdim = false): Tensor {
  return scaledSum(x, dims, keepdim, () => 1);
}

/** The mean over `dims` (all by default). See `sum`. */
export function mean(x: Tensor, dims?: number | readonly number[], keepdim = false): Tensor {
  return scaledSum(x, dims, keepdim, (count) => 1 / count);
}

/**
 * Undoes broadcasting: sums x over the dimensions in which `shape` has 1 or nothing, for gradient rules. Records nothing.
 * `x` itself where there is nothing to sum and nothing to rename.
 */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const missing = x.shape.length - shape.length;
  const wanted = [...new Array<number>(Math.max(missing, 0)).fill(1), ...shape];
  if (missing < 0 || wanted.some((n, i) => n !== x.shape[i] && n !== 1)) {
    throw new ShapeError(`sumTo: ${show(x)} is no broadcast of ${show(shape)}.`);
  }
  const dims = wanted.flatMap((n, i) => (n === x.shape[i] ? [] : [i]));
  if (!dims.length && !missing) return x;
  return scope(() => reshaped(reduceSum(x, dims, 1), shape));
}

/**
 * The largest value along `dim`; its gradient goes to the first one.
 *
 * @returns     x's shape without `dim`, plain
 */
export function max(x: Tensor, dim = -1): Tensor {
  const [d] = dimsOf(x, dim) as [number];
  const shape = reducedShape(x, [d]).squeezed;
  const from = toLayout(x, "plain");
  const step = { outer: sizeOf(x.shape.slice(0, d)), rows: x.dim(d), inner: sizeOf(x.shape.slice(d + 1)) };
  if (!step.rows) throw new ShapeError(`max: x is ${show(x)}; an empty dimension has no maximum.`);
  const threads = step.outer * step.inner;

  const y = empty(shape);
  const index = empty(shape, "u32");
  maxForward.run({ x: from, y, index }, { ...step }, { workgroups: Math.ceil(threads / 64) });

  return record(y, { inputs: [x], saved: [index] }, (given) => {
    const dy = toLayout(given, "plain");
    const dx = empty(x.shape);
    maxBackward.run({ dy, index, dx }, { ...step }, { workgroups: Math.ceil(dx.size / 64) });
    return [dx];
  });
}

function scaledSum(
  x: Tensor,
  given: number | readonly number[] | undefined,
  keepdim: boolean,
  scaleOf: (count: number) => number,
): Tensor {
  const dims = dimsOf(x, given);
  const scale = scaleOf(dims.reduce((n, d) => n * x.dim(d), 1));
  const y = scope(() => {
    const kept = reduceSum(x, dims, scale);
    return keepdim ? kept : reshaped(kept, reducedShape(x, dims).squeezed);
  });
  const { shape, layout } = x;
  const after = reducedShape(x, dims);
  return record(y, { inputs: [x] }, (dy) => {
    const steps = stepsOf(shape, layout, dims);
    return [spread(toMemory(dy, after.kept, after.layout), steps, scale).alias(shape, layout)];
  });
}

/** The steps that reduce `dims`, in memory order. */
function stepsOf(shape: Shape, layout: Layout, dims: readonly number[]): Step[] {
  const order = memoryOrder(shape, layout);
  const steps: Step[] = [];
  let inner = 1; // product of the kept dimensions behind
  for (let at = order.length - 1; at >= 0; ) {
    let rows = 1;
    while (at >= 0 && (dims.includes(order[at]!) || shape[order[at]!] === 1)) rows *= shape[order[at--]!]!;
    if (rows !== 1) steps.push({ outer: sizeOf(order.slice(0, at + 1).map((d) => shape[d]!)), rows, inner });
    while (at >= 0 && !dims.includes(order[at]!)) inner *= shape[order[at--]!]!;
  }
  return steps;
}

/** Sums x over dims; the result keeps them as 1, and keeps channels_last if C is not among them. */
function reduceSum(x: Tensor, dims: readonly number[], scale: number): Tensor {
  const { kept: shape, layout } = reducedShape(x, dims);
  const steps = stepsOf(x.shape, x.layout, dims);
  if (!steps.length && scale === 1) return x.alias(shape, layout);
  if (!steps.length) steps.push({ outer: x.size, rows: 1, inner: 1 });
  return scope(() => steps.reduce((from, step, i) => sumStep(from, step, i ? 1 : scale), x).alias(shape, layout));
}

/** x (O, R, I) summed over R. The plan: enough threads for the device, each with a run of rows, then one more call. */
function sumStep(x: Tensor, step: Step, scale: number): Tensor {
  return bindable([x]) ? sumWhole(x, step, scale) : sumParts(x, step, scale);
}

function sumWhole(x: Tensor, { outer, rows, inner }: Step, scale: number): Tensor {
  if (device().family === "tiled" && inner === 1) return sumRows(x, outer, rows, scale);
  if (inner === 1 && rows % 4 === 0 && rows > 4) {
    return scope(() =>
      sumStep(sumStep(x, { outer, rows: rows / 4, inner: 4 }, scale), { outer, rows: 4, inner: 1 }, 1),
    );
  }
  const { family, tuning } = device();
  const { threads, workgroup: WORKGROUP } = tuning[family].reduce; // threads: enough to keep the adapter busy
  const T = inner % 4 ? "f32" : "vec4f";
  const columns = outer * (inner % 4 ? inner : inner / 4);
  const wanted = Math.min(Math.ceil(threads / Math.max(columns, 1)), Math.ceil(rows / 32));
  const run = Math.ceil(rows / Math.max(wanted, 1)) || 1;
  const chunks = Math.ceil(rows / run) || 1;
  const y = empty([outer, chunks, inner]);
  const params = { outer, rows, inner: inner % 4 ? inner : inner / 4, chunks, run, scale };
  sumColumns.run({ x, y }, params, {
    workgroups: Math.ceil((columns * chunks) / WORKGROUP),
    constants: { T, WORKGROUP },
  });
  return chunks === 1 ? y : sumStep(y, { outer, rows: chunks, inner }, 1);
}

/** The same for an x that is longer than a binding: sums of parts of it, gathered, and what is left of the sum over those. */
function sumParts(x: Tensor, { outer, rows, inner }: Step, scale: number): Tensor {
  const byOuter = outer > 1;
  const sums: Tensor[] = [];
  return scope(() => {
    inParts({ x: x.alias(byOuter ? [outer, rows * inner] : [rows, inner], "plain") }, (part, count) => {
      const step = byOuter ? { outer: count, rows, inner } : { outer: 1, rows: count, inner };
      sums.push(keep(sumWhole(part.x, step, scale)));
    });
    const gathered = cat(
      sums.map((s) => s.alias([s.size], "plain")),
      0,
    );
    for (const s of sums) s.dispose();
    return byOuter ? gathered : sumStep(gathered, { outer: 1, rows: sums.length, inner }, 1);
  });
}

/** Workgroups a row, for GPUs: chunks of columns, then one more call. */
function sumRows(x: Tensor, rows: number, cols: number, scale: number): Tensor {
  const { run, threads } = device().tuning.tiled.rows;
  const chunks = Math.max(1, Math.ceil(cols / run));
  const y = empty([rows, chunks]);
  const launch = { workgroups: rows * chunks, constants: { WORKGROUP: cols > 64 ? threads : 64 } };
  sumRow.run({ x, y }, { rows, cols, chunks, run, scale }, launch);
  return chunks === 1 ? y : sumRows(y, rows, chunks, 1);
}

/** The gradient of a scaled sum: dy repeated along the summed dimensions. */
function spread(dy: Tensor, steps: readonly Step[], scale: number): Tensor {
  if (!steps.length) return repeat(dy, { outer: dy.size, rows: 1, inner: 1 }, scale);
  return steps.reduceRight((x, step, i) => repeat(x, step, i ? 1 : scale), dy);
}

function repeat(x: Tensor, { outer, rows, inner }: Step, scale: number): Tensor {
  const y = empty([outer, rows, inner]);
  const run = (x: Tensor, y: Tensor, rows: number) =>
    expand.run({ x, y }, { n: y.size, rows, inner, scale }, { workgroups: Math.ceil(y.size / 256) });
  scope(() => {
    if (outer === 1) inParts({ y: y.alias([rows, inner], "plain") }, (part, count) => run(x, part.y, count));
    else inParts({ x: x.alias([outer, inner], "plain"), y }, (part) => run(part.x, part.y, rows));
  });
  return y;
}
