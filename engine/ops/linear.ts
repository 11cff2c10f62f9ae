// Linear layers: over the last dimension (matmul.ts), and over the channels of images and token sequences.
//
//   y[b, :, p] = w x[b, :, p] + bias        dx[b, :, p] = w^T dy[b, :, p]     dw = sum over b, p of dy x^T     db = sum of dy
//
// The second is a convolution of kernel 1. In channels_last memory x is the matrix (B * pixels, C), so both are one product.

import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { viewOf } from "../parts.js";
import { scope } from "../scope.js";
import { record } from "../tape.js";
import {
  copyElements,
  empty,
  type Layout,
  layoutFor,
  type Shape,
  sameShape,
  show,
  sizeOf,
  type Tensor,
  zeros,
} from "../tensor.js";
import { add } from "./binary.js";
import { ceil4, cutFrom, fitted } from "./fitted.js";
import { gemm } from "./gemm.js";
import { sumTo } from "./reduce.js";
import { type Home, productGradients, withBias } from "./weight_gradient.js";

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
    return record(y, { inputs, saved: [X, W] }, (dy, needs, take, place) => {
      const D = fitted(dy, wide(O), "channels_last");
      const dx = needs[0] ? inputGradient(D, W, x.shape, C % 4 ? undefined : take(0)) : null;
      const wantsBias = Boolean(bias && needs[2]);
      const { dw, db } =
        needs[1] || wantsBias ? weightGradients(D, X, w.shape, wantsBias, [place(1), bias && place(2)]) : {};
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
function weightGradients(D: Tensor, X: Tensor, shape: Shape, bias: boolean, home: Home): { dw: Tensor; db?: Tensor } {
  const { dw, db } = productGradients(D, X, bias, home);
  const cut = fitted(dw, shape.slice(0, 2), "plain").alias(shape, layoutFor(shape));
  return db ? { dw: cut, db: fitted(db, [shape[0]!], "plain") } : { dw: cut };
}

/** `count` linear layers of one size: w (count O, I), with any number of 1's behind, the rows of the first first; bias (count O). */
export interface Alike {
  w: Tensor;
  bias: Tensor;
  count: number;
}

/**
 * Linear layers that each have their own slice of x's channels, one slice behind the other. Layers of one size are one product.
 *
 * @param x       (B, all layers' I, ...)
 * @param groups  in the order of their slices
 * @returns       (B, O, ...) of each layer, channels_last where dimensions are behind
 * @throws        ShapeError if a size does not fit, or I or O is no multiple of 4
 */
export function linearEach(x: Tensor, groups: readonly Alike[]): Tensor[] {
  const layout: Layout = x.shape.length > 2 ? "channels_last" : "plain";
  const shape = x.shape;
  const channels = groups.reduce((sum, { w, count }) => sum + count * w.dim(1), 0);
  if (channels !== x.dim(1))
    throw new ShapeError(`linearEach: the layers take ${channels} channels, but x is ${show(x)}.`);
  return scope(() => {
    // The groups put the gradient of this x together in place, for nothing else reads it.
    const X = record(toLayout(x, layout).alias(), { inputs: [x] }, (dx) => [dx]);
    let first = 0;
    return groups.flatMap((group) => {
      const ys = alike(X, group, first, shape);
      first += group.count * group.w.dim(1);
      return ys;
    });
  });
}

/** A group of layers, from channel `first` of x on. */
function alike(x: Tensor, { w, bias, count: heads }: Alike, first: number, xShape: Shape): Tensor[] {
  const [all, I, O] = [x.dim(1), w.dim(1), w.dim(0) / heads];
  if (I % 4 || O % 4 || w.size !== heads * O * I || !sameShape(bias.shape, [heads * O])) {
    throw new ShapeError(`linearEach: w ${show(w)} and bias ${show(bias)} are no ${heads} layers;
channels a layer are multiples of 4.`);
  }
  const [wShape, layout] = [w.shape, x.layout];
  const rows = x.size / all;
  const pitch = heads > 1 && (rows * O) % 64 ? 16 * Math.ceil(rows / 16) : rows; // a layer's part begins where a binding may
  const places = {
    x: { ...along(all), start: first, headStride: I },
    w: { ...along(I), headStride: O * I },
    y: { ...along(O), headStride: pitch * O },
  };
  const W = w.alias([heads * O, I], "plain");
  const y = empty([heads, pitch, O]);
  gemm(
    { heads, rows, cols: O, depth: I, biasStride: O, a: places.x, b: places.w, out: places.y },
    { a: x, b: W, bias, out: y },
  );
  record(y, { inputs: [x, w, bias], saved: [x, W] }, (dy, needs, take, place) => {
    const dx = needs[0] ? (take(0) ?? (heads * I === all ? empty : zeros)(xShape, "f32", layout)) : null;
    const back = { heads, rows, cols: I, depth: O, a: places.y, b: turned(places.w), out: places.x };
    if (dx) gemm(back, { a: dy, b: W, out: dx });
    if (!needs[1] && !needs[2]) return [dx, null, null];
    const over = { heads, rows: O, cols: I, depth: rows, biasStride: O, a: turned(places.y), b: turned(places.x) };
    const fill = (out: Tensor, sums: boolean) => gemm({ ...over, out: places.w, sums }, { a: dy, b: x, out });
    const sums = () => sumTo(dy, [heads, 1, O]).alias([heads * O]);
    const { dw, db } = withBias([heads * O, I], "plain", dy, needs[2]!, [x], fill, [place(1), place(2)], sums);
    return [dx, needs[1] ? dw.alias(wShape, layoutFor(wShape)) : null, db ?? null];
  });
  return Array.from({ length: heads }, (_, h) => layerOf(y, h, [x.dim(0), O, ...xShape.slice(2)], layout));
}

/** Layer h of all layers' results (heads, rows, O); what is said of x holds for these too. */
function layerOf(y: Tensor, h: number, shape: Shape, layout: Layout): Tensor {
  const from = h * y.dim(1) * y.dim(2);
  const all = y.shape;
  return record(viewOf(y, shape, layout, from), { inputs: [y] }, (dy, _, take) => {
    const d = take(0) ?? zeros(all);
    copyElements(toLayout(dy, layout), d, { to: from });
    return [d];
  });
}

const turned = <O extends { contiguous: boolean }>(operand: O): O => ({ ...operand, contiguous: !operand.contiguous });

/** Operands of gemm that lie along their depth, or across it, without gaps. */
const along = (ld: number) => ({ contiguous: true, ld });
const across = (ld: number) => ({ contiguous: false, ld });
