// The feed-forward layer of attention blocks: two linear layers on the channels with GELU between, and a residual.
//
//   z = w1 x + bias1,  y = w2 gelu(z) + bias2 + plus
//   dz = (w2^T dy) gelu'(z),  dx = w1^T dz,  dplus = dy       dw, dbias as in linear.ts, of gelu(z) and dy, and of x and dz
//
// On GPUs the first product writes gelu(z) behind z, and the gradient's product multiplies by gelu'(z). Else GELU is a kernel.

import { device } from "../device.js";
import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { bindable, viewOf } from "../parts.js";
import { scope } from "../scope.js";
import { record } from "../tape.js";
import { empty, layoutFor, type Shape, show, type Tensor } from "../tensor.js";
import { gemm } from "./gemm.js";
import { linearChannels } from "./linear.js";
import { behind } from "./tiled_plan.js";
import { gelu } from "./unary.js";
import { productGradients } from "./weight_gradient.js";

/** A linear layer: weight (O, I) and bias (O). */
export interface Layer {
  w: Tensor;
  bias: Tensor;
}

/**
 * PyTorch's `lin2(gelu(lin1(x))) + plus`, with both layers on dimension 1.
 *
 * @param x      (B, C, L)
 * @param plus   (B, C', L)
 * @returns      (B, C', L), channels_last where C' allows it
 */
export function feedForward(x: Tensor, first: Layer, second: Layer, plus: Tensor): Tensor {
  const [B, C, L] = x.shape as [number, number, number];
  const [hidden, O] = [first.w.dim(0), second.w.dim(0)];
  const [rows, n] = [B * L, B * L * hidden];
  const fits =
    first.w.dim(1) === C && second.w.dim(1) === hidden && first.bias.size === hidden && second.bias.size === O;
  if (x.shape.length !== 3 || !fits) {
    throw new ShapeError(`feedForward: x ${show(x)} does not fit w ${show(first.w)} and ${show(second.w)}.`);
  }
  if (device().family !== "tiled" || (C | hidden | O) % 4 || !bindable([x, plus, { size: behind(n) + n }])) {
    return linearChannels(gelu(linearChannels(x, first.w, first.bias)), second.w, second.bias, plus);
  }
  const shape: Shape = [B, O, L];
  return scope(() => {
    const X = toLayout(x, "channels_last");
    const both = empty([behind(n) + n]);
    const [z, h] = [0, behind(n)].map((from) => viewOf(both, [B, hidden, L], "channels_last", from)) as [
      Tensor,
      Tensor,
    ];
    const up = { rows, cols: hidden, depth: C, a: along(C), b: along(C), out: along(hidden), gelu: "behind" } as const;
    gemm(up, { a: X, b: first.w, bias: first.bias, out: both });
    const y = empty(shape, "f32", "channels_last");
    const down = { rows, cols: O, depth: hidden, a: along(hidden), b: along(hidden), out: along(O) };
    gemm(down, { a: h, b: second.w, bias: second.bias, plus: toLayout(plus, "channels_last"), out: y });

    const inputs = [x, first.w, first.bias, second.w, second.bias, plus];
    return record(y, { inputs, saved: [X, first.w, second.w, z, h] }, (given, needs, take, place) => {
      const dy = toLayout(given, "channels_last");
      const outer = productGradients(dy, h, needs[4]!, [place(3), place(4)]);
      const dz = empty(z.shape, "f32", "channels_last");
      const toHidden = { rows, cols: hidden, depth: O, a: along(O), b: across(hidden), out: along(hidden) };
      gemm({ ...toHidden, gelu: "slope" }, { a: dy, b: second.w, plus: z, out: dz });
      const inner = productGradients(dz, X, needs[2]!, [place(1), place(2)]);
      const dx = needs[0] ? empty(X.shape, "f32", "channels_last") : null;
      const other = dx && take(0);
      const toInput = { rows, cols: C, depth: hidden, a: along(hidden), b: across(C), out: along(C) };
      if (dx) gemm(toInput, { a: dz, b: first.w, plus: other ? toLayout(other, "channels_last") : undefined, out: dx });
      const weight = (dw: Tensor, { w }: Layer) => dw.alias(w.shape, layoutFor(w.shape));
      return [dx, weight(inner.dw, first), inner.db ?? null, weight(outer.dw, second), outer.db ?? null, dy];
    });
  });
}

const along = (ld: number) => ({ contiguous: true, ld });
const across = (ld: number) => ({ contiguous: false, ld });
