// Sum, difference, product and quotient of two tensors (or a tensor and a number), and their gradients.
//
//   y = a + b      da = dy         db = dy
//   y = a - b      da = dy         db = -dy
//   y = a b        da = dy b       db = dy a
//   y = a / b      da = dy / b     db = -dy y / b
//
// Shapes broadcast as in PyTorch: aligned at the last dimension, 1 repeats. A gradient is summed back over what was repeated.
// The result is channels_last if an operand of its shape is.

import { ShapeError } from "../errors.js";
import { inParts, runElements } from "../parts.js";
import { kernel, perElement } from "../shader.js";
import { noGrad, record } from "../tape.js";
import { empty, emptyLike, type Layout, type Shape, sameShape, show, type Tensor } from "../tensor.js";
import { sumTo } from "./reduce.js";
import { listParams, stridesOf, walk } from "./strided.js";
import { affine, neg } from "./unary.js";

const flat = { add: kernel("add"), sub: kernel("sub"), mul: kernel("mul"), div: kernel("div") }; // a, b -> y
const broadcast = kernel("binary_broadcast"); //                                                   a, b -> y

type Op = keyof typeof flat;

/** The operations by their number in binary_broadcast.wgsl; test/ops/binary.test.ts compares the two. */
export const binaryOps: readonly Op[] = ["add", "sub", "mul", "div"];

export function add(a: Tensor, b: Tensor | number): Tensor {
  if (typeof b === "number") return affine(a, 1, b);
  const [aShape, bShape] = [a.shape, b.shape];
  return record(compute("add", a, b), { inputs: [a, b] }, (dy, [da, db]) => [
    da ? sumTo(dy, aShape) : null,
    db ? sumTo(dy, bShape) : null,
  ]);
}

export function sub(a: Tensor, b: Tensor | number): Tensor {
  if (typeof b === "number") return affine(a, 1, -b);
  const [aShape, bShape] = [a.shape, b.shape];
  return record(compute("sub", a, b), { inputs: [a, b] }, (dy, [da, db]) => [
    da ? sumTo(dy, aShape) : null,
    db ? neg(sumTo(dy, bShape)) : null,
  ]);
}

export function mul(a: Tensor, b: Tensor | number): Tensor {
  if (typeof b === "number") return affine(a, b);
  const [aShape, bShape] = [a.shape, b.shape];
  const saved = [...(wantsGrad(b) ? [a] : []), ...(wantsGrad(a) ? [b] : [])];
  return record(compute("mul", a, b), { inputs: [a, b], saved }, (dy, [da, db]) => [
    da ? sumTo(compute("mul", dy, b), aShape) : null,
    db ? sumTo(compute("mul", dy, a), bShape) : null,
  ]);
}

export function div(a: Tensor, b: Tensor | number): Tensor {
  if (typeof b === "number") return affine(a, 1 / b);
  const [aShape, bShape] = [a.shape, b.shape];
  const y = compute("div", a, b);
  const saved = wantsGrad(b) ? [b, y] : [b];
  return record(y, { inputs: [a, b], saved }, (dy, [da, db]) => [
    da ? sumTo(compute("div", dy, b), aShape) : null,
    db ? noGrad(() => neg(sumTo(compute("div", compute("mul", dy, y), b), bShape))) : null,
  ]);
}

const wantsGrad = (x: Tensor): boolean => x.wantsGrad || x.node !== undefined;

/** PyTorch's shape of a result of these two. */
export function broadcastShape(op: string, a: Tensor, b: Tensor): number[] {
  const rank = Math.max(a.shape.length, b.shape.length);
  return Array.from({ length: rank }, (_, d) => {
    const [m, n] = [a, b].map((x) => x.shape[d - rank + x.shape.length] ?? 1) as [number, number];
    if (m === n || n === 1) return m;
    if (m === 1) return n;
    throw new ShapeError(`${op}: the shapes do not broadcast: ${m} and ${n} in dimension ${d} of the result.
  a  ${show(a)}${a.madeBy && `   made by ${a.madeBy}`}
  b  ${show(b)}${b.madeBy && `   made by ${b.madeBy}`}
Sizes must be equal or 1, counted from the last dimension.`);
  });
}

/** y = a op b without the tape. */
function compute(op: Op, a: Tensor, b: Tensor): Tensor {
  if (a.dtype !== "f32" || b.dtype !== "f32")
    throw new ShapeError(`${op}: a is ${show(a)}, b is ${show(b)}; both must be f32.`);
  if (sameShape(a.shape, b.shape) && a.layout === b.layout) {
    const y = emptyLike(a);
    runElements(flat[op], { a, b, y });
    return y;
  }

  const shape = broadcastShape(op, a, b);
  const lastChannels = [a, b].some((x) => x.layout === "channels_last" && sameShape(x.shape, shape));
  const layout: Layout = lastChannels ? "channels_last" : "plain";
  const y = empty(shape, "f32", layout);
  y.madeBy = op;
  const itemwise = Object.entries({ a, b }).filter(
    ([, x]) => x.shape.length === shape.length && x.shape[0] === shape[0],
  );
  inParts<string>({ y, ...Object.fromEntries(itemwise) }, (part) => runBroadcast(op, { a, b, y, ...part }));
  return y;
}

/** y = a op b by the walk that repeats. */
function runBroadcast(op: Op, { a, b, y }: { a: Tensor; b: Tensor; y: Tensor }): void {
  const { shape, layout } = y;
  const { sizes, strides } = walk(shape, layout, [repeated(a, shape), repeated(b, shape)]);
  const params = {
    n: y.size,
    ...listParams("sizes", sizes, 1),
    ...listParams("a", strides[0]!, 0),
    ...listParams("b", strides[1]!, 0),
  };
  const { workgroups, constants } = perElement(y.size);
  const reading = {
    ROW: rowsShared(sizes, strides, 4 * Number(constants?.VECS)),
    A_READ: readOf(sizes, strides[0]!),
    B_READ: readOf(sizes, strides[1]!),
  };
  const OP = binaryOps.indexOf(op);
  broadcast.run({ a, b, y }, params, { workgroups, constants: { ...constants, OP, DIMS: sizes.length, ...reading } });
}

/** The strides of x along the dimensions of the result: 0 where x is repeated. */
function repeated(x: Tensor, shape: Shape): number[] {
  const strides = stridesOf(x.shape, x.layout);
  const missing = shape.length - x.shape.length;
  return shape.map((n, d) => (d < missing || (x.shape[d - missing] === 1 && n !== 1) ? 0 : strides[d - missing]!));
}

/** ROW: how many elements in a row of the walk one place serves: 2 all of a thread's, 1 four, 0 one. */
function rowsShared(sizes: readonly number[], strides: readonly (readonly number[])[], perThread: number): 0 | 1 | 2 {
  if (sizes[0]! % perThread === 0) return 2;
  // A single dimension may end inside a vec4: what is read past its end is the block's padding.
  return sizes[0]! % 4 === 0 || (sizes.length === 1 && strides.every((list) => list[0]! <= 1)) ? 1 : 0;
}

/** How four elements of a row are read: 0 one for all, 1 as an aligned vec4, 2 one by one. */
function readOf(sizes: readonly number[], strides: readonly number[]): 0 | 1 | 2 {
  if (strides[0] === 0) return 0;
  const aligned = strides[0] === 1 && (sizes.length === 1 || strides.slice(1).every((stride) => stride % 4 === 0));
  return aligned ? 1 : 2;
}
