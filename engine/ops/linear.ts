// Linear layers: over the last dimension (matmul.ts), and over the channels of images and token sequences.
//
//   y[b, :, p] = w x[b, :, p] + bias        dx[b, :, p] = w^T dy[b, :, p]     dw = sum over b, p of dy x^T     db = sum of dy
//
// The second is a convolution of kernel 1. In channels_last memory x is the matrix (B * pixels, C), so both are one product.

import { ShapeError } from "../errors.js";
import { scope } from "../scope.js";
import { record } from "../tape.js";
import { empty, layoutFor, type Shape, sameShape, show, sizeOf, type Tensor } from "../tensor.js";
import { ceil4, cutFrom, fitted } from "./fitted.js";
import { gemm } from "./gemm.js";
import { sumTo } from "./reduce.js";

export { linear } from "./matmul.js";

/**
 * A linear layer on dimension 1, the same at every position: PyTorch's conv1d or conv2d with kernel 1.
 *
 * @param x     (B, C, ...), at least one dimension behind C
 * @param w     (O, C), with any number of 1's behind
 * @param bias  (O)
 * @returns     (B, O, ...), channels_last where O allows it
 */
export function linearChannels(x: Tensor, w: Tensor, bias?: Tensor): Tensor {
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
  const wide = (channels: number): Shape => [B, ceil4(channels), ...x.shape.slice(2)];
  const rows = B * sizeOf(x.shape.slice(2));
  const [cols, depth] = [ceil4(O), ceil4(C)];
  return scope(() => {
    const X = fitted(x, wide(C), "channels_last");
    const W = fitted(w.alias([O, C], "plain"), [cols, depth], "plain"); // with one pixel both layouts are the same memory
    const widened = bias && fitted(bias, [cols], "plain");
    const g = { rows, cols, depth, a: along(depth), b: along(depth), out: along(cols) };
    const shape = [B, O, ...x.shape.slice(2)];
    const y = cutFrom(wide(O), shape, (out) => gemm(g, { a: X, b: W, bias: widened, out }));

    return record(y, { inputs: bias ? [x, w, bias] : [x, w], saved: [X, W] }, (dy, needs) => {
      const D = fitted(dy, wide(O), "channels_last");
      const dx = needs[0] ? inputGradient(D, W, x.shape) : null;
      const dw = needs[1] ? weightGradient(D, X, w.shape) : null;
      return bias ? [dx, dw, needs[2] ? channelSums(D, O) : null] : [dx, dw];
    });
  });
}

/** dx = dy w. */
function inputGradient(D: Tensor, W: Tensor, shape: Shape): Tensor {
  const [depth, cols] = W.shape as [number, number];
  const g = { rows: D.size / depth, cols, depth, a: along(depth), b: across(cols), out: along(cols) };
  return cutFrom([D.dim(0), cols, ...shape.slice(2)], shape, (out) => gemm(g, { a: D, b: W, out }));
}

/** dw = dy^T x. */
function weightGradient(D: Tensor, X: Tensor, shape: Shape): Tensor {
  const [rows, cols] = [D.dim(1), X.dim(1)];
  const DW = empty([rows, cols]);
  gemm(
    { rows, cols, depth: X.size / cols, a: across(rows), b: across(cols), out: along(cols) },
    { a: D, b: X, out: DW },
  );
  return fitted(DW, shape.slice(0, 2), "plain").alias(shape, layoutFor(shape));
}

/** The gradient of a bias: the sum of dy (B, channels >= O, ...) over all but the channels. */
export function channelSums(dy: Tensor, O: number): Tensor {
  const channels = dy.dim(1);
  const sums = sumTo(dy, [channels, ...dy.shape.slice(2).map(() => 1)]);
  return fitted(sums.alias([channels], "plain"), [O], "plain");
}

/** Operands of gemm that lie along their depth, or across it, without gaps. */
const along = (ld: number) => ({ contiguous: true, ld });
const across = (ld: number) => ({ contiguous: false, ld });
