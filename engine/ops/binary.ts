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
import { kernel, perElement } from "../shader.js";
import { noGrad, record } from "../tape.js";
import { empty, emptyLike, type Layout, sameShape, type Shape, show, type Tensor } from "../tensor.js";
import { sumTo } from "./reduce.js";
import { listParams, stridesOf, walk } from "./strided.js";
import { affine, neg } from "./unary.js";

const flat = { add: kernel("add"), sub: kernel("sub"), mul: kernel("mul"), div: kernel("div") }; // a, b -> y
const broadcast = kernel("binary_broadcast"); //                                                   a, b -> y

type Op = keyof typeof flat;

/** The operations by their number in binary_broadcast.wgsl. */
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
  if (a.dtype !== "f32" || b.dtype !== "f32") throw new ShapeError(`${op}: a is ${show(a)}, b is ${show(b)}; both must be f32.`);
  if (sameShape(a.shape, b.shape) && a.layout === b.layout) {
    const y = emptyLike(a);
    flat[op].run({ a, b, y }, { n: y.size }, perElement(y.size));
    return y;
  }

  const shape = broadcastShape(op, a, b);
  const lastChannels = [a, b].some((x) => x.layout === "channels_last" && sameShape(x.shape, shape));
  const layout: Layout = lastChannels ? "channels_last" : "plain";
  const y = empty(shape, "f32", layout);
  y.madeBy = op;
  const { sizes, strides } = walk(shape, layout, [repeated(a, shape), repeated(b, shape)]);
  const params = {
    n: y.size,
    ...listParams("sizes", sizes, 1),
    ...listParams("a", strides[0]!, 0),
    ...listParams("b", strides[1]!, 0),
  };
  const WHOLE = strides.every((list) => loadsWhole(sizes, list));
  const [A_STEP, B_STEP] = strides.map((list) => (WHOLE ? list[0]! : 1)) as [number, number];
  const { workgroups, constants } = perElement(y.size);
  const OP = binaryOps.indexOf(op);
  broadcast.run({ a, b, y }, params, { workgroups, constants: { ...constants, OP, DIMS: sizes.length, WHOLE, A_STEP, B_STEP } });
  return y;
}

/** The strides of x along the dimensions of the result: 0 where x is repeated. */
function repeated(x: Tensor, shape: Shape): number[] {
  const strides = stridesOf(x.shape, x.layout);
  const missing = shape.length - x.shape.length;
  return shape.map((n, d) => (d < missing || (x.shape[d - missing] === 1 && n !== 1) ? 0 : strides[d - missing]!));
}

/** True if an operand can be read four adjacent elements at a time, or one for all four. */
function loadsWhole(sizes: readonly number[], strides: readonly number[]): boolean {
  if (sizes.length === 1) return strides[0]! <= 1;
  if (sizes[0]! % 4) return false;
  return strides[0] === 0 || (strides[0] === 1 && strides.slice(1).every((stride) => stride % 4 === 0));
}
