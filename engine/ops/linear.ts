// Linear layers: over the last dimension (matmul.ts), and over the channels of images and token sequences.
//
//   y[b, :, p] = w x[b, :, p] + bias        dx[b, :, p] = w^T dy[b, :, p]     dw = sum over b, p of dy x^T     db = sum of dy
//
// The second is a convolution of kernel 1. In channels_last memory x is the matrix (B * pixels, C), so both are one product.

import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { scope } from "../scope.js";
import { record } from "../tape.js";
import { layoutFor, type Shape, sameShape, show, sizeOf, type Tensor } from "../tensor.js";
import { add } from "./binary.js";
import { ceil4, cutFrom, fitted } from "./fitted.js";
import { gemm } from "./gemm.js";
import { productGradients } from "./weight_gradient.js";

export { linear } from "./matmul.js";

/**
 * A linear layer on dimension 1, the same at every position: PyTorch's conv1d or conv2d with kernel 1.
 *
 * @param x     (B, C, ...), at least one dimension behind C
 * @param w     (O, C), with any number of 1's behind
 * @param bias  (O)
 * @param plus  (B, O, ...), added to the result: a residual
 * @returns     (B, O, ...), channels_last where O allows it
 */
export function linearChannels(x: Tensor, w: Tensor, bias?: Tensor, plus?: Tensor): Tensor {
  const [B, C] = [x.dim(0), x.dim(1)];
  const O = w.dim(0);
  if (x.shape.length < 3 || w.dim(1) !== C || w.size !== O * C) {
    throw new ShapeError(
      `linearChannels: w ${show(w)} does not fit x ${show(x)}; (B, C, ...) needs (O, C) and 1's behind.`,
    );
  }
  if (bias && !sameShape(bias.shape, [O])) {
    throw new ShapeError(`linearChannels: bias is ${show(bias)}, but w ${show(w)} has ${O} rows.`);
  }
  if (plus && O % 4) return add(linearChannels(x, w, bias), plus);
  const wide = (channels: number): Shape => [B, ceil4(channels), ...x.shape.slice(2)];
  const rows = B * sizeOf(x.shape.slice(2));
  const [cols, depth] = [ceil4(O), ceil4(C)];
  return scope(() => {
    const X = fitted(x, wide(C), "channels_last");
    const W = fitted(w.alias([O, C], "plain"), [cols, depth], "plain"); // with one pixel both layouts are the same memory
    const widened = bias && fitted(bias, [cols], "plain");
    const g = { rows, cols, depth, a: along(depth), b: along(depth), out: along(cols) };
    const shape = [B, O, ...x.shape.slice(2)];
    const residual = plus && toLayout(plus, "channels_last");
    const y = cutFrom(wide(O), shape, (out) => gemm(g, { a: X, b: W, bias: widened, plus: residual, out }));

    const inputs = [x, w, ...(bias ? [bias] : []), ...(plus ? [plus] : [])];
    return record(y, { inputs, saved: [X, W] }, (dy, needs, take) => {
      const D = fitted(dy, wide(O), "channels_last");
      const dx = needs[0] ? inputGradient(D, W, x.shape, C % 4 ? undefined : take(0)) : null;
      const wantsBias = Boolean(bias && needs[2]);
      const { dw, db } = needs[1] || wantsBias ? weightGradients(D, X, w.shape, wantsBias) : {};
      return [dx, needs[1] ? dw! : null, ...(bias ? [db ?? null] : []), ...(plus ? [dy] : [])];
    });
  });
}

/** dx = dy w (+ plus). */
function inputGradient(D: Tensor, W: Tensor, shape: Shape, given?: Tensor): Tensor {
  const [depth, cols] = W.shape as [number, number];
  const g = { rows: D.size / depth, cols, depth, a: along(depth), b: across(cols), out: along(cols) };
  const plus = given && toLayout(given, "channels_last");
  return cutFrom([D.dim(0), cols, ...shape.slice(2)], shape, (out) => gemm(g, { a: D, b: W, plus, out }));
}

/** dw = dy^T x, and db if wanted. */
function weightGradients(D: Tensor, X: Tensor, shape: Shape, bias: boolean): { dw: Tensor; db?: Tensor } {
  const { dw, db } = productGradients(D, X, bias);
  const cut = fitted(dw, shape.slice(0, 2), "plain").alias(shape, layoutFor(shape));
  return db ? { dw: cut, db: fitted(db, [shape[0]!], "plain") } : { dw: cut };
}

/** Operands of gemm that lie along their depth, or across it, without gaps. */
const along = (ld: number) => ({ contiguous: true, ld });
const across = (ld: number) => ({ contiguous: false, ld });
