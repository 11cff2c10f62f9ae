// The gradients of a weight and its bias. On GPUs the kernel of the first sums up the second as it passes: dy is read once.
//
//   dw = dy^T x  (a product, or its form for convolutions)        db = sum of dy over all but the channels

import { device } from "../device.js";
import { bindable, viewOf } from "../parts.js";
import { empty, type Layout, type Shape, sizeOf, type Tensor } from "../tensor.js";
import { fitted } from "./fitted.js";
import { gemm } from "./gemm.js";
import { sumTo } from "./reduce.js";
import { sumsAt } from "./tiled_plan.js";

/** Both of a matrix product. D: dy, rows of O; X: rows of I; in either layout if these lie innermost. dw: (O, I), db: (O). */
export function productGradients(D: Tensor, X: Tensor, bias: boolean): { dw: Tensor; db?: Tensor } {
  const [rows, cols] = [innermost(D), innermost(X)];
  const across = (ld: number) => ({ contiguous: false, ld });
  const g = { rows, cols, depth: X.size / cols, a: across(rows), b: across(cols), out: { contiguous: true, ld: cols } };
  return withBias([rows, cols], "plain", D, bias, [X], (out, sums) => gemm({ ...g, sums }, { a: D, b: X, out }));
}

/**
 * dw of this shape, whose first dimension is dy's channels, filled by `fill`; and db, if wanted.
 *
 * @param others   what `fill` reads besides dy
 * @param fill     told to sum up, it writes db behind dw (tiled_plan.ts#sumsAt)
 */
export function withBias(
  shape: Shape,
  layout: Layout,
  dy: Tensor,
  bias: boolean,
  others: readonly Tensor[],
  fill: (out: Tensor, sums: boolean) => void,
): { dw: Tensor; db?: Tensor } {
  const [n, O] = [sizeOf(shape), shape[0]!];
  if (!bias || device().family !== "tiled" || !bindable([dy, ...others])) {
    const dw = empty(shape, "f32", layout);
    fill(dw, false);
    return bias ? { dw, db: channelSums(dy, O) } : { dw };
  }
  const both = empty([sumsAt(n) + O]);
  fill(both, true);
  return { dw: viewOf(both, shape, layout, 0), db: viewOf(both, [O], "plain", sumsAt(n)) };
}

/** The sum of dy (B, channels >= O, ...), or (..., O), over all but the channels. */
export function channelSums(dy: Tensor, O: number): Tensor {
  if (dy.shape.length < 3 || dy.layout === "plain") return sumTo(dy, [innermost(dy)]);
  const channels = dy.dim(1);
  const sums = sumTo(dy, [channels, ...dy.shape.slice(2).map(() => 1)]);
  return fitted(sums.alias([channels], "plain"), [O], "plain");
}

const innermost = (x: Tensor): number => (x.layout === "channels_last" ? x.dim(1) : x.dim(-1));
