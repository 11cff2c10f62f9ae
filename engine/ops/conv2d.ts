// Convolution over images, and its gradients.
//
//   y[o] = sum_tap w[tap] x[o stride - pad + tap] + bias        in PyTorch's sense: w is not flipped
//   dx = the transpose of that (conv_transpose2d)     dw[tap] = sum_o dy[o] x[o stride - pad + tap]     dbias = sum of dy
//
// Work is in channels_last with channels in multiples of 4; other numbers (3 in, 3 out) are filled up with zeros.

import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { scope } from "../scope.js";
import { record } from "../tape.js";
import { layoutFor, type Shape, show, type Tensor } from "../tensor.js";
import { add } from "./binary.js";
import { type ConvOptions, checkConv, sides } from "./convolution.js";
import { correlate, slide, spread } from "./convolution_parts.js";
import { ceil4, cutFrom, fitted } from "./fitted.js";
import type { Conv } from "./gemm_plan.js";
import { linearChannels } from "./linear.js";
import { channelSums, withBias } from "./weight_gradient.js";

export type { ConvOptions, Padding } from "./convolution.js";

/**
 * PyTorch's `conv2d`; the padding may differ between sides.
 *
 * @param x     (B, I, H, W)
 * @param w     (O, I, kh, kw)
 * @param bias  (O)
 * @returns     (B, O, H', W'), channels_last where O allows it
 * @throws      ShapeError if channels differ or the kernel is larger than the padded image
 */
export function conv2d(
  x: Tensor,
  w: Tensor,
  bias?: Tensor,
  { stride = 1, padding = 0, form, plus }: ConvOptions = {},
): Tensor {
  checkConv("conv2d", x, w, bias, 1);
  const [B, I, H, W] = x.shape as [number, number, number, number];
  const [O, , kh, kw] = w.shape as [number, number, number, number];
  const [top, left, bottom, right] = sides(padding);
  if (kh * kw === 1 && stride === 1 && !(top || left || bottom || right)) return linearChannels(x, w, bias, plus);

  const places = (size: number, kernel: number): number => Math.floor((size - kernel) / stride) + 1;
  const shape: Shape = [B, O, places(H + top + bottom, kh), places(W + left + right, kw)];
  if (shape[2]! < 1 || shape[3]! < 1) {
    throw new ShapeError(
      `conv2d: a kernel of w ${show(w)} does not fit into x ${show(x)} with padding ${sides(padding)}.`,
    );
  }
  if (plus && O % 4) return add(conv2d(x, w, bias, { stride, padding, form }), plus);
  const [wideI, wideO] = [ceil4(I), ceil4(O)];
  const g: Conv = {
    large: [H, W],
    small: [shape[2]!, shape[3]!],
    largeChannels: wideI,
    smallChannels: wideO,
    batch: B,
    kernel: [kh, kw],
    stride: [stride, stride],
    pad: [top, left],
  };
  const wideX: Shape = [B, wideI, H, W];
  const wideY: Shape = [B, wideO, ...g.small];
  const wideW: Shape = [wideO, wideI, kh, kw];
  return scope(() => {
    const X = fitted(x, wideX, "channels_last");
    const K = fitted(w, wideW, "channels_last");
    const widened = bias && fitted(bias, [wideO], "plain");
    const residual = plus && toLayout(plus, "channels_last");
    const y = cutFrom(wideY, shape, (y) => slide(g, { x: X, w: K, bias: widened, plus: residual, y }, form));
    const [xShape, wShape] = [x.shape, w.shape];

    const inputs = [x, w, ...(bias ? [bias] : []), ...(plus ? [plus] : [])];
    return record(y, { inputs, saved: [X, K] }, (dy, needs, take, place) => {
      const D = fitted(dy, wideY, "channels_last");
      const other = needs[0] && I % 4 === 0 ? take(0) : undefined;
      const passed = { x: D, w: K, plus: other && toLayout(other, "channels_last") };
      const dx = needs[0] ? cutFrom(wideX, xShape, (d) => spread(g, { ...passed, y: d }, form)) : null;
      if (!needs[1]) return [dx, null, ...(bias ? [needs[2] ? channelSums(D, O) : null] : []), ...(plus ? [dy] : [])];
      const fill = (dw: Tensor, sums: boolean) => correlate({ ...g, sums }, { large: X, small: D, dw }, form);
      const home = [place(1), bias && place(2)] as const;
      const { dw, db } = withBias(wideW, "channels_last", D, Boolean(bias && needs[2]), [X], fill, home);
      const grads = [
        dx,
        fitted(dw, wShape, layoutFor(wShape)),
        ...(bias ? [db ? fitted(db, [O], "plain") : null] : []),
      ];
      return plus ? [...grads, dy] : grads;
    });
  });
}
