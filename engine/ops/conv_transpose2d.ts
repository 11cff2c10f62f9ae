// Transposed convolution, and its gradients: conv2d with its input and its output exchanged.
//
//   y[p] = sum over taps and places o with o stride - pad + tap = p of w[tap]^T x[o]  + bias
//   dx = conv2d of dy with w     dw[tap] = sum_o x[o] dy[o stride - pad + tap]     dbias = sum of dy

import { ShapeError } from "../errors.js";
import { scope } from "../scope.js";
import { record } from "../tape.js";
import { layoutFor, type Shape, show, type Tensor } from "../tensor.js";
import { type ConvOptions, checkConv, sides } from "./convolution.js";
import { correlate, slide, spread } from "./convolution_parts.js";
import { ceil4, cutFrom, fitted } from "./fitted.js";
import type { Conv } from "./gemm_plan.js";
import { channelSums, withBias } from "./weight_gradient.js";

/**
 * PyTorch's `conv_transpose2d` without output padding.
 *
 * @param x     (B, I, H, W)
 * @param w     (I, O, kh, kw)
 * @param bias  (O)
 * @returns     (B, O, (H - 1) stride + kh - top - bottom, (W - 1) stride + kw - left - right), channels_last where O allows it
 */
export function convTranspose2d(
  x: Tensor,
  w: Tensor,
  bias?: Tensor,
  { stride = 1, padding = 0, form }: ConvOptions = {},
): Tensor {
  checkConv("convTranspose2d", x, w, bias, 0);
  const [B, I, H, W] = x.shape as [number, number, number, number];
  const [, O, kh, kw] = w.shape as [number, number, number, number];
  const [top, left, bottom, right] = sides(padding);
  const shape: Shape = [B, O, (H - 1) * stride + kh - top - bottom, (W - 1) * stride + kw - left - right];
  if (shape[2]! < 1 || shape[3]! < 1) {
    throw new ShapeError(`convTranspose2d: padding ${sides(padding)} leaves nothing of x ${show(x)} by w ${show(w)}.`);
  }
  const [wideI, wideO] = [ceil4(I), ceil4(O)];
  const g: Conv = {
    large: [shape[2]!, shape[3]!],
    small: [H, W],
    largeChannels: wideO,
    smallChannels: wideI,
    batch: B,
    kernel: [kh, kw],
    stride: [stride, stride],
    pad: [top, left],
  };
  const wideX: Shape = [B, wideI, H, W];
  const wideY: Shape = [B, wideO, ...g.large];
  const wideW: Shape = [wideI, wideO, kh, kw];
  return scope(() => {
    const X = fitted(x, wideX, "channels_last");
    const K = fitted(w, wideW, "channels_last");
    const widened = bias && fitted(bias, [wideO], "plain");
    const y = cutFrom(wideY, shape, (y) => spread(g, { x: X, w: K, bias: widened, y }, form));
    const [xShape, wShape] = [x.shape, w.shape];

    return record(y, { inputs: bias ? [x, w, bias] : [x, w], saved: [X, K] }, (dy, needs, _, place) => {
      const D = fitted(dy, wideY, "channels_last");
      const dx = needs[0] ? cutFrom(wideX, xShape, (d) => slide(g, { x: D, w: K, y: d }, form)) : null;
      const fill = (dw: Tensor) => correlate(g, { large: D, small: X, dw }, form);
      const wide = needs[1] && withBias(wideW, "channels_last", D, false, [X], fill, [place(1), undefined]).dw;
      const dw = wide ? fitted(wide, wShape, layoutFor(wShape)) : null;
      return bias ? [dx, dw, needs[2] ? channelSums(D, O) : null] : [dx, dw];
    });
  });
}
