// Functions of one number, element by element, and their gradients.
//
//   y = f(x)        dx = dy f'(x)
//
// shaders/unary.wgsl lists every f, shaders/unary_backward.wgsl every f', in terms of what `saves` names here. Layouts stay.

import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { runElements } from "../parts.js";
import { kernel } from "../shader.js";
import { record } from "../tape.js";
import { emptyLike, show, type Tensor } from "../tensor.js";

const forward = kernel("unary"); //           x     -> y
const backward = kernel("unary_backward"); // s, dy -> dx

/** The operations by their number in shaders/common/unary_ops.wgsl, and the tensor that f' is written in. */
export const unaryOps = [
  { name: "affine", saves: undefined },
  { name: "exp", saves: "y" },
  { name: "log", saves: "x" },
  { name: "sqrt", saves: "y" },
  { name: "rsqrt", saves: "y" },
  { name: "square", saves: "x" },
  { name: "pow", saves: "x" },
  { name: "abs", saves: "x" },
  { name: "clamp", saves: "x" },
  { name: "sin", saves: "x" },
  { name: "cos", saves: "x" },
  { name: "acos", saves: "x" },
  { name: "tanh", saves: "y" },
  { name: "sigmoid", saves: "y" },
  { name: "relu", saves: "y" },
  { name: "leaky_relu", saves: "x" },
  { name: "silu", saves: "x" },
  { name: "gelu", saves: "x" },
] as const;

type Name = (typeof unaryOps)[number]["name"];

/** p and q are the numbers an f needs besides x; the kernels say which; `dq` is the q of f'. */
function unary(name: Name, x: Tensor, p = 0, q = 0, dq = q): Tensor {
  if (x.dtype !== "f32") throw new ShapeError(`${name}: x is ${show(x)}, but must be f32.`);
  const OP = unaryOps.findIndex((op) => op.name === name);
  const { saves } = unaryOps[OP]!;

  const y = emptyLike(x);
  y.madeBy = name;
  runElements(forward, { x, y }, { p, q }, { OP }, name);
  const { layout } = y;

  if (!saves) return record(y, { inputs: [x] }, (dy) => [unary(name, dy, p, 0)]); // affine: the slope is p
  const s = saves === "x" ? x : y;
  return record(y, { inputs: [x], saved: [s] }, (given) => {
    const dy = toLayout(given, layout);
    const dx = emptyLike(dy);
    runElements(backward, { s, dy, dx }, { p, q: dq }, { OP }, `${name}_backward`);
    return [dx];
  });
}

/** y = scale x + shift. */
export const affine = (x: Tensor, scale: number, shift = 0): Tensor => unary("affine", x, scale, shift);

export const addScalar = (x: Tensor, shift: number): Tensor => affine(x, 1, shift);
export const mulScalar = (x: Tensor, scale: number): Tensor => affine(x, scale);
export const neg = (x: Tensor): Tensor => affine(x, -1);

export const exp = (x: Tensor): Tensor => unary("exp", x);
export const log = (x: Tensor): Tensor => unary("log", x);
export const sqrt = (x: Tensor): Tensor => unary("sqrt", x);
export const rsqrt = (x: Tensor): Tensor => unary("rsqrt", x);
export const square = (x: Tensor): Tensor => unary("square", x);
export const abs = (x: Tensor): Tensor => unary("abs", x);
export const sin = (x: Tensor): Tensor => unary("sin", x);
export const cos = (x: Tensor): Tensor => unary("cos", x);
export const acos = (x: Tensor): Tensor => unary("acos", x);
export const tanh = (x: Tensor): Tensor => unary("tanh", x);
export const sigmoid = (x: Tensor): Tensor => unary("sigmoid", x);
export const relu = (x: Tensor): Tensor => unary("relu", x);

/** x where positive, slope x elsewhere. */
export const leakyRelu = (x: Tensor, slope = 0.01): Tensor => unary("leaky_relu", x, slope);

/** x sigmoid(x), also called swish. */
export const silu = (x: Tensor): Tensor => unary("silu", x);

/** x Phi(x) with the exact normal distribution function (erf), not the tanh approximation. */
export const gelu = (x: Tensor): Tensor => unary("gelu", x);

/** x moved into [lo, hi]; the gradient passes where lo <= x <= hi. */
export const clamp = (x: Tensor, lo: number, hi: number): Tensor => unary("clamp", x, lo, hi);

/** x^p for a number p. Negative x give NaN unless p is whole. */
export function pow(x: Tensor, p: number): Tensor {
  if (p === 0) return affine(x, 0, 1);
  if (p === 1) return affine(x, 1);
  if (p === 2) return square(x);
  if (p === 0.5) return sqrt(x);
  if (p === -0.5) return rsqrt(x);
  const parity = Number.isInteger(p) ? Math.abs(p % 2) : 2;
  return unary("pow", x, p, parity, parity === 2 ? 2 : 1 - parity);
}
