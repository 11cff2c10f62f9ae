// The gradients of a weight and its bias. On GPUs the kernel of the first sums up the second as it passes: dy is read once.
//
//   dw = dy^T x  (a product, or its form for convolutions)        db = sum of dy over all but the channels

import { device } from "../device.js";
import { bindable, viewOf } from "../parts.js";
import { empty, type Layout, type Shape, sizeOf, type Tensor } from "../tensor.js";
import { fitted } from "./fitted.js";
import { gemm } from "./gemm.js";
import { sumTo } from "./reduce.js";
import { behind } from "./tiled_plan.js";

/** Where the gradients of a weight and its bias will lie, if there is a place for them (tape.ts#Place). */
export type Home = readonly [w: Tensor | undefined, bias: Tensor | undefined];

/** Both of a matrix product. D: dy, rows of O; X: rows of I; in either layout if these lie innermost. dw: (O, I), db: (O). */
export function productGradients(D: Tensor, X: Tensor, bias: boolean, home: Home): { dw: Tensor; db?: Tensor } {
  const [rows, cols] = [innermost(D), innermost(X)];
  const across = (ld: number) => ({ contiguous: false, ld });
  const g = { rows, cols, depth: X.size / cols, a: across(rows), b: across(cols), out: { contiguous: true, ld: cols } };
  const fill = (out: Tensor, sums: boolean) => gemm({ ...g, sums }, { a: D, b: X, out });
  return withBias([rows, cols], "plain", D, bias, [X], fill, home);
}

/**
 * dw of this shape, whose first dimension is dy's channels, filled by `fill`; and db, if wanted.
 *
 * @param others   what `fill` reads besides dy
 * @param fill     told to sum up, it writes db behind dw (tiled_plan.ts#behind)
 * @param sums     db, where `fill` is not told to
 */
export function withBias(
  shape: Shape,
  layout: Layout,
  dy: Tensor,
  bias: boolean,
  others: readonly Tensor[],
  fill: (out: Tensor, sums: boolean) => void,
  [w, b]: Home,
  sums = () => channelSums(dy, shape[0]!),
): { dw: Tensor; db?: Tensor } {
  const [n, O] = [sizeOf(shape), shape[0]!];
  if (!bias || device().family !== "tiled" || !bindable([dy, ...others])) {
    const dw = w?.size === n ? viewOf(w, shape, layout, 0) : empty(shape, "f32", layout);
    fill(dw, false);
    return bias ? { dw, db: sums() } : { dw };
  }
  // Between the two nothing may be written: elements there that are no gradient have to stay 0 (flat.ts).
  const fits = n % 64 === 0 && w?.size === n && w.storage === b?.storage && b.offset === w.offset + 4 * n;
  const both = fits ? viewOf(w, [n + O], "plain", 0) : empty([behind(n) + O]);
  fill(both, true);
  return { dw: viewOf(both, shape, layout, 0), db: viewOf(both, [O], "plain", behind(n)) };
}

/** The sum of dy (B, channels >= O, ...), or (..., O), over all but the channels. */
export function channelSums(dy: Tensor, O: number): Tensor {
  if (dy.shape.length < 3 || dy.layout === "plain") return sumTo(dy, [innermost(dy)]);
  const channels = dy.dim(1);
  const sums = sumTo(dy, [channels, ...dy.shape.slice(2).map(() => 1)]);
  return fitted(sums.alias([channels], "plain"), [O], "plain");
}

const innermost = (x: Tensor): number => (x.layout === "channels_last" ? x.dim(1) : x.dim(-1));
