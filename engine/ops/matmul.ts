// Matrix products and their gradients.
//
//   y = alpha a b         da = alpha dy b^T     db = alpha a^T dy
//   y = alpha a b^T       da = alpha dy b       db = alpha dy^T a       `transposeB`; linear: a = x, b = weight
//
// No transpose is ever made: the kernel reads either operand along or across its rows. All tensors plain.

import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { scope } from "../scope.js";
import { kernel } from "../shader.js";
import { record } from "../tape.js";
import { empty, type Shape, sameShape, show, sizeOf, type Tensor } from "../tensor.js";
import { gemm } from "./gemm.js";
import { sumTo } from "./reduce.js";
import { productGradients } from "./weight_gradient.js";

const pad = kernel("pad_matrix"); // x -> y

export interface MatmulOptions {
  /** b is given as (..., N, K). */
  transposeB?: boolean;
  /** A factor on the product; 1 by default. */
  alpha?: number;
}

/** `batch` row-major matrices (rows, cols), one behind the other. */
interface Matrix {
  x: Tensor;
  batch: number;
  rows: number;
  cols: number;
}

/**
 * The product of the last two dimensions: PyTorch's `alpha * a @ b`, or `a @ b.transpose(-1, -2)` with `transposeB`.
 *
 * @param a    (..., M, K)
 * @param b    (K, N), or (..., K, N) with the dimensions of a in front
 * @returns    (..., M, N)
 * @throws     ShapeError if K or the dimensions in front differ
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  return product(a, b, undefined, options.transposeB ?? false, options.alpha ?? 1);
}

/**
 * PyTorch's `linear`: y = x weight^T + bias.
 *
 * @param x       (..., I)
 * @param weight  (O, I)
 * @param bias    (O)
 * @returns       (..., O)
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  if (bias && !sameShape(bias.shape, [weight.dim(0)])) {
    throw new ShapeError(`linear: bias is ${show(bias)}, but weight ${show(weight)} has ${weight.dim(0)} rows.`);
  }
  return product(x, weight, bias, true, 1);
}

function product(a: Tensor, b: Tensor, bias: Tensor | undefined, transposeB: boolean, alpha: number): Tensor {
  const [K, N] = transposeB ? [b.dim(-1), b.dim(-2)] : [b.dim(-2), b.dim(-1)];
  const front = b.shape.slice(0, -2);
  if (a.dim(-1) !== K || (front.length && !sameShape(front, a.shape.slice(0, -2)))) {
    const given = transposeB ? "the transpose of b" : "b";
    throw new ShapeError(
      `matmul: a ${show(a)} does not fit ${given} ${show(b)}: K, and what b has in front, must agree.`,
    );
  }
  const shape = [...a.shape.slice(0, -1), N];
  const batch = sizeOf(front); // without dimensions of b in front, those of a are more rows
  const A = matrix(a, batch, K);
  const B = matrix(b, batch, b.dim(-1));
  const y = multiply(A, false, B, !transposeB, alpha, shape, { bias });

  return record(y, { inputs: bias ? [a, b, bias] : [a, b], saved: [A.x, B.x] }, (dy, needs, take, place) => {
    const D = matrix(dy, batch, N);
    const plus = needs[0] && (K | N) % 4 === 0 ? take(0) : undefined;
    const da = needs[0]
      ? multiply(D, false, B, transposeB, alpha, a.shape, { plus: plus && toLayout(plus, "plain") })
      : null;
    if (bias && needs[1] && (K | N) % 4 === 0) {
      const { dw, db } = productGradients(D.x, A.x, needs[2]!, [place(1), place(2)]);
      return [da, dw, db ?? null];
    }
    const [P, Q] = transposeB ? [D, A] : [A, D];
    const db = needs[1] ? multiply(P, true, Q, true, alpha, b.shape) : null;
    return bias ? [da, db, needs[2] ? sumTo(D.x, bias.shape) : null] : [da, db];
  });
}

/** out[r, c] = alpha sum_k a[r, k] b[c, k] + bias[c], where an operand marked `across` lies as (k, r) or (k, c). */
function multiply(
  a: Matrix,
  acrossA: boolean,
  b: Matrix,
  acrossB: boolean,
  alpha: number,
  shape: Shape,
  more: { bias?: Tensor | undefined; plus?: Tensor | undefined } = {},
): Tensor {
  const cols = acrossB ? b.cols : b.rows;
  const rows = acrossA ? a.cols : a.rows;
  if ((a.cols | b.cols | cols) % 4) return multiplyOdd(a, acrossA, b, acrossB, alpha, shape, more.bias);

  const out = empty(shape);
  const sizes = {
    rows,
    cols,
    depth: acrossA ? a.rows : a.cols,
    batch: a.batch,
    alpha,
    a: { contiguous: !acrossA, ld: a.cols, batchStride: a.rows * a.cols },
    b: { contiguous: !acrossB, ld: b.cols, batchStride: b.rows * b.cols },
    out: { contiguous: true, ld: cols, batchStride: rows * cols },
  };
  gemm(sizes, { a: a.x, b: b.x, ...more, out });
  return out;
}

/** Rows in memory start at multiples of 4 in the kernel: other sizes go through padded copies. */
function multiplyOdd(
  a: Matrix,
  acrossA: boolean,
  b: Matrix,
  acrossB: boolean,
  alpha: number,
  shape: Shape,
  bias?: Tensor,
): Tensor {
  return scope(() => {
    const A = padded(a);
    const B = padded(b);
    const rows = acrossA ? A.cols : A.rows;
    const cols = acrossB ? B.cols : B.rows;
    const wide = bias && padded(matrix(bias, 1, bias.size));
    const y = multiply(A, acrossA, B, acrossB, alpha, [a.batch, rows, cols], { bias: wide?.x });
    return resized(matrix(y, a.batch, cols), acrossA ? a.cols : a.rows, acrossB ? b.cols : b.rows, shape);
  });
}

function padded(m: Matrix): Matrix {
  const [rows, cols] = [4 * Math.ceil(m.rows / 4), 4 * Math.ceil(m.cols / 4)];
  return { x: resized(m, rows, cols, [m.batch, rows, cols]), batch: m.batch, rows, cols };
}

function resized(m: Matrix, rows: number, cols: number, shape: Shape): Tensor {
  const y = empty(shape);
  const params = { x_rows: m.rows, x_cols: m.cols, y_rows: rows, y_cols: cols, n: y.size };
  pad.run({ x: m.x, y }, params, { workgroups: Math.ceil(y.size / 64) });
  return y;
}

function matrix(x: Tensor, batch: number, cols: number): Matrix {
  return { x: toLayout(x, "plain"), batch, rows: x.size / batch / cols, cols };
}
